//! A pushdown recogniser for what continues, or is, a statement.
//!
//! It follows operands and operators, clauses and statements over the whole stream of tokens, keeps a stack of open
//! parentheses of bounded height, and notes what it sees. It never backtracks, so its cost is linear in the tokens.

use super::{
    evidence::{Run, Seen, Tail},
    lexer::Lexer,
    lookup::word,
    token::{Kind, Token},
    words::{Call, Word},
};

/// What stands before the place where a run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// An operator or nothing: an operand comes.
    Operand,
    /// An operand: an operator comes.
    Operator,
    /// Nothing or a semicolon: a statement comes.
    Statement,
}

/// Open parentheses that are remembered; deeper ones are counted only.
const DEPTH: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Operand,
    Operator,
    Statement,
    /// Inside a definition or script whose grammar is not followed: tokens pass until the next statement.
    Lenient,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nest {
    Host,
    Group,
    Call(Option<Call>),
    Case,
    Brace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clause {
    Host,
    Columns,
    Tables,
    Condition,
    List,
}

/// One condition as it is read: `lhs cmp rhs`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Condition {
    /// It was joined by `or` and the like, or stands in the parentheses of one that was.
    pub(super) joined: bool,
    /// Joined by `||`, which may be concatenation.
    pub(super) piped: bool,
    /// Joined by `or`.
    pub(super) either: bool,
    pub(super) constant: bool,
    pub(super) compared: bool,
    /// Compared by an equals sign.
    pub(super) equals: bool,
    /// A call, subquery or predicate stands in it.
    pub(super) predicate: bool,
    /// Operands before and after the comparison.
    pub(super) operands: [u8; 2],
    /// Hash of the single operand on each side.
    pub(super) hashes: [u32; 2],
    /// The last constant is text without a digit.
    pub(super) word: bool,
}

impl Condition {
    pub(super) const fn new(joined: bool) -> Self {
        Self {
            joined,
            piped: false,
            either: false,
            constant: true,
            compared: false,
            equals: false,
            predicate: false,
            operands: [0; 2],
            hashes: [0; 2],
            word: false,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) nest: Nest,
    pub(super) clause: Clause,
    pub(super) condition: Condition,
    /// Everything in it was constant so far.
    pub(super) constant: bool,
    /// A select stands in it.
    pub(super) selects: bool,
    /// An alias was given to the present item.
    pub(super) named: bool,
    /// `between` waits for its `and`.
    pub(super) between: bool,
    /// The select follows a union, and how many of its columns are constants.
    pub(super) united: bool,
    pub(super) columns: u8,
}

impl Frame {
    pub(super) const fn new(nest: Nest, joined: bool) -> Self {
        Self {
            nest,
            clause: Clause::Host,
            condition: Condition::new(joined),
            constant: true,
            selects: false,
            named: false,
            between: false,
            united: false,
            columns: 0,
        }
    }
}

pub(super) struct Machine<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) lexer: Lexer<'a>,
    pub(super) mode: Mode,
    pub(super) frames: [Frame; DEPTH],
    pub(super) depth: usize,
    /// Parentheses open beyond [`DEPTH`].
    pub(super) beyond: u32,
    pub(super) seen: Seen,
    pub(super) closed: u32,
    pub(super) statements: u32,
    pub(super) last: Kind,
    /// The run began after an operand of the host.
    pub(super) continues: bool,
}

