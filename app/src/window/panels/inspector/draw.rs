//! How the inspector draws: the answer first, details after.

use egui::{Align, Layout, Rect, Sense, Ui, pos2, vec2};
use joinscope_core::run::explain::{Candidate, Figure};
use joinscope_core::run::{KeyState, RowView};
use joinscope_operator::record::{Record, RecordName, TimestampType};
use joinscope_operator::time::format_duration;
use joinscope_operator::verdict::Verdict;

use super::ask::{Output, Row, Value};
use super::{links, sentence, value};
use crate::window::command::Command;
use crate::window::cx::Cx;
use crate::window::failures::note_part;
use crate::window::panels::outputs::{kind_name, labels};
use crate::window::selection::Selection;
use crate::window::text::{from_bytes, line, thousands};
use crate::window::theme::{SMALL, TEXT, Tokens, fonts};
use crate::window::widgets::{button, fit, group, link, text, verdict_shape};

/// Between a label and the figure beside it at least, points.
const APART: f32 = 12.0;
/// Lines that a figure takes at most; the whole is in the tooltip.
const FIGURE_LINES: usize = 4;

/// A label at the left, a figure at the right; where both do not fit into one
/// line, the figure stands below, wrapped, so that nothing of it is lost.
fn number(ui: &mut Ui, label: &str, figure: &str, hover: Option<&str>) {
    let t = Tokens::of(ui.ctx());
    let width = ui.available_width();
    let escaped = line(figure).into_owned();
    let painter = ui.painter().clone();
    let label_galley =
        painter.layout(label.to_owned(), fonts::regular(SMALL + 0.5), t.second, width);
    let one = painter.layout_no_wrap(escaped.clone(), fonts::mono(SMALL), t.text);
    let fits =
        label_galley.rows.len() == 1 && label_galley.size().x + APART + one.size().x <= width;
    let figure_galley = if fits {
        one
    } else {
        let mut job =
            egui::text::LayoutJob::simple(escaped.clone(), fonts::mono(SMALL), t.text, width);
        job.wrap.max_rows = FIGURE_LINES;
        job.wrap.break_anywhere = true;
        painter.layout_job(job)
    };
    let height = if fits { 22.0 } else { label_galley.size().y + figure_galley.size().y + 6.0 };
    let (rect, response) = ui.allocate_exact_size(vec2(width, height), Sense::hover());
    response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::Role::Label, true, format!("{label}: {escaped}"))
    });
    let cut = figure_galley.elided || escaped != figure;
    if fits {
        let top = |galley: &egui::Galley| rect.center().y - galley.size().y / 2.0;
        let at = (top(&label_galley), top(&figure_galley));
        painter.galley(pos2(rect.left(), at.0), label_galley, t.second);
        let left = rect.right() - figure_galley.size().x;
        painter.galley(pos2(left, at.1), figure_galley, t.text);
    } else {
        let below = rect.top() + 2.0 + label_galley.size().y;
        painter.galley(pos2(rect.left(), rect.top() + 2.0), label_galley, t.second);
        // Under its label, a little in: it belongs to it.
        let left = (rect.right() - figure_galley.size().x).max(rect.left());
        painter.galley(pos2(left, below), figure_galley, t.text);
    }
    // What is cut is whole in the tooltip, as far as a line goes, before what else there
    // is to say.
    let whole = cut.then_some(escaped.as_str()).filter(|figure| Some(*figure) != hover);
    let hover: Vec<&str> = whole.into_iter().chain(hover).collect();
    if !hover.is_empty() {
        response.on_hover_text(hover.join("\n"));
    }
}

fn time(ui: &mut Ui, cx: &Cx<'_>, label: &str, ms: Option<i64>) {
    if let Some(ms) = ms {
        number(ui, label, &cx.times.exact(ms), Some(&cx.times.full(ms)));
    }
}

