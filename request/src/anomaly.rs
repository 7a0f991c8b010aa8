//! What was odd about a request as it was read. An anomaly never counts towards a flag; rules may use it.

use crate::{LocationId, limits};

macro_rules! anomalies {
    ($($(#[doc = $doc:literal])+ $variant:ident = $id:literal,)+) => {
        /// An anomaly that reading a request can show. Ids are stable: rules, logs and metrics carry them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Anomaly { $($(#[doc = $doc])+ $variant,)+ }

        impl Anomaly {
            /// Every anomaly, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable id, for instance `DUPLICATE-KEYS`.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$variant => $id,)+ }
            }

            /// When it is seen, in one sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

anomalies! {
    /// The path differs from its normalised form.
    AbnormalPath = "ABNORMALPATH",
    /// Malformed or contradictory hop-by-hop headers.
    BadHopHeaders = "BHH",
    /// A body made so that its parser and the application would disagree.
    BodyParserEvasion = "BODY-PARSER-EVASION",
    /// A compressed body that could not be inflated within its limits.
    Compressed = "COMPRESSED",
    /// Characters that were percent-encoded more than once.
    DoubleEncoding = "DOUBLEENCODING",
    /// A header that must be single stands more than once.
    DuplicateHeaders = "DUPLICATE-HEADERS",
    /// A JSON object names a key more than once.
    DuplicateKeys = "DUPLICATE-KEYS",
    /// A GraphQL batch of operations.
    GraphqlBatch = "GRAPHQL-BATCH",
    /// A GraphQL selection nested beyond the limit.
    GraphqlDepth = "GRAPHQL-DEPTH",
    /// GraphQL variables that are named twice.
    GraphqlDuplicateVariables = "GRAPHQL-DUPLICATE-VARIABLES",
    /// A GraphQL request.
    GraphqlApi = "GRAPHQL-API",
    /// A GraphQL introspection query.
    GraphqlIntrospection = "GRAPHQL-INTROSPECTION",
    /// A GraphQL development console was asked for.
    GraphqlIde = "GRAPHQL-IDE",
    /// GraphQL variables that are used but not declared.
    GraphqlUndefinedVariables = "GRAPHQL-UNDEFINED-VARIABLES",
    /// Credentials sent in a way that does not protect them.
    InsecureAuth = "INSECURE-AUTH",
    /// Inspection stopped before everything was examined.
    InspectionTimeout = "INSPECTION-TIMEOUT",
    /// An escape or base64 text that is not valid.
    InvalidEncoding = "INVALID-ENCODING",
    /// Text that claims to be JSON and is not.
    JsonError = "JSON-ERROR",
    /// A bearer token whose time is over.
    JwtExpired = "JWT-EXPIRED",
    /// A bearer token that does not parse.
    JwtMalformed = "JWT-MALFORMED",
    /// A bearer token without a signature.
    JwtNone = "JWT-NONE",
    /// A body that is not what its content type says.
    MalformedData = "MALFORMED-DATA",
    /// A body without a content type.
    NoContentType = "NO-CONTENT-TYPE",
    /// No user agent.
    NoUserAgent = "NOUA",
    /// Bytes that are not UTF-8.
    NotUtf8 = "NOTUTF8",
    /// A NUL byte.
    NullByte = "NULLBYTE",
    /// A host used for out-of-band interaction.
    OobDomain = "OOB-DOMAIN",
    /// A foreign URL in a redirect parameter.
    OpenRedirect = "OPEN-REDIRECT",
    /// More than the inspection limits admit; what lay beyond was not examined.
    Oversize = "OVERSIZE",
    /// A request for a confidential file.
    PrivateFile = "PRIVATEFILE",
    /// Instructions aimed at a language model.
    PromptInjection = "PROMPT-INJECTION",
    /// A second `/next` while an event was out.
    RuntimeApiAbuse = "RUNTIME-API-ABUSE",
    /// No event source was recognised.
    UnknownEvent = "UNKNOWN-EVENT",
    /// Text that claims to be XML and is not.
    XmlError = "XML-ERROR",
}

/// The anomalies of one request: a set by kind, and the first few with their location.
#[derive(Clone, Debug, Default)]
pub struct Anomalies {
    kinds: u64,
    first: Vec<(Anomaly, LocationId)>,
}

impl Anomalies {
    /// Records an anomaly. Beyond [`limits::ANOMALIES`] only its kind is kept.
    pub fn raise(&mut self, anomaly: Anomaly, location: LocationId) {
        let known = self.contains(anomaly);
        self.kinds |= 1 << anomaly as u64;
        // One location per kind answers "where"; a flood of the same kind would only crowd out the others.
        if !known && self.first.len() < limits::ANOMALIES {
            self.first.push((anomaly, location));
        }
    }

    /// Whether this kind was seen.
    #[must_use]
    pub const fn contains(&self, anomaly: Anomaly) -> bool {
        self.kinds & (1 << anomaly as u64) != 0
    }

    /// Whether none was seen.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.kinds == 0
    }

    /// Each kind that was seen, with the place where it was first seen.
    pub fn iter(&self) -> impl Iterator<Item = (Anomaly, LocationId)> + '_ {
        self.first.iter().copied()
    }

    /// Forgets all of them and keeps the memory.
    pub fn clear(&mut self) {
        self.kinds = 0;
        self.first.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_anomaly_has_a_bit_and_an_id_of_its_own() {
        assert!(Anomaly::ALL.len() <= 64, "the set is one u64");
        let mut ids: Vec<_> = Anomaly::ALL.iter().map(|a| a.id()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), Anomaly::ALL.len());
        let mut set = Anomalies::default();
        for &anomaly in Anomaly::ALL {
            assert!(!set.contains(anomaly));
            set.raise(anomaly, LocationId::ROOT);
            set.raise(anomaly, LocationId::ROOT);
        }
        assert_eq!(set.iter().count(), Anomaly::ALL.len());
    }
}
