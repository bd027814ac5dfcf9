//! The outputs table: the joined rows, in output order.

mod ask;
mod draw;
#[cfg(test)]
mod tests;

use egui::Ui;

use self::ask::{Line, Page, Question};
pub use self::draw::{kind_name, labels};
use crate::window::chrome::{Title, panel};
use crate::window::cx::Cx;
use crate::window::jobs::Slot;
use crate::window::layout::Tabs;
use crate::window::panel::Panel;
use crate::window::table::Table;
use crate::window::text::thousands;

/// The panel's state.
#[derive(Default)]
pub struct Outputs {
    table: Table,
    page: Slot<Question, Page>,
}

impl Outputs {
    /// Brings an output into sight.
    pub fn reveal(&mut self, n: u64) {
        self.table.reveal(n);
    }

    /// Shows the panel.
    pub fn show(&mut self, ui: &mut Ui, tabs: &Tabs, cx: &mut Cx<'_>) -> bool {
        let len = cx.doc.run.as_ref().map_or(0, |r| r.outputs);
        let sentence = thousands(len);
        let title = Title {
            panel: Panel::Outputs,
            text: Panel::Outputs.title(),
            mono: false,
            sentence: &sentence,
            tabs,
        };
        let mut commands = Vec::new();
        let dragged =
            panel(ui, &title, &mut commands, |_, _| {}, |ui, _| draw::body(self, ui, cx, len));
        cx.commands.append(&mut commands);
        dragged
    }

    /// First line read, and the lines.
    fn ask(
        &mut self,
        cx: &Cx<'_>,
        seen: &std::ops::Range<u64>,
    ) -> Result<(u64, Vec<Line>), String> {
        let Some(doc) = &cx.doc.run else { return Ok((0, Vec::new())) };
        let first = seen.start.saturating_sub(10) / 10 * 10;
        let count = ((seen.end - first) as usize).next_multiple_of(10) + 10;
        let question = Question { revision: cx.doc.revision, first, count };
        let run = doc.run.clone();
        self.page.ask(cx.jobs, question, move |q| ask::page(&run, q));
        let Some(answer) = self.page.answer() else { return Ok((0, Vec::new())) };
        match &answer.result {
            Ok(page) => Ok((answer.question.first, page.lines.clone())),
            Err(error) => Err(error.clone()),
        }
    }
}
