//! The clock bar: the cursor on the arrival clocks, with play, step, scrub and
//! the next of a verdict, over the density of the whole run.

use std::sync::Arc;

use egui::{
    Align, Color32, Frame, Key, Layout, Margin, Mesh, Modifiers, Panel, Popup, Rect, Sense, Shape,
    Stroke, Ui, WidgetInfo, pos2, vec2,
};
use joinscope_core::run::{Density, Direction, VerdictSet};
use joinscope_operator::verdict::Verdict;

use crate::window::app::App;
use crate::window::axis::{Axis, Scale};
use crate::window::command::Command;
use crate::window::cursor::{Speed, State};
use crate::window::text::thousands;
use crate::window::theme::fonts::icon;
use crate::window::theme::{SMALL, Tokens, fonts};
use crate::window::times::{Zone, parse};
use crate::window::widgets::{button, icon_button};

use super::strip::{ask_clock, cursor_ms};

const HEIGHT: f32 = 56.0;
/// Width of a bar of the strip and its gap, points.
const BAR: f32 = 3.0;
const STEP: f32 = 4.0;

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
                left(app, ui);
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    right(app, ui, t);
                    ui.add_space(8.0);
                    ui.with_layout(Layout::left_to_right(Align::Center), |ui| strip(app, ui, t));
                });
            });
        },
    );
}

fn left(app: &mut App, ui: &mut Ui) {
    let response = button(app.scale.name()).caret().name("Clock").show(ui);
    Popup::menu(&response).show(|ui| {
        for scale in [Scale::Arrival, Scale::ArrivalTime] {
            if ui.selectable_label(app.scale == scale, scale.name()).clicked() {
                app.commands.push(Command::Scale(scale));
                ui.close();
            }
        }
    });
    let playing = app.cursor.state() == State::Playing;
    if icon_button(icon::FIRST, "To the start").show(ui).clicked() {
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
    let (sign, name) = match (app.doc.in_progress, app.cursor.state()) {
        (true, State::Following) => (icon::LAST, "Following the run"),
        (true, _) => (icon::LAST, "Follow the run"),
        _ => (icon::LAST, "To the end"),
    };
    let following = app.cursor.state() == State::Following;
    if icon_button(sign, name).selected(following).show(ui).clicked() {
        app.commands.push(Command::End);
    }
    if app.doc.run.is_some() {
        next(app, ui);
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
/// is nothing to look for.
fn next(app: &mut App, ui: &mut Ui) {
    let filter = app.panels.records.filter();
    let set = if filter.is_empty() {
        let Some(wrong) = WRONG.into_iter().find(|v| app.panels.books.count(*v) > 0) else {
            return;
        };
        VerdictSet::of(wrong)
    } else {
        filter
    };
    if !Verdict::ALL.into_iter().any(|v| set.contains(v) && app.panels.books.count(v) > 0) {
        return;
    }
    let names: Vec<&str> =
        Verdict::ALL.into_iter().filter(|v| set.contains(*v)).map(Verdict::name).collect();
    let label = match names.as_slice() {
        [one] => format!("next {one}"),
        _ => "next in filter".to_owned(),
    };
    let response = button(&label).show(ui).on_hover_text("Shift goes back");
    if response.clicked() {
        let back = ui.input(|i| i.modifiers.shift);
        let direction = if back { Direction::Backward } else { Direction::Forward };
        app.commands.push(Command::Next(set, direction));
    }
}

/// Speed, zone, time and number of the cursor, from right to left.
fn right(app: &mut App, ui: &mut Ui, t: &Tokens) {
    let response = button(&app.cursor.speed.label()).caret().name("Speed").show(ui);
    Popup::menu(&response).show(|ui| {
        ui.set_min_width(150.0);
        for speed in Speed::ALL {
            if ui.selectable_label(app.cursor.speed == speed, speed.label()).clicked() {
                app.commands.push(Command::Speed(speed));
                ui.close();
            }
        }
    });
    let times = app.times();
    let at = app.cursor.at();
    let figure = |ui: &mut Ui, text: &str, colour: Color32, hover: String| {
        let label =
            egui::Label::new(egui::RichText::new(text).font(fonts::mono(SMALL)).color(colour));
        ui.add(label).on_hover_text(hover);
    };
    if !app.clock.is_empty() {
        let ms = cursor_ms(app);
        zone(app, ui, times.zone());
        figure(ui, &times.exact(ms), t.second, times.full(ms));
    }
    go_to(app, ui, at);
}

/// The zone that times are written in; a press chooses another.
fn zone(app: &mut App, ui: &mut Ui, name: &str) {
    let response = button(name).plain().name("Time zone").show(ui).on_hover_text("Time zone");
    Popup::menu(&response).close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside).show(
        |ui| {
            ui.set_min_width(200.0);
            for (label, zone) in [("UTC", Zone::Utc), ("Local time", Zone::Local)] {
                if ui.selectable_label(app.settings.zone == zone, label).clicked() {
                    app.commands.push(Command::Zone(zone));
                    ui.close();
                }
            }
            let field = egui::TextEdit::singleline(&mut app.strip.zone)
                .hint_text("IANA name: Europe/Berlin")
                .font(fonts::mono(SMALL))
                .desired_width(190.0);
            let field = ui.add(field).accessible_name("IANA time zone");
            if field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter)) {
                let zone = Zone::Named(app.strip.zone.trim().to_owned());
                if zone.is_known() {
                    app.commands.push(Command::Zone(zone));
                    ui.close();
                }
            }
        },
    );
}

