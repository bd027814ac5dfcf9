//! What the pointer is over, told in words.

use egui::{Response, Ui};
use joinscope_operator::time::format_duration;

use super::ask::{Gap, Line};
use super::draw::{Shown, called};
use super::scale::{Height, Vertical};
use crate::window::cx::Cx;
use crate::window::text::thousands;

/// A line is pointed at from so near, points.
const NEAR: f32 = 10.0;

/// Shows a tooltip at the pointer: the line under it, the join, and a gap.
pub fn point(_ui: &Ui, cx: &Cx<'_>, s: &Shown<'_>, height: &Height, response: &Response) {
    let Some(pos) = response.hover_pos() else { return };
    let i = s.bucket(pos.x);
    let Some(ms) = s.drawn.arrival_ms.get(i).copied().flatten() else { return };
    let at = |line: &Line| line.get(i).copied().flatten().map(|v| v.max);
    let say = |name: &str, value: i64| match s.vertical {
        Vertical::Lag => {
            let lag = ms.max.saturating_sub(value);
            let word = if lag < 0 { "ahead of" } else { "behind" };
            format!("{name}: {} {word} arrival", format_duration(lag.saturating_abs()))
        }
        Vertical::EventTime => format!("{name}: {}", cx.times.full(value)),
    };
    let mut text = cx.times.full(ms.max);
    let near = s.drawn.lanes.iter().filter_map(|(lane, line)| {
        let value = at(line)?;
        let y = height.y(s.vertical.value(ms.max, value));
        Some(((y - pos.y).abs(), *lane, value))
    });
    let near = near.min_by(|a, b| a.0.total_cmp(&b.0)).filter(|n| n.0 < NEAR);
    if let Some((_, lane, value)) = near {
        text += &format!("\n{}", say(&called(cx, lane), value));
    }
    if let Some(value) = at(&s.drawn.join) {
        text += &format!("\n{}", say("join", value));
    }
    if let Some(late) = s.drawn.late_density.get(i).filter(|n| **n > 0) {
        text += &format!("\n{} late", thousands(*late));
    }
    for gap in s.drawn.gaps.iter().filter(|g| is_at(cx, s, g, pos.x)).take(4) {
        text += &format!("\n{}", missing(cx, gap));
    }
    response.clone().on_hover_text_at_pointer(text);
}

fn is_at(cx: &Cx<'_>, s: &Shown<'_>, gap: &Gap, x: f32) -> bool {
    let from = s.axis.x_of(gap.arrivals.0, cx.clock) - 4.0;
    let to = s.axis.x_of(gap.arrivals.1, cx.clock) + 4.0;
    (from..=to).contains(&x)
}

/// A gap in words. A recording does not say which of the reasons it was.
fn missing(cx: &Cx<'_>, gap: &Gap) -> String {
    let lane = called(cx, gap.lane);
    let (from, to) = gap.offsets;
    let number = |n: i64| thousands(n.unsigned_abs());
    if from == to {
        format!(
            "{lane}: offset {} has no record: a transaction's marker, or compacted",
            number(from)
        )
    } else {
        format!(
            "{lane}: offsets {} to {} have no record: compacted, deleted, control records, or not recorded",
            number(from),
            number(to)
        )
    }
}
