//! Late events: how far out of order records came, when, and how many would be
//! late at another out-of-orderness.
//!
//! What a record needs is the smallest out-of-orderness at which it would not
//! have been late, all else equal (`joinscope_core::run`, lateness). The answer
//! to any value is then a count, at once and without a new run.

mod answer;
mod ask;
mod bins;
mod cells;
mod counts;
mod export;
mod heat;
mod index;
mod lanes;
mod raster;
mod reach;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use egui::{Popup, Rect, Ui, UiBuilder, pos2};
use joinscope_core::run::RowView;
use joinscope_operator::time::{duration_setting, format_duration};

use self::ask::{Found, Pass, Question, Singles};
use self::bins::{bin, edge};
use self::counts::Counts;
use self::index::{Index, Lane, Target};
use self::reach::{Reach, ends};
use super::far;
use super::watermarks::say::{about, unit};
use super::{failed, no_record};
use crate::window::bars::menu_choice;
use crate::window::chrome::{Title, panel};
use crate::window::command::Command;
use crate::window::cx::Cx;
use crate::window::jobs::{DIM_AFTER, Slot};
use crate::window::layout::Tabs;
use crate::window::panel::Panel;
use crate::window::selection::Selection;
use crate::window::table::{Table, empty};
use crate::window::text::{plural, thousands};
use crate::window::widgets::{button, menu_rows, roomy};

/// Widest room of the partitions, points.
const TABLE: f32 = 820.0;
/// How wide the menu of inputs is where it has no room for all of them, points.
const WIDE_MENU: f32 = 320.0;

/// Which partitions the panel is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Focus {
    #[default]
    All,
    Input(u8),
    Lane(u32),
}

/// A press on the picture over time: the late record there is looked for.
type Pick = (u64, u64, (u64, u64), Focus);

/// The panel's state.
#[derive(Default)]
pub struct Late {
    pass: Pass,
    singles: Slot<Question, Option<Singles>>,
    target: Target,
    focus: Focus,
    /// Where the slider stands; `None`: at what was run.
    chosen: Option<u16>,
    /// The scale covers what is far off, too.
    whole: bool,
    table: Table,
    sums: Sums,
    heat: heat::State,
    pick: Slot<Pick, Option<RowView>>,
    presses: (u64, u64),
}

/// Sums over partitions, made once for each state of the index.
#[derive(Default)]
struct Sums {
    version: (u64, u64),
    of: RefCell<HashMap<Focus, Arc<Lane>>>,
}

impl Sums {
    fn renew(&mut self, version: (u64, u64)) {
        if self.version != version {
            *self = Self { version, of: RefCell::default() };
        }
    }

    fn of(&self, index: &Index, focus: Focus, inputs: &[u8]) -> Arc<Lane> {
        let mut sums = self.of.borrow_mut();
        let sum = || Arc::new(index.sum(&|lane| has(focus, lane, inputs)));
        Arc::clone(sums.entry(focus).or_insert_with(sum))
    }
}

/// What the parts of the panel draw.
struct Shown<'a> {
    index: &'a Index,
    sums: &'a Sums,
    /// Of the partitions in focus.
    sum: &'a Lane,
    target: Target,
    focus: Focus,
    /// The slider, ms.
    at: i64,
    /// Late there.
    late: u64,
    /// The slider's ends, bins.
    ends: (u16, u16),
    /// Records that need more than is on the scale.
    beyond: u64,
    whole: bool,
    /// What was run, ms, where that is one value.
    now: Option<i64>,
    /// What was run, in words, where it is more than one.
    ran: String,
    /// What is counted.
    unit: &'static str,
}

impl Shown<'_> {
    fn has(&self, lane: u32, inputs: &[u8]) -> bool {
        has(self.focus, lane, inputs)
    }
}

fn has(focus: Focus, lane: u32, inputs: &[u8]) -> bool {
    match focus {
        Focus::All => true,
        Focus::Input(i) => inputs.get(lane as usize) == Some(&i),
        Focus::Lane(l) => l == lane,
    }
}

/// Late at a value: exact at the edges of bins and at what was run.
fn late_at(lane: &Lane, target: Target, chosen: Option<u16>) -> u64 {
    match chosen {
        None => lane.late,
        Some(at) => lane.needs.get(target.place()).map_or(0, |c| c.beyond(at)),
    }
}

