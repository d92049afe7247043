//! A new rotation, step by step. What was typed travels along in the form: "Next" and "Back" keep it, and nothing is stored before
//! the last step.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use kms_app::Error;
use kms_app::rotations::{NewRotation, RotationType};
use kms_core::names::{EnvironmentSlug, ResourceName, SecretPath};
use serde::Deserialize;

use super::fields;
use crate::api::extract::{Issues, id};
use crate::state::ServerState;
use crate::web::error::WebResult;
use crate::web::form::{Field, Form, Given, Kind};
use crate::web::frame::Frame;
use crate::web::page::{Page, encoded};
use crate::web::place::Here;
use crate::web::secrets::{InEnvironment, in_environment};
use crate::web::session::Viewer;
use crate::web::show::initials;

#[derive(Deserialize)]
pub(in crate::web) struct Wanted {
    environment: Option<String>,
    path: Option<String>,
}

pub(in crate::web) struct KindCard {
    pub(in crate::web) name: &'static str,
    pub(in crate::web) initials: String,
    pub(in crate::web) href: String,
}

#[derive(Template)]
#[template(path = "rotations/types.html")]
pub(in crate::web) struct TypesPage {
    pub(in crate::web) frame: Frame,
    pub(in crate::web) kinds: Vec<KindCard>,
}

pub(in crate::web) struct StepMark {
    pub(in crate::web) name: &'static str,
    pub(in crate::web) current: bool,
    pub(in crate::web) past: bool,
}

#[derive(Template)]
#[template(path = "rotations/wizard.html")]
pub(in crate::web) struct WizardPage {
    pub(in crate::web) frame: Frame,
    pub(in crate::web) kind: &'static str,
    pub(in crate::web) steps: Vec<StepMark>,
    pub(in crate::web) title: &'static str,
    pub(in crate::web) first: bool,
    pub(in crate::web) form: Form,
    pub(in crate::web) review: Vec<(String, String)>,
    /// What is missing before it can go on.
    pub(in crate::web) hint: String,
    pub(in crate::web) hint_href: String,
}

const STEPS: [&str; 5] = ["Configuration", "Parameters", "Secrets Mapping", "Details", "Review"];
const REVIEW: usize = STEPS.len() - 1;

pub(in crate::web) async fn types(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path(project): Path<String>,
    Query(wanted): Query<Wanted>,
) -> WebResult {
    let here = Here::new(&project, wanted.environment.as_deref().unwrap_or_default(), wanted.path.as_deref())?;
    let InEnvironment { frame, name, .. } = in_environment(&state, &viewer, &here).await?;
    let kinds = state
        .app
        .rotation_options()
        .into_iter()
        .map(|option| KindCard {
            name: option.name,
            initials: initials(option.name),
            href: address(&here, option.kind),
        })
        .collect();
    Ok(Page(TypesPage {
        frame: frame
            .below(&name, here.environment_at(here.path.as_str()))
            .titled("Add Secret Rotation"),
        kinds,
    })
    .into_response())
}

fn address(here: &Here, kind: &str) -> String {
    format!(
        "/projects/{}/rotations/new/{kind}?environment={}&path={}",
        here.project,
        encoded(&here.environment),
        here.path_encoded()
    )
}

/// All fields, by step.
fn all_fields(kind: &RotationType, connections: Vec<(String, String)>) -> [Vec<Field>; 4] {
    let label = kind.name.split(' ').next().unwrap_or_default();
    let mut configuration = vec![Field::choice("connectionId", &format!("{label} Connection"), connections).required()];
    configuration.extend(fields::schedule());
    [configuration, fields::parameters(kind), fields::mapping(kind), fields::details()]
}

