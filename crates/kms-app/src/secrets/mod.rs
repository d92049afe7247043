//! Secrets: values, comments, versions, references.

mod seal;
