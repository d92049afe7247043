//! One folder an area, one module a verb.

mod instance;
mod openrouter;
mod organizations;
mod secrets;
mod sessions;
mod users;
