//! Builds the anchor automaton: an Aho-Corasick automaton over every literal of `src/detectors/**/*.anchors`, laid out as
//! one dense table that a program can use without any work at start.
//!
//! A line of an anchors file is one literal, in any case, matched without regard to ASCII case; `#` starts a comment
//! line. `\b` at either end asks for a word boundary there; `\s`, `\t`, `\n`, `\\`, `\#` and `\xNN` stand for bytes.
//!
//! Aho and Corasick, "Efficient string matching: an aid to bibliographic search", CACM 18(6), 1975.

use std::{
    collections::VecDeque,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// Bits of the mask that a scan answers.
const BITS: usize = 128;

struct Literal {
    bit: u8,
    bytes: Vec<u8>,
    before: bool,
    after: bool,
}

#[derive(Default)]
struct Node {
    next: Vec<(u8, usize)>,
    fail: usize,
    /// `(bit, length, boundaries)`; bit 0 of the last asks for one before, bit 1 for one after.
    out: Vec<(u8, u8, u8)>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let (root, out) = folders()?;
    let folder = root.join("src/detectors");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files = Vec::new();
    collect(&folder, &mut files)?;
    files.sort();
    if files.len() > BITS {
        return Err(format!("{} anchors files, and the mask has {BITS} bits", files.len()).into());
    }
    let (mut names, mut literals) = (Vec::new(), Vec::new());
    for (index, file) in files.iter().enumerate() {
        println!("cargo::rerun-if-changed={}", file.display());
        names.push(file.file_stem().unwrap_or_default().to_string_lossy().into_owned());
        for (line, text) in fs::read_to_string(file)?.lines().enumerate() {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let literal = parse(text, u8::try_from(index)?)
                .ok_or_else(|| format!("{}, line {}: not a literal: {text}", file.display(), line + 1))?;
            literals.push(literal);
        }
    }
    let nodes = automaton(&literals)?;
    write(&out, &names, &nodes)
}

#[expect(clippy::disallowed_methods, reason = "cargo tells a build script its folders in no other way")]
fn folders() -> Result<(PathBuf, PathBuf), Box<dyn Error>> {
    Ok((std::env::var("CARGO_MANIFEST_DIR")?.into(), std::env::var("OUT_DIR")?.into()))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            println!("cargo::rerun-if-changed={}", path.display());
            collect(&path, files)?;
        } else if path.extension().is_some_and(|ext| ext == "anchors") {
            files.push(path);
        }
    }
    Ok(())
}

fn parse(text: &str, bit: u8) -> Option<Literal> {
    let mut literal = Literal { bit, bytes: Vec::new(), before: false, after: false };
    let mut rest = text.as_bytes();
    if let Some(stripped) = rest.strip_prefix(b"\\b") {
        (rest, literal.before) = (stripped, true);
    }
    if let Some(stripped) = rest.strip_suffix(b"\\b") {
        (rest, literal.after) = (stripped, true);
    }
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let byte = if byte == b'\\' {
            let (&escaped, tail) = rest.split_first()?;
            rest = tail;
            match escaped {
                b's' => b' ',
                b't' => b'\t',
                b'n' => b'\n',
                b'r' => b'\r',
                b'\\' | b'#' => escaped,
                b'x' => {
                    let (digits, tail) = rest.split_at_checked(2)?;
                    rest = tail;
                    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
                }
                _ => return None,
            }
        } else {
            byte
        };
        literal.bytes.push(byte.to_ascii_lowercase());
    }
    (!literal.bytes.is_empty() && literal.bytes.len() < 256).then_some(literal)
}

fn step(nodes: &[Node], at: usize, byte: u8) -> Option<usize> {
    nodes[at].next.iter().find(|(b, _)| *b == byte).map(|(_, to)| *to)
}

