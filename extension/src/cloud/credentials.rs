//! The credentials of the function's role: from the environment, or under SnapStart from the endpoint that Lambda names.
//!
//! The SDK's own provider for that endpoint refuses the link-local address at which real environments have it, so it is
//! asked here.

use std::{sync::Arc, time::SystemTime};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, Result, error::CredentialsError, future},
};
use bytes::Bytes;
use http::{HeaderValue, Request, header::AUTHORIZATION};
use picket_https::Client;
use serde::Deserialize;

use super::{AWS_LIMITS, config::RoleSource};

/// Gives the role's credentials.
#[derive(Clone)]
pub(crate) struct Role {
    source: Arc<RoleSource>,
    client: Client,
}

impl std::fmt::Debug for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Role").finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: Option<String>,
}

impl Role {
    pub(crate) const fn new(source: Arc<RoleSource>, client: Client) -> Self {
        Self { source, client }
    }

    async fn provide(&self) -> Result {
        match &*self.source {
            RoleSource::Keys { id, secret, token } => {
                Ok(Credentials::new(id.clone(), secret.clone(), token.clone(), None, "environment"))
            }
            RoleSource::Endpoint { uri, token } => self.ask(uri, token.as_deref()).await,
            RoleSource::None => Err(CredentialsError::not_loaded("the environment holds no credentials")),
        }
    }

    async fn ask(&self, uri: &str, token: Option<&str>) -> Result {
        let mut request = Request::get(uri)
            .body(Bytes::new())
            .map_err(|_| CredentialsError::invalid_configuration("the credentials endpoint is no address"))?;
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(token).map_err(|_| {
                CredentialsError::invalid_configuration("the authorization token is no header")
            })?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let response =
            self.client.send(request, AWS_LIMITS).await.map_err(CredentialsError::provider_error)?;
        if !response.status().is_success() {
            return Err(CredentialsError::provider_error(format!("status {}", response.status())));
        }
        // The error of a parser may quote what it read.
        let given: Given = serde_json::from_slice(response.body())
            .map_err(|_| CredentialsError::provider_error("no credentials in the answer"))?;
        let expires = given
            .expiration
            .and_then(|text| chrono::DateTime::parse_from_rfc3339(&text).ok())
            .map(SystemTime::from);
        Ok(Credentials::new(given.access_key_id, given.secret_access_key, given.token, expires, "container"))
    }
}

impl ProvideCredentials for Role {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.provide())
    }
}
