//! Every cap of the engine on what agents, administrators and time make grow. Those of the wire are in `picket_cloud_protocol::limits`.

/// Seconds that a batch id is remembered: longer than a batch may be old, and longer than two clocks may differ.
pub const MARKER_SECONDS: u64 = 48 * 60 * 60;
/// Counts that are written in one transaction: each needs at most two items, and a transaction has room for 100.
pub const COUNTS_PER_WRITE: usize = 45;
/// Seconds of the longest window, and so how far back a slot may lie.
pub const WINDOW_SECONDS: u64 = 60 * 60;
/// Seconds that a client's counters are kept.
pub const COUNTER_SECONDS: u64 = 2 * 60 * 60;
/// Items that the counters of one client and minute are spread over, by environment, so that writers do not meet.
pub const CLIENT_SHARDS: u64 = 8;
/// Items that a signal's count of a minute is spread over.
pub const SERIES_SHARDS: u64 = 8;
/// Signals of a site that have a count of their own; further ones are counted together.
pub const SERIES: usize = 1_000;
/// Functions of a site that are listed; further ones are counted together.
pub const FUNCTIONS: usize = 5_000;
/// Batches at once from which on agents are asked for less: for single requests of attacks alone.
pub const CROWDED: usize = 32;
/// Batches at once from which on they are asked for counts alone.
pub const OVERRUN: usize = 128;
/// Items that the windows of one client are read from.
pub const WINDOW_ITEMS: usize = 1_000;
/// Flags of a site that may be in force at once.
pub const FLAGS: u64 = 20_000;
/// Functions and environments that a flag names.
pub const CONTRIBUTORS: usize = 20;
/// Seconds that the removal of a flag is told to agents; who was away longer gets the full set.
pub const REMOVAL_SECONDS: u64 = 30 * 24 * 60 * 60;
/// How often a change of the flags is tried while others change them too.
pub const FLAG_TRIES: usize = 40;
/// Seconds that a key, a site's settings or an administrator's credential may be used before it is read again.
pub const CACHE_SECONDS: u64 = 5;
/// Keys that are remembered.
pub const CACHED: usize = 10_000;
/// Key ids nobody knows that are looked up in one second; beyond it they are refused unread. Those of keys that have signed
/// before are not among them.
pub const UNKNOWN_KEYS: u32 = 200;
/// Alerts of a site.
pub const ALERTS: usize = 50;
/// Entries of the allow-list.
pub const ALLOWED: usize = 1_000;
/// Targets of notifications of a site.
pub const TARGETS: usize = 20;
/// Bytes of a request to the admin API.
pub const ADMIN_BYTES: usize = 2 * 1024 * 1024;
/// Events of one page.
pub const PAGE: usize = 200;
/// Events that one search looks at before it gives back what it has and a cursor.
pub const SCANNED: usize = 5_000;
/// Days that one search may span.
pub const SEARCH_DAYS: u64 = 7;
/// Policies for different functions that may be in force at once: what an upload changes of them is one transaction.
pub const LIVE_POLICIES: usize = 80;
/// Bytes that a policy's item may have in the store; DynamoDB's own limit is 400 KB.
pub const POLICY_ITEM: usize = 380_000;
/// Connections at once.
pub const CONNECTIONS: usize = 1_024;
/// Seconds in which a request's head must have come.
pub const HEAD_SECONDS: u64 = 10;
/// Seconds in which a request must have come and been answered.
pub const REQUEST_SECONDS: u64 = 30;
/// Seconds after which a connection is closed behind its current request.
pub const CONNECTION_SECONDS: u64 = 10 * 60;
/// How often a notification is tried before it is given up and counted.
pub const DELIVERIES: u64 = 12;
/// Notifications that one round tries to deliver.
pub const ROUND: usize = 50;
/// Notifications that are looked at for those whose time has come.
pub const WAITING: usize = 2_000;
/// Notifications that are delivered at once.
pub const DELIVERING: usize = 8;
/// Items that are read at once where all of many are wanted.
pub const PAGE_ITEMS: usize = 5_000;
/// The last second that anybody may ask about: the end of the year 9999.
pub const LAST_SECOND: u64 = 253_402_300_799;
/// Buckets of the sketch that tells about how many clients were seen in an hour.
pub const SKETCH: u64 = 2_048;
/// Sessions of an address that are remembered for an hour.
pub const SESSIONS: usize = 64;
/// Seconds for which a key that was rotated out goes on: agents that were frozen through the rotation must not be locked out.
pub const ROTATED_KEY_SECONDS: u64 = 24 * 60 * 60;
/// Seconds for which the rotation of the agents' key waits for its site; the function's own limit lies above it.
pub const SITE_TRIES: u32 = 20;
