//! A pushdown recogniser for what continues, or is, a statement.
//!
//! It follows operands and operators, clauses and statements over the whole stream of tokens, keeps a stack of open
//! parentheses of bounded height, and notes what it sees. It never backtracks, so its cost is linear in the tokens.

use super::{
    evidence::{Run, Seen, Tail},
    lexer::Lexer,
    token::{Kind, Operator, Token},
    words::{Call, Word, word},
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
const DEPTH: usize = 48;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Operand,
    Operator,
    Statement,
    /// Inside a definition or script whose grammar is not followed: tokens pass until the next statement.
    Lenient,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nest {
    Host,
    Group,
    Call(Option<Call>),
    Case,
    Brace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clause {
    Host,
    Columns,
    Tables,
    Condition,
    List,
}

/// One condition as it is read: `lhs cmp rhs`.
#[derive(Clone, Copy, Debug)]
struct Condition {
    /// It was joined by `or` and the like, or stands in the parentheses of one that was.
    joined: bool,
    /// Joined by `||`, which may be concatenation.
    piped: bool,
    constant: bool,
    compared: bool,
    /// A call, subquery or predicate stands in it.
    predicate: bool,
    /// Operands before and after the comparison.
    operands: [u8; 2],
    /// Hash of the single operand on each side.
    hashes: [u32; 2],
    /// The last constant is text without a digit.
    word: bool,
}

impl Condition {
    const fn new(joined: bool) -> Self {
        Self {
            joined,
            piped: false,
            constant: true,
            compared: false,
            predicate: false,
            operands: [0; 2],
            hashes: [0; 2],
            word: false,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    nest: Nest,
    clause: Clause,
    condition: Condition,
    /// Everything in it was constant so far.
    constant: bool,
    /// A select stands in it.
    selects: bool,
    /// An alias was given to the present item.
    named: bool,
    /// `between` waits for its `and`.
    between: bool,
}

impl Frame {
    const fn new(nest: Nest, joined: bool) -> Self {
        Self {
            nest,
            clause: Clause::Host,
            condition: Condition::new(joined),
            constant: true,
            selects: false,
            named: false,
            between: false,
        }
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    lexer: Lexer<'a>,
    mode: Mode,
    frames: [Frame; DEPTH],
    depth: usize,
    /// Parentheses open beyond [`DEPTH`].
    beyond: u32,
    seen: Seen,
    closed: u32,
    statements: u32,
    last: Kind,
    /// The run began after an operand of the host.
    continues: bool,
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
        continues: begin == Begin::Operator,
    };
    if begin == Begin::Operator {
        // The host's own operand: not constant, and not one that could be compared with itself.
        machine.frames[0].condition.constant = false;
        machine.frames[0].condition.operands[0] = 2;
    }
    let (mut tokens, mut end) = (0, at);
    let tail = loop {
        if tokens >= bound {
            break Tail::Cut;
        }
        let token = machine.lexer.token();
        if let Some(tail) = machine.ending(token) {
            machine.finish_condition();
            end = token.end;
            break tail;
        }
        if !machine.step(token) {
            machine.finish_condition();
            break Tail::Broken;
        }
        machine.last = token.kind;
        tokens += 1;
        end = machine.lexer.at();
        if let Kind::Text { quote, open: true } = token.kind {
            machine.finish_condition();
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
    fn frame(&mut self) -> &mut Frame {
        // `depth` never reaches DEPTH: `push` sees to it.
        &mut self.frames[self.depth.min(DEPTH - 1)]
    }

    fn text(&self, token: Token) -> &'a [u8] {
        self.bytes.get(token.start..token.end).unwrap_or_default()
    }

    fn next_kind(&self) -> Kind {
        self.lexer.peek().kind
    }

    fn ending(&self, token: Token) -> Option<Tail> {
        match token.kind {
            Kind::End if matches!(self.mode, Mode::Operand) => Some(Tail::Wanting),
            Kind::End => Some(Tail::Complete),
            Kind::Comment => Some(if is_mark(self.text(token)) { Tail::Comment } else { Tail::Remark }),
            _ => None,
        }
    }

    /// Takes one token. Says whether it fits.
    fn step(&mut self, token: Token) -> bool {
        match self.mode {
            Mode::Operand => self.operand(token),
            Mode::Operator => self.operator(token),
            Mode::Statement => self.statement(token),
            Mode::Lenient => self.lenient(token),
        }
    }

    fn push(&mut self, nest: Nest, joined: bool) {
        if self.depth + 1 < DEPTH {
            self.depth += 1;
            self.frames[self.depth] = Frame::new(nest, joined);
        } else {
            self.beyond += 1;
        }
    }

    /// Closes the innermost parenthesis, and hands to the outer one what it was: one operand.
    fn pop(&mut self) {
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

    fn count_operand(&mut self, constant: bool, hash: u32, predicate: bool) {
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
    fn finish_condition(&mut self) {
        let frame = self.frame();
        let Condition { joined, piped, constant, compared, predicate, operands, hashes, word } =
            frame.condition;
        frame.condition = Condition::new(false);
        if !joined {
            return;
        }
        if compared && operands[1] > 0 {
            self.seen.add(Seen::CONDITION);
            let same = operands == [1, 1] && hashes[0] != 0 && hashes[0] == hashes[1];
            if (constant && operands[0] > 0) || same {
                self.seen.add(Seen::CONSTANT_CONDITION);
            }
        } else if predicate && operands[0] > 0 {
            self.seen.add(Seen::CONDITION);
        } else if constant && operands[0] > 0 && !(piped && word) {
            self.seen.add(if word { Seen::WORD_TRUTH } else { Seen::CONSTANT_TRUTH });
        }
    }

    /// Ends one item of a list: of the columns of a select, of arguments.
    fn finish_item(&mut self) {
        let frame = self.frame();
        let constant = frame.condition.constant && frame.condition.operands[0] > 0;
        let call = frame.condition.predicate;
        if frame.clause == Clause::Columns && (constant || call) {
            self.seen.add(Seen::CONSTANT_COLUMNS);
        }
        self.finish_condition();
        self.frame().named = false;
    }

    fn join(&mut self, piped: bool) {
        let inherits = self.frame().clause;
        self.finish_condition();
        let frame = self.frame();
        frame.condition = Condition::new(true);
        frame.condition.piped = piped;
        if inherits == Clause::Columns {
            frame.clause = Clause::Columns;
        }
        self.mode = Mode::Operand;
    }

    fn compare(&mut self) {
        let frame = self.frame();
        if frame.condition.compared {
            // `a = b = c`: what stood on both sides is now the left one.
            frame.condition.operands[1] = 0;
        }
        frame.condition.compared = true;
        self.note_operated();
        self.mode = Mode::Operand;
    }

    fn combine(&mut self) {
        self.note_operated();
        let frame = self.frame();
        let side = usize::from(frame.condition.compared);
        frame.condition.hashes[side] = 0;
        self.mode = Mode::Operand;
    }

    fn note_operated(&mut self) {
        if self.depth == 0 && self.frames[0].clause == Clause::Host {
            self.seen.add(Seen::OPERATED);
        }
    }

    // ---- an operand is wanted

    fn operand(&mut self, token: Token) -> bool {
        match token.kind {
            Kind::Number => self.count_operand(true, hash(self.text(token)), false),
            Kind::Text { quote, .. } => {
                let text = self.text(token);
                let body = text.strip_prefix(&[quote]).unwrap_or(text);
                let body = body.strip_suffix(&[quote]).unwrap_or(body);
                let templated = quote == b'"' && body.contains(&b'$');
                self.count_operand(!templated, 0, false);
                self.frame().condition.word = !body.iter().any(u8::is_ascii_digit) && !body.is_empty();
            }
            Kind::Name => self.count_operand(false, hash(self.text(token)), false),
            Kind::Variable => {
                let system = self.text(token).starts_with(b"@@");
                if system {
                    self.seen.add(Seen::SYSTEM_VARIABLE);
                }
                self.count_operand(system, 0, false);
            }
            Kind::Word(word) => return self.operand_word(word, token),
            Kind::Operator(Operator::Plus | Operator::Minus | Operator::Unary) => {}
            Kind::Operator(Operator::Star) => {
                if self.frame().clause == Clause::Columns {
                    self.seen.add(Seen::STAR);
                }
                self.count_operand(false, 0, false);
            }
            Kind::Open => {
                let joined = self.frame().condition.joined;
                self.push(Nest::Group, joined);
            }
            Kind::Close => {
                let empty = matches!(self.frame().nest, Nest::Call(_)) && self.last == Kind::Open;
                if !empty {
                    return false;
                }
                self.pop();
            }
            Kind::Brace => {
                let joined = self.frame().condition.joined;
                self.push(Nest::Brace, joined);
                let mut ahead = self.lexer;
                if let Kind::Word(_) = ahead.token().kind {
                    self.lexer = ahead;
                }
            }
            _ => return false,
        }
        true
    }

    fn operand_word(&mut self, word: Word, token: Token) -> bool {
        match word {
            Word::Select => {
                self.select();
                return true;
            }
            Word::Prefix | Word::Quantifier => {
                if self.next_kind() == Kind::Number && word == Word::Quantifier {
                    let _ = self.lexer.token();
                }
                return true;
            }
            Word::Constant => {
                self.count_operand(true, 0, false);
                return true;
            }
            Word::Niladic => {
                self.seen.add(Seen::SERVER);
                self.count_operand(true, 0, true);
                return true;
            }
            Word::Case => {
                self.seen.add(Seen::CHOICE);
                self.push(Nest::Case, false);
                // Either an operand follows, or `when` at once.
                if let Kind::Word(Word::Branch) = self.next_kind() {
                    let _ = self.lexer.token();
                    self.frame().condition = Condition::new(true);
                }
                return true;
            }
            // `sounds like`, `is not`, `similar to`.
            Word::Compare | Word::Infix if matches!(self.last, Kind::Word(Word::Compare | Word::Prefix)) => {
                return true;
            }
            // A plus sign before a keyword was a space.
            Word::Bool
            | Word::Union
            | Word::From
            | Word::Where
            | Word::Group
            | Word::Having
            | Word::Limit
                if self.last == Kind::Operator(Operator::Plus) =>
            {
                return self.operator(token);
            }
            _ => {}
        }
        let callable = self.next_kind() == Kind::Open;
        match word {
            Word::Bool
            | Word::From
            | Word::Where
            | Word::Union
            | Word::By
            | Word::As
            | Word::Branch
            | Word::End
            | Word::Waitfor
            | Word::Having
            | Word::Into
            | Word::Between => false,
            Word::Compare | Word::Group | Word::Values | Word::Limit | Word::Procedure if !callable => false,
            _ => {
                self.path(token, word);
                true
            }
        }
    }

    /// A name with its dots, and the call that it may be.
    fn path(&mut self, token: Token, first: Word) {
        let mut strongest = first;
        let mut dotted = false;
        let mut last = token;
        loop {
            let mut ahead = self.lexer;
            if ahead.token().kind != Kind::Dot {
                break;
            }
            let mut step = ahead.token();
            if step.kind == Kind::Dot {
                step = ahead.token();
            }
            match step.kind {
                Kind::Word(word) => {
                    if matches!(word, Word::Call(_)) || !matches!(strongest, Word::Call(Call::Outside)) {
                        if strongest != Word::Catalogue {
                            strongest = word;
                        }
                    }
                    if is_system_schema(self.text(last)) {
                        strongest = Word::Catalogue;
                    }
                    last = step;
                }
                Kind::Name | Kind::Operator(Operator::Star) => last = step,
                _ => break,
            }
            dotted = true;
            self.lexer = ahead;
        }
        if strongest == Word::Catalogue {
            self.seen.add(Seen::CATALOGUE);
        }
        if self.next_kind() == Kind::Open {
            let _ = self.lexer.token();
            self.call(strongest, dotted);
        } else {
            if self.last == Kind::Word(Word::From) || self.frame().clause == Clause::Tables {
                self.seen.add(Seen::FROM);
            }
            let name = hash(self.bytes.get(token.start..last.end).unwrap_or_default());
            self.count_operand(false, name, false);
        }
    }

    fn call(&mut self, word: Word, dotted: bool) {
        let mut ahead = self.lexer;
        let next = ahead.token().kind;
        // `sleep (5 tips)` is no call.
        let sound =
            next != Kind::Number || !matches!(ahead.token().kind, Kind::Word(Word::Plain) | Kind::Bad);
        let kind = match word {
            Word::Call(Call::Delay) if dotted => Some(Call::SureDelay),
            Word::Call(Call::Error) => Some(Call::Error),
            Word::Call(kind) => Some(kind),
            Word::Join | Word::Change | Word::Infix => Some(Call::Text),
            _ => None,
        };
        let seen = match kind {
            Some(Call::Delay) if next != Kind::Close && sound => Some(Seen::DELAY),
            Some(Call::SureDelay) if next != Kind::Close => Some(Seen::SURE_DELAY),
            Some(Call::Error) => Some(Seen::ERROR),
            Some(Call::Outside) => Some(Seen::OUTSIDE),
            Some(Call::Server) => Some(Seen::SERVER),
            Some(Call::Text) => Some(Seen::TEXT),
            Some(Call::Choice) => Some(Seen::CHOICE),
            _ => None,
        };
        if let Some(seen) = seen {
            self.seen.add(seen);
        }
        self.push(Nest::Call(kind), kind == Some(Call::Choice));
        self.last = Kind::Open;
        if next == Kind::Close {
            let _ = self.lexer.token();
            self.pop();
        } else {
            self.mode = Mode::Operand;
        }
    }

    fn select(&mut self) {
        let depth = self.depth;
        let frame = self.frame();
        frame.selects = true;
        frame.clause = Clause::Columns;
        frame.named = false;
        frame.condition = Condition::new(false);
        self.seen.add(if depth > 0 { Seen::SUBQUERY } else { Seen::SELECT });
        self.mode = Mode::Operand;
    }

    // ---- an operator is wanted

    fn operator(&mut self, token: Token) -> bool {
        match token.kind {
            Kind::Operator(operator) => match operator {
                Operator::Compare => self.compare(),
                Operator::Unary if self.text(token) == b"~" => self.compare(),
                Operator::Unary => return false,
                Operator::Pipes => {
                    self.note_operated();
                    self.join(true);
                }
                Operator::And => {
                    self.note_operated();
                    self.join(false);
                }
                Operator::Cast => return self.type_name(),
                Operator::Assign => self.mode = Mode::Operand,
                Operator::Plus | Operator::Minus | Operator::Star | Operator::Arithmetic => self.combine(),
            },
            Kind::Close => {
                let closes = !matches!(self.frame().nest, Nest::Case | Nest::Brace) || self.beyond > 0;
                if !closes {
                    return false;
                }
                if self.frame().clause == Clause::Columns {
                    self.finish_item();
                }
                self.pop();
            }
            Kind::Unbrace => {
                if self.frame().nest != Nest::Brace {
                    return false;
                }
                self.pop();
            }
            Kind::Comma => {
                self.finish_item();
                let choice = matches!(self.frame().nest, Nest::Call(Some(Call::Choice)));
                self.frame().condition = Condition::new(choice);
                self.mode = Mode::Operand;
            }
            Kind::Semicolon => {
                self.finish_item();
                self.depth = 0;
                self.beyond = 0;
                self.frames[0] = Frame::new(Nest::Host, false);
                self.seen.add(Seen::SEMICOLON);
                self.mode = Mode::Statement;
            }
            Kind::Text { .. } => return matches!(self.last, Kind::Text { .. }) || self.alias(),
            Kind::Name => return self.alias(),
            Kind::Dot => {
                let step = self.lexer.token();
                return matches!(step.kind, Kind::Word(_) | Kind::Name | Kind::Operator(Operator::Star));
            }
            Kind::Word(word) => return self.operator_word(word, token),
            _ => return false,
        }
        true
    }

    fn alias(&mut self) -> bool {
        let frame = self.frame();
        let free = matches!(frame.clause, Clause::Columns | Clause::Tables) && !frame.named;
        frame.named = true;
        free
    }

    /// After `::`.
    fn type_name(&mut self) -> bool {
        let Kind::Word(_) = self.lexer.token().kind else { return false };
        self.skip_parentheses();
        true
    }

    /// Leaves out `(10, 2)` after a type or a name.
    fn skip_parentheses(&mut self) {
        const FEW: usize = 24;
        let mut ahead = self.lexer;
        if ahead.token().kind != Kind::Open {
            return;
        }
        for _ in 0..FEW {
            match ahead.token().kind {
                Kind::Close => {
                    self.lexer = ahead;
                    return;
                }
                Kind::Number | Kind::Comma | Kind::Word(Word::Plain | Word::Call(_)) => {}
                _ => return,
            }
        }
    }

    fn begin_condition(&mut self, clause: Clause, joined: bool) {
        self.finish_item();
        let frame = self.frame();
        frame.clause = clause;
        frame.condition = Condition::new(joined);
        self.mode = Mode::Operand;
    }

    fn operator_word(&mut self, word: Word, token: Token) -> bool {
        match word {
            Word::Bool => {
                if std::mem::take(&mut self.frame().between) {
                    self.mode = Mode::Operand;
                } else {
                    self.join(false);
                }
            }
            Word::Compare => self.compare(),
            Word::Between => {
                self.compare();
                self.frame().between = true;
            }
            Word::Prefix => {
                // `not like`, `not in`, `not between`.
                return matches!(self.next_kind(), Kind::Word(Word::Compare | Word::Between));
            }
            Word::Infix | Word::Clause => self.combine(),
            Word::Suffix => self.frame().condition.predicate = true,
            Word::Union => return self.union(),
            Word::From => self.begin_condition(Clause::Tables, false),
            Word::Where => {
                self.seen.add(Seen::WHERE);
                let host = self.depth == 0 && !self.frames[0].selects && self.continues;
                self.begin_condition(Clause::Condition, host);
            }
            Word::Having => {
                self.seen.add(Seen::HAVING);
                self.begin_condition(Clause::Condition, true);
            }
            Word::Group => {
                let Kind::Word(Word::By) = self.lexer.token().kind else { return false };
                self.begin_condition(Clause::List, false);
                if !matches!(self.next_kind(), Kind::End | Kind::Comment | Kind::Bad) {
                    self.seen.add(Seen::ORDERED);
                }
            }
            Word::Limit => self.begin_condition(Clause::List, false),
            Word::Procedure => {
                let Kind::Word(Word::Analyse) = self.next_kind() else { return false };
                self.seen.add(Seen::PROCEDURE);
                self.mode = Mode::Operand;
            }
            Word::Into => {
                self.finish_item();
                if let Kind::Word(Word::Outfile) = self.next_kind() {
                    self.seen.add(Seen::OUTFILE);
                    let _ = self.lexer.token();
                }
                self.frame().clause = Clause::Tables;
                self.mode = Mode::Operand;
            }
            Word::Join => {
                while let Kind::Word(Word::Join) = self.next_kind() {
                    let _ = self.lexer.token();
                }
                self.begin_condition(Clause::Tables, false);
            }
            Word::As => {
                let named = self.lexer.token();
                if named.kind == Kind::Open {
                    let joined = self.frame().condition.joined;
                    self.push(Nest::Group, joined);
                    self.mode = Mode::Operand;
                    return true;
                }
                let fits = matches!(named.kind, Kind::Word(_) | Kind::Name | Kind::Text { .. });
                self.skip_parentheses();
                return fits;
            }
            Word::Branch => {
                if self.frame().nest != Nest::Case {
                    return false;
                }
                self.finish_condition();
                self.frame().condition = Condition::new(self.text(token).eq_ignore_ascii_case(b"when"));
                self.mode = Mode::Operand;
            }
            Word::End => {
                if self.frame().nest != Nest::Case {
                    return false;
                }
                self.pop();
            }
            Word::Set | Word::Values if self.frame().clause == Clause::Tables => {
                self.begin_condition(Clause::List, false);
            }
            // SQL Server needs no semicolon between statements.
            Word::Select
            | Word::Change
            | Word::Exec
            | Word::Waitfor
            | Word::Script
            | Word::Set
            | Word::Shutdown => return self.statement_word(word, token, false) || self.alias(),
            Word::Call(Call::Choice) if self.next_kind() == Kind::Open => {
                return self.statement_word(word, token, false);
            }
            _ => return self.alias(),
        }
        true
    }

    fn union(&mut self) -> bool {
        self.finish_item();
        let mut parenthesised = false;
        for _ in 0..8 {
            let mut ahead = self.lexer;
            let token = ahead.token();
            match token.kind {
                Kind::Word(Word::Quantifier) => {}
                Kind::Open => {
                    parenthesised = true;
                    self.push(Nest::Group, false);
                }
                Kind::Operator(Operator::Plus) => {}
                Kind::Word(Word::Select) => {
                    self.lexer = ahead;
                    self.seen.add(Seen::UNION);
                    self.select();
                    return true;
                }
                Kind::Word(Word::Values | Word::Object) => {
                    self.lexer = ahead;
                    self.mode = Mode::Operand;
                    return true;
                }
                Kind::End | Kind::Comment => {
                    self.mode = Mode::Operand;
                    return !parenthesised;
                }
                _ => return false,
            }
            self.lexer = ahead;
        }
        false
    }

    // ---- a statement is wanted

    fn statement(&mut self, token: Token) -> bool {
        match token.kind {
            Kind::Semicolon => true,
            Kind::Open => {
                self.push(Nest::Group, false);
                self.mode = Mode::Operand;
                matches!(self.next_kind(), Kind::Word(Word::Select) | Kind::Open)
            }
            Kind::Word(word) => self.statement_word(word, token, true),
            _ => false,
        }
    }

    /// A word that begins a statement. `alone` where a semicolon or nothing stands before it; where an operand does,
    /// only forms that are statements beyond doubt count.
    fn statement_word(&mut self, word: Word, token: Token, alone: bool) -> bool {
        let text = self.text(token);
        let is = |name: &str| text.eq_ignore_ascii_case(name.as_bytes());
        let next = self.next_kind();
        let sure = match word {
            Word::Select => {
                self.statements += 1;
                self.finish_item();
                self.select();
                return true;
            }
            Word::Waitfor => {
                let mut ahead = self.lexer;
                if ahead.token().kind != Kind::Word(Word::Delay)
                    || !matches!(
                        ahead.peek().kind,
                        Kind::Text { .. } | Kind::Variable | Kind::Comment | Kind::End
                    )
                {
                    return false;
                }
                self.lexer = ahead;
                self.seen.add(Seen::SURE_DELAY);
                true
            }
            Word::Shutdown => {
                matches!(next, Kind::End | Kind::Comment | Kind::Semicolon | Kind::Word(Word::Clause))
            }
            Word::Exec => return self.execute(alone),
            Word::Set if next == Kind::Variable => true,
            Word::Script if is("declare") => next == Kind::Variable,
            Word::Script if is("show") => matches!(next, Kind::Word(Word::Objects)),
            Word::Script if is("begin") => {
                matches!(next, Kind::Word(Word::Script | Word::Exec | Word::Change))
            }
            Word::Change => return self.change(text, alone),
            Word::Call(Call::Choice) if is("if") => {
                self.statements += 1;
                self.seen.add(Seen::STATEMENT_WORD);
                self.frame().condition = Condition::new(true);
                self.mode = Mode::Operand;
                return true;
            }
            Word::Clause if is("with") && alone => {
                // A common table expression: `with x as (select …)`.
                let mut ahead = self.lexer;
                if !matches!(ahead.token().kind, Kind::Word(_) | Kind::Name) {
                    return false;
                }
                self.lexer = ahead;
                self.skip_parentheses();
                self.mode = Mode::Operator;
                return self.next_kind() == Kind::Word(Word::As);
            }
            Word::Values | Word::Object if alone => {
                self.mode = Mode::Operand;
                return true;
            }
            Word::Script | Word::Set if alone => false,
            _ => return false,
        };
        if !sure && !alone {
            return false;
        }
        self.statements += 1;
        self.seen.add(if sure { Seen::STATEMENT } else { Seen::STATEMENT_WORD });
        self.mode = Mode::Lenient;
        true
    }

    /// After `exec`, `execute`, `call`.
    fn execute(&mut self, alone: bool) -> bool {
        let mut ahead = self.lexer;
        let mut token = ahead.token();
        if token.kind == Kind::Open {
            // `exec('…')`, `exec(@s)`, `exec(char(…)+…)`.
            let inner = ahead.token().kind;
            let sure = matches!(inner, Kind::Variable | Kind::Word(Word::Call(Call::Text)));
            if !sure && !alone {
                return false;
            }
            self.seen.add(if sure { Seen::STATEMENT } else { Seen::STATEMENT_WORD });
        } else {
            let mut procedure = false;
            for _ in 0..8 {
                match token.kind {
                    Kind::Word(Word::Call(Call::Outside)) => procedure = true,
                    Kind::Word(Word::Call(Call::Server)) if starts(self.text(token), b"sp_") => {
                        procedure = true
                    }
                    Kind::Word(_) | Kind::Dot | Kind::Name | Kind::Variable => {}
                    Kind::Operator(Operator::Compare) => {}
                    _ => break,
                }
                token = ahead.token();
            }
            if procedure {
                self.seen.add(Seen::PROCEDURE_CALL);
            } else if !alone {
                return false;
            } else {
                self.seen.add(Seen::STATEMENT_WORD);
            }
        }
        self.statements += 1;
        self.mode = Mode::Lenient;
        true
    }

    /// After `drop`, `insert`, `update` and other words that change something.
    fn change(&mut self, text: &[u8], alone: bool) -> bool {
        let is = |name: &str| text.eq_ignore_ascii_case(name.as_bytes());
        let mut ahead = self.lexer;
        let first = ahead.token();
        let names = |kind: Kind| matches!(kind, Kind::Word(_) | Kind::Name | Kind::Variable);
        let object = matches!(
            first.kind,
            Kind::Word(Word::Object | Word::Procedure | Word::Call(Call::Server) | Word::Clause | Word::Bool)
        );
        let mut further = ahead;
        let (second, third) = (further.token().kind, further.token().kind);
        let (sure, mode) = if is("update") {
            let mut behind = ahead;
            while behind.peek().kind == Kind::Dot {
                let _ = behind.token();
                let _ = behind.token();
            }
            (names(first.kind) && behind.peek().kind == Kind::Word(Word::Set), Mode::Operand)
        } else if is("delete") {
            let follows = matches!(
                third,
                Kind::Word(Word::Where | Word::Limit | Word::Clause)
                    | Kind::End
                    | Kind::Comment
                    | Kind::Semicolon
                    | Kind::Dot
            );
            (first.kind == Kind::Word(Word::From) && names(second) && follows, Mode::Lenient)
        } else if is("insert") || is("merge") || is("replace") {
            let follows = matches!(
                third,
                Kind::Open
                    | Kind::Word(Word::Values | Word::Select | Word::Set | Word::Clause)
                    | Kind::Dot
                    | Kind::End
            );
            (first.kind == Kind::Word(Word::Into) && names(second) && follows, Mode::Lenient)
        } else if is("drop") || is("truncate") {
            let follows = matches!(
                third,
                Kind::End | Kind::Comment | Kind::Semicolon | Kind::Dot | Kind::Comma | Kind::Text { .. }
            ) || second == Kind::Word(Word::Call(Call::Choice));
            (object && names(second) && follows, Mode::Lenient)
        } else if is("create") || is("alter") || is("rename") {
            let follows = !matches!(third, Kind::Word(Word::Plain) | Kind::Bad) || (alone && !is("create"));
            (object && (names(second) || matches!(second, Kind::Text { .. })) && follows, Mode::Lenient)
        } else {
            (false, Mode::Lenient)
        };
        if !sure && !alone {
            return false;
        }
        self.statements += 1;
        self.seen.add(if sure { Seen::STATEMENT } else { Seen::STATEMENT_WORD });
        if !sure && !names(first.kind) {
            return false;
        }
        self.mode = mode;
        if mode == Mode::Operand {
            self.frame().clause = Clause::Tables;
        }
        true
    }

    fn lenient(&mut self, token: Token) -> bool {
        match token.kind {
            Kind::Bad => return false,
            Kind::Semicolon => {
                self.seen.add(Seen::SEMICOLON);
                self.mode = Mode::Statement;
            }
            Kind::Word(Word::Catalogue) => self.seen.add(Seen::CATALOGUE),
            Kind::Word(Word::Call(kind)) if self.next_kind() == Kind::Open => {
                let seen = match kind {
                    Call::SureDelay => Seen::SURE_DELAY,
                    Call::Delay => Seen::DELAY,
                    Call::Outside => Seen::OUTSIDE,
                    Call::Error => Seen::ERROR,
                    Call::Server => Seen::SERVER,
                    Call::Text | Call::Choice => Seen::TEXT,
                };
                self.seen.add(seen);
            }
            Kind::Word(word @ (Word::Exec | Word::Waitfor | Word::Set | Word::Script | Word::Change)) => {
                let before = self.lexer;
                if !self.statement_word(word, token, false) {
                    self.lexer = before;
                    self.mode = Mode::Lenient;
                }
            }
            Kind::Word(Word::Select) => {
                self.depth = 0;
                self.frames[0] = Frame::new(Nest::Host, false);
                self.seen.add(Seen::SUBQUERY);
                self.select();
            }
            _ => {}
        }
        true
    }
}

fn starts(text: &[u8], prefix: &[u8]) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn is_system_schema(name: &[u8]) -> bool {
    ["sys", "mysql", "performance_schema", "sysibm", "syscat"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
        || word(name) == Word::Catalogue
}

/// FNV-1a over the lower-cased bytes; never zero.
fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193)
    }) | 1
}

/// Whether a comment that reaches the end holds no more than a mark: nothing, dashes, one short word.
fn is_mark(comment: &[u8]) -> bool {
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
