//! Compare: two runs under one cursor. Which settings differ, which records
//! changed their verdict and how, both verdicts side by side, both event-time
//! watermarks over the shared time axis.

mod ask;
mod draw;
mod export;
mod job;
mod kinds;
mod plot;
mod said;
mod settings;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::{Popup, Ui};
use joinscope_core::run::{Lines, RunState};

use self::ask::{Both, LinesQuestion, Other, PageQuestion, Seen, Stood};
pub use self::job::{Choice, Outputs};
use self::job::{Job, look};
pub use self::kinds::word;
use super::watermarks::say::unit;
use super::{failed, reading};
use crate::window::bars::menu_row;
use crate::window::chrome::{Title, panel};
use crate::window::command::{Asked, Command};
use crate::window::cx::Cx;
use crate::window::doc::{RunLabel, file_name};
use crate::window::jobs::{DIM_AFTER, Slot};
use crate::window::layout::Tabs;
use crate::window::panel::Panel;
use crate::window::selection::Selection;
use crate::window::table::{Table, empty};
use crate::window::table_view::{TableView, unknown};
use crate::window::text::{elide, line, plural, thousands};
use crate::window::theme::INSET;
use crate::window::theme::fonts::icon;
use crate::window::widgets::{button, icon_button, menu_rows};

/// How this run stands, and the other: what differs in their settings follows.
type Pair = (RunState, PathBuf);

/// The panel's state.
#[derive(Default)]
pub struct Compare {
    /// The run that this one is compared with.
    other: Option<PathBuf>,
    opened: Slot<Pair, Other>,
    job: Job,
    choice: Choice,
    table: Table,
    page: Slot<PageQuestion, Vec<Seen>>,
    lines: Slot<LinesQuestion, [Lines; 2]>,
    /// The scale of both lines covers what is far off, too.
    whole: bool,
    both: Slot<(u64, u64), Both>,
    /// Of a revision, matched by name or not, at an arrival.
    stood: Slot<(u64, bool, u64), [Stood; 2]>,
    /// The selection that was last brought into sight.
    revealed: Option<Selection>,
}

impl Compare {
    /// The run that is compared with.
    #[must_use]
    pub fn other(&self) -> Option<&Path> {
        self.other.as_deref()
    }

    /// Compares with another run; asked for again, anew: it may have gone on, or be
    /// another one in the same folder.
    pub fn set_other(&mut self, other: PathBuf) {
        *self = Self { other: Some(other), ..Self::default() };
    }

    /// What it lists, as a session and an incident file keep it.
    #[must_use]
    pub fn view(&self) -> TableView {
        TableView { only: vec![self.choice.name()], ..TableView::default() }
    }

    /// Lists what was kept; what of that cannot be.
    pub fn set_view(&mut self, view: &TableView) -> Vec<String> {
        let Some(name) = view.only.first() else { return Vec::new() };
        match Choice::from_name(name) {
            Some(choice) => {
                self.choose(choice);
                Vec::new()
            }
            None => unknown("kind of difference", &[name]).into_iter().collect(),
        }
    }

    /// Names of the inputs, as kinds of difference number them: this run's, then those
    /// that only the other has; none until the runs are matched.
    #[must_use]
    pub fn inputs(&self) -> Vec<Arc<str>> {
        self.job.matching().map(|matching| matching.inputs.clone()).unwrap_or_default()
    }

    /// Lists one kind of difference.
    pub fn choose(&mut self, choice: Choice) {
        if self.choice != choice {
            self.choice = choice;
            self.revealed = None;
            self.table.top();
        }
    }

    /// Where a row of this run is in the other: its row and its arrival, where
    /// it is the one that was asked about.
    #[must_use]
    pub fn partner(&mut self, row: u64) -> Option<(u64, u64)> {
        let answer = self.both.answer().filter(|a| a.question.1 == row)?;
        answer.result.as_ref().ok()?.partner
    }

    /// Shows the panel.
    pub fn show(&mut self, ui: &mut Ui, tabs: &Tabs, cx: &mut Cx<'_>) -> bool {
        let other = self.ask(cx);
        let sentence = self.sentence(cx, other.as_deref());
        let title = Title::of(Panel::Compare, &sentence, tabs);
        let mut commands = Vec::new();
        let (chosen, known) = (self.other.clone(), Known::of(cx));
        let dragged = panel(
            ui,
            &title,
            &mut commands,
            |ui, commands| controls(ui, &known, chosen.as_deref(), commands),
            |ui, commands| self.body(ui, cx, other.as_deref(), commands),
        );
        cx.commands.append(&mut commands);
        dragged
    }

