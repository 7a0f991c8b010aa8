//! What the proxy asks of its caller: one trait, and the values that cross it. It may not know how HTTP is spoken.
//!
//! Every method may err, panic or take too long; the proxy then goes on as if there were no inspector, and counts it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

use crate::handler_head::HandlerHead;
use crate::invocation::Invocation;

/// Why an inspection gave no decision. Anything that explains itself will do.
pub type InspectError = Box<dyn std::error::Error + Send + Sync>;

/// A reason of the caller's to let the runtime's call for the next event wait; the proxy bounds it by `ProxyConfig::hold_limit`.
pub type Hold = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Who looks at events and at the answers to them.
pub trait Inspector: Send + Sync + 'static {
    /// Looks at an event before the runtime sees it.
    ///
    /// Runs outside the proxy's event loop, which goes on without it when it takes long, and never twice at once unless events come several at a time (Managed
    /// Instances) or an earlier inspection overran. After `ProxyConfig::inspection_budget` the proxy no longer waits for the result.
    ///
    /// # Errors
    /// Whatever kept the inspection from a decision; [`Inspector::unexamined`] then says what happens to the event.
    fn inspect(&self, invocation: &Invocation, event: &Bytes) -> Result<Decision, InspectError>;

    /// Says what happens to an event whose inspection failed. Runs on the proxy's thread and has to be quick; it exists for owners who
    /// choose to fail closed. `event` is what is held of it: all, or nothing where it is too large.
    fn unexamined(&self, _invocation: &Invocation, _event: &Bytes, _fault: Fault) -> Decision {
        Decision::Forward
    }

    /// Says how much of the handler's answer is wanted. Runs on the proxy's thread as the answer begins, and has to be quick.
    fn watches(&self, _invocation: &Invocation) -> Watch {
        Watch::Whole
    }

    /// Is told the status of an answer for which [`Watch::Status`] was asked, after the platform has it. Runs on the proxy's thread and
    /// has to be quick.
    fn glanced(&self, _invocation: &Invocation, _glance: Glance) {}

    /// Looks at a whole answer before the platform has it, where [`Watch::Hold`] was asked for. Runs where [`Inspector::inspect`] runs,
    /// with the same budget; an error, a panic or an overrun lets the answer pass as it came.
    ///
    /// # Errors
    /// Whatever kept it from a decision.
    fn judge(&self, _invocation: &Invocation, _answer: &HeldAnswer) -> Result<AnswerDecision, InspectError> {
        Ok(AnswerDecision::Forward)
    }

    /// Sees what the handler answered, after the platform has it. Runs off the proxy's thread. While it runs, the runtime's call for the
    /// next event waits for it, at most for the inspection budget, so that [`Inspector::before_next`] knows its outcome.
    fn answered(&self, _invocation: &Invocation, _observation: &Observation) {}

    /// Is told of each call of the runtime for an event, before the platform is, and may ask to let it wait: once the call is passed on,
    /// the environment may be frozen. Runs on the proxy's thread and has to be quick; the future is polled there too.
    fn before_next(&self, _call: &NextCall<'_>) -> Option<Hold> {
        None
    }

    /// Is told that the environment was restored from a snapshot: ids, random state, sockets and credentials of the time before are not
    /// to be used again. Comes before the runtime learns of it.
    fn restored(&self) {}

    /// Is told that the Runtime API is being used as no runtime uses it; `invocation` is the one that is out.
    fn abuse(&self, _abuse: Abuse, _invocation: Option<&Invocation>) {}
}

/// What happens to an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The runtime gets the event as it came.
    Forward,
    /// The runtime gets these bytes: the original with something spliced in.
    Replace(Bytes),
    /// The runtime never sees the event; this is posted for it.
    Answer(SyntheticPost),
}

/// An answer that the proxy posts in the runtime's place. The proxy adds the invocation's ids, `Host` and the framing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntheticPost {
    /// Where it goes.
    pub kind: PostKind,
    /// End-to-end headers: `Content-Type`, and `Lambda-Runtime-Function-Error-Type` where it is an error.
    pub headers: HeaderMap,
    /// The body, as the event's source expects it; for a streamed answer with its prelude and the eight NUL bytes.
    pub body: Bytes,
}

