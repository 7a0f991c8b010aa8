//! What every store must do, over a SQLite file and over DynamoDB Local alike. Knows items; not what they mean.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod bed;

use std::collections::BTreeSet;
use std::sync::Arc;

use picket_cloud_engine::store::{Field, Item, Key, Query, Store, StoreError, When, Write};

on_both_stores!(
    what_is_put_is_read,
    items_come_in_order_and_within_bounds,
    conditions_hold_or_nothing_is_written,
    numbers_and_sets_grow,
    writers_do_not_lose_each_others_additions,
    one_of_many_writers_wins,
    many_items_are_put,
    a_transaction_takes_a_hundred_writes,
);

fn key(sk: &str) -> Key {
    Key::new("p", sk)
}

fn put(sk: &str) -> Write {
    Write::Put(Item::new(key(sk)).int("n", 1), When::Always)
}

async fn what_is_put_is_read<S: Store>(store: Arc<S>) {
    let members = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
    let item = Item::new(key("x"))
        .int("number", 1 << 53)
        .text("text", "quote \" line \n null \u{0} ü 🦀")
        .text("empty", "")
        .set("set", members)
        .until(1_795_334_400);
    store.write(vec![Write::Put(item.clone(), When::Always)]).await.expect("a write");
    assert_eq!(store.get(key("x")).await, Ok(Some(item)));
    assert_eq!(store.get(key("y")).await, Ok(None));
    // Another one takes its place, fields and all.
    let other = Item::new(key("x")).int("m", 0).set("nothing", BTreeSet::new());
    store.write(vec![Write::Put(other, When::Always)]).await.expect("a write");
    let read = store.get(key("x")).await.expect("a read").expect("an item");
    assert_eq!(read, Item::new(key("x")).int("m", 0), "an empty set is none");
    store.write(vec![Write::Delete(key("x"), When::Always)]).await.expect("a write");
    store.write(vec![Write::Delete(key("x"), When::Always)]).await.expect("deleting nothing is fine");
    assert_eq!(store.get(key("x")).await, Ok(None));
}

async fn items_come_in_order_and_within_bounds<S: Store>(store: Arc<S>) {
    for sk in ["b", "a#2", "c", "a#1", "a"] {
        store.write(vec![put(sk)]).await.expect("a write");
    }
    store.write(vec![Write::Put(Item::new(Key::new("q", "a#3")), When::Always)]).await.expect("a write");
    let read = |query| async {
        let items = store.query(query).await.expect("items");
        items.into_iter().map(|item| item.key.sk).collect::<Vec<_>>()
    };
    assert_eq!(read(Query::prefix("p", "", 10)).await, ["a", "a#1", "a#2", "b", "c"]);
    assert_eq!(read(Query::prefix("p", "a#", 10)).await, ["a#1", "a#2"]);
    assert_eq!(read(Query::prefix("p", "", 2)).await, ["a", "a#1"]);
    assert_eq!(read(Query::prefix("p", "", 2).backwards()).await, ["c", "b"]);
    assert_eq!(read(Query::between("p", "a#2", "b", 10)).await, ["a#2", "b"]);
    assert_eq!(read(Query::prefix("r", "", 10)).await, Vec::<String>::new());
}

async fn conditions_hold_or_nothing_is_written<S: Store>(store: Arc<S>) {
    store.write(vec![Write::Put(Item::new(key("old")).int("n", 5), When::Absent)]).await.expect("a write");
    let item = |sk: &str| Item::new(key(sk)).int("n", 9);
    let equals = |n| When::Equals("n".to_owned(), n);
    let below = |n| When::Below("n".to_owned(), n);
    let refused = [
        Write::Put(item("old"), When::Absent),
        Write::Put(item("new"), When::Present),
        Write::Put(item("old"), equals(6)),
        Write::Put(item("new"), equals(0)),
        Write::Put(item("old"), below(5)),
        Write::Add(item("old"), equals(6)),
        Write::Add(item("old"), When::Absent),
        Write::Delete(key("old"), equals(6)),
    ];
    for write in refused {
        let writes = vec![put("before"), write.clone(), put("behind")];
        assert_eq!(store.write(writes).await, Err(StoreError::Condition(1)), "{write:?}");
        for sk in ["before", "behind", "new"] {
            assert_eq!(store.get(key(sk)).await, Ok(None), "{sk} after {write:?}");
        }
        let old = store.get(key("old")).await.expect("a read").expect("an item");
        assert_eq!(old.get_int("n"), 5, "{write:?}");
    }
    let accepted = [
        Write::Put(item("new"), When::Absent),
        Write::Put(item("new"), When::Present),
        Write::Add(item("new"), equals(9)),
        Write::Put(item("new"), below(19)),
        Write::Put(item("other"), below(1)),
        Write::Delete(key("new"), equals(9)),
    ];
    for write in accepted {
        assert_eq!(store.write(vec![write.clone()]).await, Ok(()), "{write:?}");
    }
}

