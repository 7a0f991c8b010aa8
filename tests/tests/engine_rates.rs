//! A policy's rate limit that all environments count together: built agents, built engine, and a policy that its owner signed.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::{thread, time::Duration};

use picket_policy::compile::{compile, no_files};
use picket_tests::{
    agent::Agent,
    bundle::{Bundle, sign},
    cloud::Cloud,
    double::{Double, Event, RawClient},
    engine::{Engine, Kept},
};
use serde_json::{Value, json};

/// What one environment may let through in a minute, and all of them together.
const LIMIT: u32 = 6;

struct Environment {
    double: Double,
    agent: Agent,
    runtime: RawClient,
}

impl Environment {
    fn start(settings: &[(String, String)]) -> Self {
        let double = Double::start();
        let settings: Vec<_> = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let agent = Agent::start(&double, &settings);
        let runtime = agent.connect();
        Self { double, agent, runtime }
    }

    /// Asks for a path with a key; the status where the handler was not asked, and when to come again.
    fn ask(&mut self, path: &str, key: &str) -> Option<(u64, String)> {
        let event = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
            "headers": {"host": "shop.example", "user-agent": "Mozilla/5.0 (X11; Linux x86_64)", "x-api-key": key},
            "requestContext": {
                "http": {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "198.51.100.7", "userAgent": "x"},
                "requestId": "7d3b9d5e-6f6c-4a53-9d0f-0e1f2a3b4c5d", "stage": "$default",
            },
            "isBase64Encoded": false,
        });
        let event = event.to_string().into_bytes();
        let id = self.double.queue(Event::new(event.clone()));
        self.double.queue(Event::new(b"{\"sentinel\":true}".to_vec()));
        let seen = self.runtime.next_event().expect("an event");
        self.runtime.respond(&seen, b"{\"statusCode\":200}").expect("an answer");
        if seen.body == event {
            let sentinel = self.runtime.next_event().expect("the sentinel");
            self.runtime.respond(&sentinel, b"{}").expect("an answer");
            return None;
        }
        let answer: Value = serde_json::from_slice(&self.double.outcome(&id).message.body).expect("JSON");
        let after = answer["headers"]["retry-after"].as_str().unwrap_or_default().to_owned();
        Some((answer["statusCode"].as_u64().expect("a status"), after))
    }
}

#[expect(clippy::disallowed_methods, reason = "a test waits; no event passes through this thread")]
fn pause(ms: u64) {
    thread::sleep(Duration::from_millis(ms));
}

/// A policy with a limit by an API key, signed by the owner of the engine's site.
fn signed(engine: &Engine) -> Value {
    let document = json!({
        "picket": 1, "name": "shop", "version": 1, "mode": "block",
        "rateLimits": [{
            "id": "api", "when": {"field": "path", "like": "/api/*"}, "limit": LIMIT, "window": "1m", "for": "10m",
            "key": [{"header": "x-api-key"}], "then": ["block"],
        }],
    });
    let canonical =
        compile(&serde_json::from_value(document).expect("a document"), &no_files).expect("a policy");
    let seed = engine.policy_seed.as_slice().try_into().expect("the first start printed it");
    let bundle = Bundle { site: "main".to_owned(), seed, ..Bundle::version(1) };
    sign(&bundle, std::str::from_utf8(&canonical.write()).expect("text"))
}

#[test]
fn a_key_that_spreads_over_environments_is_limited_in_all_of_them() {
    let folder = std::env::temp_dir().join(format!("picket-rates-{}", std::process::id()));
    let engine = Engine::first(Kept::Folder(folder.clone())).expect("an engine");
    engine.tell("POST", "/v1/admin/policies", &signed(&engine)).expect("the policy is taken");
    let cloud = Cloud::start();
    cloud.keep_secret(serde_json::to_string(&engine.secret).expect("JSON"));
    // Reports are due each second, since nothing here is an attack.
    let settings = cloud.settings(&[
        ("PICKET_SITE", "main"),
        ("PICKET_REPORT_INTERVAL_S", "1"),
        ("PICKET_HOLD_MS", "2000"),
    ]);
    let mut environments: Vec<Environment> = (0..3).map(|_| Environment::start(&settings)).collect();
    for environment in &mut environments {
        environment.ask("/", "none");
        environment.agent.line_with("a signed policy was taken");
    }
    // Far fewer than the limit on each, and more on all together.
    let spread = "k3Qz8Tn1Vw5Xp7Yb";
    for environment in &mut environments {
        for _ in 0..LIMIT / 2 {
            assert_eq!(environment.ask("/api/items", spread), None, "no environment alone is over it");
        }
    }
    let mut limited = [false; 3];
    // So few that no environment's own count reaches the limit: who is limited is so by what all counted.
    let mut asked = [LIMIT / 2; 3];
    for _ in 0..120 {
        // Traffic that does not count lets reports go out.
        for ((environment, limited), asked) in environments.iter_mut().zip(&mut limited).zip(&mut asked) {
            assert_eq!(environment.ask("/", "none"), None);
            if !*limited && *asked < LIMIT && engine_knows(&engine) {
                *asked += 1;
                *limited = environment.ask("/api/items", spread).is_some_and(|(status, after)| {
                    assert_eq!(status, 429);
                    assert!(
                        after.parse::<u32>().is_ok_and(|left| left > 60),
                        "as long as the engine says: {after}"
                    );
                    true
                });
            }
        }
        if limited == [true; 3] {
            break;
        }
        // Long enough for a report and its answer, which brings the flag.
        pause(1_200);
    }
    assert_eq!(limited, [true; 3], "flags: {:?}", engine.admin("/v1/admin/flags"));
    // Another key is not, and the key itself left nowhere.
    for environment in &mut environments {
        assert_eq!(environment.ask("/api/items", "another"), None);
    }
    let flags = engine.admin("/v1/admin/flags").expect("flags").to_string();
    assert!(flags.contains("rate:api:") && !flags.contains(spread), "{flags}");
    for environment in environments {
        assert!(!environment.agent.written().iter().any(|line| line.contains(spread)), "never written");
    }
    drop(engine);
    std::fs::remove_dir_all(folder).expect("the folder is ours");
}

fn engine_knows(engine: &Engine) -> bool {
    let shown = engine.admin("/v1/admin/flags").unwrap_or_else(|error| panic!("{error}"));
    shown["flags"].as_array().is_some_and(|flags| !flags.is_empty())
}