/// An arrival with its time, without its milliseconds where only so both fit beside
/// the label.
fn moment(ui: &mut Ui, cx: &Cx<'_>, label: &str, at: u64, ms: i64) {
    let painter = ui.painter();
    let wide = |text: &str, font| {
        painter.layout_no_wrap(text.to_owned(), font, egui::Color32::WHITE).size().x
    };
    let room = ui.available_width() - wide(label, fonts::regular(SMALL + 0.5)) - APART;
    let of = |time: String| format!("{} · {time}", thousands(at));
    let [exact, short] = [cx.times.exact(ms), cx.times.short(ms)].map(of);
    let fits = |text: &str| wide(text, fonts::mono(SMALL)) <= room;
    let figure = if fits(&exact) || !fits(&short) { exact } else { short };
    number(ui, label, &figure, Some(&cx.times.full(ms)));
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
pub fn row(
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    r: &Row,
    state: Option<Result<&KeyState, &String>>,
    shown: &mut value::Shown,
) {
    let v = &r.view;
    verdict_line(ui, v.verdict, &at_cursor(v, cx.cursor.at()));
    ui.add_space(2.0);
    sentence::show(ui, &r.explained.sentence, &r.explained.candidates, cx.commands);
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
        ui.add_space(4.0);
        if button("Open the recording…").show(ui).clicked() {
            cx.commands.push(Command::ShowOpen);
        }
    }
    followed(ui, cx, r);
    match state {
        Some(Ok(state)) => of_key(ui, cx, v.row, state),
        Some(Err(error)) => {
            note_part(ui.ctx(), error);
            let said = format!("Its key in the state cannot be read: {}", line(error));
            let t = Tokens::of(ui.ctx());
            let said = egui::RichText::new(said).font(fonts::regular(SMALL)).color(t.second);
            ui.add(egui::Label::new(said).wrap());
        }
        None => {}
    }
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

/// An arrival that stands alone, with its word.
fn arrival(at: u64) -> String {
    format!("arrival {}", thousands(at))
}

fn numbers(ui: &mut Ui, cx: &Cx<'_>, r: &Row) {
    let v = &r.view;
    time(ui, cx, "Event time", v.event_time);
    time(ui, cx, "Watermark then", v.watermark);
    moment(ui, cx, "Arrival", v.arrival, v.arrival_ms);
    if let Some(late) = v.late_by {
        number(ui, "Late by", &format_duration(late), None);
    }
    if let Some(key) = &v.key {
        number(ui, "Key", &key.to_string(), None);
    }
    number(ui, "Input", &r.input, None);
    for (label, figure) in &r.explained.numbers {
        match figure {
            Figure::Text(figure) => number(ui, label, figure, None),
            Figure::Arrival(at, ms) => moment(ui, cx, label, *at, *ms),
        }
    }
    // The time beside it, where the run knows the record that arrived then.
    let when =
        |ui: &mut Ui, label: &str, at: u64| match r.then.iter().find(|(arrival, _)| *arrival == at)
        {
            None => number(ui, label, &arrival(at), None),
            Some((_, ms)) => moment(ui, cx, label, at, *ms),
        };
    match (v.kept, v.removed) {
        (true, Some(at)) => when(ui, "In the state until", at),
        (true, None) => number(ui, "In the state", "to the end", None),
        _ => {}
    }
    if let Some(at) = v.unmatched_since {
        when(ui, "Unmatched since", at);
    }
    if let Some(at) = v.decided.filter(|d| *d != v.arrival) {
        when(ui, "Verdict fell at", at);
    }
}

fn candidates(ui: &mut Ui, cx: &mut Cx<'_>, r: &Row) {
    if r.explained.candidates.is_empty() {
        return;
    }
    let t = Tokens::of(ui.ctx());
    group(ui, "Candidates with this key");
    // Distances stand under each other, whatever the names before them take.
    let gap = ui.spacing().item_spacing.x;
    let painter = ui.painter().clone();
    let wide = |text: String, font| painter.layout_no_wrap(text, font, t.text).size().x;
    let edge = |c: &Candidate| {
        let input = links::input_of(cx, &c.row);
        wide(c.record.to_string(), fonts::mono(SMALL))
            + input.map_or(0.0, |input| gap + wide(input.to_owned(), fonts::regular(SMALL)))
            + 10.0
            + wide(distance(c), fonts::mono(SMALL))
    };
    let edge = r.explained.candidates.iter().map(edge).fold(190.0, f32::max);
    for c in &r.explained.candidates {
        candidate(ui, cx, c, edge, t);
    }
    if r.explained.more_candidates > 0 {
        let more = format!("and {} more", thousands(r.explained.more_candidates));
        text(ui, &more, fonts::regular(SMALL), t.second);
    }
}

/// A candidate's name, how far it is, and why it did or did not match: beside
/// them where that fits, else below, wrapped.
/// `edge`: where distances end, points from the left.
fn candidate(ui: &mut Ui, cx: &mut Cx<'_>, c: &Candidate, edge: f32, t: &Tokens) {
    let width = ui.available_width();
    let name = c.record.to_string();
    let shown = fit(ui, &name, &fonts::mono(SMALL), (width - 90.0).max(60.0));
    let (row, _) = ui.allocate_exact_size(vec2(width, 22.0), Sense::hover());
    let mut child = ui.new_child(
        egui::UiBuilder::new()
            .max_rect(row)
            .layout(Layout::left_to_right(Align::Center))
            .id_salt(&name),
    );
    if link(&mut child, &shown).on_hover_text(&name).clicked() {
        cx.commands.push(links::select(&c.row));
    }
    links::input(&mut child, cx, &c.row);
    let left = child.min_rect().right() + 10.0;
    let galley = ui.painter().layout_no_wrap(distance(c), fonts::mono(SMALL), t.text);
    let right = (row.left() + edge).max(left + galley.size().x).min(row.right());
    let top = row.center().y - galley.size().y / 2.0;
    ui.painter().galley(pos2(right - galley.size().x, top), galley, t.text);
    let why = line(&c.why).into_owned();
    let room = row.right() - right - 10.0;
    let one = ui.painter().layout_no_wrap(why.clone(), fonts::regular(SMALL), t.second);
    let (at, why_galley) = if one.size().x <= room {
        (pos2(right + 10.0, row.center().y - one.size().y / 2.0), one)
    } else {
        let galley =
            ui.painter().layout(why.clone(), fonts::regular(SMALL), t.second, width - 10.0);
        let (below, _) = ui.allocate_exact_size(vec2(width, galley.size().y + 4.0), Sense::hover());
        (below.left_top() + vec2(10.0, 0.0), galley)
    };
    let place = Rect::from_min_size(at, why_galley.size());
    ui.painter().galley(at, why_galley, t.second);
    let response = ui.interact(place, ui.scope_id().with(("why", &name)), Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, &why));
}

