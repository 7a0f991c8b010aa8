//! Whether counts in the store equal counts sent: many senders, each batch possibly twice and out of order, connections cut in the
//! middle, and the engine killed again and again. Knows the wire; nothing of the engine's inside.
#![expect(clippy::disallowed_methods, reason = "these threads have nothing else to do than to wait")]

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use picket_cloud_protocol::{Ack, Agent, Batch, ClientKey, Count, SLOT_SECONDS, Stats};

use crate::engine::{Engine, Kept, Reporter, now};

/// Senders at once.
const SENDERS: u64 = 4;
/// Signals of one batch, spread over several counts.
const PER_BATCH: u64 = 40;
/// How often one batch is tried before the run has failed.
const TRIES: usize = 400;

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Signals sent, each counted once however often its batch went out.
    pub sent: BTreeMap<String, u64>,
    /// Signals in the store.
    pub stored: BTreeMap<String, u64>,
    /// Requests inspected, likewise.
    pub inspected: (u64, u64),
    /// How often the engine was killed.
    pub kills: u64,
    /// How many batches went out again on purpose, or were cut off.
    pub disturbed: u64,
    /// Batches.
    pub batches: u64,
    /// How many milliseconds it took.
    pub millis: u128,
}

impl Outcome {
    /// Whether the store counted what was sent.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.sent == self.stored && self.inspected.0 == self.inspected.1
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |counts: &BTreeMap<String, u64>| counts.values().sum::<u64>();
        write!(
            f,
            "{} signals sent in {} batches, {} stored; {} batches sent twice or cut off, engine killed {} times, {} ms",
            sum(&self.sent),
            self.batches,
            sum(&self.stored),
            self.disturbed,
            self.kills,
            self.millis
        )
    }
}

/// Numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    const fn roll(&mut self, sides: u64) -> u64 {
        // Knuth's linear congruential generator; its upper bits are good enough for disturbing a test.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn batch(run: u64, sender: u64, seq: u64, dice: &mut Dice) -> Batch {
    let slot = now() / SLOT_SECONDS * SLOT_SECONDS;
    let signals = ["SQLI", "XSS", "TRAVERSAL", "CMDEXE", "USERAGENT"];
    let counts = (0..PER_BATCH / 5)
        .filter_map(|n| {
            // The first is a hot client of all senders.
            let address =
                if n == 0 { 0xcb00_7107 } else { 0xc633_6400 + u32::try_from(dice.roll(200)).ok()? };
            Some(Count {
                client: ClientKey::of(std::net::Ipv4Addr::from_bits(address).into()),
                signal: (*signals.get(usize::try_from(dice.roll(5)).ok()?)?).to_owned(),
                slot: slot.saturating_sub(dice.roll(30) * SLOT_SECONDS),
                n: 5,
                flags: true,
            })
        })
        .collect();
    Batch {
        v: 1,
        batch_id: format!("exact-{run:08}-{sender}-{seq:08}"),
        env: format!("env-{run}-{sender}"),
        seq,
        made: now(),
        agent: Agent { version: "0.1.0".to_owned(), function: "shop".to_owned(), ..Agent::default() },
        counts,
        stats: Stats { inspected: 100, ..Stats::default() },
        ..Batch::default()
    }
}

/// Sends a batch until it is acknowledged.
fn deliver(reporter: &Reporter, batch: &Batch) -> Result<Ack, String> {
    let mut last = String::new();
    for _ in 0..TRIES {
        match reporter.send(batch) {
            Ok(reply) => return Ok(reply.ack),
            Err(error) => last = error,
        }
        thread::sleep(Duration::from_millis(25));
    }
    Err(format!("{}: {last}", batch.batch_id))
}

/// Sends so many signals through a new engine and compares.
///
/// # Errors
/// When the engine does not start, or never acknowledges.
pub fn run(kept: Kept, signals: u64, kills: u64) -> Result<Outcome, String> {
    let begun = Instant::now();
    let mut engine = Engine::first(kept)?;
    let per_sender = (signals / PER_BATCH / SENDERS).max(1);
    let sent: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
    let (disturbed, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut senders = Vec::new();
    for sender in 0..SENDERS {
        let reporter = Reporter::new(&engine.secret, engine.address())?;
        let (sent, disturbed, done) = (Arc::clone(&sent), Arc::clone(&disturbed), Arc::clone(&done));
        senders.push(thread::spawn(move || -> Result<(), String> {
            let mut dice = Dice(sender + 1);
            let mut waiting: Vec<Batch> = Vec::new();
            for seq in 1..=per_sender {
                let batch = batch(1, sender, seq, &mut dice);
                for count in &batch.counts {
                    let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
                    *sent.entry(count.signal.clone()).or_default() += count.n;
                }
                waiting.push(batch);
                if waiting.len() < 4 && seq < per_sender {
                    continue;
                }
                // Out of order, some of them twice, some cut off first.
                while !waiting.is_empty() {
                    let next = usize::try_from(dice.roll(waiting.len() as u64)).unwrap_or(0);
                    let batch = waiting.swap_remove(next);
                    match dice.roll(10) {
                        0 => {
                            // The engine may be dead just now; the batch is delivered below either way.
                            drop(reporter.cut_off(&batch, usize::try_from(dice.roll(900)).unwrap_or(0)));
                            disturbed.fetch_add(1, Ordering::Relaxed);
                        }
                        1 => {
                            // All bytes, and gone before the answer.
                            drop(reporter.cut_off(&batch, usize::MAX));
                            disturbed.fetch_add(1, Ordering::Relaxed);
                        }
                        2 | 3 => {
                            deliver(&reporter, &batch)?;
                            disturbed.fetch_add(1, Ordering::Relaxed);
                        }
                        _ => {}
                    }
                    deliver(&reporter, &batch)?;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(())
        }));
    }
    // Killed at even distances of the work, however fast the machine is.
    let all = per_sender * SENDERS;
    let mut killed = 0;
    while senders.iter().any(|sender| !sender.is_finished()) {
        if killed < kills && done.load(Ordering::Relaxed) >= all * (killed + 1) / (kills + 1) {
            engine.kill_and_start()?;
            killed += 1;
        }
        thread::sleep(Duration::from_millis(5));
    }
    for sender in senders {
        sender.join().map_err(|_panicked| "a sender panicked".to_owned())??;
    }
    let (from, to) = (now() - 2 * 3_600, now() + 60);
    let shown = engine.admin(&format!("/v1/admin/signals?from={from}&to={to}&step=3600"))?;
    let mut stored = BTreeMap::new();
    for (name, steps) in shown["series"].as_object().into_iter().flatten() {
        let sum = steps.as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum::<u64>();
        stored.insert(name.clone(), sum);
    }
    let inspected = stored.remove("~inspected").unwrap_or(0);
    stored.retain(|name, _| !name.starts_with('~'));
    Ok(Outcome {
        sent: sent.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        stored,
        inspected: (all * 100, inspected),
        kills: killed,
        disturbed: disturbed.load(Ordering::Relaxed),
        batches: all,
        millis: begun.elapsed().as_millis(),
    })
}
