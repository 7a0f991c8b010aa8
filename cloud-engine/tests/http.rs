//! The engine over HTTP: who gets in, what hostile batches meet, what each role may. Over a SQLite file; what lies behind is the
//! contract's business.

mod bed;
mod desk;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use bed::{NOW, attacks, batch, engine, site};
use desk::{bytes, desk, gzip, signature};
use picket_cloud_engine::auth::Role;
use picket_cloud_engine::engine::Refused;
use picket_cloud_engine::http::{openapi, serve};
use picket_cloud_engine::ingest::Sender;
use picket_cloud_engine::text::base64;
use picket_cloud_protocol::Secret;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn an_honest_batch_is_taken_compressed_or_not() {
    let desk = desk().await;
    let mut one = batch("e1", 1);
    one.counts = vec![attacks("198.51.100.7", NOW, 50)];
    let (status, reply) = desk.signed(Some("gzip"), gzip(&bytes(&one))).await;
    assert_eq!(status, StatusCode::OK, "{reply}");
    assert_eq!((reply["ack"].as_str(), reply["serverTime"].as_u64()), (Some("counted"), Some(NOW)));
    assert_eq!(reply["delta"]["set"][0]["client"], "198.51.100.7");
    let (status, reply) = desk.signed(None, bytes(&one)).await;
    assert_eq!((status, reply["ack"].as_str()), (StatusCode::OK, Some("duplicate")));
    let (status, delta) = desk.get("/v1/flags", "cursor=").await;
    assert_eq!((status, delta["full"].as_bool()), (StatusCode::OK, Some(true)));
    let cursor = delta["cursor"].as_str().expect("a cursor");
    let (_, same) = desk.get("/v1/flags", &format!("cursor={cursor}")).await;
    assert_eq!((same["full"].as_bool(), same["cursor"].as_str()), (Some(false), Some(cursor)));
}

