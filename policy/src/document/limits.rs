//! How large a policy file may be. Passing one of these is an error of the file.

/// Rules of a policy, those of its floor included.
pub const RULES: usize = 10_000;
/// Conditions of one rule.
pub const CONDITIONS: usize = 200;
/// How deep conditions nest.
pub const CONDITION_DEPTH: usize = 8;
/// Actions of one rule.
pub const ACTIONS: usize = 16;
/// Lists of a policy.
pub const LISTS: usize = 256;
/// Items of one list.
pub const LIST_ITEMS: usize = 100_000;
/// Rate limits of a policy.
pub const RATE_LIMITS: usize = 64;