impl Late {
    /// Shows the panel.
    pub fn show(&mut self, ui: &mut Ui, tabs: &Tabs, cx: &mut Cx<'_>) -> bool {
        if cx.cursor.len() > 0 {
            self.pass.ask(cx);
        }
        let found = self.pass.found();
        if self.pass.is_open() {
            // Partial results come without an event of the user.
            ui.ctx().request_repaint_after(DIM_AFTER);
        }
        let inputs = inputs_of(cx);
        self.sums.renew((cx.doc.revision, found.read));
        let sum = self.sums.of(&found.index, self.focus, &inputs);
        // Where it failed, nobody is reading, and what was counted is a part.
        let unread = self.pass.error().is_some();
        let sentence = if unread { String::new() } else { self.sentence(cx, &found, &sum) };
        let title = Title::of(Panel::Late, &sentence, tabs);
        let mut commands = Vec::new();
        let mut target = self.target;
        let names = names(cx);
        let reach = self.reach(&found, &sum);
        let off = reach.as_ref().map(|reach| reach.off(unit_of(cx)));
        // The slider may stand beyond: what a button then leaves out is its place, too.
        let whole = self.is_whole(reach.as_ref());
        let mut chosen = whole;
        let dragged = panel(
            ui,
            &title,
            &mut commands,
            |ui, _| {
                choose(ui, &mut target, &names);
                if let Some(off) = &off {
                    far::choose(ui, off, &mut chosen);
                }
            },
            |ui, _| self.body(ui, cx, &found, &sum),
        );
        if chosen != whole {
            self.whole = chosen;
            if !chosen && self.is_whole(reach.as_ref()) {
                self.chosen = None;
            }
        }
        self.aim(target);
        cx.commands.append(&mut commands);
        dragged
    }

    fn sentence(&self, cx: &Cx<'_>, found: &Found, sum: &Lane) -> String {
        if cx.doc.run.is_none() || cx.cursor.len() == 0 {
            return String::new();
        }
        let unit = unit_of(cx);
        let mut text = match sum.late {
            0 if sum.judged == 0 && !found.is_whole() => "reading".to_owned(),
            0 if sum.judged == 0 => "no record came to the join".to_owned(),
            0 => {
                let most = sum.needs.first().and_then(|c| c.quantile(1.0));
                let most =
                    most.map(|ms| format!("; the most out of order needs {}", format_duration(ms)));
                format!("none of {} is late{}", plural(sum.judged, unit), most.unwrap_or_default())
            }
            _ => how_late(sum, unit),
        };
        if let Focus::Input(_) | Focus::Lane(_) = self.focus {
            text = format!("{}: {text}", lanes::name(cx, self.focus));
        }
        if found.of > 0 && !found.is_whole() {
            text += &format!("; {} % read", found.read * 100 / found.of);
        }
        text
    }

    fn body(&mut self, ui: &mut Ui, cx: &mut Cx<'_>, found: &Found, sum: &Lane) {
        if cx.cursor.len() == 0 {
            no_record(ui, cx, "It is read as soon as the run has published its first segment");
            return;
        }
        if let Some(error) = self.pass.error() {
            if failed(ui, &error) {
                self.pass.again();
            }
            return;
        }
        if found.of == 0 {
            empty(ui, "Reading the run", "How out of order each record came is worked out once");
            return;
        }
        let nothing = sum.needs.iter().all(Counts::is_empty);
        if found.is_whole() && nothing && self.focus == Focus::All {
            let (what, next) = if sum.judged == 0 {
                // Of none of them it is known whether it came in order.
                ("No record came to the join", "The records table says what became of each")
            } else {
                (
                    "Nothing out of order",
                    "Every record came in the order of event time: an out-of-orderness of 0 is enough",
                )
            };
            empty(ui, what, next);
            return;
        }
        let now = self.now(found);
        // Where inputs differ, no one value was run: the slider then stands on
        // the largest, which has to be on its scale.
        let largest = found.index.now.iter().flatten().copied().max().unwrap_or(0);
        let reach = self.reach(found, sum);
        let whole = self.is_whole(reach.as_ref());
        let reach = reach.filter(|_| !whole);
        let needs = sum.needs.get(self.target.place());
        let most = reach.as_ref().map(|reach| reach.most);
        let ends = ends(needs, most, now.or((largest > 0).then_some(largest)));
        let chosen = self.chosen.or_else(|| now.is_none().then(|| bin(largest)));
        let at = chosen.map_or(now.unwrap_or(largest), edge);
        // The parts of the panel share the sums while its state is drawn.
        let sums = std::mem::take(&mut self.sums);
        let shown = Shown {
            index: &found.index,
            sums: &sums,
            sum,
            target: self.target,
            focus: self.focus,
            at,
            late: late_at(sum, self.target, chosen),
            ends,
            beyond: reach.map_or(0, |reach| reach.beyond),
            whole: found.is_whole(),
            now,
            ran: ran(cx, found, self.target, now),
            unit: unit_of(cx),
        };
        let rect = ui.available_rect_before_wrap();
        // The picture over time above, the answer and the partitions below.
        let split =
            rect.top() + (rect.height() * 0.5).clamp(90.0, (rect.height() - 130.0).max(90.0));
        let above = Rect::from_min_max(rect.min, pos2(rect.right(), split));
        let below = Rect::from_min_max(pos2(rect.left(), split + 2.0), rect.max);
        self.over_time(&mut part(ui, above, "time"), cx, &shown, found);
        // Figures far from their names are hard to read: the rest is the curve's.
        let wide = (below.width() * 0.4).max(below.width() - TABLE).max(240.0);
        let middle = below.left() + wide;
        let left = Rect::from_min_max(below.min, pos2(middle, below.bottom()));
        let right = Rect::from_min_max(pos2(middle + 8.0, below.top()), below.max);
        self.answer(&mut part(ui, left, "answer"), cx, &shown, now);
        let focus = lanes::show(&mut part(ui, right, "lanes"), cx, &shown, &mut self.table, chosen);
        if let Some(focus) = focus {
            self.focus = if focus == self.focus { Focus::All } else { focus };
        }
        self.sums = sums;
    }

