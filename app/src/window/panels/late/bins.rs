//! Durations in bins of three significant digits: the edges are the values that
//! the slider stands on, and counts between edges are exact.

/// Below it every millisecond is a bin of its own.
const FINE: i64 = 1_000;
/// Bins of a decade above it: 1.00, 1.01, …, 9.99.
const DECADE: i64 = 900;

/// The bin of the smallest edge that is at least `ms`; negative times are 0.
#[must_use]
pub fn bin(ms: i64) -> u16 {
    if ms <= FINE {
        return ms.max(0) as u16;
    }
    // A pass asks this for every record: divisions by a constant are quick.
    let (mut digits, mut rest, mut decade) = (ms / 10, ms % 10 > 0, 0);
    while digits >= FINE {
        rest |= digits % 10 > 0;
        digits /= 10;
        decade += 1;
    }
    // Rounded up to three digits; 9.995 becomes 10.0, the next decade's first.
    (FINE + decade * DECADE + digits + i64::from(rest) - 100) as u16
}

/// The edge of a bin, ms.
#[must_use]
pub fn edge(bin: u16) -> i64 {
    let bin = i64::from(bin);
    if bin <= FINE {
        return bin;
    }
    let (decade, digits) = ((bin - FINE) / DECADE, (bin - FINE) % DECADE + 100);
    digits.saturating_mul(10i64.saturating_pow(decade as u32 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_edge_is_its_own_and_edges_ascend() {
        for b in 0..15_300u16 {
            assert_eq!(bin(edge(b)), b, "edge {} of {b}", edge(b));
            if edge(b) < i64::MAX {
                assert!(edge(b) < edge(b + 1));
                assert_eq!(bin(edge(b) + 1), b + 1, "after {}", edge(b));
            }
        }
    }

    #[test]
    fn a_bin_is_the_smallest_edge_that_is_enough() {
        let mut state = 1u64;
        for n in 0..20_000u32 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let ms = (state >> 1 >> (n % 60)) as i64;
            let b = bin(ms);
            assert!(edge(b) >= ms && (b == 0 || edge(b - 1) < ms), "{ms} in {b}");
        }
    }

    #[test]
    fn what_people_write_is_an_edge() {
        for ms in [0, 1, 999, 1_000, 1_010, 5_000, 60_000, 317_000, 600_000, 3_600_000] {
            assert_eq!(edge(bin(ms)), ms);
        }
        let off = edge(bin(604_800_000)) - 604_800_000;
        assert!((0..=604_800_000 / 100).contains(&off));
        assert!(edge(bin(i64::MAX - 1)) >= i64::MAX - 1);
    }
}
