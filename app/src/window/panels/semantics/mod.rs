//! Semantics: the recording under all four, side by side. What Flink SQL, the
//! `DataStream` API and Kafka Streams would do with these very records, and
//! where they differ from `clean`; each count opens its records.

mod draw;
mod export;
mod job;
mod places;
#[cfg(test)]
mod tests;

use std::path::Path;

use egui::Ui;
use joinscope_operator::pipeline::{Pipeline, Semantics as Name};

pub use self::job::Order;
use self::job::{Job, Known};
use crate::window::chrome::{Title, panel};
use crate::window::command::Command;
use crate::window::comparing::same;
use crate::window::cx::Cx;
use crate::window::doc::RunDoc;
use crate::window::jobs::DIM_AFTER;
use crate::window::layout::Tabs;
use crate::window::panel::Panel;
use crate::window::text::{plural, thousands};
use crate::window::theme::fonts::icon;
use crate::window::widgets::{button, icon_button};

/// The panel's state: it stays where another run of the recording comes to the
/// front.
#[derive(Default)]
pub struct Semantics {
    job: Option<Job>,
    /// Of the recording that was run over.
    digest: String,
    /// What was run: its text, and in what it was changed.
    made: Made,
    /// Its failure was taken.
    told: bool,
}

/// A pipeline with settings changed.
#[derive(Default)]
struct Made {
    file: String,
    text: String,
    /// Without whose rules it follows.
    sets: Vec<(String, String)>,
}

impl Made {
    /// Whether a run has the same settings, but for whose rules it follows.
    fn is_of(&self, run: &RunDoc) -> bool {
        let overrides = run.manifest.start.overrides.iter();
        let sets = overrides.filter(|(path, _)| path != SEMANTICS);
        if self.text == run.run.pipeline_text() && sets.eq(&self.sets) {
            return true;
        }
        let Ok(made) = Pipeline::parse_with(&self.text, &self.file, &self.sets) else {
            return false;
        };
        plain(made) == plain(Pipeline::clone(run.run.pipeline()))
    }
}

/// The setting that says whose rules a pipeline follows.
pub const SEMANTICS: &str = "join.semantics";

/// A pipeline without what does not tell it from another: whose rules it follows,
/// and whether its schemas are loaded.
fn plain(mut pipeline: Pipeline) -> Pipeline {
    pipeline.join.semantics = Name::Clean;
    for schema in pipeline.inputs.iter_mut().filter_map(|input| input.schema.as_mut()) {
        schema.text = None;
    }
    pipeline
}

impl Semantics {
    /// Runs all four.
    ///
    /// # Errors
    /// They could not be started.
    pub fn start(&mut self, order: Order, ctx: &egui::Context) -> Result<(), String> {
        order.recording.digest().clone_into(&mut self.digest);
        self.made = Made {
            file: order.file.clone(),
            text: order.text.clone(),
            sets: order.overrides.clone(),
        };
        self.job = Some(Job::start(order, ctx)?);
        self.told = false;
        Ok(())
    }

    pub fn cancel(&self) {
        if let Some(job) = &self.job {
            job.cancel();
        }
    }

    #[must_use]
    pub fn is_running(&self) -> bool {
        self.job.as_ref().is_some_and(Job::is_running)
    }

    /// Why the four could not be run, once.
    pub fn take_failure(&mut self) -> Option<String> {
        let error = self.job.as_ref().filter(|_| !self.told)?.failure()?;
        self.told = true;
        Some(error)
    }

    /// Whether what it shows is of this recording.
    #[must_use]
    pub fn is_of(&self, digest: &str) -> bool {
        self.job.is_some() && self.digest == digest
    }

    /// In what the pipeline was changed of which the run in this folder is one of the
    /// four: in its own overrides stands too what its semantics could not do.
    #[must_use]
    pub fn sets_behind(&self, dir: &Path) -> Option<Vec<(String, String)>> {
        let known = self.job.as_ref()?.known();
        let mut ran = known.ended.iter().filter_map(|(_, result)| result.as_ref().ok());
        ran.any(|figures| same(&figures.dir, dir)).then(|| self.made.sets.clone())
    }

