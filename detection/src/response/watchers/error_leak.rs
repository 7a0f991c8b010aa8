//! # What it detects
//!
//! Errors that were meant for developers: stack traces of common runtimes, and the words of databases, documents stores, XML parsers,
//! directories and template engines when they cannot read what they were given.
//!
//! # Why it matters
//!
//! They tell an attacker what runs where, and that an injection reached an interpreter.
//!
//! # Example
//!
//! `You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version`
//!
//! # Known false positives
//!
//! Pages about such errors. Where a page shows code and its status is no error, the words alone are doubted; if the request carried
//! the attack that such an error follows from, they are not.
//!
//! # Evasions covered
//!
//! Traces as text, as lists of lines, and in HTML. What the posts to `/error` carry is the runtime's own trace and is not reported,
//! since no client sees it.
//!
//! # References
//!
//! CWE-209, CWE-1295.

use memchr::memmem;

use super::Watcher;
use crate::{
    Evidence, Fact, FactKind, Signal, limits,
    response::{Answer, Found, ResponseSignal},
};

pub(super) static WATCHER: Watcher = Watcher { name: "error_leak", version: 1, look };

pub(super) static SQL: Fact = Fact::new("a database's complaint about a statement", FactKind::Lexical, 100);
pub(super) static STORE: Fact = Fact::new("a document store's complaint about a query", FactKind::Lexical, 70);
pub(super) static XML: Fact = Fact::new("a complaint of an XML or XPath reader", FactKind::Lexical, 70);
pub(super) static TEMPLATE: Fact = Fact::new("a template engine's complaint", FactKind::Lexical, 70);
pub(super) static DIRECTORY: Fact = Fact::new("a directory's complaint about a filter", FactKind::Lexical, 70);
static DRIVER: Fact = Fact::new("the name of a database driver's error", FactKind::Lexical, 60);
static FRAMES: Fact = Fact::new("frames of a stack trace", FactKind::Structure, 100);
static FRAME: Fact = Fact::new("one frame of a stack trace", FactKind::Structure, 60);
static HEADLINE: Fact = Fact::new("the headline of an uncaught error", FactKind::Lexical, 60);
static SHOWN: Fact = Fact::new("a page that shows code, and no error status", FactKind::Doubt, 75);

