//! What the vertical scale does not cover: arrows at its edge where it begins.

use egui::{Color32, Painter, Rect, Shape, Stroke, pos2};

use super::ask::Line;
use super::draw::Shown;
use super::reach::{Reach, ends};
use crate::window::theme::Tokens;

/// Half an arrow's width, and its height, points.
const ARROW: (f32, f32) = (4.0, 6.0);

/// An arrow at the edge of the plot that a value lies beyond, as the scale has it:
/// what is ahead at the top.
pub fn arrow(painter: &Painter, x: f32, ahead: bool, plot: Rect, colour: Color32) {
    let (half, high) = ARROW;
    let (tip, foot) = if ahead {
        (plot.top() + 1.0, plot.top() + 1.0 + high)
    } else {
        (plot.bottom() - 1.0, plot.bottom() - 1.0 - high)
    };
    let points = vec![pos2(x, tip), pos2(x + half, foot), pos2(x - half, foot)];
    painter.add(Shape::convex_polygon(points, colour, Stroke::NONE));
}

/// An arrow where a line leaves the scale.
pub fn marks(painter: &Painter, s: &Shown<'_>, plot: Rect, t: &Tokens) {
    if s.whole || s.drawn.beyond.count() == 0 {
        return;
    }
    for line in s.drawn.lanes.iter().map(|(_, line)| line).chain([&s.drawn.join]) {
        for (bucket, ahead) in leaves(line, &s.drawn.arrival_ms, &s.reach()) {
            arrow(painter, s.x(bucket), ahead, plot, t.second);
        }
    }
}

/// Buckets in which a line leaves the scale, and whether it goes ahead.
#[must_use]
pub fn leaves(line: &Line, clock: &Line, reach: &Reach) -> Vec<(usize, bool)> {
    let mut left = None;
    let mut found = Vec::new();
    for (bucket, (value, ms)) in line.iter().zip(clock).enumerate() {
        let lags = value.zip(*ms).map(|(v, ms)| ends(v, ms));
        let beyond = lags.and_then(|lags| lags.into_iter().rfind(|lag| !reach.covers(*lag)));
        let now = beyond.map(|lag| lag < 0);
        if now != left {
            found.extend(now.map(|ahead| (bucket, ahead)));
        }
        left = now;
    }
    found
}

#[cfg(test)]
mod tests {
    use joinscope_core::run::MinMax;

    use super::*;

    #[test]
    fn a_line_has_an_arrow_where_it_leaves_the_scale_and_not_all_along_it() {
        let at = |ms: i64| Some(MinMax { min: ms, max: ms });
        let clock: Line = (0..8).map(|n| at(n * 1_000)).collect();
        let year = 31_536_000_000;
        let line = vec![at(0), at(year), at(year), None, at(year), at(5_000), at(-year), at(-year)];
        let lags = super::super::reach::lags(&line[..1].to_vec(), &clock).collect();
        let reach = Reach::of(lags, Vec::new());
        assert_eq!(leaves(&line, &clock, &reach), [(1, true), (4, true), (6, false)]);
        assert!(leaves(&line, &clock, &Reach::ALL).is_empty());
    }
}
