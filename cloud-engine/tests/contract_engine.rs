//! What the engine promises, over a SQLite file and over DynamoDB Local alike: exact counts, flags that reach everybody and hit
//! the right ones, sites that do not touch.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod bed;

use std::collections::BTreeMap;
use std::sync::Arc;

use bed::{Counting, Dying, NOW, Pausing, Time, attacks, batch, client, engine, sender, set, sighting, site};
use picket_cloud_engine::engine::{Engine, Refused};
use picket_cloud_engine::flags::{Changed, Wanted};
use picket_cloud_engine::read::{Search, Span};
use picket_cloud_engine::settings::{Alert, AlertAction};
use picket_cloud_engine::store::{Query, Store};
use picket_cloud_protocol::{
    Ack, Batch, Count, Event, EventAction, EventClass, EventSignal, FlagDelta, Upload, limits as wire,
};

on_both_stores!(
    a_batch_is_counted_once,
    counts_are_exact_under_duplicates_reordering_and_concurrency,
    a_batch_cut_off_anywhere_is_counted_once_when_it_comes_again,
    the_fiftieth_attack_flags_its_client,
    counts_that_may_not_flag_do_not,
    attacks_across_a_minutes_border_are_seen,
    a_shared_address_is_given_more_room,
    flagging_stops_when_too_many_are_flagged,
    alerts_do_what_they_say,
    troubles_of_agents_are_told_once_an_hour,
    an_unflagged_client_is_judged_by_what_it_does_then,
    sightings_of_one_client_in_one_batch_are_all_seen,
    a_delta_says_what_changed,
    unreadable_cursors_give_the_full_set,
    long_deltas_come_in_parts,
    a_writer_that_pauses_loses_no_flag,
    concurrent_flags_are_all_told,
    sites_do_not_touch,
    events_are_found_and_paged,
    the_fleet_is_listed_with_what_never_came,
    settings_change_on_their_revision_alone,
    a_revoked_key_takes_its_flags_along,
    a_batch_costs_what_the_documentation_says,
);

const SITE: &str = "shop";

async fn made<S: Store>(store: &Arc<S>, time: &Time) -> Engine<Arc<S>> {
    let engine = engine(Arc::clone(store), time);
    engine.create_site(&site(SITE), "").await.expect("a site");
    engine
}

