//! The suite against the OpenRouter simulator, over loopback HTTP.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use kms_core::secret::SecretString;
use kms_providers::exchange::Verb;
use kms_providers::registry::{Access, AnyConnector, AnyRotator};
use openrouter_sim::{
    AccountConfig, Action, Change, Control, Delays, Distribution, FaultRule, ForeignKey, KeyChange, OrphanQuery, RetryAfterFormat,
    SimConfig, Simulator, When,
};
use serde_json::{Value, json};

use super::{Bench, Delay, Fault, Hidden, Moment, Place};
use crate::stage::{Stage, access};

crate::conformance!(start);

/// First digits of every key of the simulator, so that even one that was never delivered is recognised in a text.
const MARK: &str = "51a51a51a51a";
const UNKNOWN_KEY: &str = "sk-or-v1-51a51a51a51a-nobody-knows-this-one";

struct OpenRouterBench {
    simulator: Arc<Simulator>,
    stage: Stage,
}

async fn start() -> OpenRouterBench {
    let simulator = Simulator::start(SimConfig {
        seed: Some(7),
        key_marker: Some(MARK.to_owned()),
        accounts: vec![AccountConfig {
            workspaces: vec!["elsewhere".to_owned()],
            ..AccountConfig::default()
        }],
        ..SimConfig::default()
    })
    .await
    .unwrap();
    let stage = Stage::new(simulator.base_url().parse().unwrap());
    OpenRouterBench {
        simulator: Arc::new(simulator),
        stage,
    }
}

impl OpenRouterBench {
    fn control(&self) -> &Control {
        self.simulator.control()
    }
}

fn action(fault: Fault) -> Action {
    let status = |status, body: &str| Action::Status {
        status,
        body: body.to_owned(),
        headers: std::collections::BTreeMap::new(),
    };
    let limit = |retry_after_s, format| Action::RateLimit {
        retry_after_s,
        format,
        limit: 10,
        remaining: 0,
    };
    let fields = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    match fault {
        Fault::Status(code) => status(code, "json"),
        Fault::Html(code) => status(code, "html"),
        Fault::LimitedSeconds(seconds) => limit(seconds, RetryAfterFormat::Seconds),
        Fault::LimitedDate(seconds) => limit(seconds, RetryAfterFormat::Date),
        Fault::Reset => Action::Reset,
        Fault::Close => Action::Close,
        Fault::Silence => Action::Hang { max_ms: None },
        Fault::Cut(bytes) => Action::Truncate { bytes },
        Fault::Unreadable => Action::MalformedJson,
        Fault::OtherSuccess => Action::WrongStatus { status: 200 },
        Fault::OtherType => Action::WrongContentType {
            content_type: "text/html".to_owned(),
        },
        Fault::MoreFields => Action::ExtraFields {
            fields: [("novel".to_owned(), json!([1])), ("data.novel".to_owned(), json!({"deep": null}))].into(),
        },
        Fault::Trickle => Action::SlowBody {
            first_byte_ms: Distribution::fixed_ms(20),
            bytes: 50,
            interval_ms: 1,
        },
        Fault::WithoutKey => Action::DropFields { fields: fields(&["key"]) },
        Fault::NullKey => Action::NullFields { fields: fields(&["key"]) },
        Fault::WithoutHandle => Action::DropFields {
            fields: fields(&["data.hash"]),
        },
        Fault::Twice => Action::DoubleEffect,
        Fault::Pretended => Action::IgnoreEffect,
    }
}

impl Bench for OpenRouterBench {
    fn stage(&self) -> &Stage {
        &self.stage
    }

    fn connector(&self) -> &dyn AnyConnector {
        self.stage.registry.app("open-router").unwrap()
    }

    fn rotator(&self) -> &dyn AnyRotator {
        self.stage.registry.rotation_type("open-router-api-key").unwrap()
    }

    fn access(&self) -> Access {
        access(self.control().management_key().expose())
    }

    fn unknown_access(&self) -> Access {
        access(UNKNOWN_KEY)
    }

