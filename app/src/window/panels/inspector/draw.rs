//! How the inspector draws: the answer first, details after.

use egui::{Align, Layout, Rect, Sense, Ui, pos2, vec2};
use joinscope_core::run::RowView;
use joinscope_operator::record::{Record, TimestampType};
use joinscope_operator::time::format_duration;
use joinscope_operator::verdict::Verdict;

use super::ask::{Output, Row, Value};
use super::{sentence, value};
use crate::window::command::Command;
use crate::window::cx::Cx;
use crate::window::panels::outputs::{kind_name, labels};
use crate::window::selection::Selection;
use crate::window::text::{elide, from_bytes, line, thousands};
use crate::window::theme::{SMALL, TEXT, Tokens, fonts};
use crate::window::widgets::{button, group, link, text, verdict_shape};

/// A label at the left, a figure at the right.
fn number(ui: &mut Ui, label: &str, figure: &str, hover: Option<&str>) {
    let t = Tokens::of(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 22.0), Sense::hover());
    response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::Role::Label, true, format!("{label}: {figure}"))
    });
    let painter = ui.painter_at(rect.expand(1.0));
    let middle = rect.center().y;
    let left = painter.text(
        pos2(rect.left(), middle),
        egui::Align2::LEFT_CENTER,
        label,
        fonts::regular(SMALL + 0.5),
        t.second,
    );
    let sign = ui.ctx().fonts_mut(|f| f.glyph_width(&fonts::mono(SMALL), '0')).max(1.0);
    let chars = ((rect.right() - left.right() - 12.0) / sign).max(4.0) as usize;
    let shown = elide(&line(figure), chars);
    let cut = shown != figure;
    painter.text(
        pos2(rect.right(), middle),
        egui::Align2::RIGHT_CENTER,
        shown,
        fonts::mono(SMALL),
        t.text,
    );
    if let Some(hover) = hover.or_else(|| cut.then_some(figure)) {
        response.on_hover_text(hover);
    }
}

fn time(ui: &mut Ui, cx: &Cx<'_>, label: &str, ms: Option<i64>) {
    if let Some(ms) = ms {
        number(ui, label, &cx.times.exact(ms), Some(&cx.times.full(ms)));
    }
}

fn verdict_line(ui: &mut Ui, verdict: Verdict, extra: &str) {
    let t = Tokens::of(ui.ctx());
    ui.horizontal(|ui| {
        let (rect, _) = ui.allocate_exact_size(vec2(12.0, 20.0), Sense::hover());
        ui.painter().extend(verdict_shape(rect.center(), 5.0, verdict, t));
        text(ui, verdict.name(), fonts::semibold(TEXT + 1.0), t.text);
        if !extra.is_empty() {
            text(ui, extra, fonts::regular(SMALL + 0.5), t.second);
        }
    });
}

/// A record as one input took it.
pub fn row(ui: &mut Ui, cx: &mut Cx<'_>, r: &Row, shown: &mut value::Shown) {
    let v = &r.view;
    verdict_line(ui, v.verdict, &at_cursor(v, cx.cursor.at()));
    ui.add_space(2.0);
    sentence::show(ui, &r.explained.sentence, cx.commands);
    ui.add_space(8.0);
    ui.spacing_mut().item_spacing.y = 0.0;
    numbers(ui, cx, r);
    candidates(ui, cx, r);
    enough(ui, cx, r);
    if let Some(value) = &r.value {
        value::show(shown, ui, value, cx.commands);
    } else {
        group(ui, "Value");
        let t = Tokens::of(ui.ctx());
        let at = cx.doc.run.as_ref().map(|d| d.manifest.start.recording.path.clone());
        let at = at.map(|p| p.display().to_string()).unwrap_or_default();
        let why = format!("The recording is not at {at}: open it from where it is now");
        let why = egui::RichText::new(why).font(fonts::regular(SMALL)).color(t.second);
        ui.add(egui::Label::new(why).wrap());
    }
    followed(ui, cx, r);
}

/// How the row stood at the cursor, where that differs from how it ended.
fn at_cursor(row: &RowView, cursor: u64) -> String {
    match row.verdict_at(cursor) {
        None => "not there yet at the cursor".to_owned(),
        Some(then) if then != row.verdict => format!("{then} at the cursor"),
        Some(_) if row.in_state_at(cursor) => "in the state at the cursor".to_owned(),
        Some(_) => String::new(),
    }
}

