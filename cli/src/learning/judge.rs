//! What a tally means: which places look false, which look hostile, and whether blocking is safe. It decides on how many clients were
//! seen where, never on what they sent: whether that was an attack has been decided by the detectors, and is what is in doubt here.

use serde::Serialize;

use super::tally::{Group, Place, Tally, days_between};

/// A client that was seen at so many places was trying things out.
const PROBING_PLACES: usize = 3;
/// A false alarm is made by an application, so that several clients run into it.
const CLIENTS_OF_A_FALSE_ALARM: usize = 3;
/// And each of them does so now and then, not in a loop.
const REQUESTS_OF_ONE: u64 = 5;

/// Everything that there is to say, for people and for programs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) days: f64,
    /// From the lines of metrics; 0 where the export holds none.
    pub(super) inspected: u64,
    pub(super) would_block: u64,
    pub(super) blocked: u64,
    pub(super) excluded: u64,
    pub(super) fail_open: u64,
    pub(super) lines_left_out: u64,
    pub(super) places: Vec<Judged>,
    /// To be added before blocking is switched on.
    pub(super) exclusions: Vec<String>,
    pub(super) safe: bool,
    /// Why it is not safe, or why it is.
    pub(super) because: Vec<String>,
}

/// One place, judged.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Judged {
    pub(super) signal: String,
    pub(super) location: String,
    pub(super) requests: u64,
    pub(super) clients: usize,
    pub(super) paths: usize,
    pub(super) tiers: Vec<String>,
    pub(super) decoded: Vec<String>,
    pub(super) examples: Vec<String>,
    pub(super) first: Option<String>,
    pub(super) last: Option<String>,
    pub(super) judgement: Judgement,
    pub(super) why: String,
    pub(super) exclusion: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Judgement {
    LooksFalse,
    Unclear,
    LooksHostile,
}

impl Judgement {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::LooksFalse => "looks false",
            Self::Unclear => "needs a look",
            Self::LooksHostile => "looks hostile",
        }
    }
}

/// Judges a tally.
pub(super) fn report(tally: Tally, days_needed: u32) -> Report {
    let mut places: Vec<Judged> =
        tally.groups.iter().map(|(place, group)| judged(&tally, place, group)).collect();
    places.sort_by(|one, other| {
        (one.judgement, other.clients, other.requests).cmp(&(other.judgement, one.clients, one.requests))
    });
    let exclusions: Vec<String> = places
        .iter()
        .filter(|place| place.judgement == Judgement::LooksFalse)
        .map(|place| place.exclusion.clone())
        .collect();
    let days = match (&tally.first, &tally.last) {
        (Some(first), Some(last)) => days_between(first, last),
        _ => 0.0,
    };
    let because = reasons(&tally, &places, days, days_needed);
    let safe = because.is_empty();
    let because = if safe { why_safe(&tally, &places, days) } else { because };
    Report {
        from: tally.first,
        to: tally.last,
        days: (days * 10.0).round() / 10.0,
        inspected: tally.inspected,
        would_block: tally.would_block,
        blocked: tally.blocked,
        excluded: tally.excluded,
        fail_open: tally.fail_open,
        lines_left_out: tally.suppressed + tally.left_out,
        places,
        exclusions,
        safe,
        because,
    }
}

fn judged(tally: &Tally, place: &Place, group: &Group) -> Judged {
    let clients = group.clients.len();
    let elsewhere = |client: &str| tally.places_of.get(client).map_or(0, std::collections::HashSet::len);
    let probing: u64 = group
        .clients
        .iter()
        .filter(|(client, _)| elsewhere(client) >= PROBING_PLACES)
        .map(|(_, requests)| requests)
        .sum();
    let counted: u64 = group.clients.values().sum();
    let each = counted.checked_div(clients as u64).unwrap_or(0);
    let (judgement, why) = if probing * 2 >= counted {
        let probers = group.clients.keys().filter(|client| elsewhere(client) >= PROBING_PLACES).count();
        (
            Judgement::LooksHostile,
            format!("{probers} of {clients} clients also tried {PROBING_PLACES} or more other things"),
        )
    } else if clients >= CLIENTS_OF_A_FALSE_ALARM && probing * 10 <= counted && each <= REQUESTS_OF_ONE {
        (Judgement::LooksFalse, format!("{clients} clients ran into it, and tried nothing else"))
    } else if clients < CLIENTS_OF_A_FALSE_ALARM && counted > REQUESTS_OF_ONE {
        (
            Judgement::Unclear,
            "again and again from the same client: a partner's program, or somebody's tool".to_owned(),
        )
    } else {
        (Judgement::Unclear, "too few to tell; look at the examples".to_owned())
    };
    let exclusion = format!("{}@{}", place.signal, place.location);
    // The agent's own word for it, where it says one: it knows how a location is written.
    let told = group.allowed_by.as_deref().and_then(|told| told.strip_prefix("PICKET_EXCLUDE="));
    Judged {
        signal: place.signal.clone(),
        location: place.location.clone(),
        requests: group.requests,
        clients,
        paths: group.paths.len(),
        tiers: group.tiers.iter().cloned().collect(),
        decoded: group.decoders.iter().cloned().collect(),
        examples: group.examples.iter().cloned().collect(),
        first: group.first.clone(),
        last: group.last.clone(),
        judgement,
        why,
        exclusion: told.map_or(exclusion, str::to_owned),
    }
}

