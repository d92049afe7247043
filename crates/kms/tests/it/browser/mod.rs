//! The dashboard in a real browser, as a person meets it.
//!
//! A [`walk`] goes through the journeys in one theme, and looks at every page it comes by: serious faults for people who use a
//! screen reader, pages that are too wide, errors in the console, secrets in the HTML. It leaves pictures in `target/screenshots`.
//! A journey finds things by the words that stand on the page ([`page`]). To add one: a file below `journeys`, a line in [`all`].

mod axe;
mod driver;
mod journeys;
mod page;
mod plain;
mod walk;
mod webdriver;

use crate::binary::Setup;
use walk::{Theme, Walk};

/// Every journey, one after the other, in one theme.
async fn all(theme: Theme) {
    let walk = Walk::start(theme).await;
    journeys::set_up(&walk).await;
    journeys::connection::add(&walk).await;
    journeys::add_project(&walk).await;
    journeys::rotation::add(&walk).await;
    journeys::rotation::live_with(&walk).await;
    journeys::rotation::fail_and_recover(&walk).await;
    journeys::secrets::keep(&walk).await;
    journeys::find_by_name(&walk).await;
    journeys::rotation::delete(&walk).await;
    journeys::read_audit_logs(&walk).await;
    journeys::people::invite(&walk).await;
    journeys::people::add_machine(&walk).await;
    journeys::leave_and_come_back(&walk).await;
    walk.finish();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journeys_in_light_colours() {
    all(Theme::Light).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journeys_in_dark_colours() {
    all(Theme::Dark).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_components_in_both_colours() {
    for theme in [Theme::Light, Theme::Dark] {
        let walk = Walk::start_with(theme, Setup::default().with("KMS_ROTATION_DEV_MODE", "true")).await;
        journeys::see_components(&walk).await;
        walk.finish();
    }
}
