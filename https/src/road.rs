//! The way to a host: straight, or through the owner's proxy by CONNECT. TLS comes on top and ends at the host.

use std::{
    error::Error,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::Uri;
use hyper_util::{
    client::{
        legacy::connect::{HttpConnector, proxy::Tunnel},
        proxy::matcher::Matcher,
    },
    rt::TokioIo,
};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::SetupError;

/// Finds the way for each address.
#[derive(Clone, Debug)]
pub(crate) struct Road {
    direct: HttpConnector,
    proxies: Arc<Matcher>,
}

impl Road {
    /// Goes through `proxy`, except to what `no_proxy` lists as curl would read it.
    pub(crate) fn new(proxy: Option<&str>, no_proxy: &str) -> Result<Self, SetupError> {
        let mut direct = HttpConnector::new();
        // The addresses that come here say https; TLS is the business of the layer above.
        direct.enforce_http(false);
        direct.set_nodelay(true);
        let proxies = Matcher::builder().https(proxy.unwrap_or_default()).no(no_proxy).build();
        if proxy.is_some_and(|proxy| !proxy.trim().is_empty()) {
            // Asked about a host that no list excepts, to learn what the matcher made of the proxy's address.
            let made = Matcher::builder().https(proxy.unwrap_or_default()).build();
            let way = made.intercept(&Uri::from_static("https://host.invalid/")).ok_or(SetupError::Proxy)?;
            if way.uri().scheme_str() != Some("http") {
                return Err(SetupError::Proxy);
            }
        }
        Ok(Self { direct, proxies: Arc::new(proxies) })
    }
}

type BoxError = Box<dyn Error + Send + Sync>;
type Connecting = Pin<Box<dyn Future<Output = Result<TokioIo<TcpStream>, BoxError>> + Send>>;

impl Service<Uri> for Road {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Connecting;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.direct.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Connecting {
        let Some(way) = self.proxies.intercept(&target) else {
            let connecting = self.direct.call(target);
            return Box::pin(async move { Ok(connecting.await?) });
        };
        let mut tunnel = Tunnel::new(way.uri().clone(), self.direct.clone());
        if let Some(credentials) = way.basic_auth() {
            tunnel = tunnel.with_auth(credentials.clone());
        }
        let connecting = tunnel.call(target);
        Box::pin(async move { Ok(connecting.await?) })
    }
}
