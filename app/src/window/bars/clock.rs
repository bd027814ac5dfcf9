//! The clock bar: the cursor on the arrival clocks, with play, step, scrub and
//! the next of a verdict, over the density of the whole run.

use egui::{Align, Color32, Frame, Key, Layout, Margin, Panel, Popup, Stroke, Ui};
use joinscope_core::run::{Direction, VerdictSet};
use joinscope_operator::verdict::Verdict;

use crate::window::app::App;
use crate::window::axis::Scale;
use crate::window::command::{Asked, Command, destination, suggestions};
use crate::window::cursor::{Speed, State};
use crate::window::panels::edged;
use crate::window::text::{line, thousands};
use crate::window::theme::fonts::icon;
use crate::window::theme::{SMALL, Tokens, fonts};
use crate::window::times::Zone;
use crate::window::widgets::{button, growing, icon_button, roomy};

use super::menus::{choice, item};
use super::strip::{ask_clock, cursor_event_ms, cursor_ms};
use super::{marks, scrub};

const HEIGHT: f32 = 56.0;

/// Shows the bar.
pub fn show(app: &mut App, ui: &mut Ui) {
    ask_clock(app);
    let t = Tokens::of(ui.ctx());
    let frame = Frame::NONE.fill(t.panel).inner_margin(Margin::symmetric(12, 0));
    Panel::bottom("clock").frame(frame).exact_size(HEIGHT).show_separator_line(false).show(
        ui,
        |ui| {
            let rect = ui.max_rect();
            let y = rect.top() + 0.5;
            ui.painter().hline(rect.x_range().expand(12.0), y, Stroke::new(1.0, t.line));
            ui.horizontal_centered(|ui| {
                ui.spacing_mut().item_spacing.x = 8.0;
                let cut = Cut::of(app, ui);
                left(app, ui, cut);
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    right(app, ui, cut, t);
                    ui.add_space(8.0);
                    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                        scrub::show(app, ui, t);
                    });
                });
            });
        },
    );
}

/// How much of the bar has no room and stands in a menu of its own: of the constants
/// below those up to it. What is missed least goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
struct Cut(u8);

impl Cut {
    const NOTHING: Self = Self(0);
    const NEXT: Self = Self(1);
    const SPEED: Self = Self(2);
    const CLOCK: Self = Self(3);
    const ENDS: Self = Self(4);

    fn of(app: &mut App, ui: &Ui) -> Self {
        /// Of the strip with the room around it, points.
        const STRIP: f32 = 76.0;
        let sign = icon_button(icon::LEFT, "").room(ui);
        let parts = [
            (Self::NEXT, wrong(app).map_or(0.0, |(label, _)| button(&label).room(ui))),
            (Self::SPEED, button(&app.cursor.speed.label()).caret().room(ui)),
            (Self::CLOCK, button(clock_name(app)).caret().room(ui)),
            (Self::ENDS, 2.0 * sign),
        ];
        let range = if app.range.marked.is_some() { 2.0 * sign } else { 0.0 };
        let always = 3.0 * sign + range + figures(app, ui) + STRIP;
        let fits = |cut: &Self| {
            let shown = parts.iter().filter(|(part, _)| part > cut).map(|(_, width)| width);
            let more = if *cut == Self::NOTHING { 0.0 } else { sign };
            shown.sum::<f32>() + always + more <= ui.available_width()
        };
        [Self::NOTHING, Self::NEXT, Self::SPEED, Self::CLOCK]
            .into_iter()
            .find(fits)
            .unwrap_or(Self::ENDS)
    }

    /// Whether this part stands in the menu.
    fn has(self, part: Self) -> bool {
        self >= part
    }
}

/// What the cursor's figures take with the zone, points.
fn figures(app: &App, ui: &Ui) -> f32 {
    let last = thousands(app.cursor.len().saturating_sub(1));
    let number = button(&last).plain().mono().room(ui);
    let Some((_, last)) = app.clock.range() else { return number };
    let times = app.times();
    let ink = ui.visuals().text_color();
    let time = ui.painter().layout_no_wrap(times.exact(last), fonts::mono(SMALL), ink);
    let zone = button(zone_name(ui, times.zone())).plain().room(ui);
    number + time.size().x + ui.spacing().item_spacing.x + zone
}

