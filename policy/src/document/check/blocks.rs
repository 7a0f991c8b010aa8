//! Checks of the blocks besides rules.

use super::{Checker, Path, rules::Owner};
use crate::document::{ACCOUNT_SIGNALS, List, ListKind, OneOrMany, Redaction, Template, is_custom_signal};

/// The longest window over which shares are taken, in seconds.
const LONGEST_WINDOW: u64 = 3600;

impl Checker<'_> {
    pub(super) fn blocks(&mut self) {
        let (document, root) = (self.document, Path::default());
        if let Some(answer) = &document.answer {
            self.answer(&root.key("answer"), answer);
        }
        self.client();
        for (name, list) in &document.lists {
            self.a_list(&root.key("lists").key(name), list);
        }
        if document.geo.as_ref().is_some_and(|geo| geo.country.is_none() && geo.asn.is_none()) {
            self.report(root.key("geo"), "`geo` names no file").help =
                Some("add `country: GeoLite2-Country.mmdb` or `asn: GeoLite2-ASN.mmdb`".to_owned());
        }
        for (index, exclusion) in document.exclusions.iter().enumerate() {
            let path = root.key("exclusions").index(index);
            self.signal(path.key("signal"), &exclusion.signal);
            if exclusion.at.as_ref().is_some_and(|at| at.is_empty() || at.chars().any(char::is_control)) {
                self.report(path.key("at"), "an empty location").help =
                    Some("write for instance `at: query.q`".to_owned());
            }
            if let Some(paths) = &exclusion.path {
                self.texts(&path.key("path"), paths, Self::wildcard_path);
            }
            if exclusion.at.is_none() && exclusion.path.is_none() {
                let message = format!("this would switch {} off everywhere", exclusion.signal.escape_debug());
                self.report(path, message).help = Some(
                    "name a location (`at: query.q`) or a path (`path: /search`), as verdict lines do"
                        .to_owned(),
                );
            }
        }
        for (index, template) in document.templates.iter().enumerate() {
            self.template(&root.key("templates").index(index), template);
        }
        for (index, redaction) in document.redactions.iter().enumerate() {
            let path = root.key("redactions").index(index);
            match redaction {
                Redaction::Header(name) => self.header_name(path.key("header"), name),
                Redaction::ResponseHeader(name) => self.header_name(path.key("responseHeader"), name),
                Redaction::Parameter(name) if name.is_empty() => {
                    self.report(path.key("parameter"), "an empty name");
                }
                Redaction::Parameter(_) => {}
            }
        }
        self.jwt();
        self.origin_lock();
        self.fallback();
        for (index, other) in document.overrides.iter().enumerate() {
            let path = root.key("overrides").index(index);
            if other.functions.is_empty() && other.paths.is_empty() {
                self.report(path.clone(), "an override for everything").help =
                    Some("name `functions` or `paths`, or set it at the top of the file".to_owned());
            }
            if other.mode.is_none()
                && other.block_on.is_none()
                && other.ramp.is_none()
                && other.answer.is_none()
            {
                self.report(path.clone(), "an override that sets nothing").help =
                    Some("add `mode`, `blockOn`, `ramp` or `answer`".to_owned());
            }
            self.texts(&path.key("paths"), &OneOrMany::Many(other.paths.clone()), |_, _, _| {});
            for (index, text) in other.paths.iter().enumerate() {
                self.wildcard_path(path.key("paths").index(index), text);
            }
            if let Some(answer) = &other.answer {
                self.answer(&path.key("answer"), answer);
            }
        }
    }

    fn client(&mut self) {
        let path = Path::default().key("client");
        let Some(client) = &self.document.client else { return };
        if let Some(header) = &client.header {
            self.header_name(path.key("header"), header);
        }
        for (key, ranges) in [("trusted", &client.trusted), ("cdn", &client.cdn)] {
            for (index, range) in ranges.iter().enumerate() {
                self.range(path.key(key).index(index), range);
            }
        }
        if client.hops.is_some_and(|hops| hops > 16) {
            self.report(path.key("hops"), "more than 16 hops").help =
                Some("count only those of your own in front of the function".to_owned());
        }
    }

    fn a_list(&mut self, path: &Path, list: &List) {
        for (index, item) in list.items.iter().enumerate() {
            let place = path.key("items").index(index);
            match list.kind {
                ListKind::Cidr => self.range(place, item),
                ListKind::Country => self.country(place, item),
                ListKind::Signal => self.signal(place, item),
                ListKind::Asn if item.trim_start_matches("AS").parse::<u32>().is_err() => {
                    self.report(
                        place,
                        format!("`{}` is no number of an autonomous system", item.escape_debug()),
                    )
                    .help = Some("write for instance `64500`".to_owned());
                }
                ListKind::String | ListKind::Wildcard if item.is_empty() => {
                    self.report(place, "an empty item").help = Some("take it out".to_owned());
                }
                ListKind::Asn | ListKind::String | ListKind::Wildcard => {}
            }
        }
    }

    fn template(&mut self, path: &Path, template: &Template) {
        if !ACCOUNT_SIGNALS.contains(&template.signal.as_str()) && !is_custom_signal(&template.signal) {
            let problem = self.report(
                path.key("signal"),
                format!("`{}` is no account signal", template.signal.escape_debug()),
            );
            problem.unknown = Some((
                template.signal.clone(),
                ACCOUNT_SIGNALS.iter().map(|&name| name.to_owned()).collect(),
            ));
            problem.help =
                Some("write for instance `LOGINATTEMPT`, or a signal of your own, `site.…`".to_owned());
        }
        self.texts(&path.key("path"), &template.path, Self::wildcard_path);
        if let (Some(success), Some(failure)) = (&template.success, &template.failure)
            && success == failure
        {
            let problem = self.report(path.key("failure"), "success and failure look the same");
            problem.help = Some("tell them apart by `status` or `headers`".to_owned());
            problem.related = Some((path.key("success"), "success"));
        }
        for (key, outcome) in [("success", &template.success), ("failure", &template.failure)] {
            let Some(outcome) = outcome else { continue };
            let path = path.key(key);
            if outcome.status.is_none() && outcome.headers.is_empty() {
                self.report(path.clone(), format!("a {key} that any response is")).help =
                    Some("add `status: 302`, or `headers`".to_owned());
            }
            for (index, status) in outcome.status.iter().flat_map(OneOrMany::as_slice).enumerate() {
                if !(100..=599).contains(status) {
                    self.report(
                        path.key("status").index(index),
                        format!("`{status}` is no status of HTTP"),
                    )
                    .help = Some("a status is a number from 100 to 599".to_owned());
                }
            }
            for name in outcome.headers.keys() {
                self.header_name(path.key("headers").key(name), name);
            }
        }
    }

    fn jwt(&mut self) {
        let path = Path::default().key("jwt");
        let Some(jwt) = &self.document.jwt else { return };
        if jwt.jwks.is_none() {
            self.report(path.clone(), "without keys anybody can write a token that names this issuer").help =
                Some("add `jwks: keys.json`, a file with the issuer's public keys beside this one".to_owned());
        }
        if let Some(header) = &jwt.header {
            self.header_name(path.key("header"), header);
        }
    }

    fn origin_lock(&mut self) {
        let path = Path::default().key("originLock");
        let document = self.document;
        let Some(lock) = &document.origin_lock else { return };
        if lock.list.is_none() && lock.header.is_none() {
            self.report(path.clone(), "an origin lock without a key").help = Some(
                "add `list` with the edge's addresses, or `header` and `sha256` with its secret".to_owned(),
            );
        }
        if let Some(list) = &lock.list {
            self.list(path.key("list"), list, &[ListKind::Cidr]);
        }
        if let Some(header) = &lock.header {
            self.header_name(path.key("header"), header);
        }
        match (&lock.header, &lock.sha256) {
            (Some(_), None) => {
                self.report(path.key("header"), "a header without the digest of its secret").help =
                    Some("add `sha256: …`, which `printf %s \"$SECRET\" | sha256sum` prints".to_owned());
            }
            (None, Some(_)) => {
                self.report(path.key("sha256"), "a digest without the header that carries the secret").help =
                    Some("add `header: x-origin-secret`".to_owned());
            }
            _ => {}
        }
        for (index, digest) in lock.sha256.iter().flat_map(OneOrMany::as_slice).enumerate() {
            if digest.len() != 64 || !digest.bytes().all(|b| b.is_ascii_hexdigit()) {
                self.report(path.key("sha256").index(index), "this is no SHA-256 in hexadecimal").help =
                    Some("it has 64 digits; never write the secret itself".to_owned());
            }
        }
        self.actions(&path.key("then"), &lock.then, Owner::OriginLock);
    }

    fn fallback(&mut self) {
        let path = Path::default().key("fallback");
        let Some(fallback) = &self.document.fallback else { return };
        if !(1..=LONGEST_WINDOW).contains(&fallback.window.seconds()) {
            self.report(path.key("window"), "shares are taken over 1s to 1h").help =
                Some("write for instance `10m`".to_owned());
        }
        if fallback.error_share.is_none() && fallback.blocked_clean_share.is_none() {
            self.report(path, "a fall-back without a reason").help =
                Some("add `errorShare: 0.2` or `blockedCleanShare: 0.05`".to_owned());
        }
    }
}