/// Sends as an agent does: the same batch again until it is taken.
async fn send<S: Store>(engine: &Engine<S>, batch: &Batch) -> Ack {
    for _ in 0..50 {
        match engine.take(&sender(SITE), batch).await {
            Ok(reply) => return reply.ack,
            Err(Refused::Busy) => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("busy for too long");
}

/// What the store has counted: each signal's sum over time, and each client's sum towards a flag.
async fn counted<S: Store>(engine: &Engine<S>) -> BTreeMap<String, u64> {
    let span = Span { from: NOW - 7_200, to: NOW + 7_200, step: 3_600 };
    let series = engine.series(&site(SITE), span).await.expect("series");
    let sum = |(name, steps): (String, BTreeMap<u64, u64>)| (name, steps.values().sum());
    series.into_iter().map(sum).collect()
}

async fn towards_a_flag<S: Store>(engine: &Engine<S>, of: &str) -> u64 {
    let query = Query::prefix(site(SITE).client(&client(of)), "", 10_000);
    let items = engine.store.query(query).await.expect("items");
    items
        .iter()
        .flat_map(|item| {
            item.fields.keys().filter(|name| name.ends_with(":*")).map(|name| item.get_int(name))
        })
        .sum()
}

async fn is_flagged<S: Store>(engine: &Engine<S>, of: &str) -> bool {
    engine.flag(&site(SITE), &client(of)).await.expect("a read").is_some()
}

async fn delta<S: Store>(engine: &Engine<S>, cursor: &str) -> FlagDelta {
    engine.delta(&site(SITE), Some(cursor)).await.expect("a read").expect("changes")
}

async fn flag<S: Store>(engine: &Engine<S>, of: &str, seconds: u64) {
    let wanted =
        Wanted { until: Some(engine.now() + seconds), by: "pa-test".to_owned(), ..Wanted::default() };
    let changed = engine.change_flag(&site(SITE), &client(of), &wanted).await.expect("a flag");
    assert!(matches!(changed, Changed::Now(_)));
}

async fn unflag<S: Store>(engine: &Engine<S>, of: &str) {
    let wanted = Wanted { by: "pa-test".to_owned(), ..Wanted::default() };
    engine.change_flag(&site(SITE), &client(of), &wanted).await.expect("no flag");
}

async fn a_batch_is_counted_once<S: Store>(store: Arc<S>) {
    let time = Time::new();
    let engine = made(&store, &time).await;
    let mut first = batch("e1", 1);
    first.counts = vec![attacks("198.51.100.7", NOW - 10, 3), attacks("198.51.100.7", NOW, 4)];
    first.stats.blocked = 2;
    assert_eq!(send(&engine, &first).await, Ack::Counted);
    assert_eq!(send(&engine, &first).await, Ack::Duplicate);
    // Another process has no memory of it.
    assert_eq!(send(&made(&store, &time).await, &first).await, Ack::Duplicate);
    let counted = counted(&engine).await;
    assert_eq!(counted["SQLI"], 7);
    assert_eq!((counted["~inspected"], counted["~blocked"]), (1_000, 2));
    assert_eq!(towards_a_flag(&engine, "198.51.100.7").await, 7);
    // A batch that is older than the engine's memory of batches is not counted.
    let mut late = batch("e1", 2);
    late.made = NOW - wire::BATCH_AGE_SECONDS - 1;
    late.counts = vec![attacks("198.51.100.7", NOW, 1)];
    assert_eq!(send(&engine, &late).await, Ack::Late);
    assert_eq!(towards_a_flag(&engine, "198.51.100.7").await, 7);
}

async fn counts_are_exact_under_duplicates_reordering_and_concurrency<S: Store>(store: Arc<S>) {
    let time = Time::new();
    made(&store, &time).await;
    let mut sent = 0;
    let mut batches = Vec::new();
    for env in 0..4 {
        for seq in 1..=5 {
            let mut one = batch(&format!("env{env}"), seq);
            // One hot client in all batches, and enough others for more than one transaction.
            one.counts = vec![attacks("198.51.100.7", NOW - seq * 10, seq)];
            one.counts.extend((0..50).map(|n| attacks(&format!("203.0.113.{n}"), NOW - 60, 1)));
            sent += seq + 50;
            // Each three times, in an order that differs from the one in which they were made.
            batches.extend([one.clone(), one.clone(), one]);
        }
    }
    let mut mixed: Vec<([u8; 32], Batch)> = batches
        .into_iter()
        .enumerate()
        .map(|(place, batch)| (picket_cloud_engine::text::sha256(&place.to_be_bytes()), batch))
        .collect();
    mixed.sort_by_key(|(mark, _)| *mark);
    let batches: Vec<Batch> = mixed.into_iter().map(|(_, batch)| batch).collect();
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let engine = engine(Arc::clone(&store), &time);
            let mine: Vec<Batch> = batches.iter().skip(writer).step_by(4).cloned().collect();
            tokio::spawn(async move {
                let mut counted = 0;
                for batch in mine {
                    counted += usize::from(send(&engine, &batch).await == Ack::Counted);
                }
                counted
            })
        })
        .collect();
    let mut accepted = 0;
    for writer in writers {
        accepted += writer.await.expect("a writer");
    }
    let engine = engine(Arc::clone(&store), &time);
    assert_eq!(counted(&engine).await["SQLI"], sent);
    assert_eq!(towards_a_flag(&engine, "198.51.100.7").await, 4 * (1 + 2 + 3 + 4 + 5));
    assert_eq!(towards_a_flag(&engine, "203.0.113.9").await, 20);
    assert_eq!(counted(&engine).await["~inspected"], 20_000);
    // Parts of one batch may be counted through different writers, so more of them may say so than there are batches.
    assert!((20..=40).contains(&accepted), "{accepted}");
}

async fn a_batch_cut_off_anywhere_is_counted_once_when_it_comes_again<S: Store>(store: Arc<S>) {
    let time = Time::new();
    let whole = made(&store, &time).await;
    let mut sent = 0;
    for writes in 0..6 {
        let address = format!("198.51.100.{writes}");
        let mut one = batch(&format!("env{writes}"), 1);
        one.counts = (0..100).map(|n| attacks(&format!("203.0.113.{n}"), NOW, 1)).collect();
        one.counts.push(attacks(&address, NOW, 50));
        one.clients = vec![sighting(&address, 0..2)];
        sent += 150;
        // The engine dies after so many writes, and the agent sends again to its next life.
        let dying = engine(Dying::new(Arc::clone(&store), writes), &time);
        let first = dying.take(&sender(SITE), &one).await;
        assert_eq!(first.is_err(), writes < 5, "{writes}: {first:?}");
        send(&whole, &one).await;
        assert!(is_flagged(&whole, &address).await, "the decision is made up for, after {writes} writes");
        assert_eq!(towards_a_flag(&whole, &address).await, 50, "after {writes} writes");
    }
    assert_eq!(counted(&whole).await["SQLI"], sent);
}

