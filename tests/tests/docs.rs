//! The documentation is true as far as a machine can tell: links lead somewhere, commands that need no account run, options that are
//! named exist, settings that are named are settings, and every field of a verdict line is described.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use picket_tests::{
    agent::Agent,
    double::{Double, Event},
    layout,
    output::{ATTACK, function_url},
};
use serde_json::Value;

/// Where the commands of the documentation stand for a built program.
const CLI: &str = "cargo run --quiet --package picket-cli --";

/// What a block of commands must begin with if it cannot run here: the rest of the line says what it needs.
const NEEDS: &str = "# needs: ";

/// Programs that a block cannot be run without, and this machine need not have; such a block must say what it needs.
const FOREIGN: [&str; 6] = ["aws ", "sam ", "sudo ", "docker ", "cosign ", "curl "];

/// Programs besides the agent that read variables of their own.
const OTHER_READERS: [&str; 3] = ["cli/src", "cloud-engine/src", "layer/wrapper/src"];

fn pages() -> BTreeMap<PathBuf, String> {
    let mut pages = BTreeMap::new();
    for folder in ["", "docs"] {
        let entries = fs::read_dir(layout::repository().join(folder)).expect("a folder of the repository");
        for entry in
            entries.flatten().filter(|entry| entry.path().extension().is_some_and(|ending| ending == "md"))
        {
            let text = fs::read_to_string(entry.path()).expect("a page");
            pages.insert(Path::new(folder).join(entry.file_name()), text);
        }
    }
    assert!(pages.len() > 15, "{:?}", pages.keys());
    pages
}

/// The text outside of blocks of code, and the blocks with their language.
fn split(page: &str) -> (String, Vec<(String, String)>) {
    let (mut prose, mut blocks) = (String::new(), Vec::new());
    let mut block: Option<(String, String)> = None;
    for line in page.lines() {
        let bare = line.trim_start();
        if let Some(language) = bare.strip_prefix("```") {
            match block.take() {
                Some(done) => blocks.push(done),
                None => block = Some((language.trim().to_owned(), String::new())),
            }
        } else if let Some((_, text)) = &mut block {
            text.push_str(line);
            text.push('\n');
        } else {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    assert!(block.is_none(), "a block of code has no end");
    (prose, blocks)
}

/// The name by which a heading is linked to.
fn anchor(heading: &str) -> String {
    heading
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

fn anchors(page: &str) -> BTreeSet<String> {
    split(page)
        .0
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_start_matches('#')))
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let mut links = 0;
    let mut dead = Vec::new();
    for (name, page) in &pages {
        let (prose, _) = split(page);
        for piece in prose.split("](").skip(1) {
            let target = piece.split(')').next().unwrap_or_default();
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            links += 1;
            let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
            let place = if file.is_empty() {
                layout::repository().join(name)
            } else {
                layout::repository().join(name.parent().unwrap_or(Path::new(""))).join(file)
            };
            if !place.exists() {
                dead.push(format!("{}: {target}", name.display()));
            } else if !fragment.is_empty() {
                let text = fs::read_to_string(&place).expect("a page that is linked to");
                if !anchors(&text).contains(fragment) {
                    dead.push(format!("{}: {target}: no such heading", name.display()));
                }
            }
        }
    }
    assert!(links > 60, "{links} links");
    assert_eq!(dead, Vec::<String>::new());
}

#[test]
fn every_page_is_reached_from_the_index() {
    let index = fs::read_to_string(layout::repository().join("docs/README.md")).expect("the index");
    for name in pages().keys().filter(|name| name.starts_with("docs")) {
        let file = name.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(
            file == "README.md" || index.contains(&format!("]({file}")),
            "docs/README.md does not name {file}"
        );
    }
}

/// Blocks of commands: page, text.
fn commands() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for (name, page) in pages() {
        found.extend(
            split(&page)
                .1
                .into_iter()
                .filter(|(language, _)| language == "sh")
                .map(|(_, text)| (name.clone(), text)),
        );
    }
    assert!(found.len() > 15, "{} blocks of commands", found.len());
    found
}

