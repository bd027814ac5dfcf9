//! Where the columns stand: equally wide where there is room, else as wide as what
//! they say needs.

use egui::{Color32, Rect, Ui};

use super::draw::{AGAINST, BUTTONS, COLUMNS};
use super::job::Known;
use crate::window::text::{short_count, thousands};
use crate::window::theme::{INSET, SMALL, fonts};

/// Between what was counted and what differs, points.
const GAP: f32 = 18.0;
/// Left of a figure, points: at least, with room, and at most.
const BETWEEN: [f32; 3] = [8.0, 14.0, 40.0];
/// The widest that a column becomes where all are alike.
const WIDEST: f32 = 92.0;
/// Room of the names: with room, and at least.
const NAMES: [f32; 2] = [236.0, 116.0];

/// Where columns stand.
pub struct Places {
    /// Room of the names.
    pub name: f32,
    /// Left and right edges.
    edges: Vec<(f32, f32)>,
    /// Whole figures have no room.
    short: bool,
}

impl Places {
    pub fn new(ui: &Ui, all: Rect, known: &Known) -> Self {
        let room = all.width() - 2.0 * INSET - BUTTONS - GAP;
        let mut needed = needs(ui, known, thousands);
        let short = needed.iter().map(|need| need + BETWEEN[0]).sum::<f32>() > room - NAMES[1];
        if short {
            needed = needs(ui, known, short_count);
        }
        let widths = widths(&needed, room);
        let name = (room - widths.iter().sum::<f32>()).max(NAMES[1]);
        let mut x = all.left() + INSET + name;
        let edge = |(i, width): (usize, f32)| {
            let left = x + if i == AGAINST { GAP } else { 0.0 };
            x = left + width;
            (left, x)
        };
        let edges = widths.into_iter().enumerate().map(edge).collect();
        Self { name, edges, short }
    }

    pub fn left(&self, i: usize) -> f32 {
        self.edges.get(i).map_or(0.0, |e| e.0)
    }

    pub fn right(&self, i: usize) -> f32 {
        self.edges.get(i).map_or(0.0, |e| e.1)
    }

    pub fn cell(&self, i: usize, row: Rect) -> Rect {
        Rect::from_x_y_ranges(self.left(i)..=self.right(i), row.y_range())
    }

    /// A figure as there is room for it; the whole is its name.
    pub fn figure(&self, n: u64) -> String {
        if self.short { short_count(n) } else { thousands(n) }
    }
}

/// The width below which figures would stand under each other and under the buttons,
/// points.
pub fn least(ui: &Ui, known: &Known) -> f32 {
    let columns: f32 = needs(ui, known, short_count).iter().map(|need| need + BETWEEN[0]).sum();
    columns + NAMES[1] + 2.0 * INSET + BUTTONS + GAP
}

/// What each column needs for its title and its figures, points.
fn needs(ui: &Ui, known: &Known, say: fn(u64) -> String) -> Vec<f32> {
    let wide =
        |text: String, font| ui.painter().layout_no_wrap(text, font, Color32::WHITE).size().x;
    let ran: Vec<_> = known.ended.iter().filter_map(|(_, r)| r.as_ref().ok()).collect();
    COLUMNS
        .iter()
        .map(|(title, _, count)| {
            let figures = ran.iter().filter_map(|f| count.of(f));
            let widest = figures.map(|n| wide(say(n), fonts::mono(SMALL + 0.5)));
            widest.fold(wide((*title).to_owned(), fonts::regular(SMALL)), f32::max)
        })
        .collect()
}

/// How wide the columns are in so much room, which the names share.
fn widths(needs: &[f32], room: f32) -> Vec<f32> {
    let n = needs.len().max(1) as f32;
    let alike = ((room - NAMES[0]) / n).min(WIDEST);
    if needs.iter().all(|need| need + BETWEEN[1] <= alike) {
        return vec![alike; needs.len()];
    }
    let spare = (room - NAMES[1] - needs.iter().sum::<f32>()) / n;
    let between = spare.clamp(BETWEEN[0], BETWEEN[2]);
    needs.iter().map(|need| need + between).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_keep_off_each_other_where_there_is_little_room() {
        let needs = [45.0, 45.0, 38.0, 43.0, 40.0, 40.0, 45.0, 40.0, 46.0];
        for (room, alike) in [(1_100.0, true), (882.0, true), (590.0, false)] {
            let widths = widths(&needs, room);
            assert_eq!(widths.windows(2).all(|w| (w[0] - w[1]).abs() < 0.01), alike, "{widths:?}");
            let between = needs.iter().zip(&widths).map(|(need, width)| width - need);
            assert!(
                between.fold(f32::INFINITY, f32::min) >= BETWEEN[0] - 0.01,
                "{room}: {widths:?}"
            );
            assert!(room - widths.iter().sum::<f32>() >= NAMES[1] - 0.01, "{room}: {widths:?}");
        }
    }
}
