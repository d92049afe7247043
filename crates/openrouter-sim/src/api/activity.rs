//! `/activity`: what was used on the last completed days of the simulated clock.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::Serialize;
use uuid::Uuid;

use super::answer::{Answer, Refusal};
use super::models::MODELS;
use super::{Call, fields};
use crate::key_text::KeyHash;
use crate::money::Usd;
use crate::state::World;
use crate::state::account::{ACTIVITY_DAYS, DayUse};
use crate::time::{Moment, date_of_day};

#[derive(Serialize)]
struct ActivityView {
    date: String,
    model: &'static str,
    model_permaslug: &'static str,
    endpoint_id: Uuid,
    provider_name: &'static str,
    usage: Usd,
    byok_usage_inference: Usd,
    requests: u64,
    prompt_tokens: u64,
    completion_tokens: u64,
    reasoning_tokens: u64,
    cached_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace_id: Option<Uuid>,
}

/// What is asked for.
struct Filter {
    day: Option<i64>,
    key: Option<KeyHash>,
    user: Option<String>,
    workspace: Option<usize>,
    by_workspace: bool,
}

impl Filter {
    fn read(world: &World, call: &Call, account: usize, now: Moment) -> Result<Self, Refusal> {
        let day = match call.query("date")? {
            None => None,
            Some(text) => Some(completed_day(text, now)?),
        };
        let key = match call.query("api_key_hash")? {
            None => None,
            Some(text) => {
                let hash = text
                    .parse()
                    .map_err(|_malformed| Refusal::bad_request("api_key_hash: expected 64 hex digits"))?;
                Some(hash)
            }
        };
        let workspace = match call.query("workspace_id")? {
            None => None,
            Some(text) => {
                let id = fields::parse_uuid(text).ok_or_else(|| Refusal::bad_request("workspace_id: expected a UUID"))?;
                let place = world.accounts.get(account).and_then(|account| account.workspace_by_id(id));
                Some(place.ok_or_else(|| Refusal::not_found("Workspace not found"))?)
            }
        };
        let by_workspace = match call.query("group_by")? {
            None => false,
            Some("workspace") => true,
            Some(_) => return Err(Refusal::bad_request("group_by: expected workspace")),
        };
        let user = call.query("user_id")?.map(str::to_owned);
        Ok(Self {
            day,
            key,
            user,
            workspace,
            by_workspace,
        })
    }
}

/// The number of one of the last completed days.
fn completed_day(text: &str, now: Moment) -> Result<i64, Refusal> {
    let date = (text.len() == 10)
        .then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok())
        .flatten();
    let date = date.ok_or_else(|| Refusal::bad_request("date: expected YYYY-MM-DD"))?;
    let day = date.signed_duration_since(NaiveDate::default()).num_days();
    if (now.day() - ACTIVITY_DAYS..now.day()).contains(&day) {
        Ok(day)
    } else {
        Err(Refusal::bad_request("date: must be within the last 30 completed UTC days"))
    }
}

/// GET `/activity`.
pub(super) fn list(world: &World, call: &Call, account: usize, now: Moment) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct List {
        data: Vec<ActivityView>,
    }

    let filter = Filter::read(world, call, account, now)?;
    let account = world.accounts.get(account).ok_or_else(|| Refusal::not_found("Not Found"))?;
    let days = now.day() - ACTIVITY_DAYS..now.day();
    let mut grouped: BTreeMap<(i64, usize, Option<usize>), DayUse> = BTreeMap::new();
    for ((day, model, slot, workspace), used) in &account.activity {
        let Some(key) = account.keys.get(*slot) else {
            continue;
        };
        let wanted = days.contains(day)
            && filter.day.is_none_or(|wanted| wanted == *day)
            && filter.key.is_none_or(|wanted| wanted == key.hash)
            && filter
                .user
                .as_ref()
                .is_none_or(|wanted| key.creator_user_id.as_ref() == Some(wanted))
            && filter.workspace.is_none_or(|wanted| wanted == *workspace);
        if !wanted {
            continue;
        }
        let group = grouped
            .entry((*day, *model, filter.by_workspace.then_some(*workspace)))
            .or_default();
        group.usage += used.usage;
        group.byok += used.byok;
        group.requests += used.requests;
        group.prompt_tokens += used.prompt_tokens;
        group.completion_tokens += used.completion_tokens;
    }
    let data = grouped.into_iter().rev().filter_map(|((day, place, workspace), used)| {
        let model = MODELS.get(place)?;
        Some(ActivityView {
            date: date_of_day(day),
            model: model.id,
            model_permaslug: model.id,
            endpoint_id: Uuid::from_u128(u128::try_from(place).unwrap_or(0) + 1),
            provider_name: model.provider_name,
            usage: used.usage,
            byok_usage_inference: used.byok,
            requests: used.requests,
            prompt_tokens: used.prompt_tokens,
            completion_tokens: used.completion_tokens,
            reasoning_tokens: 0,
            cached_tokens: 0,
            workspace_id: workspace.and_then(|place| Some(account.workspaces.get(place)?.id)),
        })
    });
    Answer::json(&List { data: data.collect() })
}
