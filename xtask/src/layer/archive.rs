//! Reproducible zips: the same files give the same bytes. Knows names, modes and times; not what the files are.

use std::io::{self, Cursor, Read as _, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

/// Levels beyond 9 are rounds of Zopfli, which writes ordinary deflate a twentieth smaller.
const ZOPFLI_ITERATIONS: i64 = 15;

/// The mode of every file: Lambda starts what it finds, and a file without its run bit fails every invocation.
const MODE: u32 = 0o755;

/// Packs files in the order of their names, with one mode, and with the earliest time that a zip can tell.
///
/// # Errors
/// When the zip cannot be written.
pub(super) fn pack(files: &[(&str, &[u8])]) -> io::Result<Vec<u8>> {
    let mut files = files.to_vec();
    files.sort_unstable_by_key(|(name, _)| *name);
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(ZOPFLI_ITERATIONS))
        .last_modified_time(DateTime::DEFAULT)
        .unix_permissions(MODE);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(name, options)?;
        zip.write_all(bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// The files of a zip, with their modes.
///
/// # Errors
/// When the zip cannot be read.
pub(super) fn unpack(bytes: &[u8]) -> io::Result<Vec<(String, Vec<u8>, u32)>> {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(io::Error::other)?;
    let mut files = Vec::new();
    for index in 0..zip.len() {
        let mut file = zip.by_index(index).map_err(io::Error::other)?;
        let name = file.name().map_err(io::Error::other)?.into_owned();
        let mode = file.unix_mode().unwrap_or_default() & 0o777;
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        files.push((name, content, mode));
    }
    Ok(files)
}

/// Reads a layer's zip back: every file has its run bits, and a script has no carriage return that its interpreter would read.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let files = unpack(bytes).map_err(|error| format!("the zip cannot be read: {error}"))?;
    if files.is_empty() {
        return Err("the zip is empty".to_owned());
    }
    for (name, content, mode) in files {
        if mode != MODE {
            return Err(format!("{name} has mode {mode:o}, not {MODE:o}"));
        }
        let first_line = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
        if first_line.starts_with(b"#!") && first_line.ends_with(b"\r") {
            return Err(format!("{name} is a script with CRLF line ends"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_give_the_same_bytes_in_any_order() {
        let (first, second) =
            (("extensions/picket", b"agent".as_slice()), ("picket/wrapper", b"wrapper".as_slice()));
        let one = pack(&[first, second]).unwrap();
        assert_eq!(one, pack(&[second, first]).unwrap());
        let other = pack(&[first, ("picket/wrapper", b"wrappes".as_slice())]).unwrap();
        assert_ne!(one, other);
    }

    #[test]
    fn trap_49_run_bits_survive_the_zip() {
        let zip = pack(&[("extensions/picket", b"agent"), ("picket/wrapper", b"wrapper")]).unwrap();
        assert_eq!(check(&zip), Ok(()));
        let mut archive = ZipArchive::new(Cursor::new(zip)).unwrap();
        for name in ["extensions/picket", "picket/wrapper"] {
            assert_eq!(archive.by_name(name).unwrap().unix_mode().unwrap() & 0o777, 0o755);
        }
    }

    #[test]
    fn trap_49_a_lost_run_bit_or_a_carriage_return_is_found() {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file("extensions/picket", SimpleFileOptions::default().unix_permissions(0o644)).unwrap();
        zip.write_all(b"agent").unwrap();
        let bytes = zip.finish().unwrap().into_inner();
        assert!(check(&bytes).unwrap_err().contains("mode"));
        let script = pack(&[("picket/wrapper", b"#!/bin/sh\r\nexec \"$@\"\r\n")]).unwrap();
        assert!(check(&script).unwrap_err().contains("CRLF"));
    }
}
