//! The yardstick of the benchmarks: the smallest proxy for the Runtime API that one would write with hyper. It forwards
//! what it gets and does nothing else. It may not know Picket.
//!
//! Usage: `noop_proxy LISTEN_PORT UPSTREAM_HOST:PORT`

use std::{net::Ipv4Addr, process::ExitCode};

use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::net::TcpListener;

type Error = Box<dyn std::error::Error + Send + Sync>;

async fn forward(
    client: Client<HttpConnector, Incoming>,
    upstream: String,
    mut request: Request<Incoming>,
) -> Result<Response<Incoming>, Error> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = format!("http://{upstream}{path}").parse()?;
    request.headers_mut().remove(hyper::header::HOST);
    Ok(client.request(request).await?)
}

async fn serve(port: u16, upstream: String) -> Result<(), Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (client, upstream) = (client.clone(), upstream.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| forward(client.clone(), upstream.clone(), request));
            // A connection that fails ends its own bench run, which says so.
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await
                .ok();
        });
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(Ok(port)), Some(upstream)) = (arguments.next().map(|port| port.parse()), arguments.next())
    else {
        eprintln!("usage: noop_proxy LISTEN_PORT UPSTREAM_HOST:PORT");
        return ExitCode::FAILURE;
    };
    let served = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::from)
        .and_then(|runtime| runtime.block_on(serve(port, upstream)));
    if let Err(error) = served {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