fn clock_name(app: &App) -> &'static str {
    if app.event_time { "event time" } else { app.scale.name() }
}

fn left(app: &mut App, ui: &mut Ui, cut: Cut) {
    if !cut.has(Cut::CLOCK) {
        let response = button(clock_name(app)).caret().name("Clock").show(ui);
        let response = response.on_hover_text("The clock of the cursor and of the time axes");
        Popup::menu(&response).show(|ui| {
            roomy(ui);
            ui.set_min_width(140.0);
            clocks(app, ui);
        });
    }
    let playing = app.cursor.state() == State::Playing;
    let ends = !cut.has(Cut::ENDS);
    if ends && icon_button(icon::FIRST, "To the start").show(ui).clicked() {
        app.commands.push(Command::Start);
    }
    if icon_button(icon::LEFT, "One record back").show(ui).clicked() {
        app.commands.push(Command::Step(-1));
    }
    let (sign, name) = if playing { (icon::PAUSE, "Pause") } else { (icon::PLAY, "Play") };
    if button("").filled_icon(sign).primary().name(name).show(ui).clicked() {
        app.commands.push(Command::TogglePlay);
    }
    if icon_button(icon::RIGHT, "One record on").show(ui).clicked() {
        app.commands.push(Command::Step(1));
    }
    let following = app.cursor.state() == State::Following;
    let end = icon_button(icon::LAST, end_name(app));
    // A run that has ended is not followed: there is nothing to choose.
    let end = if app.doc.in_progress { end.selected(following) } else { end };
    if ends && end.show(ui).clicked() {
        app.commands.push(Command::End);
    }
    marks::controls(app, ui);
    if !cut.has(Cut::NEXT) {
        next(app, ui);
    }
    if cut != Cut::NOTHING {
        more(app, ui, cut);
    }
}

/// What pressing the button to the end does.
fn end_name(app: &App) -> &'static str {
    match (app.doc.in_progress, app.cursor.state()) {
        (true, State::Following) => "Following the run",
        (true, _) => "Follow the run",
        _ => "To the end",
    }
}

/// What the bar has no room for.
fn more(app: &mut App, ui: &mut Ui, cut: Cut) {
    let response = icon_button(icon::DOWN, "More of the clock bar").show(ui);
    Popup::menu(&response).close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside).show(
        |ui| {
            roomy(ui);
            ui.set_width(200.0);
            // A menu is never higher than the window.
            let most = (ui.ctx().content_rect().height() - HEIGHT).max(120.0);
            growing(ui, most, |ui| cut_parts(app, ui, cut));
        },
    );
}

fn cut_parts(app: &mut App, ui: &mut Ui, cut: Cut) {
    if cut.has(Cut::ENDS) {
        let end = end_name(app);
        item(app, ui, "To the start", Command::Start);
        item(app, ui, end, Command::End);
    }
    if let Some((label, set)) = wrong(app) {
        item(app, ui, &label, Command::Next(set, Direction::Forward));
        let label = label.replacen("next", "previous", 1);
        item(app, ui, &label, Command::Next(set, Direction::Backward));
    }
    if cut.has(Cut::CLOCK) {
        ui.separator();
        clocks(app, ui);
    }
    if cut.has(Cut::SPEED) {
        ui.separator();
        speeds(app, ui);
    }
}

/// The clocks, to choose from.
fn clocks(app: &mut App, ui: &mut Ui) {
    for scale in [Scale::Arrival, Scale::ArrivalTime] {
        let on = app.scale == scale && !app.event_time;
        if choice(ui, on, scale.name()).clicked() {
            app.commands.push(Command::Scale(scale));
            ui.close();
        }
    }
    let hover = "The cursor shows the join's event-time watermark";
    let event_time = app.doc.run.is_some()
        && choice(ui, app.event_time, "event time").on_hover_text(hover).clicked();
    if event_time {
        app.commands.push(Command::EventTimeClock);
        ui.close();
    }
}

