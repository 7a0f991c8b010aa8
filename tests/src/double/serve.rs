//! One connection of the double: reads a call, looks up what is to go wrong, answers. It may not be seen by tests.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use socket2::SockRef;

use super::wire::{MessageReader, chunked};
use super::{Call, Endpoint, Event, Extension, Fault, Outcome, Queued, Shared, now_ms};

const RUNTIME: &str = "/2018-06-01/runtime/";
const EXTENSION: &str = "/2020-01-01/extension/";

/// What is written, and what becomes of the connection then.
struct Answer {
    status: u16,
    bytes: Vec<u8>,
    close: bool,
}

impl Answer {
    fn json(status: u16, body: &str) -> Self {
        Self::with(status, "", body.as_bytes())
    }

    fn with(status: u16, headers: &str, body: &[u8]) -> Self {
        let mut bytes = format!(
            "HTTP/1.1 {status} {}\r\nContent-Type: application/json\r\nDate: Sun, 22 Nov 2026 08:00:00 GMT\r\n{headers}Content-Length: {}\r\n\r\n",
            reason(status),
            body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(body);
        Self { status, bytes, close: false }
    }

    fn error(status: u16, kind: &str) -> Self {
        Self::json(status, &format!("{{\"errorMessage\":\"{kind}\",\"errorType\":\"{kind}\"}}\n"))
    }

    fn accepted() -> Self {
        Self::json(202, "{\"status\":\"OK\"}\n")
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        202 => "Accepted",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        410 => "Gone",
        413 => "Request Entity Too Large",
        _ => "Internal Server Error",
    }
}

fn endpoint(method: &str, path: &str) -> Endpoint {
    match (method, path.strip_prefix(RUNTIME), path.strip_prefix(EXTENSION)) {
        ("GET", Some("invocation/next"), _) => Endpoint::Next,
        ("POST", Some(rest), _) if rest.starts_with("invocation/") && rest.ends_with("/response") => {
            Endpoint::Response
        }
        ("POST", Some(rest), _) if rest.starts_with("invocation/") && rest.ends_with("/error") => {
            Endpoint::Error
        }
        ("POST", Some("init/error"), _) => Endpoint::InitError,
        ("GET", Some("restore/next"), _) => Endpoint::RestoreNext,
        ("POST", Some("restore/error"), _) => Endpoint::RestoreError,
        ("POST", _, Some("register")) => Endpoint::Register,
        ("GET", _, Some("event/next")) => Endpoint::ExtensionNext,
        ("POST", _, Some("init/error" | "exit/error")) => Endpoint::ExtensionError,
        _ => Endpoint::Other,
    }
}

/// Resets instead of closing in peace.
fn reset(stream: &TcpStream) {
    drop(SockRef::from(stream).set_linger(Some(Duration::ZERO)));
}

pub(super) fn connection(shared: &Shared, stream: TcpStream, connection: u64) {
    drop(stream.set_nodelay(true));
    let mut reader = MessageReader::new(stream);
    while !shared.stopping.load(Ordering::Relaxed) {
        let Ok(Some(mut message)) = reader.head() else { return };
        let endpoint = endpoint(message.method(), message.path());
        let fault = shared.take_fault(endpoint);
        let stop = match &fault {
            Some(Fault::Reset) => {
                shared.record(connection, endpoint, message, 0);
                return reset(reader.stream());
            }
            Some(Fault::EarlyStatus(status)) => {
                let answer = Answer::error(*status, "Early");
                shared.record(connection, endpoint, message, *status);
                drop(reader.stream().write_all(&answer.bytes));
                // What still comes is read, so that the answer is not lost in a reset.
                drop(reader.stream().shutdown(std::net::Shutdown::Write));
                while matches!(reader.head(), Ok(Some(_))) {}
                return;
            }
            Some(Fault::ResetMidUpload(bytes)) => Some(*bytes),
            _ => None,
        };
        let read = reader.request_body(&mut message, stop);
        if stop.is_some() {
            shared.record(connection, endpoint, message, 0);
            return reset(reader.stream());
        }
        if read.is_err() || !message.complete {
            shared.record(connection, endpoint, message, 0);
            return;
        }
        // A call for an event is recorded when it comes, since its answer may take for ever; every other one with its answer.
        let long = matches!(endpoint, Endpoint::Next | Endpoint::ExtensionNext | Endpoint::RestoreNext);
        let position = shared.record(connection, endpoint, message.clone(), 0);
        match &fault {
            Some(Fault::Close) => return,
            Some(Fault::Slow(pause)) => shared.pause(*pause),
            Some(Fault::Gate) => shared.gate(),
            _ => {}
        }
        let scripted = shared.take_reply(endpoint);
        let answer = match &fault {
            _ if scripted.is_some() => scripted,
            Some(Fault::Status(status)) => Some(Answer::error(*status, "InternalServerError")),
            _ if long => shared.wait_for(
                endpoint,
                message.header("lambda-extension-identifier").unwrap_or_default(),
                reader.stream(),
            ),
            _ => Some(shared.answer(endpoint, &message)),
        };
        let Some(answer) = answer else { return };
        shared.note_status(position, answer.status);
        let stream = reader.stream();
        let sent = match &fault {
            Some(Fault::CutShort(count)) => {
                let end = answer.bytes.len().saturating_sub(*count);
                drop((&*stream).write_all(answer.bytes.get(..end).unwrap_or_default()));
                return;
            }
            Some(Fault::Truncate(count) | Fault::TruncateAndReset(count)) => {
                drop((&*stream).write_all(answer.bytes.get(..*count).unwrap_or(&answer.bytes)));
                if matches!(fault, Some(Fault::TruncateAndReset(_))) {
                    // The bytes have to be read before the reset throws them away.
                    shared.pause(Duration::from_millis(20));
                    reset(stream);
                }
                return;
            }
            Some(Fault::Drip(size, pause)) => answer.bytes.chunks((*size).max(1)).try_for_each(|piece| {
                shared.pause(*pause);
                (&*stream).write_all(piece)
            }),
            _ => (&*stream).write_all(&answer.bytes),
        };
        if sent.is_err() || answer.close {
            return;
        }
    }
}

impl Shared {
    fn take_fault(&self, endpoint: Endpoint) -> Option<Fault> {
        let mut state = self.lock();
        let position = state.faults.iter().position(|(other, _)| *other == endpoint)?;
        Some(state.faults.remove(position).1)
    }

