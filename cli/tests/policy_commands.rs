//! The commands that work with policies, through the built program.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};

fn picket(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_picket")).args(arguments).output().expect("it runs")
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn complained(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder for one test, which is new.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("policy-{name}"));
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn at(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

fn beside(name: &str) -> String {
    at(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"), name)
}

const SQL: &str = "1%27%20UNION%20SELECT%20name%2Cpassword%20FROM%20users--%20";

fn event(path: &str, query: &str) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query,
        "headers": {"host": "shop.example.com", "user-agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"},
        "requestContext": {
            "accountId": "123456789012", "apiId": "a1b2c3d4e5", "stage": "$default", "routeKey": "$default",
            "domainName": "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com", "requestId": "x",
            "http": {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "198.51.100.7"},
        },
        "isBase64Encoded": false,
    })
}

#[test]
fn a_broken_policy_ends_in_failure_and_a_whole_one_does_not() {
    let broken = picket(&["policy", "check", &beside("broken/unknown-key.yaml")]);
    assert!(!broken.status.success());
    let text = complained(&broken);
    assert!(text.contains("unknown key `rule`") && text.contains("did you mean `rules`?"), "{text}");
    assert!(text.contains("unknown-key.yaml:4:1") && text.contains("1 error"), "{text}");
    let whole = picket(&["policy", "check", &beside("replay/new.yaml")]);
    assert!(whole.status.success(), "{}", complained(&whole));
    // A warning fails only where that was asked for.
    let doubtful = beside("doubtful/over-wide-exclusion.yaml");
    assert!(picket(&["policy", "check", &doubtful]).status.success());
    assert!(!picket(&["policy", "check", "--strict", &doubtful]).status.success());
}

#[test]
fn messages_are_there_for_programs() {
    let output = picket(&["policy", "check", "--json", &beside("broken/misspelled-signal.yaml")]);
    let message: Value = serde_json::from_str(printed(&output).lines().next().unwrap()).unwrap();
    assert_eq!((message["line"].as_u64(), message["column"].as_u64()), (Some(5), Some(15)));
    assert_eq!(message["severity"], "error");
    assert_eq!(message["help"][0], "did you mean `SQLI`?");
}

#[test]
fn a_case_that_does_not_hold_is_shown_where_it_stands() {
    let folder = folder("case");
    let text = "picket: 1\nname: shop\nversion: 1\nmode: block\nrules:\n  - { id: admin, when: { field: path, like: /admin/* }, then: block }\ntests:\n  - name: this is wrong\n    request: { path: /admin/x }\n    expect: { verdict: allow, shouldNotMatch: admin }\n";
    fs::write(folder.join("p.yaml"), text).unwrap();
    let output = picket(&["policy", "check", &at(&folder, "p.yaml")]);
    assert!(!output.status.success());
    let text = complained(&output);
    for said in [
        "the case `this is wrong` fails",
        "p.yaml:8:11",
        "expected the verdict `allow`, got `block`",
        "`admin` should not match and does",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(printed(&output).contains("0 of 1 cases hold"));
}

#[test]
fn what_is_built_is_the_same_each_time_and_decides_as_the_file_does() {
    let folder = folder("build");
    let (one, two) = (at(&folder, "one.policy"), at(&folder, "two.policy"));
    for output in [&one, &two] {
        let built = picket(&["policy", "build", &beside("replay/new.yaml"), "-o", output]);
        assert!(built.status.success(), "{}", complained(&built));
    }
    assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap());
    fs::write(folder.join("admin.json"), event("/admin/x", "").to_string()).unwrap();
    for policy in [&one, &beside("replay/new.yaml")] {
        let output = picket(&["inspect", "--json", "--policy", policy, &at(&folder, "admin.json")]);
        let report: Value = serde_json::from_str(&printed(&output)).unwrap();
        assert_eq!(report["policy"]["verdict"], "block", "{policy}");
        assert_eq!(report["policy"]["rule"], "no-admin");
    }
}

