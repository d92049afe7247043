//! Permissions: rules, conditions, the built-in roles, and the decision (`core-api.md` §18).
//!
//! A rule set is read from its end: the last rule that matches decides, and without one the answer is no. So a later inverted rule
//! removes what an earlier one gave.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An action on a subject. Constants of these stand in [`org`] and [`project`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Permission {
    /// What is acted on (`secrets`).
    pub subject: &'static str,
    /// What is done (`create`).
    pub action: &'static str,
}

const fn permission(subject: &'static str, action: &'static str) -> Permission {
    Permission { subject, action }
}

/// Permissions that an organization's roles give.
#[expect(missing_docs, reason = "the names are the contract's words")]
pub mod org {
    use super::{Permission, permission};

    pub const PROJECT_CREATE: Permission = permission("project", "create");
    pub const MEMBER_READ: Permission = permission("member", "read");
    pub const MEMBER_CREATE: Permission = permission("member", "create");
    pub const MEMBER_EDIT: Permission = permission("member", "edit");
    pub const MEMBER_DELETE: Permission = permission("member", "delete");
    pub const SETTINGS_READ: Permission = permission("settings", "read");
    pub const SETTINGS_EDIT: Permission = permission("settings", "edit");
    pub const IDENTITY_READ: Permission = permission("identity", "read");
    pub const IDENTITY_CREATE: Permission = permission("identity", "create");
    pub const IDENTITY_EDIT: Permission = permission("identity", "edit");
    pub const IDENTITY_DELETE: Permission = permission("identity", "delete");
    pub const IDENTITY_REVOKE_AUTH: Permission = permission("identity", "revoke-auth");
    pub const IDENTITY_CREATE_TOKEN: Permission = permission("identity", "create-token");
    pub const IDENTITY_GET_TOKEN: Permission = permission("identity", "get-token");
    pub const IDENTITY_DELETE_TOKEN: Permission = permission("identity", "delete-token");
    pub const AUDIT_LOGS_READ: Permission = permission("audit-logs", "read");
    pub const APP_CONNECTIONS_READ: Permission = permission("app-connections", "read");
    pub const APP_CONNECTIONS_CREATE: Permission = permission("app-connections", "create");
    pub const APP_CONNECTIONS_EDIT: Permission = permission("app-connections", "edit");
    pub const APP_CONNECTIONS_DELETE: Permission = permission("app-connections", "delete");
    pub const APP_CONNECTIONS_CONNECT: Permission = permission("app-connections", "connect");
}

/// Permissions that a project's roles give.
#[expect(missing_docs, reason = "the names are the contract's words")]
pub mod project {
    use super::{Permission, permission};

    pub const SECRETS_DESCRIBE: Permission = permission("secrets", "describeSecret");
    pub const SECRETS_READ_VALUE: Permission = permission("secrets", "readValue");
    pub const SECRETS_CREATE: Permission = permission("secrets", "create");
    pub const SECRETS_EDIT: Permission = permission("secrets", "edit");
    pub const SECRETS_DELETE: Permission = permission("secrets", "delete");
    pub const FOLDERS_READ: Permission = permission("secret-folders", "read");
    pub const FOLDERS_CREATE: Permission = permission("secret-folders", "create");
    pub const FOLDERS_EDIT: Permission = permission("secret-folders", "edit");
    pub const FOLDERS_DELETE: Permission = permission("secret-folders", "delete");
    pub const ROTATION_READ: Permission = permission("secret-rotation", "read");
    pub const ROTATION_READ_CREDENTIALS: Permission = permission("secret-rotation", "read-generated-credentials");
    pub const ROTATION_CREATE: Permission = permission("secret-rotation", "create");
    pub const ROTATION_EDIT: Permission = permission("secret-rotation", "edit");
    pub const ROTATION_DELETE: Permission = permission("secret-rotation", "delete");
    pub const ROTATION_ROTATE: Permission = permission("secret-rotation", "rotate-secrets");
    pub const APP_CONNECTIONS_READ: Permission = permission("app-connections", "read-app-connections");
    pub const APP_CONNECTIONS_CREATE: Permission = permission("app-connections", "create-app-connections");
    pub const APP_CONNECTIONS_EDIT: Permission = permission("app-connections", "edit-app-connections");
    pub const APP_CONNECTIONS_DELETE: Permission = permission("app-connections", "delete-app-connections");
    pub const APP_CONNECTIONS_CONNECT: Permission = permission("app-connections", "connect-app-connections");
    pub const ENVIRONMENTS_READ: Permission = permission("environments", "read");
    pub const ENVIRONMENTS_CREATE: Permission = permission("environments", "create");
    pub const ENVIRONMENTS_EDIT: Permission = permission("environments", "edit");
    pub const ENVIRONMENTS_DELETE: Permission = permission("environments", "delete");
    pub const IDENTITY_READ: Permission = permission("identity", "read");
    pub const IDENTITY_CREATE: Permission = permission("identity", "create");
    pub const IDENTITY_EDIT: Permission = permission("identity", "edit");
    pub const IDENTITY_DELETE: Permission = permission("identity", "delete");
    pub const MEMBER_READ: Permission = permission("member", "read");
    pub const MEMBER_CREATE: Permission = permission("member", "create");
    pub const MEMBER_EDIT: Permission = permission("member", "edit");
    pub const MEMBER_DELETE: Permission = permission("member", "delete");
    pub const SETTINGS_READ: Permission = permission("settings", "read");
    pub const PROJECT_EDIT: Permission = permission("project", "edit");
    pub const PROJECT_DELETE: Permission = permission("project", "delete");
    pub const AUDIT_LOGS_READ: Permission = permission("audit-logs", "read");
}

