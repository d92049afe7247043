//! What can go wrong in the store. Errors never carry values.

use sea_orm::{DbErr, RuntimeErr};

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique index or foreign key refused the write; `constraint` is its name in the migrations.
    #[error("refused by the constraint {constraint}")]
    Constraint {
        /// Name of the index or foreign key.
        constraint: String,
    },
    /// The database cannot be reached, is full, or gave up; nothing was changed. Trying again later may help.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The row was claimed by somebody else meanwhile; nothing was changed.
    #[error("the lease was lost")]
    Fenced,
    /// A stored row does not fit the program.
    #[error("inconsistent row in {table}, column {column}")]
    Inconsistent {
        /// Which table.
        table: &'static str,
        /// Which column.
        column: &'static str,
    },
    /// The database may not be opened (in use by another process, made by a newer version).
    #[error("{0}")]
    Unusable(String),
    /// Any other answer of the database: a defect.
    #[error("the database refused a statement: {0}")]
    Database(String),
}

impl StoreError {
    /// Whether the named constraint refused the write.
    pub fn is_constraint(&self, name: &str) -> bool {
        matches!(self, Self::Constraint { constraint } if constraint == name)
    }

    pub(crate) fn inconsistent(table: &'static str, column: &'static str) -> Self {
        Self::Inconsistent { table, column }
    }
}

/// SQLite names the columns of a violated index, not the index.
const SQLITE_UNIQUE: &[(&str, &str)] = &[
    ("organizations.slug", "uq_organizations_slug"),
    ("users.email", "uq_users_email"),
    ("projects.org_id, projects.slug", "uq_projects_slug"),
    ("project_members.project_id, project_members.user_id", "uq_project_members_user"),
    (
        "project_members.project_id, project_members.identity_id",
        "uq_project_members_identity",
    ),
    ("org_members.org_id, org_members.user_id", "uq_org_members_user"),
    ("org_members.org_id, org_members.identity_id", "uq_org_members_identity"),
    ("environments.project_id, environments.slug", "uq_environments_slug"),
    ("folders.environment_id, folders.path", "uq_folders_path"),
    ("secrets.folder_id, secrets.key", "uq_secrets_key"),
    ("secret_versions.secret_id, secret_versions.version", "uq_secret_versions_number"),
    ("invitations.org_id, invitations.email", "uq_invitations_email"),
    ("universal_auths.identity_id", "uq_universal_auths_identity"),
    ("token_auths.identity_id", "uq_token_auths_identity"),
    (
        "app_connections.org_id, app_connections.project_id, app_connections.name",
        "uq_app_connections_project_name",
    ),
    ("app_connections.org_id, app_connections.name", "uq_app_connections_org_name"),
    ("secret_rotations.folder_id, secret_rotations.name", "uq_secret_rotations_name"),
    ("rotation_attempts.rotation_id", "uq_rotation_attempts_open"),
    ("issued_keys.connection_id, issued_keys.handle", "uq_issued_keys_handle"),
    ("data_keys.scope_kind, data_keys.scope_id, data_keys.number", "uq_data_keys_number"),
    ("keyring_keys.number", "keyring_keys_pkey"),
    ("instance.id", "instance_pkey"),
];

fn constraint_of(error: &sqlx::Error) -> Option<StoreError> {
    let database = error.as_database_error()?;
    if database.is_unique_violation() {
        if let Some(name) = database.constraint() {
            return Some(StoreError::Constraint {
                constraint: name.to_owned(),
            });
        }
        let message = database.message();
        let columns = message.strip_prefix("UNIQUE constraint failed: ").unwrap_or(message);
        let name = SQLITE_UNIQUE
            .iter()
            .find(|(known, _)| *known == columns)
            .map_or(columns, |(_, name)| *name);
        return Some(StoreError::Constraint {
            constraint: name.to_owned(),
        });
    }
    if database.is_foreign_key_violation() {
        return Some(StoreError::Constraint {
            constraint: database.constraint().unwrap_or("foreign_key").to_owned(),
        });
    }
    let code = database.code().unwrap_or_default();
    // SQLite: busy, locked, no memory, read-only, interrupted, I/O error, full, cannot open. PostgreSQL: classes 08 connection,
    // 40 rollback (serialization, deadlock), 53 resources (disk full), 57 operator intervention, 58 system error.
    let unavailable = match code.parse::<i32>() {
        Ok(number) if code.len() < 5 => matches!(number & 0xff, 5 | 6 | 7 | 8 | 9 | 10 | 13 | 14),
        _ => ["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class)),
    };
    unavailable.then(|| StoreError::Unavailable(database.message().to_owned()))
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        if let DbErr::Exec(RuntimeErr::SqlxError(inner))
        | DbErr::Query(RuntimeErr::SqlxError(inner))
        | DbErr::Conn(RuntimeErr::SqlxError(inner)) = &error
        {
            if let Some(known) = constraint_of(inner) {
                return known;
            }
            if matches!(
                &**inner,
                sqlx::Error::Io(_)
                    | sqlx::Error::Tls(_)
                    | sqlx::Error::PoolTimedOut
                    | sqlx::Error::PoolClosed
                    | sqlx::Error::WorkerCrashed
                    | sqlx::Error::Protocol(_)
            ) {
                return Self::Unavailable(inner.to_string());
            }
        }
        match error {
            DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => Self::Unavailable(error.to_string()),
            other => Self::Database(other.to_string()),
        }
    }
}
