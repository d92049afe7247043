//! `/workspaces`, read only.

use serde::Serialize;
use uuid::Uuid;

use super::answer::{Answer, Refusal};
use super::{Call, fields};
use crate::config::DEFAULT_WORKSPACE;
use crate::state::World;
use crate::state::account::{Account, Workspace};

#[derive(Serialize)]
struct WorkspaceView<'a> {
    id: Uuid,
    slug: &'a str,
    name: &'a str,
    description: Option<&'a str>,
    created_at: String,
    created_by: Option<&'a str>,
    updated_at: Option<String>,
    default_guardrail_id: Uuid,
    default_text_model: Option<&'a str>,
    default_image_model: Option<&'a str>,
    default_provider_sort: Option<&'a str>,
    io_logging_api_key_ids: Option<Vec<u64>>,
    io_logging_sampling_rate: u32,
    is_data_discount_logging_enabled: bool,
    is_observability_broadcast_enabled: bool,
    is_observability_io_logging_enabled: bool,
}

fn view<'a>(world: &World, account: &'a Account, workspace: &'a Workspace) -> WorkspaceView<'a> {
    WorkspaceView {
        id: workspace.id,
        slug: &workspace.slug,
        name: if workspace.slug == DEFAULT_WORKSPACE {
            "Default Workspace"
        } else {
            &workspace.slug
        },
        description: None,
        created_at: workspace.created_at.wire(world.compat.timestamps),
        created_by: Some(&account.user_id),
        updated_at: None,
        default_guardrail_id: workspace.default_guardrail_id,
        default_text_model: None,
        default_image_model: None,
        default_provider_sort: None,
        io_logging_api_key_ids: None,
        io_logging_sampling_rate: 1,
        is_data_discount_logging_enabled: false,
        is_observability_broadcast_enabled: false,
        is_observability_io_logging_enabled: false,
    }
}

/// GET `/workspaces`.
pub(super) fn list(world: &World, call: &Call, account: usize) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct List<'a> {
        data: Vec<WorkspaceView<'a>>,
        total_count: usize,
    }

    let (offset, limit) = fields::window(call)?;
    let account = world.accounts.get(account).ok_or_else(|| Refusal::not_found("Not Found"))?;
    let page = account.workspaces.iter().skip(offset).take(limit);
    let data = page.map(|workspace| view(world, account, workspace)).collect();
    Answer::json(&List {
        data,
        total_count: account.workspaces.len(),
    })
}

/// GET `/workspaces/{id or slug}`.
pub(super) fn get(world: &World, reference: &str, account: usize) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Data<'a> {
        data: WorkspaceView<'a>,
    }

    let account = world.accounts.get(account).ok_or_else(|| Refusal::not_found("Not Found"))?;
    let id = fields::parse_uuid(reference);
    let workspace = account
        .workspaces
        .iter()
        .find(|workspace| workspace.slug == reference || Some(workspace.id) == id);
    let workspace = workspace.ok_or_else(|| Refusal::not_found("Workspace not found"))?;
    Answer::json(&Data {
        data: view(world, account, workspace),
    })
}
