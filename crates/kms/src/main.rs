//! Hanzo KMS.
fn main() {}
