//! What a binary asks of the machine that it is started on: its processor, its C library. Knows ELF; not what the binary does.

use object::elf::FileHeader64;
use object::read::elf::{FileHeader as _, SectionHeader as _};
use object::{Endianness, elf};

use super::Architecture;

/// The C library of Amazon Linux 2, the older of the two that Lambda runs.
const NEWEST_GLIBC: (u32, u32) = (2, 26);

/// Checks that a binary is for this architecture and runs on Amazon Linux 2 and 2023.
///
/// # Errors
/// What is wrong with it, as the end of a sentence.
pub(super) fn check(bytes: &[u8], architecture: Architecture, must_be_static: bool) -> Result<(), String> {
    let read = |error: object::Error| format!("is no ELF file for a 64-bit machine: {error}");
    let header = FileHeader64::<Endianness>::parse(bytes).map_err(read)?;
    let endian = header.endian().map_err(read)?;
    let machine = match architecture {
        Architecture::X86_64 => elf::EM_X86_64,
        Architecture::Arm64 => elf::EM_AARCH64,
    };
    if header.e_machine(endian) != machine {
        return Err("is built for another processor".to_owned());
    }
    let segments = header.program_headers(endian, bytes).map_err(read)?;
    let interpreted = segments.iter().any(|segment| segment.p_type.get(endian) == elf::PT_INTERP);
    if must_be_static && interpreted {
        return Err("is not static".to_owned());
    }
    let newest = needed_glibc(bytes).map_err(read)?;
    match newest {
        Some(version) if version > NEWEST_GLIBC => Err(format!(
            "needs GLIBC_{}.{}, which Amazon Linux 2 lacks (it has {}.{})",
            version.0, version.1, NEWEST_GLIBC.0, NEWEST_GLIBC.1
        )),
        None if interpreted => Err("names no version of glibc although it is linked dynamically".to_owned()),
        _ => Ok(()),
    }
}

/// The newest version of glibc that any symbol is bound to; none in a static binary.
fn needed_glibc(bytes: &[u8]) -> object::Result<Option<(u32, u32)>> {
    let header = FileHeader64::<Endianness>::parse(bytes)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, bytes)?;
    let mut newest = None;
    for section in sections.iter() {
        let Some((mut needs, link)) = section.gnu_verneed(endian, bytes)? else { continue };
        let strings = sections.strings(endian, bytes, link)?;
        while let Some((_, mut versions)) = needs.next()? {
            while let Some(version) = versions.next()? {
                newest = newest.max(glibc_version(version.name(endian, strings)?));
            }
        }
    }
    Ok(newest)
}

/// `GLIBC_2.17` as numbers. Other libraries' versions are none.
fn glibc_version(name: &[u8]) -> Option<(u32, u32)> {
    let text = std::str::from_utf8(name).ok()?.strip_prefix("GLIBC_")?;
    let mut parts = text.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(glibc_version(b"GLIBC_2.17"), Some((2, 17)));
        assert_eq!(glibc_version(b"GLIBC_2.2.5"), Some((2, 2)));
        assert_eq!(glibc_version(b"GCC_3.0"), None);
        assert!(glibc_version(b"GLIBC_2.9") < glibc_version(b"GLIBC_2.26"));
    }

    #[test]
    fn this_program_is_dynamic_and_for_this_processor() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(needed_glibc(&program).unwrap() >= Some((2, 2)));
        let (this, other) = match std::env::consts::ARCH {
            "aarch64" => (Architecture::Arm64, Architecture::X86_64),
            _ => (Architecture::X86_64, Architecture::Arm64),
        };
        assert_eq!(check(&program, this, true), Err("is not static".to_owned()));
        assert_eq!(check(&program, other, false), Err("is built for another processor".to_owned()));
        assert!(check(b"#!/bin/sh\n", this, false).unwrap_err().contains("no ELF"));
    }
}
