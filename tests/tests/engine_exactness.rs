//! Counts in the store equal counts sent, through retries, duplicates, reordering, cut connections and SIGKILL of the built engine, over
//! both stores. `cargo xtask exactness --signals 1000000` is the long run of the same.
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use picket_tests::dynamodb::DynamoDb;
use picket_tests::engine::Kept;
use picket_tests::{exactness, skip};

const SIGNALS: u64 = 20_000;

fn holds(kept: Kept) {
    let outcome = exactness::run(kept, SIGNALS, 3).expect("a run");
    println!("{outcome}");
    assert!(outcome.is_exact(), "{outcome:?}");
    assert_eq!(outcome.sent.values().sum::<u64>(), SIGNALS);
    assert!(outcome.kills > 0 && outcome.disturbed > 0, "{outcome}: nothing was disturbed");
}

#[test]
fn counts_are_exact_over_sqlite() {
    let folder = std::env::temp_dir().join(format!("picket-exactness-{}", std::process::id()));
    holds(Kept::Folder(folder.clone()));
    std::fs::remove_dir_all(folder).expect("the folder is ours");
}

#[test]
fn counts_are_exact_over_dynamodb() {
    match DynamoDb::start() {
        Ok(server) => holds(Kept::Table { name: "picket".to_owned(), endpoint: server.url() }),
        Err(why) => skip(&why),
    }
}
