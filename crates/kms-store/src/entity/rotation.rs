//! Rows of the area, as the database has them.

pub(crate) mod secret_rotations {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "secret_rotations")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub org_id: Uuid,
        pub project_id: Uuid,
        pub folder_id: Uuid,
        pub connection_id: Uuid,
        pub name: String,
        pub description: Option<String>,
        pub kind: String,
        pub parameters: Json,
        pub mapping: Json,
        pub auto_rotation: bool,
        pub interval_days: i32,
        pub rotate_at_hours: i32,
        pub rotate_at_minutes: i32,
        pub active_slot: i32,
        pub slot0_key: Option<Uuid>,
        pub slot1_key: Option<Uuid>,
        pub status: String,
        pub last_attempted_at: DateTimeUtc,
        pub last_rotated_at: DateTimeUtc,
        pub next_at: Option<DateTimeUtc>,
        pub last_manual: bool,
        pub last_job: Option<String>,
        pub sealed_message: Option<Vec<u8>>,
        pub revision: i64,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod rotation_attempts {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "rotation_attempts")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub org_id: Uuid,
        pub project_id: Uuid,
        pub rotation_id: Uuid,
        pub connection_id: Uuid,
        pub kind: String,
        pub trigger: String,
        pub phase: String,
        pub since: DateTimeUtc,
        pub number: i32,
        pub repeats: i32,
        pub due_at: DateTimeUtc,
        pub open: bool,
        pub marker: String,
        pub parameters: Json,
        pub intended_at: Option<DateTimeUtc>,
        pub watch_until: Option<DateTimeUtc>,
        pub unsettled: bool,
        pub key_id: Option<Uuid>,
        pub sealed_reach: Option<Vec<u8>>,
        pub message: Option<String>,
        pub actor: Json,
        pub lease_holder: Option<Uuid>,
        pub lease_until: Option<DateTimeUtc>,
        pub fence: i64,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod issued_keys {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "issued_keys")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub org_id: Uuid,
        pub project_id: Uuid,
        pub rotation_id: Uuid,
        pub attempt_id: Uuid,
        pub connection_id: Uuid,
        pub credentials_revision: i64,
        pub kind: String,
        pub handle: String,
        pub state: String,
        pub sealed_text: Option<Vec<u8>>,
        pub sealed_reach: Option<Vec<u8>>,
        pub stray: bool,
        pub published_at: Option<DateTimeUtc>,
        pub replaced_at: Option<DateTimeUtc>,
        pub revocation_due_at: Option<DateTimeUtc>,
        pub revocation_sent_at: Option<DateTimeUtc>,
        pub ended_at: Option<DateTimeUtc>,
        pub tries: i32,
        pub alarmed: bool,
        pub last_error: Option<String>,
        pub lease_holder: Option<Uuid>,
        pub lease_until: Option<DateTimeUtc>,
        pub fence: i64,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod connection_inventories {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "connection_inventories")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub connection_id: Uuid,
        pub org_id: Uuid,
        pub kind: String,
        pub sealed_reach: Vec<u8>,
        pub due_at: DateTimeUtc,
        pub tries: i32,
        pub last_at: Option<DateTimeUtc>,
        pub strays_found: i64,
        pub unknown_markers: i64,
        pub last_error: Option<String>,
        pub lease_holder: Option<Uuid>,
        pub lease_until: Option<DateTimeUtc>,
        pub fence: i64,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
