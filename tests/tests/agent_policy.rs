//! Policies through the built agent: each capability of rules and actions, once where it applies and once where it does
//! not. The policy is compiled here as `picket policy build` compiles it, and handed over by `PICKET_POLICY`.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use picket_policy::compile::{compile, no_files};
use picket_tests::{
    agent::Agent,
    double::{Double, Event, RawClient},
};
use serde_json::{Value, json};

const SQLI: &str = "q=1'%20UNION%20SELECT%20name,password%20FROM%20users--%20";

/// A request of a Function URL.
#[derive(Clone)]
struct Ask {
    method: &'static str,
    path: String,
    query: String,
    headers: Vec<(&'static str, String)>,
    body: Option<String>,
    client: &'static str,
}

fn get(path: &str, query: &str) -> Ask {
    Ask {
        method: "GET",
        path: path.to_owned(),
        query: query.to_owned(),
        headers: vec![("user-agent", "Mozilla/5.0 (X11; Linux x86_64)".to_owned())],
        body: None,
        client: "198.51.100.7",
    }
}

impl Ask {
    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn from(self, client: &'static str) -> Self {
        Self { client, ..self }
    }

    fn json(self, body: &Value) -> Self {
        let ask = Self { method: "POST", body: Some(body.to_string()), ..self };
        ask.header("content-type", "application/json")
    }

    fn event(&self) -> Vec<u8> {
        let mut headers: serde_json::Map<String, Value> =
            self.headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        headers.insert("host".to_owned(), json!("abc.lambda-url.eu-central-1.on.aws"));
        let mut event = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": self.path,
            "rawQueryString": self.query,
            "headers": headers,
            "requestContext": {
                "accountId": "anonymous",
                "domainName": "abc.lambda-url.eu-central-1.on.aws",
                "http": {"method": self.method, "path": self.path, "protocol": "HTTP/1.1", "sourceIp": self.client,
                         "userAgent": "Mozilla/5.0 (X11; Linux x86_64)"},
                "requestId": "7d3b9d5e-6f6c-4a53-9d0f-0e1f2a3b4c5d",
                "stage": "$default",
            },
            "isBase64Encoded": false,
        });
        if let Some(body) = &self.body {
            event["body"] = json!(body);
        }
        event.to_string().into_bytes()
    }
}

/// An agent under a policy, and the runtime behind it.
struct Trial {
    double: Double,
    agent: Agent,
    runtime: RawClient,
}

/// What became of a request: its id, and the answer where the handler never saw it.
struct Fate {
    id: String,
    answer: Option<Value>,
}

impl Fate {
    fn status(&self) -> Option<u64> {
        self.answer.as_ref().and_then(|answer| answer["statusCode"].as_u64())
    }
}

fn write(sections: &Value) -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let mut document = json!({"picket": 1, "name": "shop", "version": 7, "mode": "block"});
    for (key, value) in sections.as_object().expect("sections") {
        document[key] = value.clone();
    }
    let document = serde_json::from_value(document).expect("a document");
    let canonical = compile(&document, &no_files).unwrap_or_else(|problems| panic!("{problems:?}"));
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("agent-policy");
    fs::create_dir_all(&folder).expect("a folder for the test");
    let file = folder.join(format!("{number}.policy"));
    fs::write(&file, canonical.write()).expect("a temporary file");
    file
}

impl Trial {
    fn new(sections: &Value) -> Self {
        Self::with(sections, &[])
    }

    fn with(sections: &Value, settings: &[(&str, &str)]) -> Self {
        let file = write(sections);
        let mut all = vec![("PICKET_POLICY", file.to_str().expect("a path"))];
        all.extend_from_slice(settings);
        let double = Double::start();
        let agent = Agent::start(&double, &all);
        let runtime = agent.connect();
        Self { double, agent, runtime }
    }