fn automaton(literals: &[Literal]) -> Result<Vec<Node>, Box<dyn Error>> {
    let mut nodes = vec![Node::default()];
    for literal in literals {
        let mut at = 0;
        for &byte in &literal.bytes {
            at = match step(&nodes, at, byte) {
                Some(next) => next,
                None => {
                    nodes.push(Node::default());
                    let new = nodes.len() - 1;
                    nodes[at].next.push((byte, new));
                    new
                }
            };
        }
        let entry = (
            literal.bit,
            u8::try_from(literal.bytes.len())?,
            u8::from(literal.before) | u8::from(literal.after) << 1,
        );
        if !nodes[at].out.contains(&entry) {
            nodes[at].out.push(entry);
        }
    }
    let mut queue: VecDeque<usize> = nodes[0].next.iter().map(|(_, to)| *to).collect();
    while let Some(at) = queue.pop_front() {
        for (byte, to) in nodes[at].next.clone() {
            let mut fail = nodes[at].fail;
            nodes[to].fail = loop {
                match step(&nodes, fail, byte) {
                    Some(next) => break next,
                    None if fail == 0 => break 0,
                    None => fail = nodes[fail].fail,
                }
            };
            let inherited = nodes[nodes[to].fail].out.clone();
            nodes[to].out.extend(inherited);
            queue.push_back(to);
        }
    }
    Ok(nodes)
}

fn write(out: &Path, names: &[String], nodes: &[Node]) -> Result<(), Box<dyn Error>> {
    // Bytes that occur in no literal share class 0; an upper-case letter has the class of its lower-case form.
    let mut classes = [0_u8; 256];
    let mut count = 1_usize;
    for byte in 0..=255_u8 {
        let used = nodes.iter().any(|node| node.next.iter().any(|(b, _)| *b == byte));
        if used {
            classes[byte as usize] = u8::try_from(count)?;
            count += 1;
        }
    }
    for byte in b'A'..=b'Z' {
        classes[byte as usize] = classes[byte.to_ascii_lowercase() as usize];
    }
    let shift = count.next_power_of_two().trailing_zeros();
    // Breadth first, so that the states near the root, which nearly all bytes visit, lie together; those that match
    // come last, so that one comparison tells them.
    let mut order = vec![0];
    let mut head = 0;
    while let Some(&at) = order.get(head) {
        order.extend(nodes[at].next.iter().map(|(_, to)| *to));
        head += 1;
    }
    let breadth = order.clone();
    order.sort_by_key(|&at| !nodes[at].out.is_empty());
    let mut number = vec![0_usize; nodes.len()];
    for (new, &old) in order.iter().enumerate() {
        number[old] = new;
    }
    let first_match = order.iter().position(|&at| !nodes[at].out.is_empty()).unwrap_or(order.len());
    let mut table = vec![0_u16; nodes.len() << shift];
    for &at in &breadth {
        // A state goes where its failure state goes, which lies nearer to the root and so is filled in already.
        let (own, fail) = (number[at] << shift, number[nodes[at].fail] << shift);
        if at != 0 {
            table.copy_within(fail..fail + (1 << shift), own);
        }
        for (byte, to) in &nodes[at].next {
            table[own + classes[*byte as usize] as usize] = u16::try_from(number[*to])?;
        }
    }
    let bytes: Vec<u8> = table.iter().flat_map(|state| state.to_le_bytes()).collect();
    fs::write(out.join("anchors.next"), &bytes)?;
    fs::write(out.join("anchors.classes"), classes)?;
    let mut code = format!(
        "const SHIFT: usize = {shift};\nconst FIRST_MATCH: usize = {first_match};\nconst STATES: usize = {};\n",
        nodes.len()
    );
    writeln!(code, "pub(crate) const NAMES: &[&str] = &{names:?};")?;
    let (mut entries, mut ranges) = (String::new(), String::new());
    let mut at = 0;
    for &old in order.get(first_match..).unwrap_or_default() {
        for (bit, length, boundaries) in &nodes[old].out {
            write!(entries, "({bit},{length},{boundaries}),")?;
        }
        write!(ranges, "({at},{}),", at + nodes[old].out.len())?;
        at += nodes[old].out.len();
    }
    writeln!(code, "static ENTRIES: &[(u8, u8, u8)] = &[{entries}];")?;
    writeln!(code, "static MATCHES: &[(u32, u32)] = &[{ranges}];")?;
    fs::write(out.join("anchors.rs"), code)?;
    Ok(())
}
