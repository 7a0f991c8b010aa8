//! A set of rules that are judged together, in an order in which every rule comes after those whose signals it reads.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    condition::Condition,
    error::Broken,
    facts::Needs,
    gates::Gates,
    matcher::{Matcher, Shelf},
};
use crate::{BlockResponse, Exclusion, Field, FieldKind, Phase, canonical, limits};

/// A rule, ready to be judged.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) id: Arc<str>,
    pub(crate) condition: Condition,
    pub(crate) effects: Vec<Effect>,
    pub(crate) dry_run: bool,
    pub(crate) sample: Option<u8>,
    pub(crate) expires: Option<u64>,
    /// Whether it is the floor's, which nothing takes back.
    pub(crate) floor: bool,
    /// Its place in the policy: of several blocks the first one answers.
    pub(crate) position: usize,
}

/// What a rule does.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    Allow,
    Block(Option<Arc<BlockResponse>>),
    Signal(Arc<str>),
    Exclude { signal: Arc<str>, at: Option<Exclusion> },
    Log,
    Tag(Arc<str>),
}

impl Effect {
    /// The word that stands in a policy.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Block(_) => "block",
            Self::Signal(_) => "signal",
            Self::Exclude { .. } => "excludeSignal",
            Self::Log => "log",
            Self::Tag(_) => "tag",
        }
    }

    pub(crate) fn load(
        effect: &canonical::Effect,
        usual: &BlockResponse,
        place: &str,
    ) -> Result<Self, Broken> {
        let name = |text: &str| -> Result<Arc<str>, Broken> {
            if text.is_empty() || text.len() > limits::NAME_BYTES || text.chars().any(char::is_control) {
                return Err(Broken::wrong(place, "a name is empty, too long or has control characters"));
            }
            Ok(Arc::from(text))
        };
        Ok(match effect {
            canonical::Effect::Allow => Self::Allow,
            canonical::Effect::Block(answer) => Self::Block(answer_of(answer, usual, place)?.map(Arc::new)),
            canonical::Effect::Signal(signal) => Self::Signal(name(signal)?),
            canonical::Effect::ExcludeSignal { signal, at } => {
                let unknown = || Broken::wrong(place, "it excludes a signal that is not known");
                let at = at.as_ref().map(|at| Exclusion::new(signal, at).ok_or_else(unknown)).transpose()?;
                Self::Exclude { signal: name(signal)?, at }
            }
            canonical::Effect::Log => Self::Log,
            canonical::Effect::Tag(tag) => Self::Tag(name(tag)?),
        })
    }
}

/// The answer of a rule: what it leaves open is the policy's. `None` where it says nothing of its own.
pub(crate) fn answer_of(
    answer: &canonical::Answer,
    usual: &BlockResponse,
    place: &str,
) -> Result<Option<BlockResponse>, Broken> {
    if *answer == canonical::Answer::default() {
        return Ok(None);
    }
    let status = answer.status.unwrap_or(usual.status());
    let location = answer.location.clone().or_else(|| usual.location().map(str::to_owned));
    let built = BlockResponse::new(status, location).and_then(|response| {
        let body = answer.body.clone().or_else(|| usual.body().map(str::to_owned));
        response.with(body, answer.headers.clone().into_iter().collect())
    });
    built.map(Some).map_err(|error| Broken::wrong(place, format!("its answer cannot be used: {error}")))
}

/// Rules that are judged together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Set {
    pub(crate) rules: Vec<Rule>,
    pub(crate) gates: Gates,
}

