//! Audit entries: who did what, when, from where (`core-api.md` §13). Never a value, a token or a credential.

use serde_json::Value;

use crate::ids::{AuditEntryId, IdentityId, OrgId, ProjectId, UserId};
use crate::time::Timestamp;

/// Who acted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditActor {
    /// A person.
    User {
        /// Which.
        id: UserId,
        /// Their address.
        email: String,
    },
    /// A machine identity.
    Identity {
        /// Which.
        id: IdentityId,
        /// Its name.
        name: String,
        /// How it logged in (`universal-auth`).
        auth_method: Option<String>,
    },
    /// Hanzo KMS itself: scheduled work.
    Platform,
    /// Somebody who did not get as far as being known.
    Unknown,
}

impl AuditActor {
    /// The actor's type as the API names it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::User { .. } => "user",
            Self::Identity { .. } => "identity",
            Self::Platform => "platform",
            Self::Unknown => "unknownUser",
        }
    }

    /// The actor's metadata as the API shows it.
    pub fn metadata(&self) -> Value {
        match self {
            Self::User { id, email } => serde_json::json!({ "userId": id, "email": email, "username": email }),
            Self::Identity { id, name, auth_method } => {
                serde_json::json!({ "identityId": id, "name": name, "authMethod": auth_method })
            }
            Self::Platform | Self::Unknown => serde_json::json!({}),
        }
    }

    /// The actor's id, for filters.
    pub fn id(&self) -> Option<uuid::Uuid> {
        match self {
            Self::User { id, .. } => Some(id.0),
            Self::Identity { id, .. } => Some(id.0),
            Self::Platform | Self::Unknown => None,
        }
    }
}

/// Where a request came from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// Address of the client.
    pub address: Option<std::net::IpAddr>,
    /// Its `User-Agent`, cut to 512 characters.
    pub user_agent: Option<String>,
}

impl Origin {
    /// The kind of client, guessed from the `User-Agent` as the contract says.
    pub fn user_agent_kind(&self) -> &'static str {
        let Some(agent) = self.user_agent.as_deref() else {
            return "other";
        };
        if agent == "cli" {
            "cli"
        } else if agent == "k8-operator" || agent.starts_with("k8-operator/") {
            "k8-operator"
        } else if agent == "terraform" {
            "terraform"
        } else if agent.to_lowercase().contains("mozilla") {
            "web"
        } else if agent.contains("InfisicalNodeSDK") {
            "InfisicalNodeSDK"
        } else if agent.contains("InfisicalPythonSDK") {
            "InfisicalPythonSDK"
        } else {
            "other"
        }
    }
}

/// One entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its id.
    pub id: AuditEntryId,
    /// When.
    pub at: Timestamp,
    /// In which organization.
    pub org: OrgId,
    /// In which project, if in one.
    pub project: Option<ProjectId>,
    /// Who.
    pub actor: AuditActor,
    /// From where.
    pub origin: Origin,
    /// What, in the contract's kebab-case (`create-secret`).
    pub event: &'static str,
    /// Details of the event.
    pub metadata: Value,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("cli", "cli")]
    #[case("k8-operator/1.2", "k8-operator")]
    #[case("terraform", "terraform")]
    #[case("Mozilla/5.0", "web")]
    #[case("hanzo-kms-python", "other")]
    fn kinds_of_clients(#[case] agent: &str, #[case] kind: &str) {
        let origin = Origin {
            address: None,
            user_agent: Some(agent.to_owned()),
        };
        assert_eq!(origin.user_agent_kind(), kind);
    }
}
