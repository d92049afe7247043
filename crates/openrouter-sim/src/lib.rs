//! A stand-in for OpenRouter that misbehaves on command.
//!
//! It serves development, automated tests and demos without the internet or an account. Below `/api/v1` it
//! behaves like the service where a client can notice; below `/_sim` it is told to misbehave, and tells what
//! really happened. It shares no code with the client it tests: a shared type would hide a shared mistake.
//!
//! Two ways to use it:
//! - [`Simulator`] is a running instance on a loopback port, for anything that speaks HTTP;
//! - [`SimCore`] is the same without sockets: [`SimCore::handle`] takes a request and says what the client is
//!   to experience ([`SimReply`]), for tests that play hundreds of thousands of calls under their own clock.
//!
//! Where to start reading: [`core`](SimCore) decides about a request, `api` answers it, `state` holds the
//! truth, `faults` holds the rules, `server` plays replies on connections.

mod api;
pub mod cli;
pub mod config;
mod control;
mod core;
mod distribution;
mod error;
mod events;
pub mod faults;
mod key_text;
mod money;
mod random;
mod record;
mod reply;
mod server;
mod state;
pub mod stats;
mod time;

pub use api::route::Endpoint;
pub use config::{AccountConfig, ByokConfig, Compat, Delays, PrefixDelays, Propagation, SimConfig};
pub use control::{Change, Control, ControlError, ForeignKey, GateView, KeyChange, KeyState, MadeKey, OrphanQuery, Orphans, OutageView};
pub use core::SimCore;
pub use distribution::{Distribution, InvalidDistribution};
pub use error::SimError;
pub use events::{Event, EventPage};
pub use faults::gate::{Outage, OutageMode, RateLimit};
pub use faults::presets::Preset;
pub use faults::{Action, FaultRule, KeyKind, Match, RetryAfterFormat, RuleView, When};
pub use key_text::{KeyHash, KeyText, NotAHash};
pub use money::{NotAnAmount, Usd};
pub use reply::{Delivery, Experience, Resume, SimBody, SimReply, SimRequest, SimResponse};
pub use server::Simulator;
pub use stats::view::StatsView;
pub use time::{ClockMode, ClockView};
