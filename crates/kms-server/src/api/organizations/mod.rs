//! Organizations.

pub(crate) mod wire;
