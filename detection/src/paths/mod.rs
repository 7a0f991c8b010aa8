//! Paths as a file system would read them: every spelling of dots and slashes folded, then walked to see where it ends.
//!
//! It knows bytes and directory grammar only; what a path means for a verdict is the detectors' affair.

mod fold;
mod sensitive;

pub(crate) use fold::{BREAKS, Fold, Unit};
pub(crate) use sensitive::{Sensitivity, is_system_folder, sensitivity, sensitivity_above};

/// What walking a folded path shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Walk {
    /// Steps up, whether or not they leave the starting folder.
    pub ups: u32,
    /// How far above the starting folder the walk gets at its highest.
    pub escapes: u32,
    /// Steps up that no plain path has: three or more dots, path parameters after the dots.
    pub bent: u32,
    /// Segments that name something.
    pub names: u32,
}

/// Walks a folded path (separators are `/`, dots are `.`).
pub(crate) fn walk(path: &[u8]) -> Walk {
    let mut found = Walk::default();
    let mut depth = 0_i64;
    let mut segments = path.split(|byte| *byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let bare = trim_parameters(segment);
        if bare.is_empty() || bare == b"." {
            continue;
        }
        if segments.peek().is_none() && found.ups == 0 && bare.starts_with(b"...") {
            // An ellipsis at the end of a cut text.
            continue;
        }
        if bare.len() >= 2 && bare.iter().all(|byte| *byte == b'.') {
            found.ups = found.ups.saturating_add(1);
            if bare.len() > 2 || bare.len() != segment.len() {
                found.bent = found.bent.saturating_add(1);
            }
            depth -= 1;
            found.escapes = found.escapes.max(u32::try_from(-depth).unwrap_or(0));
        } else {
            found.names = found.names.saturating_add(1);
            depth += 1;
        }
    }
    found
}

/// `..;x=1` is `..` to a servlet container; trailing blanks are nothing to Windows.
fn trim_parameters(segment: &[u8]) -> &[u8] {
    let end = segment.iter().position(|byte| matches!(byte, b';' | 0)).unwrap_or(segment.len());
    segment.get(..end).unwrap_or_default().trim_ascii_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_counts_how_far_up_it_gets() {
        assert_eq!(walk(b"a/b/../c"), Walk { ups: 1, escapes: 0, bent: 0, names: 3 });
        assert_eq!(walk(b"../../x"), Walk { ups: 2, escapes: 2, bent: 0, names: 1 });
        assert_eq!(walk(b"a/../../../b"), Walk { ups: 3, escapes: 2, bent: 0, names: 2 });
        assert_eq!(walk(b"..;/..;a=1/x"), Walk { ups: 2, escapes: 2, bent: 2, names: 1 });
        assert_eq!(walk(b"....//....//x"), Walk { ups: 2, escapes: 2, bent: 2, names: 1 });
    }
}
