//! The fixed catalogue of models and its prices.

use serde::Serialize;

use super::answer::{Answer, Refusal};
use crate::money::Usd;

/// A model that can be called.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) id: &'static str,
    name: &'static str,
    created: i64,
    context_length: u64,
    /// Price of one token of the prompt.
    pub(crate) prompt: Usd,
    /// Price of one token of the completion.
    pub(crate) completion: Usd,
    vision: bool,
    pub(crate) provider_name: &'static str,
}

impl Model {
    pub(crate) fn free(&self) -> bool {
        self.id.ends_with(":free")
    }

    /// Slug of the provider: the part before the slash.
    pub(crate) fn provider(&self) -> &'static str {
        self.id.split_once('/').map_or(self.id, |(provider, _)| provider)
    }

    fn slug(&self) -> &'static str {
        self.id.strip_suffix(":free").unwrap_or(self.id)
    }
}

/// All models. Prices are those of one token: 2 500 000 picodollars are 2.50 USD for a million.
pub(crate) const MODELS: [Model; 4] = [
    Model {
        id: "openai/gpt-4o",
        name: "OpenAI: GPT-4o",
        created: 1_715_558_400,
        context_length: 128_000,
        prompt: Usd::pico(2_500_000),
        completion: Usd::pico(10_000_000),
        vision: true,
        provider_name: "OpenAI",
    },
    Model {
        id: "openai/gpt-4o-mini",
        name: "OpenAI: GPT-4o-mini",
        created: 1_721_260_800,
        context_length: 128_000,
        prompt: Usd::pico(150_000),
        completion: Usd::pico(600_000),
        vision: true,
        provider_name: "OpenAI",
    },
    Model {
        id: "anthropic/claude-3.5-haiku",
        name: "Anthropic: Claude 3.5 Haiku",
        created: 1_730_678_400,
        context_length: 200_000,
        prompt: Usd::pico(800_000),
        completion: Usd::pico(4_000_000),
        vision: false,
        provider_name: "Anthropic",
    },
    Model {
        id: "meta-llama/llama-3.3-70b-instruct:free",
        name: "Meta: Llama 3.3 70B Instruct (free)",
        created: 1_733_506_137,
        context_length: 131_072,
        prompt: Usd::ZERO,
        completion: Usd::ZERO,
        vision: false,
        provider_name: "Meta",
    },
];

/// Place and entry of a model.
pub(crate) fn find(id: &str) -> Option<(usize, &'static Model)> {
    MODELS.iter().enumerate().find(|(_, model)| model.id == id)
}

#[derive(Serialize)]
struct ModelList {
    data: Vec<ModelView>,
    total_count: usize,
    links: PageLinks,
}

#[derive(Serialize)]
struct PageLinks {
    next: Option<String>,
}

#[derive(Serialize)]
struct ModelView {
    id: &'static str,
    canonical_slug: &'static str,
    name: &'static str,
    description: &'static str,
    created: i64,
    context_length: u64,
    architecture: Architecture,
    pricing: Pricing,
    top_provider: TopProvider,
    per_request_limits: Option<()>,
    supported_parameters: [&'static str; 4],
    supported_voices: Option<()>,
    default_parameters: Option<()>,
    links: ModelLinks,
}

#[derive(Serialize)]
struct Architecture {
    modality: &'static str,
    input_modalities: &'static [&'static str],
    output_modalities: [&'static str; 1],
    tokenizer: &'static str,
    instruct_type: Option<()>,
}

#[derive(Serialize)]
struct Pricing {
    prompt: String,
    completion: String,
}

#[derive(Serialize)]
struct TopProvider {
    is_moderated: bool,
    context_length: u64,
    max_completion_tokens: Option<u64>,
}

#[derive(Serialize)]
struct ModelLinks {
    details: String,
}

/// GET `/models`. Needs no credential.
pub(super) fn list() -> Result<Answer, Refusal> {
    let data: Vec<_> = MODELS
        .iter()
        .map(|model| ModelView {
            id: model.id,
            canonical_slug: model.slug(),
            name: model.name,
            description: "A simulated model with a canned answer.",
            created: model.created,
            context_length: model.context_length,
            architecture: Architecture {
                modality: if model.vision { "text+image->text" } else { "text->text" },
                input_modalities: if model.vision { &["text", "image"] } else { &["text"] },
                output_modalities: ["text"],
                tokenizer: "Other",
                instruct_type: None,
            },
            pricing: Pricing {
                prompt: model.prompt.to_string(),
                completion: model.completion.to_string(),
            },
            top_provider: TopProvider {
                is_moderated: false,
                context_length: model.context_length,
                max_completion_tokens: None,
            },
            per_request_limits: None,
            supported_parameters: ["max_tokens", "temperature", "top_p", "stop"],
            supported_voices: None,
            default_parameters: None,
            links: ModelLinks {
                details: format!("/api/v1/models/{}/endpoints", model.id),
            },
        })
        .collect();
    Answer::json(&ModelList {
        total_count: data.len(),
        data,
        links: PageLinks { next: None },
    })
}
