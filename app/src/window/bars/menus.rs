//! The window's menus, and the rows that every menu is made of.

use egui::{Align2, Popup, Response, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use super::top::{Shown, WIDE_MENU, runs};
use crate::window::app::App;
use crate::window::command::{Asked, Command, Export, shortcut_text};
use crate::window::panel::{Home, Panel};
use crate::window::text::{elide, line};
use crate::window::theme::fonts::icon;
use crate::window::theme::{BUTTON_RADIUS, ROW, SMALL, TEXT, Tokens, fonts};
use crate::window::widgets::{button, menu_rows};

/// Room left of a row's text, for its check or icon.
const MARK: f32 = 26.0;

/// Rows of the main menu at most, those between groups among them; the runs that it may
/// list have their own room.
const MAIN: usize = 16;
/// Rows of the other one beside those of named layouts.
const PANELS_AND_LAYOUTS: usize = Panel::ALL.len() + 7;
/// How wide it is where it has no room for them, points.
const WIDE: f32 = 320.0;

/// Shows the buttons that open them.
pub fn show(app: &mut App, ui: &mut Ui) {
    let response = button("Joinscope").plain().caret().name("Menu").show(ui);
    Popup::menu(&response).show(|ui| menu_rows(ui, MAIN, WIDE_MENU, |ui| main(app, ui)));
    if !app.doc.is_empty() {
        let response = button("View").plain().caret().show(ui);
        Popup::menu(&response).close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside).show(
            |ui| {
                let rows = PANELS_AND_LAYOUTS + app.layouts.saved().len();
                menu_rows(ui, rows, WIDE, |ui| view(app, ui));
            },
        );
    }
}

fn main(app: &mut App, ui: &mut Ui) {
    ui.set_min_width(220.0);
    item(app, ui, "Open…", Command::ShowOpen);
    if app.doc.recording.is_some() {
        item(app, ui, "New pipeline from the recording…", Command::NewPipeline);
        item(app, ui, "Save as an incident…", Command::Export(Export::Incident));
    }
    if !app.doc.is_empty() {
        item(app, ui, "Close", Command::Close);
    }
    cut(app, ui);
    ui.separator();
    item(app, ui, "Settings…", Command::ShowSettings);
    item(app, ui, "Larger", Command::Zoom(1));
    item(app, ui, "Smaller", Command::Zoom(-1));
    ui.separator();
    item(app, ui, "Search or run a command…", Command::ShowPalette);
    item(app, ui, "Shortcuts", Command::ShowShortcuts);
    item(app, ui, "About", Command::ShowAbout);
    item(app, ui, "Quit", Command::Quit);
}

/// What the bar has no room for.
fn cut(app: &mut App, ui: &mut Ui) {
    let shown = Shown::last(ui);
    if !shown.pipeline && app.doc.pipeline.is_some() {
        ui.separator();
        item(app, ui, "Edit the pipeline…", Command::EditPipeline);
    }
    if !shown.run && app.doc.run.is_some() {
        ui.separator();
        runs(app, ui);
    }
}

/// Every panel that has something to show, checked where it is in sight.
fn view(app: &mut App, ui: &mut Ui) {
    ui.set_min_width(240.0);
    let mut home = None;
    for panel in Panel::ALL {
        let about = panel.about();
        if !panel.is_met_by(&app.doc) {
            continue;
        }
        let group = matches!(about.home, Home::Left | Home::Right);
        if home.is_some_and(|h| h != group) {
            ui.separator();
        }
        home = Some(group);
        let command = Command::TogglePanel(panel);
        let row = Row {
            label: about.title,
            icon: Some(about.icon),
            checked: Some(app.layout.is_in_sight(panel)),
            shortcut: shortcut_text(ui.ctx(), &command),
        };
        if row.show(ui).on_hover_text(about.says).clicked() {
            app.commands.push(command);
        }
    }
    layouts(app, ui);
}

