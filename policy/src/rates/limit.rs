//! One rate limit, loaded and checked.

use std::sync::Arc;

use crate::BlockResponse;
use crate::{
    Phase,
    canonical::{self, KeyPart},
    limits,
    rules::{condition::Condition, error::Broken, matcher::Shelf, set::Effect},
};

/// The windows that are counted, in seconds.
const WINDOWS: [u32; 3] = [60, 600, 3600];
/// The longest that a client stays limited: a day.
const LONGEST_HOLD: u32 = 86_400;

/// A rate limit.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    pub(crate) id: Arc<str>,
    pub(crate) condition: Condition,
    pub(crate) limit: u32,
    pub(crate) window: u32,
    pub(crate) key: Vec<KeyPart>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) hold: u32,
    pub(crate) dry_run: bool,
    pub(crate) expires: Option<u64>,
}

impl Limit {
    /// Loads and checks one.
    pub(crate) fn load(
        limit: &canonical::RateLimit,
        shelf: &Shelf,
        usual: &BlockResponse,
    ) -> Result<Self, Broken> {
        let id = &limit.id;
        if id.is_empty() || id.len() > limits::NAME_BYTES || id.chars().any(char::is_control) {
            return Err(Broken::wrong("rateLimits", "an id is empty, too long or has control characters"));
        }
        let wrong = |what: &str| Err(Broken::wrong(id, what));
        if !WINDOWS.contains(&limit.window) {
            return wrong("its window is not 1, 10 or 60 minutes");
        }
        if limit.limit == 0 || limit.limit > 1_000_000 {
            return wrong("its limit is not 1 to 1000000");
        }
        if limit.key.is_empty() || limit.key.len() > 2 {
            return wrong("its key has neither one nor two parts");
        }
        let hold = limit.hold.unwrap_or(limit.window);
        if hold == 0 || hold > LONGEST_HOLD {
            return wrong("it holds for less than a second or more than a day");
        }
        if limit.then.is_empty() || limit.then.len() > limits::EFFECTS {
            return wrong("it has no effect, or too many");
        }
        let condition = Condition::load(&limit.when, shelf, id)?;
        if condition.phase() == Phase::Response {
            return wrong("it counts by the answer; let a rule give the request a signal instead");
        }
        // The usual answer of a limit is 429 (RFC 6585, 4), not the policy's.
        let too_many = BlockResponse::new(429, None).unwrap_or_default();
        let effects: Result<Vec<Effect>, Broken> = limit
            .then
            .iter()
            .map(|effect| {
                let status =
                    |answer: &canonical::Answer| answer.status.is_none() && answer.location.is_none();
                let loaded = match effect {
                    canonical::Effect::Block(answer) if status(answer) => Effect::load(effect, &too_many, id)
                        .map(|loaded| match loaded {
                            Effect::Block(None) => Effect::Block(Some(Arc::new(too_many.clone()))),
                            other => other,
                        }),
                    _ => Effect::load(effect, usual, id),
                }?;
                match loaded {
                    Effect::Allow | Effect::Exclude { .. } => {
                        Err(Broken::wrong(id, "a rate limit can only block, give a signal or tag, or log"))
                    }
                    other => Ok(other),
                }
            })
            .collect();
        Ok(Self {
            id: Arc::from(id.as_str()),
            condition,
            limit: limit.limit,
            window: limit.window,
            key: limit.key.clone(),
            effects: effects?,
            hold,
            dry_run: limit.dry_run,
            expires: limit.expires,
        })
    }

    /// Whether its key needs more than the client's address.
    pub(crate) fn wants_names(&self) -> bool {
        self.key.iter().any(|part| *part != KeyPart::Client)
    }
}
