//! What a name or value must be, ready to be asked. Nothing is compiled here: automata come as bytes and are verified.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use memchr::memmem::Finder;
use regex_automata::{
    Input,
    dfa::{Automaton, sparse},
};

use super::{
    error::Broken,
    like::Like,
    lists::{List, Ranges},
    value::Value,
};
use crate::{
    canonical::{self, Comparison, Match},
    limits,
};

/// What loading a condition refers to.
pub(crate) struct Shelf {
    patterns: Vec<Arc<Pattern>>,
    lists: BTreeMap<String, Arc<List>>,
}

/// A regular expression.
#[derive(Debug)]
pub(crate) struct Pattern {
    automaton: sparse::DFA<Vec<u8>>,
    /// Texts of which one stands in whatever it matches, in any case of its letters.
    needs: Box<[String]>,
}

impl Shelf {
    /// Reads patterns and lists of a policy.
    pub(crate) fn read(policy: &canonical::Canonical) -> Result<Self, Broken> {
        if policy.patterns.len() > limits::PATTERNS {
            return Err(Broken::TooMany { what: "regular expressions", limit: limits::PATTERNS });
        }
        let mut bytes = 0;
        let mut patterns = Vec::with_capacity(policy.patterns.len());
        for pattern in &policy.patterns {
            let wrong = |what: &str| Broken::wrong("patterns", format!("/{}/ {what}", shown(&pattern.text)));
            if pattern.dfa.len() / 4 * 3 > limits::PATTERN_BYTES + 3 {
                return Err(wrong("has too large an automaton"));
            }
            let dfa = STANDARD.decode(&pattern.dfa).map_err(|_| wrong("is no base64"))?;
            bytes += dfa.len();
            if bytes > limits::ALL_PATTERN_BYTES {
                return Err(Broken::TooMany { what: "bytes of automata", limit: limits::ALL_PATTERN_BYTES });
            }
            let (read, used) = sparse::DFA::from_bytes(&dfa).map_err(|_| wrong("has a broken automaton"))?;
            if used != dfa.len() {
                return Err(wrong("has bytes behind its automaton"));
            }
            if pattern.needs.len() > limits::NEEDS {
                return Err(wrong("needs one of too many texts"));
            }
            patterns
                .push(Arc::new(Pattern { automaton: read.to_owned(), needs: pattern.needs.clone().into() }));
        }
        let lists = super::lists::read(&policy.lists)?;
        Ok(Self { patterns, lists: lists.into_iter().map(|(name, list)| (name, Arc::new(list))).collect() })
    }

    /// A list by its name.
    pub(crate) fn list(&self, name: &str) -> Option<Arc<List>> {
        self.lists.get(name).map(Arc::clone)
    }
}

fn shown(text: &str) -> String {
    text.escape_debug().take(64).collect()
}

/// What a name or value must be.
#[derive(Clone, Debug)]
pub(crate) enum Matcher {
    Equals { text: Box<[u8]>, caseless: bool },
    Number(i64),
    Contains { finder: Box<Finder<'static>>, caseless: bool },
    Like(Like),
    Pattern(Arc<Pattern>),
    List(Arc<List>),
    Ranges(Ranges),
    Compare(Comparison, i64),
    All(Box<[Matcher]>),
    Any(Box<[Matcher]>),
    Not(Box<Matcher>),
}

/// How texts of a field are compared, whatever the policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Folding {
    /// As they are.
    Exact,
    /// In lower case: header names, domains.
    Lower,
    /// In upper case: countries, methods.
    Upper,
    /// As numbers, so that `equals` means a number.
    Number,
}

impl Matcher {
    /// Loads what one match says. `depth` counts groups within groups.
    pub(crate) fn load(
        one: &Match,
        shelf: &Shelf,
        folding: Folding,
        place: &str,
        depth: usize,
    ) -> Result<Self, Broken> {
        if depth > limits::CONDITION_DEPTH {
            return Err(Broken::wrong(place, "its condition is nested too deeply"));
        }
        let fold = |text: &canonical::Text| {
            if text.text.len() > limits::TEXT_BYTES {
                return Err(Broken::wrong(place, "it compares with too long a text"));
            }
            Ok(match folding {
                Folding::Lower => text.text.to_ascii_lowercase(),
                Folding::Upper => text.text.to_ascii_uppercase(),
                Folding::Exact | Folding::Number => text.text.clone(),
            })
        };
        let group = |all: &[Match]| -> Result<Box<[Self]>, Broken> {
            all.iter().map(|one| Self::load(one, shelf, folding, place, depth + 1)).collect()
        };
        Ok(match one {
            Match::Equals(text) if folding == Folding::Number => Self::Number(
                Value::Text(text.text.as_bytes())
                    .number()
                    .ok_or_else(|| Broken::wrong(place, format!("{:?} is no number", shown(&text.text))))?,
            ),
            Match::Equals(text) => {
                Self::Equals { text: fold(text)?.into_bytes().into(), caseless: text.caseless }
            }
            Match::Contains(text) => {
                let needle = fold(text)?;
                let needle = if text.caseless { needle.to_ascii_lowercase() } else { needle };
                Self::Contains {
                    finder: Box::new(Finder::new(needle.as_bytes()).into_owned()),
                    caseless: text.caseless,
                }
            }
            Match::Like(text) => Self::Like(Like::new(&fold(text)?, text.caseless)),
            Match::Matches(number) => shelf
                .patterns
                .get(*number as usize)
                .map(|pattern| Self::Pattern(Arc::clone(pattern)))
                .ok_or_else(|| Broken::wrong(place, format!("there is no pattern {number}")))?,
            Match::InList(name) => shelf
                .list(name)
                .map(Self::List)
                .ok_or_else(|| Broken::wrong(place, format!("there is no list {:?}", shown(name))))?,
            Match::InCidr(nets) => Self::Ranges(Ranges::new(nets)),
            Match::Compare(how, number) => Self::Compare(*how, *number),
            Match::All(all) => Self::All(group(all)?),
            Match::Any(all) => Self::Any(group(all)?),
            Match::Not(one) => Self::Not(Box::new(Self::load(one, shelf, folding, place, depth + 1)?)),
        })
    }

