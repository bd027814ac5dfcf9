//! What tables have beside their titles: a search field, conditions, columns,
//! and a row of their own for all that where the title has no room.

use egui::{Align, Frame, Key, Layout, Margin, Response, Stroke, TextEdit, Ui, vec2};

use crate::window::command::Command;
use crate::window::jobs::Slot;
use crate::window::layout::Tabs;
use crate::window::text::{elide, line};
use crate::window::theme::fonts::icon;
use crate::window::theme::{INSET, SMALL, Tokens, fonts};
use crate::window::widgets::{button, text};

/// Height of the row below the title, points.
const BAR: f32 = 34.0;

/// The frame of a menu that is a form: with more room around it than rows need that
/// are chosen.
pub fn form(ui: &Ui) -> Frame {
    Frame::popup(ui.style()).inner_margin(Margin { left: 12, right: 12, top: 4, bottom: 12 })
}

/// Gives boxes and fields of a menu an edge that is seen; egui takes it away in
/// menus.
pub fn edged(ui: &mut Ui) {
    let t = Tokens::of(ui.ctx());
    let widgets = &mut ui.visuals_mut().widgets;
    widgets.inactive.bg_stroke = Stroke::new(1.0, t.third);
    widgets.hovered.bg_stroke = Stroke::new(1.0, t.text);
    widgets.active.bg_stroke = Stroke::new(1.0, t.accent);
    widgets.open.bg_stroke = Stroke::new(1.0, t.accent);
    for widget in [&mut widgets.inactive, &mut widgets.hovered, &mut widgets.open] {
        widget.weak_bg_fill = t.raised;
    }
}

/// What the button that filters takes beside a field, points.
const FILTER: f32 = 112.0;

/// Room within fields, points.
pub const FIELD: egui::Vec2 = vec2(8.0, 5.0);

/// Room that a title with its tabs and its sentence needs, points.
#[must_use]
pub fn title_width(tabs: &Tabs) -> f32 {
    tabs.here.len().max(1) as f32 * 88.0 + 150.0
}

/// A row of its own for the controls, from right to left.
pub fn bar(ui: &mut Ui, content: impl FnOnce(&mut Ui)) {
    let size = vec2(ui.available_width(), BAR);
    let flow = Layout::right_to_left(Align::Center);
    ui.spacing_mut().item_spacing.y = 0.0;
    ui.allocate_ui_with_layout(size, flow, |ui| {
        ui.set_min_size(size);
        ui.add_space(6.0);
        ui.spacing_mut().item_spacing.x = 6.0;
        content(ui);
        ui.add_space(INSET);
    });
}

/// What to do where a search was stopped before it found anything.
pub const STOPPED: &str = "Change the filter or the order to search again";

/// The button that ends a search or a sort; what was found stays.
pub fn stop(ui: &mut Ui, stop: impl FnOnce()) {
    bar(ui, |ui| {
        if button("Stop").name("Stop searching").show(ui).clicked() {
            stop();
        }
        let t = Tokens::of(ui.ctx());
        text(ui, "What is found so far is shown", fonts::regular(SMALL), t.second);
    });
}

/// A field that is asked for on Enter, or when it is emptied; `name` says what
/// it searches. Gives what is asked for.
pub fn search(ui: &mut Ui, typed: &mut String, hint: &str, name: &str) -> Option<String> {
    // In a narrow panel what stands beside it keeps its room.
    let wide = (ui.available_width() - FILTER).clamp(60.0, 178.0);
    let field = TextEdit::singleline(typed)
        .hint_text(hint)
        .font(fonts::regular(SMALL + 0.5))
        .desired_width(wide);
    let field = ui.add(field).accessible_name(name);
    let asked = entered(ui, &field) || (field.changed() && typed.is_empty());
    field.on_hover_text(name);
    asked.then(|| typed.trim().to_owned())
}

fn entered(ui: &Ui, field: &Response) -> bool {
    field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter))
}

/// Conditions as they are typed, and what is wrong with them.
#[derive(Default)]
pub struct Typed {
    pub text: String,
    pub wrong: Option<String>,
}

