//! `picket fleet`: what the engine knows of every function. Knows the admin API's answer and how to show it.

use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use serde_json::Value;

use crate::error::CliError;

/// Where the engine is, and as whom to ask.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The engine's address.
    #[arg(long, default_value = "http://127.0.0.1:7878")]
    engine: String,
    /// The name of the environment variable that holds an admin token of any role.
    #[arg(long, default_value = "PICKET_ADMIN_TOKEN")]
    token_from: String,
    /// The engine's answer as it came.
    #[arg(long)]
    json: bool,
}

const LIMITS: picket_https::Limits =
    picket_https::Limits { timeout: Duration::from_secs(20), response_bytes: 16 * 1024 * 1024 };

/// Asks and shows.
pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a token in an argument would show in the list of processes"
    )]
    let token = std::env::var(&arguments.token_from)
        .map_err(|_unset| CliError::Refused(format!("{} is not set", arguments.token_from)))?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CliError::Output)?;
    let answer = runtime.block_on(ask(&arguments.engine, &token)).map_err(CliError::Refused)?;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        return writeln!(out, "{answer}").map_err(CliError::Output);
    }
    for line in table(&answer) {
        writeln!(out, "{line}").map_err(CliError::Output)?;
    }
    Ok(())
}

async fn ask(engine: &str, token: &str) -> Result<Value, String> {
    let client =
        picket_https::Client::new(&picket_https::Options::default()).map_err(|error| error.to_string())?;
    let request = http::Request::get(format!("{}/v1/admin/fleet", engine.trim_end_matches('/')))
        .header("authorization", format!("Bearer {token}"))
        .body(Bytes::new())
        .map_err(|error| error.to_string())?;
    let response = client.send(request, LIMITS).await.map_err(|error| error.to_string())?;
    if !response.status().is_success() {
        return Err(format!("the engine answers {}", response.status()));
    }
    serde_json::from_slice(response.body()).map_err(|error| error.to_string())
}

/// One line for each function, the columns as wide as what stands in them.
fn table(answer: &Value) -> Vec<String> {
    let now = answer["now"].as_u64().unwrap_or(0);
    let head = [
        "function",
        "agent",
        "mode",
        "policy",
        "seen",
        "inspected",
        "blocked",
        "fail-open",
        "unprotected",
        "fallen-back",
        "missing",
    ];
    let mut rows: Vec<Vec<String>> = vec![head.map(str::to_owned).to_vec()];
    for function in answer["functions"].as_array().into_iter().flatten() {
        // What agents wrote is shown on a terminal: control characters would move its cursor.
        let text = |name: &str| {
            let text: String =
                function[name].as_str().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
            if text.is_empty() { "-".to_owned() } else { text }
        };
        let sum = |name: &str| function["sums"][name].as_u64().unwrap_or(0).to_string();
        let version = text("functionVersion");
        let name = if version == "-" { text("function") } else { format!("{}:{version}", text("function")) };
        rows.push(vec![
            name,
            text("agent"),
            text("mode"),
            function["policy"].as_u64().unwrap_or(0).to_string(),
            ago(now.saturating_sub(function["seen"].as_u64().unwrap_or(0))),
            sum("inspected"),
            sum("blocked"),
            sum("failOpen"),
            sum("unprotected"),
            sum("fallenBack"),
            function["missingBatches"].as_u64().unwrap_or(0).to_string(),
        ]);
    }
    let width =
        |column: usize| rows.iter().map(|row| row.get(column).map_or(0, |cell| cell.chars().count())).max();
    let widths: Vec<usize> = (0..head.len()).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn ago(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7_199 => format!("{}m", seconds / 60),
        7_200..=172_799 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_stand_in_columns() {
        let answer = serde_json::json!({ "now": 1_000, "functions": [
            { "function": "shop\u{1b}[2J", "functionVersion": "", "agent": "0.1.0", "mode": "block", "policy": 12, "seen": 990,
              "sums": { "inspected": 7, "failOpen": 1, "unprotected": 2, "fallenBack": 4 }, "missingBatches": 3 },
        ]});
        assert_eq!(
            table(&answer),
            [
                "function  agent  mode   policy  seen  inspected  blocked  fail-open  unprotected  fallen-back  missing",
                "shop[2J   0.1.0  block  12      10s   7          0        1          2            4            3",
            ]
        );
    }

    #[test]
    fn times_are_rounded_down() {
        let shown: Vec<String> = [5, 119, 120, 7_200, 172_800].map(ago).to_vec();
        assert_eq!(shown, ["5s", "119s", "2m", "2h", "2d"]);
    }
}
