//! Templates: an account event becomes up to three rules, for its attempt, its success and its failure.

use super::Compiler;
use crate::{
    Field,
    canonical::{self, Condition, Match, Test, Text},
    document::{self, ACCOUNT_SIGNALS},
};

impl Compiler<'_> {
    pub(super) fn templates(&mut self) -> Vec<canonical::Rule> {
        let document = self.document;
        let mut rules = Vec::new();
        for (index, template) in document.templates.iter().enumerate() {
            let place = format!("templates[{index}]");
            let signal = template.signal.as_str();
            if !ACCOUNT_SIGNALS.contains(&signal) {
                let message =
                    format!("`{signal}` is no account signal; they are {}", ACCOUNT_SIGNALS.join(", "));
                self.wrong(&format!("{place}.signal"), message);
            }
            if template.path.as_slice().is_empty() {
                self.wrong(&format!("{place}.path"), "it names no path");
            }
            let methods =
                template.method.as_ref().map_or(&["POST".to_owned()][..], |all| all.as_slice()).to_vec();
            let request = vec![
                test(Field::Method, methods.iter().map(|method| Match::Equals(method.as_str().into()))),
                test(
                    Field::Path,
                    template.path.as_slice().iter().map(|path| Match::Like(path.as_str().into())),
                ),
            ];
            rules.push(rule(format!("templates/{index}"), request.clone(), signal));
            for (outcome, ending) in [(&template.success, "SUCCESS"), (&template.failure, "FAILURE")] {
                let Some(outcome) = outcome else { continue };
                let word = ending.to_ascii_lowercase();
                let told = signal.strip_suffix("ATTEMPT").map(|stem| format!("{stem}{ending}"));
                match told.filter(|told| ACCOUNT_SIGNALS.contains(&told.as_str())) {
                    Some(told) => {
                        let mut when = request.clone();
                        when.extend(answered(outcome));
                        rules.push(rule(format!("templates/{index}/{word}"), when, &told));
                    }
                    None => {
                        let message =
                            format!("`{signal}` has no {word}: only signals that end in ATTEMPT have one");
                        self.wrong(&format!("{place}.{word}"), message);
                    }
                }
            }
        }
        rules
    }
}

fn rule(id: String, when: Vec<Condition>, signal: &str) -> canonical::Rule {
    canonical::Rule {
        id,
        when: Condition::All(when),
        then: vec![canonical::Effect::Signal(signal.to_owned())],
        dry_run: false,
        sample: None,
        expires: None,
    }
}

fn test(field: Field, any: impl Iterator<Item = Match>) -> Condition {
    Condition::Test(Test { field, name: None, value: Some(Match::Any(any.collect())), content: None })
}

/// What an answer must be.
fn answered(outcome: &document::Outcome) -> Vec<Condition> {
    let mut when = Vec::new();
    if let Some(status) = &outcome.status {
        let statuses =
            status.as_slice().iter().map(|status| Match::Equals(status.to_string().as_str().into()));
        when.push(test(Field::Status, statuses));
    } else {
        when.push(Condition::Test(Test { field: Field::Status, name: None, value: None, content: None }));
    }
    for (name, value) in &outcome.headers {
        when.push(Condition::Test(Test {
            field: Field::ResponseHeader,
            name: Some(Match::Equals(Text { text: name.to_ascii_lowercase(), caseless: false })),
            value: Some(Match::Like(value.as_str().into())),
            content: None,
        }));
    }
    when
}
