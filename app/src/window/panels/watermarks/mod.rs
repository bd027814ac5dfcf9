//! Event-time watermarks: a line per partition, input and join, what holds the
//! rest back, and the late records under them.

mod ask;
pub mod beyond;
mod draw;
mod export;
mod hindmost;
pub mod lines;
mod names;
mod point;
pub mod reach;
pub mod say;
pub mod scale;
mod silent;
#[cfg(test)]
mod tests;

pub use self::ask::on_the_clock;
use self::ask::{At, Drawn, Question};
use self::scale::Vertical;
use super::far::{self, Off};
use super::selected::Selected;
use super::{failed, no_record, reading};
use crate::window::axis::{GUTTER, RIGHT, Scale};
use crate::window::bars::{menu_choice, menu_row};
use crate::window::chrome::{Title, panel};
use crate::window::command::{Asked, Command};
use crate::window::cx::Cx;
use crate::window::jobs::{DIM_AFTER, Slot};
use crate::window::layout::Tabs;
use crate::window::panel::Panel;
use crate::window::widgets::{button, group, menu_rows, roomy};
use egui::{Popup, Ui};

/// Points between buckets.
const STEP: f32 = 2.0;
/// How wide the menu is where it has no room for all lines, points.
const WIDE_MENU: f32 = 240.0;

/// The panel's state.
#[derive(Default)]
pub struct Watermarks {
    drawn: Slot<Question, Drawn>,
    at: Slot<(u64, u64), At>,
    selected: Selected,
    /// The user's choice; else lag, or event time where arrival is approximate.
    chosen: Option<Vertical>,
    /// The scale covers what is far off, too.
    whole: bool,
    /// The partition whose line stays lit, as a lane of what is open since that revision.
    pinned: Option<(u64, u32)>,
}

impl Watermarks {
    /// Shows the panel.
    pub fn show(&mut self, ui: &mut Ui, tabs: &Tabs, cx: &mut Cx<'_>) -> bool {
        let (sentence, lane) = self.sentence(ui, cx);
        let approximate = is_approximate(cx);
        let vertical =
            self.chosen.unwrap_or(if approximate { Vertical::EventTime } else { Vertical::Lag });
        let title = Title::of(Panel::Watermarks, &sentence, tabs);
        let mut chosen = self.chosen;
        let mut whole = self.whole;
        let off = self.beyond(cx);
        let mut pinned = self.pinned(cx.doc.since);
        let answer = self.drawn.answer().filter(|a| cx.doc.is_about(a.question.revision));
        let all = cx.doc.run.as_ref().map_or(0, |run| run.manifest.start.lanes.len());
        let mut commands = Vec::new();
        let dragged = panel(
            ui,
            &title,
            &mut commands,
            |ui, commands| {
                let drawn = answer.as_ref().and_then(|a| a.result.as_ref().ok());
                let lanes = drawn.map(|drawn| drawn.names.as_slice()).unwrap_or_default();
                let response = button(vertical.name()).plain().caret().name("Scale").show(ui);
                Popup::menu(&response).show(|ui| {
                    roomy(ui);
                    // Both scales, what stands over the lines, and what asks for another.
                    menu_rows(ui, lanes.len() + 5, WIDE_MENU, |ui| {
                        for v in [Vertical::Lag, Vertical::EventTime] {
                            if menu_choice(ui, vertical == v, v.name()).clicked() {
                                chosen = Some(v);
                                ui.close();
                            }
                        }
                        pin(ui, lanes, &mut pinned);
                        if lanes.len() < all && menu_row("Another partition…").show(ui).clicked()
                        {
                            commands.push(Command::Ask(Asked::PinLine));
                            ui.close();
                        }
                    });
                });
                if let Some(off) = &off {
                    far::choose(ui, off, &mut whole);
                }
            },
            |ui, _| self.body(ui, cx, vertical, lane, &sentence),
        );
        self.pin(cx.doc.since, pinned);
        self.chosen = chosen;
        self.whole = whole;
        cx.commands.append(&mut commands);
        dragged
    }

    /// What is far off in the range in sight: how much, and in words.
    fn beyond(&mut self, cx: &Cx<'_>) -> Option<Off> {
        let answer = self.drawn.answer().filter(|a| cx.doc.is_about(a.question.revision))?;
        let drawn = answer.result.as_ref().ok()?;
        let said = draw::said_beyond(cx, drawn)?;
        Some(Off { count: drawn.beyond.count() as u64, said })
    }

