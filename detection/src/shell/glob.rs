//! Shell patterns: whether one matches a name. It may not know what the name is of.

/// Whether a shell pattern matches a name. Both are short: a segment of a word.
pub(super) fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut used) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while used < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, used));
                at += 1;
                continue;
            }
            Some(b'?') => {
                at += 1;
                used += 1;
                continue;
            }
            Some(b'[') => {
                let close =
                    pattern.iter().skip(at + 1).position(|byte| *byte == b']').unwrap_or(pattern.len());
                at = (at + close + 2).min(pattern.len());
                used += 1;
                continue;
            }
            Some(byte) if Some(byte) == name.get(used) => {
                at += 1;
                used += 1;
                continue;
            }
            _ => {}
        }
        let Some((pattern_at, name_at)) = star else { return false };
        (at, used) = (pattern_at, name_at + 1);
        star = Some((pattern_at, name_at + 1));
    }
    pattern.iter().skip(at).all(|byte| *byte == b'*')
}
