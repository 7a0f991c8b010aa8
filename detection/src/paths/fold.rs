//! One unit of a path at a time, whatever its spelling: percent (once or more, broken apart, as code units), overlong
//! UTF-8, look-alike characters, hexadecimal literals, stray controls.
//!
//! The general decoders give views in which most of this is gone already; what is here are the readings that only a
//! lenient file server or a half-done filter has.

/// What stands at a position of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A separator.
    Separator,
    /// A dot.
    Dot,
    /// A NUL, which ends the path for a C library.
    Nul,
    /// Nothing: a byte that lenient readers skip.
    Skip,
    /// The end of a path in a text: white space, quotes, brackets.
    Break,
    /// Anything else.
    Byte(u8),
}

/// Bytes that end a path in a text wherever they stand: white space, quotes, brackets.
pub(crate) static BREAKS: [bool; 256] = {
    let mut table = [false; 256];
    let breaks = b"\t\n\r \"'<>(){}|&`,=";
    let mut at = 0;
    while at < breaks.len() {
        table[breaks[at] as usize] = true;
        at += 1;
    }
    table
};

/// A unit, how many bytes spell it, and whether that spelling is a disguise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fold {
    /// The unit.
    pub unit: Unit,
    /// Bytes that spell it, at least 1.
    pub len: usize,
    /// Whether no plain path spells it so.
    pub odd: bool,
}

impl Fold {
    const fn plain(unit: Unit) -> Self {
        Self { unit, len: 1, odd: false }
    }

    const fn odd(unit: Unit, len: usize) -> Self {
        Self { unit, len, odd: true }
    }

    /// `0x2e`, `0x2f` and `0x5c` between dots and slashes.
    pub(crate) fn literal(rest: &[u8]) -> Self {
        if let [b'0', b'x' | b'X', high, low, ..] = rest
            && let (Some(high), Some(low)) = (hex(Some(high)), hex(Some(low)))
            && let Some(unit) = of_code(high << 4 | low).filter(|unit| *unit != Unit::Nul)
        {
            return Self::odd(unit, 4);
        }
        Self::plain(Unit::Byte(b'0'))
    }

    /// `..2f`: the percent sign was lost on the way.
    pub(crate) fn eaten_percent(rest: &[u8]) -> Self {
        match rest {
            [b'2', b'f' | b'F', ..] | [b'5', b'c' | b'C', ..] => Self::odd(Unit::Separator, 2),
            [first, ..] => Self::plain(Unit::Byte(*first)),
            [] => Self::plain(Unit::Break),
        }
    }

    /// Reads the unit at the start of `rest`. `before` is what was folded so far.
    pub(crate) fn read(rest: &[u8], before: &[u8]) -> Self {
        let Some(&first) = rest.first() else { return Self::plain(Unit::Break) };
        match first {
            b'/' | b'\\' => Self::plain(Unit::Separator),
            b'.' => Self::plain(Unit::Dot),
            0 => nul(rest, before),
            b'%' => percent(rest),
            _ if BREAKS[first as usize] => Self::plain(Unit::Break),
            1..=0x1f | 0x7f => Self::odd(Unit::Skip, 1),
            b'0' if near(before) => Self::literal(rest),
            b'2' | b'5' if before.ends_with(b"..") => Self::eaten_percent(rest),
            b'?' if near(before) => wildcard(rest, before),
            0xc0.. => high(rest),
            _ => Self::plain(Unit::Byte(first)),
        }
    }
}

/// The separator or dot that a code point is or looks like.
const fn of_code(code: u32) -> Option<Unit> {
    match code {
        0x2e | 0xff0e | 0x2024 => Some(Unit::Dot),
        0x2f | 0x5c | 0xff0f | 0xff3c | 0x2215 | 0x2216 | 0x2044 | 0x29f8 | 0x29f9 | 0xf025 | 0xefc8 => {
            Some(Unit::Separator)
        }
        0 => Some(Unit::Nul),
        _ => None,
    }
}

fn near(before: &[u8]) -> bool {
    before.last().is_none_or(|byte| matches!(byte, b'.' | b'/'))
}

/// A NUL between dots is skipped by filters that strip it; anywhere else it ends the path.
fn nul(rest: &[u8], before: &[u8]) -> Fold {
    let inside = near(before) && matches!(rest.get(1), Some(b'.' | b'/' | b'\\' | 0xc0 | 0xc1 | b'%'));
    Fold::odd(if inside { Unit::Skip } else { Unit::Nul }, 1)
}

/// `.?/` and `?./`: some file systems match a wildcard where a name is opened.
fn wildcard(rest: &[u8], before: &[u8]) -> Fold {
    let next = rest.get(1).copied().unwrap_or_default();
    let dotted = before.last() == Some(&b'.') && matches!(next, b'/' | b'\\' | 0xc0.. | b'%')
        || matches!(next, b'.' | b'?');
    if dotted { Fold::odd(Unit::Dot, 1) } else { Fold::plain(Unit::Byte(b'?')) }
}

fn hex(byte: Option<&u8>) -> Option<u32> {
    char::from(*byte?).to_digit(16)
}

/// A hexadecimal digit to a decoder that never looks whether it is one: `g` is 16, `z` is 35.
fn lenient(byte: Option<&u8>) -> Option<u32> {
    char::from(*byte?).to_digit(36)
}

