//! Personal data and secrets by their form: cards, social security numbers, GUIDs, IBANs, tokens, AWS keys, e-mail.

/// Replaces what has the form of personal data or a secret by `*`, byte for byte, so that offsets stay true.
///
/// Every recogniser reads at most a bounded number of bytes from a word's start, so the whole is linear.
pub(crate) fn mask(bytes: &mut [u8]) {
    let mut at = 0;
    while at < bytes.len() {
        let starts_word = at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
        let length =
            if starts_word { RECOGNISERS.iter().find_map(|known| known(&bytes[at..])) } else { None };
        if let Some(length) = length {
            bytes[at..at + length].fill(b'*');
            at += length;
        } else {
            at += 1;
        }
    }
}

type Recogniser = fn(&[u8]) -> Option<usize>;

const RECOGNISERS: &[Recogniser] = &[token, aws_key, guid, social_security, card, iban, email];

/// Whether a word ends at `length`.
fn ends(text: &[u8], length: usize) -> bool {
    text.get(length).is_none_or(|next| !next.is_ascii_alphanumeric())
}

/// 13 to 19 digits in groups whose Luhn sum is right (ISO/IEC 7812-1).
fn card(text: &[u8]) -> Option<usize> {
    let (mut digits, mut length) = (Vec::with_capacity(19), 0);
    for (index, &byte) in text.iter().take(40).enumerate() {
        match byte {
            b'0'..=b'9' => {
                digits.push(u32::from(byte - b'0'));
                length = index + 1;
            }
            b' ' | b'-' if index > 0 && text[index - 1].is_ascii_digit() => {}
            _ => break,
        }
    }
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, &digit)| if place.is_multiple_of(2) { digit } else { digit * 2 / 10 + digit * 2 % 10 })
        .sum();
    ((13..=19).contains(&digits.len()) && sum.is_multiple_of(10) && ends(text, length)).then_some(length)
}

/// `ddd-dd-dddd`.
fn social_security(text: &[u8]) -> Option<usize> {
    shaped(text, b"ddd-dd-dddd")
}

/// `8-4-4-4-12` hexadecimal digits (RFC 9562).
fn guid(text: &[u8]) -> Option<usize> {
    shaped(text, b"hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh")
}

fn shaped(text: &[u8], shape: &[u8]) -> Option<usize> {
    let fits = |(byte, form): (&u8, &u8)| match form {
        b'd' => byte.is_ascii_digit(),
        b'h' => byte.is_ascii_hexdigit(),
        other => byte == other,
    };
    (text.len() >= shape.len() && text.iter().zip(shape).all(fits) && ends(text, shape.len()))
        .then_some(shape.len())
}

/// Two letters, two digits, 11 to 30 letters and digits whose remainder is 1 (ISO 13616).
fn iban(text: &[u8]) -> Option<usize> {
    let mut word = Vec::with_capacity(34);
    let mut length = 0;
    for (index, &byte) in text.iter().take(44).enumerate() {
        if byte.is_ascii_alphanumeric() {
            word.push(byte.to_ascii_uppercase());
            length = index + 1;
        } else if byte != b' ' || index == 0 {
            break;
        }
    }
    if !(15..=34).contains(&word.len())
        || !word[..2].iter().all(u8::is_ascii_alphabetic)
        || !word[2..4].iter().all(u8::is_ascii_digit)
    {
        return None;
    }
    let remainder = word[4..].iter().chain(&word[..4]).fold(0_u32, |rest, &byte| {
        if byte.is_ascii_digit() {
            (rest * 10 + u32::from(byte - b'0')) % 97
        } else {
            (rest * 100 + u32::from(byte - b'A') + 10) % 97
        }
    });
    (remainder == 1).then_some(length)
}

/// A JSON web token: base64url of `{"`, then two more parts.
fn token(text: &[u8]) -> Option<usize> {
    if !text.starts_with(b"eyJ") {
        return None;
    }
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'=');
    let length = text.iter().position(|byte| !is_part(byte)).unwrap_or(text.len());
    (length >= 16).then_some(length)
}

/// `AKIA…`, `ASIA…` and their kin: an AWS key id; and 40 characters of base64, the form of a secret key.
fn aws_key(text: &[u8]) -> Option<usize> {
    let text = &text[..text.len().min(41)];
    let word = text
        .iter()
        .position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'/' | b'+')))
        .unwrap_or(text.len());
    let is_id = word == 20
        && [b"AKIA", b"ASIA", b"AROA", b"AIDA"].iter().any(|prefix| text.starts_with(*prefix))
        && text[..20].iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let mixed = |word: &[u8]| {
        word.iter().any(u8::is_ascii_digit)
            && word.iter().any(u8::is_ascii_uppercase)
            && word.iter().any(u8::is_ascii_lowercase)
    };
    (is_id || (word == 40 && mixed(&text[..40]))).then_some(word)
}

/// `local@domain.tld`, at most 254 bytes (RFC 5321).
fn email(text: &[u8]) -> Option<usize> {
    let is_local = |b: &u8| b.is_ascii_alphanumeric() || b"._%+-".contains(b);
    let local = text.iter().take(65).position(|b| !is_local(b))?;
    if local == 0 || text[local] != b'@' {
        return None;
    }
    let domain = &text[local + 1..];
    let length = domain
        .iter()
        .take(189)
        .position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-')))
        .unwrap_or(domain.len().min(189));
    (domain[..length].contains(&b'.') && length > 3).then_some(local + 1 + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        mask(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn personal_data_is_masked_in_place() {
        for secret in [
            "4111 1111 1111 1111",
            "4111111111111111",
            "5500-0000-0000-0004",
            "078-05-1120",
            "6f9619ff-8b86-d011-b42d-00c04fc964ff",
            "DE89 3704 0044 0532 0130 00",
            "GB82WEST12345698765432",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMIxK7MDENGxbPxRfiCYEXAMPLEKEY",
            "jane.doe+x@mail.example.com",
        ] {
            let got = masked(&format!("a ({secret}) b"));
            assert_eq!(got, format!("a ({}) b", "*".repeat(secret.len())), "{secret}");
        }
    }

    #[test]
    fn ordinary_text_stays() {
        for text in [
            "4111111111111112",
            "order 1234567",
            "2026-11-22",
            "x@y",
            "AKIASHORT",
            "1 or 1=1",
            "eyJ",
            "DE89",
            "a-b-c",
        ] {
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn hostile_text_is_read_in_linear_time() {
        for piece in ["1-", "a.", "eyJ ", "A", "A/", "a@", "4 "] {
            let text = piece.repeat(200_000 / piece.len());
            masked(&text);
        }
    }
}
