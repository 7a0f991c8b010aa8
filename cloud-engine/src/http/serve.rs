//! The listener of `picket-engine serve`: a bounded number of connections, a bounded time for each, and an end that loses nothing.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::limits;

/// How long open requests may take once the engine is to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Serves until `stop` ends, then finishes what it has begun.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) -> io::Result<()> {
    let router = router.layer(from_fn(in_time));
    let (stopping, stopped) = watch::channel(false);
    let room = std::sync::Arc::new(Semaphore::new(limits::CONNECTIONS));
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        let permit = std::sync::Arc::clone(&room).acquire_owned();
        let accepted = async {
            let permit = permit.await.map_err(io::Error::other)?;
            listener.accept().await.map(|(stream, _)| (stream, permit))
        };
        tokio::select! {
            () = &mut stop => break,
            Some(_finished) = connections.join_next(), if !connections.is_empty() => {}
            accepted = accepted => match accepted {
                Ok((stream, permit)) => {
                    let (router, stopped) = (router.clone(), stopped.clone());
                    connections.spawn(async move {
                        talk(stream, router, stopped).await;
                        drop(permit);
                    });
                }
                // Out of file handles, or the peer is gone already: neither is a reason to end.
                Err(error) => {
                    tracing::warn!(%error, "no connection was accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
    drop(listener);
    // Whoever is gone already needs no word.
    stopping.send_replace(true);
    let finish = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, finish).await.is_err() {
        tracing::warn!("some requests were cut off");
    }
    Ok(())
}

/// No request may come slower than this, nor be answered later.
async fn in_time(request: Request, next: Next) -> Response {
    let limit = Duration::from_secs(limits::REQUEST_SECONDS);
    tokio::time::timeout(limit, next.run(request))
        .await
        .unwrap_or_else(|_elapsed| StatusCode::REQUEST_TIMEOUT.into_response())
}

/// One connection. It ends by itself some time after `CONNECTION_SECONDS`, so that a peer who reads nothing holds none for ever.
async fn talk(stream: TcpStream, router: Router, mut stopped: watch::Receiver<bool>) {
    // Answers are small; waiting to send them in one piece would cost more than it saves.
    drop(stream.set_nodelay(true));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(limits::HEAD_SECONDS))
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => Some(ended),
        // The value that comes back is a lock on the channel; it is let go at once.
        () = async { drop(stopped.wait_for(|stopped| *stopped).await) } => None,
        () = tokio::time::sleep(Duration::from_secs(limits::CONNECTION_SECONDS)) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            let last = tokio::time::timeout(Duration::from_secs(limits::REQUEST_SECONDS), connection);
            last.await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
