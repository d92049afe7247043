//! What a rotation's keys have spent: asked of the provider when somebody looks, apart from the page, which does not wait for it.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use kms_core::rotation::ledger::KeyState;

use super::one::{base, found, short};
use crate::state::ServerState;
use crate::web::charts::spending::{self, Spent};
use crate::web::error::WebResult;
use crate::web::form::sentence;
use crate::web::frame::{Frame, InProject};
use crate::web::page::Page;
use crate::web::session::Viewer;

struct Row {
    handle: String,
    state: &'static str,
    spent: String,
    limit: String,
    reset: String,
    /// Why it is not known.
    problem: Option<String>,
}

#[derive(Template)]
#[template(path = "rotations/spending.html")]
struct SpendingPage {
    frame: Frame,
    rows: Vec<Row>,
    chart: Option<String>,
}

pub(in crate::web) async fn spending(
    State(state): State<ServerState>,
    viewer: Viewer,
    Path((project, text)): Path<(String, String)>,
) -> WebResult {
    let InProject { frame, .. } = viewer.in_project(&state, &project, "rotations").await?;
    let (rotation, kind) = found(&state, &viewer, &project, &text).await?;
    let keys = state.app.rotation_spending(&viewer.actor, kind.slug, rotation.record.id).await?;
    let mut bars = Vec::new();
    let mut rows = Vec::new();
    for one in keys {
        let handle = short(&one.key.handle);
        let state = if one.key.state == KeyState::Active {
            "active"
        } else {
            "still valid"
        };
        rows.push(match one.spending {
            Ok(spending) => {
                bars.push(Spent {
                    label: handle.clone(),
                    spent: spending.spent,
                    limit: spending.limit,
                });
                Row {
                    spent: spending::dollars(spending.spent),
                    limit: spending.limit.map_or_else(|| "none".to_owned(), spending::dollars),
                    reset: spending.reset.unwrap_or_else(|| "never".to_owned()),
                    problem: None,
                    handle,
                    state,
                }
            }
            Err(problem) => Row {
                handle,
                state,
                spent: String::new(),
                limit: String::new(),
                reset: String::new(),
                problem: Some(sentence(&problem)),
            },
        });
    }
    let frame = frame
        .below("Secret Rotation", format!("/projects/{project}/rotations"))
        .below(rotation.record.name.as_str(), base(&project, &rotation));
    Ok(Page(SpendingPage {
        frame: frame.titled("Spending"),
        chart: (!bars.is_empty()).then(|| spending::svg(&bars)),
        rows,
    })
    .into_response())
}
