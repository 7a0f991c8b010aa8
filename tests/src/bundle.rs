//! Signed policies as docs/protocol.md says them, good and bad ones. It may not know Picket's code: an agent that took what is signed
//! otherwise would be wrong.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::Ed25519KeyPair;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The seed of the key that the double's secret names for policies.
pub const SEED: [u8; 32] = [99; 32];

/// What is said of a policy when it is signed.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// Its version.
    pub version: u64,
    /// Patterns of the functions that it is for.
    pub functions: Vec<String>,
    /// Seconds since 1970 between which it holds.
    pub holds: (u64, u64),
    /// The site that it is for.
    pub site: String,
    /// The seed of the key that signs it.
    pub seed: [u8; 32],
}

impl Bundle {
    /// A version for all functions that always holds, signed by whom agents trust.
    pub fn version(version: u64) -> Self {
        Self {
            version,
            functions: vec!["*".to_owned()],
            holds: (0, 4_000_000_000),
            site: "shop".to_owned(),
            seed: SEED,
        }
    }
}

/// Signs a canonical policy.
#[expect(clippy::expect_used, reason = "any 32 bytes are a seed")]
pub fn sign(bundle: &Bundle, policy: &str) -> Value {
    let site = &bundle.site;
    let digest: String = Sha256::digest(policy).iter().map(|byte| format!("{byte:02x}")).collect();
    let (from, until) = bundle.holds;
    let mut lines = vec!["picket-bundle-v1".to_owned(), format!("{}:{site}", site.len())];
    lines.extend(bundle.functions.iter().map(|pattern| format!("{}:{pattern}", pattern.len())));
    lines.extend([bundle.version.to_string(), from.to_string(), until.to_string(), digest]);
    let pair = Ed25519KeyPair::from_seed_unchecked(&bundle.seed).expect("a seed");
    json!({
        "site": site, "functions": bundle.functions, "version": bundle.version, "notBefore": from, "expires": until,
        "policy": policy, "sig": URL_SAFE_NO_PAD.encode(pair.sign(lines.join("\n").as_bytes())),
    })
}
