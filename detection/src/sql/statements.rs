//! Statements: what makes a word the beginning of one beyond doubt, and scripts whose grammar is not followed.

use super::{
    evidence::Seen,
    machine::{Clause, Condition, Frame, Machine, Mode, Nest},
    token::{Kind, Operator, Token},
    words::{Call, Word},
};

/// Modifiers behind a verb.
const MODIFIERS: usize = 3;
/// Tokens between `copy` and its `program`.
const COPIED: usize = 24;

impl Machine<'_> {
    pub(super) fn statement(&mut self, token: Token) -> bool {
        match token.kind {
            Kind::Semicolon => true,
            Kind::Open => {
                self.push(Nest::Group, false);
                self.mode = Mode::Operand;
                matches!(self.next_kind(), Kind::Word(Word::Select) | Kind::Open)
            }
            // `;iif(…)`, `;sleep(5)`: an expression where a statement should be.
            Kind::Word(word @ Word::Call(_))
                if self.next_kind() == Kind::Open && !self.text(token).eq_ignore_ascii_case(b"if") =>
            {
                self.mode = Mode::Operand;
                self.path(token, word);
                true
            }
            Kind::Word(word) => self.statement_word(word, token, true),
            _ => false,
        }
    }

    /// A word that begins a statement. `alone` where a semicolon or nothing stands before it; where an operand does,
    /// only forms that are statements beyond doubt count.
    pub(super) fn statement_word(&mut self, word: Word, token: Token, alone: bool) -> bool {
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
            Word::Exec => return self.execute(is("call"), alone),
            Word::Set if next == Kind::Variable => true,
            Word::Script if is("declare") => next == Kind::Variable,
            Word::Script if is("show") => matches!(next, Kind::Word(Word::Objects)),
            Word::Script if is("begin") => {
                matches!(next, Kind::Word(Word::Script | Word::Exec | Word::Change | Word::Call(_)))
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

    /// After `exec`, `execute`, `call`, which is told from the others.
    pub(super) fn execute(&mut self, call: bool, alone: bool) -> bool {
        let mut ahead = self.lexer;
        let mut token = ahead.token();
        if token.kind == Kind::Open {
            // `exec('…' + '…')`, `exec(@s)`, `exec(char(…)+…)`.
            let inner = ahead.token().kind;
            let built = matches!(inner, Kind::Text { .. }) && matches!(ahead.peek().kind, Kind::Operator(_));
            let sure = built || matches!(inner, Kind::Variable | Kind::Word(Word::Call(Call::Text)));
            if !sure && !alone {
                return false;
            }
            self.seen.add(if sure { Seen::DYNAMIC } else { Seen::STATEMENT_WORD });
        } else {
            let mut procedure = false;
            if self.text(token).eq_ignore_ascii_case(b"immediate")
                && matches!(
                    ahead.peek().kind,
                    Kind::Text { .. } | Kind::Open | Kind::Variable | Kind::Word(Word::Call(_))
                )
            {
                self.seen.add(Seen::DYNAMIC);
            }
            for _ in 0..8 {
                match token.kind {
                    Kind::Word(Word::Call(Call::Outside)) => procedure = true,
                    Kind::Word(Word::Call(Call::Server)) if starts(self.text(token), b"sp_") => {
                        procedure = true;
                    }
                    Kind::Word(_)
                    | Kind::Dot
                    | Kind::Name
                    | Kind::Variable
                    | Kind::Operator(Operator::Compare) => {}
                    _ => break,
                }
                token = ahead.token();
            }
            // `call name(function(…`: sentences have no parentheses in such a place.
            let nested = call
                && token.kind == Kind::Open
                && matches!(ahead.token().kind, Kind::Word(Word::Call(_)))
                && ahead.peek().kind == Kind::Open;
            if procedure {
                self.seen.add(Seen::PROCEDURE_CALL);
            } else if nested && alone {
                self.seen.add(Seen::STATEMENT);
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
    pub(super) fn change(&mut self, text: &[u8], alone: bool) -> bool {
        let is = |name: &str| text.eq_ignore_ascii_case(name.as_bytes());
        let mut ahead = self.lexer;
        let mut first = ahead.token();
        // What MySQL lets stand between the verb and its object.
        let modifiers: &[&[u8]] = &[b"low_priority", b"high_priority", b"delayed", b"quick", b"ignore"];
        for _ in 0..MODIFIERS {
            if modifiers.iter().any(|known| self.text(first).eq_ignore_ascii_case(known)) {
                first = ahead.token();
            }
        }
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
        } else if is("grant") || is("revoke") {
            let to = matches!(second, Kind::Word(Word::Infix | Word::Where | Word::From));
            (to && names(third), Mode::Lenient)
        } else if is("copy") {
            // PostgreSQL hands a table or the answer of a query to a program, or reads from one.
            let mut rest = ahead;
            let mut program = false;
            for _ in 0..COPIED {
                let token = rest.token();
                let text = self.text(token);
                if matches!(token.kind, Kind::End | Kind::Semicolon) {
                    break;
                }
                if text.eq_ignore_ascii_case(b"program") {
                    program = matches!(rest.peek().kind, Kind::Text { .. });
                    break;
                }
            }
            if program {
                self.seen.add(Seen::OUTSIDE);
            }
            (program, Mode::Lenient)
        } else if is("load") {
            let data =
                ["data", "xml"].iter().any(|name| self.text(first).eq_ignore_ascii_case(name.as_bytes()));
            (data, Mode::Lenient)
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

    pub(super) fn lenient(&mut self, token: Token) -> bool {
        match token.kind {
            Kind::Bad => return false,
            Kind::Semicolon => {
                self.seen.add(Seen::SEMICOLON);
                self.mode = Mode::Statement;
            }
            Kind::Word(Word::Catalogue) => self.seen.add(Seen::CATALOGUE),
            Kind::Word(Word::Call(kind)) if self.next_kind() == Kind::Open => {
                let seen = match kind {
                    Call::Delay if self.last == Kind::Dot => Seen::SURE_DELAY,
                    Call::SureDelay | Call::PairDelay => Seen::SURE_DELAY,
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
