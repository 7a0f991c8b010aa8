//! A batch becomes counts, single requests and inventory; `judge` then says whom they flag.
//!
//! Counting is exact: the counts of a batch are cut into parts by a rule that depends on the batch alone, and each part is
//! written in one transaction with a marker that must not be there yet. A part that is sent again, or again by a copy of the
//! engine, meets its marker. The decision follows on consistent reads, also for a batch that had been counted: the engine may
//! have been killed between the two.

use std::collections::{BTreeMap, BTreeSet};

use picket_cloud_protocol::{Ack, Batch, ClientKey, Count, Event, Hints, Reply, Sighting, limits as wire};

use crate::engine::{Engine, Known, Refused, locked};
use crate::judge::watched;
use crate::limits;
use crate::names::{Site, minute_text};
use crate::store::{Field, Item, Key, Store, StoreError, When, Write};
use crate::text::{sha256, shard};
use crate::window::clamped;

/// The function or signal that stands for all beyond the cap.
const OTHER: &str = "OTHER";

/// Who sent a batch, as its credential says.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The site.
    pub site: Site,
    /// The key's id, or the role.
    pub key: String,
}

impl<S: Store> Engine<S> {
    /// Takes in a batch and says what the agent should know.
    ///
    /// # Errors
    /// When the batch has no shape that an agent could have sent, or the store fails. The agent sends the same again.
    pub async fn take(&self, sender: &Sender, batch: &Batch) -> Result<Reply, Refused> {
        batch.check()?;
        let _working = self.load.begin();
        let now = self.now();
        let known = self.known(&sender.site).await?;
        let late = now.saturating_sub(batch.made) > wire::BATCH_AGE_SECONDS;
        let ack = if late {
            Ack::Late
        } else {
            self.keep_events(sender, &known, batch).await?;
            let ack = self.count(sender, &known, batch).await?;
            self.see(&sender.site, &batch.clients).await?;
            self.decide(sender, &known, batch).await?;
            self.tell_of_troubles(&sender.site, batch).await?;
            ack
        };
        self.metrics.batch(ack, batch);
        Ok(Reply {
            ack,
            delta: self.delta(&sender.site, batch.cursor.as_deref()).await?,
            policy_version: newest_policy(&known, &batch.agent.function),
            hints: self.hints(&known),
            server_time: now,
        })
    }

    /// What is asked of agents at the moment.
    pub(crate) fn hints(&self, known: &Known) -> Hints {
        self.load.hints(Hints { next_poll_s: known.settings.poll_seconds, upload: known.settings.upload })
    }

    /// Single requests lie under their own ids, so writing them twice changes nothing.
    async fn keep_events(&self, sender: &Sender, known: &Known, batch: &Batch) -> Result<(), Refused> {
        if batch.events.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let mut items = BTreeMap::new();
        for event in &batch.events {
            let item = event_item(&sender.site, known, batch, event, now)?;
            items.insert(item.key.clone(), item);
        }
        self.store.put_all(items.into_values().collect()).await.map_err(Into::into)
    }

    async fn count(&self, sender: &Sender, known: &Known, batch: &Batch) -> Result<Ack, Refused> {
        let now = self.now();
        let mut counts: Vec<&Count> = batch.counts.iter().collect();
        counts.sort_by(|a, b| (&a.client, &a.signal, a.slot).cmp(&(&b.client, &b.signal, b.slot)));
        let mut parts: Vec<&[&Count]> = counts.chunks(limits::COUNTS_PER_WRITE).collect();
        if parts.is_empty() {
            parts.push(&[]);
        }
        let mut ack = Ack::Duplicate;
        let last = parts.len() - 1;
        for (index, part) in parts.into_iter().enumerate() {
            let mut items = self.counters(sender, known, batch, part, now);
            if index == 0 {
                self.inventory(sender, known, batch, now, &mut items);
            }
            let marker =
                Item::new(sender.site.marker(&batch.batch_id, index)).until(now + limits::MARKER_SECONDS);
            let mut writes = vec![Write::Put(marker, When::Absent)];
            writes.extend(items.into_values().map(|item| Write::Add(item, When::Always)));
            if index == last {
                writes.extend(self.numbers(&sender.site, batch));
            }
            if self.write_once(writes).await? {
                ack = Ack::Counted;
            }
        }
        Ok(ack)
    }

