//! `/key`: what a key may know about itself.

use serde::Serialize;
use uuid::Uuid;

use super::answer::{Answer, Refusal};
use super::keys::UsageView;
use crate::money::Usd;
use crate::state::account::Account;
use crate::state::key::{Key, floor};
use crate::state::usage::{Interval, Usage};
use crate::state::{KeyRef, World};
use crate::time::Moment;

/// Credits from which on an account gets the larger quota of `:free` models.
const LARGE_QUOTA_FROM: Usd = Usd::dollars(10);

#[derive(Serialize)]
struct Data<'a> {
    data: CurrentKey<'a>,
}

#[derive(Serialize)]
struct CurrentKey<'a> {
    label: &'a str,
    limit: Option<Usd>,
    limit_remaining: Option<Usd>,
    limit_reset: Option<Interval>,
    include_byok_in_limit: bool,
    #[serde(flatten)]
    usage: UsageView,
    is_free_tier: bool,
    is_management_key: bool,
    is_provisioning_key: bool,
    creator_user_id: Option<&'a str>,
    organization_id: Option<&'a str>,
    workspace_id: Option<Uuid>,
    allowed_data_regions: [&'a str; 1],
    budgets: Vec<Budget>,
    effective_budget: Option<Budget>,
    free_model_daily_requests: FreeRequests,
    rate_limit: RateLimit,
    expires_at: Option<String>,
}

#[derive(Clone, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names of the wire")]
struct Budget {
    scope: &'static str,
    limit_usd: Usd,
    spend_usd: Usd,
    remaining_usd: Usd,
    reset_interval: Option<Interval>,
    resets_at: Option<String>,
    include_byok: bool,
    guardrail_id: Option<Uuid>,
    budget_id: Option<Uuid>,
}

#[derive(Serialize)]
struct FreeRequests {
    limit: u64,
    remaining: u64,
    used: u64,
}

#[derive(Serialize)]
struct RateLimit {
    requests: i64,
    interval: &'static str,
    note: &'static str,
}

const RATE_LIMIT: RateLimit = RateLimit {
    requests: -1,
    interval: "10s",
    note: "This field is deprecated and safe to ignore.",
};

fn free_requests(account: &Account, now: Moment) -> FreeRequests {
    let limit = if account.credits >= LARGE_QUOTA_FROM { 1000 } else { 50 };
    let used = account.free_requests_on(now);
    FreeRequests {
        limit,
        remaining: limit.saturating_sub(used),
        used,
    }
}

/// The budgets of a key in the order of enforcement: its guardrail's, then its own cap.
fn budgets(world: &World, account: &Account, key: &Key, now: Moment) -> Vec<Budget> {
    let budget = |scope, limit: Usd, interval: Option<Interval>, include_byok, guardrail_id| {
        let spend = key.shown_in(interval, include_byok, now);
        Budget {
            scope,
            limit_usd: limit,
            spend_usd: spend,
            remaining_usd: floor(limit - spend, &world.compat),
            reset_interval: interval,
            resets_at: interval.map(|interval| interval.ends(now).wire(world.compat.timestamps)),
            include_byok,
            guardrail_id,
            budget_id: None,
        }
    };
    let guardrail = key.guardrail.and_then(|index| account.guardrails.get(index));
    let of_guardrail = guardrail.and_then(|guardrail| {
        let limit = guardrail.limit?;
        Some(budget(
            "api_key",
            limit,
            guardrail.reset_interval,
            guardrail.include_byok,
            Some(guardrail.id),
        ))
    });
    let own = key
        .limit
        .map(|limit| budget("key_limit", limit, key.limit_reset, key.include_byok_in_limit, None));
    of_guardrail.into_iter().chain(own).collect()
}

/// For an API key.
pub(super) fn of_key(world: &mut World, at: KeyRef, now: Moment) -> Result<Answer, Refusal> {
    if let Some(key) = world.key_mut(at) {
        key.settle(now);
    }
    let world = &*world;
    let (Some(account), Some(key)) = (world.accounts.get(at.account), world.key(at)) else {
        return Err(Refusal::not_found("API key not found"));
    };
    let budgets = budgets(world, account, key, now);
    let effective_budget = budgets.iter().min_by_key(|budget| budget.limit_usd - budget.spend_usd).cloned();
    Answer::json(&Data {
        data: CurrentKey {
            label: &key.label,
            limit: key.limit,
            limit_remaining: key.limit_remaining(now, &world.compat),
            limit_reset: key.limit_reset,
            include_byok_in_limit: key.include_byok_in_limit,
            usage: UsageView::of(&key.shown, &key.shown_byok, now),
            is_free_tier: account.credits.is_zero(),
            is_management_key: false,
            is_provisioning_key: false,
            creator_user_id: key.creator_user_id.as_deref(),
            organization_id: account.organization_id.as_deref(),
            workspace_id: account.workspaces.get(key.workspace).map(|workspace| workspace.id),
            allowed_data_regions: ["global"],
            budgets,
            effective_budget,
            free_model_daily_requests: free_requests(account, now),
            rate_limit: RATE_LIMIT,
            expires_at: key.expires_at.map(|at| at.wire(world.compat.timestamps)),
        },
    })
}

/// For a management key: no cap, no usage, both flags.
pub(super) fn of_management(world: &World, account: usize, index: usize, now: Moment) -> Result<Answer, Refusal> {
    let account = world.accounts.get(account).ok_or_else(|| Refusal::not_found("API key not found"))?;
    let key = account
        .management
        .get(index)
        .ok_or_else(|| Refusal::not_found("API key not found"))?;
    let none = Usage::default();
    Answer::json(&Data {
        data: CurrentKey {
            label: &key.label,
            limit: None,
            limit_remaining: None,
            limit_reset: None,
            include_byok_in_limit: false,
            usage: UsageView::of(&none, &none, now),
            is_free_tier: account.credits.is_zero(),
            is_management_key: true,
            is_provisioning_key: true,
            creator_user_id: Some(&account.user_id),
            organization_id: account.organization_id.as_deref(),
            workspace_id: account.workspaces.first().map(|workspace| workspace.id),
            allowed_data_regions: ["global"],
            budgets: Vec::new(),
            effective_budget: None,
            free_model_daily_requests: free_requests(account, now),
            rate_limit: RATE_LIMIT,
            expires_at: None,
        },
    })
}
