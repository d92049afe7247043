//! `/guardrails`: enough for an assignment to be kept or lost on rotation.

use http::StatusCode;
use serde::Serialize;
use uuid::Uuid;

use super::answer::{Answer, Refusal};
use super::{Call, Mode, fields};
use crate::key_text::KeyHash;
use crate::money::Usd;
use crate::state::account::{Account, Assignment, Guardrail};
use crate::state::usage::Interval;
use crate::state::{KeyRef, World};
use crate::time::Moment;

const NO_SUCH_GUARDRAIL: &str = "Guardrail not found";

#[derive(Serialize)]
struct GuardrailView<'a> {
    id: Uuid,
    name: &'a str,
    description: Option<&'a str>,
    workspace_id: Option<Uuid>,
    limit_usd: Option<Usd>,
    reset_interval: Option<Interval>,
    include_byok_in_budgets: bool,
    allowed_models: Option<&'a [String]>,
    allowed_providers: Option<&'a [String]>,
    created_at: String,
    updated_at: Option<String>,
}

#[derive(Serialize)]
struct AssignmentView<'a> {
    id: Uuid,
    guardrail_id: Uuid,
    key_hash: KeyHash,
    key_name: &'a str,
    key_label: &'a str,
    assigned_by: Option<&'a str>,
    created_at: String,
}

#[derive(Serialize)]
struct Data<T> {
    data: T,
}

#[derive(Serialize)]
struct List<T> {
    data: Vec<T>,
    total_count: usize,
}

fn view<'a>(world: &World, account: &'a Account, guardrail: &'a Guardrail) -> GuardrailView<'a> {
    GuardrailView {
        id: guardrail.id,
        name: &guardrail.name,
        description: guardrail.description.as_deref(),
        workspace_id: account.workspaces.get(guardrail.workspace).map(|workspace| workspace.id),
        limit_usd: guardrail.limit,
        reset_interval: guardrail.reset_interval,
        include_byok_in_budgets: guardrail.include_byok,
        allowed_models: guardrail.allowed_models.as_deref(),
        allowed_providers: guardrail.allowed_providers.as_deref(),
        created_at: guardrail.created_at.wire(world.compat.timestamps),
        updated_at: None,
    }
}

fn account(world: &World, account: usize) -> Result<&Account, Refusal> {
    world.accounts.get(account).ok_or_else(|| Refusal::not_found("Not Found"))
}

fn find(owner: &Account, id: &str) -> Result<usize, Refusal> {
    let place = fields::parse_uuid(id).and_then(|id| owner.guardrail_by_id(id));
    place.ok_or_else(|| Refusal::not_found(NO_SUCH_GUARDRAIL))
}

/// GET `/guardrails`.
pub(super) fn list(world: &World, call: &Call, owner: usize) -> Result<Answer, Refusal> {
    let (offset, limit) = fields::window(call)?;
    let owner = account(world, owner)?;
    let page = owner.guardrails.iter().skip(offset).take(limit);
    let data = page.map(|guardrail| view(world, owner, guardrail)).collect();
    Answer::json(&List {
        data,
        total_count: owner.guardrails.len(),
    })
}

/// GET `/guardrails/{id}`.
pub(super) fn get(world: &World, id: &str, owner: usize) -> Result<Answer, Refusal> {
    let owner = account(world, owner)?;
    let guardrail = owner
        .guardrails
        .get(find(owner, id)?)
        .ok_or_else(|| Refusal::not_found(NO_SUCH_GUARDRAIL))?;
    Answer::json(&Data {
        data: view(world, owner, guardrail),
    })
}

