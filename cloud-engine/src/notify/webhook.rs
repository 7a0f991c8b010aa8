//! A POST of JSON to an address that the owner of a site wrote down. The owner of the engine may be somebody else, so it must not
//! reach what only the engine can reach: the name is resolved here, every address is checked, and the connection goes to the
//! address that was checked, whatever the name says a moment later.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tower::Service;

use super::NotTold;
use crate::settings::is_private;

/// Bytes of an answer that are read; what it says does not matter.
const ANSWER: usize = 64 * 1024;

/// The way to webhooks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Webhooks {
    /// Also to this machine and without TLS, for tests and trials.
    pub allow_local: bool,
}

impl Webhooks {
    /// Sends one notice, however long that takes.
    ///
    /// # Errors
    /// Why it was not delivered: only a status of 2xx is a delivery, and no redirect is followed.
    pub async fn post(&self, url: &str, json: &serde_json::Value) -> Result<(), NotTold> {
        let uri: Uri = url.parse().map_err(|_| NotTold("the address is no URL".to_owned()))?;
        let secure = uri.scheme_str() == Some("https");
        let plain = self.allow_local && uri.scheme_str() == Some("http");
        if !(secure || plain) {
            return Err(NotTold("the address is not https".to_owned()));
        }
        let request = Request::post(uri)
            .header("content-type", "application/json")
            .header("user-agent", "picket-engine")
            .body(Full::new(Bytes::from(json.to_string())))
            .map_err(|error| NotTold(error.to_string()))?;
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .map_err(|error| NotTold(error.to_string()))?
            .https_or_http()
            .enable_http1()
            .wrap_connector(Checked { allow_local: self.allow_local });
        let client: Client<_, Full<Bytes>> =
            Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        let response = client.request(request).await.map_err(|error| NotTold(cause(&error)))?;
        let status = response.status();
        // Read to its end, so that the other side sees its answer arrive; a failure here changes nothing.
        drop(Limited::new(response.into_body(), ANSWER).collect().await);
        if status.is_success() { Ok(()) } else { Err(NotTold(format!("status {}", status.as_u16()))) }
    }
}

/// The innermost reason, without the address.
fn cause(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// Whether an address is somebody's own on the Internet.
fn may_reach(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            let kept = a == 0 || a >= 240 || (a == 192 && b == 0 && c == 0) || (a == 198 && (b & 0xfe) == 18);
            !kept && !is_private(address)
        }
        IpAddr::V6(v6) => {
            let segments = v6.segments();
            let embedded = |high: u16, low: u16| {
                let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
                may_reach(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
            };
            match segments {
                // What translators make of an IPv4 address (RFC 6052, RFC 3056) reaches that address.
                [0x64, 0xff9b, 0, 0, 0, 0, high, low]
                | [0x2002, high, low, ..]
                | [0, 0, 0, 0, 0, 0, high, low] => embedded(high, low),
                [0x64, 0xff9b, 1, ..] => false,
                _ => !is_private(address),
            }
        }
    }
}

/// Connects to addresses that were checked.
#[derive(Clone, Copy, Debug)]
struct Checked {
    allow_local: bool,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Service<Uri> for Checked {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let allow_local = self.allow_local;
        Box::pin(async move {
            let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
            let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), port)).await?.collect();
            // One bad address among several is reason enough: the next attempt might take it.
            if !allow_local && addresses.iter().any(|address| !may_reach(address.ip())) {
                return Err("the name leads to an address that is not on the Internet".into());
            }
            let stream = TcpStream::connect(addresses.as_slice()).await?;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(stream))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_on_the_internet_are_reached() {
        let kept = [
            "127.0.0.1",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fd00:ec2::254",
            "fe80::1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::1",
            "2002:a9fe:a9fe::1",
            "ff02::1",
        ];
        for address in kept {
            assert!(!may_reach(address.parse().unwrap()), "{address}");
        }
        for address in ["198.51.100.7", "8.8.8.8", "2606:4700::1111", "64:ff9b::8.8.8.8", "172.32.0.1"] {
            assert!(may_reach(address.parse().unwrap()), "{address}");
        }
    }

    #[tokio::test]
    async fn names_and_numbers_of_this_machine_are_refused() {
        let webhooks = Webhooks::default();
        let local = [
            "https://127.0.0.1:9/",
            "https://localhost:9/",
            "https://[::1]:9/",
            "https://169.254.169.254/latest/meta-data/",
            // As `inet_aton` reads it: 127.0.0.1.
            "https://2130706433/",
        ];
        for url in local {
            let told = webhooks.post(url, &serde_json::json!({})).await;
            let why = told.expect_err(url).0;
            assert!(why.contains("not on the Internet") || url.contains("2130706433"), "{url}: {why}");
        }
        let told = webhooks.post("http://example.com/", &serde_json::json!({})).await;
        assert_eq!(told, Err(NotTold("the address is not https".to_owned())));
    }
}
