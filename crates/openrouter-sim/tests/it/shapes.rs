//! The required fields of every answer, exactly.

use std::time::Duration;

use http::Method;
use openrouter_sim::ByokConfig;
use serde_json::{Value, json};

use crate::bench::{Bench, chat};

const KEY: &str = "hash name label disabled limit limit_remaining limit_reset include_byok_in_limit usage usage_daily \
    usage_weekly usage_monthly byok_usage byok_usage_daily byok_usage_weekly byok_usage_monthly created_at updated_at \
    expires_at last_used_at creator_user_id external_user workspace_id";
const CURRENT_KEY: &str = "label limit limit_remaining limit_reset include_byok_in_limit usage usage_daily usage_weekly \
    usage_monthly byok_usage byok_usage_daily byok_usage_weekly byok_usage_monthly is_free_tier is_management_key \
    is_provisioning_key creator_user_id organization_id workspace_id allowed_data_regions budgets effective_budget \
    free_model_daily_requests rate_limit expires_at";
const BUDGET: &str = "scope limit_usd spend_usd remaining_usd reset_interval resets_at include_byok guardrail_id budget_id";
const MODEL: &str = "id canonical_slug name description created context_length architecture pricing top_provider \
    per_request_limits supported_parameters supported_voices default_parameters links";
const WORKSPACE: &str = "id slug name description created_at created_by updated_at default_guardrail_id \
    default_text_model default_image_model default_provider_sort io_logging_api_key_ids io_logging_sampling_rate \
    is_data_discount_logging_enabled is_observability_broadcast_enabled is_observability_io_logging_enabled";
const ACTIVITY: &str = "date model model_permaslug endpoint_id provider_name usage byok_usage_inference requests \
    prompt_tokens completion_tokens reasoning_tokens cached_tokens";
const ASSIGNMENT: &str = "id guardrail_id key_hash key_name key_label assigned_by created_at";
const GUARDRAIL: &str = "id name description workspace_id limit_usd reset_interval include_byok_in_budgets allowed_models \
    allowed_providers created_at updated_at";
const BYOK: &str = "id provider name label workspace_id allowed_api_key_hashes allowed_models allowed_user_ids \
    declared_region declared_zdr disabled is_byok_only is_fallback is_required sort_order created_at";

/// Whether an object has these fields and no others; `null_ok` are those that may be null.
fn fields(value: &Value, names: &str, null_ok: &str) {
    let mut expected: Vec<&str> = names.split_whitespace().collect();
    let object = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
    let mut given: Vec<&str> = object.keys().map(String::as_str).collect();
    expected.sort_unstable();
    given.sort_unstable();
    assert_eq!(given, expected);
    for (name, value) in object {
        let allowed = null_ok.split_whitespace().any(|null| null == name);
        assert!(allowed || !value.is_null(), "{name} is null");
    }
}

const KEY_NULLS: &str = "limit limit_remaining limit_reset updated_at expires_at last_used_at creator_user_id external_user";

#[test]
fn management_answers() {
    let bench = Bench::new();
    let created = bench.post("/keys", &json!({ "name": "a", "limit": 1, "limit_reset": "daily" })).1;
    fields(&created, "key data", "");
    fields(&created["data"], KEY, KEY_NULLS);
    let path = format!("/keys/{}", created["data"]["hash"].as_str().unwrap());
    for body in [bench.get(&path).1, bench.patch(&path, &json!({ "name": "b" })).1] {
        fields(&body, "data", "");
        fields(&body["data"], KEY, KEY_NULLS);
    }
    let list = bench.get("/keys").1;
    fields(&list, "data", "");
    fields(&list["data"][0], KEY, KEY_NULLS);
    for number in ["limit", "limit_remaining", "usage", "byok_usage"] {
        assert!(list["data"][0][number].is_number(), "{number}");
    }
    let credits = bench.get("/credits").1;
    fields(&credits, "data", "");
    fields(&credits["data"], "total_credits total_usage", "");
    let workspaces = bench.get("/workspaces").1;
    fields(&workspaces, "data total_count", "");
    let workspace_nulls = "description created_by updated_at default_text_model default_image_model \
        default_provider_sort io_logging_api_key_ids";
    fields(&workspaces["data"][0], WORKSPACE, workspace_nulls);
    fields(&bench.get("/workspaces/default").1["data"], WORKSPACE, workspace_nulls);
    fields(&bench.delete(&path).1, "deleted", "");
}