    /// What is on the scale, where something is far off.
    fn reach(&self, found: &Found, sum: &Lane) -> Option<Reach> {
        let largest = found.index.now.iter().flatten().copied().max().unwrap_or(0);
        Reach::of(sum.needs.get(self.target.place())?, self.now(found).unwrap_or(largest))
    }

    /// Whether all of it is shown: by choice, or because the slider stands there.
    fn is_whole(&self, reach: Option<&Reach>) -> bool {
        let beyond = |reach: &Reach| self.chosen.is_some_and(|at| at > reach.end());
        self.whole || reach.is_some_and(beyond)
    }

    /// Moves the slider to an out-of-orderness, ms.
    pub fn set_slider(&mut self, ms: i64) {
        self.chosen = Some(bin(ms));
    }

    /// Whose out-of-orderness the slider changes: an input's; `None`: every input's.
    pub fn set_whose(&mut self, input: Option<u8>) {
        self.aim(input.map_or(Target::All, Target::Input));
    }

    fn aim(&mut self, target: Target) {
        if target != self.target {
            self.target = target;
            self.chosen = None;
        }
    }

    /// The out-of-orderness that was run, where the target has one.
    fn now(&self, found: &Found) -> Option<i64> {
        found.index.now.get(self.target.place()).copied().flatten()
    }

    fn over_time(&mut self, ui: &mut Ui, cx: &mut Cx<'_>, s: &Shown<'_>, found: &Found) {
        let arrivals = cx.view.1 - cx.view.0 + 1;
        let mut singles = None;
        if arrivals <= ask::FEW
            && let Some(doc) = &cx.doc.run
        {
            let run = doc.run.clone();
            let stops = found.stops.clone();
            let near = stops.partition_point(|s| s.at() <= cx.view.0);
            let question = Question { revision: cx.doc.revision, view: cx.view, stops: near };
            self.singles.ask(cx.jobs, question, move |q| ask::singles(&run, q, &stops));
            singles = self.singles.answer().filter(|a| cx.doc.is_about(a.question.revision));
            // Those of another place do not stand for this one.
            singles = singles
                .filter(|a| a.question.view.0 <= cx.view.1 && a.question.view.1 >= cx.view.0);
        }
        let singles: Option<Arc<_>> = singles;
        let few = singles.as_ref().and_then(|a| a.result.as_ref().ok()?.as_ref());
        let version = (cx.doc.revision, found.read);
        let done = self.heat.show(ui, cx, s, few, version);
        if let Some((row, arrival)) = done.select {
            cx.commands.push(Command::Select(Some(Selection::Row(row)), Some(arrival)));
        }
        if let (Some(arrivals), Some(doc)) = (done.pick, &cx.doc.run) {
            self.presses.0 += 1;
            let run = doc.run.clone();
            let inputs = inputs_of(cx);
            let pick = (cx.doc.revision, self.presses.0, arrivals, self.focus);
            self.pick.ask(cx.jobs, pick, move |(_, _, arrivals, focus)| {
                let lanes: Vec<u32> =
                    (0..inputs.len() as u32).filter(|l| has(*focus, *l, &inputs)).collect();
                heat::late_in(&run, *arrivals, lanes)
            });
        }
        self.take_pick(cx);
    }

