//! Names of lines: each near its line and on none.

use std::sync::Arc;

use egui::{CornerRadius, Pos2, Rangef, Rect, pos2, vec2};

use super::ask::{Late, Line};
use super::draw::Shown;
use super::scale::Height;
use crate::window::cx::Cx;
use crate::window::theme::{SMALL, Tokens, fonts};

/// Around a name, points.
pub const NAME: egui::Vec2 = vec2(3.0, 0.0);

/// Where a line's name stands first, if there is room on both sides.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Over,
    Under,
}

/// Names of lines, each near its line and on none, nor on a late record; painted once
/// nothing else is painted over them.
pub struct Names<'a> {
    painter: &'a egui::Painter,
    pub plot: Rect,
    pub s: &'a Shown<'a>,
    height: &'a Height,
    /// Where late records stand.
    late: Vec<Pos2>,
    pub placed: Vec<(Rect, Arc<egui::Galley>)>,
}

impl<'a> Names<'a> {
    #[must_use]
    pub fn new(
        painter: &'a egui::Painter,
        cx: &Cx<'_>,
        plot: Rect,
        s: &'a Shown<'a>,
        height: &'a Height,
    ) -> Self {
        let at = |late: &Late| {
            let value = s.vertical.value(late.arrival_ms, late.event_time);
            pos2(s.axis.x_of(late.arrival, cx.clock), height.y(value))
        };
        let late = s.drawn.late.iter().map(at).collect();
        Self { painter, plot, s, height, late, placed: Vec::new() }
    }

    pub fn paint(self, t: &Tokens) {
        for (ground, galley) in self.placed {
            let colour = t.under_words();
            self.painter.rect_filled(ground, CornerRadius::same(3), colour);
            self.painter.galley(ground.min + vec2(NAME.x, 0.0), galley, t.text);
        }
    }

    pub fn galley(&self, text: &str, colour: egui::Color32) -> Arc<egui::Galley> {
        self.painter.layout_no_wrap(text.to_owned(), fonts::regular(SMALL), colour)
    }

    /// Heights of a line in some buckets.
    fn heights(&self, line: &Line, x: Rangef) -> Option<Rangef> {
        let (from, to) = (self.s.bucket(x.min), self.s.bucket(x.max));
        let both = line.iter().zip(&self.s.drawn.arrival_ms);
        let mut found: Option<Rangef> = None;
        for (v, ms) in both.take(to + 1).skip(from) {
            let (Some(v), Some(ms)) = (v, ms) else { continue };
            for (ms, v) in [(ms.min, v.min), (ms.max, v.max)] {
                let y = self.height.y(self.s.vertical.value(ms, v));
                let so_far = found.unwrap_or(Rangef::new(y, y));
                found = Some(Rangef::new(so_far.min.min(y), so_far.max.max(y)));
            }
        }
        found
    }

    /// Whether no name and no late record stands there and no line goes through.
    pub fn is_free(&self, place: Rect) -> bool {
        let d = self.s.drawn;
        let inside = self.plot.top() <= place.top() && place.bottom() <= self.plot.bottom();
        let lines = || d.lanes.iter().map(|(_, line)| line).chain(&d.inputs).chain([&d.join]);
        let hit = |line| {
            let y = self.heights(line, place.x_range());
            y.is_some_and(|y| y.min < place.bottom() && place.top() < y.max)
        };
        let late = || self.late.iter().any(|at| place.contains(*at));
        inside && !self.is_taken(place) && !late() && !lines().any(hit)
    }

    fn is_taken(&self, place: Rect) -> bool {
        self.placed.iter().any(|(other, _)| other.intersects(place))
    }

    /// What the bars at the foot are, above them.
    pub fn at_foot(&mut self, text: &str, t: &Tokens) {
        let galley = self.galley(text, t.second);
        let size = galley.size();
        let at = pos2(self.plot.left() + 4.0, self.plot.bottom() - size.y - 20.0);
        let place = Rect::from_min_size(at, size).expand2(NAME);
        if self.is_free(place) {
            self.placed.push((place, galley));
        }
    }

    /// A line's name, at its right part or where there is room; where there is none
    /// it stands on what is in its way, but on no other name.
    pub fn add(&mut self, line: &Line, text: &str, side: Side, t: &Tokens) {
        if let Some(place) = self.add_if_free(line, text, side, t) {
            let galley = self.galley(text, t.text);
            self.placed.push((place, galley));
        }
    }

    /// The same only where there is room; else where it would have to stand.
    pub fn add_if_free(&mut self, line: &Line, text: &str, side: Side, t: &Tokens) -> Option<Rect> {
        /// Where it may begin, twelfths of the line.
        const PARTS: [usize; 11] = [10, 11, 9, 8, 7, 6, 5, 4, 3, 2, 1];
        let galley = self.galley(text, t.text);
        let size = galley.size();
        let mut fallback = None;
        for part in PARTS {
            let left = self.s.x(line.len() * part / 12).min(self.plot.right() - size.x - 2.0);
            let x = Rangef::new(left, left + size.x).expand(NAME.x);
            let Some(y) = self.heights(line, x) else { continue };
            let (over, under) = (y.min - size.y - 4.0, y.max + 4.0);
            let tops = if side == Side::Over { [over, under] } else { [under, over] };
            let places = tops.map(|top| Rect::from_min_size(pos2(left, top), size).expand2(NAME));
            if let Some(place) = places.into_iter().find(|p| self.is_free(*p)) {
                self.placed.push((place, galley));
                return None;
            }
            let inside = |p: &Rect| self.plot.contains_rect(p.shrink(1.0)) && !self.is_taken(*p);
            fallback = fallback.or_else(|| places.into_iter().find(inside));
        }
        fallback
    }
}