/// The cursor's number; a press asks where to go.
fn go_to(app: &mut App, ui: &mut Ui, at: u64) {
    let figure = thousands(at);
    let response = button(&figure).plain().name("Go to").show(ui);
    let response = response
        .on_hover_text(format!("of {}; press to go elsewhere", thousands(app.cursor.len())));
    Popup::menu(&response).close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside).show(
        |ui| {
            ui.set_min_width(260.0);
            let field = egui::TextEdit::singleline(&mut app.strip.typed)
                .hint_text("Arrival, time or record")
                .font(fonts::mono(SMALL))
                .desired_width(250.0);
            let field = ui.add(field).accessible_name("Arrival, time or record");
            if !field.has_focus() && !field.lost_focus() {
                field.request_focus();
            }
            if field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter)) {
                let command = destination(app, &app.strip.typed);
                app.strip.typed.clear();
                app.commands.extend(command);
                ui.close();
            }
        },
    );
}

/// Where a typed text leads: a record's name, an arrival, else a time.
fn destination(app: &App, typed: &str) -> Option<Command> {
    if let Ok(name) = typed.parse() {
        return Some(Command::SelectRecord(name));
    }
    let number: Option<u64> = typed.trim().replace(',', "").parse().ok();
    if let Some(n) = number.filter(|n| *n < app.cursor.len()) {
        return Some(Command::GoTo(n));
    }
    let near = app.clock.time(app.cursor.at() as f64) as i64;
    let ms = parse(typed, near, &app.settings.zone)?;
    Some(Command::GoTo(app.clock.arrival(ms as f64).round().max(0.0) as u64))
}

/// The density of the whole run with the cursor on it.
fn strip(app: &mut App, ui: &mut Ui, t: &Tokens) {
    let room = ui.available_rect_before_wrap();
    let rect = Rect::from_center_size(room.center(), vec2(room.width() - 8.0, 40.0));
    let response = ui.interact(rect, ui.scope_id().with("strip"), Sense::click_and_drag());
    let at = app.cursor.at();
    response.widget_info(|| WidgetInfo::slider(true, at as f64, "Cursor"));
    let last = app.cursor.len().saturating_sub(1);
    let axis = Axis::new(app.scale, (0, last), &app.clock, rect.left(), rect.width());
    if let Some(pos) = response.interact_pointer_pos()
        && app.cursor.len() > 0
    {
        app.commands.push(Command::GoTo(axis.arrival(pos.x, &app.clock)));
        response.request_focus();
    }
    keys(app, ui, &response);
    let painter = ui.painter();
    let base = rect.bottom() - 6.0;
    match ask_density(app, &axis, rect.width()) {
        Some(density) => {
            painter.add(Shape::mesh(bars(&density, rect, base, t)));
        }
        None => {
            painter.hline(rect.x_range(), base, Stroke::new(1.0, t.line));
        }
    }
    if let Some((from, to)) = app.view {
        // What the time axes above show of it.
        let seen = axis.x_of(from, &app.clock)..=axis.x_of(to, &app.clock);
        let box_ = Rect::from_x_y_ranges(seen, rect.top() + 4.0..=base + 3.0);
        let line = Stroke::new(1.0, t.third);
        painter.rect_stroke(box_, 2, line, egui::StrokeKind::Inside);
    }
    if app.cursor.len() > 0 {
        let x = axis.x_of(at, &app.clock).clamp(rect.left(), rect.right());
        painter.vline(x, rect.top() + 2.0..=rect.bottom() - 2.0, Stroke::new(1.5, t.accent));
        painter.circle_filled(pos2(x, rect.top() + 4.0), 4.0, t.accent);
    }
    if response.has_focus() {
        painter.rect_stroke(rect, 3, Stroke::new(1.0, t.accent), egui::StrokeKind::Outside);
    }
}

