//! What the engine's tests have in common: both stores, a clock that a test moves, honest batches, and stores that fail or pause at
//! a chosen moment. Knows how tests are set up; asserts nothing.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::allow_attributes,
    clippy::expect_used,
    reason = "each test program uses a part of it"
)]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use picket_cloud_engine::engine::{Clock, Config, Engine};
use picket_cloud_engine::ingest::Sender;
use picket_cloud_engine::names::Site;
use picket_cloud_engine::settings::Settings;
use picket_cloud_engine::store::dynamo::Dynamo;
use picket_cloud_engine::store::sqlite::Sqlite;
use picket_cloud_engine::store::{Item, Key, Query, Store, StoreError, Write};
use picket_cloud_protocol::{Agent, Batch, Count, Sighting, Stats};
use picket_tests::dynamodb::DynamoDb;
use tokio::sync::Notify;

/// When tests take place.
pub const NOW: u64 = 1_795_334_400;

/// A folder of a test's own, deleted when the test ends.
#[derive(Debug)]
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("picket-engine-{}-{next}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A SQLite file of a test's own.
#[derive(Debug)]
pub struct File {
    // Dropped first, so that the writer is done before the folder goes.
    store: Sqlite,
    _folder: Folder,
}

pub fn sqlite() -> Arc<File> {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.0.join("picket.db")).expect("a file");
    Arc::new(File { store, _folder: folder })
}

/// The one DynamoDB Local of this test program; each test has a table of its own.
pub async fn dynamo() -> Option<Arc<Dynamo>> {
    static SERVER: OnceLock<Result<DynamoDb, String>> = OnceLock::new();
    static TABLES: AtomicU64 = AtomicU64::new(0);
    let server = match SERVER.get_or_init(DynamoDb::start) {
        Ok(server) => server,
        Err(why) => {
            picket_tests::skip(why);
            return None;
        }
    };
    let client = picket_https::Client::new(&picket_https::Options::default()).expect("a client");
    let limits = picket_https::Limits { timeout: Duration::from_secs(60), response_bytes: 16 * 1024 * 1024 };
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(server.url())
        .http_client(client.for_aws(limits))
        .build();
    let table = format!("picket-{}", TABLES.fetch_add(1, Ordering::Relaxed));
    let store = Dynamo::new(aws_sdk_dynamodb::Client::from_conf(config), table);
    store.create().await.expect("a table");
    Some(Arc::new(store))
}

impl Store for File {
    async fn get(&self, key: Key) -> Result<Option<Item>, StoreError> {
        self.store.get(key).await
    }
    async fn query(&self, query: Query) -> Result<Vec<Item>, StoreError> {
        self.store.query(query).await
    }
    async fn write(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        self.store.write(writes).await
    }
    async fn put_all(&self, items: Vec<Item>) -> Result<(), StoreError> {
        self.store.put_all(items).await
    }
    async fn purge(&self, now: u64) -> Result<u64, StoreError> {
        self.store.purge(now).await
    }
}

/// A store that dies after some writes, as a process does that is killed: what was written stands.
#[derive(Debug)]
pub struct Dying<S> {
    store: S,
    left: AtomicI64,
}

impl<S> Dying<S> {
    pub const fn new(store: S, writes: i64) -> Self {
        Self { store, left: AtomicI64::new(writes) }
    }
}

impl<S: Store> Store for Dying<S> {
    async fn get(&self, key: Key) -> Result<Option<Item>, StoreError> {
        self.store.get(key).await
    }
    async fn query(&self, query: Query) -> Result<Vec<Item>, StoreError> {
        self.store.query(query).await
    }
    async fn write(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        if self.left.fetch_sub(1, Ordering::Relaxed) <= 0 {
            return Err(StoreError::Failed("dead".to_owned()));
        }
        self.store.write(writes).await
    }
    async fn put_all(&self, items: Vec<Item>) -> Result<(), StoreError> {
        self.store.put_all(items).await
    }
    async fn purge(&self, now: u64) -> Result<u64, StoreError> {
        self.store.purge(now).await
    }
}

/// A store that stops before its first write until it is told to go on.
#[derive(Debug)]
pub struct Pausing<S> {
    store: S,
    /// Told when the writer has come to its write.
    pub reached: Arc<Notify>,
    /// Tells it to go on.
    pub go: Arc<Notify>,
    paused: AtomicU64,
}

impl<S> Pausing<S> {
    pub fn new(store: S) -> Self {
        Self { store, reached: Arc::default(), go: Arc::default(), paused: AtomicU64::new(0) }
    }
}

impl<S: Store> Store for Pausing<S> {
    async fn get(&self, key: Key) -> Result<Option<Item>, StoreError> {
        self.store.get(key).await
    }
    async fn query(&self, query: Query) -> Result<Vec<Item>, StoreError> {
        self.store.query(query).await
    }
    async fn write(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        if self.paused.fetch_add(1, Ordering::Relaxed) == 0 {
            self.reached.notify_one();
            self.go.notified().await;
        }
        self.store.write(writes).await
    }
    async fn put_all(&self, items: Vec<Item>) -> Result<(), StoreError> {
        self.store.put_all(items).await
    }
    async fn purge(&self, now: u64) -> Result<u64, StoreError> {
        self.store.purge(now).await
    }
}

