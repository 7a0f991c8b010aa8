//! Server-side template injection.
//!
//! # What it detects
//! Expressions of template engines (Jinja, Twig, Freemarker, Velocity, ERB, Smarty, Thymeleaf, EL, SpEL, OGNL, Razor, Mako,
//! Groovy, Handlebars, Pug, Go) that would compute, call or reach beyond the template. Placeholders that are only filled in are not reported.
//!
//! # Why it matters
//! A value that becomes part of a template is evaluated with the rights of the function.
//!
//! # Example
//! `{{''.__class__.__mro__[1].__subclasses__()}}`
//!
//! # Known false positives
//! Editors for templates whose users call functions in them.
//!
//! # Evasions covered
//! White space control, nested expressions, unclosed ends, attribute access by filters, joined strings, padding.
//!
//! # References
//! James Kettle, "Server-Side Template Injection" (2015); OWASP WSTG-INPV-18; CWE-1336; CWE-917.

use picket_request::Place;

use crate::{
    Class, Detector, Fact, FactKind, Gate, Input, Scratch, Signal, Sink,
    bytes::contains_ignore_case,
    doubt,
    template::{Body, Expression, Expressions, Kind, judge},
};

pub(super) static DETECTOR: Detector =
    Detector { signal: Signal::Ssti, name: "ssti", version: 1, gate: Gate::With(&[Class::Brace, Class::Angle, Class::Hash, Class::At, Class::Bracket], gate), run };

static REACHES: Fact = Fact::new("a template expression that reaches beyond its template", FactKind::Effect, 105);
static COMPUTES: Fact = Fact::new("a template expression that computes with constants", FactKind::Effect, 100);
static SHOWN: Fact = Fact::new("a template expression that is shown as code", FactKind::Structure, 100);
static CALLS: Fact = Fact::new("a template expression that calls", FactKind::Structure, 70);
static STATEMENT: Fact = Fact::new("a template statement", FactKind::Structure, 60);
static ALONE: Fact = Fact::new("the value is little more than the expression", FactKind::Structure, 40);
static PREPROCESSED: Fact = Fact::new("an expression inside Thymeleaf's preprocessing marks", FactKind::Effect, 100);
static PHP_TAG: Fact = Fact::new("a tag of a PHP site's templates that is compiled to code with a call", FactKind::Effect, 100);
static SEVERAL: Fact = Fact::new("delimiters of several engines one in the other", FactKind::Effect, 100);
static OPEN: Fact = Fact::new("without its end", FactKind::Doubt, 20);

fn gate(input: &Input<'_>) -> bool {
    let classes = input.classes;
    classes.has(Class::Brace) && input.bytes.len() >= 4
        || classes.has(Class::Angle) && classes.any(&[Class::Percent, Class::Hash])
        || classes.has(Class::Hash) && classes.has(Class::Paren) && classes.any(&[Class::Dollar, Class::DoubleQuote])
        || classes.has(Class::At) && classes.has(Class::Paren)
        || classes.has(Class::Bracket) && classes.any(&[Class::Star, Class::Hash])
}

fn run(input: &Input<'_>, _: &mut Scratch, sink: &mut Sink<'_>) {
    let bytes = input.bytes;
    for expression in Expressions::new(bytes) {
        let body = bytes.get(expression.body.clone()).unwrap_or_default();
        // In compressed data delimiters occur by chance.
        let binary = body.iter().any(|b| b.is_ascii_control() && !b.is_ascii_whitespace() && *b != 0x0b)
            || std::str::from_utf8(body).is_err_and(|error| error.error_len().is_some());
        if binary {
            continue;
        }
        let does = judge(expression.kind, body);
        if does == Body::Placeholder || is_workflow(bytes, &expression, body) {
            continue;
        }
        report(input, sink, &expression, does);
    }
    // The probe that breaks in any engine: the delimiters of several, one in the other.
    if let Some(at) = memchr::memmem::find(bytes, b"{{<%") {
        sink.report(at..bytes.len().min(at + 20), &[&SEVERAL]);
    }
    if let Some(at) = php_tag(bytes) {
        doubt::unless_shown(input, sink, at..bytes.len().min(at + 60), &[&PHP_TAG]);
    }
    let marked = memchr::memmem::find(bytes, b"__${").or_else(|| memchr::memmem::find(bytes, b"__*{"));
    if let Some(at) = marked.filter(|_| memchr::memmem::find(bytes, b"}__").is_some()) {
        sink.report(at..bytes.len().min(at + 60), &[&PREPROCESSED]);
    }
}

