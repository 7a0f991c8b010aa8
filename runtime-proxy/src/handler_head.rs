//! Status and headers that a handler gave in its answer, read while the answer streams past. It may not keep the answer.

use http::HeaderMap;

/// What a handler said about its HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HandlerHead {
    /// `statusCode`, where it is a number from 100 to 599.
    pub status: Option<u16>,
    /// `headers`, `multiValueHeaders` and `cookies` (as `set-cookie`).
    pub headers: HeaderMap,
}

/// Reads an answer piece by piece.
#[derive(Debug, Default)]
pub struct HeadScanner {}

impl HeadScanner {
    /// Reads the next bytes.
    pub fn feed(&mut self, _data: &[u8]) {}

    /// What was found.
    pub fn finish(self) -> Option<HandlerHead> {
        None
    }
}
