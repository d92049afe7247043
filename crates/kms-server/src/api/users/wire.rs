//! Wire shapes of people.

use kms_app::users::UserRecord;
use kms_core::ids::UserId;
use serde::Serialize;
use utoipa::ToSchema;

/// A person.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserBody {
    /// Id.
    #[schema(value_type = String, format = Uuid)]
    id: UserId,
    /// The e-mail address.
    username: String,
    /// First name.
    first_name: Option<String>,
    /// Last name.
    last_name: Option<String>,
    /// The e-mail address.
    email: String,
    /// Whether they may administer the whole instance.
    super_admin: bool,
}

impl From<&UserRecord> for UserBody {
    fn from(user: &UserRecord) -> Self {
        Self {
            id: user.id,
            username: user.email.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            email: user.email.clone(),
            super_admin: user.instance_admin,
        }
    }
}
