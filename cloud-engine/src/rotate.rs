//! The rotation of a site's secrets in AWS Secrets Manager: the agents' key, and the first administrator's token. Knows the four
//! steps by which Secrets Manager asks for a new secret; not where they come from.
//!
//! It runs as a function of its own, so that the one behind the public address may neither read nor write a secret.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_secretsmanager::error::{DisplayErrorContext, ProvideErrorMetadata as _};
use picket_cloud_protocol::Secret;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::auth::{Role, public_key};
use crate::engine::{Engine, Refused};
use crate::names::Site;
use crate::store::Store;
use crate::text::base64;
use crate::{limits, random};

/// Who made keys and tokens, in their notes and in the audit.
const BY: &str = "rotation";
const CURRENT: &str = "AWSCURRENT";
const PENDING: &str = "AWSPENDING";
const PREVIOUS: &str = "AWSPREVIOUS";

/// What Secrets Manager asks for.
#[derive(Clone, Debug, Deserialize)]
pub struct Step {
    /// `createSecret`, `setSecret`, `testSecret`, `finishSecret`.
    #[serde(rename = "Step")]
    pub step: String,
    /// The secret's ARN.
    #[serde(rename = "SecretId")]
    pub secret: String,
    /// The new version's id.
    #[serde(rename = "ClientRequestToken")]
    pub token: String,
}

/// What the administrator's secret holds.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AdminSecret {
    site: String,
    url: String,
    token: String,
    /// The private half of the key that policies are signed with, where it was made here. Keep it where policies are signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policy_private_key: Option<String>,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Secrets Manager said no.
    #[error("Secrets Manager: {0}")]
    Vault(String),
    /// The engine's store said no.
    #[error("the engine: {0}")]
    Engine(#[from] Refused),
    /// The secret is none of the two, holds what it should not, or the step is unknown.
    #[error("{0}")]
    Wrong(String),
}

