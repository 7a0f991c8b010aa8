//! Checks of single values.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Checker, Path};
use crate::{
    BlockResponse,
    document::{Answer, OneOrMany},
};

/// The longest body of an answer, in bytes.
const LONGEST_BODY: usize = 16 * 1024;

impl Checker<'_> {
    pub(super) fn range(&mut self, path: Path, text: &str) {
        if text.parse::<IpNet>().is_ok() || text.parse::<IpAddr>().is_ok() {
            return;
        }
        let problem = self.report(path, format!("`{}` is no address and no range", text.escape_debug()));
        problem.help = Some("write for instance `192.0.2.7`, `10.0.0.0/8` or `2001:db8::/32`".to_owned());
    }

    pub(super) fn country(&mut self, path: Path, text: &str) {
        if text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase()) {
            return;
        }
        let problem = self.report(path, format!("`{}` is no country", text.escape_debug()));
        problem.help = Some(match text.to_ascii_uppercase() {
            upper if upper.len() == 2 && upper.bytes().all(|b| b.is_ascii_uppercase()) => {
                format!("countries are two capital letters: `{upper}`")
            }
            _ => "countries are the two capital letters of ISO 3166: `DE`, `US`".to_owned(),
        });
    }

    pub(super) fn header_name(&mut self, path: Path, name: &str) {
        if is_token(name) {
            return;
        }
        let problem = self.report(path, format!("`{}` is no name of a header", name.escape_debug()));
        problem.help = Some("write letters, digits and `-`, without a colon".to_owned());
    }

    pub(super) fn wildcard_path(&mut self, path: Path, text: &str) {
        if text.starts_with(['/', '*']) {
            return;
        }
        let problem =
            self.report(path, format!("`{}` can be no path: paths begin with `/`", text.escape_debug()));
        problem.help = Some(format!("write `/{}`", text.escape_debug()));
    }

    pub(super) fn texts(
        &mut self,
        path: &Path,
        texts: &OneOrMany<String>,
        mut each: impl FnMut(&mut Self, Path, &str),
    ) {
        if texts.as_slice().is_empty() {
            self.report(path.clone(), "an empty list").help = Some("name at least one".to_owned());
        }
        for (index, text) in texts.as_slice().iter().enumerate() {
            each(self, path.index(index), text);
        }
    }

    pub(super) fn answer(&mut self, path: &Path, answer: &Answer) {
        if let Some(status) = answer.status {
            if let Err(error) = BlockResponse::new(status, answer.location.clone()) {
                let place = path.key(if matches!(status, 301 | 302) && answer.location.is_some() {
                    "location"
                } else {
                    "status"
                });
                let problem = self.report(place, error.to_string());
                problem.help = Some(match status {
                    301 | 302 => "give a `location`, for instance `https://example.com/blocked`".to_owned(),
                    _ => "406 is usual for a block, 429 for a rate limit, 550 for a tier in front".to_owned(),
                });
            } else if answer.location.is_some() && !matches!(status, 301 | 302) {
                self.report(
                    path.key("location"),
                    format!("a location, and the status {status} is no redirect"),
                )
                .help = Some("write `status: 302`, or take the location out".to_owned());
            }
        } else if answer.location.is_some() {
            self.report(path.key("location"), "a location without a status").help =
                Some("add `status: 302`".to_owned());
        }
        if answer.body.as_ref().is_some_and(|body| body.len() > LONGEST_BODY) {
            self.report(path.key("body"), format!("a body of more than {LONGEST_BODY} bytes"));
        }
        for (name, value) in &answer.headers {
            let place = path.key("headers").key(name);
            self.header_name(place.clone(), name);
            if value.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
                self.report(place, "a header's value with control characters").help =
                    Some("a header is one line".to_owned());
            } else if FRAMING.contains(&name.to_ascii_lowercase().as_str()) {
                self.report(place, format!("`{name}` is not yours to set")).help =
                    Some("the platform sets it from the body".to_owned());
            }
        }
    }
}

const FRAMING: &[&str] = &["content-length", "transfer-encoding", "connection"];

pub(super) fn is_token(name: &str) -> bool {
    (1..=256).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}
