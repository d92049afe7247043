//! What a call needs around it: a gate that remembers, a transport, randomness from a seed.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use kms_core::entropy::SeededEntropy;
use kms_core::secret::SecretString;
use kms_providers::marker::Marker;
use kms_providers::registry::{Access, ProviderSettings, Registry};
use kms_providers::rotator::{Gate, GateClosed, Outbound};
use kms_providers::transport::http::{HttpSettings, HttpTransport};

/// A gate that counts, remembers pauses and rests (without spending the time), closes after a number of requests if told so, and calls somebody before each.
#[derive(Default)]
pub struct CountingGate {
    state: Mutex<GateState>,
    before: Option<Box<dyn Fn() + Send + Sync>>,
}

#[derive(Default)]
struct GateState {
    passes: usize,
    closes_after: Option<usize>,
    pauses: Vec<Duration>,
    rests: Vec<Duration>,
}

impl CountingGate {
    pub fn closing_after(passes: usize) -> Self {
        let gate = Self::default();
        gate.state.lock().unwrap().closes_after = Some(passes);
        gate
    }

    pub fn calling(before: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            before: Some(Box::new(before)),
            ..Self::default()
        }
    }

    pub fn passes(&self) -> usize {
        self.state.lock().unwrap().passes
    }

    /// Pauses between tries that were asked for.
    pub fn rests(&self) -> Vec<Duration> {
        self.state.lock().unwrap().rests.clone()
    }

    /// Pauses that the provider asked for.
    pub fn pauses(&self) -> Vec<Duration> {
        self.state.lock().unwrap().pauses.clone()
    }
}

#[async_trait]
impl Gate for CountingGate {
    async fn pass(&self) -> Result<(), GateClosed> {
        if let Some(before) = &self.before {
            before();
        }
        let mut state = self.state.lock().unwrap();
        if state.closes_after == Some(state.passes) {
            return Err(GateClosed);
        }
        state.passes += 1;
        Ok(())
    }

    async fn slow_down(&self, pause: Duration) {
        self.state.lock().unwrap().pauses.push(pause);
    }

    async fn rest(&self, pause: Duration) {
        self.state.lock().unwrap().rests.push(pause);
    }
}

/// Gate, transport and registry for one provider address.
pub struct Stage {
    pub gate: CountingGate,
    pub registry: Registry,
    transport: HttpTransport,
    entropy: SeededEntropy,
    deadline: Duration,
}

/// Long enough never to be reached by an answer over loopback.
pub const AMPLE: Duration = Duration::from_secs(30);

impl Stage {
    pub fn new(base_url: url::Url) -> Self {
        Self {
            gate: CountingGate::default(),
            registry: Registry::standard(&ProviderSettings {
                openrouter_base_url: base_url,
                openrouter_base_url_set_by_operator: true,
            }),
            transport: HttpTransport::new(&HttpSettings::default()).unwrap(),
            entropy: SeededEntropy::new(1),
            deadline: AMPLE,
        }
    }

    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    pub fn with_gate(mut self, gate: CountingGate) -> Self {
        self.gate = gate;
        self
    }

    pub fn outbound(&self) -> Outbound<'_> {
        self.outbound_through(&self.gate)
    }

    pub fn outbound_through<'a>(&'a self, gate: &'a CountingGate) -> Outbound<'a> {
        Outbound {
            transport: &self.transport,
            gate,
            entropy: &self.entropy,
            deadline: self.deadline,
        }
    }
}

pub fn access(api_key: &str) -> Access {
    Access {
        method: "api-key".to_owned(),
        plaintext: SecretString::new(serde_json::json!({"apiKey": api_key}).to_string()),
    }
}

/// A marker whose attempt ends in `number`.
pub fn marker(number: usize) -> Marker {
    Marker::new("0123abcd", &format!("{number:016}")).unwrap()
}
