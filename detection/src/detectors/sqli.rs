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

use crate::{
    Class, Detector, Fact, FactKind, Input, Scratch, Signal, Sink, Tier, limits,
    sql::{Opening, Run, Seen, Tail, runs},
};

/// The detector.
pub(crate) static DETECTOR: Detector =
    Detector { signal: Signal::Sqli, name: "sqli", version: 1, gate, run };

use FactKind::{Breakout, Doubt, Effect, Lexical, Structure};

static QUOTE: Fact = Fact::new("closes the string and goes on", Breakout, 50);
static OWN_QUOTE: Fact = Fact::new("goes on after a string of its own", Breakout, 20);
static NUMBER: Fact = Fact::new("goes on after a number", Breakout, 30);
static WORD: Fact = Fact::new("goes on after a name", Breakout, 20);
static FRAGMENT: Fact = Fact::new("begins in the middle of a statement", Breakout, 20);
static EXPRESSION: Fact = Fact::new("is an expression", Structure, 20);
static CLOSES: Fact = Fact::new("closes a parenthesis of the host", Breakout, 15);
static COMMENT: Fact = Fact::new("comments out the rest", Breakout, 30);
static SIGN_IN: Fact = Fact::new("ends the statement after one word", Effect, 20);
static REMARK: Fact = Fact::new("ends in a comment", Lexical, 15);
static BALANCED: Fact = Fact::new("leaves a string open for the host to close", Breakout, 30);
static UNION: Fact = Fact::new("union select", Effect, 70);
static UNION_WORDS: Fact = Fact::new("the words union select", Lexical, 40);
static STATEMENT: Fact = Fact::new("a statement of its own", Effect, 70);
static STATEMENT_WORD: Fact = Fact::new("a word that begins a statement", Structure, 30);
static STACKED_SELECT: Fact = Fact::new("a select of its own", Effect, 50);
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
static ORDERED: Fact = Fact::new("orders or groups", Structure, 30);
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
static PROSE: Fact = Fact::new("reads as prose", Doubt, 40);

fn gate(input: &Input<'_>) -> bool {
    use Class::{
        Ampersand, Backtick, Control, DoubleQuote, Equals, Hash, Newline, Paren, Pipe, Semicolon, SingleQuote, Slash,
        Space, Star, Tab,
    };
    input.classes.any(&[
        SingleQuote, DoubleQuote, Backtick, Semicolon, Paren, Equals, Star, Hash, Pipe, Ampersand, Slash, Space, Tab,
        Newline, Control,
    ])
}

