//! Every cap on what an attacker controls while a request is read. Passing one raises an [`crate::Anomaly`].

/// Bytes of one event; Lambda's own limit is 6 MiB and 100 bytes (AWS: Lambda quotas).
pub const EVENT_BYTES: usize = 6 * 1024 * 1024 + 100;
/// Bytes that all decompressed and base64-decoded bodies of one event may fill together.
pub const DECODED_BYTES: usize = 8 * 1024 * 1024;
/// How much larger than its compressed form a body may become before decompression is given up.
pub const INFLATE_RATIO: usize = 200;
/// A decompressed body may always become this large, whatever the ratio: short texts of one character compress well.
pub const INFLATE_FLOOR: usize = 256 * 1024;
/// Window that a zstd frame may ask for (RFC 8878, 3.1.1.1.2 recommends to support 8 MiB).
pub const ZSTD_WINDOW: u64 = 8 * 1024 * 1024;
/// Content codings that may lie over one another.
pub const CODINGS: usize = 4;
/// Values of one request. What lies beyond is reported as [`crate::Anomaly::Oversize`].
pub const VALUES: usize = 65_536;
/// Undivided remainders that may stand beyond [`VALUES`].
pub const RESTS: usize = 256;
/// Location nodes of one request.
pub const LOCATIONS: usize = 131_072;
/// Nesting depth of JSON, XML or GraphQL that is tracked by name; deeper values are still inspected.
pub const DEPTH: usize = 128;
/// How often a body may be unwrapped again: JSON in a string, an envelope in an envelope.
pub const UNWRAPS: usize = 4;
/// Parts of one multipart body.
pub const MULTIPART_PARTS: usize = 16_384;
/// Boundaries that one multipart body is tried with, where its headers and its text do not agree on one.
pub const MULTIPART_BOUNDARIES: usize = 4;
/// Header bytes of one part of a multipart body.
pub const PART_HEADER_BYTES: usize = 16 * 1024;
/// Nesting of a GraphQL selection that is ordinary; the common introspection query has 8.
pub const GRAPHQL_DEPTH: usize = 15;
/// First bytes of a binary upload that are inspected as content; a text is inspected whole. By design: what makes an upload dangerous to a
/// server (its kind, a script or a serialised object in place of an image, entities of an archive's listing) shows at its beginning, and
/// megabytes of compressed pixels only cost time and look like anything.
pub const UPLOAD_PREFIX: usize = 65_536;
/// Buffers of one request.
pub const BUFFERS: usize = 1_024;
/// Anomalies that are kept with their location; further ones are kept by kind only.
pub const ANOMALIES: usize = 64;
/// Tokens of one JSON text; 24 bytes of memory each. What lies beyond is inspected as one undivided text.
pub const JSON_TOKENS: usize = 262_144;
/// Of these, how many are kept for the outermost levels, so that a flood inside a body cannot hide an envelope.
pub const JSON_TOKENS_SHALLOW: usize = 32_768;
