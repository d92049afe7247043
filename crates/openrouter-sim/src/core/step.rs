//! One request under the lock: what is decided about it, and what is counted.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use crate::api::answer::{Answer, Refusal};
use crate::api::route::Endpoint;
use crate::api::{self, Call, Identity, Mode};
use crate::distribution::Distribution;
use crate::faults::gate::{Limited, OutageMode};
use crate::faults::spoil::{self, Spoiled, Travel};
use crate::faults::{Action, Firing, KeyKind, RetryAfterFormat, Subject, When};
use crate::record::Record;
use crate::reply::{Delivery, InFlight, SimReply, SimResponse};
use crate::state::World;
use crate::stats::{AuthFailure, CompletionResult};
use crate::time::Moment;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What is to be done with a request.
pub(super) enum Plan {
    Now(Outcome),
    Later {
        after: Duration,
        mode: Mode,
        request_id: String,
        rule: u64,
    },
}

/// A decided request.
pub(super) struct Outcome {
    delay: Duration,
    shape: Shape,
    /// `None` if the fate of the reply is already recorded.
    record: Option<Box<Record>>,
}

enum Shape {
    Answer { response: SimResponse, travel: Travel },
    Reset,
    Close,
    Hang { max: Option<Duration> },
}

impl Outcome {
    pub(super) fn into_reply(self, in_flight: InFlight) -> SimReply {
        let delivery = Delivery::new(in_flight, self.record);
        let delay = self.delay;
        match self.shape {
            Shape::Answer {
                response,
                travel: Travel::Whole,
            } => SimReply::Response { delay, response, delivery },
            Shape::Answer {
                response,
                travel: Travel::Cut { bytes },
            } => SimReply::Truncate {
                delay,
                response,
                bytes,
                delivery,
            },
            Shape::Answer {
                response,
                travel:
                    Travel::Trickle {
                        first_byte,
                        bytes,
                        interval,
                    },
            } => SimReply::SlowBody {
                delay,
                response,
                first_byte,
                bytes,
                interval,
                delivery,
            },
            Shape::Reset => SimReply::Reset { delay, delivery },
            Shape::Close => SimReply::Close { delay, delivery },
            Shape::Hang { max } => SimReply::Hang {
                max: max.map(|max| max.saturating_add(delay)),
                delivery,
            },
        }
    }
}

/// One request under the lock.
pub(super) struct Step<'a> {
    world: &'a mut World,
    call: &'a Call,
    identity: Identity,
    now: Moment,
    request_id: String,
    rule: Option<u64>,
}

impl<'a> Step<'a> {
    pub(super) fn new(world: &'a mut World, call: &'a Call) -> Self {
        let identity = Identity::of(world, call);
        let now = world.clock.now();
        let request_id = format!("req-{}", world.random.id());
        Self {
            world,
            call,
            identity,
            now,
            request_id,
            rule: None,
        }
    }

    /// The same request at a later time: its credential may have changed meanwhile.
    pub(super) fn resumed(world: &'a mut World, call: &'a Call, request_id: String, rule: u64) -> Self {
        let identity = Identity::of(world, call);
        let now = world.clock.now();
        Self {
            world,
            call,
            identity,
            now,
            request_id,
            rule: Some(rule),
        }
    }

    /// Decides by outage, rate limit and rules.
    pub(super) fn plan(mut self) -> Plan {
        self.count_management_key();
        if let Some((_, mode)) = self.world.gate.outage(self.now) {
            let shape = match mode {
                OutageMode::Unavailable => answer(spoil::status_response(503, "json", &[].into())),
                OutageMode::Reset => Shape::Reset,
                OutageMode::Hang => Shape::Hang { max: None },
            };
            return Plan::Now(self.fault(shape, Duration::ZERO));
        }
        if let Err(limited) = self.take_token() {
            let response = spoil::rate_limit_response(limited, 0, RetryAfterFormat::Seconds, self.now);
            return Plan::Now(self.fault(answer(response), Duration::ZERO));
        }
        let Some(firing) = self.decide() else {
            return Plan::Now(self.finish(Mode::Once));
        };
        self.carry_out(&firing)
    }

    fn carry_out(mut self, firing: &Firing) -> Plan {
        let (delay, action) = firing.action.unwrap_latency(&mut self.world.random.delays);
        let late = delay > Duration::ZERO && firing.when == When::BeforeEffect;
        let mode = match action {
            None => Mode::Once,
            Some(Action::DoubleEffect) => Mode::Twice,
            Some(Action::IgnoreEffect) => Mode::Never,
            Some(action) if firing.when == When::BeforeEffect => {
                if action.spoils_answer() {
                    // An answer to spoil, as if it had happened.
                    return Plan::Now(self.finish_with_rule(firing, Mode::Never, delay, Some(action)));
                }
                self.fire(firing.rule);
                let shape = self.replacement(action);
                return Plan::Now(self.fault(shape, delay));
            }
            Some(action) => {
                return Plan::Now(self.finish_with_rule(firing, Mode::Once, delay, Some(action)));
            }
        };
        if late && mode != Mode::Never {
            self.fire(firing.rule);
            let request_id = self.request_id;
            return Plan::Later {
                after: delay,
                mode,
                request_id,
                rule: firing.rule,
            };
        }
        Plan::Now(self.finish_with_rule(firing, mode, delay, None))
    }

