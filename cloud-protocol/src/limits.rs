//! Every cap on what travels. The agent keeps below them, and the engine refuses what passes them before it does anything else.

/// Bytes of a batch as sent, compressed.
pub const BATCH_BYTES: usize = 256 * 1024;
/// Bytes of a batch once inflated.
pub const BATCH_INFLATED_BYTES: usize = 2 * 1024 * 1024;
/// Counts of one batch.
pub const COUNTS: usize = 2_000;
/// Distinct clients among the counts of one batch.
pub const CLIENTS: usize = 500;
/// Distinct signals among the counts of one batch.
pub const SIGNALS: usize = 200;
/// Sightings of one batch.
pub const SIGHTINGS: usize = 500;
/// Sessions of one sighting; what lies beyond adds nothing to the meaning of "many".
pub const SESSIONS: usize = 32;
/// Single requests of one batch.
pub const EVENTS: usize = 200;
/// Signals of one single request.
pub const EVENT_SIGNALS: usize = 32;
/// Distinct paths among the single requests of one batch.
pub const PATHS: usize = 200;
/// Signals that one inspected request may raise; a batch that counts more than this times its requests is refused.
pub const SIGNALS_PER_REQUEST: u64 = 64;
/// Requests that one batch may speak for.
pub const INSPECTED: u64 = 1_000_000;
/// Bytes of a client key.
pub const CLIENT_BYTES: usize = 128;
/// Bytes of a signal's name.
pub const SIGNAL_BYTES: usize = 64;
/// Bytes of an identifier: batch, environment, key, event.
pub const ID_BYTES: usize = 64;
/// Bytes of a name: function, version, runtime, mode, method.
pub const NAME_BYTES: usize = 160;
/// Bytes of a longer text: path, user agent, location, excerpt.
pub const TEXT_BYTES: usize = 512;
/// Bytes of one sealed value, as base64.
pub const SEALED_BYTES: usize = 16 * 1024;
/// Seconds by which two clocks may differ before a signature is refused.
pub const CLOCK_SECONDS: u64 = 300;
/// Seconds after which a batch is too old to be counted: the engine remembers batch ids longer than this.
pub const BATCH_AGE_SECONDS: u64 = 24 * 60 * 60;
/// Changes of one flag delta; more are fetched by asking again with the cursor that came with them.
pub const DELTA_FLAGS: usize = 5_000;
/// Bytes of a reply that an agent reads.
pub const REPLY_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of a policy in its canonical form.
pub const POLICY_BYTES: usize = 1024 * 1024;
/// Function patterns of one bundle.
pub const FUNCTIONS: usize = 64;
/// Bytes of a cursor.
pub const CURSOR_BYTES: usize = 64;
