//! Rows of the area, as the database has them.

pub(crate) mod universal_auths {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "universal_auths")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub identity_id: Uuid,
        pub client_id: String,
        pub access_token_ttl: i64,
        pub access_token_max_ttl: i64,
        pub access_token_uses_limit: i64,
        pub access_token_period: i64,
        pub access_token_trusted: Json,
        pub client_secret_trusted: Json,
        pub lockout_enabled: bool,
        pub lockout_threshold: i32,
        pub lockout_duration_seconds: i32,
        pub lockout_reset_seconds: i32,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod client_secrets {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "client_secrets")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub universal_auth_id: Uuid,
        pub description: String,
        pub prefix: String,
        pub hash: String,
        pub uses: i64,
        pub uses_limit: i64,
        pub ttl: i64,
        pub revoked: bool,
        pub last_used_at: Option<DateTimeUtc>,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod token_auths {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "token_auths")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub identity_id: Uuid,
        pub access_token_ttl: i64,
        pub access_token_max_ttl: i64,
        pub access_token_uses_limit: i64,
        pub access_token_period: i64,
        pub access_token_trusted: Json,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod identity_tokens {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "identity_tokens")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub identity_id: Uuid,
        pub auth_method: String,
        pub client_secret_id: Option<Uuid>,
        pub name: Option<String>,
        pub ttl: i64,
        pub max_ttl: i64,
        pub period: i64,
        pub uses: i64,
        pub uses_limit: i64,
        pub trusted: Json,
        pub last_used_at: Option<DateTimeUtc>,
        pub last_renewed_at: Option<DateTimeUtc>,
        pub expires_at: Option<DateTimeUtc>,
        pub revoked: bool,
        pub created_at: DateTimeUtc,
        pub updated_at: DateTimeUtc,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
