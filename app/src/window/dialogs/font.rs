//! The two fonts of the settings: a family of the system's, found by its name.

use egui::{Key, TextEdit, Ui};

use super::settings::{offered, setting};
use crate::window::app::App;
use crate::window::command::Command;
use crate::window::jobs::Slot;
use crate::window::theme::{SMALL, System, Tokens, fonts};
use crate::window::widgets::button;

/// What a font is for, what its field is called, and which is the window's own.
const TEXT: [&str; 3] = ["Font of text", "Family for text", "Inter"];
const FIGURES: [&str; 3] = ["Font of figures", "Family for figures", "JetBrains Mono"];

/// What is typed, and what the system has.
pub struct Fonts {
    typed: [String; 2],
    /// Families for text and for figures; read when a name is typed first.
    system: Slot<(), [Vec<String>; 2]>,
}

impl Fonts {
    pub fn new(text: &str, figures: &str) -> Self {
        Self { typed: [text.to_owned(), figures.to_owned()], system: Slot::default() }
    }

    pub fn clear(&mut self) {
        self.typed = Default::default();
    }

    pub fn show(&mut self, app: &mut App, ui: &mut Ui, t: &Tokens) {
        for (place, [name, field_name, own]) in [TEXT, FIGURES].into_iter().enumerate() {
            let now = match place {
                0 => app.settings.text_font.clone(),
                _ => app.settings.figures_font.clone(),
            };
            let mut chosen = None;
            let typed = &mut self.typed[place];
            let mut entered = false;
            setting(ui, name, t, |ui| {
                let own_name = format!("{name}: {own}");
                if button(own).name(&own_name).selected(now.is_empty()).show(ui).clicked() {
                    chosen = Some(String::new());
                }
                let field = TextEdit::singleline(typed)
                    .hint_text("or a family of the system's")
                    .font(fonts::mono(SMALL))
                    .desired_width(220.0);
                let response = ui.add(field).accessible_name(field_name);
                entered = response.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
            });
            let looked_for = typed.trim();
            if !looked_for.is_empty() && looked_for != now {
                self.system.ask(&app.jobs, (), |()| {
                    let system = System::read();
                    Ok([false, true].map(|figures| system.families(figures)))
                });
                if let Some(Ok(families)) = self.system.answer().map(|a| a.result.clone()) {
                    let families = &families[place];
                    let known = families.iter().find(|f| f.eq_ignore_ascii_case(looked_for));
                    let none = "This system has no such font";
                    chosen = chosen
                        .or_else(|| known.filter(|_| entered).cloned())
                        .or_else(|| offered(ui, families, looked_for, none, t));
                }
            }
            if let Some(family) = chosen {
                self.typed[place].clone_from(&family);
                app.commands.push(match place {
                    0 => Command::TextFont(family),
                    _ => Command::FiguresFont(family),
                });
            }
        }
    }
}
