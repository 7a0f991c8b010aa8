//! Events as AWS sends them, built for the black-box tests. Knows one event shape, the Function URL's; not who inspects it.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A Function URL event.
#[must_use]
pub fn function_url(method: &str, path: &str, query: &str, body: Option<&str>) -> Value {
    let parameters: serde_json::Map<String, Value> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), Value::String(percent_decoded(value))))
        .collect();
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {
            "accept": "*/*",
            "content-type": "application/json",
            "host": "abcdefghij.lambda-url.eu-central-1.on.aws",
            "user-agent": "curl/8.5.0",
            "x-amzn-trace-id": "Root=1-68fa1c3b-0123456789abcdef01234567",
            "x-forwarded-for": "198.51.100.23",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "abcdefghij",
            "domainName": "abcdefghij.lambda-url.eu-central-1.on.aws",
            "domainPrefix": "abcdefghij",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "198.51.100.23",
                "userAgent": "curl/8.5.0",
            },
            "requestId": "5d3b9d5e-6f6c-4a53-9d0f-0e1f2a3b4c5d",
            "routeKey": "$default",
            "stage": "$default",
            "time": "22/Nov/2026:08:00:00 +0000",
            "timeEpoch": 1_795_334_400_000_u64,
        },
        "isBase64Encoded": false,
    });
    if let Some(fields) = event.as_object_mut() {
        if !parameters.is_empty() {
            fields.insert("queryStringParameters".to_owned(), Value::Object(parameters));
        }
        if let Some(body) = body {
            fields.insert("body".to_owned(), Value::String(body.to_owned()));
        }
    }
    event
}

/// The SHA-256 of bytes, in hex, as the example handlers print it.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// Percent-encodes everything that is not a letter, a digit or one of `-._~`.
#[must_use]
pub fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |encoded, byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            format!("{encoded}{}", char::from(byte))
        }
        _ => format!("{encoded}%{byte:02X}"),
    })
}

/// Undoes [`percent_encoded`], with `+` as a space, as the service does for `queryStringParameters`.
#[must_use]
pub fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex = |digit: Option<u8>| digit.and_then(|digit| char::from(digit).to_digit(16));
        match byte {
            b'%' => {
                let (high, low) = (hex(rest.next()), hex(rest.next()));
                bytes.extend(high.zip(low).and_then(|(high, low)| u8::try_from(high * 16 + low).ok()));
            }
            b'+' => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