/// What is acted on, as far as conditions ask: the named attribute, or nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resource<'a> {
    /// Slug of the environment.
    pub environment: Option<&'a str>,
    /// Path of the folder.
    pub secret_path: Option<&'a str>,
    /// Name of the secret.
    pub secret_name: Option<&'a str>,
    /// Id of the connection.
    pub connection_id: Option<&'a str>,
    /// Id of the identity.
    pub identity_id: Option<&'a str>,
}

impl<'a> Resource<'a> {
    /// Nothing in particular: a condition on anything does not hold.
    pub const ANY: Resource<'static> = Resource {
        environment: None,
        secret_path: None,
        secret_name: None,
        connection_id: None,
        identity_id: None,
    };

    /// A place in a project.
    pub fn at(environment: &'a str, secret_path: &'a str) -> Self {
        Self {
            environment: Some(environment),
            secret_path: Some(secret_path),
            ..Self::default()
        }
    }

    /// The same place, and a secret in it.
    #[must_use]
    pub fn named(self, secret_name: &'a str) -> Self {
        Self {
            secret_name: Some(secret_name),
            ..self
        }
    }

    /// The same, through a connection.
    #[must_use]
    pub fn through(self, connection_id: &'a str) -> Self {
        Self {
            connection_id: Some(connection_id),
            ..self
        }
    }

    fn attribute(&self, name: &str) -> Option<&'a str> {
        match name {
            "environment" => self.environment,
            "secretPath" => self.secret_path,
            "secretName" => self.secret_name,
            "connectionId" => self.connection_id,
            "identityId" => self.identity_id,
            _ => None,
        }
    }
}

/// A test of one attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Condition {
    /// The attribute equals the text.
    Equals(String),
    /// All of the given operators hold.
    Operators(Operators),
}

/// Operators on one attribute; those that are given must all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operators {
    /// Equality.
    #[serde(rename = "$eq", default, skip_serializing_if = "Option::is_none")]
    pub eq: Option<String>,
    /// Inequality.
    #[serde(rename = "$ne", default, skip_serializing_if = "Option::is_none")]
    pub ne: Option<String>,
    /// One of a list.
    #[serde(rename = "$in", default, skip_serializing_if = "Option::is_none")]
    pub any_of: Option<Vec<String>>,
    /// A pattern, see [`glob_matches`].
    #[serde(rename = "$glob", default, skip_serializing_if = "Option::is_none")]
    pub glob: Option<String>,
}

impl Condition {
    fn holds(&self, value: Option<&str>) -> bool {
        let Some(value) = value else {
            return false;
        };
        match self {
            Self::Equals(wanted) => wanted == value,
            Self::Operators(operators) => {
                operators.eq.as_deref().is_none_or(|wanted| wanted == value)
                    && operators.ne.as_deref().is_none_or(|unwanted| unwanted != value)
                    && operators
                        .any_of
                        .as_ref()
                        .is_none_or(|list| list.iter().any(|wanted| wanted == value))
                    && operators.glob.as_deref().is_none_or(|pattern| glob_matches(pattern, value))
            }
        }
    }
}