async fn the_fiftieth_attack_flags_its_client<S: Store>(store: Arc<S>) {
    let time = Time::new();
    let engine = made(&store, &time).await;
    // One attack from each of 50 environments of two functions: no single one sees more.
    for env in 0..50 {
        assert!(!is_flagged(&engine, "198.51.100.7").await, "after {env}");
        let mut one = batch(&format!("env{env:02}"), 1);
        one.agent.function = if env % 2 == 0 { "shop" } else { "blog" }.to_owned();
        one.counts = vec![attacks("198.51.100.7", NOW, 1)];
        let reply = engine.take(&sender(SITE), &one).await.expect("a reply");
        let told = reply.delta.expect("the first answer is the full set");
        assert_eq!(told.set.len(), usize::from(env == 49), "after {env}: the answer itself tells the flag");
    }
    let flag = engine.flag(&site(SITE), &client("198.51.100.7")).await.expect("a read").expect("a flag");
    assert_eq!(flag.until, NOW + 86_400);
    assert_eq!(flag.functions, ["blog", "shop"]);
    assert_eq!((flag.environments.len(), flag.keys), (20, vec!["pk-test".to_owned()]));
    assert_eq!(flag.why, "50 attack signals in 1 min, limit 50; from 50 environments");
    // More attacks change nothing more.
    let before = engine.delta(&site(SITE), None).await.expect("a read").expect("a set").cursor;
    let mut more = batch("env00", 2);
    more.counts = vec![attacks("198.51.100.7", NOW, 60)];
    more.cursor = Some(before);
    assert_eq!(engine.take(&sender(SITE), &more).await.expect("a reply").delta, None);
    // A day later the flag has ended by itself.
    time.pass(86_401);
    assert!(!is_flagged(&engine, "198.51.100.7").await);
}

async fn counts_that_may_not_flag_do_not<S: Store>(store: Arc<S>) {
    let time = Time::new();
    let engine = made(&store, &time).await;
    set(&engine, &site(SITE), |settings| settings.allow = vec![client("192.0.2.0/24")]).await;
    let mut one = batch("e1", 1);
    let unverified = Count { flags: false, ..attacks("198.51.100.7", NOW, 500) };
    one.counts = vec![unverified, attacks("10.0.0.1", NOW, 500), attacks("192.0.2.9", NOW, 500)];
    one.counts.push(attacks("198.51.100.8+00112233", NOW, 500));
    send(&engine, &one).await;
    for innocent in ["198.51.100.7", "10.0.0.1", "192.0.2.9", "198.51.100.8"] {
        assert!(!is_flagged(&engine, innocent).await, "{innocent}");
    }
    // A session's key flags the session and not its address.
    assert!(is_flagged(&engine, "198.51.100.8+00112233").await);
    assert_eq!(counted(&engine).await["SQLI"], 2_000, "and all of them are counted over time");
}

async fn attacks_across_a_minutes_border_are_seen<S: Store>(store: Arc<S>) {
    let time = Time::new();
    let engine = made(&store, &time).await;
    let border = NOW - NOW % 60;
    let mut one = batch("e1", 1);
    one.counts = vec![attacks("198.51.100.7", border - 10, 25), attacks("198.51.100.8", border - 60, 25)];
    send(&engine, &one).await;
    let mut two = batch("e2", 1);
    two.counts = vec![attacks("198.51.100.7", border, 25), attacks("198.51.100.8", border, 25)];
    send(&engine, &two).await;
    assert!(is_flagged(&engine, "198.51.100.7").await);
    assert!(!is_flagged(&engine, "198.51.100.8").await, "a minute apart");
    // What arrives late is judged in its own time.
    let mut late = batch("e3", 1);
    late.counts = vec![attacks("198.51.100.9", NOW - 3_000, 30), attacks("198.51.100.9", NOW, 1)];
    send(&engine, &late).await;
    let mut later = batch("e4", 1);
    later.counts = vec![attacks("198.51.100.9", NOW - 2_990, 20)];
    send(&engine, &later).await;
    assert!(is_flagged(&engine, "198.51.100.9").await);
}

async fn a_shared_address_is_given_more_room<S: Store>(store: Arc<S>) {
    let time = Time::new();
    let engine = made(&store, &time).await;
    let mut one = batch("e1", 1);
    one.clients = vec![sighting("198.51.100.7", 0..6), sighting("198.51.100.8", 0..6)];
    send(&engine, &one).await;
    let mut two = batch("e2", 1);
    two.clients = vec![sighting("198.51.100.7", 4..12), sighting("198.51.100.8", 0..6)];
    two.counts = vec![attacks("198.51.100.7", NOW, 60), attacks("198.51.100.8", NOW, 60)];
    send(&engine, &two).await;
    assert!(!is_flagged(&engine, "198.51.100.7").await, "12 sessions");
    assert!(is_flagged(&engine, "198.51.100.8").await, "6 sessions");
    let mut three = batch("e3", 1);
    three.counts = vec![attacks("198.51.100.7", NOW, 190)];
    send(&engine, &three).await;
    let flag = engine.flag(&site(SITE), &client("198.51.100.7")).await.expect("a read").expect("a flag");
    assert!(flag.why.contains("limit 250; shared address, 12 sessions"), "{}", flag.why);
}

