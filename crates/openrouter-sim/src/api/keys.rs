//! `/keys` and `/keys/{hash}`.

use http::StatusCode;
use serde::Serialize;
use uuid::Uuid;

use super::answer::{Answer, Refusal};
use super::fields::{self, Field};
use super::{Call, Mode};
use crate::config::{DeleteMissing, NegativeLimit, PastExpiry};
use crate::key_text::{KeyHash, KeyText};
use crate::money::Usd;
use crate::state::account::ListFilter;
use crate::state::key::{Handover, Key};
use crate::state::usage::{Interval, Usage};
use crate::state::{KeyRef, NewKey, Spread, World};
use crate::time::Moment;

const NO_SUCH_KEY: &str = "API key not found";

/// The counters of a key object and of `/key`.
#[derive(Serialize)]
pub(crate) struct UsageView {
    usage: Usd,
    usage_daily: Usd,
    usage_weekly: Usd,
    usage_monthly: Usd,
    byok_usage: Usd,
    byok_usage_daily: Usd,
    byok_usage_weekly: Usd,
    byok_usage_monthly: Usd,
}

impl UsageView {
    pub(crate) fn of(credits: &Usage, byok: &Usage, now: Moment) -> Self {
        Self {
            usage: credits.within(None, now),
            usage_daily: credits.within(Some(Interval::Daily), now),
            usage_weekly: credits.within(Some(Interval::Weekly), now),
            usage_monthly: credits.within(Some(Interval::Monthly), now),
            byok_usage: byok.within(None, now),
            byok_usage_daily: byok.within(Some(Interval::Daily), now),
            byok_usage_weekly: byok.within(Some(Interval::Weekly), now),
            byok_usage_monthly: byok.within(Some(Interval::Monthly), now),
        }
    }
}

/// A key as list, create, get and update show it.
#[derive(Serialize)]
pub(crate) struct KeyView<'a> {
    hash: KeyHash,
    name: &'a str,
    label: &'a str,
    disabled: bool,
    limit: Option<Usd>,
    limit_remaining: Option<Usd>,
    limit_reset: Option<Interval>,
    include_byok_in_limit: bool,
    #[serde(flatten)]
    usage: UsageView,
    created_at: String,
    updated_at: Option<String>,
    expires_at: Option<String>,
    last_used_at: Option<String>,
    creator_user_id: Option<&'a str>,
    external_user: Option<&'a str>,
    workspace_id: Uuid,
}

impl<'a> KeyView<'a> {
    /// Costs that are due must have been settled before.
    pub(crate) fn of(world: &'a World, account: usize, key: &'a Key, now: Moment) -> Self {
        let style = world.compat.timestamps;
        let workspace = world
            .accounts
            .get(account)
            .and_then(|account| account.workspaces.get(key.workspace));
        Self {
            hash: key.hash,
            name: &key.name,
            label: &key.label,
            disabled: key.disabled,
            limit: key.limit,
            limit_remaining: key.limit_remaining(now, &world.compat),
            limit_reset: key.limit_reset,
            include_byok_in_limit: key.include_byok_in_limit,
            usage: UsageView::of(&key.shown, &key.shown_byok, now),
            created_at: key.created_at.wire(style),
            updated_at: key.updated_at.map(|at| at.wire(style)),
            expires_at: key.expires_at.map(|at| at.wire(style)),
            last_used_at: key.last_used_at.map(|at| at.wire(style)),
            creator_user_id: key.creator_user_id.as_deref(),
            external_user: None,
            workspace_id: workspace.map(|workspace| workspace.id).unwrap_or_default(),
        }
    }
}

#[derive(Serialize)]
struct Data<T> {
    data: T,
}

