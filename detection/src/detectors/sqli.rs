//! SQL injection.
//!
//! # What it detects
//!
//! Values that would run as SQL where an application puts them into a statement: inside a string, after a number or a
//! name, in parentheses, or as a statement of their own. The value is lexed from each place where a host could stand in
//! front of it and read by a recogniser for what continues a statement: conditions that are always true, `union
//! select`, statements after a semicolon, delays, functions whose errors or side effects show data, subqueries, reads of
//! the catalogue, files and commands, and tails that comment out or balance what follows.
//!
//! # Why it matters
//!
//! It reads, changes or deletes whatever the function's database role may reach, and often signs the attacker in.
//!
//! # Example
//!
//! `nobody' or 3*7=21 -- ` closes the string, joins a condition that always holds, and comments out the rest.
//!
//! # Known false positives
//!
//! Posts that show an injection, not just a statement. Query languages that are SQL, sent whole in a parameter. A bare
//! `5 or 6` is never more than likely.
//!
//! # Evasions covered
//!
//! Comments and control characters as white space, MySQL's executable comments, words split by comments, no white space
//! at all (`1e0union(select(1))`), any case, hexadecimal and concatenated strings, `like`, `between`, `in`, `regexp`,
//! `div` instead of signs, dollar quotes, brackets, `q'[…]'`, JSON operators, and text with apostrophes around it.
//!
//! # References
//!
//! CWE-89; OWASP Testing Guide WSTG-INPV-05; MySQL, PostgreSQL, SQL Server, Oracle and SQLite reference manuals on
//! lexical structure and comments.

use std::{cell::OnceCell, ops::Range};

use picket_request::Place;

use crate::{
    Class, Detector, Fact, FactKind, Gate, Input, Scratch, Signal, Sink, Tier, doubt::Shown, limits,
    sql::{Opening, Run, Seen, Tail, runs, within_prose},
};

/// The detector.
pub(crate) static DETECTOR: Detector =
    Detector { signal: Signal::Sqli, name: "sqli", version: 1, gate: Gate::With(&[Class::SingleQuote, Class::DoubleQuote, Class::Backtick, Class::Semicolon, Class::Paren, Class::Equals, Class::Star, Class::Hash, Class::Pipe, Class::Ampersand, Class::Control, Class::Percent], gate), run };

use FactKind::{Breakout, Doubt, Effect, Lexical, Structure};