async fn flagging_stops_when_too_many_are_flagged<S: Store>(store: Arc<S>) {
    let time = Time::new();
    let engine = made(&store, &time).await;
    set(&engine, &site(SITE), |settings| settings.most_flags = 3).await;
    let mut one = batch("e1", 1);
    one.counts = (0..6).map(|n| attacks(&format!("198.51.100.{n}"), NOW, 50)).collect();
    send(&engine, &one).await;
    assert_eq!(engine.flags(&site(SITE)).await.expect("flags").len(), 3);
    let audit = engine.audit(&site(SITE), None, 100).await.expect("the audit");
    let told = audit.iter().filter(|entry| entry.what == "flagging-stopped").count();
    assert_eq!(told, 1, "once, not for each");
    // By hand one more is flagged all the same, and ten minutes later it goes on.
    flag(&engine, "198.51.100.200", 60).await;
    time.pass(600);
    let mut two = batch("e2", 1);
    two.counts = vec![attacks("198.51.100.100", NOW + 600, 50)];
    send(&engine, &two).await;
    assert!(is_flagged(&engine, "198.51.100.100").await);
    // The same for a share of the clients that were seen: 200, of which a fifth may be flagged.
    set(&engine, &site(SITE), |settings| settings.most_flags = 1_000).await;
    time.pass(600);
    let mut seen = batch("e3", 1);
    seen.clients = (0..200).map(|n| sighting(&format!("203.0.113.{n}"), 0..0)).collect();
    send(&engine, &seen).await;
    let mut three = batch("e4", 1);
    three.counts = (0..60).map(|n| attacks(&format!("203.0.113.{n}"), NOW + 1_200, 50)).collect();
    send(&engine, &three).await;
    let flagged = engine.flags(&site(SITE)).await.expect("flags");
    let new = flagged.iter().filter(|flag| flag.client.as_str().starts_with("203.")).count();
    assert!((35..=45).contains(&new), "{new}");
}

async fn alerts_do_what_they_say<S: Store>(store: Arc<S>) {
    let time = Time::new();
    let engine = made(&store, &time).await;
    let alert = |id: &str, signal: &str, action| Alert {
        id: id.to_owned(),
        signal: signal.to_owned(),
        limit: 5,
        minutes: 10,
        action,
        seconds: 3_600,
    };
    set(&engine, &site(SITE), |settings| {
        settings.alerts = vec![
            alert("logins", "LOGINFAILURE", AlertAction::Flag),
            alert("scan", "HTTP404", AlertAction::Log),
        ];
    })
    .await;
    let count =
        |of: &str, signal: &str, n| Count { signal: signal.to_owned(), flags: false, ..attacks(of, NOW, n) };
    for seq in 1..=3 {
        let mut one = batch("e1", seq);
        one.counts = vec![count("198.51.100.7", "LOGINFAILURE", 2), count("198.51.100.8", "HTTP404", 4)];
        send(&engine, &one).await;
        assert_eq!(is_flagged(&engine, "198.51.100.7").await, seq == 3, "after {seq}");
    }
    let flag = engine.flag(&site(SITE), &client("198.51.100.7")).await.expect("a read").expect("a flag");
    assert_eq!(
        (flag.until, flag.why.as_str()),
        (NOW + 3_600, "alert logins: 6 LOGINFAILURE in 10 min, limit 5")
    );
    assert!(!is_flagged(&engine, "198.51.100.8").await);
    let audit = engine.audit(&site(SITE), None, 100).await.expect("the audit");
    let alerts = audit.iter().filter(|entry| entry.what == "alert").count();
    assert_eq!(alerts, 1, "a client alerts once within the alert's time");
}

async fn troubles_of_agents_are_told_once_an_hour<S: Store>(store: Arc<S>) {
    let time = Time::new();
    let engine = made(&store, &time).await;
    let told = async || {
        let audit = engine.audit(&site(SITE), None, 100).await.expect("the audit");
        let of = |what: &str| audit.iter().filter(|entry| entry.what == what).count();
        (of("unprotected"), of("fallen-back"))
    };
    let trouble = |env: &str, function: &str, unprotected, fallen_back| {
        let mut one = batch(env, 1);
        one.agent.function = function.to_owned();
        one.stats.unprotected = unprotected;
        one.stats.fallen_back = fallen_back;
        one
    };
    send(&engine, &trouble("e1", "shop", 0, 0)).await;
    assert_eq!(told().await, (0, 0));
    send(&engine, &trouble("e2", "shop", 1, 0)).await;
    send(&engine, &trouble("e3", "shop", 1, 1)).await;
    assert_eq!(told().await, (1, 1), "once for a function");
    send(&engine, &trouble("e4", "cart", 0, 1)).await;
    assert_eq!(told().await, (1, 2), "another function");
    time.pass(3_600);
    let mut later = trouble("e5", "shop", 1, 0);
    later.made += 3_600;
    send(&engine, &later).await;
    assert_eq!(told().await, (2, 2), "an hour later");
}

