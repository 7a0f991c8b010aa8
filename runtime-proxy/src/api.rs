//! The names of the Runtime API: paths and headers. It may not know what is done with a call.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.

use http::Method;

pub(crate) const REQUEST_ID: &str = "lambda-runtime-aws-request-id";
pub(crate) const INVOCATION_ID: &str = "lambda-runtime-invocation-id";
pub(crate) const DEADLINE_MS: &str = "lambda-runtime-deadline-ms";
pub(crate) const FUNCTION_ARN: &str = "lambda-runtime-invoked-function-arn";
pub(crate) const TRACE_ID: &str = "lambda-runtime-trace-id";
pub(crate) const TENANT_ID: &str = "lambda-runtime-aws-tenant-id";
pub(crate) const CLIENT_CONTEXT: &str = "lambda-runtime-client-context";
pub(crate) const COGNITO_IDENTITY: &str = "lambda-runtime-cognito-identity";
pub(crate) const RESPONSE_MODE: &str = "lambda-runtime-function-response-mode";
pub(crate) const ERROR_TYPE: &str = "lambda-runtime-function-error-type";
pub(crate) const ERROR_BODY: &str = "lambda-runtime-function-error-body";

const RUNTIME: &str = "/2018-06-01/runtime/";

/// What a request asks for. Anything that is not known is [`Call::Other`] and passes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call<'a> {
    Next,
    Response { request_id: &'a str },
    Error { request_id: &'a str },
    RestoreNext,
    Ready,
    Other,
}

impl<'a> Call<'a> {
    /// Reads a method and a path without its query.
    pub(crate) fn of(method: &Method, path: &'a str) -> Self {
        if method == Method::GET && path == crate::ready::PATH {
            return Self::Ready;
        }
        let Some(rest) = path.strip_prefix(RUNTIME) else { return Self::Other };
        match (method.as_str(), rest) {
            ("GET", "invocation/next") => return Self::Next,
            ("GET", "restore/next") => return Self::RestoreNext,
            _ => {}
        }
        if method != Method::POST {
            return Self::Other;
        }
        match rest.strip_prefix("invocation/").and_then(|rest| rest.split_once('/')) {
            Some((request_id, "response")) if !request_id.is_empty() => Self::Response { request_id },
            Some((request_id, "error")) if !request_id.is_empty() => Self::Error { request_id },
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_known_version_is_known() {
        let cases = [
            ("GET", "/2018-06-01/runtime/invocation/next", Call::Next),
            ("POST", "/2018-06-01/runtime/invocation/next", Call::Other),
            ("GET", "/2018-06-01/runtime/invocation/next/", Call::Other),
            ("GET", "/2030-01-01/runtime/invocation/next", Call::Other),
            ("POST", "/2018-06-01/runtime/invocation/a-1/response", Call::Response { request_id: "a-1" }),
            ("POST", "/2018-06-01/runtime/invocation/a-1/error", Call::Error { request_id: "a-1" }),
            ("POST", "/2018-06-01/runtime/invocation//error", Call::Other),
            ("POST", "/2018-06-01/runtime/init/error", Call::Other),
            ("GET", "/2018-06-01/runtime/restore/next", Call::RestoreNext),
            ("POST", "/2020-01-01/extension/register", Call::Other),
            ("GET", "/picket/ready", Call::Ready),
            ("POST", "/picket/ready", Call::Other),
        ];
        for (method, path, expected) in cases {
            assert_eq!(Call::of(&method.parse().unwrap(), path), expected, "{method} {path}");
        }
    }
}
