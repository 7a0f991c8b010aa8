//! The names of signals that a policy may use.

use picket_detection::{Signal, response::ResponseSignal};
use picket_request::Anomaly;

/// Signals that policies may use besides those of detectors, anomalies and answers: of tokens and the edge, of lists that owners keep, and of
/// what Picket itself did.
pub const OTHER_SIGNALS: &[&str] = &[
    "ALLOWED",
    "BLOCKED",
    "WOULD-BLOCK",
    "RATE-LIMITED",
    "FLAGGED-IP",
    "FAIL-OPEN",
    "DATACENTER",
    "TORNODE",
    "IMPOSTOR",
    "ORIGIN-BYPASS",
    "JWT-INVALID",
    "JWT-CLAIMS",
];

/// Account signals, which templates place.
pub const ACCOUNT_SIGNALS: &[&str] = &[
    "LOGINATTEMPT",
    "LOGINSUCCESS",
    "LOGINFAILURE",
    "LOGINDISCOVERY",
    "REGATTEMPT",
    "REGSUCCESS",
    "REGFAILURE",
    "PW-RESET-ATTEMPT",
    "PW-RESET-SUCCESS",
    "PW-RESET-FAILURE",
    "PW-CHANGED",
    "2FA-CHANGED",
    "2FA-DISABLED",
    "EMAIL-CHANGED",
    "EMAIL-VALIDATION",
    "ADDRESS-CHANGED",
    "KBA-CHANGED",
    "MESSAGE-SENT",
    "CC-VAL-ATTEMPT",
    "CC-VAL-SUCCESS",
    "CC-VAL-FAILURE",
    "GC-VAL-ATTEMPT",
    "GC-VAL-SUCCESS",
    "GC-VAL-FAILURE",
    "INFO-VIEWED",
    "INVITE-ATTEMPT",
    "INVITE-SUCCESS",
    "INVITE-FAILURE",
    "WRONG-API-CLIENT",
];

/// Every signal with a fixed name.
pub fn known_signals() -> impl Iterator<Item = &'static str> {
    Signal::ATTACKS
        .iter()
        .map(|signal| signal.id())
        .chain(Anomaly::ALL.iter().map(|anomaly| anomaly.id()))
        .chain(ResponseSignal::ALL.iter().map(|signal| signal.id()))
        .chain(OTHER_SIGNALS.iter().copied())
        .chain(ACCOUNT_SIGNALS.iter().copied())
}

/// Whether it is a name that an owner may give: `site.` or `corp.`, then letters, digits, `-` and `_`.
#[must_use]
pub fn is_custom_signal(name: &str) -> bool {
    let own = name.strip_prefix("site.").or_else(|| name.strip_prefix("corp."));
    own.is_some_and(|own| {
        (1..=64).contains(&own.len())
            && own.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    })
}

/// Whether a signal of this name can be seen.
#[must_use]
pub fn is_known_signal(name: &str) -> bool {
    is_custom_signal(name) || is_cve(name) || known_signals().any(|known| known == name)
}

/// `CVE-`, a year, and at least four digits.
fn is_cve(name: &str) -> bool {
    let Some((year, number)) = name.strip_prefix("CVE-").and_then(|rest| rest.split_once('-')) else {
        return false;
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    year.len() == 4 && digits(year) && (4..=8).contains(&number.len()) && digits(number)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_told_from_what_looks_like_one() {
        for name in [
            "SQLI",
            "NOUA",
            "LOGINFAILURE",
            "SECRET-LEAK",
            "CVE-2021-44228",
            "site.AuthFailure",
            "corp.a_b-1",
        ] {
            assert!(is_known_signal(name), "{name}");
        }
        for name in ["sqli", "SQL", "CVE-21-44228", "CVE-2021-1", "site.", "site.a b", "other.x", ""] {
            assert!(!is_known_signal(name), "{name}");
        }
    }

    #[test]
    fn no_name_stands_twice() {
        let names: Vec<_> = known_signals().collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }
}
