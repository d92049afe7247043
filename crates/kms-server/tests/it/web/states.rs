//! Every screen that links lead to, in three worlds: empty, usual, and one of texts as long and as odd as they may be. Each is checked as
//! markup, and its forms are sent empty.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use axum::http::StatusCode;

use super::browser::{Browser, id_after, invite, rotate_weekly, set_up};
use crate::support::{TestApp, on_each_database, simulated_openrouter};

/// The start tags of that name, each as its attributes.
fn tags(html: &str, name: &str) -> Vec<BTreeMap<String, String>> {
    let mut found = Vec::new();
    for part in html.split(&format!("<{name}")).skip(1) {
        if !part.starts_with([' ', '>']) {
            continue;
        }
        let mut rest = part.trim_start();
        let mut attributes = BTreeMap::new();
        while !rest.starts_with('>') && !rest.is_empty() {
            let end = rest.find(['=', ' ', '>']).unwrap_or(rest.len());
            let (attribute, after) = rest.split_at(end);
            let (value, after) = match after.strip_prefix("=\"") {
                Some(quoted) => quoted.split_once('"').unwrap(),
                None => ("", after),
            };
            attributes.insert(attribute.to_owned(), value.to_owned());
            rest = after.trim_start();
        }
        found.push(attributes);
    }
    found
}

/// Text of an attribute as it is meant.
fn unescaped(text: &str) -> String {
    text.replace("&#38;", "&").replace("&#34;", "\"").replace("&#39;", "'")
}

/// What is wrong with a page.
fn faults(html: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut ids = BTreeSet::new();
    for name in [
        "div", "p", "input", "select", "textarea", "section", "h2", "h3", "code", "span", "dialog", "main",
    ] {
        for tag in tags(html, name) {
            if let Some(id) = tag.get("id")
                && !ids.insert(id.clone())
            {
                faults.push(format!("the id {id} is there twice"));
            }
        }
    }
    let labelled: BTreeSet<String> = tags(html, "label").into_iter().filter_map(|tag| tag.get("for").cloned()).collect();
    for id in &labelled {
        if !ids.contains(id) {
            faults.push(format!("a label is for {id}, which is not there"));
        }
    }
    for name in ["input", "select", "textarea"] {
        for tag in tags(html, name) {
            let seen = tag.get("type").is_none_or(|kind| kind != "hidden" && kind != "checkbox");
            let named = tag.contains_key("aria-label") || tag.get("id").is_some_and(|id| labelled.contains(id));
            if seen && !named {
                faults.push(format!("a field has no label: {tag:?}"));
            }
            for described in tag.get("aria-describedby").iter().flat_map(|list| list.split(' ')) {
                if !ids.contains(described) {
                    faults.push(format!("a field is described by {described}, which is not there"));
                }
            }
        }
    }
    // Pictures have titles of their own.
    let (head, body) = html.split_once("</head>").unwrap_or_default();
    for (part, name) in [(head, "title"), (body, "h1"), (body, "main")] {
        let count = tags(part, name).len();
        if count != 1 {
            faults.push(format!("{count} of {name}"));
        }
    }
    for marker in ["<b>odd</b>", "{{", "{%", "style=\"", "onclick=", "javascript:"] {
        if html.contains(marker) {
            faults.push(format!("{marker} stands in it"));
        }
    }
    faults
}

/// A form: where it is sent, and the names of its fields.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sent {
    action: String,
    hidden: Vec<(String, String)>,
}

/// The forms that ask for something.
fn forms(html: &str) -> Vec<Sent> {
    html.split("<form")
        .skip(1)
        .filter_map(|part| {
            let form = part.split("</form>").next()?;
            let start = tags(&format!("<form{}>", form.split('>').next()?), "form").pop()?;
            let asks = ["input", "textarea"]
                .iter()
                .any(|name| tags(form, name).iter().any(|tag| tag.contains_key("required")));
            let post = start.get("method").is_some_and(|method| method == "post");
            let hidden = tags(form, "input")
                .into_iter()
                .filter(|tag| tag.get("type").is_some_and(|kind| kind == "hidden"))
                .filter_map(|tag| Some((tag.get("name")?.clone(), unescaped(tag.get("value")?))))
                .collect();
            (asks && post).then(|| Sent {
                action: unescaped(&start["action"]),
                hidden,
            })
        })
        .collect()
}