    /// Sends a request, and another one behind it by which it is seen whether the first one came through.
    fn send(&mut self, ask: &Ask) -> Fate {
        let event = ask.event();
        let id = self.double.queue(Event::new(event.clone()));
        self.double.queue(Event::new(b"{\"sentinel\":true}".to_vec()));
        let seen = self.runtime.next_event().expect("an event");
        let passed = seen.body == event;
        assert!(passed || seen.body.starts_with(b"{\"sentinel\""), "the event came as it was");
        self.runtime.respond(&seen, b"{\"statusCode\":200}").expect("an answer");
        if passed {
            let sentinel = self.runtime.next_event().expect("the sentinel");
            self.runtime.respond(&sentinel, b"{}").expect("an answer");
            return Fate { id, answer: None };
        }
        let answer = serde_json::from_slice(&self.double.outcome(&id).message.body).expect("JSON");
        Fate { id, answer: Some(answer) }
    }

    fn line(&self, fate: &Fate) -> Value {
        self.agent.verdict_of(&fate.id)
    }
}

#[test]
fn a_rule_with_nested_conditions_blocks_with_its_own_answer() {
    let mut trial = Trial::new(&json!({"rules": [{
        "id": "admin-from-office",
        "when": {"all": [
            {"field": "path", "like": "/admin/*"},
            {"none": [{"field": "client", "inList": "office"}, {"field": "header", "name": "x-internal", "equals": "yes"}]},
        ]},
        "then": [{"block": {"status": 403, "body": "no: {requestId}", "headers": {"x-why": "admin"}}}, {"signal": "site.AdminProbe"}],
    }], "lists": {"office": {"kind": "cidr", "items": ["192.0.2.0/24"]}}}));
    let blocked = trial.send(&get("/admin/x", ""));
    let answer = blocked.answer.as_ref().expect("it is blocked");
    assert_eq!(
        (answer["statusCode"].as_u64(), answer["headers"]["x-why"].as_str()),
        (Some(403), Some("admin"))
    );
    assert_eq!(answer["body"], json!(format!("no: {}", blocked.id)));
    let line = trial.line(&blocked);
    assert_eq!((line["reason"].as_str(), line["ruleId"].as_str()), (Some("rule"), Some("admin-from-office")));
    assert_eq!(line["ruleSignals"], json!([{"id": "site.AdminProbe", "ruleId": "admin-from-office"}]));
    for passes in [
        get("/admin/x", "").from("192.0.2.9"),
        get("/admin/x", "").header("x-internal", "yes"),
        get("/shop", ""),
    ] {
        assert_eq!(trial.send(&passes).status(), None);
    }
    assert_eq!(
        trial.send(&get("//shop/../%61dmin/x", "")).status(),
        Some(403),
        "in other words the same path"
    );
}

#[test]
fn lists_of_addresses_texts_wildcards_and_signals_are_looked_up() {
    let rule = |id: &str, field: &str, list: &str, status: u16| json!({"id": id, "when": {"field": field, "inList": list}, "then": [{"block": {"status": status}}]});
    let mut trial = Trial::new(&json!({
        "blockOn": "flagged",
        "lists": {
            "bad": {"kind": "cidr", "items": ["203.0.113.0/24", "2001:db8::/32"]},
            "gone": {"kind": "string", "items": ["/old", "/older"]},
            "php": {"kind": "wildcard", "items": ["*.php"]},
            "attacks": {"kind": "signal", "items": ["SQLI"]},
        },
        "rules": [rule("a", "client", "bad", 401), rule("g", "path", "gone", 410), rule("p", "path", "php", 404), rule("s", "signal", "attacks", 418)],
    }));
    assert_eq!(trial.send(&get("/", "").from("203.0.113.200")).status(), Some(401));
    assert_eq!(trial.send(&get("/", "").from("2001:db8::77")).status(), Some(401));
    assert_eq!(trial.send(&get("/older", "")).status(), Some(410));
    assert_eq!(trial.send(&get("/a/b.php", "")).status(), Some(404));
    assert_eq!(trial.send(&get("/", SQLI)).status(), Some(418));
    assert_eq!(trial.send(&get("/oldest", "")).status(), None);
}

#[test]
fn a_known_actor_is_allowed_and_anybody_else_is_not() {
    let mut trial = Trial::new(&json!({
        "lists": {"pentest": {"kind": "cidr", "items": ["192.0.2.66"]}},
        "rules": [
            {"id": "everybody", "when": {"field": "path", "equals": "/closed"}, "then": ["block"]},
            {"id": "known", "when": {"field": "client", "inList": "pentest"}, "then": ["allow", {"signal": "site.Pentest"}]},
        ],
    }));
    let known = trial.send(&get("/closed", SQLI).from("192.0.2.66"));
    assert_eq!(known.status(), None);
    let line = trial.line(&known);
    assert_eq!((line["verdict"].as_str(), line["ruleId"].as_str()), (Some("allow"), Some("known")));
    assert_eq!(trial.send(&get("/", SQLI)).status(), Some(406));
}