#[tokio::test]
async fn only_a_good_fresh_signature_gets_in() {
    let desk = desk().await;
    let body = bytes(&batch("e1", 1));
    let good = |time| signature(&desk.secret, "POST", "/v1/batches", "", time, &body);
    let stranger = Secret { id: "pk-unknown".to_owned(), ..desk.secret.clone() };
    let forged = Secret { private_key: base64(&[3; 32]), ..desk.secret.clone() };
    let elsewhere = Secret { audience: "another".to_owned(), ..desk.secret.clone() };
    let table = [
        ("none at all", String::new()),
        ("garbage", "v1 kid=x".to_owned()),
        ("an unknown key", signature(&stranger, "POST", "/v1/batches", "", NOW, &body)),
        ("another key's", signature(&forged, "POST", "/v1/batches", "", NOW, &body)),
        ("for another engine", signature(&elsewhere, "POST", "/v1/batches", "", NOW, &body)),
        ("of another path", signature(&desk.secret, "POST", "/v1/flags", "", NOW, &body)),
        ("of another method", signature(&desk.secret, "GET", "/v1/batches", "", NOW, &body)),
        ("of another query", signature(&desk.secret, "POST", "/v1/batches", "a=1", NOW, &body)),
        ("of another body", signature(&desk.secret, "POST", "/v1/batches", "", NOW, b"{}")),
        ("stale", good(NOW - 301)),
        ("from the future", good(NOW + 301)),
    ];
    for (why, header) in table {
        let (status, _) = desk.send(&header, None, body.clone()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{why}");
    }
    for time in [NOW - 300, NOW + 300] {
        assert_eq!(desk.send(&good(time), None, body.clone()).await.0, StatusCode::OK);
    }
    // The same signature behind a stage of API Gateway is the business of the path alone.
    let text = desk.engine.metrics.prometheus();
    assert!(text.contains("picket_engine_unauthorized_total 11\n"), "{text}");
}

#[tokio::test]
async fn a_key_is_changed_without_a_gap() {
    let desk = desk().await;
    let new = desk.engine.create_key(&site("shop"), "next", "test").await.expect("a key");
    let body = bytes(&batch("e1", 1));
    let with = |secret: &Secret, time| signature(secret, "POST", "/v1/batches", "", time, &body);
    let owner = desk.token(Role::Owner).await;
    let path = format!("/v1/admin/keys/{}?after=60", desk.secret.id);
    assert_eq!(desk.admin(&owner, "DELETE", &path, &Value::Null).await.0, StatusCode::OK);
    for secret in [&desk.secret, &new] {
        assert_eq!(
            desk.send(&with(secret, NOW), None, body.clone()).await.0,
            StatusCode::OK,
            "both are valid"
        );
    }
    desk.time.pass(61);
    let (old, _) = desk.send(&with(&desk.secret, NOW + 61), None, body.clone()).await;
    let (fresh, _) = desk.send(&with(&new, NOW + 61), None, body.clone()).await;
    assert_eq!((old, fresh), (StatusCode::UNAUTHORIZED, StatusCode::OK));
    // Revoked means now, and not after some cache has forgotten.
    let path = format!("/v1/admin/keys/{}", new.id);
    assert_eq!(desk.admin(&owner, "DELETE", &path, &Value::Null).await.0, StatusCode::OK);
    assert_eq!(desk.send(&with(&new, NOW + 61), None, body.clone()).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn hostile_batches_are_refused_and_change_nothing() {
    let desk = desk().await;
    let honest = serde_json::to_value(batch("e1", 1)).expect("JSON");
    let with = |change: fn(&mut Value)| {
        let mut value = honest.clone();
        change(&mut value);
        value.to_string().into_bytes()
    };
    let bomb = gzip(&vec![b' '; 8 * 1024 * 1024]);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)).into_bytes();
    let count = json!({ "client": "198.51.100.7", "signal": "SQLI", "slot": NOW, "n": 1, "flags": true });
    let many = {
        let mut value = honest.clone();
        value["counts"] = vec![count.clone(); 2_001].into();
        gzip(value.to_string().as_bytes())
    };
    let table: Vec<(&str, Option<&str>, Vec<u8>, StatusCode)> = vec![
        ("empty", None, Vec::new(), StatusCode::BAD_REQUEST),
        ("no JSON", None, b"\x00\xff{".to_vec(), StatusCode::BAD_REQUEST),
        ("no batch", None, b"[]".to_vec(), StatusCode::BAD_REQUEST),
        ("nested without end", Some("gzip"), gzip(&deep), StatusCode::BAD_REQUEST),
        ("too large", None, vec![b' '; 256 * 1024 + 1], StatusCode::PAYLOAD_TOO_LARGE),
        ("a bomb", Some("gzip"), bomb, StatusCode::PAYLOAD_TOO_LARGE),
        ("no gzip", Some("gzip"), b"{}".to_vec(), StatusCode::BAD_REQUEST),
        ("an unknown coding", Some("br"), b"{}".to_vec(), StatusCode::BAD_REQUEST),
        ("too many counts", Some("gzip"), many, StatusCode::BAD_REQUEST),
        ("another version", None, with(|value| value["v"] = 2.into()), StatusCode::BAD_REQUEST),
        ("a short id", None, with(|value| value["batchId"] = "x".into()), StatusCode::BAD_REQUEST),
        ("a separator in an id", None, with(|value| value["env"] = "a#b".into()), StatusCode::BAD_REQUEST),
        (
            "a negative count",
            None,
            with(|value| {
                value["counts"] = json!([{ "client": "198.51.100.7", "signal": "SQLI", "slot": 0, "n": -1 }]);
            }),
            StatusCode::BAD_REQUEST,
        ),
        (
            "more signals than requests allow",
            None,
            with(|value| {
                value["counts"] =
                    json!([{ "client": "198.51.100.7", "signal": "SQLI", "slot": 0, "n": 64_001 }]);
            }),
            StatusCode::BAD_REQUEST,
        ),
        (
            "a whole network",
            None,
            with(|value| {
                value["counts"] =
                    json!([{ "client": "0.0.0.0/0", "signal": "SQLI", "slot": 0, "n": 50, "flags": true }]);
            }),
            StatusCode::BAD_REQUEST,
        ),
    ];
    for (why, coding, body, expected) in table {
        let (status, answer) = desk.signed(coding, body).await;
        assert_eq!(status, expected, "{why}: {answer}");
        assert!(!answer.to_string().contains("198.51.100.7"), "{why}: the answer repeats nothing");
    }
    // A site in the body is only an unknown field.
    let named = with(|value| value["site"] = "blog".into());
    assert_eq!(desk.signed(None, named).await.0, StatusCode::OK);
    let flags = desk.engine.flags(&site("shop")).await.expect("flags");
    assert!(flags.is_empty());
}

#[tokio::test]
async fn a_flood_of_invented_keys_is_turned_away_unread() {
    let desk = desk().await;
    let body = bytes(&batch("e1", 1));
    let mut statuses = BTreeSet::new();
    for n in 0..300 {
        let stranger = Secret { id: format!("pk-{n}"), ..desk.secret.clone() };
        let header = signature(&stranger, "POST", "/v1/batches", "", NOW, &body);
        statuses.insert((n >= 200, desk.send(&header, None, body.clone()).await.0.as_u16()));
    }
    assert_eq!(statuses, BTreeSet::from([(false, 401), (true, 503)]));
    desk.time.pass(1);
    let header = signature(&desk.secret, "POST", "/v1/batches", "", NOW, &body);
    assert_eq!(desk.send(&header, None, body.clone()).await.0, StatusCode::OK, "a second later all is well");
    // What is remembered of a key that has signed before grows old, and the flood goes on.
    desk.time.pass(60);
    for n in 0..300 {
        let stranger = Secret { id: format!("pk-x{n}"), ..desk.secret.clone() };
        let header = signature(&stranger, "POST", "/v1/batches", "", NOW, &body);
        desk.send(&header, None, body.clone()).await;
    }
    let header = signature(&desk.secret, "POST", "/v1/batches", "", NOW, &body);
    assert_eq!(desk.send(&header, None, body).await.0, StatusCode::OK, "who is known is let in meanwhile");
}

#[tokio::test]
async fn a_key_stays_revoked_and_what_others_remember_of_it_sets_no_flag() {
    let desk = desk().await;
    let owner = desk.token(Role::Owner).await;
    let path = format!("/v1/admin/keys/{}", desk.secret.id);
    let mut one = batch("e1", 1);
    one.counts = vec![attacks("198.51.100.7", NOW, 30)];
    assert_eq!(desk.signed(None, bytes(&one)).await.0, StatusCode::OK);
    assert_eq!(desk.admin(&owner, "DELETE", &path, &Value::Null).await.0, StatusCode::OK);
    // Another process of the engine has seen the key a moment ago, and takes what it signed.
    let other = engine(Arc::clone(&desk.engine.store), &desk.time);
    let mut late = batch("e2", 1);
    late.counts = vec![attacks("198.51.100.7", NOW, 30)];
    let sender = Sender { site: site("shop"), key: desk.secret.id.clone() };
    assert_eq!(other.take(&sender, &late).await.map(drop), Err(Refused::Unauthorized));
    assert!(desk.engine.flags(&site("shop")).await.expect("flags").is_empty());
    let (status, answer) = desk.admin(&owner, "DELETE", &format!("{path}?after=60"), &Value::Null).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "a time to go on must not make it good again: {answer}");
    assert_eq!(desk.signed(None, bytes(&batch("e1", 2))).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn each_path_asks_for_its_role_and_stands_in_the_openapi_file() {
    let desk = desk().await;
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.yaml");
    let text = std::fs::read_to_string(file).expect("docs/openapi.yaml");
    let described: Value = serde_saphyr::from_str(&text).expect("YAML");
    let mut told = BTreeSet::new();
    for (path, methods) in described["paths"].as_object().expect("paths") {
        for method in methods.as_object().expect("methods").keys() {
            told.insert((method.to_uppercase(), path.clone()));
        }
    }
    let served: BTreeSet<_> =
        openapi::paths().iter().map(|(method, path)| (method.to_string(), (*path).to_owned())).collect();
    assert_eq!(told, served);
    let observer = desk.token(Role::Observer).await;
    for (method, path) in &served {
        let open = !path.starts_with("/v1/");
        let real = path.replace("{version}", "1").replace("{id}", "x");
        let anonymous =
            Request::builder().method(method.as_str()).uri(&real).body(Body::empty()).expect("a request");
        let (status, _) = desk.ask(anonymous).await;
        assert_eq!(status, if open { StatusCode::OK } else { StatusCode::UNAUTHORIZED }, "{method} {path}");
        if path.starts_with("/v1/admin/") {
            let asked = desk.admin(&observer, method, &real, &Value::Null).await.0;
            let owners = path.contains("credentials");
            let looks = method == "GET" && !owners;
            // The summary names the least role, and it is the one that is asked for.
            let operation = &described["paths"][path][method.to_lowercase()];
            let summary = operation["summary"].as_str().expect("a summary");
            assert_eq!(summary.contains("(observer)"), looks, "{method} {path}");
            assert_eq!(asked != StatusCode::FORBIDDEN, looks, "{method} {path}: {asked}");
        }
    }
    let other = desk.ask(Request::get("/v1/admin/nothing").body(Body::empty()).expect("a request")).await;
    assert_eq!(other.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn administrators_flag_and_unflag_and_all_of_it_is_written_down() {
    let desk = desk().await;
    let admin = desk.token(Role::Admin).await;
    let flag = |client: &str, seconds: u64| json!({ "client": client, "seconds": seconds, "why": "seen in the logs" });
    let path = "/v1/admin/flags";
    for client in ["198.51.100.7", "192.0.2.0/24", "2001:db8::/32"] {
        assert_eq!(desk.admin(&admin, "POST", path, &flag(client, 60)).await.0, StatusCode::OK, "{client}");
    }
    let refused = [
        flag("192.0.2.1/24", 60),
        flag("0.0.0.0/0", 60),
        flag("::/0", 60),
        flag("198.51.100.7", 0),
        json!({}),
    ];
    for body in refused {
        assert_eq!(desk.admin(&admin, "POST", path, &body).await.0, StatusCode::BAD_REQUEST, "{body}");
    }
    let (_, flags) = desk.admin(&admin, "GET", path, &Value::Null).await;
    assert_eq!(flags["flags"].as_array().map(Vec::len), Some(3), "{flags}");
    let gone = "/v1/admin/flags?client=192.0.2.0/24&why=a%20mistake";
    assert_eq!(desk.admin(&admin, "DELETE", gone, &Value::Null).await.0, StatusCode::OK);
    assert_eq!(desk.admin(&admin, "DELETE", gone, &Value::Null).await.0, StatusCode::NOT_FOUND);
    let (_, audit) = desk.admin(&admin, "GET", "/v1/admin/audit", &Value::Null).await;
    let what: Vec<_> = audit["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .filter_map(|entry| entry["what"].as_str())
        .collect();
    let changes = |name: &str| what.iter().filter(|&&what| what == name).count();
    assert_eq!(
        (changes("flag"), changes("unflag"), changes("credential-created"), changes("key-created")),
        (3, 1, 1, 1)
    );
    let id = admin.split('.').next().expect("an id");
    assert!(audit["entries"].to_string().contains(id), "who did it");
    assert!(!audit.to_string().contains(admin.split('.').nth(1).expect("a secret")));
}

#[tokio::test]
async fn credentials_are_made_and_ended_and_the_last_owner_stays() {
    let desk = desk().await;
    let owner = desk.token(Role::Owner).await;
    let made = desk.admin(&owner, "POST", "/v1/admin/credentials", &json!({ "role": "observer" })).await;
    let observer = made.1["token"].as_str().expect("a token").to_owned();
    assert_eq!(desk.admin(&observer, "GET", "/v1/admin/fleet", &Value::Null).await.0, StatusCode::OK);
    let (_, list) = desk.admin(&owner, "GET", "/v1/admin/credentials", &Value::Null).await;
    assert!(!list.to_string().contains(observer.split('.').nth(1).expect("a secret")));
    for (token, expected) in [(&observer, StatusCode::OK), (&owner, StatusCode::BAD_REQUEST)] {
        let id = token.split('.').next().expect("an id");
        let path = format!("/v1/admin/credentials/{id}");
        assert_eq!(desk.admin(&owner, "DELETE", &path, &Value::Null).await.0, expected);
    }
    assert_eq!(
        desk.admin(&observer, "GET", "/v1/admin/fleet", &Value::Null).await.0,
        StatusCode::UNAUTHORIZED
    );
    let wrong = format!("{}x", &owner.get(..owner.len() - 1).expect("ASCII"));
    for token in ["", "x", "pa-x.y", wrong.as_str()] {
        let asked = desk.admin(token, "GET", "/v1/admin/fleet", &Value::Null).await;
        assert_eq!(asked.0, StatusCode::UNAUTHORIZED, "{token}");
    }
}

#[tokio::test]
async fn behind_a_stage_every_path_is_the_same() {
    let desk = desk().await;
    let observer = desk.token(Role::Observer).await;
    for stage in ["", "/prod", "/a/b"] {
        assert_eq!(
            desk.admin(&observer, "GET", &format!("{stage}/v1/admin/fleet"), &Value::Null).await.0,
            StatusCode::OK
        );
        let health = Request::get(format!("{stage}/healthz")).body(Body::empty()).expect("a request");
        assert_eq!(desk.ask(health).await.0, StatusCode::OK, "{stage}");
        // An agent signs the path without its stage, whatever stands before it on the way.
        let body = bytes(&batch("e1", 1 + stage.len() as u64));
        let header = signature(&desk.secret, "POST", "/v1/batches", "", NOW, &body);
        let request = Request::post(format!("{stage}/v1/batches")).header("picket-signature", header);
        let (status, reply) = desk.ask(request.body(Body::from(body)).expect("a request")).await;
        assert_eq!((status, reply["ack"].as_str()), (StatusCode::OK, Some("counted")), "{stage}");
    }
    // A role is asked for behind a stage, too.
    let flag = json!({ "client": "198.51.100.7", "seconds": 60, "why": "x" });
    let asked = desk.admin(&observer, "POST", "/prod/v1/admin/flags", &flag).await.0;
    assert_eq!(asked, StatusCode::FORBIDDEN);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_holds_no_connection_for_ever() {
    let desk = desk().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(serve(listener, desk.router.clone(), async move { drop(stopped.await) }));
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let head =
        b"POST /v1/batches HTTP/1.1\r\nhost: a\r\npicket-signature: x\r\ncontent-length: 100\r\n\r\nhalf";
    stream.write_all(head).await.expect("sent");
    // Nothing else is to be done, so time passes at once.
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer, and the end");
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
    drop(stop);
    served.await.expect("no panic").expect("a clean end");
}

#[tokio::test]
async fn a_cursor_of_ones_own_making_leads_nowhere() {
    let desk = desk().await;
    let observer = desk.token(Role::Observer).await;
    let ask = async |query: &str| {
        let path = format!("/v1/admin/events?from={}&to={}&{query}", NOW - 60, NOW);
        desk.admin(&observer, "GET", &path, &Value::Null).await
    };
    // Each of these is a day behind all days, or before them.
    for cursor in
        ["99999999999999999999", "99999999999999999", "000000000000000000000099999999999999999", "0"]
    {
        let (status, page) = ask(&format!("cursor={cursor}")).await;
        assert!(
            status == StatusCode::BAD_REQUEST || page["events"] == json!([]),
            "{cursor}: {status} {page}"
        );
    }
    for span in ["from=0&to=18446744073709551615", "from=18446744073709551000&to=18446744073709551615"] {
        for what in ["events", "signals"] {
            let path = format!("/v1/admin/{what}?{span}");
            let (status, answer) = desk.admin(&observer, "GET", &path, &Value::Null).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{path}: {answer}");
        }
    }
}

#[tokio::test]
async fn events_and_signals_are_shown() {
    let desk = desk().await;
    let observer = desk.token(Role::Observer).await;
    let mut one = batch("e1", 1);
    one.counts = vec![attacks("198.51.100.7", NOW - 60, 2), attacks("198.51.100.7", NOW, 3)];
    desk.signed(None, bytes(&one)).await;
    let (status, shown) = desk.admin(&observer, "GET", "/v1/admin/signals?step=60", &Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    let minute = NOW - NOW % 60;
    assert_eq!(shown["series"]["SQLI"][(minute - 60).to_string()], 2, "{shown}");
    assert_eq!(shown["series"]["SQLI"][minute.to_string()], 3);
    let long = format!("/v1/admin/signals?from={}&to={NOW}", NOW - 8 * 86_400);
    assert_eq!(desk.admin(&observer, "GET", &long, &Value::Null).await.0, StatusCode::BAD_REQUEST);
    let odd = "/v1/admin/events?cursor=x";
    assert_eq!(desk.admin(&observer, "GET", odd, &Value::Null).await.0, StatusCode::BAD_REQUEST);
    let (status, fleet) = desk.admin(&observer, "GET", "/v1/admin/fleet", &Value::Null).await;
    assert_eq!((status, fleet["functions"][0]["function"].as_str()), (StatusCode::OK, Some("shop")));
}
