//! Names that give JavaScript an effect, and what kind each has.

/// What a name does in a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A dialog; calling it is the proof that attacks leave.
    Dialog,
    /// It evaluates text, or loads and runs code.
    Evaluate,
    /// It reaches the network.
    Network,
    /// The page, its address or its secrets.
    Page,
    /// The global object under one of its names.
    Global,
    /// The way from any value to the function constructor.
    Constructor,
    /// A property whose assignment is parsed as markup or navigates.
    MarkupSink,
}

/// Sorted by name.
static NAMES: &[(&str, Role)] = &[
    ("ActiveXObject", Role::Evaluate),
    ("Function", Role::Evaluate),
    ("Image", Role::Network),
    ("SharedWorker", Role::Evaluate),
    ("WebSocket", Role::Network),
    ("Worker", Role::Evaluate),
    ("XMLHttpRequest", Role::Network),
    ("alert", Role::Dialog),
    ("confirm", Role::Dialog),
    ("constructor", Role::Constructor),
    ("document", Role::Page),
    ("eval", Role::Evaluate),
    ("execScript", Role::Evaluate),
    ("fetch", Role::Network),
    ("frames", Role::Global),
    ("getScript", Role::Evaluate),
    ("globalThis", Role::Global),
    ("import", Role::Evaluate),
    ("importScripts", Role::Evaluate),
    ("innerHTML", Role::MarkupSink),
    ("insertAdjacentHTML", Role::MarkupSink),
    ("localStorage", Role::Page),
    ("location", Role::Page),
    ("navigator", Role::Page),
    ("outerHTML", Role::MarkupSink),
    ("parent", Role::Global),
    ("prompt", Role::Dialog),
    ("self", Role::Global),
    ("sendBeacon", Role::Network),
    ("sessionStorage", Role::Page),
    ("setImmediate", Role::Evaluate),
    ("setInterval", Role::Evaluate),
    ("setTimeout", Role::Evaluate),
    ("srcdoc", Role::MarkupSink),
    ("top", Role::Global),
    ("window", Role::Global),
];

/// Properties of the page whose mere use matters.
static PAGE_PROPERTIES: &[&str] = &[
    "URL",
    "appendChild",
    "assign",
    "cookie",
    "createElement",
    "defaultView",
    "domain",
    "execCommand",
    "hash",
    "href",
    "location",
    "open",
    "replace",
    "search",
    "write",
    "writeln",
];

/// What a name does; `None` for a name without effect of its own.
pub(crate) fn role(name: &[u8]) -> Option<Role> {
    NAMES.binary_search_by(|(known, _)| known.as_bytes().cmp(name)).ok().map(|at| NAMES[at].1)
}

/// Whether a property of `document`, `location` or the like is worth something to an attacker.
pub(super) fn is_page_property(name: &[u8]) -> bool {
    PAGE_PROPERTIES.binary_search_by(|known| known.as_bytes().cmp(name)).is_ok()
}

/// Words after which an expression begins, so that two values may stand side by side.
static KEYWORDS: &[&[u8]] = &[
    b"async",
    b"await",
    b"case",
    b"catch",
    b"class",
    b"const",
    b"delete",
    b"do",
    b"else",
    b"extends",
    b"finally",
    b"for",
    b"function",
    b"if",
    b"in",
    b"instanceof",
    b"let",
    b"new",
    b"of",
    b"return",
    b"switch",
    b"throw",
    b"try",
    b"typeof",
    b"var",
    b"void",
    b"while",
    b"with",
    b"yield",
];

/// Whether a name is such a keyword.
pub(super) fn is_keyword(name: &[u8]) -> bool {
    KEYWORDS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted() {
        assert!(NAMES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(PAGE_PROPERTIES.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(role(b"alert"), Some(Role::Dialog));
        assert_eq!(role(b"alerts"), None);
    }
}
