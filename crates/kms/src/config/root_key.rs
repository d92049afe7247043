//! Where the root key comes from: given, in a file, or generated once into the data folder.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use kms_core::entropy::Entropy;
use kms_core::secret::SecretString;
use kms_crypto::root::RootKey;

use super::Source;

/// Where the root key comes from.
#[derive(Debug, Clone)]
pub(crate) enum RootKeySource {
    /// It was given.
    Given(SecretString),
    /// It stands in that file.
    File(PathBuf),
    /// It stands in that file, and is generated there if the file is absent.
    Generated(PathBuf),
}

pub(super) fn source(source: &Source, data_dir: &Path) -> Result<RootKeySource> {
    match (source.text("root_key"), source.text("root_key_file")) {
        (Some(_), Some(_)) => bail!("root_key and root_key_file are both set; set one of them"),
        (Some(text), None) => {
            let secret = super::secret(text);
            parse(&secret).context("the setting root_key is not valid")?;
            Ok(RootKeySource::Given(secret))
        }
        (None, Some(path)) => Ok(RootKeySource::File(PathBuf::from(path))),
        (None, None) => Ok(RootKeySource::Generated(data_dir.join("root.key"))),
    }
}

fn parse(text: &SecretString) -> Result<RootKey> {
    RootKey::parse(text)
        .map_err(|_what| anyhow::anyhow!("a root key is 32 bytes as base64 or 64 hex digits (or 32 hex digits, which are expanded)"))
}

impl RootKeySource {
    /// The key. Generates it only where it may and where no database exists yet that it could not open.
    pub(crate) fn load(&self, database_exists: bool, entropy: &dyn Entropy) -> Result<RootKey> {
        match self {
            Self::Given(text) => parse(text),
            Self::File(path) => read(path),
            Self::Generated(path) if path.exists() => read(path),
            Self::Generated(path) if database_exists => {
                bail!(
                    "the database exists, but its root key {} is missing; restore the file, or set KMS_ROOT_KEY",
                    path.display()
                )
            }
            Self::Generated(path) => generate(path, entropy),
        }
    }
}

fn read(path: &Path) -> Result<RootKey> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the root key file {}", path.display()))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path)
            .with_context(|| format!("cannot read the root key file {}", path.display()))?
            .permissions()
            .mode();
        if mode & 0o077 != 0 {
            bail!(
                "the root key file {} can be read by others (mode {:o}); run: chmod 600 {0}",
                path.display(),
                mode & 0o777
            );
        }
    }
    parse(&SecretString::new(text)).with_context(|| format!("the root key file {} is not valid", path.display()))
}

/// Writes a new key durably: to a new file, synced, renamed, and the folder synced.
fn generate(path: &Path, entropy: &dyn Entropy) -> Result<RootKey> {
    let key = RootKey::generate(entropy);
    let folder = path.parent().unwrap_or(Path::new("."));
    let cannot = || format!("cannot write the root key file {}", path.display());
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(cannot)?;
    writeln!(file, "{}", key.to_base64().expose()).with_context(cannot)?;
    file.as_file().sync_all().with_context(cannot)?;
    match file.persist_noclobber(path) {
        Ok(_file) => {}
        // Another process was first.
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => return read(path),
        Err(error) => return Err(error.error).with_context(cannot),
    }
    std::fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .with_context(cannot)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_generated_once_and_only_for_the_owner() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        let source = RootKeySource::Generated(path.clone());
        let entropy = kms_crypto::os_entropy::OsEntropy;
        let first = source.load(false, &entropy).unwrap();
        let second = source.load(true, &entropy).unwrap();
        assert_eq!(first.to_base64(), second.to_base64());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(format!("{:#}", source.load(true, &entropy).unwrap_err()).contains("chmod 600"));
    }

    #[test]
    fn no_key_is_generated_for_a_database_that_has_one() {
        let folder = tempfile::tempdir().unwrap();
        let source = RootKeySource::Generated(folder.path().join("root.key"));
        let error = source.load(true, &kms_crypto::os_entropy::OsEntropy).unwrap_err();
        assert!(error.to_string().contains("is missing"), "{error}");
        assert!(!folder.path().join("root.key").exists());
    }
}
