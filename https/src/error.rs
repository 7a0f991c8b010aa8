//! What can go wrong, in words for a log line. No message quotes a body, a header or a credential.

use std::error::Error;

/// Why a client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The file of further certificate authorities.
    #[error("the certificate authorities cannot be read: {0}")]
    Authorities(String),
    /// The proxy's address.
    #[error("the proxy must be an http:// address")]
    Proxy,
    /// The TLS library.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The address names no host.
    #[error("the address names no host")]
    NoHost,
    /// The address would have sent the request in the clear.
    #[error("{host} is not this machine, so https is needed")]
    Insecure {
        /// The host as it stands in the address.
        host: String,
    },
    /// No connection was made: nothing was sent.
    #[error("no connection: {0}")]
    Connect(String),
    /// The connection broke after it was made: what was sent may have arrived.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The time was over. What was sent may have arrived.
    #[error("no answer in time")]
    Timeout,
    /// The answer is larger than its cap.
    #[error("the answer is larger than {cap} bytes")]
    TooLarge {
        /// The cap.
        cap: usize,
    },
}

/// An error with its causes, in one line.
pub(crate) fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = inner.source();
    }
    text
}