#[test]
fn commands_that_can_run_here_do() {
    let cli = match layout::binary("picket") {
        Ok(path) => path.display().to_string(),
        Err(error) => panic!("{error}"),
    };
    let mut ran = 0;
    for (page, block) in commands() {
        let own_task = block
            .lines()
            .any(|line| line.trim_start().starts_with("cargo xtask") || line.starts_with(".ci/"));
        if block.starts_with(NEEDS) || own_task {
            continue;
        }
        for foreign in FOREIGN {
            let used = block
                .lines()
                .any(|line| line.trim_start().starts_with(foreign) || line.contains(&format!("$({foreign}")));
            assert!(
                !used,
                "{}: a block that uses {foreign:?} must begin with {NEEDS:?}:\n{block}",
                page.display()
            );
        }
        let script = block.replace(CLI, &cli);
        assert!(!script.contains("cargo run"), "{}: write {CLI:?}:\n{block}", page.display());
        let done = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &script])
            .current_dir(layout::repository())
            .output()
            .expect("bash runs");
        assert!(
            done.status.success(),
            "{}:\n{block}\n{}{}",
            page.display(),
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr)
        );
        ran += 1;
    }
    assert!(ran >= 3, "{ran} blocks ran");
}

/// The help of a program of ours for one of its commands.
fn help(program: &str, command: &[&str]) -> String {
    let path = layout::binary(program).unwrap_or_else(|error| panic!("{error}"));
    let told = Command::new(path).args(command).arg("--help").output().expect("it runs");
    assert!(told.status.success(), "{program} knows no {command:?}");
    String::from_utf8_lossy(&told.stdout).into_owned()
}

#[test]
fn commands_and_options_of_ours_exist() {
    let mut checked = 0;
    for (page, block) in commands() {
        // A command may go on over several lines.
        for line in block.replace("\\\n", " ").lines() {
            let line = line.split(" #").next().unwrap_or_default();
            for (prefix, program) in [
                ("cargo xtask ", "picket-xtask"),
                (&format!("{CLI} ") as &str, "picket"),
                ("picket ", "picket"),
            ] {
                let Some(rest) = line.trim_start().strip_prefix(prefix) else { continue };
                let mut words = rest.split_whitespace();
                let mut command = vec![words.next().expect("a command")];
                if command == ["policy"] {
                    command.extend(words.next());
                }
                let help = help(program, &command);
                for option in words.take_while(|word| *word != "|").filter(|word| word.starts_with("--")) {
                    let option = option.split('=').next().unwrap_or_default();
                    assert!(help.contains(option), "{}: {line}: no option {option}", page.display());
                }
                checked += 1;
            }
        }
    }
    assert!(checked >= 8, "{checked} commands");
}

#[test]
fn settings_that_are_named_are_settings() {
    let table = fs::read_to_string(layout::repository().join("docs/settings.md")).expect("the settings");
    let mut others = String::new();
    for folder in OTHER_READERS {
        let listed =
            Command::new("git").args(["ls-files", folder]).current_dir(layout::repository()).output();
        for file in String::from_utf8_lossy(&listed.expect("git is installed").stdout).lines() {
            others.push_str(&fs::read_to_string(layout::repository().join(file)).unwrap_or_default());
        }
    }
    let mut wrong = BTreeSet::new();
    for (name, page) in pages() {
        for piece in page.split("PICKET_").skip(1) {
            let rest: String = piece
                .chars()
                .take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '_')
                .collect();
            let key = format!("PICKET_{}", rest.trim_end_matches('_'));
            let known = table.contains(&format!("`{key}`")) || others.contains(&format!("\"{key}\""));
            if !known && !rest.is_empty() {
                wrong.insert(format!("{}: {key}", name.display()));
            }
        }
    }
    assert_eq!(wrong, BTreeSet::new());
}

#[test]
fn every_field_of_a_verdict_line_is_described() {
    let page = fs::read_to_string(layout::repository().join("docs/verdict-lines.md")).expect("the page");
    let double = Double::start();
    let agent = Agent::start(&double, &[("PICKET_MODE", "block")]);
    let id = double.queue(Event::new(function_url(ATTACK, None)));
    double.queue(Event::new(function_url("id=2", None)));
    agent.connect().next_event().expect("an event");
    let line = agent.verdict_of(&id);
    let described = |field: &str| {
        page.lines().any(|row| {
            row.starts_with("| `")
                && row.split('|').nth(1).is_some_and(|names| {
                    names.split(',').any(|name| {
                        [field.to_owned(), format!("{field}[]")]
                            .contains(&name.trim().trim_matches('`').to_owned())
                    })
                })
        })
    };
    let mut fields = Vec::new();
    for (name, value) in line.as_object().expect("an object") {
        fields.push(name.clone());
        for inner in value.as_array().into_iter().flatten().filter_map(Value::as_object) {
            fields.extend(inner.keys().map(|key| format!("{name}[].{key}")));
        }
    }
    assert!(fields.len() > 15, "{fields:?}");
    let bare: Vec<&String> = fields.iter().filter(|field| !described(field)).collect();
    assert!(bare.is_empty(), "docs/verdict-lines.md does not describe {bare:?}");
}
