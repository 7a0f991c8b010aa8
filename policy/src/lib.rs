//! Findings to a verdict: the only place in Picket that decides.
//!
//! It is pure over its inputs. It may not know events' JSON, the network, the clock or the environment: what it needs
//! of those is handed in.

mod block;
pub mod bundle;
pub mod canonical;
mod checks;
mod client;
#[cfg(any(feature = "compile", test))]
pub mod compile;
mod decide;
#[cfg(any(feature = "compile", test))]
pub mod document;
mod draw;
mod evaluate;
mod exclusion;
mod failure;
pub mod fallback;
mod field;
mod forms;
mod geo;
pub mod jwt;
pub mod limits;
mod mode;
pub mod origin;
pub mod rates;
mod rules;
mod subject;
#[cfg(test)]
mod tests;
mod verdict;
mod words;

pub use block::{BlockResponse, BlockStatusError};
pub use checks::{Checked, Checks};
pub use decide::{Facts, Policy, RuleBook, decide, exclude};
pub use draw::draw;
pub use exclusion::Exclusion;
pub use failure::OnFailure;
pub use field::{Field, FieldKind, Phase};
pub use geo::GeoTables;
pub use mode::{BlockLine, Mode};
pub use rules::{error::Broken, facts::Workspace};
pub use subject::{Geo, Response, Seen, Subject, Surroundings, TrustedClaims};
pub use verdict::{Action, Reason, RuleSignal, Verdict, WouldHave};
