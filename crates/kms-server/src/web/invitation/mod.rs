//! The page that an invitation's link leads to.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use kms_app::Error;
use kms_app::invitations::{Newcomer, OpenInvitation};
use kms_core::secret::SecretString;

use super::access::role_label;
use super::error::WebResult;
use super::form::{Field, Form, Given};
use super::frame::Look;
use super::page::{Page, encoded, go, refuse};
use super::session::Visit;
use crate::api::extract::Issues;
use crate::state::ServerState;

#[derive(Template)]
#[template(path = "invitation/invitation.html")]
struct InvitationPage {
    look: Look,
    organization: String,
    invited_by: String,
    email: String,
    role: &'static str,
    form: Option<Form>,
    /// Where somebody who has a login, and is not logged in with it, goes first.
    login: Option<String>,
}

fn newcomer_form(token: &str) -> Form {
    let fields = vec![
        Field::text("name", "Your name"),
        Field::new_password("password", "Choose a password"),
    ];
    Form::new("invitation", format!("/invitations/{token}"), "Join", fields).busy("Joining…")
}

fn join_form(token: &str) -> Form {
    Form::new("invitation", format!("/invitations/{token}"), "Join", Vec::new()).busy("Joining…")
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
        login: form
            .is_none()
            .then(|| format!("/login?next={}", encoded(&format!("/invitations/{token}")))),
        form: again.or(form),
        email: invitation.email,
    }
}

pub(super) async fn show(State(state): State<ServerState>, visit: Visit, Path(token): Path<String>) -> WebResult {
    let invitation = state.app.find_invitation(SecretString::new(token.as_str())).await?;
    Ok(Page(page(&visit, invitation, &token, None)).into_response())
}

pub(super) async fn accept(State(state): State<ServerState>, visit: Visit, Path(token): Path<String>, given: Given) -> WebResult {
    let secret = SecretString::new(token.as_str());
    let invitation = state.app.find_invitation(secret.clone()).await?;
    if invitation.has_login {
        let Some(signed_in) = &visit.signed_in else {
            return Ok(go(visit.part, &format!("/invitations/{token}")));
        };
        let org = state.app.join_by_invitation(signed_in, secret).await?;
        let session = state.app.select_org(signed_in, org.id).await?;
        let mut response = go(visit.part, "/projects?done=joined");
        visit.cookies.keep(&mut response, &session);
        return Ok(response);
    }
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
        state.app.accept_invitation(secret, newcomer, &visit.origin).await
    };
    match accepted.await {
        Ok(session) => {
            let mut response = go(visit.part, "/projects?done=joined");
            visit.cookies.keep(&mut response, &session);
            Ok(response)
        }
        Err(error @ (Error::BadRequest { .. } | Error::Invalid { .. })) => {
            let form = newcomer_form(&token).filled(&given).refused(&error);
            Ok(refuse(visit.part, form, |form| page(&visit, invitation, &token, Some(form))))
        }
        Err(other) => Err(other.into()),
    }
}
