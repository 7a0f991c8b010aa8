//! The runtime proxy as a library, served on a thread of the test's own process. It may not know the agent's binary.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use picket_runtime_proxy::{Counters, CountersSnapshot, Inspector, Passthrough, Proxy, ProxyConfig};
use tokio::sync::oneshot;

use crate::double::{Double, RawClient};

/// A proxy that serves until it is dropped.
#[derive(Debug)]
pub struct Proxied {
    address: SocketAddr,
    counters: Arc<Counters>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxied {
    /// In front of a double, on demand, with an inspector that does nothing.
    pub fn plain(double: &Double) -> Self {
        Self::with(double, Passthrough)
    }

    /// In front of a double, on demand.
    pub fn with(double: &Double, inspector: impl Inspector) -> Self {
        Self::start(ProxyConfig::new(0, double.address()), inspector)
    }

    /// With a configuration of the test's own.
    #[expect(clippy::expect_used, reason = "a test without its proxy cannot go on")]
    pub fn start(config: ProxyConfig, inspector: impl Inspector) -> Self {
        let proxy = Proxy::bind(config).expect("a free port on loopback");
        let (address, counters) = (proxy.local_addr(), proxy.counters());
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an async runtime");
            runtime.block_on(async {
                tokio::select! {
                    served = proxy.serve(Arc::new(inspector)) => served.expect("a listener that can be served"),
                    _ = stopped => {}
                }
            });
        });
        Self { address, counters, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A new connection to it.
    #[expect(clippy::expect_used, reason = "a test that cannot connect has failed")]
    pub fn client(&self) -> RawClient {
        RawClient::connect(self.address).expect("the proxy accepts")
    }

    /// Its counts now.
    pub fn counters(&self) -> CountersSnapshot {
        self.counters.snapshot()
    }
}

impl Drop for Proxied {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // A proxy that has ended already does not listen.
            let _already_over = stop.send(()).is_err();
        }
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