fn run(input: &Input<'_>, _scratch: &mut Scratch, sink: &mut Sink<'_>) {
    let len = input.bytes.trim_ascii().len();
    let exhausted = runs(input.bytes, |run, opening| {
        let mut facts = Facts::default();
        weigh(run, opening, input.bytes, len, &mut facts);
        if facts.len > 0 {
            let shape = input.shape();
            facts.add_if(shape.is_prose() || (shape.sentences > 0 && shape.words >= 6), &PROSE);
        }
        let sum = Fact::sum(facts.list());
        sink.report(run.start..run.end, facts.list());
        sum < Tier::CERTAIN_FROM
    });
    let _ = exhausted;
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

/// What a run means. `len` is the length of the value without the white space around it.
fn weigh(run: &Run, opening: Opening, bytes: &[u8], len: usize, facts: &mut Facts) {
    let seen = |what: Seen| run.seen.has(what);
    let quoted = matches!(opening, Opening::Quote | Opening::OwnQuote);
    let whole = !quoted && run.tail != Tail::Broken && (run.end - run.start) * 10 >= len * 9;
    let stated = matches!(opening, Opening::Statement | Opening::LaterStatement);
    let prefix = match opening {
        Opening::Quote => Some(&QUOTE),
        Opening::OwnQuote => Some(&OWN_QUOTE),
        Opening::Number | Opening::LaterNumber => Some(&NUMBER),
        Opening::Word => Some(&WORD),
        Opening::Fragment => Some(&FRAGMENT),
        Opening::Expression => Some(&EXPRESSION),
        Opening::Statement | Opening::Later | Opening::LaterStatement => None,
    };
    if let Some(prefix) = prefix {
        facts.add(prefix);
    }
    facts.add_if(run.closed > 0, &CLOSES);
    // Effects.
    if seen(Seen::UNION) {
        let sure = seen(Seen::CONSTANT_COLUMNS.and(Seen::STAR)) || (quoted && seen(Seen::FROM));
        facts.add(if sure { &UNION } else { &UNION_WORDS });
    }
    if !stated {
        facts.add_if(seen(Seen::STATEMENT), &STATEMENT);
        facts.add_if(seen(Seen::STATEMENT_WORD), &STATEMENT_WORD);
        facts.add_if(seen(Seen::SELECT) && !seen(Seen::UNION), &STACKED_SELECT);
    }
    facts.add_if(seen(Seen::SURE_DELAY), &SURE_DELAY);
    facts.add_if(seen(Seen::DELAY), &DELAY);
    facts.add_if(seen(Seen::ERROR), &ERROR);
    facts.add_if(seen(Seen::OUTSIDE), &OUTSIDE);
    facts.add_if(seen(Seen::PROCEDURE_CALL), &PROCEDURE_CALL);
    facts.add_if(seen(Seen::OUTFILE), &OUTFILE);
    facts.add_if(seen(Seen::PROCEDURE), &PROCEDURE);
    facts.add_if(seen(Seen::CONSTANT_CONDITION), &CONSTANT);
    facts.add_if(seen(Seen::CONDITION), &CONDITION);
    facts.add_if(seen(Seen::CONSTANT_TRUTH), &TRUTH);
    facts.add_if(seen(Seen::CATALOGUE), &CATALOGUE);
    facts.add_if(seen(Seen::SUBQUERY) && !stated, &SUBQUERY);
    facts.add_if(seen(Seen::SYSTEM_VARIABLE), &SYSTEM_VARIABLE);
    facts.add_if(seen(Seen::SERVER), &SERVER);
    let effects = facts.len > usize::from(prefix.is_some());
    if !quoted && !stated && !effects && run.tail != Tail::Comment {
        // Numbers, names and expressions go on in many ways; that alone says nothing.
        facts.len = 0;
        return;
    }
    // How it ends.
    match run.tail {
        Tail::Comment if quoted || (prefix.is_some() && effects) => facts.add(&COMMENT),
        Tail::Comment if prefix.is_some() => facts.add(&REMARK),
        Tail::OpenText(quote) if quoted && bytes.get(run.start.wrapping_sub(1)) == Some(&quote) => {
            facts.add(&BALANCED);
        }
        _ => {}
    }
    if quoted && run.tail == Tail::Comment && !effects {
        let word = bytes.get(..run.start.saturating_sub(1)).unwrap_or_default();
        facts.add_if(!word.iter().any(u8::is_ascii_whitespace), &SIGN_IN);
    }
    // Form.
    facts.add_if(run.executed > 0 || run.split > 0, &EXECUTED);
    if opening == Opening::LaterStatement {
        facts.add_if(seen(Seen::FROM.and(Seen::STATEMENT)), &EMBEDDED);
        return;
    }
    facts.add_if(run.comments > 1 && effects, &SPACED);
    facts.add_if(seen(Seen::ORDERED), &ORDERED);
    facts.add_if(seen(Seen::HAVING), &HAVING);
    facts.add_if(seen(Seen::CHOICE), &CHOICE);
    facts.add_if(seen(Seen::TEXT), &TEXT);
    if opening == Opening::Statement {
        let sql = Seen::STAR.and(Seen::CONSTANT_COLUMNS).and(Seen::CATALOGUE).and(Seen::WHERE);
        let changes = seen(Seen::STATEMENT.and(Seen::PROCEDURE_CALL));
        let selects = seen(Seen::SELECT) && (seen(Seen::FROM) || seen(sql));
        facts.add_if(whole && (changes || selects), &WHOLE);
        facts.add_if(changes || (selects && seen(sql)), &SQL_ONLY);
    } else {
        facts.add_if(whole && opening == Opening::Expression, &WHOLE_EXPRESSION);
    }
}