/// What speaks against blocking.
fn reasons(tally: &Tally, places: &[Judged], days: f64, days_needed: u32) -> Vec<String> {
    let count = |judgement| places.iter().filter(|place| place.judgement == judgement).count();
    let mut because = Vec::new();
    if tally.first.is_none() {
        because.push("no line of Picket's was found in what was read".to_owned());
    } else if days < f64::from(days_needed) {
        because.push(format!("the lines span {days:.1} days, and {days_needed} are wanted"));
    }
    match count(Judgement::LooksFalse) {
        0 => {}
        number => because.push(format!("{number} places look false: add their exclusions first")),
    }
    match count(Judgement::Unclear) {
        0 => {}
        number => because.push(format!("{number} places need a look")),
    }
    if tally.suppressed + tally.left_out > 0 {
        because.push(format!(
            "{} verdict lines were left out of the log, so there may be more places",
            tally.suppressed + tally.left_out
        ));
    }
    because
}

fn why_safe(tally: &Tally, places: &[Judged], days: f64) -> Vec<String> {
    let mut because = vec![match places.len() {
        0 => format!("nothing would have been blocked in {days:.1} days"),
        number => format!("everything that would have been blocked at {number} places looks hostile"),
    }];
    if tally.inspected == 0 {
        because.push(
            "how many requests were inspected is not known: the export holds no lines of metrics".to_owned(),
        );
    }
    because
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{lines::Line, tally::Tally};
    use super::*;

    fn line(day: u32, client: &str, signal: &str, location: &str) -> Value {
        json!({
            "timestamp": format!("2026-11-{day:02}T10:00:00.000Z"), "verdict": "would_block", "client": client,
            "path": "/x", "signals": [{"id": signal, "tier": "certain", "location": location, "excerpt": "1 or 1"}],
            "allowedBy": format!("PICKET_EXCLUDE={signal}@{location}"),
        })
    }

    fn judged_lines(lines: Vec<Value>, exclude: &[String]) -> Report {
        let mut tally = Tally::new(exclude);
        for line in lines {
            tally.take(&Line::Json(line));
        }
        report(tally, 7)
    }

    /// Ten customers whose notes look like SQL, one scanner, and a week of it.
    fn week() -> Vec<Value> {
        let mut lines: Vec<Value> =
            (0..10).map(|n| line(1 + n % 7, &format!("198.51.100.{n}"), "SQLI", "body.note")).collect();
        for (signal, location) in
            [("SQLI", "query.id"), ("XSS", "query.q"), ("TRAVERSAL", "path"), ("CMDEXE", "query.id")]
        {
            lines.extend((0..30).map(|_| line(3, "203.0.113.9", signal, location)));
        }
        lines
    }

    #[test]
    fn many_clients_at_one_place_look_false_and_a_scanner_looks_hostile() {
        let report = judged_lines(week(), &[]);
        let find = |location: &str| report.places.iter().find(|place| place.location == location).unwrap();
        assert_eq!((find("body.note").judgement, find("body.note").clients), (Judgement::LooksFalse, 10));
        for hostile in ["query.q", "path", "query.id"] {
            assert_eq!(find(hostile).judgement, Judgement::LooksHostile, "{hostile}");
        }
        assert_eq!(report.exclusions, ["SQLI@body.note"]);
        assert!(!report.safe);
        assert!(report.because.iter().any(|why| why.contains("exclusions first")), "{:?}", report.because);
    }

    #[test]
    fn with_its_exclusions_a_full_week_is_safe_and_a_short_one_is_not() {
        let exclude = ["PICKET_EXCLUDE=SQLI@body.note".to_owned()];
        let report = judged_lines(
            week()
                .into_iter()
                .chain([line(1, "203.0.113.9", "XSS", "query.q"), line(9, "203.0.113.9", "XSS", "query.q")])
                .collect(),
            &exclude,
        );
        assert!(report.safe, "{:?}", report.because);
        assert_eq!(report.excluded, 10);
        let short = judged_lines(week(), &exclude);
        assert!(!short.safe && short.because[0].contains("days"), "{:?}", short.because);
    }

    #[test]
    fn one_client_at_one_place_needs_a_look() {
        let report =
            judged_lines((0..50).map(|n| line(1 + n % 9, "192.0.2.4", "SQLI", "body.sql")).collect(), &[]);
        assert_eq!(report.places[0].judgement, Judgement::Unclear);
        assert!(!report.safe);
    }

    #[test]
    fn lines_that_were_left_out_and_lines_that_are_none_are_no_proof() {
        assert!(!judged_lines(vec![], &[]).safe);
        assert!(!judged_lines(vec![json!({"hello": 1})], &[]).safe);
        let metric = |day: u64, n: u64| json!({"_aws": {"Timestamp": 1_795_334_400_000_u64 + day * 86_400_000}, "Inspected": n});
        let quiet = judged_lines(vec![metric(0, 500), metric(8, 700)], &[]);
        assert!(quiet.safe, "{:?}", quiet.because);
        assert_eq!(quiet.inspected, 1_200);
        let left_out =
            json!({"message": "picket: verdict lines were left out to keep the log small", "suppressed": 9});
        let noisy = judged_lines(vec![metric(0, 500), metric(8, 700), left_out], &[]);
        assert!(!noisy.safe && noisy.lines_left_out == 9);
    }
}