async fn an_unflagged_client_is_judged_by_what_it_does_then<S: Store>(store: Arc<S>) {
    let time = Time::new();
    let engine = made(&store, &time).await;
    let of = "198.51.100.7";
    let mut first = batch("e1", 1);
    first.counts = vec![attacks(of, NOW, 60)];
    send(&engine, &first).await;
    assert!(is_flagged(&engine, of).await);
    time.pass(30);
    unflag(&engine, of).await;
    for (seq, more, flagged) in [(2, 49, false), (3, 1, true)] {
        time.pass(15);
        let mut next = batch("e1", seq);
        next.counts = vec![attacks(of, NOW + (15 + 15 * seq) / 10 * 10, more)];
        send(&engine, &next).await;
        assert_eq!(is_flagged(&engine, of).await, flagged, "after {more} more");
    }
}

async fn sightings_of_one_client_in_one_batch_are_all_seen<S: Store>(store: Arc<S>) {
    let time = Time::new();
    let engine = made(&store, &time).await;
    let sighting = |from: u64| picket_cloud_protocol::Sighting {
        client: client("198.51.100.7"),
        requests: 1,
        sessions: (from..from + 10).map(|n| format!("{n:016x}")).collect(),
    };
    let mut one = batch("e1", 1);
    one.clients = vec![sighting(0), sighting(10)];
    send(&engine, &one).await;
    let key = site(SITE).sessions(&client("198.51.100.7"), NOW / 3_600);
    let item = engine.store.get(key).await.expect("an item").expect("it is there");
    assert_eq!(item.get_set("sessions").count(), 20);
}

async fn a_delta_says_what_changed<S: Store>(store: Arc<S>) {
    let time = Time::new();
    let engine = made(&store, &time).await;
    flag(&engine, "198.51.100.1", 600).await;
    let full = engine.delta(&site(SITE), None).await.expect("a read").expect("a set");
    assert_eq!((full.full, full.more, full.set.len(), full.unset.len()), (true, false, 1, 0));
    assert_eq!(full.set[0].until, NOW + 600);
    assert_eq!(engine.delta(&site(SITE), Some(&full.cursor)).await, Ok(None), "nothing changed");
    flag(&engine, "198.51.100.2", 600).await;
    flag(&engine, "198.51.100.3", 600).await;
    unflag(&engine, "198.51.100.1").await;
    unflag(&engine, "198.51.100.3").await;
    flag(&engine, "198.51.100.2", 900).await;
    let changes = delta(&engine, &full.cursor).await;
    let set: Vec<_> = changes.set.iter().map(|flag| (flag.client.as_str(), flag.until)).collect();
    let unset: Vec<_> = changes.unset.iter().map(picket_cloud_protocol::ClientKey::as_str).collect();
    assert_eq!(set, [("198.51.100.2", NOW + 900)], "of each client the last change");
    assert_eq!(unset, ["198.51.100.1", "198.51.100.3"], "also one that the agent never heard of");
    assert!(!changes.full);
    // The engine keeps nothing about agents: a second one with the same cursor is told the same, and so is a replay.
    assert_eq!(delta(&engine, &full.cursor).await.set, changes.set);
    // An expired flag is neither sent nor unset.
    let later = delta(&engine, &full.cursor).await.cursor;
    flag(&engine, "198.51.100.4", 10).await;
    time.pass(11);
    let expired = delta(&engine, &later).await;
    assert_eq!((expired.set.len(), expired.unset.len()), (0, 0));
    assert_eq!(engine.delta(&site(SITE), Some(&expired.cursor)).await, Ok(None));
}

async fn unreadable_cursors_give_the_full_set<S: Store>(store: Arc<S>) {
    let time = Time::new();
    let engine = made(&store, &time).await;
    flag(&engine, "198.51.100.1", 50 * 86_400).await;
    let told = engine.delta(&site(SITE), None).await.expect("a read").expect("a set").cursor;
    let (epoch, rest) = told.split_once('.').expect("a cursor");
    let unknown = [
        "x".to_owned(),
        "....".to_owned(),
        // From another life of the store, or newer than what this one knows.
        format!("{epoch}0.{rest}"),
        format!("{epoch}.9.9.{NOW}"),
        // Older than what the engine remembers of flags that were taken away.
        format!("{epoch}.1.1.{}", NOW - 31 * 86_400),
    ];
    for cursor in unknown {
        let answer = delta(&engine, &cursor).await;
        assert!(answer.full && answer.set.len() == 1, "{cursor}");
        assert_eq!(answer.cursor, told, "{cursor}");
    }
}

