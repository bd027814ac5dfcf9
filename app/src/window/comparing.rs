//! Two runs at once: which the one in front is compared with, and running
//! again with a setting changed to see what that changed.

use std::path::{Path, PathBuf};

use super::app::App;
use super::command::Command;
use super::panel::Panel;
use super::panels::Panels;
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

    /// Panels of another document. What was compared with stays so; where that
    /// comes to the front, the two change sides.
    pub(super) fn change_panels(&mut self, was: Option<&Path>) {
        let other = self.panels.compare.other().map(Path::to_owned);
        self.panels = Panels::default();
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

fn same(a: &Path, b: &Path) -> bool {
    std::path::absolute(a).ok() == std::path::absolute(b).ok()
}
