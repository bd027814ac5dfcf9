//! Saving what is open as an incident file, off the window's thread.

use std::path::Path;

use joinscope_core::edges::recording::{Recording, RecordingError, write_with};
use joinscope_core::run::Manifest;
use joinscope_core::run::incident::{About, Incident, Mark, Marks};

use super::View;
use crate::window::app::App;
use crate::window::bookmarks::{Bookmarks, Numbering};
use crate::window::export::{Meter, Refused, Work, failed};
use crate::window::layout::Layouts;
use crate::window::settings::Places;
use crate::window::table_view::TableViews;

/// The program, as an incident names it.
fn saved_by() -> String {
    format!("joinscope {}", env!("CARGO_PKG_VERSION"))
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn about() -> About {
    About { saved_by: saved_by(), saved_ms: now_ms(), notes: String::new() }
}

fn marks(bookmarks: &Bookmarks) -> Marks {
    let topics = bookmarks.numbering().map(|n| n.topics.clone()).unwrap_or_default();
    let list = bookmarks.list().iter().map(|b| Mark { at: b.at, note: b.note.clone() });
    Marks { topics, bookmarks: list.collect() }
}

/// The bookmarks of a run and the layout that the window keeps: what an
/// incident saved by the command line takes along.
#[must_use]
pub fn kept(manifest: &Manifest) -> (Marks, Option<serde_json::Value>) {
    let Ok(places) = Places::of_user() else { return Default::default() };
    let (bookmarks, _) = Bookmarks::load(Some(Numbering::of_run(manifest)), Some(&places));
    // Where one stood is known to a window only; the end is as good a place.
    let layout = Layouts::load(&places).0.current;
    let mut view = View { layout, ..View::default() };
    view.at.cursor = u64::MAX;
    (marks(&bookmarks), view.layout.is_some().then(|| view.to_json().ok()).flatten())
}

impl App {
    /// What writes an incident file of what is open; an error where there is
    /// nothing to write.
    pub(in crate::window) fn incident_work(&self) -> Result<Work, String> {
        let Some(recording) = self.doc.recording.as_ref().map(|r| r.recording.clone()) else {
            return Err("the recording is not where it was: open it first, and it is found \
                        again"
                .to_owned());
        };
        let run = self.doc.run.as_ref().map(|r| r.run.clone());
        let (marks, notes) = (marks(&self.bookmarks), self.notes().to_owned());
        let view = self.standing_now();
        let left_out = view.at.tables.as_ref().is_some_and(TableViews::left_out);
        let view = view.to_json().map_err(|e| e.to_string())?;
        Ok(Box::new(move |path, replace, meter| {
            let mut blanked = left_out;
            let mut incident = match run {
                Some(run) => {
                    let incident = Incident::of(&run, &saved_by(), now_ms())
                        .map_err(|e| Refused::Failed(e.to_string()))?;
                    blanked |= incident.pipeline.as_deref() != Some(run.pipeline_text());
                    incident
                }
                None => Incident { about: about(), ..Incident::default() },
            };
            blanked |= incident.set_notes(&notes);
            (incident.marks, incident.view) = (marks, Some(view));
            if blanked || incident.blanks_bookmarks() {
                meter.blanked();
            }
            write(&recording, &incident, path, replace, meter)
        }))
    }
}

fn write(
    recording: &Recording,
    incident: &Incident,
    path: &Path,
    replace: bool,
    meter: &Meter<'_>,
) -> Result<u64, Refused> {
    let pieces = incident.pieces().map_err(|e| Refused::Failed(e.to_string()))?;
    meter.job(|job| write_with(recording, &pieces, path, replace, job)).map_err(|e| match e {
        RecordingError::Exists { .. } => Refused::Exists,
        RecordingError::Cancelled => Refused::Cancelled,
        RecordingError::Io { source, .. } => failed(path, &source),
        other => Refused::Failed(other.to_string()),
    })
}
