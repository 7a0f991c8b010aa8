//! The stable names of what an answer can show, and how far an attack came.

macro_rules! signals {
    ($($(#[doc = $doc:literal])+ $variant:ident = $id:literal,)+) => {
        /// What an answer shows. Ids are stable: rules, logs and metrics carry them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ResponseSignal { $($(#[doc = $doc])+ $variant,)+ }

        impl ResponseSignal {
            /// Every signal of answers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable id.
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

signals! {
    /// The status is 403.
    Http403 = "HTTP403",
    /// The status is 404.
    Http404 = "HTTP404",
    /// The status is 429.
    Http429 = "HTTP429",
    /// The status is another one from 400 to 499.
    Http4xx = "HTTP4XX",
    /// The status is 500.
    Http500 = "HTTP500",
    /// The status is 503.
    Http503 = "HTTP503",
    /// The status is another one from 500 to 599.
    Http5xx = "HTTP5XX",
    /// The answer is larger than the threshold.
    ResponseSize = "RESPONSE-SIZE",
    /// The answer took longer than the threshold.
    ResponseTime = "RESPONSE-TIME",
    /// The handler failed instead of answering, or while it answered.
    FunctionError = "FUNCTION-ERROR",
    /// Keys or tokens in the answer: AWS keys, private keys, or the credentials of this very environment.
    SecretLeak = "SECRET-LEAK",
    /// A stack trace or a database's error in the answer.
    ErrorLeak = "ERROR-LEAK",
    /// A hostile span of the request comes back unescaped.
    Reflected = "REFLECTED",
    /// An administrative or private path was asked for and refused.
    ForcefulBrowsing = "FORCEFULBROWSING",
    /// An attack had its effect, by the evidence of the answer.
    ImpactConfirmed = "IMPACT-CONFIRMED",
}

/// How far an attack came, by what request and answer show together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Impact {
    /// The request carries an attack; the answer shows nothing.
    Attempted,
    /// The attack came to where it acts: it comes back unescaped, or the interpreter that it aims at complains.
    Reached,
    /// It had an effect that only its success explains.
    Confirmed,
}

impl Impact {
    /// The stable word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attempted => "attempted",
            Self::Reached => "reached",
            Self::Confirmed => "confirmed",
        }
    }
}