/// POST `/guardrails`.
pub(super) fn create(world: &mut World, call: &Call, owner: usize, now: Moment, mode: Mode) -> Result<Answer, Refusal> {
    let body = call.body()?;
    let name = fields::not_null("name", fields::text(body, "name")?)?;
    let name = name.ok_or_else(|| Refusal::bad_request("name: is required"))?;
    let limit = fields::amount(body, "limit_usd")?.or_none();
    let reset_interval = fields::interval(body, "reset_interval")?.or_none();
    if limit.is_some_and(|limit| limit.is_negative() || limit.is_zero()) {
        return Err(Refusal::bad_request("limit_usd: must be greater than 0"));
    }
    if limit.is_some() != reset_interval.is_some() {
        return Err(Refusal::bad_request("limit_usd and reset_interval: only together"));
    }
    let include_byok = fields::not_null("include_byok_in_budgets", fields::boolean(body, "include_byok_in_budgets")?)?;
    let workspace = match fields::not_null("workspace_id", fields::uuid(body, "workspace_id")?)? {
        None => 0,
        Some(id) => account(world, owner)?
            .workspace_by_id(id)
            .ok_or_else(|| Refusal::bad_request("workspace_id: no such workspace"))?,
    };
    let guardrail = Guardrail {
        id: world.random.uuid(),
        name,
        description: fields::text(body, "description")?.or_none(),
        workspace,
        limit,
        reset_interval,
        include_byok: include_byok.unwrap_or(false),
        allowed_models: fields::strings(body, "allowed_models")?.or_none(),
        allowed_providers: fields::strings(body, "allowed_providers")?.or_none(),
        created_at: now,
        assignments: Vec::new(),
    };
    let mut answer = Answer::json(&Data {
        data: view(world, account(world, owner)?, &guardrail),
    })?;
    answer.status = StatusCode::CREATED;
    if mode.makes()
        && let Some(owner) = world.accounts.get_mut(owner)
    {
        owner.guardrails.push(guardrail);
    }
    Ok(answer.effect(mode.makes()))
}

/// GET `/guardrails/{id}/assignments/keys`, or of all guardrails.
pub(super) fn assignments(world: &World, call: &Call, id: Option<&str>, owner: usize) -> Result<Answer, Refusal> {
    let (offset, limit) = fields::window(call)?;
    let owner = account(world, owner)?;
    let only = id.map(|id| find(owner, id)).transpose()?;
    let all: Vec<(&Guardrail, &Assignment)> = owner
        .guardrails
        .iter()
        .enumerate()
        .filter(|(place, _)| only.is_none_or(|only| only == *place))
        .flat_map(|(_, guardrail)| guardrail.assignments.iter().map(move |assignment| (guardrail, assignment)))
        .collect();
    let page = all.iter().skip(offset).take(limit);
    let data = page.filter_map(|(guardrail, assignment)| {
        let key = owner.keys.get(assignment.slot)?;
        Some(AssignmentView {
            id: assignment.id,
            guardrail_id: guardrail.id,
            key_hash: key.hash,
            key_name: &key.name,
            key_label: &key.label,
            assigned_by: Some(&owner.user_id),
            created_at: assignment.created_at.wire(world.compat.timestamps),
        })
    });
    Answer::json(&List {
        data: data.collect(),
        total_count: all.len(),
    })
}

/// The keys of `key_hashes`, all of which must be live keys of the account.
fn key_hashes(world: &World, call: &Call, owner: usize) -> Result<Vec<KeyRef>, Refusal> {
    let hashes = fields::not_null("key_hashes", fields::strings(call.body()?, "key_hashes")?)?;
    let hashes = hashes.filter(|hashes| !hashes.is_empty());
    let hashes = hashes.ok_or_else(|| Refusal::bad_request("key_hashes: expected a non-empty array"))?;
    hashes
        .iter()
        .map(|hash| {
            let at = hash.parse().ok().and_then(|hash| world.key_of(owner, hash));
            at.filter(|at| world.key(*at).is_some_and(crate::state::key::Key::live))
                .ok_or_else(|| Refusal::bad_request("key_hashes: contains a hash that is no key of this account"))
        })
        .collect()
}

/// POST `/guardrails/{id}/assignments/keys`.
pub(super) fn assign(world: &mut World, call: &Call, id: &str, owner: usize, now: Moment, mode: Mode) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Assigned {
        assigned_count: usize,
    }

    let keys = key_hashes(world, call, owner)?;
    let place = find(account(world, owner)?, id)?;
    if mode.makes() {
        for at in &keys {
            world.assign(*at, Some(place), now);
        }
    }
    Ok(Answer::json(&Assigned {
        assigned_count: keys.len(),
    })?
    .effect(mode.makes()))
}

/// POST `/guardrails/{id}/assignments/keys/remove`.
pub(super) fn unassign(world: &mut World, call: &Call, id: &str, owner: usize, now: Moment, mode: Mode) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Unassigned {
        unassigned_count: usize,
    }

    let keys = key_hashes(world, call, owner)?;
    let place = find(account(world, owner)?, id)?;
    let assigned: Vec<KeyRef> = keys
        .into_iter()
        .filter(|at| world.key(*at).is_some_and(|key| key.guardrail == Some(place)))
        .collect();
    if mode.makes() {
        for at in &assigned {
            world.assign(*at, None, now);
        }
    }
    Ok(Answer::json(&Unassigned {
        unassigned_count: assigned.len(),
    })?
    .effect(mode.makes()))
}
