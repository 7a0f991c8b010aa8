//! The engine as a Lambda function behind a Function URL, over DynamoDB. Knows the platform; the router is the same as elsewhere.
//!
//! A frozen function has no timers, so notifications are delivered within the request that finds them due.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;

use crate::engine::{Engine, locked};
use crate::http::router;
use crate::notify::Notifier;
use crate::store::Store;

/// Seconds between two looks for notifications, and between two lines of metrics.
const INTERVAL: u64 = 10;
/// How long a request may be held up by deliveries: what is under way when a round must end is finished, or given up, within the
/// first; an agent waits for its answer longer than for both and more.
pub const PATIENCE: Duration = Duration::from_millis(2_000);
/// How long after the begin of a round a delivery may still begin.
pub const ROUND: Duration = Duration::from_millis(1_000);
/// How long after that the store may take to note what was delivered.
const NOTING: Duration = Duration::from_millis(1_000);

struct Platform<S> {
    engine: Arc<Engine<S>>,
    notifier: Notifier,
    /// The site that the metrics are of.
    site: String,
    /// When both were last done, and what the metrics were then.
    last: Mutex<(u64, Vec<u64>)>,
}

/// The router with what a frozen function must do between its requests. The metrics that it writes are those of `site`.
pub fn service<S: Store>(engine: Arc<Engine<S>>, notifier: Notifier, site: String) -> Router {
    let last = Mutex::new((0, Vec::new()));
    let platform = Arc::new(Platform { engine: Arc::clone(&engine), notifier, site, last });
    router(engine).layer(from_fn_with_state(platform, afterwards::<S>))
}

async fn afterwards<S: Store>(
    State(platform): State<Arc<Platform<S>>>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    let now = platform.engine.now();
    let line = {
        let mut last = locked(&platform.last);
        if now.saturating_sub(last.0) < INTERVAL {
            return response;
        }
        last.0 = now;
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        platform.engine.metrics.emf(&platform.site, &mut last.1, u64::try_from(millis).unwrap_or(0))
    };
    if let Some(line) = line {
        // The embedded metric format is a line of its own, with nothing before or behind it.
        println!("{line}");
    }
    match tokio::time::timeout(ROUND + PATIENCE + NOTING, platform.engine.deliver(&platform.notifier)).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::warn!(%error, "notifications were not delivered"),
        Err(_) => tracing::warn!("notifications took too long; they are tried again"),
    }
    response
}
