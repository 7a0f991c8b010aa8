//! Asks who listens on the agent's port. Knows the readiness answer to the byte; not what is done with the reply.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long the whole exchange may take. It is part of a cold start.
const PATIENCE: Duration = Duration::from_millis(250);
/// The agent's answer is far shorter; a stranger may send anything.
const LONGEST_ANSWER: usize = 4096;
/// What the body of the agent's readiness answer begins with (`runtime-proxy/src/ready.rs`).
const MARK: &[u8] = b"picket-runtime-proxy ready ";
/// What ends the head of an answer.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// Whether the agent listens on this port of 127.0.0.1 and serves.
///
/// # Errors
/// Why it cannot be relied on, in words for the log.
pub(crate) fn ready(port: u16) -> Result<(), String> {
    let place = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let answer = ask(place).map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("nothing listens on {place}"),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            format!("{place} did not answer within {} ms", PATIENCE.as_millis())
        }
        _ => format!("{place}: {error}"),
    })?;
    if is_ours(&answer) {
        Ok(())
    } else {
        let head: Vec<u8> =
            answer.iter().copied().take_while(|byte| !matches!(byte, b'\r' | b'\n')).collect();
        Err(format!("who listens on {place} is not Picket (it said {})", shown(&head)))
    }
}

/// Sends the question and reads until the answer is known to be ours, ends, or is too long or too late.
fn ask(place: SocketAddr) -> io::Result<Vec<u8>> {
    let end = Instant::now() + PATIENCE;
    let mut stream = TcpStream::connect_timeout(&place, PATIENCE)?;
    stream.set_write_timeout(Some(left(end)?))?;
    // In one segment: who listens may look only once.
    stream.write_all(
        format!("GET /picket/ready HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    while answer.len() < LONGEST_ANSWER && !is_ours(&answer) {
        // Set anew each time: who sends a byte now and then must not get more time by it.
        stream.set_read_timeout(Some(left(end)?))?;
        let count = match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        answer.extend_from_slice(buffer.get(..count).unwrap_or_default());
    }
    Ok(answer)
}

fn left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn is_ours(answer: &[u8]) -> bool {
    let Some(head_end) = answer.windows(HEAD_END.len()).position(|window| window == HEAD_END) else {
        return false;
    };
    let body = answer.get(head_end + HEAD_END.len()..).unwrap_or_default();
    answer.starts_with(b"HTTP/1.1 200 ") && body.starts_with(MARK)
}

/// Foreign bytes, short and on one line, for the log.
pub(crate) fn shown(bytes: &[u8]) -> String {
    const LONGEST: usize = 60;
    let cut = bytes.get(..LONGEST).unwrap_or(bytes);
    let more = if bytes.len() > LONGEST { "..." } else { "" };
    format!("\"{}{more}\"", cut.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_agents_own_answer_counts() {
        let ours = b"HTTP/1.1 200 OK\r\npicket-ready: 1\r\n\r\npicket-runtime-proxy ready 0.1.0\n";
        assert!(is_ours(ours));
        let others: [&[u8]; 5] = [
            b"",
            b"HTTP/1.1 200 OK\r\n\r\nhello",
            b"HTTP/1.1 404 Not Found\r\n\r\npicket-runtime-proxy ready 0.1.0\n",
            b"HTTP/1.1 200 OK\r\nx: picket-runtime-proxy ready 0.1.0\r\n\r\n",
            b"picket-runtime-proxy ready 0.1.0\n",
        ];
        for other in others {
            assert!(!is_ours(other), "{}", shown(other));
        }
    }

    #[test]
    fn foreign_bytes_stay_on_one_line() {
        assert_eq!(shown(b"a\nb\x1b[31m\"\xff"), r#""a\nb\x1b[31m\"\xff""#);
        assert_eq!(shown(&[b'x'; 100]).len(), 60 + 3 + 2);
    }
}
