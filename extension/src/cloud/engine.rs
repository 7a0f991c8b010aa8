//! One exchange with the engine, signed at the moment in which it leaves.

use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use picket_cloud_protocol::{HEADER, limits::REPLY_BYTES};
use picket_https::{Client, Limits, SendError};
use picket_report::Signer;

use super::{credentials::Role, now_s};

/// How requests are signed.
#[derive(Debug)]
pub(crate) enum Auth {
    /// With the secret's key.
    Key(Signer),
    /// With the function's role.
    Role {
        /// Whose credentials.
        role: Role,
        /// Of which region.
        region: String,
        /// For which service: `lambda` for a function URL, `execute-api` for API Gateway.
        service: &'static str,
    },
}

/// The engine, and the right to speak with it.
#[derive(Debug)]
pub(crate) struct Engine {
    client: Client,
    /// Without a slash at its end.
    base: String,
    auth: Auth,
}

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    #[error("{0}")]
    Send(#[from] SendError),
    #[error("the engine's address cannot be used")]
    Address,
    #[error("the role has no credentials: {0}")]
    Credentials(String),
    #[error("the engine answered {0}")]
    Status(StatusCode),
    #[error("the engine's answer cannot be read")]
    Garbled,
}

impl Engine {
    /// An engine at this address.
    pub(crate) fn new(client: Client, url: &str, auth: Auth) -> Self {
        Self { client, base: url.trim_end_matches('/').to_owned(), auth }
    }

    /// The key, where requests are signed with one.
    pub(crate) const fn signer(&self) -> Option<&Signer> {
        match &self.auth {
            Auth::Key(signer) => Some(signer),
            Auth::Role { .. } => None,
        }
    }

    /// Asks, and gives the body of an answer with status 200; none where the status is 304.
    pub(crate) async fn get(
        &self,
        path: &str,
        query: &str,
        timeout: Duration,
    ) -> Result<Option<Bytes>, ExchangeError> {
        let response = self.exchange(Method::GET, path, query, Bytes::new(), timeout).await?;
        match response.status() {
            StatusCode::OK => Ok(Some(response.into_body())),
            StatusCode::NOT_MODIFIED => Ok(None),
            status => Err(ExchangeError::Status(status)),
        }
    }

    /// Sends a body, and gives that of an answer with status 200.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, ExchangeError> {
        let response = self.exchange(Method::POST, path, "", body, timeout).await?;
        match response.status() {
            StatusCode::OK => Ok(response.into_body()),
            status => Err(ExchangeError::Status(status)),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        query: &str,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Response<Bytes>, ExchangeError> {
        let mark = if query.is_empty() { "" } else { "?" };
        let uri: Uri =
            format!("{}{path}{mark}{query}", self.base).parse().map_err(|_| ExchangeError::Address)?;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let agent = HeaderValue::from_static(concat!("picket/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(header::USER_AGENT, agent);
        if request.method() == Method::POST {
            request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            request.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        match &self.auth {
            Auth::Key(signer) => {
                let (method, uri) = (request.method().as_str(), request.uri());
                let value =
                    signer.header(method, uri.path(), uri.query().unwrap_or(""), now_s(), request.body());
                let mut value = HeaderValue::from_str(&value).map_err(|_| ExchangeError::Address)?;
                value.set_sensitive(true);
                request.headers_mut().insert(HEADER, value);
            }
            Auth::Role { role, region, service } => sign_as(role, region, service, &mut request).await?,
        }
        let limits = Limits { timeout, response_bytes: REPLY_BYTES };
        Ok(self.client.send(request, limits).await?)
    }
}

/// Signs as AWS's own services want it (Signature Version 4).
async fn sign_as(
    role: &Role,
    region: &str,
    service: &str,
    request: &mut Request<Bytes>,
) -> Result<(), ExchangeError> {
    let failed = |error: &dyn std::fmt::Display| ExchangeError::Credentials(error.to_string());
    let identity = role.provide_credentials().await.map_err(|error| failed(&error))?.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| failed(&error))?;
    let uri = request.uri().to_string();
    let headers =
        request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let signable =
        SignableRequest::new(request.method().as_str(), &uri, headers, SignableBody::Bytes(request.body()))
            .map_err(|error| failed(&error))?;
    let (instructions, _) = sign(signable, &params.into()).map_err(|error| failed(&error))?.into_parts();
    instructions.apply_to_request_http1x(request);
    Ok(())
}
