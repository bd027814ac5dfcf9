//! The form: a setting a line, by section.

use egui::{Popup, ScrollArea, TextEdit, Ui};

use crate::window::bars::menu_choice;
use crate::window::editor::{Editor, Field, Kind, entry};
use crate::window::text::line;
use crate::window::theme::{SMALL, TEXT, Tokens, fonts};
use crate::window::widgets::{button, fit, roomy, text};

/// Of the names of settings, points.
const LABELS: f32 = 150.0;
/// Of the values.
const VALUES: f32 = 190.0;

/// Shows it; what is changed stands in the TOML at once.
pub fn show(editor: &mut Editor, ui: &mut Ui, t: &Tokens) {
    let Some(groups) = editor.form().map(<[_]>::to_vec) else {
        ui.add_space(8.0);
        text(ui, "The form comes back when the TOML can be read", fonts::regular(TEXT), t.second);
        return;
    };
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        for group in &groups {
            text(ui, &group.title, fonts::semibold(TEXT), t.text);
            ui.spacing_mut().item_spacing.y = 3.0;
            for field in &group.fields {
                ui.horizontal(|ui| {
                    ui.scope(|ui| {
                        ui.set_width(LABELS);
                        let label = text(ui, &field.label, fonts::regular(TEXT), t.second);
                        label.on_hover_text(field.setting());
                    });
                    if let Kind::Entry(like) = field.kind {
                        if let Some((name, value)) = new_entry(ui, field, like) {
                            let path = field.path.iter().cloned().chain([name]);
                            editor.set_field(&path.collect::<Vec<_>>(), &value);
                        }
                    } else if let Some(value) = one(ui, field) {
                        editor.set_field(&field.path, &value);
                    }
                });
            }
            ui.add_space(10.0);
        }
    });
}

/// A setting whose name is the user's; it is added by Enter or by leaving the
/// line.
fn new_entry(ui: &mut Ui, field: &Field, like: &str) -> Option<(String, String)> {
    let name = format!("{} (new)", field.setting());
    let id = ui.make_persistent_id(("new entry", field.setting()));
    let mut typed = ui.data_mut(|d| d.get_temp::<String>(id)).unwrap_or_default();
    let edit = TextEdit::singleline(&mut typed)
        .id_salt(&name)
        .hint_text(like)
        .font(fonts::mono(SMALL))
        .desired_width(VALUES - 10.0);
    let response = ui.add(edit).accessible_name(&name);
    let added = response.lost_focus().then(|| entry(&typed)).flatten();
    if added.is_some() {
        typed.clear();
    }
    ui.data_mut(|d| d.insert_temp(id, typed));
    added
}

/// One setting; its new value, if it was changed.
fn one(ui: &mut Ui, field: &Field) -> Option<String> {
    let setting = field.setting();
    match &field.kind {
        Kind::Entry(_) => None,
        Kind::Text | Kind::Duration | Kind::Number | Kind::Value => {
            let mut value = field.value.clone();
            let edit = TextEdit::singleline(&mut value)
                .id_salt(&setting)
                .hint_text(field.default)
                .font(fonts::mono(SMALL))
                .desired_width(VALUES - 10.0);
            let response = ui.add(edit).accessible_name(&setting);
            let changed = response.changed() && value != field.value;
            // A topic's name may be longer than any field.
            if fit(ui, &value, &fonts::mono(SMALL), VALUES - 20.0) != value {
                response.on_hover_text(line(&value));
            }
            changed.then_some(value)
        }
        Kind::Choice(all) => {
            let shown = if field.value.is_empty() { field.default } else { &field.value };
            let shown = if shown.is_empty() { "choose" } else { shown };
            let mut chosen = None;
            let response = button(shown).caret().name(&setting).show(ui);
            Popup::menu(&response).show(|ui| {
                roomy(ui);
                ui.set_min_width(140.0);
                let left_out = format!("left out ({})", field.default);
                let none =
                    [("", left_out.as_str())].into_iter().filter(|_| !field.default.is_empty());
                for (value, label) in none.chain(all.iter().map(|v| (v.as_str(), v.as_str()))) {
                    if menu_choice(ui, field.value == value, label).clicked() {
                        chosen = Some(value.to_owned());
                        ui.close();
                    }
                }
            });
            chosen.filter(|v| *v != field.value)
        }
    }
}
