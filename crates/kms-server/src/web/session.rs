//! Who looks at the screens: cookies, the layer around every screen, and the extractor that screens take.
//!
//! The dashboard has two cookies of its own, out of reach for scripts: the access token, and the token that renews it. Forms are
//! protected against other sites by what browsers say about where a request comes from (`Sec-Fetch-Site`, `Origin`; see
//! [`super::routes`]), and by `SameSite`.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use kms_app::actor::Actor;
use kms_app::authentication::SignedIn;
use kms_app::sessions::SessionGrant;
use kms_app::{App, Error};
use kms_core::audit::Origin;
use kms_core::secret::SecretString;

use super::error::{Unshown, WebError};
use super::frame::{Look, Theme};
use super::page::{encoded, go};
use crate::api::extract::origin;
use crate::middleware::RequestId;
use crate::state::{HttpSettings, ServerState, cookie, is_https};

const ACCESS: &str = "kms-access";
const RENEWAL: &str = "kms-session";
const THEME: &str = "kms-theme";
/// Browsers take a cookie with this prefix only from the host itself, over https, for the whole of it.
const HOST_ONLY: &str = "__Host-";

/// How cookies are set for this request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cookies {
    secure: bool,
}

impl Cookies {
    fn of(parts: &Parts, settings: &HttpSettings) -> Self {
        Self {
            secure: is_https(parts, settings),
        }
    }

    fn name(self, name: &str) -> String {
        if self.secure {
            format!("{HOST_ONLY}{name}")
        } else {
            name.to_owned()
        }
    }

    fn read<'a>(self, headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
        cookie(headers, &self.name(name))
    }

    fn set(self, response: &mut Response, name: &str, value: &str, seconds: u64) {
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!(
            "{}={value}; HttpOnly; Path=/; SameSite=Lax; Max-Age={seconds}{secure}",
            self.name(name)
        );
        // Tokens consist of letters, digits, dots, dashes and underscores.
        if let Ok(mut value) = HeaderValue::from_str(&text) {
            value.set_sensitive(true);
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }

    /// Keeps a session.
    pub(super) fn keep(self, response: &mut Response, grant: &SessionGrant) {
        let seconds = grant.session_ttl.as_secs();
        self.set(response, ACCESS, grant.access_token.expose(), seconds);
        if let Some(token) = &grant.refresh_token {
            self.set(response, RENEWAL, token.expose(), seconds);
        }
    }

    /// Forgets the session.
    pub(super) fn forget(self, response: &mut Response) {
        self.set(response, ACCESS, "", 0);
        self.set(response, RENEWAL, "", 0);
    }

    /// Keeps the choice of colours.
    pub(super) fn keep_theme(self, response: &mut Response, theme: Theme) {
        self.set(response, THEME, theme.word(), 365 * 24 * 3600);
    }
}

/// What is known of every request for a screen.
#[derive(Clone)]
pub(super) struct Visit {
    pub(super) cookies: Cookies,
    pub(super) look: Look,
    pub(super) origin: Origin,
    /// Only a part of a page is wanted.
    pub(super) part: bool,
    pub(super) signed_in: Option<SignedIn>,
}

impl FromRequestParts<ServerState> for Visit {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, _state: &ServerState) -> Result<Self, WebError> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| WebError(Error::internal("a screen stands outside its layer")))
    }
}

/// Somebody who is logged in and works in an organization.
#[derive(Clone)]
pub(super) struct Viewer {
    pub(super) actor: Actor,
    pub(super) signed_in: SignedIn,
    pub(super) look: Look,
    pub(super) part: bool,
    /// What was just done, as the address says.
    pub(super) done: Option<String>,
}

impl FromRequestParts<ServerState> for Viewer {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, _state: &ServerState) -> Result<Self, WebError> {
        let anonymous = || WebError(Error::unauthorized("log in to see this"));
        let visit = parts.extensions.get::<Visit>().ok_or_else(anonymous)?.clone();
        let actor = parts.extensions.get::<Actor>().ok_or_else(anonymous)?.clone();
        let done = parts
            .uri
            .query()
            .into_iter()
            .flat_map(|query| query.split('&'))
            .find_map(|pair| pair.strip_prefix("done="))
            .map(str::to_owned);
        Ok(Self {
            actor,
            signed_in: visit.signed_in.ok_or_else(anonymous)?,
            look: visit.look,
            part: visit.part,
            done,
        })
    }
}

