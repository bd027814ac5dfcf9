//! What records need, over time, as a picture of densities: a texel a column and step
//! of the scale, two rows above it for what no value is enough for and for what needs
//! more than it shows, and one below it for what needs less.

use egui::{Color32, ColorImage};
use joinscope_core::run::NEVER;
use joinscope_operator::verdict::Verdict;

use super::bins::edge;
use super::cells::{HEIGHTS, step, step_from};
use super::counts::NO_VALUE;
use super::index::Target;
use super::{Focus, Shown, inputs_of};
use crate::window::axis::Axis;
use crate::window::cx::Cx;
use crate::window::theme::Tokens;

/// Points of a column of the picture.
const COLUMN: f32 = 2.0;

/// What the picture shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Painted {
    pub version: (u64, u64),
    pub axis: Axis,
    pub target: Target,
    pub focus: Focus,
    pub steps: (u16, u16),
    /// Steps above it are late.
    pub bound: u16,
    pub dark: bool,
}

/// The picture's lowest step and the one past its highest, from the slider's ends.
pub fn steps(ends: (u16, u16)) -> (u16, u16) {
    // The last edge of all is [`NEVER`], which has no height.
    let height = |bin: u16| step(edge(bin).min(NEVER - 1));
    (height(ends.0), height(ends.1) + 1)
}

/// Rows of the picture that stand on the scale.
pub fn scaled_rows(steps: (u16, u16)) -> usize {
    usize::from(steps.1.saturating_sub(steps.0)).max(1)
}

/// The row of what no value is enough for, that of what needs more than is on the
/// scale, and the first of those on it.
pub const NEVER_ROW: usize = 0;
pub const BEYOND_ROW: usize = 1;
pub const FIRST_ROW: usize = 2;

/// All rows: the last is of what needs less than is on the scale.
pub fn texture_rows(steps: (u16, u16)) -> usize {
    FIRST_ROW + scaled_rows(steps) + 1
}

/// The picture's row of a height.
fn row_of(step: u16, steps: (u16, u16)) -> usize {
    match step.checked_sub(steps.0) {
        _ if step == NO_VALUE => NEVER_ROW,
        None => texture_rows(steps) - 1,
        Some(above) if usize::from(above) >= scaled_rows(steps) => BEYOND_ROW,
        Some(above) => FIRST_ROW + scaled_rows(steps) - 1 - usize::from(above),
    }
}

/// The least height in a row of the picture that is on the scale or above it; below it
/// the one below.
fn step_of(row: usize, steps: (u16, u16)) -> u16 {
    match (FIRST_ROW + scaled_rows(steps) - 1).checked_sub(row) {
        _ if row == NEVER_ROW => NO_VALUE,
        None => steps.0.saturating_sub(1),
        Some(above) => steps.0 + above as u16,
    }
}

/// A texel a column and step; brighter where there are more.
pub fn raster(of: &Painted, cx: &Cx<'_>, s: &Shown<'_>, t: &Tokens) -> ColorImage {
    let columns = (of.axis.width / COLUMN).ceil().max(1.0) as usize;
    let rows = texture_rows(of.steps);
    let mut counts = vec![0.0f32; columns * rows];
    let inputs = inputs_of(cx);
    let (first, last) = cx.view;
    let view = first.saturating_sub(s.index.block)..=last;
    let worths: Vec<f32> = (0..HEIGHTS).map(worth).collect();
    // Those of a block follow one another and share a column.
    let mut newest = None;
    for (arrival, step, n) in s.index.cells(of.target, &|lane| s.has(lane, &inputs)) {
        if !view.contains(&arrival) {
            continue;
        }
        let column = match newest {
            Some((block, column)) if block == arrival => column,
            _ => {
                let x = of.axis.x_of(arrival.max(first), cx.clock) - of.axis.left;
                ((x / COLUMN).max(0.0) as usize).min(columns - 1)
            }
        };
        newest = Some((arrival, column));
        let worth = worths.get(usize::from(step)).copied().unwrap_or(1.0);
        let row = match row_of(step, of.steps) {
            // Of a partition that is kept with its input's others, none of its own.
            BEYOND_ROW if s.beyond == 0 => FIRST_ROW,
            row => row,
        };
        counts[row * columns + column] += n as f32 * worth;
    }
    // Below the scale there may be more than anywhere on it.
    let scaled = counts.iter().take((rows - 1) * columns);
    let most = scaled.copied().fold(1.0, f32::max);
    let mut image = ColorImage::filled([columns, rows], Color32::TRANSPARENT);
    for (row, line) in counts.chunks(columns).enumerate() {
        let late = step_of(row, of.steps) >= of.bound;
        let colour = if late { t.verdict(Verdict::Late) } else { t.third };
        for (column, n) in line.iter().enumerate().filter(|(_, n)| **n > 0.0) {
            let part = ((1.0 + *n).ln() / (1.0 + most).ln()).min(1.0);
            // One late record among many is as plain as a thousand.
            let least = if late { 0.65 } else { 0.25 };
            image.pixels[row * columns + column] =
                colour.gamma_multiply(least + (1.0 - least) * part);
        }
    }
    image
}

/// What a record counts in the picture: among few milliseconds a step holds one whole
/// one or two by turns, which would look like stripes in the data.
fn worth(step: u16) -> f32 {
    let (from, to) = (step_from(step), step_from(step.saturating_add(1)));
    let whole = to.ceil() - from.ceil();
    if whole >= 1.0 { ((to - from) / whole) as f32 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::super::bins::bin;
    use super::*;

    #[test]
    fn a_need_of_almost_all_there_is_leaves_a_picture_of_few_rows() {
        // A field of digits read as an event time leaves all that follows so late.
        let ends = (bin(10), bin(i64::MAX - 1));
        assert_eq!(edge(ends.1), NEVER, "the edge is beyond all");
        assert_eq!(steps(ends), (step(10), step(NEVER - 1) + 1));
        assert!(steps(ends).1 < 400);
    }

    #[test]
    fn what_is_not_on_the_scale_has_a_row_of_its_own() {
        let of = steps((bin(3_000), bin(300_000)));
        let last = texture_rows(of) - 1;
        assert_eq!(row_of(NO_VALUE, of), NEVER_ROW);
        assert_eq!([row_of(step(10), of), row_of(step(1_000), of)], [last, last]);
        let ends = [row_of(step(3_000), of), row_of(step(300_000), of)];
        assert_eq!(ends, [last - 1, FIRST_ROW]);
        for far in [400_000, 31_536_000_000, NEVER - 1] {
            assert_eq!(row_of(step(far), of), BEYOND_ROW, "{far} ms");
        }
        for row in 0..=last {
            assert_eq!(row_of(step_of(row, of), of), row, "row {row}");
        }
    }

    #[test]
    fn needs_that_are_spread_evenly_leave_no_stripes() {
        for s in step(10)..step(200) {
            // One record needs each millisecond.
            let n = (1..400).filter(|ms| step(*ms) == s).count() as f32;
            let even = (step_from(s + 1) - step_from(s)) as f32;
            assert!((n * worth(s) - even).abs() < 1e-3, "{n} records at {} ms", step_from(s));
        }
    }
}
