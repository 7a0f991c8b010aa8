//! Every fixture: recognised by its own source and no other, and the whole request that comes of it.

mod common;

use std::{collections::BTreeSet, fmt::Write, fs, path::PathBuf};

use common::Fixture;
use picket_lambda_event::{Envelope, EventReader, source_names};
use picket_request::{Place, Request, Span};

fn folders() -> Vec<(String, Vec<PathBuf>)> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures"));
    let mut folders = Vec::new();
    for folder in fs::read_dir(root).into_iter().flatten().flatten() {
        let files = fs::read_dir(folder.path()).into_iter().flatten().flatten().map(|file| file.path());
        let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
        files.sort();
        folders.push((folder.file_name().to_string_lossy().into_owned(), files));
    }
    folders.sort();
    folders
}

#[test]
fn every_source_has_a_folder_and_every_folder_a_source() {
    let sources: BTreeSet<_> = source_names().map(|name| name.replace('-', "_")).collect();
    let found: BTreeSet<_> =
        folders().into_iter().filter(|(_, files)| !files.is_empty()).map(|(name, _)| name).collect();
    assert_eq!(sources, found);
    assert_eq!(sources.len(), source_names().count());
}

#[test]
fn every_fixture_is_recognised_by_its_own_source_alone() {
    let mut ran = 0;
    for (folder, files) in folders() {
        for file in files {
            let fixture = Fixture::load(&file);
            assert!(!fixture.why.is_empty(), "{}", file.display());
            let recognised = EventReader::default().recognised(&fixture.bytes());
            let expected: Vec<_> = source_names()
                .filter(|name| *name != "unknown" && name.replace('-', "_") == folder)
                .collect();
            assert_eq!(recognised, expected, "{}", file.display());
            let (request, envelope) = fixture.read();
            assert_eq!(envelope.source().replace('-', "_"), folder);
            assert_eq!(request.event.name, envelope.source());
            assert_eq!(request.event.can_block, envelope.can_block());
            ran += 1;
        }
    }
    assert_eq!(ran, folders().iter().map(|(_, files)| files.len()).sum::<usize>());
    assert!(ran >= 40);
}

#[test]
fn every_fixture_gives_the_request_that_was_agreed() {
    for (folder, files) in folders() {
        for file in files {
            let fixture = Fixture::load(&file);
            let (request, envelope) = fixture.read();
            let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let mut settings = insta::Settings::clone_current();
            settings.set_snapshot_path(file.parent().unwrap());
            settings.set_prepend_module_to_snapshot(false);
            settings.set_omit_expression(true);
            settings.set_description(fixture.why.clone());
            settings.bind(|| insta::assert_snapshot!(stem.as_str(), listing(&request, &envelope), &folder));
        }
    }
}

/// The whole request as text.
fn listing(request: &Request, envelope: &Envelope) -> String {
    let text = |span: Span| String::from_utf8_lossy(request.bytes(span)).escape_debug().to_string();
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            writeln!(out, "{name}: {value}").unwrap_or_default();
        }
    };
    line("source", request.event.name.to_owned());
    line("can block", request.event.can_block.to_string());
    line("counts", request.event.counts.to_string());
    line(
        "client",
        request.client.addr.map(|addr| format!("{addr} ({:?})", request.client.trust)).unwrap_or_default(),
    );
    for (name, span) in [
        ("method", request.method),
        ("path", request.path),
        ("query", request.query),
        ("host", request.host),
        ("content type", request.content_type),
        ("user agent", request.user_agent),
        ("id request", envelope.ids.request),
        ("id account", envelope.ids.account),
        ("id api", envelope.ids.api),
        ("id stage", envelope.ids.stage),
        ("id route", envelope.ids.route),
        ("id connection", envelope.ids.connection),
        ("id trace", envelope.ids.trace),
    ] {
        line(name, text(span));
    }
    line("body bytes", request.body_bytes.to_string());
    let mut anomalies: Vec<_> = request
        .anomalies
        .iter()
        .map(|(anomaly, at)| format!("{} at {}", anomaly.id(), request.render(at)))
        .collect();
    anomalies.sort();
    line("anomalies", anomalies.join(", "));
    for value in request.values() {
        let raw = if value.raw == value.text { String::new() } else { format!(" <- {}", text(value.raw)) };
        let name = if value.name.is_empty() || value.place.is_key() {
            String::new()
        } else {
            format!(" ({})", text(value.name))
        };
        let place = if value.place == Place::Event { String::new() } else { format!("{:?} ", value.place) };
        writeln!(out, "- {place}{}{name}: {}{raw}", request.render(value.location), text(value.text))
            .unwrap_or_default();
    }
    out
}
