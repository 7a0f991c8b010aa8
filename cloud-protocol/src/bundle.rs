//! A signed policy. Knows what is signed; not what a policy says.

use serde::{Deserialize, Serialize};

use crate::client::hex;

/// A policy for some functions of a site, signed by the owner's policy key, which the engine does not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bundle {
    /// The site.
    pub site: String,
    /// Patterns of function names, with `*` for any run of characters.
    pub functions: Vec<String>,
    /// Grows with each bundle. An agent refuses an older one than it has.
    pub version: u64,
    /// Not in force before, in Unix seconds.
    pub not_before: u64,
    /// Not in force after, in Unix seconds.
    pub expires: u64,
    /// The policy in its canonical form, byte for byte as signed.
    pub policy: String,
    /// The Ed25519 signature over [`Bundle::signing_text`], as base64url.
    pub sig: String,
}

impl Bundle {
    /// What is signed, given the SHA-256 of `policy`. Names with line ends cannot imitate another bundle: they are
    /// written with their lengths.
    #[must_use]
    pub fn signing_text(&self, policy_sha256: &[u8; 32]) -> String {
        let mut text = format!("picket-bundle-v1\n{}:{}\n", self.site.len(), self.site);
        for pattern in &self.functions {
            text.push_str(&format!("{}:{pattern}\n", pattern.len()));
        }
        text.push_str(&format!(
            "{}\n{}\n{}\n{}",
            self.version,
            self.not_before,
            self.expires,
            hex(policy_sha256)
        ));
        text
    }

    /// Whether the bundle is meant for a function.
    #[must_use]
    pub fn is_for(&self, function: &str) -> bool {
        self.functions.iter().any(|pattern| matches(pattern.as_bytes(), function.as_bytes()))
    }
}

/// Matches `*` greedily with one point to return to, so that the time is at most pattern times name.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, n));
            p += 1;
        } else if pattern.get(p) == name.get(n) {
            p += 1;
            n += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            p = at + 1;
            n = from + 1;
        } else {
            return false;
        }
    }
    pattern.iter().skip(p).all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_functions() {
        let table = [
            ("*", "shop", true),
            ("shop", "shop", true),
            ("shop", "shops", false),
            ("shop-*", "shop-admin", true),
            ("*-admin", "shop-admin", true),
            ("*-admin", "shop-admin-2", false),
            ("a*b*c", "a-b-b-c", true),
            ("", "shop", false),
        ];
        for (pattern, name, expected) in table {
            let bundle = Bundle { functions: vec![pattern.to_owned()], ..Bundle::default() };
            assert_eq!(bundle.is_for(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn each_part_of_a_bundle_is_signed() {
        let bundle = Bundle {
            site: "shop".to_owned(),
            functions: vec!["a".to_owned(), "b".to_owned()],
            version: 1,
            not_before: 2,
            expires: 3,
            ..Bundle::default()
        };
        let text = bundle.signing_text(&[0; 32]);
        let changed = [
            Bundle { site: "shoq".to_owned(), ..bundle.clone() },
            Bundle { functions: vec!["a\n1:b".to_owned()], ..bundle.clone() },
            Bundle { functions: vec!["ab".to_owned()], ..bundle.clone() },
            Bundle { version: 2, ..bundle.clone() },
            Bundle { not_before: 1, ..bundle.clone() },
            Bundle { expires: 4, ..bundle.clone() },
        ];
        for other in changed {
            assert_ne!(other.signing_text(&[0; 32]), text, "{other:?}");
        }
        assert_ne!(bundle.signing_text(&[1; 32]), text);
    }
}
