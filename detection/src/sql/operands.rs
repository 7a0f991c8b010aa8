//! What may stand where an operand is wanted: constants, names, calls, parentheses, subqueries.

use super::{
    evidence::Seen,
    machine::{Clause, Condition, Machine, Mode, Nest, hash, is_system_schema},
    token::{Kind, Operator, Token},
    words::{Call, Word},
};

impl Machine<'_> {
    pub(super) fn operand(&mut self, token: Token) -> bool {
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
                // An expression that begins with a parenthesis is a condition where a condition can stand.
                let first = self.depth == 0 && self.last == Kind::End;
                let joined = self.frame().condition.joined || first;
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

    pub(super) fn operand_word(&mut self, word: Word, token: Token) -> bool {
        match word {
            Word::Select => {
                // It begins a value only in parentheses; elsewhere the word is a name: `/select-a-shop`.
                let begins = self.last == Kind::Open;
                if begins {
                    self.select();
                }
                return begins;
            }
            Word::Prefix | Word::Quantifier => {
                if self.text(token).eq_ignore_ascii_case(b"top") && self.next_kind() == Kind::Number {
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
    pub(super) fn path(&mut self, token: Token, first: Word) {
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
                    let outside = matches!(strongest, Word::Call(Call::Outside));
                    if strongest != Word::Catalogue && (!outside || matches!(word, Word::Call(_))) {
                        strongest = word;
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

    pub(super) fn call(&mut self, word: Word, dotted: bool) {
        let mut ahead = self.lexer;
        let next = ahead.token().kind;
        // `sleep (5 tips)` is no call.
        let second = ahead.token().kind;
        let sound = next != Kind::Number || !matches!(second, Kind::Word(Word::Plain) | Kind::Bad);
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
            Some(Call::PairDelay) if next != Kind::Close && second != Kind::Close => Some(Seen::SURE_DELAY),
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

    pub(super) fn select(&mut self) {
        let depth = self.depth;
        let frame = self.frame();
        frame.selects = true;
        frame.clause = Clause::Columns;
        frame.named = false;
        frame.condition = Condition::new(false);
        // `(select)`, as a committee is called: nothing is selected.
        if depth == 0 {
            self.seen.add(Seen::SELECT);
        } else if self.next_kind() != Kind::Close {
            self.seen.add(Seen::SUBQUERY);
        }
        self.mode = Mode::Operand;
    }
}
