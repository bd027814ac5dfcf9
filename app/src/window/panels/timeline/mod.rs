//! Timeline: how many records of which verdict came when, a row for each input
//! and partition, down to single records; above them the epochs of a live job.

mod ask;
mod bars;
mod draw;
mod epochs;
mod events;
mod export;
mod point;
mod rows;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use egui::{Align, Layout, Popup, Rect, Ui, UiBuilder, vec2};
use joinscope_core::run::{Axis as RunAxis, ManifestStart, Range, RowView};
use joinscope_operator::verdict::Verdict;

use self::ask::{Drawn, Pick, Question};
use self::epochs::Epochs;
use self::events::Events;
use self::rows::{Opened, Row};
use super::selected::Selected;
use super::{failed, no_record};
use crate::window::axis::{Axis, GUTTER, RIGHT, Scale};
use crate::window::bars::menu_choice;
use crate::window::chrome::{Title, panel};
use crate::window::command::Command;
use crate::window::cx::Cx;
use crate::window::failures::note_part;
use crate::window::jobs::{Answer, DIM_AFTER, Slot};
use crate::window::layout::Tabs;
use crate::window::panel::Panel;
use crate::window::panels::watermarks::say::{called_in, unit};
use crate::window::selection::Selection;
use crate::window::table::empty;
use crate::window::text::{plural, thousands};
use crate::window::widgets::{button, roomy};

/// Points of a bar and its gap.
const STEP: f32 = 4.0;
/// Fewer records in sight are drawn one by one.
const SINGLES: u64 = 400;
/// Room that a single record needs, points.
const APART: f32 = 3.0;

/// Counts by verdict of each lane over what is in sight.
type Totals = Slot<(u64, Range), Vec<[u32; 10]>>;

/// The panel's state.
#[derive(Default)]
pub struct Timeline {
    opened: Opened,
    totals: Totals,
    drawn: Slot<Question, Drawn>,
    events: Events,
    epochs: Epochs,
    pick: Slot<Pick, Option<RowView>>,
    /// Presses so far, and the one whose answer was acted on.
    presses: (u64, u64),
    selected: Selected,
    paint: draw::State,
}

impl Timeline {
    /// Shows the panel.
    pub fn show(&mut self, ui: &mut Ui, tabs: &Tabs, cx: &mut Cx<'_>) -> bool {
        let sentence = self.sentence(cx);
        let title = Title::of(Panel::Timeline, &sentence, tabs);
        let mut commands = Vec::new();
        let scale = cx.scale;
        let dragged = panel(
            ui,
            &title,
            &mut commands,
            |ui, commands| clock(ui, scale, commands),
            |ui, _| self.body(ui, cx, &sentence),
        );
        cx.commands.append(&mut commands);
        dragged
    }

    /// How many records are in sight, how many of them late, and where most.
    fn sentence(&mut self, cx: &Cx<'_>) -> String {
        let Some(doc) = &cx.doc.run else { return String::new() };
        let Some(known) = self.known(cx) else { return String::new() };
        let drawn = known.drawn();
        let start = &doc.manifest.start;
        // A record that feeds two inputs has two rows.
        let unit = unit(start);
        let all = plural(drawn.sum.iter().sum(), unit);
        let late = drawn.sum[Verdict::Late as usize];
        let crashes = self.epochs.crashes(cx.view);
        if late == 0 {
            return format!("{all} in sight, none late{crashes}{}", known.so_far());
        }
        let by_lane = if known.question().range.axis == RunAxis::EventTime {
            // The others are of what arrived in that range of the join's watermark.
            Some((late_in_rows(drawn, start), late))
        } else {
            let totals = self.totals.answer();
            totals.and_then(|t| {
                let totals = t.result.as_ref().ok()?;
                let late = totals.iter().map(|c| u64::from(c[Verdict::Late as usize]));
                Some((late.enumerate().collect(), late_of(totals)))
            })
        };
        let unread = by_lane.is_none() && self.totals_error().is_some();
        let most = by_lane.and_then(|(late, all): (Vec<(usize, u64)>, u64)| {
            let (lane, n) = worst(&late, all, start)?;
            let share = if n * 2 > all { "most".to_owned() } else { thousands(n) };
            Some(format!(", {share} of them in {}", called_in(start, lane as u32)))
        });
        let most = most.or(unread.then(|| ", of which partition cannot be read".to_owned()));
        let most = most.filter(|_| start.lanes.len() > 1).unwrap_or_default();
        format!("{} late of {all} in sight{most}{crashes}{}", thousands(late), known.so_far())
    }

