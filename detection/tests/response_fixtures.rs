//! Runs every fixture file of the watchers of answers: attacks, look-alikes and edge cases, each with its `why`.
//!
//! A case is `[[case]]` with `why`, what the answer is (`status`, `failed`, `type`, `headers`, `text`, `bytes`, `time_ms`), what is known
//! (`attacks`, `page`, `header`, `location`, `browses`, `own_id`, `own_secret`, `own_token`, `runtime_api`), and `expect`: every signal of this watcher
//! with its tier, nothing being the absence of all. `impact` is checked where it is given.

#![expect(clippy::panic, reason = "a broken fixture ends the test")]

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use picket_detection::{
    Signal, Tier,
    response::{Answer, Asked, Credential, OwnCredentials, Thresholds, all, look},
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Case>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Case {
    why: String,
    status: Option<u16>,
    failed: bool,
    r#type: Option<String>,
    headers: Vec<(String, String)>,
    text: String,
    bytes: Option<u64>,
    time_ms: u64,
    attacks: Vec<String>,
    page: Vec<String>,
    header: Vec<String>,
    location: Vec<String>,
    browses: bool,
    own_id: Option<String>,
    own_secret: Option<String>,
    own_token: Option<String>,
    runtime_api: bool,
    expect: BTreeMap<String, String>,
    impact: Option<String>,
}

impl Case {
    fn asked(&self) -> Asked {
        let signal = |id: &String| {
            let known = Signal::ATTACKS.iter().find(|signal| signal.id() == id);
            (*known.unwrap_or_else(|| panic!("{}: no attack is called {id}", self.why)), Tier::Certain)
        };
        let bytes =
            |texts: &'_ [String]| texts.iter().map(|text| text.clone().into_bytes()).collect::<Vec<_>>();
        let attacks: Vec<_> = self.attacks.iter().map(signal).collect();
        let (page, header, location) = (bytes(&self.page), bytes(&self.header), bytes(&self.location));
        let slices = |texts: &'_ [Vec<u8>]| -> Vec<Vec<u8>> { texts.to_vec() };
        let (page, header, location) = (slices(&page), slices(&header), slices(&location));
        let page: Vec<&[u8]> = page.iter().map(Vec::as_slice).collect();
        let header: Vec<&[u8]> = header.iter().map(Vec::as_slice).collect();
        let location: Vec<&[u8]> = location.iter().map(Vec::as_slice).collect();
        Asked::made_of(&attacks, &page, &header, &location, self.browses)
    }

    fn own(&self) -> OwnCredentials {
        let given = [
            (Credential::AccessKeyId, &self.own_id),
            (Credential::SecretKey, &self.own_secret),
            (Credential::SessionToken, &self.own_token),
        ];
        OwnCredentials::new(given.iter().filter_map(|(of, text)| Some((*of, text.as_ref()?.as_bytes()))))
    }
}

#[test]
fn every_watcher_does_what_its_fixtures_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/response");
    let mut failures = Vec::new();
    let mut watchers = 0;
    for watcher in all() {
        watchers += 1;
        let path = folder.join(format!("{}.toml", watcher.name));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(file.case.iter().any(|case| case.expect.is_empty()), "{}: no look-alike", watcher.name);
        assert!(file.case.iter().any(|case| !case.expect.is_empty()), "{}: nothing is found", watcher.name);
        for case in &file.case {
            assert!(!case.why.is_empty(), "{}: a case without its why", watcher.name);
            let (asked, own) = (case.asked(), case.own());
            let typed = case.r#type.iter().map(|kind| ("Content-Type", kind.as_str()));
            let named = case.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let headers: Vec<(&[u8], &[u8])> =
                typed.chain(named).map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
            let answer = Answer {
                status: case.status,
                failed: case.failed,
                headers: &headers,
                text: case.text.as_bytes(),
                bytes: case.bytes.unwrap_or(case.text.len() as u64),
                time: Duration::from_millis(case.time_ms),
                asked: &asked,
                own: &own,
                thresholds: Thresholds::default(),
                called_runtime_api: case.runtime_api,
            };
            let found = look(&answer);
            let got: BTreeMap<String, String> = found
                .findings()
                .iter()
                .filter(|finding| finding.watcher == watcher.name)
                .map(|finding| (finding.signal.id().to_owned(), finding.tier.name().to_owned()))
                .collect();
            if got != case.expect {
                failures.push(format!("{}: {}: {got:?}, expected {:?}", watcher.name, case.why, case.expect));
            }
            let impact = found.impact().map(picket_detection::response::Impact::name);
            if case.impact.is_some() && impact != case.impact.as_deref() {
                failures.push(format!("{}: {}: {impact:?}", watcher.name, case.why));
            }
            for finding in found.findings() {
                assert!(
                    finding.span.end as usize <= case.text.len() && finding.span.start <= finding.span.end
                );
                assert!(!finding.facts.is_empty(), "{}: {}", watcher.name, case.why);
            }
        }
    }
    let files = fs::read_dir(&folder).expect("the fixtures' folder").count();
    assert_eq!(files, watchers, "a fixture file without a watcher");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What would be dear for a careless search: many beginnings of everything that is looked for, and no end of any.
#[test]
fn hostile_answers_are_read_to_their_end() {
    let asked = Asked::made_of(&[(Signal::Sqli, Tier::Certain)], &[b"<<<<<<<<<<<<<<<<"], &[], &[], false);
    let own = OwnCredentials::new([(Credential::SecretKey, &b"aaaaaaaaaaaaaaaaaaaab"[..])]);
    for piece in ["AKIA", "-----BEGIN ", "uid=1(", "at .js:1", "<", "a", "ghp_", ".php(", "\u{0}", "\u{ff}"] {
        let text = piece.repeat(1 << 20);
        let answer = Answer {
            status: Some(200),
            failed: false,
            headers: &[],
            text: text.as_bytes(),
            bytes: text.len() as u64,
            time: Duration::ZERO,
            asked: &asked,
            own: &own,
            thresholds: Thresholds { bytes: u64::MAX, time: Duration::MAX },
            called_runtime_api: false,
        };
        let found = look(&answer);
        assert!(found.findings().len() <= 4, "{piece}: {found:?}");
    }
}
