//! From the canonical form to rules that can be judged. Whatever the bytes say, the outcome is rules or a reason.

use std::{collections::HashSet, sync::Arc};

use picket_detection::Signal;

use super::{
    error::Broken,
    facts::Needs,
    like::Like,
    matcher::Shelf,
    set::{self, Effect, Rule, Set},
};
use crate::{
    BlockLine, BlockResponse, Exclusion, Mode, Phase,
    canonical::{self, Canonical},
    limits,
    rates::Limit,
};

/// Everything of a policy that needs more than a setting.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    /// Rules that exclude findings; they are judged first, on all findings.
    pub(crate) excluding: Set,
    /// Rules that are judged before the handler sees the request.
    pub(crate) request: Set,
    /// Rules that are judged once it has answered.
    pub(crate) response: Set,
    pub(crate) limits: Vec<Limit>,
    pub(crate) exclusions: Vec<Excluded>,
    pub(crate) changes: Vec<Change>,
    pub(crate) needs: Needs,
}

/// An exclusion with its paths and its end.
#[derive(Clone, Debug)]
pub(crate) struct Excluded {
    signal: String,
    /// The place; everywhere where it is absent.
    place: Option<Exclusion>,
    paths: Vec<Like>,
    expires: Option<u64>,
}

impl Excluded {
    /// Whether it holds now, for a request of this path, about this signal.
    pub(crate) fn concerns(&self, signal: &str, path: &[u8], now: u64) -> bool {
        self.signal == signal
            && self.expires.is_none_or(|expires| now < expires)
            && (self.paths.is_empty() || self.paths.iter().any(|like| like.matches(path)))
    }

    /// Whether it covers a finding at a place.
    pub(crate) fn covers(&self, signal: Signal, place: &str) -> bool {
        self.place.as_ref().is_none_or(|exclusion| exclusion.covers(signal, place))
    }
}

/// What differs for some functions and paths.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    functions: Vec<Like>,
    paths: Vec<Like>,
    pub(crate) mode: Option<Mode>,
    pub(crate) block_on: Option<BlockLine>,
    pub(crate) ramp: Option<u8>,
    pub(crate) answer: Option<Arc<BlockResponse>>,
}

impl Change {
    /// Whether it concerns every path of a function.
    pub(crate) fn concerns_all_of(&self, function: &str) -> bool {
        self.paths.is_empty() && self.concerns(function, b"/")
    }

    /// Whether it concerns a path of a function.
    pub(crate) fn concerns(&self, function: &str, path: &[u8]) -> bool {
        let one = |all: &[Like], text: &[u8]| all.is_empty() || all.iter().any(|like| like.matches(text));
        one(&self.functions, function.as_bytes()) && one(&self.paths, path)
    }

    fn load(change: &canonical::Override, usual: &BlockResponse) -> Result<Self, Broken> {
        let likes = |all: &[String]| all.iter().map(|text| Like::new(text, false)).collect();
        let answer =
            change.answer.as_ref().map(|answer| set::answer_of(answer, usual, "overrides")).transpose()?;
        Ok(Self {
            answer: answer.flatten().map(Arc::new),
            functions: likes(&change.functions),
            paths: likes(&change.paths),
            mode: change.mode,
            block_on: change.block_on,
            ramp: change.ramp,
        })
    }
}