    /// What comes in place of an answer.
    fn replacement(&self, action: &Action) -> Shape {
        match action {
            Action::Status { status, body, headers } => answer(spoil::status_response(*status, body, headers)),
            Action::RateLimit {
                retry_after_s,
                format,
                limit,
                remaining,
            } => {
                let limited = Limited {
                    retry_after_s: *retry_after_s,
                    limit: *limit,
                };
                answer(spoil::rate_limit_response(limited, *remaining, *format, self.now))
            }
            Action::Reset => Shape::Reset,
            Action::Close => Shape::Close,
            Action::Hang { max_ms } => Shape::Hang {
                max: max_ms.map(Duration::from_millis),
            },
            _ => answer(spoil::status_response(500, "json", &[].into())),
        }
    }

    fn fire(&mut self, rule: u64) {
        self.world.rules.fired(rule);
        *self.world.stats.faults.entry(rule).or_default() += 1;
        self.rule = Some(rule);
    }

    /// Handles the request; the rule fires only if it succeeds.
    fn finish_with_rule(mut self, firing: &Firing, mode: Mode, delay: Duration, action: Option<&Action>) -> Outcome {
        match api::process(self.world, self.call, self.identity, self.now, mode) {
            Ok(answer) => {
                self.fire(firing.rule);
                self.conclude(Ok(answer), delay, action)
            }
            refused => self.conclude(refused, Duration::ZERO, None),
        }
    }

    /// Handles the request.
    pub(super) fn finish(self, mode: Mode) -> Outcome {
        let result = api::process(self.world, self.call, self.identity, self.now, mode);
        self.conclude(result, Duration::ZERO, None)
    }

    /// Counts the result and gives it its shape.
    pub(super) fn conclude(mut self, result: Result<Answer, Refusal>, delay: Duration, action: Option<&Action>) -> Outcome {
        self.count_result(&result, action.is_some());
        let mut record = self.record();
        let response = match result {
            Ok(answer) => {
                record.effect = answer.effect;
                record.hash = answer.hash.or(record.hash);
                record.created = answer.created;
                answer.into_response()
            }
            Err(refusal) => refusal.into_response(),
        };
        let Some(action) = action else {
            record.status = Some(response.status.as_u16());
            let shape = Shape::Answer {
                response: self.tag(response),
                travel: Travel::Whole,
            };
            return self.decided(record, shape, delay, None);
        };
        if action.spoils_answer() {
            let first_byte = match action {
                Action::SlowBody { first_byte_ms, .. } => self.draw(first_byte_ms),
                _ => Duration::ZERO,
            };
            let Spoiled {
                response,
                travel,
                readable,
            } = spoil::spoil(action, response, first_byte);
            record.status = Some(response.status.as_u16());
            let shape = Shape::Answer {
                response: self.tag(response),
                travel,
            };
            return self.decided(record, shape, delay, (!readable).then_some(false));
        }
        let shape = match self.replacement(action) {
            Shape::Answer { response, travel } => {
                record.status = Some(response.status.as_u16());
                Shape::Answer {
                    response: self.tag(response),
                    travel,
                }
            }
            other => other,
        };
        self.decided(record, shape, delay, Some(false))
    }

    /// A reply without handling: the state is untouched.
    fn fault(mut self, shape: Shape, delay: Duration) -> Outcome {
        self.count_fault();
        self.count_late_use();
        let mut record = self.record();
        match shape {
            Shape::Answer { response, travel } => {
                record.status = Some(response.status.as_u16());
                let response = self.tag(response);
                self.decided(record, Shape::Answer { response, travel }, delay, None)
            }
            other => self.decided(record, other, delay, Some(false)),
        }
    }

    /// Records what is known. `delivered` is `None` as long as it depends on the connection.
    fn decided(self, record: Record, shape: Shape, delay: Duration, delivered: Option<bool>) -> Outcome {
        let endpoint = record.endpoint.name();
        self.world
            .stats
            .count_request(endpoint, record.method, record.status, record.credential);
        tracing::debug!(
            request_id = %record.request_id,
            endpoint,
            method = record.method,
            status = record.status,
            rule = record.rule,
            "request handled"
        );
        let record = if let Some(delivered) = delivered {
            record.settle(self.world, delivered);
            None
        } else {
            let waits = delay > Duration::ZERO
                || matches!(
                    shape,
                    Shape::Answer {
                        travel: Travel::Trickle { .. },
                        ..
                    }
                );
            if waits && record.effect {
                record.announce(self.world);
            }
            Some(Box::new(record))
        };
        Outcome { delay, shape, record }
    }