/// The speeds, to choose from, and a field for any other.
fn speeds(app: &mut App, ui: &mut Ui) {
    for speed in Speed::ALL {
        if choice(ui, app.cursor.speed == speed, &speed.label()).clicked() {
            app.commands.push(Command::Speed(speed));
            ui.close();
        }
    }
    edged(ui);
    let field = egui::TextEdit::singleline(&mut app.strip.speed)
        .hint_text("500/s, 2.5x, 30 s")
        .font(fonts::mono(SMALL))
        .desired_width(150.0);
    let field = ui.add(field).accessible_name("Another speed");
    let typed = app.strip.speed.trim();
    let speed = typed.parse::<Speed>();
    if let Some(wrong) = speed.as_ref().err().filter(|_| !typed.is_empty()) {
        said(ui, wrong);
    }
    if field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter)) {
        if let Ok(speed) = speed {
            app.strip.speed.clear();
            app.commands.push(Command::Speed(speed));
            ui.close();
        } else {
            field.request_focus();
        }
    }
}

/// What went wrong, the likeliest to be looked for first.
const WRONG: [Verdict; 7] = [
    Verdict::Late,
    Verdict::Expired,
    Verdict::Undecodable,
    Verdict::Unkeyed,
    Verdict::Untimed,
    Verdict::Tombstone,
    Verdict::Unmatched,
];

/// The verdict that "next" looks for is the one that the table is filtered by,
/// else the first of what went wrong that the run has at all; with none there
/// is nothing to look for. What its button says, and what it looks for.
fn wrong(app: &mut App) -> Option<(String, VerdictSet)> {
    app.doc.run.as_ref()?;
    let filter = app.panels.records.filter();
    let mut there = |v: &Verdict| app.panels.books.count(*v) > 0;
    let set = if filter.is_empty() {
        VerdictSet::of(WRONG.into_iter().find(&mut there)?)
    } else {
        filter
    };
    if !Verdict::ALL.into_iter().any(|v| set.contains(v) && there(&v)) {
        return None;
    }
    let names: Vec<&str> =
        Verdict::ALL.into_iter().filter(|v| set.contains(*v)).map(Verdict::name).collect();
    let label = match names.as_slice() {
        [one] => format!("next {one}"),
        _ => "next in filter".to_owned(),
    };
    Some((label, set))
}

fn next(app: &mut App, ui: &mut Ui) {
    let Some((label, set)) = wrong(app) else { return };
    let response = button(&label).show(ui).on_hover_text("Shift goes back");
    if response.clicked() {
        let back = ui.input(|i| i.modifiers.shift);
        let direction = if back { Direction::Backward } else { Direction::Forward };
        app.commands.push(Command::Next(set, direction));
    }
}

/// Speed, zone, time and number of the cursor, from right to left.
fn right(app: &mut App, ui: &mut Ui, cut: Cut, t: &Tokens) {
    if !cut.has(Cut::SPEED) {
        let response = button(&app.cursor.speed.label()).caret().name("Speed").show(ui);
        let response = response.on_hover_text("How quickly Play goes through the run");
        Popup::menu(&response).close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside).show(
            |ui| {
                roomy(ui);
                ui.set_min_width(170.0);
                speeds(app, ui);
            },
        );
    }
    let times = app.times();
    let at = app.cursor.at();
    let figure = |ui: &mut Ui, text: &str, colour: Color32, hover: String| {
        let label =
            egui::Label::new(egui::RichText::new(text).font(fonts::mono(SMALL)).color(colour));
        ui.add(label).on_hover_text(hover);
    };
    if app.event_time {
        zone(app, ui, times.zone());
        if let Some(ms) = cursor_event_ms(app) {
            let hover = format!("The join's event-time watermark: {}", times.full(ms));
            figure(ui, &times.exact(ms), t.second, hover);
        } else {
            let hover =
                "The join's event-time watermark has not moved yet, or is not read".to_owned();
            figure(ui, "no watermark", t.second, hover);
        }
    } else if !app.clock.is_empty() {
        let ms = cursor_ms(app);
        zone(app, ui, times.zone());
        figure(ui, &times.exact(ms), t.second, times.full(ms));
    }
    go_to(app, ui, at);
}

