//! SQL for SQLite and PostgreSQL; never sees plaintext.