#[test]
fn an_exclusion_is_as_narrow_as_it_says() {
    let mut trial = Trial::new(&json!({
        "exclusions": [{"signal": "SQLI", "at": "query.q", "path": "/search*", "expires": "2199-01-01", "why": "a search for SQL"}],
    }));
    assert_eq!(trial.send(&get("/search", SQLI)).status(), None);
    assert_eq!(trial.send(&get("/other", SQLI)).status(), Some(406));
    assert_eq!(trial.send(&get("/search", &SQLI.replace("q=", "r="))).status(), Some(406));
}

#[test]
fn values_of_bodies_are_compared_by_name() {
    let mut trial = Trial::new(&json!({"rules": [{
        "id": "no-admins", "when": {"field": "json", "name": "user.role", "matches": "^(admin|root)$"}, "then": [{"block": {"status": 422}}],
    }]}));
    assert_eq!(trial.send(&get("/", "").json(&json!({"user": {"role": "root"}}))).status(), Some(422));
    assert_eq!(
        trial.send(&get("/", "").json(&json!({"user": {"role": "guest"}, "role": "root"}))).status(),
        None
    );
}

#[test]
fn a_redirect_leads_where_it_says() {
    let mut trial = Trial::new(&json!({"rules": [{
        "id": "moved", "when": {"field": "path", "equals": "/a"}, "then": [{"block": {"status": 302, "location": "https://example.com/b"}}],
    }]}));
    let moved = trial.send(&get("/a", ""));
    assert_eq!(moved.status(), Some(302));
    assert_eq!(moved.answer.expect("it is answered")["headers"]["location"], "https://example.com/b");
    assert_eq!(trial.send(&get("/b", "")).status(), None);
}

#[test]
fn a_dry_run_and_mode_log_say_what_they_would_have_done() {
    let rule = |dry: bool| json!([{"id": "r", "when": {"field": "path", "equals": "/a"}, "then": ["block"], "dryRun": dry}]);
    let mut dry = Trial::new(&json!({"rules": rule(true)}));
    let fate = dry.send(&get("/a", ""));
    assert_eq!(fate.status(), None);
    assert_eq!(dry.line(&fate)["dryRun"], json!([{"ruleId": "r", "action": "block"}]));
    let mut logged = Trial::new(&json!({"mode": "log", "rules": rule(false)}));
    let fate = logged.send(&get("/a", ""));
    assert_eq!(fate.status(), None);
    assert_eq!(logged.line(&fate)["verdict"], "would_block");
    let mut real = Trial::new(&json!({"rules": rule(false)}));
    assert_eq!(real.send(&get("/a", "")).status(), Some(406));
}

#[test]
fn a_ramp_of_nothing_blocks_nothing_and_says_so() {
    let rules = json!([{"id": "r", "then": ["block"]}]);
    let mut none = Trial::new(&json!({"ramp": 0, "rules": rules}));
    let fate = none.send(&get("/", ""));
    assert_eq!(fate.status(), None);
    let line = none.line(&fate);
    assert_eq!((line["verdict"].as_str(), line["outsideRamp"].as_bool()), (Some("would_block"), Some(true)));
    let mut all = Trial::new(&json!({"ramp": 100, "rules": rules}));
    assert_eq!(all.send(&get("/", "")).status(), Some(406));
}

