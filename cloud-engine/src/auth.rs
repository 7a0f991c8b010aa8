//! Who asks: an agent by its signature or its role in AWS, an administrator by a token. Knows credentials; not what is asked for.
//!
//! The store holds public keys and digests of tokens alone. Shape, clock and key id are checked before anything is read.

use std::collections::HashMap;

use picket_cloud_protocol::{Secret, Signature, path_without_stage, signing_text};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::engine::{Engine, Refused, locked};
use crate::ingest::Sender;
use crate::metrics::Metrics;
use crate::names::{self, Site};
use crate::store::{Item, Key, Query, Store, When, Write};
use crate::text::{base64, sha256, unbase64};
use crate::{limits, random};

/// An agent's key as the store holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentKey {
    /// Its id.
    pub id: String,
    /// The public key, base64url.
    pub public_key: String,
    /// When it was made, in Unix seconds.
    pub created: u64,
    /// When it stops being valid; 0 for never.
    pub expires: u64,
    /// Whether it was revoked.
    pub revoked: bool,
    /// A note.
    pub note: String,
}

/// What an administrator may do. Each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look.
    Observer,
    /// Change flags, settings and policies.
    Admin,
    /// Change keys and credentials.
    Owner,
}

/// An administrator, as the token says.
#[derive(Clone, Debug)]
pub struct Administrator {
    /// The site.
    pub site: Site,
    /// The credential's id, which the audit names.
    pub id: String,
    /// What it may do.
    pub role: Role,
}

/// The parts of a request that a signature covers.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The method.
    pub method: &'a str,
    /// The path as it came.
    pub path: &'a str,
    /// The query as it came, without its question mark.
    pub query: &'a str,
    /// The body as it came.
    pub body: &'a [u8],
}

/// Keys that were read lately, and how many unknown ones were asked for in this second.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    keys: HashMap<String, (Option<(Site, AgentKey)>, u64)>,
    second: u64,
    unknown: u32,
}

impl<S: Store> Engine<S> {
    /// Which agent has signed a request.
    ///
    /// # Errors
    /// When none has.
    pub async fn agent(&self, header: &str, signed: Signed<'_>) -> Result<Sender, Refused> {
        let now = self.now();
        let signature = Signature::parse(header).ok_or(Refused::Unauthorized)?;
        if !signature.is_fresh(now) {
            return Err(Refused::Unauthorized);
        }
        let (site, key) = self.agent_key(&signature.kid, now).await?.ok_or(Refused::Unauthorized)?;
        if key.revoked || (key.expires != 0 && key.expires <= now) {
            return Err(Refused::Unauthorized);
        }
        let text = signing_text(
            signed.method,
            path_without_stage(signed.path),
            signed.query,
            &self.config.audience,
            signature.time,
            &sha256(signed.body),
        );
        let public = unbase64(&key.public_key).ok_or(Refused::Unauthorized)?;
        UnparsedPublicKey::new(&ED25519, public)
            .verify(text.as_bytes(), &signature.sig)
            .map_err(|_wrong| Refused::Unauthorized)?;
        Ok(Sender { site, key: key.id })
    }

    async fn agent_key(&self, id: &str, now: u64) -> Result<Option<(Site, AgentKey)>, Refused> {
        {
            let mut cache = locked(&self.cache);
            let held = cache.keys.get(id);
            if let Some((found, read)) = held
                && now.abs_diff(*read) < limits::CACHE_SECONDS
            {
                return Ok(found.clone());
            }
            let is_known = held.is_some_and(|(found, _)| found.is_some());
            // A flood of invented ids must become neither a flood of reads nor a reason to turn away who is known.
            if cache.second != now {
                (cache.second, cache.unknown) = (now, 0);
            }
            if cache.unknown >= limits::UNKNOWN_KEYS && !is_known {
                return Err(Refused::Busy);
            }
        }
        let found = self.store.get(names::agent_key(id)).await?.and_then(|item| {
            let site = Site::new(item.get_text("site"))?;
            Some((site, agent_key_of(&item)))
        });
        let mut cache = locked(&self.cache);
        if found.is_none() {
            cache.unknown += 1;
        }
        if cache.keys.len() >= limits::CACHED {
            cache.keys.retain(|_, (found, _)| found.is_some());
        }
        if cache.keys.len() >= limits::CACHED {
            cache.keys.clear();
        }
        cache.keys.insert(id.to_owned(), (found.clone(), now));
        Ok(found)
    }

