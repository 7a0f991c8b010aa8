//! The table of settings: every key that Picket reads from the environment, what it means, and what is used where it is
//! absent or wrong. docs/settings.md is generated from it.
//!
//! It may not read the environment itself: a function hands it the value of a key.

use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr, time::Duration};

use ipnet::IpNet;
use picket_policy::{BlockLine, BlockResponse, Exclusion, Mode, OnFailure};

pub use crate::forms::{MetricsForm, VerdictForm};
use crate::limits::VERDICT_LINES_UNASKED;

/// How the function answers, which decides the form of a block answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseForm {
    /// Learned from the handler's last answer; buffered until there was one.
    #[default]
    Auto,
    /// One JSON document.
    Buffered,
    /// A prelude, eight NULs and the body.
    Streaming,
}

impl FromStr for ResponseForm {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word.to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "buffered" => Ok(Self::Buffered),
            "streaming" => Ok(Self::Streaming),
            _ => Err(()),
        }
    }
}

impl fmt::Display for ResponseForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Buffered => "buffered",
            Self::Streaming => "streaming",
        })
    }
}

/// How requests to the engine are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// With the key in the secret.
    #[default]
    Key,
    /// With the function's role.
    Iam,
}

impl FromStr for Auth {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word.to_ascii_lowercase().as_str() {
            "key" => Ok(Self::Key),
            "iam" => Ok(Self::Iam),
            _ => Err(()),
        }
    }
}

/// Which of the handler's answers are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WatchedAnswers {
    /// Those to requests that carried a finding, and those that a rule looks at.
    #[default]
    Attacks,
    /// Every one.
    All,
    /// None, but for what rules of the policy need.
    Off,
}

impl FromStr for WatchedAnswers {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word.to_ascii_lowercase().as_str() {
            "attacks" => Ok(Self::Attacks),
            "all" => Ok(Self::All),
            "off" => Ok(Self::Off),
            _ => Err(()),
        }
    }
}

/// A text that is shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Names that the owner wants redacted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redactions {
    /// Of parameters.
    pub parameters: Vec<String>,
    /// Of headers.
    pub headers: Vec<String>,
}

/// How much Picket says in the function's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Faults that need somebody.
    Error,
    /// And what was blocked or would have been, wrong settings, faults that were survived.
    Warn,
    /// And one line at start and end.
    #[default]
    Info,
    /// And every request that carries a signal.
    Debug,
}

impl LogLevel {
    /// The word that stands in log lines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Warn => "WARN",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
        }
    }
}

impl FromStr for LogLevel {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word.to_ascii_lowercase().as_str() {
            // Lambda's own words are FATAL and TRACE at the ends.
            "fatal" | "error" => Ok(Self::Error),
            "warn" => Ok(Self::Warn),
            "info" => Ok(Self::Info),
            "debug" | "trace" => Ok(Self::Debug),
            _ => Err(()),
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name().to_ascii_lowercase())
    }
}

/// The form of Picket's own log lines. Verdicts are JSON in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// One line of words.
    #[default]
    Text,
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word.to_ascii_lowercase().as_str() {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            _ => Err(()),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "json",
            Self::Text => "text",
        })
    }
}

/// One row of the table of settings.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The name of the environment variable.
    pub key: &'static str,
    /// What a value must look like.
    pub expected: &'static str,
    /// What is used where it is absent or wrong.
    pub default: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

/// A wrong setting: which, what it was, what was expected, and what is used instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The name of the environment variable.
    pub key: &'static str,
    /// The value as it was given, escaped and cut after 64 characters.
    pub value: String,
    /// What was expected.
    pub expected: String,
    /// What is used instead.
    pub used: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, expected, used } = self;
        write!(f, "{key} is \"{value}\", but {expected} was expected; {used} is used instead")
    }
}

