//! What a watcher gets to see of an answer, and what is known of the request before it.

use std::{fmt, time::Duration};

use super::{Asked, OwnCredentials};

/// One answer of the handler.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    /// The status that the handler gave, where its answer has the shape of an HTTP answer.
    pub status: Option<u16>,
    /// Whether the handler failed: it posted an error, or its stream ended with one.
    pub failed: bool,
    /// Names and values of the headers that the handler gave.
    pub headers: &'a [(&'a [u8], &'a [u8])],
    /// The first bytes of the body, with its transport encodings undone. At most [`crate::limits::ANSWER_TEXT`] of it are read.
    pub text: &'a [u8],
    /// Bytes of the whole answer.
    pub bytes: u64,
    /// Time from the event's delivery to the answer.
    pub time: Duration,
    /// What is kept of the request.
    pub asked: &'a Asked,
    /// The credentials of this environment.
    pub own: &'a OwnCredentials,
    /// From where size and time are worth a signal.
    pub thresholds: Thresholds,
    /// Whether the handler called the Runtime API while its event was out.
    pub called_runtime_api: bool,
}

impl<'a> Answer<'a> {
    /// The value of a header; the first where there are several.
    pub(super) fn header(&self, wanted: &str) -> Option<&'a [u8]> {
        let mut headers = self.headers.iter();
        headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes())).map(|(_, value)| *value)
    }

    /// The part of the text that is read.
    pub(super) fn text(&self) -> &'a [u8] {
        self.text.get(..crate::limits::ANSWER_TEXT).unwrap_or(self.text)
    }

    /// Whether a browser would run what stands in the body: `None` where the answer does not say what it is.
    pub(super) fn is_page(&self) -> Option<bool> {
        let kind = self.header("content-type")?;
        let kind =
            kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
        Some(kind == b"text/html" || kind.ends_with(b"xml") || kind.ends_with(b"javascript"))
    }
}

impl fmt::Debug for Answer<'_> {
    /// Sizes only: an answer carries other people's secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("failed", &self.failed)
            .field("bytes", &self.bytes)
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

/// From where size and time are worth a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Bytes that an answer may have.
    pub bytes: u64,
    /// Time that it may take.
    pub time: Duration,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { bytes: 512 * 1024, time: Duration::from_secs(1) }
    }
}
