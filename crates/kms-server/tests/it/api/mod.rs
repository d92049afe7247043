//! One folder an area, one module a verb.

mod instance;
mod organizations;
mod sessions;
mod users;