/// The form of a step: its fields shown, those of the others carried along.
fn form_of(here: &Here, kind: &RotationType, step: usize, connections: Vec<(String, String)>, given: Option<&Given>) -> Form {
    let mut fields = vec![Field::hidden("step", step.to_string())];
    for (index, own) in all_fields(kind, connections).into_iter().enumerate() {
        for mut field in own {
            if let Some(given) = given {
                field.fill(given);
            }
            if index != step {
                field.kind = Kind::Hidden;
            }
            fields.push(field);
        }
    }
    let submit = if step == REVIEW { "Create Secret Rotation" } else { "Next" };
    Form::new("rotation", address(here, kind.slug), submit, fields)
        .busy(if step == REVIEW { "Issuing the first key…" } else { "Next" })
        .cancel(here.environment_at(here.path.as_str()))
}

struct Wizard<'a> {
    state: &'a ServerState,
    viewer: &'a Viewer,
    here: Here,
    kind: &'static RotationType,
    connections: Vec<(String, String)>,
}

impl Wizard<'_> {
    fn form(&self, step: usize, given: Option<&Given>) -> Form {
        form_of(&self.here, self.kind, step, self.connections.clone(), given)
    }

    async fn page(&self, step: usize, form: Form, given: Option<&Given>) -> Result<WizardPage, Error> {
        let InEnvironment { frame, name, .. } = in_environment(self.state, self.viewer, &self.here).await?;
        let review = match given {
            Some(given) if step == REVIEW => self.review(given, &name),
            _ => Vec::new(),
        };
        let hint = if self.connections.is_empty() {
            "There is no connection yet that this rotation could use.".to_owned()
        } else {
            String::new()
        };
        Ok(WizardPage {
            frame: frame
                .below(&name, self.here.environment_at(self.here.path.as_str()))
                .titled("Add Secret Rotation"),
            kind: self.kind.name,
            steps: STEPS
                .iter()
                .enumerate()
                .map(|(index, name)| StepMark {
                    name,
                    current: index == step,
                    past: index < step,
                })
                .collect(),
            title: STEPS.get(step).copied().unwrap_or_default(),
            first: step == 0,
            form,
            review,
            hint,
            hint_href: format!("/app-connections/new?project={}", self.here.project),
        })
    }

    fn review(&self, given: &Given, environment: &str) -> Vec<(String, String)> {
        let chosen = given.text("connectionId");
        let connection = self.connections.iter().find(|(id, _)| id == chosen);
        let at = fields::read_rotate_at(&mut Issues::new(), given);
        let auto = if given.ticked("isAutoRotationEnabled") {
            format!(
                "every {} days at {:02}:{:02} UTC",
                given.text("rotationInterval"),
                at.hours,
                at.minutes
            )
        } else {
            "by hand only".to_owned()
        };
        let mut review = vec![
            ("Name".to_owned(), given.text("name").to_owned()),
            (
                "Connection".to_owned(),
                connection.map_or_else(String::new, |(_, name)| name.clone()),
            ),
            ("Where".to_owned(), format!("{environment} {}", self.here.path)),
            ("Rotates".to_owned(), auto),
        ];
        let parameters = fields::read_parameters(self.kind, given);
        review.extend(
            fields::shown(self.kind, &parameters)
                .into_iter()
                .map(|(label, value)| (label.to_owned(), value)),
        );
        for field in self.kind.mapping {
            let secret = given.text(&format!("secretsMapping.{}", field.name));
            review.push((format!("{} is stored in", field.label), secret.to_owned()));
        }
        review
    }

    /// Every problem with what a step asks for.
    fn check(&self, step: usize, given: &Given) -> Result<(), Error> {
        let mut issues = Issues::new();
        match step {
            0 => {
                let known = self.connections.iter().any(|(id, _)| id == given.text("connectionId"));
                issues.check(known, "connectionId", "invalid_string", "choose a connection");
                fields::read_interval(&mut issues, given);
                fields::read_rotate_at(&mut issues, given);
            }
            1 => {
                let parameters = fields::read_parameters(self.kind, given);
                self.state.app.check_rotation_forms(self.kind.slug, Some(&parameters), None)?;
            }
            2 => {
                let mapping = fields::read_mapping(self.kind, given);
                self.state.app.check_rotation_forms(self.kind.slug, None, Some(&mapping))?;
            }
            3 => {
                issues.take("name", ResourceName::parse(given.text("name")));
                fields::read_description(&mut issues, given);
            }
            _ => {}
        }
        issues.finish()
    }

    async fn create(&self, given: &Given) -> Result<String, Error> {
        for step in 0..REVIEW {
            self.check(step, given)?;
        }
        let mut issues = Issues::new();
        let slug = issues.take("environment", EnvironmentSlug::parse(&self.here.environment));
        let path = issues.take("secretPath", SecretPath::parse(self.here.path.as_str()));
        let name = issues.take("name", ResourceName::parse(given.text("name")));
        let interval_days = fields::read_interval(&mut issues, given);
        let rotate_at = fields::read_rotate_at(&mut issues, given);
        let description = fields::read_description(&mut issues, given);
        let (Some(environment), Some(path), Some(name)) = (slug, path, name) else {
            return Err(issues.into_error());
        };
        let new = NewRotation {
            kind: self.kind.slug.to_owned(),
            name,
            description,
            project: id("projectId", &self.here.project)?,
            connection: id("connectionId", given.text("connectionId"))?,
            environment,
            path,
            auto_rotation: given.ticked("isAutoRotationEnabled"),
            interval_days,
            rotate_at,
            parameters: fields::read_parameters(self.kind, given),
            mapping: fields::read_mapping(self.kind, given),
        };
        let rotation = self.state.app.create_rotation(&self.viewer.actor, new).await?;
        Ok(self.here.done("rotation-created") + &format!("&rotation={}", rotation.record.id))
    }
}

