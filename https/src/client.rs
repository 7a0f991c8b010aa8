//! Sends one request and reads one answer, within the caller's limits.

use std::{fmt, net::IpAddr, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy,
    rt::{TokioExecutor, TokioTimer},
};

use crate::{SendError, SetupError, error::in_full, road::Road, tls};

/// Where a request may go without TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlainHttp {
    /// To this machine: 127.0.0.0/8, ::1 and `localhost`.
    #[default]
    Loopback,
    /// And to the link-local addresses at which AWS gives an environment its credentials.
    LinkLocal,
}

/// How a client is made.
#[derive(Clone, Default)]
pub struct Options {
    /// Certificate authorities beside the web's, as PEM: for an engine of one's own.
    pub authorities: Option<Vec<u8>>,
    /// The value of HTTPS_PROXY; `user:password@` in it is sent to the proxy.
    pub proxy: Option<String>,
    /// The value of NO_PROXY.
    pub no_proxy: String,
    /// Where TLS is not demanded.
    pub plain: PlainHttp,
    /// How long a connection may lie idle and still be used again. None, which is right wherever the process may be frozen,
    /// makes a new connection for each request.
    pub keep_idle: Option<Duration>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The proxy's address may hold a password.
        f.debug_struct("Options")
            .field("authorities", &self.authorities.as_ref().map(Vec::len))
            .field("proxy", &self.proxy.is_some())
            .field("no_proxy", &self.no_proxy)
            .field("plain", &self.plain)
            .field("keep_idle", &self.keep_idle)
            .finish()
    }
}

/// What one exchange may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the first step to the answer's last byte.
    pub timeout: Duration,
    /// Bytes of the answer's body.
    pub response_bytes: usize,
}

/// The client. Copies share connections and TLS sessions.
#[derive(Clone)]
pub struct Client {
    inner: legacy::Client<HttpsConnector<Road>, Full<Bytes>>,
    plain: PlainHttp,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("plain", &self.plain).finish_non_exhaustive()
    }
}

impl Client {
    /// A client with these options. It connects to nothing yet.
    ///
    /// # Errors
    /// Says which option cannot be used.
    pub fn new(options: &Options) -> Result<Self, SetupError> {
        let tls = tls::config(options.authorities.as_deref())?;
        let road = Road::new(options.proxy.as_deref(), &options.no_proxy)?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(road);
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        match options.keep_idle {
            Some(time) => builder.pool_timer(TokioTimer::new()).pool_idle_timeout(time),
            None => builder.pool_max_idle_per_host(0),
        };
        Ok(Self { inner: builder.build(connector), plain: options.plain })
    }

    /// The same client, with other addresses that need no TLS.
    #[must_use]
    pub const fn allowing(mut self, plain: PlainHttp) -> Self {
        self.plain = plain;
        self
    }

    /// Sends a request with an absolute address, and reads the whole answer. Redirects are answers like any other.
    ///
    /// # Errors
    /// Says whether something may have arrived: see [`SendError`].
    pub async fn send(&self, request: Request<Bytes>, limits: Limits) -> Result<Response<Bytes>, SendError> {
        self.admit(request.uri())?;
        let exchange = async {
            let response = self.inner.request(request.map(Full::new)).await.map_err(|error| {
                if error.is_connect() {
                    SendError::Connect(in_full(&error))
                } else {
                    SendError::Broken(in_full(&error))
                }
            })?;
            let (parts, body) = response.into_parts();
            Ok(Response::from_parts(parts, whole(body, limits.response_bytes).await?))
        };
        match tokio::time::timeout(limits.timeout, exchange).await {
            Ok(done) => done,
            Err(_) => Err(SendError::Timeout),
        }
    }

    /// Whether a request may go to this address.
    fn admit(&self, target: &Uri) -> Result<(), SendError> {
        let host = target.host().ok_or(SendError::NoHost)?;
        if target.scheme_str() == Some("https") || is_near(host, self.plain) {
            return Ok(());
        }
        Err(SendError::Insecure { host: host.to_owned() })
    }
}

/// Whether what is sent to this host without TLS stays where it may be seen.
fn is_near(host: &str, plain: PlainHttp) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) if address.is_loopback() => true,
        Ok(IpAddr::V4(address)) => plain == PlainHttp::LinkLocal && address.is_link_local(),
        Ok(IpAddr::V6(_)) => false,
        Err(_) => bare.eq_ignore_ascii_case("localhost"),
    }
}

/// Reads a body to its end, or gives up at the cap: an answer without end is no reason to run out of memory.
async fn whole(mut body: Incoming, cap: usize) -> Result<Bytes, SendError> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| SendError::Broken(in_full(&error)))?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > cap {
                return Err(SendError::TooLarge { cap });
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_tls_nothing_leaves_the_machine() {
        let reach = |uri: &'static str, plain| {
            let client = Client::new(&Options { plain, ..Options::default() }).unwrap();
            client.admit(&Uri::from_static(uri)).is_ok()
        };
        for near in [
            "http://127.0.0.1:9/",
            "http://127.8.8.8/",
            "http://[::1]:80/",
            "http://LOCALHOST/",
            "https://a.example/",
        ] {
            assert!(reach(near, PlainHttp::Loopback), "{near}");
        }
        for far in [
            "http://a.example/",
            "http://10.0.0.1/",
            "http://169.254.169.254/",
            "http://localhost.a.example/",
            "http://127.0.0.1.a.example/",
        ] {
            assert!(!reach(far, PlainHttp::Loopback), "{far}");
        }
        assert!(reach("http://169.254.170.2/v2", PlainHttp::LinkLocal));
        assert!(!reach("http://10.0.0.1/", PlainHttp::LinkLocal));
    }

    #[test]
    fn wrong_options_are_named() {
        let made = |options: Options| Client::new(&options).err().map(|error| error.to_string());
        assert_eq!(made(Options::default()), None);
        let proxied = |proxy: &str| Options { proxy: Some(proxy.to_owned()), ..Options::default() };
        assert_eq!(made(proxied("http://user:pass@proxy.example:3128")), None);
        assert_eq!(made(proxied("proxy.example:3128")), None);
        assert_eq!(made(proxied("")), None);
        assert!(made(proxied("socks5://proxy.example")).unwrap().contains("proxy"));
        assert!(made(proxied("https://proxy.example")).unwrap().contains("proxy"));
        let empty = Options { authorities: Some(b"nothing".to_vec()), ..Options::default() };
        assert!(made(empty).unwrap().contains("no certificate"));
    }

    #[test]
    fn debug_shows_no_password() {
        let options =
            Options { proxy: Some("http://user:hunter2@proxy.example".to_owned()), ..Options::default() };
        let client = Client::new(&options).unwrap();
        assert!(!format!("{options:?}{client:?}").contains("hunter2"));
    }
}
