//! `cargo xtask cost`: what Picket costs on AWS, computed from measured figures and one table of list prices. Knows both tables; it
//! measures nothing itself, and where a figure has not been measured it says so instead of guessing.

use std::fmt::Write as _;
use std::fs;

use picket_tests::layout;
use serde_json::Value;

const PRICES: &str = include_str!("prices.json");
const MEASURED: &str = include_str!("measured.json");
const PAGE: &str = "docs/cost.md";

/// Metrics that a busy function writes every minute, and those that it writes only when there is something to count.
const STEADY_METRICS: f64 = 2.0;
const ALL_METRICS: f64 = 7.0;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Write docs/cost.md instead of printing it
    #[arg(long)]
    write: bool,
}

/// Prints or writes the page.
///
/// # Errors
/// When a table cannot be read, or the page cannot be written.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let page = page()?;
    if !options.write {
        print!("{page}");
        return Ok(());
    }
    let path = layout::repository().join(PAGE);
    fs::write(&path, page).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("{}", path.display());
    Ok(())
}

/// The two tables.
struct Tables {
    prices: Value,
    measured: Value,
}

impl Tables {
    fn read() -> Result<Self, String> {
        let parse = |text: &str| serde_json::from_str(text).map_err(|error| format!("cost: {error}"));
        Ok(Self { prices: parse(PRICES)?, measured: parse(MEASURED)? })
    }

    fn price(&self, key: &str) -> Result<f64, String> {
        self.prices[key].as_f64().ok_or_else(|| format!("cost: no price {key}"))
    }

    /// A measured figure; none where nobody has measured it yet.
    fn figure(&self, key: &str) -> Result<Option<f64>, String> {
        let entry = &self.measured[key];
        if entry["from"].as_str().is_none_or(str::is_empty) {
            return Err(format!("cost: no figure {key}, or none that says where it is from"));
        }
        Ok(entry["value"].as_f64())
    }
}

/// Dollars for a stretch of billed time of a function with so much memory.
fn billed(micros: f64, megabytes: f64, gb_second: f64) -> f64 {
    micros / 1e6 * megabytes / 1024.0 * gb_second
}

/// Dollars with as many digits as tell something.
fn usd(dollars: f64) -> String {
    if dollars >= 10.0 {
        format!("${dollars:.0}")
    } else if dollars >= 0.1 {
        format!("${dollars:.2}")
    } else {
        format!("${dollars:.4}")
    }
}

fn page() -> Result<String, String> {
    let tables = Tables::read()?;
    let mut page = String::new();
    write_page(&mut page, &tables)?;
    Ok(page)
}

fn write_page(page: &mut String, tables: &Tables) -> Result<(), String> {
    let text = |key: &str| tables.prices[key].as_str().unwrap_or_default().to_owned();
    let known = |key: &str| tables.figure(key)?.ok_or_else(|| format!("cost: {key} must have been measured"));
    let mut put = |line: &str| {
        // Writing to a text cannot fail.
        writeln!(page, "{line}").ok();
    };
    put("# What it costs");
    put("");
    put(
        "Computed by `cargo xtask cost` from [measured figures](../xtask/src/cost/measured.json) and [list prices](../xtask/src/cost/prices.json)",
    );
    put(&format!(
        "of {} in {}, without free tiers. Not one figure on this page is a guess; what has not been",
        text("date"),
        text("region")
    ));
    put("measured is named as such. Each part names the setting that changes it.");
    put("");
    time(&mut put, tables, known("addedMicros")?, known("startMicros")?)?;
    log(&mut put, tables, known("verdictLineBytes")?, known("metricsLineBytes")?)?;
    metrics(&mut put, tables)?;
    engine(&mut put, tables)?;
    secret(&mut put, tables, known("secretCallsPerStart")?)?;
    put("## What a setting cannot be talked into");
    put("");
    put(
        "- `PICKET_METRICS` takes `function`, `site` or `off`, and no other dimension: each value of a dimension costs the price of a",
    );
    put(
        "  metric, so that addresses, paths or rules as dimensions would let a sender of requests run up the bill.",
    );
    put(
        "- `PICKET_LOG_VERDICTS_PER_MINUTE` above 600 is held to 600 unless `PICKET_ACCEPT_COST=true` stands beside it.",
    );
    put(
        "- Metrics are one line for a minute of an environment at most, and six where something is blocked or passes without a verdict.",
    );
    put(
        "- The engine's reserved concurrency (`EngineConcurrency`) is the most that a flood of reports can make it cost.",
    );
    Ok(())
}

