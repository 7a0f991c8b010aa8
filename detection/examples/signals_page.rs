//! Prints docs/signals.md, made of the heads of the detectors' files; `cargo xtask docs` writes it.

use std::{fs, path::Path};

use picket_detection::{
    Catalogue, Detector, Signal,
    response::{ResponseSignal, all},
};
use picket_request::Anomaly;

fn main() {
    print!("{}", page());
}

/// The whole page.
pub(crate) fn page() -> String {
    let mut page = String::from(
        "# Signals\n\nWhat Picket can see, by the stable ids that stand in rules, logs and metrics. Each finding has a tier: *certain* (it breaks\n\
         out of its context or has an effect; blocked on first sight in mode `block`), *likely* (counts towards flags), *possible* (a tag).\n\
         This page is generated from the heads of the files in `detection/src/detectors/` by `cargo xtask docs`.\n\n## Attacks\n\n\
         | signal | detector | version |\n|---|---|---|\n",
    );
    let catalogue = Catalogue::built_in();
    let attacks = || catalogue.iter().filter(|detector| detector.signal.is_attack());
    let others = || catalogue.iter().filter(|detector| !detector.signal.is_attack());
    for detector in attacks() {
        page.push_str(&format!(
            "| [{}](#{}) | `{}` | {} |\n",
            title(detector),
            anchor(detector),
            detector.name,
            detector.version
        ));
    }
    for detector in attacks() {
        page.push_str(&section(detector));
    }
    page.push_str("\n## Anomalies\n\nOdd rather than hostile. They never count towards flags and never block by themselves; rules may use them.\n\n");
    page.push_str("| signal | seen when |\n|---|---|\n");
    for anomaly in Anomaly::ALL {
        page.push_str(&format!("| {} | {} |\n", anomaly.id(), anomaly.meaning()));
    }
    for detector in others() {
        page.push_str(&section(detector));
    }
    page.push_str(
        "\n## Answers\n\nWhat the handler's answer shows, alone or together with its request. An attack whose answer shows nothing was\n\
         *attempted*; one that comes back unescaped, or about which the interpreter that it aims at complains, *reached* its target; one with\n\
         an effect that only its success explains is *confirmed*. The heads below are those of `detection/src/response/watchers/`.\n\n\
         | signal | seen when |\n|---|---|\n",
    );
    for signal in ResponseSignal::ALL {
        page.push_str(&format!("| {} | {} |\n", signal.id(), signal.meaning()));
    }
    for watcher in all() {
        let head = head_in("src/response/watchers", watcher.name);
        page.push_str(&sectioned(&watcher.name.replace('_', "-"), &head));
    }
    page
}

fn title(detector: &Detector) -> String {
    match detector.signal {
        Signal::Cve(_) => "CVE".to_owned(),
        signal => signal.id().to_owned(),
    }
}

fn anchor(detector: &Detector) -> String {
    format!("{}-{}", title(detector), detector.name).to_ascii_lowercase().replace('_', "-")
}

fn section(detector: &Detector) -> String {
    let name = format!("{} {}", title(detector), detector.name.replace('_', "-"));
    sectioned(&name, &head(detector.name))
}

fn sectioned(name: &str, head: &str) -> String {
    let mut text = format!("\n### {name}\n\n");
    for line in head.lines() {
        // The file's own headings stand two levels deeper here.
        match line.strip_prefix("# ") {
            Some(heading) => text.push_str(&format!("#### {heading}\n")),
            None => text.push_str(&format!("{line}\n")),
        }
    }
    text
}

/// The `//!` lines of a detector's file.
pub(crate) fn head(name: &str) -> String {
    head_in("src/detectors", name)
}

fn head_in(folder: &str, name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let file = [folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")]
        .into_iter()
        .find(|path| path.is_file());
    let source = file.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
}
