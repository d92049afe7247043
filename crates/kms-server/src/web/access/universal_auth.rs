//! Universal Auth of a machine identity, on its page: settings, client secrets that are shown once.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use kms_app::Error;
use kms_app::access::OrgScope;
use kms_app::identity_tokens::LimitChanges;
use kms_app::universal_auth::{ClientSecretRecord, NewClientSecret, UniversalAuthChanges, UniversalAuthRecord};
use kms_core::ids::{ClientSecretId, IdentityId};
use kms_core::network::TrustedAddress;
use kms_core::permission::{Resource, org};

use super::identities::{LIST, page};
use super::{SECTION, below_list};
use crate::api::extract::{Issues, id};
use crate::state::{ServerState, Site};
use crate::web::error::WebResult;
use crate::web::form::{Field, Form, Given, Kind};
use crate::web::frame::Frame;
use crate::web::page::Page;
use crate::web::session::Viewer;
use crate::web::show::At;

pub(super) struct SecretRow {
    pub(super) id: ClientSecretId,
    /// Its first characters.
    pub(super) hint: String,
    pub(super) description: String,
    pub(super) uses: String,
    pub(super) last_used: Option<At>,
    pub(super) ends: Option<At>,
    pub(super) created: At,
}

impl From<ClientSecretRecord> for SecretRow {
    fn from(record: ClientSecretRecord) -> Self {
        let limit = record.uses_limit;
        Self {
            id: record.id,
            hint: record.prefix,
            description: record.description,
            uses: if limit == 0 {
                record.uses.to_string()
            } else {
                format!("{} of {limit}", record.uses)
            },
            last_used: record.last_used_at.map(At::from),
            ends: (record.ttl > 0).then(|| (record.created_at + std::time::Duration::from_secs(record.ttl)).into()),
            created: record.created_at.into(),
        }
    }
}

/// What an identity's page shows about Universal Auth.
#[derive(Default)]
pub(super) struct UniversalAuthPart {
    pub(super) client_id: Option<String>,
    pub(super) secrets: Vec<SecretRow>,
    /// Whether the viewer may see the client secrets.
    pub(super) sees_secrets: bool,
    pub(super) may_revoke: bool,
    /// Attaches it.
    pub(super) add: Option<Form>,
    pub(super) settings: Option<Form>,
    pub(super) create: Option<Form>,
    pub(super) clear: Option<Form>,
    pub(super) remove: Option<Form>,
}

fn base(identity: &str) -> String {
    format!("{LIST}/{identity}/universal-auth")
}

fn add_form(identity: &str) -> Form {
    Form::new("add-auth", format!("{}/add", base(identity)), "Add Universal Auth", Vec::new()).busy("Adding…")
}

fn settings_form(identity: &str, auth: Option<&UniversalAuthRecord>) -> Form {
    let addresses = |all: &[TrustedAddress]| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let number = |name: &str, label: &str, help: &str, value: Option<u64>| {
        Field::new(name, label, Kind::Number)
            .required()
            .helped(help)
            .valued(value.map(|value| value.to_string()).unwrap_or_default())
    };
    let limits = auth.map(|auth| &auth.limits);
    let networks = "Addresses or networks with commas between them, such as 203.0.113.7, 10.0.0.0/8. 0.0.0.0/0, ::/0 is anywhere.";
    let fields = vec![
        number(
            "accessTokenTTL",
            "Access token TTL, in seconds",
            "How long a token lives. 0 is without end.",
            limits.map(|limits| limits.ttl),
        ),
        number(
            "accessTokenMaxTTL",
            "Access token max TTL, in seconds",
            "With all renewals.",
            limits.map(|limits| limits.max_ttl),
        ),
        number(
            "accessTokenNumUsesLimit",
            "Access token max uses",
            "Requests that one token is good for. 0 is any number.",
            limits.map(|limits| limits.uses_limit),
        ),
        Field::text("clientSecretTrustedIps", "Client secret trusted IPs")
            .required()
            .mono()
            .helped(&format!("Where logins may come from. {networks}"))
            .valued(auth.map(|auth| addresses(&auth.login_trusted)).unwrap_or_default()),
        Field::text("accessTokenTrustedIps", "Access token trusted IPs")
            .required()
            .mono()
            .helped("Where requests with a token may come from.")
            .valued(limits.map(|limits| addresses(&limits.trusted)).unwrap_or_default()),
        Field::new("lockoutEnabled", "Lock out after failed logins", Kind::Switch).ticked(auth.is_none_or(|auth| auth.lockout_enabled)),
        number(
            "lockoutThreshold",
            "Failed logins in a row that lock it",
            "1 to 30.",
            auth.map(|auth| auth.lockout.threshold.into()),
        ),
        number(
            "lockoutDurationSeconds",
            "Locked for so many seconds",
            "30 to 86400.",
            auth.map(|auth| auth.lockout.duration.as_secs()),
        ),
    ];
    Form::new("auth", base(identity), "Save", fields).secondary()
}