/// What each complaint says. Messages of the programs themselves, as their sources and manuals have them.
static WORDS: &[(&Fact, &[&str])] = &[
    (
        &SQL,
        &[
            "You have an error in your SQL syntax",
            "check the manual that corresponds to your MySQL server version",
            "check the manual that corresponds to your MariaDB server version",
            "The used SELECT statements have a different number of columns",
            "syntax error at or near \"",
            "unterminated quoted string at or near",
            "unterminated quoted identifier at or near",
            "each UNION query must have the same number of columns",
            "invalid input syntax for type ",
            "invalid input syntax for integer",
            "Unclosed quotation mark after the character string",
            "Incorrect syntax near '",
            "All queries combined using a UNION, INTERSECT or EXCEPT operator",
            "Conversion failed when converting the ",
            "ORA-00933: ",
            "ORA-00936: ",
            "ORA-00921: ",
            "ORA-01756: ",
            "ORA-01789: ",
            "ORA-00907: ",
            "quoted string not properly terminated",
            "unrecognized token: \"",
            "SELECTs to the left and right of UNION do not have the same number of result columns",
            "SQL logic error",
            "SQLSTATE[42000]",
            "SQLSTATE[42601]",
            "SQLSTATE[HY000]",
            "DB2 SQL error: SQLCODE",
            "Data type mismatch in criteria expression",
            "XPATH syntax error: '",
        ],
    ),
    (
        &DRIVER,
        &[
            "java.sql.SQLException",
            "java.sql.SQLSyntaxErrorException",
            "org.postgresql.util.PSQLException",
            "com.microsoft.sqlserver.jdbc.SQLServerException",
            "org.hibernate.exception.SQLGrammarException",
            "System.Data.SqlClient.SqlException",
            "Microsoft.Data.SqlClient.SqlException",
            "Npgsql.PostgresException",
            "psycopg2.errors.",
            "psycopg2.ProgrammingError",
            "sqlite3.OperationalError",
            "sqlite3.ProgrammingError",
            "pymysql.err.",
            "mysql.connector.errors.",
            "sqlalchemy.exc.",
            "asyncpg.exceptions.",
            "PG::SyntaxError",
            "Mysql2::Error",
            "SQLite3::SQLException",
            "ActiveRecord::StatementInvalid",
            "SequelizeDatabaseError",
            "ER_PARSE_ERROR",
            "SQLITE_ERROR",
            "PDOException",
            "mysqli_sql_exception",
            "Microsoft OLE DB Provider for ",
        ],
    ),
    (
        &STORE,
        &[
            "MongoServerError",
            "pymongo.errors.OperationFailure",
            "MongoDB.Driver.MongoCommandException",
            "com.mongodb.MongoQueryException",
            "unknown operator: $",
            "unknown top level operator: $",
            "CastError: Cast to ",
            "ERR unknown command",
            "ValidationException: Invalid FilterExpression",
            "ValidationException: Invalid KeyConditionExpression",
        ],
    ),
    (
        &XML,
        &[
            "org.xml.sax.SAXParseException",
            "javax.xml.stream.XMLStreamException",
            "lxml.etree.XMLSyntaxError",
            "lxml.etree.XPathEvalError",
            "System.Xml.XPath.XPathException",
            "javax.xml.xpath.XPathExpressionException",
            "Warning: SimpleXMLElement::",
            "xmlXPathEval: evaluation failed",
            "Invalid XPath expression",
        ],
    ),
    (
        &TEMPLATE,
        &[
            "jinja2.exceptions.",
            "mako.exceptions.",
            "django.template.exceptions.TemplateSyntaxError",
            "freemarker.core.",
            "org.apache.velocity.exception.",
            "org.thymeleaf.exceptions.",
            "org.springframework.expression.spel.",
            "ognl.OgnlException",
            "Twig\\Error\\",
            "Twig_Error_Syntax",
            "Liquid::SyntaxError",
        ],
    ),
    (
        &DIRECTORY,
        &[
            "javax.naming.directory.InvalidSearchFilterException",
            "ldap.FILTER_ERROR",
            "Bad search filter",
            "ldap_search(): Search: Bad search filter",
            "System.DirectoryServices.DirectoryServicesCOMException",
        ],
    ),
    (
        &HEADLINE,
        &[
            "Traceback (most recent call last)",
            "Exception in thread \"",
            "Unhandled exception. System.",
            "UnhandledPromiseRejection",
            "PHP Fatal error:",
            "Fatal error: Uncaught ",
            "goroutine 1 [running]",
            "panic: runtime error:",
            "' panicked at ",
            "Werkzeug Debugger",
            "You're seeing this error because you have <code>DEBUG = True</code>",
            "Whoops, looks like something went wrong",
            "Server Error in '/' Application",
            "Action Controller: Exception caught",
        ],
    ),
];

/// Which attack each complaint answers to.
static ANSWERS: &[(&Fact, Signal)] = &[
    (&SQL, Signal::Sqli),
    (&DRIVER, Signal::Sqli),
    (&STORE, Signal::Nosqli),
    (&XML, Signal::Xxe),
    (&XML, Signal::Xpathi),
    (&TEMPLATE, Signal::Ssti),
    (&DIRECTORY, Signal::Ldapi),
];

/// Whether a finding's fact is what an attack of the request would have called forth.
pub(super) fn answers(answer: &Answer<'_>, rests_on: impl Fn(&'static Fact) -> bool) -> bool {
    ANSWERS.iter().any(|(fact, signal)| rests_on(fact) && answer.asked.carried(*signal))
}

fn look(answer: &Answer<'_>, found: &mut Found) {
    let text = answer.text();
    let mut facts = Evidence::default();
    let mut span = None;
    for (fact, words) in WORDS {
        let traced = **fact == HEADLINE;
        if answer.failed && traced {
            continue;
        }
        let hit = words.iter().find_map(|words| Some((memmem::find(text, words.as_bytes())?, words.len())));
        if let Some((at, length)) = hit {
            facts.add(fact);
            span.get_or_insert(at..at + length);
        }
    }
    if !answer.failed
        && let Some((count, at)) = frames(text)
    {
        facts.add(if count > 1 { &FRAMES } else { &FRAME });
        span.get_or_insert(at..at + 1);
    }
    let Some(span) = span else { return };
    let expected = facts.with(|facts| answers(answer, |fact| facts.contains(&fact)));
    let fails = answer.status.is_none_or(|status| status >= 400);
    if !expected && !fails && shows_code(answer, text) {
        facts.add(&SHOWN);
    }
    facts.with(|facts| found.report(ResponseSignal::ErrorLeak, span, facts));
}