    fn body(&mut self, ui: &mut Ui, cx: &mut Cx<'_>, sentence: &str) {
        let Some(doc) = &cx.doc.run else {
            empty(
                ui,
                "No run",
                "Run a pipeline over this recording to see what became of its records",
            );
            if cx.doc.pipeline.is_none() && cx.doc.recording.is_some() {
                propose(ui, cx);
            }
            return;
        };
        if cx.cursor.len() == 0 {
            no_record(ui, cx, "Bars appear as soon as the run has published its first segment");
            return;
        }
        let rect = ui.available_rect_before_wrap();
        let axis = cx.axis(rect.left() + GUTTER, rect.width() - GUTTER - RIGHT);
        let start = &doc.manifest.start;
        let rows = self.rows(cx, start, &axis);
        if let Some(error) = self.totals_error() {
            note_part(ui.ctx(), &error);
        }
        let epochs = self.epochs.ask(cx, ui.input(|i| i.time));
        let head = if matches!(epochs, Ok(None)) { 0.0 } else { epochs::HEIGHT };
        let laid = self.paint.lay_out(ui, rect, head, &axis, rows);
        if !(cx.clock.is_empty() && cx.scale != Scale::Arrival) {
            self.ask(cx, &axis, &laid);
        }
        if let Some(error) = self.error(cx) {
            if failed(ui, &error) {
                self.drawn.again();
                self.events.again();
            }
            return;
        }
        let known = self.known(cx);
        if self.drawn.is_stale() {
            ui.multiply_opacity(0.6);
        }
        if self.drawn.is_open() || self.events.is_open() {
            ui.ctx().request_repaint_after(DIM_AFTER);
        }
        let selected = self.selected.row(cx);
        let shown = draw::Shown {
            start,
            axis,
            laid: &laid,
            drawn: known.as_ref().map(|k| (k.question(), k.drawn())),
            sentence,
            selected: selected.as_ref(),
            epochs: epochs.as_ref().map(|known| known.as_deref()).map_err(String::as_str),
        };
        let done = self.paint.show(ui, cx, &shown, &self.opened);
        self.take(cx, done);
        self.take_pick(cx);
    }

    /// Rows from top to bottom; asks for what a folded input shows.
    fn rows(&mut self, cx: &Cx<'_>, start: &ManifestStart, axis: &Axis) -> Vec<Row> {
        let lanes = rows::lanes_of(start);
        let Some(doc) = &cx.doc.run else { return Vec::new() };
        let run = doc.run.clone();
        let question = (cx.doc.revision, axis.range());
        self.totals.ask(cx.jobs, question, move |(_, range)| ask::totals(&run, *range));
        let totals = self.totals.answer();
        let totals = totals.as_ref().and_then(|t| t.result.as_ref().ok());
        let marked: Vec<u32> = self.selected.row(cx).map(|row| row.lane).into_iter().collect();
        rows::rows(&lanes, &self.opened, totals.map(Vec::as_slice), &marked)
    }

    /// Why partitions are not told apart by how many they had.
    fn totals_error(&mut self) -> Option<String> {
        self.totals.answer()?.result.as_ref().err().cloned()
    }

    /// What is known of what is in sight.
    fn known(&mut self, cx: &Cx<'_>) -> Option<Known> {
        let known = if cx.axis(0.0, 1.0).scale == Scale::EventTime {
            let (question, drawn, percent) = self.events.found()?;
            Known::SoFar(question, drawn, percent)
        } else {
            let answer = self.drawn.answer()?;
            answer.result.as_ref().ok()?;
            Known::Whole(answer)
        };
        // Of another clock nothing can be shown on this one.
        let q = known.question();
        let same = q.range.axis == cx.axis(0.0, 1.0).range().axis;
        (same && cx.doc.is_about(q.revision)).then_some(known)
    }

    fn error(&mut self, cx: &Cx<'_>) -> Option<String> {
        if cx.axis(0.0, 1.0).scale == Scale::EventTime {
            return self.events.error();
        }
        self.drawn.answer().and_then(|a| a.result.as_ref().err().cloned())
    }

    fn ask(&mut self, cx: &Cx<'_>, axis: &Axis, laid: &draw::Laid) {
        let Some(doc) = &cx.doc.run else { return };
        let run = doc.run.clone();
        let arrivals = cx.view.1 - cx.view.0 + 1;
        let apart = axis.width / arrivals as f32 >= APART;
        let question = Question {
            revision: cx.doc.revision,
            range: axis.range(),
            buckets: (axis.width / STEP).floor().max(1.0) as usize,
            rows: laid.near(),
            singles: (arrivals <= SINGLES && apart).then_some(cx.view),
        };
        if axis.scale == Scale::EventTime {
            self.events.ask(cx, question);
        } else {
            self.drawn.ask(cx.jobs, question, move |q| ask::drawn(&run, q));
        }
    }

    fn take(&mut self, cx: &mut Cx<'_>, done: draw::Done) {
        if let Some((input, open)) = done.open {
            self.opened.set(input, open);
        }
        if let Some(row) = done.select {
            cx.commands.push(Command::Select(Some(Selection::Row(row.0)), Some(row.1)));
        }
        if let (Some((row, bar)), Some(doc)) = (done.pick, &cx.doc.run) {
            self.presses.0 += 1;
            let run = doc.run.clone();
            let pick = Pick { revision: cx.doc.revision, press: self.presses.0, row, bar };
            self.pick.ask(cx.jobs, pick, move |q| ask::pick(&run, q));
        }
    }

