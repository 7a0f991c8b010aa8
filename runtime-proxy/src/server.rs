//! The listener: bound first, served later. It may not know what passes through it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::counters::{Counters, count};
use crate::desk::Desk;
use crate::exchange::{Connection, Shared};
use crate::inspector::Inspector;
use crate::limits;

/// What an owner decides about the proxy.
#[derive(Debug, Clone)]
pub struct ProxyConfig {
    /// The port on 127.0.0.1; 0 takes a free one. The proxy listens nowhere else.
    pub port: u16,
    /// The Runtime API, `host:port` without a scheme, exactly as the environment names it.
    pub upstream: String,
    /// True on Managed Instances, where several events may be out at once.
    pub concurrent: bool,
    /// Time that an inspection may take before it is abandoned; never more than half of what the invocation has left.
    pub inspection_budget: Duration,
    /// Time that it may take besides, for each MiB of the event.
    pub inspection_budget_per_mib: Duration,
    /// Time for which the runtime's call for the next event may be held for [`Inspector::before_next`].
    pub hold_limit: Duration,
    /// Bytes of an event that are held for inspection.
    pub event_limit: usize,
    /// Bytes of a handler's answer that are kept for [`Inspector::answered`].
    pub prefix_limit: usize,
    /// Bytes of a handler's answer that are held for [`Inspector::judge`].
    pub answer_limit: usize,
    /// What the readiness answer names.
    pub version: String,
}

impl ProxyConfig {
    /// A configuration with every limit at its default, for events that come one at a time.
    pub fn new(port: u16, upstream: impl Into<String>) -> Self {
        Self {
            port,
            upstream: upstream.into(),
            concurrent: false,
            inspection_budget: limits::INSPECTION_BUDGET,
            inspection_budget_per_mib: limits::INSPECTION_BUDGET_PER_MIB,
            hold_limit: limits::HOLD_LIMIT,
            event_limit: limits::EVENT_BYTES,
            prefix_limit: limits::PREFIX_BYTES,
            answer_limit: limits::ANSWER_BYTES,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// Why the proxy cannot listen. The function then has to run without it.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process has the port.
    #[error("port {port} on 127.0.0.1 is taken by another process")]
    PortTaken {
        /// The port that was asked for.
        port: u16,
    },
    /// The system refused for another reason.
    #[error("cannot listen on 127.0.0.1:{port}: {source}")]
    Refused {
        /// The port that was asked for.
        port: u16,
        /// What the system said.
        source: std::io::Error,
    },
    /// The upstream address is the listener's own: every call would go round for ever.
    #[error("the Runtime API's address {upstream} is the proxy's own")]
    UpstreamIsSelf {
        /// The address as it was given.
        upstream: String,
    },
    /// The upstream address is not `host:port`.
    #[error("the Runtime API's address {upstream:?} is not host:port")]
    UpstreamMalformed {
        /// The address as it was given.
        upstream: String,
    },
}

/// A bound listener.
pub struct Proxy {
    listener: StdListener,
    address: SocketAddr,
    host: HeaderValue,
    config: ProxyConfig,
    counters: Arc<Counters>,
    desk: Option<Desk>,
}

impl Proxy {
    /// Takes the port. Needs no async runtime: from here on the kernel accepts connections, and they wait for [`Proxy::serve`].
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn bind(config: ProxyConfig) -> Result<Self, BindError> {
        let malformed = || BindError::UpstreamMalformed { upstream: config.upstream.clone() };
        let (name, port) = config.upstream.rsplit_once(':').ok_or_else(malformed)?;
        if name.is_empty() || name.contains('/') || port.parse::<u16>().is_err() {
            return Err(malformed());
        }
        let host = HeaderValue::from_str(&config.upstream).map_err(|_| malformed())?;
        let refused = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::AddrInUse => BindError::PortTaken { port: config.port },
            _ => BindError::Refused { port: config.port, source },
        };
        // The standard library sets SO_REUSEADDR, so connections of an earlier life of the agent do not keep the port.
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, config.port)).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let own = ["127.0.0.1", "localhost", "0.0.0.0"].contains(&name) && port.parse() == Ok(address.port());
        if own {
            return Err(BindError::UpstreamIsSelf { upstream: config.upstream });
        }
        Ok(Self { listener, address, host, config, counters: Arc::default(), desk: None })
    }

    /// Has short inspections done between the turns of the event loop: the one by which [`desk::run`](crate::desk::run) runs. Where
    /// events come several at a time they keep their own threads.
    #[must_use]
    pub fn by(mut self, desk: Desk) -> Self {
        self.desk = Some(desk);
        self
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The counts, which stay readable while it serves.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Serves until the future is dropped. Connections live on as tasks of the runtime.
    ///
    /// # Errors
    /// Only when the listener cannot be handed to the async runtime. No connection's failure ends it.
    pub async fn serve(self, inspector: Arc<dyn Inspector>) -> std::io::Result<()> {
        let listener = TcpListener::from_std(self.listener)?;
        let shared = Arc::new(Shared::new(self.config, self.host, inspector, self.counters, self.desk));
        let mut builder = Builder::new();
        // No timer: a keep-alive connection may be silent for hours, and a frozen environment's clocks jump.
        builder
            .preserve_header_case(true)
            .title_case_headers(true)
            .auto_date_header(false)
            .max_buf_size(limits::READ_BUFFER_BYTES)
            .max_header_size(limits::HEAD_BYTES);
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of descriptors, or a client that was gone again: the next one may do better.
                    tracing::warn!(%error, "a connection of the runtime could not be accepted");
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    continue;
                }
            };
            count(&shared.counters.connections);
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection stays without TCP_NODELAY");
            }
            let connection = Arc::new(Connection::new(Arc::clone(&shared)));
            let serving = builder.serve_connection(
                TokioIo::new(stream),
                service_fn(move |request| {
                    let connection = Arc::clone(&connection);
                    async move { connection.call(request).await }
                }),
            );
            tokio::spawn(async move {
                if let Err(error) = serving.await {
                    tracing::debug!(%error, "a connection of the runtime ended");
                }
            });
        }
    }
}