macro_rules! settings {
    ($($(#[doc = $meaning:literal])+ $field:ident: $type:ty = $key:literal, $expected:literal, $default:literal, $parse:expr;)+) => {
        /// Everything that the owner of a function can set by environment variables.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Settings { $($(#[doc = $meaning])+ pub $field: $type,)+ }

        impl Settings {
            /// The table, in the order of the documentation.
            pub const TABLE: &'static [Setting] = &[$(Setting {
                key: $key, expected: $expected, default: $default, meaning: concat!($($meaning, "\n"),+),
            },)+];

            /// Reads the settings through `value_of`. A wrong value never stops anything: the default is used and a
            /// complaint says so.
            pub fn read(value_of: impl Fn(&str) -> Option<String>) -> (Self, Vec<Complaint>) {
                let mut complaints = Vec::new();
                let settings = Self { $($field: {
                    let parse: fn(&str) -> Option<$type> = $parse;
                    read_one(&value_of, $key, $expected, $default, parse, &mut complaints)
                },)+ };
                (settings, complaints)
            }
        }
    };
}

fn word<T: FromStr>(text: &str) -> Option<T> {
    text.trim().parse().ok()
}

fn within<T: FromStr + PartialOrd + Copy>(text: &str, low: T, high: T) -> Option<T> {
    word::<T>(text).filter(|number| *number >= low && *number <= high)
}

fn flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "on" | "yes" => Some(true),
        "false" | "0" | "off" | "no" => Some(false),
        _ => None,
    }
}

fn address(text: &str) -> Option<Option<String>> {
    let text = text.trim();
    if text.is_empty() {
        return Some(None);
    }
    let (host, port) = text.rsplit_once(':')?;
    let plain = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b));
    (plain && port.parse::<u16>().is_ok_and(|port| port > 0)).then(|| Some(text.to_owned()))
}

fn location(text: &str) -> Option<Option<String>> {
    let text = text.trim();
    if text.is_empty() {
        return Some(None);
    }
    BlockResponse::new(302, Some(text.to_owned())).ok().map(|_| Some(text.to_owned()))
}

/// Printable text without blanks.
fn printable(text: &str) -> Option<Option<String>> {
    let text = text.trim();
    let plain = text.len() <= 2048 && text.bytes().all(|byte| byte.is_ascii_graphic());
    plain.then(|| (!text.is_empty()).then(|| text.to_owned()))
}

/// An address of an engine: https, or http to this machine; the client checks that again at each request.
fn engine(text: &str) -> Option<Option<String>> {
    let url = printable(text)?;
    let rest = url.as_deref().map(|url| url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")));
    match rest {
        None => Some(None),
        Some(Some(rest)) if !rest.is_empty() => Some(url),
        Some(_) => None,
    }
}

fn hidden(text: &str) -> Option<Option<Hidden>> {
    let text = text.trim();
    let plain = text.len() <= 256 && !text.chars().any(char::is_control);
    plain.then(|| (!text.is_empty()).then(|| Hidden(text.to_owned())))
}

/// The base64url of 32 bytes.
fn key32(text: &str) -> Option<Option<String>> {
    let text = text.trim().trim_end_matches('=');
    let plain = text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if text.is_empty() { Some(None) } else { plain.then(|| Some(text.to_owned())) }
}

fn redactions(text: &str) -> Option<Redactions> {
    let mut redactions = Redactions::default();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let (name, list) = match item.strip_prefix("header:") {
            Some(name) => (name, &mut redactions.headers),
            None => (item, &mut redactions.parameters),
        };
        if name.is_empty()
            || name.len() > 128
            || list.len() >= 64
            || !name.bytes().all(|b| b.is_ascii_graphic())
        {
            return None;
        }
        list.push(name.to_owned());
    }
    Some(redactions)
}

fn ranges(text: &str) -> Option<Vec<IpNet>> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(|item| item.parse().or_else(|_| item.parse::<IpAddr>().map(IpNet::from)).ok()).collect()
}

fn site(text: &str) -> Option<String> {
    let text = text.trim();
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    (plain && (1..=64).contains(&text.len())).then(|| text.to_owned())
}

fn exclusions(text: &str) -> Option<Vec<Exclusion>> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(|item| item.parse().ok()).collect()
}

