//! Events for the tests of what the agent writes: one with an attack, one without.

use serde_json::{Value, json};

/// A query string that is an attack in every mode.
pub const ATTACK: &str = "id=1%27%20UNION%20SELECT%20name%2Cpassword%20FROM%20users--%20";

/// A Function URL event.
#[must_use]
pub fn function_url(query: &str, body: Option<&str>) -> Vec<u8> {
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/items",
        "rawQueryString": query,
        "headers": {
            "content-type": "application/json",
            "host": "abc.lambda-url.eu-central-1.on.aws",
            "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
            "x-forwarded-for": "198.51.100.23",
        },
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "abc",
            "domainName": "abc.lambda-url.eu-central-1.on.aws",
            "domainPrefix": "abc",
            "http": {"method": "POST", "path": "/items", "protocol": "HTTP/1.1", "sourceIp": "198.51.100.23",
                     "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"},
            "requestId": "7d3b9d5e-6f6c-4a53-9d0f-0e1f2a3b4c5d",
            "routeKey": "$default",
            "stage": "$default",
            "time": "22/Nov/2026:08:00:00 +0000",
            "timeEpoch": 1_795_334_400_000_u64,
        },
        "isBase64Encoded": false,
    });
    if let Some(body) = body {
        event["body"] = Value::String(body.to_owned());
    }
    event.to_string().into_bytes()
}
