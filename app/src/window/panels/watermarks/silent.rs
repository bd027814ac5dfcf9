//! Ranges in which partitions gave nothing: shaded, and said.

use egui::{Rect, pos2};
use joinscope_operator::time::format_duration;

use super::draw::{Shown, called};
use super::names::{NAME, Names};
use crate::window::cx::Cx;
use crate::window::theme::Tokens;

/// A range in which partitions were silent: buckets, whose, and how long, ms.
pub struct Shaded {
    from: usize,
    to: usize,
    lanes: Vec<u32>,
    long: i64,
}

/// Ranges in which partitions were silent, the longest; those that touch are one.
pub fn shaded(s: &Shown<'_>) -> Vec<Shaded> {
    /// So many are shown.
    const MOST: usize = 3;
    let mut ranges: Vec<Shaded> = Vec::new();
    for silence in &s.drawn.silences {
        let touches = |r: &Shaded| r.from < silence.to && silence.from < r.to;
        if let Some(range) = ranges.iter_mut().find(|r| touches(r)) {
            range.from = range.from.min(silence.from);
            range.to = range.to.max(silence.to);
            range.long = range.long.max(silence.long);
            range.lanes.push(silence.lane);
        } else if ranges.len() < MOST {
            let (from, to, long) = (silence.from, silence.to, silence.long);
            ranges.push(Shaded { from, to, lanes: vec![silence.lane], long });
        }
    }
    ranges.sort_unstable_by_key(|r| r.from);
    ranges
}

impl Shaded {
    /// `engagements[2] silent for 4m 47s`.
    pub fn said(&self, cx: &Cx<'_>) -> String {
        let who = self.lanes.first().map(|lane| called(cx, *lane)).unwrap_or_default();
        match self.lanes.len() {
            0 | 1 => format!("{who} silent for {}", self.long()),
            n => format!("{who} and {} more silent for up to {}", n - 1, self.long()),
        }
    }

    /// To the second that is nearest, as the panel's sentence says it.
    fn long(&self) -> String {
        format_duration(self.long.saturating_add(500) / 1_000 * 1_000)
    }
}

/// Paints the ranges.
pub fn shade(painter: &egui::Painter, s: &Shown<'_>, ranges: &[Shaded], plot: Rect, t: &Tokens) {
    // Where two have grown into each other the ground is not shaded twice.
    let mut done = 0;
    for range in ranges {
        let from = range.from.max(done);
        if from < range.to {
            let at = Rect::from_x_y_ranges(s.x(from)..=s.x(range.to), plot.y_range());
            painter.rect_filled(at, 0, t.shade());
            done = range.to;
        }
    }
}

/// Says of each shaded range what it is, as far as there is room.
pub fn names(names: &mut Names<'_>, cx: &Cx<'_>, shaded: &[Shaded], t: &Tokens) {
    for range in shaded {
        let long = range.long();
        let texts = match range.lanes.len() {
            0 | 1 => [range.said(cx), format!("silent {long}"), "silent".to_owned()],
            n => [range.said(cx), format!("{n} silent, up to {long}"), format!("{n} silent")],
        };
        let (left, right) = (names.s.x(range.from) + 4.0, names.s.x(range.to) - 4.0);
        for (i, text) in texts.iter().enumerate() {
            let galley = names.galley(text, t.second);
            // The whole of it may reach over the edge.
            let right = if i == 0 { right.max(names.plot.right() - 4.0) } else { right };
            if galley.size().x > right - left {
                continue;
            }
            let size = galley.size();
            let (top, bottom) = (names.plot.top(), names.plot.bottom() - size.y);
            // Over the late records at the foot only where nothing else is free.
            let tops = [top + 2.0, bottom - 24.0, top.midpoint(bottom), bottom - 2.0];
            let lefts = [left, (names.s.x(range.to) - 4.0 - size.x).max(left)];
            let mut places = tops.into_iter().flat_map(|top| lefts.map(|left| pos2(left, top)));
            let place = places.find_map(|min| {
                let place = Rect::from_min_size(min, size).expand2(NAME);
                names.is_free(place).then_some(place)
            });
            if let Some(place) = place {
                names.placed.push((place, galley));
                break;
            }
        }
    }
}
