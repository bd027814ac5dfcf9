//! Breakpoints: where runs stop. The list with what each stopped, enabled or
//! not; the next hit of a run that ended; going on with one that waits.

mod draw;
mod export;
mod job;
#[cfg(test)]
mod tests;

use egui::Ui;
use joinscope_core::engine::breakpoint::{Breakpoint, Condition};
use joinscope_core::run::Direction;

use self::job::Job;
use super::selected::Selected;
use crate::window::breakpoints::nearest;
use crate::window::chrome::{Title, panel};
use crate::window::command::Command;
use crate::window::cx::Cx;
use crate::window::jobs::{DIM_AFTER, Jobs};
use crate::window::layout::Tabs;
use crate::window::panel::Panel;
use crate::window::store::Run;
use crate::window::text::{plural, thousands};
use crate::window::theme::fonts::icon;
use crate::window::widgets::{button, icon_button};

/// The panel's state.
#[derive(Default)]
pub struct Breakpoints {
    job: Job,
    /// The panel is in sight, or a hit is asked for: what is hit is looked for.
    wanted: bool,
    /// The run goes on in another process: what it met is counted, once for a list.
    elsewhere: bool,
    /// Which way a hit is asked for.
    seeks: Option<Direction>,
    /// The look for that hit has begun.
    begun: bool,
    typed: String,
    wrong: Option<String>,
    selected: Selected,
}

/// Arrival and row of the hit that was looked for, or why nobody can say;
/// `None`: there is no further one.
pub type Sought = Result<Option<(u64, Option<u64>)>, String>;

impl Breakpoints {
    /// Asks for the next hit.
    pub fn seek(&mut self, direction: Direction) {
        (self.seeks, self.wanted, self.begun) = (Some(direction), true, false);
    }

    /// Whether a hit is asked for and not known yet.
    #[must_use]
    pub fn is_seeking(&self) -> bool {
        self.seeks.is_some()
    }

    /// Looks for what is hit, where that is wanted.
    pub fn look(&mut self, jobs: &Jobs, revision: u64, run: &Run, list: &[Breakpoint]) {
        // A run in progress is a newer one before the look is done: the hit is of what
        // was there when it was asked for.
        let done = match self.seeks {
            Some(_) => self.begun,
            None => self.elsewhere && self.job.is_of(list),
        };
        if self.wanted && !done {
            self.job.ask(jobs, revision, run, list);
            self.begun = true;
        }
    }

    /// The hit that was asked for, once: its arrival and row.
    pub fn sought(&mut self, at: u64, list: &[Breakpoint]) -> Option<Sought> {
        let direction = self.seeks?;
        if let Some(error) = self.job.error() {
            self.seeks = None;
            return Some(Err(error));
        }
        let found = self.job.found();
        let on = |id: u64| list.iter().any(|b| b.id == id && b.enabled);
        // Asked in every frame until it is known: of millions only the next ones.
        let hit = nearest(&found.hits, at, direction, |h| h.at, |h| on(h.id));
        let hit = hit.map(|h| (h.at, h.row));
        // Further on it may still come.
        if hit.is_none() && !found.whole {
            return None;
        }
        drop(found);
        self.seeks = None;
        Some(Ok(hit))
    }

    /// Shows the panel.
    pub fn show(&mut self, ui: &mut Ui, tabs: &Tabs, cx: &mut Cx<'_>) -> bool {
        self.elsewhere = cx.breaks.elsewhere;
        self.wanted = cx.doc.run.is_some() && (!cx.doc.in_progress || self.elsewhere);
        if self.job.revision().is_some_and(|revision| !cx.doc.is_about(revision)) {
            self.job.again();
        }
        let sentence = self.sentence(cx);
        let title = Title::of(Panel::Breakpoints, &sentence, tabs);
        let (stopped, some) =
            (cx.breaks.stopped.is_some(), cx.breaks.list.iter().any(|b| b.enabled));
        let kept = self.wanted;
        let mut commands = Vec::new();
        let dragged = panel(
            ui,
            &title,
            &mut commands,
            |ui, commands| {
                if stopped {
                    let on = button("Go on").filled_icon(icon::PLAY).primary();
                    if on.name("Go on from the breakpoint").show(ui).clicked() {
                        commands.push(Command::GoOn);
                    }
                } else if kept && some {
                    for (sign, name, direction) in [
                        (icon::FORWARD, "Next hit", Direction::Forward),
                        (icon::BACK, "Previous hit", Direction::Backward),
                    ] {
                        if icon_button(sign, name).plain().show(ui).clicked() {
                            commands.push(Command::NextHit(direction));
                        }
                    }
                }
            },
            |ui, commands| draw::body(self, ui, cx, commands),
        );
        if self.job.is_open() {
            // Partial results come without an event of the user.
            ui.ctx().request_repaint_after(DIM_AFTER);
        }
        cx.commands.append(&mut commands);
        dragged
    }

    /// Where the run stands, or how often it would have stopped.
    fn sentence(&mut self, cx: &Cx<'_>) -> String {
        if let Some(said) = cx.breaks.stopped {
            return said.to_owned();
        }
        let on = cx.breaks.list.iter().filter(|b| b.enabled).count();
        let all = cx.breaks.list.len();
        let listed = match (on, all) {
            (_, 0) => return "none: a run goes through to its end".to_owned(),
            (on, all) if on == all => plural(all as u64, "breakpoint"),
            (on, all) => format!("{on} of {} enabled", plural(all as u64, "breakpoint")),
        };
        if !self.wanted || self.job.error().is_some() {
            return listed;
        }
        let open = self.job.is_open();
        let found = self.job.found();
        let hits: u64 = cx
            .breaks
            .list
            .iter()
            .filter(|b| b.enabled)
            .filter_map(|b| found.counts.get(&b.id))
            .sum();
        let within = if self.elsewhere {
            format!("the first {}", plural(found.looked_at, "arrival"))
        } else if open {
            let of = cx.doc.arrivals().max(1);
            format!("this run so far, {} % looked at", found.looked_at * 100 / of)
        } else {
            "this run".to_owned()
        };
        format!("{listed} · {} in {within}", times("met", hits))
    }

    /// How often a breakpoint was met; `None`: not known.
    fn count(&mut self, cx: &Cx<'_>, id: u64) -> Option<u64> {
        if cx.doc.in_progress && !cx.breaks.elsewhere {
            return Some(cx.breaks.counts.and_then(|c| c.get(&id)).copied().unwrap_or(0));
        }
        if !self.wanted {
            return None;
        }
        let open = self.job.is_open();
        let found = self.job.found();
        found.counts.get(&id).copied().or((!open).then_some(0))
    }

    /// Adds what was typed, or says what is wrong with it.
    fn add(&mut self, commands: &mut Vec<Command>) {
        match self.typed.parse::<Condition>() {
            Ok(condition) => {
                commands.push(Command::AddBreakpoint(condition));
                self.typed.clear();
                self.wrong = None;
            }
            Err(why) => self.wrong = Some(why),
        }
    }
}

/// `never met`, `met once`, `met 12 times`.
fn times(verb: &str, n: u64) -> String {
    match n {
        0 => format!("never {verb}"),
        1 => format!("{verb} once"),
        n => format!("{verb} {} times", thousands(n)),
    }
}
