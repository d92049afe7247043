//! Every component on one page, to be looked at together. Only where time runs fast or the build is one for development.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::IntoResponse;
use kms_app::Error;

use super::charts::calendar::{self, Due};
use super::charts::days::{self, DayCount};
use super::charts::spending::{self, Spent};
use super::charts::timeline::{Life, Span, Timeline};
use super::error::WebResult;
use super::form::{Field, Form, Kind};
use super::frame::{Frame, Tab};
use super::page::Page;
use super::session::Viewer;
use super::show::{At, Paging};
use crate::state::ServerState;

#[derive(Template)]
#[template(path = "components/components.html")]
struct ComponentsPage {
    frame: Frame,
    tabs: Vec<Tab>,
    at: At,
    form: Form,
    danger: Form,
    paging: Paging,
    timeline: String,
    calendar: String,
    activity: String,
    spending: String,
}

fn form() -> Form {
    let refused = |mut field: Field, error: &str| {
        field.error = Some(error.to_owned());
        field
    };
    let choice = [("monthly", "Monthly"), ("never", "Never")].map(|(value, label)| (value.to_owned(), label.to_owned()));
    let fields = vec![
        Field::text("text", "Text")
            .required()
            .helped("What it is for.")
            .valued("gateway-prod"),
        Field::text("mono", "Name for machines").mono().valued("OPEN_ROUTER_API_KEY"),
        refused(
            Field::new("number", "Number", Kind::Number).required().valued("0"),
            "Must be from 1 to 3650.",
        ),
        Field::choice("choice", "Choice", choice).required().valued("monthly"),
        Field::new("secret", "Secret field", Kind::Secret).required(),
        Field::new_password("password", "New password"),
        Field::new("time", "Time of day", Kind::Time).required().valued("03:30"),
        Field::new("area", "Several lines", Kind::Area).mono(),
        Field::new("on", "Switch", Kind::Switch)
            .ticked(true)
            .helped("What happens while it is set."),
    ];
    let mut form = Form::new("sample", "/_components", "Create", fields).cancel("/_components");
    form.error = Some("What is wrong with the whole.".to_owned());
    form
}

pub(super) async fn show(State(state): State<ServerState>, viewer: Viewer) -> WebResult {
    let frame = viewer.in_org(&state, "").await?.frame;
    if !(cfg!(debug_assertions) || frame.development) {
        return Err(Error::not_found("there is no such page").into());
    }
    let now = state.app.now();
    let ago = |hours: u64| now - Duration::from_secs(hours * 3600);
    let span = |state, from, to| Span {
        state,
        from: ago(from),
        to: ago(to),
    };
    let timeline = Timeline {
        now,
        next: Some(now + Duration::from_secs(24 * 3600)),
        lives: vec![
            Life {
                label: "f00dfeed".to_owned(),
                spans: vec![span("active", 20, 0)],
            },
            Life {
                label: "0ddba11".to_owned(),
                spans: vec![span("active", 44, 20), span("still-valid", 20, 0)],
            },
            Life {
                label: "cafe0001".to_owned(),
                spans: vec![
                    span("active", 68, 44),
                    span("still-valid", 44, 20),
                    span("awaiting-revocation", 20, 12),
                ],
            },
        ],
        failures: vec![ago(30)],
    };
    let due = |name: &str, days: u64| Due {
        name: name.to_owned(),
        at: now + Duration::from_secs(days * 86_400),
        every: Some(Duration::from_secs(7 * 86_400)),
    };
    let counts: Vec<DayCount> = (0..30)
        .map(|day| DayCount {
            date: format!("2026-01-{:02}", day + 1),
            count: (day * 7) % 23,
        })
        .collect();
    let spent = |label: &str, amount, limit| Spent {
        label: label.to_owned(),
        spent: amount,
        limit,
    };
    let tab = |label, current| Tab {
        label,
        href: "/_components".to_owned(),
        current,
    };
    Ok(Page(ComponentsPage {
        frame: frame.titled("Components"),
        tabs: vec![tab("One", true), tab("Another", false)],
        at: now.into(),
        form: form(),
        danger: Form::new("danger", "/_components", "Delete", Vec::new()).danger(),
        paging: Paging::new(250, 100, "2", "/_components", &[]),
        timeline: timeline.svg(),
        calendar: calendar::svg(&calendar::days(now, &[due("router-key", 2), due("another", 2), due("third", 5)])),
        activity: days::svg(&counts, "entries"),
        spending: spending::svg(&[
            spent("f00dfeed", 12.5, Some(25.0)),
            spent("0ddba11", 24.0, Some(25.0)),
            spent("cafe0001", 0.004, None),
        ]),
    })
    .into_response())
}