#[test]
fn a_rate_limit_answers_429_with_the_time_to_wait() {
    let mut trial = Trial::new(&json!({"rateLimits": [{
        "id": "login", "when": {"field": "path", "equals": "/login"}, "limit": 3, "window": "1m", "key": ["client", {"header": "x-api-key"}],
        "then": ["block"], "for": "10m",
    }]}));
    let login = get("/login", "").header("x-api-key", "k3Qz8Tn1Vw5Xp7Yb");
    for _ in 0..3 {
        assert_eq!(trial.send(&login).status(), None);
    }
    let limited = trial.send(&login);
    let answer = limited.answer.as_ref().expect("it is limited");
    assert_eq!(
        (answer["statusCode"].as_u64(), answer["headers"]["retry-after"].as_str()),
        (Some(429), Some("600"))
    );
    let line = trial.line(&limited);
    assert_eq!((line["reason"].as_str(), line["ruleId"].as_str()), (Some("rate-limit"), Some("login")));
    assert_eq!(trial.send(&get("/login", "").header("x-api-key", "another")).status(), None);
    assert_eq!(trial.send(&login.clone().from("203.0.113.1")).status(), None);
    assert!(
        !trial.agent.written().iter().any(|line| line.contains("k3Qz8Tn1Vw5Xp7Yb")),
        "the key is never written"
    );
}

#[test]
fn the_client_is_read_by_the_policys_rule() {
    let mut trial = Trial::new(&json!({
        "client": {"header": "true-client-ip", "trusted": ["198.51.100.0/24"]},
        "rules": [{"id": "r", "when": {"field": "client", "inCidr": "203.0.113.9"}, "then": ["block"]}],
    }));
    let through = get("/", "").header("true-client-ip", "203.0.113.9");
    assert_eq!(trial.send(&through).status(), Some(406));
    assert_eq!(trial.send(&through.clone().from("192.0.2.1")).status(), None, "anybody can write a header");
}

#[test]
fn overrides_concern_their_paths_and_picket_mode_concerns_all() {
    let sections = json!({
        "rules": [{"id": "r", "then": ["block"]}],
        "overrides": [{"paths": ["/hooks/*"], "mode": "log"}, {"paths": ["/health"], "mode": "off"}],
    });
    let mut trial = Trial::new(&sections);
    assert_eq!(trial.send(&get("/", "")).status(), Some(406));
    assert_eq!(trial.send(&get("/health", SQLI)).status(), None);
    let logged = trial.send(&get("/hooks/a", ""));
    assert_eq!((logged.status(), trial.line(&logged)["mode"].as_str()), (None, Some("log")));
    let mut off = Trial::with(&sections, &[("PICKET_MODE", "off")]);
    assert_eq!(off.send(&get("/", "")).status(), None);
    let floored = json!({"mode": "off", "floor": {"mode": "block", "rules": [{"id": "f", "when": {"field": "path", "like": "/internal*"}, "then": ["block"]}]}});
    let mut floored = Trial::with(&floored, &[("PICKET_MODE", "off")]);
    assert_eq!(floored.send(&get("/internal", "")).status(), Some(406));
    assert_eq!(floored.send(&get("/", "")).status(), None);
}

#[test]
fn the_log_names_the_policy_that_decides_and_why_another_does_not() {
    let mut trial = Trial::new(&json!({"name": "shop"}));
    assert_eq!(trial.send(&get("/", "")).status(), None);
    let line = trial.agent.line_with("protecting this function");
    assert!(line.contains("policyName=\"shop\"") && line.contains("policyVersion=7"), "{line}");
    let broken = write(&json!({}));
    fs::write(&broken, b"picket: 1\nname: shop\n").expect("a temporary file");
    let double = Double::start();
    let agent = Agent::start(
        &double,
        &[("PICKET_POLICY", broken.to_str().expect("a path")), ("PICKET_MODE", "block")],
    );
    let line = agent.line_with("a policy cannot be used");
    assert!(
        line.contains(broken.to_str().expect("a path")) && line.contains("not a canonical policy"),
        "{line}"
    );
    double.queue(Event::new(get("/", "").event()));
    agent.connect().next_event().expect("an event");
    assert!(agent.line_with("protecting this function").contains("policy=\"built-in\""));
}

#[test]
fn what_a_policy_redacts_is_never_written() {
    let marker = "k3Qz8Tn1Vw5Xp7Yb";
    let attack = format!("{marker}' UNION SELECT name,password FROM users-- ");
    let mut trial = Trial::new(&json!({"redactions": [{"parameter": "nickname"}]}));
    let fate = trial.send(&get("/", "").json(&json!({"nickname": attack})));
    assert_eq!(fate.status(), Some(406));
    assert_eq!(trial.line(&fate)["signals"][0]["excerpt"], "[redacted]");
    assert!(!trial.agent.written().iter().any(|line| line.contains(marker)));
}
