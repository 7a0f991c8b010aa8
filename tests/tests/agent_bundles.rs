//! Signed policies of the engine through the built agent: which are taken, which are refused with what reason, and the kill switch.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what cannot be set up has failed the test")]

use std::{
    fs,
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use picket_policy::compile::{compile, no_files};
use picket_tests::{
    agent::Agent,
    bundle::{Bundle, sign},
    cloud::Cloud,
    double::{Double, Event, RawClient},
    layout,
};
use serde_json::{Value, json};

/// Certain to be an attack.
const ATTACK: &str = "id=1%27%20UNION%20SELECT%20name%2Cpassword%20FROM%20users--%20";

/// An agent whose engine hands out policies.
struct Trial {
    cloud: Cloud,
    double: Double,
    agent: Agent,
    runtime: RawClient,
}

impl Trial {
    fn new(settings: &[(&str, &str)], first: Option<Value>) -> Self {
        let (cloud, double) = (Cloud::start(), Double::start());
        if let Some(bundle) = first {
            cloud.policy(bundle);
        }
        let mut own = cloud.settings(settings);
        own.push(("PICKET_SITE".to_owned(), "shop".to_owned()));
        let own: Vec<_> = own.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let agent = Agent::start(&double, &own);
        let runtime = agent.connect();
        Self { cloud, double, agent, runtime }
    }

    /// The status with which an attack is answered; none where the handler got it.
    fn attack(&mut self) -> Option<u64> {
        self.ask("GET", ATTACK)
    }

    /// The same for any request.
    fn ask(&mut self, method: &str, query: &str) -> Option<u64> {
        let event = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": "/items", "rawQueryString": query,
            "headers": {"host": "abc.lambda-url.eu-central-1.on.aws", "user-agent": "Mozilla/5.0 (X11; Linux x86_64)"},
            "requestContext": {
                "domainName": "abc.lambda-url.eu-central-1.on.aws",
                "http": {"method": method, "path": "/items", "protocol": "HTTP/1.1", "sourceIp": "198.51.100.7", "userAgent": "x"},
                "requestId": "7d3b9d5e-6f6c-4a53-9d0f-0e1f2a3b4c5d", "stage": "$default",
            },
            "isBase64Encoded": false,
        });
        let event = event.to_string().into_bytes();
        let id = self.double.queue(Event::new(event.clone()));
        self.double.queue(Event::new(b"{\"sentinel\":true}".to_vec()));
        let seen = self.runtime.next_event().unwrap();
        self.runtime.respond(&seen, b"{\"statusCode\":200}").unwrap();
        if seen.body == event {
            let sentinel = self.runtime.next_event().unwrap();
            self.runtime.respond(&sentinel, b"{}").unwrap();
            return None;
        }
        let answer: Value = serde_json::from_slice(&self.double.outcome(&id).message.body).unwrap();
        Some(answer["statusCode"].as_u64().unwrap())
    }

    /// Sends attacks until one is answered so: a policy comes with the answer to an earlier one's report.
    fn until(&mut self, status: Option<u64>) {
        for _ in 0..300 {
            if self.attack() == status {
                return;
            }
            pause(50);
        }
        panic!("never {status:?}; logged: {:?}", self.agent.lines());
    }

    /// Sends attacks until a line says this.
    fn until_line(&mut self, text: &str) -> String {
        for _ in 0..300 {
            if let Some(line) = self.agent.lines().into_iter().find(|line| line.contains(text)) {
                return line;
            }
            self.attack();
            pause(50);
        }
        panic!("no line with {text}; logged: {:?}", self.agent.lines());
    }
}

/// A compiled policy with these blocks.
fn policy(sections: &Value) -> String {
    let mut document = json!({"picket": 1, "name": "shop", "version": 1, "mode": "block"});
    document.as_object_mut().unwrap().append(&mut sections.as_object().unwrap().clone());
    let canonical = compile(&serde_json::from_value(document).unwrap(), &no_files).unwrap();
    String::from_utf8(canonical.write()).unwrap()
}

