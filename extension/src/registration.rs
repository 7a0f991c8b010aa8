//! The Extensions API: registering, and waiting for the end.
//!
//! Nothing here may end the process: an extension that exits fails the customer's invocation, so errors are said once
//! and then this part waits for ever, while the proxy goes on.

use lambda_extension::{Error, Extension, LambdaEvent, NextEvent, service_fn};
use serde_json::json;
use tokio::sync::mpsc;

use crate::{log::Log, settings::LogLevel};

/// What Lambda said when it ended the environment.
#[derive(Debug)]
pub(crate) struct Shutdown {
    /// `spindown`, `timeout` or `failure`.
    pub(crate) reason: String,
    /// When the process is killed, in milliseconds since 1970.
    pub(crate) deadline_ms: u64,
}

/// Registers for SHUTDOWN alone and answers when it comes. Invocations are learned of from the proxy: staying out of
/// INVOKE keeps Picket out of the barrier at the end of each invocation, and Managed Instances refuse it.
///
/// `registered` is called once the platform has answered the registration: Init no longer waits for this agent.
pub(crate) async fn until_shutdown(
    name: &str,
    has_api: bool,
    log: &Log,
    registered: impl FnOnce(),
) -> Shutdown {
    if !has_api {
        log.line(
            LogLevel::Error,
            "AWS_LAMBDA_RUNTIME_API is not set, so this is no Lambda environment; waiting",
            &[],
        );
        return std::future::pending().await;
    }
    let (sender, mut ended) = mpsc::channel(1);
    let events = service_fn(move |event: LambdaEvent| {
        let sender = sender.clone();
        async move {
            if let NextEvent::Shutdown(shutdown) = event.next {
                let said = Shutdown { reason: shutdown.shutdown_reason, deadline_ms: shutdown.deadline_ms };
                // The receiver lives as long as this future is polled; a second SHUTDOWN would be dropped.
                drop(sender.try_send(said));
                // Not asking for another event keeps the platform from answering one to a process that is leaving.
                std::future::pending::<()>().await;
            }
            Ok::<(), Error>(())
        }
    });
    let running = async {
        let answer = Extension::new()
            .with_extension_name(name)
            .with_events(&["SHUTDOWN"])
            .with_events_processor(events)
            .register()
            .await;
        let failed = match answer {
            Ok(extension) => {
                registered();
                extension.run().await.err()
            }
            Err(error) => Some(error),
        };
        let error = failed.map_or_else(|| "the event loop ended".to_owned(), |error| error.to_string());
        let fields = [("error", json!(error)), ("extension", json!(name))];
        log.line(LogLevel::Error, "the Extensions API failed; the proxy goes on without it", &fields);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        shutdown = ended.recv() => match shutdown {
            Some(shutdown) => shutdown,
            None => std::future::pending().await,
        },
        () = running => std::future::pending().await,
    }
}