/// `{if:f(1)}`, `{if-A:f(1)}`: conditions that templates of PHP sites hand to `eval`, and `{x:field runphp='yes'}`.
fn php_tag(bytes: &[u8]) -> Option<usize> {
    const LONGEST: usize = 200;
    const TRIES: usize = 8;
    const NAME: &[u8] = b" runphp";
    let condition = memchr::memmem::find_iter(bytes, b"{if").take(TRIES).find(|&at| {
        let rest = bytes.get(at + 3..bytes.len().min(at + LONGEST)).unwrap_or_default();
        let label = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'-').count();
        let Some(condition) = rest.get(label..).and_then(|rest| rest.strip_prefix(b":")) else { return false };
        let condition = condition.split(|&b| b == b'}').next().unwrap_or_default();
        condition.windows(2).any(|pair| pair[1] == b'(' && (pair[0].is_ascii_alphanumeric() || pair[0] == b'_'))
    });
    condition.or_else(|| {
        let runs = memchr::memchr(b'{', bytes)?;
        let near = bytes.get(runs..bytes.len().min(runs + LONGEST))?;
        // Blanks are everywhere, and the sign that ends the name is not.
        let named = |at: usize| near.get(..at).is_some_and(|head| head.len() >= NAME.len() && head.get(head.len() - NAME.len()..).is_some_and(|name| name.eq_ignore_ascii_case(NAME)));
        memchr::memchr_iter(b'=', near).any(named).then_some(runs)
    })
}

/// `${{ secrets.X }}` is GitHub's, and evaluated by GitHub.
fn is_workflow(bytes: &[u8], expression: &Expression, body: &[u8]) -> bool {
    expression.kind == Kind::DoubleBrace
        && expression.span.start.checked_sub(1).and_then(|at| bytes.get(at)) == Some(&b'$')
        && [&b"secrets."[..], b"github.", b"matrix.", b"env.", b"steps.", b"inputs.", b"needs.", b"runner.", b"vars.", b"hashfiles(", b"job.", b"contains(", b"always(", b"fromjson("]
            .iter()
            .any(|word| contains_ignore_case(body, word))
}

fn report(input: &Input<'_>, sink: &mut Sink<'_>, expression: &Expression, does: Body) {
    let bytes = input.bytes;
    let span = expression.span.clone();
    // What stands around an expression is a template when there is more of it than of the expression, and a statement
    // says something only when it is all there is.
    let alone = if does == Body::Statement {
        let rest = bytes.len() - span.len();
        let last_segment = input.place == Place::Path && bytes.get(span.start.wrapping_sub(1)) == Some(&b'/');
        span.len() == bytes.trim_ascii().len() || last_segment && span.end == bytes.len() && rest > 0
    } else {
        bytes.len() < 2 * span.len() + 40
    };
    let shown = doubt::is_shown(input, span.start);
    let doubtful = !expression.closed && does < Body::Reaches;
    let mut facts = [&OPEN; 3];
    let main = match does {
        Body::Reaches | Body::Computes if shown => &SHOWN,
        Body::Reaches => &REACHES,
        Body::Computes => match expression.kind {
            // `@(1+2)` and braces of other languages hold sums too.
            Kind::Razor | Kind::Bracket | Kind::Freemarker | Kind::Velocity | Kind::Smarty | Kind::Selection => &CALLS,
            _ => &COMPUTES,
        },
        Body::Call => &CALLS,
        Body::Statement | Body::Placeholder => &STATEMENT,
    };
    facts[0] = main;
    let mut count = 1;
    if alone && !matches!(does, Body::Placeholder) {
        facts[count] = &ALONE;
        count += 1;
    }
    if doubtful {
        count += 1;
    }
    doubt::report(input, sink, span, facts.get(..count).unwrap_or_default());
}