/// A zone's name, in a small window its last part.
fn zone_name<'a>(ui: &Ui, name: &'a str) -> &'a str {
    const NARROW: f32 = 900.0;
    let narrow = ui.ctx().content_rect().width() < NARROW;
    name.rsplit('/').next().filter(|_| narrow).unwrap_or(name)
}

/// The zone that times are written in; a press chooses another.
fn zone(app: &mut App, ui: &mut Ui, name: &str) {
    let response = button(zone_name(ui, name)).plain().name("Time zone").show(ui);
    let response = response.on_hover_text(format!("Time zone: {name}"));
    Popup::menu(&response).close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside).show(
        |ui| {
            roomy(ui);
            ui.set_min_width(200.0);
            for (label, zone) in [("UTC", Zone::Utc), ("Local time", Zone::Local)] {
                if choice(ui, app.settings.zone == zone, label).clicked() {
                    app.commands.push(Command::Zone(zone));
                    ui.close();
                }
            }
            edged(ui);
            let field = egui::TextEdit::singleline(&mut app.strip.zone)
                .hint_text("IANA name: Europe/Berlin")
                .font(fonts::mono(SMALL))
                .desired_width(190.0);
            let field = ui.add(field).accessible_name("IANA time zone");
            let zone = Zone::Named(app.strip.zone.trim().to_owned());
            let known = zone.is_known();
            if !known && !app.strip.zone.trim().is_empty() {
                said(ui, "This machine knows no time zone of that name");
            }
            if field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter)) {
                if known {
                    app.commands.push(Command::Zone(zone));
                    ui.close();
                } else {
                    field.request_focus();
                }
            }
        },
    );
}

/// The cursor's number; a press asks where to go.
fn go_to(app: &mut App, ui: &mut Ui, at: u64) {
    let figure = thousands(at);
    let response = button(&figure).plain().mono().name("Go to").show(ui);
    // Room for the longest: the strip beside it keeps its width while it plays.
    let longest = thousands(app.cursor.len().saturating_sub(1));
    let sign = ui.ctx().fonts_mut(|f| f.glyph_width(&fonts::mono(SMALL), '0'));
    ui.add_space(longest.len().saturating_sub(figure.len()) as f32 * sign);
    let response = response
        .on_hover_text(format!("of {}; press to go elsewhere", thousands(app.cursor.len())));
    Popup::menu(&response).close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside).show(
        |ui| {
            roomy(ui);
            edged(ui);
            ui.set_min_width(260.0);
            let field = egui::TextEdit::singleline(&mut app.strip.typed)
                .hint_text("Arrival, time or record")
                .font(fonts::mono(SMALL))
                .desired_width(250.0);
            let field = ui.add(field).accessible_name("Arrival, time or record");
            if !field.has_focus() && !field.lost_focus() {
                field.request_focus();
            }
            let wrong = suggestions(app, &Asked::GoTo, &app.strip.typed).err();
            if let Some(wrong) = &wrong {
                said(ui, wrong);
            }
            if field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter)) {
                if wrong.is_some() {
                    field.request_focus();
                    return;
                }
                let first = destination(app, &app.strip.typed).into_iter().next();
                app.strip.typed.clear();
                app.commands.extend(first.map(|(_, command)| command));
                ui.close();
            }
        },
    );
}

/// What is wrong with what is typed above.
fn said(ui: &mut Ui, wrong: &str) {
    let t = Tokens::of(ui.ctx());
    let wrong = egui::RichText::new(line(wrong)).font(fonts::regular(SMALL)).color(t.text);
    ui.add(egui::Label::new(wrong).wrap());
}