    /// Writes a part whose first write is its marker. Whether it was not there yet.
    async fn write_once(&self, mut writes: Vec<Write>) -> Result<bool, Refused> {
        match self.store.write(writes.clone()).await {
            Ok(()) => Ok(true),
            Err(StoreError::Condition(0)) => Ok(false),
            // A batch with a higher number came before this one, so that number stays.
            Err(StoreError::Condition(at)) if at + 1 == writes.len() => {
                writes.pop();
                match self.store.write(writes).await {
                    Ok(()) => Ok(true),
                    Err(StoreError::Condition(0)) => Ok(false),
                    Err(error) => Err(error.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The counters that one part of a batch raises: those of its clients where something watches them, and those of each
    /// signal over time.
    fn counters(
        &self,
        sender: &Sender,
        known: &Known,
        batch: &Batch,
        part: &[&Count],
        now: u64,
    ) -> BTreeMap<Key, Item> {
        let mut items: BTreeMap<Key, Item> = BTreeMap::new();
        let by = format!("{}|{}|{}", sender.key, batch.agent.function, batch.env);
        for count in part {
            let slot = clamped(count.slot, now);
            let minute = slot / 60;
            for what in watched(known, count) {
                let key =
                    sender.site.counter(&count.client, minute, shard(&batch.env, limits::CLIENT_SHARDS));
                let expires = now + limits::COUNTER_SECONDS;
                let item = items.entry(key.clone()).or_insert_with(|| Item::new(key).until(expires));
                raise(item, &format!("{}:{what}", slot % 60 / 10), count.n);
                let members =
                    item.fields.entry("by".to_owned()).or_insert_with(|| Field::Set(BTreeSet::new()));
                if let Field::Set(members) = members {
                    members.insert(by.clone());
                }
            }
            let signal = self.series_name(&sender.site, &count.signal);
            let key = series_key(&sender.site, minute, &signal, &batch.env);
            let expires = now + known.settings.series_days * 86_400;
            let item = items.entry(key.clone()).or_insert_with(|| Item::new(key).until(expires));
            raise(item, "n", count.n);
        }
        items
    }

    /// What is known of the sender's function, and what happened in all functions over time.
    fn inventory(
        &self,
        sender: &Sender,
        known: &Known,
        batch: &Batch,
        now: u64,
        items: &mut BTreeMap<Key, Item>,
    ) {
        let function = self.function_name(&sender.site, &batch.agent.function);
        let (agent, stats) = (&batch.agent, &batch.stats);
        let key = Key::new(
            sender.site.fleet(),
            format!("{function}#{}#{}", agent.function_version, shard(&batch.env, limits::SERIES_SHARDS)),
        );
        let mut item = Item::new(key.clone())
            .text("function", function)
            .text("functionVersion", &agent.function_version)
            .text("agent", &agent.version)
            .text("runtime", &agent.runtime)
            .text("mode", &agent.mode)
            .text("architecture", &agent.architecture)
            .text("region", &agent.region)
            .text("account", &agent.account)
            // As texts, because the last to report is right, and numbers are summed.
            .text("policy", agent.policy.to_string())
            .text("seen", now.to_string())
            .until(now + 30 * 86_400);
        let told = [
            ("inspected", stats.inspected),
            ("blocked", stats.blocked),
            ("wouldBlock", stats.would_block),
            ("failOpen", stats.fail_open),
            ("unprotected", stats.unprotected),
            ("panics", stats.panics),
            ("dropped", stats.dropped),
            ("sendFailures", stats.send_failures),
            ("fallenBack", stats.fallen_back),
        ];
        for (name, n) in told {
            raise(&mut item, name, n);
        }
        items.insert(key, item);
        // `~` sorts behind every signal's first letter, and no signal begins with it.
        let key = series_key(&sender.site, clamped(batch.made, now) / 60, "~stats", &batch.env);
        let mut item = Item::new(key.clone()).until(now + known.settings.series_days * 86_400);
        for (name, n) in told {
            raise(&mut item, name, n);
        }
        items.insert(key, item);
    }

    /// How many batches of an environment came, and the highest number among them, which is the last of the writes: the
    /// difference never came.
    fn numbers(&self, site: &Site, batch: &Batch) -> [Write; 2] {
        let expires = self.now() + 86_400;
        let came = Item::new(Key::new(site.environments(), &batch.env))
            .int("batches", 1)
            .text("function", &batch.agent.function)
            .until(expires);
        let highest = Item::new(Key::new(site.environments(), format!("{}#last", batch.env)))
            .int("seq", batch.seq)
            .until(expires);
        let higher = When::Below("seq".to_owned(), batch.seq);
        [Write::Add(came, When::Always), Write::Put(highest, higher)]
    }

    /// Remembers who was seen, and with which sessions: once an hour and process each.
    async fn see(&self, site: &Site, sightings: &[Sighting]) -> Result<(), Refused> {
        let now = self.now();
        let hour = now / 3_600;
        let mut writes: BTreeMap<Key, Item> = BTreeMap::new();
        let mut note = |key: Key, name: &str, members: BTreeSet<String>| {
            let item = writes
                .entry(key.clone())
                .or_insert_with(|| Item::new(key).until(now + limits::COUNTER_SECONDS));
            match item.fields.entry(name.to_owned()).or_insert_with(|| Field::Set(BTreeSet::new())) {
                Field::Set(all) => all.extend(members),
                Field::Int(_) | Field::Text(_) => {}
            }
        };
        {
            let mut seen = locked(&self.seen);
            if seen.hour != hour {
                *seen = crate::engine::Seen { hour, ..Default::default() };
            }
            let mut buckets = BTreeSet::new();
            for sighting in sightings {
                let bucket = bucket(&sighting.client);
                if seen.buckets.insert((site.clone(), bucket)) {
                    buckets.insert(format!("{bucket:x}"));
                }
                let mut sessions = BTreeSet::new();
                for session in &sighting.sessions {
                    let digest: String = session.chars().take(16).collect();
                    let mark = (site.clone(), format!("{} {digest}", sighting.client));
                    if seen.sessions.len() < limits::CACHED && seen.sessions.insert(mark) {
                        sessions.insert(digest);
                    }
                }
                if !sessions.is_empty() {
                    note(site.sessions(&sighting.client, hour), "sessions", sessions);
                }
            }
            if !buckets.is_empty() {
                note(site.seen(hour), "buckets", buckets);
            }
        }
        let writes: Vec<Write> = writes.into_values().map(|item| Write::Add(item, When::Always)).collect();
        for part in writes.chunks(crate::store::WRITES) {
            if let Err(error) = self.store.write(part.to_vec()).await {
                // What was not written is not known, so it is written with the next batch.
                *locked(&self.seen) = crate::engine::Seen::default();
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// A signal's own name, while there are not too many of them.
    fn series_name(&self, site: &Site, signal: &str) -> String {
        let mut seen = locked(&self.seen);
        let room = seen.signals.len() < limits::SERIES;
        let mark = (site.clone(), signal.to_owned());
        if seen.signals.contains(&mark) || (room && seen.signals.insert(mark)) {
            signal.to_owned()
        } else {
            OTHER.to_owned()
        }
    }

    fn function_name(&self, site: &Site, function: &str) -> String {
        let mut seen = locked(&self.seen);
        let room = seen.functions.len() < limits::FUNCTIONS;
        let mark = (site.clone(), function.to_owned());
        if seen.functions.contains(&mark) || (room && seen.functions.insert(mark)) {
            function.to_owned()
        } else {
            OTHER.to_owned()
        }
    }
}

fn raise(item: &mut Item, name: &str, n: u64) {
    let n = i64::try_from(n).unwrap_or(i64::MAX);
    if n == 0 {
        return;
    }
    match item.fields.entry(name.to_owned()).or_insert(Field::Int(0)) {
        Field::Int(sum) => *sum = sum.saturating_add(n),
        Field::Text(_) | Field::Set(_) => {}
    }
}

pub(crate) fn series_key(site: &Site, minute: u64, signal: &str, env: &str) -> Key {
    let shard = shard(env, limits::SERIES_SHARDS);
    Key::new(site.series(minute / 1_440), format!("{}#{signal}#{shard}", minute_text(minute)))
}

fn bucket(client: &ClientKey) -> u64 {
    let digest = sha256(client.as_str().as_bytes());
    let [first, second, ..] = digest;
    u64::from(u16::from_be_bytes([first, second])) % limits::SKETCH
}

fn newest_policy(known: &Known, function: &str) -> u64 {
    let is_for = |functions: &Vec<String>| {
        picket_cloud_protocol::Bundle { functions: functions.clone(), ..Default::default() }.is_for(function)
    };
    known.policies.iter().find(|(_, functions)| is_for(functions)).map_or(0, |(version, _)| *version)
}

fn event_item(site: &Site, known: &Known, batch: &Batch, event: &Event, now: u64) -> Result<Item, Refused> {
    let at = clamped_day(event.at, now);
    let text = serde_json::to_string(event).map_err(|error| Refused::Internal(error.to_string()))?;
    let key = Key::new(site.events(at / 86_400_000), format!("{at:015}#{}", event.id));
    let signals = event.signals.iter().map(|signal| signal.signal.clone()).collect();
    Ok(Item::new(key)
        .text("json", text)
        .text("function", &batch.agent.function)
        .text("env", &batch.env)
        .text("client", event.client.as_str())
        .set("signals", signals)
        .until(now + known.settings.event_days * 86_400))
}

/// A request's time, at most a day ago and not in the future.
fn clamped_day(at: u64, now: u64) -> u64 {
    at.clamp(now.saturating_sub(86_400) * 1_000, now * 1_000 + 999)
}

/// The name of the statistics among the series.
pub(crate) const STATS: &str = "~stats";

pub(crate) fn day_of(minute: u64) -> u64 {
    minute / 1_440
}
