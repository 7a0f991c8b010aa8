//! Conditions, ready to be asked about a request.

use std::{collections::HashSet, sync::Arc};

use picket_detection::response::ResponseSignal;

use super::{
    error::Broken,
    facts::{Facts, name_hash},
    matcher::{Folding, Matcher, Shelf},
};
use crate::{
    Field, FieldKind, Phase,
    canonical::{self, Match},
    limits,
};

/// When a rule applies.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    All(Box<[Condition]>),
    Any(Box<[Condition]>),
    Not(Box<Condition>),
    Test(Box<Test>),
}

/// One look at one field.
#[derive(Clone, Debug)]
pub(crate) struct Test {
    pub(crate) field: Field,
    pub(crate) name: Option<Matcher>,
    pub(crate) value: Option<Matcher>,
    /// Of a signal: what the value in which it was seen must be.
    pub(crate) content: Option<Matcher>,
    /// The hash of the only name that will do, where there is one.
    pub(crate) only: Option<u64>,
}

impl Condition {
    /// Loads and checks a condition of the rule `place`.
    pub(crate) fn load(one: &canonical::Condition, shelf: &Shelf, place: &str) -> Result<Self, Broken> {
        let mut nodes = 0;
        Self::load_at(one, shelf, place, 0, &mut nodes)
    }

    fn load_at(
        one: &canonical::Condition,
        shelf: &Shelf,
        place: &str,
        depth: usize,
        nodes: &mut usize,
    ) -> Result<Self, Broken> {
        *nodes += 1;
        if depth > limits::CONDITION_DEPTH {
            return Err(Broken::wrong(place, "its condition is nested too deeply"));
        }
        if *nodes > limits::CONDITION_NODES {
            return Err(Broken::wrong(place, "its condition has too many parts"));
        }
        let mut group = |all: &[canonical::Condition]| -> Result<Box<[Self]>, Broken> {
            all.iter().map(|one| Self::load_at(one, shelf, place, depth + 1, nodes)).collect()
        };
        Ok(match one {
            canonical::Condition::All(all) => Self::All(group(all)?),
            canonical::Condition::Any(all) => Self::Any(group(all)?),
            canonical::Condition::Not(one) => {
                Self::Not(Box::new(Self::load_at(one, shelf, place, depth + 1, nodes)?))
            }
            canonical::Condition::Test(test) => Self::Test(Box::new(Test::load(test, shelf, place)?)),
        })
    }

    /// Whether it holds. The nesting was bounded when it was loaded.
    pub(crate) fn holds(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::All(all) => all.iter().all(|one| one.holds(facts)),
            Self::Any(all) => all.iter().any(|one| one.holds(facts)),
            Self::Not(one) => !one.holds(facts),
            Self::Test(test) => facts.any(test),
        }
    }

    /// Calls `see` with every test in it.
    pub(crate) fn tests<'c>(&'c self, see: &mut impl FnMut(&'c Test)) {
        match self {
            Self::All(all) | Self::Any(all) => all.iter().for_each(|one| one.tests(see)),
            Self::Not(one) => one.tests(see),
            Self::Test(test) => see(test),
        }
    }

    /// Whether it asks for a signal that is one of these, and for no other.
    pub(crate) fn reads_only(&self, signals: &HashSet<Arc<str>>) -> bool {
        let mut found = false;
        self.tests(&mut |test| {
            let texts = test.value.as_ref().and_then(Matcher::texts);
            let among = |text: &&[u8]| std::str::from_utf8(text).is_ok_and(|text| signals.contains(text));
            found |= test.field == Field::Signal
                && texts.is_some_and(|texts| !texts.is_empty() && texts.iter().all(among));
        });
        found
    }

    /// From when on it can be judged.
    pub(crate) fn phase(&self) -> Phase {
        let mut phase = Phase::Request;
        self.tests(&mut |test| phase = phase.max(test.phase()));
        phase
    }
}

/// How the values of a field are compared.
const fn folding(field: Field) -> Folding {
    match field {
        Field::Domain | Field::Scheme => Folding::Lower,
        Field::Country | Field::Method => Folding::Upper,
        _ => match field.kind() {
            FieldKind::Number => Folding::Number,
            FieldKind::Address | FieldKind::Text | FieldKind::Named => Folding::Exact,
        },
    }
}

impl Test {
    /// From when on it can be judged: a test of nothing but signals of answers waits for the answer.
    fn phase(&self) -> Phase {
        let texts = self.value.as_ref().and_then(Matcher::texts);
        let of_answers = |texts: &Vec<&[u8]>| {
            let known =
                |text: &&[u8]| ResponseSignal::ALL.iter().any(|signal| signal.id().as_bytes() == *text);
            !texts.is_empty() && texts.iter().all(known)
        };
        if self.field == Field::Signal && texts.as_ref().is_some_and(of_answers) {
            Phase::Response
        } else {
            self.field.phase()
        }
    }

    fn load(test: &canonical::Test, shelf: &Shelf, place: &str) -> Result<Self, Broken> {
        let field = test.field;
        if test.name.is_some() && field.kind() != FieldKind::Named {
            return Err(Broken::wrong(place, format!("{field} has no names")));
        }
        if field.kind() == FieldKind::Address
            && test.value.as_ref().is_some_and(|value| !is_of_addresses(value))
        {
            return Err(Broken::wrong(place, format!("{field} is an address: use inCidr or inList")));
        }
        let names = if matches!(field, Field::Header | Field::ResponseHeader) {
            Folding::Lower
        } else {
            Folding::Exact
        };
        let load = |one: &Option<Match>, folding| {
            one.as_ref().map(|one| Matcher::load(one, shelf, folding, place, 0)).transpose()
        };
        let name = load(&test.name, names)?;
        let value = load(&test.value, folding(field))?;
        let content = load(&test.content, Folding::Exact)?;
        if content.is_some() && field != Field::Signal {
            return Err(Broken::wrong(place, format!("{field} is not seen in a value")));
        }
        // A JSON name may be a whole path, of which only the last key is known beforehand; signals are few.
        let only = match &name {
            Some(Matcher::Equals { text, caseless: false }) if field != Field::Signal => {
                Some(name_hash(field, last_key(field, text)))
            }
            _ => None,
        };
        Ok(Self { field, name, value, content, only })
    }
}

/// The part of a name by which values are found: of a JSON path its last key.
pub(crate) fn last_key(field: Field, name: &[u8]) -> &[u8] {
    if field != Field::Json {
        return name;
    }
    name.rsplit(|byte| *byte == b'.').next().unwrap_or(name)
}

/// Whether a match asks nothing of an address but where it lies.
fn is_of_addresses(one: &Match) -> bool {
    match one {
        Match::InList(_) | Match::InCidr(_) => true,
        Match::All(all) | Match::Any(all) => all.iter().all(is_of_addresses),
        Match::Not(one) => is_of_addresses(one),
        Match::Equals(_) | Match::Contains(_) | Match::Like(_) | Match::Matches(_) | Match::Compare(..) => {
            false
        }
    }
}
