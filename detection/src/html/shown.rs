//! The parts of a text that its renderer shows as code rather than interprets: Markdown fences and inline code.

use std::ops::Range;

/// Code spans of one text.
#[derive(Debug, Default)]
pub(crate) struct CodeSpans(Vec<Range<usize>>);

/// More spans than this are no help to a reader, and are not needed to judge the first hits.
const SPANS: usize = 512;

impl CodeSpans {
    /// Finds fences (` ``` ` or `~~~` at the start of a line) and, in texts of sentences or several lines, inline code.
    pub(crate) fn of(text: &[u8], is_document: bool) -> Self {
        let (mut spans, mut fence, mut at) = (Vec::new(), None::<(u8, usize)>, 0);
        while at < text.len() && spans.len() < SPANS {
            let rest = text.get(at..).unwrap_or_default();
            let end = memchr::memchr(b'\n', rest).map_or(text.len(), |length| at + length + 1);
            let line = text.get(at..end).unwrap_or_default();
            let marker = fence_marker(line);
            match (fence, marker) {
                (None, Some(mark)) => fence = Some((mark, end)),
                (Some((mark, from)), Some(found)) if mark == found => {
                    spans.push(from..at);
                    fence = None;
                }
                (None, None) if is_document => inline(line, at, &mut spans),
                _ => {}
            }
            at = end;
        }
        if let Some((_, from)) = fence {
            spans.push(from..text.len());
        }
        Self(spans)
    }

    /// Whether an offset is shown as code, unless the code there begins by leaving a context.
    pub(crate) fn shows(&self, text: &[u8], at: usize) -> bool {
        self.0.iter().find(|span| span.contains(&at)).is_some_and(|span| {
            let lead = text.get(span.start..at).unwrap_or_default();
            let line = lead
                .iter()
                .rposition(|&b| b == b'\n')
                .map_or(lead, |end| lead.get(end + 1..).unwrap_or_default());
            let line = line.trim_ascii();
            // `">`, `'/>`, `</script>`, `-->`: what stands before the markup closes something.
            let leaves = matches!(line.first(), Some(b'"' | b'\'' | b'>' | b')'))
                || line.starts_with(b"</")
                || line.starts_with(b"-->");
            !leaves
        })
    }
}

fn fence_marker(line: &[u8]) -> Option<u8> {
    let text = line.trim_ascii_start();
    let text = text.strip_prefix(b">").unwrap_or(text).trim_ascii_start();
    [b'`', b'~'].into_iter().find(|&mark| text.len() >= 3 && text[..3].iter().all(|&b| b == mark))
}

fn inline(line: &[u8], offset: usize, spans: &mut Vec<Range<usize>>) {
    let mut at = 0;
    while let Some(open) = memchr::memchr(b'`', line.get(at..).unwrap_or_default()) {
        let start = at + open;
        let run = line.get(start..).unwrap_or_default().iter().take_while(|&&b| b == b'`').count();
        let from = start + run;
        let ticks = line.get(start..from).unwrap_or_default();
        let Some(close) = memchr::memmem::find(line.get(from..).unwrap_or_default(), ticks) else { return };
        if spans.len() >= SPANS {
            return;
        }
        spans.push(offset + from..offset + from + close);
        at = from + close + run;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_and_inline_code() {
        let text =
            b"Use `<b>` here:\n```html\n<script>x()</script>\n```\nand <i>.\n```\n\"><script>y()</script>\n";
        let spans = CodeSpans::of(text, true);
        let at = |needle: &[u8]| memchr::memmem::find(text, needle).unwrap();
        assert!(spans.shows(text, at(b"<b>")));
        assert!(spans.shows(text, at(b"<script>x")));
        assert!(!spans.shows(text, at(b"<i>")));
        assert!(!spans.shows(text, at(b"<script>y")), "it leaves an attribute first");
        assert!(!CodeSpans::of(b"`<b>`", false).shows(b"`<b>`", 1));
    }
}
