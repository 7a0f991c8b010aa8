//! Where in a value a run of the recogniser is worth starting.
//!
//! A host may stand in front of any of these places: the whole value (a number or name was expected), each quote (a
//! string was expected), and each word or sign that continues a statement. Prose has many quotes and none of what must
//! follow them, so most starts end at their first token. What all runs cost together is bounded by the length.

use super::{
    evidence::Run,
    lexer::{Lexer, is_name},
    lookup::beginning,
    machine::{Begin, recognise},
    token::{Kind, Operator},
    words::{Call, Word},
};

/// What stands before a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// A quote that nothing in the value opened.
    Quote,
    /// A quote that ends a string which the value itself opened.
    OwnQuote,
    /// The value begins with a number and goes on.
    Number,
    /// The value begins with one word and goes on.
    Word,
    /// The value begins with what continues a statement.
    Fragment,
    /// The value begins with a parenthesis, call, string or variable: an expression.
    Expression,
    /// The value begins as a statement.
    Statement,
    /// A number in the middle of the value, and it goes on.
    LaterNumber,
    /// Something in the middle of the value.
    Later,
    /// A statement in the middle of the value.
    LaterStatement,
}

/// Tokens that one run may take.
const RUN_TOKENS: u32 = 2048;
/// All runs together may read this many times the value …
const READ_FACTOR: usize = 8;
/// … plus this many bytes.
const READ_BASE: usize = 4096;
/// What a token costs on top of its bytes.
const TOKEN_COST: usize = 4;

/// Runs the recogniser wherever it is worth it. `visit` gets each run and says whether to go on. Gives whether the
/// bound on the cost was reached with beginnings left.
pub(crate) fn runs(bytes: &[u8], mut visit: impl FnMut(&Run, Opening) -> bool) -> bool {
    let mut scan = Scan { bytes, left: bytes.len() * READ_FACTOR + READ_BASE, covered: 0, read: 0 };
    let first = Lexer::new(bytes, 0).peek();
    let at = first.start;
    if let Some((begin, opening)) = scan.opening(first.kind, at) {
        let run = scan.run(at, begin);
        if run.tokens > 2 {
            scan.covered = run.strict;
            scan.read = run.end;
        }
        if !visit(&run, opening) {
            return false;
        }
    }
    let mut at = 0;
    while let Some(found) =
        bytes.get(at..).and_then(|rest| rest.iter().position(|b| INTERESTING[*b as usize]))
    {
        at += found;
        if scan.left == 0 {
            return true;
        }
        let byte = bytes.get(at).copied().unwrap_or(0);
        let mut next = at + 1;
        let candidate = match byte {
            b'\'' | b'"' | b'`' => scan.quote(at, byte),
            b';' if at >= scan.covered => scan.semicolon(at),
            b'|' | b'&' if at >= scan.covered && bytes.get(at + 1) == Some(&byte) => {
                next = at + 2;
                scan.joint(at, at + 2)
            }
            b'(' if at >= scan.covered => scan.parenthesis(at),
            b'a'..=b'z' | b'A'..=b'Z' => {
                let len = bytes.get(at..).map_or(1, |rest| rest.iter().take_while(|b| is_name(**b)).count());
                next = at + len;
                let glued = at > 0 && bytes.get(at - 1).is_some_and(|b| is_name(*b) && !b.is_ascii_digit());
                if at < scan.covered || glued { None } else { scan.word(at, len) }
            }
            _ => None,
        };
        if let Some((from, begin, opening)) = candidate {
            let run = scan.run(from, begin);
            if run.tokens > 2 && !matches!(opening, Opening::Quote | Opening::OwnQuote) {
                scan.covered = scan.covered.max(run.strict);
                scan.read = scan.read.max(run.end);
            }
            if !visit(&run, opening) {
                return false;
            }
        }
        at = next;
    }
    false
}

/// Bytes at which a run can be worth starting.
static INTERESTING: [bool; 256] = {
    let mut table = [false; 256];
    let bytes = b"'\"`;|&(abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] = true;
        at += 1;
    }
    table
};

type Candidate = Option<(usize, Begin, Opening)>;

struct Scan<'a> {
    bytes: &'a [u8],
    /// What the runs may still cost.
    left: usize,
    /// How far a run that did not begin at a quote has read.
    covered: usize,
    /// The same, with scripts whose grammar was not followed.
    read: usize,
}