/// Glob over paths and names: `*` matches within one path segment, `**` over several, `?` one character.
///
/// Linear in pattern × text; never exponential.
pub fn glob_matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    // reachable[j]: the pattern read so far can match the first j characters.
    let mut reachable = vec![false; text.len() + 1];
    if let Some(first) = reachable.first_mut() {
        *first = true;
    }
    let mut at = 0;
    while let Some(&token) = pattern.get(at) {
        let double = token == '*' && pattern.get(at + 1) == Some(&'*');
        let mut next = vec![false; text.len() + 1];
        let mut carried = false;
        for (position, slot) in next.iter_mut().enumerate() {
            let here = reachable.get(position).copied().unwrap_or(false);
            let before = position.checked_sub(1);
            let last = before.and_then(|p| text.get(p)).copied();
            *slot = match token {
                '*' => {
                    let extends = carried && (double || last != Some('/'));
                    here || extends
                }
                '?' => before.is_some_and(|p| reachable.get(p).copied().unwrap_or(false)) && last != Some('/'),
                literal => before.is_some_and(|p| reachable.get(p).copied().unwrap_or(false)) && last == Some(literal),
            };
            carried = *slot;
        }
        reachable = next;
        at += if double { 2 } else { 1 };
    }
    reachable.last().copied().unwrap_or(false)
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// What it is about; `*` is everything.
    pub subject: Cow<'static, str>,
    /// The actions it gives; `*` is all.
    #[serde(rename = "action")]
    pub actions: Vec<Cow<'static, str>>,
    /// Conditions by attribute; all must hold.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub conditions: BTreeMap<String, Condition>,
    /// Takes away instead of giving.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inverted: bool,
}

impl Rule {
    fn grants(subject: &'static str, actions: &[&'static str]) -> Self {
        Self {
            subject: Cow::Borrowed(subject),
            actions: actions.iter().map(|action| Cow::Borrowed(*action)).collect(),
            conditions: BTreeMap::new(),
            inverted: false,
        }
    }

    fn is_about(&self, wanted: Permission) -> bool {
        let subject = match &*self.subject {
            // The older name of the same subject.
            "workspace" => "project",
            other => other,
        };
        let subject_fits = subject == "*" || subject == wanted.subject;
        subject_fits
            && self.actions.iter().any(|action| {
                action == "*"
                    || action == wanted.action
                    // `read` on secrets is the older name of both halves.
                    || (wanted.subject == "secrets" && action == "read" && matches!(wanted.action, "describeSecret" | "readValue"))
            })
    }

    fn applies(&self, wanted: Permission, resource: &Resource<'_>) -> bool {
        self.is_about(wanted)
            && self
                .conditions
                .iter()
                .all(|(name, condition)| condition.holds(resource.attribute(name)))
    }
}

/// What somebody may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RuleSet(pub Vec<Rule>);

impl RuleSet {
    /// Whether the action on this resource is allowed.
    pub fn allows(&self, wanted: Permission, resource: &Resource<'_>) -> bool {
        self.0
            .iter()
            .rev()
            .find(|rule| rule.applies(wanted, resource))
            .is_some_and(|rule| !rule.inverted)
    }

    /// Whether the action is allowed on at least something: what a list asks before it filters its items.
    pub fn allows_somewhere(&self, wanted: Permission) -> bool {
        self.0
            .iter()
            .rev()
            .take_while(|rule| !(rule.inverted && rule.conditions.is_empty() && rule.is_about(wanted)))
            .any(|rule| !rule.inverted && rule.is_about(wanted))
    }

    /// Both sets together; what either gives is given unless a rule of the later one takes it away.
    #[must_use]
    pub fn and(mut self, other: RuleSet) -> RuleSet {
        self.0.extend(other.0);
        self
    }
}

/// A built-in role of an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrgRole {
    /// May nothing.
    NoAccess,
    /// May see the organization and use its connections.
    Member,
    /// May everything.
    Admin,
}

impl OrgRole {
    /// The slug in the API.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Member => "member",
            Self::NoAccess => "no-access",
        }
    }

    /// The role of that slug.
    pub fn from_slug(slug: &str) -> Option<Self> {
        [Self::Admin, Self::Member, Self::NoAccess]
            .into_iter()
            .find(|role| role.slug() == slug)
    }

    /// What the role gives.
    pub fn rules(self) -> RuleSet {
        RuleSet(match self {
            Self::Admin => vec![Rule::grants("*", &["*"])],
            Self::Member => vec![
                Rule::grants("project", &["create"]),
                Rule::grants("member", &["read"]),
                Rule::grants("groups", &["read"]),
                Rule::grants("role", &["read"]),
                Rule::grants("settings", &["read"]),
                Rule::grants("identity", &["read", "create", "edit", "delete"]),
                Rule::grants("audit-logs", &["read"]),
                Rule::grants("app-connections", &["connect"]),
            ],
            Self::NoAccess => vec![],
        })
    }

    /// Whether giving `other` gives no more than this role has.
    pub fn covers(self, other: OrgRole) -> bool {
        self >= other
    }
}

