//! Named pieces of evidence and what they weigh.

/// What kind of evidence a fact is, which decides whether its surroundings can lower it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FactKind {
    /// The value leaves the context that it was put into: it closes a quote or a tag and goes on in the outer language.
    Breakout,
    /// What would run has an effect: a constant tautology, a delay, a file read, a command.
    Effect,
    /// The value parses as a statement of the language, without leaving a context.
    Structure,
    /// A word or form that attacks use.
    Lexical,
    /// Something that speaks against an attack: prose, a code fence, a plain sibling. It lowers `Structure` and
    /// `Lexical` only, so that wrapping an attack in harmless text never hides it.
    Doubt,
}

/// A named fact. Facts are constants; a finding prints those that decided, with their weights.
#[derive(Debug, PartialEq, Eq)]
pub struct Fact {
    /// A few words for people, for instance `closes the string and goes on`.
    pub name: &'static str,
    /// What kind of evidence it is.
    pub kind: FactKind,
    /// What it adds to the sum (what it takes off, for `Doubt`); never negative.
    pub weight: i32,
}

impl Fact {
    /// A fact.
    #[must_use]
    pub const fn new(name: &'static str, kind: FactKind, weight: i32) -> Self {
        Self { name, kind, weight }
    }

    /// The sum of a set of facts: doubts are subtracted from structure and words, down to nothing, and never from
    /// breakout and effect.
    pub fn sum<'f>(facts: impl IntoIterator<Item = &'f &'static Self>) -> i32 {
        let (mut hard, mut soft, mut doubt) = (0_i32, 0_i32, 0_i32);
        for fact in facts {
            let side = match fact.kind {
                FactKind::Breakout | FactKind::Effect => &mut hard,
                FactKind::Structure | FactKind::Lexical => &mut soft,
                FactKind::Doubt => &mut doubt,
            };
            *side = side.saturating_add(fact.weight);
        }
        hard.saturating_add(soft.saturating_sub(doubt).max(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubt_lowers_words_and_never_a_breakout() {
        static BREAKOUT: Fact = Fact::new("b", FactKind::Breakout, 70);
        static WORD: Fact = Fact::new("w", FactKind::Lexical, 40);
        static PROSE: Fact = Fact::new("p", FactKind::Doubt, 500);
        assert_eq!(Fact::sum([&&BREAKOUT, &&WORD]), 110);
        assert_eq!(Fact::sum([&&BREAKOUT, &&WORD, &&PROSE]), 70);
        assert_eq!(Fact::sum([&&WORD, &&PROSE]), 0);
    }
}
