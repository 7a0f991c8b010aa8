//! The event sources, one file each.
//!
//! A source is three functions: a predicate, a reading, an answer. The predicates exclude each other: of all fixtures
//! each is recognised by its own source only, so the order here decides nothing.

use picket_request::BlockAnswer;

use crate::{
    answer::{Mode, SyntheticPost},
    context::{Context, Event},
    reader::Envelope,
};

mod alb;
mod appsync_authorizer;
mod appsync_batch;
mod appsync_resolver;
mod authorizer_request_v1;
mod authorizer_request_v2;
mod authorizer_token;
mod function_url;
mod http_v2;
mod lattice_v1;
mod lattice_v2;
mod rest_v1;
pub(crate) mod unknown;
mod websocket;

/// An event source.
pub(crate) struct Source {
    /// The stable name; the file and the fixture folder are called the same, with underscores.
    pub(crate) name: &'static str,
    /// Whether `answer` is tested, so that an event can be blocked at all.
    pub(crate) can_block: bool,
    /// Whether findings may count towards flags.
    pub(crate) counts: bool,
    /// Whether an event is of this source.
    pub(crate) recognise: fn(Event<'_>) -> bool,
    /// Reads the event into the request.
    pub(crate) read: fn(&mut Context<'_>),
    /// Makes the answer for a blocked event.
    pub(crate) answer: fn(&Envelope, &BlockAnswer, Mode) -> Option<SyntheticPost>,
}

/// Every source but `unknown`.
pub(crate) const ALL: &[&Source] = &[
    &rest_v1::SOURCE,
    &http_v2::SOURCE,
    &function_url::SOURCE,
    &alb::SOURCE,
    &websocket::SOURCE,
    &lattice_v1::SOURCE,
    &lattice_v2::SOURCE,
    &authorizer_token::SOURCE,
    &authorizer_request_v1::SOURCE,
    &authorizer_request_v2::SOURCE,
    &appsync_resolver::SOURCE,
    &appsync_batch::SOURCE,
    &appsync_authorizer::SOURCE,
];