/// Where secrets are kept.
pub trait Vault: Send + Sync {
    /// The text of the version with this label; none where there is none.
    fn read(
        &self,
        secret: &str,
        stage: &str,
    ) -> impl Future<Output = Result<Option<(String, String)>, Failure>> + Send;
    /// Writes a version under the label of those to come.
    fn put(
        &self,
        secret: &str,
        version: &str,
        text: String,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Moves the label of the current version.
    fn promote(&self, secret: &str, from: &str, to: &str)
    -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Rotates the secrets of one site.
pub struct Rotation<S, V> {
    /// The engine over the site's store.
    pub engine: Arc<Engine<S>>,
    /// Where the secrets are.
    pub vault: V,
    /// The site, which is made where it is missing.
    pub site: Site,
    /// The name of the agents' secret; empty where agents use their roles.
    pub agent_secret: String,
    /// The name of the administrator's secret.
    pub admin_secret: String,
    /// The public key that policies are signed with, where the owner has one.
    pub policy_public_key: Option<String>,
    /// Accounts and roles that may report by their signatures alone.
    pub callers: Vec<(String, String)>,
}

enum Kind {
    Agent,
    Admin,
}

impl<S: Store, V: Vault> Rotation<S, V> {
    /// Does one step.
    ///
    /// # Errors
    /// Why it cannot be done. Secrets Manager asks again.
    pub async fn step(&self, step: &Step) -> Result<(), Failure> {
        let kind = self.kind(&step.secret)?;
        match step.step.as_str() {
            "createSecret" => self.create(&kind, step).await,
            // What was made is in the engine's table already.
            "setSecret" => Ok(()),
            "testSecret" => self.test(&kind, step).await,
            "finishSecret" => self.finish(&kind, step).await,
            other => Err(Failure::Wrong(format!("there is no step {other:?}"))),
        }
    }

    /// An ARN ends in the secret's name, a dash and six characters.
    fn kind(&self, arn: &str) -> Result<Kind, Failure> {
        let name = arn.split(":secret:").nth(1).unwrap_or(arn);
        let named = |wanted: &str| {
            !wanted.is_empty()
                && (name == wanted
                    || name.strip_prefix(wanted).is_some_and(|rest| rest.len() == 7 && rest.starts_with('-')))
        };
        if named(&self.agent_secret) {
            Ok(Kind::Agent)
        } else if named(&self.admin_secret) {
            Ok(Kind::Admin)
        } else {
            Err(Failure::Wrong(format!("{arn} is no secret of this site")))
        }
    }

    async fn create(&self, kind: &Kind, step: &Step) -> Result<(), Failure> {
        // Each step may come twice.
        let pending = self.vault.read(&step.secret, PENDING).await?;
        let current = self.vault.read(&step.secret, CURRENT).await?;
        if [&pending, &current].into_iter().flatten().any(|(version, _)| *version == step.token) {
            return Ok(());
        }
        let before: Value =
            current.and_then(|(_, text)| serde_json::from_str(&text).ok()).unwrap_or_default();
        let told = |member: &str| before[member].as_str().unwrap_or_default().to_owned();
        let text = match kind {
            Kind::Agent => {
                self.await_site().await?;
                let made = self.engine.create_key(&self.site, BY, BY).await?;
                serde_json::to_string(&Secret { url: told("url"), audience: told("audience"), ..made })
            }
            Kind::Admin => {
                let made = self.ensure_site().await?;
                for (account, role) in &self.callers {
                    match self.engine.add_caller(&self.site, account, role, BY).await {
                        // It was named before; of another site it stays.
                        Ok(()) | Err(Refused::Conflict) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                let kept = || before["policyPrivateKey"].as_str().map(str::to_owned);
                serde_json::to_string(&AdminSecret {
                    site: self.site.as_str().to_owned(),
                    url: told("url"),
                    token: self.engine.create_credential(&self.site, Role::Owner, BY, BY).await?,
                    policy_private_key: made.or_else(kept),
                })
            }
        };
        let text = text.map_err(|error| Failure::Wrong(error.to_string()))?;
        self.vault.put(&step.secret, &step.token, text).await
    }

    /// Makes the site where it is missing, and gives the private key for its policies where that was made with it.
    async fn ensure_site(&self) -> Result<Option<String>, Failure> {
        let (public, private) = match &self.policy_public_key {
            Some(public) => (public.clone(), None),
            None => {
                let seed = random::bytes::<32>().map_err(Refused::from)?;
                (base64(&public_key(&seed)?), Some(base64(&seed)))
            }
        };
        Ok(if self.engine.create_site(&self.site, &public).await? { private } else { None })
    }

    /// The rotation of the administrator's secret makes the site, because it keeps the private key for its policies. Both begin at
    /// once when a stack is made, so this one waits.
    async fn await_site(&self) -> Result<(), Failure> {
        for _ in 0..limits::SITE_TRIES {
            if self.engine.sites().await?.contains(&self.site) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Err(Failure::Wrong(
            "the site is not there yet: the administrator's secret is rotated first".to_owned(),
        ))
    }

    async fn test(&self, kind: &Kind, step: &Step) -> Result<(), Failure> {
        let (version, text) = self
            .vault
            .read(&step.secret, PENDING)
            .await?
            .ok_or_else(|| Failure::Wrong("nothing is pending".to_owned()))?;
        if version != step.token {
            return Err(Failure::Wrong("another version is pending".to_owned()));
        }
        match kind {
            Kind::Agent => {
                let secret: Secret = parsed(&text)?;
                let known = self.engine.keys(&self.site).await?;
                let valid = known.iter().any(|key| key.id == secret.id && !key.revoked && key.expires == 0);
                if !valid || !secret.url.starts_with("https://") {
                    return Err(Failure::Wrong(format!(
                        "the key {} is not one that agents could use",
                        secret.id
                    )));
                }
            }
            Kind::Admin => {
                let secret: AdminSecret = parsed(&text)?;
                self.engine.administrator(&secret.token).await?;
            }
        }
        Ok(())
    }

    async fn finish(&self, kind: &Kind, step: &Step) -> Result<(), Failure> {
        let current = self.vault.read(&step.secret, CURRENT).await?;
        let (version, _) = current.unwrap_or_default();
        if version != step.token {
            self.vault.promote(&step.secret, &version, &step.token).await?;
        }
        match kind {
            Kind::Agent => self.end_old_keys(&step.secret).await,
            Kind::Admin => self.end_old_tokens(&step.secret).await,
        }
    }

    /// The token before stays good until the next rotation. All older ones end, also those that a rotation made and could not
    /// write down, or did not come to end.
    async fn end_old_tokens(&self, secret: &str) -> Result<(), Failure> {
        let mut kept = Vec::new();
        for stage in [CURRENT, PREVIOUS] {
            let Some((_, text)) = self.vault.read(secret, stage).await? else { continue };
            // The secret's first version holds no token.
            let Ok(held) = serde_json::from_str::<AdminSecret>(&text) else { continue };
            kept.extend(held.token.split_once('.').map(|(id, _)| id.to_owned()));
        }
        if kept.is_empty() {
            return Err(Failure::Wrong("the secret holds no token".to_owned()));
        }
        self.engine.end_credentials(&self.site, BY, &kept, BY).await?;
        Ok(())
    }

    /// Every key that was rotated in before the current one goes on for a day: agents notice a refused key by themselves.
    async fn end_old_keys(&self, secret: &str) -> Result<(), Failure> {
        let Some((_, text)) = self.vault.read(secret, CURRENT).await? else { return Ok(()) };
        let current: Secret = parsed(&text)?;
        let end = self.engine.now() + limits::ROTATED_KEY_SECONDS;
        for key in self.engine.keys(&self.site).await? {
            if key.id != current.id && key.note == BY && key.expires == 0 && !key.revoked {
                self.engine.end_key(&self.site, &key.id, Some(end), BY).await?;
            }
        }
        Ok(())
    }
}

/// What a secret holds never comes into an error.
fn parsed<T: for<'a> Deserialize<'a>>(text: &str) -> Result<T, Failure> {
    serde_json::from_str(text)
        .map_err(|_quotes_the_text| Failure::Wrong("the secret holds something else".to_owned()))
}

impl<S, V> fmt::Debug for Rotation<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rotation").field("site", &self.site).finish_non_exhaustive()
    }
}

/// AWS's own.
#[derive(Debug)]
pub struct SecretsManager(pub aws_sdk_secretsmanager::Client);

impl Vault for SecretsManager {
    async fn read(&self, secret: &str, stage: &str) -> Result<Option<(String, String)>, Failure> {
        match self.0.get_secret_value().secret_id(secret).version_stage(stage).send().await {
            Ok(told) => Ok(Some((
                told.version_id().unwrap_or_default().to_owned(),
                told.secret_string().unwrap_or_default().to_owned(),
            ))),
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(Failure::Vault(DisplayErrorContext(&error).to_string())),
        }
    }

    async fn put(&self, secret: &str, version: &str, text: String) -> Result<(), Failure> {
        let call = self.0.put_secret_value().secret_id(secret).client_request_token(version);
        call.secret_string(text)
            .version_stages(PENDING)
            .send()
            .await
            .map(drop)
            .map_err(|error| Failure::Vault(DisplayErrorContext(&error).to_string()))
    }

    async fn promote(&self, secret: &str, from: &str, to: &str) -> Result<(), Failure> {
        let mut call = self
            .0
            .update_secret_version_stage()
            .secret_id(secret)
            .version_stage(CURRENT)
            .move_to_version_id(to);
        if !from.is_empty() {
            call = call.remove_from_version_id(from);
        }
        call.send().await.map(drop).map_err(|error| Failure::Vault(DisplayErrorContext(&error).to_string()))
    }
}
