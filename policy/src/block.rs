//! What a blocked client is told: a status, and an id by which the owner can find the verdict. Never a reason, because
//! a reason teaches an attacker which of many attempts came closest.

use std::fmt;

use picket_request::BlockAnswer;

/// How a block is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockResponse {
    status: u16,
    location: Option<String>,
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
}

impl fmt::Display for BlockStatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange(status) => write!(f, "{status} is not 301, 302 or 400 to 599"),
            Self::NeedsLocation(status) => write!(f, "{status} needs a location to redirect to"),
            Self::InvalidLocation => write!(f, "the location holds characters that a header cannot carry"),
        }
    }
}

impl std::error::Error for BlockStatusError {}

impl Default for BlockResponse {
    /// 406: operators are not paged for it as they are for 404 or 500.
    fn default() -> Self {
        Self { status: 406, location: None }
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
            301 | 302 => Ok(Self { status, location }),
            400..=599 => Ok(Self { status, location: None }),
            _ => Err(BlockStatusError::OutOfRange(status)),
        }
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
        let mut headers = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("cache-control".to_owned(), "no-store".to_owned()),
        ];
        if let Some(location) = &self.location {
            headers.push(("location".to_owned(), location.clone()));
        }
        BlockAnswer { status: self.status, headers, body: format!("{{\"requestId\":\"{id}\"}}") }
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
    fn the_body_names_the_request_and_nothing_else() {
        let answer = BlockResponse::default().answer("8f5c-\"}{<script>");
        assert_eq!(answer.body, "{\"requestId\":\"8f5c-script\"}");
    }
}
