//! Memory that inspections share, so that a clean request allocates nothing.

use crate::{memo::Memo, views::Views};

/// Reusable memory of one inspecting thread. Each family of detectors keeps its token arena here.
#[derive(Debug, Default)]
pub struct Scratch {
    /// A view in lower case.
    pub(crate) lower: Vec<u8>,
    /// A path, folded.
    pub(crate) path: Vec<u8>,
    pub(crate) views: Views,
    pub(crate) memo: Memo,
    /// A value without its percent signs.
    pub(crate) sql: Vec<u8>,
    /// Nested lookups, folded, and where each open one begins: in `folded` and in the value.
    pub(crate) folded: Vec<u8>,
    pub(crate) marks: Vec<(usize, usize)>,
}

impl Scratch {
    /// Forgets which headers were clean, so that the next inspection costs what the first one does. It changes no
    /// outcome; benchmarks use it.
    pub fn forget(&mut self) {
        self.memo.forget();
    }
}
