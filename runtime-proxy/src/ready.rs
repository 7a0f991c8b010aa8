//! The one answer that is the proxy's own: by it the exec wrapper knows that who listens on the port is Picket, and serves.
//!
//! `GET /picket/ready` gives 200, `content-type: text/plain`, `picket-ready: 1` and a body of [`BODY_PREFIX`] followed by the version of
//! the agent and a line feed. A stranger on the port will not answer so; then the wrapper leaves the function as it is.

/// The path, exact, without a query.
pub const PATH: &str = "/picket/ready";
/// A header that the answer carries, with the value `1`.
pub const HEADER: &str = "picket-ready";
/// What the answer's body begins with; the agent's version and `\n` follow.
pub const BODY_PREFIX: &str = "picket-runtime-proxy ready ";
