//! Fifty environments of one function, each the built agent behind a double of its own, report to the built engine. One attacker spreads
//! over all of them with findings that are only *likely*, so that no single one sees more than a few a minute: the engine flags the
//! client, and every agent blocks it from then on, those that start only then included.
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use picket_tests::{
    agent::Agent,
    cloud::Cloud,
    double::{Double, Event, RawClient},
    engine::{Engine, Kept},
};
use serde_json::{Value, json};

const ENVIRONMENTS: usize = 50;
/// Environments that start when the client is flagged already.
const NEW: usize = 5;
const ATTACKER: &str = "198.51.100.23";
/// A video put into a page: *likely* an attack, and by itself never blocked.
const LIKELY: &str = "html=%3Ciframe%20width%3D560%20height%3D315%20src%3D%22https%3A%2F%2Fwww.example.com%2Fembed%2Fabc%22%20allowfullscreen%3E%3C%2Fiframe%3E";
/// Attacks that one environment may still let through before the test gives up.
const TRIES: usize = 60;

fn event(client: &str, query: &str) -> Vec<u8> {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/items", "rawQueryString": query,
        "headers": {"host": "abc.lambda-url.eu-central-1.on.aws", "user-agent": "Mozilla/5.0 (X11; Linux x86_64)"},
        "requestContext": {
            "accountId": "anonymous", "apiId": "abc",
            "domainName": "abc.lambda-url.eu-central-1.on.aws", "domainPrefix": "abc",
            "http": {"method": "GET", "path": "/items", "protocol": "HTTP/1.1", "sourceIp": client, "userAgent": "x"},
            "requestId": "7d3b9d5e-6f6c-4a53-9d0f-0e1f2a3b4c5d", "routeKey": "$default", "stage": "$default",
            "time": "22/Nov/2026:08:00:00 +0000", "timeEpoch": 1_795_334_400_000_u64,
        },
        "isBase64Encoded": false,
    })
    .to_string()
    .into_bytes()
}

/// One environment: the platform's double, the agent, and its runtime.
struct Environment {
    double: Double,
    // Held so that it lives as long as its environment.
    _agent: Agent,
    runtime: RawClient,
}

impl Environment {
    fn start(settings: &[(String, String)]) -> Self {
        let double = Double::start();
        let settings: Vec<_> = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let agent = Agent::start(&double, &settings);
        let runtime = agent.connect();
        Self { double, _agent: agent, runtime }
    }

    /// Sends one request, and a clean one behind it; says whether the first was blocked.
    fn is_blocked(&mut self, client: &str, query: &str) -> bool {
        let (first, clean) = (event(client, query), event("192.0.2.201", "q=behind"));
        let asked = self.double.queue(Event::new(first.clone()));
        self.double.queue(Event::new(clean.clone()));
        let answer = br#"{"statusCode":200,"body":"hello"}"#;
        let seen = self.runtime.next_event().expect("an event");
        let blocked = seen.body == clean;
        self.runtime.respond(&seen, answer).expect("an answer");
        if !blocked {
            assert_eq!(seen.body, first);
            let seen = self.runtime.next_event().expect("an event");
            assert_eq!(seen.body, clean, "clean requests always pass");
            self.runtime.respond(&seen, answer).expect("an answer");
        }
        let outcome = self.double.outcome(&asked).message.body;
        assert_eq!(outcome != answer, blocked, "{}", String::from_utf8_lossy(&outcome));
        blocked
    }
}

fn flags(engine: &Engine) -> Vec<Value> {
    let shown = engine.admin("/v1/admin/flags").expect("flags");
    shown["flags"].as_array().expect("a list").clone()
}

#[expect(clippy::disallowed_methods, reason = "a test waits; no event passes through this thread")]
fn pause(time: Duration) {
    thread::sleep(time);
}

