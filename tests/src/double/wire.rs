//! HTTP/1.1 on raw sockets: what came is kept byte for byte. It may not use an HTTP library, because it is what libraries are measured by.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How a message says where its body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framing {
    /// There is no body.
    None,
    /// `Content-Length`.
    Length,
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// The end of the connection.
    Close,
}

/// One message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The head's bytes, with the empty line.
    pub head: Vec<u8>,
    /// The first line without its line end.
    pub start: String,
    /// The head's lines in order; names as written, values without surrounding blanks.
    pub headers: Vec<(String, Vec<u8>)>,
    /// How the body was framed.
    pub framing: Framing,
    /// The body, without chunk framing.
    pub body: Vec<u8>,
    /// The chunks' sizes, in order.
    pub chunks: Vec<usize>,
    /// The trailers' bytes, without the empty line.
    pub trailers: Vec<u8>,
    /// False when the connection broke off before the message's end.
    pub complete: bool,
}

impl Message {
    /// The first value of a header, by its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// All values of a header.
    pub fn header_values(&self, name: &str) -> Vec<&[u8]> {
        self.headers
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
            .collect()
    }

    /// A request's method.
    pub fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    /// A request's target, with its query.
    pub fn target(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// A request's path.
    pub fn path(&self) -> &str {
        self.target().split('?').next().unwrap_or_default()
    }

    /// A response's status; 0 where there is none.
    pub fn status(&self) -> u16 {
        self.start.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    /// The trailers' lines: names in lower case, values without surrounding blanks.
    pub fn trailer_lines(&self) -> Vec<(String, Vec<u8>)> {
        header_lines(&self.trailers)
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect()
    }

    /// The body as text, for messages of failed assertions and simple comparisons.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Reads messages off a socket. Bytes read ahead stay for the next one.
#[derive(Debug)]
pub struct MessageReader {
    stream: TcpStream,
    buffer: Vec<u8>,
    position: usize,
}

/// How much of a request body is read before the reader stops, for servers that misbehave on purpose.
pub type BodyStop = Option<usize>;

impl MessageReader {
    /// Reads from this end of a connection.
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::new(), position: 0 }
    }

    /// The socket.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    fn buffered(&self) -> &[u8] {
        self.buffer.get(self.position..).unwrap_or_default()
    }

    /// Reads on; false at the end of the connection.
    fn fill(&mut self) -> io::Result<bool> {
        if self.position > 0 {
            self.buffer.drain(..self.position);
            self.position = 0;
        }
        let mut block = [0; 64 * 1024];
        let count = self.stream.read(&mut block)?;
        self.buffer.extend_from_slice(block.get(..count).unwrap_or_default());
        Ok(count > 0)
    }

    /// Reads a head: None at a clean end of the connection.
    ///
    /// # Errors
    /// What the socket says, and `UnexpectedEof` in the middle of a head.
    pub fn head(&mut self) -> io::Result<Option<Message>> {
        let mut searched = 0;
        let end = loop {
            let from = searched;
            if let Some(at) =
                self.buffered().get(from..).and_then(|bytes| memchr::memmem::find(bytes, b"\r\n\r\n"))
            {
                break from + at + 4;
            }
            searched = self.buffered().len().saturating_sub(3);
            if !self.fill()? {
                return if self.buffered().is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        };
        let head = self.buffered().get(..end).unwrap_or_default().to_vec();
        self.position += end;
        let text = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let start = String::from_utf8_lossy(text).trim_end().to_owned();
        let lines = head.get(text.len() + 1..).unwrap_or_default();
        let headers = header_lines(lines);
        Ok(Some(Message {
            start,
            headers,
            head,
            framing: Framing::None,
            body: Vec::new(),
            chunks: Vec::new(),
            trailers: Vec::new(),
            complete: false,
        }))
    }

    /// Reads the body of a request into its message.
    ///
    /// # Errors
    /// What the socket says; what was read until then is in the message.
    pub fn request_body(&mut self, message: &mut Message, stop: BodyStop) -> io::Result<()> {
        message.framing = declared_framing(message).unwrap_or(Framing::None);
        self.body(message, stop)
    }

    /// Reads the body of an answer to a request with this method.
    ///
    /// # Errors
    /// See [`MessageReader::request_body`].
    pub fn response_body(&mut self, message: &mut Message, method: &str) -> io::Result<()> {
        let status = message.status();
        let bodiless = method == "HEAD" || status == 204 || status == 304 || (100..200).contains(&status);
        message.framing =
            if bodiless { Framing::None } else { declared_framing(message).unwrap_or(Framing::Close) };
        self.body(message, None)
    }

    fn body(&mut self, message: &mut Message, stop: BodyStop) -> io::Result<()> {
        let stop = stop.unwrap_or(usize::MAX);
        message.complete = match message.framing {
            Framing::None => true,
            Framing::Length => {
                let length =
                    message.header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0_usize);
                self.take_into(&mut message.body, length.min(stop))? && length <= stop
            }
            Framing::Close => {
                let _end = self.take_into(&mut message.body, usize::MAX)?;
                true
            }
            Framing::Chunked => self.chunked(message, stop)?,
        };
        Ok(())
    }

    fn chunked(&mut self, message: &mut Message, stop: usize) -> io::Result<bool> {
        loop {
            let Some(line) = self.line()? else { return Ok(false) };
            let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
            let size =
                std::str::from_utf8(digits).ok().and_then(|text| usize::from_str_radix(text.trim(), 16).ok());
            let Some(size) = size else {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a chunk without a size"));
            };
            if size == 0 {
                loop {
                    let Some(line) = self.line()? else { return Ok(false) };
                    if line.is_empty() {
                        return Ok(true);
                    }
                    message.trailers.extend_from_slice(&line);
                    message.trailers.extend_from_slice(b"\r\n");
                }
            }
            message.chunks.push(size);
            let room = stop - message.body.len();
            let whole = self.take_into(&mut message.body, size.min(room))?;
            if !whole || size > room {
                return Ok(false);
            }
            let Some(end) = self.line()? else { return Ok(false) };
            if !end.is_empty() {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a chunk longer than its size"));
            }
        }
    }

