//! What a run of the recogniser saw, before anybody weighs it.

/// A set of things seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen(u64);

macro_rules! seen {
    ($($(#[doc = $doc:literal])+ $name:ident = $bit:literal,)+) => {
        impl Seen {
            $($(#[doc = $doc])+ pub(crate) const $name: Self = Self(1 << $bit);)+
        }
    };
}

seen! {
    /// `union select`
    UNION = 0,
    /// A select that stands where a value could: `(select …)`.
    SUBQUERY = 1,
    /// A statement that is no select, in a form that only a statement has: `drop table x`.
    STATEMENT = 2,
    /// A word that begins a statement, where one could begin.
    STATEMENT_WORD = 3,
    /// A call that waits.
    DELAY = 4,
    /// A call that waits and is SQL beyond doubt: `pg_sleep(5)`, `waitfor delay '0:0:5'`.
    SURE_DELAY = 5,
    /// A call whose error message shows data.
    ERROR = 6,
    /// A call that leaves the database: files, network, commands.
    OUTSIDE = 7,
    /// A call that tells about the server.
    SERVER = 8,
    /// A call that builds or cuts text.
    TEXT = 9,
    /// A call or `case` that decides.
    CHOICE = 10,
    /// The database's own catalogue.
    CATALOGUE = 11,
    /// A comparison of constants, or of a name with itself, joined by `or` and the like.
    CONSTANT_CONDITION = 12,
    /// A bare constant joined by `or` and the like.
    CONSTANT_TRUTH = 13,
    /// Any complete condition joined by `or` and the like.
    CONDITION = 14,
    /// An operator applied to what stood before.
    OPERATED = 15,
    /// `order by` or `group by` the number of a column.
    ORDERED = 16,
    /// `having`
    HAVING = 17,
    /// `procedure analyse(`
    PROCEDURE = 18,
    /// `into outfile`
    OUTFILE = 19,
    /// A `from` with a name after it, in a select.
    FROM = 20,
    /// A select of constants, nulls and calls rather than of columns.
    CONSTANT_COLUMNS = 21,
    /// A stored procedure of the server is run: `exec xp_cmdshell`.
    PROCEDURE_CALL = 22,
    /// A select as a statement of its own.
    SELECT = 23,
    /// A where clause.
    WHERE = 24,
    /// A bare `or` between string constants (`or 'x'`), which a search for words has too.
    WORD_TRUTH = 25,
    /// `select *`
    STAR = 26,
    /// A semicolon ended the host's statement.
    SEMICOLON = 27,
    /// More than one statement.
    AGAIN = 28,
    /// The name of a `@@variable`.
    SYSTEM_VARIABLE = 29,
    /// `order by` or `group by` anything else.
    ORDERED_BY_NAME = 30,
    /// A statement that is built as text is run: `exec(@s)`.
    DYNAMIC = 31,
    /// A union whose select has several constant columns.
    WIDE = 32,
    /// `or` joins a comparison of constants that does not hold, which changes nothing.
    FALSE_CONDITION = 33,
}

impl Seen {
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// A token that fits nowhere.
    Broken,
    /// The value ends where a sentence may end.
    Complete,
    /// The value ends where an operand should follow.
    Wanting,
    /// A comment swallows the rest of the host's statement; it is empty or a mark of the attacker's.
    Comment,
    /// The same, but with text in it that reads as text.
    Remark,
    /// A string is left open, for the host's own quote to close; it is short.
    OpenText(u8),
    /// The run was cut at its bound.
    Cut,
}

/// One run of the recogniser.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Where it began and how far it came.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// How far it came before it followed a script without its grammar.
    pub(crate) strict: usize,
    pub(crate) seen: Seen,
    pub(crate) tail: Tail,
    /// Tokens that fitted.
    pub(crate) tokens: u32,
    /// Parentheses of the host that it closed.
    pub(crate) closed: u32,
    /// Comments as white space, executable comments, words split by comments.
    pub(crate) comments: u16,
    pub(crate) executed: u16,
    pub(crate) split: u16,
}
