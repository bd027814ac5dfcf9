//! The inspector: the verdict in a sentence with its numbers, what would have
//! been enough, the candidates, the value, and what followed.

mod ask;
mod draw;
mod export;
mod links;
mod sentence;
#[cfg(test)]
mod tests;
mod value;

use std::sync::Arc;

use egui::{Margin, ScrollArea, Ui};
use joinscope_core::run::KeyState;

use self::ask::{Inspected, Question};
use super::outputs::Outputs;
use super::records::Records;
use super::{failed, reading};
use crate::window::chrome::{Title, panel};
use crate::window::command::Command;
use crate::window::cx::Cx;
use crate::window::jobs::{Answer, DIM_AFTER, Slot};
use crate::window::layout::Tabs;
use crate::window::panel::Panel;
use crate::window::selection::Selection;
use crate::window::table::empty;
use crate::window::text::thousands;
use crate::window::theme::fonts::icon;
use crate::window::theme::{SMALL, Tokens, fonts};
use crate::window::widgets::{icon_button, text};

/// Revision, row and cursor.
type KeyAt = (u64, u64, u64);

/// What it says is no wider than this, points.
const WIDEST: f32 = 640.0;

/// The panel's state.
#[derive(Default)]
pub struct Inspector {
    slot: Slot<Question, Inspected>,
    shown: value::Shown,
    last: Option<Selection>,
    /// The state of the selected record's key at the cursor.
    state: Slot<KeyAt, KeyState>,
}

