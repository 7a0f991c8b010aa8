//! Scores the detection on a labelled corpus that lies beside the repository, and holds it to floors. It may not know what the corpus
//! holds: the scorer that comes with it prints the table.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use picket_tests::layout;

use crate::command;

#[derive(Args)]
pub(crate) struct Options {
    /// A folder with `dev.jsonl.gz` and `score.py`
    #[arg(long, default_value = "../shared/corpus")]
    corpus: PathBuf,
    /// Print only the headline row
    #[arg(long)]
    brief: bool,
}

enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

/// Columns of the scorer's headline row with what a change may not cross. What is promised is in SPECIFICATION.md; these stand a little
/// below it, so that they catch a regression and not a rounding.
const LIMITS: &[(&str, usize, Limit)] = &[
    ("attacks, mean over classes", 2, Limit::AtLeast(95.0)),
    ("attacks, mean over sources", 3, Limit::AtLeast(96.5)),
    ("real traffic blocked", 4, Limit::AtMost(0.03)),
    ("API bodies blocked", 5, Limit::AtMost(0.1)),
    ("hard text blocked", 6, Limit::AtMost(0.5)),
    // Two requests that hold template injections are labelled harmless, in a source of 165.
    ("other harmless requests blocked", 7, Limit::AtMost(0.35)),
];

/// Builds `picket`, scores the corpus, prints the scorer's table and checks the limits.
///
/// # Errors
/// What is missing, what failed, or which limit was crossed.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let corpus = layout::repository().join(&options.corpus);
    let (requests, scorer) = (corpus.join("dev.jsonl.gz"), corpus.join("score.py"));
    for file in [&requests, &scorer] {
        if !file.is_file() {
            return Err(format!("{} is not there", file.display()));
        }
    }
    command::show(command::cargo().args(["build", "--quiet", "--release", "--package", "picket-cli"]))?;
    let verdicts = layout::target().join("picket-verdicts.jsonl");
    let picket = layout::target().join("release/picket");
    command::show(
        Command::new(picket).arg("score").arg("--requests").arg(&requests).arg("--verdicts").arg(&verdicts),
    )?;
    let table = command::output(Command::new("python3").arg(&scorer).arg(&requests).arg(named(&verdicts)))?;
    let row = table
        .lines()
        .find(|line| line.starts_with("| picket "))
        .ok_or("the scorer printed no row for picket")?;
    if options.brief {
        println!("{}\n{row}", table.lines().next().unwrap_or_default());
    } else {
        println!("{table}");
    }
    let cells: Vec<f64> = row.split('|').map(|cell| cell.trim().parse().unwrap_or(f64::NAN)).collect();
    let crossed: Vec<String> = LIMITS
        .iter()
        .filter_map(|(name, column, limit)| {
            let value = cells.get(*column).copied().unwrap_or(f64::NAN);
            match *limit {
                Limit::AtLeast(floor) if value >= floor => None,
                Limit::AtMost(ceiling) if value <= ceiling => None,
                Limit::AtLeast(floor) => Some(format!("{name}: {value} % is below {floor} %")),
                Limit::AtMost(ceiling) => Some(format!("{name}: {value} % is above {ceiling} %")),
            }
        })
        .collect();
    if crossed.is_empty() { Ok(()) } else { Err(crossed.join("\n")) }
}

fn named(verdicts: &Path) -> String {
    format!("{}=picket", verdicts.display())
}
