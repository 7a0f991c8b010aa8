//! The word that was probably meant.

/// What other tools call it.
const SYNONYMS: &[(&str, &str)] = &[
    ("startswith", "like"),
    ("endswith", "like"),
    ("wildcard", "like"),
    ("glob", "like"),
    ("regex", "matches"),
    ("regexp", "matches"),
    ("in", "inList"),
    ("cidr", "inCidr"),
    ("eq", "equals"),
    ("is", "equals"),
    ("gt", "greater"),
    ("gte", "greaterOrEqual"),
    ("lt", "less"),
    ("lte", "lessOrEqual"),
    ("and", "all"),
    ("or", "any"),
    ("if", "when"),
    ("condition", "when"),
    ("conditions", "when"),
    ("action", "then"),
    ("actions", "then"),
    ("do", "then"),
    ("deny", "block"),
    ("drop", "block"),
    ("reject", "block"),
    ("pass", "allow"),
    ("count", "log"),
    ("monitor", "log"),
    ("ip", "client"),
    ("ip", "cidr"),
    ("uri", "path"),
    ("url", "path"),
    ("host", "domain"),
    ("body", "json"),
    ("params", "query"),
    ("threshold", "limit"),
    ("interval", "window"),
    ("duration", "for"),
    ("description", "why"),
    ("comment", "why"),
    ("reason", "why"),
    ("location", "at"),
    ("type", "kind"),
    ("values", "items"),
    ("entries", "items"),
];

/// The word of `known` that is nearest to `written`, where one is near enough to be meant.
pub(crate) fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(written);
    let known: Vec<&str> = known.into_iter().collect();
    let synonym = SYNONYMS
        .iter()
        .filter(|(other, _)| *other == folded)
        .find_map(|(_, word)| known.iter().find(|known| *known == word));
    if let Some(word) = synonym {
        return Some(word);
    }
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&folded, &fold(word)), word))
        .filter(|(distance, word)| {
            *distance <= (word.len().min(written.len()) / 3).max(1)
                || word.len() > 2 && folded.starts_with(&fold(word))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Case and separators are what people get wrong most.
fn fold(word: &str) -> String {
    word.chars().take(64).filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// `a`, `b` and `c`.
pub(crate) fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_found_and_nothing_is_guessed() {
        let known = ["when", "then", "dryRun", "expires", "XSS", "SQLI", "CODEINJECTION"];
        for (written, meant) in [
            ("whne", Some("when")),
            ("dry_run", Some("dryRun")),
            ("dry-run", Some("dryRun")),
            ("expire", Some("expires")),
            ("sqli", Some("SQLI")),
            ("CODE-INJECTION", Some("CODEINJECTION")),
            ("expired", Some("expires")),
            ("condition", Some("when")),
            ("banana", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, known), meant, "{written}");
        }
    }
}
