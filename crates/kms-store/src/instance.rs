//! The instance: its mark in provider-side names, whether it is set up, its keyring and data keys.

use kms_core::ids::DataKeyId;
use kms_core::seal::{KeyScope, Sealed};
use kms_core::time::Timestamp;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

use crate::entity::{data_keys, instance, keyring_keys};
use crate::{Session, StoreError, Tx};

/// The one row about the instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceRecord {
    /// Names this installation in markers; random, made at the first start.
    pub installation: String,
    /// Whether an administrator exists.
    pub initialized: bool,
    /// Whether people may sign up by themselves.
    pub allow_sign_up: bool,
}

/// A data key as it is kept.
#[derive(Debug, Clone)]
pub struct DataKeyRecord {
    /// Its id.
    pub id: DataKeyId,
    /// Its number within the scope.
    pub number: u32,
    /// The key, sealed under the keyring.
    pub sealed: Sealed,
}

fn scope_columns(scope: KeyScope) -> (&'static str, Uuid) {
    match scope {
        KeyScope::Instance => ("instance", Uuid::nil()),
        KeyScope::Organization(id) => ("organization", id.0),
        KeyScope::Project(id) => ("project", id.0),
    }
}

fn number(value: i32, table: &'static str) -> Result<u32, StoreError> {
    u32::try_from(value).map_err(|_negative| StoreError::inconsistent(table, "number"))
}

impl Session {
    /// The row about the instance; none before the first start.
    pub async fn find_instance(&self) -> Result<Option<InstanceRecord>, StoreError> {
        let row = instance::Entity::find_by_id(1).one(self).await?;
        Ok(row.map(|row| InstanceRecord {
            installation: row.installation,
            initialized: row.initialized,
            allow_sign_up: row.allow_sign_up,
        }))
    }

    /// The keys of the keyring: number and sealed key, oldest first.
    pub async fn list_keyring_keys(&self) -> Result<Vec<(u32, Sealed)>, StoreError> {
        let rows = keyring_keys::Entity::find()
            .order_by_asc(keyring_keys::Column::Number)
            .all(self)
            .await?;
        rows.into_iter()
            .map(|row| Ok((number(row.number, "keyring_keys")?, Sealed::from_bytes(row.sealed))))
            .collect()
    }

    /// The data keys of a scope, oldest first.
    pub async fn list_data_keys(&self, scope: KeyScope) -> Result<Vec<DataKeyRecord>, StoreError> {
        let (kind, id) = scope_columns(scope);
        let rows = data_keys::Entity::find()
            .filter(data_keys::Column::ScopeKind.eq(kind))
            .filter(data_keys::Column::ScopeId.eq(id))
            .order_by_asc(data_keys::Column::Number)
            .all(self)
            .await?;
        rows.into_iter()
            .map(|row| {
                Ok(DataKeyRecord {
                    id: DataKeyId(row.id),
                    number: number(row.number, "data_keys")?,
                    sealed: Sealed::from_bytes(row.sealed),
                })
            })
            .collect()
    }
}

impl Tx {
    /// Makes the row about the instance. Refused by `instance_pkey` if it exists.
    pub async fn insert_instance(&self, installation: &str, now: Timestamp) -> Result<(), StoreError> {
        let row = instance::ActiveModel {
            id: Set(1),
            installation: Set(installation.to_owned()),
            initialized: Set(false),
            allow_sign_up: Set(false),
            created_at: Set(now.utc()),
        };
        instance::Entity::insert(row).exec_without_returning(&**self).await?;
        Ok(())
    }

    /// Marks the instance as set up. False if it already was: of two that try at once, one gets false.
    pub async fn claim_setup(&self) -> Result<bool, StoreError> {
        let result = instance::Entity::update_many()
            .col_expr(instance::Column::Initialized, sea_orm::sea_query::Expr::value(true))
            .filter(instance::Column::Id.eq(1))
            .filter(instance::Column::Initialized.eq(false))
            .exec(&**self)
            .await?;
        Ok(result.rows_affected == 1)
    }

    /// Sets whether people may sign up by themselves.
    pub async fn update_sign_up(&self, allowed: bool) -> Result<(), StoreError> {
        instance::Entity::update_many()
            .col_expr(instance::Column::AllowSignUp, sea_orm::sea_query::Expr::value(allowed))
            .filter(instance::Column::Id.eq(1))
            .exec(&**self)
            .await?;
        Ok(())
    }

    /// Adds a key to the keyring.
    pub async fn insert_keyring_key(&self, number: u32, sealed: &Sealed, now: Timestamp) -> Result<(), StoreError> {
        let row = keyring_keys::ActiveModel {
            number: Set(i32::try_from(number).unwrap_or(i32::MAX)),
            sealed: Set(sealed.as_bytes().to_vec()),
            created_at: Set(now.utc()),
        };
        keyring_keys::Entity::insert(row).exec_without_returning(&**self).await?;
        Ok(())
    }

    /// Adds a data key to a scope.
    pub async fn insert_data_key(&self, scope: KeyScope, key: &DataKeyRecord, now: Timestamp) -> Result<(), StoreError> {
        let (kind, id) = scope_columns(scope);
        let row = data_keys::ActiveModel {
            id: Set(key.id.0),
            scope_kind: Set(kind.to_owned()),
            scope_id: Set(id),
            number: Set(i32::try_from(key.number).unwrap_or(i32::MAX)),
            sealed: Set(key.sealed.as_bytes().to_vec()),
            created_at: Set(now.utc()),
        };
        data_keys::Entity::insert(row).exec_without_returning(&**self).await?;
        Ok(())
    }
}
