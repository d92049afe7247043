//! Everything the first release stores. Names of constraints are part of the code (`error.rs` maps them).

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, blob, blob_null, boolean, boolean_null, integer, integer_null, json, pk_uuid, string, string_null,
    timestamp_with_time_zone, timestamp_with_time_zone_null, uuid, uuid_null,
};

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0001_foundation"
    }
}

/// The time columns of every row that can change.
fn times() -> [ColumnDef; 2] {
    [timestamp_with_time_zone("created_at"), timestamp_with_time_zone("updated_at")]
}

/// A claim on a row: who works on it, until when, and the number that fences off earlier holders.
fn lease() -> [ColumnDef; 3] {
    [
        uuid_null("lease_holder"),
        timestamp_with_time_zone_null("lease_until"),
        big_integer("fence"),
    ]
}

/// A table under construction.
struct Sketch {
    name: &'static str,
    table: TableCreateStatement,
    indexes: Vec<IndexCreateStatement>,
}

impl Sketch {
    fn new(name: &'static str) -> Self {
        let mut table = Table::create();
        table.table(name);
        Self {
            name,
            table,
            indexes: Vec::new(),
        }
    }

    fn columns(mut self, columns: impl IntoIterator<Item = ColumnDef>) -> Self {
        for column in columns {
            self.table.col(column);
        }
        self
    }

    /// A foreign key `fk_<table>_<column>`.
    fn references(mut self, column: &'static str, target: &'static str, on_delete: ForeignKeyAction) -> Self {
        let mut key = ForeignKey::create();
        key.name(format!("fk_{}_{column}", self.name))
            .from(self.name, column)
            .to(target, "id")
            .on_delete(on_delete);
        self.table.foreign_key(&mut key);
        self
    }

