//! What an answer says about the request before it: statuses, leaks, and whether an attack had an effect.
//!
//! It may not know how an answer travelled, what a policy makes of it, or what time it is: the caller hands in an [`Answer`], decoded, with
//! a bounded part of its body. Like the rest of the crate it is pure, takes linear time in what the caller hands in, and cannot fail.

mod answer;
mod asked;
mod finding;
mod own;
mod signal;
mod watchers;

pub use answer::{Answer, Thresholds};
pub use asked::Asked;
pub use finding::{Found, ResponseFinding};
pub use own::{Credential, OwnCredentials};
pub use signal::{Impact, ResponseSignal};
pub use watchers::{Watcher, all};

/// Looks at an answer with every watcher.
#[must_use]
pub fn look(answer: &Answer<'_>) -> Found {
    let mut found = Found::default();
    for watcher in all() {
        found.by(watcher);
        (watcher.look)(answer, &mut found);
    }
    found
}
