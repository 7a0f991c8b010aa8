//! The platform's side: one connection for each connection of the runtime, as the runtime would have had itself. It may not know what is
//! asked.
//!
//! There is no pool and no timeout. A call for the next event that waits for hours keeps its connection to itself, and a runtime with
//! several connections gets several. After a restore from a snapshot every connection of the life before is given up.

use std::sync::atomic::{AtomicU64, Ordering};

use http::header::HOST;
use http::{HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::body::Payload;
use crate::counters::{Counters, count};
use crate::limits;

/// Why the platform gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    #[error("no connection to {address}: {source}")]
    Connect { address: String, source: std::io::Error },
    #[error("the connection to the Runtime API broke: {0}")]
    Broken(#[from] hyper::Error),
    #[error("the platform took no answer for an event that was not to be delivered")]
    AnswerRefused,
}

pub(crate) struct Upstream {
    /// As it was given, verbatim.
    address: String,
    host: HeaderValue,
    generation: AtomicU64,
}

/// A connection that may be used again.
pub(crate) struct Link {
    sender: SendRequest<Payload>,
    generation: u64,
}

impl Upstream {
    pub(crate) fn new(address: String, host: HeaderValue) -> Self {
        Self { address, host, generation: AtomicU64::new(0) }
    }

    /// Gives up every connection that was made before.
    pub(crate) fn renew(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
    }

    async fn connect(&self) -> Result<Link, UpstreamError> {
        let generation = self.generation.load(Ordering::Relaxed);
        let stream = TcpStream::connect(&self.address)
            .await
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            .map_err(|source| UpstreamError::Connect { address: self.address.clone(), source })?;
        let (sender, connection) = Builder::new()
            .preserve_header_case(true)
            .title_case_headers(true)
            .max_buf_size(limits::READ_BUFFER_BYTES)
            .max_header_size(limits::HEAD_BYTES)
            .handshake(TokioIo::new(stream))
            .await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the Runtime API ended");
            }
        });
        Ok(Link { sender, generation })
    }

    /// The connection of before, if it is still good.
    async fn reuse(&self, slot: &mut Option<Link>) -> Option<Link> {
        let mut link = slot.take()?;
        if link.generation != self.generation.load(Ordering::Relaxed) || link.sender.is_closed() {
            return None;
        }
        link.sender.ready().await.ok()?;
        Some(link)
    }

    /// Sends a request and waits for the head of the answer, for as long as it takes.
    ///
    /// A connection of before may have died unnoticed while the environment was frozen. Runtimes repeat a call whose old connection
    /// turns out to be dead, but the runtime's connection is to us and lives; so the same is done here, once, and only where it cannot do
    /// anything twice: when the request was never written, or is a GET without a body that got not one byte of an answer. Who keeps a
    /// copy of such a GET anyway passes it as `template`.
    pub(crate) async fn send(
        &self,
        slot: &mut Option<Link>,
        mut request: Request<Payload>,
        template: Option<&Request<Payload>>,
        counters: &Counters,
    ) -> Result<Response<Incoming>, UpstreamError> {
        request.headers_mut().insert(HOST, self.host.clone());
        if let Some(mut link) = self.reuse(slot).await {
            let repeatable = request.method() == Method::GET && matches!(request.body(), Payload::None);
            let spare = (repeatable && template.is_none()).then(|| bodiless_copy(&request));
            match link.sender.try_send_request(request).await {
                Ok(response) => {
                    *slot = Some(link);
                    return Ok(response);
                }
                Err(mut error) => {
                    request = match error.take_message() {
                        Some(unsent) => unsent,
                        None if repeatable && died_silently(error.error()) => {
                            let Some(again) = spare.or_else(|| template.map(bodiless_copy)) else {
                                return Err(error.into_error().into());
                            };
                            again
                        }
                        None => return Err(error.into_error().into()),
                    };
                    request.headers_mut().insert(HOST, self.host.clone());
                }
            }
            count(&counters.upstream_reconnects);
        }
        let mut link = self.connect().await?;
        let response = link.sender.send_request(request).await?;
        *slot = Some(link);
        Ok(response)
    }
}

/// A head once more, with its header names as they were written.
pub(crate) fn bodiless_copy(request: &Request<Payload>) -> Request<Payload> {
    let mut copy = Request::new(Payload::None);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    copy
}

/// True when a connection ended without a byte of an answer. An answer that began and is broken is the platform's own word.
fn died_silently(error: &hyper::Error) -> bool {
    !error.is_parse() && !error.is_user()
}
