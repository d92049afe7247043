//! Sessions of people: login, the choice of an organization, renewal, logout.

use std::time::Duration;

use kms_core::audit::Origin;
use kms_core::ids::{OrgId, SessionId};
use kms_core::secret::SecretString;
use kms_crypto::access_token::{Claims, UserClaims};
use kms_crypto::tokens::{self, PlainToken, TokenKind};
use kms_store::Tx;
use kms_store::users::{SessionRecord, UserRecord};

use crate::{App, Error};

/// How people log in so far.
pub(crate) const EMAIL: &str = "email";

/// What a person gets at login and at each renewal.
#[derive(Debug, Clone)]
pub struct SessionGrant {
    /// Goes with each request.
    pub access_token: SecretString,
    /// Gets the next access token; absent where the client keeps the one it has.
    pub refresh_token: Option<SecretString>,
    /// The organization that the access token is for.
    pub org: Option<OrgId>,
    /// How long the session lasts if it is not renewed.
    pub session_ttl: Duration,
}

impl App {
    /// Begins a session.
    pub(crate) async fn begin_session(
        &self,
        tx: &Tx,
        user: &UserRecord,
        org: Option<OrgId>,
        origin: &Origin,
    ) -> Result<SessionGrant, Error> {
        let now = self.now();
        let refresh = tokens::generate(TokenKind::RefreshToken, self.entropy());
        let session = SessionRecord {
            id: SessionId::random(self.entropy()),
            user: user.id,
            org,
            refresh_hash: refresh.hash().as_str().to_owned(),
            access_version: 1,
            address: origin.address.map(|address| address.to_string()),
            user_agent: origin.user_agent.clone(),
            created_at: now,
            last_used_at: now,
            expires_at: now + self.settings().session_ttl,
            ended_at: None,
        };
        tx.insert_session(&session).await?;
        Ok(self.session_grant(&session, Some(refresh)))
    }

    /// The tokens of a session.
    pub(crate) fn session_grant(&self, session: &SessionRecord, refresh: Option<PlainToken>) -> SessionGrant {
        let now = self.now();
        let claims = UserClaims {
            user_id: session.user,
            session_id: session.id,
            access_version: session.access_version,
            organization_id: session.org,
            sub_organization_id: None,
            auth_method: EMAIL.to_owned(),
            is_mfa_verified: None,
            mfa_method: None,
            issued_at: now,
            expires_at: now + self.settings().user_token_ttl,
        };
        SessionGrant {
            access_token: self.0.signer.sign(&Claims::User(claims)),
            refresh_token: refresh.map(PlainToken::into_secret),
            org: session.org,
            session_ttl: self.settings().session_ttl,
        }
    }
}
