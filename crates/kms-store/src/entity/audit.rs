//! Rows of the area, as the database has them.

pub(crate) mod audit_log {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_log")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub at: DateTimeUtc,
        pub org_id: Uuid,
        pub project_id: Option<Uuid>,
        pub actor_kind: String,
        pub actor_id: Option<Uuid>,
        pub actor: Json,
        pub event: String,
        pub metadata: Json,
        pub address: Option<String>,
        pub user_agent: Option<String>,
        pub user_agent_kind: String,
        pub environment: Option<String>,
        pub secret_path: Option<String>,
        pub secret_key: Option<String>,
        pub searchable: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
