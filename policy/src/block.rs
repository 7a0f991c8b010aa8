//! What a blocked client is told: a status, and an id by which the owner can find the verdict. Never a reason, because
//! a reason teaches an attacker which of many attempts came closest.

use std::fmt;

use picket_request::BlockAnswer;

use crate::limits;

/// How a block is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockResponse {
    status: u16,
    location: Option<String>,
    body: Option<String>,
    headers: Vec<(String, String)>,
}

/// Why a block status cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockStatusError {
    /// Neither 301, 302 nor 400 to 599.
    OutOfRange(u16),
    /// A redirect needs a location.
    NeedsLocation(u16),
    /// The location would not be a valid header value.
    InvalidLocation,
    /// A header's name or value would not be valid, or the platform sets it.
    InvalidHeader,
    /// The body is too long, or there are too many headers.
    TooLarge,
}

impl fmt::Display for BlockStatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange(status) => write!(f, "{status} is not 301, 302 or 400 to 599"),
            Self::NeedsLocation(status) => write!(f, "{status} needs a location to redirect to"),
            Self::InvalidLocation => write!(f, "the location holds characters that a header cannot carry"),
            Self::InvalidHeader => {
                write!(
                    f,
                    "a header has a name or value that HTTP does not allow, or one that frames the answer"
                )
            }
            Self::TooLarge => write!(
                f,
                "it has more than {} headers or a body of more than {} bytes",
                limits::ANSWER_HEADERS,
                limits::BODY_BYTES
            ),
        }
    }
}

impl std::error::Error for BlockStatusError {}

impl Default for BlockResponse {
    /// 406: operators are not paged for it as they are for 404 or 500.
    fn default() -> Self {
        Self { status: 406, location: None, body: None, headers: Vec::new() }
    }
}

impl BlockResponse {
    /// A response with this status: 301 or 302 with a location, or 400 to 599.
    ///
    /// # Errors
    /// Says which of the conditions does not hold.
    pub fn new(status: u16, location: Option<String>) -> Result<Self, BlockStatusError> {
        if location.as_ref().is_some_and(|l| l.is_empty() || l.bytes().any(|b| !b.is_ascii_graphic())) {
            return Err(BlockStatusError::InvalidLocation);
        }
        match status {
            301 | 302 if location.is_none() => Err(BlockStatusError::NeedsLocation(status)),
            301 | 302 => Ok(Self { status, location, ..Self::default() }),
            400..=599 => Ok(Self { status, ..Self::default() }),
            _ => Err(BlockStatusError::OutOfRange(status)),
        }
    }

    /// The same with a body and further headers. `{requestId}` in the body stands for the invocation's request id.
    ///
    /// # Errors
    /// Says what cannot be sent.
    pub fn with(
        mut self,
        body: Option<String>,
        headers: Vec<(String, String)>,
    ) -> Result<Self, BlockStatusError> {
        // What frames the answer is the platform's.
        const FRAMING: [&str; 4] = ["content-length", "transfer-encoding", "connection", "content-encoding"];
        let token = |name: &str| {
            !name.is_empty()
                && name.len() <= limits::NAME_BYTES
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
                && !FRAMING.iter().any(|framing| framing.eq_ignore_ascii_case(name))
        };
        let printable = |value: &str| {
            value.len() <= limits::TEXT_BYTES && value.bytes().all(|byte| (0x20..0x7f).contains(&byte))
        };
        if headers.iter().any(|(name, value)| !token(name) || !printable(value)) {
            return Err(BlockStatusError::InvalidHeader);
        }
        if headers.len() > limits::ANSWER_HEADERS
            || body.as_ref().is_some_and(|body| body.len() > limits::BODY_BYTES)
        {
            return Err(BlockStatusError::TooLarge);
        }
        self.body = body;
        self.headers = headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        Ok(self)
    }

    /// Where a redirect leads.
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    /// The body, where it is the owner's own.
    #[must_use]
    pub fn body(&self) -> Option<&str> {
        self.body.as_deref()
    }

    /// The status code.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The answer for one request. `request_id` is the invocation's; anything but letters, digits and `-` is left out.
    #[must_use]
    pub fn answer(&self, request_id: &str) -> BlockAnswer {
        let id: String =
            request_id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(64).collect();
        let (content_type, body) = match &self.body {
            Some(body) => ("text/plain; charset=utf-8", body.replace("{requestId}", &id)),
            None => ("application/json", format!("{{\"requestId\":\"{id}\"}}")),
        };
        let mut headers = self.headers.clone();
        for (name, value) in [
            ("content-type", Some(content_type)),
            ("cache-control", Some("no-store")),
            ("location", self.location.as_deref()),
        ] {
            if let Some(value) = value.filter(|_| !self.headers.iter().any(|(own, _)| own == name)) {
                headers.push((name.to_owned(), value.to_owned()));
            }
        }
        BlockAnswer { status: self.status, headers, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_what_the_field_allows() {
        assert_eq!(BlockResponse::default().status(), 406);
        for status in [400, 403, 406, 429, 503, 550, 599] {
            assert!(BlockResponse::new(status, None).is_ok(), "{status}");
        }
        for status in [0, 200, 204, 300, 303, 399, 600, 999] {
            assert_eq!(BlockResponse::new(status, None), Err(BlockStatusError::OutOfRange(status)));
        }
        assert_eq!(BlockResponse::new(302, None), Err(BlockStatusError::NeedsLocation(302)));
        let split = Some("https://a.example/\r\nset-cookie: a=b".to_owned());
        assert_eq!(BlockResponse::new(302, split), Err(BlockStatusError::InvalidLocation));
        let redirect = BlockResponse::new(302, Some("https://a.example/blocked".to_owned())).unwrap();
        assert!(
            redirect
                .answer("x")
                .headers
                .contains(&("location".to_owned(), "https://a.example/blocked".to_owned()))
        );
    }

    #[test]
    fn body_and_headers_are_the_owners() {
        let owned = |body: &str, name: &str, value: &str| {
            BlockResponse::default().with(Some(body.to_owned()), vec![(name.to_owned(), value.to_owned())])
        };
        let answer = owned("no: {requestId}", "X-Why", "shop").unwrap().answer("a-1");
        assert_eq!(answer.body, "no: a-1");
        assert!(answer.headers.contains(&("x-why".to_owned(), "shop".to_owned())));
        assert!(
            answer.headers.contains(&("content-type".to_owned(), "text/plain; charset=utf-8".to_owned()))
        );
        let answer = owned("{}", "Content-Type", "application/json").unwrap().answer("a-1");
        assert_eq!(answer.headers.iter().filter(|(name, _)| name == "content-type").count(), 1);
        for (name, value) in
            [("", "a"), ("a b", "c"), ("a", "b\r\nc: d"), ("Content-Length", "1"), ("a\n", "b")]
        {
            assert_eq!(owned("", name, value), Err(BlockStatusError::InvalidHeader), "{name:?}");
        }
        assert_eq!(owned(&"x".repeat(limits::BODY_BYTES + 1), "a", "b"), Err(BlockStatusError::TooLarge));
    }

    #[test]
    fn the_body_names_the_request_and_nothing_else() {
        let answer = BlockResponse::default().answer("8f5c-\"}{<script>");
        assert_eq!(answer.body, "{\"requestId\":\"8f5c-script\"}");
    }
}
