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