    /// The lane that is pinned, of what is open since that revision.
    #[must_use]
    pub fn pinned(&self, since: u64) -> Option<u32> {
        self.pinned.filter(|(of, _)| *of == since).map(|(_, lane)| lane)
    }

    /// Pins a lane's line, of what is open since that revision, or lets it go.
    pub fn pin(&mut self, since: u64, lane: Option<u32>) {
        self.pinned = lane.map(|lane| (since, lane));
    }

    /// How it stood at the cursor; the lane that the sentence is about.
    fn sentence(&mut self, ui: &Ui, cx: &Cx<'_>) -> (String, Option<u32>) {
        let Some(doc) = &cx.doc.run else { return (String::new(), None) };
        if cx.cursor.len() == 0 {
            return (String::new(), None);
        }
        let run = doc.run.clone();
        let question = (cx.doc.revision, cx.cursor.at());
        self.at.ask(cx.jobs, question, move |(_, arrival)| ask::at(&run, *arrival));
        let Some(answer) = self.at.answer() else { return (String::new(), None) };
        match &answer.result {
            Err(error) => {
                crate::window::failures::note(ui.ctx(), error);
                (error.clone(), None)
            }
            Ok(at) => {
                let start = &doc.manifest.start;
                let bounds: Vec<i64> =
                    start.inputs.iter().map(|i| i.max_out_of_orderness).collect();
                say::sentence(&say::Facts {
                    at: &at.now,
                    before: at.before.as_ref(),
                    lanes: &start.lanes,
                    inputs: &start.inputs,
                    name: &|lane| say::called_in(start, lane),
                    bounds: &bounds,
                    time_of: &|a| {
                        let near = || cx.clock.time(a as f64).round() as i64;
                        at.times.get(&a).copied().unwrap_or_else(near)
                    },
                    clock: &|ms| cx.times.short(ms),
                    approximate: is_approximate(cx),
                })
            }
        }
    }

    fn body(
        &mut self,
        ui: &mut Ui,
        cx: &mut Cx<'_>,
        vertical: Vertical,
        lane: Option<u32>,
        sentence: &str,
    ) {
        let Some(doc) = &cx.doc.run else { return };
        if cx.cursor.len() == 0 {
            no_record(ui, cx, "Lines appear as soon as the run has published its first segment");
            return;
        }
        let rect = ui.available_rect_before_wrap();
        let axis = cx.axis(rect.left() + GUTTER, rect.width() - GUTTER - RIGHT);
        let selected = self.selected.row(cx).map(|row| row.lane);
        let pinned = self.pinned(cx.doc.since);
        let waits = cx.clock.is_empty() && cx.scale != Scale::Arrival;
        if !waits {
            let question = Question {
                revision: cx.doc.revision,
                range: axis.range(),
                buckets: (axis.width / STEP).floor().max(1.0) as usize,
                view: cx.view,
                wanted: if doc.manifest.start.lanes.len() > ask::FEW {
                    lane.into_iter().chain(selected).chain(pinned).collect()
                } else {
                    Vec::new()
                },
            };
            let run = doc.run.clone();
            self.drawn.ask(cx.jobs, question, move |q| ask::drawn(&run, q));
        }
        let answer = self.drawn.answer();
        match answer.as_ref().map(|a| (&a.question, &a.result)) {
            Some((_, Err(error))) if failed(ui, error) => self.drawn.again(),
            Some((question, Ok(drawn))) => {
                if self.drawn.is_stale() {
                    ui.multiply_opacity(0.6);
                }
                if self.drawn.is_open() {
                    ui.ctx().request_repaint_after(DIM_AFTER);
                }
                let whole = self.whole;
                let shown = draw::Shown {
                    axis,
                    vertical,
                    lane,
                    selected,
                    pinned,
                    sentence,
                    question,
                    drawn,
                    whole,
                };
                draw::show(ui, cx, &shown);
            }
            Some((_, Err(_))) => {}
            None => reading(ui, "Reading the run", "How event time went on in what is in sight"),
        }
    }
}

/// The lines that can be pinned; the one that is, pressed again, is let go.
fn pin(ui: &mut Ui, lanes: &[(u32, String)], pinned: &mut Option<u32>) {
    if lanes.is_empty() {
        return;
    }
    group(ui, "Pinned line");
    for (lane, name) in lanes {
        let is_pinned = *pinned == Some(*lane);
        if menu_choice(ui, is_pinned, name).clicked() {
            *pinned = (!is_pinned).then_some(*lane);
            ui.close();
        }
    }
}

fn is_approximate(cx: &Cx<'_>) -> bool {
    cx.doc.recording.as_ref().is_some_and(|r| r.recording.info().approximate)
}