    /// A line without its end; None at the end of the connection.
    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(at) = memchr::memmem::find(self.buffered(), b"\r\n") {
                let line = self.buffered().get(..at).unwrap_or_default().to_vec();
                self.position += at + 2;
                return Ok(Some(line));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Moves `count` bytes; false if the connection ended before.
    fn take_into(&mut self, target: &mut Vec<u8>, mut count: usize) -> io::Result<bool> {
        while count > 0 {
            let available = self.buffered().len().min(count);
            target.extend_from_slice(self.buffered().get(..available).unwrap_or_default());
            self.position += available;
            count -= available;
            if count > 0 && !self.fill()? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Splits lines into names and values.
fn header_lines(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    bytes
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = line.split_at(colon);
            Some((String::from_utf8_lossy(name).into_owned(), value.get(1..)?.trim_ascii().to_vec()))
        })
        .collect()
}

fn declared_framing(message: &Message) -> Option<Framing> {
    if message.header("transfer-encoding").is_some_and(|value| value.to_ascii_lowercase().contains("chunked"))
    {
        Some(Framing::Chunked)
    } else if message.header("content-length").is_some() {
        Some(Framing::Length)
    } else {
        None
    }
}

/// A client that writes exactly what it is told to.
#[derive(Debug)]
pub struct RawClient {
    reader: MessageReader,
}

impl RawClient {
    /// Connects, with a timeout of 20 s on reads so that a test that waits for nothing fails.
    ///
    /// # Errors
    /// What the socket says.
    pub fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(Self { reader: MessageReader::new(stream) })
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// What the socket says.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reader.stream.write_all(bytes)
    }

    /// Reads the answer to a request with this method. A connection that ends in the body gives a message that is not complete.
    ///
    /// # Errors
    /// `UnexpectedEof` if no answer came, otherwise what the socket says.
    pub fn receive(&mut self, method: &str) -> io::Result<Message> {
        let mut message = self.reader.head()?.ok_or(io::ErrorKind::UnexpectedEof)?;
        match self.reader.response_body(&mut message, method) {
            Ok(()) => Ok(message),
            // What came before the connection broke is the answer as far as it goes.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(message),
            Err(error) => Err(error),
        }
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// See [`RawClient::receive`].
    pub fn exchange(&mut self, request: &[u8]) -> io::Result<Message> {
        self.send(request)?;
        let method = request.split(|byte| *byte == b' ').next().unwrap_or_default();
        self.receive(&String::from_utf8_lossy(method))
    }

    /// Asks for the next event.
    ///
    /// # Errors
    /// See [`RawClient::receive`].
    pub fn next_event(&mut self) -> io::Result<Message> {
        self.exchange(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: runtime\r\nUser-Agent: raw-runtime/1.0\r\nAccept: */*\r\n\r\n")
    }

    /// Answers an event, buffered, echoing the invocation id of the event's message.
    ///
    /// # Errors
    /// See [`RawClient::receive`].
    pub fn respond(&mut self, event: &Message, body: &[u8]) -> io::Result<Message> {
        let id = event.header("lambda-runtime-aws-request-id").unwrap_or_default();
        let echo = event
            .header("lambda-runtime-invocation-id")
            .map(|id| format!("Lambda-Runtime-Invocation-Id: {id}\r\n"))
            .unwrap_or_default();
        let mut request = format!(
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nHost: runtime\r\nUser-Agent: raw-runtime/1.0\r\nContent-Type: \
             application/json\r\n{echo}Content-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.exchange(&request)
    }

    /// Closes the sending half.
    ///
    /// # Errors
    /// What the socket says.
    pub fn finish_sending(&self) -> io::Result<()> {
        self.reader.stream.shutdown(Shutdown::Write)
    }

    /// Reads until the other side closes, and says whether it closed without another byte.
    pub fn closed(&mut self) -> bool {
        matches!(self.reader.head(), Ok(None)) || self.reader.buffered().is_empty()
    }

    /// Where the other side is.
    ///
    /// # Errors
    /// What the socket says.
    pub fn peer(&self) -> io::Result<SocketAddr> {
        self.reader.stream.peer_addr()
    }

    /// The socket, for tests that treat it badly.
    pub fn stream(&self) -> &TcpStream {
        self.reader.stream()
    }
}

/// Cuts a body into chunks of these sizes; the last size repeats. Trailers are whole lines, each with its line end.
pub fn chunked(body: &[u8], sizes: &[usize], trailers: &str) -> Vec<u8> {
    let mut framed = Vec::new();
    let mut rest = body;
    let mut sizes = sizes.iter().copied().chain(std::iter::repeat(sizes.last().copied().unwrap_or(4096)));
    while !rest.is_empty() {
        let size = sizes.next().unwrap_or(1).clamp(1, rest.len());
        let (chunk, after) = rest.split_at(size);
        framed.extend_from_slice(format!("{size:x}\r\n").as_bytes());
        framed.extend_from_slice(chunk);
        framed.extend_from_slice(b"\r\n");
        rest = after;
    }
    framed.extend_from_slice(b"0\r\n");
    framed.extend_from_slice(trailers.as_bytes());
    framed.extend_from_slice(b"\r\n");
    framed
}
