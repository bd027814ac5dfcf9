//! Which part of the diagram is in sight: keys move it, the node that they choose
//! comes into it, and a bar says that lanes are hidden.

use egui::{Key, Modifiers, Pos2, Rangef, Rect, Ui};

use super::draw::{PAD, Placed, State};
use crate::window::panels::lane_bar::lane_bar;

/// Lanes that are none of a partition: engine, sink and epochs.
const OWN: usize = 3;

impl State {
    /// Moves no more than it takes to have a node in sight, with its lane.
    pub(super) fn reveal(&mut self, p: &Placed<'_>, at: Pos2) {
        let room = p.plot.x_range().shrink(PAD);
        let points = f64::from(room.span().max(1.0));
        let part = f64::from(beyond(Rangef::point(at.x), room)) / points;
        if part != 0.0 && p.view.1 < 1.0 {
            let from = (p.view.0 + part * p.view.1).clamp(0.0, 1.0 - p.view.1);
            self.view = Some((from, p.view.1));
        }
        let by = beyond(Rangef::point(at.y).expand(p.height / 2.0), p.plot.y_range());
        self.top = (self.top + by).clamp(0.0, p.hidden);
    }

    /// Keys that move what is in sight: how far to the right, in parts of it. Lanes that
    /// do not all fit go up and down.
    pub(super) fn pan(&mut self, ui: &Ui, p: &Placed<'_>) -> f64 {
        let pressed = |modifiers, key| ui.input_mut(|i| i.consume_key(modifiers, key));
        for (key, lanes) in [(Key::ArrowUp, -1.0), (Key::ArrowDown, 1.0)] {
            if p.hidden > 0.0 && pressed(Modifiers::NONE, key) {
                self.top = (self.top + lanes * p.height).clamp(0.0, p.hidden);
            }
        }
        let ways = [(Key::ArrowLeft, -0.1), (Key::ArrowRight, 0.1)];
        ways.into_iter().filter(|(key, _)| pressed(Modifiers::SHIFT, *key)).map(|(_, by)| by).sum()
    }

    /// The bar at the right, where lanes are hidden.
    pub(super) fn lane_bar(&mut self, ui: &Ui, p: &Placed<'_>, rect: Rect) {
        let area = Rect::from_x_y_ranges(rect.x_range(), p.plot.y_range());
        let lanes = p.lanes.len() + OWN;
        let first = (p.top / p.height) as usize + 1;
        let said = format!("lane {first} of {lanes}");
        lane_bar(ui, area, lanes as f32 * p.height, &mut self.top, &said);
    }
}

/// How far what lies between two places reaches beyond a range: below 0 at its begin.
fn beyond(what: Rangef, range: Rangef) -> f32 {
    let before = what.min - range.min;
    if before < 0.0 { before } else { (what.max - range.max).max(0.0) }
}
