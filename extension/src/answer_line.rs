//! The one JSON line about an answer that shows something. Its fields are documented in docs/verdict-lines.md.
//!
//! It holds no byte of the answer: what leaks once must not leak into the log as well.

use std::time::Duration;

use picket_detection::response::{Found, Impact};
use picket_policy::{Action, Verdict};
use picket_runtime_proxy::Invocation;
use serde::Serialize;

use crate::{log, settings::LogLevel, verdict_line::root_of};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    timestamp: String,
    level: &'static str,
    message: &'static str,
    request_id: &'a str,
    answer_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_arn: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    event_source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_status: Option<u16>,
    answer_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    impact: Option<&'static str>,
    answer_signals: Vec<Signal>,
    /// What the rules decided, where they decided anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_verdict: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rule_signals: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    would_have: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Signal {
    id: &'static str,
    tier: &'static str,
    watcher: String,
    /// Offsets into the body as the client got it.
    #[serde(skip_serializing_if = "Option::is_none")]
    span: Option<[u32; 2]>,
    facts: Vec<String>,
}

/// What a line says of one answer.
pub(crate) struct Subject<'a> {
    pub(crate) level: LogLevel,
    pub(crate) invocation: &'a Invocation,
    pub(crate) source: &'static str,
    pub(crate) status: Option<u16>,
    pub(crate) bytes: u64,
    pub(crate) took: Duration,
    pub(crate) found: &'a Found,
    pub(crate) verdict: Option<&'a Verdict>,
}

/// Writes the line as JSON.
pub(crate) fn render(subject: &Subject<'_>) -> String {
    let Subject { level, invocation, source, status, bytes, took, found, verdict } = subject;
    let signals = found.findings().iter().map(|finding| Signal {
        id: finding.signal.id(),
        tier: finding.tier.name(),
        watcher: format!("{}/{}", finding.watcher, finding.version),
        span: (!finding.span.is_empty()).then_some([finding.span.start, finding.span.end]),
        facts: finding.facts.iter().map(|fact| format!("{} {}", fact.name, fact.weight)).collect(),
    });
    let line = Line {
        timestamp: log::now(),
        level: level.name(),
        message: match found.impact() {
            _ if verdict.is_some_and(|verdict| verdict.action == Action::Block) => "picket: answer replaced",
            _ if verdict.is_some_and(|verdict| verdict.action == Action::WouldBlock) => {
                "picket: would replace answer"
            }
            Some(Impact::Confirmed) => "picket: an attack had its effect",
            Some(Impact::Reached) => "picket: an attack reached its target",
            Some(Impact::Attempted) | None => "picket: answer",
        },
        request_id: &invocation.key.request_id,
        trace_id: invocation.trace_id.as_deref().map(root_of),
        function_arn: invocation.function_arn.as_deref(),
        event_source: source,
        answer_status: *status,
        answer_bytes: *bytes,
        answer_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        impact: found.impact().map(Impact::name),
        answer_signals: signals.collect(),
        answer_verdict: verdict.map(|verdict| match verdict.action {
            Action::Allow => "allow",
            Action::WouldBlock => "would_replace",
            Action::Block => "replace",
        }),
        rule: verdict
            .and_then(|verdict| verdict.rule.as_ref().or(verdict.logged_by.as_ref()))
            .map(ToString::to_string),
        rule_signals: verdict
            .map(|verdict| verdict.signals.iter().map(|given| given.signal.to_string()).collect())
            .unwrap_or_default(),
        would_have: verdict
            .map(|verdict| {
                verdict.would_have.iter().map(|would| format!("{}: {}", would.rule, would.effect)).collect()
            })
            .unwrap_or_default(),
    };
    serde_json::to_string(&line).unwrap_or_default()
}