/// A link's route: ids and slugs of things do not matter.
fn shape(path: &str) -> String {
    let path = path.split('?').next().unwrap();
    let is_id = |part: &str| part.len() == 36 && part.bytes().filter(|byte| *byte == b'-').count() == 4;
    let parts: Vec<&str> = path.split('/').map(|part| if is_id(part) { "{id}" } else { part }).collect();
    parts.join("/")
}

/// Goes everywhere. Of things of one kind, to the first few. Answers the shapes of the pages that were seen.
async fn walk(browser: &mut Browser, values: &[&str]) -> BTreeSet<String> {
    let mut queue: VecDeque<String> = ["/projects".to_owned()].into();
    let mut known: BTreeSet<String> = queue.iter().cloned().collect();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut sent = BTreeSet::new();
    while let Some(path) = queue.pop_front() {
        let seen = counts.entry(shape(&path)).or_default();
        *seen += 1;
        if *seen > 3 {
            continue;
        }
        let page = browser.open(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text);
        let is_page = page.headers["content-type"].to_str().unwrap().starts_with("text/html");
        if !is_page {
            continue;
        }
        let wrong = faults(&page.text);
        assert!(wrong.is_empty(), "{path}: {wrong:#?}\n{}", page.text);
        for value in values {
            assert!(!page.text.contains(value), "{path} holds a value");
        }
        assert!(page.text.len() < 300 * 1024, "{path} has {} bytes", page.text.len());
        for form in forms(&page.text) {
            if !sent.insert(shape(&form.action)) {
                continue;
            }
            let fields: Vec<(&str, &str)> = form.hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let refused = browser.send(&form.action, &fields).await;
            assert_eq!(
                refused.status,
                StatusCode::UNPROCESSABLE_ENTITY,
                "{} empty: {}",
                form.action,
                refused.text
            );
            let told = refused.text.contains("aria-invalid=\"true\"")
                || refused
                    .text
                    .split("-form-error\" role=\"alert\">")
                    .any(|part| !part.starts_with(['<', '!']));
            assert!(told && faults(&refused.text).is_empty(), "{} empty: {}", form.action, refused.text);
        }
        for link in tags(&page.text, "a") {
            let href = unescaped(&link["href"]);
            let leads_on = href.starts_with('/') && !href.starts_with("/api/") && known.insert(href.clone());
            if leads_on {
                queue.push_back(href);
            }
        }
    }
    counts.into_keys().collect()
}

/// Screens that every world has.
const ALWAYS: [&str; 16] = [
    "/projects",
    "/projects/new",
    "/app-connections",
    "/app-connections/new",
    "/app-connections/new/open-router",
    "/access-control/users",
    "/access-control/identities",
    "/access-control/identities/new",
    "/organization-settings",
    "/organizations/new",
    "/audit-logs",
    "/account",
    "/find",
    "/projects/{id}/secrets",
    "/projects/{id}/rotations",
    "/projects/{id}/settings",
];

#[test]
fn an_empty_house_shows_every_screen() {
    on_each_database(async || {
        let app = TestApp::new().await;
        let mut browser = set_up(&app).await;
        browser.submit("/projects/new", &[("name", "Empty")]).await;
        let seen = walk(&mut browser, &[]).await;
        for screen in ALWAYS {
            assert!(seen.contains(screen), "{screen} was not seen: {seen:#?}");
        }
    });
}

