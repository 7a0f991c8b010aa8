//! What can be used and is probably not meant: rules that cannot match or have no effect, exclusions that are too wide, entries whose time is
//! over.

mod implies;
mod rules;
mod width;

use std::{collections::BTreeSet, ops::Range};

use picket_policy::{
    Mode,
    document::{Action, Condition, Date, Document, Match, OneOrMany, Operator, Path, RateLimit, Rule},
};

use super::{PolicyFile, diagnostic::Diagnostic};

pub(super) fn lint(file: &PolicyFile, now: u64) -> Vec<Diagnostic> {
    let mut linter = Linter { file, now, found: Vec::new() };
    linter.expiry();
    linter.head();
    linter.lists();
    linter.rules();
    linter.width();
    linter.found
}

struct Linter<'a> {
    file: &'a PolicyFile,
    now: u64,
    found: Vec<Diagnostic>,
}

impl<'a> Linter<'a> {
    fn document(&self) -> &'a Document {
        &self.file.document
    }

    fn at(&self, path: &Path) -> Range<usize> {
        self.file.locate(path)
    }

    fn warn(&mut self, path: &Path, message: impl Into<String>, help: &str) -> &mut Diagnostic {
        let diagnostic = Diagnostic::warning(message, self.at(path)).help(help);
        self.found.push_mut(diagnostic)
    }

    fn is_over(&self, expires: Option<Date>) -> bool {
        expires.is_some_and(|date| date.end() <= self.now)
    }

    fn expiry(&mut self) {
        let (document, root) = (self.document(), Path::default());
        let mut entries = Vec::new();
        entries.extend(all_rules(document).map(|(path, rule)| (path, rule.expires)));
        entries.extend(
            document
                .rate_limits
                .iter()
                .enumerate()
                .map(|(index, limit)| (root.key("rateLimits").index(index), limit.expires)),
        );
        entries.extend(
            document
                .exclusions
                .iter()
                .enumerate()
                .map(|(index, exclusion)| (root.key("exclusions").index(index), exclusion.expires)),
        );
        for (path, expires) in entries {
            if let Some(date) = expires.filter(|_| self.is_over(expires)) {
                let message = format!("this has expired: its last day was {date}");
                self.warn(&path.key("expires"), message, "take the entry out, or give it a later day");
            }
        }
    }

    fn head(&mut self) {
        let (document, root) = (self.document(), Path::default());
        let ramped = document.overrides.iter().any(|other| other.ramp.is_some_and(|ramp| ramp.get() > 0));
        if document.ramp.is_some_and(|ramp| ramp.get() == 0) && document.mode == Some(Mode::Block) && !ramped
        {
            let help = "write `mode: log`, or a ramp above 0";
            self.warn(&root.key("ramp"), "a ramp of 0 blocks nothing", help);
        }
        for (index, limit) in document.rate_limits.iter().enumerate() {
            if limit.lasts.is_some_and(|lasts| lasts < limit.window) {
                let path = root.key("rateLimits").index(index).key("for");
                self.warn(
                    &path,
                    "this ends before its window does",
                    "write at least the window, or take `for` out",
                );
            }
        }
    }

    fn lists(&mut self) {
        let (document, root) = (self.document(), Path::default());
        let used = used_lists(document);
        for (name, list) in &document.lists {
            let path = root.key("lists").key(name);
            if !used.contains(name.as_str()) {
                let help = "take it out, or refer to it with `inList`";
                self.warn(&path, format!("nothing uses the list `{name}`"), help);
            } else if list.items.is_empty() {
                let help = "add items: a test against an empty list never holds";
                self.warn(&path, format!("the list `{name}` is empty"), help);
            }
            let mut seen = BTreeSet::new();
            for (index, item) in list.items.iter().enumerate() {
                if !seen.insert(item.as_str()) {
                    let place = path.key("items").index(index);
                    self.warn(
                        &place,
                        format!("`{}` stands twice", item.escape_debug()),
                        "take one of them out",
                    );
                }
            }
        }
    }
}

/// The rules of the floor and of the policy, with their places.
fn all_rules(document: &Document) -> impl Iterator<Item = (Path, &Rule)> {
    let root = Path::default();
    let floor = root.key("floor").key("rules");
    let rules = root.key("rules");
    let of_floor = document.floor.iter().flat_map(|of| &of.rules).enumerate();
    of_floor
        .map(move |(index, rule)| (floor.index(index), rule))
        .chain(document.rules.iter().enumerate().map(move |(index, rule)| (rules.index(index), rule)))
}

/// Every test of a condition with its place, and every comparison of it.
fn each_match<'a>(path: &Path, condition: &'a Condition, each: &mut impl FnMut(&Path, &'a Match)) {
    each_test(path, condition, &mut |path, test| match &test.operator {
        Operator::Is(compared) => each(path, compared),
        Operator::Exists(_) => {}
        Operator::ExistsWhere(member) => {
            let path = path.key("existsWhere");
            for (key, compared) in
                [("name", &member.name), ("parameter", &member.parameter), ("value", &member.value)]
            {
                if let Some(compared) = compared {
                    each(&path.key(key), compared);
                }
            }
        }
    });
}

/// Every test of a condition with its place.
fn each_test<'a>(
    path: &Path,
    condition: &'a Condition,
    each: &mut impl FnMut(&Path, &'a picket_policy::document::Test),
) {
    let mut left = vec![(path.clone(), condition)];
    while let Some((path, condition)) = left.pop() {
        let (key, group) = match condition {
            Condition::All(group) => ("all", group),
            Condition::Any(group) => ("any", group),
            Condition::None(group) => ("none", group),
            Condition::Not(inner) => {
                left.push((path.key("not"), inner));
                continue;
            }
            Condition::Test(test) => {
                each(&path, test);
                continue;
            }
        };
        let place = path.key(key);
        left.extend(group.iter().enumerate().map(|(index, inner)| (place.index(index), inner)));
    }
}

fn conditions(document: &Document) -> impl Iterator<Item = (Path, &Condition)> {
    let limits = Path::default().key("rateLimits");
    let of_limits = document.rate_limits.iter().enumerate();
    all_rules(document).filter_map(|(path, rule)| Some((path.key("when"), rule.when.as_ref()?))).chain(
        of_limits.filter_map(move |(index, limit): (usize, &RateLimit)| {
            Some((limits.index(index).key("when"), limit.when.as_ref()?))
        }),
    )
}

fn used_lists(document: &Document) -> BTreeSet<&str> {
    let mut used = BTreeSet::new();
    for (path, condition) in conditions(document) {
        each_match(&path, condition, &mut |_, compared| {
            if let Match::InList(name) = compared {
                used.insert(name.as_str());
            }
        });
    }
    used.extend(document.origin_lock.iter().filter_map(|lock| lock.list.as_deref()));
    used
}

/// Signals that something in the policy raises.
fn raised(document: &Document) -> BTreeSet<&str> {
    let actions = all_rules(document)
        .map(|(_, rule)| &rule.then)
        .chain(document.rate_limits.iter().map(|limit| &limit.then))
        .chain(document.origin_lock.iter().map(|lock| &lock.then));
    actions
        .flat_map(OneOrMany::as_slice)
        .filter_map(|action| match action {
            Action::Signal(name) => Some(name.as_str()),
            _ => None,
        })
        .chain(document.templates.iter().map(|template| template.signal.as_str()))
        .collect()
}