/// Layouts: back, forward, by name.
fn layouts(app: &mut App, ui: &mut Ui) {
    ui.separator();
    let steps = [
        ("Undo layout", Command::Undo, app.undo.can_undo()),
        ("Redo layout", Command::Redo, app.undo.can_redo()),
    ];
    for (label, command, possible) in steps {
        if possible {
            item(app, ui, label, command);
        }
    }
    item(app, ui, "Reset the layout", Command::ResetLayout);
    item(app, ui, "Save the layout as…", Command::Ask(Asked::LayoutName));
    let names: Vec<String> = app.layouts.saved().iter().map(|n| n.name.clone()).collect();
    if names.is_empty() {
        return;
    }
    ui.separator();
    for name in names {
        let label = elide(&line(&name), 32);
        item(app, ui, &label, Command::UseLayout(name));
    }
}

/// A row that asks for a command and closes its menu.
pub fn item(app: &mut App, ui: &mut Ui, label: &str, command: Command) {
    let shortcut = shortcut_text(ui.ctx(), &command);
    if (Row { label, icon: None, checked: None, shortcut }).show(ui).clicked() {
        app.commands.push(command);
        ui.close();
    }
}

/// A row of a menu with words only.
#[must_use]
pub fn row(label: &str) -> Row<'_> {
    Row { label, icon: None, checked: None, shortcut: None }
}

/// A row of a menu of which one is chosen: told by a check, not by colour alone.
pub fn choice(ui: &mut Ui, on: bool, label: &str) -> Response {
    let response = Row { label, icon: None, checked: Some(on), shortcut: None }.show(ui);
    response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, on, label));
    response
}

/// A row of a menu.
pub struct Row<'a> {
    pub label: &'a str,
    pub icon: Option<&'a str>,
    /// Where it can be on or off.
    pub checked: Option<bool>,
    pub shortcut: Option<String>,
}

impl Row<'_> {
    /// Lays the row out over the menu's width and paints it.
    pub fn show(self, ui: &mut Ui) -> Response {
        let t = Tokens::of(ui.ctx());
        let painter = ui.painter().clone();
        let label = painter.layout_no_wrap(self.label.to_owned(), fonts::regular(TEXT), t.text);
        let shortcut = self.shortcut.unwrap_or_default();
        let keys = painter.layout_no_wrap(shortcut.clone(), fonts::mono(SMALL), t.third);
        let left = if self.checked.is_some() || self.icon.is_some() { MARK } else { 8.0 };
        let room = if self.checked.is_some() && self.icon.is_some() { MARK - 4.0 } else { 0.0 };
        let least = left + room + label.size().x + 24.0 + keys.size().x + 8.0;
        // A menu is as wide as its widest row, which is looked for first.
        let given = if ui.is_sizing_pass() { 0.0 } else { ui.available_width() };
        let size = vec2(given.max(least), ROW);
        let (rect, response) = ui.allocate_exact_size(size, Sense::click());
        response.widget_info(|| match self.checked {
            Some(on) => WidgetInfo::selected(Role::CheckBox, true, on, self.label),
            None => WidgetInfo::labeled(Role::Button, true, self.label),
        });
        if !shortcut.is_empty() {
            let told = |node: &mut egui::accesskit::Node| node.set_keyboard_shortcut(shortcut);
            ui.ctx().accesskit_node_builder(response.id, told);
        }
        if response.hovered() || response.has_focus() {
            ui.painter().rect_filled(rect, BUTTON_RADIUS, t.hovered);
        }
        let y = rect.center().y;
        let mark = pos2(rect.left() + 12.0, y);
        let sign = |at, sign: &str, colour| {
            painter.text(at, Align2::CENTER_CENTER, sign, fonts::icons(TEXT + 1.0), colour);
        };
        match (self.checked, self.icon) {
            (Some(on), other) => {
                if on {
                    sign(mark, icon::CHECK, t.text);
                }
                if let Some(other) = other {
                    sign(mark + vec2(MARK - 4.0, 0.0), other, t.second);
                }
            }
            (None, Some(other)) => sign(mark, other, t.second),
            (None, None) => {}
        }
        let x = rect.left() + left + room;
        painter.galley(pos2(x, y - label.size().y / 2.0), label, t.text);
        let x = rect.right() - 8.0 - keys.size().x;
        painter.galley(pos2(x, y - keys.size().y / 2.0), keys, t.third);
        response
    }
}
