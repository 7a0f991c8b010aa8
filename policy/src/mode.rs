//! How far Picket goes, and where the line lies from which it blocks.

use picket_detection::Tier;

/// What Picket does about what it sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "lowercase"))]
pub enum Mode {
    /// Blocks.
    Block,
    /// Says what it would have blocked, and lets it pass.
    #[default]
    Log,
    /// Does not inspect.
    Off,
}

/// The least certain finding that is blocked on first sight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "lowercase"))]
pub enum BlockLine {
    /// Certain findings are blocked on first sight, likely ones while their client is flagged.
    #[default]
    Certain,
    /// Likely findings are blocked on first sight too.
    Likely,
    /// Nothing is blocked on first sight; certain and likely findings are, while their client is flagged.
    Flagged,
}

impl BlockLine {
    /// Whether a finding of this tier is blocked.
    #[must_use]
    pub const fn blocks(self, tier: Tier, client_is_flagged: bool) -> bool {
        match (self, tier) {
            (_, Tier::Possible) => false,
            (Self::Likely, _) | (Self::Certain, Tier::Certain) => true,
            (Self::Certain, Tier::Likely) | (Self::Flagged, _) => client_is_flagged,
        }
    }
}

crate::words::words!(Mode { "block" = Mode::Block, "log" = Mode::Log, "off" = Mode::Off, });
crate::words::words!(BlockLine { "certain" = BlockLine::Certain, "likely" = BlockLine::Likely, "flagged" = BlockLine::Flagged, });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_moves_with_the_setting_and_the_flag() {
        use BlockLine::{Certain, Flagged, Likely};
        let table = [
            (Certain, Tier::Certain, false, true),
            (Certain, Tier::Likely, false, false),
            (Certain, Tier::Likely, true, true),
            (Certain, Tier::Possible, true, false),
            (Likely, Tier::Likely, false, true),
            (Likely, Tier::Possible, true, false),
            (Flagged, Tier::Certain, false, false),
            (Flagged, Tier::Certain, true, true),
            (Flagged, Tier::Likely, true, true),
        ];
        for (line, tier, flagged, blocks) in table {
            assert_eq!(line.blocks(tier, flagged), blocks, "{line} {tier:?} {flagged}");
        }
    }

    #[test]
    fn words_survive_a_round_trip() {
        for mode in [Mode::Block, Mode::Log, Mode::Off] {
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
        assert_eq!("BLOCK".parse(), Ok(Mode::Block));
        assert_eq!("on".parse::<Mode>(), Err(()));
    }
}