/// GET `/keys`.
pub(super) fn list(world: &mut World, call: &Call, account: usize, now: Moment) -> Result<Answer, Refusal> {
    let filter = ListFilter {
        include_disabled: fields::query_flag("include_disabled", call.query("include_disabled")?)?,
        include_expired: fields::query_flag("include_expired", call.query("include_expired")?)?,
    };
    let offset = fields::query_number("offset", call.query("offset")?, 0)?;
    let id = match call.query("workspace_id")? {
        None => None,
        Some(text) => {
            let id = fields::parse_uuid(text).ok_or_else(|| Refusal::bad_request("workspace_id: expected a UUID"))?;
            Some(id)
        }
    };
    let Some(owner) = world.accounts.get_mut(account) else {
        return Err(Refusal::not_found(NO_SUCH_KEY));
    };
    let workspace = match id {
        None => 0,
        Some(id) => owner.workspace_by_id(id).ok_or_else(|| Refusal::not_found("Workspace not found"))?,
    };
    let slots = owner
        .workspaces
        .get_mut(workspace)
        .map(|workspace| workspace.page(filter, offset, now))
        .unwrap_or_default();
    for slot in &slots {
        if let Some(key) = owner.keys.get_mut(*slot) {
            key.settle(now);
        }
    }
    let keys: Vec<KeyView<'_>> = slots
        .iter()
        .filter_map(|slot| world.key(KeyRef { account, slot: *slot }))
        .map(|key| KeyView::of(world, account, key, now))
        .collect();
    Answer::json(&Data { data: keys })
}

/// The body of a create, checked.
fn new_key(world: &World, call: &Call, account: usize, now: Moment) -> Result<NewKey, Refusal> {
    let body = call.body()?;
    let name = fields::not_null("name", fields::text(body, "name")?)?;
    let name = name.ok_or_else(|| Refusal::bad_request("name: is required"))?;
    let limit = checked_limit(world, fields::amount(body, "limit")?)?.or_none();
    let limit_reset = fields::interval(body, "limit_reset")?.or_none();
    let include_byok_in_limit =
        fields::not_null("include_byok_in_limit", fields::boolean(body, "include_byok_in_limit")?)?.unwrap_or(false);
    let expires_at = fields::utc_time(body, "expires_at")?.or_none();
    if expires_at.is_some_and(|expiry| expiry <= now) && world.compat.past_expiry == PastExpiry::Refused {
        return Err(Refusal::bad_request("expires_at: must be in the future"));
    }
    let creator_user_id = fields::text(body, "creator_user_id")?.or_none();
    let workspace = match fields::not_null("workspace_id", fields::uuid(body, "workspace_id")?)? {
        None => 0,
        Some(id) => world
            .accounts
            .get(account)
            .and_then(|account| account.workspace_by_id(id))
            .ok_or_else(|| Refusal::bad_request("workspace_id: no such workspace"))?,
    };
    Ok(NewKey {
        name,
        limit,
        limit_reset,
        include_byok_in_limit,
        expires_at,
        creator_user_id,
        workspace,
    })
}

fn checked_limit(world: &World, limit: Field<Usd>) -> Result<Field<Usd>, Refusal> {
    match limit {
        Field::Value(amount) if amount.is_negative() && world.compat.negative_limit == NegativeLimit::Refused => {
            Err(Refusal::bad_request("limit: must not be negative"))
        }
        other => Ok(other),
    }
}

/// POST `/keys`.
pub(super) fn create(world: &mut World, call: &Call, account: usize, now: Moment, mode: Mode) -> Result<Answer, Refusal> {
    let new = new_key(world, call, account, now)?;
    let live = world.accounts.get(account).map_or(0, |account| account.live);
    if world.compat.max_keys.is_some_and(|most| live >= u64::from(most)) {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "Maximum number of API keys reached"));
    }
    if mode == Mode::Twice {
        let unanswered = world.draft(account, new.clone(), now, Spread::Delayed);
        world.commit(account, unanswered, Handover::Lost);
    }
    let draft = world.draft(account, new, now, Spread::Delayed);
    let mut answer = created(world, account, &draft.text, &draft.key, now)?;
    if mode.makes() {
        answer.created = world.commit(account, draft, Handover::Pending);
    }
    Ok(answer.effect(mode.makes()))
}

fn created(world: &World, account: usize, text: &KeyText, key: &Key, now: Moment) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Created<'a> {
        key: &'a str,
        data: KeyView<'a>,
    }

    let mut answer = Answer::json(&Created {
        key: text.expose(),
        data: KeyView::of(world, account, key, now),
    })?;
    answer.status = StatusCode::CREATED;
    answer.hash = Some(key.hash);
    Ok(answer)
}