fn read_one<T>(
    value_of: impl Fn(&str) -> Option<String>,
    key: &'static str,
    expected: &str,
    default: &str,
    parse: fn(&str) -> Option<T>,
    complaints: &mut Vec<Complaint>,
) -> T {
    if let Some(value) = value_of(key).filter(|value| !value.trim().is_empty()) {
        if let Some(parsed) = parse(&value) {
            return parsed;
        }
        complaints.push(Complaint {
            key,
            value: value.escape_debug().take(64).collect(),
            expected: expected.to_owned(),
            used: if default.is_empty() { "nothing".to_owned() } else { default.to_owned() },
        });
    }
    // A test parses every default of the table, so the last resort below is never reached.
    parse(default).unwrap_or_else(|| unreachable!("the default of {key} does not parse"))
}

settings! {
    /// What Picket does about an attack: `block` it, `log` what would have been blocked, or `off`.
    mode: Mode = "PICKET_MODE", "block, log or off", "log", word;
    /// The policy that decides, as a path to the file that `picket policy build` wrote. Without it, or where it cannot be
    /// used, /var/task/picket.policy decides if it is there, else the settings on this page do. Of these, `PICKET_MODE` and
    /// `PICKET_EXCLUDE` hold over a policy file too.
    policy: Option<PathBuf> = "PICKET_POLICY", "the path of a built policy", "",
        |text| (!text.contains(char::is_control)).then(|| Some(text.trim()).filter(|text| !text.is_empty()).map(PathBuf::from));
    /// The least certain finding that is blocked on first sight. `flagged` blocks only clients that the engine flagged.
    block_on: BlockLine = "PICKET_BLOCK_ON", "certain, likely or flagged", "certain", word;
    /// The status of a blocked answer.
    block_status: u16 = "PICKET_BLOCK_STATUS", "301, 302 or a number from 400 to 599", "406",
        |text| word(text).filter(|status| matches!(status, 301 | 302 | 400..=599));
    /// Where 301 and 302 lead.
    block_location: Option<String> = "PICKET_BLOCK_LOCATION", "a URL of printable ASCII", "", location;
    /// Whether mode `block` also blocks requests of which something suspicious was left unexamined because a bound was
    /// reached.
    block_unexamined: bool = "PICKET_BLOCK_UNEXAMINED", "true or false", "true", flag;
    /// Findings that are known to be harmless, separated by commas: each is a signal and a location, as the field
    /// `allowedBy` of a verdict line names them. `[*]` stands for any index.
    exclude: Vec<Exclusion> = "PICKET_EXCLUDE", "pairs like SQLI@body.items[*].note, separated by commas", "", exclusions;
    /// What happens to a request that a fault inside Picket kept from being inspected: `open` lets it pass, `closed`
    /// blocks it where its event source was recognised.
    on_failure: OnFailure = "PICKET_ON_FAILURE", "open or closed", "open", word;
    /// The form of a block answer: `auto` learns it from the handler's answers. A function whose invoke mode is
    /// RESPONSE_STREAM should say `streaming`, so that its first block has the right form too.
    response: ResponseForm = "PICKET_RESPONSE", "auto, buffered or streaming", "auto", word;
    /// Which of the handler's answers are looked at for leaks and for the effects of attacks: those to requests that carried
    /// a finding, all, or none. What rules of the policy look at is looked at in any case.
    answers: WatchedAnswers = "PICKET_ANSWERS", "attacks, all or off", "attacks", word;
    /// Whether the handler gets the headers `x-picket-verdict`, `x-picket-request-id` and `x-picket-signals` with each event
    /// that has headers. Headers of those names that a client sent are taken out then, in every mode.
    tags: bool = "PICKET_TAGS", "true or false", "false", flag;
    /// The port on 127.0.0.1 on which Picket listens for the runtime.
    port: u16 = "PICKET_PORT", "a number from 1024 to 65535", "9187", |text| within(text, 1024, 65535);
    /// The Runtime API that Picket forwards to, as host:port; for another proxy behind Picket. Default: the address
    /// that Lambda gives.
    upstream: Option<String> = "PICKET_UPSTREAM", "host:port", "", address;
    /// How long one event may be inspected, in milliseconds. After that its original bytes go through, and the fault
    /// is counted.
    inspect_timeout: Duration = "PICKET_INSPECT_TIMEOUT_MS", "a number of milliseconds from 1 to 60000", "1000",
        |text| within(text, 1, 60_000).map(Duration::from_millis);
    /// Address ranges of the owner's own proxies in front of the function, separated by commas. What they say of the
    /// client in `X-Forwarded-For` is believed.
    trusted_ranges: Vec<IpNet> = "PICKET_TRUSTED_RANGES", "address ranges like 10.0.0.0/8, separated by commas", "", ranges;
    /// Address ranges of a CDN that anybody can send through, separated by commas (CloudFront's are in AWS's
    /// ip-ranges.json). The client behind them is named in the log, and never counted.
    cdn_ranges: Vec<IpNet> = "PICKET_CDN_RANGES", "address ranges like 10.0.0.0/8, separated by commas", "", ranges;
    /// The name or ARN of the secret in AWS Secrets Manager that holds the key for the engine. It is read in the background,
    /// never before the first event may come.
    secret: Option<String> = "PICKET_SECRET", "a name or an ARN", "", printable;
    /// The engine's address, where it is not the one in the secret. Anything but this machine needs https.
    engine: Option<String> = "PICKET_ENGINE", "an https:// address", "", engine;
    /// How requests to the engine are signed: with the secret's `key`, or with the function's role (`iam`), which needs
    /// PICKET_ENGINE and no secret.
    auth: Auth = "PICKET_AUTH", "key or iam", "key", word;
    /// What the engine calls itself in signatures, where it is not what the secret says.
    audience: Option<String> = "PICKET_AUDIENCE", "a name", "", printable;
    /// The public key that the engine's policies are signed with, where it is not the secret's.
    policy_key: Option<String> = "PICKET_POLICY_KEY", "the base64url of 32 bytes", "", key32;
    /// A PEM file of certificate authorities to trust beside the web's, for an engine of one's own.
    ca_file: Option<String> = "PICKET_CA_FILE", "the path of a file", "", printable;
    /// How long the runtime's call for the next event may be held, after the response, to send a report; in milliseconds.
    /// 0 holds none.
    hold: Duration = "PICKET_HOLD_MS", "a number of milliseconds from 0 to 2000", "200",
        |text| within(text, 0, 2000).map(Duration::from_millis);
    /// How long events that carry an attack may wait for the first flags of an environment, all together, and each for newer
    /// ones whose answer is under way, in milliseconds.
    flag_wait: Duration = "PICKET_FLAG_WAIT_MS", "a number of milliseconds from 0 to 1000", "100",
        |text| within(text, 0, 1000).map(Duration::from_millis);
    /// Seconds after which a report is due even where there was no attack.
    report_interval_s: u64 = "PICKET_REPORT_INTERVAL_S", "a number of seconds from 1 to 3600", "60",
        |text| within(text, 1, 3600);
    /// Further names to redact, separated by commas: parameters, or headers with `header:` before them.
    redact: Redactions = "PICKET_REDACT", "names like member-number, header:x-internal", "", redactions;
    /// A text of the owner's. Where it is set, addresses and sessions leave only as digests under it, the same for all
    /// functions that share it.
    hash_addresses: Option<Hidden> = "PICKET_HASH_ADDRESSES", "a text of at most 256 characters", "", hidden;
    /// The public key to which withheld values are encrypted (`picket seal-keygen` makes a pair). Without it they are
    /// dropped.
    seal_key: Option<String> = "PICKET_SEAL_KEY", "the base64url of 32 bytes", "", key32;
    /// How much Picket says. `AWS_LAMBDA_LOG_LEVEL` is used where this is absent.
    log_level: LogLevel = "PICKET_LOG_LEVEL", "error, warn, info or debug", "info", word;
    /// The form of Picket's own lines. `AWS_LAMBDA_LOG_FORMAT` is used where this is absent. Verdicts are JSON in both.
    log_format: LogFormat = "PICKET_LOG_FORMAT", "json or text", "text", word;
    /// Verdict lines a minute. What is beyond is counted and summed up in one line.
    log_verdicts: u32 = "PICKET_LOG_VERDICTS_PER_MINUTE", "a number from 0 to 6000", "60", |text| within(text, 0, 6000);
    /// The form of a verdict line: Picket's own fields, or `ocsf` for HTTP Activity of the Open Cybersecurity Schema Framework.
    verdict_form: VerdictForm = "PICKET_LOG_VERDICT_FORM", "picket or ocsf", "picket", word;
    /// Metrics for CloudWatch, in its Embedded Metric Format: the sums of the site and of each `function`, of the `site` alone, or
    /// `off`. They are lines of level info. There are no other dimensions, because each value of one costs the price of a metric.
    metrics: MetricsForm = "PICKET_METRICS", "function, site or off", "function", word;
    /// The name of the site that this function belongs to: a dimension of the metrics, and what sealed values are bound to.
    site: String = "PICKET_SITE", "1 to 64 letters, digits, dots, dashes and underscores", "default", site;
    /// Says that the price of more than 600 verdict lines a minute is known; without it they are held to 600. See docs/cost.md.
    accept_cost: bool = "PICKET_ACCEPT_COST", "true or false", "false", flag;
}

