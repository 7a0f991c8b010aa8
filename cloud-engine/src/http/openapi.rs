//! Every method and path that the engine answers, so that a test can hold `docs/openapi.yaml` against it.

use axum::http::Method;

/// All of them.
#[must_use]
pub fn paths() -> Vec<(Method, &'static str)> {
    let own = [(Method::GET, "/healthz"), (Method::GET, "/metrics")];
    own.into_iter()
        .chain(super::agent::PATHS.iter().cloned())
        .chain(super::admin::PATHS.iter().cloned())
        .collect()
}