/// A key of the account that reads by hash find.
fn find(world: &World, hash: &str, account: usize, now: Moment) -> Result<KeyRef, Refusal> {
    let at = hash.parse().ok().and_then(|hash| world.key_of(account, hash));
    at.filter(|at| world.key(*at).is_some_and(|key| key.found(now)))
        .ok_or_else(|| Refusal::not_found(NO_SUCH_KEY))
}

/// The same for changes: a deleted key cannot be changed, also while reads still find it.
fn find_live(world: &World, hash: &str, account: usize, now: Moment) -> Result<KeyRef, Refusal> {
    let at = find(world, hash, account, now)?;
    if world.key(at).is_some_and(Key::live) {
        Ok(at)
    } else {
        Err(Refusal::not_found(NO_SUCH_KEY))
    }
}

/// GET `/keys/{hash}`.
pub(super) fn get(world: &mut World, hash: &str, account: usize, now: Moment) -> Result<Answer, Refusal> {
    let at = find(world, hash, account, now)?;
    if let Some(key) = world.key_mut(at) {
        key.settle(now);
    }
    let key = world.key(at).ok_or_else(|| Refusal::not_found(NO_SUCH_KEY))?;
    Answer::json(&Data {
        data: KeyView::of(world, account, key, now),
    })
}

/// PATCH `/keys/{hash}`.
pub(super) fn update(world: &mut World, call: &Call, hash: &str, account: usize, now: Moment, mode: Mode) -> Result<Answer, Refusal> {
    let body = call.body()?;
    let name = fields::text(body, "name")?;
    let disabled = fields::boolean(body, "disabled")?;
    let limit = checked_limit(world, fields::amount(body, "limit")?)?;
    let limit_reset = fields::interval(body, "limit_reset")?;
    let include_byok = fields::boolean(body, "include_byok_in_limit")?;
    let workspace = fields::uuid(body, "workspace_id")?;
    let known = name.is_present()
        || disabled.is_present()
        || limit.is_present()
        || limit_reset.is_present()
        || include_byok.is_present()
        || workspace.is_present();
    if !known {
        return Err(Refusal::bad_request("No update fields provided"));
    }
    let name = fields::not_null("name", name)?;
    let disabled = fields::not_null("disabled", disabled)?;
    let include_byok = fields::not_null("include_byok_in_limit", include_byok)?;
    let workspace = fields::not_null("workspace_id", workspace)?;

    let at = find_live(world, hash, account, now)?;
    let workspace = workspace
        .map(|id| {
            let account = world.accounts.get(account);
            account
                .and_then(|account| account.workspace_by_id(id))
                .ok_or_else(|| Refusal::not_found("Workspace not found"))
        })
        .transpose()?;
    let mut key = world.key(at).cloned().ok_or_else(|| Refusal::not_found(NO_SUCH_KEY))?;
    key.settle(now);
    if let Some(name) = name {
        key.name = name;
    }
    if let Some(disabled) = disabled {
        world.set_disabled(&mut key, disabled, now, Spread::Delayed);
    }
    if limit.is_present() {
        key.limit = limit.or_none();
    }
    if limit_reset.is_present() {
        key.limit_reset = limit_reset.or_none();
    }
    if let Some(include_byok) = include_byok {
        key.include_byok_in_limit = include_byok;
    }
    if let Some(workspace) = workspace {
        key.workspace = workspace;
    }
    key.updated_at = Some(now);
    let answer = Answer::json(&Data {
        data: KeyView::of(world, account, &key, now),
    })?;
    if mode.makes() {
        world.replace(at, key);
    }
    Ok(answer.effect(mode.makes()))
}

/// DELETE `/keys/{hash}`.
pub(super) fn delete(world: &mut World, hash: &str, account: usize, now: Moment, mode: Mode) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Deleted {
        deleted: bool,
    }

    let answer = Answer::json(&Deleted { deleted: true })?;
    match find_live(world, hash, account, now) {
        Ok(at) => {
            let effect = mode.makes() && world.delete(at, now, Spread::Delayed);
            Ok(answer.effect(effect))
        }
        Err(_) if world.compat.delete_missing == DeleteMissing::Deleted => Ok(answer),
        Err(refusal) => Err(refusal),
    }
}
