//! The cheat sheet: every shortcut, by group, and the keys of tables and axes.

use egui::{Context, Ui};

use super::modal;
use crate::window::command::{bindings, keys_text};
use crate::window::theme::{SMALL, TEXT, Tokens, fonts};
use crate::window::widgets::{button, growing, text};

/// Keys of what has the focus, which are no commands.
const FOCUSED: [(&str, &str); 7] = [
    ("Tab, Shift+Tab", "To the next or previous control"),
    ("↑ ↓, Page Up, Page Down", "In a table: move the row"),
    ("Home, End", "In a table: the first or last row"),
    ("← →, Space", "In a table: choose a title, sort by it"),
    ("Enter", "Select the row; press the button"),
    ("← →", "On a time axis: one record back or on"),
    ("Escape", "Close a menu or dialog"),
];

/// Keys of panels that have the focus; said where something is open.
const IN_PANELS: [(&str, &str); 11] = [
    ("Ctrl+C", "Table: copy the row as JSON"),
    ("Page Up, Page Down", "Time axis: further back or on"),
    ("Shift+←, Shift+→", "Time axis, causality: move the view"),
    ("Plus, Minus", "Time axis, causality: zoom"),
    ("0", "Time axis, causality: show all"),
    ("↑ ↓, Enter", "Timeline: choose a row, open it"),
    ("← →", "Epochs: to the one before or after"),
    ("← →, Enter", "Causality: from node to node"),
    ("↑ ↓", "Causality: to lanes out of sight"),
    ("Arrows, Enter", "Gap: move it, halve the room"),
    ("Delete", "What is open, bookmark: remove it"),
];

/// Room of the scroll bar: no words under it.
const BAR: f32 = 16.0;
const WIDTH: f32 = 860.0 + BAR;
/// What one of two columns needs so that no keys are cut, points.
const SIDE: f32 = 400.0;

/// Shows the sheet; says whether it is done. `open`: there are panels.
pub fn show(ctx: &Context, open: bool) -> bool {
    let mut close = false;
    let width = WIDTH.min(ctx.content_rect().width() - 40.0);
    let columns = if width < 2.0 * SIDE { 1 } else { 2 };
    let left = modal(ctx, "Shortcuts", width, |ui| {
        let groups = groups(ctx, open);
        let height = (ctx.content_rect().height() - 200.0).clamp(200.0, 640.0);
        growing(ui, height, |ui| {
            ui.set_max_width(ui.available_width() - BAR);
            // Columns of about the same length.
            let lines: usize = groups.iter().map(|(_, rows)| rows.len() + 2).sum();
            let mut sides: Vec<Vec<usize>> = vec![Vec::new(); columns];
            let mut so_far = 0;
            for (n, (_, rows)) in groups.iter().enumerate() {
                sides[(so_far * columns / lines).min(columns - 1)].push(n);
                so_far += rows.len() + 2;
            }
            ui.columns(columns, |columns| {
                for (ui, side) in columns.iter_mut().zip(sides) {
                    for n in side {
                        group(ui, &groups[n].0, &groups[n].1);
                    }
                }
            });
        });
        ui.add_space(8.0);
        close = button("Close").show(ui).clicked();
    });
    close || left
}

type Group = (String, Vec<(String, String)>);

/// Keys of one command stand in one line.
fn groups(ctx: &Context, open: bool) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for bound in bindings() {
        let keys = keys_text(ctx, bound.keys);
        let there = groups.iter().position(|(name, _)| name == bound.group);
        let at = there.unwrap_or_else(|| {
            groups.push((bound.group.to_owned(), Vec::new()));
            groups.len() - 1
        });
        let rows = &mut groups[at].1;
        match rows.iter_mut().find(|(_, title)| title == bound.title) {
            Some((all, _)) => all.push_str(&format!(", {keys}")),
            None => rows.push((keys, bound.title.to_owned())),
        }
    }
    let said = |&(keys, title): &(&str, &str)| (keys.to_owned(), title.to_owned());
    groups.push(("What has the focus".to_owned(), FOCUSED.iter().map(said).collect()));
    if open {
        groups.push(("Panels that have it".to_owned(), IN_PANELS.iter().map(said).collect()));
    }
    groups
}

fn group(ui: &mut Ui, name: &str, rows: &[(String, String)]) {
    let t = Tokens::of(ui.ctx());
    text(ui, name, fonts::semibold(TEXT), t.text);
    ui.spacing_mut().item_spacing.y = 2.0;
    for (keys, title) in rows {
        ui.horizontal(|ui| {
            let width = ui.available_width();
            ui.scope(|ui| {
                ui.set_width((width * 0.42).floor());
                text(ui, keys, fonts::mono(SMALL), t.second);
            });
            text(ui, title, fonts::regular(TEXT), t.text).on_hover_text(title);
        });
    }
    ui.add_space(12.0);
}