/// Reads from `at` as far as it is SQL, at most `bound` tokens.
pub(crate) fn recognise(bytes: &[u8], at: usize, begin: Begin, bound: u32) -> Run {
    let mode = match begin {
        Begin::Operand => Mode::Operand,
        Begin::Operator => Mode::Operator,
        Begin::Statement => Mode::Statement,
    };
    let mut machine = Machine {
        bytes,
        lexer: Lexer::new(bytes, at),
        mode,
        frames: [Frame::new(Nest::Host, false); DEPTH],
        depth: 0,
        beyond: 0,
        seen: Seen::default(),
        closed: 0,
        statements: 0,
        last: Kind::End,
        continues: begin != Begin::Statement,
    };
    if begin == Begin::Operator {
        // The host's own operand: not constant, and not one that could be compared with itself.
        machine.frames[0].condition.constant = false;
        machine.frames[0].condition.operands[0] = 2;
    }
    let (mut tokens, mut end, mut strict) = (0, at, at);
    let tail = loop {
        if tokens >= bound {
            break Tail::Cut;
        }
        let token = machine.lexer.token();
        if let Some(tail) = machine.ending(token) {
            machine.finish_all(true);
            end = token.end;
            break tail;
        }
        if !machine.step(token) {
            machine.finish_all(false);
            break Tail::Broken;
        }
        machine.last = token.kind;
        tokens += 1;
        end = machine.lexer.at();
        if machine.mode != Mode::Lenient {
            strict = end;
        }
        if let Kind::Text { quote, open: true } = token.kind {
            machine.finish_all(true);
            // What the attacker leaves open is short; a long text without a further quote is only text.
            let text = machine.text(token);
            let short = text.len() <= 48 && !text.contains(&b'\n');
            break if short { Tail::OpenText(quote) } else { Tail::Broken };
        }
    };
    if machine.statements > 1 {
        machine.seen.add(Seen::AGAIN);
    }
    Run {
        start: at,
        end,
        strict,
        seen: machine.seen,
        tail,
        tokens,
        closed: machine.closed,
        comments: machine.lexer.comments,
        executed: machine.lexer.executed,
        split: machine.lexer.split,
    }
}

impl<'a> Machine<'a> {
    pub(super) fn frame(&mut self) -> &mut Frame {
        // `depth` never reaches DEPTH: `push` sees to it.
        &mut self.frames[self.depth.min(DEPTH - 1)]
    }