fn time(put: &mut impl FnMut(&str), tables: &Tables, added: f64, start: f64) -> Result<(), String> {
    put("## Billed time, for a million invocations");
    put("");
    put(&format!(
        "Picket adds {added:.0} µs to a clean event of 2 KB on a whole core, and {:.1} ms to a start. Lambda bills whole",
        start / 1000.0
    ));
    put(
        "milliseconds, so that on average as much is added to the bill as to the time. A function of little memory has a share of a core,",
    );
    put("and pays for longer times at a lower price.");
    put("");
    put("| memory | x86_64 | arm64 | a thousand starts, x86_64 |");
    put("|---|---|---|---|");
    let (x86, arm) = (tables.price("lambdaGbSecondX86")?, tables.price("lambdaGbSecondArm")?);
    for megabytes in [128.0, 512.0, 1024.0, 1769.0] {
        put(&format!(
            "| {megabytes} MB | {} | {} | {} |",
            usd(billed(added, megabytes, x86) * 1e6),
            usd(billed(added, megabytes, arm) * 1e6),
            usd(billed(start, megabytes, x86) * 1e3),
        ));
    }
    put("");
    put(
        "What changes it: the function's memory; `PICKET_MODE=off` (nothing is inspected); `PICKET_RESPONSE`, where the handler always answers",
    );
    put("in one form. A blocked request saves the handler's own time.");
    put("");
    Ok(())
}

fn log(put: &mut impl FnMut(&str), tables: &Tables, verdict: f64, metrics: f64) -> Result<(), String> {
    let per_gb = tables.price("logsIngestedPerGb")?;
    let for_bytes = |bytes: f64| bytes / 1e9 * per_gb;
    put("## Log, for a million invocations");
    put("");
    put(&format!(
        "A clean request writes nothing. A verdict line has about {verdict:.0} bytes, a line of metrics about {metrics:.0}."
    ));
    put("");
    put("| share of requests with a verdict line | lines | price |");
    put("|---|---|---|");
    for percent in [0.01, 0.1, 1.0, 10.0] {
        let lines = 1e6 * percent / 100.0;
        put(&format!("| {percent} % | {lines} | {} |", usd(for_bytes(lines * verdict))));
    }
    let month = 60.0 * 24.0 * 30.0;
    put("");
    put("| the most that one environment can write in 30 days of never being idle | price |");
    put("|---|---|");
    put(&format!(
        "| verdict lines at the default cap of 60 a minute | {} |",
        usd(for_bytes(verdict * 60.0 * month))
    ));
    put(&format!("| verdict lines at 600 a minute | {} |", usd(for_bytes(verdict * 600.0 * month))));
    put(&format!("| lines of metrics | {} |", usd(for_bytes(metrics * month))));
    put("");
    put(
        "What changes it: `PICKET_LOG_VERDICTS_PER_MINUTE`, `PICKET_LOG_LEVEL` (`warn` leaves out requests that carry a signal and pass, and the",
    );
    put("metrics), exclusions for what is known to be harmless, the log group's class and retention.");
    put("");
    Ok(())
}

fn metrics(put: &mut impl FnMut(&str), tables: &Tables) -> Result<(), String> {
    let metric = tables.price("customMetricMonth")?;
    put("## Metrics and alarms, for a month");
    put("");
    put(
        "A metric costs its price for each hour in which it was written. `Inspected` and `DecisionTime` are written whenever there are requests,",
    );
    put("the other five only when there is something to count.");
    put("");
    put("| `PICKET_METRICS` | a quiet function | one under attack all month | a hundred quiet functions |");
    put("|---|---|---|---|");
    let row = |own: f64| {
        [STEADY_METRICS * (1.0 + own), ALL_METRICS * (1.0 + own), STEADY_METRICS * (1.0 + 100.0 * own)]
    };
    for (word, own) in [("function", 1.0), ("site", 0.0)] {
        let [quiet, attacked, hundred] = row(own).map(|count| usd(count * metric));
        put(&format!("| `{word}` | {quiet} | {attacked} | {hundred} |"));
    }
    put("| `off` | $0 | $0 | $0 |");
    let alarm = tables.price("alarmMetricMonth")?;
    put("");
    // Ten metrics stand in the five alarms; the anomaly alarm counts three for its one.
    put(&format!(
        "The template's five alarms read eleven metrics as AWS counts them: {}. Its dashboard: {}.",
        usd(11.0 * alarm),
        usd(tables.price("dashboardMonth")?)
    ));
    put("");
    put("What changes it: `PICKET_METRICS`, the template's alarms.");
    put("");
    Ok(())
}

