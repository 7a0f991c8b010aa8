//! The canonical form: what `picket policy build` writes and the agent reads, with its checks.

mod model;

pub use model::{
    Answer, Canonical, ClientRule, Comparison, Condition, Effect, Exclusion, FORMAT, Floor, GeoFiles,
    KeyPart, List, Match, Override, Pattern, RateLimit, Redaction, Rule, Test, Text,
};
