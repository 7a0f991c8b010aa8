//! The flat form of a JSON text: one token per key and value in text order, with links instead of a tree.

use std::ops::Range;

use super::{strings, values::Frame};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{…}`.
    Object,
    /// `[…]`.
    Array,
    /// The name of an object member; its value is the token after it, if there is one.
    Key,
    /// A quoted string that is a value.
    String,
    /// A number by the grammar of RFC 8259.
    Number,
    /// `true`.
    True,
    /// `false`.
    False,
    /// `null`.
    Null,
    /// Text that is none of these: an unquoted word, `NaN`, a stray character run.
    Bare,
    /// A comment, which lenient parsers skip.
    Comment,
    /// A stretch beyond the token cap that was not taken apart.
    Rest,
}

/// A token of a [`Tape`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node(pub(super) u32);

pub(super) const NONE: u32 = u32::MAX;

/// The string holds a backslash.
pub(super) const ESCAPED: u8 = 1;
/// The string holds a surrogate escape without its other half.
pub(super) const LONE_SURROGATE: u8 = 2;
/// The key stood before in the same object.
pub(super) const DUPLICATE: u8 = 4;

#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    /// First byte of the content: after the quote of a string, at the bracket of a container.
    pub(super) start: u32,
    /// One past the content: at the closing quote, after the closing bracket.
    pub(super) end: u32,
    pub(super) parent: u32,
    /// The token after this one and everything in it.
    pub(super) next: u32,
    pub(super) kind: Kind,
    pub(super) flags: u8,
}

/// What a scan found out about the text as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Whether the text is one JSON value by RFC 8259. Lone surrogate escapes and duplicate keys are well-formed.
    pub well_formed: bool,
    /// Whether an object names a key twice.
    pub duplicate_keys: bool,
    /// Whether a string holds half of a surrogate pair, which runtimes read differently.
    pub lone_surrogates: bool,
    /// Whether a string holds bytes that are not UTF-8.
    pub not_utf8: bool,
    /// Whether a part was not taken apart because the tape was full.
    pub truncated: bool,
    /// The deepest nesting.
    pub depth: u32,
}

/// The tokens of one JSON text. It holds offsets, not bytes: navigation takes the text that was scanned.
#[derive(Clone, Debug, Default)]
pub struct Tape {
    pub(super) tokens: Vec<Token>,
    /// Working memory of the scan.
    pub(super) keys: Vec<u64>,
    /// Working memory of [`super::values`].
    pub(super) frames: Vec<Frame>,
    pub(super) summary: Summary,
}

/// A member of an object.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// The key.
    pub key: Node,
    /// The value; `None` where the text broke off or is malformed.
    pub value: Option<Node>,
}

impl Tape {
    /// A tape with no memory yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            tokens: Vec::new(),
            keys: Vec::new(),
            frames: Vec::new(),
            summary: Summary {
                well_formed: false,
                duplicate_keys: false,
                lone_surrogates: false,
                not_utf8: false,
                truncated: false,
                depth: 0,
            },
        }
    }

    /// What the scan found out.
    #[must_use]
    pub const fn summary(&self) -> Summary {
        self.summary
    }

    /// How many tokens there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether the text held no token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The first value of the text.
    #[must_use]
    pub fn root(&self) -> Option<Node> {
        self.roots().find(|node| self.kind(*node) != Kind::Comment)
    }

    /// All values at top level; more than one only in malformed text.
    pub fn roots(&self) -> impl Iterator<Item = Node> + '_ {
        Siblings { tape: self, at: 0, end: self.end_index() }
    }

    /// What a token is.
    #[must_use]
    pub fn kind(&self, node: Node) -> Kind {
        self.token(node).map_or(Kind::Null, |token| token.kind)
    }

    /// Where the content of a token stands: without quotes, with brackets.
    #[must_use]
    pub fn range(&self, node: Node) -> Range<usize> {
        self.token(node).map_or(0..0, |token| token.start as usize..token.end as usize)
    }

    /// The container that a token stands in.
    #[must_use]
    pub fn parent(&self, node: Node) -> Option<Node> {
        let parent = self.token(node)?.parent;
        (parent != NONE).then_some(Node(parent))
    }

    /// Whether the content holds escapes, so that [`super::unescape`] would change it.
    #[must_use]
    pub fn is_escaped(&self, node: Node) -> bool {
        self.token(node).is_some_and(|token| token.flags & ESCAPED != 0)
    }

    /// Whether the content holds half of a surrogate pair.
    #[must_use]
    pub fn has_lone_surrogate(&self, node: Node) -> bool {
        self.token(node).is_some_and(|token| token.flags & LONE_SURROGATE != 0)
    }

    /// Whether this key stood before in the same object.
    #[must_use]
    pub fn is_duplicate(&self, node: Node) -> bool {
        self.token(node).is_some_and(|token| token.flags & DUPLICATE != 0)
    }

    /// The values directly inside a container, keys left out; nothing for a scalar.
    pub fn children(&self, node: Node) -> impl Iterator<Item = Node> + '_ {
        self.inside(node).filter(|child| !matches!(self.kind(*child), Kind::Key | Kind::Comment))
    }

    /// The members of an object in text order, duplicates included; nothing for anything else.
    pub fn members(&self, node: Node) -> impl Iterator<Item = Member> + '_ {
        let end = self.token(node).map_or(0, |token| token.next);
        self.inside(node)
            .filter(|child| self.kind(*child) == Kind::Key)
            .map(move |key| Member { key, value: self.value_after(key, end) })
    }

    /// The values of every member of this name, in text order. `text` is what was scanned; `name` is unescaped.
    pub fn member<'t>(
        &'t self,
        text: &'t [u8],
        node: Node,
        name: &'t [u8],
    ) -> impl Iterator<Item = Node> + 't {
        self.members(node)
            .filter(move |member| self.is(text, member.key, name))
            .filter_map(|member| member.value)
    }

    /// The value that most runtimes would see: the last member of this name.
    #[must_use]
    pub fn last(&self, text: &[u8], node: Node, name: &[u8]) -> Option<Node> {
        // As `member(…).last()`, without a look at the bytes of keys that are of another length: predicates ask for many names that
        // are not there.
        let end = self.token(node).filter(|token| token.kind == Kind::Object)?.next;
        let (mut at, mut found) = (node.0 + 1, None);
        while at < end {
            let token = self.tokens.get(at as usize)?;
            let fits = token.flags & ESCAPED != 0 || (token.end - token.start) as usize == name.len();
            if token.kind == Kind::Key && fits && self.is(text, Node(at), name) {
                found = self.value_after(Node(at), end).or(found);
            }
            at = token.next;
        }
        found
    }

    /// Follows names from `node` inward, the last duplicate each time.
    #[must_use]
    pub fn at(&self, text: &[u8], node: Node, names: &[&[u8]]) -> Option<Node> {
        names.iter().try_fold(node, |node, name| self.last(text, node, name))
    }

    /// Whether a key or string has this content once its escapes are undone.
    #[must_use]
    pub fn is(&self, text: &[u8], node: Node, content: &[u8]) -> bool {
        let raw = text.get(self.range(node)).unwrap_or_default();
        if self.is_escaped(node) { strings::unescapes_to(raw, content) } else { raw == content }
    }

    /// Gives back the memory that one large text took, and keeps what ordinary ones need; the tape is empty after it
    /// where it had grown.
    pub fn shrink(&mut self) {
        const KEEP: usize = 8192;
        if self.tokens.capacity() > KEEP {
            self.tokens.clear();
            self.tokens.shrink_to(KEEP);
        }
        self.keys.clear();
        self.keys.shrink_to(KEEP);
        self.frames.clear();
    }

    pub(super) fn token(&self, node: Node) -> Option<&Token> {
        self.tokens.get(node.0 as usize)
    }

    pub(super) fn end_index(&self) -> u32 {
        u32::try_from(self.tokens.len()).unwrap_or(NONE)
    }

    fn inside(&self, node: Node) -> Siblings<'_> {
        match self.token(node) {
            Some(token) if matches!(token.kind, Kind::Object | Kind::Array) => {
                Siblings { tape: self, at: node.0 + 1, end: token.next }
            }
            _ => Siblings { tape: self, at: 0, end: 0 },
        }
    }

    /// The value of the key at `key`: the next token that is neither comment nor key, within the object.
    fn value_after(&self, key: Node, end: u32) -> Option<Node> {
        let mut at = key.0 + 1;
        while at < end {
            match self.tokens.get(at as usize)?.kind {
                Kind::Comment => at += 1,
                Kind::Key => return None,
                _ => return Some(Node(at)),
            }
        }
        None
    }
}

struct Siblings<'t> {
    tape: &'t Tape,
    at: u32,
    end: u32,
}

impl Iterator for Siblings<'_> {
    type Item = Node;

    fn next(&mut self) -> Option<Node> {
        if self.at >= self.end {
            return None;
        }
        let node = Node(self.at);
        self.at = self.tape.token(node)?.next;
        Some(node)
    }
}