impl Inspector {
    /// Shows the panel; the tables know whether their filters hide the selection.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        cx: &mut Cx<'_>,
        records: &mut Records,
        outputs: &mut Outputs,
    ) -> bool {
        if cx.selection != self.last {
            self.last = cx.selection;
            self.shown.first_page();
        }
        self.ask(cx);
        let answer = self.slot.answer();
        let inspected = answer.as_ref().and_then(|a| a.result.as_ref().ok());
        let name = match (cx.selection, inspected) {
            (None, _) => Panel::Inspector.title().to_owned(),
            (_, Some(Inspected::Row(r))) => r.view.record.to_string(),
            (_, Some(Inspected::Record(v))) => v.name.to_string(),
            (Some(Selection::Output(n)), _) => format!("output {}", thousands(n)),
            (Some(Selection::Row(_)), _) => "…".to_owned(),
        };
        let input = match inspected {
            Some(Inspected::Row(r)) if cx.selection.is_some() => links::input_of(cx, &r.view),
            _ => None,
        };
        let title = Title {
            panel: Panel::Inspector,
            text: &name,
            mono: cx.selection.is_some(),
            // Of a record that several inputs took, whose row it is.
            sentence: input.unwrap_or_default(),
            tabs: &Tabs::default(),
        };
        let (back, forward) = (cx.can_go_back, cx.can_go_forward);
        let mut commands = Vec::new();
        let dragged = panel(
            ui,
            &title,
            &mut commands,
            |ui, commands| {
                ui.spacing_mut().item_spacing.x = 2.0;
                if forward && icon_button(icon::FORWARD, "Forward").plain().show(ui).clicked() {
                    commands.push(Command::Forward);
                }
                if back && icon_button(icon::BACK, "Back").plain().show(ui).clicked() {
                    commands.push(Command::Back);
                }
            },
            |ui, _| self.body(ui, cx, records, outputs),
        );
        cx.commands.append(&mut commands);
        dragged
    }

    fn ask(&mut self, cx: &Cx<'_>) {
        let Some(selection) = cx.selection else { return };
        let question = Question { revision: cx.doc.revision, selection };
        let recording = cx.doc.recording.as_ref().map(|r| r.recording.clone());
        if let Some(doc) = &cx.doc.run {
            let run = doc.run.clone();
            self.slot.ask(cx.jobs, question, move |q| {
                ask::of_run(&run, recording.as_ref(), q.selection)
            });
        } else if let Some(recording) = recording {
            self.slot.ask(cx.jobs, question, move |q| ask::of_recording(&recording, q.selection));
        }
    }

    /// What rests in the state of the record's key at the cursor.
    fn key_state(&mut self, cx: &Cx<'_>, r: &ask::Row) -> Option<Arc<Answer<KeyAt, KeyState>>> {
        let run = cx.doc.run.as_ref()?.run.clone();
        let key = r.view.key.clone()?;
        let question = (cx.doc.revision, r.view.row, cx.cursor.at());
        self.state.ask(cx.jobs, question, move |(_, _, at)| {
            run.state_of_key(&key, *at).map_err(|e| e.to_string())
        });
        // Of another record nothing is shown; of another moment the last is.
        self.state.answer().filter(|a| a.question.1 == r.view.row)
    }

    fn body(&mut self, ui: &mut Ui, cx: &mut Cx<'_>, records: &mut Records, outputs: &mut Outputs) {
        let Some(selection) = cx.selection else {
            let next = if cx.doc.run.is_some() {
                "Select a record to read what happened to it and why"
            } else {
                "Select a record to read what it holds"
            };
            empty(ui, "Nothing selected", next);
            return;
        };
        let Some(answer) = self.slot.answer() else {
            let (what, next) = match selection {
                Selection::Row(_) if cx.doc.run.is_none() => {
                    ("Reading the record", "What it holds")
                }
                Selection::Row(_) => ("Reading the record", "What happened to it and why"),
                Selection::Output(_) => ("Reading the output", "What it was put out for"),
            };
            reading(ui, what, next);
            return;
        };
        if self.slot.is_stale() {
            ui.multiply_opacity(0.6);
        }
        if self.slot.is_open() {
            ui.ctx().request_repaint_after(DIM_AFTER);
        }
        let frame = egui::Frame::NONE.inner_margin(Margin::symmetric(12, 10));
        let before = cx.commands.len();
        match &answer.result {
            Err(error) => {
                if failed(ui, error) {
                    self.slot.again();
                }
            }
            Ok(inspected) => {
                let area = ScrollArea::vertical().auto_shrink(false);
                area.show(ui, |ui| {
                    frame.show(ui, |ui| {
                        // Figures far from their names are hard to read.
                        ui.set_width(ui.available_width().min(WIDEST));
                        if [records.hides(cx), outputs.hides(cx)].contains(&Some(true)) {
                            hidden(ui, cx);
                        }
                        match inspected {
                            Inspected::Row(r) => {
                                let state = self.key_state(cx, r);
                                let state = state.as_ref().map(|a| a.result.as_ref());
                                draw::row(ui, cx, r, state, &mut self.shown);
                            }
                            Inspected::Output(o) => draw::output(ui, cx, o),
                            Inspected::Record(v) => draw::record(ui, cx, v, &mut self.shown),
                        }
                    });
                });
            }
        }
        // What is selected from here is brought into sight in its table.
        for command in &cx.commands[before..] {
            if let Command::Select(Some(Selection::Row(row)), _) = command {
                records.reveal(*row);
            }
        }
    }
}

/// The selection stays, also where the filter hides it.
fn hidden(ui: &mut Ui, cx: &mut Cx<'_>) {
    let t = Tokens::of(ui.ctx());
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        text(ui, "hidden by the filter ·", fonts::regular(SMALL), t.second);
        let show = egui::RichText::new("show").font(fonts::regular(SMALL)).color(t.accent);
        if ui.add(egui::Link::new(show)).clicked() {
            // The range hides it as well as the filter does.
            cx.commands.push(Command::FilterToRange(false));
            cx.commands.push(match cx.selection {
                Some(Selection::Output(_)) => Command::ClearOutputsFilter,
                _ => Command::ClearFilter,
            });
        }
    });
    ui.add_space(4.0);
}
