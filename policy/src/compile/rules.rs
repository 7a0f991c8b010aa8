//! Rules and rate limits of a document to those of the canonical form.

use super::{Compiler, Names};
use crate::{
    canonical,
    document::{self, Action, is_known_signal},
};

impl Compiler<'_> {
    pub(super) fn rules(&mut self, rules: &[document::Rule], section: &str) -> Vec<canonical::Rule> {
        let mut names = Names::new();
        let mut all = Vec::with_capacity(rules.len());
        for (index, rule) in rules.iter().enumerate() {
            let place = format!("{section}[{index}]");
            self.id(&rule.id, &place, &mut names);
            all.push(canonical::Rule {
                id: rule.id.clone(),
                when: self.when(rule.when.as_ref(), &place),
                then: self.effects(rule.then.as_slice(), &format!("{place}.then")),
                dry_run: rule.dry_run,
                sample: rule.sample.map(document::Percent::get),
                expires: rule.expires.map(document::Date::end),
            });
        }
        all
    }

    pub(super) fn rate_limits(&mut self) -> Vec<canonical::RateLimit> {
        let document = self.document;
        let mut names = Names::new();
        let mut all = Vec::with_capacity(document.rate_limits.len());
        for (index, limit) in document.rate_limits.iter().enumerate() {
            let place = format!("rateLimits[{index}]");
            self.id(&limit.id, &place, &mut names);
            let seconds =
                |duration: document::Duration| u32::try_from(duration.seconds()).unwrap_or(u32::MAX);
            all.push(canonical::RateLimit {
                id: limit.id.clone(),
                when: self.when(limit.when.as_ref(), &place),
                limit: limit.limit,
                window: seconds(limit.window),
                key: limit.key.as_slice().iter().map(key).collect(),
                then: self.effects(limit.then.as_slice(), &format!("{place}.then")),
                hold: limit.lasts.map(seconds),
                dry_run: limit.dry_run,
                expires: limit.expires.map(document::Date::end),
            });
        }
        all
    }

    fn id<'n>(&mut self, id: &'n str, place: &str, names: &mut Names<'n>) {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:".contains(c);
        if id.is_empty() || id.len() > crate::limits::NAME_BYTES || !id.chars().all(plain) {
            let message = format!(
                "`{id}` is no id: letters, digits and -_./: are possible, at most {}",
                crate::limits::NAME_BYTES
            );
            self.wrong(&format!("{place}.id"), message);
        }
        if let Some(first) = names.insert(id, place.to_owned()) {
            self.wrong(&format!("{place}.id"), format!("`{id}` stands at {first} already; ids stand once"));
        }
    }

    pub(super) fn effects(&mut self, actions: &[Action], place: &str) -> Vec<canonical::Effect> {
        if actions.is_empty() {
            self.wrong(place, "it does nothing: name at least one action");
        }
        let mut effects = Vec::with_capacity(actions.len());
        for (index, action) in actions.iter().enumerate() {
            let place = format!("{place}[{index}]");
            effects.push(match action {
                Action::Allow => canonical::Effect::Allow,
                Action::Block(with) => canonical::Effect::Block(answer(with)),
                Action::Signal(signal) => {
                    let custom = document::is_custom_signal(signal);
                    if !custom && !document::ACCOUNT_SIGNALS.contains(&signal.as_str()) {
                        let message =
                            format!("`{signal}` cannot be given: write `site.` and a name of your own");
                        self.wrong(&format!("{place}.signal"), message);
                    }
                    canonical::Effect::Signal(signal.clone())
                }
                Action::ExcludeSignal(excluded) => {
                    if !is_known_signal(&excluded.signal) {
                        let message = format!("`{}` is no signal that Picket knows", excluded.signal);
                        self.wrong(&format!("{place}.excludeSignal.signal"), message);
                    }
                    canonical::Effect::ExcludeSignal {
                        signal: excluded.signal.clone(),
                        at: excluded.at.clone(),
                    }
                }
                Action::Log => canonical::Effect::Log,
                Action::Tag(tag) => canonical::Effect::Tag(tag.clone()),
            });
        }
        effects
    }
}

/// An answer of the document.
pub(super) fn answer(answer: &document::Answer) -> canonical::Answer {
    canonical::Answer {
        status: answer.status,
        location: answer.location.clone(),
        body: answer.body.clone(),
        headers: answer.headers.clone(),
    }
}

fn key(key: &document::Key) -> canonical::KeyPart {
    match key {
        document::Key::Client => canonical::KeyPart::Client,
        document::Key::Header(name) => canonical::KeyPart::Header(name.to_ascii_lowercase()),
        document::Key::Cookie(name) => canonical::KeyPart::Cookie(name.clone()),
        document::Key::Parameter(name) => canonical::KeyPart::Parameter(name.clone()),
        document::Key::JwtClaim(name) => canonical::KeyPart::JwtClaim(name.clone()),
    }
}