impl Scan<'_> {
    fn run(&mut self, at: usize, begin: Begin) -> Run {
        let run = recognise(self.bytes, at, begin, RUN_TOKENS);
        self.pay(run.end.saturating_sub(at) + TOKEN_COST * run.tokens as usize);
        run
    }

    fn pay(&mut self, cost: usize) {
        self.left = self.left.saturating_sub(cost);
    }

    fn peek(&mut self, at: usize) -> (Kind, usize) {
        let token = Lexer::new(self.bytes, at).peek();
        self.pay(token.end.saturating_sub(at));
        (token.kind, token.end)
    }

    /// How the value as a whole begins.
    fn opening(&mut self, first: Kind, at: usize) -> Option<(Begin, Opening)> {
        Some(match first {
            Kind::Number | Kind::Operator(Operator::Minus | Operator::Plus) => {
                (Begin::Operand, Opening::Number)
            }
            Kind::Operator(Operator::Unary)
            | Kind::Open
            | Kind::Text { .. }
            | Kind::Variable
            | Kind::Brace => (Begin::Operand, Opening::Expression),
            Kind::Operator(Operator::Pipes | Operator::And) | Kind::Close | Kind::Semicolon | Kind::Comma => {
                (Begin::Operator, Opening::Fragment)
            }
            Kind::Name => (Begin::Operand, Opening::Word),
            Kind::Word(word) => {
                let end = Lexer::new(self.bytes, at).peek().end;
                let called = self.peek(end).0 == Kind::Open;
                match word {
                    Word::Select
                    | Word::Change
                    | Word::Exec
                    | Word::Waitfor
                    | Word::Script
                    | Word::Shutdown
                    | Word::Set
                        if !called || word == Word::Select || word == Word::Exec =>
                    {
                        (Begin::Statement, Opening::Statement)
                    }
                    Word::Clause | Word::Call(Call::Choice)
                        if word == Word::Clause || self.bytes.get(at..at + 2) == Some(b"if") =>
                    {
                        (if called { Begin::Operand } else { Begin::Statement }, Opening::Statement)
                    }
                    Word::Bool
                    | Word::Union
                    | Word::From
                    | Word::Where
                    | Word::Having
                    | Word::Group
                    | Word::Limit
                    | Word::Procedure
                    | Word::Into
                    | Word::Join
                    | Word::As
                    | Word::Between
                    | Word::Compare
                    | Word::Infix
                        if !called
                            || matches!(
                                word,
                                Word::Bool | Word::Union | Word::Where | Word::Having | Word::From
                            ) =>
                    {
                        (Begin::Operator, Opening::Fragment)
                    }
                    _ if called => (Begin::Operand, Opening::Expression),
                    Word::Prefix | Word::Case | Word::Constant | Word::Niladic => {
                        (Begin::Operand, Opening::Expression)
                    }
                    _ => (Begin::Operand, Opening::Word),
                }
            }
            // Paths, formulas and wildcards begin with other operators.
            _ => return None,
        })
    }

    fn quote(&mut self, at: usize, quote: u8) -> Candidate {
        // Of a doubled quote the second one counts: some hosts double it, others do not.
        if self.bytes.get(at + 1) == Some(&quote) {
            return None;
        }
        let (kind, _) = self.peek(at + 1);
        let continues = match kind {
            Kind::Operator(Operator::Unary | Operator::Cast | Operator::Assign) => false,
            Kind::Operator(_)
            | Kind::Close
            | Kind::Semicolon
            | Kind::Comma
            | Kind::Comment
            | Kind::Word(
                Word::Bool
                | Word::Union
                | Word::From
                | Word::Where
                | Word::Having
                | Word::Group
                | Word::Limit
                | Word::Procedure
                | Word::Into
                | Word::Join
                | Word::As
                | Word::Between
                | Word::Compare
                | Word::Infix
                | Word::Suffix
                | Word::Branch
                | Word::End
                | Word::Exec
                | Word::Waitfor
                | Word::Prefix
                | Word::Call(Call::Choice),
            ) => true,
            // At the beginning of a value, or glued to its first word, it closes a string for SQL Server to go on.
            Kind::Word(Word::Select | Word::Change | Word::Script | Word::Set | Word::Shutdown) => {
                !self.bytes.get(..at).is_some_and(|head| head.iter().any(|byte| !is_name(*byte)))
            }
            _ => false,
        };
        if !continues {
            return None;
        }
        let own = self.opened_before(at, quote);
        if own && at < self.read {
            // It ends a string of a statement that was read already.
            return None;
        }
        let opening = if self.opens_here(at) || (quote == b'`' && self.paired(at)) {
            Opening::Later
        } else if own {
            Opening::OwnQuote
        } else {
            Opening::Quote
        };
        Some((at + 1, Begin::Operator, opening))
    }

    /// Whether a quote looks like one that opens a string: it has no letter before it and has one after it.
    fn opens_here(&self, at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|before| self.bytes.get(before));
        let after = self.bytes.get(at + 1);
        before.is_some_and(|byte| byte.is_ascii_whitespace() || b"(:,=[{<".contains(byte))
            && (after.is_some_and(u8::is_ascii_alphabetic)
                || (after == Some(&b'/') && self.bytes.get(at + 2) != Some(&b'*')))
    }

    /// Whether another backtick follows: Markdown has them in pairs, an injection has one.
    fn paired(&self, at: usize) -> bool {
        let rest = self.bytes.get(at + 1..).unwrap_or_default();
        memchr::memchr(b'`', rest.get(..rest.len().min(256)).unwrap_or_default()).is_some()
    }

    /// Whether the value opened the string that a quote at `at` ends: a quote not far before it, on the same line,
    /// that stands where code opens strings and is followed by what strings begin with.
    fn opened_before(&self, at: usize, quote: u8) -> bool {
        const FAR: usize = 96;
        let from = at.saturating_sub(FAR);
        let before = self.bytes.get(from..at).unwrap_or_default();
        let Some(opener) = memchr::memrchr(quote, before) else { return false };
        let body = before.get(opener + 1..).unwrap_or_default();
        if quote == b'`' {
            // In Markdown backticks come in pairs; in an injection there is one.
            return true;
        }
        if body.contains(&b'\n') || body.first().is_some_and(u8::is_ascii_whitespace) {
            return false;
        }
        match before.get(..opener).unwrap_or_default().iter().rev().find(|byte| !byte.is_ascii_whitespace()) {
            None => from == 0 || opener > 0,
            Some(byte) => {
                let spaced = before.get(opener.wrapping_sub(1)).is_some_and(u8::is_ascii_whitespace);
                !is_name(*byte) && *byte != quote && *byte != b')' || spaced
            }
        }
    }

    fn semicolon(&mut self, at: usize) -> Candidate {
        let (kind, end) = self.peek(at + 1);
        let statement = match kind {
            Kind::Word(
                Word::Select
                | Word::Change
                | Word::Exec
                | Word::Waitfor
                | Word::Script
                | Word::Shutdown
                | Word::Set,
            ) => true,
            Kind::Word(Word::Call(_)) => self.peek(end).0 == Kind::Open,
            _ => false,
        };
        statement.then(|| (at, Begin::Operator, self.before(at)))
    }

    /// `or`, `and`, `||`, `&&`, whose right side must be more than a word.
    fn joint(&mut self, at: usize, end: usize) -> Candidate {
        let (kind, after) = self.peek(end);
        let worth = match kind {
            Kind::Number
            | Kind::Text { .. }
            | Kind::Open
            | Kind::Variable
            | Kind::Operator(Operator::Unary | Operator::Minus | Operator::Plus)
            | Kind::Word(Word::Prefix | Word::Constant | Word::Case) => true,
            Kind::Word(_) => matches!(
                self.peek(after).0,
                Kind::Open
                    | Kind::Dot
                    | Kind::Operator(_)
                    | Kind::Word(Word::Compare | Word::Between | Word::Prefix)
            ),
            _ => false,
        };
        worth.then(|| (at, Begin::Operator, self.before(at)))
    }

    fn parenthesis(&mut self, at: usize) -> Candidate {
        match self.peek(at + 1).0 {
            Kind::Word(Word::Select) => Some((at, Begin::Operand, self.before(at))),
            _ => None,
        }
    }

    fn word(&mut self, at: usize, len: usize) -> Candidate {
        let text = self.bytes.get(at..at + len).unwrap_or_default();
        match beginning(text) {
            Word::Bool => self.joint(at, at + len),
            Word::Union => match self.peek(at + len).0 {
                Kind::Word(Word::Select | Word::Quantifier) | Kind::Open => {
                    Some((at, Begin::Operator, self.before(at)))
                }
                _ => None,
            },
            Word::Having | Word::Procedure | Word::Waitfor | Word::Group | Word::Between => {
                Some((at, Begin::Operator, self.before(at)))
            }
            Word::Into => match self.peek(at + len).0 {
                Kind::Word(Word::Outfile) => Some((at, Begin::Operator, self.before(at))),
                _ => None,
            },
            Word::Compare if text.eq_ignore_ascii_case(b"rlike") || text.eq_ignore_ascii_case(b"regexp") => {
                Some((at, Begin::Operator, self.before(at)))
            }
            Word::Select | Word::Change | Word::Exec => Some((at, Begin::Statement, Opening::LaterStatement)),
            Word::Script => match self.peek(at + len).0 {
                Kind::Variable => Some((at, Begin::Statement, Opening::LaterStatement)),
                _ => None,
            },
            Word::Call(Call::SureDelay | Call::PairDelay | Call::Error | Call::Outside | Call::Delay) => {
                let (kind, _) = self.peek(at + len);
                matches!(kind, Kind::Open | Kind::Dot).then(|| (at, Begin::Operand, Opening::Later))
            }
            _ => None,
        }
    }

    /// What stands before a sign or word in the middle of the value.
    fn before(&self, at: usize) -> Opening {
        let mut head = self.bytes.get(..at).unwrap_or_default().trim_ascii();
        // `7)) order by 1`: what counts is what stands before the parentheses that are closed.
        const CLOSERS: usize = 8;
        for _ in 0..CLOSERS {
            let Some(rest) = head.strip_suffix(b")") else { break };
            head = rest.trim_ascii_end();
        }
        let last = head.iter().rev().take(24).take_while(|byte| is_name(**byte) || **byte == b'.').count();
        if last == 0 {
            return if head.is_empty() { Opening::Fragment } else { Opening::Later };
        }
        let name = head.get(head.len() - last..).unwrap_or_default();
        if name.first().is_some_and(u8::is_ascii_digit) && Lexer::new(name, 0).peek().kind == Kind::Number {
            return if last == head.len() { Opening::Number } else { Opening::LaterNumber };
        }
        if last == head.len() { Opening::Word } else { Opening::Later }
    }
}