fn create_form(identity: &str) -> Form {
    let fields = vec![
        Field::text("description", "Description").helped("What it is for, or where it is kept."),
        Field::new("ttl", "TTL, in seconds", Kind::Number)
            .required()
            .helped("How long it is good for. 0 is without end.")
            .valued("0"),
        Field::new("numUsesLimit", "Max uses", Kind::Number)
            .required()
            .helped("Logins that it is good for. 0 is any number.")
            .valued("0"),
    ];
    let action = format!("{LIST}/{identity}/client-secrets");
    Form::new("client-secret", action, "Create Client Secret", fields)
        .busy("Creating…")
        .own_page()
}

fn clear_form(identity: &str) -> Form {
    Form::new(
        "clear-lockouts",
        format!("{}/clear-lockouts", base(identity)),
        "Clear lockouts",
        Vec::new(),
    )
    .secondary()
}

fn remove_form(identity: &str) -> Form {
    Form::new(
        "remove-auth",
        format!("{}/remove", base(identity)),
        "Remove Universal Auth",
        Vec::new(),
    )
    .busy("Removing…")
    .danger()
}

/// `covered`: the viewer has at least the identity's rights. `again`: the form of the page that was not accepted.
pub(super) async fn of_identity(
    state: &ServerState,
    viewer: &Viewer,
    scope: &OrgScope,
    identity: IdentityId,
    methods: &[&str],
    covered: bool,
    again: Option<&Form>,
) -> Result<UniversalAuthPart, Error> {
    let text = identity.to_string();
    let may = |permission| covered && scope.allows(permission, &Resource::ANY);
    if !methods.contains(&"universal-auth") {
        return Ok(UniversalAuthPart {
            add: may(org::IDENTITY_EDIT).then(|| add_form(&text).or_again(again)),
            ..UniversalAuthPart::default()
        });
    }
    let auth = state.app.get_universal_auth(&viewer.actor, identity).await?;
    let sees_secrets = scope.allows(org::IDENTITY_GET_TOKEN, &Resource::ANY);
    let secrets = if sees_secrets {
        state.app.list_client_secrets(&viewer.actor, identity).await?
    } else {
        Vec::new()
    };
    Ok(UniversalAuthPart {
        secrets: secrets.into_iter().map(SecretRow::from).collect(),
        sees_secrets,
        may_revoke: may(org::IDENTITY_DELETE_TOKEN),
        add: None,
        settings: may(org::IDENTITY_EDIT).then(|| settings_form(&text, Some(&auth)).or_again(again)),
        create: may(org::IDENTITY_CREATE_TOKEN).then(|| create_form(&text).or_again(again)),
        clear: (auth.lockout_enabled && may(org::IDENTITY_EDIT)).then(|| clear_form(&text).or_again(again)),
        remove: may(org::IDENTITY_REVOKE_AUTH).then(|| remove_form(&text).or_again(again)),
        client_id: Some(auth.client_id),
    })
}

fn networks(given: &Given, issues: &mut Issues, name: &str) -> Vec<TrustedAddress> {
    let parsed: Option<Vec<_>> = given
        .text(name)
        .split([',', ' '])
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(|text| TrustedAddress::parse(text).ok())
        .collect();
    issues.check(
        parsed.as_ref().is_some_and(|parsed| !parsed.is_empty()),
        name,
        "invalid_string",
        "must be addresses or networks with commas between them, as in 203.0.113.7, 10.0.0.0/8",
    );
    parsed.unwrap_or_default()
}

pub(in crate::web) async fn add(State(state): State<ServerState>, viewer: Viewer, Path(text): Path<String>, given: Given) -> WebResult {
    let identity = id("identityId", &text)?;
    let added = state
        .app
        .attach_universal_auth(&viewer.actor, identity, UniversalAuthChanges::default());
    match added.await {
        Ok(_auth) => Ok(viewer.go(&format!("{LIST}/{text}?done=auth-added"))),
        Err(error) => {
            viewer
                .refuse(error, add_form(&text), &given, None, |form| {
                    page(&state, &viewer, &text, Some(form))
                })
                .await
        }
    }
}

