//! Exclusions and patterns that take in more than is meant.

use picket_policy::document::{Action, Match, Path};
use regex_automata::util::syntax;

use super::{Linter, all_rules, conditions, each_match};

impl Linter<'_> {
    pub(super) fn width(&mut self) {
        let document = self.document();
        let root = Path::default();
        for (index, exclusion) in document.exclusions.iter().enumerate() {
            let path = root.key("exclusions").index(index);
            let everywhere = exclusion
                .path
                .as_ref()
                .is_none_or(|paths| paths.as_slice().iter().any(|path| matches!(path.as_str(), "*" | "/*")));
            let any_place = exclusion.at.as_deref().is_none_or(is_whole_part);
            if everywhere && any_place {
                let message = format!("this switches {} off nearly everywhere", exclusion.signal);
                let help = "name the parameter, as the verdict line does: `at: query.q`";
                self.warn(&path.key(if exclusion.at.is_some() { "at" } else { "path" }), message, help);
            } else if exclusion.at.is_none() {
                let message =
                    format!("this switches {} off for every value on these paths", exclusion.signal);
                self.warn(&path.key("signal"), message, "add `at: …` with the parameter that is meant");
            }
        }
        for (path, rule) in all_rules(document) {
            for (index, action) in rule.then.as_slice().iter().enumerate() {
                if let Action::ExcludeSignal(excluded) = action
                    && rule.when.is_none()
                    && excluded.at.as_deref().is_none_or(is_whole_part)
                {
                    let message = format!("this switches {} off for every request", excluded.signal);
                    let help = "add `when`, or `at: …` with the parameter that is meant";
                    self.warn(&path.key("then").index(index).key("excludeSignal"), message, help);
                }
            }
        }
        let mut found = Vec::new();
        for (path, condition) in conditions(document) {
            each_match(&path, condition, &mut |path, compared| match compared {
                Match::Matches(pattern) if matches_everything(pattern) => found.push((
                    path.key("matches"),
                    "this regular expression matches every text",
                    "write what is looked for, or use `exists: true`",
                )),
                Match::Like(patterns) => {
                    for (index, pattern) in patterns.iter().enumerate() {
                        if pattern.bytes().all(|byte| byte == b'*') {
                            found.push((
                                path.key("like").index(index),
                                "every text is like this",
                                "write what is looked for, or use `exists: true`",
                            ));
                        }
                    }
                }
                _ => {}
            });
        }
        for (path, message, help) in found {
            self.warn(&path, message, help);
        }
    }
}

/// Whether a location names a whole part of a request rather than a value in it.
fn is_whole_part(at: &str) -> bool {
    let at = at.trim_end_matches(['*', '.']);
    matches!(at, "" | "query" | "body" | "header" | "cookie" | "path" | "event" | "method")
}

/// Whether a pattern that is looked for anywhere in a text finds a match in each.
fn matches_everything(pattern: &str) -> bool {
    let open = pattern.strip_prefix('^').unwrap_or(pattern);
    let inner = open.strip_suffix('$').filter(|rest| !rest.ends_with('\\')).unwrap_or(open);
    // Between both anchors a pattern must take the whole text; with one or none, matching nothing is enough.
    if open.len() != pattern.len() && inner.len() != open.len() {
        return matches!(inner, ".*" | "(.*)" | "(?s).*" | "[\\s\\S]*");
    }
    syntax::parse(inner).is_ok_and(|parsed| {
        let properties = parsed.properties();
        properties.minimum_len() == Some(0) && properties.look_set().is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_match_everything_are_told_from_others() {
        for (pattern, everything) in [
            (".*", true),
            ("", true),
            ("a*", true),
            ("^a*", true),
            ("a?$", true),
            ("^.*$", true),
            ("(a|)", true),
            ("^a*$", false),
            ("a+", false),
            (r"\ba*", false),
            (r".*\.php", false),
            (r"a\$", false),
        ] {
            assert_eq!(matches_everything(pattern), everything, "{pattern}");
        }
    }
}