impl Settings {
    /// Reads the settings and gives Lambda's own logging variables their place: Picket's key first, then Lambda's.
    pub fn from_environment(value_of: impl Fn(&str) -> Option<String>) -> (Self, Vec<Complaint>) {
        let (mut settings, mut complaints) = Self::read(|key| {
            let fallback = match key {
                "PICKET_LOG_LEVEL" => "AWS_LAMBDA_LOG_LEVEL",
                "PICKET_LOG_FORMAT" => "AWS_LAMBDA_LOG_FORMAT",
                _ => return value_of(key),
            };
            value_of(key).filter(|value| !value.trim().is_empty()).or_else(|| value_of(fallback))
        });
        if matches!(settings.block_status, 301 | 302) && settings.block_location.is_none() {
            complaints.push(Complaint {
                key: "PICKET_BLOCK_STATUS",
                value: settings.block_status.to_string(),
                expected: "PICKET_BLOCK_LOCATION beside it".to_owned(),
                used: "406".to_owned(),
            });
            settings.block_status = 406;
        }
        if settings.log_verdicts > VERDICT_LINES_UNASKED && !settings.accept_cost {
            complaints.push(Complaint {
                key: "PICKET_LOG_VERDICTS_PER_MINUTE",
                value: settings.log_verdicts.to_string(),
                expected: "PICKET_ACCEPT_COST=true beside it".to_owned(),
                used: VERDICT_LINES_UNASKED.to_string(),
            });
            settings.log_verdicts = VERDICT_LINES_UNASKED;
        }
        (settings, complaints)
    }

