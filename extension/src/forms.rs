//! The words by which an owner chooses what the agent writes besides words: metrics, and the form of a verdict line.

use std::{fmt, str::FromStr};

/// The dimensions under which metrics are written. There are no others: each value of a dimension costs the price of a metric,
/// so that an address, a path or a rule as a dimension would let a sender of requests run up a bill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricsForm {
    /// The sums of the site, and each function's own.
    #[default]
    Function,
    /// The sums of the site alone.
    Site,
    /// No metrics.
    Off,
}

impl FromStr for MetricsForm {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word.to_ascii_lowercase().as_str() {
            "function" => Ok(Self::Function),
            "site" => Ok(Self::Site),
            "off" => Ok(Self::Off),
            _ => Err(()),
        }
    }
}

impl fmt::Display for MetricsForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Function => "function",
            Self::Site => "site",
            Self::Off => "off",
        })
    }
}

/// The form of a verdict line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VerdictForm {
    /// Picket's own fields, which docs/verdict-lines.md describes.
    #[default]
    Picket,
    /// The Open Cybersecurity Schema Framework's class HTTP Activity.
    Ocsf,
}

impl FromStr for VerdictForm {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word.to_ascii_lowercase().as_str() {
            "picket" => Ok(Self::Picket),
            "ocsf" => Ok(Self::Ocsf),
            _ => Err(()),
        }
    }
}

impl fmt::Display for VerdictForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Picket => "picket",
            Self::Ocsf => "ocsf",
        })
    }
}
