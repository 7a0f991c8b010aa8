//! The facts that a detector gathers about one place of a view before it reports them.

use crate::{Fact, limits};

/// A bounded set of facts, in the order in which they were seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Evidence {
    facts: [Option<&'static Fact>; limits::FACTS],
    used: usize,
}

static NOTHING: Fact = Fact::new("nothing", crate::FactKind::Lexical, 0);

impl Evidence {
    /// Adds a fact; what is beyond [`limits::FACTS`] is left out.
    pub(crate) fn add(&mut self, fact: &'static Fact) {
        if let Some(slot) = self.facts.get_mut(self.used) {
            *slot = Some(fact);
            self.used += 1;
        }
    }

    /// Adds a fact where a condition holds.
    pub(crate) fn add_if(&mut self, holds: bool, fact: &'static Fact) {
        if holds {
            self.add(fact);
        }
    }

    /// Whether nothing was seen.
    pub(crate) const fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Calls `report` with the facts.
    pub(crate) fn with<T>(&self, report: impl FnOnce(&[&'static Fact]) -> T) -> T {
        let facts = self.facts.map(|fact| fact.unwrap_or(&NOTHING));
        report(facts.get(..self.used).unwrap_or_default())
    }
}
