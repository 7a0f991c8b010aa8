//! Findings to a verdict: the only place in Picket that decides.
//!
//! It is pure over its inputs. It may not know events' JSON, the network, the clock or the environment: what it needs
//! of those is handed in.

mod block;
mod decide;
mod exclusion;
mod failure;
mod mode;
mod verdict;

pub use block::{BlockResponse, BlockStatusError};
pub use decide::{Facts, Policy, decide, exclude};
pub use exclusion::Exclusion;
pub use failure::OnFailure;
pub use mode::{BlockLine, Mode};
pub use verdict::{Action, Reason, Verdict};
