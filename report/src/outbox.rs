//! What waits to be sent: an open batch that collects, and closed ones that are numbered and keep their id until the engine
//! has them. Bounded: at a cap the oldest goes first, and is counted.

use std::{collections::VecDeque, io::Write as _};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use picket_cloud_protocol::{
    Agent, Batch, ClientKey, Event, EventAction, EventClass, Stats, Upload, VERSION,
};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::{Redacted, limits, series::Series};

/// The signal under which requests are counted for rate limits: docs/protocol.md.
const RATE: &str = "RATE";

/// A closed batch, as it goes over the wire. It is sent, and sent again, with the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// The batch's id.
    pub id: String,
    /// When it was closed, in Unix seconds.
    pub made: u64,
    /// The batch as JSON, compressed with gzip.
    pub body: Bytes,
    /// Counts and events in it.
    pub content: u64,
}

/// Collects, closes, keeps and drops.
#[derive(Debug)]
pub struct Outbox {
    env: String,
    agent: Agent,
    seq: u64,
    series: Series,
    events: Vec<Event>,
    event_bytes: usize,
    stats: Stats,
    took: Latencies,
    /// When the first thing was put into the open batch, in Unix seconds.
    since: Option<u64>,
    attacked: bool,
    upload: Upload,
    /// The minute, and how many anomalies it has kept.
    sampled: (u64, u32),
    parcels: VecDeque<Parcel>,
    dropped: u64,
    given_up: u64,
    ids: u64,
}

