//! Checks of rules and rate limits.

use super::{Checker, Path};
use crate::{
    Phase,
    document::{ACTIONS, Action, Condition, Key, OneOrMany, RateLimit, Rule, is_custom_signal},
};

/// The windows that are counted, in seconds.
const WINDOWS: &[u64] = &[60, 600, 3600];
/// The longest time for which a limit goes on holding, in seconds.
const LONGEST: u64 = 86_400;

/// What kind of block the actions belong to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Rule { response: bool },
    RateLimit,
    OriginLock,
}

impl<'a> Checker<'a> {
    pub(super) fn rules(&mut self) {
        let (document, root) = (self.document, Path::default());
        if let Some(floor) = &document.floor {
            for (index, rule) in floor.rules.iter().enumerate() {
                self.rule(&root.key("floor").key("rules").index(index), rule);
            }
        }
        for (index, rule) in document.rules.iter().enumerate() {
            self.rule(&root.key("rules").index(index), rule);
        }
        for (index, limit) in document.rate_limits.iter().enumerate() {
            self.rate_limit(&root.key("rateLimits").index(index), limit);
        }
    }

    fn rule(&mut self, path: &Path, rule: &'a Rule) {
        self.id(path.key("id"), &rule.id);
        if let Some(when) = &rule.when {
            self.condition(&path.key("when"), when);
        }
        let response = rule.when.as_ref().is_some_and(looks_at_response);
        self.actions(&path.key("then"), &rule.then, Owner::Rule { response });
    }

    fn rate_limit(&mut self, path: &Path, limit: &'a RateLimit) {
        self.id(path.key("id"), &limit.id);
        if let Some(when) = &limit.when {
            self.condition(&path.key("when"), when);
        }
        if !(1..=100_000).contains(&limit.limit) {
            self.report(path.key("limit"), format!("a limit of {} is not possible", limit.limit)).help =
                Some("write a number from 1 to 100000".to_owned());
        }
        if !WINDOWS.contains(&limit.window.seconds()) {
            self.report(path.key("window"), format!("a window of {} is not counted", limit.window)).help =
                Some("write `1m`, `10m` or `1h`".to_owned());
        }
        let keys = limit.key.as_slice();
        if !(1..=2).contains(&keys.len()) {
            self.report(path.key("key"), format!("{} keys", keys.len())).help =
                Some("name one thing that tells clients apart, or two together".to_owned());
        }
        if keys.len() == 2 && keys.first() == keys.last() {
            self.report(path.key("key").index(1), "the same key twice").help =
                Some("leave one of them".to_owned());
        }
        for (index, key) in keys.iter().enumerate() {
            match key {
                Key::Header(name) => self.header_name(path.key("key").index(index).key("header"), name),
                Key::Cookie(name) | Key::Parameter(name) | Key::JwtClaim(name) if name.is_empty() => {
                    self.report(path.key("key").index(index), "an empty name");
                }
                _ => {}
            }
        }
        if limit.lasts.is_some_and(|lasts| !(1..=LONGEST).contains(&lasts.seconds())) {
            self.report(path.key("for"), "a limit holds for at least 1s and at most 24h");
        }
        self.actions(&path.key("then"), &limit.then, Owner::RateLimit);
    }

    pub(super) fn actions(&mut self, path: &Path, actions: &OneOrMany<Action>, owner: Owner) {
        let all = actions.as_slice();
        if all.is_empty() {
            self.report(path.clone(), "no action").help =
                Some("write for instance `then: [block]`".to_owned());
        }
        if all.len() > ACTIONS {
            self.report(path.clone(), format!("{} actions; a rule may have {ACTIONS}", all.len()));
        }
        let position = |wanted: fn(&Action) -> bool| all.iter().position(wanted);
        let (allow, block) = (
            position(|action| matches!(action, Action::Allow)),
            position(|action| matches!(action, Action::Block(_))),
        );
        if let (Some(allow), Some(block)) = (allow, block) {
            let problem = self.report(path.index(allow.max(block)), "`allow` and `block` in one rule");
            problem.help = Some("a request passes or it does not: make two rules".to_owned());
            problem.related = Some((path.index(allow.min(block)), "the other"));
        }
        for (index, action) in all.iter().enumerate() {
            let place = path.index(index);
            if all
                .iter()
                .take(index)
                .any(|earlier| std::mem::discriminant(earlier) == std::mem::discriminant(action))
                && matches!(action, Action::Allow | Action::Block(_) | Action::Log)
            {
                self.report(place.clone(), "the same action twice").help =
                    Some("leave one of them".to_owned());
            }
            match action {
                Action::Allow if owner != (Owner::Rule { response: false }) => {
                    let (message, help) = match owner {
                        Owner::RateLimit => ("a rate limit cannot allow", "write `block`, `signal` or `log`"),
                        Owner::OriginLock => (
                            "what comes around the edge cannot be allowed by its lock",
                            "write `block`, `signal` or `log`",
                        ),
                        Owner::Rule { .. } => (
                            "the response is there already, so that nothing is left to allow",
                            "take conditions on the response out, or write `signal`, `log` or `block`",
                        ),
                    };
                    self.report(place, message).help = Some(help.to_owned());
                }
                Action::Allow | Action::Log => {}
                Action::Block(answer) => self.answer(&place.key("block"), answer),
                Action::Signal(name) => {
                    if !is_custom_signal(name) {
                        let problem = self.report(
                            place.key("signal"),
                            format!("`{}` is not yours to raise", name.escape_debug()),
                        );
                        problem.help = Some(
                            "signals of your own are called `site.` or `corp.` and a name: `site.AdminProbe`"
                                .to_owned(),
                        );
                    }
                }
                Action::ExcludeSignal(excluded) => {
                    let place = place.key("excludeSignal");
                    if owner != (Owner::Rule { response: false }) {
                        self.report(place.clone(), "a signal can be excluded only before the verdict").help =
                            Some("move it to a rule without conditions on the response".to_owned());
                    }
                    self.signal(place.key("signal"), &excluded.signal);
                    if excluded.at.as_ref().is_some_and(String::is_empty) {
                        self.report(place.key("at"), "an empty location").help =
                            Some("write for instance `at: query.q`".to_owned());
                    }
                }
                Action::Tag(word) => {
                    if word.is_empty()
                        || word.len() > 64
                        || !word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
                    {
                        self.report(
                            place.key("tag"),
                            "a tag has 1 to 64 letters, digits, `-`, `_` and `.`",
                        )
                        .help = Some("it is handed on in a header, in a list with commas".to_owned());
                    }
                }
            }
        }
    }
}

/// Whether it can be judged only when the function has answered.
fn looks_at_response(condition: &Condition) -> bool {
    let mut left = vec![condition];
    while let Some(condition) = left.pop() {
        match condition {
            Condition::All(group) | Condition::Any(group) | Condition::None(group) => left.extend(group),
            Condition::Not(inner) => left.push(inner),
            Condition::Test(test) if test.field.phase() == Phase::Response => return true,
            Condition::Test(_) => {}
        }
    }
    false
}
