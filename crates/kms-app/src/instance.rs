//! The instance: its first start and its settings.

use kms_core::audit::{AuditActor, Origin};
use kms_core::ids::{IdentityId, TokenAuthId, UserId};
use kms_core::names::Email;
use kms_core::network::TrustedAddress;
use kms_core::secret::SecretString;
use kms_store::Tx;
use kms_store::identities::IdentityRecord;
use kms_store::identity_tokens::TokenLimits;
use kms_store::organizations::{OrgRecord, Principal};
use kms_store::token_auth::TokenAuthRecord;
use kms_store::users::UserRecord;
use serde_json::json;

use crate::actor::Actor;
use crate::audit::Event;
use crate::identity_tokens::NewToken;
use crate::sessions::SessionGrant;
use crate::{App, Error};

pub use kms_store::instance::InstanceRecord;

/// Who sets up the instance, and what their organization is called.
#[derive(Debug, Clone)]
pub struct FirstAdmin {
    /// E-mail address.
    pub email: Email,
    /// Password.
    pub password: SecretString,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// Name of the organization.
    pub organization: String,
}

/// What an unattended first start made.
#[derive(Debug, Clone)]
pub struct Bootstrapped {
    /// The administrator.
    pub user: UserRecord,
    /// Their organization.
    pub org: OrgRecord,
    /// A machine identity that administers both.
    pub identity: IdentityRecord,
    /// Its token, without an end.
    pub token: SecretString,
}

/// What a first start on the screen made.
#[derive(Debug, Clone)]
pub struct SignedUp {
    /// The administrator.
    pub user: UserRecord,
    /// Their organization.
    pub org: OrgRecord,
    /// Their session.
    pub session: SessionGrant,
}

/// Changes of the instance's settings; what is absent stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct InstanceChanges {
    /// Whether people may sign up by themselves.
    pub allow_sign_up: Option<bool>,
}

fn set_up_already() -> Error {
    Error::bad_request("this instance has been set up already; nothing was changed. Log in instead")
}

impl App {
    /// The instance's settings.
    pub async fn get_instance(&self) -> Result<InstanceRecord, Error> {
        self.store()
            .read()
            .find_instance()
            .await?
            .ok_or_else(|| Error::internal("the row about the instance is missing"))
    }

    /// Changes the instance's settings.
    pub async fn update_instance(&self, actor: &Actor, changes: InstanceChanges) -> Result<InstanceRecord, Error> {
        if actor.user_id().is_none() {
            return Err(Error::forbidden("this is for people; a machine identity cannot do it"));
        }
        if !actor.is_instance_admin() {
            return Err(Error::forbidden("only an administrator of the instance may do this"));
        }
        let tx = self.store().write().await?;
        if let Some(allowed) = changes.allow_sign_up {
            tx.update_sign_up(allowed).await?;
            let event = Event::in_org("update-instance-config", json!({ "allowSignUp": allowed }));
            tx.insert_audit(&[self.entry(actor, event)]).await?;
        }
        tx.commit().await?;
        self.get_instance().await
    }

    /// The unattended first start: an administrator, an organization, and a machine identity with a token. Of several tries, at
    /// the same time or one after the other, exactly one succeeds; the others change nothing.
    pub async fn bootstrap(&self, admin: FirstAdmin, origin: &Origin) -> Result<Bootstrapped, Error> {
        let now = self.now();
        let (tx, user, org) = self.set_up(admin).await?;
        let identity = IdentityRecord {
            id: IdentityId::random(self.entropy()),
            org: org.id,
            name: "Instance Admin Identity".to_owned(),
            delete_protection: false,
            instance_admin: true,
            metadata: json!([]),
            last_login_method: None,
            last_login_at: None,
            created_at: now,
            updated_at: now,
        };
        tx.insert_identity(&identity).await?;
        self.insert_org_admin(&tx, org.id, Principal::Identity(identity.id)).await?;
        let limits = TokenLimits {
            ttl: 0,
            max_ttl: 0,
            uses_limit: 0,
            period: 0,
            trusted: TrustedAddress::anywhere(),
        };
        tx.insert_token_auth(&TokenAuthRecord {
            id: TokenAuthId::random(self.entropy()),
            identity: identity.id,
            limits: limits.clone(),
            created_at: now,
            updated_at: now,
        })
        .await?;
        let new = NewToken {
            org: &org,
            identity: &identity,
            auth_method: "token-auth",
            client_secret: None,
            name: Some("Instance Admin Token".to_owned()),
            limits,
        };
        let (token, grant) = self.issue_identity_token(&tx, new).await?;
        let by = AuditActor::User {
            id: user.id,
            email: user.email.clone(),
        };
        let entries = [
            ("create-identity", json!({ "identityId": identity.id, "name": identity.name })),
            ("add-identity-token-auth", json!({ "identityId": identity.id })),
            (
                "create-token-identity-token-auth",
                json!({ "identityId": identity.id, "tokenId": token.id }),
            ),
        ]
        .map(|(name, metadata)| self.entry_of(org.id, by.clone(), origin.clone(), Event::in_org(name, metadata)));
        tx.insert_audit(&entries).await?;
        tx.commit().await?;
        Ok(Bootstrapped {
            user,
            org,
            identity,
            token: grant.access_token,
        })
    }

    /// The first start on the screen: an administrator, an organization, and a session. As [`App::bootstrap`], exactly one succeeds.
    pub async fn sign_up_first_admin(&self, admin: FirstAdmin, origin: &Origin) -> Result<SignedUp, Error> {
        let (tx, user, org) = self.set_up(admin).await?;
        let session = self.begin_session(&tx, &user, Some(org.id), origin).await?;
        let by = AuditActor::User {
            id: user.id,
            email: user.email.clone(),
        };
        tx.insert_audit(&[self.entry_of(org.id, by, origin.clone(), Event::in_org("user-login", json!({})))])
            .await?;
        tx.commit().await?;
        Ok(SignedUp { user, org, session })
    }

    /// Claims the set-up and makes the administrator and the organization, in a transaction that the caller finishes.
    async fn set_up(&self, admin: FirstAdmin) -> Result<(Tx, UserRecord, OrgRecord), Error> {
        // Saves strangers from making the server hash passwords; the claim below decides.
        if self.get_instance().await?.initialized {
            return Err(set_up_already());
        }
        let hash = self.hash_password(admin.password).await?;
        let now = self.now();
        let tx = self.store().write().await?;
        if !tx.claim_setup().await? {
            return Err(set_up_already());
        }
        let user = UserRecord {
            id: UserId::random(self.entropy()),
            email: admin.email.as_str().to_owned(),
            first_name: admin.first_name,
            last_name: admin.last_name,
            password_hash: Some(SecretString::new(hash.as_str())),
            instance_admin: true,
            created_at: now,
            updated_at: now,
        };
        tx.insert_user(&user).await?;
        let org = self.found_org(&tx, admin.organization, Principal::User(user.id)).await?;
        Ok((tx, user, org))
    }
}
