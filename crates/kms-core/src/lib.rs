//! Types and rules of Hanzo KMS: no I/O, no async.
