//! The cookie `jid`: it holds the token that renews a person's session.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use kms_app::sessions::SessionGrant;
use kms_core::secret::SecretString;

use crate::state::{ServerState, cookie, is_https};

const NAME: &str = "jid";

/// How the cookie is set for this request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CookiePlace {
    secure: bool,
}

impl CookiePlace {
    /// The headers that set the cookie; none where the session's token stays.
    pub(crate) fn set(self, grant: &SessionGrant) -> HeaderMap {
        match &grant.refresh_token {
            Some(token) => self.header(token.expose(), grant.session_ttl.as_secs()),
            None => HeaderMap::new(),
        }
    }

    /// The headers that remove the cookie.
    pub(crate) fn clear(self) -> HeaderMap {
        self.header("", 0)
    }

    fn header(self, value: &str, seconds: u64) -> HeaderMap {
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!("{NAME}={value}; HttpOnly; Path=/; SameSite=Strict; Max-Age={seconds}{secure}");
        let mut headers = HeaderMap::new();
        // Tokens consist of letters, digits and underscores.
        if let Ok(mut value) = HeaderValue::from_str(&text) {
            value.set_sensitive(true);
            headers.insert(header::SET_COOKIE, value);
        }
        headers
    }
}

/// Extracts how the cookie is set: secure on https.
#[derive(Debug)]
pub(crate) struct Place(pub(crate) CookiePlace);

impl FromRequestParts<ServerState> for Place {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &ServerState) -> Result<Self, Infallible> {
        Ok(Self(CookiePlace {
            secure: is_https(parts, &state.settings),
        }))
    }
}

/// Extracts the token in the cookie.
#[derive(Debug)]
pub(crate) struct RefreshCookie(pub(crate) Option<SecretString>);

impl FromRequestParts<ServerState> for RefreshCookie {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &ServerState) -> Result<Self, Infallible> {
        Ok(Self(cookie(&parts.headers, NAME).map(SecretString::new)))
    }
}
