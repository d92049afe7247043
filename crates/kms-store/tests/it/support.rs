//! A database of its own for each test, on SQLite, and on PostgreSQL where `KMS_TEST_POSTGRES` holds the address of a server on which
//! databases may be made.

use kms_core::entropy::SeededEntropy;
use kms_core::ids::{EnvironmentId, FolderId, OrgId, ProjectId, SecretId};
use kms_core::names::SecretPath;
use kms_core::seal::Sealed;
use kms_core::time::Timestamp;
use kms_store::folders::FolderRecord;
use kms_store::organizations::OrgRecord;
use kms_store::projects::{EnvironmentRecord, ProjectRecord};
use kms_store::secrets::{SecretRecord, VersionAuthor};
use kms_store::testing::TestDatabase;
use kms_store::{Engine, OpenOptions, Store};

/// Runs the story on every engine that is at hand.
pub(crate) fn on_each_engine<F: AsyncFn(World)>(story: F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let database = TestDatabase::sqlite();
        story(World::new(database.engine()).await).await;
        if let Some(database) = TestDatabase::postgres().await {
            eprintln!("on PostgreSQL");
            story(World::new(database.engine()).await).await;
        }
    });
}

/// A store with an organization, a project, an environment and its root folder.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) entropy: SeededEntropy,
    pub(crate) project: ProjectId,
    pub(crate) environment: EnvironmentId,
    pub(crate) root: FolderRecord,
}

pub(crate) fn start() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

pub(crate) fn path(text: &str) -> SecretPath {
    SecretPath::parse(text).unwrap()
}

pub(crate) fn author() -> VersionAuthor {
    VersionAuthor {
        kind: "identity".to_owned(),
        id: None,
        name: Some("a machine".to_owned()),
    }
}

impl World {
    async fn new(engine: Engine) -> Self {
        let entropy = SeededEntropy::new(1);
        let mut options = OpenOptions::new(engine);
        options.durable = false;
        let store = Store::open(&options).await.unwrap();
        let org = OrgRecord {
            id: OrgId::random(&entropy),
            name: "Example".to_owned(),
            slug: "example".to_owned(),
            created_at: start(),
            updated_at: start(),
        };
        let project = ProjectRecord {
            id: ProjectId::random(&entropy),
            org: org.id,
            name: "Shop".to_owned(),
            slug: "shop".to_owned(),
            description: None,
            kind: "secret-manager".to_owned(),
            auto_capitalization: false,
            version_limit: 10,
            audit_retention_days: None,
            delete_protection: false,
            secret_sharing: true,
            created_at: start(),
            updated_at: start(),
        };
        let tx = store.write().await.unwrap();
        tx.insert_org(&org).await.unwrap();
        tx.insert_project(&project).await.unwrap();
        tx.commit().await.unwrap();
        let mut world = Self {
            root: FolderRecord {
                id: FolderId::random(&entropy),
                project: project.id,
                environment: EnvironmentId::random(&entropy),
                parent: None,
                name: "root".to_owned(),
                path: SecretPath::root(),
                version: 1,
                description: None,
                created_at: start(),
                updated_at: start(),
            },
            store,
            project: project.id,
            environment: EnvironmentId::random(&entropy),
            entropy,
        };
        let (environment, root) = world.add_environment("dev", 1).await;
        world.environment = environment;
        world.root = root;
        world
    }

    /// Another environment and its root.
    pub(crate) async fn add_environment(&self, slug: &str, position: u32) -> (EnvironmentId, FolderRecord) {
        let environment = EnvironmentRecord {
            id: EnvironmentId::random(&self.entropy),
            project: self.project,
            name: slug.to_owned(),
            slug: slug.to_owned(),
            position,
            created_at: start(),
            updated_at: start(),
        };
        let root = FolderRecord {
            id: FolderId::random(&self.entropy),
            environment: environment.id,
            ..self.root.clone()
        };
        let tx = self.store.write().await.unwrap();
        tx.insert_environment(&environment).await.unwrap();
        tx.insert_folder(&root).await.unwrap();
        tx.commit().await.unwrap();
        (environment.id, root)
    }

    /// A folder in a folder, not stored yet.
    pub(crate) fn folder(&self, parent: &FolderRecord, name: &str) -> FolderRecord {
        FolderRecord {
            id: FolderId::random(&self.entropy),
            parent: Some(parent.id),
            name: name.to_owned(),
            path: parent.path.join(name),
            ..parent.clone()
        }
    }

    /// The same, stored.
    pub(crate) async fn add_folder(&self, parent: &FolderRecord, name: &str) -> FolderRecord {
        let folder = self.folder(parent, name);
        let tx = self.store.write().await.unwrap();
        tx.insert_folder(&folder).await.unwrap();
        tx.commit().await.unwrap();
        folder
    }

    /// A secret in a folder, not stored yet.
    pub(crate) fn secret(&self, folder: &FolderRecord, key: &str) -> SecretRecord {
        SecretRecord {
            id: SecretId::random(&self.entropy),
            project: self.project,
            folder: folder.id,
            key: key.to_owned(),
            sealed_value: Sealed::from_bytes(b"value 1".to_vec()),
            sealed_comment: None,
            metadata: serde_json::json!([{ "key": "team", "value": "shop" }]),
            version: 1,
            skip_multiline_encoding: Some(true),
            reminder_note: Some("renew it".to_owned()),
            reminder_repeat_days: Some(30),
            rotation: None,
            created_at: start(),
            updated_at: start(),
        }
    }

    /// The same, stored.
    pub(crate) async fn add_secret(&self, folder: &FolderRecord, key: &str) -> SecretRecord {
        let secret = self.secret(folder, key);
        let tx = self.store.write().await.unwrap();
        tx.insert_secret(&secret, &author()).await.unwrap();
        tx.commit().await.unwrap();
        secret
    }
}

/// The next version of a secret.
pub(crate) fn next(secret: &SecretRecord) -> SecretRecord {
    let version = secret.version + 1;
    SecretRecord {
        version,
        sealed_value: Sealed::from_bytes(format!("value {version}").into_bytes()),
        ..secret.clone()
    }
}
