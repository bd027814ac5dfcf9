//! The strip of the clock bar: the density of the whole run with the cursor on
//! it, on the clock that is chosen.

use std::sync::Arc;

use egui::{Key, Mesh, Modifiers, Rect, Sense, Shape, Stroke, Ui, WidgetInfo, pos2, vec2};
use joinscope_core::run::{Axis as RunAxis, Density, Range};
use joinscope_operator::verdict::Verdict;

use super::marks;
use super::strip::{event_clock, selected_event_ms};
use crate::window::app::App;
use crate::window::axis::{Axis, Scale};
use crate::window::command::Command;
use crate::window::cursor::ClockMap;
use crate::window::failures::read_part;
use crate::window::panels::watermarks::say::unit;
use crate::window::text::{plural, thousands};
use crate::window::theme::{SMALL, Tokens, fonts};
use crate::window::widgets::fit;

/// Width of a bar of the strip and its gap, points.
const BAR: f32 = 3.0;
const STEP: f32 = 4.0;
/// Parts of the run that are placed by the event-time watermark.
const PARTS: usize = 2048;

/// All records of a bar, and by verdict.
type Total = (u64, [u64; 10]);

/// The scale of the strip and what it is read from.
pub struct Clock {
    pub axis: Axis,
    pub map: ClockMap,
    /// It is the join's event-time watermark.
    is_event_time: bool,
}

impl Clock {
    fn of(app: &mut App, rect: Rect) -> Self {
        let map = if app.event_time { event_clock(app) } else { app.clock.clone() };
        let scale = if app.event_time { Scale::ArrivalTime } else { app.scale };
        let last = app.cursor.len().saturating_sub(1);
        let axis = Axis::new(scale, (0, last), &map, rect.left(), rect.width());
        Self { axis, map, is_event_time: app.event_time }
    }

    /// Screen position of an arrival.
    #[must_use]
    pub fn x(&self, arrival: u64) -> f32 {
        self.axis.x_of(arrival, &self.map)
    }
}

/// Shows it.
pub fn show(app: &mut App, ui: &mut Ui, t: &Tokens) {
    let room = ui.available_rect_before_wrap();
    let rect = Rect::from_center_size(room.center(), vec2((room.width() - 8.0).max(1.0), 40.0));
    let response = ui.interact(rect, ui.scope_id().with("strip"), Sense::click_and_drag());
    let at = app.cursor.at();
    response.widget_info(|| WidgetInfo::slider(true, at as f64, "Cursor"));
    let last = app.cursor.len().saturating_sub(1);
    let place = format!("arrival {}, the last is {}", thousands(at), thousands(last));
    ui.ctx().accesskit_node_builder(response.id, |node| {
        node.set_value(place.as_str());
        node.set_min_numeric_value(0.0);
        node.set_max_numeric_value(last as f64);
    });
    let clock = Clock::of(app, rect);
    if let Some(pos) = response.interact_pointer_pos()
        && app.cursor.len() > 0
    {
        let here = clock.axis.arrival(pos.x, &clock.map);
        // Shift draws a range, from the arrival that was pressed on: the bar has less room
        // for the strip once there is one. Where the button was let go, there is no origin
        // any more: the cursor stays where it was.
        let (origin, shift, pressed) = ui
            .input(|i| (i.pointer.press_origin(), i.modifiers.shift, i.pointer.primary_pressed()));
        let began = origin.map(|from| {
            let there = clock.axis.arrival(from.x, &clock.map);
            ui.data_mut(|d| {
                if pressed {
                    d.insert_temp(response.id, there);
                }
                d.get_temp(response.id).unwrap_or(there)
            })
        });
        app.commands.extend(match (began, shift) {
            (Some(from), true) => Some(Command::SetRange(from, here)),
            (None, true) => None,
            (_, false) => Some(Command::GoTo(here)),
        });
        response.request_focus();
    }
    keys(app, ui, &response);
    let base = rect.bottom() - 6.0;
    let bars_at = Rect::from_min_max(pos2(rect.left(), rect.top() + 4.0), pos2(rect.right(), base));
    marks::range(app, ui, &clock, bars_at, t);
    let totals = totals(app, &clock, rect);
    let painter = ui.painter();
    if let Some(totals) = totals {
        painter.add(Shape::mesh(bars(&totals, rect, base, t)));
        told(app, &clock, rect, &totals, &response);
    } else {
        painter.hline(rect.x_range(), base, Stroke::new(1.0, t.line));
        if let Some(said) = unread(app) {
            let font = fonts::regular(SMALL);
            let shown = fit(ui, &said, &font, rect.width());
            let middle = egui::Align2::CENTER_CENTER;
            ui.painter().text(bars_at.center(), middle, shown, font, t.second);
            ui.ctx().accesskit_node_builder(response.id, |node| {
                node.set_value(format!("{place}; {said}"));
            });
        }
    }
    if let Some((from, to)) = app.view {
        // What the time axes above show of it.
        let seen = clock.x(from)..=clock.x(to);
        let box_ = Rect::from_x_y_ranges(seen, rect.top() + 4.0..=base + 3.0);
        let line = Stroke::new(1.0, t.third);
        painter.rect_stroke(box_, 2, line, egui::StrokeKind::Inside);
    }
    marks::bookmarks(app, ui, &clock, bars_at, t);
    if clock.is_event_time
        && let Some(ms) = selected_event_ms(app)
    {
        // Apart from the cursor: the selected record's own event time.
        let x = clock.axis.x(ms).clamp(rect.left(), rect.right());
        let y = base + 2.0;
        let mark = vec![pos2(x, y - 6.0), pos2(x + 4.0, y), pos2(x - 4.0, y)];
        let line = Stroke::new(1.5, t.text);
        ui.painter().add(Shape::convex_polygon(mark, t.panel, line));
    }
    if app.cursor.len() > 0 {
        let x = clock.x(at).clamp(rect.left(), rect.right());
        let painter = ui.painter();
        painter.vline(x, rect.top() + 2.0..=rect.bottom() - 2.0, Stroke::new(1.5, t.accent));
        painter.circle_filled(pos2(x, rect.top() + 4.0), 4.0, t.accent);
    }
    if response.has_focus() {
        let line = Stroke::new(1.0, t.accent);
        ui.painter().rect_stroke(rect, 3, line, egui::StrokeKind::Outside);
    }
}

