//! What is kept, for how long, and what a copy of it is good for: retention and purge over both stores, the backup of a SQLite file.
//! Knows the store and the engine; not how the program is started.
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bed;

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use bed::{Folder, NOW, Time, attacks, batch, engine, sender, set, site};
use picket_cloud_engine::engine::Engine;
use picket_cloud_engine::flags::Wanted;
use picket_cloud_engine::read::{Search, Span};
use picket_cloud_engine::store::sqlite::Sqlite;
use picket_cloud_engine::store::{Item, Key, Query, Store, StoreError, When, Write};
use picket_cloud_protocol::{Event, EventAction, EventClass, EventSignal};

const SITE: &str = "shop";

on_both_stores!(what_is_old_is_gone_for_readers_and_what_is_kept_stays);

async fn made<S: Store>(store: &Arc<S>, time: &Time) -> Engine<Arc<S>> {
    let engine = engine(Arc::clone(store), time);
    engine.create_site(&site(SITE), "").await.expect("a site");
    engine
}

fn event(id: &str) -> Event {
    Event {
        id: id.to_owned(),
        at: NOW * 1_000,
        class: EventClass::Attack,
        client: bed::client("198.51.100.7"),
        trust: "platform".to_owned(),
        source: "function-url".to_owned(),
        method: "GET".to_owned(),
        path: "/items".to_owned(),
        host: String::new(),
        user_agent: String::new(),
        country: String::new(),
        status: 0,
        action: EventAction::Allow,
        reason: String::new(),
        signals: vec![EventSignal { signal: "SQLI".to_owned(), ..EventSignal::default() }],
        request_id: String::new(),
        trace_id: String::new(),
    }
}

/// Single requests and counts are kept as many days as the owner says, flags until they end. The store may delete later than
/// it could; a purge never takes what is still kept.
async fn what_is_old_is_gone_for_readers_and_what_is_kept_stays<S: Store>(store: Arc<S>) {
    let time = Time::new();
    let engine = made(&store, &time).await;
    set(&engine, &site(SITE), |settings| (settings.event_days, settings.series_days) = (1, 5)).await;
    let mut one = batch("e1", 1);
    one.counts = vec![attacks("198.51.100.7", NOW, 3)];
    one.events = vec![event("a")];
    engine.take(&sender(SITE), &one).await.expect("a reply");
    let wanted = Wanted { until: Some(NOW + 3 * 86_400), by: "pa-test".to_owned(), ..Wanted::default() };
    engine.change_flag(&site(SITE), &bed::client("198.51.100.9"), &wanted).await.expect("a flag");
    let seen = async || {
        let search = Search { from: NOW - 10, to: NOW + 10, limit: 10, ..Search::default() };
        let events = engine.events(&site(SITE), &search).await.expect("events").events.len();
        let span = Span { from: NOW - 60, to: NOW + 60, step: 60 };
        let series = engine.series(&site(SITE), span).await.expect("a series").contains_key("SQLI");
        let flags = engine.flags(&site(SITE)).await.expect("flags").len();
        (events, series, flags)
    };
    // The clock of the test runs; DynamoDB Local's own expiry looks at the real one and so takes nothing here.
    let expected = [(0, (1, true, 1)), (2, (0, true, 1)), (4, (0, true, 0)), (6, (0, false, 0))];
    for (days, expected) in expected {
        time.0.store(NOW + days * 86_400, std::sync::atomic::Ordering::Relaxed);
        engine.store.purge(engine.now()).await.expect("a purge");
        assert_eq!(seen().await, expected, "after {days} days");
    }
    // The site itself, its settings and its audit have no end.
    assert_eq!(engine.settings(&site(SITE)).await.expect("settings").0.event_days, 1);
    assert_eq!(engine.audit(&site(SITE), Some("2026-11"), 10).await.expect("the audit").len(), 2);
}

#[tokio::test]
async fn a_purge_goes_in_rounds_and_says_how_much_it_took() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.0.join("picket.db")).expect("a file");
    let items =
        (0..6_000_u64).map(|n| Item::new(Key::new("p", format!("{n:05}"))).until(100 + n % 2 * 1_000));
    store.put_all(items.collect()).await.expect("items");
    assert_eq!(store.purge(99).await, Ok(0));
    let mut taken = 0;
    loop {
        match store.purge(100).await.expect("a purge") {
            0 => break,
            rows => taken += rows,
        }
    }
    assert_eq!(taken, 3_000);
    assert_eq!(store.query(Query::prefix("p", "", usize::MAX)).await.expect("items").len(), 3_000);
}

#[tokio::test]
async fn a_backup_is_whole_while_others_write_and_begins_another_life() {
    let (folder, time) = (Folder::new(), Time::new());
    let store = Arc::new(Sqlite::open(&folder.0.join("picket.db")).expect("a file"));
    let engine = made(&store, &time).await;
    let wanted = Wanted { until: Some(NOW + 600), by: "pa-test".to_owned(), ..Wanted::default() };
    engine.change_flag(&site(SITE), &bed::client("198.51.100.9"), &wanted).await.expect("a flag");
    let cursor = engine.delta(&site(SITE), None).await.expect("a delta").expect("flags").cursor;
    // Pairs are written in one transaction each, so a copy has both or none of a pair.
    let writing = Arc::clone(&store);
    let writer = tokio::spawn(async move {
        for n in 0..400 {
            let half =
                |side: &str| Write::Put(Item::new(Key::new("pair", format!("{n:04}{side}"))), When::Always);
            writing.write(vec![half("a"), half("b")]).await.expect("a pair");
        }
    });
    let copy = folder.0.join("copy.db");
    let (backing, to) = (Arc::clone(&store), copy.clone());
    let backup = tokio::task::spawn_blocking(move || backing.backup(&to, "anotherlife"));
    backup.await.expect("no panic").expect("a backup");
    writer.await.expect("no panic");
    let mode = std::fs::metadata(&copy).expect("the copy").permissions().mode();
    assert_eq!(mode & 0o077, 0, "client addresses are nobody else's business");
    assert!(matches!(store.backup(&copy, "x"), Err(StoreError::Failed(_))), "nothing is written over");

    let restored = Arc::new(Sqlite::open(&copy).expect("the copy opens"));
    let pairs = restored.query(Query::prefix("pair", "", usize::MAX)).await.expect("pairs");
    assert_eq!(pairs.len() % 2, 0);
    let later = bed::engine(Arc::clone(&restored), &time);
    assert_eq!(later.flags(&site(SITE)).await.expect("flags").len(), 1);
    // Whoever holds a cursor of the life before asks for everything and gets it.
    let delta = later.delta(&site(SITE), Some(&cursor)).await.expect("a delta").expect("flags");
    assert!(delta.full && delta.set.len() == 1);
    assert_eq!(
        engine.delta(&site(SITE), Some(&cursor)).await.expect("a delta"),
        None,
        "the original goes on"
    );
}