/// Fills everything with texts, and goes everywhere.
async fn inhabited(text: &str, name: &str) {
    let (simulator, options) = simulated_openrouter().await;
    let app = TestApp::with(options).await;
    app.remember_secret(simulator.management_key());
    let value = "a-value-that-no-page-shows";
    app.remember_secret(value);
    let mut browser = set_up(&app).await;
    let made = browser
        .submit("/projects/new", &[("name", text), ("description", text), ("environments", "on")])
        .await;
    let project = id_after(&made, "/projects/");
    browser
        .submit(
            &format!("/projects/{project}/folders/prod/new?path=%2F"),
            &[("name", "llm"), ("description", text)],
        )
        .await;
    for place in ["%2F", "%2Fllm"] {
        let fields = [("secretName", name), ("secretValue", value), ("secretComment", text)];
        browser
            .submit(&format!("/projects/{project}/secrets/prod/new?path={place}"), &fields)
            .await;
    }
    let rotation = rotate_weekly(&mut browser, &simulator, &project, text).await;
    // One that has failed.
    let refusal = openrouter_sim::Action::Status {
        status: 400,
        body: "json".to_owned(),
        headers: BTreeMap::new(),
    };
    let rule = openrouter_sim::FaultRule::on("keys.create", refusal);
    simulator.control().add_fault(rule).unwrap();
    let failed = browser.send(&format!("/projects/{project}/rotations/{rotation}/rotate"), &[]).await;
    assert!(!failed.status.is_success());
    let made = browser
        .submit("/access-control/identities/new", &[("name", text), ("role", "member")])
        .await;
    let identity = id_after(&made, "/access-control/identities/");
    let shown = browser
        .send(
            &format!("/access-control/identities/{identity}/client-secrets"),
            &[("description", text), ("ttl", "600"), ("numUsesLimit", "3")],
        )
        .await;
    assert!(faults(&shown.text).is_empty(), "{:#?}", faults(&shown.text));
    let client_secret = shown.text.split("id=\"copy-client-secret\">").nth(1).unwrap();
    let client_secret = client_secret.split('<').next().unwrap().to_owned();
    app.remember_secret(&client_secret);
    let members = format!("/projects/{project}/access-control/identities");
    browser.submit(&members, &[("identity", &identity), ("role", "viewer")]).await;
    let token = invite(&app, &mut browser, "grace@example.com", "member").await;
    let mut newcomer = Browser::new(&app);
    for page in [
        newcomer.open("/invitations").await,
        newcomer.send("/invitations", &[("token", &token)]).await,
        newcomer.open("/login").await,
    ] {
        assert!(faults(&page.text).is_empty(), "{:#?}\n{}", faults(&page.text), page.text);
    }

    let seen = walk(&mut browser, &[value, &client_secret, simulator.management_key(), "sk-or-"]).await;
    let more = [
        "/app-connections/open-router/{id}",
        "/access-control/users/{id}",
        "/access-control/identities/{id}",
        "/projects/{id}/access-control/users",
        "/projects/{id}/access-control/users/{id}",
        "/projects/{id}/access-control/identities",
        "/projects/{id}/access-control/identities/{id}",
        "/projects/{id}/audit-logs",
        "/projects/{id}/environments/{id}",
        "/projects/{id}/integrations",
        "/projects/{id}/rotations/{id}",
        "/projects/{id}/rotations/{id}/delete",
        "/projects/{id}/rotations/{id}/edit",
        "/projects/{id}/rotations/{id}/spending",
        "/projects/{id}/rotations/new",
        "/projects/{id}/rotations/new/open-router-api-key",
        "/projects/{id}/secret/{id}",
        "/projects/{id}/secrets/prod",
        "/projects/{id}/secrets/prod/import",
        "/projects/{id}/secrets/prod/new",
        "/projects/{id}/folders/prod/{id}",
        "/projects/{id}/folders/prod/new",
    ];
    for screen in ALWAYS.into_iter().chain(more) {
        assert!(seen.contains(screen), "{screen} was not seen: {seen:#?}");
    }
    simulator.shutdown().await;
}

#[test]
fn a_usual_house_shows_every_screen_and_no_value() {
    on_each_database(async || inhabited("Chat of the whole team", "DATABASE_URL").await);
}

#[test]
fn a_house_of_long_and_odd_texts_shows_every_screen() {
    on_each_database(async || {
        let text = format!("<b>odd</b> \"{}\" ünï 漢字 & more", "W".repeat(30));
        let text: String = text.chars().take(64).collect();
        inhabited(&text, &"LONG_NAME_".repeat(20)).await;
    });
}
