//! Policies: taken in when the owner's key has signed them, kept with their history, handed to agents. Knows signatures and
//! versions, and of the content only what the engine itself acts on: rate limits.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use picket_cloud_protocol::{Bundle, limits as wire};
use picket_policy::canonical::{Canonical, RateLimit};
use picket_policy::{Broken, Policy};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::Serialize;
use serde_json::Value;

use crate::engine::{Engine, Rate, Refused};
use crate::limits;
use crate::names::{Site, version_text};
use crate::store::{Item, Key, Query, Store, StoreError, When, Write};
use crate::text::{hex, sha256, unbase64};

/// A policy in the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRecord {
    /// Its version.
    pub version: u64,
    /// Patterns of the functions it is for.
    pub functions: Vec<String>,
    /// Not in force before.
    pub not_before: u64,
    /// Not in force after.
    pub expires: u64,
    /// When it was taken in.
    pub at: u64,
    /// Who brought it.
    pub by: String,
    /// SHA-256 of the canonical form, hex.
    pub sha256: String,
}

/// Policies of the history that are shown.
const HISTORY: usize = 200;
/// Policies as they were brought, and those among them that some function may still be given. The latter have a place of their
/// own, so that what is in force for a function is found however often the policies of others changed since.
const BROUGHT: &str = "v#";
const LIVE: &str = "l#";

type Facts = (PolicyRecord, Value);

impl<S: Store> Engine<S> {
    /// Takes in a policy.
    ///
    /// # Errors
    /// When it is not signed by the site's policy key, is not newer than all before it, or cannot be read.
    pub async fn add_policy(&self, site: &Site, bundle: &Bundle, by: &str) -> Result<PolicyRecord, Refused> {
        let invalid = |why: &str| Refused::Invalid(why.to_owned());
        let now = self.now();
        if bundle.policy.len() > wire::POLICY_BYTES {
            return Err(Refused::TooLarge);
        }
        if bundle.site != site.as_str() {
            return Err(invalid("the policy is signed for another site"));
        }
        let patterns = (1..=wire::FUNCTIONS).contains(&bundle.functions.len())
            && bundle.functions.iter().all(|pattern| (1..=wire::NAME_BYTES).contains(&pattern.len()));
        if !patterns {
            return Err(invalid("functions: 1 to 64 patterns of 1 to 160 bytes"));
        }
        if bundle.version == 0 || bundle.version > 1 << 53 {
            return Err(invalid("version: 1 or more"));
        }
        if bundle.expires <= now || bundle.expires <= bundle.not_before {
            return Err(invalid("the policy has expired, or expires before it begins"));
        }
        let meta = self.store.get(site.meta()).await?.ok_or(Refused::NotFound)?;
        let key =
            unbase64(meta.get_text("policyKey")).ok_or_else(|| invalid("the site has no policy key"))?;
        let digest = sha256(bundle.policy.as_bytes());
        let sig = unbase64(&bundle.sig).ok_or_else(|| invalid("sig: not base64url"))?;
        UnparsedPublicKey::new(&ED25519, key)
            .verify(bundle.signing_text(&digest).as_bytes(), &sig)
            .map_err(|_wrong| invalid("the signature is not the policy key's"))?;
        let rates = rates_of(&bundle.policy).map_err(|error| Refused::Invalid(format!("policy: {error}")))?;
        let (live, listed) = self.live(site).await?;
        let newest = live.first().map_or(0, |(record, _)| record.version);
        if bundle.version <= newest {
            return Err(Refused::Invalid(format!(
                "version {} is not newer than {newest}; to go back, sign the old content under a higher version",
                bundle.version
            )));
        }
        let record = PolicyRecord {
            version: bundle.version,
            functions: bundle.functions.clone(),
            not_before: bundle.not_before,
            expires: bundle.expires,
            at: now,
            by: by.to_owned(),
            sha256: hex(&digest),
        };
        let text = serde_json::to_string(bundle).map_err(|error| Refused::Internal(error.to_string()))?;
        let packed = pack(&text).map_err(|error| Refused::Internal(error.to_string()))?;
        if packed.len() > limits::POLICY_ITEM {
            return Err(Refused::TooLarge);
        }
        let item = |list: &str, record: &PolicyRecord, rates: &Value| {
            let facts = serde_json::json!({ "record": record, "rates": rates });
            Item::new(Key::new(site.policies(), format!("{list}{}", version_text(record.version))))
                .text("record", facts.to_string())
        };
        let content = Item::new(Key::new(site.policies(), format!("c#{}", version_text(bundle.version))))
            .text("bundle", packed);
        let last = Item::new(Key::new(site.policies(), "last")).int("version", bundle.version);
        let mut writes = vec![
            // Two uploads at once cannot both be the newest.
            Write::Put(last, When::Below("version".to_owned(), bundle.version)),
            Write::Put(item(BROUGHT, &record, &rates), When::Absent),
            Write::Put(item(LIVE, &record, &rates), When::Absent),
            Write::Put(content, When::Absent),
            Write::Put(self.audit_item(site, by, "policy", &serde_json::json!(record))?, When::Always),
        ];
        let is_over = |old: &PolicyRecord| {
            let newer = live.iter().map(|(other, _)| other).chain([&record]);
            old.expires <= now || newer.into_iter().any(|newer| newer.replaces(old, now))
        };
        let (over, kept): (Vec<&Facts>, Vec<&Facts>) = live.iter().partition(|(old, _)| is_over(old));
        if kept.len() >= limits::LIVE_POLICIES {
            return Err(Refused::Invalid(format!(
                "{} policies for different functions are in force already, as many as there may be",
                kept.len()
            )));
        }
        if listed {
            let gone = |(old, _): &Facts| item(LIVE, old, &Value::Null).key;
            writes.extend(over.into_iter().map(|old| Write::Delete(gone(old), When::Always)));
        } else {
            let again = |(old, rates): &Facts| Write::Put(item(LIVE, old, rates), When::Always);
            writes.extend(kept.into_iter().map(again));
        }
        self.store.write(writes).await?;
        self.forget(site);
        Ok(record)
    }