static QUOTE: Fact = Fact::new("closes the string and goes on", Breakout, 50);
static OWN_QUOTE: Fact = Fact::new("goes on after a string of its own", Breakout, 20);
static NUMBER: Fact = Fact::new("goes on after a number", Breakout, 30);
static LATER_NUMBER: Fact = Fact::new("goes on after a number in the value", Structure, 30);
static WORD: Fact = Fact::new("goes on after a name", Breakout, 15);
static FRAGMENT: Fact = Fact::new("begins in the middle of a statement", Breakout, 20);
static EXPRESSION: Fact = Fact::new("is an expression", Structure, 20);
static CLOSES: Fact = Fact::new("closes a parenthesis of the host", Breakout, 15);
static COMMENT: Fact = Fact::new("comments out the rest", Breakout, 30);
static SIGN_IN: Fact = Fact::new("ends the statement after one word", Effect, 20);
static REMARK: Fact = Fact::new("ends in a comment", Lexical, 15);
static BALANCED: Fact = Fact::new("leaves a string open for the host to close", Breakout, 30);
static UNION: Fact = Fact::new("union select", Effect, 70);
static UNION_WIDE: Fact = Fact::new("union select of several constants", Effect, 100);
static UNION_WORDS: Fact = Fact::new("the words union select", Lexical, 40);
static STATEMENT: Fact = Fact::new("a statement of its own", Effect, 70);
static STATEMENT_WORD: Fact = Fact::new("a word that begins a statement", Structure, 30);
static STACKED_SELECT: Fact = Fact::new("a select of its own", Effect, 50);
static SELECT_WORD: Fact = Fact::new("the word select, and no select", Structure, 30);
static SURE_DELAY: Fact = Fact::new("a delay", Effect, 80);
static DELAY: Fact = Fact::new("sleep", Effect, 50);
static ERROR: Fact = Fact::new("a function whose error shows data", Effect, 60);
static OUTSIDE: Fact = Fact::new("reaches files, network or commands", Effect, 60);
static SERVER: Fact = Fact::new("asks about the server", Effect, 25);
static TEXT: Fact = Fact::new("builds or cuts text", Structure, 15);
static CHOICE: Fact = Fact::new("decides by a condition", Structure, 20);
static CATALOGUE: Fact = Fact::new("names the catalogue", Effect, 40);
static CONSTANT: Fact = Fact::new("a condition that is constant", Effect, 50);
static TRUTH: Fact = Fact::new("a constant as condition", Effect, 20);
static CONDITION: Fact = Fact::new("joins a condition", Effect, 20);
static SUBQUERY: Fact = Fact::new("a subquery", Effect, 50);
static ORDERED: Fact = Fact::new("orders by the number of a column", Effect, 50);
static ORDERED_BY_NAME: Fact = Fact::new("orders or groups", Structure, 20);
static EXTRACTS: Fact = Fact::new("tests text piece by piece", Effect, 60);
static DYNAMIC: Fact = Fact::new("runs a statement that it builds", Effect, 60);
static CONDITION_LAST: Fact = Fact::new("a condition ends the value", Effect, 30);
static SPLICE: Fact = Fact::new("joins the host's two quotes with an operator", Effect, 20);
static ALL_OF_IT: Fact = Fact::new("the whole value is a condition", Structure, 20);
static HAVING: Fact = Fact::new("having", Structure, 30);
static PROCEDURE: Fact = Fact::new("procedure analyse", Effect, 70);
static OUTFILE: Fact = Fact::new("writes a file", Effect, 70);
static PROCEDURE_CALL: Fact = Fact::new("runs a stored procedure of the server", Effect, 80);
static SYSTEM_VARIABLE: Fact = Fact::new("reads a system variable", Effect, 40);
static WHOLE: Fact = Fact::new("the whole value is a statement", Structure, 60);
static WHOLE_EXPRESSION: Fact = Fact::new("the whole value is an expression", Structure, 30);
static SQL_ONLY: Fact = Fact::new("in a form that only SQL has", Structure, 40);
static EMBEDDED: Fact = Fact::new("holds a statement", Structure, 30);
static EXECUTED: Fact = Fact::new("hides in executable comments", Lexical, 40);
static SPACED: Fact = Fact::new("comments instead of white space", Lexical, 20);
static FLOOD: Fact = Fact::new("more beginnings than a text has", Structure, 60);
static GLUED: Fact = Fact::new("or between the host's quote and another", Effect, 50);
static UNION_LAST: Fact = Fact::new("union select ends the value", Effect, 50);
static PROSE: Fact = Fact::new("reads as prose", Doubt, 40);

/// Length up to which an operator between two quotes is all that a value is about.
const SHORT: usize = 40;

/// Statements of one text for which is asked whether they are shown.
const STATEMENTS_SHOWN: u32 = 16;

/// White space, slashes and letters begin nothing by themselves: what words say without any sign is for the anchors.
fn gate(input: &Input<'_>) -> bool {
    use Class::{
        Ampersand, Backtick, Control, DoubleQuote, Equals, Hash, Paren, Pipe, Semicolon, SingleQuote, Star,
    };
    input.classes.any(&[
        SingleQuote, DoubleQuote, Backtick, Semicolon, Paren, Equals, Star, Hash, Pipe, Ampersand, Control,
    ]) || interleaved(input, input.bytes)
}

fn run(input: &Input<'_>, scratch: &mut Scratch, sink: &mut Sink<'_>) {
    let all = 0..input.bytes.len();
    if look_twice(input, all.clone(), scratch, sink) {
        return;
    }
    if let Some(inner) = within_prose(input.bytes) {
        look_twice(input, inner, scratch, sink);
    }
}