/// `%XX` with any number of `25` between, `%uXXXX`, `%X%X`.
fn percent(rest: &[u8]) -> Fold {
    if matches!(rest.get(1), Some(b'u' | b'U')) {
        let code = (2..6).try_fold(0, |code, at| Some(code << 4 | hex(rest.get(at))?));
        return match code.and_then(of_code) {
            Some(unit) => Fold::odd(unit, 6),
            None => Fold::plain(Unit::Byte(b'%')),
        };
    }
    match encoded(rest) {
        Some((byte, len)) => {
            if let Some(unit) = of_code(byte) {
                return Fold::odd(unit, len);
            }
            if byte >= 0xc0
                && let Some((unit, more)) = overlong(byte, rest.get(len..).unwrap_or_default())
            {
                return Fold::odd(unit, len + more);
            }
            Fold::plain(Unit::Byte(b'%'))
        }
        None => match (hex(rest.get(1)), rest.get(2), hex(rest.get(3))) {
            (Some(high), Some(b'%'), Some(low)) if of_code(high << 4 | low).is_some() => {
                Fold::odd(of_code(high << 4 | low).unwrap_or(Unit::Skip), 4)
            }
            _ if matches!(rest.get(1), Some(b'/' | b'\\' | b'.')) => Fold::odd(Unit::Skip, 1),
            _ => Fold::plain(Unit::Byte(b'%')),
        },
    }
}

/// The byte that `%XX` stands for, looking through up to four layers of `%25`.
fn encoded(rest: &[u8]) -> Option<(u32, usize)> {
    let mut at = 1;
    while at < 9 && rest.get(at..at + 2) == Some(b"25") && hex(rest.get(at + 2)).is_some() {
        at += 2;
    }
    let (high, low) = (lenient(rest.get(at))?, lenient(rest.get(at + 1))?);
    let byte = ((high << 4) + low) & 0xff;
    // Only the bytes that spell separators in two-byte form are worth such a reading.
    ((high < 16 && low < 16) || byte & 0xc0 == 0x80 || byte & 0xfe == 0xc0).then_some((byte, at + 2))
}

/// The unit that a lenient UTF-8 decoder makes of a lead byte and what follows, raw or percent-encoded.
fn overlong(lead: u32, rest: &[u8]) -> Option<(Unit, usize)> {
    let (more, mut code) = match lead {
        0xc0 | 0xc1 => (1, lead & 0x1f),
        0xe0 => (2, 0),
        0xf0 => (3, 0),
        0xf8 => (4, 0),
        0xfc => (5, 0),
        _ => return None,
    };
    let mut at = 0;
    for _ in 0..more {
        let (byte, len) = match *rest.get(at)? {
            b'%' => encoded(rest.get(at..)?)?,
            byte => (u32::from(byte), 1),
        };
        // Two-byte forms are read by some decoders without a look at the upper bits of the second byte.
        if more > 1 && byte & 0xc0 != 0x80 {
            return None;
        }
        code = code << 6 | byte & 0x3f;
        at += len;
    }
    // `C1 AF` and `C0 9C`: the lead byte is mistaken as often as the other.
    let code = match code & 0x3f {
        low @ 0x2e..=0x2f if more == 1 => low,
        0x1c if more == 1 => 0x5c,
        _ => code,
    };
    of_code(code).filter(|unit| *unit != Unit::Nul).map(|unit| (unit, at))
}

fn high(rest: &[u8]) -> Fold {
    let lead = rest.first().copied().unwrap_or_default();
    if let Some((unit, more)) = overlong(u32::from(lead), rest.get(1..).unwrap_or_default()) {
        return Fold::odd(unit, 1 + more);
    }
    if matches!(lead, 0xc0 | 0xc1) && matches!(rest.get(1), Some(b'.' | b'/' | b'\\')) {
        return Fold::odd(Unit::Skip, 1);
    }
    if let [0xe2 | 0xef, second, third, ..] = *rest {
        let code = u32::from(lead & 0x0f) << 12 | u32::from(second & 0x3f) << 6 | u32::from(third & 0x3f);
        if let Some(unit) = of_code(code) {
            return Fold::odd(unit, 3);
        }
    }
    Fold::plain(Unit::Byte(lead))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(bytes: &[u8]) -> Vec<u8> {
        let (mut out, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            let fold = Fold::read(&bytes[at..], &out);
            at += fold.len;
            match fold.unit {
                Unit::Separator => out.push(b'/'),
                Unit::Dot => out.push(b'.'),
                Unit::Nul => out.push(0),
                Unit::Byte(byte) => out.push(byte),
                Unit::Skip | Unit::Break => {}
            }
        }
        out
    }

    #[test]
    fn every_spelling_of_two_dots_and_a_slash_is_one_path() {
        let spellings: &[&[u8]] = &[
            b"../x",
            b"..\\x",
            b"%2e%2e%2fx",
            b"%252e%25252e%2fx",
            b"%c0%ae%c0%ae%c0%afx",
            b"\xc0\xae\xc0\xae\xc0\xafx",
            b"\xc0.\xc0.\xc0/x",
            b"..\xe0\x80\xafx",
            b"..\xf0\x80\x80\xafx",
            b"..%f8%80%80%80%afx",
            b"%uff0e%uff0e%u2215x",
            b"\xef\xbc\x8e\xef\xbc\x8e\xef\xbc\x8fx",
            b"..\xe2\x88\x95x",
            b"0x2e0x2e0x2fx",
            b"..0x5cx",
            b"%2%e%2%e%5%cx",
            b"..2fx",
            b".\0.\0/x",
            b"..\x01/x",
            b"..%/x",
            b"..\xc1\x9cx",
            b"..\xc1\x1cx",
            b"..%c1%8sx",
            b"..\xc1%pcx",
            b"%c0%ae%c0%ae%bg%qfx",
            b".?/x",
            b"?.\\x",
        ];
        for spelling in spellings {
            assert_eq!(folded(spelling), b"../x", "{}", spelling.escape_ascii());
        }
    }
}
