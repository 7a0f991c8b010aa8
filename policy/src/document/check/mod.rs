//! What a policy file means wrongly although its shape is right: names that nothing has, values out of range, parts that contradict each
//! other. Each problem names its place as a path through the file, so that whoever has the text can point at it.

mod blocks;
mod cases;
mod conditions;
mod rules;
mod values;

use std::collections::BTreeMap;

use super::{Document, FORMAT, LIST_ITEMS, LISTS, ListKind, RATE_LIMITS, RULES, known_signals};

/// A step of a path through the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The value of a key.
    Key(String),
    /// An element of a list. A value that stands alone where a list may stand is its own element 0.
    Index(usize),
}

/// A place in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(pub Vec<Step>);

impl Path {
    /// The place of a key.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        let mut path = self.clone();
        path.0.push(Step::Key(key.to_owned()));
        path
    }

    /// The place of an element.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        let mut path = self.clone();
        path.0.push(Step::Index(index));
        path
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub path: Path,
    /// What, in one line.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
    /// A word that is not known, and the words that would be: the nearest is probably meant.
    pub unknown: Option<(String, Vec<String>)>,
    /// Another place that belongs to it, and why.
    pub related: Option<(Path, &'static str)>,
}

/// Everything that is wrong, in the order of the file's parts.
#[must_use]
pub fn check(document: &Document) -> Vec<Problem> {
    let mut checker = Checker { document, problems: Vec::new(), ids: BTreeMap::new() };
    checker.head();
    checker.blocks();
    checker.rules();
    checker.cases();
    checker.problems
}

struct Checker<'a> {
    document: &'a Document,
    problems: Vec<Problem>,
    /// Where each rule's and limit's name stands.
    ids: BTreeMap<&'a str, Path>,
}

impl<'a> Checker<'a> {
    fn report(&mut self, path: Path, message: impl Into<String>) -> &mut Problem {
        let message = message.into();
        let problem = Problem { path, message, help: None, unknown: None, related: None };
        self.problems.push_mut(problem)
    }

    /// Reports an error that says behind a colon how to mend it.
    fn report_error(&mut self, path: Path, error: &impl ToString) {
        let error = error.to_string();
        match error.split_once(": ") {
            Some((what, help)) => self.report(path, what).help = Some(help.to_owned()),
            None => _ = self.report(path, error),
        }
    }

    fn too_many(&mut self, path: Path, what: &str, count: usize, limit: usize) {
        if count > limit {
            self.report(path, format!("{count} {what}; a policy may have {limit}"));
        }
    }

    fn head(&mut self) {
        let (document, root) = (self.document, Path::default());
        if document.picket != FORMAT {
            self.report(
                root.key("picket"),
                format!("format {} is not known to this version", document.picket),
            )
            .help = Some(format!("write `picket: {FORMAT}`, or use a newer `picket`"));
        }
        if !is_name(&document.name) {
            self.report(root.key("name"), "a name has 1 to 128 letters, digits, `-`, `_`, `.` and `/`")
                .help = Some("for instance `name: shop-api`".to_owned());
        }
        if document.version == 0 {
            self.report(root.key("version"), "versions begin with 1").help =
                Some("count it up with each change".to_owned());
        }
        self.too_many(root.key("lists"), "lists", document.lists.len(), LISTS);
        self.too_many(root.key("rateLimits"), "rate limits", document.rate_limits.len(), RATE_LIMITS);
        let rules = document.rules.len() + document.floor.as_ref().map_or(0, |floor| floor.rules.len());
        self.too_many(root.key("rules"), "rules", rules, RULES);
        for (name, list) in &document.lists {
            self.too_many(root.key("lists").key(name), "items", list.items.len(), LIST_ITEMS);
        }
    }

    fn signal(&mut self, path: Path, name: &str) {
        if super::is_known_signal(name) {
            return;
        }
        let problem = self.report(path, format!("no signal is called `{}`", name.escape_debug()));
        problem.unknown = Some((name.to_owned(), known_signals().map(str::to_owned).collect()));
        problem.help = Some(
            "signals of your own begin with `site.` or `corp.`; the others stand in docs/signals.md"
                .to_owned(),
        );
    }