    /// Opens the other run and begins to compare; the other, once it is open.
    fn ask(&mut self, cx: &Cx<'_>) -> Option<Arc<crate::window::jobs::Answer<Pair, Other>>> {
        let (doc, path) = (cx.doc.run.as_ref()?, self.other.clone()?);
        let run = doc.run.clone();
        // Newer states of a run in progress do not open the other one again.
        let question = (doc.manifest.state, path.clone());
        self.opened.ask(cx.jobs, question, move |(_, path)| ask::other(&run, path));
        let answer = self.opened.answer().filter(|a| a.question.1 == path)?;
        if let Ok(other) = &answer.result {
            self.job.ask(cx.jobs, cx.doc.revision, &doc.run, &other.doc.run);
        }
        Some(answer)
    }

    /// How many records changed their verdict, and how most of them.
    fn sentence(
        &mut self,
        cx: &Cx<'_>,
        other: Option<&crate::window::jobs::Answer<Pair, Other>>,
    ) -> String {
        let Some(path) = &self.other else { return "no run chosen to compare with".to_owned() };
        let other = match other.map(|a| &a.result) {
            None => return format!("opening {}…", file_name(path)),
            Some(Err(_)) => return "not possible".to_owned(),
            Some(Ok(other)) => other,
        };
        if self.job.error().is_some() {
            return format!("with {}: not possible", other.doc.label.name);
        }
        let (_, found) = self.job.shown();
        let found = look(&found);
        let all = found.kinds();
        let in_both = all.iter().filter(|(kind, _)| kind.is_in_both());
        let changed: u64 = in_both.map(|(_, n)| n).sum();
        let alone = found.changed().saturating_sub(changed);
        let compared = found.compared.map(|c| c.rows);
        // What differs matters more than a long name, which the menu beside it has too.
        let name = elide(&line(&other.doc.label.name), 24);
        // A record has a verdict in each input that it feeds.
        let unit = cx.doc.run.as_ref().map_or("record", |r| unit(&r.manifest.start));
        let mut said = match (compared, changed) {
            (Some(rows), 0) => {
                format!("the same verdicts as {name} for all {}", plural(rows, unit))
            }
            (Some(rows), n) => {
                let differ = if n == 1 { "differs" } else { "differ" };
                format!("{} of {} {differ} from {name}", thousands(n), plural(rows, unit))
            }
            (None, n) => format!("{} so far that differ from {name}", plural(n, unit)),
        };
        if alone > 0 {
            said.push_str(&format!(" · {} in one run only", thousands(alone)));
        }
        if let Some((kind, n)) = all.first() {
            let words = kinds::words(*kind, cx, found.matching.as_deref());
            let most = if all.len() > 1 { "most: " } else { "" };
            said.push_str(&format!(" · {most}{} {words}", thousands(*n)));
        }
        if let Some(beyond) = found.compared.map(|c| c.beyond).filter(|n| *n > 0) {
            said.push_str(&format!(" · {} beyond the end of the shorter run", thousands(beyond)));
        }
        if self.job.is_stopped() && !found.whole {
            said.push_str(" · stopped");
        } else if !found.whole && !found.doing.is_empty() {
            said.push_str(&format!(" · {} % {}", found.percent(), found.doing));
        }
        said
    }

    fn body(
        &mut self,
        ui: &mut Ui,
        cx: &mut Cx<'_>,
        other: Option<&crate::window::jobs::Answer<Pair, Other>>,
        commands: &mut Vec<Command>,
    ) {
        let Some(path) = &self.other else {
            nothing(ui, cx, commands);
            return;
        };
        let other = match other.map(|a| &a.result) {
            None => {
                reading(ui, "Opening the other run", &line(&file_name(path)));
                return;
            }
            Some(Ok(other)) => other,
            Some(Err(error)) => {
                if failed(ui, error) {
                    self.opened.again();
                }
                return;
            }
        };
        if let Some(error) = self.job.error() {
            if failed(ui, &error) {
                self.job.again();
            }
            return;
        }
        if self.job.is_open() {
            // Partial results come without an event of the user.
            ui.ctx().request_repaint_after(DIM_AFTER);
        }
        draw::body(self, ui, cx, other, commands);
    }
}

