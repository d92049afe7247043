//! People and organizations beside the administrator's. They come by invitation, which is no matter of these tests: they are
//! written into the database.

use kms_core::entropy::SeededEntropy;
use kms_core::ids::{MembershipId, OrgId, UserId};
use kms_core::permission::OrgRole;
use kms_core::secret::SecretString;
use kms_core::time::Clock as _;
use kms_crypto::password::Passwords;
use kms_store::organizations::{OrgMemberRecord, OrgRecord, Principal};
use kms_store::users::UserRecord;
use serde_json::{Value, json};

use super::{Caller, TestApp};

/// The password of everybody who is added.
pub(crate) const PASSWORD: &str = "the-password-of-everybody";

impl TestApp {
    /// Another organization.
    pub(crate) async fn add_org(&self, name: &str) -> OrgId {
        let now = self.clock.now();
        let org = OrgRecord {
            id: OrgId::random(self.app.entropy()),
            name: name.to_owned(),
            slug: name.to_lowercase(),
            created_at: now,
            updated_at: now,
        };
        let tx = self.store.write().await.unwrap();
        tx.insert_org(&org).await.unwrap();
        tx.commit().await.unwrap();
        org.id
    }

    /// Another person.
    pub(crate) async fn add_person(&self, email: &str) -> UserId {
        let now = self.clock.now();
        let hash = Passwords::fast_for_tests().hash(&SecretString::new(PASSWORD), &SeededEntropy::new(7));
        self.remember_secret(hash.as_str());
        let user = UserRecord {
            id: UserId::random(self.app.entropy()),
            email: email.to_owned(),
            first_name: Some("Some".to_owned()),
            last_name: None,
            password_hash: Some(SecretString::new(hash.as_str())),
            instance_admin: false,
            created_at: now,
            updated_at: now,
        };
        let tx = self.store.write().await.unwrap();
        tx.insert_user(&user).await.unwrap();
        tx.commit().await.unwrap();
        user.id
    }

    /// Makes somebody a member of an organization.
    pub(crate) async fn join(&self, who: Principal, org: OrgId, role: OrgRole) {
        let now = self.clock.now();
        let tx = self.store.write().await.unwrap();
        tx.insert_org_member(&OrgMemberRecord {
            id: MembershipId::random(self.app.entropy()),
            org,
            principal: who,
            role,
            created_at: now,
            updated_at: now,
        })
        .await
        .unwrap();
        tx.commit().await.unwrap();
    }

    /// Logs a person in; no organization is selected yet.
    pub(crate) async fn log_in(&self, email: &str, password: &str) -> Caller {
        let body = json!({ "email": email, "password": password });
        let answer = self.nobody().post("/api/v3/auth/login", body).await.ok();
        self.caller(answer["accessToken"].as_str().unwrap())
    }

    /// Logs a person in and selects an organization.
    pub(crate) async fn log_in_to(&self, email: &str, password: &str, org: &str) -> Caller {
        let person = self.log_in(email, password).await;
        let body = json!({ "organizationId": org });
        let answer = person.post("/api/v3/auth/select-organization", body).await.ok();
        self.caller(answer["token"].as_str().unwrap())
    }

    /// Adds a person to an organization, and logs them in there.
    pub(crate) async fn person_in(&self, org: &str, email: &str, role: OrgRole) -> Caller {
        let user = self.add_person(email).await;
        self.join(Principal::User(user), org.parse().unwrap(), role).await;
        self.log_in_to(email, PASSWORD, org).await
    }

    /// The one entry about such an event in the audit log of an organization.
    pub(crate) async fn only_event(&self, org: &str, event: &str) -> AuditLine {
        let mut found = self.events(org, event).await;
        assert_eq!(found.len(), 1, "{event}: {found:?}");
        found.remove(0)
    }

    /// The entries about such an event, newest first.
    pub(crate) async fn events(&self, org: &str, event: &str) -> Vec<AuditLine> {
        let all = self.audit(org).await;
        all.into_iter().filter(|line| line.event == event).collect()
    }

    /// The audit log of an organization, newest first, without what every entry has.
    pub(crate) async fn audit(&self, org: &str) -> Vec<AuditLine> {
        let filter = kms_store::audit::AuditFilter {
            limit: 1000,
            ..kms_store::audit::AuditFilter::default()
        };
        let entries = self.store.read().list_audit(org.parse().unwrap(), &filter).await.unwrap();
        entries
            .into_iter()
            .map(|entry| AuditLine {
                event: entry.event,
                actor_kind: entry.actor_kind,
                actor: entry.actor,
                metadata: entry.metadata,
            })
            .collect()
    }
}

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AuditLine {
    pub(crate) event: String,
    pub(crate) actor_kind: String,
    pub(crate) actor: Value,
    pub(crate) metadata: Value,
}