    /// Which site a role of an AWS account is an agent of. The Function URL has checked the caller's signature.
    ///
    /// # Errors
    /// When it is none.
    pub async fn caller(&self, account: &str, arn: &str) -> Result<Sender, Refused> {
        let role = role_of(account, arn).ok_or(Refused::Unauthorized)?;
        for name in [role, "*"] {
            if let Some(item) = self.store.get(names::caller(account, name)).await? {
                let site = Site::new(item.get_text("site")).ok_or(Refused::Unauthorized)?;
                return Ok(Sender { site, key: format!("iam:{account}:{role}") });
            }
        }
        Err(Refused::Unauthorized)
    }

    /// Makes a key for agents, and gives the secret that nobody can be given again.
    ///
    /// # Errors
    /// When the store fails or the operating system gives no random bytes.
    pub async fn create_key(&self, site: &Site, note: &str, by: &str) -> Result<Secret, Refused> {
        let meta = self.store.get(site.meta()).await?.ok_or(Refused::NotFound)?;
        let seed = random::bytes::<32>()?;
        let public = public_key(&seed)?;
        let id = format!("pk-{}", random::hex::<10>()?);
        let item = |key: Key| {
            Item::new(key)
                .text("id", &id)
                .text("site", site.as_str())
                .text("publicKey", base64(&public))
                .text("note", note.chars().take(160).collect::<String>())
                .int("created", self.now())
                .int("expires", 0)
                .int("revoked", 0)
        };
        let audit = self.audit_item(site, by, "key-created", &serde_json::json!({ "id": id }))?;
        let writes = vec![
            Write::Put(item(names::agent_key(&id)), When::Absent),
            Write::Put(item(Key::new(site.keys(), &id)), When::Absent),
            Write::Put(audit, When::Always),
        ];
        self.store.write(writes).await?;
        // The id may have been asked for a moment ago, when nobody knew it.
        locked(&self.cache).keys.remove(&id);
        Ok(Secret {
            id,
            private_key: base64(&seed),
            policy_public_key: meta.get_text("policyKey").to_owned(),
            url: self.config.url.clone(),
            audience: self.config.audience.clone(),
        })
    }