/// The conditions' field with what is wrong with them; gives them once they are
/// to be applied. `check` says what is wrong.
pub fn conditions(
    ui: &mut Ui,
    typed: &mut Typed,
    hint: &str,
    check: impl Fn(&str) -> Result<(), String>,
) -> Option<String> {
    let field = TextEdit::multiline(&mut typed.text)
        .hint_text(hint)
        .font(fonts::mono(SMALL))
        .margin(FIELD)
        .desired_rows(2)
        .return_key(None)
        .desired_width(f32::INFINITY);
    let field = ui.add(field).accessible_name("Conditions");
    if field.changed() {
        let text = typed.text.trim();
        typed.wrong = if text.is_empty() { None } else { check(text).err() };
    }
    let enter = field.has_focus() && ui.input(|i| i.key_pressed(Key::Enter));
    if let Some(wrong) = &typed.wrong {
        say_wrong(ui, wrong);
    }
    (enter && typed.wrong.is_none()).then(|| typed.text.clone())
}

/// What is wrong with a field, under it.
fn say_wrong(ui: &mut Ui, wrong: &str) {
    let t = Tokens::of(ui.ctx());
    let wrong = egui::RichText::new(wrong).font(fonts::regular(SMALL)).color(t.text);
    ui.add(egui::Label::new(wrong).wrap());
}

/// How a filter's menu ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Apply,
    Clear,
}

/// The buttons below a filter; nothing wrong is applied.
pub fn end_filter(ui: &mut Ui, typed: &Typed, clear: &str) -> Option<End> {
    ui.add_space(6.0);
    ui.horizontal(|ui| {
        let can = typed.wrong.is_none();
        let apply = button("Apply").primary().enabled(can).show(ui).clicked() && can;
        let clear = button("Clear").name(clear).show(ui).clicked();
        if clear { Some(End::Clear) } else { apply.then_some(End::Apply) }
    })
    .inner
}

/// A chip with the conditions; says whether it was pressed, which removes them.
pub fn conditions_chip(ui: &mut Ui, conditions: &str) -> bool {
    // An incident brings those that somebody else wrote.
    let conditions = line(conditions);
    let shown = elide(&conditions, 24);
    let name = format!("Remove the conditions {conditions}");
    let chip = button(&shown).icon(icon::CLOSE).selected(true).name(&name).show(ui);
    chip.on_hover_text(conditions).clicked()
}

/// A field for the path of another column, with what is wrong with it; gives it on
/// Enter. `check` says what is wrong.
pub fn path(
    ui: &mut Ui,
    typed: &mut String,
    hint: &str,
    check: impl Fn(&str) -> Result<(), String>,
) -> Option<String> {
    let field = TextEdit::singleline(typed)
        .hint_text(hint)
        .font(fonts::mono(SMALL))
        .margin(FIELD)
        .desired_width(190.0);
    let field = ui.add(field).accessible_name("Path of a field");
    let path = typed.trim().to_owned();
    let wrong = check(&path).err();
    let asked = entered(ui, &field) && !path.is_empty() && wrong.is_none();
    if asked {
        typed.clear();
    }
    if let Some(wrong) = wrong {
        say_wrong(ui, &wrong);
    }
    asked.then_some(path)
}

/// A line of a table for the clipboard.
pub fn copy_json(line: &impl serde::Serialize) -> Command {
    Command::Copy(serde_json::to_string_pretty(line).unwrap_or_default())
}

/// What was asked for the clipboard, once it is there.
pub fn copied<Q>(slot: &mut Slot<Q, String>, copying: &mut bool) -> Option<Command>
where
    Q: Clone + PartialEq + Send + Sync + 'static,
{
    if !*copying {
        return None;
    }
    let answer = slot.answer()?;
    if slot.is_open() {
        return None;
    }
    *copying = false;
    Some(match &answer.result {
        Ok(text) => Command::Copy(text.clone()),
        Err(error) => Command::Said("Copying".to_owned(), error.clone()),
    })
}
