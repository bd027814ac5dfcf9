//! Breakpoints of the window: one list for every run that it starts and for
//! every run that it looks at.

use joinscope_core::engine::Stop;
use joinscope_core::engine::breakpoint::{Breakpoint, Condition};
use joinscope_core::run::Direction;

use super::app::App;
use super::command::Command;
use super::panel::Panel;
use super::selection::Selection;
use super::session::KeptBreakpoint;
use super::table_view::is_secret;

/// The list.
#[derive(Clone, Debug, Default)]
pub struct Breakpoints {
    list: Vec<Breakpoint>,
    /// Of the last one that was added.
    last: u64,
}

impl Breakpoints {
    #[must_use]
    pub fn list(&self) -> &[Breakpoint] {
        &self.list
    }

    /// Adds one, or enables the one that is there.
    fn add(&mut self, condition: Condition) {
        if let Some(there) = self.list.iter_mut().find(|b| b.condition == condition) {
            there.enabled = true;
            return;
        }
        self.last += 1;
        self.list.push(Breakpoint { id: self.last, enabled: true, condition });
    }

    /// As a session keeps them: without secrets.
    #[must_use]
    pub fn kept(&self) -> Vec<KeptBreakpoint> {
        let kept = |b: &Breakpoint| {
            let condition = b.condition.to_string();
            if is_secret(&condition) {
                return KeptBreakpoint { left_out: true, ..KeptBreakpoint::default() };
            }
            KeptBreakpoint { condition, enabled: b.enabled, left_out: false }
        };
        self.list.iter().map(kept).collect()
    }

    /// Takes in those of a session; says why one of them cannot be read.
    pub fn restore(&mut self, kept: &[KeptBreakpoint]) -> Vec<String> {
        let mut problems = Vec::new();
        for KeptBreakpoint { condition, enabled, left_out } in kept {
            if *left_out {
                problems.push("it looked like a secret and was not kept: add it anew".to_owned());
                continue;
            }
            match condition.parse::<Condition>() {
                Ok(condition) => {
                    self.add(condition.clone());
                    for b in self.list.iter_mut().filter(|b| b.condition == condition) {
                        b.enabled = *enabled;
                    }
                }
                Err(why) => problems.push(format!("{condition}: {why}")),
            }
        }
        problems
    }

    /// What breakpoints are called, by their ids.
    #[must_use]
    pub fn names(&self, ids: &[u64]) -> String {
        let named = self.list.iter().filter(|b| ids.contains(&b.id));
        named.map(|b| b.condition.to_string()).collect::<Vec<_>>().join(", ")
    }
}

impl App {
    pub(super) fn act_on_breakpoints(&mut self, command: Command) {
        match command {
            Command::AddBreakpoint(condition) => {
                self.breakpoints.add(condition);
                self.layout.show_panel(Panel::Breakpoints);
            }
            Command::EnableBreakpoint(id, on) => {
                for b in self.breakpoints.list.iter_mut().filter(|b| b.id == id) {
                    b.enabled = on;
                }
            }
            Command::RemoveBreakpoint(id) => self.breakpoints.list.retain(|b| b.id != id),
            // Else the cursor would leave where the user is.
            Command::GoOn if self.stopped.is_none() => return,
            Command::GoOn => {
                self.stopped = None;
                let here = self.runs_here();
                if let Some(running) = &self.running {
                    running.control.go_on();
                    if here {
                        self.cursor.end(true);
                    }
                }
                return;
            }
            Command::NextHit(direction) => {
                self.panels.breakpoints.seek(direction);
                return;
            }
            _ => return,
        }
        // A run in progress stops where the list says now.
        if let Some(running) = &self.running {
            running.control.set_breakpoints(self.breakpoints.list.clone());
        }
    }

    /// Goes to the hit that was asked for, once it is known.
    pub(super) fn take_hit(&mut self) {
        let Some(doc) = &self.doc.run else { return };
        let list = self.breakpoints.list();
        self.panels.breakpoints.look(&self.jobs, self.doc.revision, &doc.run, list);
        let Some(found) = self.panels.breakpoints.sought(self.cursor.at(), list) else { return };
        match found {
            Ok(Some((arrival, row))) => {
                if let Some(row) = row {
                    self.act(Command::Select(Some(Selection::Row(row)), Some(arrival)));
                    self.reveal();
                }
                // The verdict may fall long after its record arrived.
                self.cursor.go(arrival);
            }
            Ok(None) => {}
            Err(error) => self.errors.add("Looking for breakpoints", error),
        }
    }

