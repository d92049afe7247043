//! The simulator without sockets: takes a request, decides everything, says what the client experiences.
//!
//! [`SimCore::handle`] is synchronous. Under the one lock it identifies the credential, asks outage, rate
//! limit and fault rules, and makes the effect; nothing the client does afterwards can undo that. What
//! remains (waiting, sending, spoiling bytes) is described by the [`SimReply`]. An effect that must come
//! *later* than the call is a [`SimReply::Deferred`], which its player resumes whether or not the client is
//! still there.

mod step;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use tokio::sync::Notify;

use crate::api::Call;
use crate::api::answer::Refusal;
use crate::config::SimConfig;
use crate::control::Control;
use crate::error::SimError;
use crate::key_text::KeyText;
use crate::record::Record;
use crate::reply::{InFlight, Resume, SimReply, SimRequest};
use crate::state::World;
use step::{Plan, Step};

/// Largest request body; a longer one gets 413.
pub(crate) const MAX_BODY: usize = 1 << 20;

/// State and lock of one simulator.
pub(crate) struct Inner {
    world: Mutex<World>,
    /// Rung after every change, for the writer of the state file.
    pub(crate) changed: Notify,
}

impl Inner {
    /// The world. A panic elsewhere must not make every later request panic, too: each step leaves the
    /// state usable, so a poisoned lock is taken as it is.
    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn settle(&self, record: &Record, delivered: bool) {
        record.settle(&mut self.lock(), delivered);
        self.changed.notify_one();
    }

    pub(crate) fn end_request(&self) {
        self.lock().stats.end_request();
    }
}

/// State and request handling of one simulator, without I/O.
pub struct SimCore {
    inner: Arc<Inner>,
    control: Control,
}

impl SimCore {
    /// A fresh simulator. Parts of the configuration that [`SimConfig::validate`] would refuse are left out.
    pub fn new(config: SimConfig) -> Arc<Self> {
        let admin_token = config.admin_token.clone();
        let (world, management_key) = World::new(config);
        let inner = Arc::new(Inner {
            world: Mutex::new(world),
            changed: Notify::new(),
        });
        Arc::new(Self {
            control: Control::new(Arc::clone(&inner), management_key, admin_token),
            inner,
        })
    }

    /// A fresh simulator, or the reason why the configuration cannot work.
    ///
    /// # Errors
    /// [`SimError::Config`].
    pub fn try_new(config: SimConfig) -> Result<Arc<Self>, SimError> {
        config.validate()?;
        Ok(Self::new(config))
    }

    /// The control surface as direct calls.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Text of the first management key of the first account.
    pub fn management_key(&self) -> &KeyText {
        self.control.management_key()
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    /// Handles a request below `/api/v1`. With a seed and a manual clock the result depends on nothing but
    /// the calls before it.
    pub fn handle(&self, request: SimRequest) -> SimReply {
        if request.body.len() > MAX_BODY {
            return self.refuse(&request, StatusCode::PAYLOAD_TOO_LARGE, "Request body too large");
        }
        let call = Call::parse(&request);
        drop(request);
        let mut world = self.inner.lock();
        world.stats.begin_request();
        let plan = Step::new(&mut world, &call).plan();
        drop(world);
        self.inner.changed.notify_one();
        let in_flight = InFlight(Arc::clone(&self.inner));
        match plan {
            Plan::Now(outcome) => outcome.into_reply(in_flight),
            Plan::Later {
                after,
                mode,
                request_id,
                rule,
            } => SimReply::Deferred {
                after,
                resume: Resume::new(move || {
                    let inner = Arc::clone(&in_flight.0);
                    let mut world = inner.lock();
                    let outcome = Step::resumed(&mut world, &call, request_id, rule).finish(mode);
                    drop(world);
                    inner.changed.notify_one();
                    outcome.into_reply(in_flight)
                }),
            },
        }
    }

    /// Refuses a request that did not arrive as it should.
    pub(crate) fn refuse(&self, request: &SimRequest, status: StatusCode, message: &'static str) -> SimReply {
        let call = Call::parse(&SimRequest {
            body: Bytes::new(),
            ..request.clone()
        });
        let mut world = self.inner.lock();
        world.stats.begin_request();
        let outcome = Step::new(&mut world, &call).conclude(Err(Refusal::new(status, message)), Duration::ZERO, None);
        drop(world);
        outcome.into_reply(InFlight(Arc::clone(&self.inner)))
    }
}
