//! Every cap of this crate: on what a policy may hold, and on what evaluating one may cost.

/// Bytes of a canonical policy that the agent reads.
pub const CANONICAL_BYTES: usize = 8 * 1024 * 1024;
/// Rules of one policy, the floor's and those made of templates included.
pub const RULES: usize = 12_288;
/// Rate limits of one policy.
pub const RATE_LIMITS: usize = 64;
/// Exclusions of one policy.
pub const EXCLUSIONS: usize = 1_024;
/// Overrides of one policy.
pub const OVERRIDES: usize = 256;
/// Lists of one policy.
pub const LISTS: usize = 256;
/// Items of all lists of one policy together.
pub const LIST_ITEMS: usize = 500_000;
/// Regular expressions of one policy.
pub const PATTERNS: usize = 512;
/// Bytes of the automaton of one regular expression.
pub const PATTERN_BYTES: usize = 256 * 1024;
/// Texts of which one must stand in whatever an expression matches; more of them help nobody.
pub const NEEDS: usize = 32;
/// Bytes that each of these texts has at least: shorter ones stand everywhere.
pub const NEED_BYTES: usize = 4;
/// Bytes of all automata of one policy.
pub const ALL_PATTERN_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of a text that a condition compares with.
pub const TEXT_BYTES: usize = 4_096;
/// Groups within groups of a condition.
pub const CONDITION_DEPTH: usize = 16;
/// Tests and groups of one condition.
pub const CONDITION_NODES: usize = 256;
/// Effects of one rule.
pub const EFFECTS: usize = 16;
/// Bytes of a name: of a rule, a list, a signal.
pub const NAME_BYTES: usize = 128;
/// Bytes of the body that a blocked client gets.
pub const BODY_BYTES: usize = 64 * 1024;
/// Headers that a blocked client gets.
pub const ANSWER_HEADERS: usize = 32;
/// Steps that evaluating the rules for one request may take: one for each value that a test looks at, and one for each
/// 32 bytes of it. What is left then counts as unexamined.
pub const STEPS: u64 = 1_000_000;
/// Bytes of a request's values that are read to find rules that look for a text in them; beyond, all of these are judged.
pub const GRAM_BYTES: usize = 64 * 1024;
/// Clients that the rate limits of one environment keep a count of.
pub const COUNTED_KEYS: usize = 16_384;
/// Bytes of a signed bundle.
pub const BUNDLE_BYTES: usize = CANONICAL_BYTES * 3 / 2 + 4_096;
/// Bytes of a bearer token that is checked.
pub const JWT_BYTES: usize = 16 * 1024;
/// Keys of a set that tokens are checked with …
pub const JWT_KEYS: usize = 64;
/// … and how many of them are tried on one token.
pub const JWT_KEY_TRIES: usize = 8;
/// Claims of a token that rules can look at.
pub const JWT_CLAIMS: usize = 256;
/// Tokens of one request that are checked.
pub const JWT_TOKENS: usize = 4;
/// Digests of the edge's secret.
pub const ORIGIN_DIGESTS: usize = 8;
/// Values of the edge's header that are looked at.
pub const ORIGIN_VALUES: usize = 16;
/// Clients that are counted before blocking falls back to logging.
pub const FALLBACK_CLIENTS: usize = 4_096;
/// Hops of a forwarding header that are read, from the right.
pub const HOPS: usize = 32;
