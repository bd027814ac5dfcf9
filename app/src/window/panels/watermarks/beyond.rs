//! What the vertical scale does not cover: arrows at its edge where it begins.

use egui::{Color32, Painter, Rect, Shape, Stroke, pos2};

use super::ask::Line;
use super::draw::Shown;
use super::scale::Vertical;
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
        for (bucket, ahead) in leaves(line, s) {
            arrow(painter, s.x(bucket), ahead, plot, t.second);
        }
    }
}

/// Buckets in which a line leaves the scale, and whether it goes ahead.
fn leaves(line: &Line, s: &Shown<'_>) -> Vec<(usize, bool)> {
    let reach = s.reach();
    let mut left = None;
    let mut found = Vec::new();
    for (bucket, (value, ms)) in line.iter().zip(&s.drawn.arrival_ms).enumerate() {
        let (Some(v), Some(ms)) = (value, ms) else {
            left = None;
            continue;
        };
        let lags = [Vertical::Lag.value(ms.min, v.min), Vertical::Lag.value(ms.max, v.max)];
        let now = lags.into_iter().rfind(|lag| !reach.covers(*lag)).map(|lag| lag < 0);
        if now.is_some() && now != left {
            found.extend(now.map(|ahead| (bucket, ahead)));
        }
        left = now;
    }
    found
}