    fn take_pick(&mut self, cx: &mut Cx<'_>) {
        let Some(answer) = self.pick.answer() else { return };
        if answer.question.1 != self.presses.0 || self.presses.0 == self.presses.1 {
            return;
        }
        self.presses.1 = self.presses.0;
        if !cx.doc.is_about(answer.question.0) {
            return;
        }
        cx.commands.extend(match &answer.result {
            Ok(row) => row
                .as_ref()
                .map(|row| Command::Select(Some(Selection::Row(row.row)), Some(row.arrival))),
            Err(error) => Some(Command::Said("Looking for a record".to_owned(), error.clone())),
        });
    }

    fn answer(&mut self, ui: &mut Ui, cx: &mut Cx<'_>, s: &Shown<'_>, now: Option<i64>) {
        let can_run = cx.doc.pipeline.is_some() && cx.doc.recording.is_some();
        let done = answer::show(ui, s, now, can_run);
        if let Some(to) = done.to {
            self.chosen = to;
        }
        if done.run {
            cx.commands.push(Command::Run(settings(cx, s.target, s.at)));
        }
    }
}

/// Where the slider stands once it is moved to an out-of-orderness, ms.
#[must_use]
pub fn slider_at(ms: i64) -> i64 {
    edge(bin(ms))
}

/// How many of some partitions were late, and by how much.
fn how_late(sum: &Lane, unit: &str) -> String {
    // It is as fine as a bin, the latest is exact: of one record, or where all are
    // equally late, none is by more than half of them.
    let half = sum.late_by.quantile(0.5).filter(|ms| *ms < sum.latest);
    let half = half.map(|ms| format!(", half of them by more than {}", about(ms)));
    format!(
        // The others were never judged: filtered, undecodable and the like.
        "{} late of {} that came to the join{}, the latest by {}",
        thousands(sum.late),
        plural(sum.judged, unit),
        half.unwrap_or_default(),
        about(sum.latest),
    )
}

fn part(ui: &mut Ui, rect: Rect, name: &str) -> Ui {
    let mut child = ui.new_child(UiBuilder::new().max_rect(rect).id_salt(name));
    child.shrink_clip_rect(rect);
    child
}

/// `; run with views 5 s, engagements 1 m`, where inputs differ and are few.
fn ran(cx: &Cx<'_>, found: &Found, target: Target, now: Option<i64>) -> String {
    const FEW: usize = 3;
    let names = names(cx);
    if now.is_some() || target != Target::All || names.len() > FEW {
        return String::new();
    }
    let each = names.iter().zip(found.index.now.iter().skip(1));
    let each: Vec<String> =
        each.filter_map(|(name, ms)| Some(format!("{name} {}", format_duration((*ms)?)))).collect();
    if each.is_empty() { String::new() } else { format!("; run with {}", each.join(", ")) }
}

/// What is counted.
fn unit_of(cx: &Cx<'_>) -> &'static str {
    cx.doc.run.as_ref().map_or("record", |r| unit(&r.manifest.start))
}

fn inputs_of(cx: &Cx<'_>) -> Vec<u8> {
    let lanes = cx.doc.run.as_ref().map(|r| r.manifest.start.lanes.as_slice());
    lanes.unwrap_or_default().iter().map(|l| l.input).collect()
}

fn names(cx: &Cx<'_>) -> Vec<String> {
    let inputs = cx.doc.run.as_ref().map(|r| r.manifest.start.inputs.as_slice());
    inputs.unwrap_or_default().iter().map(|i| i.name.to_string()).collect()
}

/// What `--set` would change for this value.
fn settings(cx: &Cx<'_>, target: Target, ms: i64) -> Vec<(String, String)> {
    let names = names(cx).into_iter().enumerate();
    names
        .filter(|(i, _)| target == Target::All || target == Target::Input(*i as u8))
        .map(|(_, name)| {
            (format!("inputs.{name}.watermark.max_out_of_orderness"), duration_setting(ms))
        })
        .collect()
}

/// Whose out-of-orderness the slider changes.
fn choose(ui: &mut Ui, target: &mut Target, names: &[String]) {
    let label = |t: Target| match t {
        Target::All => "out-of-orderness of every input".to_owned(),
        Target::Input(i) => {
            format!("out-of-orderness of {}", names.get(usize::from(i)).map_or("", String::as_str))
        }
    };
    let response = button(&label(*target)).plain().caret().name("Whose out-of-orderness").show(ui);
    Popup::menu(&response).show(|ui| {
        roomy(ui);
        menu_rows(ui, names.len() + 1, WIDE_MENU, |ui| {
            ui.set_min_width(230.0);
            let each = (0..names.len()).map(|i| Target::Input(i as u8));
            for t in std::iter::once(Target::All).chain(each) {
                if menu_choice(ui, *target == t, &label(t)).clicked() {
                    *target = t;
                    ui.close();
                }
            }
        });
    });
}
