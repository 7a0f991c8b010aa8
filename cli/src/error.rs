//! What can go wrong on the command line, in words for the person in front of it.

use std::{io, path::PathBuf};

/// An error of a subcommand.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// A file could not be opened, created or read.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A line of a request file is not a request.
    #[error("{}, line {line}: {error}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Why.
        error: serde_json::Error,
    },
    /// The asked-for request is not in the file.
    #[error("{}: no request with the id {id}", path.display())]
    NoSuchRow {
        /// The file.
        path: PathBuf,
        /// The id.
        id: String,
    },
    /// Output could not be written.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
    /// Output could not be written as JSON.
    #[error("cannot write: {0}")]
    Json(#[from] serde_json::Error),
    /// What was asked about is not as it should be.
    #[error("{0}")]
    Refused(String),
    /// A key or a sealed value could not be used.
    #[error("{0}")]
    Seal(#[from] picket_report::SealError),
    /// Nothing in a file is sealed.
    #[error("{}: no sealed value in it", path.display())]
    NothingSealed {
        /// The file.
        path: PathBuf,
    },
    /// Nothing would leave.
    #[error("the system gives no random numbers, so nothing would be sent")]
    NothingLeaves,
    /// A thread of ours panicked, which is a bug.
    #[error("a scoring thread panicked; please report it")]
    Panicked,
}