    fn misplaced_access(&self, credential: &SecretString) -> Access {
        let credential: Value = serde_json::from_str(credential.expose()).unwrap();
        access(credential["apiKey"].as_str().unwrap())
    }

    fn parameters(&self) -> Value {
        json!({"name": "gateway", "limit": 25.5, "limitReset": "weekly", "includeByokInLimit": true})
    }

    fn other_parameters(&self) -> Vec<Value> {
        vec![
            json!({"name": "gateway", "limit": 25.6, "limitReset": "weekly", "includeByokInLimit": true}),
            json!({"name": "gateway", "limitReset": "weekly", "includeByokInLimit": true}),
            json!({"name": "gateway", "limit": 25.5, "limitReset": "daily", "includeByokInLimit": true}),
            json!({"name": "gateway", "limit": 25.5, "includeByokInLimit": true}),
            json!({"name": "gateway", "limit": 25.5, "limitReset": "weekly", "includeByokInLimit": false}),
        ]
    }

    fn spoil(&self, verb: Verb, moment: Moment, fault: Fault) {
        let endpoints: &[&str] = match verb {
            Verb::Validate | Verb::Sweep => &["keys.list"],
            Verb::Issue => &["keys.create"],
            Verb::Verify | Verb::Check | Verb::Spending => &["key"],
            Verb::Revoke => &["keys.delete"],
            Verb::Confirm => &["key", "keys.get"],
        };
        let when = match moment {
            Moment::BeforeEffect => When::BeforeEffect,
            Moment::AfterEffect => When::AfterEffect,
        };
        for endpoint in endpoints {
            let rule = FaultRule::on(*endpoint, action(fault));
            // These two replace the effect; there is no before and after.
            let rule = match fault {
                Fault::Twice | Fault::Pretended => rule,
                _ => rule.when(when),
            };
            self.control().add_fault(rule).unwrap();
        }
    }

    fn heal(&self) {
        self.control().clear_faults();
    }

    fn refuse_creation(&self) {
        let mut compat = self.control().compat();
        compat.max_keys = Some(0);
        self.control().set_compat(compat);
    }

    fn created(&self) -> u64 {
        self.control().stats().keys.total.created_total
    }

    fn requests(&self) -> u64 {
        self.control().stats().requests.total
    }

    fn live(&self) -> BTreeSet<String> {
        let everything = self.control().orphans(&OrphanQuery::default()).unwrap();
        everything.orphans.iter().map(|key| key.hash.to_string()).collect()
    }

    fn plant(&self, place: Place, name: &str) -> String {
        let key = ForeignKey {
            name: Some(name.to_owned()),
            workspace: (place == Place::Elsewhere).then(|| "elsewhere".to_owned()),
            ..ForeignKey::default()
        };
        self.control().create_foreign_key(key).unwrap().hash.to_string()
    }

    fn hide(&self, handle: &str, how: Hidden) {
        let change = match how {
            Hidden::Disabled => KeyChange {
                disabled: Some(true),
                ..KeyChange::default()
            },
            Hidden::Expired => KeyChange {
                expires_at: Change::To(DateTime::UNIX_EPOCH + TimeDelta::days(20_000)),
                ..KeyChange::default()
            },
        };
        self.control().set_key(handle.parse().unwrap(), &change).unwrap();
    }

    fn remover(&self) -> Box<dyn Fn(&str) + Send + Sync> {
        let simulator = Arc::clone(&self.simulator);
        Box::new(move |handle| simulator.control().delete_key(handle.parse().unwrap()).unwrap())
    }

    fn delay(&self, what: Delay, by: Duration) {
        let by = Some(Distribution::fixed_ms(u32::try_from(by.as_millis()).unwrap()));
        let mut propagation = self.control().propagation();
        propagation.global = match what {
            Delay::Birth => Delays {
                visible: by,
                ..Delays::default()
            },
            Delay::Death => Delays {
                revoke: by,
                ..Delays::default()
            },
        };
        self.control().set_propagation(propagation);
    }

    fn pass_time(&self, by: Duration) {
        self.control().advance(by).unwrap();
    }

    fn shows_a_key(&self, text: &str) -> bool {
        text.contains(MARK)
    }
}
