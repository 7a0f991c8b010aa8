//! Caps on reading an event envelope. What an event's contents may cost is capped in `picket_request::limits`.

/// Hops of `X-Forwarded-For` that are walked back from the connection.
pub(crate) const HOPS: usize = 32;
/// Headers up to which the two header maps are compared for repetitions; more are all read, at twice the work.
pub(crate) const COMPARED_HEADERS: usize = 128;
/// Elements of an AppSync batch that an answer is made for. AppSync's own limit is 2,000 (AWS: AppSync quotas).
pub(crate) const BATCH: usize = 2_000;
/// Bytes that a handler's answer may become when its compression is undone.
pub(crate) const ANSWER_TEXT: usize = 1024 * 1024;
/// Header maps of one event that tags are put into: two of each element of a batch.
pub(crate) const TAGGED_MAPS: usize = 2 * BATCH;