/// How far a candidate is in event time; nothing where one of both has none.
fn distance(c: &Candidate) -> String {
    c.distance_ms.map(signed).unwrap_or_default()
}

/// `−3m 05s`, `+1.2s`.
fn signed(ms: i64) -> String {
    if ms == 0 {
        return "same time".to_owned();
    }
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
    let t = Tokens::of(ui.ctx());
    let can_run = cx.doc.recording.is_some() && cx.doc.pipeline.is_some();
    for e in &r.explained.enough {
        let hover = format!("{}: {}", e.path, e.effect);
        ui.add_space(3.0);
        ui.horizontal_top(|ui| {
            let room = ui.available_width() - if can_run { 49.0 } else { 0.0 };
            let wide = |text: &str, font| {
                ui.painter().layout_no_wrap(text.to_owned(), font, t.text).size().x
            };
            let label = wide(&e.text, fonts::regular(SMALL + 0.5));
            let below = label + APART + wide(&e.bound(), fonts::mono(SMALL)) > room;
            ui.vertical(|ui| {
                ui.set_width(room);
                ui.add_space(2.0);
                number(ui, &e.text, &e.bound(), Some(&hover));
            });
            if can_run {
                let name = format!("Run with {} = {}", e.path, e.value);
                // Beside the figure, where that stands below its label too.
                let show = |ui: &mut Ui| {
                    ui.add_space(if below { 15.0 } else { 0.0 });
                    button("Run").name(&name).show(ui)
                };
                let run = ui.vertical(show).inner;
                if run.on_hover_text(&name).clicked() {
                    cx.commands.push(Command::Run(vec![(e.path.clone(), e.value.clone())]));
                }
            }
        });
        // As a pipeline calls it.
        let font = fonts::mono(SMALL - 1.0);
        let path = fit(ui, &e.path, &font, ui.available_width());
        text(ui, &path, font, t.second).on_hover_text(&hover);
    }
}

