//! From method and path to a route.

use http::Method;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use crate::stats::AuthGroup;

/// Where the service's surface lies.
pub(crate) const BASE: &str = "/api/v1";

/// The endpoints that rules and counters know by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Endpoint {
    /// GET `/keys`.
    #[serde(rename = "keys.list")]
    KeysList,
    /// POST `/keys`.
    #[serde(rename = "keys.create")]
    KeysCreate,
    /// GET `/keys/{hash}`.
    #[serde(rename = "keys.get")]
    KeysGet,
    /// PATCH `/keys/{hash}`.
    #[serde(rename = "keys.update")]
    KeysUpdate,
    /// DELETE `/keys/{hash}`.
    #[serde(rename = "keys.delete")]
    KeysDelete,
    /// GET `/key` and `/auth/key`.
    #[serde(rename = "key")]
    Key,
    /// GET `/credits`.
    #[serde(rename = "credits")]
    Credits,
    /// POST `/chat/completions`.
    #[serde(rename = "chat")]
    Chat,
    /// GET `/models`.
    #[serde(rename = "models")]
    Models,
    /// GET `/workspaces` and below.
    #[serde(rename = "workspaces")]
    Workspaces,
    /// GET `/activity`.
    #[serde(rename = "activity")]
    Activity,
    /// `/guardrails` and below.
    #[serde(rename = "guardrails")]
    Guardrails,
    /// `/byok` and below.
    #[serde(rename = "byok")]
    Byok,
    /// Any other path, and known paths with another method.
    #[serde(rename = "other")]
    Other,
}

impl Endpoint {
    /// The name in rules, events and counters.
    pub fn name(self) -> &'static str {
        match self {
            Self::KeysList => "keys.list",
            Self::KeysCreate => "keys.create",
            Self::KeysGet => "keys.get",
            Self::KeysUpdate => "keys.update",
            Self::KeysDelete => "keys.delete",
            Self::Key => "key",
            Self::Credits => "credits",
            Self::Chat => "chat",
            Self::Models => "models",
            Self::Workspaces => "workspaces",
            Self::Activity => "activity",
            Self::Guardrails => "guardrails",
            Self::Byok => "byok",
            Self::Other => "other",
        }
    }

    pub(crate) fn auth_group(self) -> AuthGroup {
        match self {
            Self::Chat => AuthGroup::Completions,
            Self::Key => AuthGroup::Key,
            _ => AuthGroup::Management,
        }
    }
}

/// What a request asks for. Texts are path segments, decoded but not otherwise checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    KeysList,
    KeysCreate,
    KeysGet(String),
    KeysUpdate(String),
    KeysDelete(String),
    Key,
    Credits,
    Chat,
    Models,
    WorkspacesList,
    WorkspacesGet(String),
    Activity,
    GuardrailsList,
    GuardrailsCreate,
    GuardrailsGet(String),
    /// Key assignments of all guardrails.
    AssignmentsAll,
    AssignmentsList(String),
    AssignmentsAdd(String),
    AssignmentsRemove(String),
    ByokList,
    ByokGet(String),
    ByokUpdate(String),
    /// A known path with another method.
    WrongMethod,
    Unknown,
}

impl Route {
    pub(crate) fn endpoint(&self) -> Endpoint {
        match self {
            Self::KeysList => Endpoint::KeysList,
            Self::KeysCreate => Endpoint::KeysCreate,
            Self::KeysGet(_) => Endpoint::KeysGet,
            Self::KeysUpdate(_) => Endpoint::KeysUpdate,
            Self::KeysDelete(_) => Endpoint::KeysDelete,
            Self::Key => Endpoint::Key,
            Self::Credits => Endpoint::Credits,
            Self::Chat => Endpoint::Chat,
            Self::Models => Endpoint::Models,
            Self::WorkspacesList | Self::WorkspacesGet(_) => Endpoint::Workspaces,
            Self::Activity => Endpoint::Activity,
            Self::GuardrailsList
            | Self::GuardrailsCreate
            | Self::GuardrailsGet(_)
            | Self::AssignmentsAll
            | Self::AssignmentsList(_)
            | Self::AssignmentsAdd(_)
            | Self::AssignmentsRemove(_) => Endpoint::Guardrails,
            Self::ByokList | Self::ByokGet(_) | Self::ByokUpdate(_) => Endpoint::Byok,
            Self::WrongMethod | Self::Unknown => Endpoint::Other,
        }
    }

    /// Whether it can change something.
    pub(crate) fn writes(&self) -> bool {
        matches!(
            self,
            Self::KeysCreate
                | Self::KeysUpdate(_)
                | Self::KeysDelete(_)
                | Self::Chat
                | Self::GuardrailsCreate
                | Self::AssignmentsAdd(_)
                | Self::AssignmentsRemove(_)
                | Self::ByokUpdate(_)
        )
    }