    /// Whether the four were run with other settings than the run in front.
    fn is_of_others(&self, cx: &Cx<'_>) -> bool {
        let Some(run) = cx.doc.run.as_ref().filter(|_| self.job.is_some()) else { return false };
        self.sets_behind(&run.dir).is_none() && !self.made.is_of(run)
    }

    /// Shows the panel.
    pub fn show(&mut self, ui: &mut Ui, tabs: &Tabs, cx: &mut Cx<'_>) -> bool {
        let known = self.job.as_ref().map(Job::known);
        let mut sentence = sentence(known.as_ref());
        if self.is_of_others(cx) {
            sentence = format!("under other settings than this run's: {sentence}");
        }
        let title = Title::of(Panel::Semantics, &sentence, tabs);
        let running = known.as_ref().is_some_and(|k| k.done.is_none());
        if running {
            // It goes on without an event of the user.
            ui.ctx().request_repaint_after(DIM_AFTER);
        }
        let percent = self.job.as_ref().map_or(0, Job::percent);
        let can_run = cx.doc.pipeline.is_some() && cx.doc.recording.is_some();
        let begun = known.is_some();
        let mut commands = Vec::new();
        let dragged = panel(
            ui,
            &title,
            &mut commands,
            |ui, commands| {
                if running && button("Cancel").name("Cancel the four runs").show(ui).clicked() {
                    commands.push(Command::CancelSemantics);
                } else if !running && begun && can_run {
                    let again = icon_button(icon::RETRY, "Run all four again").plain();
                    if again.show(ui).clicked() {
                        commands.push(Command::RunSemantics);
                    }
                }
            },
            |ui, commands| match &known {
                None => draw::nothing(ui, can_run, commands),
                Some(known) => draw::body(ui, cx, known, percent, commands),
            },
        );
        cx.commands.append(&mut commands);
        dragged
    }
}

/// Which differs most from `clean`, or how far it is.
fn sentence(known: Option<&Known>) -> String {
    let Some(known) = known else { return "not run yet".to_owned() };
    match &known.done {
        None => {
            let at = known.at.map(|(semantics, _)| format!(", {} now", semantics.name()));
            return format!("{} of 4 done{}", known.ended.len(), at.unwrap_or_default());
        }
        Some(Err(why)) if why == "cancelled" => {
            return format!("cancelled after {}", plural(known.ended.len() as u64, "run"));
        }
        Some(Err(_)) => return "not possible".to_owned(),
        Some(Ok(())) => {}
    }
    let figures =
        known.ended.iter().filter_map(|(name, r)| Some((*name, r.as_ref().ok()?.against?)));
    let all: Vec<(Name, job::Against)> = figures.collect();
    let refused: Vec<&str> =
        known.ended.iter().filter(|(_, r)| r.is_err()).map(|(n, _)| n.name()).collect();
    // A pair more or less is what counts; pads follow from pairs and from the kind.
    let most = all.iter().max_by_key(|(_, a)| a.pairs()).filter(|(_, a)| a.pairs() > 0);
    let pads = all.iter().any(|(_, a)| a.pads_missing + a.pads_extra > 0);
    let mut said = match most {
        Some((name, a)) => {
            let how = match (a.pairs_missing, a.pairs_extra) {
                (missing, 0) => format!("{} missing", thousands(missing)),
                (0, extra) => format!("{} extra", thousands(extra)),
                (missing, extra) => {
                    format!("{} missing, {} extra", thousands(missing), thousands(extra))
                }
            };
            // Of pads another may have more: the sentence says by what it counts.
            format!("{} differs most from clean in pairs: {how}", name.name())
        }
        None if pads => "the same pairs as clean; pads differ".to_owned(),
        None => "the same pairs and pads as clean".to_owned(),
    };
    if !refused.is_empty() {
        said.push_str(&format!(" · refused by {}", refused.join(", ")));
    }
    said
}
