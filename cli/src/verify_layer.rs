//! `picket verify-layer`: whether a layer's zip is the one that its sources give. It knows what a layer holds; not how one is built.

use std::{
    fs,
    io::{Cursor, Write},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use sha2::{Digest, Sha256};
use zip::{DateTime, ZipArchive};

use crate::error::CliError;

/// Every file of a layer. What else lay in `extensions/` would be started in every function.
const FILES: [&str; 2] = ["extensions/picket", "picket/wrapper"];
const MODE: u32 = 0o755;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The zip, from a build or from AWS.
    zip: PathBuf,
    /// A list of digests, as `cargo xtask layer` writes it. `SHA256SUMS` beside the zip where nothing else is given.
    #[arg(long)]
    sums: Option<PathBuf>,
    /// The digest that it must have: hexadecimal, or base64 as AWS's `CodeSha256` says it. May be repeated.
    #[arg(long)]
    digest: Vec<String>,
    /// A provenance statement, as `cargo xtask layer` writes it.
    #[arg(long)]
    provenance: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let bytes = read(&arguments.zip)?;
    let digest = Sha256::digest(&bytes);
    let name = arguments.zip.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{name}\n  sha256      {}\n  CodeSha256  {}", hex(&digest), STANDARD.encode(digest))?;
    let mut wrong = inside(&bytes);
    let beside = arguments.zip.with_file_name("SHA256SUMS");
    let nothing_named =
        arguments.sums.is_none() && arguments.digest.is_empty() && arguments.provenance.is_none();
    let sums = arguments.sums.clone().or_else(|| (nothing_named && beside.is_file()).then_some(beside));
    if nothing_named && sums.is_none() {
        wrong.push(
            "there is nothing to compare it with; name a list of digests, a digest or a provenance statement"
                .to_owned(),
        );
    }
    if let Some(sums) = sums {
        let list = String::from_utf8_lossy(&read(&sums)?).into_owned();
        compare(&mut wrong, &sums.display().to_string(), listed(&list, &name), &digest);
    }
    for told in &arguments.digest {
        compare(&mut wrong, "the digest given", Some(told.clone()), &digest);
    }
    if let Some(path) = &arguments.provenance {
        let statement: Value = serde_json::from_slice(&read(path)?)?;
        let subjects = statement["subject"].as_array().cloned().unwrap_or_default();
        let told = subjects.iter().find(|subject| subject["name"] == name.as_str() || subjects.len() == 1);
        let told = told.and_then(|subject| subject["digest"]["sha256"].as_str()).map(str::to_owned);
        compare(&mut wrong, &path.display().to_string(), told, &digest);
    }
    if wrong.is_empty() {
        writeln!(out, "it is the layer that it should be")?;
        return Ok(());
    }
    Err(CliError::Refused(format!("{name} is not what it should be: {}", wrong.join("; "))))
}

fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    fs::read(path).map_err(|error| CliError::File { path: path.to_owned(), error })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn compare(wrong: &mut Vec<String>, source: &str, told: Option<String>, digest: &[u8]) {
    let Some(told) = told else {
        wrong.push(format!("{source} does not name it"));
        return;
    };
    let told = told.trim();
    if !told.eq_ignore_ascii_case(&hex(digest)) && told != STANDARD.encode(digest) {
        wrong.push(format!("{source} says {told}"));
    }
}

/// The digest of a name in a list as `sha256sum` writes it.
fn listed(list: &str, name: &str) -> Option<String> {
    list.lines().find_map(|line| {
        let (digest, file) = line.split_once(char::is_whitespace)?;
        (file.trim_start_matches([' ', '*']) == name).then(|| digest.to_owned())
    })
}

