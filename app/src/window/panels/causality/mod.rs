//! Causality: a space-time diagram of a key. A lane for each partition, the
//! engine, the sink and the epochs; arrows from cause to effect; where the
//! orders of event time and arrival disagree stands out.

mod draw;
mod export;
mod inversions;
mod map;
mod paint;
mod sight;
mod story;
#[cfg(test)]
mod tests;

use egui::{Popup, Ui};
use joinscope_operator::verdict::Verdict;

use self::map::Spacing;
use self::story::{Story, Subject};
use super::watermarks::say::unit;
use super::{failed, reading};
use crate::window::bars::menu_choice;
use crate::window::chrome::{Title, panel};
use crate::window::command::Command;
use crate::window::cx::Cx;
use crate::window::jobs::{DIM_AFTER, Slot};
use crate::window::layout::Tabs;
use crate::window::panel::Panel;
use crate::window::selection::Selection;
use crate::window::table::empty;
use crate::window::text::{elide, line, plural, thousands};
use crate::window::widgets::{button, roomy};

/// The panel's state.
#[derive(Default)]
pub struct Causality {
    story: Slot<(u64, Subject), Story>,
    spacing: Spacing,
    draw: draw::State,
}

impl Causality {
    /// Shows the panel.
    pub fn show(&mut self, ui: &mut Ui, tabs: &Tabs, cx: &mut Cx<'_>) -> bool {
        let sentence = self.sentence(cx);
        let title = Title::of(Panel::Causality, &sentence, tabs);
        let mut commands = Vec::new();
        let mut spacing = self.spacing;
        let dragged = panel(
            ui,
            &title,
            &mut commands,
            |ui, _| choose(ui, &mut spacing),
            |ui, _| self.body(ui, cx, &sentence),
        );
        if spacing != self.spacing {
            self.spacing = spacing;
            self.draw.whole();
        }
        cx.commands.append(&mut commands);
        dragged
    }

    /// What is asked about: the selection.
    fn subject(cx: &Cx<'_>) -> Option<Subject> {
        Some(match cx.selection? {
            Selection::Row(row) => Subject::Row(row),
            Selection::Output(n) => Subject::Output(n),
        })
    }

    fn sentence(&mut self, cx: &Cx<'_>) -> String {
        if cx.doc.run.is_none() || Self::subject(cx).is_none() {
            return String::new();
        }
        let Some(answer) = self.story.answer() else { return String::new() };
        let Ok(story) = &answer.result else { return String::new() };
        let unit = cx.doc.run.as_ref().map_or("record", |r| unit(&r.manifest.start));
        say(story, unit)
    }

    fn body(&mut self, ui: &mut Ui, cx: &mut Cx<'_>, sentence: &str) {
        let Some(doc) = &cx.doc.run else { return };
        let Some(subject) = Self::subject(cx) else {
            empty(
                ui,
                "Nothing selected",
                "Select a record or an output: its key's records, matches and outputs appear here",
            );
            return;
        };
        let run = doc.run.clone();
        let question = (cx.doc.revision, subject);
        self.story.ask(cx.jobs, question, move |(_, subject)| story::read(&run, *subject));
        let answer = self.story.answer();
        let answer = answer.filter(|a| cx.doc.is_about(a.question.0));
        match answer.as_ref().map(|a| (a.question, &a.result)) {
            Some((_, Err(error))) if failed(ui, error) => self.story.again(),
            Some((_, Err(_))) => {}
            None => reading(ui, "Reading the run", "What led to what is read for the whole key"),
            Some((question, Ok(story))) => {
                if self.story.is_stale() {
                    ui.multiply_opacity(0.6);
                }
                if self.story.is_open() {
                    ui.ctx().request_repaint_after(DIM_AFTER);
                }
                let shown =
                    draw::Shown { story, about: question.1, spacing: self.spacing, sentence };
                if let Some((selection, at)) = self.draw.show(ui, cx, &shown) {
                    cx.commands.push(Command::Select(Some(selection), Some(at)));
                }
            }
        }
    }
}

/// `key 5301: 12 records, 2 late, 3 outputs, 1 inversion`.
fn say(story: &Story, unit: &str) -> String {
    let shown = story.rows.len() as u64;
    let records = if story.records > shown {
        format!("{} of {} nearest in event time", thousands(shown), plural(story.records, unit))
    } else {
        plural(shown, unit)
    };
    // One that came late is in order for the key, and still what matters.
    let late = match story.rows.iter().filter(|r| r.verdict == Verdict::Late).count() as u64 {
        0 => String::new(),
        n => format!(", {} late", thousands(n)),
    };
    let outputs = story.outputs.len() as u64;
    let outputs = if story.more_outputs {
        format!("the first {} outputs", thousands(outputs))
    } else {
        plural(outputs, "output")
    };
    let inversions = match story.inversions.len() as u64 {
        // Of a record that came late as well: it is in order with these.
        0 => "no inversion".to_owned(),
        n => plural(n, "inversion"),
    };
    let key = story.key.as_ref().map(|k| format!("key {}: ", elide(&line(k), 40)));
    format!("{}{records}{late}, {outputs}, {inversions}", key.unwrap_or_default())
}

fn choose(ui: &mut Ui, spacing: &mut Spacing) {
    let response = button(spacing.name()).plain().caret().name("Spacing of time").show(ui);
    Popup::menu(&response).show(|ui| {
        roomy(ui);
        for s in Spacing::ALL {
            if menu_choice(ui, *spacing == s, s.name()).clicked() {
                *spacing = s;
                ui.close();
            }
        }
    });
}
