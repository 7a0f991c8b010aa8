//! The answers to blocked events, shape by shape (AWS's pages on each integration), over the fixtures of every source.

mod common;

use std::{fs, path::PathBuf};

use common::Fixture;
use picket_lambda_event::{Envelope, EventReader, Kind, Mode, SyntheticPost, answer, source_names};
use picket_request::BlockAnswer;
use serde_json::{Value as Json, json};

/// A status that is not the default, a repeated header, and text that would break JSON made by hand.
fn block() -> BlockAnswer {
    BlockAnswer {
        status: 406,
        headers: vec![
            ("content-type".to_owned(), "text/plain; charset=\"utf-8\"".to_owned()),
            ("set-cookie".to_owned(), "a=1".to_owned()),
            ("set-cookie".to_owned(), "b=2".to_owned()),
        ],
        body: "Not acceptable.\n\"id\": \\ \u{1} é \u{2028}".to_owned(),
    }
}

fn fixture(path: &str) -> Fixture {
    Fixture::load(&PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures")).join(path))
}

fn post(path: &str, mode: Mode) -> SyntheticPost {
    let (_, envelope) = fixture(path).read();
    answer(&envelope, &block(), mode).unwrap_or_else(|| unreachable!("{path} has an answer"))
}

fn buffered(path: &str) -> Json {
    let post = post(path, Mode::Buffered);
    assert_eq!((post.kind, post.content_type), (Kind::Response, "application/json"), "{path}");
    assert!(post.headers.is_empty(), "{path}");
    serde_json::from_slice(&post.body).unwrap_or_else(|error| unreachable!("{path}: {error}"))
}

#[test]
fn rest_answers_know_no_foreign_key() {
    for path in ["rest_v1/plain.json", "rest_v1/http_api_payload_1.json"] {
        assert_eq!(
            buffered(path),
            json!({
                "statusCode": 406,
                "headers": { "content-type": "text/plain; charset=\"utf-8\"", "set-cookie": "b=2" },
                "multiValueHeaders": {
                    "content-type": ["text/plain; charset=\"utf-8\""], "set-cookie": ["a=1", "b=2"],
                },
                "body": block().body,
                "isBase64Encoded": false,
            }),
            "{path}"
        );
    }
    let (_, envelope) = fixture("rest_v1/plain.json").read();
    let plain = BlockAnswer { headers: vec![("a".to_owned(), "b".to_owned())], ..block() };
    let body: Json =
        serde_json::from_slice(&answer(&envelope, &plain, Mode::Buffered).unwrap().body).unwrap();
    assert!(body.get("multiValueHeaders").is_none(), "without need there is none");
}

#[test]
fn format_2_always_names_the_status() {
    for path in ["http_v2/plain.json", "function_url/plain.json"] {
        assert_eq!(
            buffered(path),
            json!({
                "statusCode": 406,
                "headers": { "content-type": "text/plain; charset=\"utf-8\"" },
                "cookies": ["a=1", "b=2"],
                "body": block().body,
                "isBase64Encoded": false,
            }),
            "{path}"
        );
    }
}

#[test]
fn a_load_balancer_gets_both_header_maps_and_a_description() {
    for path in ["alb/plain.json", "alb/multi_value.json"] {
        let answer = buffered(path);
        assert_eq!(answer["statusCode"], 406);
        assert_eq!(answer["statusDescription"], "406 Not Acceptable");
        assert_eq!(answer["headers"]["set-cookie"], "b=2");
        assert_eq!(answer["multiValueHeaders"]["set-cookie"], json!(["a=1", "b=2"]));
        assert_eq!(answer["isBase64Encoded"], false);
        assert_eq!(answer["body"], block().body);
    }
    let (_, envelope) = fixture("alb/plain.json").read();
    let odd = BlockAnswer { status: 599, ..block() };
    let body: Json = serde_json::from_slice(&answer(&envelope, &odd, Mode::Buffered).unwrap().body).unwrap();
    assert_eq!(body["statusDescription"], "599 Blocked");
}

#[test]
fn lattice_answers_are_flat() {
    for path in ["lattice_v1/plain.json", "lattice_v2/plain.json"] {
        let answer = buffered(path);
        let keys: Vec<_> = answer.as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["body", "headers", "isBase64Encoded", "statusCode"]);
        assert_eq!(answer["statusCode"], 406);
    }
}

#[test]
fn a_websocket_handshake_is_refused_and_a_disconnect_never_blocked() {
    for path in ["websocket/connect.json", "websocket/message.json"] {
        assert_eq!(buffered(path), json!({ "statusCode": 406, "body": block().body }), "{path}");
    }
    let (request, envelope) = fixture("websocket/disconnect.json").read();
    assert!(!request.event.can_block);
    assert_eq!(answer(&envelope, &block(), Mode::Buffered), None);
}

#[test]
fn authorizers_answer_unauthorized_and_never_a_policy() {
    for path in [
        "authorizer_token/plain.json",
        "authorizer_request_v1/plain.json",
        "authorizer_request_v1/websocket.json",
        "authorizer_request_v2/plain.json",
        "appsync_authorizer/plain.json",
    ] {
        for mode in [Mode::Buffered, Mode::Streaming] {
            let post = post(path, mode);
            assert_eq!(post.kind, Kind::Error, "{path}");
            assert_eq!(
                post.headers,
                [("Lambda-Runtime-Function-Error-Type", "Function.WafBlocked")],
                "{path}"
            );
            let body: Json = serde_json::from_slice(&post.body).expect(path);
            assert_eq!(body["errorMessage"], "Unauthorized", "{path}");
            assert_eq!(body["errorType"], "Function.WafBlocked", "{path}");
            assert!(!String::from_utf8_lossy(&post.body).contains("Deny"), "{path}");
        }
    }
}

