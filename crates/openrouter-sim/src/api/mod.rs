//! The surface below `/api/v1`: from a parsed call to an answer.
//!
//! Order of checks: path and method, credential, right kind of credential, body and query, existence.

mod activity;
pub(crate) mod answer;
mod byok;
pub(crate) mod chat;
mod credits;
mod current_key;
mod fields;
mod guardrails;
pub(crate) mod keys;
pub(crate) mod models;
pub(crate) mod route;
mod workspaces;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Map, Value};

use answer::{Answer, Refusal};
use route::{Endpoint, Route};

use crate::config::{ExpiredMessage, ListForbidden, ManagementOnInference};
use crate::key_text::KeyHash;
use crate::money::Usd;
use crate::reply::SimRequest;
use crate::state::{Holder, KeyRef, World};
use crate::stats::{AuthFailure, CompletionResult, CredentialKind};
use crate::time::Moment;

const USER_NOT_FOUND: &str = "User not found.";
const MISSING_HEADER: &str = "Missing Authentication header";
const MANAGEMENT_ONLY: &str = "Only management keys can perform this operation";

/// The credential as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presented {
    Missing,
    Malformed,
    Key(KeyHash),
}

/// A parsed request. Nothing here needs the lock.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) route: Route,
    pub(crate) endpoint: Endpoint,
    pub(crate) method: &'static str,
    /// Path without query, for patterns of fault rules only: it can hold anything.
    pub(crate) path: String,
    query: Option<Vec<(String, String)>>,
    body: Option<Map<String, Value>>,
    presented: Presented,
    forced_cost: Option<String>,
}

impl Call {
    pub(crate) fn parse(request: &SimRequest) -> Self {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let query = query.split_once('#').map_or(query, |(query, _)| query);
        let route = Route::parse(&request.method, path);
        let reads_body = route.writes() && !matches!(route, Route::KeysDelete(_));
        let body = if reads_body { object(&request.body) } else { None };
        Self {
            endpoint: route.endpoint(),
            route,
            method: method_name(&request.method),
            path: path.to_owned(),
            query: route::query(query),
            body,
            presented: presented(&request.headers),
            forced_cost: request
                .headers
                .get("x-sim-cost")
                .map(|cost| cost.to_str().unwrap_or_default().to_owned()),
        }
    }

    /// The last value of a query name.
    fn query(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let pairs = self.query.as_ref().ok_or_else(|| Refusal::bad_request("Malformed query"))?;
        Ok(pairs.iter().rev().find(|(given, _)| given == name).map(|(_, value)| value.as_str()))
    }

    fn body(&self) -> Result<&Map<String, Value>, Refusal> {
        self.body
            .as_ref()
            .ok_or_else(|| Refusal::bad_request("The request body must be a JSON object"))
    }

    /// The name in the body of a create.
    pub(crate) fn created_name(&self) -> Option<&str> {
        match self.route {
            Route::KeysCreate => self.body.as_ref()?.get("name")?.as_str(),
            _ => None,
        }
    }

    /// The hash in the path.
    pub(crate) fn path_hash(&self) -> Option<KeyHash> {
        match &self.route {
            Route::KeysGet(hash) | Route::KeysUpdate(hash) | Route::KeysDelete(hash) => hash.parse().ok(),
            _ => None,
        }
    }

    fn forced_cost(&self) -> Result<Option<Usd>, Refusal> {
        let Some(text) = &self.forced_cost else {
            return Ok(None);
        };
        match text.parse::<Usd>() {
            Ok(cost) if !cost.is_negative() => Ok(Some(cost)),
            _ => Err(Refusal::bad_request("X-Sim-Cost must be an amount in US dollars")),
        }
    }
}

fn object(body: &Bytes) -> Option<Map<String, Value>> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Some(fields),
        _ => None,
    }
}

fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

/// Reads the credential. `Authorization` wins over `x-api-key`.
fn presented(headers: &HeaderMap) -> Presented {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let token = match (values.next(), values.next()) {
        (Some(_), Some(_)) => return Presented::Malformed,
        (Some(value), None) => {
            let Some((scheme, token)) = value.to_str().ok().and_then(|value| value.split_once(' ')) else {
                return Presented::Malformed;
            };
            if !scheme.eq_ignore_ascii_case("bearer") {
                return Presented::Malformed;
            }
            token
        }
        (None, _) => match headers.get("x-api-key") {
            None => return Presented::Missing,
            Some(value) => value.to_str().unwrap_or_default(),
        },
    };
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Presented::Malformed;
    }
    Presented::Key(KeyHash::of(token))
}

/// Who a credential belongs to; says nothing about whether it is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    Missing,
    Malformed,
    Unknown,
    Management { account: usize, index: usize },
    Inference(KeyRef),
}

impl Identity {
    pub(crate) fn of(world: &World, call: &Call) -> Self {
        match call.presented {
            Presented::Missing => Self::Missing,
            Presented::Malformed => Self::Malformed,
            Presented::Key(hash) => match world.holder(hash) {
                None => Self::Unknown,
                Some(Holder::Management { account, index }) => Self::Management { account, index },
                Some(Holder::Inference(at)) => Self::Inference(at),
            },
        }
    }

    pub(crate) fn kind(self) -> CredentialKind {
        match self {
            Self::Missing => CredentialKind::Missing,
            Self::Malformed | Self::Unknown => CredentialKind::Unknown,
            Self::Management { .. } => CredentialKind::Management,
            Self::Inference(_) => CredentialKind::Inference,
        }
    }

