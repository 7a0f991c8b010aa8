//! # What it detects
//!
//! A request for a file that is left behind rather than published: backups, dumps, editor files, keys, configuration.
//!
//! # Why it matters
//!
//! Whoever asks is looking for what was forgotten; together with a hit it is a leak.
//!
//! # Example
//!
//! `/db/backup.sql.gz`
//!
//! # Known false positives
//!
//! Sites that publish such files on purpose. It is an anomaly and never counts.
//!
//! # Evasions covered
//!
//! Letter case, path parameters after the name, encodings through the decoders.
//!
//! # References
//!
//! CWE-530, CWE-538; OWASP Web Security Testing Guide, old backup and unreferenced files.

use picket_request::{Anomaly, Place};

use crate::{Class, Detector, Fact, FactKind, Gate, Input, Scratch, Signal, Sink, urls::is};

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::Anomaly(Anomaly::PrivateFile), name: "private_file", version: 1, gate: Gate::With(&[Class::Dot, Class::Bang], gate), run };

static LEFT_BEHIND: Fact = Fact::new("a file that is left behind", FactKind::Lexical, 40);

fn gate(input: &Input<'_>) -> bool {
    input.place == Place::Path && (input.classes.has(Class::Dot) || input.bytes.ends_with(b"~"))
}

fn run(input: &Input<'_>, _: &mut Scratch, sink: &mut Sink<'_>) {
    const EXTENSIONS: &[&[u8]] = &[
        b"bak", b"old", b"orig", b"save", b"swp", b"swo", b"sql", b"dump", b"sqlite", b"mdb", b"pem", b"key", b"pfx", b"p12", b"jks", b"kdbx", b"env", b"log", b"inc", b"cfg",
        b"conf", b"ini", b"tfstate", b"tfvars", b"rdb", b"ovpn", b"ppk", b"htpasswd", b"htaccess", b"dist", b"backup",
    ];
    const NAMES: &[&[u8]] = &[
        b".env", b".npmrc", b".pypirc", b".dockercfg", b".netrc", b".ds_store", b"docker-compose.yml", b"composer.lock", b"id_rsa", b"credentials", b"web.config", b"phpinfo.php",
        b"samconfig.toml", b"serverless.yml", b"secrets.yml", b"database.yml", b"settings.py", b"local.settings.json", b"appsettings.json",
    ];
    if !gate(input) {
        return;
    }
    let end = input.bytes.iter().position(|byte| *byte == b';').unwrap_or(input.bytes.len());
    let path = input.bytes.get(..end).unwrap_or_default();
    let file = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let extension = file.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    let packed = is(extension, &[b"gz", b"zip", b"tar", b"tgz", b"bz2", b"7z", b"rar"])
        && [b"backup".as_slice(), b".sql", b"dump", b"wwwroot", b"site."].iter().any(|part| memchr::memmem::find(&file.to_ascii_lowercase(), part).is_some());
    let dotted = file.len() > extension.len();
    if (dotted && is(extension, EXTENSIONS)) || is(file, NAMES) || packed || (file.len() > 1 && file.ends_with(b"~")) {
        sink.report(path.len() - file.len()..path.len(), &[&LEFT_BEHIND]);
    }
}