    /// The keys of a site.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keys(&self, site: &Site) -> Result<Vec<AgentKey>, Refused> {
        let items = self.store.query(Query::prefix(site.keys(), "", 1_000)).await?;
        Ok(items.iter().map(agent_key_of).collect())
    }

    /// Ends a key, now or at a time, and says how many flags it took along: all to which a revoked key has contributed.
    ///
    /// # Errors
    /// When the site has no such key, or the store fails.
    pub async fn end_key(&self, site: &Site, id: &str, at: Option<u64>, by: &str) -> Result<usize, Refused> {
        let listed = Key::new(site.keys(), id);
        let mut item = self.store.get(listed.clone()).await?.ok_or(Refused::NotFound)?;
        // A key that is revoked in the meantime must not be made good again by what was read before.
        let (changed, when) = match at {
            Some(_) if item.get_int("revoked") != 0 => {
                return Err(Refused::Invalid("the key is revoked already".to_owned()));
            }
            Some(at) => (item.int("expires", at), When::Equals("revoked".to_owned(), 0)),
            None => (item.int("revoked", 1), When::Present),
        };
        item = changed;
        let mut by_id = item.clone();
        by_id.key = names::agent_key(id);
        let audit = self.audit_item(
            site,
            by,
            "key-ended",
            &serde_json::json!({ "id": id, "expires": at, "revoked": at.is_none() }),
        )?;
        let writes =
            vec![Write::Put(item, when.clone()), Write::Put(by_id, when), Write::Put(audit, When::Always)];
        self.store.write(writes).await?;
        locked(&self.cache).keys.remove(id);
        if at.is_some() { Ok(0) } else { self.unflag_of_key(site, id, by).await }
    }

    /// Lets a role of an AWS account be an agent of a site; `*` for all roles of the account.
    ///
    /// # Errors
    /// When another site has it, or the store fails.
    pub async fn add_caller(&self, site: &Site, account: &str, role: &str, by: &str) -> Result<(), Refused> {
        let account_fits = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let role_fits = (1..=128).contains(&role.len()) && role.bytes().all(|byte| byte.is_ascii_graphic());
        if !account_fits || !role_fits {
            return Err(Refused::Invalid("an account has 12 digits, a role 1 to 128 characters".to_owned()));
        }
        let place = names::caller(account, role);
        let listed = Key::new(site.callers(), format!("{account}#{role}"));
        let item =
            |key: Key| Item::new(key).text("site", site.as_str()).text("account", account).text("role", role);
        let audit = self.audit_item(
            site,
            by,
            "caller-added",
            &serde_json::json!({ "account": account, "role": role }),
        )?;
        let writes = vec![
            Write::Put(item(place), When::Absent),
            Write::Put(item(listed), When::Always),
            Write::Put(audit, When::Always),
        ];
        self.store.write(writes).await.map_err(Into::into)
    }

    /// Ends that.
    ///
    /// # Errors
    /// When the site has no such caller, or the store fails.
    pub async fn remove_caller(
        &self,
        site: &Site,
        account: &str,
        role: &str,
        by: &str,
    ) -> Result<(), Refused> {
        let listed = Key::new(site.callers(), format!("{account}#{role}"));
        self.store.get(listed.clone()).await?.ok_or(Refused::NotFound)?;
        let details = serde_json::json!({ "account": account, "role": role });
        let writes = vec![
            Write::Delete(names::caller(account, role), When::Always),
            Write::Delete(listed, When::Always),
            Write::Put(self.audit_item(site, by, "caller-removed", &details)?, When::Always),
        ];
        self.store.write(writes).await.map_err(Into::into)
    }

    /// Makes an administrator's credential and gives its token, which nobody can be given again.
    ///
    /// # Errors
    /// When the store fails or the operating system gives no random bytes.
    pub async fn create_credential(
        &self,
        site: &Site,
        role: Role,
        note: &str,
        by: &str,
    ) -> Result<String, Refused> {
        let id = format!("pa-{}", random::hex::<8>()?);
        let secret = base64(&random::bytes::<32>()?);
        let role_text = serde_json::to_value(role).ok();
        let role_text = role_text.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
        let item = |key: Key| {
            Item::new(key)
                .text("id", &id)
                .text("site", site.as_str())
                // 32 random bytes need no slow hash: there is nothing to guess.
                .text("sha256", base64(&sha256(secret.as_bytes())))
                .text("role", role_text)
                .text("note", note.chars().take(160).collect::<String>())
                .int("created", self.now())
        };
        let details = serde_json::json!({ "id": id, "role": role });
        let writes = vec![
            Write::Put(item(names::credential(&id)), When::Absent),
            Write::Put(item(Key::new(site.credentials(), &id)), When::Absent),
            Write::Put(self.audit_item(site, by, "credential-created", &details)?, When::Always),
        ];
        self.store.write(writes).await?;
        Ok(format!("{id}.{secret}"))
    }

    /// Ends a credential. The last owner of a site stays.
    ///
    /// # Errors
    /// When the site has no such credential, it is the last owner's, or the store fails.
    pub async fn remove_credential(&self, site: &Site, id: &str, by: &str) -> Result<(), Refused> {
        let all = self.store.query(Query::prefix(site.credentials(), "", 1_000)).await?;
        let found = all.iter().find(|item| item.key.sk == id).ok_or(Refused::NotFound)?;
        let owners = all.iter().filter(|item| item.get_text("role") == "owner").count();
        if found.get_text("role") == "owner" && owners == 1 {
            return Err(Refused::Invalid("the last owner of a site cannot be removed".to_owned()));
        }
        let audit = self.audit_item(site, by, "credential-removed", &serde_json::json!({ "id": id }))?;
        let writes = vec![
            Write::Delete(names::credential(id), When::Always),
            Write::Delete(Key::new(site.credentials(), id), When::Always),
            Write::Put(audit, When::Always),
        ];
        self.store.write(writes).await.map_err(Into::into)
    }

    /// Ends every credential that was made under a note, but for those that are kept, and says how many those were.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_credentials(
        &self,
        site: &Site,
        note: &str,
        kept: &[String],
        by: &str,
    ) -> Result<usize, Refused> {
        let all = self.store.query(Query::prefix(site.credentials(), "", 1_000)).await?;
        let mut ended = 0;
        for item in all.iter().filter(|item| item.get_text("note") == note && !kept.contains(&item.key.sk)) {
            match self.remove_credential(site, &item.key.sk, by).await {
                Ok(()) => ended += 1,
                Err(Refused::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(ended)
    }

    /// Which administrator a token belongs to. It is read anew each time, so that a removed one is gone at once.
    ///
    /// # Errors
    /// When it belongs to none.
    pub async fn administrator(&self, token: &str) -> Result<Administrator, Refused> {
        let (id, secret) = token.split_once('.').ok_or(Refused::Unauthorized)?;
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if id.len() > 32 || !id.bytes().all(word) || secret.len() != 43 {
            return Err(Refused::Unauthorized);
        }
        let item = self.store.get(names::credential(id)).await?.ok_or(Refused::Unauthorized)?;
        let known = unbase64(item.get_text("sha256")).ok_or(Refused::Unauthorized)?;
        // Both are digests: how long the comparison takes tells nothing that helps to guess the secret.
        if known != sha256(secret.as_bytes()) {
            return Err(Refused::Unauthorized);
        }
        let role = serde_json::from_value(item.get_text("role").into()).map_err(|_| Refused::Unauthorized)?;
        let site = Site::new(item.get_text("site")).ok_or(Refused::Unauthorized)?;
        Ok(Administrator { site, id: item.get_text("id").to_owned(), role })
    }

    /// Counts what was refused.
    pub(crate) fn note(&self, refused: &Refused) {
        Metrics::one(match refused {
            Refused::Unauthorized | Refused::Forbidden => &self.metrics.unauthorized,
            Refused::Busy | Refused::Conflict => &self.metrics.busy,
            Refused::Internal(_) => &self.metrics.failures,
            Refused::Shape(_) | Refused::Invalid(_) | Refused::NotFound | Refused::TooLarge => {
                &self.metrics.refused
            }
        });
    }
}

fn agent_key_of(item: &Item) -> AgentKey {
    AgentKey {
        id: item.get_text("id").to_owned(),
        public_key: item.get_text("publicKey").to_owned(),
        created: item.get_int("created"),
        expires: item.get_int("expires"),
        revoked: item.get_int("revoked") != 0,
        note: item.get_text("note").to_owned(),
    }
}

/// The public key that belongs to a seed.
///
/// # Errors
/// Never for 32 bytes; the library says otherwise in its type.
pub fn public_key(seed: &[u8; 32]) -> Result<[u8; 32], Refused> {
    let broken = || Refused::Internal("no key can be made of the seed".to_owned());
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_rejected| broken())?;
    pair.public_key().as_ref().try_into().map_err(|_length| broken())
}

/// The role in the ARN of a caller: `arn:aws:sts::<account>:assumed-role/<role>/<session>`, or the name in
/// `arn:aws:iam::<account>:role/<path>/<role>`.
fn role_of<'a>(account: &str, arn: &'a str) -> Option<&'a str> {
    let mut parts = arn.splitn(6, ':');
    let (prefix, _partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (_region, of, resource) = (parts.next()?, parts.next()?, parts.next()?);
    if prefix != "arn" || of != account {
        return None;
    }
    match service {
        "sts" => resource.strip_prefix("assumed-role/")?.split('/').next(),
        "iam" => resource.strip_prefix("role/")?.rsplit('/').next(),
        _ => None,
    }
    .filter(|role| !role.is_empty() && *role != "*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_from_arns() {
        let table = [
            ("arn:aws:sts::123456789012:assumed-role/shop-fn/session", Some("shop-fn")),
            ("arn:aws-cn:sts::123456789012:assumed-role/shop-fn/session", Some("shop-fn")),
            ("arn:aws:iam::123456789012:role/service-role/shop-fn", Some("shop-fn")),
            ("arn:aws:sts::210987654321:assumed-role/shop-fn/session", None),
            ("arn:aws:iam::123456789012:user/someone", None),
            ("arn:aws:sts::123456789012:assumed-role/*/session", None),
            ("arn:aws:sts::123456789012:federated-user/x", None),
            ("", None),
        ];
        for (arn, expected) in table {
            assert_eq!(role_of("123456789012", arn), expected, "{arn}");
        }
    }

    #[test]
    fn roles_are_ordered_by_what_they_may() {
        assert!(Role::Owner > Role::Admin && Role::Admin > Role::Observer);
    }
}
