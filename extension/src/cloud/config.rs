//! What the cloud's side needs to know, taken from settings and Lambda's own variables. It may not read the environment
//! itself: a function hands it the value of a key.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use picket_https::{Options, PlainHttp};

use crate::settings::{Auth, Settings};

/// Where the role's credentials come from.
pub(crate) enum RoleSource {
    /// Lambda's variables.
    Keys {
        /// `AWS_ACCESS_KEY_ID`.
        id: String,
        /// `AWS_SECRET_ACCESS_KEY`.
        secret: String,
        /// `AWS_SESSION_TOKEN`.
        token: Option<String>,
    },
    /// Under SnapStart: an endpoint of Lambda's.
    Endpoint {
        /// `AWS_CONTAINER_CREDENTIALS_FULL_URI`.
        uri: String,
        /// `AWS_CONTAINER_AUTHORIZATION_TOKEN`.
        token: Option<String>,
    },
    /// Nowhere.
    None,
}

/// Everything that the cloud's side is told.
pub(crate) struct Config {
    /// How requests to the engine are signed.
    pub(crate) auth: Auth,
    /// The secret's name or ARN.
    pub(crate) secret: Option<String>,
    /// The engine's address, where it is not the secret's.
    pub(crate) engine: Option<String>,
    /// What the engine calls itself, where it is not what the secret says.
    pub(crate) audience: Option<String>,
    /// The key that policies are signed with, where it is not the secret's.
    pub(crate) policy_key: Option<[u8; 32]>,
    /// A file of certificate authorities.
    pub(crate) ca_file: Option<PathBuf>,
    /// How the HTTPS client is made, but for the authorities.
    pub(crate) https: Options,
    /// Credentials of the role.
    pub(crate) role: Arc<RoleSource>,
    /// The AWS region.
    pub(crate) region: Option<String>,
    /// Where Secrets Manager is, where it is not AWS's own.
    pub(crate) secrets_endpoint: Option<String>,
    /// Whether the environment is about to be copied: nothing secret may be read before it was.
    pub(crate) snapshot: bool,
    /// Whether events come several at a time, and the environment is never frozen.
    pub(crate) concurrent: bool,
    /// The longest hold.
    pub(crate) hold: Duration,
    /// How long events of an environment may wait for its first flags.
    pub(crate) flag_wait: Duration,
    /// Seconds after which a report is due.
    pub(crate) report_interval_s: u64,
    /// Where the spool lies.
    pub(crate) spool: PathBuf,
    /// `AWS_LAMBDA_FUNCTION_NAME`.
    pub(crate) function: String,
    /// `AWS_LAMBDA_FUNCTION_VERSION`.
    pub(crate) function_version: String,
}

/// Never a credential.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("secret", &self.secret)
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// The configuration, or none where the owner named no engine.
    pub(crate) fn new(settings: &Settings, value_of: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let value_of = |key: &str| value_of(key).filter(|value| !value.trim().is_empty());
        let wanted = match settings.auth {
            Auth::Key => settings.secret.is_some(),
            Auth::Iam => settings.engine.is_some(),
        };
        if !wanted {
            return None;
        }
        let kind = value_of("AWS_LAMBDA_INITIALIZATION_TYPE").unwrap_or_default();
        Some(Self {
            auth: settings.auth,
            secret: settings.secret.clone(),
            engine: settings.engine.clone(),
            audience: settings.audience.clone(),
            policy_key: settings.policy_key.as_deref().and_then(picket_report::key_bytes),
            ca_file: settings.ca_file.clone().map(PathBuf::from),
            https: Options {
                authorities: None,
                proxy: value_of("HTTPS_PROXY").or_else(|| value_of("https_proxy")),
                no_proxy: value_of("NO_PROXY").or_else(|| value_of("no_proxy")).unwrap_or_default(),
                plain: PlainHttp::Loopback,
                keep_idle: None,
            },
            role: Arc::new(role(&value_of)),
            region: value_of("AWS_REGION").or_else(|| value_of("AWS_DEFAULT_REGION")),
            secrets_endpoint: value_of("AWS_ENDPOINT_URL_SECRETS_MANAGER")
                .or_else(|| value_of("AWS_ENDPOINT_URL")),
            snapshot: kind == "snap-start",
            concurrent: kind == "lambda-managed-instances",
            hold: settings.hold,
            flag_wait: settings.flag_wait,
            report_interval_s: settings.report_interval_s,
            spool: PathBuf::from(value_of("TMPDIR").unwrap_or_else(|| "/tmp".to_owned())),
            function: value_of("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default(),
            function_version: value_of("AWS_LAMBDA_FUNCTION_VERSION").unwrap_or_default(),
        })
    }

    /// The service that requests with the role's signature are for, told by the engine's address.
    pub(crate) fn service(url: &str) -> &'static str {
        if url.contains(".execute-api.") { "execute-api" } else { "lambda" }
    }
}

fn role(value_of: &impl Fn(&str) -> Option<String>) -> RoleSource {
    let keys = value_of("AWS_ACCESS_KEY_ID").zip(value_of("AWS_SECRET_ACCESS_KEY"));
    if let Some((id, secret)) = keys {
        return RoleSource::Keys { id, secret, token: value_of("AWS_SESSION_TOKEN") };
    }
    match value_of("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
        Some(uri) => RoleSource::Endpoint { uri, token: value_of("AWS_CONTAINER_AUTHORIZATION_TOKEN") },
        None => RoleSource::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Option<Config> {
        let value_of =
            |key: &str| pairs.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
        let (settings, complaints) = Settings::from_environment(value_of);
        assert_eq!(complaints, []);
        Config::new(&settings, value_of)
    }

    #[test]
    fn without_a_secret_or_an_address_there_is_no_cloud() {
        assert!(config(&[]).is_none());
        assert!(config(&[("PICKET_ENGINE", "https://e.example")]).is_none());
        assert!(config(&[("PICKET_SECRET", "picket/agent")]).is_some());
        assert!(config(&[("PICKET_AUTH", "iam")]).is_none());
        assert!(config(&[("PICKET_AUTH", "iam"), ("PICKET_ENGINE", "https://e.example")]).is_some());
    }

    #[test]
    fn credentials_come_from_the_variables_or_from_the_endpoint() {
        let secret = ("PICKET_SECRET", "s");
        let keys =
            config(&[secret, ("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "hunter2")]).unwrap();
        assert!(matches!(&*keys.role, RoleSource::Keys { id, .. } if id == "a"));
        assert!(!format!("{keys:?}").contains("hunter2"));
        let endpoint =
            config(&[secret, ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/c")]).unwrap();
        assert!(matches!(&*endpoint.role, RoleSource::Endpoint { .. }));
        assert!(matches!(&*config(&[secret]).unwrap().role, RoleSource::None));
    }

    #[test]
    fn the_signed_service_is_told_by_the_address() {
        assert_eq!(Config::service("https://abc.lambda-url.eu-central-1.on.aws"), "lambda");
        assert_eq!(Config::service("https://abc.execute-api.eu-central-1.amazonaws.com/prod"), "execute-api");
    }
}