/// Looks at a part of the value, and at what is left of it where a percent sign stands before every character.
fn look_twice(input: &Input<'_>, part: Range<usize>, scratch: &mut Scratch, sink: &mut Sink<'_>) -> bool {
    let bytes = input.bytes.get(part.clone()).unwrap_or_default();
    let padded = bytes.len() < input.bytes.len();
    if (Look { input, bytes, from: part.start, padded, exact: true }).report(sink) {
        return true;
    }
    if !interleaved(input, bytes) {
        return false;
    }
    let mut text = std::mem::take(&mut scratch.sql);
    text.clear();
    text.extend(bytes.iter().filter(|byte| **byte != b'%'));
    let certain = Look { input, bytes: &text, from: part.start, padded, exact: false }.report(sink);
    scratch.sql = text;
    certain
}

/// `%S%E%L%E%C%T`: some servers leave out a percent sign that escapes nothing.
fn interleaved(input: &Input<'_>, bytes: &[u8]) -> bool {
    const FEWEST: usize = 8;
    let signs = || memchr::memchr_iter(b'%', bytes).count();
    input.classes.has(Class::Percent) && bytes.len() >= FEWEST && signs() * 5 >= bytes.len() * 2
}

/// One text to look for runs in.
struct Look<'a, 'b> {
    input: &'a Input<'b>,
    bytes: &'a [u8],
    /// Where the text begins in the value.
    from: usize,
    /// Whether prose around it was left out.
    padded: bool,
    /// Whether places in the text are places in the value.
    exact: bool,
}

impl Look<'_, '_> {
    /// Looks for runs, and says whether one was certain.
    fn report(&self, sink: &mut Sink<'_>) -> bool {
        let Self { input, bytes, from, padded, exact } = *self;
        let len = bytes.trim_ascii().len();
        let mut certain = false;
        let (shown, mut looks) = (OnceCell::new(), STATEMENTS_SHOWN);
        let exhausted = runs(bytes, |run, opening| {
            let mut facts = Facts::default();
            let case = Case { run, opening, bytes, len, padded, data: input.place == Place::Json };
            // A statement in a code block is shown; what leaves a context there is none.
            // Each look may read a line, so there are only so many.
            let asked = case.stated() && exact && looks > 0;
            looks -= u32::from(asked);
            if asked
                && shown.get_or_init(|| Shown::of(input)).has(input.bytes, from + run.start)
            {
                sink.report(from + run.start..from + run.end, &[&EMBEDDED]);
                return true;
            }
            case.weigh(&mut facts);
            // What is SQL from end to end is no prose, however many short words it has.
            if facts.len > 0 && (run.end - run.start) * 10 < len * 9 {
                let shape = input.shape();
                facts.add_if(shape.is_prose() || (shape.sentences > 0 && shape.words >= 6), &PROSE);
            }
            certain = Fact::sum(facts.list()) >= Tier::CERTAIN_FROM;
            // In the text without its percent signs the place is not the same, so all of the value is named.
            let span = if exact { from + run.start..from + run.end } else { 0..input.bytes.len() };
            sink.report(span, facts.list());
            !certain
        });
        if exhausted {
            // Text has no more than a few places where a statement could go on; what has thousands hides something.
            sink.report(0..input.bytes.len(), &[&FLOOD]);
        }
        certain
    }
}

/// The facts of one run.
struct Facts {
    len: usize,
    facts: [&'static Fact; limits::FACTS],
}

impl Default for Facts {
    fn default() -> Self {
        // What lies beyond `len` is never read.
        Self { len: 0, facts: [&PROSE; limits::FACTS] }
    }
}

impl Facts {
    fn add(&mut self, fact: &'static Fact) {
        if let Some(free) = self.facts.get_mut(self.len) {
            *free = fact;
            self.len += 1;
        }
    }

    fn add_if(&mut self, holds: bool, fact: &'static Fact) {
        if holds {
            self.add(fact);
        }
    }

