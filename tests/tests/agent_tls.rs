//! The built agent and an engine behind TLS with an authority of its owner's, straight and through a proxy: `PICKET_CA_FILE` and
//! `HTTPS_PROXY`. The certificates are those of `https/fixtures`, which belong to nobody and protect nothing.
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use picket_tests::{
    agent::Agent,
    cloud::Cloud,
    double::{Double, Event},
    layout,
};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::json;

fn fixture(name: &str) -> PathBuf {
    layout::repository().join("https/fixtures").join(name)
}

/// Hands each connection to `serve`, on a thread that ends with this program.
fn listen(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let (address, serve) = (listener.local_addr().expect("an address"), Arc::new(serve));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            thread::spawn(move || serve(stream));
        }
    });
    address
}

/// Passes one request on and its answer back: the agent never uses a connection twice.
fn pass_on(front: &mut (impl Read + Write), back: SocketAddr) -> io::Result<()> {
    let mut back = TcpStream::connect(back)?;
    let (mut request, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let read = front.read(&mut piece)?;
        request.extend_from_slice(piece.get(..read).unwrap_or_default());
        let text = String::from_utf8_lossy(&request);
        let whole = text.split_once("\r\n\r\n").is_some_and(|(head, _)| {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length: ")
                    .and_then(|length| length.parse().ok())
            });
            request.len() >= head.len() + 4 + length.unwrap_or(0_usize)
        });
        if whole || read == 0 {
            break;
        }
    }
    back.write_all(&request)?;
    back.set_read_timeout(Some(Duration::from_millis(500)))?;
    loop {
        match back.read(&mut piece) {
            Ok(0) | Err(_) => return front.flush(),
            Ok(read) => front.write_all(piece.get(..read).unwrap_or_default())?,
        }
    }
}

/// TLS in front of an address.
fn tls(back: SocketAddr) -> SocketAddr {
    let chain = CertificateDer::pem_file_iter(fixture("server.pem")).expect("a file");
    let key = PrivateKeyDer::from_pem_file(fixture("server.key")).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain.collect::<Result<_, _>>().expect("certificates"), key)
        .expect("a certificate");
    let config = Arc::new(config);
    listen(move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
        let mut stream = StreamOwned::new(connection, stream);
        // A client that does not trust the certificate ends the handshake; that is the point of one of the tests.
        if pass_on(&mut stream, back).is_ok() {
            stream.conn.send_close_notify();
            stream.flush().ok();
        }
    })
}

/// A proxy that leads every CONNECT to one address, and keeps what it was asked.
fn proxy(onward: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&asked);
    let address = listen(move |mut stream| {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
            head.extend(byte);
        }
        seen.lock().expect("a lock").push(String::from_utf8_lossy(&head).into_owned());
        let Ok(onward) = TcpStream::connect(onward) else { return };
        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok();
        let (mut up, mut down) = (stream.try_clone().expect("a clone"), onward.try_clone().expect("a clone"));
        let (mut from, mut to) = (stream, onward);
        thread::spawn(move || io::copy(&mut up, &mut to));
        io::copy(&mut down, &mut from).ok();
        from.shutdown(std::net::Shutdown::Both).ok();
    });
    (address, asked)
}

/// Sends an attack through an agent with these settings.
fn attacked(cloud: &Cloud, more: &[(&str, &str)]) -> (Double, Agent) {
    let double = Double::start();
    let settings = cloud.settings(more);
    let settings: Vec<_> = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let agent = Agent::start(&double, &settings);
    let mut runtime = agent.connect();
    let event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/items",
        "rawQueryString": "id=1%27%20UNION%20SELECT%20name%2Cpassword%20FROM%20users--%20",
        "headers": {"host": "abc.lambda-url.eu-central-1.on.aws", "user-agent": "Mozilla/5.0"},
        "requestContext": {
            "domainName": "abc.lambda-url.eu-central-1.on.aws", "requestId": "r", "stage": "$default",
            "http": {"method": "GET", "path": "/items", "sourceIp": "198.51.100.23"},
        },
        "isBase64Encoded": false,
    });
    let id = double.queue(Event::new(event.to_string().into_bytes()));
    let seen = runtime.next_event().expect("an event");
    runtime.respond(&seen, br#"{"statusCode":200}"#).expect("an answer");
    double.outcome(&id);
    // The open call for a next event is what keeps an environment going.
    thread::spawn(move || runtime.next_event());
    (double, agent)
}

fn address(cloud: &Cloud) -> SocketAddr {
    cloud.url().trim_start_matches("http://").parse().expect("an address")
}

#[test]
fn an_engine_of_ones_own_is_trusted_by_its_authority_and_only_by_that() {
    let authority = fixture("authority.pem").display().to_string();
    let cloud = Cloud::start();
    let engine = format!("https://localhost:{}", tls(address(&cloud)).port());
    let (_double, _agent) = attacked(&cloud, &[("PICKET_ENGINE", &engine), ("PICKET_CA_FILE", &authority)]);
    cloud.wait("the report", |cloud| cloud.count_of("SQLI") == 1);

    let cloud = Cloud::start();
    let engine = format!("https://localhost:{}", tls(address(&cloud)).port());
    let (_double, agent) = attacked(&cloud, &[("PICKET_ENGINE", &engine)]);
    let line = agent.line_with("the engine cannot be reached");
    assert!(line.contains("certificate"), "{line}");
    assert_eq!(cloud.count_of("SQLI"), 0, "nothing goes to a stranger");
}

#[test]
fn reports_go_through_the_proxy_that_sees_no_more_than_the_host() {
    let authority = fixture("authority.pem").display().to_string();
    let cloud = Cloud::start();
    let (proxy, asked) = proxy(tls(address(&cloud)));
    let proxy = format!("http://user:hunter2@{proxy}");
    // This name resolves nowhere: only the proxy can lead there.
    let more = [
        ("PICKET_ENGINE", "https://engine.test"),
        ("PICKET_CA_FILE", authority.as_str()),
        ("HTTPS_PROXY", proxy.as_str()),
    ];
    let (_double, agent) = attacked(&cloud, &more);
    cloud.wait("the report", |cloud| cloud.count_of("SQLI") == 1);
    let asked = asked.lock().expect("a lock").join("\n");
    assert!(asked.starts_with("CONNECT engine.test:443 HTTP/1.1\r\n"), "{asked}");
    assert!(!asked.contains("/v1/") && !asked.contains("picket-signature"), "{asked}");
    let lines = agent.written();
    assert!(!lines.iter().any(|line| line.contains("hunter2")), "{lines:?}");
}

#[test]
fn without_tls_nothing_leaves_the_machine() {
    let cloud = Cloud::start();
    // An address for documentation (RFC 5737): were anything sent, it would wait there.
    let (_double, agent) = attacked(&cloud, &[("PICKET_ENGINE", "http://192.0.2.1:9")]);
    let line = agent.line_with("the engine cannot be reached");
    assert!(line.contains("192.0.2.1 is not this machine, so https is needed"), "{line}");
}
