//! One thing that a sender controls, and where it stood.

use crate::{LocationId, Span};

/// What kind of place a value was found in. Detectors use it to ask what the target would do with the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// The HTTP method.
    Method,
    /// The whole path.
    Path,
    /// A path parameter that the router matched, or one segment.
    PathParameter,
    /// The whole raw query string, inspected where it does not split into parameters.
    QueryString,
    /// The name of a query parameter.
    QueryKey,
    /// The value of a query parameter.
    Query,
    /// The name of a header.
    HeaderName,
    /// The value of a header.
    Header,
    /// The name of a cookie.
    CookieName,
    /// The value of a cookie.
    Cookie,
    /// The name of a form field.
    FormKey,
    /// The value of a form field.
    Form,
    /// A JSON object key.
    JsonKey,
    /// A JSON string, number or literal.
    Json,
    /// An XML element or attribute name, processing instruction or declaration.
    XmlMarkup,
    /// XML character data or an attribute value.
    Xml,
    /// GraphQL: a document as a whole (it lexes, and its brackets close), an inline argument value or a comment.
    Graphql,
    /// The name of a multipart field.
    MultipartKey,
    /// The value of a multipart field that is not a file.
    Multipart,
    /// The file name of an upload.
    FileName,
    /// The first bytes of an upload.
    FileContent,
    /// The declared content type of an upload.
    FileType,
    /// A body, or part of one, that no parser took apart.
    Body,
    /// A claim of a bearer token.
    JwtClaim,
    /// A string of an event that is not HTTP.
    Event,
}

impl Place {
    /// Whether the value is a name rather than a content.
    #[must_use]
    pub const fn is_key(self) -> bool {
        matches!(
            self,
            Self::QueryKey
                | Self::HeaderName
                | Self::CookieName
                | Self::FormKey
                | Self::JsonKey
                | Self::MultipartKey
        )
    }
}

/// One value of a request. It holds no bytes: [`crate::Request::bytes`] does.
#[derive(Clone, Copy, Debug)]
pub struct Value {
    /// The value after its transport encoding was undone (percent and plus in a query, escapes in JSON).
    pub text: Span,
    /// The value as it stood in the request; equal to `text` where nothing had to be undone.
    pub raw: Span,
    /// What kind of place it stood in.
    pub place: Place,
    /// The parameter, header, cookie or nearest JSON key; empty where there is none.
    pub name: Span,
    /// Where it stood.
    pub location: LocationId,
}