async fn long_deltas_come_in_parts<S: Store>(store: Arc<S>) {
    let time = Time::new();
    let engine = made(&store, &time).await;
    // Written straight into the store: the engine sets one flag at a time, which would take too long here.
    let flags = u64::try_from(wire::DELTA_FLAGS).expect("a number") + 20;
    let mut items = Vec::new();
    for version in 1..=flags {
        let key = picket_cloud_engine::store::Key::new(
            site(SITE).versions(),
            picket_cloud_engine::names::version_text(version),
        );
        let of = std::net::Ipv4Addr::from_bits(0xcb00_7100 + u32::try_from(version).expect("a number"));
        let item = picket_cloud_engine::store::Item::new(key)
            .text("client", of.to_string())
            .int("on", 1)
            .int("until", NOW + 600)
            .int("version", version);
        items.push(item);
    }
    engine.store.put_all(items).await.expect("flags");
    let meta = picket_cloud_engine::store::Item::new(site(SITE).meta()).int("version", flags);
    let raise = picket_cloud_engine::store::Write::Add(meta, picket_cloud_engine::store::When::Always);
    engine.store.write(vec![raise]).await.expect("the version");
    let first = engine.delta(&site(SITE), None).await.expect("a read").expect("a set");
    assert_eq!((first.full, first.more, first.set.len()), (true, true, wire::DELTA_FLAGS));
    let second = delta(&engine, &first.cursor).await;
    assert_eq!((second.full, second.more, second.set.len()), (false, false, 20));
    assert_eq!(engine.delta(&site(SITE), Some(&second.cursor)).await, Ok(None));
}

async fn a_writer_that_pauses_loses_no_flag<S: Store>(store: Arc<S>) {
    let time = Time::new();
    let engine = made(&store, &time).await;
    let start = engine.delta(&site(SITE), None).await.expect("a read").expect("a set").cursor;
    let pausing = Pausing::new(Arc::clone(&store));
    let (reached, go) = (Arc::clone(&pausing.reached), Arc::clone(&pausing.go));
    let slow = bed::engine(pausing, &time);
    let writer = tokio::spawn(async move { flag(&slow, "198.51.100.1", 600).await });
    // It has chosen its version, and stops. Meanwhile another one flags, and an agent reads.
    reached.notified().await;
    flag(&engine, "198.51.100.2", 600).await;
    let between = delta(&engine, &start).await;
    assert_eq!(between.set.len(), 1);
    go.notify_one();
    writer.await.expect("the writer");
    let after = delta(&engine, &between.cursor).await;
    let told: Vec<_> = after.set.iter().map(|flag| flag.client.as_str()).collect();
    assert_eq!(told, ["198.51.100.1"]);
}

async fn concurrent_flags_are_all_told<S: Store>(store: Arc<S>) {
    let time = Time::new();
    let reader = made(&store, &time).await;
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let engine = engine(Arc::clone(&store), &time);
            tokio::spawn(async move {
                for n in 0..5 {
                    flag(&engine, &format!("198.51.100.{}", writer * 10 + n), 600).await;
                }
            })
        })
        .collect();
    // An agent that reads all the while, and keeps what it is told.
    let mut held = std::collections::BTreeSet::new();
    let mut cursor: Option<String> = None;
    let mut follow = async || {
        if let Some(delta) = reader.delta(&site(SITE), cursor.as_deref()).await.expect("a read") {
            held.extend(delta.set.into_iter().map(|flag| flag.client));
            cursor = Some(delta.cursor);
        }
        held.len()
    };
    while writers.iter().any(|writer| !writer.is_finished()) {
        follow().await;
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    for writer in writers {
        writer.await.expect("a writer");
    }
    assert_eq!(follow().await, 20);
}

async fn sites_do_not_touch<S: Store>(store: Arc<S>) {
    let time = Time::new();
    let engine = made(&store, &time).await;
    engine.create_site(&site("blog"), "").await.expect("a site");
    let mut one = batch("e1", 1);
    one.counts = vec![attacks("198.51.100.7", NOW, 30)];
    one.events = vec![event("a", NOW, "198.51.100.7", "SQLI")];
    send(&engine, &one).await;
    // The same batch of another site is another batch, and its counts meet nobody else's.
    let reply = engine.take(&sender("blog"), &one).await.expect("a reply");
    assert_eq!(reply.ack, Ack::Counted);
    assert!(!is_flagged(&engine, "198.51.100.7").await, "30 and 30 are not 60");
    flag(&engine, "198.51.100.8", 600).await;
    let other = site("blog");
    assert_eq!(engine.flags(&other).await, Ok(Vec::new()));
    assert_eq!(engine.delta(&other, None).await.expect("a read").expect("a set").set, Vec::new());
    let cursor = engine.delta(&site(SITE), None).await.expect("a read").expect("a set").cursor;
    assert!(engine.delta(&other, Some(&cursor)).await.expect("a read").expect("a set").full);
    let span = Span { from: NOW - 60, to: NOW + 60, step: 60 };
    assert_eq!(engine.series(&other, span).await.expect("series")["SQLI"].values().sum::<u64>(), 30);
    assert_eq!(engine.audit(&other, None, 100).await.expect("the audit").len(), 0);
    let key = engine.create_key(&site(SITE), "", "test").await.expect("a key");
    assert_eq!(engine.keys(&other).await, Ok(Vec::new()));
    assert_eq!(engine.end_key(&other, &key.id, None, "test").await, Err(Refused::NotFound));
    let token = engine.create_credential(&other, picket_cloud_engine::auth::Role::Owner, "", "test").await;
    let who = engine.administrator(&token.expect("a token")).await.expect("an administrator");
    assert_eq!(who.site, other);
}

