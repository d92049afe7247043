//! The ordered log of what happened, for tests that wait instead of polling.

use std::collections::VecDeque;

use serde::Serialize;
use tokio::sync::watch;

use crate::key_text::KeyHash;
use crate::stats::CredentialKind;

/// One request, or the effect of one whose reply is still to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Position in the log, from 1.
    pub seq: u64,
    /// Simulated time of the decision, RFC 3339.
    pub time: String,
    /// System time of the decision, RFC 3339.
    pub real_time: String,
    /// The `X-Request-Id` of the answer.
    pub request_id: String,
    /// Endpoint name, as in fault rules; `other` for an unknown path.
    pub endpoint: &'static str,
    /// HTTP method.
    pub method: String,
    /// Account of the credential, if it belongs to one.
    pub account: Option<String>,
    /// Kind of the credential.
    pub credential: CredentialKind,
    /// Hash of the key the request was about: created, named in the path, or calling.
    pub hash: Option<KeyHash>,
    /// Status of the answer; `None` if the client gets none.
    pub status: Option<u16>,
    /// The fault rule that fired.
    pub rule: Option<u64>,
    /// Whether something was changed.
    pub effect: bool,
    /// Whether the true answer reached the client. `None` in the early entry of a request whose effect is
    /// made and whose reply is delayed; a second entry with the same request id follows.
    pub delivered: Option<bool>,
}

/// Part of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventPage {
    /// Events in order.
    pub events: Vec<Event>,
    /// Sequence number of the newest event: pass it as `after` next time.
    pub last_seq: u64,
    /// Whether events after the given number had already been forgotten.
    pub truncated: bool,
}

/// The log; keeps the newest events.
#[derive(Debug)]
pub(crate) struct EventLog {
    events: VecDeque<Event>,
    capacity: usize,
    last_seq: u64,
    news: watch::Sender<u64>,
}

impl EventLog {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            events: VecDeque::new(),
            capacity: capacity.max(1),
            last_seq: 0,
            news: watch::Sender::new(0),
        }
    }

    /// Appends an event and gives it its number.
    pub(crate) fn append(&mut self, mut event: Event) {
        self.last_seq += 1;
        event.seq = self.last_seq;
        if self.events.len() == self.capacity {
            self.events.pop_front();
        }
        self.events.push_back(event);
        // A reader subscribes before it looks, so one that is not counted yet will see the event itself.
        if self.news.receiver_count() > 0 {
            self.news.send_replace(self.last_seq);
        }
    }

    pub(crate) fn after(&self, seq: u64) -> EventPage {
        let first_kept = self.events.front().map_or(self.last_seq + 1, |event| event.seq);
        let skip = usize::try_from(seq.saturating_add(1).saturating_sub(first_kept)).unwrap_or(usize::MAX);
        EventPage {
            events: self.events.iter().skip(skip).cloned().collect(),
            last_seq: self.last_seq,
            truncated: seq.saturating_add(1) < first_kept,
        }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    pub(crate) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    pub(crate) fn restore(&mut self, last_seq: u64) {
        self.last_seq = last_seq;
    }

    /// Forgets all events. Numbers go on, so that a waiting reader is not confused.
    pub(crate) fn clear(&mut self) {
        self.events.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        Event {
            seq: 0,
            time: String::new(),
            real_time: String::new(),
            request_id: String::new(),
            endpoint: "key",
            method: "GET".to_owned(),
            account: None,
            credential: CredentialKind::Missing,
            hash: None,
            status: Some(401),
            rule: None,
            effect: false,
            delivered: Some(true),
        }
    }

    #[test]
    fn the_newest_are_kept_and_gaps_are_told() {
        let mut log = EventLog::new(3);
        for _ in 0..5 {
            log.append(event());
        }
        let page = log.after(0);
        assert!(page.truncated);
        assert_eq!(page.events.iter().map(|event| event.seq).collect::<Vec<_>>(), [3, 4, 5]);
        let page = log.after(4);
        assert!(!page.truncated);
        assert_eq!(page.events.len(), 1);
        assert_eq!(log.after(5).events.len(), 0);
        assert_eq!(log.after(u64::MAX - 1).events.len(), 0);
    }
}