    /// The history, the newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn policies(&self, site: &Site) -> Result<Vec<PolicyRecord>, Refused> {
        Ok(self.policy_items(site, BROUGHT, HISTORY).await?.into_iter().map(|(record, _)| record).collect())
    }

    async fn policy_items(&self, site: &Site, list: &str, most: usize) -> Result<Vec<Facts>, StoreError> {
        let items = self.store.query(Query::prefix(site.policies(), list, most).backwards()).await?;
        Ok(items.iter().filter_map(|item| parse_record(item.get_text("record"))).collect())
    }

    /// Policies that some function may be given now or later, the newest first, and whether they have been listed as such: an
    /// earlier engine did not.
    async fn live(&self, site: &Site) -> Result<(Vec<Facts>, bool), StoreError> {
        let live = self.policy_items(site, LIVE, limits::LIVE_POLICIES + 1).await?;
        if !live.is_empty() {
            return Ok((live, true));
        }
        Ok((self.policy_items(site, BROUGHT, limits::LIVE_POLICIES).await?, false))
    }

    /// A policy by its version.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub async fn policy(&self, site: &Site, version: u64) -> Result<Bundle, Refused> {
        let key = Key::new(site.policies(), format!("c#{}", version_text(version)));
        let item = self.store.get(key).await?.ok_or(Refused::NotFound)?;
        let text = unpack(item.get_text("bundle")).map_err(|error| Refused::Internal(error.to_string()))?;
        serde_json::from_str(&text).map_err(|error| Refused::Internal(error.to_string()))
    }

    /// The newest policy in force for a function that is newer than `have`: `Ok(None)` where there is none newer. One that
    /// begins later is not given before: an agent refuses it, and a new environment would have none until then.
    ///
    /// # Errors
    /// When there is no policy for the function at all, or the store fails.
    pub async fn policy_for(
        &self,
        site: &Site,
        function: &str,
        have: u64,
    ) -> Result<Option<Bundle>, Refused> {
        let now = self.now();
        let is_for = |record: &PolicyRecord| {
            let bundle = Bundle { functions: record.functions.clone(), ..Bundle::default() };
            record.is_in_force(now) && bundle.is_for(function)
        };
        let (live, _) = self.live(site).await?;
        let newest = live.iter().map(|(record, _)| record).find(|record| is_for(record));
        let newest = newest.ok_or(Refused::NotFound)?;
        if newest.version <= have {
            return Ok(None);
        }
        self.policy(site, newest.version).await.map(Some)
    }

    /// What the engine itself needs of policies.
    pub(crate) async fn policy_facts(
        &self,
        site: &Site,
    ) -> Result<(Vec<(u64, Vec<String>)>, BTreeMap<String, Rate>), Refused> {
        let now = self.now();
        let mut rates = BTreeMap::new();
        let mut versions = Vec::new();
        for (record, of) in self.live(site).await?.0 {
            if !record.is_in_force(now) {
                continue;
            }
            for (rule, rate) in of.as_object().into_iter().flatten() {
                let number = |name: &str| rate[name].as_u64().unwrap_or(0);
                // The newest policy that has a rule of this name says its limit.
                rates.entry(rule.clone()).or_insert_with(|| Rate {
                    limit: number("limit"),
                    minutes: number("minutes"),
                    seconds: number("seconds"),
                });
            }
            versions.push((record.version, record.functions));
        }
        Ok((versions, rates))
    }
}

