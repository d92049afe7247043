//! Roles given to members of a project: for good, or for a span of time.

use kms_app::memberships::RoleGrant;
use kms_app::records::{RoleAssignment, Temporary};
use kms_app::{Error, FieldIssue};
use kms_core::permission::ProjectRole;
use kms_core::time::{Timestamp, parse_span};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::extract::{Issues, Wire};

/// One role to give.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleRequest {
    /// `admin`, `member`, `viewer` or `no-access`.
    role: String,
    /// Whether it ends by itself; false if absent. Then the other fields are ignored, whatever they hold: Terraform fills them with
    /// empty texts and the year 1.
    is_temporary: Option<bool>,
    /// `relative`.
    #[schema(value_type = Option<String>)]
    temporary_mode: Option<Value>,
    /// How long, as in `1h` or `7d`.
    #[schema(value_type = Option<String>)]
    temporary_range: Option<Value>,
    /// From when.
    #[schema(value_type = Option<String>, format = DateTime)]
    temporary_access_start_time: Option<Value>,
}

/// The roles to give: one, or a list.
#[derive(Debug, Deserialize, ToSchema)]
pub struct RolesRequest {
    /// Slug of the only role.
    role: Option<String>,
    /// All roles.
    roles: Option<Vec<RoleRequest>>,
}

impl Wire for RolesRequest {}

/// A role that exists. That it does not is a matter of the project, not of the request's form.
pub(crate) fn known(slug: &str) -> Result<ProjectRole, Error> {
    let slug = slug.trim();
    ProjectRole::from_slug(slug).ok_or_else(|| Error::bad_request(format!("there is no role \"{slug}\" in this project")))
}

fn temporary(issues: &mut Issues, place: usize, request: &RoleRequest) -> Option<Temporary> {
    if request.is_temporary != Some(true) {
        return None;
    }
    let text = |value: &Option<Value>| value.as_ref().and_then(Value::as_str).map(str::to_owned);
    let mode = text(&request.temporary_mode);
    let range = text(&request.temporary_range);
    let span = range.as_deref().and_then(parse_span);
    let start = text(&request.temporary_access_start_time).and_then(|text| text.parse::<Timestamp>().ok());
    let wrong = [
        (mode.as_deref() == Some("relative"), "temporaryMode", "must be relative"),
        (span.is_some(), "temporaryRange", "must be a span of time, as in 1h or 7d"),
        (
            start.is_some(),
            "temporaryAccessStartTime",
            "must be an ISO 8601 time, as in 2026-01-31T10:20:30.123Z",
        ),
    ];
    let wrong = wrong.into_iter().filter(|(fine, ..)| !fine).map(|(_, field, message)| FieldIssue {
        code: "invalid_string",
        path: vec![place.to_string(), field.to_owned()],
        message: message.to_owned(),
    });
    issues.extend("roles", wrong.collect());
    let (range, span, start) = (range?, span?, start?);
    Some(Temporary {
        range: range.trim().to_owned(),
        start,
        end: start + span,
    })
}

impl RolesRequest {
    /// The roles; at least one must be given.
    pub(super) fn read(self) -> Result<Vec<RoleGrant>, Error> {
        let mut issues = Issues::new();
        let requests = match (self.roles, self.role) {
            (Some(roles), _) => roles,
            (None, Some(role)) => vec![RoleRequest {
                role,
                is_temporary: None,
                temporary_mode: None,
                temporary_range: None,
                temporary_access_start_time: None,
            }],
            (None, None) => return Err(Error::invalid("roles", "invalid_type", "Required")),
        };
        issues.check(!requests.is_empty(), "roles", "too_small", "must have at least 1 role");
        issues.check(requests.len() <= 100, "roles", "too_big", "must have at most 100 roles");
        let spans: Vec<Option<Temporary>> = requests
            .iter()
            .enumerate()
            .map(|(place, request)| temporary(&mut issues, place, request))
            .collect();
        issues.finish()?;
        requests
            .iter()
            .zip(spans)
            .map(|(request, temporary)| {
                Ok(RoleGrant {
                    role: known(&request.role)?,
                    temporary,
                })
            })
            .collect()
    }

    /// The roles; without any, the role that gives nothing.
    pub(super) fn read_or_no_access(self) -> Result<Vec<RoleGrant>, Error> {
        if self.role.is_none() && self.roles.is_none() {
            return Ok(vec![RoleGrant {
                role: ProjectRole::NoAccess,
                temporary: None,
            }]);
        }
        self.read()
    }
}

/// A role of a member.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleBody {
    id: Uuid,
    role: &'static str,
    custom_role_id: Option<Uuid>,
    custom_role_name: Option<String>,
    custom_role_slug: Option<String>,
    is_temporary: bool,
    temporary_mode: Option<&'static str>,
    temporary_range: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    temporary_access_start_time: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    temporary_access_end_time: Option<Timestamp>,
}

impl From<RoleAssignment> for RoleBody {
    fn from(assignment: RoleAssignment) -> Self {
        let temporary = assignment.temporary;
        Self {
            id: assignment.id.0,
            role: assignment.role.slug(),
            custom_role_id: None,
            custom_role_name: None,
            custom_role_slug: None,
            is_temporary: temporary.is_some(),
            temporary_mode: temporary.as_ref().map(|_| "relative"),
            temporary_access_start_time: temporary.as_ref().map(|temporary| temporary.start),
            temporary_access_end_time: temporary.as_ref().map(|temporary| temporary.end),
            temporary_range: temporary.map(|temporary| temporary.range),
        }
    }
}

/// The roles of a member.
#[derive(Debug, Serialize, ToSchema)]
pub struct RolesBody {
    pub(super) roles: Vec<RoleBody>,
}
