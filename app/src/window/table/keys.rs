//! The keys of a table that has the focus: rows up and down, titles that sort left
//! and right, which Escape or a key of the rows lets go. No row and no title has the
//! focus itself, so Tab leaves the table.

use egui::{Key, Modifiers, Response, Ui};

use super::{Head, Position, Sort, Table};
use crate::window::theme::ROW;

impl Table {
    pub(super) fn keys(
        &mut self,
        ui: &Ui,
        response: &Response,
        heads: &[Head],
        len: u64,
        height: f32,
        last: Position,
    ) {
        if response.clicked() {
            response.request_focus();
        }
        if !response.has_focus() || len == 0 {
            return;
        }
        let sorts = |i: &usize| heads.get(*i).is_some_and(|h| h.sort != Sort::Never);
        let has_titles = (0..heads.len()).any(|i| sorts(&i));
        if has_titles {
            let pressed = |key| ui.input_mut(|i| i.consume_key(Modifiers::NONE, key));
            if pressed(Key::ArrowLeft) {
                let before = 0..self.title.unwrap_or(heads.len());
                self.title = before.rev().find(sorts).or(self.title);
            }
            if pressed(Key::ArrowRight) {
                let mut after = self.title.map_or(0, |i| i + 1)..heads.len();
                self.title = after.find(sorts).or(self.title);
            }
        }
        if self.title.is_some() && ui.input_mut(|i| i.consume_key(Modifiers::NONE, Key::Escape)) {
            self.title = None;
        }
        let page = (height / ROW).floor().max(1.0) as i64;
        let moves = [
            (Key::ArrowUp, -1),
            (Key::ArrowDown, 1),
            (Key::PageUp, -page),
            (Key::PageDown, page),
            (Key::Home, i64::MIN),
            (Key::End, i64::MAX),
        ];
        for (key, by) in moves {
            if ui.input_mut(|i| i.consume_key(Modifiers::NONE, key)) {
                self.title = None;
                let from = self.active.unwrap_or(self.position.row);
                let to = from.saturating_add_signed(by).min(len - 1);
                self.active = Some(to);
                self.show_near(to, height, last);
            }
        }
        let filter = egui::EventFilter {
            vertical_arrows: true,
            horizontal_arrows: has_titles,
            // Else it takes the focus away, before the title is let go.
            escape: self.title.is_some(),
            ..egui::EventFilter::default()
        };
        ui.memory_mut(|m| m.set_focus_lock_filter(response.id, filter));
    }

    /// Scrolls no more than it takes to have the whole row in sight.
    fn show_near(&mut self, row: u64, height: f32, last: Position) {
        let whole = (height / ROW).floor().max(1.0) as u64;
        if row < self.position.row || (row == self.position.row && self.position.pixels > 0.0) {
            self.position = Position { row, pixels: 0.0 };
        } else if row >= self.position.row + whole {
            // The row's lower edge at the table's.
            let at = Position::last(row + 1, height);
            self.position = if (at.row, at.pixels) > (last.row, last.pixels) { last } else { at };
        }
    }
}
