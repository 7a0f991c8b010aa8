//! The invariants of the repository that no compiler checks. Knows folders and file names; not what is in the crates.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use picket_tests::layout::repository;
use serde_json::Value;

/// Lines of code that a file may have, besides tests and tables.
const LONGEST_FILE: usize = 500;

/// Files that may be longer, and why.
const LONGER: &[(&str, &str)] = &[(
    "detection/src/sql/recogniser.rs",
    "the states of one automaton share a stack; its split into evidence and grammar is under way",
)];

/// Every file of the repository that a commit would take, without what is ignored.
fn files() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(repository())
        .output()
        .expect("git is installed");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let names = String::from_utf8(listed.stdout).expect("names are text");
    let files: Vec<PathBuf> = names
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
        .filter(|file| repository().join(file).is_file())
        .collect();
    assert!(files.len() > 50, "the list of files is not this repository's: {}", files.len());
    files
}

fn is_rust(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending == "rs")
}

fn text(file: &Path) -> Option<String> {
    fs::read_to_string(repository().join(file)).ok()
}

/// The crates of the workspace in the order of Cargo.toml, with the crates of ours that each one needs.
fn crates() -> Vec<(String, Vec<String>)> {
    let told = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(repository())
        .output()
        .expect("cargo is installed");
    let told: Value = serde_json::from_slice(&told.stdout).expect("cargo's description of the workspace");
    let manifest = text(Path::new("Cargo.toml")).expect("the workspace's manifest");
    let packages = told["packages"].as_array().expect("packages");
    let mut found: Vec<(usize, String, Vec<String>)> = packages
        .iter()
        .map(|package| {
            let name = package["name"].as_str().expect("a name").to_owned();
            let folder =
                Path::new(package["manifest_path"].as_str().expect("a path")).parent().expect("a folder");
            let member =
                folder.strip_prefix(repository()).expect("inside the repository").display().to_string();
            let place = manifest
                .find(&format!("\"{member}\","))
                .unwrap_or_else(|| panic!("{member} is no member by its own name"));
            let needs = package["dependencies"].as_array().expect("dependencies").iter();
            let ours = needs
                .filter(|need| need["kind"].as_str() != Some("dev") && need["path"].is_string())
                .map(|need| need["name"].as_str().expect("a name").to_owned());
            (place, name, ours.collect())
        })
        .collect();
    found.sort();
    assert!(found.len() > 10, "{found:?}");
    found.into_iter().map(|(_, name, needs)| (name, needs)).collect()
}

#[test]
fn dependencies_point_one_way_in_the_order_of_the_members() {
    let mut before = BTreeSet::new();
    for (name, needs) in crates() {
        for need in needs {
            assert!(before.contains(&need), "{name} needs {need}, which stands behind it in Cargo.toml");
        }
        before.insert(name);
    }
}

#[test]
fn the_agent_never_holds_the_engine() {
    let needs: BTreeMap<String, Vec<String>> = crates().into_iter().collect();
    let mut reached = vec!["picket-extension".to_owned()];
    let mut next = 0;
    while let Some(name) = reached.get(next).cloned() {
        let further = needs
            .get(&name)
            .into_iter()
            .flatten()
            .filter(|need| !reached.contains(need))
            .cloned()
            .collect::<Vec<_>>();
        reached.extend(further);
        next += 1;
    }
    assert!(reached.len() > 1, "the agent needs crates of ours");
    for kept_out in ["picket-cloud-engine", "picket-cli", "picket-tests"] {
        assert!(!reached.contains(&kept_out.to_owned()), "{kept_out} is part of the agent: {reached:?}");
    }
}

#[test]
fn the_vocabulary_depends_on_nothing_of_ours_and_no_serde() {
    let manifest = text(Path::new("request/Cargo.toml")).expect("a manifest");
    let (_, needs) = crates().into_iter().find(|(name, _)| name == "picket-request").expect("picket-request");
    assert_eq!(needs, Vec::<String>::new());
    assert!(!manifest.contains("serde"), "the vocabulary serialises nothing");
}

#[test]
fn every_rust_file_says_what_it_is_for() {
    let silent: Vec<PathBuf> = files()
        .into_iter()
        .filter(|file| is_rust(file))
        .filter(|file| text(file).is_none_or(|text| !text.starts_with("//!")))
        .collect();
    assert_eq!(silent, Vec::<PathBuf>::new(), "these open without //!");
}

#[test]
fn files_hold_one_idea_each() {
    let mut too_long = BTreeMap::new();
    for file in files().into_iter().filter(|file| is_rust(file) && !is_test(file)) {
        let lines = code_lines(&text(&file).unwrap_or_default());
        if lines > LONGEST_FILE {
            too_long.insert(file.display().to_string(), lines);
        }
    }
    for (file, reason) in LONGER {
        assert!(!reason.is_empty());
        let needed = too_long.remove(*file).is_some() || !repository().join(file).exists();
        assert!(needed, "{file} needs no exception any more");
    }
    assert_eq!(too_long, BTreeMap::new(), "these have more than {LONGEST_FILE} lines of code");
}

/// Whether a file is a test or a benchmark of its own.
fn is_test(file: &Path) -> bool {
    file.components()
        .any(|part| ["tests", "benches", "examples"].iter().any(|name| part.as_os_str() == *name))
}