#[test]
fn a_client_that_spreads_over_fifty_environments_is_flagged_and_blocked_by_each() {
    let folder = std::env::temp_dir().join(format!("picket-fleet-{}", std::process::id()));
    let engine = Engine::first(Kept::Folder(folder.clone())).expect("an engine");
    let cloud = Cloud::start();
    cloud.keep_secret(serde_json::to_string(&engine.secret).expect("JSON"));
    let more = [("PICKET_MODE", "block"), ("PICKET_HOLD_MS", "2000")];
    let settings = cloud.settings(&more);
    let mut environments: Vec<Environment> =
        (0..ENVIRONMENTS).map(|_| Environment::start(&settings)).collect();
    // Each has work before the attack, as a busy one does, and so has fetched its key and its first flags.
    for environment in &mut environments {
        assert!(!environment.is_blocked("192.0.2.200", "q=clean"));
    }
    pause(Duration::from_secs(2));

    // One attack on each: fifty together, and one for each of those who could know.
    for environment in &mut environments {
        assert!(!environment.is_blocked(ATTACKER, LIKELY), "likely alone is not blocked");
    }
    let fiftieth = Instant::now();
    let mut further = 0;
    while flags(&engine).is_empty() {
        // A report that found no room in its hold goes out with a later request.
        if fiftieth.elapsed() > Duration::from_secs(1) * (further + 1) {
            for environment in &mut environments {
                environment.is_blocked("192.0.2.200", "q=clean");
            }
            further += 1;
            assert!(further < 60, "never flagged: {:?}", engine.admin("/v1/admin/signals"));
        }
        pause(Duration::from_millis(10));
    }
    let until_flag = fiftieth.elapsed();
    let flag = flags(&engine).remove(0);
    assert_eq!(flag["client"], ATTACKER);
    assert_eq!(flag["functions"], json!(["shop"]));

    // All at once, each goes on being attacked until it blocks.
    let together = Barrier::new(ENVIRONMENTS);
    let mut blocked: Vec<(usize, Duration)> = thread::scope(|scope| {
        let threads: Vec<_> = environments
            .iter_mut()
            .map(|environment| {
                let together = &together;
                scope.spawn(move || {
                    together.wait();
                    let begun = Instant::now();
                    for passed in 0..TRIES {
                        if environment.is_blocked(ATTACKER, LIKELY) {
                            return (passed, begun.elapsed());
                        }
                        pause(Duration::from_millis(100));
                    }
                    panic!("never blocked");
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("an environment")).collect()
    });
    blocked.sort();
    let passed: Vec<usize> = blocked.iter().map(|(passed, _)| *passed).collect();
    println!(
        "from the 50th attack to the flag: {} ms, {further} rounds of clean requests",
        until_flag.as_millis()
    );
    println!("attacks that each environment still let through: {passed:?}");
    let slowest = blocked.iter().map(|(_, time)| time.as_millis()).max();
    println!("slowest first block after the flag: {slowest:?} ms");
    // Clean requests of the flagged client, and likely findings of others, still pass.
    for environment in environments.iter_mut().take(5) {
        assert!(environment.is_blocked(ATTACKER, LIKELY), "blocked stays blocked");
        assert!(!environment.is_blocked(ATTACKER, "q=clean"));
        assert!(!environment.is_blocked("198.51.100.24", LIKELY));
    }
    drop(environments);

    // An environment that starts now meets the attacker with its first event.
    let passed: Vec<usize> = (0..NEW)
        .map(|_| {
            let mut environment = Environment::start(&settings);
            let passed = (0..TRIES).position(|_| {
                let blocked = environment.is_blocked(ATTACKER, LIKELY);
                pause(Duration::from_millis(if blocked { 0 } else { 100 }));
                blocked
            });
            passed.expect("blocked at last")
        })
        .collect();
    println!("attacks that each new environment let through: {passed:?}");
    let fleet = engine.admin("/v1/admin/fleet").expect("the fleet");
    assert_eq!(fleet["functions"][0]["function"], "shop");
    drop(engine);
    std::fs::remove_dir_all(folder).expect("the folder is ours");
}

#[test]
fn a_client_whose_address_never_leaves_is_counted_and_flagged_under_its_digest() {
    let folder = std::env::temp_dir().join(format!("picket-fleet-hashed-{}", std::process::id()));
    let engine = Engine::first(Kept::Folder(folder.clone())).expect("an engine");
    let cloud = Cloud::start();
    cloud.keep_secret(serde_json::to_string(&engine.secret).expect("JSON"));
    let settings =
        cloud.settings(&[("PICKET_MODE", "block"), ("PICKET_HASH_ADDRESSES", "a key of the owner")]);
    // Two environments with one key give one client one digest.
    let mut environments = [Environment::start(&settings), Environment::start(&settings)];
    let passed = (0..2_000).position(|n| {
        let blocked = environments[n % 2].is_blocked(ATTACKER, LIKELY);
        pause(Duration::from_millis(10));
        blocked
    });
    let passed = passed.expect("blocked at last");
    assert!(passed >= 50, "{passed}: not before the limit");
    let flag = flags(&engine).remove(0);
    assert!(flag["client"].as_str().expect("a client").starts_with("hashed:"), "{flag}");
    assert_eq!(flag["environments"].as_array().expect("a list").len(), 2, "{flag}");
    assert!(!environments[0].is_blocked("198.51.100.24", LIKELY), "another address has another digest");
    drop((environments, engine));
    // The engine's file holds the digests and nothing of the address.
    let mut kept = 0;
    for file in std::fs::read_dir(&folder).expect("a folder").flatten() {
        let bytes = std::fs::read(file.path()).expect("a file");
        let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        kept += usize::from(holds("hashed:"));
        assert!(!holds(ATTACKER), "{:?}", file.path());
    }
    assert!(kept > 0, "there must be something to look through");
    std::fs::remove_dir_all(folder).expect("the folder is ours");
}

#[test]
fn the_attack_behind_the_one_that_was_reported_is_blocked() {
    let folder = std::env::temp_dir().join(format!("picket-fleet-one-{}", std::process::id()));
    let engine = Engine::first(Kept::Folder(folder.clone())).expect("an engine");
    let cloud = Cloud::start();
    cloud.keep_secret(serde_json::to_string(&engine.secret).expect("JSON"));
    // No call for a next event is ever held: the report leaves while the handler works.
    let settings = cloud.settings(&[("PICKET_MODE", "block"), ("PICKET_HOLD_MS", "0")]);
    let mut environment = Environment::start(&settings);
    let batches = || engine.metric("picket_engine_batches_counted_total").expect("metrics");
    let wait_for = |wanted: u64| {
        for _ in 0..3_000 {
            if batches() >= wanted {
                return;
            }
            pause(Duration::from_millis(10));
        }
        panic!("{} of {wanted} batches came", batches());
    };
    assert!(!environment.is_blocked("198.51.100.99", LIKELY));
    wait_for(1);
    // Somebody else's environments saw enough of this client; this one cannot know yet.
    let flag = json!({"client": ATTACKER, "seconds": 600, "why": "elsewhere"});
    engine.tell("POST", "/v1/admin/flags", &flag).expect("a flag");
    assert!(!environment.is_blocked(ATTACKER, LIKELY), "nobody has told this environment");
    wait_for(2);
    // The answer is on its way, or there; an attack waits for it, as a clean request does not.
    assert!(environment.is_blocked(ATTACKER, LIKELY));
    assert!(!environment.is_blocked(ATTACKER, "q=clean"));
    drop(engine);
    std::fs::remove_dir_all(folder).expect("the folder is ours");
}
