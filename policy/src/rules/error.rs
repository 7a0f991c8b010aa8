//! What can be wrong with a canonical policy.

use thiserror::Error;

/// Why a canonical policy cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Broken {
    /// It is larger than what is read.
    #[error("it has {bytes} bytes; at most {limit} are read")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// What is read.
        limit: usize,
    },
    /// It is not the JSON of this form.
    #[error("it is not a canonical policy: {0}; build it with `picket policy build`")]
    Syntax(String),
    /// It is of another version.
    #[error("its format is {found}, and this agent reads {known}")]
    Format {
        /// What it says.
        found: u32,
        /// What is known.
        known: u32,
    },
    /// More of something than a policy may hold.
    #[error("it has more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// A part of it is wrong.
    #[error("{place}: {what}")]
    Wrong {
        /// Where: the id of a rule, or the name of a section.
        place: String,
        /// What is wrong with it.
        what: String,
    },
}

impl Broken {
    pub(crate) fn wrong(place: &str, what: impl Into<String>) -> Self {
        Self::Wrong { place: place.escape_debug().take(128).collect(), what: what.into() }
    }
}
