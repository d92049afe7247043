//! Outside systems: one folder each; never sees the store.
