//! The panels, each a folder: what it asks, how it draws, its tests.

pub mod breakpoints;
pub mod causality;
pub mod checkpoints;
pub mod choose;
pub mod compare;
mod far;
pub mod guarantees;
pub mod inspector;
mod lane_bar;
pub mod late;
pub mod outputs;
pub mod records;
mod selected;
pub mod semantics;
pub mod sources;
pub mod state;
pub mod timeline;
mod tools;
pub mod watermarks;

pub use tools::edged;

use std::time::Duration;

use egui::Ui;

use self::sources::{Books, Sources};
use super::chrome::{self, Title};
use super::cx::Cx;
use super::doc::Doc;
use super::jobs::DIM_AFTER;
use super::layout::Tabs;
use super::panel::Panel;
use super::table::empty;
use super::table_view::TableViews;

/// All panels of what is open.
#[derive(Default)]
pub struct Panels {
    pub records: records::Records,
    pub outputs: outputs::Outputs,
    pub inspector: inspector::Inspector,
    pub watermarks: watermarks::Watermarks,
    pub state: state::State,
    pub checkpoints: checkpoints::Checkpoints,
    pub compare: compare::Compare,
    pub semantics: semantics::Semantics,
    pub breakpoints: breakpoints::Breakpoints,
    pub guarantees: guarantees::Guarantees,
    pub timeline: timeline::Timeline,
    pub late: late::Late,
    pub causality: causality::Causality,
    pub sources: Sources,
    pub books: Books,
}

impl Panels {
    /// Shows one panel over all room of `ui`; says whether its title is being
    /// dragged.
    pub fn show(&mut self, ui: &mut Ui, panel: Panel, tabs: &Tabs, cx: &mut Cx<'_>) -> bool {
        if let Some(next) = without_run(panel, cx.doc) {
            return no_run(ui, panel, tabs, cx, next);
        }
        match panel {
            Panel::Records => self.records.show(ui, tabs, cx),
            Panel::Outputs => self.outputs.show(ui, tabs, cx),
            Panel::Inspector => self.inspector.show(ui, cx, &mut self.records, &mut self.outputs),
            Panel::Watermarks => self.watermarks.show(ui, tabs, cx),
            Panel::State => self.state.show(ui, tabs, cx),
            Panel::Checkpoints => self.checkpoints.show(ui, tabs, cx),
            Panel::Compare => self.compare.show(ui, tabs, cx),
            Panel::Breakpoints => self.breakpoints.show(ui, tabs, cx),
            Panel::Semantics => self.semantics.show(ui, tabs, cx),
            Panel::Guarantees => self.guarantees.show(ui, tabs, cx),
            Panel::Timeline => self.timeline.show(ui, tabs, cx),
            Panel::Late => self.late.show(ui, tabs, cx),
            Panel::Causality => self.causality.show(ui, tabs, cx),
            // Sources stands at the window's side and needs more of it.
            Panel::Sources => false,
        }
    }

    /// How the tables are set up, as the view keeps it: without secrets.
    #[must_use]
    pub fn table_views(&self) -> TableViews {
        let views = TableViews {
            records: self.records.view(),
            outputs: self.outputs.view(),
            state: self.state.view(),
            compare: self.compare.view(),
        };
        views.without_secrets()
    }

    /// Sets all tables up as they were kept; what of that cannot be, by table.
    pub fn set_table_views(&mut self, views: &TableViews) -> Vec<String> {
        let records = said("records", &self.records.set_view(&views.records));
        let outputs = said("outputs", &self.outputs.set_view(&views.outputs));
        let others = self.set_other_views(views);
        records.into_iter().chain(outputs).chain(others).collect()
    }

    /// The same, but for records and outputs.
    pub fn set_other_views(&mut self, views: &TableViews) -> Vec<String> {
        let state = said("state", &self.state.set_view(&views.state));
        let compare = said("compare", &self.compare.set_view(&views.compare));
        state.into_iter().chain(compare).collect()
    }
}

/// What is wrong with how a table was kept.
fn said(table: &str, why: &[String]) -> Option<String> {
    (!why.is_empty()).then(|| format!("The {table} table: {}", why.join("; ")))
}

