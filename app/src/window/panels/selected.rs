//! The selected record, read for a panel that marks it.

use joinscope_core::run::RowView;

use crate::window::cx::Cx;
use crate::window::jobs::Slot;
use crate::window::selection::Selection;

/// One panel's reading of the selected record.
#[derive(Default)]
pub struct Selected {
    slot: Slot<(u64, u64), RowView>,
}

impl Selected {
    /// The selected record of the run, once it is read; asks for it.
    pub fn row(&mut self, cx: &Cx<'_>) -> Option<RowView> {
        let (Some(Selection::Row(row)), Some(doc)) = (cx.selection, &cx.doc.run) else {
            return None;
        };
        let run = doc.run.clone();
        let question = (cx.doc.revision, row);
        self.slot.ask(cx.jobs, question, move |(_, row)| run.row(*row).map_err(|e| e.to_string()));
        let answer = self.slot.answer().filter(|a| a.question == question)?;
        answer.result.as_ref().ok().cloned()
    }
}