/// A random id of 32 hex digits; none where the system has no randomness.
fn random_id() -> Option<String> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl Outbox {
    /// An outbox for an environment of its own.
    #[must_use]
    pub fn new(agent: Agent) -> Self {
        Self {
            env: random_id().unwrap_or_default(),
            agent,
            seq: 0,
            series: Series::default(),
            events: Vec::new(),
            event_bytes: 0,
            stats: Stats::default(),
            took: Latencies::default(),
            since: None,
            attacked: false,
            upload: Upload::All,
            sampled: (0, 0),
            parcels: VecDeque::new(),
            dropped: 0,
            given_up: 0,
            ids: 0,
        }
    }

    /// Begins a new life: what was collected before a snapshot belongs to every copy of it, so none of them tells it.
    pub fn renew(&mut self) {
        let (dropped, given_up) = (self.dropped, self.given_up);
        *self = Self { upload: self.upload, dropped, given_up, ..Self::new(self.agent.clone()) };
    }

    /// The environment's id.
    #[must_use]
    pub fn env(&self) -> &str {
        &self.env
    }

    /// What is said of the agent.
    pub fn agent_mut(&mut self) -> &mut Agent {
        &mut self.agent
    }

    /// An id for the next single request.
    pub fn event_id(&mut self) -> String {
        self.ids += 1;
        format!("{}-{}", self.env, self.ids)
    }

    /// How much the engine asks for.
    pub fn set_upload(&mut self, upload: Upload) {
        self.upload = upload;
    }

    /// Notes an inspected request: what became of it, how long that took, who sent it.
    pub fn inspected(
        &mut self,
        now_s: u64,
        action: EventAction,
        took_us: u64,
        client: &ClientKey,
        session: Option<&str>,
    ) {
        self.since.get_or_insert(now_s);
        self.stats.inspected += 1;
        match action {
            EventAction::Block => self.stats.blocked += 1,
            EventAction::WouldBlock => self.stats.would_block += 1,
            EventAction::Allow => {}
        }
        self.took.note(took_us);
        self.series.see(client, session);
    }

    /// Counts a signal of a request once. `flags` says whether it counts against the client.
    pub fn count(&mut self, now_s: u64, client: &ClientKey, signal: &str, flags: bool) {
        self.since.get_or_insert(now_s);
        self.series.count(client, signal, now_s, flags);
        self.attacked |= flags;
    }

    /// Counts a request for a rate limit that all environments count together. It is no attack, and makes nothing due.
    pub fn count_rate(&mut self, now_s: u64, client: &ClientKey) {
        self.since.get_or_insert(now_s);
        self.series.count(client, RATE, now_s, true);
    }

    /// Keeps a single request: attacks all, anomalies a few a minute.
    pub fn keep(&mut self, now_s: u64, event: Redacted<Event>) {
        let event = event.into_inner();
        let wanted = match event.class {
            EventClass::Attack => matches!(self.upload, Upload::All | Upload::Attacks),
            EventClass::Anomaly => self.upload == Upload::All && self.sample(now_s),
        };
        if !wanted {
            return;
        }
        self.attacked |= event.class == EventClass::Attack;
        let bytes = serde_json::to_vec(&event).map_or(0, |text| text.len());
        if self.events.len() >= limits::EVENTS || self.event_bytes + bytes > limits::EVENT_BYTES {
            self.lose(1);
            return;
        }
        self.event_bytes += bytes;
        self.events.push(event);
    }

    /// Whether this minute keeps another anomaly.
    fn sample(&mut self, now_s: u64) -> bool {
        let minute = now_s / 60;
        if self.sampled.0 != minute {
            self.sampled = (minute, 0);
        }
        self.sampled.1 += 1;
        self.sampled.1 <= limits::ANOMALIES_PER_MINUTE
    }

    /// Notes requests that passed because of a fault, panics, and sends that failed.
    pub fn note(&mut self, now_s: u64, what: impl FnOnce(&mut Stats)) {
        self.since.get_or_insert(now_s);
        what(&mut self.stats);
    }

    /// Whether an attack waits to be told.
    #[must_use]
    pub const fn has_attack(&self) -> bool {
        self.attacked
    }

    /// Whether the open batch can take no more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.series.is_full()
            || self.events.len() >= limits::EVENTS
            || self.event_bytes + 2048 > limits::EVENT_BYTES
            || self.stats.inspected >= picket_cloud_protocol::limits::INSPECTED / 2
    }

    /// Seconds for which something has waited.
    #[must_use]
    pub fn age(&self, now_s: u64) -> u64 {
        let oldest = self.parcels.front().map(|parcel| parcel.made).into_iter().chain(self.since).min();
        oldest.map_or(0, |oldest| now_s.saturating_sub(oldest))
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parcels.is_empty() && self.since.is_none()
    }

    /// Counts and events that were given up so far.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The same, never told to the engine apart: it only grows.
    #[must_use]
    pub const fn given_up(&self) -> u64 {
        self.given_up
    }

    /// Counts what is given up.
    pub const fn lose(&mut self, content: u64) {
        self.dropped += content;
        self.given_up += content;
    }

    /// Closes the open batch, if there is anything in it, and gives it a number and an id.
    pub fn close(&mut self, now_s: u64, cursor: Option<&str>) {
        if self.since.is_none() || self.upload == Upload::None && !self.is_full() {
            return;
        }
        let Some(batch_id) = random_id() else { return };
        self.seq += 1;
        let (counts, clients) = self.series.take();
        let dropped = std::mem::take(&mut self.dropped);
        let (decision_p50_us, decision_p99_us) = self.took.take();
        let stats = Stats { dropped, decision_p50_us, decision_p99_us, ..std::mem::take(&mut self.stats) };
        let mut batch = Batch {
            v: VERSION,
            batch_id,
            env: self.env.clone(),
            seq: self.seq,
            made: now_s,
            agent: self.agent.clone(),
            counts,
            clients,
            events: std::mem::take(&mut self.events),
            stats,
            cursor: cursor.map(str::to_owned),
        };
        self.event_bytes = 0;
        self.since = None;
        self.attacked = false;
        let counted = batch.counts.iter().map(|count| count.n).sum::<u64>();
        let mut body = compressed(&batch);
        if body.len() > picket_cloud_protocol::limits::BATCH_BYTES {
            // Counts matter more than single requests.
            batch.stats.dropped += batch.events.len() as u64;
            self.given_up += batch.events.len() as u64;
            batch.events.clear();
            body = compressed(&batch);
        }
        let content = counted + batch.events.len() as u64;
        self.add(Parcel { id: batch.batch_id, made: now_s, body: Bytes::from(body), content });
    }

    /// Puts a closed batch behind the others, and drops the oldest where there are too many.
    fn add(&mut self, parcel: Parcel) {
        self.parcels.push_back(parcel);
        while self.parcels.len() > limits::PARCELS
            || self.parcels.iter().map(|parcel| parcel.body.len()).sum::<usize>() > limits::PARCEL_BYTES
        {
            if let Some(oldest) = self.parcels.pop_front() {
                self.lose(oldest.content);
            }
        }
    }

    /// Takes in what an earlier life of the environment left: it is sent first.
    pub fn adopt(&mut self, parcels: Vec<Parcel>) {
        for parcel in parcels.into_iter().rev() {
            if self.parcels.len() >= limits::PARCELS {
                self.lose(parcel.content);
            } else {
                self.parcels.push_front(parcel);
            }
        }
    }

    /// The oldest closed batch: batches of one environment are sent in the order of their numbers.
    #[must_use]
    pub fn first(&self) -> Option<Parcel> {
        self.parcels.front().cloned()
    }

    /// Forgets a batch that the engine has.
    pub fn delivered(&mut self, id: &str) {
        self.parcels.retain(|parcel| parcel.id != id);
    }

    /// Gives a batch up that the engine will never take.
    pub fn refuse(&mut self, id: &str) {
        if let Some(content) = self.parcels.iter().find(|parcel| parcel.id == id).map(|parcel| parcel.content)
        {
            self.lose(content);
        }
        self.delivered(id);
    }

    /// Every closed batch, oldest first, for the spool.
    pub fn parcels(&self) -> impl DoubleEndedIterator<Item = &Parcel> {
        self.parcels.iter()
    }
}