/// Says what the bar under the pointer counts: colour alone does not.
fn told(app: &App, clock: &Clock, rect: Rect, totals: &[Total], response: &egui::Response) {
    let pointer = response.hover_pos().filter(|_| !response.is_pointer_button_down_on());
    let Some(pos) = pointer else { return };
    let part = ((pos.x - rect.left()) / rect.width()).clamp(0.0, 1.0);
    let bar = ((part * totals.len() as f32) as usize).min(totals.len().saturating_sub(1));
    let Some(total) = totals.get(bar) else { return };
    let unit = app.doc.run.as_ref().map_or("record", |r| unit(&r.manifest.start));
    let arrival = thousands(clock.axis.arrival(pos.x, &clock.map));
    let said = format!("near arrival {arrival}\n{}", counted(total, unit));
    response.clone().on_hover_text_at_pointer(said);
}

/// `412 records: 380 joined, 32 late`.
fn counted((all, by): &Total, unit: &str) -> String {
    let counts = Verdict::ALL.into_iter().map(|verdict| (verdict.name(), by[verdict as usize]));
    let some = counts.filter(|(_, n)| *n > 0);
    let parts: Vec<String> = some.map(|(name, n)| format!("{} {name}", thousands(n))).collect();
    if parts.is_empty() {
        return format!("no {unit}s");
    }
    format!("{}: {}", plural(*all, unit), parts.join(", "))
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

/// The bars of the strip.
fn totals(app: &mut App, clock: &Clock, rect: Rect) -> Option<Vec<Total>> {
    let len = app.cursor.len();
    let needs_clock = clock.axis.scale == Scale::ArrivalTime && clock.map.is_empty();
    if len == 0 || needs_clock {
        return None;
    }
    let bars = (rect.width() / STEP).floor().max(1.0) as usize;
    let within = |x: f32| (x - rect.left()) / rect.width();
    if !clock.is_event_time {
        let range = clock.axis.range();
        let values = range.to.saturating_sub(range.from);
        if values >= bars as i64 {
            return Some(sums(&*ask_density(app, range, bars)?));
        }
        // Fewer than bars: each stands where the cursor stands on it.
        let parts = sums(&*ask_density(app, range, values.max(1) as usize)?);
        let at = |n: usize| within(clock.axis.x(range.from.saturating_add(n as i64)));
        return Some(placed(&parts, bars, at));
    }
    // Each part of the run stands where the watermark stood when it arrived.
    let parts = PARTS.min(len as usize);
    let range = Range { axis: RunAxis::Arrival, from: 0, to: len as i64 };
    let parts = sums(&*ask_density(app, range, parts)?);
    let arrival = |n: usize| n as u64 * len / parts.len() as u64;
    Some(placed(&parts, bars, |n| within(clock.x(arrival(n)))))
}

/// Parts of the run in so many bars; `at`: where one stands, 0 to 1.
fn placed(parts: &[Total], bars: usize, at: impl Fn(usize) -> f32) -> Vec<Total> {
    let mut totals = vec![(0, [0; 10]); bars];
    for (n, part) in parts.iter().enumerate() {
        let bar = ((at(n) * bars as f32).max(0.0) as usize).min(bars.saturating_sub(1));
        let Some(total) = totals.get_mut(bar) else { continue };
        total.0 += part.0;
        for (sum, n) in total.1.iter_mut().zip(part.1) {
            *sum += n;
        }
    }
    totals
}

fn ask_density(app: &mut App, range: Range, buckets: usize) -> Option<Arc<Density>> {
    let run = app.doc.run.as_ref()?.run.clone();
    let question = (app.doc.revision, range, buckets);
    let lanes = app.doc.run.as_ref().map_or(0, |r| r.manifest.start.lanes.len());
    app.strip.density.ask(&app.jobs, question, move |(_, range, buckets)| {
        // All partitions as one: thousands of them take no more room.
        let one = vec![0; lanes];
        let density = run.density_of_groups(*range, &one, 1, *buckets);
        density.map(Arc::new).map_err(|e| e.to_string())
    });
    let answer = app.strip.density.answer()?;
    read_part(&app.ctx, &answer.result)
}

/// Why nothing is known of what came when.
fn unread(app: &mut App) -> Option<String> {
    let error = app.strip.density.answer()?.result.as_ref().err().cloned()?;
    Some(format!("what came when cannot be read: {error}"))
}

/// Over all partitions.
fn sums(density: &Density) -> Vec<Total> {
    let mut totals: Vec<Total> = vec![(0, [0; 10]); density.buckets];
    for lane in 0..density.lanes.len() {
        for (bucket, total) in totals.iter_mut().enumerate() {
            for (verdict, n) in density.at(lane, bucket).iter().enumerate() {
                total.0 += u64::from(*n);
                total.1[verdict] += u64::from(*n);
            }
        }
    }
    totals
}

/// One bar a bucket: what went wrong in its own colour from the base, the other records
/// faintly above it.
fn bars(totals: &[Total], rect: Rect, base: f32, t: &Tokens) -> Mesh {
    let most = totals.iter().map(|t| t.0).max().unwrap_or(0).max(1) as f32;
    let height = base - rect.top() - 8.0;
    let mut mesh = Mesh::default();
    let wrong = [Verdict::Late, Verdict::Expired, Verdict::Undecodable];
    for (bucket, (all, by)) in totals.iter().enumerate() {
        if *all == 0 {
            continue;
        }
        let x = rect.left() + bucket as f32 * rect.width() / totals.len() as f32;
        let bar = |n: u64, least: f32| (n as f32 / most * height).max(least);
        let top = base - bar(*all, 2.0);
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
        // Beside each other both colours could hardly be told apart.
        let foot = if y < base { y - 1.0 } else { base };
        if top < foot {
            let at = Rect::from_min_max(pos2(x, top), pos2(x + BAR, foot));
            mesh.add_colored_rect(at, t.faint());
        }
    }
    mesh
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::{NodeT as _, Queryable as _};

    use super::*;
    use crate::window::headless::settle;
    use crate::window::testing::{fail, feed, opened};

    #[test]
    fn what_came_when_is_said_where_it_cannot_be_read() {
        let mut h = opened(&feed().run());
        let app = h.state_mut();
        fail(&mut app.strip.density, &app.jobs, "the disk went away");
        settle(&mut h).unwrap();
        let cursor = h.query_all_by_label("Cursor").next().unwrap();
        let said = cursor.accesskit_node().value().unwrap();
        assert!(said.ends_with("; what came when cannot be read: the disk went away"), "{said}");
        let mut listed = h.state().errors().list().iter();
        assert!(listed.any(|problem| problem.message == "the disk went away"));
    }

    #[test]
    fn a_bar_says_in_words_what_its_colours_count() {
        let mut by = [0; 10];
        by[Verdict::Joined as usize] = 1_380;
        by[Verdict::Late as usize] = 32;
        assert_eq!(counted(&(1_412, by), "record"), "1,412 records: 1,380 joined, 32 late");
        assert_eq!(counted(&(0, [0; 10]), "row"), "no rows");
    }

    #[test]
    fn few_records_stand_where_the_cursor_stands_on_them() {
        let one = |n: u64| (n, [n; 10]);
        // A run of one record, whose clock bar is two values wide.
        let alone = placed(&[one(1), one(0)], 80, |n| n as f32);
        assert_eq!((alone[0], alone.len()), (one(1), 80));
        let both = placed(&[one(1), one(2), one(4)], 4, |n| n as f32 / 2.0);
        assert_eq!(both.iter().map(|total| total.0).collect::<Vec<u64>>(), [1, 0, 2, 4]);
    }
}
