//! What may stand where an operator is wanted: operators, clauses, ends of parentheses, the next statement.

use super::{
    evidence::Seen,
    machine::{Clause, Condition, Frame, Machine, Mode, Nest},
    token::{Kind, Operator, Token},
    words::{Call, Word},
};

impl Machine<'_> {
    pub(super) fn operator(&mut self, token: Token) -> bool {
        match token.kind {
            Kind::Operator(operator) => match operator {
                Operator::Compare => self.compare(token),
                Operator::Unary if self.text(token) == b"~" => self.compare(token),
                Operator::Unary => return false,
                Operator::Pipes => {
                    self.note_operated();
                    self.join(true, true);
                }
                Operator::And => {
                    self.note_operated();
                    self.join(false, false);
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
            // A space that was lost: `1)(select …`.
            Kind::Open if self.next_kind() == Kind::Word(Word::Select) => {
                self.push(Nest::Group, false);
                self.mode = Mode::Operand;
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

    pub(super) fn alias(&mut self) -> bool {
        let frame = self.frame();
        let free = matches!(frame.clause, Clause::Columns | Clause::Tables) && !frame.named;
        frame.named = true;
        free
    }

    /// After `::`.
    pub(super) fn type_name(&mut self) -> bool {
        let Kind::Word(_) = self.lexer.token().kind else { return false };
        self.skip_parentheses();
        true
    }

    /// Leaves out `(10, 2)` after a type or a name.
    pub(super) fn skip_parentheses(&mut self) {
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

    pub(super) fn begin_condition(&mut self, clause: Clause, joined: bool) {
        self.finish_item();
        let frame = self.frame();
        frame.clause = clause;
        frame.condition = Condition::new(joined);
        self.mode = Mode::Operand;
    }

    pub(super) fn operator_word(&mut self, word: Word, token: Token) -> bool {
        match word {
            Word::Bool => {
                if std::mem::take(&mut self.frame().between) {
                    self.mode = Mode::Operand;
                } else {
                    let either = self.text(token).eq_ignore_ascii_case(b"or");
                    self.join(false, either);
                }
            }
            Word::Compare if self.search_mode(token) => {}
            Word::Compare => self.compare(token),
            Word::Between => {
                self.compare(token);
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
                self.seen.add(match self.next_kind() {
                    Kind::Number => Seen::ORDERED,
                    _ => Seen::ORDERED_BY_NAME,
                });
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
                // At the host's level it goes on with a `case` of the host.
                let host = self.depth == 0 && self.continues;
                if self.frame().nest != Nest::Case && !host {
                    return false;
                }
                self.finish_condition();
                self.frame().condition = Condition::new(self.text(token).eq_ignore_ascii_case(b"when"));
                self.mode = Mode::Operand;
            }
            Word::End => {
                if self.depth == 0 && self.continues {
                    return true;
                }
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

    /// `in boolean mode`, `in natural language mode` of MySQL's full-text search.
    fn search_mode(&mut self, token: Token) -> bool {
        let mut ahead = self.lexer;
        let first = ahead.token();
        let named = |name: &str| self.text(first).eq_ignore_ascii_case(name.as_bytes());
        if !self.text(token).eq_ignore_ascii_case(b"in") || !(named("boolean") || named("natural")) {
            return false;
        }
        for _ in 0..2 {
            let word = ahead.token();
            if self.text(word).eq_ignore_ascii_case(b"mode") {
                self.lexer = ahead;
                return true;
            }
        }
        false
    }

    pub(super) fn union(&mut self) -> bool {
        self.finish_item();
        let mut parenthesised = false;
        for _ in 0..8 {
            let mut ahead = self.lexer;
            let token = ahead.token();
            match token.kind {
                Kind::Word(Word::Quantifier) | Kind::Operator(Operator::Plus) => {}
                Kind::Open => {
                    parenthesised = true;
                    self.push(Nest::Group, false);
                }
                Kind::Word(Word::Select) => {
                    self.lexer = ahead;
                    self.seen.add(Seen::UNION);
                    self.select();
                    self.frame().united = true;
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
}
