//! Malformed input of any kind gets an answer in the error shape, never a panic or a hang.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use openrouter_sim::{Experience, SimRequest};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::bench::{Bench, MANAGEMENT, Made};
use crate::running::Running;

/// Paths that exist, and anything else that begins like one.
fn path() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "/keys",
        "/keys/",
        "/key",
        "/auth/key",
        "/credits",
        "/models",
        "/chat/completions",
        "/activity",
        "/workspaces",
        "/guardrails",
        "/guardrails/assignments/keys",
        "/byok",
    ]);
    let below = ("[a-z/]{0,20}", "[0-9a-f]{64}|[%a-zA-Z0-9._~-]{0,40}").prop_map(|(head, tail)| format!("/{head}/{tail}"));
    let nearby = prop::sample::select(vec!["/keys/", "/workspaces/", "/guardrails/", "/byok/"]);
    let nearby = (nearby, "[%0-9a-zA-Z/]{0,80}").prop_map(|(head, tail)| format!("{head}{tail}"));
    prop_oneof![known.prop_map(str::to_owned), below, nearby, ".{0,40}"]
}

fn query() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "offset",
        "limit",
        "include_disabled",
        "include_expired",
        "workspace_id",
        "date",
        "api_key_hash",
        "group_by",
    ]);
    let pair = (name, "[-+0-9a-zA-Z%&= ]{0,20}").prop_map(|(name, value)| format!("{name}={value}"));
    prop_oneof![
        Just(String::new()),
        vec(pair, 0..4).prop_map(|pairs| format!("?{}", pairs.join("&"))),
        ".{0,30}".prop_map(|text| format!("?{text}")),
    ]
}

/// JSON that is nearly right.
fn json() -> impl Strategy<Value = Vec<u8>> {
    let field = prop::sample::select(vec![
        "name",
        "limit",
        "limit_reset",
        "include_byok_in_limit",
        "expires_at",
        "creator_user_id",
        "workspace_id",
        "disabled",
        "model",
        "messages",
        "stream",
        "key_hashes",
        "limit_usd",
        "reset_interval",
        "allowed_api_key_hashes",
    ]);
    let value = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<f64>().prop_map(|value| serde_json::json!(value).to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        ".{0,20}".prop_map(|text| serde_json::json!(text).to_string()),
        Just("1e999".to_owned()),
        Just("[[[[[{}]]]]]".to_owned()),
        Just("\"9999-12-31T23:59:59Z\"".to_owned()),
        Just("[{\"role\": \"user\", \"content\": [1, null, {\"text\": {}}]}]".to_owned()),
        Just("\"openai/gpt-4o\"".to_owned()),
    ];
    let object = vec((field, value), 0..6).prop_map(|fields| {
        let fields: Vec<String> = fields.into_iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        format!("{{{}}}", fields.join(", ")).into_bytes()
    });
    prop_oneof![object, vec(any::<u8>(), 0..200), Just("[".repeat(100_000).into_bytes())]
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    let name = prop::sample::select(vec!["authorization", "x-api-key", "x-sim-cost", "content-type", "accept"]);
    vec((name, vec(prop_oneof![32_u8..127, 128_u8..=255], 0..60)), 0..3)
}

fn method() -> impl Strategy<Value = Method> {
    let known = [
        Method::GET,
        Method::POST,
        Method::PATCH,
        Method::DELETE,
        Method::PUT,
        Method::HEAD,
        Method::OPTIONS,
    ];
    prop_oneof![
        prop::sample::select(known.to_vec()),
        "[A-Z]{1,12}".prop_map(|name| Method::from_bytes(name.as_bytes()).unwrap()),
    ]
}

/// Which valid credential is added, if any.
#[derive(Clone, Copy, Debug)]
enum With {
    Nothing,
    Management,
    Inference,
}

fn credential() -> impl Strategy<Value = With> {
    prop::sample::select(vec![With::Nothing, With::Management, With::Management, With::Inference])
}

fn check(bench: &Bench, made: &Made, request: SimRequest) -> Result<(), TestCaseError> {
    let before = bench.control().stats();
    let Experience::Answer(response) = bench.core.handle(request).play().1 else {
        return Err(TestCaseError::fail("no answer"));
    };
    let status = response.status.as_u16();
    prop_assert!((200..500).contains(&status), "status {status}");
    prop_assert!(response.headers.contains_key("x-request-id"));
    if status >= 400 {
        let body = response.json().unwrap_or_default();
        prop_assert_eq!(&body["error"]["code"], status);
        prop_assert!(body["error"]["message"].is_string());
        prop_assert!(!body.to_string().contains(&made.key));
        prop_assert_eq!(before.keys, bench.control().stats().keys);
    }
    prop_assert_eq!(bench.control().stats().requests.in_flight, 0);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_request_gets_an_answer(
        method in method(), path in path(), query in query(), body in json(), headers in headers(), with in credential(),
    ) {
        let bench = Bench::new();
        let made = bench.named("a");
        let path = path.replace("{hash}", &made.hash);
        let mut request = SimRequest::new(method, format!("/api/v1{path}{query}"));
        request.body = Bytes::from(body);
        for (name, value) in headers {
            request.headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(&value).unwrap());
        }
        let request = match with {
            With::Nothing => request,
            With::Management => request.bearer(MANAGEMENT),
            With::Inference => request.bearer(&made.key),
        };
        check(&bench, &made, request)?;
    }

    #[test]
    fn any_body_for_a_write_gets_an_answer(body in json(), which in 0..6_usize) {
        let bench = Bench::new();
        let made = bench.named("a");
        let hash = &made.hash;
        let id = bench.post("/guardrails", &serde_json::json!({ "name": "g" })).1["data"]["id"].as_str().unwrap().to_owned();
        let (method, path, key) = match which {
            0 => (Method::POST, "/keys".to_owned(), MANAGEMENT),
            1 => (Method::PATCH, format!("/keys/{hash}"), MANAGEMENT),
            2 => (Method::POST, "/chat/completions".to_owned(), made.key.as_str()),
            3 => (Method::POST, "/guardrails".to_owned(), MANAGEMENT),
            4 => (Method::POST, format!("/guardrails/{id}/assignments/keys"), MANAGEMENT),
            _ => (Method::POST, format!("/guardrails/{id}/assignments/keys/remove"), MANAGEMENT),
        };
        let mut request = SimRequest::new(method, format!("/api/v1{path}")).bearer(key);
        request.body = Bytes::from(body);
        check(&bench, &made, request)?;
    }
}

#[tokio::test]
async fn broken_http_gets_an_answer_or_a_close() {
    let running = Running::start().await;
    let long = format!("GET /api/v1/{} HTTP/1.1\r\n\r\n", "a".repeat(100_000));
    let many = format!("GET /api/v1/key HTTP/1.1\r\n{}\r\n", "X-A: b\r\n".repeat(500));
    for request in [
        &b"\r\n\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET /api/v1/keys\xff HTTP/1.1\r\n\r\n",
        b"GET /api/v1/keys HTTP/9.9\r\n\r\n",
        b"GET /api/v1/keys HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST /api/v1/keys HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST /api/v1/keys HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
        b"POST /api/v1/keys HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET http://example.com/api/v1/key HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET * HTTP/1.1\r\nConnection: close\r\n\r\n",
        long.as_bytes(),
        many.as_bytes(),
    ] {
        let answer = running.raw_and_no_more(request).await;
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"),
            "{}",
            String::from_utf8_lossy(&answer[..answer.len().min(200)])
        );
    }
    assert_eq!(running.probe(MANAGEMENT).await, 200, "and it still serves");
}