/// Whether the answer is a page with code in it, as documentation and forums have it.
fn shows_code(answer: &Answer<'_>, text: &[u8]) -> bool {
    answer.is_page() != Some(false)
        && [&b"<pre"[..], b"<code", b"<article", b"<p>"].iter().any(|tag| memmem::find(text, tag).is_some())
}

/// What follows the name of a source file in a frame.
#[derive(Clone, Copy)]
enum Tail {
    /// `:12:34`
    LineAndColumn,
    /// `:12)`
    LineClosed,
    /// `", line 12` — and the same with the quote escaped.
    QuotedLine,
    /// `:12:in `
    LineIn,
    /// `:12 +0x`
    LineOffset,
    /// `:line 12`
    WordLine,
    /// `(12): ` or ` on line 12`
    Php,
}

const FILES: &[(&[u8], Tail, &[u8])] = &[
    (b".js", Tail::LineAndColumn, b"at "),
    (b".mjs", Tail::LineAndColumn, b"at "),
    (b".cjs", Tail::LineAndColumn, b"at "),
    (b".ts", Tail::LineAndColumn, b"at "),
    (b"node:internal/", Tail::LineAndColumn, b"at "),
    (b".java", Tail::LineClosed, b"at "),
    (b".kt", Tail::LineClosed, b"at "),
    (b".scala", Tail::LineClosed, b"at "),
    (b".py", Tail::QuotedLine, b"File "),
    (b".rb", Tail::LineIn, b""),
    (b".go", Tail::LineOffset, b""),
    (b".cs", Tail::WordLine, b"at "),
    (b".rs", Tail::LineAndColumn, b"panicked at"),
    (b".php", Tail::Php, b""),
];

/// How many frames there are, two meaning more than one, and where the first stands.
fn frames(text: &[u8]) -> Option<(usize, usize)> {
    let (mut count, mut first) = (0, None);
    for (file, tail, before) in FILES {
        let hits = memmem::find_iter(text, file).take(limits::LOOKS);
        for at in hits.filter(|at| is_frame(text, *at, file.len(), *tail, before)).take(2) {
            count += 1;
            first.get_or_insert(at);
        }
    }
    first.map(|at| (count, at))
}

fn is_frame(text: &[u8], at: usize, length: usize, tail: Tail, before: &[u8]) -> bool {
    const LINE: usize = 256;
    let line = text.get(at.saturating_sub(LINE)..at).unwrap_or_default();
    let line = line.rsplit(|byte| *byte == b'\n').next().unwrap_or(line);
    if !before.is_empty() && memmem::find(line, before).is_none() {
        return false;
    }
    let mut rest = text.get(at + length..(at + length + LINE).min(text.len())).unwrap_or_default();
    if matches!(tail, Tail::LineAndColumn) {
        // `node:internal/` goes on with the file's name.
        let name = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"_/-.".contains(byte)).count();
        rest = rest.get(name..).unwrap_or_default();
    }
    match tail {
        Tail::LineAndColumn => numbers(rest, &[b":", b":"]).is_some(),
        Tail::LineClosed => numbers(rest, &[b":"]).is_some_and(|rest| rest.starts_with(b")")),
        Tail::QuotedLine => {
            let rest = rest.strip_prefix(b"\\").unwrap_or(rest);
            let rest = rest.strip_prefix(b"&quot;").or_else(|| rest.strip_prefix(b"\"")).unwrap_or(rest);
            numbers(rest, &[b", line "]).is_some()
        }
        Tail::LineIn => numbers(rest, &[b":"]).is_some_and(|rest| rest.starts_with(b":in ")),
        Tail::LineOffset => numbers(rest, &[b":"]).is_some_and(|rest| rest.starts_with(b" +0x")),
        Tail::WordLine => numbers(rest, &[b":line "]).is_some(),
        Tail::Php => {
            numbers(rest, &[b"("]).is_some_and(|rest| rest.starts_with(b"): "))
                || numbers(rest, &[b" on line "]).is_some()
                || numbers(rest, &[b"</b> on line <b>"]).is_some()
        }
    }
}

/// What follows signs with a number behind each.
fn numbers<'t>(mut text: &'t [u8], signs: &[&[u8]]) -> Option<&'t [u8]> {
    for sign in signs {
        text = text.strip_prefix(*sign)?;
        let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        text = (1..=7).contains(&digits).then(|| text.get(digits..))??;
    }
    Some(text)
}