    /// A unique index `uq_<table>_<what>`, over all rows or those that satisfy `only`.
    fn unique(mut self, what: &str, columns: &[&'static str], only: Option<SimpleExpr>) -> Self {
        let mut index = self.index_over(format!("uq_{}_{what}", self.name), columns);
        index.unique();
        if let Some(condition) = only {
            index.and_where(condition);
        }
        self.indexes.push(index);
        self
    }

    /// An index `ix_<table>_<what>`, over all rows or those that satisfy `only`.
    fn index(mut self, what: &str, columns: &[&'static str], only: Option<SimpleExpr>) -> Self {
        let mut index = self.index_over(format!("ix_{}_{what}", self.name), columns);
        if let Some(condition) = only {
            index.and_where(condition);
        }
        self.indexes.push(index);
        self
    }

    fn index_over(&self, name: String, columns: &[&'static str]) -> IndexCreateStatement {
        let mut index = Index::create();
        index.name(name).table(self.name);
        for column in columns {
            index.col(*column);
        }
        index
    }
}

fn given(column: &'static str) -> Option<SimpleExpr> {
    Some(Expr::col(column).is_not_null())
}

fn absent(column: &'static str) -> Option<SimpleExpr> {
    Some(Expr::col(column).is_null())
}

fn holds(column: &'static str) -> Option<SimpleExpr> {
    Some(Expr::col(column).eq(true))
}

fn text(name: &'static str) -> ColumnDef {
    sea_orm_migration::schema::text(name)
}

fn text_null(name: &'static str) -> ColumnDef {
    sea_orm_migration::schema::text_null(name)
}

use ForeignKeyAction::{Cascade, NoAction};

fn instance_tables() -> Vec<Sketch> {
    vec![
        Sketch::new("instance").columns([
            integer("id").primary_key().take(),
            string("installation"),
            boolean("initialized"),
            boolean("allow_sign_up"),
            timestamp_with_time_zone("created_at"),
        ]),
        Sketch::new("keyring_keys").columns([
            integer("number").primary_key().take(),
            blob("sealed"),
            timestamp_with_time_zone("created_at"),
        ]),
        Sketch::new("data_keys")
            .columns([
                pk_uuid("id"),
                string("scope_kind"),
                uuid("scope_id"),
                integer("number"),
                blob("sealed"),
                timestamp_with_time_zone("created_at"),
            ])
            .unique("number", &["scope_kind", "scope_id", "number"], None),
        Sketch::new("organizations")
            .columns([pk_uuid("id"), string("name"), string("slug")])
            .columns(times())
            .unique("slug", &["slug"], None),
    ]
}

fn people_tables() -> Vec<Sketch> {
    vec![
        Sketch::new("users")
            .columns([
                pk_uuid("id"),
                string("email"),
                string_null("first_name"),
                string_null("last_name"),
                string_null("password_hash"),
                boolean("instance_admin"),
            ])
            .columns(times())
            .unique("email", &["email"], None),
        Sketch::new("sessions")
            .columns([
                pk_uuid("id"),
                uuid("user_id"),
                uuid_null("org_id"),
                string("refresh_hash"),
                integer("access_version"),
                string_null("address"),
                text_null("user_agent"),
                timestamp_with_time_zone("created_at"),
                timestamp_with_time_zone("last_used_at"),
                timestamp_with_time_zone("expires_at"),
                timestamp_with_time_zone_null("ended_at"),
            ])
            .references("user_id", "users", Cascade)
            .unique("refresh", &["refresh_hash"], None)
            .index("user", &["user_id"], None),
        // Failures of a login, by what was tried; a row of its own so that unknown names are counted too.
        Sketch::new("login_lockouts")
            .columns([
                string("subject").primary_key().take(),
                uuid_null("identity_id"),
                integer("failures"),
                timestamp_with_time_zone("last_failure_at"),
                timestamp_with_time_zone_null("locked_until"),
            ])
            .index("identity", &["identity_id"], given("identity_id")),
        Sketch::new("identities")
            .columns([
                pk_uuid("id"),
                uuid("org_id"),
                string("name"),
                boolean("delete_protection"),
                boolean("instance_admin"),
                json("metadata"),
                string_null("last_login_method"),
                timestamp_with_time_zone_null("last_login_at"),
            ])
            .columns(times())
            .references("org_id", "organizations", Cascade)
            .index("org", &["org_id", "name"], None),
        Sketch::new("org_members")
            .columns([
                pk_uuid("id"),
                uuid("org_id"),
                uuid_null("user_id"),
                uuid_null("identity_id"),
                string("role"),
            ])
            .columns(times())
            .references("org_id", "organizations", Cascade)
            .references("user_id", "users", Cascade)
            .references("identity_id", "identities", Cascade)
            .unique("user", &["org_id", "user_id"], given("user_id"))
            .unique("identity", &["org_id", "identity_id"], given("identity_id"))
            .index("user", &["user_id"], given("user_id")),
        Sketch::new("invitations")
            .columns([
                pk_uuid("id"),
                uuid("org_id"),
                string("email"),
                string("role"),
                json("projects"),
                string("token_hash"),
                string("invited_by"),
                timestamp_with_time_zone("created_at"),
                timestamp_with_time_zone("expires_at"),
            ])
            .references("org_id", "organizations", Cascade)
            .unique("email", &["org_id", "email"], None)
            .unique("token", &["token_hash"], None),
    ]
}

fn machine_login_tables() -> Vec<Sketch> {
    let limits = || {
        [
            big_integer("access_token_ttl"),
            big_integer("access_token_max_ttl"),
            big_integer("access_token_uses_limit"),
            big_integer("access_token_period"),
            json("access_token_trusted"),
        ]
    };
    vec![
        Sketch::new("universal_auths")
            .columns([pk_uuid("id"), uuid("identity_id"), string("client_id")])
            .columns(limits())
            .columns([
                json("client_secret_trusted"),
                boolean("lockout_enabled"),
                integer("lockout_threshold"),
                integer("lockout_duration_seconds"),
                integer("lockout_reset_seconds"),
            ])
            .columns(times())
            .references("identity_id", "identities", Cascade)
            .unique("identity", &["identity_id"], None)
            .unique("client", &["client_id"], None),
        Sketch::new("client_secrets")
            .columns([
                pk_uuid("id"),
                uuid("universal_auth_id"),
                text("description"),
                string("prefix"),
                string("hash"),
                big_integer("uses"),
                big_integer("uses_limit"),
                big_integer("ttl"),
                boolean("revoked"),
                timestamp_with_time_zone_null("last_used_at"),
            ])
            .columns(times())
            .references("universal_auth_id", "universal_auths", Cascade)
            .unique("hash", &["hash"], None)
            .index("auth", &["universal_auth_id"], None),
        Sketch::new("token_auths")
            .columns([pk_uuid("id"), uuid("identity_id")])
            .columns(limits())
            .columns(times())
            .references("identity_id", "identities", Cascade)
            .unique("identity", &["identity_id"], None),
        Sketch::new("identity_tokens")
            .columns([
                pk_uuid("id"),
                uuid("identity_id"),
                string("auth_method"),
                uuid_null("client_secret_id"),
                string_null("name"),
                big_integer("ttl"),
                big_integer("max_ttl"),
                big_integer("period"),
                big_integer("uses"),
                big_integer("uses_limit"),
                json("trusted"),
                timestamp_with_time_zone_null("last_used_at"),
                timestamp_with_time_zone_null("last_renewed_at"),
                timestamp_with_time_zone_null("expires_at"),
                boolean("revoked"),
            ])
            .columns(times())
            .references("identity_id", "identities", Cascade)
            .references("client_secret_id", "client_secrets", Cascade)
            .index("identity", &["identity_id", "auth_method"], None)
            .index("ended", &["expires_at"], given("expires_at"))
            .index("client_secret", &["client_secret_id"], given("client_secret_id")),
    ]
}

fn project_tables() -> Vec<Sketch> {
    vec![
        Sketch::new("projects")
            .columns([
                pk_uuid("id"),
                uuid("org_id"),
                string("name"),
                string("slug"),
                text_null("description"),
                string("kind"),
                boolean("auto_capitalization"),
                integer("version_limit"),
                integer_null("audit_retention_days"),
                boolean("delete_protection"),
                boolean("secret_sharing"),
            ])
            .columns(times())
            .references("org_id", "organizations", Cascade)
            .unique("slug", &["org_id", "slug"], None),
        Sketch::new("project_members")
            .columns([pk_uuid("id"), uuid("project_id"), uuid_null("user_id"), uuid_null("identity_id")])
            .columns(times())
            .references("project_id", "projects", Cascade)
            .references("user_id", "users", Cascade)
            .references("identity_id", "identities", Cascade)
            .unique("user", &["project_id", "user_id"], given("user_id"))
            .unique("identity", &["project_id", "identity_id"], given("identity_id"))
            .index("user", &["user_id"], given("user_id"))
            .index("identity", &["identity_id"], given("identity_id")),
        Sketch::new("project_member_roles")
            .columns([
                pk_uuid("id"),
                uuid("member_id"),
                string("role"),
                boolean("temporary"),
                string_null("temporary_range"),
                timestamp_with_time_zone_null("temporary_start"),
                timestamp_with_time_zone_null("temporary_end"),
                timestamp_with_time_zone("created_at"),
            ])
            .references("member_id", "project_members", Cascade)
            .index("member", &["member_id"], None),
        Sketch::new("environments")
            .columns([
                pk_uuid("id"),
                uuid("project_id"),
                string("name"),
                string("slug"),
                integer("position"),
            ])
            .columns(times())
            .references("project_id", "projects", Cascade)
            .unique("slug", &["project_id", "slug"], None),
        // The path stands beside the tree so that a lookup by path is one row.
        Sketch::new("folders")
            .columns([
                pk_uuid("id"),
                uuid("project_id"),
                uuid("environment_id"),
                uuid_null("parent_id"),
                string("name"),
                text("path"),
                integer("version"),
                text_null("description"),
            ])
            .columns(times())
            .references("environment_id", "environments", Cascade)
            .references("parent_id", "folders", Cascade)
            .unique("path", &["environment_id", "path"], None)
            .index("parent", &["parent_id"], None),
    ]
}

fn secret_tables() -> Vec<Sketch> {
    vec![
        Sketch::new("secrets")
            .columns([
                pk_uuid("id"),
                uuid("project_id"),
                uuid("folder_id"),
                string("key"),
                blob("sealed_value"),
                blob_null("sealed_comment"),
                json("metadata"),
                integer("version"),
                boolean_null("skip_multiline_encoding"),
                text_null("reminder_note"),
                integer_null("reminder_repeat_days"),
                uuid_null("rotation_id"),
            ])
            .columns(times())
            .references("folder_id", "folders", Cascade)
            .unique("key", &["folder_id", "key"], None)
            .index("project", &["project_id"], None)
            .index("rotation", &["rotation_id"], given("rotation_id")),
        Sketch::new("secret_versions")
            .columns([
                pk_uuid("id"),
                uuid("secret_id"),
                integer("version"),
                string("key"),
                blob("sealed_value"),
                blob_null("sealed_comment"),
                json("metadata"),
                boolean_null("skip_multiline_encoding"),
                string("actor_kind"),
                uuid_null("actor_id"),
                string_null("actor_name"),
                timestamp_with_time_zone("created_at"),
            ])
            .references("secret_id", "secrets", Cascade)
            .unique("number", &["secret_id", "version"], None),
    ]
}

fn connection_tables() -> Vec<Sketch> {
    vec![
        Sketch::new("app_connections")
            .columns([
                pk_uuid("id"),
                uuid("org_id"),
                uuid_null("project_id"),
                string("name"),
                text_null("description"),
                string("app"),
                string("method"),
                blob("sealed_credentials"),
                json("public_credentials"),
                big_integer("credentials_revision"),
            ])
            .columns(times())
            .references("org_id", "organizations", Cascade)
            .references("project_id", "projects", Cascade)
            .unique("project_name", &["org_id", "project_id", "name"], given("project_id"))
            .unique("org_name", &["org_id", "name"], absent("project_id")),
        // Requests to one connection's provider, over all nodes: the next free instant and the calls under way.
        Sketch::new("connection_limits").columns([
            uuid("connection_id").primary_key().take(),
            timestamp_with_time_zone("next_free_at"),
            timestamp_with_time_zone("paused_until"),
        ]),
        Sketch::new("connection_calls")
            .columns([pk_uuid("id"), uuid("connection_id"), timestamp_with_time_zone("expires_at")])
            .index("connection", &["connection_id"], None),
    ]
}

/// The engine's tables. Attempts, keys and inventories have no foreign keys: they outlive what they belonged to.
fn rotation_tables() -> Vec<Sketch> {
    vec![
        // Rotations are deleted by the application, never by a cascade: their keys must become debts.
        Sketch::new("secret_rotations")
            .columns([
                pk_uuid("id"),
                uuid("org_id"),
                uuid("project_id"),
                uuid("folder_id"),
                uuid("connection_id"),
                string("name"),
                text_null("description"),
                string("kind"),
                json("parameters"),
                json("mapping"),
                boolean("auto_rotation"),
                integer("interval_days"),
                integer("rotate_at_hours"),
                integer("rotate_at_minutes"),
                integer("active_slot"),
                uuid_null("slot0_key"),
                uuid_null("slot1_key"),
                string("status"),
                timestamp_with_time_zone("last_attempted_at"),
                timestamp_with_time_zone("last_rotated_at"),
                timestamp_with_time_zone_null("next_at"),
                boolean("last_manual"),
                string_null("last_job"),
                blob_null("sealed_message"),
                big_integer("revision"),
            ])
            .columns(times())
            .references("project_id", "projects", NoAction)
            .references("folder_id", "folders", NoAction)
            .references("connection_id", "app_connections", NoAction)
            .unique("name", &["folder_id", "name"], None)
            .index("due", &["next_at"], given("next_at"))
            .index("project", &["project_id"], None)
            .index("connection", &["connection_id"], None),
        Sketch::new("rotation_attempts")
            .columns([
                pk_uuid("id"),
                uuid("org_id"),
                uuid("project_id"),
                uuid("rotation_id"),
                uuid("connection_id"),
                string("kind"),
                string("trigger"),
                string("phase"),
                timestamp_with_time_zone("since"),
                integer("number"),
                integer("repeats"),
                timestamp_with_time_zone("due_at"),
                boolean("open"),
                string("marker"),
                json("parameters"),
                timestamp_with_time_zone_null("intended_at"),
                timestamp_with_time_zone_null("watch_until"),
                boolean("unsettled"),
                uuid_null("key_id"),
                blob_null("sealed_reach"),
                text_null("message"),
                json("actor"),
            ])
            .columns(lease())
            .columns(times())
            .unique("open", &["rotation_id"], holds("open"))
            .unique("marker", &["marker"], None)
            .index("due", &["due_at"], holds("open"))
            .index("watched", &["connection_id", "watch_until"], given("watch_until"))
            .index("rotation", &["rotation_id", "created_at"], None),
        Sketch::new("issued_keys")
            .columns([
                pk_uuid("id"),
                uuid("org_id"),
                uuid("project_id"),
                uuid("rotation_id"),
                uuid("attempt_id"),
                uuid("connection_id"),
                big_integer("credentials_revision"),
                string("kind"),
                string("handle"),
                string("state"),
                blob_null("sealed_text"),
                blob_null("sealed_reach"),
                boolean("stray"),
                timestamp_with_time_zone_null("published_at"),
                timestamp_with_time_zone_null("replaced_at"),
                timestamp_with_time_zone_null("revocation_due_at"),
                timestamp_with_time_zone_null("revocation_sent_at"),
                timestamp_with_time_zone_null("ended_at"),
                integer("tries"),
                boolean("alarmed"),
                text_null("last_error"),
            ])
            .columns(lease())
            .columns(times())
            .unique("handle", &["connection_id", "handle"], None)
            .index("debts", &["revocation_due_at"], given("revocation_due_at"))
            .index("rotation", &["rotation_id", "created_at"], None),
        Sketch::new("connection_inventories")
            .columns([
                uuid("connection_id").primary_key().take(),
                uuid("org_id"),
                string("kind"),
                blob("sealed_reach"),
                timestamp_with_time_zone("due_at"),
                integer("tries"),
                timestamp_with_time_zone_null("last_at"),
                big_integer("strays_found"),
                big_integer("unknown_markers"),
                text_null("last_error"),
            ])
            .columns(lease())
            .columns(times())
            .index("due", &["due_at"], None),
    ]
}

fn audit_tables() -> Vec<Sketch> {
    vec![
        Sketch::new("audit_log")
            .columns([
                pk_uuid("id"),
                timestamp_with_time_zone("at"),
                uuid("org_id"),
                uuid_null("project_id"),
                string("actor_kind"),
                uuid_null("actor_id"),
                json("actor"),
                string("event"),
                json("metadata"),
                string_null("address"),
                text_null("user_agent"),
                string("user_agent_kind"),
                string_null("environment"),
                text_null("secret_path"),
                string_null("secret_key"),
                text("searchable"),
            ])
            .index("org", &["org_id", "at"], None)
            .index("project", &["project_id", "at"], given("project_id"))
            // For removing what is old.
            .index("at", &["at"], None),
    ]
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let groups = [
            instance_tables(),
            people_tables(),
            machine_login_tables(),
            project_tables(),
            secret_tables(),
            connection_tables(),
            rotation_tables(),
            audit_tables(),
        ];
        for sketch in groups.into_iter().flatten() {
            manager.create_table(sketch.table).await?;
            for index in sketch.indexes {
                manager.create_index(index).await?;
            }
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