fn numbers(ui: &mut Ui, cx: &Cx<'_>, r: &Row) {
    let v = &r.view;
    time(ui, cx, "Event time", v.event_time);
    time(ui, cx, "Watermark then", v.watermark);
    let arrived = format!("{} · {}", thousands(v.arrival), cx.times.exact(v.arrival_ms));
    number(ui, "Arrival", &arrived, Some(&cx.times.full(v.arrival_ms)));
    if let Some(late) = v.late_by {
        number(ui, "Late by", &format_duration(late), None);
    }
    if let Some(key) = &v.key {
        number(ui, "Key", &key.to_string(), None);
    }
    number(ui, "Input", &r.input, None);
    for (label, figure) in &r.explained.numbers {
        number(ui, label, figure, None);
    }
    match (v.kept, v.removed) {
        (true, Some(at)) => number(ui, "In the state until", &thousands(at), None),
        (true, None) => number(ui, "In the state", "to the end", None),
        _ => {}
    }
    if let Some(at) = v.decided.filter(|d| *d != v.arrival) {
        number(ui, "Verdict fell at", &thousands(at), None);
    }
}

fn candidates(ui: &mut Ui, cx: &mut Cx<'_>, r: &Row) {
    if r.explained.candidates.is_empty() {
        return;
    }
    let t = Tokens::of(ui.ctx());
    group(ui, "Candidates with this key");
    for c in &r.explained.candidates {
        let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 22.0), Sense::hover());
        let name = elide(&c.record.to_string(), 18);
        let mut child = ui.new_child(
            egui::UiBuilder::new()
                .max_rect(rect)
                .layout(Layout::left_to_right(Align::Center))
                .id_salt(&name),
        );
        if link(&mut child, &name).on_hover_text(c.record.to_string()).clicked() {
            cx.commands.push(Command::SelectRecord(c.record.clone()));
        }
        let left = child.min_rect().right() + 10.0;
        let distance = c.distance_ms.map(signed).unwrap_or_default();
        let galley = ui.painter().layout_no_wrap(distance, fonts::mono(SMALL), t.text);
        let middle = (rect.left() + 190.0).max(left + galley.size().x);
        let top = rect.center().y - galley.size().y / 2.0;
        ui.painter().galley(pos2(middle - galley.size().x, top), galley, t.text);
        let at = Rect::from_x_y_ranges(middle + 10.0..=rect.right(), rect.y_range());
        let why = line(&c.why).into_owned();
        let shown = egui::RichText::new(&why).font(fonts::regular(SMALL)).color(t.second);
        ui.place(at, egui::Label::new(shown).truncate().halign(Align::Min)).on_hover_text(why);
    }
    if r.explained.more_candidates > 0 {
        let more = format!("and {} more", thousands(r.explained.more_candidates));
        text(ui, &more, fonts::regular(SMALL), t.second);
    }
}

/// `−3m 05s`, `+1.2s`.
fn signed(ms: i64) -> String {
    let sign = if ms < 0 { "−" } else { "+" };
    format!("{sign}{}", format_duration(ms.saturating_abs()))
}

/// What would have been enough, each with the button that runs with it.
fn enough(ui: &mut Ui, cx: &mut Cx<'_>, r: &Row) {
    if r.explained.enough.is_empty() {
        return;
    }
    let heading = match r.view.verdict {
        Verdict::Late => "It would not have been late with",
        _ => "The verdict would differ with",
    };
    group(ui, heading);
    let can_run = cx.doc.recording.is_some() && cx.doc.pipeline.is_some();
    for e in &r.explained.enough {
        let hover = format!("{}: {}", e.path, e.effect);
        ui.horizontal(|ui| {
            let room = ui.available_width() - if can_run { 56.0 } else { 0.0 };
            ui.allocate_ui(vec2(room, 26.0), |ui| {
                ui.set_width(room);
                number(ui, &e.text, &e.bound(), Some(&hover));
            });
            if can_run {
                let name = format!("Run with {} = {}", e.path, e.value);
                let run = button("Run").name(&name).show(ui);
                if run.on_hover_text(&name).clicked() {
                    cx.commands.push(Command::Run(vec![(e.path.clone(), e.value.clone())]));
                }
            }
        });
    }
}