fn keys(app: &mut App, ui: &Ui, response: &egui::Response) {
    if !response.has_focus() {
        return;
    }
    let filter = egui::EventFilter { horizontal_arrows: true, ..egui::EventFilter::default() };
    ui.memory_mut(|m| m.set_focus_lock_filter(response.id, filter));
    let page = (app.cursor.len() / 50).max(1) as i64;
    let moves = [
        (Key::ArrowLeft, Command::Step(-1)),
        (Key::ArrowRight, Command::Step(1)),
        (Key::PageUp, Command::Step(-page)),
        (Key::PageDown, Command::Step(page)),
        (Key::Home, Command::Start),
        (Key::End, Command::End),
        (Key::Space, Command::TogglePlay),
    ];
    for (key, command) in moves {
        if ui.input_mut(|i| i.consume_key(Modifiers::NONE, key)) {
            app.commands.push(command);
        }
    }
}

fn ask_density(app: &mut App, axis: &Axis, width: f32) -> Option<Arc<Density>> {
    let run = app.doc.run.as_ref()?.run.clone();
    let needs_clock = axis.scale == Scale::ArrivalTime && app.clock.is_empty();
    if app.cursor.len() == 0 || needs_clock {
        return None;
    }
    let buckets = (width / STEP).floor().max(1.0) as usize;
    let question = (app.doc.revision, axis.range(), buckets);
    let lanes = app.doc.run.as_ref().map_or(0, |r| r.manifest.start.lanes.len() as u32);
    app.strip.density.ask(&app.jobs, question, move |(_, range, buckets)| {
        let lanes: Vec<u32> = (0..lanes).collect();
        run.density(*range, &lanes, *buckets).map(Arc::new).map_err(|e| e.to_string())
    });
    let answer = app.strip.density.answer()?;
    answer.result.as_ref().ok().cloned()
}

/// One bar a bucket: all records in the line colour, what went wrong in its own
/// from the base.
fn bars(density: &Density, rect: Rect, base: f32, t: &Tokens) -> Mesh {
    let mut totals = vec![(0u64, [0u64; 10]); density.buckets];
    for lane in 0..density.lanes.len() {
        for (bucket, total) in totals.iter_mut().enumerate() {
            for (verdict, n) in density.at(lane, bucket).iter().enumerate() {
                total.0 += u64::from(*n);
                total.1[verdict] += u64::from(*n);
            }
        }
    }
    let most = totals.iter().map(|t| t.0).max().unwrap_or(0).max(1) as f32;
    let height = base - rect.top() - 8.0;
    let mut mesh = Mesh::default();
    let wrong = [Verdict::Late, Verdict::Expired, Verdict::Undecodable];
    for (bucket, (all, by)) in totals.iter().enumerate() {
        if *all == 0 {
            continue;
        }
        let x = rect.left() + bucket as f32 * rect.width() / density.buckets as f32;
        let bar = |n: u64, least: f32| (n as f32 / most * height).max(least);
        let top = base - bar(*all, 2.0);
        mesh.add_colored_rect(Rect::from_min_max(pos2(x, top), pos2(x + BAR, base)), t.hovered);
        let mut y = base;
        for verdict in wrong {
            let n = if verdict == Verdict::Undecodable {
                [verdict, Verdict::Unkeyed, Verdict::Untimed, Verdict::Tombstone]
                    .iter()
                    .map(|v| by[*v as usize])
                    .sum()
            } else {
                by[verdict as usize]
            };
            if n > 0 {
                let h = bar(n, 2.5);
                let at = Rect::from_min_max(pos2(x, y - h), pos2(x + BAR, y));
                mesh.add_colored_rect(at, t.verdict(verdict));
                y -= h;
            }
        }
    }
    mesh
}
