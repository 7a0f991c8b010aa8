//! Every cap on what is kept until it is sent. Passing one drops the oldest, and counts it.

use picket_cloud_protocol::limits;

/// Bytes of an excerpt.
pub const EXCERPT: usize = 96;
/// Bytes of a path or a location.
pub const PATH: usize = 256;
/// Bytes of a user agent or a host.
pub const NAME: usize = 160;
/// Bytes of a method.
pub const METHOD: usize = 16;
/// Bytes of any of these once escaped; the engine takes [`limits::TEXT_BYTES`].
pub const ESCAPED: usize = limits::TEXT_BYTES - 32;
/// Signals that one single request names.
pub const SIGNALS: usize = 8;
/// Values of one request that travel sealed: each costs two curve operations.
pub const SEALED: usize = 2;
/// Bytes of a value that travels sealed; what is longer is cut.
pub const SEALED_VALUE: usize = 2048;
/// Single requests of a batch; the engine takes [`limits::EVENTS`].
pub const EVENTS: usize = limits::EVENTS / 2;
/// Bytes of the single requests of a batch, as text.
pub const EVENT_BYTES: usize = 192 * 1024;
/// Anomalous requests of one minute that are kept; the others are counted only.
pub const ANOMALIES_PER_MINUTE: u32 = 6;
/// Counts of a batch.
pub const COUNTS: usize = limits::COUNTS / 2;
/// Clients of a batch.
pub const CLIENTS: usize = limits::CLIENTS / 2;
/// Sessions of one client that are told apart.
pub const SESSIONS: usize = limits::SESSIONS;
/// Batches that wait to be sent.
pub const PARCELS: usize = 8;
/// Bytes of the batches that wait, compressed.
pub const PARCEL_BYTES: usize = 512 * 1024;
/// Bytes of the spool.
pub const SPOOL_BYTES: usize = 1024 * 1024;
/// Seconds after which what lies in the spool is too old to be counted.
pub const SPOOL_AGE_SECONDS: u64 = limits::BATCH_AGE_SECONDS;