/// A batch as its bytes leave.
fn compressed(batch: &Batch) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory does not fail; an empty body would be refused by the engine and counted.
    serde_json::to_writer(&mut encoder, batch).ok();
    encoder.flush().ok();
    encoder.finish().unwrap_or_default()
}

/// How long decisions took, in powers of two.
#[derive(Debug, Default)]
struct Latencies {
    /// `buckets[i]` counts those below `1 << i` microseconds and not below half of that.
    buckets: [u32; 32],
}

impl Latencies {
    fn note(&mut self, us: u64) {
        let place = (64 - us.leading_zeros()).min(31) as usize;
        if let Some(bucket) = self.buckets.get_mut(place) {
            *bucket = bucket.saturating_add(1);
        }
    }

    /// What half and what 99 of 100 stayed below; then it begins anew.
    fn take(&mut self) -> (u64, u64) {
        let all: u64 = self.buckets.iter().map(|n| u64::from(*n)).sum();
        let below = |share: u64| {
            let mut seen = 0;
            let wanted = (all * share).div_ceil(100);
            let place = self.buckets.iter().position(|n| {
                seen += u64::from(*n);
                all > 0 && seen >= wanted
            });
            place.map_or(0, |place| 1 << place)
        };
        let told = (below(50), below(99));
        self.buckets = [0; 32];
        told
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn client() -> ClientKey {
        "192.0.2.1".parse().unwrap()
    }

    fn outbox() -> Outbox {
        Outbox::new(Agent { function: "shop".to_owned(), ..Agent::default() })
    }

    fn opened(parcel: &Parcel) -> Batch {
        let mut text = String::new();
        flate2::read::GzDecoder::new(parcel.body.as_ref()).read_to_string(&mut text).unwrap();
        let batch: Batch = serde_json::from_str(&text).unwrap();
        batch.check().unwrap();
        batch
    }

    fn raise(outbox: &mut Outbox, now: u64) {
        outbox.inspected(now, EventAction::Allow, 100, &client(), Some("0011223344556677"));
        outbox.count(now, &client(), "SQLI", true);
    }

    #[test]
    fn batches_are_numbered_and_keep_their_bytes_until_they_are_delivered() {
        let mut outbox = outbox();
        for now in [1_000, 1_005, 1_060] {
            raise(&mut outbox, now);
            assert!(outbox.has_attack());
            outbox.close(now, Some("c7"));
            outbox.close(now, None);
        }
        let numbers: Vec<_> = outbox.parcels().map(|parcel| opened(parcel).seq).collect();
        assert_eq!(numbers, [1, 2, 3]);
        let first = outbox.first().unwrap();
        assert_eq!(outbox.first().unwrap(), first);
        let batch = opened(&first);
        assert_eq!((batch.cursor.as_deref(), batch.stats.inspected), (Some("c7"), 1));
        assert_eq!((batch.counts[0].slot, batch.counts[0].n), (1_000, 1));
        outbox.delivered(&first.id);
        assert_eq!(opened(&outbox.first().unwrap()).seq, 2);
    }

    #[test]
    fn the_oldest_is_dropped_first_and_counted() {
        let mut outbox = outbox();
        for now in 0..20 {
            raise(&mut outbox, now * 100);
            outbox.close(now * 100, None);
        }
        assert_eq!(outbox.parcels().count(), limits::PARCELS);
        let told: Vec<Batch> = outbox.parcels().map(opened).collect();
        assert_eq!(told.last().unwrap().seq, 20);
        let counted: u64 = told.iter().flat_map(|batch| &batch.counts).map(|count| count.n).sum();
        let said: u64 = told.iter().map(|batch| batch.stats.dropped).sum();
        // What a dropped batch itself had to say about drops is lost with it; the agent's own log has the sum.
        assert_eq!(counted, limits::PARCELS as u64);
        assert!(said + outbox.dropped() > 0);
    }

    #[test]
    fn a_flood_stays_bounded_and_within_what_the_engine_takes() {
        let mut outbox = outbox();
        for n in 0..50_000_u32 {
            let now = u64::from(n) / 10;
            let client = ClientKey::of(std::net::Ipv4Addr::from_bits(n).into());
            if outbox.is_full() {
                outbox.close(now, None);
            }
            outbox.inspected(now, EventAction::WouldBlock, u64::from(n), &client, None);
            for signal in ["SQLI", "XSS"] {
                outbox.count(now, &client, signal, true);
            }
        }
        outbox.close(5_000, None);
        for parcel in outbox.parcels() {
            opened(parcel);
            assert!(parcel.body.len() <= picket_cloud_protocol::limits::BATCH_BYTES);
        }
    }

    #[test]
    fn a_new_life_has_a_new_id_and_tells_nothing_of_the_old_one() {
        let mut outbox = outbox();
        raise(&mut outbox, 10);
        outbox.close(10, None);
        raise(&mut outbox, 20);
        let before = outbox.env().to_owned();
        outbox.renew();
        assert_ne!(outbox.env(), before);
        assert!(outbox.is_empty() && outbox.first().is_none());
        raise(&mut outbox, 30);
        outbox.close(30, None);
        assert_eq!(opened(&outbox.first().unwrap()).seq, 1);
    }

    #[test]
    fn the_engine_can_ask_for_less() {
        let mut outbox = outbox();
        outbox.set_upload(Upload::None);
        raise(&mut outbox, 10);
        outbox.close(10, None);
        assert!(outbox.first().is_none());
        outbox.set_upload(Upload::Counts);
        outbox.close(10, None);
        assert_eq!(opened(&outbox.first().unwrap()).counts.len(), 1);
    }

    #[test]
    fn latencies_are_told_as_bounds() {
        let mut took = Latencies::default();
        for us in [10, 20, 30, 5_000] {
            took.note(us);
        }
        assert_eq!(took.take(), (32, 8192));
        assert_eq!(took.take(), (0, 0));
    }
}
