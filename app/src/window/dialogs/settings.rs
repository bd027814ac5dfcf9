//! Settings: how the window looks, how times are written, what memory may be
//! taken. A change holds at once and for the next start.

use egui::{Context, DragValue, Key, TextEdit, Ui};

use super::font::Fonts;
use super::modal;
use crate::window::app::App;
use crate::window::command::Command;
use crate::window::fuzzy::rank;
use crate::window::settings::Settings;
use crate::window::theme::{SMALL, TEXT, ThemeChoice, Tokens, fonts};
use crate::window::times::{Zone, zone_names};
use crate::window::widgets::{button, text};

const WIDTH: f32 = 520.0;
/// Of the names of settings.
const LABELS: f32 = 150.0;
/// Names offered while one is typed.
const OFFERED: usize = 8;

/// The dialog's state.
pub struct SettingsDialog {
    zone: String,
    fonts: Fonts,
}

impl SettingsDialog {
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let zone = match &settings.zone {
            Zone::Named(name) => name.clone(),
            _ => String::new(),
        };
        let fonts = Fonts::new(&settings.text_font, &settings.figures_font);
        Self { zone, fonts }
    }

    /// Shows the dialog; says whether it is done.
    pub fn show(&mut self, app: &mut App, ctx: &Context) -> bool {
        let t = Tokens::of(ctx);
        let mut close = false;
        let left = modal(ctx, "Settings", WIDTH, |ui| {
            setting(ui, "Colours", t, |ui| theme(app, ui));
            setting(ui, "Scale", t, |ui| scale(app, ui));
            self.fonts.show(app, ui, t);
            setting(ui, "Times are shown in", t, |ui| self.zone(app, ui));
            self.offered(app, ui, t);
            setting(ui, "Memory for answers", t, |ui| {
                let (now, range) = (app.settings.cache_mib, Settings::CACHE);
                let hover =
                    "What the open run's answers may take; holds for the next run that is opened";
                if let Some(mib) = megabytes(ui, now, range, "Memory for answers", hover) {
                    app.commands.push(Command::CacheMemory(mib));
                }
            });
            setting(ui, "Memory for runs", t, |ui| {
                let (now, range) = (app.settings.run_mib, Settings::RUN);
                let hover = "State that a run keeps in memory; above it rows rest on disk";
                if let Some(mib) = megabytes(ui, now, range, "Memory for runs", hover) {
                    app.commands.push(Command::RunMemory(mib));
                }
            });
            ui.add_space(8.0);
            if let Some(places) = &app.places {
                let at = format!("Kept in {}", places.config.display());
                text(ui, &at, fonts::regular(SMALL), t.second).on_hover_text(&at);
            }
            ui.add_space(8.0);
            ui.horizontal(|ui| {
                close = button("Close").show(ui).clicked();
                if button("Reset to defaults").show(ui).clicked() {
                    app.commands.push(Command::ResetSettings);
                    self.zone.clear();
                    self.fonts.clear();
                }
            });
        });
        close || left
    }

    fn zone(&mut self, app: &mut App, ui: &mut Ui) {
        for (label, zone) in [("UTC", Zone::Utc), ("Local time", Zone::Local)] {
            let on = app.settings.zone == zone;
            if button(label).selected(on).show(ui).clicked() {
                app.commands.push(Command::Zone(zone));
                self.zone.clear();
            }
        }
        let field = TextEdit::singleline(&mut self.zone)
            .hint_text("or an IANA name")
            .font(fonts::mono(SMALL))
            .desired_width(160.0);
        let response = ui.add(field).accessible_name("IANA time zone");
        let typed = Zone::Named(self.zone.trim().to_owned());
        let known = !self.zone.trim().is_empty() && typed.is_known();
        if response.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter)) && known {
            app.commands.push(Command::Zone(typed));
        }
    }

    /// Zones like the one that is typed, to choose from.
    fn offered(&mut self, app: &mut App, ui: &mut Ui, t: &Tokens) {
        let typed = Zone::Named(self.zone.trim().to_owned());
        let chosen = app.settings.zone == typed && typed.is_known();
        if self.zone.trim().is_empty() || chosen {
            return;
        }
        let none = "This machine knows no such time zone";
        if let Some(name) = offered(ui, zone_names(), &self.zone, none, t) {
            app.commands.push(Command::Zone(Zone::Named(name.clone())));
            self.zone = name;
        }
    }
}

/// Names like the one that is typed, to choose from.
pub(super) fn offered(
    ui: &mut Ui,
    names: &[String],
    typed: &str,
    none: &str,
    t: &Tokens,
) -> Option<String> {
    let offered = rank(names.iter().map(String::as_str), typed);
    let mut chosen = None;
    ui.horizontal_wrapped(|ui| {
        if offered.is_empty() {
            text(ui, none, fonts::regular(TEXT), t.second);
        }
        for hit in offered.iter().take(OFFERED) {
            let name = &names[hit.at];
            if button(name).show(ui).clicked() {
                chosen = Some(name.clone());
            }
        }
    });
    chosen
}

/// A setting: its name at the left, what changes it at the right.
pub(super) fn setting(ui: &mut Ui, name: &str, t: &Tokens, control: impl FnOnce(&mut Ui)) {
    ui.horizontal(|ui| {
        ui.set_min_height(32.0);
        ui.scope(|ui| {
            ui.set_width(LABELS);
            text(ui, name, fonts::regular(TEXT), t.second);
        });
        control(ui);
    });
}

fn theme(app: &mut App, ui: &mut Ui) {
    for theme in ThemeChoice::ALL {
        let on = app.settings.theme == theme;
        if button(theme.name()).selected(on).show(ui).clicked() {
            app.commands.push(Command::Theme(theme));
        }
    }
}

/// Steps, as a slider would move under the pointer while the window changes.
fn scale(app: &mut App, ui: &mut Ui) {
    for (name, label, by) in [("Smaller", "−", -1), ("Larger", "+", 1)] {
        if by > 0 {
            let t = Tokens::of(ui.ctx());
            let now = format!("{:>3} %", app.settings.scale);
            text(ui, &now, fonts::mono(SMALL), t.text);
        }
        if button(label).name(name).show(ui).clicked() {
            app.commands.push(Command::Zoom(by));
        }
    }
    if app.settings.scale != 100 && button("Usual size").plain().show(ui).clicked() {
        app.commands.push(Command::Zoom(0));
    }
}

/// A number of MiB; another one, if it was changed.
fn megabytes(
    ui: &mut Ui,
    now: u32,
    range: std::ops::RangeInclusive<u32>,
    name: &str,
    hover: &str,
) -> Option<u32> {
    let mut value = now;
    let field = DragValue::new(&mut value).range(range).speed(16).suffix(" MiB");
    let response = ui.add(field).accessible_name(name).on_hover_text(hover);
    (response.changed() && value != now).then_some(value)
}
