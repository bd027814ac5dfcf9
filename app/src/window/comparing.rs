//! Two runs at once: which the one in front is compared with, and running
//! again with a setting changed to see what that changed.

use std::path::{Path, PathBuf};

use joinscope_core::engine::AtEnd;

use super::app::App;
use super::command::Command;
use super::panel::Panel;
use super::panels::Panels;
use super::panels::semantics::{Order, SEMANTICS};
use super::selection::Selection;
use super::session::Opened;

impl App {
    pub(super) fn act_on_comparison(&mut self, command: Command) {
        match command {
            Command::Compare(path) => {
                self.panels.compare.set_other(path);
                self.layout.show_panel(Panel::Compare);
            }
            Command::ChangeAndCompare => {
                self.edit_pipeline();
                self.compares = true;
            }
            Command::RunAndCompare(sets) => {
                self.compares = true;
                self.check_then_run(sets);
            }
            Command::OpenCompared => self.open_compared(),
            Command::ListDifference(choice) => {
                self.panels.compare.choose(choice);
                self.layout.show_panel(Panel::Compare);
            }
            Command::OpenThen(path, commands) => {
                if self.doc.run.as_ref().is_some_and(|run| same(&run.dir, &path)) {
                    self.commands.extend(commands);
                } else {
                    self.then = Some((path.clone(), commands));
                    self.open(path);
                }
            }
            Command::RunSemantics => self.run_semantics(),
            Command::CancelSemantics => self.panels.semantics.cancel(),
            _ => {}
        }
    }

    /// The run that was started here is in front: it is compared with the one
    /// that was in front before.
    pub(super) fn compare_with_before(&mut self) {
        let Some(before) = self.before.take() else { return };
        self.panels.compare.set_other(before);
        if std::mem::take(&mut self.compares) {
            self.layout.show_panel(Panel::Compare);
        }
    }

    /// What was to be done with the run that is in front now.
    pub(super) fn then(&mut self) {
        let Some((path, commands)) = self.then.take() else { return };
        if self.doc.run.as_ref().is_some_and(|run| same(&run.dir, &path)) {
            self.commands.extend(commands);
        }
    }

    fn run_semantics(&mut self) {
        let (Some(pipeline), Some(recording)) = (&self.doc.pipeline, &self.doc.recording) else {
            return;
        };
        if self.panels.semantics.is_running() {
            return;
        }
        let start = self.doc.run.as_ref().map(|run| &run.manifest.start);
        let closes = start.is_some_and(|start| start.at_end == "close");
        // What the run at hand changed stays changed, but for whose rules it follows. One
        // of the four changed what these rules could not do as well.
        let made = self.doc.run.as_ref().and_then(|r| self.panels.semantics.sets_behind(&r.dir));
        let mut overrides =
            made.or_else(|| start.map(|start| start.overrides.clone())).unwrap_or_default();
        overrides.retain(|(path, _)| path != SEMANTICS);
        let order = Order {
            file: pipeline.file.clone(),
            text: pipeline.text.clone(),
            overrides,
            recording: recording.recording.clone(),
            memory: self.settings.run_bytes(),
            at_end: if closes { AtEnd::Close } else { AtEnd::Open },
            into: self.run_into.take(),
        };
        self.layout.show_panel(Panel::Semantics);
        if let Err(error) = self.panels.semantics.start(order, &self.ctx) {
            self.fail("The four runs were not started", &error);
        }
    }

    /// Panels of another document. What was compared with stays so; where that
    /// comes to the front, the two change sides.
    pub(super) fn change_panels(&mut self, was: Option<&Path>) {
        let other = self.panels.compare.other().map(Path::to_owned);
        let semantics = std::mem::take(&mut self.panels.semantics);
        self.panels = Panels::default();
        let recording = self.doc.recording.as_ref().map(|r| r.recording.digest());
        let of_run = self.doc.run.as_ref().map(|r| r.manifest.start.recording.digest.as_str());
        if recording.or(of_run).is_some_and(|digest| semantics.is_of(digest)) {
            self.panels.semantics = semantics;
        }
        let Some(run) = &self.doc.run else { return };
        let other = match other {
            Some(other) if same(&other, &run.dir) => was.map(Path::to_owned),
            Some(other) if self.doc.runs.iter().any(|r| r.dir == other) => Some(other),
            _ => None,
        };
        if let Some(other) = other.filter(|other| !same(other, &run.dir)) {
            self.panels.compare.set_other(other);
        }
    }

    fn open_compared(&mut self) {
        let Some(other) = self.panels.compare.other().map(Path::to_owned) else { return };
        let partner = match self.selection {
            Some(Selection::Row(row)) => self.panels.compare.partner(row),
            _ => None,
        };
        let path = std::path::absolute(&other).unwrap_or(other);
        if let Some((row, arrival)) = partner {
            let selection = Some(Selection::Row(row));
            let path: PathBuf = path.clone();
            self.open.stand(Opened { path, selection, cursor: arrival, ..Opened::default() });
        }
        self.open(path);
    }
}

/// Whether both name one place.
pub(super) fn same(a: &Path, b: &Path) -> bool {
    std::path::absolute(a).ok() == std::path::absolute(b).ok()
}
