//! What is known of a request besides what its sender wrote.

use picket_cloud_protocol::EventAction;
use picket_detection::Finding;

use crate::Sealer;

/// What the agent itself says of a request. None of it comes from the sender.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// Unix milliseconds.
    pub at_ms: u64,
    /// What became of it.
    pub action: EventAction,
    /// What decided, in words of Picket's or the policy's.
    pub reason: &'a str,
    /// The status that the client got; 0 where it is not known.
    pub status: u16,
    /// The platform's id of the request.
    pub request_id: &'a str,
    /// The root of the X-Ray trace.
    pub trace_id: &'a str,
    /// What was found.
    pub findings: &'a [Finding],
    /// Signals that rules of the policy raised.
    pub raised: &'a [String],
    /// Whether it may be kept as a single request; false where a rule of the policy samples and it was not drawn.
    pub kept: bool,
    /// Encrypts what is withheld, where the owner wants that.
    pub sealer: Option<&'a Sealer>,
}