    pub(crate) fn account(self) -> Option<usize> {
        match self {
            Self::Management { account, .. } => Some(account),
            Self::Inference(at) => Some(at.account),
            Self::Missing | Self::Malformed | Self::Unknown => None,
        }
    }
}

/// How much of an effect is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As usual.
    Once,
    /// Success is reported, nothing happens.
    Never,
    /// Creates and completions happen twice.
    Twice,
}

impl Mode {
    fn makes(self) -> bool {
        self != Self::Never
    }
}

/// An accepted credential.
#[derive(Clone, Copy, Debug)]
enum Caller {
    Management { account: usize, index: usize },
    Inference(KeyRef),
}

/// Answers a call.
pub(crate) fn process(world: &mut World, call: &Call, identity: Identity, now: Moment, mode: Mode) -> Result<Answer, Refusal> {
    match &call.route {
        Route::Unknown => return Err(Refusal::not_found("Not Found")),
        Route::WrongMethod => {
            return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"));
        }
        Route::Models => return models::list(),
        _ => {}
    }
    match (&call.route, authenticate(world, identity, now)?) {
        (Route::Key, Caller::Inference(at)) => current_key::of_key(world, at, now),
        (Route::Key, Caller::Management { account, index }) => current_key::of_management(world, account, index, now),
        (Route::Chat, Caller::Inference(at)) => chat::complete(world, call, at, now, mode),
        (Route::Chat, Caller::Management { .. }) => Err(match world.compat.mgmt_on_inference {
            ManagementOnInference::Unauthorized => Refusal::auth(StatusCode::UNAUTHORIZED, USER_NOT_FOUND, AuthFailure::WrongKind),
            ManagementOnInference::Forbidden => Refusal::auth(
                StatusCode::FORBIDDEN,
                "Management keys cannot be used for inference",
                AuthFailure::WrongKind,
            ),
        }
        .completion(CompletionResult::RefusedAuth)),
        (route, Caller::Inference(_)) => Err(match (route, world.compat.list_forbidden) {
            (Route::KeysList | Route::KeysGet(_) | Route::KeysDelete(_), ListForbidden::Unauthorized) => {
                Refusal::auth(StatusCode::UNAUTHORIZED, USER_NOT_FOUND, AuthFailure::WrongKind)
            }
            _ => Refusal::auth(StatusCode::FORBIDDEN, MANAGEMENT_ONLY, AuthFailure::WrongKind),
        }),
        (_, Caller::Management { account, .. }) => manage(world, call, account, now, mode),
    }
}

/// The endpoints of management keys.
fn manage(world: &mut World, call: &Call, account: usize, now: Moment, mode: Mode) -> Result<Answer, Refusal> {
    match &call.route {
        Route::KeysList => keys::list(world, call, account, now),
        Route::KeysCreate => keys::create(world, call, account, now, mode),
        Route::KeysGet(hash) => keys::get(world, hash, account, now),
        Route::KeysUpdate(hash) => keys::update(world, call, hash, account, now, mode),
        Route::KeysDelete(hash) => keys::delete(world, hash, account, now, mode),
        Route::Credits => credits::show(world, account, now),
        Route::WorkspacesList => workspaces::list(world, call, account),
        Route::WorkspacesGet(reference) => workspaces::get(world, reference, account),
        Route::Activity => activity::list(world, call, account, now),
        Route::GuardrailsList => guardrails::list(world, call, account),
        Route::GuardrailsCreate => guardrails::create(world, call, account, now, mode),
        Route::GuardrailsGet(id) => guardrails::get(world, id, account),
        Route::AssignmentsAll => guardrails::assignments(world, call, None, account),
        Route::AssignmentsList(id) => guardrails::assignments(world, call, Some(id), account),
        Route::AssignmentsAdd(id) => guardrails::assign(world, call, id, account, now, mode),
        Route::AssignmentsRemove(id) => guardrails::unassign(world, call, id, account, now, mode),
        Route::ByokList => byok::list(world, call, account),
        Route::ByokGet(id) => byok::get(world, id, account),
        Route::ByokUpdate(id) => byok::update(world, call, id, account, mode),
        Route::Key | Route::Chat | Route::Models | Route::WrongMethod | Route::Unknown => Err(Refusal::not_found("Not Found")),
    }
}

fn authenticate(world: &World, identity: Identity, now: Moment) -> Result<Caller, Refusal> {
    let unauthorized =
        |message, reason| Err(Refusal::auth(StatusCode::UNAUTHORIZED, message, reason).completion(CompletionResult::RefusedAuth));
    match identity {
        Identity::Missing => unauthorized(MISSING_HEADER, AuthFailure::Missing),
        Identity::Malformed => unauthorized(MISSING_HEADER, AuthFailure::Malformed),
        Identity::Unknown => unauthorized(USER_NOT_FOUND, AuthFailure::Unknown),
        Identity::Management { account, index } => {
            let key = world.accounts.get(account).and_then(|account| account.management.get(index));
            match key {
                Some(key) if key.revoked_at.is_none() => Ok(Caller::Management { account, index }),
                _ => unauthorized(USER_NOT_FOUND, AuthFailure::Deleted),
            }
        }
        Identity::Inference(at) => {
            let Some(key) = world.key(at) else {
                return unauthorized(USER_NOT_FOUND, AuthFailure::Unknown);
            };
            match (key.authenticate(now, &world.compat), world.compat.expired_message) {
                (Ok(()), _) => Ok(Caller::Inference(at)),
                (Err(AuthFailure::Expired), ExpiredMessage::KeyExpired) => unauthorized("API key expired", AuthFailure::Expired),
                (Err(reason), _) => unauthorized(USER_NOT_FOUND, reason),
            }
        }
    }
}