fn event(id: &str, second: u64, of: &str, signal: &str) -> Event {
    Event {
        id: id.to_owned(),
        at: second * 1_000,
        class: EventClass::Attack,
        client: client(of),
        trust: "platform".to_owned(),
        source: "apigw-http".to_owned(),
        method: "GET".to_owned(),
        path: format!("/{signal}/{id}"),
        host: String::new(),
        user_agent: String::new(),
        country: String::new(),
        status: 406,
        action: EventAction::Block,
        reason: signal.to_owned(),
        signals: vec![EventSignal { signal: signal.to_owned(), ..EventSignal::default() }],
        request_id: String::new(),
        trace_id: String::new(),
    }
}

async fn events_are_found_and_paged<S: Store>(store: Arc<S>) {
    let time = Time::new();
    let engine = made(&store, &time).await;
    let mut one = batch("e1", 1);
    one.events = (0..25)
        .map(|n| {
            event(
                &format!("e{n:02}"),
                NOW - n * 3_600,
                "198.51.100.7",
                if n % 5 == 0 { "XSS" } else { "SQLI" },
            )
        })
        .collect();
    send(&engine, &one).await;
    send(&engine, &one).await;
    let search = Search { from: NOW - 2 * 86_400, to: NOW + 1, limit: 10, ..Search::default() };
    let mut ids = Vec::new();
    let mut cursor = None;
    for page in 0..4 {
        let found = engine.events(&site(SITE), &Search { cursor, ..search.clone() }).await.expect("a page");
        ids.extend(found.events.iter().map(|event| event["id"].as_str().expect("an id").to_owned()));
        cursor = found.cursor;
        if cursor.is_none() {
            assert!(page >= 2);
            break;
        }
    }
    // Times are held to the last day, so the 25th lies at its border; all are there once, the newest first.
    let mut sorted: Vec<String> = (0..25).map(|n| format!("e{n:02}")).collect();
    assert_eq!(ids, sorted);
    sorted.retain(|id| id.ends_with('0') || id.ends_with('5'));
    let xss = Search { signal: Some("XSS".to_owned()), limit: 100, ..search.clone() };
    let found = engine.events(&site(SITE), &xss).await.expect("a page");
    assert_eq!(
        found.events.iter().map(|event| event["id"].as_str().expect("an id")).collect::<Vec<_>>(),
        sorted
    );
    let nothing = [
        Search { client: Some("198.51.100.8".to_owned()), ..search.clone() },
        Search { function: Some("blog".to_owned()), ..search.clone() },
        Search { action: Some("allow".to_owned()), ..search.clone() },
        Search { path: Some("/admin".to_owned()), ..search.clone() },
        Search { from: NOW + 1, to: NOW + 2, ..search.clone() },
    ];
    for search in nothing {
        let found = engine.events(&site(SITE), &search).await.expect("a page");
        assert!(found.events.is_empty() && found.cursor.is_none(), "{search:?}");
    }
    let long = Search { from: NOW - 8 * 86_400, ..search };
    assert!(matches!(engine.events(&site(SITE), &long).await, Err(Refused::Invalid(_))));
}

async fn the_fleet_is_listed_with_what_never_came<S: Store>(store: Arc<S>) {
    let time = Time::new();
    let engine = made(&store, &time).await;
    for (env, seq) in [("e1", 1), ("e1", 2), ("e1", 5), ("e2", 1)] {
        let mut one = batch(env, seq);
        one.stats.fail_open = 1;
        one.stats.unprotected = 2;
        one.agent.policy = seq;
        send(&engine, &one).await;
        time.pass(1);
    }
    let fleet = engine.fleet(&site(SITE)).await.expect("the fleet");
    assert_eq!(fleet.len(), 1);
    let shop = &fleet[0];
    assert_eq!((shop.function.as_str(), shop.mode.as_str(), shop.agent.as_str()), ("shop", "block", "0.1.0"));
    assert_eq!((shop.sums["failOpen"], shop.sums["unprotected"], shop.sums["inspected"]), (4, 8, 4_000));
    assert_eq!((shop.seen, shop.policy), (NOW + 3, 1), "the last to report is right");
    assert_eq!(shop.missing_batches, 2, "the third and the fourth of the first environment");
}

