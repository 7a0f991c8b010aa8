//! The cost of reading clean events: a 2 KB request through a REST API, an HTTP API and a Function URL, and a 5 MB body.

use bytes::Bytes;
use divan::{Bencher, counter::BytesCount};
use picket_lambda_event::EventReader;
use picket_request::Request;
use serde_json::{Value as Json, json};

fn main() {
    divan::main();
}

const SHAPES: &[&str] = &["rest-v1 2 KB", "http-v2 2 KB", "function-url 2 KB post", "http-v2 5 MB body"];

const AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36";

fn headers() -> Vec<(&'static str, &'static str)> {
    vec![
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"),
        ("accept-encoding", "gzip, deflate, br"),
        ("accept-language", "en-GB,en;q=0.9,de;q=0.7"),
        ("host", "api.example.org"),
        ("referer", "https://www.example.org/catalogue?page=2"),
        ("user-agent", AGENT),
        ("x-amzn-trace-id", "Root=1-5e6722a7-cc56xmpl46db7ae02d4da47e"),
        ("x-forwarded-for", "203.0.113.7"),
        ("x-forwarded-port", "443"),
        ("x-forwarded-proto", "https"),
    ]
}

fn v2(domain: &str, method: &str, body: &str) -> Json {
    let headers: serde_json::Map<_, _> =
        headers().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/shop/items/4711",
        "rawQueryString": "sort=price&page=2&q=red+shoes",
        "cookies": ["session=8f14e45fceea167a5a36dedd4bea2543", "theme=dark"],
        "headers": headers,
        "queryStringParameters": { "sort": "price", "page": "2", "q": "red shoes" },
        "requestContext": {
            "accountId": "111122223333", "apiId": "a1b2c3", "domainName": domain, "domainPrefix": "a1b2c3",
            "http": { "method": method, "path": "/shop/items/4711", "protocol": "HTTP/1.1",
                      "sourceIp": "203.0.113.7", "userAgent": AGENT },
            "requestId": "JKJaXmPLvHcESHA=", "routeKey": "$default", "stage": "$default",
            "time": "10/Mar/2026:05:16:23 +0000", "timeEpoch": 1_583_817_383_220_u64,
        },
        "body": body, "isBase64Encoded": false,
    })
}

fn event(shape: &str) -> Bytes {
    let event = match shape {
        "rest-v1 2 KB" => {
            let single: serde_json::Map<_, _> =
                headers().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
            let multi: serde_json::Map<_, _> =
                headers().into_iter().map(|(name, value)| (name.to_owned(), json!([value]))).collect();
            json!({
                "resource": "/{proxy+}", "path": "/shop/items/4711", "httpMethod": "GET",
                "headers": single, "multiValueHeaders": multi,
                "queryStringParameters": { "sort": "price", "page": "2" },
                "multiValueQueryStringParameters": { "sort": ["price"], "page": ["2"] },
                "pathParameters": { "proxy": "shop/items/4711" }, "stageVariables": null,
                "requestContext": {
                    "resourceId": "2gxmpl", "resourcePath": "/{proxy+}", "httpMethod": "GET",
                    "extendedRequestId": "JJbxmplHYosFVYQ=", "requestTime": "10/Mar/2026:00:03:59 +0000",
                    "path": "/prod/shop/items/4711", "accountId": "111122223333", "protocol": "HTTP/1.1",
                    "stage": "prod", "domainPrefix": "api", "requestTimeEpoch": 1_583_798_639_428_u64,
                    "requestId": "77375676-xmpl-4b79-853a-f982474efe18",
                    "identity": { "cognitoIdentityPoolId": null, "accountId": null, "caller": null,
                                  "sourceIp": "203.0.113.7", "user": null, "userAgent": AGENT },
                    "domainName": "api.example.org", "apiId": "a1b2c3",
                },
                "body": null, "isBase64Encoded": false,
            })
        }
        "http-v2 2 KB" => v2("a1b2c3.execute-api.eu-west-1.amazonaws.com", "GET", ""),
        "function-url 2 KB post" => v2(
            "a1b2c3.lambda-url.eu-west-1.on.aws",
            "POST",
            r#"{"item":4711,"size":"42","note":"please wrap it","address":{"street":"Elm Street 1","city":"Springfield"}}"#,
        ),
        _ => {
            v2("a1b2c3.execute-api.eu-west-1.amazonaws.com", "POST", &"all work and no play ".repeat(250_000))
        }
    };
    Bytes::from(event.to_string())
}

#[divan::bench(args = SHAPES)]
fn read(bencher: Bencher<'_, '_>, shape: &str) {
    let event = event(shape);
    let mut reader = EventReader::default();
    let mut request = Request::default();
    bencher.counter(BytesCount::new(event.len())).bench_local(|| reader.read(&event, &mut request, Some(0)));
}
