//! Rows of the area, as the database has them.

pub(crate) mod secrets {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "secrets")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub project_id: Uuid,
        pub folder_id: Uuid,
        pub key: String,
        pub sealed_value: Vec<u8>,
        pub sealed_comment: Option<Vec<u8>>,
        pub metadata: Json,
        pub version: i32,
        pub skip_multiline_encoding: Option<bool>,
        pub reminder_note: Option<String>,
        pub reminder_repeat_days: Option<i32>,
        pub rotation_id: Option<Uuid>,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod secret_versions {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "secret_versions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub secret_id: Uuid,
        pub version: i32,
        pub key: String,
        pub sealed_value: Vec<u8>,
        pub sealed_comment: Option<Vec<u8>>,
        pub metadata: Json,
        pub skip_multiline_encoding: Option<bool>,
        pub actor_kind: String,
        pub actor_id: Option<Uuid>,
        pub actor_name: Option<String>,
        pub created_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
