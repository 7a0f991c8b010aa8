//! Every cap of the proxy, in one place. It may not know of a configuration: what an owner can change stands in
//! [`ProxyConfig`](crate::ProxyConfig), with its default here.

use std::time::Duration;

/// Bytes of one connection's read buffer, and so the largest head that passes. Runtimes send an X-Ray cause of up to 1 MiB in one header.
pub const READ_BUFFER_BYTES: usize = 2 * 1024 * 1024 + 256 * 1024;
/// Bytes of one head, and of one message's trailers; the standard of hyper for trailers is 16 KiB, and error bodies travel in them.
pub const HEAD_BYTES: usize = 2 * 1024 * 1024;
// Lines of one head are as many as hyper reads by itself, 100: a higher limit has it prepare as many places for each message, and no
// runtime or platform sends a third of it.

/// Bytes of an event that are held for inspection. The platform's own limit is 6 MiB + 100 bytes; what is larger is forwarded as it comes.
pub const EVENT_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of the handler's answer that are kept for the observer.
pub const PREFIX_BYTES: usize = 64 * 1024;
/// Bytes of a held event that are handed to the connection at once. By the last piece the pieces before it have been written.
pub const PIECE_BYTES: usize = 256 * 1024;
/// Bytes of the handler's answer in which its status is looked for where nothing else is wanted of it.
pub const STATUS_BYTES: u64 = 64 * 1024;
/// Bytes of the handler's answer that are held where the inspector may replace it; a longer one goes on as it comes.
pub const ANSWER_BYTES: usize = 1024 * 1024;
/// Time that an inspection may take before it is abandoned. It is a net for mistakes: what an inspection may do is bounded by its fuel.
pub const INSPECTION_BUDGET: Duration = Duration::from_millis(250);
/// Time that it may take besides for each MiB of the event: a function of 128 MB has 0.07 of a core, and padding must not buy a way round.
pub const INSPECTION_BUDGET_PER_MIB: Duration = Duration::from_millis(500);
/// Time for which the runtime's call for the next event may be held.
pub const HOLD_LIMIT: Duration = Duration::from_millis(200);

/// Threads that may inspect at once when events come one at a time. One works; the others stand in for one that hangs.
pub const WORKERS_ON_DEMAND: usize = 4;
/// Inspections that may wait for a thread.
pub const WORKER_QUEUE: usize = 64;

/// Bytes of an event that is inspected between two turns of the event loop. A larger one is worth the way to another thread.
pub const DESK_EVENT_BYTES: usize = 128 * 1024;
/// Jobs that may wait for a turn of the event loop.
pub const DESK_QUEUE: usize = 4;
/// Time between two looks at a job. One that is seen twice is late, and another thread runs the event loop meanwhile.
pub const DESK_LOOK: Duration = Duration::from_millis(20);
/// Looks without a new job, after which nobody looks until the next one.
pub const DESK_QUIET_LOOKS: u32 = 5;

/// Invocations that are remembered while they are out; the oldest is forgotten first.
pub const OUTSTANDING: usize = 4096;
/// Milliseconds for which an invocation that names no deadline counts as out: the longest that Lambda runs a function.
pub const DEADLINE_UNKNOWN_MS: u64 = 15 * 60 * 1000;

/// Times that an answer of ours is posted for one event before the connection is given up.
pub const ANSWER_ATTEMPTS: u32 = 3;
/// Bytes of the platform's reply to an answer of ours that are read; the rest closes the connection.
pub const ANSWER_REPLY_BYTES: usize = 64 * 1024;

/// Headers that the scanner keeps of a handler's answer.
pub const HANDLER_HEADERS: usize = 128;
/// Bytes that the scanner keeps of one name or value in a handler's answer.
pub const HANDLER_TEXT_BYTES: usize = 8 * 1024;
/// Bytes that the scanner keeps of a handler's answer altogether.
pub const HANDLER_HEAD_BYTES: usize = 64 * 1024;
