//! The answer that a blocked client gets, before an event source gives it its shape.

/// An HTTP answer made by Picket instead of the handler's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockAnswer {
    /// HTTP status code; 406 unless configured otherwise.
    pub status: u16,
    /// Header names and values, in order.
    pub headers: Vec<(String, String)>,
    /// Body text; it names a request id and nothing else.
    pub body: String,
}
