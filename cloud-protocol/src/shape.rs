//! Whether a batch is one that an honest agent could have sent. Pure: it needs no store and no clock.

use std::collections::BTreeSet;
use std::fmt;

use crate::sign::is_id;
use crate::{Batch, ClientKey, ClientKind, Event, SLOT_SECONDS, VERSION, limits};

/// Why a batch is refused. It names the part, never its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal(pub &'static str);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Refusal {}

fn demand(holds: bool, why: &'static str) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(Refusal(why)) }
}

fn is_text(text: &str, longest: usize) -> bool {
    text.len() <= longest && !text.chars().any(char::is_control)
}

fn is_signal(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b':');
    (1..=limits::SIGNAL_BYTES).contains(&text.len()) && text.bytes().all(word)
}

/// A key that an agent may count under. Ranges are flagged by hand alone.
fn is_countable(client: &ClientKey) -> bool {
    !matches!(client.kind(), ClientKind::Unknown | ClientKind::Range)
}

impl Batch {
    /// Whether every part keeps to its cap and its shape.
    ///
    /// # Errors
    /// The first part that does not.
    pub fn check(&self) -> Result<(), Refusal> {
        demand(self.v == VERSION, "v")?;
        demand(is_id(&self.batch_id) && self.batch_id.len() >= 16, "batchId")?;
        demand(is_id(&self.env), "env")?;
        demand(self.seq >= 1 && self.seq <= 1 << 53, "seq")?;
        demand(self.made <= 1 << 40, "made")?;
        let agent = &self.agent;
        let names = [
            &agent.version,
            &agent.function,
            &agent.function_version,
            &agent.runtime,
            &agent.mode,
            &agent.region,
            &agent.account,
            &agent.architecture,
        ];
        demand(names.iter().all(|name| is_text(name, limits::NAME_BYTES)), "agent")?;
        demand(agent.policy <= 1 << 53, "agent.policy")?;
        let cursor = self.cursor.as_deref().unwrap_or_default();
        demand(is_text(cursor, limits::CURSOR_BYTES), "cursor")?;
        self.check_counts()?;
        self.check_sightings()?;
        self.check_events()
    }

    fn check_counts(&self) -> Result<(), Refusal> {
        let stats = &self.stats;
        let told = [
            stats.inspected,
            stats.blocked,
            stats.would_block,
            stats.fail_open,
            stats.unprotected,
            stats.panics,
            stats.dropped,
            stats.send_failures,
            stats.fallen_back,
            stats.decision_p50_us,
            stats.decision_p99_us,
        ];
        // The store's numbers are signed 64 bit.
        demand(told.iter().all(|&number| number <= 1 << 40), "stats")?;
        demand(stats.inspected <= limits::INSPECTED, "stats.inspected")?;
        demand(self.counts.len() <= limits::COUNTS, "counts")?;
        let (mut clients, mut signals, mut sum) = (BTreeSet::new(), BTreeSet::new(), 0_u64);
        for count in &self.counts {
            demand(is_countable(&count.client), "counts.client")?;
            demand(is_signal(&count.signal), "counts.signal")?;
            demand(count.slot % SLOT_SECONDS == 0 && count.slot <= 1 << 40, "counts.slot")?;
            demand(count.n >= 1, "counts.n")?;
            clients.insert(&count.client);
            signals.insert(&count.signal);
            sum = sum.saturating_add(count.n);
        }
        demand(clients.len() <= limits::CLIENTS, "counts.client: too many")?;
        demand(signals.len() <= limits::SIGNALS, "counts.signal: too many")?;
        demand(sum <= stats.inspected.saturating_mul(limits::SIGNALS_PER_REQUEST), "counts.n: too many")
    }

