//! Exclusions: this signal at this place is no attack here, because the owner says so. They are as narrow as a verdict
//! line names them: one signal, one location.

use std::{fmt, str::FromStr};

use picket_detection::Signal;
use picket_request::Anomaly;

/// One exclusion, written as `SIGNAL@location`, for instance `SQLI@body.items[*].note`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclusion {
    signal: String,
    /// The location between its wildcards.
    pieces: Vec<String>,
}

/// Stands for any index.
const ANY_INDEX: &str = "[*]";

impl Exclusion {
    /// The id of the signal.
    #[must_use]
    pub fn signal(&self) -> &str {
        &self.signal
    }

    /// Whether a finding of `signal` at the rendered `location` is excluded.
    #[must_use]
    pub fn covers(&self, signal: Signal, location: &str) -> bool {
        self.signal == signal.id() && self.covers_location(location)
    }

    /// Each piece must stand where the one before it and an index ended, so the cost is one pass over the location.
    fn covers_location(&self, location: &str) -> bool {
        let mut rest = location;
        for (nth, piece) in self.pieces.iter().enumerate() {
            if nth > 0 {
                let Some(after) = after_index(rest) else { return false };
                rest = after;
            }
            let Some(after) = rest.strip_prefix(piece.as_str()) else { return false };
            rest = after;
        }
        rest.is_empty()
    }

    /// The exclusion that covers exactly this finding's place, with its indices as wildcards.
    #[must_use]
    pub fn of(signal: Signal, location: &str) -> String {
        let mut place = String::with_capacity(location.len());
        let mut rest = location;
        while let Some(at) = rest.find('[') {
            let (before, bracket) = rest.split_at(at);
            place.push_str(before);
            if let Some(after) = after_index(bracket) {
                place.push_str(ANY_INDEX);
                rest = after;
            } else {
                place.push('[');
                rest = bracket.strip_prefix('[').unwrap_or_default();
            }
        }
        place.push_str(rest);
        format!("{}@{place}", signal.id())
    }
}

/// What follows `[digits]` at the start of a text.
fn after_index(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('[')?;
    let after = inner.trim_start_matches(|c: char| c.is_ascii_digit());
    (after.len() < inner.len()).then(|| after.strip_prefix(']')).flatten()
}

impl Exclusion {
    /// The exclusion of this signal at this location; `None` where the signal is not known or the location says nothing.
    pub fn new(signal: &str, location: &str) -> Option<Self> {
        let known = Signal::ATTACKS.iter().any(|attack| attack.id() == signal)
            || Anomaly::ALL.iter().any(|anomaly| anomaly.id() == signal)
            || signal.starts_with("CVE-");
        // A location alone names one place; without one the signal would be switched off everywhere.
        if !known || location.is_empty() || location.chars().any(char::is_control) {
            return None;
        }
        Some(Self {
            signal: signal.to_owned(),
            pieces: location.split(ANY_INDEX).map(str::to_owned).collect(),
        })
    }
}

impl FromStr for Exclusion {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (signal, location) = text.trim().split_once('@').ok_or(())?;
        Self::new(signal, location).ok_or(())
    }
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.signal, self.pieces.join(ANY_INDEX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exclusion_covers_its_signal_at_its_place_and_nothing_else() {
        let exclusion: Exclusion = "SQLI@body.items[*].note".parse().unwrap();
        assert!(exclusion.covers(Signal::Sqli, "body.items[0].note"));
        assert!(exclusion.covers(Signal::Sqli, "body.items[123].note"));
        for (signal, location) in [
            (Signal::Xss, "body.items[0].note"),
            (Signal::Sqli, "body.items[0].name"),
            (Signal::Sqli, "body.items[0].note.x"),
            (Signal::Sqli, "body.items[].note"),
            (Signal::Sqli, "body.items.note"),
            (Signal::Sqli, "query.note"),
            (Signal::Sqli, ""),
        ] {
            assert!(!exclusion.covers(signal, location), "{signal:?} {location}");
        }
    }

    #[test]
    fn the_exclusion_of_a_finding_covers_it() {
        for location in ["query.id", "body.items[3].note", "body(gzip).a[0][17].b", "body.we[ird].k[2]"] {
            let text = Exclusion::of(Signal::Xss, location);
            let exclusion: Exclusion = text.parse().unwrap();
            assert!(exclusion.covers(Signal::Xss, location), "{text}");
            assert_eq!(exclusion.to_string(), text);
        }
    }

    #[test]
    fn what_would_switch_a_signal_off_everywhere_is_refused() {
        for text in ["SQLI", "SQLI@", "@query.id", "NOSUCH@query.id", "", "SQLI@a\nb"] {
            assert_eq!(text.parse::<Exclusion>(), Err(()), "{text:?}");
        }
    }
}