/// A built-in role of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProjectRole {
    /// May nothing.
    NoAccess,
    /// May read.
    Viewer,
    /// May work with secrets.
    Member,
    /// May everything.
    Admin,
}

impl ProjectRole {
    /// The slug in the API.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Viewer => "viewer",
            Self::NoAccess => "no-access",
        }
    }

    /// The role of that slug.
    pub fn from_slug(slug: &str) -> Option<Self> {
        [Self::Admin, Self::Member, Self::Viewer, Self::NoAccess]
            .into_iter()
            .find(|role| role.slug() == slug)
    }

    /// What the role gives.
    pub fn rules(self) -> RuleSet {
        const ALL: &[&str] = &["read", "create", "edit", "delete"];
        RuleSet(match self {
            Self::Admin => vec![Rule::grants("*", &["*"])],
            Self::Member => vec![
                Rule::grants("secrets", &["describeSecret", "readValue", "create", "edit", "delete"]),
                Rule::grants("secret-folders", ALL),
                Rule::grants("secret-imports", ALL),
                Rule::grants("dynamic-secrets", &["*"]),
                Rule::grants("secret-syncs", &["*"]),
                Rule::grants("integrations", ALL),
                Rule::grants("webhooks", ALL),
                Rule::grants("service-tokens", ALL),
                Rule::grants("settings", ALL),
                Rule::grants("environments", ALL),
                Rule::grants("tags", ALL),
                Rule::grants(
                    "cmek",
                    &["read", "create", "edit", "delete", "encrypt", "decrypt", "sign", "verify"],
                ),
                Rule::grants("identity", ALL),
                Rule::grants("member", &["read", "create"]),
                Rule::grants("secret-rotation", &["read"]),
                Rule::grants("app-connections", &["connect-app-connections"]),
                Rule::grants("role", &["read"]),
                Rule::grants("audit-logs", &["read"]),
                Rule::grants("groups", &["read"]),
                Rule::grants("secret-approval", &["read"]),
                Rule::grants("secret-rollback", &["read", "create"]),
                Rule::grants("commits", &["read", "perform-rollback"]),
                Rule::grants("secret-event-subscriptions", &["*"]),
            ],
            Self::Viewer => vec![
                Rule::grants("secrets", &["describeSecret", "readValue"]),
                Rule::grants("secret-folders", &["read"]),
                Rule::grants("secret-imports", &["read"]),
                Rule::grants("dynamic-secrets", &["read-root-credential"]),
                Rule::grants("secret-syncs", &["read"]),
                Rule::grants("secret-rotation", &["read"]),
                Rule::grants("settings", &["read"]),
                Rule::grants("environments", &["read"]),
                Rule::grants("tags", &["read"]),
                Rule::grants("member", &["read"]),
                Rule::grants("identity", &["read"]),
                Rule::grants("role", &["read"]),
                Rule::grants("groups", &["read"]),
                Rule::grants("cmek", &["read"]),
                Rule::grants("secret-event-subscriptions", &["*"]),
            ],
            Self::NoAccess => vec![],
        })
    }

    /// Whether giving `other` gives no more than this role has.
    pub fn covers(self, other: ProjectRole) -> bool {
        self >= other
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn rule(json: &serde_json::Value) -> Rule {
        serde_json::from_value(json.clone()).unwrap()
    }

    #[test]
    fn without_a_rule_the_answer_is_no() {
        assert!(!RuleSet::default().allows(project::SECRETS_CREATE, &Resource::ANY));
        assert!(!ProjectRole::NoAccess.rules().allows_somewhere(project::SECRETS_DESCRIBE));
    }

    #[test]
    fn a_later_inverted_rule_takes_away() {
        let rules = RuleSet(vec![
            rule(&serde_json::json!({ "subject": "secrets", "action": ["read"] })),
            rule(
                &serde_json::json!({ "subject": "secrets", "action": ["readValue"], "inverted": true,
                "conditions": { "environment": "prod", "secretPath": { "$glob": "/pay/**" } } }),
            ),
        ]);
        assert!(rules.allows(project::SECRETS_READ_VALUE, &Resource::at("prod", "/")));
        assert!(!rules.allows(project::SECRETS_READ_VALUE, &Resource::at("prod", "/pay/cards")));
        assert!(rules.allows(project::SECRETS_DESCRIBE, &Resource::at("prod", "/pay/cards")));
        assert!(rules.allows_somewhere(project::SECRETS_READ_VALUE));
    }

    #[test]
    fn a_condition_on_an_unknown_attribute_never_holds() {
        let rules = RuleSet(vec![rule(
            &serde_json::json!({ "subject": "secrets", "action": ["create"], "conditions": { "moon": "full" } }),
        )]);
        assert!(!rules.allows(project::SECRETS_CREATE, &Resource::at("dev", "/")));
    }

    #[rstest]
    #[case(ProjectRole::Admin, project::ROTATION_CREATE, true)]
    #[case(ProjectRole::Member, project::ROTATION_CREATE, false)]
    #[case(ProjectRole::Member, project::ROTATION_READ, true)]
    #[case(ProjectRole::Member, project::APP_CONNECTIONS_CONNECT, true)]
    #[case(ProjectRole::Member, project::APP_CONNECTIONS_READ, false)]
    #[case(ProjectRole::Viewer, project::SECRETS_READ_VALUE, true)]
    #[case(ProjectRole::Viewer, project::SECRETS_CREATE, false)]
    #[case(ProjectRole::Viewer, project::APP_CONNECTIONS_CONNECT, false)]
    #[case(ProjectRole::Member, project::PROJECT_DELETE, false)]
    fn built_in_project_roles(#[case] role: ProjectRole, #[case] wanted: Permission, #[case] allowed: bool) {
        assert_eq!(role.rules().allows(wanted, &Resource::ANY), allowed);
    }

    #[rstest]
    #[case(OrgRole::Member, org::APP_CONNECTIONS_CONNECT, true)]
    #[case(OrgRole::Member, org::APP_CONNECTIONS_READ, false)]
    #[case(OrgRole::Admin, org::APP_CONNECTIONS_DELETE, true)]
    #[case(OrgRole::NoAccess, org::PROJECT_CREATE, false)]
    fn built_in_org_roles(#[case] role: OrgRole, #[case] wanted: Permission, #[case] allowed: bool) {
        assert_eq!(role.rules().allows(wanted, &Resource::ANY), allowed);
    }

    #[rstest]
    #[case("/a/*", "/a/b", true)]
    #[case("/a/*", "/a/b/c", false)]
    #[case("/a/**", "/a/b/c", true)]
    #[case("**", "/", true)]
    #[case("dev-?", "dev-1", true)]
    #[case("dev-?", "dev-12", false)]
    #[case("", "", true)]
    #[case("", "x", false)]
    fn globs(#[case] pattern: &str, #[case] text: &str, #[case] matches: bool) {
        assert_eq!(glob_matches(pattern, text), matches);
    }

    fn naive(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            (['*', '*', rest @ ..], _) => naive(rest, text) || (!text.is_empty() && naive(pattern, &text[1..])),
            (['*', rest @ ..], _) => naive(rest, text) || (!text.is_empty() && text[0] != '/' && naive(pattern, &text[1..])),
            (['?', rest @ ..], [c, tail @ ..]) => *c != '/' && naive(rest, tail),
            ([p, rest @ ..], [c, tail @ ..]) => p == c && naive(rest, tail),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn globs_agree_with_the_plain_definition(pattern in "[ab/*?]{0,8}", text in "[ab/]{0,8}") {
            let p: Vec<char> = pattern.chars().collect();
            let t: Vec<char> = text.chars().collect();
            prop_assert_eq!(glob_matches(&pattern, &text), naive(&p, &t));
        }

        #[test]
        fn what_is_allowed_on_something_is_allowed_somewhere(inverted in proptest::collection::vec(any::<bool>(), 0..5), env in "[ab]") {
            let rules = RuleSet(inverted.iter().enumerate().map(|(i, inv)| rule(&serde_json::json!({
                "subject": "secrets", "action": ["create"], "inverted": inv,
                "conditions": if i % 2 == 0 { serde_json::json!({ "environment": "a" }) } else { serde_json::json!({}) },
            }))).collect());
            if rules.allows(project::SECRETS_CREATE, &Resource::at(&env, "/")) {
                prop_assert!(rules.allows_somewhere(project::SECRETS_CREATE));
            }
        }
    }
}