async fn wizard<'a>(state: &'a ServerState, viewer: &'a Viewer, project: &str, kind: &str, wanted: &Wanted) -> Result<Wizard<'a>, Error> {
    let kind = fields::known(&state.app, kind)?;
    let here = Here::new(project, wanted.environment.as_deref().unwrap_or_default(), wanted.path.as_deref())?;
    let project_id = id("projectId", project)?;
    let connections = state
        .app
        .available_connections(&viewer.actor, kind.app, Some(project_id))
        .await?
        .into_iter()
        .map(|record| (record.id.to_string(), record.name))
        .collect();
    Ok(Wizard {
        state,
        viewer,
        here,
        kind,
        connections,
    })
}

pub(in crate::web) async fn start(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((project, kind)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
) -> WebResult {
    let wizard = wizard(&state, &viewer, &project, &kind, &wanted).await?;
    let form = wizard.form(0, None);
    Ok(Page(wizard.page(0, form, None).await?).into_response())
}

pub(in crate::web) async fn step(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((project, kind)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
    given: Given,
) -> WebResult {
    let wizard = wizard(&state, &viewer, &project, &kind, &wanted).await?;
    let at = given.text("step").parse::<usize>().unwrap_or(0).min(REVIEW);
    if given.text("go") == "back" {
        let to = at.saturating_sub(1);
        let page = wizard.page(to, wizard.form(to, Some(&given)), Some(&given)).await?;
        return Ok(Page(page).into_response());
    }
    let outcome = if at == REVIEW {
        wizard.create(&given).await.map(Some)
    } else {
        wizard.check(at, &given).map(|()| None)
    };
    match outcome {
        Ok(Some(created)) => Ok(viewer.go(&created)),
        Ok(None) => {
            let to = at + 1;
            let page = wizard.page(to, wizard.form(to, Some(&given)), Some(&given)).await?;
            Ok(Page(page).into_response())
        }
        Err(error) => {
            viewer
                .refuse(error, wizard.form(at, Some(&given)), &given, None, |form| {
                    wizard.page(at, form, Some(&given))
                })
                .await
        }
    }
}
