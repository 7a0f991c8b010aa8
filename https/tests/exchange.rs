//! The client against servers that answer well, badly and not at all; over TLS with an authority of one's own, and through
//! a proxy. The certificates under fixtures/ belong to nobody and protect nothing.
#![expect(clippy::unwrap_used, reason = "what cannot be set up has failed the test")]

use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request};
use picket_https::{Client, Limits, Options, SendError};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const LIMITS: Limits = Limits { timeout: Duration::from_secs(20), response_bytes: 1024 };

/// A server that hands each connection to `serve`, with the number of connections so far.
async fn server<F, S>(serve: F) -> (SocketAddr, Arc<AtomicUsize>)
where
    F: Fn(TcpStream) -> S + Send + Sync + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&count);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counting.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(serve(stream));
        }
    });
    (address, count)
}

/// Reads one request, with its body where a length is given.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 1024];
        let n = stream.read(&mut piece).await.ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&piece[..n]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0_usize) {
                return Some(text);
            }
        }
    }
}

/// Answers every request of a connection with what it was sent.
async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    while let Some(request) = read_request(&mut stream).await {
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{request}", request.len());
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn request(uri: &str) -> Request<Bytes> {
    Request::builder().method(Method::POST).uri(uri).body(Bytes::from_static(b"hello")).unwrap()
}

fn plain_client() -> Client {
    Client::new(&Options::default()).unwrap()
}

#[tokio::test]
async fn an_answer_is_read_whole_and_each_request_has_a_connection_of_its_own() {
    let (address, connections) = server(echo).await;
    let client = plain_client();
    for n in 1..=3 {
        let response = client.send(request(&format!("http://{address}/v1/x?a=b")), LIMITS).await.unwrap();
        let body = String::from_utf8(response.into_body().to_vec()).unwrap();
        assert!(body.starts_with("POST /v1/x?a=b HTTP/1.1\r\n") && body.ends_with("\r\n\r\nhello"), "{body}");
        assert_eq!(connections.load(Ordering::SeqCst), n);
    }
    let keeping =
        Client::new(&Options { keep_idle: Some(Duration::from_secs(60)), ..Options::default() }).unwrap();
    for _ in 0..3 {
        keeping.send(request(&format!("http://{address}/")), LIMITS).await.unwrap();
        // The connection goes back to the pool after the answer's last byte.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(connections.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn an_answer_without_end_is_cut_at_its_cap() {
    let (address, _) = server(|mut stream| async move {
        read_request(&mut stream).await;
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        if stream.write_all(head).await.is_err() {
            return;
        }
        while stream.write_all(b"5\r\nabcde\r\n").await.is_ok() {}
    })
    .await;
    let error = plain_client().send(request(&format!("http://{address}/")), LIMITS).await.unwrap_err();
    assert!(matches!(error, SendError::TooLarge { cap: 1024 }), "{error}");
}

#[tokio::test]
async fn silence_garbage_and_hanging_up_are_told_apart() {
    let (silent, _) = server(|stream| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let short = Limits { timeout: Duration::from_millis(50), ..LIMITS };
    let error = plain_client().send(request(&format!("http://{silent}/")), short).await.unwrap_err();
    assert!(matches!(error, SendError::Timeout), "{error}");

    let (garbled, _) = server(|mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(b"\x16\x03\x01 what?\r\n\r\n").await.ok();
    })
    .await;
    let error = plain_client().send(request(&format!("http://{garbled}/")), LIMITS).await.unwrap_err();
    assert!(matches!(error, SendError::Broken(_)), "{error}");

    let (deaf, _) = server(|stream| async move { drop(stream) }).await;
    let error = plain_client().send(request(&format!("http://{deaf}/")), LIMITS).await.unwrap_err();
    assert!(matches!(error, SendError::Broken(_)), "{error}");

    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = plain_client().send(request(&format!("http://{closed}/")), LIMITS).await.unwrap_err();
    assert!(matches!(error, SendError::Connect(_)), "{error}");
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

async fn tls_server() -> SocketAddr {
    let chain = CertificateDer::pem_slice_iter(&fixture("server.pem")).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(&fixture("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let (address, _) = server(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                echo(stream).await;
            }
        }
    })
    .await;
    address
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_when_it_is_named_and_only_then() {
    let address = tls_server().await;
    let error = plain_client().send(request(&format!("https://{address}/")), LIMITS).await.unwrap_err();
    assert!(matches!(&error, SendError::Connect(said) if said.contains("certificate")), "{error}");
    let own = Options { authorities: Some(fixture("authority.pem")), ..Options::default() };
    let client = Client::new(&own).unwrap();
    let response =
        client.send(request(&format!("https://localhost:{}/", address.port())), LIMITS).await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn a_proxy_is_asked_to_connect_and_sees_no_more_than_the_host() {
    let engine = tls_server().await;
    let (seen, mut asked) = tokio::sync::mpsc::unbounded_channel();
    let (proxy, tunnels) = server(move |mut stream| {
        let seen = seen.clone();
        async move {
            seen.send(read_request(&mut stream).await.unwrap()).unwrap();
            let mut onward = TcpStream::connect(engine).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
            tokio::io::copy_bidirectional(&mut stream, &mut onward).await.ok();
        }
    })
    .await;
    let mut options = Options {
        authorities: Some(fixture("authority.pem")),
        proxy: Some(format!("http://user:pass@{proxy}")),
        ..Options::default()
    };
    // This name resolves nowhere: only the proxy can lead there.
    let response =
        Client::new(&options).unwrap().send(request("https://engine.test/v1/batches"), LIMITS).await.unwrap();
    assert!(String::from_utf8_lossy(response.body()).ends_with("hello"));
    let asked = asked.recv().await.unwrap();
    assert!(asked.starts_with("CONNECT engine.test:443 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.to_ascii_lowercase().contains("proxy-authorization: basic"), "{asked}");
    assert!(!asked.contains("/v1/batches"), "{asked}");

    options.no_proxy = "127.0.0.1, .example".to_owned();
    let direct = Client::new(&options).unwrap();
    direct.send(request(&format!("https://{engine}/")), LIMITS).await.unwrap();
    assert_eq!(tunnels.load(Ordering::SeqCst), 1);
}
