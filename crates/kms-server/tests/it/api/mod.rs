//! One folder an area, one module a verb.

mod instance;
