//! The page that an invitation's link leads to.
//!
//! The link's secret stands behind its `#`: browsers keep that part to themselves, so no proxy and no log sees it. The page's script puts
//! it into the form; without scripts, people do.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use kms_app::Error;
use kms_app::invitations::{Newcomer, OpenInvitation};
use kms_core::secret::SecretString;

use super::access::role_label;
use super::error::WebResult;
use super::form::{Field, Form, Given};
use super::frame::Look;
use super::page::{Page, go, refuse};
use super::session::Visit;
use crate::api::extract::Issues;
use crate::state::ServerState;

pub(crate) const PATH: &str = "/invitations";

#[derive(Template)]
#[template(path = "invitation/code.html")]
struct CodePage {
    look: Look,
    form: Form,
}

#[derive(Template)]
#[template(path = "invitation/invitation.html")]
struct InvitationPage {
    look: Look,
    organization: String,
    invited_by: String,
    email: String,
    role: &'static str,
    /// None for somebody who has a login and is not logged in with it.
    form: Option<Form>,
}

fn code_form() -> Form {
    let field = Field::text("token", "Code of the invitation")
        .required()
        .mono()
        .helped("What stands after # in the link.");
    Form::new("invitation", PATH, "Continue", vec![field]).own_page()
}

fn newcomer_form(token: &str) -> Form {
    let fields = vec![
        Field::hidden("token", token),
        Field::hidden("step", "join"),
        Field::text("name", "Your name"),
        Field::new_password("password", "Choose a password"),
    ];
    Form::new("invitation", PATH, "Join", fields).busy("Joining…").own_page()
}

fn join_form(token: &str) -> Form {
    let fields = vec![Field::hidden("token", token), Field::hidden("step", "join")];
    Form::new("invitation", PATH, "Join", fields).busy("Joining…").own_page()
}

fn page(visit: &Visit, invitation: OpenInvitation, token: &str, again: Option<Form>) -> InvitationPage {
    let is_them = visit.signed_in.as_ref().is_some_and(|one| one.user().email == invitation.email);
    let form = match (invitation.has_login, is_them) {
        (false, _) => Some(newcomer_form(token)),
        (true, true) => Some(join_form(token)),
        (true, false) => None,
    };
    InvitationPage {
        look: visit.look,
        organization: invitation.org.name,
        invited_by: invitation.invited_by,
        role: role_label(invitation.role.slug()),
        form: again.or(form),
        email: invitation.email,
    }
}

pub(super) async fn show(visit: Visit) -> WebResult {
    Ok(Page(CodePage {
        look: visit.look,
        form: code_form(),
    })
    .into_response())
}

/// The steps of one page: the code, then what the invitation asks for.
pub(super) async fn accept(State(state): State<ServerState>, visit: Visit, given: Given) -> WebResult {
    let token = given.text("token").trim();
    let invitation = match state.app.find_invitation(SecretString::new(token)).await {
        Ok(invitation) => invitation,
        Err(error @ Error::NotFound { .. }) => {
            // The code is no good, so it may stand in the page again.
            let form = code_form().filled(&given).refused_at("token", &error);
            return Ok(refuse(visit.part, form, |form| CodePage { look: visit.look, form }));
        }
        Err(other) => return Err(other.into()),
    };
    if given.text("step") != "join" {
        return Ok(Page(page(&visit, invitation, token, None)).into_response());
    }
    match (invitation.has_login, &visit.signed_in) {
        (true, Some(signed_in)) => {
            let org = state.app.join_by_invitation(signed_in, SecretString::new(token)).await?;
            let session = state.app.select_org(signed_in, org.id).await?;
            Ok(joined(&visit, &session))
        }
        (true, None) => Ok(Page(page(&visit, invitation, token, None)).into_response()),
        (false, _) => newcomer(&state, &visit, invitation, token, &given).await,
    }
}

async fn newcomer(state: &ServerState, visit: &Visit, invitation: OpenInvitation, token: &str, given: &Given) -> WebResult {
    let accepted = async {
        let mut issues = Issues::new();
        let (first_name, last_name) = given.person_name(&mut issues, "name");
        let password = given.new_password(&mut issues, "password");
        issues.finish()?;
        let newcomer = Newcomer {
            first_name,
            last_name,
            password,
        };
        state.app.accept_invitation(SecretString::new(token), newcomer, &visit.origin).await
    };
    match accepted.await {
        Ok(session) => Ok(joined(visit, &session)),
        Err(error @ (Error::BadRequest { .. } | Error::Invalid { .. })) => {
            let form = newcomer_form(token).filled(given).refused(&error);
            Ok(refuse(visit.part, form, |form| page(visit, invitation, token, Some(form))))
        }
        Err(other) => Err(other.into()),
    }
}

fn joined(visit: &Visit, session: &kms_app::sessions::SessionGrant) -> Response {
    let mut response = go(visit.part, "/projects?done=joined");
    visit.cookies.keep(&mut response, session);
    response
}