    /// Whether a value is what it must be. The nesting was bounded when it was loaded.
    pub(crate) fn holds(&self, value: Value<'_>) -> bool {
        match self {
            Self::Equals { text, caseless } => value.text().is_some_and(|found| {
                if *caseless { found.eq_ignore_ascii_case(text) } else { found == &text[..] }
            }),
            Self::Number(number) => value.number() == Some(*number),
            Self::Contains { finder, caseless } => value.text().is_some_and(|found| {
                if *caseless {
                    finder.find(&found.to_ascii_lowercase()).is_some()
                } else {
                    finder.find(found).is_some()
                }
            }),
            Self::Like(like) => value.text().is_some_and(|found| like.matches(found)),
            Self::Pattern(pattern) => value.text().is_some_and(|found| {
                pattern
                    .automaton
                    .try_search_fwd(&Input::new(found).earliest(true))
                    .is_ok_and(|end| end.is_some())
            }),
            Self::List(list) => list.has(value),
            Self::Ranges(ranges) => value.address().is_some_and(|address| ranges.contain(address)),
            Self::Compare(how, bound) => value.number().is_some_and(|number| match how {
                Comparison::Less => number < *bound,
                Comparison::LessOrEqual => number <= *bound,
                Comparison::Greater => number > *bound,
                Comparison::GreaterOrEqual => number >= *bound,
            }),
            Self::All(all) => all.iter().all(|one| one.holds(value)),
            Self::Any(all) => all.iter().any(|one| one.holds(value)),
            Self::Not(one) => !one.holds(value),
        }
    }

    /// The texts of which a value must equal one, where that is all that it says; `None` where it says anything else.
    pub(crate) fn texts(&self) -> Option<Vec<&[u8]>> {
        match self {
            Self::Equals { text, caseless: false } => Some(vec![text]),
            Self::Any(all) => {
                let texts: Option<Vec<Vec<&[u8]>>> = all.iter().map(Self::texts).collect();
                texts.map(|texts| texts.concat())
            }
            Self::All(all) => all.iter().find_map(Self::texts),
            Self::List(list) => match &**list {
                List::Texts(set) => Some(set.iter().map(|text| &text[..]).collect()),
                List::Wildcards(_) | List::Ranges(_) | List::Numbers(_) => None,
            },
            _ => None,
        }
    }

    /// Texts of which one must stand somewhere in a value, in any case of its letters; `None` where it says anything else.
    pub(crate) fn fragments(&self) -> Option<Vec<&[u8]>> {
        match self {
            Self::Contains { finder, .. } => Some(vec![finder.needle()]),
            Self::Equals { text, .. } => Some(vec![text]),
            Self::Like(like) => Some(vec![like.longest()]),
            Self::Pattern(pattern) if !pattern.needs.is_empty() => {
                Some(pattern.needs.iter().map(String::as_bytes).collect())
            }
            Self::Any(all) => {
                let fragments: Option<Vec<Vec<&[u8]>>> = all.iter().map(Self::fragments).collect();
                fragments.map(|fragments| fragments.concat())
            }
            Self::All(all) => all
                .iter()
                .filter_map(Self::fragments)
                .max_by_key(|texts| texts.iter().map(|text| text.len()).min()),
            _ => None,
        }
    }

    /// The prefixes of which a value must begin with one; `None` where it says anything else.
    pub(crate) fn prefixes(&self) -> Option<Vec<&[u8]>> {
        match self {
            Self::Like(like) if !like.prefix().is_empty() => Some(vec![like.prefix()]),
            Self::Equals { text, caseless: false } if !text.is_empty() => Some(vec![text]),
            Self::Any(all) => {
                let prefixes: Option<Vec<Vec<&[u8]>>> = all.iter().map(Self::prefixes).collect();
                prefixes.map(|prefixes| prefixes.concat())
            }
            Self::All(all) => all.iter().find_map(Self::prefixes),
            _ => None,
        }
    }

    /// The ranges that an address must lie in; `None` where it says anything else.
    pub(crate) fn ranges(&self) -> Option<&Ranges> {
        match self {
            Self::Ranges(ranges) => Some(ranges),
            Self::List(list) => match &**list {
                List::Ranges(ranges) => Some(ranges),
                List::Texts(_) | List::Wildcards(_) | List::Numbers(_) => None,
            },
            Self::All(all) => all.iter().find_map(Self::ranges),
            _ => None,
        }
    }
}
