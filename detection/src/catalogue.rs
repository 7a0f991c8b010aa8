//! The list of detectors that an inspection runs.

use std::fmt;

use crate::{Class, Input, Scratch, Signal, Sink, detectors::ALL};

/// One detector: what it reports, when it is worth running, and how it looks.
pub struct Detector {
    /// The signal that it reports.
    pub signal: Signal,
    /// Its name: the stem of its file and of its fixture file.
    pub name: &'static str,
    /// Raised with every change of what it finds.
    pub version: u16,
    /// Which views are worth a closer look. A view in which one of the detector's literal anchors occurs
    /// (`detectors/<name>.anchors`, one case-folded literal a line) is looked at anyway.
    pub gate: Gate,
    /// Looks at one view. It must take linear time.
    pub run: fn(&Input<'_>, &mut Scratch, &mut Sink<'_>),
}

/// Which views a detector looks at besides those in which an anchor of its occurs.
#[derive(Clone, Copy)]
pub enum Gate {
    /// No other.
    Never,
    /// Those for which the function holds, and it may hold only where one of the classes of bytes occurs: most views of most
    /// requests have none of them, and the function is not asked.
    With(&'static [Class], fn(&Input<'_>) -> bool),
    /// Those for which the function holds, by their place or their name.
    Any(fn(&Input<'_>) -> bool),
}

impl Gate {
    /// Whether a view is looked at.
    pub(crate) fn opens(self, input: &Input<'_>) -> bool {
        match self {
            Self::Never => false,
            Self::With(_, gate) | Self::Any(gate) => gate(input),
        }
    }
}

impl fmt::Debug for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.version)
    }
}

/// The detectors that run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Catalogue {
    /// Bit `i` for the detector `i` of [`crate::detectors::ALL`].
    mask: u128,
}

impl Catalogue {
    /// Every detector of this build.
    #[must_use]
    pub fn built_in() -> Self {
        Self { mask: u128::MAX }
    }

    /// The detectors, in the order in which they run.
    pub fn iter(&self) -> impl Iterator<Item = &'static Detector> {
        self.enabled().map(|(_, detector)| detector)
    }

    /// One detector of this build alone, by its name.
    #[must_use]
    pub fn only(name: &str) -> Option<Self> {
        let index = ALL.iter().position(|detector| detector.name == name)?;
        Some(Self { mask: 1 << index })
    }

    /// No detector: what scanning and decoding cost by themselves.
    #[must_use]
    pub const fn none() -> Self {
        Self { mask: 0 }
    }

    /// The detectors that run, each with its place in the list.
    pub(crate) fn enabled(self) -> impl Iterator<Item = (usize, &'static Detector)> {
        let mut left = self.mask & (u128::MAX >> (128 - ALL.len()));
        std::iter::from_fn(move || {
            let index = left.trailing_zeros() as usize;
            let detector = ALL.get(index).copied()?;
            left &= left - 1;
            Some((index, detector))
        })
    }

    /// Those of its detectors that `mask` has as well.
    pub(crate) const fn within(self, mask: u128) -> Self {
        Self { mask: self.mask & mask }
    }
}

const _: () = assert!(ALL.len() <= 128, "the mask of a catalogue has 128 bits");