impl Rules {
    /// Loads and checks the rules of a policy. `usual` is the answer that a rule's own answer is completed with.
    pub(crate) fn load(policy: &Canonical, usual: &BlockResponse) -> Result<Self, Broken> {
        let shelf = Shelf::read(policy)?;
        let floor = policy.floor.iter().flat_map(|floor| &floor.rules).map(|rule| (rule, true));
        let all: Vec<_> = floor.chain(policy.rules.iter().map(|rule| (rule, false))).collect();
        cap("rules", all.len(), limits::RULES)?;
        cap("rate limits", policy.rate_limits.len(), limits::RATE_LIMITS)?;
        cap("exclusions", policy.exclusions.len(), limits::EXCLUSIONS)?;
        cap("overrides", policy.overrides.len(), limits::OVERRIDES)?;
        let mut ids = HashSet::new();
        let (mut excluding, mut request, mut response) = (Vec::new(), Vec::new(), Vec::new());
        for (position, (rule, floor)) in all.into_iter().enumerate() {
            let rule = set::load(rule, &shelf, usual, (floor, position))?;
            if !ids.insert(Arc::clone(&rule.id)) {
                return Err(Broken::wrong(&rule.id, "another rule has the same id"));
            }
            let phase = rule.condition.phase();
            if rule.effects.iter().any(|effect| matches!(effect, Effect::Exclude { .. })) {
                check_excluding(&rule, phase)?;
                excluding.push(rule);
            } else if phase == Phase::Response {
                if rule.effects.iter().any(|effect| matches!(effect, Effect::Allow)) {
                    return Err(Broken::wrong(
                        &rule.id,
                        "it allows a request that the handler has answered already",
                    ));
                }
                response.push(rule);
            } else {
                request.push(rule);
            }
        }
        postpone(&mut request, &mut response)?;
        let mut limits = Vec::with_capacity(policy.rate_limits.len());
        for limit in &policy.rate_limits {
            let limit = Limit::load(limit, &shelf, usual)?;
            if !ids.insert(Arc::clone(&limit.id)) {
                return Err(Broken::wrong(&limit.id, "a rule or another rate limit has the same id"));
            }
            limits.push(limit);
        }
        let exclusions: Result<Vec<Excluded>, Broken> = policy.exclusions.iter().map(excluded).collect();
        let changes: Result<Vec<Change>, Broken> =
            policy.overrides.iter().map(|change| Change::load(change, usual)).collect();
        let mut rules = Self {
            excluding: Set::new(excluding)?,
            request: Set::new(request)?,
            response: Set::new(response)?,
            limits,
            exclusions: exclusions?,
            changes: changes?,
            needs: Needs::default(),
        };
        rules.needs = rules.all_needs();
        Ok(rules)
    }

    fn all_needs(&self) -> Needs {
        let mut needs = Needs::default();
        for set in [&self.excluding, &self.request, &self.response] {
            let one = set.needs();
            needs.path |= one.path;
            needs.named |= one.named;
        }
        needs.path |= self.exclusions.iter().any(|one| !one.paths.is_empty());
        needs.path |= self.changes.iter().any(|change| !change.paths.is_empty());
        for limit in &self.limits {
            needs = needs.with(&limit.condition);
            needs.named |= limit.wants_names();
        }
        needs
    }
}

/// Moves the rules that read signals which only rules about answers give behind the answer, where they can be judged.
fn postpone(request: &mut Vec<Rule>, response: &mut Vec<Rule>) -> Result<(), Broken> {
    loop {
        let given =
            |rules: &[Rule]| -> HashSet<Arc<str>> {
                let effects = rules.iter().flat_map(|rule| &rule.effects);
                effects
                    .filter_map(|effect| {
                        if let Effect::Signal(signal) = effect { Some(Arc::clone(signal)) } else { None }
                    })
                    .collect()
            };
        let (early, mut late) = (given(request), given(response));
        late.retain(|signal| !early.contains(signal));
        let waits = |rule: &Rule| !late.is_empty() && rule.condition.reads_only(&late);
        let (waiting, ready): (Vec<_>, Vec<_>) = std::mem::take(request).into_iter().partition(waits);
        *request = ready;
        if waiting.is_empty() {
            return Ok(());
        }
        for rule in waiting {
            if rule.effects.iter().any(|effect| matches!(effect, Effect::Allow)) {
                return Err(Broken::wrong(
                    &rule.id,
                    "it allows a request that the handler has answered already",
                ));
            }
            response.push(rule);
        }
    }
}

fn cap(what: &'static str, count: usize, limit: usize) -> Result<(), Broken> {
    if count > limit { Err(Broken::TooMany { what, limit }) } else { Ok(()) }
}

fn check_excluding(rule: &Rule, phase: Phase) -> Result<(), Broken> {
    if phase == Phase::Response {
        return Err(Broken::wrong(&rule.id, "it excludes findings of a request that was judged already"));
    }
    // What a rule excludes decides what other rules see, so it cannot wait for what they say.
    if set::reads_own_signals(&rule.condition) {
        return Err(Broken::wrong(&rule.id, "it excludes findings and reads signals that other rules give"));
    }
    Ok(())
}

fn excluded(one: &canonical::Exclusion) -> Result<Excluded, Broken> {
    if one.at.is_none() && one.paths.is_empty() {
        return Err(Broken::wrong("exclusions", "one names neither a place nor a path"));
    }
    let unknown = || {
        let shown: String = one.signal.escape_debug().take(64).collect();
        Broken::wrong(
            "exclusions",
            format!("{shown:?} is no signal that can be excluded, or its place is empty"),
        )
    };
    let place = one.at.as_ref().map(|at| Exclusion::new(&one.signal, at).ok_or_else(unknown)).transpose()?;
    let paths = one.paths.iter().map(|path| Like::new(path, false)).collect();
    Ok(Excluded { signal: one.signal.clone(), place, paths, expires: one.expires })
}