    pub(super) fn text(&self, token: Token) -> &'a [u8] {
        self.bytes.get(token.start..token.end).unwrap_or_default()
    }

    pub(super) fn next_kind(&self) -> Kind {
        self.lexer.peek().kind
    }

    pub(super) fn ending(&self, token: Token) -> Option<Tail> {
        match token.kind {
            Kind::End if matches!(self.mode, Mode::Operand) => Some(Tail::Wanting),
            Kind::End => Some(Tail::Complete),
            Kind::Comment => Some(if is_mark(self.text(token)) { Tail::Comment } else { Tail::Remark }),
            _ => None,
        }
    }

    /// Takes one token. Says whether it fits.
    pub(super) fn step(&mut self, token: Token) -> bool {
        match self.mode {
            Mode::Operand => self.operand(token),
            Mode::Operator => self.operator(token),
            Mode::Statement => self.statement(token),
            Mode::Lenient => self.lenient(token),
        }
    }

    pub(super) fn push(&mut self, nest: Nest, joined: bool) {
        if self.depth + 1 < DEPTH {
            self.depth += 1;
            self.frames[self.depth] = Frame::new(nest, joined);
        } else {
            self.beyond += 1;
        }
    }

    /// Closes the innermost parenthesis, and hands to the outer one what it was: one operand.
    pub(super) fn pop(&mut self) {
        self.finish_condition();
        if self.beyond > 0 {
            self.beyond -= 1;
        } else if self.depth > 0 {
            let inner = *self.frame();
            self.depth -= 1;
            let constant = inner.constant && !inner.selects;
            let predicate = inner.selects || matches!(inner.nest, Nest::Call(Some(_)) | Nest::Case);
            self.count_operand(constant, 0, predicate);
        } else {
            // A parenthesis of the host: what stood in it is over, what comes continues the host's operand.
            self.closed += 1;
            let frame = self.frame();
            *frame = Frame::new(Nest::Host, false);
            frame.condition.constant = false;
            frame.condition.operands[0] = 2;
        }
        self.mode = Mode::Operator;
    }

    pub(super) fn count_operand(&mut self, constant: bool, hash: u32, predicate: bool) {
        let frame = self.frame();
        let side = usize::from(frame.condition.compared);
        frame.condition.operands[side] = frame.condition.operands[side].saturating_add(1);
        frame.condition.hashes[side] = hash;
        frame.condition.constant &= constant;
        frame.condition.predicate |= predicate;
        frame.constant &= constant;
        self.mode = Mode::Operator;
    }

    /// Judges the condition that ends here, and begins a new one that is not joined.
    pub(super) fn finish_condition(&mut self) {
        let frame = self.frame();
        let Condition {
            joined,
            piped,
            either,
            constant,
            compared,
            equals,
            predicate,
            operands,
            hashes,
            word,
        } = frame.condition;
        frame.condition = Condition::new(false);
        if !joined {
            return;
        }
        if compared && operands[1] > 0 {
            self.seen.add(Seen::CONDITION);
            let same = operands == [1, 1] && hashes[0] != 0 && hashes[0] == hashes[1];
            let single = operands == [1, 1] && hashes[0] != 0 && hashes[1] != 0;
            let without_effect = either && equals && constant && single && !same;
            if without_effect {
                self.seen.add(Seen::FALSE_CONDITION);
            } else if (constant && operands[0] > 0) || same {
                self.seen.add(Seen::CONSTANT_CONDITION);
            }
        } else if predicate && operands[0] > 0 {
            self.seen.add(Seen::CONDITION);
        } else if constant && operands[0] > 0 && !(piped && word) {
            self.seen.add(if word { Seen::WORD_TRUTH } else { Seen::CONSTANT_TRUTH });
        }
    }

    /// Ends what is open when the run ends: `items` too, where it ended as a sentence may end.
    pub(super) fn finish_all(&mut self, items: bool) {
        loop {
            if items {
                self.finish_item();
            } else {
                self.finish_condition();
            }
            if self.depth == 0 {
                return;
            }
            self.beyond = 0;
            self.pop();
        }
    }

    /// Ends one item of a list: of the columns of a select, of arguments.
    pub(super) fn finish_item(&mut self) {
        let frame = self.frame();
        let constant = frame.condition.constant && frame.condition.operands[0] > 0;
        let call = frame.condition.predicate;
        if frame.clause == Clause::Columns && (constant || call) {
            frame.columns = frame.columns.saturating_add(1);
            let wide = frame.columns > 1 && frame.united;
            self.seen.add(Seen::CONSTANT_COLUMNS);
            if wide {
                self.seen.add(Seen::WIDE);
            }
        }
        self.finish_condition();
        self.frame().named = false;
    }

    pub(super) fn join(&mut self, piped: bool, either: bool) {
        let inherits = self.frame().clause;
        self.finish_condition();
        let frame = self.frame();
        frame.condition = Condition::new(true);
        frame.condition.piped = piped;
        frame.condition.either = either;
        if inherits == Clause::Columns {
            frame.clause = Clause::Columns;
        }
        self.mode = Mode::Operand;
    }

    pub(super) fn compare(&mut self, token: Token) {
        let equals = self.text(token) == b"=";
        let frame = self.frame();
        frame.condition.equals = equals;
        if frame.condition.compared {
            // `a = b = c`: what stood on both sides is now the left one.
            frame.condition.operands[1] = 0;
        }
        frame.condition.compared = true;
        self.note_operated();
        self.mode = Mode::Operand;
    }

    pub(super) fn combine(&mut self) {
        self.note_operated();
        let frame = self.frame();
        let side = usize::from(frame.condition.compared);
        frame.condition.hashes[side] = 0;
        self.mode = Mode::Operand;
    }

    pub(super) fn note_operated(&mut self) {
        if self.depth == 0 && self.frames[0].clause == Clause::Host {
            self.seen.add(Seen::OPERATED);
        }
    }
}

pub(super) fn is_system_schema(name: &[u8]) -> bool {
    ["sys", "mysql", "performance_schema", "sysibm", "syscat"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
        || word(name) == Word::Catalogue
}

/// FNV-1a over the lower-cased bytes; never zero.
pub(super) fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193)
    }) | 1
}

/// Whether a comment that reaches the end holds no more than a mark: nothing, dashes, one short word.
pub(super) fn is_mark(comment: &[u8]) -> bool {
    const SHORT: usize = 12;
    let body =
        comment.iter().skip_while(|byte| matches!(byte, b'-' | b'#' | b'/' | b'*' | b' ' | b'+' | b'!'));
    let (mut len, mut space) = (0, false);
    for &byte in body {
        len += 1;
        space |= byte == b' ' && len > 1;
    }
    len <= SHORT && !(space && len > 6)
}