/// What made the verdict fall, and what the record set off, as links.
fn followed(ui: &mut Ui, cx: &mut Cx<'_>, r: &Row) {
    let t = Tokens::of(ui.ctx());
    // Said once: where a sentence names what closed the interval, it leads there.
    let said = |cause: &RecordName| {
        r.view.verdict != Verdict::Joined && sentence::names(&r.explained.sentence, cause)
    };
    if let Some(cause) = r.cause.as_ref().filter(|cause| !said(cause)) {
        group(ui, "Cause");
        ui.horizontal(|ui| {
            text(ui, "decided by", fonts::regular(SMALL + 0.5), t.second);
            links::record_link(ui, cx, cause);
        });
    }
    if r.effects.0 > 0 {
        group(ui, "It decided");
        for row in &r.effects.1 {
            ui.horizontal(|ui| {
                let (rect, _) = ui.allocate_exact_size(vec2(10.0, 22.0), Sense::hover());
                ui.painter().extend(verdict_shape(rect.center(), 4.0, row.verdict, t));
                links::row_link(ui, cx, row);
                text(ui, row.verdict.name(), fonts::regular(SMALL), t.second);
            });
        }
        more(ui, r.effects.0.saturating_sub(r.effects.1.len() as u64), t);
    }
    if r.outputs.is_empty() {
        return;
    }
    group(ui, "What followed");
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
            text(ui, &said, fonts::regular(SMALL), t.second).on_hover_text(&said);
        });
    }
    more(ui, r.view.outputs.saturating_sub(r.outputs.len() as u64), t);
}

fn more(ui: &mut Ui, n: u64, t: &Tokens) {
    if n > 0 {
        let said = format!("and {} more", thousands(n));
        text(ui, &said, fonts::regular(SMALL), t.second);
    }
}

/// The rows of the record's key that rest in the state at the cursor.
pub fn of_key(ui: &mut Ui, cx: &mut Cx<'_>, row: u64, state: &KeyState) {
    /// Rows that are listed; more are counted.
    const LISTED: usize = 20;
    let t = Tokens::of(ui.ctx());
    let at = arrival(cx.cursor.at());
    group(ui, &format!("Its key in the state at the cursor ({at})"));
    if state.rows.is_empty() {
        text(ui, "No row of it", fonts::regular(SMALL), t.second);
        return;
    }
    // The newest first: they stay longest.
    for other in state.rows.iter().rev().take(LISTED) {
        ui.horizontal(|ui| {
            let verdict = other.verdict_at(cx.cursor.at()).unwrap_or(other.verdict);
            let (rect, _) = ui.allocate_exact_size(vec2(10.0, 22.0), Sense::hover());
            ui.painter().extend(verdict_shape(rect.center(), 4.0, verdict, t));
            if other.row == row {
                text(ui, "this record", fonts::regular(SMALL + 0.5), t.text);
            } else {
                links::row_link(ui, cx, other);
            }
            if let Some(ms) = other.event_time {
                links::time(ui, cx, ms);
            }
        });
    }
    more(ui, state.rows.len().saturating_sub(LISTED) as u64, t);
    if !state.whole {
        text(ui, "and older ones that were not looked at", fonts::regular(SMALL), t.second);
    }
}

/// An output and its records.
pub fn output(ui: &mut Ui, cx: &mut Cx<'_>, o: &Output) {
    let t = Tokens::of(ui.ctx());
    let kind = kind_name(o.view.kind, o.view.correction);
    text(ui, kind, fonts::semibold(TEXT + 1.0), t.text);
    ui.add_space(4.0);
    ui.spacing_mut().item_spacing.y = 0.0;
    time(ui, cx, "Event time", Some(o.view.time));
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
            let whole = row.record.to_string();
            let room = (ui.available_width() - 110.0).max(80.0);
            let shown = fit(ui, &whole, &fonts::mono(SMALL), room);
            if link(ui, &shown).on_hover_text(&whole).clicked() {
                cx.commands.push(links::select(row));
            }
            links::input(ui, cx, row);
            if let Some(ms) = row.event_time {
                links::time(ui, cx, ms);
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