impl PolicyRecord {
    const fn is_in_force(&self, now: u64) -> bool {
        self.not_before <= now && now < self.expires
    }

    /// Whether no function will be given the older policy any more, because this one is in force wherever that one would be.
    fn replaces(&self, older: &Self, now: u64) -> bool {
        let named = |pattern: &String| self.functions.contains(pattern);
        self.version > older.version
            && self.not_before <= now
            && self.expires >= older.expires
            && (self.functions.iter().any(|pattern| pattern == "*") || older.functions.iter().all(named))
    }
}

fn parse_record(text: &str) -> Option<Facts> {
    let facts: Value = serde_json::from_str(text).ok()?;
    let record = &facts["record"];
    let number = |name: &str| record[name].as_u64();
    let word = |name: &str| record[name].as_str().map(str::to_owned);
    Some((
        PolicyRecord {
            version: number("version")?,
            functions: record["functions"]
                .as_array()?
                .iter()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect(),
            not_before: number("notBefore")?,
            expires: number("expires")?,
            at: number("at")?,
            by: word("by")?,
            sha256: word("sha256")?,
        },
        facts["rates"].clone(),
    ))
}

/// The rate limits of a policy: rule, limit, window and the seconds that a client stays limited. Reads and loads the whole of
/// the policy by the agent's own code, so that nothing is stored that agents would refuse.
fn rates_of(policy: &str) -> Result<Value, Broken> {
    let canonical = Canonical::read(policy.as_bytes())?;
    Policy::load(&canonical)?;
    let rate = |rule: &RateLimit| {
        let seconds = rule.hold.unwrap_or(rule.window).clamp(1, 86_400);
        let rate =
            serde_json::json!({ "limit": rule.limit, "minutes": rule.window / 60, "seconds": seconds });
        (rule.id.clone(), rate)
    };
    // What only says what it would do counts nobody towards a flag.
    Ok(Value::Object(canonical.rate_limits.iter().filter(|rule| !rule.dry_run).map(rate).collect()))
}

fn pack(text: &str) -> std::io::Result<String> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes())?;
    Ok(STANDARD.encode(encoder.finish()?))
}

fn unpack(packed: &str) -> std::io::Result<String> {
    let bytes = STANDARD.decode(packed).map_err(std::io::Error::other)?;
    let mut text = String::new();
    GzDecoder::new(bytes.as_slice()).take(4 * wire::POLICY_BYTES as u64).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_limits_are_read_from_a_policy() {
        let compiled = |limits: Value| {
            let document = serde_json::from_value(
                serde_json::json!({ "picket": 1, "name": "t", "version": 1, "rateLimits": limits }),
            )
            .unwrap();
            let canonical =
                picket_policy::compile::compile(&document, &picket_policy::compile::no_files).unwrap();
            String::from_utf8(canonical.write()).unwrap()
        };
        let rule = |id: &str, window: &str| {
            serde_json::json!({
                "id": id,
                "when": { "field": "path", "like": "/login*" },
                "limit": 5,
                "window": window,
                "key": ["client"],
                "then": ["block"],
            })
        };
        let mut login = rule("login", "1m");
        login["for"] = "10m".into();
        let mut trial = rule("trial", "1m");
        trial["dryRun"] = true.into();
        let whole = compiled(serde_json::json!([login, rule("search", "1h"), trial]));
        let rates = rates_of(&whole).unwrap();
        assert_eq!(rates["login"], serde_json::json!({ "limit": 5, "minutes": 1, "seconds": 600 }));
        assert_eq!(rates["search"], serde_json::json!({ "limit": 5, "minutes": 60, "seconds": 3_600 }));
        assert_eq!(rates.as_object().unwrap().len(), 2);
        // What was not made by the compiler is refused as agents would refuse it.
        let odd = whole.replace("\"window\":3600", "\"window\":420");
        assert_ne!(odd, whole);
        assert!(rates_of(&odd).is_err());
    }

    #[test]
    fn a_bundle_is_unpacked_as_it_was_packed() {
        let text = "x".repeat(100_000);
        assert_eq!(unpack(&pack(&text).unwrap()).unwrap(), text);
    }
}
