//! The differential test: parsers of Python and Node.js beside ours, over a corpus and random changes to it.
//!
//! A short run belongs to `cargo test`; the long one is
//! `cargo test -p picket-lambda-event --test differential --release --features long-tests`.

#[path = "differential/harness.rs"]
mod harness;

use harness::{Kind, Peer, gaps};

/// Texts to start from, and the pieces that changes are made of.
fn seeds(kind: Kind) -> (&'static [&'static [u8]], &'static [&'static [u8]]) {
    match kind {
        Kind::Json => (
            &[
                br#"{"a":"first","a":"second","b":["x",{"c":"d"}]}"#,
                br#"{"body":"one","b\u006fdy":"two","\ud800":"\udfff lone"}"#,
                br#"["\u0027 or 1=1--","\"quoted\\","\/slash",1e999,-0.5,NaN,Infinity]"#,
                br#"{"nested":"{\"in\":\"{\\\"deep\\\":\\\"x\\\"}\"}"}"#,
                b"\xef\xbb\xbf{\"bom\":\"yes\"}",
                b"\"bare string\"",
                b"{\"tab\":\"a\tb\",\"nul\":\"\x00\",\"\":\"empty key\"}",
            ],
            &[
                b"\"", b"\\", b"{", b"}", b"[", b"]", b":", b",", b"\\u0022", b"\\ud83d", b"\\ude00", b"\\u0000", b"'",
                b"/*", b"//", b"\n", b"\0", b"\xff", b"\xef\xbb\xbf", b"null", b"1e5", b"\"k\":\"v\",", b"\\x41",
            ],
        ),
        Kind::Query | Kind::Form => (
            &[
                b"a=1&b=2&a=3", b"q=1%27+or+%271%27=%271", b"a;b=c;d&e=f", b"novalue&=noname&a==b&&", b"x[y]=1&x[]=2",
                b"%u0027=%u003cscript%3e&%zz=%", b"a=%00b&c=%ff%fe&d=%e2%82%ac", b"a+b=c+d&%2b=%20",
            ],
            &[b"&", b"=", b";", b"%", b"+", b"%26", b"%3d", b"%25", b"%2", b"%u00", b"[", b"]", b"\0", b"\xc3\xa9", b"#", b"?", b" "],
        ),
        Kind::Cookie => (
            &[
                b"a=1; b=2; a=3", b"session=\"quoted; value\"; x=y", b"a=\"\\073\\\"\\047\"", b"n=%27%20or%201; $Path=/; b",
                b"a=b=c; =d; e", b"a=1,b=2", b"key = value ; \tother=x",
            ],
            &[b";", b"; ", b"=", b"\"", b"\\", b"\\047", b"\\\"", b",", b"%22", b"%", b" ", b"$Version=1; ", b"\t"],
        ),
        Kind::Multipart => (
            &[
                b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nvalue\r\n--b--\r\n",
                b"preamble\r\n--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x.php\"\r\nContent-Type: text/html\r\n\r\n<script>\r\n--b\r\nContent-Disposition: form-data; name=b\r\n\r\ntwo\r\n--b--\r\nepilogue",
                b"--b\nContent-Disposition: form-data; name=\"lf\"\n\nline feeds only\n--b--\n",
                b"--b\r\ncontent-disposition: form-data; name=\"a\\\"b\"; filename*=UTF-8''%3Cx%3E\r\nContent-Transfer-Encoding: base64\r\n\r\nPHNjcmlwdD4=\r\n--b--",
                b"--b\r\nContent-Disposition: form-data; name=\"q\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=3Cscript=3E\r\n--b--\r\n",
                b"--b\r\nContent-Disposition: form-data;\r\n name=\"folded\"\r\n\r\nx\r\n--b\r\n\r\nno headers\r\n--b--\r\n",
            ],
            &[
                b"\r\n", b"\n", b"--b", b"--b--", b"\"", b";", b"name=\"n\"", b"filename=\"f\"", b"Content-Disposition: form-data",
                b"\\", b"%22", b":", b" ", b"\t", b"name*0=\"x\"", b"\0", b"Content-Type: text/plain; charset=utf-16",
            ],
        ),
        Kind::Base64 => (
            &[
                b"PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==", b"MScgb3IgJzEnPScx", b"PHNj\ncmlwdD4", b"8J-YgDw_eHNz_z4-",
                b"aGVsbG8=d29ybGQ=", b"not base64 at all!", b"AA\xffA\xff\x8dAAHAA\xff\rA", b"AA AAA\xde\xa3\x04\0\x04A--",
            ],
            &[b"=", b"==", b"-", b"_", b"+", b"/", b"\n", b" ", b"!", b"A", b"PA", b"\xc3\xa9", b"====", b"\0"],
        ),
    }
}

