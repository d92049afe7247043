//! What is recorded of a request, once its outcome is known.

use crate::api::route::Endpoint;
use crate::events::Event;
use crate::key_text::KeyHash;
use crate::state::key::Handover;
use crate::state::{KeyRef, World};
use crate::stats::CredentialKind;
use crate::time::Moment;

/// One handled request.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) request_id: String,
    pub(crate) time: Moment,
    pub(crate) real_time: Moment,
    pub(crate) endpoint: Endpoint,
    pub(crate) method: &'static str,
    pub(crate) account: Option<usize>,
    pub(crate) credential: CredentialKind,
    pub(crate) hash: Option<KeyHash>,
    /// Status the client gets, if any.
    pub(crate) status: Option<u16>,
    pub(crate) rule: Option<u64>,
    pub(crate) effect: bool,
    /// The key whose plaintext the answer carries.
    pub(crate) created: Option<KeyRef>,
    /// Number of resets of the world before it; a record of another age is dropped.
    pub(crate) age: u64,
}

impl Record {
    fn event(&self, world: &World, delivered: Option<bool>) -> Event {
        let account = self.account.and_then(|account| world.accounts.get(account));
        Event {
            seq: 0,
            time: self.time.plain(),
            real_time: self.real_time.plain(),
            request_id: self.request_id.clone(),
            endpoint: self.endpoint.name(),
            method: self.method.to_owned(),
            account: account.map(|account| account.name.clone()),
            credential: self.credential,
            hash: self.hash,
            status: self.status,
            rule: self.rule,
            effect: self.effect,
            delivered,
        }
    }

    /// The effect is made, the reply is still to come.
    pub(crate) fn announce(&self, world: &mut World) {
        let event = self.event(world, None);
        world.events.append(event);
    }

    /// The request is over.
    pub(crate) fn settle(&self, world: &mut World, delivered: bool) {
        if self.age != world.age() {
            return;
        }
        let event = self.event(world, Some(delivered));
        world.events.append(event);
        if self.effect && !delivered {
            world.stats.count_lost_effect(self.endpoint.name());
        }
        if let Some(key) = self.created.and_then(|at| world.key_mut(at)) {
            key.handover = if delivered { Handover::Delivered } else { Handover::Lost };
        }
    }
}