#[test]
fn replay_groups_what_differs_by_rule_and_parameter() {
    let folder = folder("replay");
    for (name, event) in [
        ("1.json", event("/reports", &format!("q={SQL}"))),
        ("2.json", event("/admin/a", "")),
        ("3.json", event("/admin/b", "")),
        ("4.json", event("/items", "id=2")),
        ("5.json", event("/items", &format!("id={SQL}"))),
    ] {
        fs::write(folder.join(name), event.to_string()).unwrap();
    }
    let (old, new) = (beside("replay/old.yaml"), beside("replay/new.yaml"));
    let events = folder.to_str().unwrap();
    let output = picket(&["replay", "--events", events, "--policy", &old, "--against", &new, "--json"]);
    assert!(output.status.success(), "{}", complained(&output));
    let report: Value = serde_json::from_str(&printed(&output)).unwrap();
    assert_eq!((report["events"].as_u64(), report["differ"].as_u64()), (Some(5), Some(3)));
    assert_eq!(
        report["verdicts"],
        json!({"allow > allow": 1, "allow > block": 2, "block > allow": 1, "block > block": 1})
    );
    let (rule, finding) = (&report["groups"][0], &report["groups"][1]);
    assert_eq!((rule["count"].as_u64(), rule["to"]["rule"].as_str()), (Some(2), Some("no-admin")));
    assert_eq!(rule["examples"].as_array().unwrap().len(), 2);
    assert_eq!(
        (finding["from"]["signal"].as_str(), finding["from"]["parameter"].as_str()),
        (Some("SQLI"), Some("query.q"))
    );
    // The same from a log with one event a line, among lines that hold none; differences fail where that was asked for.
    let mut log = String::from("not JSON\n");
    let line = |path: &str| {
        json!({"verdict": "block", "method": "GET", "path": path, "eventSource": "http-v2", "client": "198.51.100.7",
               "signals": [{"id": "SQLI", "tier": "certain", "location": "query.q"}]})
    };
    log.push_str(&format!("{}\n{}\n", line("/reports"), line("/items")));
    log.push_str(&format!("{}\n", event("/admin/a", "")));
    log.push_str(&format!(
        "{}\n",
        json!({"time": 1_800_000_000, "function": "shop", "event": event("/items", "")})
    ));
    fs::write(folder.join("log.ndjson"), log).unwrap();
    let log = at(&folder, "log.ndjson");
    let output = picket(&["replay", "--events", &log, "--policy", &old, "--against", &new, "--exit-code"]);
    assert!(!output.status.success());
    let text = printed(&output);
    assert!(text.contains("4 events, 2 verdicts differ"), "{text}");
    assert!(text.contains("2 of them are verdict lines"), "{text}");
    assert!(text.contains("1 files or lines hold no event"), "{text}");
    assert!(text.contains("block > allow: 1 (SQLI at query.q > clean)"), "{text}");
    assert!(text.contains("allow > block: 1 (clean > rule no-admin)"), "{text}");
}

