//! What a policy adds to a request: none, 1,000 rules of which none applies, and 1,000 of which one does.
//!
//! The promised number, at most 20 µs at the median for 1,000 rules, is in SPECIFICATION.md.
#![expect(clippy::panic, reason = "a benchmark that cannot be set up has failed")]

use bytes::Bytes;
use divan::{Bencher, black_box};
use picket_content::{Options, RawHttp, http_request};
use picket_detection::Outcome;
use picket_policy::Field;
use picket_policy::compile::compile;
use picket_policy::{
    Policy, Subject, Workspace,
    canonical::{Canonical, Condition, Effect, FORMAT, Match, Rule, Test},
    rates::{KeySecret, Rates},
};
use picket_request::Request;
use serde_json::json;

fn main() {
    divan::main();
}

fn test(field: Field, name: Option<&str>, value: Option<Match>) -> Condition {
    Condition::Test(Test { field, name: name.map(|name| Match::Equals(name.into())), value, content: None })
}

/// Rules as owners write them: by path, by prefix, by address, by parameter, by method and header, by signal.
fn rules(count: usize) -> Policy {
    let rules = (0..count).map(|n| Rule {
        id: format!("r{n}"),
        when: match n % 6 {
            0 => test(Field::Path, None, Some(Match::Equals(format!("/p{n}").as_str().into()))),
            1 => Condition::All(vec![
                test(Field::Method, None, Some(Match::Equals("POST".into()))),
                test(Field::Path, None, Some(Match::Like(format!("/area{n}/*").as_str().into()))),
            ]),
            2 => {
                let net = format!("10.{}.{}.0/24", n / 256, n % 256);
                test(Field::Client, None, Some(Match::InCidr(net.parse().into_iter().collect())))
            }
            3 => test(Field::Query, Some(&format!("n{n}")), Some(Match::Contains("x".into()))),
            4 => Condition::All(vec![
                test(Field::Method, None, Some(Match::Equals("GET".into()))),
                test(Field::Header, Some(&format!("x-h{n}")), None),
            ]),
            _ => test(Field::Signal, None, Some(Match::Equals(format!("site.S{n}").as_str().into()))),
        },
        then: vec![Effect::Tag("t".to_owned())],
        dry_run: false,
        sample: None,
        expires: None,
    });
    let canonical = Canonical { picket: FORMAT, rules: rules.collect(), ..Canonical::default() };
    match Policy::load(&canonical) {
        Ok(policy) => policy,
        Err(broken) => panic!("{broken}"),
    }
}

/// Rules that name no path, name or address, and look for a text somewhere in a value.
fn looking(count: usize) -> Policy {
    let contains = |n: usize| Some(Match::Contains(format!("secret-{n}").as_str().into()));
    let rules = (0..count).map(|n| Rule {
        id: format!("r{n}"),
        when: match n % 4 {
            0 => test(Field::Path, None, contains(n)),
            1 => test(Field::UserAgent, None, Some(Match::Like(format!("*bot{n}*").as_str().into()))),
            2 => Condition::All(vec![
                Condition::Not(Box::new(test(Field::Method, None, Some(Match::Equals("POST".into()))))),
                test(Field::Query, None, contains(n)),
            ]),
            _ => test(Field::Header, None, contains(n)),
        },
        then: vec![Effect::Tag("t".to_owned())],
        dry_run: false,
        sample: None,
        expires: None,
    });
    let canonical = Canonical { picket: FORMAT, rules: rules.collect(), ..Canonical::default() };
    Policy::load(&canonical).unwrap_or_else(|broken| panic!("{broken}"))
}

/// Rules of a regular expression alone, as owners copy them from advisories: the most that a policy may have.
fn expressions(count: usize) -> Policy {
    let rules: Vec<_> = (0..count)
        .map(|n| {
            let field = ["path", "userAgent", "query", "header"][n % 4];
            let regex = format!("(?i)(exploit|probe)-?[a-z]*{n:03}(x|yz)+$|^attack{n}\\b");
            json!({"id": format!("r{n}"), "when": {"field": field, "matches": regex}, "then": [{"tag": "t"}]})
        })
        .collect();
    let document = json!({"picket": 1, "name": "bench", "version": 1, "rules": rules});
    let document = serde_json::from_value(document).unwrap_or_else(|error| panic!("{error}"));
    let canonical =
        compile(&document, &|_| Err(String::new())).unwrap_or_else(|problems| panic!("{problems:?}"));
    Policy::load(&canonical).unwrap_or_else(|broken| panic!("{broken}"))
}

fn request(path: &str) -> Request {
    let headers: Vec<(String, String)> = (0..14)
        .map(|n| (format!("x-header-{n}"), format!("some value of a usual length, number {n}")))
        .chain([
            ("host".to_owned(), "shop.example".to_owned()),
            ("user-agent".to_owned(), "Mozilla/5.0".to_owned()),
        ])
        .collect();
    let headers: Vec<(&[u8], &[u8])> =
        headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let raw = RawHttp {
        method: b"GET",
        path: path.as_bytes(),
        query: b"id=42&page=3&sort=name&filter=open",
        headers: &headers,
        body: b"",
    };
    let mut request = Request::new(Bytes::new());
    http_request(&mut request, &raw, &Options::default());
    request.client.addr = "198.51.100.7".parse().ok();
    request
}

fn run(bencher: Bencher<'_, '_>, policy: &Policy, path: &str) {
    let request = request(path);
    let rates = Rates::new(KeySecret::new(b"bench"));
    let mut workspace = Workspace::default();
    let mut outcome = Outcome::default();
    bencher.bench_local(|| {
        let subject = Subject::new(black_box(&request), 1_795_593_600);
        policy.evaluate(&subject, Some(&mut outcome), &rates, &mut workspace)
    });
}

#[divan::bench(args = [0, 10, 100, 1_000, 10_000])]
fn rules_that_do_not_apply(bencher: Bencher<'_, '_>, count: usize) {
    run(bencher, &rules(count), "/shop/items/17");
}

#[divan::bench(args = [10, 100, 1_000, 10_000])]
fn one_rule_applies(bencher: Bencher<'_, '_>, count: usize) {
    run(bencher, &rules(count), "/p6");
}

#[divan::bench(args = [0, 10, 100, 1_000])]
fn rules_that_look_for_a_text(bencher: Bencher<'_, '_>, count: usize) {
    run(bencher, &looking(count), "/shop/items/17");
}

#[divan::bench(args = [0, 10, 100, 512])]
fn rules_of_an_expression(bencher: Bencher<'_, '_>, count: usize) {
    run(bencher, &expressions(count), "/shop/items/17");
}

#[divan::bench(args = [1_000])]
fn loading(bencher: Bencher<'_, '_>, count: usize) {
    bencher.bench_local(|| rules(count));
}
