//! Use cases: who may do what, in which transaction, with which audit entry.
