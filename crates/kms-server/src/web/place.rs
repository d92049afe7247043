//! A folder of an environment, as the screens' addresses name it.

use kms_app::Error;
use kms_app::projects::ProjectSelector;
use kms_app::secrets::PlaceSelector;
use kms_core::names::SecretPath;

use super::page::encoded;

/// A folder of an environment.
#[derive(Debug, Clone)]
pub(super) struct Here {
    pub(super) project: String,
    /// Slug of the environment; empty where all are meant.
    pub(super) environment: String,
    pub(super) path: SecretPath,
}

impl Here {
    pub(super) fn new(project: &str, environment: &str, path: Option<&str>) -> Result<Self, Error> {
        let path = path.filter(|path| !path.is_empty()).unwrap_or("/");
        Ok(Self {
            project: project.to_owned(),
            environment: environment.to_owned(),
            path: SecretPath::parse(path).map_err(|error| Error::invalid("path", error.code, error.message))?,
        })
    }

    pub(super) fn selector(&self) -> PlaceSelector {
        PlaceSelector {
            project: ProjectSelector::Id(self.project.clone()),
            environment: self.environment.clone(),
            path: self.path.clone(),
        }
    }

    pub(super) fn path_encoded(&self) -> String {
        encoded(self.path.as_str())
    }

    /// The folders on the way here: name and path.
    pub(super) fn ways(&self) -> Vec<(String, String)> {
        let mut path = String::new();
        self.path
            .segments()
            .map(|name| {
                path = format!("{path}/{name}");
                (name.to_owned(), path.clone())
            })
            .collect()
    }

    /// The overview, at a path.
    pub(super) fn overview_at(&self, path: &str) -> String {
        format!("/projects/{}/secrets?path={}", self.project, encoded(path))
    }

    /// The environment's page, at a path.
    pub(super) fn environment_at(&self, path: &str) -> String {
        format!("/projects/{}/secrets/{}?path={}", self.project, self.environment, encoded(path))
    }

    /// Something to be done here.
    pub(super) fn at(&self, what: &str) -> String {
        format!(
            "/projects/{}/secrets/{}/{what}?path={}",
            self.project,
            self.environment,
            self.path_encoded()
        )
    }

    /// Back to the environment's page, with a word on what was done.
    pub(super) fn done(&self, word: &str) -> String {
        format!("{}&done={word}", self.environment_at(self.path.as_str()))
    }
}
