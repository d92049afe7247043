//! `/byok`: provider credentials of the customer, and which keys may use them.

use serde::Serialize;
use uuid::Uuid;

use super::answer::{Answer, Refusal};
use super::fields::{self, Field};
use super::{Call, Mode};
use crate::key_text::KeyHash;
use crate::state::World;
use crate::state::account::{Account, Byok};
use crate::state::key::Key;

const NO_SUCH_CREDENTIAL: &str = "BYOK credential not found";

#[derive(Serialize)]
struct ByokView<'a> {
    id: Uuid,
    provider: &'a str,
    name: Option<&'a str>,
    label: &'static str,
    workspace_id: Option<Uuid>,
    allowed_api_key_hashes: Option<&'a [KeyHash]>,
    allowed_models: Option<Vec<String>>,
    allowed_user_ids: Option<Vec<String>>,
    declared_region: Option<&'a str>,
    declared_zdr: Option<bool>,
    disabled: bool,
    is_byok_only: bool,
    is_fallback: bool,
    is_required: bool,
    sort_order: usize,
    created_at: String,
}

fn view<'a>(world: &World, account: &'a Account, byok: &'a Byok) -> ByokView<'a> {
    ByokView {
        id: byok.id,
        provider: &byok.provider,
        name: byok.name.as_deref(),
        label: "sk-...xyz",
        workspace_id: account.workspaces.get(byok.workspace).map(|workspace| workspace.id),
        allowed_api_key_hashes: byok.allowed_api_key_hashes.as_deref(),
        allowed_models: None,
        allowed_user_ids: None,
        declared_region: None,
        declared_zdr: None,
        disabled: false,
        is_byok_only: false,
        is_fallback: false,
        is_required: false,
        sort_order: account.byok.iter().position(|other| other.id == byok.id).unwrap_or(0),
        created_at: byok.created_at.wire(world.compat.timestamps),
    }
}

#[derive(Serialize)]
struct Data<'a> {
    data: ByokView<'a>,
}

fn account(world: &World, account: usize) -> Result<&Account, Refusal> {
    world.accounts.get(account).ok_or_else(|| Refusal::not_found("Not Found"))
}

fn find(owner: &Account, id: &str) -> Result<usize, Refusal> {
    let id = fields::parse_uuid(id);
    let place = owner.byok.iter().position(|byok| Some(byok.id) == id);
    place.ok_or_else(|| Refusal::not_found(NO_SUCH_CREDENTIAL))
}

/// GET `/byok`.
pub(super) fn list(world: &World, call: &Call, owner: usize) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct List<'a> {
        data: Vec<ByokView<'a>>,
        total_count: usize,
    }

    let (offset, limit) = fields::window(call)?;
    let owner = account(world, owner)?;
    let data = owner
        .byok
        .iter()
        .skip(offset)
        .take(limit)
        .map(|byok| view(world, owner, byok))
        .collect();
    Answer::json(&List {
        data,
        total_count: owner.byok.len(),
    })
}

/// GET `/byok/{id}`.
pub(super) fn get(world: &World, id: &str, owner: usize) -> Result<Answer, Refusal> {
    let owner = account(world, owner)?;
    let byok = owner
        .byok
        .get(find(owner, id)?)
        .ok_or_else(|| Refusal::not_found(NO_SUCH_CREDENTIAL))?;
    Answer::json(&Data {
        data: view(world, owner, byok),
    })
}

/// PATCH `/byok/{id}`, of `allowed_api_key_hashes` alone.
pub(super) fn update(world: &mut World, call: &Call, id: &str, owner: usize, mode: Mode) -> Result<Answer, Refusal> {
    let hashes = match fields::strings(call.body()?, "allowed_api_key_hashes")? {
        Field::Absent => return Err(Refusal::bad_request("No update fields provided")),
        Field::Value(hashes) if hashes.is_empty() => {
            return Err(Refusal::bad_request("allowed_api_key_hashes: must not be empty"));
        }
        other => other.or_none(),
    };
    let place = find(account(world, owner)?, id)?;
    let current = account(world, owner)?.byok.get(place);
    let mut changed = current.cloned().ok_or_else(|| Refusal::not_found(NO_SUCH_CREDENTIAL))?;
    let allowed: Option<Vec<KeyHash>> = match hashes {
        None => None,
        Some(hashes) => {
            let known = |hash: &KeyHash| {
                // The last hash of an allowlist outlives its key; it may be sent back.
                let kept = changed.allowed_api_key_hashes.as_ref().is_some_and(|hashes| hashes.contains(hash));
                kept || world.key_of(owner, *hash).and_then(|at| world.key(at)).is_some_and(Key::live)
            };
            let hashes: Option<Vec<KeyHash>> = hashes.iter().map(|hash| hash.parse().ok().filter(known)).collect();
            let refuse = "allowed_api_key_hashes: contains a hash that is no key of this account";
            Some(hashes.ok_or_else(|| Refusal::bad_request(refuse))?)
        }
    };
    changed.allowed_api_key_hashes = allowed;
    let answer = Answer::json(&Data {
        data: view(world, account(world, owner)?, &changed),
    })?;
    if mode.makes()
        && let Some(target) = world.accounts.get_mut(owner).and_then(|owner| owner.byok.get_mut(place))
    {
        *target = changed;
    }
    Ok(answer.effect(mode.makes()))
}
