//! What a policy does about a request, in words, and what would let it pass.

use std::fmt::Write;

use picket_policy::{Action, Exclusion, Policy, Reason, document::Document};
use picket_request::Request;
use serde::Serialize;
use serde_json::{Value, json};

use crate::judge::Judged;

/// A verdict, explained.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explained {
    policy: String,
    version: u64,
    verdict: &'static str,
    mode: String,
    reason: &'static str,
    rule: Option<String>,
    /// When the rule applies, as it stands in the file.
    when: Option<Value>,
    signals: Vec<String>,
    tags: Vec<String>,
    dry_runs: Vec<String>,
    /// What would let it pass.
    allowed_by: Vec<String>,
    /// The exclusions to paste.
    exclusions: Vec<Value>,
}

/// Explains a verdict. `document` is there where the policy came from its file.
pub(crate) fn explain(
    judged: &Judged,
    request: &Request,
    policy: &Policy,
    document: Option<&Document>,
) -> Explained {
    let verdict = &judged.verdict;
    let rule = judged.rule().map(str::to_owned);
    let when = rule.as_deref().and_then(|id| {
        let document = document?;
        let rules = document.rules.iter().chain(document.floor.iter().flat_map(|floor| &floor.rules));
        let limits = document.rate_limits.iter().map(|limit| (&limit.id, &limit.when));
        let (_, when) =
            rules.map(|rule| (&rule.id, &rule.when)).chain(limits).find(|(name, _)| *name == id)?;
        serde_json::to_value(when.as_ref()?).ok()
    });
    let path = String::from_utf8_lossy(request.bytes(request.path)).into_owned();
    let mut exclusions: Vec<Value> = Vec::new();
    if judged.action() != Action::Allow && matches!(verdict.reason, Reason::Finding(_)) {
        for finding in &judged.outcome.findings {
            if !finding.signal.is_attack() || !policy.block_on.blocks(finding.tier, false) {
                continue;
            }
            let written = Exclusion::of(finding.signal, &request.render(finding.location));
            let Some((signal, at)) = written.split_once('@') else { continue };
            let exclusion = json!({"signal": signal, "at": at, "path": path});
            if !exclusions.contains(&exclusion) {
                exclusions.push(exclusion);
            }
        }
    }
    let allowed_by = match (&verdict.reason, judged.action()) {
        (_, Action::Allow) => Vec::new(),
        (Reason::Finding(_), _) => vec!["the exclusion below, which is as narrow as the finding".to_owned()],
        (Reason::Rule, _) => {
            let name = rule.as_deref().unwrap_or_default();
            vec![
                format!("a request that does not meet the condition of `{name}`"),
                "a rule with `then: [allow]` for this request, which wins over every block but the floor's"
                    .to_owned(),
                format!("`dryRun: true` on `{name}`, which then only says what it would have done"),
            ]
        }
        (Reason::RateLimit, _) => vec![
            format!("waiting {} seconds", verdict.retry_after.unwrap_or_default()),
            "a rule with `then: [allow]` for this client: it is not counted then".to_owned(),
        ],
        (Reason::Unexamined, _) => vec!["`allowUnexamined: true`".to_owned()],
        (Reason::Fault | Reason::Clean, _) => vec!["`onFailure: open`".to_owned()],
    };
    let after = judged.after.iter();
    Explained {
        policy: if policy.name.is_empty() { "built-in".to_owned() } else { policy.name.clone() },
        version: policy.version,
        verdict: judged.action().name(),
        mode: verdict.mode.to_string(),
        reason: verdict.reason.name(),
        rule,
        when,
        signals: judged.raised().map(str::to_owned).collect(),
        tags: verdict.tags.iter().map(ToString::to_string).collect(),
        dry_runs: verdict
            .would_have
            .iter()
            .chain(after.flat_map(|after| &after.would_have))
            .map(|would| format!("{} would {}", would.rule, would.effect))
            .collect(),
        allowed_by,
        exclusions,
    }
}

impl Explained {
    /// Several lines for people.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "policy {} version {}, mode {}: {} ({})\n",
            self.policy, self.version, self.mode, self.verdict, self.reason
        );
        if let Some(rule) = &self.rule {
            _ = writeln!(text, "  rule: {rule}");
        }
        if let Some(when) = &self.when {
            _ = writeln!(text, "  when: {when}");
        }
        for (word, all) in [("signals", &self.signals), ("tags", &self.tags), ("dry runs", &self.dry_runs)] {
            if !all.is_empty() {
                _ = writeln!(text, "  {word}: {}", all.join(", "));
            }
        }
        for way in &self.allowed_by {
            _ = writeln!(text, "  would be allowed by: {way}");
        }
        if !self.exclusions.is_empty() {
            text.push_str("exclusions:\n");
        }
        for exclusion in &self.exclusions {
            let field = |name: &str| exclusion.get(name).cloned().unwrap_or_default();
            // JSON texts are YAML texts, whatever stands in them.
            _ = writeln!(text, "  - signal: {}", field("signal").as_str().unwrap_or_default());
            _ = writeln!(text, "    at: {}", field("at"));
            _ = writeln!(text, "    path: {}", field("path"));
            _ = writeln!(text, "    why: \"\"  # say why this is no attack here");
        }
        text
    }
}
