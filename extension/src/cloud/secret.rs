//! The agent's secret from AWS Secrets Manager. It is fetched in the background and never written down.

use aws_sdk_secretsmanager::{
    Client as SecretsManager,
    config::{BehaviorVersion, Builder, Region, retry::RetryConfig, timeout::TimeoutConfig},
    error::DisplayErrorContext,
};
use picket_cloud_protocol::Secret;
use picket_https::Client;

use super::{AWS_LIMITS, config::Config, credentials::Role};

/// Reads the secret of this name or ARN.
///
/// # Errors
/// One sentence for the log: what was missing, never what was read.
pub(crate) async fn fetch(name: &str, config: &Config, client: &Client) -> Result<Secret, String> {
    let region = config.region.clone().ok_or("AWS_REGION is not set")?;
    let mut builder = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(Role::new(config.role.clone(), client.clone()))
        .http_client(client.for_aws(AWS_LIMITS))
        .timeout_config(TimeoutConfig::builder().operation_timeout(AWS_LIMITS.timeout).build())
        // Whoever asks asks again by the clock; a retry in here would only run into a freeze.
        .retry_config(RetryConfig::disabled());
    if let Some(endpoint) = &config.secrets_endpoint {
        builder = builder.endpoint_url(endpoint);
    }
    let asked = SecretsManager::from_conf(builder.build()).get_secret_value().secret_id(name).send().await;
    let answer = asked.map_err(|error| {
        let code = error.as_service_error().and_then(|service| service.meta().code());
        match code {
            Some(code) => format!("Secrets Manager says {code}"),
            None => DisplayErrorContext(&error).to_string().chars().take(300).collect(),
        }
    })?;
    let text = answer.secret_string().ok_or("the secret is not a text")?;
    serde_json::from_str(text).map_err(|_| picket_report::KeyError::Shape.to_string())
}
