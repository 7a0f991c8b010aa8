//! The one border between the engine and its database: items with fields, written in transactions, read consistently.
//!
//! It may not know what a flag or a count is. SQLite and DynamoDB both stand behind it and pass one contract suite
//! (`tests/contract.rs`), which is where the meaning of each operation is held.

pub mod dynamo;
mod fields_json;
pub mod sqlite;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

use crate::limits;

/// Writes of one transaction; DynamoDB's own limit is 100.
pub const WRITES: usize = 100;

/// Where an item lies: items of one partition are sorted by their second part.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The partition.
    pub pk: String,
    /// The place within it.
    pub sk: String,
}

impl Key {
    /// A key of two parts.
    pub fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// A number, which can be added to.
    Int(i64),
    /// A text.
    Text(String),
    /// A set of texts, which can be added to. An empty set is the same as none.
    Set(BTreeSet<String>),
}

/// The fields of an item by name.
pub type Fields = BTreeMap<String, Field>;

/// An item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Where it lies.
    pub key: Key,
    /// What it says.
    pub fields: Fields,
    /// When it may be deleted, in Unix seconds. A reader still finds it until it is: whoever minds compares.
    pub expires: Option<u64>,
}

impl Item {
    /// An item without fields.
    #[must_use]
    pub const fn new(key: Key) -> Self {
        Self { key, fields: Fields::new(), expires: None }
    }

    /// With a number.
    #[must_use]
    pub fn int(mut self, name: &str, value: u64) -> Self {
        self.fields.insert(name.to_owned(), Field::Int(i64::try_from(value).unwrap_or(i64::MAX)));
        self
    }

    /// With a text.
    #[must_use]
    pub fn text(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.insert(name.to_owned(), Field::Text(value.into()));
        self
    }

    /// With a set.
    #[must_use]
    pub fn set(mut self, name: &str, values: BTreeSet<String>) -> Self {
        self.fields.insert(name.to_owned(), Field::Set(values));
        self
    }

    /// With a time after which it may be deleted.
    #[must_use]
    pub const fn until(mut self, expires: u64) -> Self {
        self.expires = Some(expires);
        self
    }

    /// A number; 0 where there is none.
    #[must_use]
    pub fn get_int(&self, name: &str) -> u64 {
        match self.fields.get(name) {
            Some(Field::Int(value)) => u64::try_from(*value).unwrap_or(0),
            _ => 0,
        }
    }

    /// A text; empty where there is none.
    #[must_use]
    pub fn get_text(&self, name: &str) -> &str {
        match self.fields.get(name) {
            Some(Field::Text(value)) => value,
            _ => "",
        }
    }

    /// The members of a set.
    pub fn get_set(&self, name: &str) -> impl Iterator<Item = &String> {
        match self.fields.get(name) {
            Some(Field::Set(values)) => Some(values.iter()),
            _ => None,
        }
        .into_iter()
        .flatten()
    }
}

/// What must hold for a write.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum When {
    /// Nothing.
    #[default]
    Always,
    /// There is no such item.
    Absent,
    /// There is such an item.
    Present,
    /// The number of that name is this one.
    Equals(String, u64),
    /// The number of that name is smaller, or there is none.
    Below(String, u64),
}

/// One write of a transaction. No two writes of a transaction may be of the same item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Puts an item in the place of whatever lies there.
    Put(Item, When),
    /// Adds numbers to numbers and members to sets, and replaces texts; what was not there is made.
    Add(Item, When),
    /// Takes an item away, if it is there.
    Delete(Key, When),
}

impl Write {
    /// The item that is written.
    #[must_use]
    pub const fn key(&self) -> &Key {
        match self {
            Self::Put(item, _) | Self::Add(item, _) => &item.key,
            Self::Delete(key, _) => key,
        }
    }
}

/// Which items of a partition are read.
#[derive(Clone, Debug)]
pub struct Query {
    /// The partition.
    pub pk: String,
    /// The first place.
    pub from: String,
    /// The last place.
    pub to: String,
    /// From the last to the first.
    pub backwards: bool,
    /// At most so many.
    pub limit: usize,
}

