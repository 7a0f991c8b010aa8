//! What is judged: a request with its findings and surroundings, and later the answer to it.
//!
//! It may not know where these facts come from. There is no clock in it: the time is one of the facts.

use std::fmt;

use picket_request::Request;

/// Everything about one request that a policy can look at, besides its findings.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The request.
    pub request: &'a Request,
    /// The invocation's request id; ramp and sampling are drawn by it, so that a retry is judged alike.
    pub request_id: &'a str,
    /// Seconds since 1970.
    pub now: u64,
    /// Whether the client is flagged at this moment.
    pub client_is_flagged: bool,
    /// The function and where it runs.
    pub place: Surroundings<'a>,
    /// What is known of the client's address.
    pub geo: Geo,
    /// Signals that were seen by others than the detectors: of tokens, of the edge, of the answer.
    pub seen: &'a [Seen<'a>],
    /// Which claims of bearer tokens can be looked at.
    pub claims: TrustedClaims<'a>,
    /// The answer, once there is one.
    pub response: Option<&'a Response<'a>>,
}

/// The function, and how it was reached. What is not known is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings<'a> {
    /// The function's name.
    pub function: &'a str,
    /// The account that it runs in.
    pub account: &'a str,
    /// The tenant, where the function isolates tenants.
    pub tenant: &'a str,
    /// The stage of the API.
    pub stage: &'a [u8],
    /// The route that the gateway matched.
    pub path_template: &'a [u8],
    /// `http` or `https`.
    pub scheme: &'a str,
}

/// What is known of an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Geo {
    /// Two capital letters.
    pub country: Option<[u8; 2]>,
    /// The number of its autonomous system.
    pub asn: Option<u32>,
}

/// Which claims of bearer tokens rules can look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrustedClaims<'a> {
    /// All that stand in the request: the policy verifies no tokens.
    #[default]
    Unchecked,
    /// None: there was no token, or one that failed.
    Nowhere,
    /// Those at this place, for instance `header.authorization`, whose tokens were verified.
    At(&'a str),
}

/// A signal that was seen by others than the detectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen<'a> {
    /// Its id, for instance `JWT-INVALID`.
    pub signal: &'a str,
    /// Where, for instance `header.authorization`; empty where that says nothing.
    pub at: &'a str,
}

/// What the handler answered.
#[derive(Clone, Copy, Default)]
pub struct Response<'a> {
    /// The status, where the answer has one.
    pub status: Option<u16>,
    /// Names in lower case, and values.
    pub headers: &'a [(&'a [u8], &'a [u8])],
    /// Bytes of the body.
    pub bytes: u64,
    /// Milliseconds from the event to the answer.
    pub took_ms: u64,
}

impl<'a> Subject<'a> {
    /// A request about which nothing else is known.
    #[must_use]
    pub fn new(request: &'a Request, now: u64) -> Self {
        Self {
            request,
            request_id: "",
            now,
            client_is_flagged: false,
            place: Surroundings::default(),
            geo: Geo::default(),
            seen: &[],
            claims: TrustedClaims::Unchecked,
            response: None,
        }
    }
}

impl fmt::Debug for Subject<'_> {
    /// Nothing that a sender wrote.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("request", self.request)
            .field("request_id", &self.request_id)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Response<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("headers", &self.headers.len())
            .field("bytes", &self.bytes)
            .field("took_ms", &self.took_ms)
            .finish()
    }
}
