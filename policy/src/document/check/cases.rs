//! Checks of the file's own cases.

use super::{Checker, Path};
use crate::document::{Case, Expectation, OneOrMany, instant};

const SOURCES: &[&str] = &["http-v2", "rest-v1", "function-url", "alb", "lattice-v2"];

impl Checker<'_> {
    pub(super) fn cases(&mut self) {
        for (index, case) in self.document.tests.iter().enumerate() {
            self.case(&Path::default().key("tests").index(index), case);
        }
    }

    fn case(&mut self, path: &Path, case: &Case) {
        let request = &case.request;
        let place = path.key("request");
        if let Some(client) = &request.client
            && client.parse::<std::net::IpAddr>().is_err()
        {
            self.report(place.key("client"), format!("`{}` is no address", client.escape_debug())).help =
                Some("write for instance `198.51.100.7`".to_owned());
        }
        if let Some(source) = &request.event_source
            && !SOURCES.contains(&source.as_str())
        {
            let problem = self
                .report(place.key("eventSource"), format!("no case can come by `{}`", source.escape_debug()));
            problem.unknown =
                Some((source.clone(), SOURCES.iter().map(|&source| source.to_owned()).collect()));
        }
        if let Some(target) = &request.path
            && !target.starts_with('/')
        {
            self.wildcard_path(place.key("path"), target);
        }
        if request.body.is_some() && !request.form.is_empty() {
            self.report(place.key("form"), "a body and a form").help = Some("leave one of them".to_owned());
        }
        if let Some(at) = &request.at
            && instant(at).is_none()
        {
            self.report(place.key("at"), format!("`{}` is no time", at.escape_debug())).help =
                Some("write for instance `2027-01-31T22:30:00Z`".to_owned());
        }
        if case.times.is_some_and(|times| !(1..=100_001).contains(&times)) {
            self.report(path.key("times"), "a request is sent 1 to 100001 times");
        }
        let expect = &case.expect;
        let place = path.key("expect");
        if *expect == Expectation::default() {
            self.report(place.clone(), "a case that expects nothing").help =
                Some("add `verdict: block`, `shouldMatch: …` or `signals: …`".to_owned());
        }
        let known: Vec<String> = self.ids.keys().map(|&id| id.to_owned()).collect();
        let mut ids = Vec::new();
        ids.extend(expect.rule.iter().map(|id| (place.key("rule"), id)));
        for (key, names) in
            [("shouldMatch", &expect.should_match), ("shouldNotMatch", &expect.should_not_match)]
        {
            for (index, id) in names.iter().flat_map(OneOrMany::as_slice).enumerate() {
                ids.push((place.key(key).index(index), id));
            }
        }
        for (place, id) in ids {
            if !known.contains(id) {
                let problem =
                    self.report(place, format!("no rule and no limit is called `{}`", id.escape_debug()));
                problem.unknown = Some((id.clone(), known.clone()));
            }
        }
        for (key, names) in [("signals", &expect.signals), ("noSignals", &expect.no_signals)] {
            for (index, name) in names.iter().flat_map(OneOrMany::as_slice).enumerate() {
                self.signal(place.key(key).index(index), name);
            }
        }
    }
}