fn engine(put: &mut impl FnMut(&str), tables: &Tables) -> Result<(), String> {
    put("## Engine and table, for a million batches");
    put("");
    put(
        "An environment sends a batch when an attack was seen, when the batch is full, or when it is older than its interval; a function that",
    );
    put("nobody calls sends none. A Function URL itself costs nothing.");
    put("");
    put("| part | price |");
    put("|---|---|");
    put(&format!(
        "| requests of the engine's function | {} |",
        usd(tables.price("lambdaRequestsPerMillion")?)
    ));
    let unmeasured = "not measured yet".to_owned();
    let millis = tables.figure("engineMillisPerBatch")?;
    let x86 = tables.price("lambdaGbSecondX86")?;
    let time = millis.map_or(unmeasured.clone(), |millis| usd(billed(millis * 1e3, 256.0, x86) * 1e6));
    put(&format!(
        "| its time at 256 MB{} | {time} |",
        millis.map(|millis| format!(", {millis} ms each")).unwrap_or_default()
    ));
    for (what, figure, price) in [
        ("writes to the table", "writeUnitsPerBatch", "dynamoWriteUnitsPerMillion"),
        ("reads from the table", "readUnitsPerBatch", "dynamoReadUnitsPerMillion"),
    ] {
        let units = tables.figure(figure)?;
        let price = tables.price(price)?;
        let cost = units.map_or(unmeasured.clone(), |units| usd(units * price));
        put(&format!(
            "| {what}{} | {cost} |",
            units.map(|units| format!(", {units} units each")).unwrap_or_default()
        ));
    }
    put("");
    put(
        "What changes it: how often agents send, which the engine's own hints set; `EngineConcurrency`, which caps it.",
    );
    put("");
    Ok(())
}

fn secret(put: &mut impl FnMut(&str), tables: &Tables, calls: f64) -> Result<(), String> {
    put("## The key");
    put("");
    put("| `PICKET_AUTH` | a month | a million starts of environments |");
    put("|---|---|---|");
    put(&format!(
        "| `key` | {} | {} |",
        usd(tables.price("secretMonth")?),
        usd(calls * 1e6 / 1e4 * tables.price("secretCallsPer10000")?)
    ));
    put("| `iam` | $0 | $0 |");
    put("");
    put("What changes it: `PICKET_AUTH=iam` needs no secret.");
    put("");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_what_the_tables_give() {
        let kept = fs::read_to_string(layout::repository().join(PAGE)).unwrap();
        assert_eq!(kept, page().unwrap(), "`cargo xtask cost --write` makes it anew");
    }

    #[test]
    fn a_price_can_be_checked_by_hand() {
        // 1 ms of 1 GB is a thousandth of a GB-second.
        assert!((billed(1_000.0, 1_024.0, 0.000_016_666_7) - 1.666_67e-8).abs() < 1e-12);
        assert_eq!(
            (usd(0.012_34), usd(1.234), usd(123.4)),
            ("$0.0123".to_owned(), "$1.23".to_owned(), "$123".to_owned())
        );
    }

    #[test]
    fn figures_of_the_specification_are_the_specifications() {
        let specification = fs::read_to_string(layout::repository().join("SPECIFICATION.md")).unwrap();
        let tables = Tables::read().unwrap();
        let added = tables.figure("addedMicros").unwrap().unwrap();
        assert!(specification.contains(&format!("({added} µs against")), "added time is another: {added}");
        let start = tables.figure("startMicros").unwrap().unwrap() / 1000.0;
        assert!(
            specification.contains(&format!("| {start} ms p50")),
            "the start takes another time: {start}"
        );
    }
}
