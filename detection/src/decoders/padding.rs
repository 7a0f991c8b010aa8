//! What is left of a value when the long harmless text around it is taken off: whole sentences, a text that repeats, or a run
//! of letters and digits, before it or after it.
//!
//! Many forms act only as a whole value: a path, a URL, a number with a condition behind it. Text around them hides such a
//! form from whoever looks at the value only as it is. What was taken off is plain words; what remains keeps the sentence
//! that it stands in, so that a sentence which quotes something still reads as one.

use super::{Decoding, Pieces, View};
use crate::Decoder;

pub(super) static DECODING: Decoding = Decoding { decoder: Decoder::Padding, wants, run };

/// Less text than this in front or behind is no padding.
const SHORTEST: usize = 256;
/// What remains and is longer, or has more lines, is a document with text around it.
const LONGEST: usize = 2048;
const LINES: usize = 3;
/// Where no sentence ends, this many of the last words are tried as the beginning of the rest.
const WORDS: usize = 3;
/// No word of a language is this long.
const LONG_WORD: usize = 64;
/// The longest text that is seen to repeat, as the start of a value.
const PERIOD: usize = SHORTEST;
/// What follows a repeated text may begin with letters that would go on with it: so many of them are tried.
const COMMON: usize = 2;
/// Marks behind a run without order that may belong to what follows: `document.body.x(`.
const GAPS: usize = 8;
/// Letters that may belong to what follows a run without order: the longest name that is glued to it.
const GLUED: usize = 16;

fn wants(view: &View<'_>) -> bool {
    view.bytes.len() > SHORTEST && !view.chain.contains(Decoder::Padding)
}

fn run(view: &View<'_>, pieces: &mut Pieces) {
    let bytes = view.bytes;
    if let Some((period, end)) = repeated(bytes) {
        // A value that does nothing but repeat holds nothing else.
        let whole = end - end % period;
        let common = (0..=COMMON).map(|back| end - back).filter(|cut| *cut != whole);
        for cut in std::iter::once(whole).chain(common) {
            let rest = bytes.get(cut..).unwrap_or_default();
            if end < bytes.len() && rest.len() <= LONGEST {
                pieces.piece(|out| {
                    out.extend_from_slice(rest);
                    true
                });
            }
        }
        if period < LONG_WORD {
            return;
        }
    }
    let plain = bytes.iter().position(|&b| !is_plain(b)).unwrap_or(bytes.len());
    let head = bytes.get(..plain).unwrap_or_default();
    let mut push = |start: usize| {
        let rest = bytes.get(start..).unwrap_or_default();
        let end = trail(rest);
        // Long text on both sides is a page about what stands in it, and is judged as a whole.
        if start > 0 && end < rest.len() {
            return;
        }
        let inner = rest.get(..end).unwrap_or_default().trim_ascii_end();
        let lines = memchr::memchr_iter(b'\n', inner).take(LINES).count();
        if inner.len() < bytes.len() && inner.len() <= LONGEST && lines < LINES {
            pieces.piece(|out| {
                out.extend_from_slice(inner);
                true
            });
        }
    };
    let goes_on = plain < bytes.len();
    let lead = lead(head, goes_on);
    // Plain words that act may stand before sentences as well as behind them.
    if !goes_on || matches!(lead, Lead::Nothing) {
        push(0);
    }
    match lead {
        Lead::Nothing => {}
        Lead::Until(start) => push(start),
        Lead::Glued(end) => {
            if bytes.len() - end <= LONGEST {
                (0..=GLUED).for_each(|back| push(end - back));
            }
            if bytes.get(end) == Some(&b' ') {
                push(end + 1);
            }
        }
        Lead::Words => {
            // Nothing tells where the words end that belong to the rest: a command has some, a path none.
            let spaces = head.iter().enumerate().rev().filter(|(_, b)| b.is_ascii_whitespace());
            spaces.take(WORDS).for_each(|(at, _)| push(at + 1));
        }
    }
}

/// What stands in front.
enum Lead {
    Nothing,
    /// Sentences up to an offset.
    Until(usize),
    /// A run that is no word up to an offset, the last letters of which may belong to what follows.
    Glued(usize),
    /// Words without sentences.
    Words,
}

/// Letters, digits and the marks of plain sentences.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b',' | b'.' | b'!' | b'?' | b'\'' | b'-' | 0x80..)
}

const fn ends_sentence(byte: u8) -> bool {
    matches!(byte, b'.' | b'!' | b'?')
}

fn lead(head: &[u8], goes_on: bool) -> Lead {
    if head.len() < SHORTEST {
        return Lead::Nothing;
    }
    // The sentence that goes on into what is not plain stays with it.
    let sentence = head.windows(2).rposition(|pair| ends_sentence(pair[0]) && pair[1].is_ascii_whitespace());
    let long = |end: usize| {
        let before = head.get(..end).unwrap_or_default();
        before.len() >= LONG_WORD && before.iter().rev().take(LONG_WORD).all(u8::is_ascii_alphanumeric)
    };
    // Where the last run ends that is no word: at the end, or at a mark that a word with other marks may follow.
    let mark = |at: usize| head.get(at).is_some_and(|b| !b.is_ascii_alphanumeric());
    let mut ends = (1..head.len()).rev().filter(|&at| mark(at) && !mark(at - 1));
    let run = if goes_on && long(head.len()) {
        Some(head.len())
    } else {
        ends.by_ref().take(GAPS).find(|&at| long(at))
    };
    let sentence = sentence.map(|at| match head.get(at + 1) {
        Some(b' ') => at + 2,
        _ => at + 1 + head.iter().skip(at + 1).take_while(|b| b.is_ascii_whitespace()).count(),
    });
    if let Some(end) = run.filter(|&end| sentence.is_none_or(|at| at <= end) && end >= SHORTEST) {
        return Lead::Glued(end);
    }
    match sentence {
        Some(cut) if head.len() - cut < LONGEST && cut >= SHORTEST => Lead::Until(cut),
        None if head.len() >= 4 * SHORTEST => Lead::Words,
        _ => Lead::Nothing,
    }
}

/// The shortest text that the value begins by repeating, and where that ends (the failure function of Knuth, Morris and
/// Pratt, "Fast pattern matching in strings", 1977).
fn repeated(bytes: &[u8]) -> Option<(usize, usize)> {
    let head: &[u8; 2 * PERIOD] = bytes.first_chunk()?;
    let mut fail = [0_u16; 2 * PERIOD];
    let mut length = 0_usize;
    for at in 1..head.len() {
        while length > 0 && head[at] != head[length] {
            length = fail[length - 1] as usize;
        }
        length += usize::from(head[at] == head[length]);
        fail[at] = length as u16;
    }
    let period = head.len() - length;
    if period > PERIOD {
        return None;
    }
    let differs = bytes.iter().skip(period).zip(bytes).position(|(later, earlier)| later != earlier);
    Some((period, differs.map_or(bytes.len(), |at| at + period)))
}

/// Where plain text begins that goes on to the end: at a capital letter behind white space.
fn trail(bytes: &[u8]) -> usize {
    let plain = bytes.iter().rposition(|&b| !is_plain(b)).map_or(0, |at| at + 1);
    let tail = bytes.get(plain..).unwrap_or_default();
    if tail.len() < SHORTEST {
        return bytes.len();
    }
    let begins = tail.windows(2).position(|pair| pair[0].is_ascii_whitespace() && pair[1].is_ascii_uppercase());
    begins.filter(|at| tail.len() - at >= SHORTEST).map_or(bytes.len(), |at| plain + at)
}
