//! An index for rules that look for a text within a value: of each text four bytes are chosen, and a request's values are
//! read once for all of them.
//!
//! It may not judge: four bytes that stand in a value make a rule worth a look, and nothing more. What is read is bounded;
//! beyond the bound every rule of this index is looked at.

use super::facts::{Facts, hash};
use crate::{Field, FieldKind, limits, rules::value::Value};

const GRAM: u8 = 4;
/// Bytes of a text that stand for it.
const LENGTH: usize = 4;
/// Bits of the filter before the table, as a power of two.
const FILTER: u32 = 14;

/// What is looked for, before the table of rules is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grams {
    fields: Vec<Field>,
    /// One bit for each hash of four bytes that some rule looks for; empty where none does.
    filter: Vec<u64>,
    /// The rules of this index, as bits.
    rules: Vec<u64>,
}

impl Grams {
    /// The key under which the rules lie that look for this text in a field; `None` where it is too short.
    pub(crate) fn key(field: Field, text: &[u8]) -> Option<(u64, u32)> {
        let last = text.get(text.len().checked_sub(LENGTH)?..)?;
        let gram = last.iter().fold(0, |gram, byte| push(gram, *byte));
        Some((of(field, gram), gram))
    }

    /// Whether texts of this field are read: those of a request that are no numbers and no signals.
    pub(crate) fn reads(field: Field) -> bool {
        field.kind() == FieldKind::Text || field.kind() == FieldKind::Named && field != Field::ResponseHeader
    }

    /// Takes a rule in.
    pub(crate) fn add(&mut self, field: Field, gram: u32, rule: usize) {
        self.filter.resize(1 << (FILTER - 6), 0);
        if !self.fields.contains(&field) {
            self.fields.push(field);
        }
        set(&mut self.filter, slot(gram));
        self.rules.resize(self.rules.len().max(rule / 64 + 1), 0);
        set(&mut self.rules, rule);
    }

    /// Calls `found` with every key that a value of the request has. Where there is too much to read, all its rules become
    /// candidates.
    pub(crate) fn find(
        &self,
        facts: &Facts<'_>,
        candidates: &mut [u64],
        found: &mut impl FnMut(u64, &mut [u64]),
    ) {
        let mut left = limits::GRAM_BYTES;
        for &field in &self.fields {
            let mut read = |text: &[u8], candidates: &mut [u64]| {
                left = left.saturating_sub(text.len());
                if left > 0 {
                    self.read(field, text, &mut |key| found(key, candidates));
                }
            };
            if field.kind() == FieldKind::Named {
                for named in facts.named(field, None) {
                    if let Some((_, text, _)) = facts.value_of(named) {
                        read(text, candidates);
                    }
                }
            } else if let Some(Value::Text(text)) = facts.single(field) {
                read(text, candidates);
            }
        }
        if left == 0 {
            candidates.iter_mut().zip(&self.rules).for_each(|(all, ours)| *all |= ours);
        }
    }

    fn read(&self, field: Field, text: &[u8], found: &mut impl FnMut(u64)) {
        let mut gram = 0;
        for (index, byte) in text.iter().enumerate() {
            gram = push(gram, *byte);
            let at = slot(gram);
            if index + 1 >= LENGTH && self.filter.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
            {
                found(of(field, gram));
            }
        }
    }
}

/// Four bytes become the next four. Case is left out, so that one index serves tests that mind it and tests that do not.
const fn push(gram: u32, byte: u8) -> u32 {
    gram << 8 | byte.to_ascii_lowercase() as u32
}

fn of(field: Field, gram: u32) -> u64 {
    hash(field, GRAM, gram.to_be_bytes().into_iter())
}

const fn slot(gram: u32) -> usize {
    (gram.wrapping_mul(0x9e37_79b1) >> (32 - FILTER)) as usize
}

fn set(bits: &mut [u64], number: usize) {
    if let Some(word) = bits.get_mut(number / 64) {
        *word |= 1 << (number % 64);
    }
}