/// A policy whose blocks are told by their status.
fn answering(status: u16) -> String {
    policy(&json!({"answer": {"status": status}}))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[expect(clippy::disallowed_methods, reason = "a test waits; no event passes through this thread")]
fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

#[test]
fn a_signed_policy_decides_over_the_settings_and_a_newer_one_replaces_it() {
    let mut trial =
        Trial::new(&[("PICKET_BLOCK_STATUS", "418")], Some(sign(&Bundle::version(3), &answering(451))));
    trial.until(Some(451));
    trial.cloud.policy(sign(&Bundle::version(4), &answering(452)));
    trial.until(Some(452));
    let taken = trial.agent.line_with("a signed policy was taken");
    assert!(taken.contains("version=3"), "{taken}");
}

#[test]
fn a_quiet_environment_asks_as_often_as_the_engine_said() {
    let mut trial = Trial::new(&[], Some(sign(&Bundle::version(3), &answering(451))));
    trial.until(Some(451));
    // The answer to that report said: every five seconds. From now on there is nothing to report.
    let asked = |trial: &Trial| {
        trial.cloud.posts().iter().filter(|post| post.target.starts_with("/v1/flags")).count()
    };
    let before = asked(&trial);
    for _ in 0..400 {
        if asked(&trial) >= before + 3 {
            return;
        }
        trial.ask("GET", "a=1");
        pause(100);
    }
    panic!("asked {} times, then {}", before, asked(&trial));
}

#[test]
fn a_policy_by_another_key_for_another_function_or_out_of_its_time_is_refused_and_the_last_good_one_stays() {
    let (now, good) = (now(), Bundle::version(9));
    for (bundle, reason) in [
        (Bundle { seed: [98; 32], ..good.clone() }, "its signature is not by the key that this agent knows"),
        (
            Bundle { functions: vec!["other-*".to_owned()], ..good.clone() },
            "it is for another site or function",
        ),
        (Bundle { holds: (0, now - 1), ..good.clone() }, "it has expired"),
        (Bundle { holds: (now + 3600, now + 7200), ..good }, "it does not hold yet"),
    ] {
        let mut trial = Trial::new(&[], Some(sign(&Bundle::version(3), &answering(451))));
        trial.until(Some(451));
        trial.cloud.policy(sign(&bundle, &answering(452)));
        let line = trial.until_line("the engine's policy is refused");
        assert!(line.contains(reason) && line.contains("version=9"), "{line}");
        assert_eq!(trial.attack(), Some(451), "{reason}: the last good one stays");
    }
}

#[test]
fn a_policy_whose_text_was_changed_after_it_was_signed_is_refused() {
    let mut changed = sign(&Bundle::version(3), &answering(451));
    changed["policy"] = json!(answering(452));
    let mut trial = Trial::new(&[("PICKET_MODE", "block")], Some(changed));
    let line = trial.until_line("the engine's policy is refused");
    assert!(line.contains("its signature is not by the key"), "{line}");
    assert_eq!(trial.attack(), Some(406), "the built-in one goes on deciding");
}

#[test]
fn an_older_policy_does_not_come_back() {
    let mut trial = Trial::new(&[], Some(sign(&Bundle::version(5), &answering(451))));
    trial.until(Some(451));
    // An engine that hands out an old one as it was signed, and then under a version that nobody signed.
    let mut older = sign(&Bundle::version(4), &answering(452));
    trial.cloud.policy(older.clone());
    // An answer to a report names no newer version, so it comes with a poll, and reports put polls off.
    for _ in 0..5 {
        pause(6_500);
        trial.attack();
        if trial.agent.lines().iter().any(|line| line.contains("policy is refused")) {
            break;
        }
    }
    trial.until_line("its version is 4, and version 5 was taken before");
    older["version"] = json!(6);
    trial.cloud.policy(older);
    trial.until_line("its signature is not by the key that this agent knows");
    assert_eq!(trial.attack(), Some(451));
}

#[test]
fn the_kill_switch_holds_over_picket_mode_and_floors_and_ends_with_a_later_policy() {
    let mut trial = Trial::new(&[("PICKET_MODE", "block")], None);
    assert_eq!(trial.attack(), Some(406), "the settings decide until the engine has a policy");
    let floor = json!({"floor": {"mode": "block"}, "answer": {"status": 451}});
    trial.cloud.policy(sign(&Bundle::version(2), &policy(&floor)));
    trial.until(Some(451));
    let kill = policy(&json!({"killSwitch": true}));
    trial.cloud.policy(sign(&Bundle::version(3), &kill));
    trial.until(None);
    assert!(trial.agent.line_with("policy=\"kill switch\"").contains("version=3"));
    assert_eq!(trial.attack(), None, "nothing is inspected, so nothing is blocked");
    // Nothing is reported any more, so the next policy comes with the poll.
    trial.cloud.policy(sign(&Bundle::version(4), &answering(452)));
    trial.until(Some(452));
}

#[test]
fn the_kill_switch_ends_when_its_time_is_over() {
    let mut trial = Trial::new(&[("PICKET_MODE", "block")], Some(sign(&Bundle::version(2), &answering(451))));
    trial.until(Some(451));
    let soon = Bundle { holds: (0, now() + 4), ..Bundle::version(3) };
    trial.cloud.policy(sign(&soon, &policy(&json!({"killSwitch": true}))));
    trial.until(None);
    trial.until(Some(451));
}

#[test]
fn a_kill_switch_in_a_file_that_nobody_signed_is_left_out_and_said() {
    let cloud = Cloud::start();
    let file = cloud.folder().join("kill.policy");
    fs::write(&file, policy(&json!({"killSwitch": true}))).unwrap();
    let mut trial = Trial::new(&[("PICKET_POLICY", file.to_str().unwrap())], None);
    assert_eq!(trial.attack(), Some(406));
    let line = trial.agent.line_with("killSwitch holds in a signed policy alone");
    assert!(line.contains("kill.policy"), "{line}");
}

#[test]
fn what_the_command_line_signs_is_taken_and_blocks_what_its_rules_name() {
    let program = layout::binary("picket").unwrap();
    let cloud = Cloud::start();
    let picket = |arguments: &[&str]| {
        let output = Command::new(&program).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let at = |name: &str| cloud.folder().join(name).to_str().unwrap().to_owned();
    let (key, bundle) = (at("key"), at("bundle.json"));
    let public = picket(&["policy", "keygen", "-o", &key]);
    let example = layout::repository().join("docs/policy/block.yaml");
    picket(&["policy", "sign", example.to_str().unwrap(), "--key", &key, "--site", "shop", "-o", &bundle]);
    let signed = serde_json::from_slice(&fs::read(&bundle).unwrap()).unwrap();
    let mut trial = Trial::new(&[("PICKET_POLICY_KEY", &public)], Some(signed));
    trial.until(Some(406));
    assert_eq!(trial.ask("TRACE", ""), Some(406), "a rule of it");
    assert_eq!(trial.ask("GET", "id=17"), None, "and what no rule names passes");
}
