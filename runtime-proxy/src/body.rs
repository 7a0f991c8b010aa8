//! Bodies on their way through: streamed as they come, or held and then sent. It may not know what a body means.
//!
//! A body keeps its framing kind: one that came with a length has an exact size, one that came chunked has none. Until it was polled to
//! its end no body says that it has ended, because hyper would then frame an empty chunked body as `Content-Length: 0`.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::handler_head::{HandlerHead, HeadScanner};
use crate::invocation::InvocationKey;
use crate::ledger::Ledger;
use crate::limits;

/// Why a body broke off. Either side then sees a broken connection, as it would without a proxy.
pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;

pub(crate) enum Payload {
    /// No body at all.
    None,
    /// Frames pass as they come, with the back-pressure of who reads them.
    Stream { inner: Incoming, tee: Option<Arc<Mutex<Tee>>> },
    /// What the platform says to a HEAD, or with 304: headers about a body that does not follow.
    Described,
    /// What was held, and then what was not read yet.
    Held(Box<Held>),
}

pub(crate) struct Held {
    pub(crate) chunks: VecDeque<Bytes>,
    pub(crate) trailers: Option<HeaderMap>,
    /// The exact size, where the body came with one.
    pub(crate) length: Option<u64>,
    /// What follows the held bytes.
    pub(crate) rest: Rest,
    pub(crate) delivery: Option<Delivery>,
    /// Sees what follows the held bytes.
    pub(crate) tee: Option<Arc<Mutex<Tee>>>,
}

pub(crate) enum Rest {
    Nothing,
    Stream(Incoming),
    /// The body broke off. What came before is to be sent first: `flushed` says that the sender had its turn.
    Broken {
        error: BodyError,
        flushed: bool,
    },
}

/// Notices that an event was not written to the runtime: a body that is dropped before its end.
pub(crate) struct Delivery {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) key: InvocationKey,
    pub(crate) undelivered: Arc<crate::counters::Counters>,
    pub(crate) done: bool,
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if !self.done {
            self.ledger.take_back(&self.key);
            crate::counters::count(&self.undelivered.events_undelivered);
        }
    }
}

/// What is kept of a handler's answer while it streams past.
pub(crate) struct Tee {
    prefix: Vec<u8>,
    prefix_limit: usize,
    scanner: Option<HeadScanner>,
    /// True where the status is all that is wanted.
    status_only: bool,
    pub(crate) bytes: u64,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) complete: bool,
}

impl Tee {
    pub(crate) fn new(prefix_limit: usize) -> Self {
        Self {
            prefix: Vec::new(),
            prefix_limit,
            scanner: Some(HeadScanner::default()),
            status_only: false,
            bytes: 0,
            trailers: None,
            complete: false,
        }
    }

    /// Keeps nothing but the status, and stops to read where that was found or is not to be expected any more.
    pub(crate) fn for_status() -> Self {
        Self { status_only: true, ..Self::new(0) }
    }

    /// The status that was found.
    pub(crate) fn status(&mut self) -> Option<u16> {
        self.finish().1.and_then(|head| head.status)
    }

    /// Notes one turn of a body.
    fn frame(&mut self, frame: Option<&Result<Frame<Bytes>, hyper::Error>>, ended: bool) {
        match frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.data(data);
                } else if let Some(trailers) = frame.trailers_ref() {
                    self.trailers = Some(trailers.clone());
                    self.complete = true;
                }
            }
            Some(Err(_)) => {}
            None => self.complete = true,
        }
        self.complete |= ended;
    }

    pub(crate) fn data(&mut self, data: &[u8]) {
        let before = self.bytes;
        self.bytes += data.len() as u64;
        if self.status_only
            && (before >= limits::STATUS_BYTES || self.scanner.as_ref().is_some_and(HeadScanner::has_status))
        {
            return;
        }
        let room = self.prefix_limit - self.prefix.len();
        self.prefix.extend_from_slice(data.get(..room).unwrap_or(data));
        // The scanner reads what a handler wrote; a mistake in it must not break the answer off.
        if let Some(mut scanner) = self.scanner.take() {
            self.scanner = catch_unwind(AssertUnwindSafe(move || {
                scanner.feed(data);
                scanner
            }))
            .ok();
        }
    }

    /// Takes out what was kept.
    pub(crate) fn finish(&mut self) -> (Bytes, Option<HandlerHead>) {
        let head = self.scanner.take().and_then(HeadScanner::finish);
        (Bytes::from(std::mem::take(&mut self.prefix)), head)
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        match this {
            Self::None | Self::Described => Poll::Ready(None),
            Self::Stream { inner, tee } => {
                let frame = Pin::new(&mut *inner).poll_frame(context);
                if let (Poll::Ready(frame), Some(tee)) = (&frame, tee) {
                    let mut tee = tee.lock().unwrap_or_else(PoisonError::into_inner);
                    tee.frame(frame.as_ref(), inner.is_end_stream());
                }
                match frame {
                    Poll::Ready(Some(Err(error))) => {
                        let mut held = Held::broken(error.into());
                        let frame = held.poll_frame(context);
                        *this = Self::Held(Box::new(held));
                        frame
                    }
                    frame => frame.map_err(Into::into),
                }
            }
            Self::Held(held) => held.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::None => true,
            Self::Stream { inner, .. } => inner.is_end_stream(),
            Self::Described | Self::Held(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::None => SizeHint::with_exact(0),
            Self::Stream { inner, .. } => inner.size_hint(),
            Self::Described => SizeHint::default(),
            Self::Held(held) => held.length.map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

impl Held {
    /// Nothing but the end of a body that broke off.
    fn broken(error: BodyError) -> Self {
        let rest = Rest::Broken { error, flushed: false };
        Self { chunks: VecDeque::new(), trailers: None, length: None, rest, delivery: None, tee: None }
    }

    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(mut chunk) = self.chunks.pop_front() {
            if chunk.len() > limits::PIECE_BYTES {
                self.chunks.push_front(chunk.split_off(limits::PIECE_BYTES));
            }
            if self.chunks.is_empty() && self.trailers.is_none() && matches!(self.rest, Rest::Nothing) {
                // hyper does not ask a body of known length for the end that it knows of.
                self.delivered();
            }
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        match &mut self.rest {
            Rest::Stream(inner) => {
                let frame = Pin::new(&mut *inner).poll_frame(context);
                let ended = matches!(frame, Poll::Ready(None)) || inner.is_end_stream();
                if let (Poll::Ready(frame), Some(tee)) = (&frame, &self.tee) {
                    tee.lock().unwrap_or_else(PoisonError::into_inner).frame(frame.as_ref(), ended);
                }
                if ended {
                    self.delivered();
                }
                return frame.map_err(Into::into);
            }
            Rest::Broken { flushed: flushed @ false, .. } => {
                *flushed = true;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Rest::Broken { .. } => {
                if let Rest::Broken { error, .. } = std::mem::replace(&mut self.rest, Rest::Nothing) {
                    return Poll::Ready(Some(Err(error)));
                }
            }
            Rest::Nothing => {}
        }
        self.delivered();
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn delivered(&mut self) {
        if let Some(delivery) = &mut self.delivery {
            delivery.done = true;
        }
    }
}