/// A small deterministic generator: a failure can be seen again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides.max(1) as u64).unwrap_or(0)
    }

    fn change(&mut self, kind: Kind) -> Vec<u8> {
        let (texts, pieces) = seeds(kind);
        let mut text = texts[self.roll(texts.len())].to_vec();
        for _ in 0..=self.roll(5) {
            let at = self.roll(text.len() + 1);
            match self.roll(5) {
                0 if !text.is_empty() => drop(text.remove(at.min(text.len() - 1))),
                1 => text.truncate(at),
                2 => {
                    let other = texts[self.roll(texts.len())];
                    let from = self.roll(other.len());
                    text.splice(at..at, other[from..].iter().copied());
                }
                _ => {
                    let piece = pieces[self.roll(pieces.len())];
                    text.splice(at..at, piece.iter().copied());
                }
            }
        }
        if kind == Kind::Multipart {
            // Python alone ends a line at a lone carriage return. What it then joins is inspected as one text; a
            // transfer encoding in it is not undone.
            for at in 0..text.len() {
                if text[at] == b'\r' && text.get(at + 1) != Some(&b'\n') {
                    text[at] = b' ';
                }
            }
        }
        text
    }
}

fn run(rounds: usize, seed: u64) {
    let mut peers = Peer::all();
    if peers.is_empty() {
        eprintln!("skipped: neither python3 nor node is there");
        return;
    }
    let mut dice = Dice(seed);
    let (mut texts, mut strings, mut joined) = (0, 0, 0);
    let mut failures = Vec::new();
    for kind in Kind::ALL {
        let corpus = seeds(kind).0.iter().map(|text| text.to_vec());
        let changed: Vec<_> = (0..rounds).map(|_| dice.change(kind)).collect();
        for text in corpus.chain(changed) {
            let (read, gaps) = gaps(&mut peers, kind, &text);
            texts += 1;
            strings += read;
            // Where a delimiter is broken as well, only Python joins what follows and undoes a transfer encoding over it
            // all. The joined text is inspected as it stands; its decoded form is not, and is counted here.
            let lower = text.to_ascii_lowercase();
            if kind == Kind::Multipart && memchr::memmem::find(&lower, b"transfer-enc").is_some() {
                joined += gaps.len();
                continue;
            }
            failures.extend(gaps.into_iter().map(|gap| {
                format!(
                    "{kind:?} {:?}: {} reads {:?}\n  ours {:?}",
                    String::from_utf8_lossy(&text),
                    gap.peer,
                    String::from_utf8_lossy(&gap.string),
                    gap.values,
                )
            }));
        }
    }
    println!("{texts} texts, {strings} strings of {} peers, {joined} joined and decoded", peers.len());
    assert!(
        joined * 1_000 <= strings,
        "{joined} of {strings} strings were joined and decoded by a peer alone"
    );
    assert!(strings > texts, "the peers read next to nothing: {strings} strings of {texts} texts");
    let shown: Vec<_> = failures.iter().step_by(failures.len() / 20 + 1).map(String::as_str).collect();
    assert!(failures.is_empty(), "{} strings went uninspected:\n{}", failures.len(), shown.join("\n"));
}

#[test]
fn no_string_that_python_or_node_reads_goes_uninspected() {
    run(150, 0x9e37_79b9_7f4a_7c15);
}

#[cfg(feature = "long-tests")]
#[test]
fn no_string_goes_uninspected_in_a_long_run() {
    for seed in 1..=20 {
        run(5_000, seed * 0x9e37_79b9_7f4a_7c15);
    }
}