/// Where an answer of ours is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostKind {
    /// To `/response`.
    Response {
        /// In streaming mode: chunked, with `Lambda-Runtime-Function-Response-Mode: streaming`.
        streaming: bool,
    },
    /// To `/error`.
    Error,
}

/// Why an event went on without a decision of the inspector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The inspection returned an error.
    Failed,
    /// The inspection panicked.
    Panicked,
    /// The inspection did not return within its budget.
    Overran,
    /// No thread was free to inspect on: earlier inspections hang.
    Saturated,
    /// The event is larger than what is held for inspection.
    Oversized,
}

/// A use of the Runtime API that no runtime makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Abuse {
    /// A call for the next event while one is out, where events come one at a time. It was answered 403.
    NextWhileOut,
    /// One event was handed out to two calls that were waiting at once, where events come one at a time.
    DeliveredTwice,
}

/// A call of the runtime for the next event.
#[derive(Debug, Clone, Copy)]
pub struct NextCall<'a> {
    /// How many such calls came before it in the life of this proxy; 0 is the end of the runtime's initialisation.
    pub ordinal: u64,
    /// The client's `User-Agent`, which names the runtime.
    pub user_agent: Option<&'a str>,
    /// The invocation that was answered last, if any.
    pub last: Option<&'a Arc<Invocation>>,
    /// True when the event before was answered by the proxy, inside this same call.
    pub after_block: bool,
}

/// How much of a handler's answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Watch {
    /// Nothing: it streams past.
    Nothing,
    /// Its status, read as it streams past, for [`Inspector::glanced`]. It costs no thread.
    Status,
    /// Its head and first bytes, for [`Inspector::answered`].
    Whole,
    /// All of it, held for [`Inspector::judge`] before it goes on. A streamed answer and one to `/error` are never held, and one beyond
    /// `ProxyConfig::answer_limit` goes on as it comes: those are watched as with [`Watch::Whole`].
    Hold,
}

/// The status of an answer that streamed past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glance {
    /// Which way it was posted.
    pub kind: AnswerKind,
    /// What the handler gave, where it stood within [`crate::limits::STATUS_BYTES`].
    pub status: Option<u16>,
    /// Bytes of the body that went through.
    pub body_bytes: u64,
}

/// A whole answer that the platform does not have yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldAnswer {
    /// The headers of the runtime's post.
    pub post_headers: HeaderMap,
    /// Status and headers that the handler gave, where its answer has the shape of an HTTP answer.
    pub head: Option<HandlerHead>,
    /// The body of the post.
    pub body: Bytes,
}

/// What happens to an answer that was held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerDecision {
    /// The platform gets it as it came.
    Forward,
    /// The platform gets this in its place; if it refuses that, the original.
    Replace(SyntheticPost),
}

/// What a handler answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// Which way it was posted.
    pub kind: AnswerKind,
    /// The headers of the runtime's post, `Content-Type` among them.
    pub post_headers: HeaderMap,
    /// Status and headers that the handler gave, where its answer has the shape of an HTTP answer.
    pub head: Option<HandlerHead>,
    /// The first bytes of the post's body, at most `ProxyConfig::prefix_limit`. A streamed answer begins with its prelude.
    pub prefix: Bytes,
    /// Bytes of the body that went through, kept or not.
    pub body_bytes: u64,
    /// False when the platform replied before the body had ended, or when it broke off.
    pub complete: bool,
    /// The trailers of the post; a stream that failed half way says so here.
    pub trailers: Option<HeaderMap>,
    /// What the platform replied: 202 when it took the answer, 410 when the invocation is over.
    pub platform_status: u16,
}

/// The endpoint that an answer was posted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnswerKind {
    /// `/response`, whole.
    Buffered,
    /// `/response` in streaming mode.
    Streamed,
    /// `/error`.
    Error,
}

/// The inspector that does nothing: the proxy is then a plain forwarder.
#[derive(Debug, Clone, Copy, Default)]
pub struct Passthrough;

impl Inspector for Passthrough {
    fn inspect(&self, _invocation: &Invocation, _event: &Bytes) -> Result<Decision, InspectError> {
        Ok(Decision::Forward)
    }

    fn watches(&self, _invocation: &Invocation) -> Watch {
        Watch::Nothing
    }
}
