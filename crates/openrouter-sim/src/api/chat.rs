//! `/chat/completions`: canned text, real accounting.

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Refusal};
use super::models::{self, Model};
use super::{Call, Mode};
use crate::config::{DelayKind, OverLimit};
use crate::money::Usd;
use crate::reply::SimBody;
use crate::state::account::DayUse;
use crate::state::key::Key;
use crate::state::usage::Interval;
use crate::state::{KeyRef, World};
use crate::stats::CompletionResult;
use crate::time::Moment;

/// Bytes that count as one token.
const BYTES_PER_TOKEN: usize = 4;

/// The body, checked.
struct Request {
    place: usize,
    model: &'static Model,
    prompt_tokens: u64,
    stream: bool,
}

impl Request {
    fn read(body: &Map<String, Value>) -> Result<Self, Refusal> {
        let name = body.get("model").and_then(Value::as_str);
        let name = name.ok_or_else(|| Refusal::bad_request("model: expected a string"))?;
        let (place, model) = models::find(name).ok_or_else(|| Refusal::bad_request("model: no such model"))?;
        let messages = body
            .get("messages")
            .and_then(Value::as_array)
            .filter(|messages| !messages.is_empty());
        let messages = messages.ok_or_else(|| Refusal::bad_request("messages: expected a non-empty array"))?;
        let mut bytes: usize = 0;
        for message in messages {
            let role = message.get("role").and_then(Value::as_str);
            role.ok_or_else(|| Refusal::bad_request("messages: each needs a role"))?;
            bytes = bytes.saturating_add(match message.get("content") {
                None | Some(Value::Null) => 0,
                Some(Value::String(text)) => text.len(),
                Some(Value::Array(parts)) => parts.iter().filter_map(|part| part.get("text")?.as_str()).map(str::len).sum(),
                Some(_) => {
                    return Err(Refusal::bad_request("messages: content is a string or an array of parts"));
                }
            });
        }
        let stream = match body.get("stream") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(stream)) => *stream,
            Some(_) => return Err(Refusal::bad_request("stream: expected a boolean")),
        };
        Ok(Self {
            place,
            model,
            prompt_tokens: tokens(bytes),
            stream,
        })
    }
}

fn tokens(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(BYTES_PER_TOKEN)).unwrap_or(u64::MAX)
}

/// POST `/chat/completions`.
pub(super) fn complete(world: &mut World, call: &Call, at: KeyRef, now: Moment, mode: Mode) -> Result<Answer, Refusal> {
    let request = Request::read(call.body()?)?;
    let forced = call.forced_cost()?;
    let id = format!("gen-{}-{}", now.unix_seconds(), world.random.id());
    let gone = || Refusal::not_found("Not Found");
    let account = world.accounts.get(at.account).ok_or_else(gone)?;
    let key = account.keys.get(at.slot).ok_or_else(gone)?;
    let priced = forced.map_or(!request.model.free(), |cost| !cost.is_zero());
    let left = account.credits - account.spent;
    check_limits(world, account.guardrails.get(key.guardrail.unwrap_or(usize::MAX)), key, now)?;
    let byok = account.byok.iter().any(|byok| {
        byok.provider == request.model.provider()
            && byok.workspace == key.workspace
            && byok.allowed_api_key_hashes.as_ref().is_none_or(|hashes| hashes.contains(&key.hash))
    });
    if !byok && (left.is_negative() || (left.is_zero() && priced)) {
        return Err(Refusal::new(StatusCode::PAYMENT_REQUIRED, "Insufficient credits")
            .with_metadata(json!({ "limit_source": "openrouter_credits" }))
            .completion(CompletionResult::RefusedCredits));
    }

    let text = format!("Simulated answer for the key {}.", key.label);
    let completion_tokens = tokens(text.len());
    let prompt_cost = forced.unwrap_or_else(|| request.model.prompt.times(request.prompt_tokens));
    // A cost that is asked for comes from the prompt alone.
    let completion_cost = forced.map_or_else(|| request.model.completion.times(completion_tokens), |_whole| Usd::ZERO);
    let cost = prompt_cost + completion_cost;
    let (credits, byok_cost) = if byok { (Usd::ZERO, cost) } else { (cost, Usd::ZERO) };
    let usage = UsageView {
        prompt_tokens: request.prompt_tokens,
        completion_tokens,
        total_tokens: request.prompt_tokens.saturating_add(completion_tokens),
        cost: credits,
        is_byok: byok,
        cost_details: CostDetails {
            upstream_inference_cost: byok.then_some(byok_cost),
            upstream_inference_prompt_cost: prompt_cost,
            upstream_inference_completions_cost: completion_cost,
        },
    };
    let used = DayUse {
        usage: credits,
        byok: byok_cost,
        requests: 1,
        prompt_tokens: request.prompt_tokens,
        completion_tokens,
    };
    let name = key.name.clone();
    let reply = Reply {
        id: &id,
        created: now.unix_seconds(),
        model: request.model.id,
        text: &text,
        usage,
    };
    let answer = if request.stream { reply.stream() } else { reply.whole() }?;

    let times = match mode {
        Mode::Never => 0,
        Mode::Once => 1,
        Mode::Twice => 2,
    };
    for _ in 0..times {
        let delay = world.delay(DelayKind::Usage, &name);
        let Some(account) = world.accounts.get_mut(at.account) else {
            break;
        };
        account.charge(now, credits, delay);
        let Some(key) = account.keys.get_mut(at.slot) else {
            break;
        };
        key.charge(now, credits, byok_cost, delay);
        let workspace = key.workspace;
        if request.model.free() {
            account.free_requests = (now.day(), account.free_requests_on(now) + 1);
        }
        account.record_activity((now.day(), request.place, at.slot, workspace), used);
    }
    Ok(answer.effect(mode.makes()))
}