    fn take_reply(&self, endpoint: Endpoint) -> Option<Answer> {
        let mut state = self.lock();
        let position = state.replies.iter().position(|reply| reply.endpoint == endpoint)?;
        let reply = state.replies.remove(position);
        let status = String::from_utf8_lossy(reply.bytes.get(9..12).unwrap_or_default()).parse().unwrap_or(0);
        Some(Answer { status, bytes: reply.bytes, close: reply.close })
    }

    /// Notes a call, and where it stands.
    fn record(&self, connection: u64, endpoint: Endpoint, message: super::Message, status: u16) -> usize {
        let mut state = self.lock();
        state.calls.push(Call { connection, endpoint, message, status });
        self.changed.notify_all();
        state.forgotten + state.calls.len() - 1
    }

    fn note_status(&self, position: usize, status: u16) {
        let mut state = self.lock();
        let place = position.checked_sub(state.forgotten);
        if let Some(call) = place.and_then(|place| state.calls.get_mut(place)) {
            call.status = status;
        }
        drop(state);
        self.changed.notify_all();
    }

    fn pause(&self, pause: Duration) {
        let guard = self.lock();
        drop(self.changed.wait_timeout_while(guard, pause, |_| !self.stopping.load(Ordering::Relaxed)));
    }

    fn gate(&self) {
        let mut state = self.lock();
        while state.gates == 0 && !self.stopping.load(Ordering::Relaxed) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.gates = state.gates.saturating_sub(1);
    }

    /// Waits for what a long poll returns; None when its client goes away or the double stops.
    fn wait_for(&self, endpoint: Endpoint, identifier: &str, stream: &TcpStream) -> Option<Answer> {
        let mut state = self.lock();
        if endpoint == Endpoint::Next {
            // To ask is to have finished.
            if !self.managed
                && let Some(out) = state.out.first().cloned()
            {
                state.redelivered += 1;
                return Some(event_answer(&out));
            }
            state.waiting += 1;
            self.changed.notify_all();
        }
        let answer = loop {
            match endpoint {
                Endpoint::Next => {
                    if let Some(event) = state.queued.pop_front() {
                        let answer = event_answer(&event);
                        state.out.push(event);
                        break Some(answer);
                    }
                }
                Endpoint::ExtensionNext => {
                    let reason = state.shutdown.clone();
                    let extension =
                        state.extensions.iter_mut().find(|extension| extension.identifier == identifier);
                    let Some(extension) = extension else {
                        return Some(Answer::error(403, "Extension.UnknownExtensionIdentifier"));
                    };
                    if let Some(reason) = reason
                        && !extension.told
                    {
                        extension.told = true;
                        let deadline = now_ms() + 2000;
                        break Some(Answer::json(
                            200,
                            &format!(
                                "{{\"eventType\":\"SHUTDOWN\",\"shutdownReason\":\"{reason}\",\"deadlineMs\":{deadline}}}"
                            ),
                        ));
                    }
                }
                _ => {
                    if state.restored {
                        break Some(Answer::with(200, "", b""));
                    }
                }
            }
            if self.stopping.load(Ordering::Relaxed) || client_gone(stream) {
                state.abandoned += 1;
                break None;
            }
            state = self
                .changed
                .wait_timeout(state, Duration::from_millis(10))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        };
        if endpoint == Endpoint::Next {
            state.waiting -= 1;
        }
        self.changed.notify_all();
        answer
    }