/// Of what needs a run where there is none: what to do next. The window shows such a
/// panel nowhere; a picture of it alone may be asked for.
fn without_run(panel: Panel, doc: &Doc) -> Option<&'static str> {
    if doc.run.is_some() {
        return None;
    }
    let next = match panel {
        Panel::Watermarks => {
            "Run a pipeline over this recording to see how event time went on, and what held it back"
        }
        Panel::Late => "Run a pipeline over this recording to see what came late",
        Panel::Causality => "Run a pipeline over this recording to see what led to what",
        Panel::State => "Run a pipeline over this recording to see what waits for a match",
        Panel::Checkpoints => "Run a pipeline over this recording to see its checkpoints",
        Panel::Compare => "Run a pipeline over this recording to compare that run with another",
        Panel::Guarantees => "Run a pipeline over this recording to see what each would deliver",
        Panel::Semantics if doc.pipeline.is_none() => {
            "Choose a pipeline for this recording: it is run under all four"
        }
        _ => return None,
    };
    Some(next)
}

fn no_run(ui: &mut Ui, panel: Panel, tabs: &Tabs, cx: &mut Cx<'_>, next: &str) -> bool {
    let title = Title::of(panel, "", tabs);
    chrome::panel(ui, &title, cx.commands, |_, _| {}, |ui, _| empty(ui, "No run", next))
}

/// What stands in a panel of a run that has no record; `yet`: what comes in one that goes
/// on.
fn no_record(ui: &mut Ui, cx: &Cx<'_>, yet: &str) {
    let ended = cx.doc.run.as_ref().and_then(|run| run.label.ended_so());
    match ended {
        _ if cx.doc.in_progress => empty(ui, "No record yet", yet),
        None if cx.doc.run.is_none() => empty(ui, "No record", "The recording holds none"),
        None => empty(ui, "No record", "The pipeline's topics hold none in this recording"),
        Some(how) => {
            let next = format!("The run {how} before it had published one");
            empty(ui, "No record", &next);
        }
    }
}

/// A panel that waits for its first answer.
#[derive(Clone, Copy)]
struct Waits {
    /// The frame that it waited in last.
    frame: u64,
    /// When it began to, s.
    since: f64,
}

/// Whether a first answer has been awaited long enough to say so: what comes at once
/// does not flicker.
fn waits(ui: &Ui) -> bool {
    let (frame, now) = (ui.ctx().cumulative_frame_nr(), ui.input(|i| i.time));
    let id = ui.scope_id().with("waits");
    let since = ui.data_mut(|data| {
        let before = data.get_temp::<Waits>(id).filter(|w| w.frame + 1 >= frame);
        let since = before.map_or(now, |w| w.since);
        data.insert_temp(id, Waits { frame, since });
        since
    });
    let left = DIM_AFTER.as_secs_f64() - (now - since);
    if left > 0.0 {
        ui.ctx().request_repaint_after(Duration::from_secs_f64(left));
    }
    left <= 0.0
}

/// What stands in a panel until its first answer is there.
fn reading(ui: &mut Ui, what: &str, next: &str) {
    if waits(ui) {
        empty(ui, what, next);
    }
}

/// What is shown in place of an answer that failed; says whether to try again.
/// The window lists it among its errors.
fn failed(ui: &mut Ui, error: &str) -> bool {
    super::failures::note(ui.ctx(), error);
    in_place(ui, error)
}

/// The same of what is listed already.
fn in_place(ui: &mut Ui, error: &str) -> bool {
    let t = super::theme::Tokens::of(ui.ctx());
    let rect = ui.available_rect_before_wrap();
    let at = egui::Rect::from_center_size(rect.center(), egui::vec2(rect.width().min(520.0), 80.0));
    let mut child = ui.new_child(egui::UiBuilder::new().max_rect(at).id_salt("failed"));
    let line = egui::RichText::new(super::text::line(error).into_owned())
        .font(super::theme::fonts::regular(super::theme::TEXT))
        .color(t.text);
    child.add(egui::Label::new(line).wrap().selectable(true));
    child.add_space(6.0);
    super::widgets::button("Try again")
        .icon(super::theme::fonts::icon::RETRY)
        .show(&mut child)
        .clicked()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_takes_a_while_is_said_to_be_read() {
        let ctx = egui::Context::default();
        let at = |time: f64, waits_there: bool| {
            let input = egui::RawInput { time: Some(time), ..egui::RawInput::default() };
            let mut said = false;
            let _ = ctx.run_ui(input, |ui| said = waits_there && waits(ui));
            said
        };
        assert_eq!([at(1.0, true), at(1.05, true), at(1.2, true)], [false, false, true]);
        // There was an answer meanwhile: it is another wait.
        assert!(!at(1.3, false));
        assert_eq!([at(1.4, true), at(1.6, true)], [false, true]);
    }
}
