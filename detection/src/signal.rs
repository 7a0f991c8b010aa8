//! The stable names of what can be seen, and how sure a finding is.

use picket_request::Anomaly;

macro_rules! signals {
    ($($(#[doc = $doc:literal])+ $variant:ident = $id:literal,)+) => {
        /// What a finding says was seen. Ids are stable: rules, logs, metrics and the console carry them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Signal {
            $($(#[doc = $doc])+ $variant,)+
            /// A virtual patch, by the CVE's id, for instance `CVE-2021-44228`.
            Cve(&'static str),
            /// Odd rather than hostile; never counts towards flags.
            Anomaly(Anomaly),
        }

        impl Signal {
            /// Every attack signal with a fixed id.
            pub const ATTACKS: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable id.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self {
                    $(Self::$variant => $id,)+
                    Self::Cve(id) => id,
                    Self::Anomaly(anomaly) => anomaly.id(),
                }
            }
        }
    };
}

signals! {
    /// The value would run as SQL.
    Sqli = "SQLI",
    /// Operators or code for document stores.
    Nosqli = "NOSQLI",
    /// The value would run as script in a page.
    Xss = "XSS",
    /// The value would run a command.
    Cmdexe = "CMDEXE",
    /// The value leaves its folder or names a sensitive file.
    Traversal = "TRAVERSAL",
    /// Code of a scripting language that would be evaluated.
    CodeInjection = "CODEINJECTION",
    /// A template expression that would be evaluated.
    Ssti = "SSTI",
    /// A serialised object of a dangerous kind.
    Deserialization = "DESERIALIZATION",
    /// A JNDI lookup.
    Log4jJndi = "LOG4J-JNDI",
    /// An external entity.
    Xxe = "XXE",
    /// A URL aimed at an internal address.
    Ssrf = "SSRF",
    /// A URL aimed at AWS's own endpoints.
    AwsSsrf = "AWS-SSRF",
    /// An executable upload under another guise.
    Upload = "UPLOAD",
    /// A session id forced on a user.
    SessionFixation = "SESSION-FIXATION",
    /// LDAP filter injection.
    Ldapi = "LDAPI",
    /// `XPath` expression injection.
    Xpathi = "XPATHI",
    /// Server-side includes.
    Ssi = "SSI",
    /// Edge-side includes.
    Esi = "ESI",
    /// Mail header or command injection.
    Maili = "MAILI",
    /// CR/LF aimed at response headers.
    ResponseSplit = "RESPONSESPLIT",
    /// A remote file given where a local one is meant.
    Rfi = "RFI",
    /// A bash function import.
    Shellshock = "SHELLSHOCK",
    /// Keys that reach an object's prototype.
    ProtoPollution = "PROTO-POLLUTION",
    /// A known web shell's path or parameter.
    Backdoor = "BACKDOOR",
    /// An attack tool by its user agent or habits.
    UserAgent = "USERAGENT",
    /// A scanning service.
    Scanner = "SCANNER",
}

impl Signal {
    /// Whether certain and likely findings of this signal count towards flagging a client.
    #[must_use]
    pub const fn is_attack(self) -> bool {
        !matches!(self, Self::Anomaly(_))
    }
}

/// How sure a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// A tag.
    Possible,
    /// Counts towards flags.
    Likely,
    /// Breaks out of its context or has an effect; blocked on first sight in mode `block`.
    Certain,
}

impl Tier {
    /// Sum of weights from which a finding is possible.
    pub const POSSIBLE_FROM: i32 = 30;
    /// Sum of weights from which a finding is likely.
    pub const LIKELY_FROM: i32 = 60;
    /// Sum of weights from which a finding is certain.
    pub const CERTAIN_FROM: i32 = 100;

    /// The tier of a sum of weights, or `None` where it is too small to be worth saying.
    #[must_use]
    pub const fn of(sum: i32) -> Option<Self> {
        if sum >= Self::CERTAIN_FROM {
            Some(Self::Certain)
        } else if sum >= Self::LIKELY_FROM {
            Some(Self::Likely)
        } else if sum >= Self::POSSIBLE_FROM {
            Some(Self::Possible)
        } else {
            None
        }
    }

    /// The stable name: `certain`, `likely` or `possible`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::Likely => "likely",
            Self::Certain => "certain",
        }
    }
}
