//! Which fields are sensitive by their name alone.

/// Names that are sensitive as a whole.
const EXACT: &[&str] = &[
    "auth",
    "authorization",
    "bearer",
    "card",
    "cardnumber",
    "challengeanswer",
    "cookie",
    "credential",
    "credentials",
    "cvc",
    "cvv",
    "iban",
    "jwt",
    "otp",
    "pan",
    "passcode",
    "passphrase",
    "passwd",
    "password",
    "pin",
    "proxyauthorization",
    "pwd",
    "secret",
    "session",
    "sessionid",
    "setcookie",
    "sid",
    "ssn",
    "token",
    "xauthtoken",
];

/// Parts of names that make the whole name sensitive.
const PARTS: &[&str] = &[
    "token",
    "secret",
    "passw",
    "passphrase",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "signature",
];

/// Ends of names, as they stand behind `-` or `_`.
const ENDS: &[&str] = &["auth", "key", "sess", "session", "pass", "pwd", "pin", "otp", "cvv", "ssn"];

/// Longest name that is looked at; what is longer counts as sensitive, because nobody knows what it is.
const LONGEST: usize = 256;

/// Parts of the names that frameworks give their session cookies.
const SESSIONS: &[&str] = &["sess", "sid", "auth", "token", "jwt"];

/// Whether a cookie of this name tells one session from another.
pub(crate) fn is_session(name: &[u8]) -> bool {
    name.len() <= LONGEST && {
        let lower = name.to_ascii_lowercase();
        SESSIONS.iter().any(|part| lower.windows(part.len()).any(|window| window == part.as_bytes()))
    }
}

/// Whether a field of this name must not be shown.
pub(crate) fn is_sensitive(name: &[u8]) -> bool {
    if name.len() > LONGEST {
        return true;
    }
    let words: Vec<u8> =
        name.iter().filter(|b| b.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect();
    let has = |part: &str| words.windows(part.len()).any(|window| window == part.as_bytes());
    let last = name.rsplit(|b| matches!(b, b'-' | b'_' | b'.')).next().unwrap_or_default();
    EXACT.iter().any(|exact| words == exact.as_bytes())
        || PARTS.iter().any(|part| has(part))
        || (last.len() < name.len() && ENDS.iter().any(|end| last.eq_ignore_ascii_case(end.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sensitive_names_are_known_in_every_spelling() {
        for name in [
            "password",
            "Password",
            "user_password",
            "newPassword",
            "passwd",
            "Authorization",
            "X-Auth-Token",
            "x-api-key",
            "X-My-Sess",
            "api_key",
            "apiKey",
            "client_secret",
            "access_token",
            "Set-Cookie",
            "cookie",
            "csrf-token",
            "card-number",
            "cvv",
            "user-pin",
            "AWSAccessKeyId",
            "X-Amz-Signature",
        ] {
            assert!(is_sensitive(name.as_bytes()), "{name}");
        }
        assert!(is_sensitive(&[b'a'; 300]));
    }

    #[test]
    fn ordinary_names_are_shown() {
        for name in [
            "q",
            "id",
            "monkey",
            "keyboard",
            "author",
            "note",
            "compass",
            "pinterest",
            "items",
            "spin",
            "user-agent",
        ] {
            assert!(!is_sensitive(name.as_bytes()), "{name}");
        }
    }
}
