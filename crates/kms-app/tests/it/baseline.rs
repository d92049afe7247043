//! The usual order of steps (create, write, delete the older key) in the same surroundings, so that they are seen to find what the
//! engine is checked for.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Method;
use openrouter_sim::{Action, Experience, FaultRule, KeyHash, OrphanQuery, SimCore, SimRequest, When};

use crate::world::{simulator, start};

struct Usual {
    slots: Vec<KeyHash>,
}

impl Usual {
    fn rotate(&mut self, core: &SimCore) {
        let request = |method, path: &str, body: &'static [u8]| {
            let mut request = SimRequest::new(method, path).bearer(core.management_key().expose());
            request.body = Bytes::from_static(body);
            core.handle(request).play().1
        };
        let created = request(Method::POST, "/api/v1/keys", br#"{"name":"gateway-prod"}"#);
        let Experience::Answer(response) = created else { return };
        let Some(hash) = response.json().and_then(|json| json["data"]["hash"].as_str()?.parse().ok()) else {
            return;
        };
        self.slots.push(hash);
        if self.slots.len() > 2 {
            let oldest = self.slots.remove(0);
            let path = format!("/api/v1/keys/{oldest}");
            drop(request(Method::DELETE, &path, b""));
        }
    }
}

#[test]
fn with_one_reply_in_twenty_lost_the_usual_order_of_steps_leaks() {
    let core = simulator(1, start());
    let lost = Action::Status {
        status: 500,
        body: "json".to_owned(),
        headers: BTreeMap::new(),
    };
    core.control()
        .add_fault(FaultRule::on("any", lost).when(When::AfterEffect).probability(0.05))
        .unwrap();
    let mut usual = Usual { slots: Vec::new() };
    for _ in 0..1000 {
        usual.rotate(&core);
    }
    let query = OrphanQuery {
        known_hashes: usual.slots.clone(),
        ..OrphanQuery::default()
    };
    let orphans = core.control().orphans(&query).unwrap().orphans.len();
    println!("the usual order of steps: {orphans} live keys that nobody knows after 1000 rotations");
    assert!((20..=100).contains(&orphans), "{orphans}");
}