#[test]
fn the_exclusion_that_inspect_offers_lets_the_request_pass_and_no_other() {
    let folder = folder("exclusion");
    fs::write(folder.join("e.json"), event("/search", &format!("q={SQL}")).to_string()).unwrap();
    fs::write(folder.join("other.json"), event("/search", &format!("id={SQL}")).to_string()).unwrap();
    let inspect =
        |policy: &str, event: &str| printed(&picket(&["inspect", "--policy", policy, &at(&folder, event)]));
    let text = inspect(&beside("replay/old.yaml"), "e.json");
    for said in ["SQLI (certain) at query.q", "block (finding)", "would be allowed by: the exclusion below"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let (_, exclusion) = text.split_once("exclusions:\n").unwrap_or_else(|| panic!("{text}"));
    let policy = fs::read_to_string(beside("replay/old.yaml")).unwrap() + "exclusions:\n" + exclusion;
    fs::write(folder.join("p.yaml"), policy).unwrap();
    let policy = at(&folder, "p.yaml");
    assert!(inspect(&policy, "e.json").contains(": allow (clean)"));
    assert!(inspect(&policy, "other.json").contains(": block (finding)"));
}

#[test]
fn replay_judges_rules_on_answers_where_the_answer_was_recorded() {
    let folder = folder("answers");
    let policy = |name: &str, rules: &str| {
        let text = format!("picket: 1\nname: {name}\nversion: 1\nmode: block\n{rules}");
        fs::write(folder.join(format!("{name}.yaml")), text).unwrap();
        at(&folder, &format!("{name}.yaml"))
    };
    let old = policy("old", "");
    let rule = "rules:\n  - id: no-traces\n    when: { field: status, equals: 500 }\n    then: [{ block: { status: 502 } }]\n";
    let new = policy("new", rule);
    let mut log = String::new();
    for answer in [
        json!({"statusCode": 500, "headers": {"X-A": 1}, "body": "trace"}),
        json!({"statusCode": 200}),
        Value::Null,
    ] {
        log.push_str(&format!("{}\n", json!({"event": event("/items", ""), "answer": answer})));
    }
    fs::write(folder.join("log.ndjson"), log).unwrap();
    let events = at(&folder, "log.ndjson");
    let output = picket(&["replay", "--events", &events, "--policy", &old, "--against", &new, "--json"]);
    assert!(output.status.success(), "{}", complained(&output));
    let report: Value = serde_json::from_str(&printed(&output)).unwrap();
    assert_eq!(report["verdicts"], json!({"allow > allow": 2, "allow > block": 1}), "{report}");
    assert_eq!(report["groups"][0]["to"]["rule"], "no-traces");
}

#[test]
fn a_signed_bundle_carries_the_policy_and_a_key_is_never_overwritten() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use picket_cloud_protocol::Bundle;
    use ring::signature::{ED25519, UnparsedPublicKey};
    use sha2::{Digest, Sha256};

    let folder = folder("bundle");
    let (key, output) = (at(&folder, "key"), at(&folder, "bundle.json"));
    let made = picket(&["policy", "keygen", "-o", &key]);
    assert!(made.status.success(), "{}", complained(&made));
    let public = URL_SAFE_NO_PAD.decode(printed(&made).trim()).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&key).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let before = fs::read(&key).unwrap();
    assert!(!picket(&["policy", "keygen", "-o", &key]).status.success());
    assert_eq!(fs::read(&key).unwrap(), before);
    let signed = picket(&[
        "policy",
        "sign",
        &beside("replay/new.yaml"),
        "--key",
        &key,
        "--site",
        "shop",
        "--function",
        "shop-*",
        "-o",
        &output,
    ]);
    assert!(signed.status.success(), "{}", complained(&signed));
    let bundle: Bundle = serde_json::from_slice(&fs::read(&output).unwrap()).unwrap();
    assert_eq!((bundle.site.as_str(), bundle.version), ("shop", 2));
    assert!(bundle.is_for("shop-api") && !bundle.is_for("other"));
    assert!(bundle.not_before < bundle.expires);
    let digest: [u8; 32] = Sha256::digest(bundle.policy.as_bytes()).into();
    let signature = URL_SAFE_NO_PAD.decode(&bundle.sig).unwrap();
    let verified =
        |text: &str| UnparsedPublicKey::new(&ED25519, &public).verify(text.as_bytes(), &signature).is_ok();
    assert!(verified(&bundle.signing_text(&digest)));
    assert!(!verified(&Bundle { version: 3, ..bundle.clone() }.signing_text(&digest)));
}

#[test]
fn a_kill_switch_is_signed_for_as_long_as_its_owner_says() {
    use picket_cloud_protocol::Bundle;

    let folder = folder("kill");
    let (key, output, file) = (at(&folder, "key"), at(&folder, "bundle.json"), at(&folder, "kill.yaml"));
    assert!(picket(&["policy", "keygen", "-o", &key]).status.success());
    fs::write(&file, "picket: 1\nname: shop\nversion: 3\nkillSwitch: true\n").unwrap();
    let sign = |more: &[&str]| {
        picket(&[&["policy", "sign", &file, "--key", &key, "--site", "shop", "-o", &output], more].concat())
    };
    let signed = sign(&["--for", "2h"]);
    assert!(signed.status.success(), "{}", complained(&signed));
    let bundle: Bundle = serde_json::from_slice(&fs::read(&output).unwrap()).unwrap();
    assert_eq!(bundle.expires - bundle.not_before, 7_200);
    assert!(bundle.policy.contains("\"killSwitch\":true"), "{}", bundle.policy);
    for (more, complaint) in [
        (["--for", "soon"].as_slice(), "a length of time such as"),
        (&["--for", "2h", "--expires", "2099-01-31"], "cannot be used with"),
        (&["--for", "0s"], "over already"),
    ] {
        let refused = sign(more);
        assert!(
            !refused.status.success() && complained(&refused).contains(complaint),
            "{}",
            complained(&refused)
        );
    }
}

#[test]
fn each_example_of_the_documentation_holds_and_nothing_in_it_is_doubtful() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/policy");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    assert!(files.len() >= 16, "{files:?}");
    for file in files {
        let output = picket(&["policy", "check", "--strict", "--json", file.to_str().unwrap()]);
        let printed = printed(&output);
        assert!(output.status.success(), "{}: {printed}{}", file.display(), complained(&output));
        let held = printed.lines().filter(|line| line.contains("\"holds\":true")).count();
        assert!(held >= 2, "{}: once matching and once not", file.display());
    }
}
