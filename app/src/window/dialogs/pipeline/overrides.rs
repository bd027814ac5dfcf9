//! The overrides of the next run: a setting and its value a line. They leave
//! the pipeline's file as it is.

use egui::{ScrollArea, TextEdit, Ui};

use crate::window::editor::{At, Editor};
use crate::window::theme::fonts::icon;
use crate::window::theme::{SMALL, TEXT, Tokens, fonts};
use crate::window::widgets::{button, icon_button, text};

/// Of the paths, points.
const PATHS: f32 = 420.0;
const VALUES: f32 = 160.0;

pub fn show(editor: &mut Editor, ui: &mut Ui, t: &Tokens) {
    let mut list = editor.overrides().to_vec();
    let wrong = editor.wrong().to_vec();
    ui.horizontal(|ui| {
        text(ui, "Overrides of the next run", fonts::semibold(TEXT), t.text);
        if button("Add").name("Add an override").show(ui).clicked() {
            list.push((String::new(), String::new()));
        }
        if list.is_empty() {
            let none =
                "Settings changed for one run only, as path = value; the file stays as it is";
            text(ui, none, fonts::regular(SMALL), t.second);
        }
    });
    let mut gone = None;
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 3.0;
        for (n, (path, value)) in list.iter_mut().enumerate() {
            ui.horizontal(|ui| {
                let name = format!("Setting of override {}", n + 1);
                let field = TextEdit::singleline(path)
                    .id_salt(("path", n))
                    .hint_text("inputs.NAME.watermark.max_out_of_orderness")
                    .font(fonts::mono(SMALL))
                    .desired_width(PATHS);
                let _ = ui.add(field).accessible_name(&name);
                text(ui, "=", fonts::mono(SMALL), t.second);
                let name = format!("Value of override {}", n + 1);
                let field = TextEdit::singleline(value)
                    .id_salt(("value", n))
                    .hint_text("5m")
                    .font(fonts::mono(SMALL))
                    .desired_width(VALUES);
                let _ = ui.add(field).accessible_name(&name);
                let name = format!("Remove override {}", n + 1);
                if icon_button(icon::CLOSE, &name).plain().show(ui).clicked() {
                    gone = Some(n);
                }
                if let Some(wrong) = wrong.iter().find(|w| w.at == At::Override(n)) {
                    let response = text(ui, &wrong.message, fonts::regular(SMALL), t.text);
                    response.on_hover_text(&wrong.message);
                }
            });
        }
    });
    if let Some(n) = gone {
        list.remove(n);
    }
    editor.set_overrides(list);
}
