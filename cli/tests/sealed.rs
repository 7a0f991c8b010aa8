//! What leaves for one event, and how its owner opens what travels sealed: `explain-upload`, `seal-keygen` and `unseal` through the
//! built program.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use flate2::read::GzDecoder;
use serde_json::{Value, json};

fn picket(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_picket")).args(arguments).output().expect("it runs")
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A folder for one test, which is new.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sealed-{name}"));
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn kept(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// An attack behind a card's number in a parameter that may leave, others in one that the owner withholds and in a password.
fn event() -> String {
    let attack = "%27%20UNION%20SELECT%20name%2Cpassword%20FROM%20users--%20";
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/items",
        "rawQueryString": format!("q=4111111111111111{attack}&member=4711{attack}&password=hunter2{attack}"),
        "headers": {"host": "shop.example.com", "user-agent": "Mozilla/5.0", "authorization": "Bearer hunter3"},
        "requestContext": {
            "domainName": "shop.example.com", "requestId": "x", "stage": "$default",
            "http": {"method": "GET", "path": "/items", "sourceIp": "198.51.100.7"},
        },
        "isBase64Encoded": false,
    })
    .to_string()
}

/// The public and the private key.
fn pair() -> (String, String) {
    let told = printed(&picket(&["seal-keygen"]));
    let public = told.lines().find_map(|line| line.strip_prefix("PICKET_SEAL_KEY=")).expect("a public key");
    let private = told.lines().find(|line| line.starts_with("private key")).expect("a private key");
    (public.to_owned(), private.to_owned())
}

#[test]
fn what_explain_upload_prints_is_what_is_sent_and_holds_nothing_that_is_withheld() {
    let folder = folder("explains");
    let event = kept(&folder, "event.json", &event());
    let text = printed(&picket(&["explain-upload", "--redact", "member", &event]));
    let upload: Value = serde_json::from_str(&text).expect("JSON");
    let mut places: Vec<&str> = upload["events"][0]["signals"]
        .as_array()
        .expect("signals")
        .iter()
        .filter_map(|signal| signal["location"].as_str())
        .collect();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places, ["query.member", "query.password", "query.q"]);
    // By the names that the owner and we withhold, and by the pattern of a card's number.
    for withheld in ["4711", "hunter2", "hunter3", "4111111111111111"] {
        assert!(!text.contains(withheld), "{withheld} in {text}");
    }
    assert!(text.contains("UNION") && text.contains("198.51.100.7"), "{text}");

    let sent = picket(&["explain-upload", "--redact", "member", "--gzip", &event]);
    let mut inflated = String::new();
    GzDecoder::new(sent.stdout.as_slice()).read_to_string(&mut inflated).expect("gzip");
    let sent: Value = serde_json::from_str(&inflated).expect("JSON");
    for (part, name) in [("counts", "n"), ("events", "location")] {
        assert_eq!(
            sent[part].as_array().map(Vec::len),
            upload[part].as_array().map(Vec::len),
            "{part} {name}"
        );
    }

    let hashed = printed(&picket(&["explain-upload", "--hash-addresses", "pepper", &event]));
    assert!(!hashed.contains("198.51.100.7") && hashed.contains("hashed:"), "{hashed}");
}

#[test]
fn what_was_withheld_opens_with_the_private_key_and_with_no_other() {
    let folder = folder("opens");
    let ((public, private), (_, other)) = (pair(), pair());
    let event = kept(&folder, "event.json", &event());
    let arguments = ["explain-upload", "--redact", "member", "--seal-key", &public, "--site", "shop", &event];
    let text = printed(&picket(&arguments));
    assert!(!text.contains("4111111111111111"), "{text}");
    let upload: Value = serde_json::from_str(&text).expect("JSON");
    let events = kept(&folder, "events.jsonl", &upload["events"][0].to_string());
    let (key, wrong) = (kept(&folder, "key", &private), kept(&folder, "wrong", &other));

    let opened = printed(&picket(&["unseal", "--key", &key, "--site", "shop", &events]));
    assert!(opened.contains(r"query.q: 4111111111111111\' UNION SELECT"), "{opened}");
    assert!(
        !opened.contains("hunter") && !opened.contains("4711"),
        "what is withheld by name never travels: {opened}"
    );
    // Another key, another site: said, and nothing is shown.
    for (key, site) in [(&wrong, "shop"), (&key, "blog")] {
        let output = picket(&["unseal", "--key", key, "--site", site, &events]);
        let all = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&all).contains("4111111111111111"), "{site}");
    }
    // Where nothing is sealed, that is said.
    let plain = printed(&picket(&["explain-upload", "--redact", "member", &event]));
    let plain: Value = serde_json::from_str(&plain).expect("JSON");
    let plain = kept(&folder, "plain.jsonl", &plain["events"][0].to_string());
    assert!(!picket(&["unseal", "--key", &key, "--site", "shop", &plain]).status.success());
}