    fn record(&self) -> Record {
        let calling = match self.identity {
            Identity::Inference(at) => self.world.key(at).map(|key| key.hash),
            _ => None,
        };
        Record {
            request_id: self.request_id.clone(),
            time: self.now,
            real_time: self.world.clock.real_now(),
            endpoint: self.call.endpoint,
            method: self.call.method,
            account: self.identity.account(),
            credential: self.identity.kind(),
            hash: self.call.path_hash().or(calling),
            status: None,
            rule: self.rule,
            effect: false,
            created: None,
            age: self.world.age(),
        }
    }

    fn tag(&self, mut response: SimResponse) -> SimResponse {
        if let Ok(id) = HeaderValue::try_from(&self.request_id) {
            response.headers.insert(REQUEST_ID, id);
        }
        response
    }

    fn draw(&mut self, distribution: &Distribution) -> Duration {
        distribution.draw(&mut self.world.random.delays)
    }

    fn take_token(&mut self) -> Result<(), Limited> {
        let Identity::Management { account, index } = self.identity else {
            return Ok(());
        };
        let key = self.world.accounts.get(account).and_then(|account| account.management.get(index));
        let Some(hash) = key.filter(|key| key.revoked_at.is_none()).map(|key| key.hash) else {
            return Ok(());
        };
        self.world.gate.take(hash, self.now)
    }

    fn decide(&mut self) -> Option<Firing> {
        if self.world.rules.is_empty() {
            return None;
        }
        let path_hash = self.call.path_hash();
        let named = path_hash.and_then(|hash| self.world.key_of(self.identity.account()?, hash));
        let world = &mut *self.world;
        let account = self.identity.account().and_then(|account| world.accounts.get(account));
        let calling = match self.identity {
            Identity::Inference(at) => account.and_then(|account| account.keys.get(at.slot)),
            _ => None,
        };
        let named = named.and_then(|at| world.accounts.get(at.account)?.keys.get(at.slot));
        let subject = Subject {
            endpoint: self.call.endpoint,
            method: self.call.method,
            path: &self.call.path,
            name: self.call.created_name().or(named.or(calling).map(|key| key.name.as_str())),
            hash: path_hash.or(calling.map(|key| key.hash)),
            account: account.map(|account| account.name.as_str()),
            kind: match self.identity {
                Identity::Management { .. } => KeyKind::Management,
                Identity::Inference(_) => KeyKind::Inference,
                Identity::Missing | Identity::Malformed | Identity::Unknown => KeyKind::None,
            },
        };
        world.rules.decide(&subject, &mut world.random.faults)
    }

    fn count_management_key(&mut self) {
        if let Identity::Management { account, index } = self.identity
            && let Some(account) = self.world.accounts.get_mut(account)
            && let Some(key) = account.management.get_mut(index)
        {
            key.requests += 1;
        }
    }

    fn count_fault(&mut self) {
        if self.call.endpoint == Endpoint::Chat {
            self.count_completion(CompletionResult::Fault);
        }
    }

    fn count_completion(&mut self, result: CompletionResult) {
        let now = self.now;
        self.world.stats.completions.add(result, now);
        if let Identity::Inference(at) = self.identity
            && let Some(key) = self.world.key_mut(at)
        {
            key.completions.add(result, now);
        }
    }

    fn count_late_use(&mut self) {
        let now = self.now;
        let probe = self.call.endpoint == Endpoint::Key;
        let Identity::Inference(at) = self.identity else {
            return;
        };
        let Some(key) = self.world.key_mut(at) else {
            return;
        };
        let Some(deletion) = key.deletion else { return };
        let distance = u64::try_from(now.since(deletion.at).as_millis()).unwrap_or(u64::MAX);
        let late = &mut key.late_uses;
        let (count, max) = if probe {
            (&mut late.probes, &mut late.max_probe_ms)
        } else {
            (&mut late.count, &mut late.max_ms)
        };
        *count += 1;
        *max = distance.max(*max);
    }

    fn count_result(&mut self, result: &Result<Answer, Refusal>, spoiled: bool) {
        self.count_late_use();
        let now = self.now;
        match result {
            Ok(_) => {
                if matches!(self.call.endpoint, Endpoint::Chat | Endpoint::Key)
                    && let Identity::Inference(at) = self.identity
                    && let Some(key) = self.world.key_mut(at)
                {
                    key.first_use.get_or_insert(now);
                }
                if self.call.endpoint == Endpoint::Chat {
                    let result = if spoiled { CompletionResult::Fault } else { CompletionResult::Ok };
                    self.count_completion(result);
                }
            }
            Err(refusal) => {
                if let Some(reason) = refusal.auth {
                    self.count_auth_failure(reason);
                }
                if let Some(result) = refusal.completion
                    && self.call.endpoint == Endpoint::Chat
                {
                    self.count_completion(result);
                }
            }
        }
    }

    fn count_auth_failure(&mut self, reason: AuthFailure) {
        self.world.stats.count_auth_failure(self.call.endpoint.auth_group(), reason);
    }
}

fn answer(response: SimResponse) -> Shape {
    Shape::Answer {
        response,
        travel: Travel::Whole,
    }
}