impl Query {
    /// The items whose place begins with a text.
    pub fn prefix(pk: impl Into<String>, prefix: &str, limit: usize) -> Self {
        // DynamoDB takes no empty text in a key, and no place begins before a space.
        let from = if prefix.is_empty() { " " } else { prefix };
        Self { pk: pk.into(), from: from.to_owned(), to: format!("{prefix}\u{7f}"), backwards: false, limit }
    }

    /// The items between two places, both included.
    pub fn between(
        pk: impl Into<String>,
        from: impl Into<String>,
        to: impl Into<String>,
        limit: usize,
    ) -> Self {
        Self { pk: pk.into(), from: from.into(), to: to.into(), backwards: false, limit }
    }

    /// The same, the last first.
    #[must_use]
    pub const fn backwards(mut self) -> Self {
        self.backwards = true;
        self
    }
}

/// Why an operation did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A condition did not hold; nothing was written. The number says which write's.
    #[error("a condition did not hold")]
    Condition(usize),
    /// Too many at once; nothing was written.
    #[error("the store is busy")]
    Busy,
    /// The database failed. Whether a write happened is not known.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// A database.
pub trait Store: Send + Sync + 'static {
    /// One item, as the last finished write left it.
    fn get(&self, key: Key) -> impl Future<Output = Result<Option<Item>, StoreError>> + Send;

    /// Items of a partition in order, as the last finished write left them.
    fn query(&self, query: Query) -> impl Future<Output = Result<Vec<Item>, StoreError>> + Send;

    /// All of the writes, at once, if all conditions hold; else none.
    fn write(&self, writes: Vec<Write>) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Puts items in the place of what lies there. Not one transaction: after a failure some may have been put, and
    /// putting all of them again is harmless.
    fn put_all(&self, items: Vec<Item>) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Deletes what has expired, where the database does not do so by itself, and says how many that were.
    fn purge(&self, now: u64) -> impl Future<Output = Result<u64, StoreError>> + Send;
}

/// Items of a query, some thousand at a time, so that the memory it takes does not grow with what there is.
#[derive(Debug)]
pub struct Pages {
    query: Query,
    /// The last place of the page before.
    last: Option<String>,
    ended: bool,
}

impl Pages {
    /// From the first place to the last, or backwards, at most as many as the query's limit.
    #[must_use]
    pub const fn of(query: Query) -> Self {
        Self { query, last: None, ended: false }
    }

    /// The next ones; none where there are no more.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn next<S: Store>(&mut self, store: &S) -> Result<Option<Vec<Item>>, StoreError> {
        if self.ended || self.query.limit == 0 {
            return Ok(None);
        }
        // Both ends of a query belong to it, so what the last page ended with comes once more.
        let again = usize::from(self.last.is_some());
        let size = self.query.limit.min(limits::PAGE_ITEMS).saturating_add(again);
        let mut items = store.query(Query { limit: size, ..self.query.clone() }).await?;
        self.ended = items.len() < size;
        if let Some(last) = &self.last {
            items.retain(|item| item.key.sk != *last);
        }
        let Some(end) = items.last() else { return Ok(None) };
        self.last = Some(end.key.sk.clone());
        let edge = if self.query.backwards { &mut self.query.to } else { &mut self.query.from };
        edge.clone_from(&end.key.sk);
        self.query.limit = self.query.limit.saturating_sub(items.len());
        Ok(Some(items))
    }
}

/// Several engines over one store.
impl<S: Store> Store for Arc<S> {
    fn get(&self, key: Key) -> impl Future<Output = Result<Option<Item>, StoreError>> + Send {
        S::get(self, key)
    }

    fn query(&self, query: Query) -> impl Future<Output = Result<Vec<Item>, StoreError>> + Send {
        S::query(self, query)
    }

    fn write(&self, writes: Vec<Write>) -> impl Future<Output = Result<(), StoreError>> + Send {
        S::write(self, writes)
    }

    fn put_all(&self, items: Vec<Item>) -> impl Future<Output = Result<(), StoreError>> + Send {
        S::put_all(self, items)
    }

    fn purge(&self, now: u64) -> impl Future<Output = Result<u64, StoreError>> + Send {
        S::purge(self, now)
    }
}
