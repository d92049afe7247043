//! The metric of requests: counted once each, with labels from a fixed set.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use kms_providers::rotator::SweepScope;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use serde_json::json;

use super::{HASH, PROVISIONING_KEY, credential, rotator};
use crate::raw::{RawServer, Reply};
use crate::stage::{CountingGate, Stage, access, marker};

/// Keeps counters by their text.
#[derive(Default)]
struct Counters(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Counters {
    fn shown(&self) -> Vec<String> {
        let counters = self.0.lock().unwrap();
        counters
            .iter()
            .map(|(name, count)| format!("{name} {}", count.load(Ordering::Relaxed)))
            .collect()
    }
}

impl Recorder for Counters {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let labels: Vec<String> = key.labels().map(|label| label.value().to_owned()).collect();
        let name = format!("{} {}", key.name(), labels.join(" "));
        Counter::from_arc(Arc::clone(self.0.lock().unwrap().entry(name).or_default()))
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn every_request_is_counted_by_provider_verb_and_result() {
    let counters = Counters::default();
    // The recorder is the thread's; the runtime stays on it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&counters, || runtime.block_on(calls()));
    assert_eq!(
        counters.shown(),
        [
            "kms_provider_calls_total open-router check server_error 1",
            "kms_provider_calls_total open-router check unauthorized 1",
            "kms_provider_calls_total open-router confirm ok 1",
            "kms_provider_calls_total open-router issue lost 1",
            "kms_provider_calls_total open-router issue not_sent 1",
            "kms_provider_calls_total open-router issue rate_limited 1",
            "kms_provider_calls_total open-router issue refused 1",
            "kms_provider_calls_total open-router issue unexpected 1",
            "kms_provider_calls_total open-router revoke not_found 1",
            "kms_provider_calls_total open-router sweep ok 1",
            "kms_provider_calls_total open-router sweep stopped 1",
            "kms_provider_calls_total open-router validate ok 1",
            "kms_provider_calls_total open-router verify ok 1",
        ]
    );
}

async fn calls() {
    let access = access(PROVISIONING_KEY);
    let parameters = json!({"name": "x"});
    let server = RawServer::scripted(vec![
        Reply::json(200, &json!({"data": []})),
        Reply::json(200, &json!({"data": []})),
        Reply::json(200, &json!({"data": {}})),
        Reply::error(503, "down"),
        Reply::error(401, "no"),
        Reply::error(404, "no"),
        Reply::error(200, "still there"),
        Reply::error(400, "no"),
        Reply::error(429, "slowly"),
        Reply::error(302, "elsewhere"),
        Reply::Close,
    ])
    .await;
    let mut stage = Stage::new(server.url("/api/v1"));
    let app = stage.registry.app("open-router").unwrap();
    app.validate(&stage.outbound(), &access).await.unwrap();
    let outbound = stage.outbound();
    rotator(&stage).sweep(&outbound, &access, SweepScope::Usual).await.unwrap();
    rotator(&stage).verify(&outbound, &parameters, &credential()).await.unwrap();
    rotator(&stage).check(&outbound, &credential()).await.unwrap();
    rotator(&stage).revoke(&outbound, &access, HASH).await.unwrap();
    rotator(&stage).confirm_revoked(&outbound, &access, HASH, None).await.unwrap();
    for _ in 0..4 {
        rotator(&stage)
            .issue(&outbound, &access, &parameters, &marker(1))
            .await
            .unwrap_err();
    }
    stage.gate = CountingGate::closing_after(0);
    rotator(&stage)
        .sweep(&stage.outbound(), &access, SweepScope::Usual)
        .await
        .unwrap_err();
    let stage = Stage::new("http://127.0.0.1:1/".parse().unwrap());
    rotator(&stage)
        .issue(&stage.outbound(), &access, &parameters, &marker(1))
        .await
        .unwrap_err();
}
