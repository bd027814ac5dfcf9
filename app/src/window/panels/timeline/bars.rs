//! Densities as one texture: a bar a bucket, verdicts stacked. What went wrong
//! stands at the base, in front of the rest, and is never less than a few
//! pixels high (of a low row a quarter), however many others its bucket holds;
//! the bar itself is no higher for it. Each verdict has a
//! pattern of its own besides its colour: late bars wear a point, those that
//! wait or found nobody are hollow or ruled.

use egui::{Color32, ColorImage};
use joinscope_operator::verdict::Verdict;

use crate::window::theme::Tokens;

/// From the base upwards.
pub const STACK: [Verdict; 10] = [
    Verdict::Late,
    Verdict::Expired,
    Verdict::Undecodable,
    Verdict::Unkeyed,
    Verdict::Untimed,
    Verdict::Tombstone,
    Verdict::Joined,
    Verdict::Unmatched,
    Verdict::Filtered,
    Verdict::Open,
];

/// How many of [`STACK`] went wrong.
const WRONG: usize = 6;

/// One row of bars, pixels from the picture's upper edge.
pub struct Strip<'a> {
    pub top: usize,
    pub height: usize,
    pub buckets: &'a [[u32; 10]],
    /// What full height stands for.
    pub full: u32,
}

/// Heights of the stack's parts, pixels; at most `height` together.
#[must_use]
pub fn heights(counts: &[u32; 10], full: u32, height: usize, least: usize) -> [usize; 10] {
    let scaled = |n: u32| (f64::from(n) / f64::from(full.max(1)) * height as f64).round() as usize;
    let own = |i: usize| match counts[STACK[i] as usize] {
        0 => 0,
        _ if i < WRONG => least,
        _ => 1,
    };
    // The least of each part is taken from the bar, not put on top of it.
    let mut others: usize = (0..STACK.len()).map(own).sum();
    let all = counts.iter().fold(0u32, |sum, n| sum.saturating_add(*n));
    let mut left = scaled(all).max(others).min(height);
    let mut parts = [0; 10];
    for (i, verdict) in STACK.iter().enumerate() {
        let least = own(i);
        others -= least;
        let most = left.saturating_sub(others).max(least.min(left));
        parts[i] = scaled(counts[*verdict as usize]).max(least).min(most);
        left -= parts[i];
    }
    parts
}