    /// The run that was started here waits at a breakpoint: it is shown there. Where
    /// the user went on to something else it is said, and that stays as it is.
    pub(super) fn take_stop(&mut self) {
        let stop = self.running.as_ref().and_then(|running| running.control.stopped());
        let Some(stop) = stop else {
            self.stopped = None;
            return;
        };
        if self.stopped.as_ref() == Some(&stop) {
            return;
        }
        if !self.runs_here() {
            self.stopped = Some(stop).filter(|_| self.was_shown());
            return;
        }
        let run = self.doc.run.as_ref();
        if run.is_none_or(|run| run.arrivals != stop.arrival + 1) {
            return;
        }
        if let Some(row) = stop.row {
            self.act(Command::Select(Some(Selection::Row(row)), Some(stop.arrival)));
            self.reveal();
        }
        self.cursor.go(stop.arrival);
        self.stopped = Some(stop);
    }

    /// `stopped at arrival 12,345: verdict=late`
    #[must_use]
    pub(super) fn stop_said(&self, stop: &Stop) -> String {
        said(stop.arrival, &self.breakpoints.names(&stop.ids))
    }
}

/// Where a run waits, and at which breakpoints: they may have been removed since.
fn said(arrival: u64, names: &str) -> String {
    let at = super::text::thousands(arrival);
    let names = if names.is_empty() { String::new() } else { format!(": {names}") };
    format!("stopped at arrival {at}{names}")
}

/// The hit after or before an arrival, of those in arrival order that `counts`.
#[must_use]
pub fn nearest<T>(
    hits: &[T],
    at: u64,
    direction: Direction,
    of: impl Fn(&T) -> u64,
    counts: impl Fn(&T) -> bool,
) -> Option<&T> {
    match direction {
        Direction::Forward => {
            let next = hits.partition_point(|hit| of(hit) <= at);
            hits.iter().skip(next).find(|hit| counts(hit))
        }
        Direction::Backward => {
            let end = hits.partition_point(|hit| of(hit) < at);
            hits.iter().take(end).rfind(|hit| counts(hit))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_condition_is_listed_once() {
        let mut list = Breakpoints::default();
        list.add("verdict=late".parse().unwrap());
        list.add("key=7".parse().unwrap());
        list.list[0].enabled = false;
        list.add("verdict=late".parse().unwrap());
        assert_eq!(list.list().len(), 2);
        assert!(list.list()[0].enabled);
        assert_eq!(list.names(&[2, 1]), "verdict=late, key=7");
        assert_eq!(said(1_200, &list.names(&[2])), "stopped at arrival 1,200: key=7");
        // It goes on waiting where its breakpoint is removed.
        list.list.clear();
        assert_eq!(said(1_200, &list.names(&[2])), "stopped at arrival 1,200");
    }

    #[test]
    fn a_session_brings_them_back_as_they_were() {
        let mut list = Breakpoints::default();
        for condition in ["verdict=late", "state>64MB", "stalled>1m30s", "value.kind~li"] {
            list.add(condition.parse().unwrap());
        }
        list.list[1].enabled = false;
        let mut kept = list.kept();
        kept.push(KeptBreakpoint {
            condition: "verdict=soon".to_owned(),
            ..KeptBreakpoint::default()
        });
        let mut back = Breakpoints::default();
        let problems = back.restore(&kept);
        assert_eq!(back.list(), list.list());
        assert!(problems.len() == 1 && problems[0].starts_with("verdict=soon: "), "{problems:?}");
        // A second time nothing is listed twice.
        back.restore(&kept);
        assert_eq!(back.list().len(), 4);
    }

    #[test]
    fn what_looks_like_a_secret_is_not_kept_and_said() {
        let mut list = Breakpoints::default();
        for condition in ["value.password=hunter2", "verdict=late"] {
            list.add(condition.parse().unwrap());
        }
        let kept = list.kept();
        assert!(!serde_json::to_string(&kept).unwrap().contains("hunter2"), "{kept:?}");
        let mut back = Breakpoints::default();
        let problems = back.restore(&kept);
        assert_eq!(back.kept(), list.kept()[1..]);
        assert!(problems.len() == 1 && problems[0].contains("add it anew"), "{problems:?}");
    }

    #[test]
    fn hits_are_stepped_through_both_ways() {
        let hits = [3u64, 7, 7, 9];
        let next = |at, direction| nearest(&hits, at, direction, |h| *h, |_| true).copied();
        assert_eq!(next(0, Direction::Forward), Some(3));
        assert_eq!(next(3, Direction::Forward), Some(7));
        assert_eq!(next(7, Direction::Forward), Some(9));
        assert_eq!(next(9, Direction::Forward), None);
        assert_eq!(next(9, Direction::Backward), Some(7));
        assert_eq!(next(3, Direction::Backward), None);
        // Past those of a breakpoint that is disabled.
        let odd = |at, direction| nearest(&hits, at, direction, |h| *h, |h| *h != 7).copied();
        assert_eq!(odd(3, Direction::Forward), Some(9));
        assert_eq!(odd(9, Direction::Backward), Some(3));
    }
}
