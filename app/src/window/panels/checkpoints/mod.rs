//! Checkpoints: each with how long it took by phase, what it wrote and holds on disk,
//! what was in the state, and where each partition stood; a press goes there.

mod ask;
mod draw;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use egui::Ui;

use self::ask::{About, Question};
use crate::window::chrome::{Title, panel};
use crate::window::command::{Command, Export};
use crate::window::cx::Cx;
use crate::window::export::{Data, Row, Source};
use crate::window::jobs::{Answer, Slot};
use crate::window::layout::Tabs;
use crate::window::panel::Panel;
use crate::window::table::Table;
use crate::window::theme::fonts::icon;
use crate::window::widgets::icon_button;

/// The panel's state.
#[derive(Default)]
pub struct Checkpoints {
    table: Table,
    offsets: Table,
    /// The one whose offsets are shown, by its arrival.
    chosen: Option<u64>,
    about: Slot<Question, About>,
}

impl Checkpoints {
    /// Shows the panel.
    pub fn show(&mut self, ui: &mut Ui, tabs: &Tabs, cx: &mut Cx<'_>) -> bool {
        let sentence = draw::sentence(cx);
        let title = Title::of(Panel::Checkpoints, &sentence, tabs);
        let some = cx.doc.run.as_ref().is_some_and(|r| !r.manifest.checkpoints.is_empty());
        let mut commands = Vec::new();
        let dragged = panel(
            ui,
            &title,
            &mut commands,
            |ui, commands| {
                let export = icon_button(icon::EXPORT, "Export the checkpoints").plain();
                if some && export.show(ui).clicked() {
                    commands.push(Command::Export(Export::Data(Panel::Checkpoints)));
                }
            },
            |ui, _| draw::body(self, ui, cx),
        );
        cx.commands.append(&mut commands);
        dragged
    }

    /// What an export writes.
    #[must_use]
    pub fn data(cx: &Cx<'_>) -> Option<Source> {
        let manifest = Arc::clone(&cx.doc.run.as_ref()?.manifest);
        Some(Box::new(move |_| Ok(Box::new(Entries(manifest)) as Box<dyn Data>)))
    }

    /// Asks where the partitions stood at the chosen one, and which of all
    /// still lie on disk.
    fn ask(&mut self, cx: &Cx<'_>) -> Option<Arc<Answer<Question, About>>> {
        let doc = cx.doc.run.as_ref()?;
        let question = Question { revision: cx.doc.revision, chosen: self.chosen };
        let (run, manifest) = (doc.run.clone(), Arc::clone(&doc.manifest));
        self.about.ask(cx.jobs, question, move |q| ask::about(&run, &manifest, q));
        self.about.answer()
    }
}

/// All checkpoints, as rows of a file.
struct Entries(Arc<joinscope_core::run::Manifest>);

impl Data for Entries {
    fn len(&self) -> u64 {
        self.0.checkpoints.len() as u64
    }

    fn columns(&self) -> Vec<String> {
        let names = [
            "epoch",
            "arrival",
            "arrival_ms",
            "row",
            "output",
            "state_rows",
            "state_bytes",
            "written_bytes",
            "disk_bytes",
            "delta_ms",
            "snapshot_ms",
            "sync_ms",
            "pause_us",
            "path",
        ];
        names.map(str::to_owned).to_vec()
    }

    fn page(&mut self, first: u64, n: usize) -> Result<Vec<Row>, String> {
        let columns = self.columns();
        let entries = self.0.checkpoints.iter().skip(first as usize).take(n);
        entries
            .map(|entry| {
                let json = serde_json::to_value(entry).map_err(|e| e.to_string())?;
                let cell = |name: &String| json.get(name).cloned().unwrap_or_default();
                Ok(Row { cells: columns.iter().map(cell).collect(), json })
            })
            .collect()
    }
}
