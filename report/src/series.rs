//! Time series: how often each client raised each signal in each slot, and who was seen at all. Bounded.

use std::collections::{BTreeMap, BTreeSet};

use picket_cloud_protocol::{ClientKey, Count, SLOT_SECONDS, Sighting};

use crate::limits;

/// The counts since the last batch.
#[derive(Debug, Default)]
pub(crate) struct Series {
    counts: BTreeMap<(ClientKey, String, u64, bool), u64>,
    clients: BTreeMap<ClientKey, (u64, BTreeSet<String>)>,
}

impl Series {
    /// Counts a signal once, in the slot of its own time.
    pub(crate) fn count(&mut self, client: &ClientKey, signal: &str, at_s: u64, flags: bool) {
        let slot = at_s - at_s % SLOT_SECONDS;
        *self.counts.entry((client.clone(), signal.to_owned(), slot, flags)).or_default() += 1;
    }

    /// Notes a request of a client, and its session.
    pub(crate) fn see(&mut self, client: &ClientKey, session: Option<&str>) {
        if !self.clients.contains_key(client) && self.clients.len() >= limits::CLIENTS {
            return;
        }
        let (requests, sessions) = self.clients.entry(client.clone()).or_default();
        *requests += 1;
        if let Some(session) = session
            && sessions.len() < limits::SESSIONS
        {
            sessions.insert(session.to_owned());
        }
    }

    /// Whether another request's signals might not fit.
    pub(crate) fn is_full(&self) -> bool {
        self.counts.len() + limits::SIGNALS >= limits::COUNTS
            || self.clients.len() >= limits::CLIENTS && !self.counts.is_empty()
    }

    /// Takes everything out.
    pub(crate) fn take(&mut self) -> (Vec<Count>, Vec<Sighting>) {
        let counts = std::mem::take(&mut self.counts)
            .into_iter()
            .map(|((client, signal, slot, flags), n)| Count { client, signal, slot, n, flags });
        let clients = std::mem::take(&mut self.clients).into_iter().map(|(client, (requests, sessions))| {
            Sighting { client, requests, sessions: sessions.into_iter().collect() }
        });
        (counts.collect(), clients.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_counted_by_client_and_slot() {
        let (mut series, client) = (Series::default(), "192.0.2.1".parse().unwrap());
        for at in [100, 109, 110, 119] {
            series.count(&client, "SQLI", at, true);
        }
        series.count(&client, "SQLI", 110, false);
        let (counts, _) = series.take();
        let told: Vec<_> = counts.iter().map(|count| (count.slot, count.n, count.flags)).collect();
        assert_eq!(told, [(100, 2, true), (110, 1, false), (110, 2, true)]);
        assert_eq!(series.take().0, []);
    }

    #[test]
    fn clients_and_sessions_are_bounded() {
        let mut series = Series::default();
        for n in 0..10_000_u32 {
            series.see(&ClientKey::of(std::net::Ipv4Addr::from_bits(n).into()), None);
            series.see(&"192.0.2.1".parse().unwrap(), Some(&format!("{n:08x}")));
        }
        let (_, clients) = series.take();
        assert_eq!(clients.len(), limits::CLIENTS);
        assert!(clients.iter().all(|client| client.sessions.len() <= limits::SESSIONS));
    }
}