fn followed(ui: &mut Ui, cx: &mut Cx<'_>, r: &Row) {
    let nothing = r.outputs.is_empty() && r.cause.is_none();
    if nothing {
        return;
    }
    let t = Tokens::of(ui.ctx());
    group(ui, "What followed");
    if let Some(cause) = &r.cause {
        ui.horizontal(|ui| {
            text(ui, "decided by", fonts::regular(SMALL + 0.5), t.second);
            if link(ui, &elide(&cause.to_string(), 30)).clicked() {
                cx.commands.push(Command::SelectRecord(cause.clone()));
            }
        });
    }
    for o in &r.outputs {
        ui.horizontal(|ui| {
            text(ui, kind_name(o.kind, o.correction), fonts::regular(SMALL + 0.5), t.second);
            if link(ui, &format!("output {}", thousands(o.n))).clicked() {
                let selection = Some(Selection::Output(o.n));
                cx.commands.push(Command::Select(selection, Some(o.at)));
                cx.commands.push(Command::ShowPanel(crate::window::panel::Panel::Outputs));
            }
            let labels = labels(o.labels, cx);
            let epoch = format!("epoch {}", thousands(o.epoch));
            let said = if labels.is_empty() { epoch } else { format!("{labels}, {epoch}") };
            text(ui, &said, fonts::regular(SMALL), t.second);
        });
    }
    let more = r.view.outputs.saturating_sub(r.outputs.len() as u64);
    if more > 0 {
        text(ui, &format!("and {} more", thousands(more)), fonts::regular(SMALL), t.second);
    }
}

/// An output and its records.
pub fn output(ui: &mut Ui, cx: &mut Cx<'_>, o: &Output) {
    let t = Tokens::of(ui.ctx());
    let kind = kind_name(o.view.kind, o.view.correction);
    text(ui, kind, fonts::semibold(TEXT + 1.0), t.text);
    ui.add_space(4.0);
    ui.spacing_mut().item_spacing.y = 0.0;
    time(ui, cx, "Time", Some(o.view.time));
    number(ui, "Set off by arrival", &thousands(o.view.at), None);
    number(ui, "Epoch", &thousands(o.view.epoch), None);
    if o.view.correction > 0 {
        number(ui, "Correction", &thousands(u64::from(o.view.correction)), None);
    }
    let labels = labels(o.view.labels, cx);
    if !labels.is_empty() {
        number(ui, "Labels", &labels, None);
    }
    if let Some(key) = o.records.first().and_then(|r| r.key.as_ref()) {
        number(ui, "Key", &key.to_string(), None);
    }
    group(ui, "Its records");
    for row in &o.records {
        ui.horizontal(|ui| {
            let (rect, _) = ui.allocate_exact_size(vec2(10.0, 22.0), Sense::hover());
            ui.painter().extend(verdict_shape(rect.center(), 4.0, row.verdict, t));
            if link(ui, &elide(&row.record.to_string(), 30)).clicked() {
                let selection = Some(Selection::Row(row.row));
                cx.commands.push(Command::Select(selection, Some(row.arrival)));
            }
            if let Some(ms) = row.event_time {
                text(ui, &cx.times.exact(ms), fonts::mono(SMALL), t.second);
            }
        });
    }
    if o.more > 0 {
        let more = format!("and {} more", thousands(o.more as u64));
        text(ui, &more, fonts::regular(SMALL), t.second);
    }
}

/// A record of a recording without a run.
pub fn record(ui: &mut Ui, cx: &mut Cx<'_>, v: &Value, shown: &mut value::Shown) {
    let t = Tokens::of(ui.ctx());
    let r = &v.record;
    let sentence =
        "A record as it was recorded; run a pipeline over it to see what a join does with it";
    let sentence = egui::RichText::new(sentence).font(fonts::regular(TEXT)).color(t.second);
    ui.add(egui::Label::new(sentence).wrap());
    ui.add_space(8.0);
    ui.spacing_mut().item_spacing.y = 0.0;
    number(ui, "Arrival", &thousands(r.arrival), None);
    time(ui, cx, "Arrived", Some(r.arrival_ms()));
    time(ui, cx, timestamp_name(r), r.timestamp);
    let key = match &r.key {
        None => "null".to_owned(),
        Some(key) => from_bytes(&key[..key.len().min(crate::window::text::LONGEST)]),
    };
    number(ui, "Kafka key", &key, None);
    if let Some(epoch) = r.leader_epoch {
        number(ui, "Leader epoch", &epoch.to_string(), None);
    }
    value::show(shown, ui, v, cx.commands);
}

fn timestamp_name(record: &Record) -> &'static str {
    match record.timestamp_type {
        TimestampType::LogAppend => "Timestamp (broker's)",
        TimestampType::Create => "Timestamp (producer's)",
        TimestampType::None => "Timestamp",
    }
}