async fn settings_change_on_their_revision_alone<S: Store>(store: Arc<S>) {
    let time = Time::new();
    let engine = made(&store, &time).await;
    let (mut settings, revision) = engine.settings(&site(SITE)).await.expect("settings");
    settings.upload = Upload::Counts;
    assert_eq!(engine.set_settings(&site(SITE), &settings, revision, "one").await, Ok(1));
    assert_eq!(engine.set_settings(&site(SITE), &settings, revision, "two").await, Err(Refused::Conflict));
    settings.flag_seconds = 0;
    assert!(matches!(engine.set_settings(&site(SITE), &settings, 1, "one").await, Err(Refused::Invalid(_))));
    let reply = engine.take(&sender(SITE), &batch("e1", 1)).await.expect("a reply");
    assert_eq!(reply.hints.upload, Upload::Counts);
    let audit = engine.audit(&site(SITE), None, 10).await.expect("the audit");
    assert_eq!((audit.len(), audit[0].by.as_str(), audit[0].what.as_str()), (1, "one", "settings"));
}

async fn a_revoked_key_takes_its_flags_along<S: Store>(store: Arc<S>) {
    let time = Time::new();
    let engine = made(&store, &time).await;
    let stolen = engine.create_key(&site(SITE), "stolen", "test").await.expect("a key");
    let good = engine.create_key(&site(SITE), "good", "test").await.expect("a key");
    for (key, of) in [(&stolen.id, "198.51.100.7"), (&good.id, "198.51.100.8")] {
        let mut one = batch(key, 1);
        one.counts = vec![attacks(of, NOW, 50)];
        let from = picket_cloud_engine::ingest::Sender { site: site(SITE), key: key.clone() };
        engine.take(&from, &one).await.expect("a reply");
        assert!(is_flagged(&engine, of).await);
    }
    flag(&engine, "198.51.100.9", 600).await;
    assert_eq!(engine.end_key(&site(SITE), &stolen.id, None, "pa-test").await, Ok(1));
    for (of, flagged) in [("198.51.100.7", false), ("198.51.100.8", true), ("198.51.100.9", true)] {
        assert_eq!(is_flagged(&engine, of).await, flagged, "{of}");
    }
    // Another process may remember for some seconds that the key was good.
    let mut late = batch("e-late", 1);
    late.counts = vec![attacks("198.51.100.10", NOW, 50)];
    let from = picket_cloud_engine::ingest::Sender { site: site(SITE), key: stolen.id.clone() };
    assert_eq!(engine.take(&from, &late).await.map(drop), Err(Refused::Unauthorized));
    assert!(!is_flagged(&engine, "198.51.100.10").await);
    // What the stolen key had counted flags nobody again, and what comes later does.
    let mut further = batch("e-later", 1);
    further.counts = vec![attacks("198.51.100.7", NOW, 1)];
    send(&engine, &further).await;
    assert!(!is_flagged(&engine, "198.51.100.7").await, "by what was counted before");
    time.pass(20);
    let mut again = batch("e-later", 2);
    again.counts = vec![attacks("198.51.100.7", NOW + 20, 50)];
    send(&engine, &again).await;
    assert!(is_flagged(&engine, "198.51.100.7").await, "by what it does now");
    // A key that is only replaced leaves its flags.
    assert_eq!(engine.end_key(&site(SITE), &good.id, Some(NOW + 60), "pa-test").await, Ok(0));
    assert!(is_flagged(&engine, "198.51.100.8").await);
}

/// `docs/engine.md` computes a price from these.
async fn a_batch_costs_what_the_documentation_says<S: Store>(store: Arc<S>) {
    use std::sync::atomic::Ordering;
    let time = Time::new();
    made(&store, &time).await;
    let engine = engine(Counting::new(Arc::clone(&store)), &time);
    let cost = async |batch: &Batch| {
        let before = [&engine.store.requests, &engine.store.write_units, &engine.store.read_units]
            .map(|counter| counter.load(Ordering::Relaxed));
        send(&engine, batch).await;
        [&engine.store.requests, &engine.store.write_units, &engine.store.read_units]
            .map(|counter| counter.load(Ordering::Relaxed))
            .iter()
            .zip(before)
            .map(|(now, before)| now - before)
            .collect::<Vec<_>>()
    };
    // The first pays for what is then remembered for some seconds.
    cost(&batch("e0", 1)).await;
    let quiet = cost(&batch("e1", 1)).await;
    let mut one = batch("e1", 2);
    one.counts = vec![attacks("198.51.100.7", NOW, 3)];
    one.events = vec![event("a", NOW, "198.51.100.7", "SQLI")];
    let attack = cost(&one).await;
    println!("requests, write units, read units: quiet {quiet:?}, with an attack {attack:?}");
    assert_eq!(quiet, [3, 10, 2]);
    assert_eq!(attack, [6, 15, 4]);
}