/// Paints the strips into a picture; `dense` is pixels a point.
#[must_use]
pub fn raster(size: [usize; 2], strips: &[Strip<'_>], dense: f32, t: &Tokens) -> ColorImage {
    let mut image = ColorImage::filled(size, Color32::TRANSPARENT);
    let [width, tall] = size;
    let least = (3.0 * dense).round().max(2.0) as usize;
    // Whole pixels, and no thicker than a point: at a scale of 1.5 two would leave a
    // narrow bar no middle.
    let rule = dense.floor().max(1.0) as usize;
    for strip in strips {
        let n = strip.buckets.len().max(1);
        // Where the width is no multiple of the buckets some have a pixel more; their
        // bars have not, or they would look like others.
        let most = (width / n).saturating_sub(rule);
        // In a low row the least of what went wrong would be most of the bar.
        let least = least.min((strip.height / 4).max(1));
        let bottom = (strip.top + strip.height).min(tall);
        for (bucket, counts) in strip.buckets.iter().enumerate() {
            let x0 = bucket * width / n;
            let x1 = (bucket + 1) * width / n;
            // A gap between bars where there is room for one.
            let x1 = if most > rule { x0 + most } else { x1.max(x0 + 1) }.min(width);
            let parts = heights(counts, strip.full, strip.height, least);
            let mut y = bottom;
            for (part, verdict) in parts.into_iter().zip(STACK) {
                let top = y.saturating_sub(part).max(strip.top);
                let colour = t.verdict(verdict);
                for py in top..y {
                    for px in x0..x1 {
                        let ink = ink(verdict, px - x0, py - top, x1 - x0, rule);
                        if ink > 0.0 {
                            image.pixels[py * width + px] = colour.gamma_multiply(ink);
                        }
                    }
                }
                y = top;
            }
            // A bar that goes on above the row.
            let all: u32 = counts.iter().sum();
            if all > strip.full {
                for py in strip.top..(strip.top + rule).min(bottom) {
                    for px in x0..x1 {
                        image.pixels[py * width + px] = t.text;
                    }
                }
            }
        }
    }
    image
}

/// How much ink a verdict's pattern has at a place of its part, 0 to 1.
fn ink(verdict: Verdict, x: usize, y: usize, wide: usize, rule: usize) -> f32 {
    let side = x < rule || x + rule >= wide;
    let put = |inked: bool, else_: f32| if inked { 1.0 } else { else_ };
    match verdict {
        Verdict::Joined => 1.0,
        // A point upwards.
        Verdict::Late => {
            let middle = wide / 2;
            put(x.abs_diff(middle) <= y + rule / 2 || y >= middle, 0.0)
        }
        // Hollow: its sides stand, its middle is faint.
        Verdict::Unmatched => put(side && wide > 2 * rule, 0.5),
        Verdict::Filtered => put(side && (y / rule).is_multiple_of(2), 0.25),
        Verdict::Expired => put((x / rule + y / rule).is_multiple_of(2), 0.2),
        Verdict::Undecodable | Verdict::Unkeyed | Verdict::Untimed | Verdict::Tombstone => {
            put((y / rule).is_multiple_of(2), 0.25)
        }
        Verdict::Open => put(side && wide > 2 * rule, 0.12),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::theme::Tokens;

    fn counts(of: &[(Verdict, u32)]) -> [u32; 10] {
        let mut counts = [0; 10];
        for (verdict, n) in of {
            counts[*verdict as usize] = *n;
        }
        counts
    }

    #[test]
    fn one_late_record_among_a_million_has_its_pixels() {
        let c = counts(&[(Verdict::Joined, 1_000_000), (Verdict::Late, 1)]);
        let parts = heights(&c, 1_000_000, 20, 3);
        assert_eq!(parts[0], 3);
        assert_eq!(parts.iter().sum::<usize>(), 20);
    }

    #[test]
    fn a_bar_with_a_late_record_is_no_higher_for_it() {
        let c = counts(&[(Verdict::Joined, 400), (Verdict::Late, 1)]);
        let parts = heights(&c, 800, 10, 3);
        assert_eq!((parts[0], parts.iter().sum::<usize>()), (3, 5));
        // Where there is next to nothing it is seen all the same.
        let alone = heights(&counts(&[(Verdict::Late, 1)]), 800, 10, 3);
        assert_eq!(alone.iter().sum::<usize>(), 3);
    }

    #[test]
    fn late_stands_at_the_base_of_its_bar_in_the_picture() {
        let t: &Tokens = &crate::window::theme::DARK;
        let buckets = [counts(&[(Verdict::Joined, 99), (Verdict::Late, 1)]), counts(&[])];
        let strip = Strip { top: 0, height: 20, buckets: &buckets, full: 100 };
        let image = raster([8, 20], &[strip], 1.0, t);
        let at = |x: usize, y: usize| image.pixels[y * 8 + x];
        assert_eq!(at(1, 19), t.verdict(Verdict::Late));
        assert_eq!(at(1, 5), t.verdict(Verdict::Joined));
        assert_eq!(at(5, 19), Color32::TRANSPARENT, "an empty bucket has no bar");
    }

    #[test]
    fn bars_of_equal_counts_look_the_same_at_every_scale() {
        let t: &Tokens = &crate::window::theme::DARK;
        let buckets = [counts(&[(Verdict::Unmatched, 100)]); 5];
        let strip = || Strip { top: 0, height: 8, buckets: &buckets, full: 100 };
        // Buckets of 4, 6 and 8 pixels, and where one of them has a pixel more.
        for (wide, dense) in [(20, 1.0), (30, 1.5), (33, 1.5), (40, 2.0), (43, 2.0)] {
            let image = raster([wide, 8], &[strip()], dense, t);
            let row = &image.pixels[4 * wide..5 * wide];
            let own = |n: usize| &row[n * wide / 5..][..wide / 5];
            let full = t.verdict(Verdict::Unmatched);
            assert_eq!(own(0)[0], full, "it has sides at {dense} × {wide}");
            assert_ne!(own(0)[dense as usize], full, "and a middle");
            assert_eq!(own(0)[wide / 5 - 1], Color32::TRANSPARENT, "and a gap");
            assert!((1..5).all(|n| own(n) == own(0)), "at {dense} × {wide}");
        }
    }

    #[test]
    fn a_bar_beyond_the_scale_says_so() {
        let t: &Tokens = &crate::window::theme::LIGHT;
        let buckets = [counts(&[(Verdict::Joined, 500)])];
        let strip = Strip { top: 2, height: 10, buckets: &buckets, full: 100 };
        let image = raster([4, 14], &[strip], 1.0, t);
        assert_eq!(image.pixels[2 * 4], t.text);
    }
}
