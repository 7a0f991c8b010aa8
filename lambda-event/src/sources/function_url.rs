//! Lambda Function URLs: payload format 2.0 on a domain of Lambda's own, buffered or streamed.

use super::{Source, http_v2};
use crate::answer::{self, Mode};

pub(super) const SOURCE: Source = Source {
    name: "function-url",
    can_block: true,
    counts: true,
    recognise: |event| http_v2::is_v2(event) && http_v2::is_function_url(event),
    read: http_v2::read,
    answer: |_, block, mode| {
        Some(match mode {
            Mode::Buffered => answer::response(&answer::proxy_v2(block)),
            Mode::Streaming => {
                let (headers, cookies) = answer::headers_and_cookies(block);
                let prelude =
                    serde_json::json!({ "statusCode": block.status, "headers": headers, "cookies": cookies });
                answer::streaming(&prelude, &block.body)
            }
        })
    },
};
