//! The one JSON line of a verdict that is not a plain allow. Its fields are documented in docs/verdict-lines.md.

use std::time::Duration;

use picket_detection::{Finding, Outcome};
use picket_policy::{Action, Exclusion, Mode, Reason, Verdict};
use picket_report::Redactor;
use picket_request::{Request, Trust};
use picket_runtime_proxy::Invocation;
use serde::Serialize;

use crate::{forms::VerdictForm, log, ocsf};

/// Findings that one line names.
const SIGNALS: usize = 8;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Line<'a> {
    timestamp: String,
    level: &'static str,
    pub(crate) message: &'static str,
    pub(crate) verdict: &'static str,
    mode: String,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_id: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    log_only_source: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    outside_ramp: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rule_signals: Vec<GivenSignal<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dry_run: Vec<DryRun<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logged_by: Option<&'a str>,
    pub(crate) request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trace_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) function_arn: Option<&'a str>,
    event_source: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) method: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client: Option<String>,
    client_trust: &'static str,
    pub(crate) signals: Vec<Signal>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    anomalies: Vec<&'static str>,
    #[serde(skip_serializing_if = "is_zero")]
    unexamined: u32,
    decision_us: u64,
    /// What would let this request pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_by: Option<String>,
}

/// A signal that a rule gave.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GivenSignal<'a> {
    id: &'a str,
    rule_id: &'a str,
}

/// What a dry run would have done.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DryRun<'a> {
    rule_id: &'a str,
    action: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Signal {
    pub(crate) id: &'static str,
    pub(crate) tier: &'static str,
    pub(crate) detector: String,
    pub(crate) location: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    decoded: Vec<&'static str>,
    /// Offsets into the decoded value.
    span: [u32; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) excerpt: Option<String>,
    facts: Vec<String>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What a line says of one request.
pub(crate) struct Subject<'a> {
    pub(crate) invocation: &'a Invocation,
    pub(crate) redactor: &'a Redactor,
    pub(crate) request: &'a Request,
    pub(crate) outcome: &'a Outcome,
    pub(crate) verdict: &'a Verdict,
    pub(crate) mode: Mode,
    /// The status that the client gets, where it was blocked.
    pub(crate) status: Option<u16>,
    pub(crate) took: Duration,
}

/// Writes the line as JSON, in the form that the owner chose.
pub(crate) fn render(subject: &Subject<'_>, form: VerdictForm) -> String {
    let line = line(subject);
    match form {
        VerdictForm::Picket => serde_json::to_string(&line).unwrap_or_default(),
        VerdictForm::Ocsf => ocsf::http_activity(&line, log::now_ms(), env!("CARGO_PKG_VERSION")).to_string(),
    }
}

fn line<'a>(subject: &'a Subject<'_>) -> Line<'a> {
    let Subject { invocation, redactor, request, outcome, verdict, mode, status, took } = subject;
    let attacks = || outcome.findings.iter().filter(|finding| finding.signal.is_attack());
    let deciding = match verdict.reason {
        Reason::Finding(index) => outcome.findings.get(index),
        _ => None,
    };
    let rest = attacks().filter(|finding| deciding.is_none_or(|first| !std::ptr::eq(first, *finding)));
    let client = request.client;
    Line {
        timestamp: log::now(),
        level: if verdict.action == Action::Allow { "INFO" } else { "WARN" },
        message: match verdict.action {
            Action::Allow => "picket: signals",
            Action::WouldBlock => "picket: would block",
            Action::Block => "picket: blocked",
        },
        verdict: verdict.action.name(),
        mode: mode.to_string(),
        reason: verdict.reason.name(),
        rule_id: verdict.rule.as_deref(),
        log_only_source: verdict.log_only_source,
        outside_ramp: verdict.outside_ramp,
        retry_after: verdict.retry_after,
        rule_signals: verdict
            .signals
            .iter()
            .take(SIGNALS)
            .map(|given| GivenSignal { id: &given.signal, rule_id: &given.rule })
            .collect(),
        tags: verdict.tags.iter().take(SIGNALS).map(|tag| &**tag).collect(),
        dry_run: verdict
            .would_have
            .iter()
            .take(SIGNALS)
            .map(|would| DryRun { rule_id: &would.rule, action: would.effect })
            .collect(),
        logged_by: verdict.logged_by.as_deref(),
        request_id: &invocation.key.request_id,
        trace_id: invocation.trace_id.as_deref().map(root_of),
        tenant_id: invocation.tenant_id.as_deref(),
        function_arn: invocation.function_arn.as_deref(),
        event_source: request.event.name,
        method: picket_report::method(request).to_string(),
        path: picket_report::path(request).to_string(),
        status: *status,
        client: client.addr.map(|addr| addr.to_string()),
        client_trust: match client.trust {
            Trust::Platform => "platform",
            Trust::ConfiguredHop => "configured-hop",
            Trust::Unverified => "unverified",
        },
        signals: deciding
            .into_iter()
            .chain(rest)
            .take(SIGNALS)
            .map(|finding| signal(redactor, request, finding))
            .collect(),
        anomalies: request.anomalies.iter().map(|(anomaly, _)| anomaly.id()).collect(),
        unexamined: outcome.unexamined,
        decision_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        allowed_by: deciding.map(|finding| {
            let location = picket_report::location(request, finding.location);
            format!("PICKET_EXCLUDE={}", Exclusion::of(finding.signal, location.as_inner()))
        }),
    }
}

fn signal(redactor: &Redactor, request: &Request, finding: &Finding) -> Signal {
    // The span lies in the decoded view, whose bytes are gone by now: an excerpt is shown where nothing was decoded.
    let excerpt =
        request.values().get(finding.value as usize).filter(|_| finding.chain.is_empty()).map(|value| {
            let span = finding.span.start as usize..finding.span.end as usize;
            redactor.excerpt(request, value, request.bytes(value.text), span).to_string()
        });
    Signal {
        id: finding.signal.id(),
        tier: finding.tier.name(),
        detector: format!("{}/{}", finding.detector, finding.version),
        location: picket_report::location(request, finding.location).to_string(),
        decoded: finding.chain.iter().map(picket_detection::Decoder::id).collect(),
        span: [finding.span.start, finding.span.end],
        excerpt,
        facts: finding.facts.iter().map(|fact| format!("{} {}", fact.name, fact.weight)).collect(),
    }
}

/// The root id of an X-Ray header: `Root=1-…;Parent=…` gives `1-…`.
pub(crate) fn root_of(trace: &str) -> &str {
    trace.split(';').find_map(|part| part.trim().strip_prefix("Root=")).unwrap_or(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_header_is_cut_to_its_root() {
        assert_eq!(
            root_of("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"),
            "1-5759e988-bd862e3fe1be46a994272793"
        );
        assert_eq!(root_of("1-2"), "1-2");
    }
}