    fn answer(&self, endpoint: Endpoint, message: &super::Message) -> Answer {
        let mut state = self.lock();
        let answer = match endpoint {
            Endpoint::Response | Endpoint::Error => {
                let id = message.path().trim_start_matches(RUNTIME).split('/').nth(1).unwrap_or_default();
                let echo = message.header("lambda-runtime-invocation-id");
                let of_request: Vec<_> = (0..state.out.len())
                    .filter(|at| state.out.get(*at).is_some_and(|out| out.request_id == id))
                    .collect();
                let matching = of_request.iter().copied().find(|at| {
                    echo.is_none()
                        || state.out.get(*at).is_some_and(|out| out.invocation_id.as_deref() == echo)
                });
                match matching {
                    Some(at) => {
                        state.out.remove(at);
                        state
                            .outcomes
                            .entry(id.to_owned())
                            .or_default()
                            .push(Outcome { endpoint, message: message.clone() });
                        Answer::accepted()
                    }
                    // The attempt that it belongs to is over.
                    None if !of_request.is_empty() || (echo.is_some() && state.outcomes.contains_key(id)) => {
                        Answer::error(410, "Gone")
                    }
                    None => Answer::error(400, "InvalidRequestID"),
                }
            }
            Endpoint::InitError | Endpoint::RestoreError | Endpoint::ExtensionError => Answer::accepted(),
            Endpoint::Register => match message.header("lambda-extension-name") {
                None => Answer::error(403, "Extension.InvalidExtensionName"),
                Some(name) => {
                    let identifier = format!("00000000-0000-4000-9000-{:012}", state.extensions.len() + 1);
                    let extension = Extension {
                        name: name.to_owned(),
                        identifier: identifier.clone(),
                        events: message.text(),
                        told: false,
                    };
                    state.extensions.push(extension);
                    Answer::with(
                        200,
                        &format!("Lambda-Extension-Identifier: {identifier}\r\n"),
                        b"{\"functionName\":\"double\",\"functionVersion\":\"$LATEST\",\"handler\":\"app.handler\"}",
                    )
                }
            },
            _ => match (message.method(), message.path()) {
                ("GET", "/2018-06-01/ping") => Answer::with(200, "", b"pong"),
                ("PUT", "/2022-07-01/telemetry") => Answer::with(200, "", b"OK"),
                _ => Answer::error(404, "NotFound"),
            },
        };
        self.changed.notify_all();
        answer
    }
}

fn event_answer(queued: &Queued) -> Answer {
    let Event { body, headers, chunks, deadline, content_type, .. } = &queued.event;
    let mut head = format!(
        "HTTP/1.1 200 OK\r\n{}Lambda-Runtime-Aws-Request-Id: {}\r\nLambda-Runtime-Deadline-Ms: {}\r\nLambda-Runtime-Invoked-Function-Arn: \
         arn:aws:lambda:eu-west-1:123456789012:function:double\r\nLambda-Runtime-Trace-Id: \
         Root=1-65e1a2b3-000000000000000000000001;Parent=0000000000000001;Sampled=0\r\n",
        content_type.as_ref().map(|value| format!("Content-Type: {value}\r\n")).unwrap_or_default(),
        queued.request_id,
        now_ms() + deadline.as_millis(),
    );
    if let Some(id) = &queued.invocation_id {
        head.push_str(&format!("Lambda-Runtime-Invocation-Id: {id}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("Date: Sun, 22 Nov 2026 08:00:00 GMT\r\n");
    let mut bytes;
    match chunks {
        Some(sizes) => {
            head.push_str("Transfer-Encoding: chunked\r\n\r\n");
            bytes = head.into_bytes();
            bytes.extend_from_slice(&chunked(body, sizes, ""));
        }
        None => {
            head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
            bytes = head.into_bytes();
            bytes.extend_from_slice(body);
        }
    }
    Answer { status: 200, bytes, close: false }
}

/// True once the other side has closed its end.
fn client_gone(stream: &TcpStream) -> bool {
    if stream.set_nonblocking(true).is_err() {
        return true;
    }
    let gone = match stream.peek(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    };
    gone || stream.set_nonblocking(false).is_err()
}
