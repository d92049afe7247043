//! Style sheet, scripts and icons: inside the binary, under an address that carries their digest, so that they may be kept for ever.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

static ASSETS: [Asset; 4] = [
    Asset {
        name: "app.css",
        kind: "text/css; charset=utf-8",
        bytes: include_bytes!("assets/app.css"),
    },
    Asset {
        name: "app.js",
        kind: "text/javascript; charset=utf-8",
        bytes: include_bytes!("assets/app.js"),
    },
    // htmx 2.0.11 from npm, 0BSD (LICENSE-htmx.txt), unchanged;
    // sha256 d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717.
    Asset {
        name: "htmx.min.js",
        kind: "text/javascript; charset=utf-8",
        bytes: include_bytes!("assets/htmx.min.js"),
    },
    Asset {
        name: "icons.svg",
        kind: "image/svg+xml",
        bytes: include_bytes!("assets/icons.svg"),
    },
];

/// Where one is found.
pub(super) const PATH: &str = "/assets/{digest}/{name}";

/// One digest over all of them: they belong together.
static DIGEST: LazyLock<String> = LazyLock::new(|| {
    let all: Vec<u8> = ASSETS.iter().flat_map(|asset| asset.bytes).copied().collect();
    kms_app::fingerprint(&all).chars().take(16).collect()
});

/// The address of an asset.
pub(super) fn url(name: &str) -> String {
    format!("/assets/{}/{name}", *DIGEST)
}

pub(super) async fn serve(Path((digest, name)): Path<(String, String)>) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name && digest == *DIGEST) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut response = asset.bytes.into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    response.headers_mut().insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    response
}
