//! One folder an area, one module a verb.

mod audit;
mod connections;
mod environments;
mod instance;
mod openapi;
mod openrouter;
mod organizations;
mod projects;
mod secrets;
mod sessions;
mod users;
