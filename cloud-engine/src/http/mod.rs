//! The engine's HTTP: one router for a listener of one's own and for a Function URL. Knows paths and statuses; not what lies behind.

mod admin;
mod agent;
pub mod openapi;
mod serve;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use picket_cloud_protocol::path_without_stage;
use serde_json::json;
use tower::ServiceExt as _;

use crate::engine::{Engine, Refused};
use crate::store::{Key, Store};
pub use serve::serve;

/// What handlers share.
pub(crate) type Shared<S> = Arc<Engine<S>>;

/// All of the engine's paths, also behind a stage of API Gateway or the prefix of a proxy in front.
pub fn router<S: Store>(engine: Shared<S>) -> Router {
    let paths = Router::new()
        .route("/healthz", get(health::<S>))
        .route("/metrics", get(metrics::<S>))
        .merge(agent::routes())
        .merge(admin::routes())
        .fallback(|| async { Refused::NotFound })
        .with_state(engine);
    Router::new().fallback_service(paths.map_request(without_stage as fn(Request) -> Request))
}

/// The request with its path as it is routed, and signed, without what stands before `/v1/`.
fn without_stage(mut request: Request) -> Request {
    let own = path_without_stage(request.uri().path());
    let own = ["/healthz", "/metrics"].into_iter().find(|open| own.ends_with(open)).unwrap_or(own);
    if own != request.uri().path() {
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        // Part of a path with the same query is a path and query.
        if let Ok(uri) = format!("{own}{query}").parse::<Uri>() {
            *request.uri_mut() = uri;
        }
    }
    request
}

/// Whether the store answers.
async fn health<S: Store>(State(engine): State<Shared<S>>) -> Response {
    match engine.store.get(Key::new(crate::names::sites(), "-")).await {
        Ok(_) => json_response(StatusCode::OK, &json!({ "status": "ok" })),
        Err(error) => {
            tracing::error!(%error, "the store does not answer");
            json_response(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "the store does not answer" }))
        }
    }
}

async fn metrics<S: Store>(State(engine): State<Shared<S>>) -> Response {
    let kind = HeaderValue::from_static("text/plain; version=0.0.4");
    ([(header::CONTENT_TYPE, kind)], engine.metrics.prometheus()).into_response()
}

pub(crate) fn json_response(status: StatusCode, value: &impl serde::Serialize) -> Response {
    let Ok(text) = serde_json::to_vec(value) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    (status, headers, Bytes::from(text)).into_response()
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Shape(_) | Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(why) => {
                tracing::error!(%why, "a request failed");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        let mut response = json_response(status, &json!({ "error": self.to_string() }));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}