/// What there is to compare with.
struct Known {
    /// Other runs over this recording.
    runs: Vec<RunLabel>,
    /// It can be run again from here.
    can_run: bool,
}

impl Known {
    fn of(cx: &Cx<'_>) -> Self {
        let here = cx.doc.run.as_ref().map(|r| r.dir.as_path());
        let others = cx.doc.runs.iter().filter(|r| Some(r.dir.as_path()) != here);
        let can_run = cx.doc.pipeline.is_some() && cx.doc.recording.is_some();
        Self { runs: others.cloned().collect(), can_run }
    }
}

/// What stands beside the title.
fn controls(ui: &mut Ui, known: &Known, chosen: Option<&Path>, commands: &mut Vec<Command>) {
    if known.can_run {
        let change = icon_button(icon::CHANGE, "Change a setting, run again and compare").plain();
        if change.show(ui).clicked() {
            commands.push(Command::ChangeAndCompare);
        }
    }
    if let Some(chosen) = chosen {
        let open = icon_button(icon::SWAP, "Open the other run, at the same record").plain();
        if open.show(ui).clicked() {
            commands.push(Command::OpenCompared);
        }
        let name = known.runs.iter().find(|r| r.dir == chosen).map(|r| r.name.clone());
        let name = name.unwrap_or_else(|| file_name(chosen));
        let shown = format!("with {}", elide(&line(&name), 18));
        let response = button(&shown).plain().caret().name("Compare with").show(ui);
        let rows = known.runs.len().min(LISTED) + 1;
        Popup::menu(&response)
            .show(|ui| menu_rows(ui, rows, 420.0, |ui| menu(ui, known, commands)));
    }
}

/// Runs in the menu; the others are asked for by name.
const LISTED: usize = 24;

fn menu(ui: &mut Ui, known: &Known, commands: &mut Vec<Command>) {
    ui.set_min_width(260.0);
    for label in known.runs.iter().take(LISTED) {
        let text = format!("{}  {}", label.name, label.settings);
        if menu_row(&elide(&line(&text), 60)).show(ui).clicked() {
            commands.push(Command::Compare(label.dir.clone()));
            ui.close();
        }
    }
    if menu_row("Another run…").show(ui).clicked() {
        commands.push(Command::Ask(Asked::CompareWith));
        ui.close();
    }
}

/// No other run is chosen: which there are, and how to make one.
fn nothing(ui: &mut Ui, cx: &Cx<'_>, commands: &mut Vec<Command>) {
    let Known { runs: known, can_run } = Known::of(cx);
    let room = ui.available_rect_before_wrap();
    let rows = known.len().clamp(1, 5) as f32;
    let top = room.center().y - 30.0 - rows * 16.0;
    // The words stand just above what can be pressed.
    let half = egui::Rect::from_x_y_ranges(room.x_range(), top..=top + 60.0);
    let mut above = ui.new_child(egui::UiBuilder::new().max_rect(half).id_salt("nothing"));
    let (what, next) = if known.is_empty() {
        (
            "This is the only run of the recording",
            "Change a setting and run again, or name another run",
        )
    } else {
        (
            "Choose a run to compare with",
            "The records whose verdict changed are listed, by kind of change",
        )
    };
    empty(&mut above, what, next);
    let width = 420.0f32.min(room.width() - 2.0 * INSET);
    let at = egui::Rect::from_min_max(
        egui::pos2(room.center().x - width / 2.0, half.bottom()),
        egui::pos2(room.center().x + width / 2.0, room.bottom()),
    );
    let flow = egui::Layout::top_down(egui::Align::Center);
    let mut child = ui.new_child(egui::UiBuilder::new().max_rect(at).layout(flow).id_salt("runs"));
    child.spacing_mut().item_spacing.y = 6.0;
    for label in known.iter().take(5) {
        let settings = elide(&line(&label.settings), 44);
        let name = format!("Compare with {}", label.name);
        let shown = button(&label.name).second(&settings).name(&name).show(&mut child);
        if shown.clicked() {
            commands.push(Command::Compare(label.dir.clone()));
        }
    }
    if can_run {
        let change = button("Change a setting, run again and compare").icon(icon::CHANGE);
        if change.show(&mut child).clicked() {
            commands.push(Command::ChangeAndCompare);
        }
    }
    if button("Another run…").show(&mut child).clicked() {
        commands.push(Command::Ask(Asked::CompareWith));
    }
}
