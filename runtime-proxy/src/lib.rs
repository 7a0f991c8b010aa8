//! A proxy for the Lambda Runtime API: it stands between a function's runtime and the platform, hands every event to an [`Inspector`] before
//! the runtime sees it, and changes nothing else.
//!
//! It knows HTTP and the Runtime API (`2018-06-01`), and may not know what an attack is, where a policy comes from, or what the
//! environment's variables are: all of that is the caller's, behind [`Inspector`] and [`ProxyConfig`].
//!
//! With an inspector that does nothing, or that errs, panics or overruns its time, both sides see what they would see without a proxy:
//! status, body and trailer bytes, end-to-end headers and framing kind. What may differ is listed in [`exchange`].

mod api;
mod body;
mod counters;
pub mod desk;
pub mod exchange;
mod handler_head;
mod hold_answer;
mod inspector;
mod invocation;
mod ledger;
pub mod limits;
mod next;
pub mod ready;
mod server;
mod upstream;
mod workers;

pub use counters::{Counters, CountersSnapshot};
pub use handler_head::{HandlerHead, HeadScanner};
pub use inspector::{
    Abuse, AnswerDecision, AnswerKind, Decision, Fault, Glance, HeldAnswer, Hold, InspectError, Inspector,
    NextCall, Observation, Passthrough, PostKind, SyntheticPost, Watch,
};
pub use invocation::{Invocation, InvocationKey};
pub use server::{BindError, Proxy, ProxyConfig};
