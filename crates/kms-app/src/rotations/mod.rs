//! Secret Rotation: use cases, and the engine that performs them.
//!
//! * [`attempt`]: planning an attempt: its row, its marker, its intent.
//! * [`executor`]: the one function that runs, resumes and retries attempts.
//! * [`publish`] and [`mapping`]: the transaction that ends a run.
//! * [`debts`], [`inventory`]: paying revocations, finding what nobody knows.
//! * [`driver`]: the background work that calls all of these when something is due.
//! * [`throttle`], [`reach`]: limits of a connection, and its credentials.
//!
//! To add a step, change [`kms_core::rotation::machine`] first; the executor only performs.

mod attempt;
mod creation;
mod debts;
mod driver;
mod executor;
mod inventory;
mod live;
mod manage;
mod mapping;
mod publish;
mod reach;
mod removal;
mod throttle;

use kms_core::ids::ProjectId;
use kms_core::names::{EnvironmentSlug, SecretPath};
use kms_store::Session;
use kms_store::connections::ConnectionRecord;
use kms_store::folders::FolderRecord;
use kms_store::projects::EnvironmentRecord;
use kms_store::rotations::RotationRecord;

pub use creation::NewRotation;
pub use driver::{DriverStatus, TaskStatus};
pub use kms_providers::declaration::{MappingField, RotationType};
pub use kms_providers::rotator::Spending;
pub use kms_store::attempts::AttemptRecord;
pub use kms_store::issued_keys::KeyRecord;
pub use live::Subscription;
pub use manage::{GeneratedCredentials, KeySpending, Moved, RotationChanges, RotationTypeOption};
pub use removal::Removal;
pub use throttle::{RealSleeper, Sleeper};

pub(crate) use driver::Driver;
pub(crate) use live::News;
pub(crate) use throttle::{LocalLimits, SharedSleeper};

use crate::{App, Error};

/// A rotation as it is shown.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// The rotation.
    pub record: RotationRecord,
    /// Its connection.
    pub connection: ConnectionRecord,
    /// Its environment.
    pub environment: EnvironmentRecord,
    /// Its folder.
    pub folder: FolderRecord,
    /// Why the last run failed.
    pub last_message: Option<String>,
}

fn already_running() -> Error {
    Error::bad_request("a rotation of this secret is in progress; try again shortly")
}

/// The environment and folder that a request names. Unknown ones are a violated rule.
async fn find_place(
    session: &Session,
    project: ProjectId,
    environment: &EnvironmentSlug,
    path: &SecretPath,
) -> Result<(EnvironmentRecord, FolderRecord), Error> {
    let unknown = || {
        Error::bad_request(format!(
            "no folder {path} in the environment \"{environment}\" of the project {project}"
        ))
    };
    let environment = session.find_environment(project, environment.as_str()).await?.ok_or_else(unknown)?;
    let folder = session.find_folder(environment.id, path).await?.ok_or_else(unknown)?;
    Ok((environment, folder))
}

impl App {
    /// A rotation with everything that is shown of it.
    async fn show(&self, session: &Session, record: RotationRecord) -> Result<Rotation, Error> {
        let missing = |what: &str| Error::internal(format!("a rotation's {what} is missing"));
        let connection = session
            .find_connection(record.org, record.connection)
            .await?
            .ok_or_else(|| missing("connection"))?;
        let folder = session
            .find_folder_by_id(record.project, record.folder)
            .await?
            .ok_or_else(|| missing("folder"))?;
        let environment = session
            .find_environment_by_id(folder.environment)
            .await?
            .ok_or_else(|| missing("environment"))?;
        let last_message = self.open_message(session, &record).await?;
        Ok(Rotation {
            record,
            connection,
            environment,
            folder,
            last_message,
        })
    }
}
