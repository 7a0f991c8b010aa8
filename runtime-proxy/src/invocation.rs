//! One invocation, as the headers of `/next` tell of it. It may not know the event.

use std::fmt;

use http::{HeaderMap, HeaderValue};

use crate::api;

/// What names one attempt at one request. The request id alone does not: it may be chosen by the customer and comes again on a retry,
/// while an earlier attempt may still be running.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InvocationKey {
    /// `Lambda-Runtime-Aws-Request-Id`.
    pub request_id: String,
    /// `Lambda-Runtime-Invocation-Id`, where the platform gives one.
    pub invocation_id: Option<String>,
}

impl fmt::Display for InvocationKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.invocation_id {
            Some(id) => write!(formatter, "{}/{id}", self.request_id),
            None => formatter.write_str(&self.request_id),
        }
    }
}

/// One invocation. A header that is there and empty counts as absent, as Managed Instances send empty ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// What names it.
    pub key: InvocationKey,
    /// The time at which Lambda ends it, in milliseconds since 1970.
    pub deadline_ms: Option<u64>,
    /// The function as it was called, with its alias or version.
    pub function_arn: Option<String>,
    /// The X-Ray trace header.
    pub trace_id: Option<String>,
    /// The tenant, where the function isolates tenants.
    pub tenant_id: Option<String>,
    /// JSON of the calling mobile client, as it came.
    pub client_context: Option<String>,
    /// JSON of the caller's Cognito identity, as it came.
    pub cognito_identity: Option<String>,
    /// The event's content type.
    pub content_type: Option<String>,
    /// The runtime's `User-Agent` on its call for this event.
    pub user_agent: Option<String>,
    /// The invocation id as it is echoed, byte for byte.
    pub(crate) invocation_id_value: Option<HeaderValue>,
}

impl Invocation {
    /// Reads the headers of a successful `/next`, and the ones of the runtime's call for it. None without a request id that can stand in
    /// a path, since nothing could be answered then.
    pub fn from_headers(answer: &HeaderMap, call: &HeaderMap) -> Option<Self> {
        let request_id = text(answer, api::REQUEST_ID).filter(|id| id.bytes().all(is_path_byte))?;
        Some(Self {
            key: InvocationKey { request_id, invocation_id: text(answer, api::INVOCATION_ID) },
            deadline_ms: text(answer, api::DEADLINE_MS).and_then(|value| value.trim().parse().ok()),
            function_arn: text(answer, api::FUNCTION_ARN),
            trace_id: text(answer, api::TRACE_ID),
            tenant_id: text(answer, api::TENANT_ID),
            client_context: text(answer, api::CLIENT_CONTEXT),
            cognito_identity: text(answer, api::COGNITO_IDENTITY),
            content_type: text(answer, "content-type"),
            user_agent: text(call, "user-agent"),
            invocation_id_value: answer.get(api::INVOCATION_ID).filter(|value| !value.is_empty()).cloned(),
        })
    }

    /// An invocation that came from nowhere, for the caller's own tests and for replays.
    pub fn synthetic(request_id: &str) -> Self {
        Self {
            key: InvocationKey { request_id: request_id.to_owned(), invocation_id: None },
            deadline_ms: None,
            function_arn: None,
            trace_id: None,
            tenant_id: None,
            client_context: None,
            cognito_identity: None,
            content_type: None,
            user_agent: None,
            invocation_id_value: None,
        }
    }
}

/// The first value of a header as text; bytes beyond ASCII become U+FFFD, so that one odd header does not hide the rest.
fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.as_bytes();
    (!value.is_empty()).then(|| String::from_utf8_lossy(value).into_owned())
}

/// RFC 3986 `pchar` without percent-encoding.
fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn empty_headers_count_as_absent() {
        let answer = headers(&[
            ("lambda-runtime-aws-request-id", "r-1"),
            ("lambda-runtime-invocation-id", ""),
            ("lambda-runtime-trace-id", ""),
            ("lambda-runtime-deadline-ms", "17"),
        ]);
        let invocation = Invocation::from_headers(&answer, &HeaderMap::new()).unwrap();
        assert_eq!(invocation.key.invocation_id, None);
        assert_eq!(invocation.trace_id, None);
        assert_eq!(invocation.deadline_ms, Some(17));
    }

    #[test]
    fn a_request_id_that_would_change_the_path_is_no_id() {
        for id in ["", "a/b", "a?b", "a b", "a%2fb"] {
            let mut answer = HeaderMap::new();
            answer.insert("lambda-runtime-aws-request-id", HeaderValue::from_str(id).unwrap());
            assert_eq!(Invocation::from_headers(&answer, &HeaderMap::new()), None, "{id:?}");
        }
    }
}