/// Refuses a completion whose cap or guardrail budget is spent.
fn check_limits(world: &World, guardrail: Option<&crate::state::account::Guardrail>, key: &Key, now: Moment) -> Result<(), Refusal> {
    if let Some((guardrail, limit)) = guardrail.and_then(|guardrail| Some((guardrail, guardrail.limit?)))
        && key.spent_in(guardrail.reset_interval, guardrail.include_byok, now) >= limit
    {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "Guardrail budget exceeded").completion(CompletionResult::RefusedLimit));
    }
    let spent = key.spent_in(key.limit_reset, key.include_byok_in_limit, now);
    if key.limit.is_none_or(|limit| spent < limit) {
        return Ok(());
    }
    let message = match key.limit_reset {
        Some(Interval::Daily) => "Key limit exceeded (daily limit)",
        Some(Interval::Weekly) => "Key limit exceeded (weekly limit)",
        Some(Interval::Monthly) => "Key limit exceeded (monthly limit)",
        None => "Key limit exceeded (total limit)",
    };
    let refusal = match world.compat.over_limit {
        OverLimit::Forbidden => Refusal::new(StatusCode::FORBIDDEN, message),
        OverLimit::PaymentRequired => {
            Refusal::new(StatusCode::PAYMENT_REQUIRED, message).with_metadata(json!({ "limit_source": "openrouter_key_limit" }))
        }
    };
    Err(refusal.completion(CompletionResult::RefusedLimit))
}

#[derive(Clone, Copy, Serialize)]
struct UsageView {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    /// Exactly what is added to the key.
    cost: Usd,
    is_byok: bool,
    cost_details: CostDetails,
}

#[derive(Clone, Copy, Serialize)]
struct CostDetails {
    upstream_inference_cost: Option<Usd>,
    upstream_inference_prompt_cost: Usd,
    upstream_inference_completions_cost: Usd,
}

struct Reply<'a> {
    id: &'a str,
    created: i64,
    model: &'a str,
    text: &'a str,
    usage: UsageView,
}

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    system_fingerprint: Option<&'a str>,
    choices: [Choice<'a>; 1],
    usage: UsageView,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    finish_reason: &'static str,
    message: Message<'a>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: [ChunkChoice<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageView>,
}

#[derive(Serialize)]
struct ChunkChoice<'a> {
    index: u32,
    delta: Message<'a>,
    finish_reason: Option<&'static str>,
}

impl Reply<'_> {
    fn whole(&self) -> Result<Answer, Refusal> {
        Answer::json(&Completion {
            id: self.id,
            object: "chat.completion",
            created: self.created,
            model: self.model,
            system_fingerprint: None,
            choices: [Choice {
                index: 0,
                finish_reason: "stop",
                message: Message {
                    role: "assistant",
                    content: self.text,
                },
            }],
            usage: self.usage,
        })
    }

    /// Two pieces of text, a last chunk with usage, and the end mark.
    fn stream(&self) -> Result<Answer, Refusal> {
        let middle = self
            .text
            .char_indices()
            .nth(self.text.chars().count() / 2)
            .map_or(0, |(index, _)| index);
        let (head, tail) = self.text.split_at(middle);
        let mut chunks = Vec::with_capacity(4);
        for (content, finish_reason, usage) in [(head, None, None), (tail, None, None), ("", Some("stop"), Some(self.usage))] {
            let chunk = Chunk {
                id: self.id,
                object: "chat.completion.chunk",
                created: self.created,
                model: self.model,
                choices: [ChunkChoice {
                    index: 0,
                    delta: Message {
                        role: "assistant",
                        content,
                    },
                    finish_reason,
                }],
                usage,
            };
            let chunk = serde_json::to_string(&chunk)
                .map_err(|_unserialisable| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"))?;
            chunks.push(Bytes::from(format!("data: {chunk}\n\n")));
        }
        chunks.push(Bytes::from_static(b"data: [DONE]\n\n"));
        let mut answer = Answer::json(&())?;
        answer.content_type = HeaderValue::from_static("text/event-stream");
        answer.body = SimBody::Chunks(chunks);
        Ok(answer)
    }
}