#[test]
fn a_resolver_answers_an_error_and_a_batch_one_for_each() {
    let post = post("appsync_resolver/plain.json", Mode::Buffered);
    let body: Json = serde_json::from_slice(&post.body).unwrap();
    assert_eq!(post.kind, Kind::Error);
    assert_eq!(body["errorMessage"], block().body);
    let element = json!({ "data": null, "errorMessage": block().body, "errorType": "Function.WafBlocked" });
    assert_eq!(buffered("appsync_batch/two.json"), json!([element, element]));
}

#[test]
fn a_streamed_answer_has_a_prelude_and_eight_nul_bytes() {
    for (path, cookies) in [("function_url/plain.json", true), ("rest_v1/plain.json", false)] {
        let post = post(path, Mode::Streaming);
        assert_eq!(post.kind, Kind::Response);
        assert_eq!(post.content_type, "application/vnd.awslambda.http-integration-response");
        assert_eq!(post.headers, [("Lambda-Runtime-Function-Response-Mode", "streaming")]);
        let end = post.body.windows(8).position(|window| window == [0; 8]).expect(path);
        let prelude: Json = serde_json::from_slice(&post.body[..end]).expect(path);
        assert_eq!(prelude["statusCode"], 406);
        assert_eq!(prelude["headers"]["content-type"], "text/plain; charset=\"utf-8\"");
        assert!(prelude.get("body").is_none() && prelude.get("isBase64Encoded").is_none());
        if cookies {
            assert_eq!(prelude["cookies"], json!(["a=1", "b=2"]));
        } else {
            assert_eq!(prelude["multiValueHeaders"]["set-cookie"], json!(["a=1", "b=2"]));
        }
        assert!(!post.body[..end].contains(&0));
        assert_eq!(&post.body[end + 8..], block().body.as_bytes());
    }
    for path in ["alb/plain.json", "http_v2/plain.json", "lattice_v2/plain.json", "websocket/message.json"] {
        assert_eq!(
            post(path, Mode::Streaming),
            post(path, Mode::Buffered),
            "{path}: this source cannot stream"
        );
    }
}

#[test]
fn every_source_that_can_block_has_an_answer_for_each_of_its_fixtures_and_no_other_has() {
    let mut ran = 0;
    for source in source_names() {
        let folder = format!("{}/fixtures/{}", env!("CARGO_MANIFEST_DIR"), source.replace('-', "_"));
        for file in fs::read_dir(folder).unwrap().flatten() {
            if file.path().extension().is_some_and(|extension| extension == "json") {
                let (request, envelope) = Fixture::load(&file.path()).read();
                for mode in [Mode::Buffered, Mode::Streaming] {
                    assert_eq!(answer(&envelope, &block(), mode).is_some(), request.event.can_block);
                }
                ran += 1;
            }
        }
    }
    assert!(ran >= 40, "{ran}");
    assert_eq!(answer(&fixture("unknown/sqs.json").read().1, &block(), Mode::Buffered), None);
}

/// What could not be inspected is answered as it would have been otherwise.
#[test]
fn an_event_that_was_not_read_is_answered_alike() {
    let mut seen = 0;
    for source in source_names() {
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures"));
        for file in fs::read_dir(folder.join(source.replace('-', "_"))).into_iter().flatten().flatten() {
            if file.path().extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let fixture = Fixture::load(&file.path());
            let (_, envelope) = fixture.read();
            let recognised = EventReader::default().recognise(&fixture.bytes());
            assert_eq!(
                recognised.as_ref().map(Envelope::source),
                (source != "unknown").then_some(source),
                "{}",
                file.path().display()
            );
            if let Some(recognised) = recognised {
                assert_eq!(recognised.can_block(), envelope.can_block(), "{}", file.path().display());
                assert_eq!(
                    answer(&recognised, &block(), Mode::Buffered),
                    answer(&envelope, &block(), Mode::Buffered),
                    "{}",
                    file.path().display()
                );
                seen += 1;
            }
        }
    }
    assert!(seen >= 40);
}

/// Megabytes of brackets before the envelope do not hide it.
#[test]
fn a_flood_in_the_body_does_not_hide_the_source() {
    for path in ["rest_v1/plain.json", "http_v2/plain.json", "function_url/plain.json", "alb/plain.json"] {
        let whole: serde_json::Map<String, Json> = serde_json::from_slice(&fixture(path).bytes()).unwrap();
        let mut event =
            format!("{{\"body\":\"{}\",\"flood\":{}", "x".repeat(1_000_000), "[".repeat(1_000_000));
        event += &"]".repeat(1_000_000);
        for (key, value) in whole.iter().filter(|(key, _)| *key != "body") {
            event += &format!(",{}:{value}", json!(key));
        }
        event += "}";
        let envelope = EventReader::default().recognise(event.as_bytes());
        assert!(
            envelope.is_some_and(|envelope| answer(&envelope, &block(), Mode::Buffered).is_some()),
            "{path}"
        );
    }
}