    fn list(&self) -> &[&'static Fact] {
        self.facts.get(..self.len).unwrap_or_default()
    }
}

/// One run, and the value in which it ran.
struct Case<'a> {
    run: &'a Run,
    opening: Opening,
    bytes: &'a [u8],
    /// Length of the value without the white space around it.
    len: usize,
    /// Whether the value stands in prose, where a statement is shown rather than sent.
    padded: bool,
    /// Whether the value stands in a JSON text, by which programs tell each other of statements.
    data: bool,
}

impl Case<'_> {
    fn seen(&self, what: Seen) -> bool {
        self.run.seen.has(what)
    }

    fn quoted(&self) -> bool {
        matches!(self.opening, Opening::Quote | Opening::OwnQuote)
    }

    /// Whether the run began as a statement rather than as the continuation of one.
    fn stated(&self) -> bool {
        matches!(self.opening, Opening::Statement | Opening::LaterStatement)
    }

    fn quote(&self) -> u8 {
        self.bytes.get(self.run.start.wrapping_sub(1)).copied().unwrap_or(0)
    }

    /// What stands before the quote.
    fn head(&self) -> &[u8] {
        self.bytes.get(..self.run.start.saturating_sub(1)).unwrap_or_default().trim_ascii()
    }

    /// Whether one short word, or nothing, stands before the quote.
    fn after_a_word(&self) -> bool {
        self.opening == Opening::Quote
            && self.head().iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.@%".contains(byte))
    }

    /// Whether the run is the value.
    fn whole(&self) -> bool {
        !self.quoted()
            && self.run.tokens > 1
            && self.run.tail != Tail::Broken
            && (self.run.end - self.run.start) * 10 >= self.len * 9
    }

    fn weigh(&self, facts: &mut Facts) {
        let prefix = match self.opening {
            Opening::Quote => Some(&QUOTE),
            Opening::OwnQuote => Some(&OWN_QUOTE),
            Opening::Number => Some(&NUMBER),
            Opening::LaterNumber => Some(&LATER_NUMBER),
            Opening::Word => Some(&WORD),
            Opening::Fragment => Some(&FRAGMENT),
            Opening::Expression => Some(&EXPRESSION),
            Opening::Statement | Opening::Later | Opening::LaterStatement => None,
        };
        if let Some(prefix) = prefix {
            facts.add(prefix);
        }
        self.weigh_effects(facts);
        let effects = facts.len > usize::from(prefix.is_some());
        if !self.quoted() && !self.stated() && !effects && self.run.tail != Tail::Comment {
            // Numbers, names and expressions go on in many ways; that alone says nothing.
            facts.len = 0;
            return;
        }
        let tailed = matches!(self.run.tail, Tail::Comment | Tail::OpenText(_));
        facts.add_if(self.run.closed > 0 && (effects || tailed) && !self.opened_itself(), &CLOSES);
        self.weigh_tail(prefix.is_some(), effects, facts);
        facts.add_if(self.run.executed > 0 || self.run.split > 0, &EXECUTED);
        if self.opening == Opening::LaterStatement {
            facts.add_if(self.seen(Seen::FROM.and(Seen::STATEMENT)), &EMBEDDED);
        } else if !(self.padded && self.stated()) {
            self.weigh_form(effects, facts);
        }
    }

    fn weigh_effects(&self, facts: &mut Facts) {
        let broken = self.run.tail == Tail::Broken;
        if self.seen(Seen::UNION) {
            let columns = self.seen(Seen::CONSTANT_COLUMNS.and(Seen::STAR));
            let from = self.seen(Seen::FROM) && (self.quoted() || !broken) && self.opening != Opening::Later;
            facts.add(if self.seen(Seen::WIDE) && !self.stated() {
                &UNION_WIDE
            } else if columns || from {
                &UNION
            } else if self.run.tail == Tail::Wanting {
                &UNION_LAST
            } else {
                &UNION_WORDS
            });
        }
        if !self.stated() {
            facts.add_if(self.seen(Seen::STATEMENT), &STATEMENT);
            facts.add_if(self.seen(Seen::STATEMENT_WORD), &STATEMENT_WORD);
            let columns = Seen::CONSTANT_COLUMNS.and(Seen::FROM).and(Seen::STAR).and(Seen::SUBQUERY);
            if self.seen(Seen::SELECT) && !self.seen(Seen::UNION) {
                // A sentence that begins with the word breaks off without a table or a value.
                let whole = self.run.tail != Tail::Broken && self.opening != Opening::Word;
                // `'Select' by …`: the word stands in quotation marks.
                let rest = self.bytes.get(self.run.start..).unwrap_or_default();
                let glued = self.quoted()
                    && rest.get(..6).is_some_and(|word| word.eq_ignore_ascii_case(b"select"))
                    && rest.get(6) == Some(&self.quote());
                facts.add(if (whole || self.seen(columns)) && !glued { &STACKED_SELECT } else { &SELECT_WORD });
            }
            facts.add_if(self.seen(Seen::SUBQUERY), &SUBQUERY);
        }
        facts.add_if(self.seen(Seen::SURE_DELAY), &SURE_DELAY);
        facts.add_if(self.seen(Seen::DELAY), &DELAY);
        facts.add_if(self.seen(Seen::ERROR), &ERROR);
        facts.add_if(self.seen(Seen::OUTSIDE), &OUTSIDE);
        facts.add_if(self.seen(Seen::PROCEDURE_CALL), &PROCEDURE_CALL);
        facts.add_if(self.seen(Seen::DYNAMIC), &DYNAMIC);
        facts.add_if(self.seen(Seen::OUTFILE), &OUTFILE);
        facts.add_if(self.seen(Seen::PROCEDURE), &PROCEDURE);
        facts.add_if(self.constant(), &CONSTANT);
        facts.add_if(!self.constant() && self.glued(), &GLUED);
        // What continues a statement by these is part of it where a program tells of the whole statement.
        let part = self.data && self.stated() && self.seen(Seen::SELECT.and(Seen::STATEMENT));
        facts.add_if(self.seen(Seen::CONDITION) && !part, &CONDITION);
        facts.add_if(self.seen(Seen::CONSTANT_TRUTH) && (!broken || self.run.tokens > 4), &TRUTH);
        facts.add_if(self.seen(Seen::CATALOGUE), &CATALOGUE);
        facts.add_if(self.seen(Seen::SYSTEM_VARIABLE), &SYSTEM_VARIABLE);
        facts.add_if(self.seen(Seen::SERVER), &SERVER);
        facts.add_if(self.seen(Seen::ORDERED) && !part, &ORDERED);
        facts.add_if(self.extracts() && !part, &EXTRACTS);
    }

    /// Whether a constant condition is joined. One that does not hold changes nothing behind `or`, unless the run is
    /// whole, as probes are.
    fn constant(&self) -> bool {
        let probe = self.seen(Seen::FALSE_CONDITION) && self.run.tail != Tail::Broken;
        self.seen(Seen::CONSTANT_CONDITION) || probe
    }

    /// `'or'a='a`: no white space, and a comparison behind it.
    fn glued(&self) -> bool {
        let rest = self.bytes.get(self.run.start..).unwrap_or_default();
        let quote = rest.get(2).copied();
        self.opening == Opening::Quote
            && rest.get(..2).is_some_and(|word| word.eq_ignore_ascii_case(b"or"))
            && matches!(quote, Some(b'\'' | b'"'))
            && rest.len() <= SHORT
            && memchr::memchr(b'=', rest).is_some_and(|at| memchr::memrchr(self.quote(), rest) > Some(at))
    }

    /// Whether the value has opened a parenthesis shortly before the string of its own behind which the run begins.
    fn opened_itself(&self) -> bool {
        const NEAR: usize = 200;
        let head = self.bytes.get(self.run.start.saturating_sub(NEAR)..self.run.start).unwrap_or_default();
        self.opening == Opening::OwnQuote
            && memchr::memchr_iter(b'(', head).count() > memchr::memchr_iter(b')', head).count()
    }

    fn extracts(&self) -> bool {
        self.seen(Seen::TEXT) && self.seen(Seen::CONDITION.and(Seen::SERVER))
    }

    fn weigh_tail(&self, begun: bool, effects: bool, facts: &mut Facts) {
        let operated = self.seen(Seen::OPERATED) && !effects;
        match self.run.tail {
            Tail::Comment if self.quoted() => {
                facts.add(&COMMENT);
                facts.add_if(!effects && !self.phrase() && self.after_a_word(), &SIGN_IN);
            }
            Tail::Comment if effects && !self.stated() => facts.add(&COMMENT),
            Tail::Comment if begun => facts.add(&REMARK),
            Tail::OpenText(quote) if self.quoted() && self.quote() == quote => {
                facts.add(&BALANCED);
                // `"like"` and `"*"` are words in quotation marks.
                let after = self.bytes.get(self.run.start).copied().unwrap_or(b'*');
                let word = after.is_ascii_alphabetic() || (after == b'*' && self.head().is_empty());
                let before = self.bytes.get(self.run.start.wrapping_sub(2));
                let word = word || before.is_some_and(|byte| byte.is_ascii_whitespace() && !self.head().is_empty());
                facts.add_if(operated && !word && self.after_a_word() && self.len <= SHORT, &SPLICE);
            }
            Tail::Complete => {
                facts.add_if(self.seen(Seen::CONDITION) && self.after_a_word(), &CONDITION_LAST);
            }
            _ => {}
        }
    }

    /// `"#2 of 5"` is a phrase in quotation marks, and `'#top'` a fragment.
    fn phrase(&self) -> bool {
        let rest = self.bytes.get(self.run.start..).unwrap_or_default();
        let hash = rest.first() == Some(&b'#') && rest.get(1).is_some_and(u8::is_ascii_alphanumeric);
        hash || rest.contains(&self.quote())
    }

    fn weigh_form(&self, effects: bool, facts: &mut Facts) {
        facts.add_if(self.run.comments > 1 && effects, &SPACED);
        facts.add_if(self.seen(Seen::ORDERED_BY_NAME), &ORDERED_BY_NAME);
        facts.add_if(self.seen(Seen::HAVING), &HAVING);
        facts.add_if(self.seen(Seen::CHOICE), &CHOICE);
        facts.add_if(self.seen(Seen::TEXT) && !self.extracts(), &TEXT);
        if self.opening == Opening::Statement {
            let columns = self.seen(Seen::CONSTANT_COLUMNS.and(Seen::CATALOGUE));
            let sql = columns || (self.seen(Seen::WHERE) && self.run.tail != Tail::Wanting);
            let changes = self.seen(Seen::STATEMENT.and(Seen::PROCEDURE_CALL));
            let selects = self.seen(Seen::SELECT) && (self.seen(Seen::FROM) || sql);
            facts.add_if(self.whole() && (changes || selects), &WHOLE);
            // `select 1` asks whether anybody is there.
            let asks = self.bytes.trim_ascii().get(6..).is_some_and(|rest| rest.iter().all(|b| b.is_ascii_digit() || *b == b' '));
            let told = self.data && (!effects && !self.seen(Seen::CONSTANT_COLUMNS.and(Seen::CATALOGUE)) || asks);
            facts.add_if((changes || (selects && sql)) && !told, &SQL_ONLY);
        } else if self.whole() {
            facts.add_if(self.opening == Opening::Expression, &WHOLE_EXPRESSION);
            let sure = Seen::UNION.and(Seen::DELAY).and(Seen::SUBQUERY).and(Seen::ORDERED).and(Seen::STATEMENT);
            // `7;select count(*) from x`
            let stacked = self.seen(Seen::SELECT)
                && self.seen(Seen::SEMICOLON)
                && self.seen(Seen::FROM)
                && self.seen(Seen::CONSTANT_COLUMNS.and(Seen::STAR));
            facts.add_if(self.constant() || self.seen(sure) || stacked, &ALL_OF_IT);
        }
    }
}