    /// The page docs/settings.md.
    #[must_use]
    pub fn page() -> String {
        let mut page = String::from(
            "# Settings\n\nPicket is set up by environment variables of the function. A wrong value never stops the function: Picket\n\
             says which key is wrong, what it expected, and what it uses instead. This page is generated from\n\
             `extension/src/settings.rs` by `cargo xtask docs`.\n\n| key | value | default | meaning |\n|---|---|---|---|\n",
        );
        for Setting { key, expected, default, meaning } in Self::TABLE {
            let default = if default.is_empty() { "none".to_owned() } else { format!("`{default}`") };
            let meaning = meaning.split_whitespace().collect::<Vec<_>>().join(" ");
            page.push_str(&format!("| `{key}` | {expected} | {default} | {meaning} |\n"));
        }
        page.push_str(
            "\n`AWS_LAMBDA_LOG_LEVEL` and `AWS_LAMBDA_LOG_FORMAT` are honoured where Picket's own keys are absent. The wrapper reads\n\
             `PICKET_PORT` and `PICKET_NEXT_WRAPPER` (the wrapper of another layer, run after Picket's with the same arguments).\n",
        );
        page
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> (Settings, Vec<Complaint>) {
        let map: HashMap<_, _> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Settings::from_environment(|key| map.get(key).cloned())
    }

    #[test]
    fn nothing_set_gives_the_defaults_without_a_word() {
        let (settings, complaints) = read(&[]);
        assert_eq!(complaints, []);
        assert_eq!((settings.mode, settings.block_status, settings.port), (Mode::Log, 406, 9187));
        assert_eq!(settings.upstream, None);
    }

    #[test]
    fn every_key_accepts_its_default_and_refuses_nonsense_by_name() {
        for Setting { key, default, .. } in Settings::TABLE {
            let (_, complaints) = read(&[(key, default)]);
            assert_eq!(complaints, [], "{key}");
            let (settings, complaints) = read(&[(key, "\u{1}no such value\n")]);
            let defaults = read(&[]).0;
            assert_eq!(complaints.len(), 1, "{key}");
            let said = complaints[0].to_string();
            assert!(
                said.contains(key) && said.contains("no such value") && said.contains("expected"),
                "{said}"
            );
            assert!(!said.contains('\n'), "{said:?}");
            assert_eq!(settings, defaults, "{key}");
        }
    }

    #[test]
    fn lambdas_own_logging_variables_stand_behind_ours() {
        let (settings, _) = read(&[("AWS_LAMBDA_LOG_LEVEL", "FATAL"), ("AWS_LAMBDA_LOG_FORMAT", "JSON")]);
        assert_eq!((settings.log_level, settings.log_format), (LogLevel::Error, LogFormat::Json));
        let (settings, _) = read(&[("AWS_LAMBDA_LOG_LEVEL", "FATAL"), ("PICKET_LOG_LEVEL", "debug")]);
        assert_eq!(settings.log_level, LogLevel::Debug);
    }

    #[test]
    fn a_redirect_without_a_location_falls_back_and_says_so() {
        let (settings, complaints) = read(&[("PICKET_BLOCK_STATUS", "302")]);
        assert_eq!(settings.block_status, 406);
        assert!(complaints[0].to_string().contains("PICKET_BLOCK_LOCATION"));
        let (settings, complaints) =
            read(&[("PICKET_BLOCK_STATUS", "302"), ("PICKET_BLOCK_LOCATION", "https://example.com/x")]);
        assert_eq!((settings.block_status, complaints.len()), (302, 0));
    }

    #[test]
    fn what_would_explode_the_bill_is_refused_by_name() {
        let (settings, complaints) = read(&[("PICKET_LOG_VERDICTS_PER_MINUTE", "6000")]);
        assert_eq!((settings.log_verdicts, complaints.len()), (600, 1));
        assert!(complaints[0].to_string().contains("PICKET_ACCEPT_COST=true"), "{}", complaints[0]);
        let accepted = [("PICKET_LOG_VERDICTS_PER_MINUTE", "6000"), ("PICKET_ACCEPT_COST", "true")];
        let (settings, complaints) = read(&accepted);
        assert_eq!((settings.log_verdicts, complaints.len()), (6000, 0));
        for dimension in ["client", "path", "rule", "function,client", "requestId"] {
            let (settings, complaints) = read(&[("PICKET_METRICS", dimension)]);
            assert_eq!((settings.metrics, complaints.len()), (MetricsForm::Function, 1), "{dimension}");
        }
        for site in ["a b", "", "shop/1", &"x".repeat(65)] {
            assert_eq!(read(&[("PICKET_SITE", site)]).0.site, "default", "{site}");
        }
    }

    #[test]
    fn addresses_and_ranges_are_checked() {
        assert_eq!(read(&[("PICKET_UPSTREAM", "169.254.100.1:9001")]).1, []);
        for wrong in ["http://127.0.0.1:9001", "127.0.0.1", "127.0.0.1:0", ":9", "a b:9"] {
            assert_eq!(read(&[("PICKET_UPSTREAM", wrong)]).1.len(), 1, "{wrong}");
        }
        assert_eq!(read(&[("PICKET_TRUSTED_RANGES", "10.0.0.0/8, 2001:db8::/32")]).0.trusted_ranges.len(), 2);
        assert_eq!(read(&[("PICKET_TRUSTED_RANGES", "10.0.0.0/8;x")]).1.len(), 1);
    }
}