    /// Reads a path without its query. One trailing slash is ignored everywhere.
    pub(crate) fn parse(method: &Method, path: &str) -> Self {
        let Some(segments) = segments(path) else {
            return Self::Unknown;
        };
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let get = |route| only(method, &Method::GET, route);
        let post = |route| only(method, &Method::POST, route);
        let patch = |route| only(method, &Method::PATCH, route);
        let delete = |route| only(method, &Method::DELETE, route);
        let route = match *segments.as_slice() {
            ["keys"] => get(Self::KeysList).or(post(Self::KeysCreate)),
            ["keys", hash] => get(Self::KeysGet(hash.to_owned()))
                .or(patch(Self::KeysUpdate(hash.to_owned())))
                .or(delete(Self::KeysDelete(hash.to_owned()))),
            ["key"] | ["auth", "key"] => get(Self::Key),
            ["credits"] => get(Self::Credits),
            ["chat", "completions"] => post(Self::Chat),
            ["models"] => get(Self::Models),
            ["workspaces"] => get(Self::WorkspacesList),
            ["workspaces", reference] => get(Self::WorkspacesGet(reference.to_owned())),
            ["activity"] => get(Self::Activity),
            ["guardrails"] => get(Self::GuardrailsList).or(post(Self::GuardrailsCreate)),
            ["guardrails", "assignments", "keys"] => get(Self::AssignmentsAll),
            ["guardrails", id] => get(Self::GuardrailsGet(id.to_owned())),
            ["guardrails", id, "assignments", "keys"] => {
                get(Self::AssignmentsList(id.to_owned())).or(post(Self::AssignmentsAdd(id.to_owned())))
            }
            ["guardrails", id, "assignments", "keys", "remove"] => post(Self::AssignmentsRemove(id.to_owned())),
            ["byok"] => get(Self::ByokList),
            ["byok", id] => get(Self::ByokGet(id.to_owned())).or(patch(Self::ByokUpdate(id.to_owned()))),
            _ => return Self::Unknown,
        };
        route.unwrap_or(Self::WrongMethod)
    }
}

fn only(method: &Method, expected: &Method, route: Route) -> Option<Route> {
    (method == expected).then_some(route)
}

/// The decoded segments below the base; `None` if the path lies elsewhere or is malformed.
pub(crate) fn segments(path: &str) -> Option<Vec<String>> {
    let below = path.strip_prefix(BASE)?.strip_prefix('/')?;
    let below = below.strip_suffix('/').unwrap_or(below);
    below
        .split('/')
        .map(|segment| {
            let decoded = percent_decode_str(segment).decode_utf8().ok()?;
            (!decoded.is_empty()).then(|| decoded.into_owned())
        })
        .collect()
}

/// A query, decoded. Repeated names are kept in order. `None` if it is malformed.
pub(crate) fn query(text: &str) -> Option<Vec<(String, String)>> {
    let decode = |part: &str| Some(percent_decode_str(&part.replace('+', " ")).decode_utf8().ok()?.into_owned());
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name)?, decode(value)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_their_route_with_and_without_trailing_slash() {
        for (method, path, expected) in [
            (Method::GET, "/api/v1/keys", Route::KeysList),
            (Method::POST, "/api/v1/keys/", Route::KeysCreate),
            (Method::GET, "/api/v1/keys/ab%63", Route::KeysGet("abc".to_owned())),
            (Method::PATCH, "/api/v1/keys/abc/", Route::KeysUpdate("abc".to_owned())),
            (Method::GET, "/api/v1/auth/key", Route::Key),
            (Method::POST, "/api/v1/chat/completions", Route::Chat),
            (Method::GET, "/api/v1/guardrails/assignments/keys", Route::AssignmentsAll),
            (
                Method::GET,
                "/api/v1/guardrails/g/assignments/keys",
                Route::AssignmentsList("g".to_owned()),
            ),
            (
                Method::POST,
                "/api/v1/guardrails/g/assignments/keys/remove",
                Route::AssignmentsRemove("g".to_owned()),
            ),
            (Method::GET, "/api/v1/guardrails/g/assignments/keys/remove", Route::WrongMethod),
            (Method::PUT, "/api/v1/keys", Route::WrongMethod),
            (Method::POST, "/api/v1/key", Route::WrongMethod),
            (Method::GET, "/api/v1", Route::Unknown),
            (Method::GET, "/api/v1/", Route::Unknown),
            (Method::GET, "/api/v1keys", Route::Unknown),
            (Method::GET, "/api/v1//keys", Route::Unknown),
            (Method::GET, "/api/v1/keys//", Route::Unknown),
            (Method::GET, "/api/v1/keys/%FF", Route::Unknown),
            (Method::GET, "/api/v1/keys/a/b", Route::Unknown),
            (Method::GET, "/api/v2/keys", Route::Unknown),
        ] {
            assert_eq!(Route::parse(&method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn queries_are_decoded() {
        let pairs = query("a=1&b=x%20y+z&c&&a=2");
        let expected = [("a", "1"), ("b", "x y z"), ("c", ""), ("a", "2")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        assert_eq!(pairs, Some(expected));
        assert_eq!(query("a=%FF"), None);
        assert_eq!(query(""), Some(Vec::new()));
    }
}