/// What is wrong with what is in it.
fn inside(bytes: &[u8]) -> Vec<String> {
    let mut archive = match ZipArchive::new(Cursor::new(bytes)) {
        Ok(archive) => archive,
        Err(error) => return vec![format!("it is no zip: {error}")],
    };
    let mut wrong = Vec::new();
    let mut found = Vec::new();
    for index in 0..archive.len() {
        let file = match archive.by_index(index) {
            Ok(file) => file,
            Err(error) => {
                wrong.push(format!("its file {index} cannot be read: {error}"));
                continue;
            }
        };
        let name = file.name().map_or_else(|_| format!("file {index}"), std::borrow::Cow::into_owned);
        if !FILES.contains(&name.as_str()) {
            wrong.push(format!("it holds {name:?}, which no layer of Picket's holds"));
        } else if file.unix_mode().unwrap_or_default() & 0o777 != MODE {
            wrong.push(format!("{name} has another mode than {MODE:o}"));
        } else if file.last_modified() != Some(DateTime::DEFAULT) {
            wrong.push(format!("{name} carries a time, which no reproducible build does"));
        }
        found.push(name);
    }
    wrong.extend(
        FILES
            .iter()
            .filter(|name| !found.iter().any(|file| file == *name))
            .map(|name| format!("{name} is missing")),
    );
    if found.len() > FILES.len() && wrong.is_empty() {
        wrong.push("it names a file twice".to_owned());
    }
    wrong
}

#[cfg(test)]
mod tests {
    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    fn zip(files: &[(&str, u32)]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, mode) in files {
            let options =
                SimpleFileOptions::default().last_modified_time(DateTime::DEFAULT).unix_permissions(*mode);
            writer.start_file(*name, options).unwrap();
            writer.write_all(b"x").unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn a_layer_holds_two_files_that_can_be_run_and_nothing_else() {
        assert_eq!(
            inside(&zip(&[("extensions/picket", 0o755), ("picket/wrapper", 0o755)])),
            Vec::<String>::new()
        );
        for (files, word) in [
            (vec![("extensions/picket", 0o755)], "picket/wrapper is missing"),
            (vec![("extensions/picket", 0o644), ("picket/wrapper", 0o755)], "mode"),
            (
                vec![("extensions/picket", 0o755), ("picket/wrapper", 0o755), ("extensions/other", 0o755)],
                "extensions/other",
            ),
        ] {
            let wrong = inside(&zip(&files)).join("; ");
            assert!(wrong.contains(word), "{wrong}");
        }
        assert!(inside(b"no zip").join("").contains("no zip"));
    }

    #[test]
    fn both_ways_to_write_a_digest_are_read_and_another_is_refused() {
        let digest = Sha256::digest(b"layer");
        let mut wrong = Vec::new();
        compare(&mut wrong, "a", Some(hex(&digest).to_uppercase()), &digest);
        compare(&mut wrong, "b", Some(STANDARD.encode(digest)), &digest);
        assert_eq!(wrong, Vec::<String>::new());
        compare(&mut wrong, "c", Some(hex(&Sha256::digest(b"other"))), &digest);
        compare(&mut wrong, "d", None, &digest);
        assert_eq!(wrong.len(), 2);
    }

    #[test]
    fn a_name_is_found_in_a_list_of_digests() {
        let list = "00  picket-arm64.zip\nff *picket-x86_64.zip\n";
        assert_eq!(listed(list, "picket-x86_64.zip").as_deref(), Some("ff"));
        assert_eq!(listed(list, "x86_64.zip"), None);
    }

    #[test]
    fn without_anything_to_compare_with_it_does_not_say_that_all_is_well() {
        let folder = std::env::temp_dir().join(format!("picket-verify-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("picket-x86_64.zip");
        let bytes = zip(&[("extensions/picket", 0o755), ("picket/wrapper", 0o755)]);
        fs::write(&path, &bytes).unwrap();
        let ask = |sums, digest| run(&Arguments { zip: path.clone(), sums, digest, provenance: None });
        assert!(ask(None, vec![]).unwrap_err().to_string().contains("nothing to compare"));
        assert!(ask(None, vec![hex(&Sha256::digest(&bytes))]).is_ok());
        assert!(ask(None, vec![hex(&Sha256::digest(b"other"))]).is_err());
        fs::write(
            folder.join("SHA256SUMS"),
            format!("{}  picket-x86_64.zip\n", hex(&Sha256::digest(&bytes))),
        )
        .unwrap();
        assert!(ask(None, vec![]).is_ok());
        fs::remove_dir_all(&folder).unwrap();
    }
}