pub(in crate::web) async fn save(State(state): State<ServerState>, viewer: Viewer, Path(text): Path<String>, given: Given) -> WebResult {
    let saved = async {
        let mut issues = Issues::new();
        let changes = UniversalAuthChanges {
            limits: LimitChanges {
                ttl: given.required_number(&mut issues, "accessTokenTTL"),
                max_ttl: given.required_number(&mut issues, "accessTokenMaxTTL"),
                uses_limit: given.required_number(&mut issues, "accessTokenNumUsesLimit"),
                period: None,
                trusted: Some(networks(&given, &mut issues, "accessTokenTrustedIps")),
            },
            login_trusted: Some(networks(&given, &mut issues, "clientSecretTrustedIps")),
            lockout_enabled: Some(given.ticked("lockoutEnabled")),
            lockout_threshold: given.required_number(&mut issues, "lockoutThreshold"),
            lockout_seconds: given.required_number(&mut issues, "lockoutDurationSeconds"),
            lockout_reset_seconds: None,
        };
        issues.finish()?;
        state
            .app
            .update_universal_auth(&viewer.actor, id("identityId", &text)?, changes)
            .await
    };
    match saved.await {
        Ok(_auth) => Ok(viewer.go(&format!("{LIST}/{text}?done=auth-saved"))),
        Err(error) => {
            viewer
                .refuse(error, settings_form(&text, None), &given, None, |form| {
                    page(&state, &viewer, &text, Some(form))
                })
                .await
        }
    }
}

pub(in crate::web) async fn clear_lockouts(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path(text): Path<String>,
    given: Given,
) -> WebResult {
    let identity = id("identityId", &text)?;
    match state.app.clear_universal_auth_lockouts(&viewer.actor, identity).await {
        Ok(_count) => Ok(viewer.go(&format!("{LIST}/{text}?done=lockouts-cleared"))),
        Err(error) => {
            viewer
                .refuse(error, clear_form(&text), &given, None, |form| {
                    page(&state, &viewer, &text, Some(form))
                })
                .await
        }
    }
}

pub(in crate::web) async fn remove(State(state): State<ServerState>, viewer: Viewer, Path(text): Path<String>, given: Given) -> WebResult {
    let identity = id("identityId", &text)?;
    match state.app.detach_universal_auth(&viewer.actor, identity).await {
        Ok(_auth) => Ok(viewer.go(&format!("{LIST}/{text}?done=auth-removed"))),
        Err(error) => {
            viewer
                .refuse(error, remove_form(&text), &given, None, |form| {
                    page(&state, &viewer, &text, Some(form))
                })
                .await
        }
    }
}

#[derive(Template)]
#[template(path = "access/client_secret.html")]
struct ClientSecretPage {
    frame: Frame,
    identity: String,
    client_id: String,
    secret: String,
    /// A login as a command; the secret is left to be filled in, so that it ends in no history of a shell.
    use_it: String,
}

pub(in crate::web) async fn create_client_secret(
    State(state): State<ServerState>,
    viewer: Viewer,
    site: Site,
    Path(text): Path<String>,
    given: Given,
) -> WebResult {
    let identity = id("identityId", &text)?;
    let created = async {
        let mut issues = Issues::new();
        let new = NewClientSecret {
            description: issues.note("description", given.optional("description"), 255).unwrap_or_default(),
            uses_limit: given.required_number(&mut issues, "numUsesLimit").unwrap_or(0),
            ttl: given.required_number(&mut issues, "ttl").unwrap_or(0),
        };
        issues.finish()?;
        state.app.create_client_secret(&viewer.actor, identity, new).await
    };
    match created.await {
        Ok(created) => {
            let frame = viewer.in_org(&state, SECTION).await?.frame;
            let name = state.app.get_identity(&viewer.actor, identity).await?.record.name;
            let client_id = state.app.get_universal_auth(&viewer.actor, identity).await?.client_id;
            let frame = frame.below("Machine Identities", LIST.to_owned());
            Ok(Page(ClientSecretPage {
                frame: below_list(frame, &name, &format!("{LIST}/{text}"), "Client Secret"),
                identity: text,
                use_it: format!(
                    "curl -s {} \\\n  -H 'content-type: application/json' \\\n  -d '{{\"clientId\":\"{client_id}\",\"clientSecret\":\"<the client secret>\"}}'",
                    site.link("/api/v1/auth/universal-auth/login")
                ),
                client_id,
                secret: created.secret.expose().to_owned(),
            })
            .into_response())
        }
        Err(error) => {
            viewer
                .refuse(error, create_form(&text), &given, None, |form| {
                    page(&state, &viewer, &text, Some(form))
                })
                .await
        }
    }
}

pub(in crate::web) async fn revoke_client_secret(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((text, secret)): Path<(String, String)>,
) -> WebResult {
    let (identity, secret) = (id("identityId", &text)?, id("clientSecretId", &secret)?);
    state.app.revoke_client_secret(&viewer.actor, identity, secret).await?;
    Ok(viewer.go(&format!("{LIST}/{text}?done=client-secret-revoked")))
}
