//! One folder an area, one module a verb.

mod identities;
mod identity_tokens;
mod instance;
mod openrouter;
mod organizations;
mod secrets;
mod sessions;
mod token_auth;
mod universal_auth;
mod users;
mod walk_through;