impl Set {
    /// Puts rules into an order in which each comes after those whose signals it reads, else in that of the policy.
    pub(crate) fn new(mut rules: Vec<Rule>) -> Result<Self, Broken> {
        let mut givers: BTreeMap<Arc<str>, Vec<usize>> = BTreeMap::new();
        for (index, rule) in rules.iter().enumerate() {
            for effect in &rule.effects {
                if let Effect::Signal(signal) = effect {
                    givers.entry(Arc::clone(signal)).or_default().push(index);
                }
            }
        }
        let before: Vec<BTreeSet<usize>> = rules.iter().map(|rule| reads(&rule.condition, &givers)).collect();
        let mut after: Vec<Vec<usize>> = vec![Vec::new(); rules.len()];
        let mut waits: Vec<usize> = before.iter().map(BTreeSet::len).collect();
        for (index, all) in before.iter().enumerate() {
            for &giver in all {
                after[giver].push(index);
            }
        }
        let mut ready: BTreeSet<usize> =
            waits.iter().enumerate().filter(|(_, count)| **count == 0).map(|(index, _)| index).collect();
        let mut order = Vec::with_capacity(rules.len());
        while let Some(index) = ready.pop_first() {
            order.push(index);
            for &next in &after[index] {
                waits[next] -= 1;
                if waits[next] == 0 {
                    ready.insert(next);
                }
            }
        }
        if order.len() < rules.len() {
            let stuck = waits.iter().position(|count| *count > 0).and_then(|index| rules.get(index));
            let id = stuck.map_or("rules", |rule| &*rule.id);
            return Err(Broken::wrong(id, "it reads a signal that depends on what it does itself"));
        }
        let mut rank = vec![0; rules.len()];
        for (place, index) in order.into_iter().enumerate() {
            rank[index] = place;
        }
        let mut ranked: Vec<(usize, Rule)> = rank.into_iter().zip(rules.drain(..)).collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        let rules: Vec<Rule> = ranked.into_iter().map(|(_, rule)| rule).collect();
        let gates = Gates::new(rules.iter().map(|rule| &rule.condition));
        Ok(Self { rules, gates })
    }

    /// What its conditions look at.
    pub(crate) fn needs(&self) -> Needs {
        self.rules.iter().fold(Needs::default(), |needs, rule| needs.with(&rule.condition))
    }
}

impl Needs {
    /// Also what another condition looks at.
    pub(crate) fn with(mut self, condition: &Condition) -> Self {
        condition.tests(&mut |test| {
            self.path |= test.field == Field::Path;
            self.named |= test.field.kind() == FieldKind::Named && test.field.phase() == Phase::Request;
        });
        self
    }
}

/// The rules whose signals a condition reads.
fn reads(condition: &Condition, givers: &BTreeMap<Arc<str>, Vec<usize>>) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    condition.tests(&mut |test| {
        if test.field != Field::Signal {
            return;
        }
        let read = |signal: &str| {
            let wanted: Option<&Matcher> = test.value.as_ref();
            wanted.is_none_or(|wanted| wanted.holds(super::value::Value::Text(signal.as_bytes())))
        };
        for (signal, all) in givers {
            if read(signal) {
                found.extend(all);
            }
        }
    });
    found
}

/// Whether a condition reads a signal that only a rule can give.
pub(crate) fn reads_own_signals(condition: &Condition) -> bool {
    let mut found = false;
    condition.tests(&mut |test| {
        let texts = test.value.as_ref().and_then(Matcher::texts);
        found |= test.field == Field::Signal
            && texts.is_none_or(|texts| texts.iter().any(|text| text.starts_with(b"site.")));
    });
    found
}

/// Loads one rule.
pub(crate) fn load(
    rule: &canonical::Rule,
    shelf: &Shelf,
    usual: &BlockResponse,
    (floor, position): (bool, usize),
) -> Result<Rule, Broken> {
    let id = &rule.id;
    if id.is_empty() || id.len() > limits::NAME_BYTES || id.chars().any(char::is_control) {
        return Err(Broken::wrong("rules", "a rule's id is empty, too long or has control characters"));
    }
    if rule.then.is_empty() || rule.then.len() > limits::EFFECTS {
        return Err(Broken::wrong(
            id,
            format!("it has {} effects, and 1 to {} are possible", rule.then.len(), limits::EFFECTS),
        ));
    }
    if rule.sample.is_some_and(|percent| percent > 100) {
        return Err(Broken::wrong(id, "its sample is more than 100 percent"));
    }
    let effects: Result<Vec<Effect>, Broken> =
        rule.then.iter().map(|effect| Effect::load(effect, usual, id)).collect();
    let effects = effects?;
    let weakens = effects.iter().any(|effect| matches!(effect, Effect::Allow | Effect::Exclude { .. }));
    if floor && weakens {
        return Err(Broken::wrong(id, "a floor can only tighten: it neither allows nor excludes"));
    }
    Ok(Rule {
        id: Arc::from(id.as_str()),
        condition: Condition::load(&rule.when, shelf, id)?,
        effects,
        dry_run: rule.dry_run,
        sample: rule.sample,
        expires: rule.expires,
        floor,
        position,
    })
}