const PART: HeaderName = HeaderName::from_static("hx-request");

/// How pages look to whoever asks.
pub(super) fn look(parts: &Parts, settings: &HttpSettings) -> Look {
    let chosen = Cookies::of(parts, settings).read(&parts.headers, THEME);
    Look {
        theme: Theme::from_word(chosen.unwrap_or_default()),
    }
}

/// Goes around every screen: finds out who looks, renews sessions, shows errors.
pub(super) async fn around(State(state): State<ServerState>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let cookies = Cookies::of(&parts, &state.settings);
    let look = look(&parts, &state.settings);
    let part = parts.headers.contains_key(PART);
    let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    let came_from = origin(&parts);
    let login = login_address(&parts);

    let known = recognise(&state.app, cookies, &parts.headers, &came_from).await;
    let (known, renewed) = match known {
        Ok(found) => found,
        Err(error) => {
            let unshown = WebError(error).into_response().extensions_mut().remove::<Unshown>();
            let unshown = unshown.unwrap_or_else(|| Unshown::new(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong."));
            return finished(unshown.show(look, part, &request_id));
        }
    };
    let (signed_in, actor) = known.unzip();
    parts.extensions.insert(Visit {
        cookies,
        look,
        origin: came_from,
        part,
        signed_in,
    });
    if let Some(actor) = actor.flatten() {
        parts.extensions.insert(actor);
    }
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if let Some(unshown) = response.extensions_mut().remove::<Unshown>() {
        response = if unshown.login {
            go(part, &login)
        } else {
            unshown.show(look, part, &request_id)
        };
    }
    if let Some(grant) = &renewed
        && !response.headers().contains_key(header::SET_COOKIE)
    {
        cookies.keep(&mut response, grant);
    }
    finished(response)
}

/// Where somebody who is not logged in is led: and from there back, if the page can be read again.
fn login_address(parts: &Parts) -> String {
    match parts.uri.path_and_query() {
        Some(wanted) if parts.method == Method::GET && wanted.as_str() != "/" && !parts.headers.contains_key(PART) => {
            format!("/login?next={}", encoded(wanted.as_str()))
        }
        _ => "/login".to_owned(),
    }
}

/// A form's origin is only told to the site itself; browsers leave it out altogether under the API's stricter rule.
fn finished(mut response: Response) -> Response {
    response
        .headers_mut()
        .entry(header::REFERRER_POLICY)
        .or_insert(HeaderValue::from_static("same-origin"));
    response
}

type Known = Option<(SignedIn, Option<Actor>)>;

/// Who the cookies belong to, and the new tokens if the old one had run out. Nobody, if they are good no longer.
async fn recognise(app: &App, cookies: Cookies, headers: &HeaderMap, origin: &Origin) -> Result<(Known, Option<SessionGrant>), Error> {
    if let Some(access) = cookies.read(headers, ACCESS) {
        match by_access(app, access, origin).await {
            Err(Error::Token { .. } | Error::Unauthorized { .. } | Error::Forbidden { .. }) => {}
            other => return other.map(|known| (Some(known), None)),
        }
    }
    let Some(renewal) = cookies.read(headers, RENEWAL) else {
        return Ok((None, None));
    };
    let grant = match app.renew_session(SecretString::new(renewal)).await {
        Ok(grant) => grant,
        Err(Error::Unauthorized { .. }) => return Ok((None, None)),
        Err(other) => return Err(other),
    };
    let known = by_access(app, grant.access_token.expose(), origin).await?;
    Ok((Some(known), Some(grant)))
}

async fn by_access(app: &App, access: &str, origin: &Origin) -> Result<(SignedIn, Option<Actor>), Error> {
    let signed_in = app.authenticate_user(access, origin.clone()).await?;
    let actor = match signed_in.org() {
        Some(_) => Some(app.authenticate(access, origin.clone()).await?),
        None => None,
    };
    Ok((signed_in, actor))
}
