//! Sealing of values and comments. Each is sealed for its secret and version; whoever writes a new version seals both anew.

use kms_core::ids::{ProjectId, SecretId};
use kms_core::seal::{KeyScope, Purpose, SealContext, Sealed};
use kms_core::secret::SecretString;
use kms_crypto::data::DataKeys;
use kms_store::secrets::SecretRecord;

use crate::{App, Error};

fn context(purpose: Purpose, project: ProjectId, secret: SecretId, version: u32) -> SealContext {
    SealContext {
        purpose,
        scope: KeyScope::Project(project),
        row: secret.0,
        version: u64::from(version),
    }
}

impl App {
    /// Seals a value.
    pub(crate) fn seal_secret_value(
        &self,
        keys: &DataKeys,
        project: ProjectId,
        secret: SecretId,
        version: u32,
        value: &SecretString,
    ) -> Sealed {
        keys.seal_text(context(Purpose::SecretValue, project, secret, version), value, self.entropy())
    }

    /// Opens a value.
    pub(crate) fn open_secret_value(
        &self,
        keys: &DataKeys,
        project: ProjectId,
        secret: SecretId,
        version: u32,
        sealed: &Sealed,
    ) -> Result<SecretString, Error> {
        Ok(keys.open_text(context(Purpose::SecretValue, project, secret, version), sealed)?)
    }

    /// Seals a comment.
    pub(crate) fn seal_secret_comment(
        &self,
        keys: &DataKeys,
        project: ProjectId,
        secret: SecretId,
        version: u32,
        comment: &SecretString,
    ) -> Sealed {
        keys.seal_text(context(Purpose::SecretComment, project, secret, version), comment, self.entropy())
    }

    /// Opens a comment.
    pub(crate) fn open_secret_comment(
        &self,
        keys: &DataKeys,
        project: ProjectId,
        secret: SecretId,
        version: u32,
        sealed: &Sealed,
    ) -> Result<SecretString, Error> {
        Ok(keys.open_text(context(Purpose::SecretComment, project, secret, version), sealed)?)
    }

    /// The next version of a secret, with another value or the same, sealed for that version. The rest is for the caller to change.
    pub(crate) fn next_version(
        &self,
        keys: &DataKeys,
        mut record: SecretRecord,
        value: Option<&SecretString>,
    ) -> Result<SecretRecord, Error> {
        let (project, id, version) = (record.project, record.id, record.version.saturating_add(1));
        let kept;
        let value = match value {
            Some(value) => value,
            None => {
                kept = self.open_secret_value(keys, project, id, record.version, &record.sealed_value)?;
                &kept
            }
        };
        record.sealed_value = self.seal_secret_value(keys, project, id, version, value);
        if let Some(sealed) = &record.sealed_comment {
            let comment = self.open_secret_comment(keys, project, id, record.version, sealed)?;
            record.sealed_comment = Some(self.seal_secret_comment(keys, project, id, version, &comment));
        }
        record.version = version;
        record.updated_at = self.now();
        Ok(record)
    }
}