    /// Selects what was found under the last press.
    fn take_pick(&mut self, cx: &mut Cx<'_>) {
        let Some(answer) = self.pick.answer() else { return };
        if answer.question.press != self.presses.0 || self.presses.1 == self.presses.0 {
            return;
        }
        self.presses.1 = self.presses.0;
        if !cx.doc.is_about(answer.question.revision) {
            return;
        }
        cx.commands.extend(match &answer.result {
            Ok(row) => row
                .as_ref()
                .map(|row| Command::Select(Some(Selection::Row(row.row)), Some(row.arrival))),
            Err(error) => Some(Command::Said("Looking for a record".to_owned(), error.clone())),
        });
    }
}

/// What is drawn, and the question that it answers.
enum Known {
    Whole(Arc<Answer<Question, Drawn>>),
    /// By event time, with how much of the run was looked at, percent.
    SoFar(Question, Arc<Drawn>, u64),
}

impl Known {
    fn question(&self) -> &Question {
        match self {
            Self::Whole(answer) => &answer.question,
            Self::SoFar(question, ..) => question,
        }
    }

    fn drawn(&self) -> &Drawn {
        static NOTHING: Drawn =
            Drawn { rows: Vec::new(), sum: [0; 10], scale: (1, 1), singles: Vec::new() };
        match self {
            Self::Whole(answer) => answer.result.as_ref().unwrap_or(&NOTHING),
            Self::SoFar(_, drawn, _) => drawn,
        }
    }

    fn so_far(&self) -> String {
        match self {
            Self::SoFar(.., percent) if *percent < 100 => format!("; {percent} % looked through"),
            _ => String::new(),
        }
    }
}

/// Late records of the partitions that have a row, or are all of an input that has one.
fn late_in_rows(drawn: &Drawn, start: &ManifestStart) -> Vec<(usize, u64)> {
    let lanes = rows::lanes_of(start);
    let lane = |row: Row| match row {
        Row::Lane(lane) => Some(lane),
        Row::Input(input) => match lanes.get(usize::from(input)).map(Vec::as_slice) {
            Some([only]) => Some(*only),
            _ => None,
        },
    };
    let late = |c: &ask::Counts| Some((lane(c.row)? as usize, c.sum[Verdict::Late as usize]));
    drawn.rows.iter().filter_map(late).collect()
}

/// The partition whose late records are worth a word, and how many of `all` they are: a
/// third of all, or twice the mean of its input's partitions and no less than that of all.
fn worst(late: &[(usize, u64)], all: u64, start: &ManifestStart) -> Option<(usize, u64)> {
    let input = |lane: usize| start.lanes.get(lane).map_or(0, |l| usize::from(l.input));
    // Partitions of each input, those that are known, and the late records of them.
    let mut inputs = [[0u64; 3]; 256];
    for lane in &start.lanes {
        inputs[usize::from(lane.input)][0] += 1;
    }
    for (lane, n) in late {
        let of = &mut inputs[input(*lane)];
        of[1] += 1;
        of[2] += n;
    }
    let lanes = start.lanes.len() as u64;
    let stands_out = |lane: usize, n: u64| {
        let [partitions, known, sum] = inputs[input(lane)];
        known == partitions && n * partitions >= sum * 2 && n * lanes >= all
    };
    let some = late.iter().copied();
    let some = some.filter(|(lane, n)| *n > 0 && (*n * 3 >= all || stands_out(*lane, *n)));
    some.max_by_key(|(lane, n)| (*n, usize::MAX - *lane))
}

fn late_of(totals: &[[u32; 10]]) -> u64 {
    totals.iter().map(|c| u64::from(c[Verdict::Late as usize])).sum()
}

/// Under what says that there is no run: where a pipeline could come from.
fn propose(ui: &mut Ui, cx: &mut Cx<'_>) {
    const BELOW: f32 = 26.0;
    let room = ui.available_rect_before_wrap();
    let at = Rect::from_center_size(room.center() + vec2(0.0, 24.0 + BELOW), vec2(260.0, BELOW));
    if !room.contains_rect(at) {
        // The top bar has it too.
        return;
    }
    let centred = Layout::top_down(Align::Center);
    let mut child = ui.new_child(UiBuilder::new().max_rect(at).layout(centred).id_salt("propose"));
    if button("New pipeline from this recording…").show(&mut child).clicked() {
        cx.commands.push(Command::NewPipeline);
    }
}

/// The clock that the axis shows, for all panels.
fn clock(ui: &mut Ui, scale: Scale, commands: &mut Vec<Command>) {
    let response = button(scale.name()).plain().caret().name("Clock of the time axis").show(ui);
    Popup::menu(&response).show(|ui| {
        roomy(ui);
        for s in Scale::ALL {
            if menu_choice(ui, scale == s, s.name()).clicked() {
                commands.push(Command::Scale(s));
                ui.close();
            }
        }
    });
}