    /// A list by its name; `kinds` are those that make sense here.
    fn list(&mut self, path: Path, name: &str, kinds: &[ListKind]) {
        let lists = &self.document.lists;
        let Some(list) = lists.get(name) else {
            let known: Vec<String> = lists.keys().cloned().collect();
            let help =
                if known.is_empty() { "this policy has no `lists`" } else { "lists stand under `lists`" };
            let problem = self.report(path, format!("no list is called `{}`", name.escape_debug()));
            problem.help = Some(help.to_owned());
            problem.unknown = Some((name.to_owned(), known));
            return;
        };
        if !kinds.contains(&list.kind) {
            let kinds: Vec<String> = kinds.iter().map(|kind| format!("`{}`", kind.word())).collect();
            let place = Path::default().key("lists").key(name).key("kind");
            let problem = self.report(
                path,
                format!("the list `{name}` is of kind `{}`, which this field cannot be in", list.kind.word()),
            );
            problem.help = Some(format!("use a list of kind {}", kinds.join(" or ")));
            problem.related = Some((place, "its kind"));
        }
    }

    fn id(&mut self, path: Path, id: &'a str) {
        if !is_name(id) {
            self.report(path.clone(), "a name has 1 to 128 letters, digits, `-`, `_`, `.` and `/`");
        }
        if let Some(first) = self.ids.get(id).cloned() {
            let problem = self.report(path, format!("the name `{}` stands twice", id.escape_debug()));
            problem.help = Some("give each rule and each limit a name of its own".to_owned());
            problem.related = Some((first, "the first"));
        } else {
            self.ids.insert(id, path);
        }
    }
}

fn is_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_whole_policy_has_no_problem() {
        let document: Document = serde_json::from_value(json!({
            "picket": 1, "name": "shop", "version": 12, "mode": "log", "blockOn": "certain", "ramp": 25,
            "answer": {"status": 406, "body": "no", "headers": {"x-a": "b"}},
            "onFailure": "open",
            "client": {"header": "x-forwarded-for", "hops": 1, "trusted": ["10.0.0.0/8"]},
            "floor": {"mode": "log", "rules": [{"id": "f", "when": {"field": "path", "like": "/x"}, "then": ["block"]}]},
            "lists": {"office": {"kind": "cidr", "items": ["192.0.2.0/24", "2001:db8::1"]},
                      "bad": {"kind": "country", "items": ["NO"]}},
            "exclusions": [{"signal": "SQLI", "at": "query.q", "path": "/search*", "expires": "2027-01-01", "why": "w"}],
            "rules": [
                {"id": "admin", "when": {"all": [{"field": "path", "like": "/admin/*"},
                    {"not": {"field": "client", "inList": "office"}}]},
                 "then": [{"block": {"status": 403}}, {"signal": "site.AdminProbe"}], "sample": 10},
                {"id": "big", "when": {"field": "requestSize", "greater": "1MiB"}, "then": "log"},
                {"id": "leak", "when": {"any": [{"field": "status", "equals": [401, 403]},
                    {"field": "signal", "equals": "SECRET-LEAK"}]}, "then": [{"block": {"status": 550}}]}
            ],
            "rateLimits": [{"id": "login", "limit": 100, "window": "1m", "key": ["client", {"header": "x-api-key"}],
                "then": {"block": {"status": 429}}, "for": "10m"}],
            "templates": [{"signal": "LOGINATTEMPT", "path": "/login", "success": {"status": 302}, "failure": {"status": 401}}],
            "redactions": [{"parameter": "ssn"}, {"header": "x-internal"}],
            "jwt": {"jwks": "keys.json", "issuer": "https://issuer.example/"},
            "originLock": {"list": "office", "then": "block"},
            "fallback": {"window": "10m", "errorShare": 0.2, "blockedCleanShare": 0.05},
            "overrides": [{"functions": ["*-admin"], "paths": ["/hooks/*"], "mode": "log"}],
            "tests": [{"name": "n", "request": {"path": "/admin/x", "client": "198.51.100.7"},
                "expect": {"verdict": "block", "rule": "admin", "shouldNotMatch": "big"}}]
        }))
        .unwrap();
        assert_eq!(check(&document), []);
    }
}
