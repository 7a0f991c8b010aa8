//! Drawing a share of requests without chance: the same request is drawn alike each time it is looked at.

/// A number from 0 to 99 for a request, evenly spread; another one for each purpose.
#[must_use]
pub fn draw(request_id: &str, purpose: &str) -> u8 {
    let mixed =
        request_id.bytes().chain([0]).chain(purpose.bytes()).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    // FNV alone leaves similar ids close together; these are the last steps of SplitMix64.
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    u8::try_from((mixed ^ (mixed >> 31)) % 100).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_share_is_drawn_about_as_often_as_it_says() {
        for share in [1_u8, 10, 25, 50, 90] {
            let drawn = (0..10_000).filter(|n| draw(&format!("8f5c-{n}"), "") < share).count();
            let expected = usize::from(share) * 100;
            assert!(drawn.abs_diff(expected) < 250, "{share}: {drawn}");
        }
        assert_eq!(draw("a", ""), draw("a", ""));
        assert!((0..100).any(|n| draw(&n.to_string(), "") != draw(&n.to_string(), "x")));
    }
}