async fn numbers_and_sets_grow<S: Store>(store: Arc<S>) {
    let set = |members: &[&str]| members.iter().map(|&member| member.to_owned()).collect::<BTreeSet<_>>();
    let first = Item::new(key("x")).int("a", 2).set("s", set(&["1"])).text("t", "old").until(5);
    let second = Item::new(key("x")).int("a", 3).int("b", 7).set("s", set(&["1", "2"])).text("t", "new");
    for item in [first, second] {
        store.write(vec![Write::Add(item, When::Always)]).await.expect("a write");
    }
    let expected =
        Item::new(key("x")).int("a", 5).int("b", 7).set("s", set(&["1", "2"])).text("t", "new").until(5);
    assert_eq!(store.get(key("x")).await, Ok(Some(expected)));
    // Field names are data: reserved words, dots, colons and stars among them.
    let mut odd = Item::new(key("odd"));
    for name in ["name", "count", "0:SQLI", "3:*", "site.x", "~y", "#n0", ":v0"] {
        odd.fields.insert(name.to_owned(), Field::Int(1));
    }
    store.write(vec![Write::Add(odd.clone(), When::Always)]).await.expect("a write");
    assert_eq!(store.get(key("odd")).await, Ok(Some(odd)));
}

async fn writers_do_not_lose_each_others_additions<S: Store>(store: Arc<S>) {
    let writers: Vec<_> = (0..10)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for turn in 0..10 {
                    let own = Item::new(key(&format!("own#{writer}#{turn}")));
                    let sum =
                        Item::new(key("sum")).int("n", 3).set("by", BTreeSet::from([format!("{writer}")]));
                    let writes = vec![Write::Put(own, When::Absent), Write::Add(sum, When::Always)];
                    // Busy says that nothing was written.
                    loop {
                        match store.write(writes.clone()).await {
                            Ok(()) => break,
                            Err(StoreError::Busy) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("a writer");
    }
    let sum = store.get(key("sum")).await.expect("a read").expect("an item");
    assert_eq!((sum.get_int("n"), sum.get_set("by").count()), (300, 10));
    assert_eq!(store.query(Query::prefix("p", "own#", 1_000)).await.expect("items").len(), 100);
}

async fn one_of_many_writers_wins<S: Store>(store: Arc<S>) {
    store
        .write(vec![Write::Put(Item::new(key("v")).int("version", 0), When::Always)])
        .await
        .expect("a write");
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let raise =
                    Write::Add(Item::new(key("v")).int("version", 1), When::Equals("version".to_owned(), 0));
                store.write(vec![raise]).await
            })
        })
        .collect();
    let mut won = 0;
    for writer in writers {
        match writer.await.expect("a writer") {
            Ok(()) => won += 1,
            Err(StoreError::Condition(0) | StoreError::Busy) => {}
            Err(error) => panic!("{error}"),
        }
    }
    let item = store.get(key("v")).await.expect("a read").expect("an item");
    assert_eq!((won, item.get_int("version")), (1, 1));
}

async fn many_items_are_put<S: Store>(store: Arc<S>) {
    let items: Vec<Item> =
        (0..60).map(|n| Item::new(key(&format!("{n:03}"))).text("t", "x".repeat(1_000))).collect();
    for _ in 0..2 {
        store.put_all(items.clone()).await.expect("all are put, and again");
    }
    assert_eq!(store.query(Query::prefix("p", "", 1_000)).await, Ok(items));
}

async fn a_transaction_takes_a_hundred_writes<S: Store>(store: Arc<S>) {
    let writes = (0..100).map(|n| put(&format!("{n:03}"))).collect();
    store.write(writes).await.expect("a hundred writes");
    assert_eq!(store.query(Query::prefix("p", "", 1_000)).await.expect("items").len(), 100);
}
