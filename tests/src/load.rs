//! How many batches the built engine takes, how long each waits, and whether its memory stays. Knows the wire and /proc.
#![expect(clippy::disallowed_methods, reason = "these threads have nothing else to do than to wait")]

use std::{
    fmt, fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use picket_cloud_protocol::{Agent, Batch, ClientKey, Count, SLOT_SECONDS, Stats};

use crate::engine::{Engine, Kept, Reporter, now};

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Load {
    /// Batches acknowledged.
    pub batches: u64,
    /// Seconds that it took.
    pub seconds: f64,
    /// Milliseconds that half of the answers stayed below.
    pub p50: f64,
    /// Milliseconds that 99 of 100 answers stayed below.
    pub p99: f64,
    /// Resident kilobytes of the engine, at even distances of the run.
    pub memory: Vec<u64>,
    /// Milliseconds of processor time that the engine spent on each batch.
    pub cpu: f64,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} batches in {:.0} s: {:.0} a second, p50 {:.1} ms, p99 {:.1} ms, {:.2} ms of processor time each, resident KB {:?}",
            self.batches,
            self.seconds,
            self.batches as f64 / self.seconds.max(0.001),
            self.p50,
            self.p99,
            self.cpu,
            self.memory
        )
    }
}

fn resident(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Milliseconds of processor time that a process has spent: fields 14 and 15 of its `stat`, in hundredths of a second
/// (proc(5); the kernel tells user programs 100 ticks a second on every architecture).
fn spent(id: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // The name in front may hold anything, but the last parenthesis ends it.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() * 10.0
}

fn batch(sender: u64, seq: u64) -> Batch {
    let slot = now() / SLOT_SECONDS * SLOT_SECONDS;
    let counts = (0..5_u32)
        .map(|n| Count {
            client: ClientKey::of(
                std::net::Ipv4Addr::from_bits(0xc633_6400 + (u32::try_from(seq % 50).unwrap_or(0) * 5 + n))
                    .into(),
            ),
            signal: "SQLI".to_owned(),
            slot,
            n: 1,
            flags: true,
        })
        .collect();
    Batch {
        v: 1,
        batch_id: format!("load-{sender:04}-{seq:012}"),
        env: format!("env-{sender}"),
        seq,
        made: now(),
        agent: Agent { version: "0.1.0".to_owned(), function: "shop".to_owned(), ..Agent::default() },
        counts,
        stats: Stats { inspected: 100, ..Stats::default() },
        ..Batch::default()
    }
}

/// Sends for so many seconds with so many senders at once, each as fast as it is answered.
///
/// # Errors
/// When the engine does not start or refuses an honest batch.
pub fn run(kept: Kept, senders: u64, seconds: u64) -> Result<Load, String> {
    let engine = Engine::first(kept)?;
    let stop = Arc::new(AtomicBool::new(false));
    let (begun, before) = (Instant::now(), spent(engine.id()));
    let threads = (0..senders)
        .map(|sender| {
            let reporter = Reporter::new(&engine.secret, engine.address())?;
            let stop = Arc::clone(&stop);
            Ok(thread::spawn(move || -> Result<Vec<f64>, String> {
                let mut waited = Vec::new();
                for seq in 1.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let begun = Instant::now();
                    reporter.send(&batch(sender, seq))?;
                    waited.push(begun.elapsed().as_secs_f64() * 1_000.0);
                }
                Ok(waited)
            }))
        })
        .collect::<Result<Vec<_>, String>>()?;
    let mut memory = Vec::new();
    for _ in 0..10 {
        thread::sleep(Duration::from_secs(seconds) / 10);
        memory.push(resident(engine.id()));
    }
    stop.store(true, Ordering::Relaxed);
    let mut waited = Vec::new();
    for thread in threads {
        waited.extend(thread.join().map_err(|_panicked| "a sender panicked".to_owned())??);
    }
    let (seconds, cpu) = (begun.elapsed().as_secs_f64(), spent(engine.id()) - before);
    waited.sort_by(f64::total_cmp);
    let at = |share: usize| waited.get(waited.len() * share / 100).copied().unwrap_or(0.0);
    let cpu = cpu / (waited.len().max(1) as f64);
    Ok(Load { batches: waited.len() as u64, seconds, p50: at(50), p99: at(99), memory, cpu })
}