/// Lines that are neither blank, nor a comment, nor a test, nor a row of a table (a line that is one literal or one tuple of them).
fn code_lines(text: &str) -> usize {
    let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
    let is_row = |line: &str| {
        let line = line.trim_end_matches([',', ')', ']', '}', ' ']);
        let opened = line.trim_start_matches(['(', '[', '{', '&', ' ', 'b', 'r', '#']);
        opened.starts_with('"') && line.ends_with('"')
    };
    code.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("//") && !is_row(line))
        .count()
}

#[test]
fn each_repeating_thing_has_its_fixture_and_each_fixture_its_thing() {
    let kinds = [
        ("detection/src/detectors", "detection/fixtures", ".toml"),
        ("detection/src/decoders", "detection/fixtures/decoders", ".toml"),
        ("detection/src/response/watchers", "detection/fixtures/response", ".toml"),
        ("lambda-event/src/sources", "lambda-event/fixtures", ""),
    ];
    for (sources, fixtures, ending) in kinds {
        if !repository().join(sources).is_dir() {
            continue;
        }
        let things = stems(sources, |name| name.strip_suffix(".rs").filter(|stem| *stem != "mod"));
        let cases = stems(fixtures, |name| match ending {
            "" => Some(name),
            _ => name.strip_suffix(ending),
        });
        assert!(!things.is_empty(), "nothing in {sources}");
        let bare: Vec<_> = things.difference(&cases).collect();
        let lost: Vec<_> = cases.difference(&things).collect();
        assert!(bare.is_empty(), "{sources} has these without a fixture in {fixtures}: {bare:?}");
        assert!(lost.is_empty(), "{fixtures} has these that belong to nothing in {sources}: {lost:?}");
    }
}

/// The names in a folder; of entries whose names have an ending, only files count.
fn stems(folder: &str, stem: impl Fn(&str) -> Option<&str>) -> BTreeSet<String> {
    let entries = fs::read_dir(repository().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    names.filter_map(|name| stem(&name).map(str::to_owned)).collect()
}

#[test]
fn no_path_of_a_machine_is_written_down() {
    let home = std::env::home_dir().expect("a home").join(".cargo").display().to_string();
    let clone = format!("{}/", repository().display());
    // Put together here, so that this file does not hold them.
    let elsewhere = [["/wo", "rk/"].concat(), ["artifac", "tory"].concat(), home, clone];
    let mut told = Vec::new();
    for file in files() {
        // Attacks name all sorts of paths.
        if file.components().any(|part| part.as_os_str() == "fixtures") {
            continue;
        }
        let Some(text) = text(&file) else { continue };
        for (number, line) in text.lines().enumerate() {
            if elsewhere.iter().any(|path| line.contains(path.as_str())) {
                told.push(format!("{}:{}: {}", file.display(), number + 1, line.trim()));
            }
        }
    }
    assert_eq!(told, Vec::<String>::new());
}

#[test]
fn the_environment_is_read_by_programs_alone() {
    let readers = ["extension/", "cli/", "xtask/", "tests/", "layer/", "cloud-engine/", "fuzz/"];
    let mut told = Vec::new();
    for file in files().into_iter().filter(|file| is_rust(file) && !is_test(file)) {
        let name = file.display().to_string();
        // A build script is a program of its own, to which cargo speaks through the environment.
        if readers.iter().any(|reader| name.starts_with(reader)) || name.ends_with("build.rs") {
            continue;
        }
        let code = text(&file).unwrap_or_default();
        let code = code.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
        if ["env::var(", "env::var_os(", "env::vars("].iter().any(|call| code.contains(call)) {
            told.push(name);
        }
    }
    assert_eq!(told, Vec::<String>::new(), "these read the environment");
}

#[test]
fn trap_50_the_documentation_claims_no_coverage_at_the_edge() {
    let page = text(Path::new("docs/runtimes.md")).expect("docs/runtimes.md");
    let line = page.lines().find(|line| line.contains("Lambda@Edge")).expect("a line about Lambda@Edge");
    assert!(line.contains("cannot protect"), "{line}");
}

#[test]
fn the_wrapper_and_the_agent_have_the_same_default_port() {
    let wrapper = text(Path::new("layer/wrapper/src/main.rs")).expect("the wrapper");
    let port = wrapper
        .split("const DEFAULT_PORT: u16 = ")
        .nth(1)
        .and_then(|rest| rest.split(';').next())
        .expect("its default");
    let settings = text(Path::new("docs/settings.md"))
        .expect("docs/settings.md, which is generated from the agent's settings");
    let line =
        settings.lines().find(|line| line.starts_with("| `PICKET_PORT`")).expect("a line about PICKET_PORT");
    assert!(line.contains(&format!("`{port}`")), "the wrapper uses {port}, and {line}");
}

#[test]
fn the_wrapper_knows_the_readiness_answer_of_the_proxy() {
    let probe = text(Path::new("layer/wrapper/src/probe.rs")).expect("the probe");
    let ready = text(Path::new("runtime-proxy/src/ready.rs")).expect("the readiness answer");
    let quoted = |name: &str| {
        let rest = ready.split(&format!("const {name}: &str = \"")).nth(1).expect("a constant");
        rest.split('"').next().expect("its text").to_owned()
    };
    assert!(probe.contains(&format!("\"{}\"", quoted("BODY_PREFIX"))), "the mark");
    assert!(probe.contains(&format!("GET {} ", quoted("PATH"))), "the path");
}
