//! People.

pub(crate) mod wire;
