//! Every cap of detection on what an attacker controls. Passing one is reported, never silent.

/// Decoders in one chain.
pub const CHAIN: usize = 6;
/// Derived views may cost this many times the raw bytes …
pub const FUEL_FACTOR: u64 = 4;
/// … plus this many bytes.
pub const FUEL_BASE: u64 = 64 * 1024;
/// Findings that one request may carry; what is beyond is counted.
pub const FINDINGS: usize = 256;
/// Facts that one finding may carry.
pub const FACTS: usize = 12;
/// What a derived view costs at least, in bytes.
pub const VIEW_COST: usize = 8;
/// Shorter headers are inspected faster than looked up.
pub const MEMO_SHORTEST: usize = 8;
/// Name and value of the longest header that is remembered as clean.
pub const MEMO_LONGEST: usize = 384;
/// Headers that are remembered as clean.
pub const MEMO_SLOTS: usize = 128;
/// Bytes of an answer that the watchers read.
pub const ANSWER_TEXT: usize = 1024 * 1024;
/// Places that one watcher looks at more closely for one kind of evidence.
pub const LOOKS: usize = 1024;
/// Attacks of a request that are remembered until its answer.
pub const ASKED_ATTACKS: usize = 32;
/// Hostile spans of a request that are remembered until its answer …
pub const NEEDLES: usize = 8;
/// … and bytes of each.
pub const NEEDLE: usize = 96;
/// Longer values are not decoded again to remember a span of theirs.
pub const NEEDLE_SOURCE: usize = 16 * 1024;
