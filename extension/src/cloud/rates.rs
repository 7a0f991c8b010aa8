//! What all environments count together for a policy's rate limits: requests go out with the reports, and who is over a limit comes in with
//! the flags. It may not know what a limit counts by: it gets a keyed hash.

use std::sync::Arc;

use picket_cloud_protocol::{ClientKey, ClientKind};
use picket_policy::rates::Beyond;

use super::Cloud;

/// The engine's side of rate limits.
pub(crate) struct Everywhere(pub(crate) Arc<Cloud>);

impl std::fmt::Debug for Everywhere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Everywhere").finish_non_exhaustive()
    }
}

/// A client of a limit as the engine knows it; none where the limit's name is one that the engine would not take.
fn key(limit: &str, client: &[u8; 16]) -> Option<ClientKey> {
    Some(ClientKey::rate(limit, client)).filter(|key| key.kind() == ClientKind::Rate)
}

impl Beyond for Everywhere {
    fn limited_until(&self, limit: &str, client: &[u8; 16], now: u64) -> Option<u64> {
        self.0.shared.flags.until(&key(limit, client)?, now)
    }

    fn counted(&self, limit: &str, client: &[u8; 16], now: u64) {
        if let Some(key) = key(limit, client) {
            self.0.shared.outbox().count_rate(now, &key);
        }
    }
}
