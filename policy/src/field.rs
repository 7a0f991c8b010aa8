//! What a condition can look at.

use std::{fmt, str::FromStr};

macro_rules! fields {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal, $kind:ident, $phase:ident;)+) => {
        /// One thing that a condition can look at.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "camelCase"))]
        pub enum Field { $($(#[doc = $doc])+ $variant,)+ }

        impl Field {
            /// Every field, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            const WORDS: &[&str] = &[$($word),+];

            /// The word that stands in a policy.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// What its values are.
            #[must_use]
            pub const fn kind(self) -> FieldKind {
                match self { $(Self::$variant => FieldKind::$kind,)+ }
            }

            /// From when on it is known.
            #[must_use]
            pub const fn phase(self) -> Phase {
                match self { $(Self::$variant => Phase::$phase,)+ }
            }

            /// What it is, in one sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }

        impl FromStr for Field {
            type Err = ();

            fn from_str(word: &str) -> Result<Self, ()> {
                match word { $($word => Ok(Self::$variant),)+ _ => Err(()) }
            }
        }
    };
}

/// What the values of a field are, which decides the operators that make sense on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// An IP address.
    Address,
    /// One text.
    Text,
    /// One number.
    Number,
    /// Any number of values, each with a name.
    Named,
}

/// When a rule can be judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Before the handler sees the request.
    #[default]
    Request,
    /// Once the handler has answered.
    Response,
}

fields! {
    /// The client's address.
    Client = "client", Address, Request;
    /// The client's country, as two letters (ISO 3166-1 alpha-2).
    Country = "country", Text, Request;
    /// The number of the autonomous system that the client's address belongs to.
    Asn = "asn", Number, Request;
    /// The HTTP method.
    Method = "method", Text, Request;
    /// `http` or `https`.
    Scheme = "scheme", Text, Request;
    /// The host that was asked for, in lower case, without its port.
    Domain = "domain", Text, Request;
    /// The path, decoded once, with `.`, `..` and empty segments resolved.
    Path = "path", Text, Request;
    /// The route that the gateway matched, for instance `/items/{id}`.
    PathTemplate = "pathTemplate", Text, Request;
    /// A parameter of the query string.
    Query = "query", Named, Request;
    /// A field of a form, url-encoded or multipart.
    Form = "form", Named, Request;
    /// A value of a JSON body; its name is its nearest key, or its keys joined by dots.
    Json = "json", Named, Request;
    /// A request header; its name is in lower case.
    Header = "header", Named, Request;
    /// A cookie.
    Cookie = "cookie", Named, Request;
    /// The user agent header.
    UserAgent = "userAgent", Text, Request;
    /// A claim of a bearer token. Only its form was checked, unless rules use the JWT signals as well.
    JwtClaim = "jwtClaim", Named, Request;
    /// Bytes of the body.
    RequestSize = "requestSize", Number, Request;
    /// A signal; its name is the place where it was seen, for instance `query.id`.
    Signal = "signal", Named, Request;
    /// The kind of event, for instance `http-v2`.
    EventSource = "eventSource", Text, Request;
    /// The name of the function.
    Function = "function", Text, Request;
    /// The stage of the API.
    Stage = "stage", Text, Request;
    /// The account that the function runs in.
    Account = "account", Text, Request;
    /// The tenant, where the function isolates tenants.
    Tenant = "tenant", Text, Request;
    /// Minutes since midnight, UTC.
    TimeOfDay = "timeOfDay", Number, Request;
    /// The status of the handler's answer.
    Status = "status", Number, Response;
    /// A header of the handler's answer; its name is in lower case.
    ResponseHeader = "responseHeader", Named, Response;
    /// Bytes of the answer's body.
    ResponseSize = "responseSize", Number, Response;
    /// Milliseconds from the event to the answer.
    ResponseTime = "responseTime", Number, Response;
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

crate::words::serde_words!(Field, Field::WORDS);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_word_of_its_own_and_a_meaning() {
        for &field in Field::ALL {
            assert_eq!(field.word().parse(), Ok(field));
            assert!(field.meaning().ends_with('.'), "{field}");
        }
        assert_eq!("Path".parse::<Field>(), Err(()));
    }
}
