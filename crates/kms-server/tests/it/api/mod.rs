//! One folder an area, one module a verb.

mod access;
mod audit;
mod connections;
mod environments;
mod identities;
mod identity_tokens;
mod instance;
mod openapi;
mod openrouter;
mod organizations;
mod projects;
mod rate_limits;
mod secrets;
mod sessions;
mod token_auth;
mod universal_auth;
mod users;
mod walk_through;
