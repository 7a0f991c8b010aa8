//! The same client as the HTTP client of AWS's SDK, so that one TLS configuration serves all.

use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
        SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt as _;

use crate::{Client, Limits, SendError};

impl Client {
    /// This client for a service's configuration: `config.http_client(client.for_aws(limits))`. `limits` hold for each attempt;
    /// a shorter timeout of the service's own wins.
    #[must_use]
    pub fn for_aws(&self, limits: Limits) -> SharedHttpClient {
        SharedHttpClient::new(ForAws { client: self.clone(), limits })
    }
}

#[derive(Clone, Debug)]
struct ForAws {
    client: Client,
    limits: Limits,
}

impl HttpClient for ForAws {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let mut limits = self.limits;
        if let Some(timeout) = settings.read_timeout() {
            limits.timeout = limits.timeout.min(timeout);
        }
        SharedHttpConnector::new(Self { client: self.client.clone(), limits })
    }
}

impl HttpConnector for ForAws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { client, limits } = self.clone();
        HttpConnectorFuture::new(async move { exchange(&client, request, limits).await })
    }
}

async fn exchange(
    client: &Client,
    request: HttpRequest,
    limits: Limits,
) -> Result<HttpResponse, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(ConnectorError::user)?.to_bytes();
    let response =
        client.send(http::Request::from_parts(parts, body), limits).await.map_err(|error| match error {
            SendError::Timeout => ConnectorError::timeout(error.into()),
            SendError::Connect(_) => ConnectorError::io(error.into()).never_connected(),
            SendError::Broken(_) => ConnectorError::io(error.into()),
            SendError::NoHost | SendError::Insecure { .. } => ConnectorError::user(error.into()),
            SendError::TooLarge { .. } => ConnectorError::other(error.into(), None),
        })?;
    HttpResponse::try_from(response.map(SdkBody::from))
        .map_err(|error| ConnectorError::other(error.into(), None))
}