#[test]
fn current_key_answers() {
    let bench = Bench::new();
    let nulls = "limit limit_remaining limit_reset creator_user_id organization_id workspace_id effective_budget expires_at";
    let made = bench.create(&json!({ "name": "a", "limit": 1, "limit_reset": "daily" }));
    let data = bench.call(Method::GET, "/key", &made.key, None).1["data"].clone();
    fields(&data, CURRENT_KEY, nulls);
    fields(&data["budgets"][0], BUDGET, "reset_interval resets_at guardrail_id budget_id");
    fields(&data["effective_budget"], BUDGET, "reset_interval resets_at guardrail_id budget_id");
    fields(&data["free_model_daily_requests"], "limit remaining used", "");
    fields(&data["rate_limit"], "requests interval note", "");
    assert!(data["allowed_data_regions"].is_array());
    fields(&bench.get("/key").1["data"], CURRENT_KEY, nulls);
}

#[test]
fn inference_answers() {
    let bench = Bench::new();
    let made = bench.named("a");
    let completion = bench.call(Method::POST, "/chat/completions", &made.key, Some(&chat())).1;
    fields(
        &completion,
        "id object created model system_fingerprint choices usage",
        "system_fingerprint",
    );
    assert_eq!(completion["object"], "chat.completion");
    fields(&completion["choices"][0], "index finish_reason message", "finish_reason");
    fields(&completion["choices"][0]["message"], "role content", "");
    let usage = "prompt_tokens completion_tokens total_tokens cost is_byok cost_details";
    fields(&completion["usage"], usage, "");
    let models = bench.get("/models").1;
    fields(&models, "data total_count links", "");
    fields(&models["links"], "next", "next");
    let ids: Vec<&str> = models["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap())
        .collect();
    assert!(ids.contains(&"openai/gpt-4o") && ids.iter().any(|id| id.ends_with(":free")));
    for model in models["data"].as_array().unwrap() {
        fields(model, MODEL, "per_request_limits supported_voices default_parameters");
        assert!(model["pricing"]["prompt"].is_string() && model["pricing"]["completion"].is_string());
        let free = model["id"].as_str().unwrap().ends_with(":free");
        assert_eq!(model["pricing"]["prompt"] == "0", free);
        assert!(model["top_provider"]["is_moderated"].is_boolean() && model["links"]["details"].is_string());
        assert!(model["architecture"]["input_modalities"].is_array() && model["architecture"]["output_modalities"].is_array());
    }
    bench.advance(Duration::from_hours(24));
    let activity = bench.get("/activity").1;
    fields(&activity, "data", "");
    fields(&activity["data"][0], ACTIVITY, "");
}

#[test]
fn assignment_answers() {
    let bench = Bench::new();
    let made = bench.named("a");
    let rail = bench.post("/guardrails", &json!({ "name": "g" })).1;
    let rail_nulls = "description limit_usd reset_interval allowed_models allowed_providers updated_at";
    fields(&rail["data"], GUARDRAIL, rail_nulls);
    let id = rail["data"]["id"].as_str().unwrap();
    assert_eq!(bench.get(&format!("/guardrails/{id}")).1, rail);
    bench.post(&format!("/guardrails/{id}/assignments/keys"), &json!({ "key_hashes": [made.hash] }));
    for path in [
        format!("/guardrails/{id}/assignments/keys"),
        "/guardrails/assignments/keys".to_owned(),
    ] {
        let list = bench.get(&path).1;
        fields(&list, "data total_count", "");
        fields(&list["data"][0], ASSIGNMENT, "assigned_by");
    }
    let credential = ByokConfig {
        provider: "openai".to_owned(),
        name: None,
        workspace: None,
    };
    let id = bench.control().add_byok(None, credential).unwrap();
    let byok = bench.get(&format!("/byok/{id}")).1;
    fields(
        &byok["data"],
        BYOK,
        "name allowed_api_key_hashes allowed_models allowed_user_ids declared_region declared_zdr",
    );
    assert_eq!(bench.get("/byok").1["data"][0], byok["data"]);
}

#[test]
fn errors() {
    let bench = Bench::new();
    let body = bench.get("/keys/x").1;
    fields(&body, "error", "");
    fields(&body["error"], "code message", "");
    let made = bench.create(&json!({ "name": "a" }));
    bench.spend(&made.key, "100");
    let body = bench.call(Method::POST, "/chat/completions", &made.key, Some(&chat())).1;
    fields(&body["error"], "code message metadata", "");
}