    fn check_sightings(&self) -> Result<(), Refusal> {
        demand(self.clients.len() <= limits::SIGHTINGS, "clients")?;
        for sighting in &self.clients {
            demand(is_countable(&sighting.client), "clients.client")?;
            demand(sighting.requests <= limits::INSPECTED, "clients.requests")?;
            demand(sighting.sessions.len() <= limits::SESSIONS, "clients.sessions")?;
            let is_digest = |text: &String| {
                (8..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
            };
            demand(sighting.sessions.iter().all(is_digest), "clients.sessions")?;
        }
        Ok(())
    }

    fn check_events(&self) -> Result<(), Refusal> {
        demand(self.events.len() <= limits::EVENTS, "events")?;
        let mut paths = BTreeSet::new();
        for event in &self.events {
            check_event(event)?;
            paths.insert(&event.path);
        }
        demand(paths.len() <= limits::PATHS, "events.path: too many")
    }
}

fn check_event(event: &Event) -> Result<(), Refusal> {
    demand(is_id(&event.id), "events.id")?;
    demand(event.at <= 1 << 50, "events.at")?;
    demand(is_countable(&event.client), "events.client")?;
    let names =
        [&event.trust, &event.source, &event.method, &event.country, &event.request_id, &event.trace_id];
    demand(names.iter().all(|name| is_text(name, limits::NAME_BYTES)), "events")?;
    let texts = [&event.path, &event.host, &event.user_agent, &event.reason];
    demand(texts.iter().all(|text| is_text(text, limits::TEXT_BYTES)), "events")?;
    demand(event.signals.len() <= limits::EVENT_SIGNALS, "events.signals")?;
    for signal in &event.signals {
        demand(is_signal(&signal.signal), "events.signals.signal")?;
        let names = [&signal.tier, &signal.stage, &signal.detector];
        demand(names.iter().all(|name| is_text(name, limits::NAME_BYTES)), "events.signals")?;
        let texts = [&signal.location, &signal.excerpt];
        demand(texts.iter().all(|text| is_text(text, limits::TEXT_BYTES)), "events.signals")?;
        demand(
            signal.chain.len() <= 16 && signal.chain.iter().all(|step| is_text(step, limits::NAME_BYTES)),
            "events.signals.chain",
        )?;
        demand(is_text(&signal.sealed, limits::SEALED_BYTES), "events.signals.sealed")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Agent, Count, EventAction, EventClass, EventSignal, Sighting, Stats};

    fn batch() -> Batch {
        Batch {
            v: 1,
            batch_id: "0123456789abcdef".to_owned(),
            env: "env-1".to_owned(),
            seq: 1,
            made: 1_795_334_400,
            agent: Agent { function: "shop".to_owned(), ..Agent::default() },
            counts: vec![Count {
                client: "198.51.100.7".parse().unwrap(),
                signal: "SQLI".to_owned(),
                slot: 1_795_334_400,
                n: 3,
                flags: true,
            }],
            clients: vec![Sighting {
                client: "198.51.100.7".parse().unwrap(),
                requests: 9,
                sessions: vec!["00112233".to_owned()],
            }],
            events: vec![Event {
                id: "e1".to_owned(),
                at: 1_795_334_400_000,
                class: EventClass::Attack,
                client: "198.51.100.7".parse().unwrap(),
                trust: "platform".to_owned(),
                source: "apigw-http".to_owned(),
                method: "GET".to_owned(),
                path: "/".to_owned(),
                host: "shop.example".to_owned(),
                user_agent: "x".to_owned(),
                country: String::new(),
                status: 200,
                action: EventAction::WouldBlock,
                reason: "SQLI".to_owned(),
                signals: vec![EventSignal { signal: "SQLI".to_owned(), ..EventSignal::default() }],
                request_id: "r".to_owned(),
                trace_id: String::new(),
            }],
            stats: Stats { inspected: 9, ..Stats::default() },
            cursor: None,
        }
    }

    #[test]
    fn an_honest_batch_passes_and_survives_the_wire() {
        let batch = batch();
        assert_eq!(batch.check(), Ok(()));
        let text = serde_json::to_string(&batch).unwrap();
        assert_eq!(serde_json::from_str::<Batch>(&text).unwrap(), batch);
    }

    #[test]
    fn unknown_fields_and_words_are_ignored() {
        let text =
            r#"{"ack":"queued","later":{"a":1},"hints":{"upload":"most","nextPollS":7},"serverTime":9}"#;
        let reply: crate::Reply = serde_json::from_str(text).unwrap();
        assert_eq!(reply.ack, crate::Ack::Other);
        assert_eq!(reply.hints, crate::Hints { next_poll_s: 7, upload: crate::Upload::All });
    }

    #[test]
    fn each_cap_is_held() {
        type Change = fn(&mut Batch);
        let table: &[(&str, Change)] = &[
            ("v", |batch| batch.v = 2),
            ("batchId", |batch| batch.batch_id = "short".to_owned()),
            ("batchId", |batch| batch.batch_id = "0123456789abcdef/..".to_owned()),
            ("env", |batch| batch.env = String::new()),
            ("seq", |batch| batch.seq = 0),
            ("made", |batch| batch.made = u64::MAX),
            ("agent", |batch| batch.agent.function = "x".repeat(161)),
            ("agent", |batch| batch.agent.mode = "a\nb".to_owned()),
            ("cursor", |batch| batch.cursor = Some("x".repeat(65))),
            ("counts", |batch| batch.counts = vec![batch.counts[0].clone(); 2_001]),
            ("counts.client", |batch| batch.counts[0].client = "192.0.2.0/24".parse().unwrap()),
            ("counts.client", |batch| batch.counts[0].client = "nobody".parse().unwrap()),
            ("counts.signal", |batch| batch.counts[0].signal = "<b>".to_owned()),
            ("counts.slot", |batch| batch.counts[0].slot += 1),
            ("counts.n", |batch| batch.counts[0].n = 0),
            ("counts.n: too many", |batch| batch.counts[0].n = 9 * 64 + 1),
            ("counts.n: too many", |batch| {
                batch.counts[0].n = u64::MAX;
                batch.counts.push(batch.counts[0].clone());
            }),
            ("stats.inspected", |batch| batch.stats.inspected = 1_000_001),
            ("stats", |batch| batch.stats.dropped = u64::MAX),
            ("clients.sessions", |batch| batch.clients[0].sessions = vec!["00112233".to_owned(); 33]),
            ("clients.sessions", |batch| batch.clients[0].sessions = vec!["zz".to_owned()]),
            ("events", |batch| batch.events = vec![batch.events[0].clone(); 201]),
            ("events.id", |batch| batch.events[0].id = "a b".to_owned()),
            ("events", |batch| batch.events[0].path = "x".repeat(513)),
            ("events.signals", |batch| {
                batch.events[0].signals = vec![batch.events[0].signals[0].clone(); 33];
            }),
            ("counts.client: too many", |batch| {
                batch.counts = (0..501)
                    .map(|n| Count {
                        client: ClientKey::of(std::net::Ipv4Addr::from_bits(n).into()),
                        ..batch.counts[0].clone()
                    })
                    .collect();
                batch.stats.inspected = 10_000;
            }),
            ("counts.signal: too many", |batch| {
                batch.counts = (0..201)
                    .map(|n| Count { signal: format!("site.{n}"), ..batch.counts[0].clone() })
                    .collect();
                batch.stats.inspected = 10_000;
            }),
        ];
        for (why, change) in table {
            let mut batch = batch();
            change(&mut batch);
            assert_eq!(batch.check(), Err(Refusal(why)));
        }
    }
}