/// A store that counts what is asked of it, in DynamoDB's units.
#[derive(Debug)]
pub struct Counting<S> {
    store: S,
    pub requests: AtomicU64,
    pub write_units: AtomicU64,
    pub read_units: AtomicU64,
}

impl<S> Counting<S> {
    pub const fn new(store: S) -> Self {
        let zero = AtomicU64::new;
        Self { store, requests: zero(0), write_units: zero(0), read_units: zero(0) }
    }

    fn note(&self, writes: u64, reads: u64) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.write_units.fetch_add(writes, Ordering::Relaxed);
        self.read_units.fetch_add(reads, Ordering::Relaxed);
    }
}

/// About how many bytes an item has.
fn bytes_of(item: &Item) -> u64 {
    let fields = item.fields.iter().map(|(name, field)| name.len() + format!("{field:?}").len());
    (item.key.pk.len() + item.key.sk.len() + fields.sum::<usize>()) as u64
}

impl<S: Store> Store for Counting<S> {
    async fn get(&self, key: Key) -> Result<Option<Item>, StoreError> {
        let item = self.store.get(key).await;
        let bytes = item.as_ref().map_or(0, |item| item.as_ref().map_or(0, bytes_of));
        self.note(0, bytes.div_ceil(4_096).max(1));
        item
    }
    async fn query(&self, query: Query) -> Result<Vec<Item>, StoreError> {
        let items = self.store.query(query).await;
        let bytes: u64 = items.as_ref().map_or(0, |items| items.iter().map(bytes_of).sum());
        self.note(0, bytes.div_ceil(4_096).max(1));
        items
    }
    async fn write(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        // A transaction's writes cost twice.
        let units = writes.iter().map(|write| match write {
            Write::Put(item, _) | Write::Add(item, _) => 2 * bytes_of(item).div_ceil(1_024).max(1),
            Write::Delete(..) => 2,
        });
        self.note(units.sum(), 0);
        self.store.write(writes).await
    }
    async fn put_all(&self, items: Vec<Item>) -> Result<(), StoreError> {
        self.note(items.iter().map(|item| bytes_of(item).div_ceil(1_024).max(1)).sum(), 0);
        self.store.put_all(items).await
    }
    async fn purge(&self, now: u64) -> Result<u64, StoreError> {
        self.store.purge(now).await
    }
}

/// A clock that a test moves.
#[derive(Clone, Debug)]
pub struct Time(pub Arc<AtomicU64>);

impl Time {
    pub fn new() -> Self {
        Self(Arc::new(AtomicU64::new(NOW)))
    }
    pub fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

/// An engine over a store, at a time.
pub fn engine<S: Store>(store: S, time: &Time) -> Engine<S> {
    let config = Config { clock: Clock::Held(Arc::clone(&time.0)), ..Config::default() };
    Engine::new(store, config)
}

pub fn site(name: &str) -> Site {
    Site::new(name).expect("a name")
}

pub fn sender(name: &str) -> Sender {
    Sender { site: site(name), key: "pk-test".to_owned() }
}

pub fn client(text: &str) -> picket_cloud_protocol::ClientKey {
    text.parse().expect("a client")
}

/// A batch of an environment.
pub fn batch(env: &str, seq: u64) -> Batch {
    Batch {
        v: 1,
        batch_id: format!("batch-{env}-{seq:08}"),
        env: env.to_owned(),
        seq,
        made: NOW,
        agent: Agent {
            version: "0.1.0".to_owned(),
            function: "shop".to_owned(),
            mode: "block".to_owned(),
            ..Agent::default()
        },
        stats: Stats { inspected: 1_000, ..Stats::default() },
        ..Batch::default()
    }
}

/// Attacks of a client in a slot, as they count towards a flag.
pub fn attacks(client_text: &str, slot: u64, n: u64) -> Count {
    Count { client: client(client_text), signal: "SQLI".to_owned(), slot, n, flags: true }
}

pub fn sighting(client_text: &str, sessions: std::ops::Range<u32>) -> Sighting {
    Sighting {
        client: client(client_text),
        requests: 1,
        sessions: sessions.map(|session| format!("{session:016x}")).collect(),
    }
}

/// Sets what the owner wants.
pub async fn set<S: Store>(engine: &Engine<S>, site: &Site, change: impl FnOnce(&mut Settings)) {
    let (mut settings, revision) = engine.settings(site).await.expect("settings");
    change(&mut settings);
    engine.set_settings(site, &settings, revision, "test").await.expect("new settings");
}

/// Each test once over a SQLite file and once over DynamoDB Local.
#[macro_export]
macro_rules! on_both_stores {
    ($($name:ident),+ $(,)?) => {
        mod over_sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::bed::sqlite()).await;
            })+
        }
        mod over_dynamodb {
            $(#[tokio::test]
            async fn $name() {
                let Some(store) = $crate::bed::dynamo().await else { return };
                super::$name(store).await;
            })+
        }
    };
}
