//! The window's exports: one at a time, in a thread of its own, with its line
//! above the panels.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use egui::{ColorImage, Context, Rect};

use super::app::App;
use super::command::Export;
use super::dialogs::{Dialog, ExportDialog, SaveIncident};
use super::export::{Drawing, Exporting, Refused, Source, What, cropped, is_svg};
use super::panel::Panel;
use super::panels::checkpoints::Checkpoints;
use super::panels::sources::Sources;
use super::panels::state::State;
use super::panels::watermarks::Watermarks;
use super::theme::Tokens;

/// Exports, and pictures that are awaited.
#[derive(Default)]
pub struct Exports {
    pub at_hand: Option<(Export, Exporting)>,
    /// What it is of, by [`Doc::since`](super::doc::Doc::since).
    since: u64,
    /// A picture was asked for: of which panel, to where; and whether the
    /// window's picture was asked of the platform already.
    awaited: Option<(Export, PathBuf, bool, bool)>,
    /// Written when the one at hand is done: the figures beside a picture.
    next: Option<(Export, PathBuf, bool)>,
    /// The window's picture, once the platform has taken it.
    pub taken: Arc<Mutex<Option<Arc<ColorImage>>>>,
    /// Where each panel stood in the last frame.
    places: Vec<(Panel, Rect)>,
}

impl Exports {
    pub fn note_place(&mut self, panel: Panel, rect: Rect) {
        match self.places.iter_mut().find(|(p, _)| *p == panel) {
            Some((_, place)) => *place = rect,
            None => self.places.push((panel, rect)),
        }
    }

    /// Another frame begins: what is in sight is noted anew.
    pub fn forget_places(&mut self) {
        self.places.clear();
    }

    /// Where a panel stood in the last frame, if it was in sight.
    pub fn place(&self, panel: Panel) -> Option<Rect> {
        self.places.iter().find(|(p, _)| *p == panel).map(|(_, rect)| *rect)
    }

    /// After the next export, the figures of a panel's picture as well. While
    /// one is being written no other begins, and they are not its.
    pub fn then(&mut self, panel: Panel, path: PathBuf) {
        if !self.is_busy() {
            self.next = Some((Export::Lines(panel), path, false));
        }
    }

    /// Ends the export at hand, also one whose picture does not come, or forgets how it
    /// ended.
    pub fn forget(&mut self) {
        (self.at_hand, self.awaited, self.next) = (None, None, None);
    }

    /// The window closes: nothing is written any more, nothing half-written stays.
    pub fn end(&mut self) {
        (self.awaited, self.next) = (None, None);
        if let Some((_, exporting)) = self.at_hand.take() {
            exporting.end();
        }
    }

    /// Whether something is being written.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.awaited.is_some() || self.at_hand.as_ref().is_some_and(|(_, e)| e.ended.is_none())
    }
}

impl App {
    /// Asks where to.
    pub(super) fn export(&mut self, what: Export) {
        let name = match (&self.doc.run, &self.doc.recording) {
            (Some(run), _) => run.label.name.clone(),
            (None, Some(r)) => r.name.clone(),
            _ => return,
        };
        // Of the environment only: the user's other folders stand in a file.
        let home = directories::BaseDirs::new();
        let folder = home.as_ref().map_or(Path::new("."), directories::BaseDirs::home_dir);
        let since = self.doc.since;
        self.dialog = Some(match what {
            Export::Incident => {
                Dialog::SaveIncident(SaveIncident::new(folder, &name, self.notes(), since))
            }
            _ => Dialog::Export(ExportDialog::new(what, folder, &name, since)),
        });
    }

    /// Begins to write.
    pub(super) fn export_to(&mut self, what: Export, path: PathBuf, replace: bool) {
        if self.exports.is_busy() {
            self.fail("An export is in progress", "Cancel it, or wait until it has ended");
            return;
        }
        match what {
            Export::Picture(panel) => {
                if self.exports.place(panel).is_none() {
                    self.refuse_unseen();
                    return;
                }
                // The picture is taken once the dialog is gone.
                self.exports.awaited = Some((what, path, replace, false));
                self.ctx.request_repaint();
            }
            Export::Incident => match self.incident_work() {
                Ok(work) => self.begin_export(what, What::Incident(work), &path, replace),
                Err(why) => self.refuse("The incident was not saved", &why),
            },
            Export::Data(panel) => {
                let rows = self.data_of(panel);
                self.export_rows(what, rows, &path, replace);
            }
            Export::Lines(panel) => {
                let rows = self.lines_of(panel);
                self.export_rows(what, rows, &path, replace);
            }
        }
    }

    /// The rows that a panel shows.
    pub(super) fn data_of(&mut self, panel: Panel) -> Option<Source> {
        self.with_panels(&mut None, |panels, cx| match panel {
            Panel::Records => panels.records.data(cx),
            Panel::Outputs => panels.outputs.data(cx),
            Panel::State => panels.state.data(cx),
            Panel::Checkpoints => Checkpoints::data(cx),
            Panel::Watermarks => Watermarks::data(cx),
            Panel::Timeline => panels.timeline.data(cx),
            Panel::Late => panels.late.data(cx),
            Panel::Causality => panels.causality.data(cx),
            Panel::Inspector => panels.inspector.data(cx),
            Panel::Sources => Sources::data(cx),
            Panel::Compare => panels.compare.data(cx),
            Panel::Semantics => panels.semantics.data(),
            Panel::Breakpoints => panels.breakpoints.data(cx),
            Panel::Guarantees => panels.guarantees.data(cx),
        })
    }

    /// The lines that its picture shows, where its rows are something else.
    fn lines_of(&mut self, panel: Panel) -> Option<Source> {
        match panel {
            Panel::State => self.with_panels(&mut None, |_, cx| State::lines_data(cx)),
            _ => self.data_of(panel),
        }
    }

    fn export_rows(&mut self, what: Export, rows: Option<Source>, path: &Path, replace: bool) {
        match rows {
            Some(rows) => self.begin_export(what, What::Rows(rows), path, replace),
            None if self.doc.run.is_none() => self.refuse(
                "Nothing to export",
                "What a run made of the records is written: run a pipeline over the recording. \
                 `joinscope recording export` writes the records themselves",
            ),
            None => self.refuse("Nothing to export", "The panel has no rows yet"),
        }
    }

    fn begin_export(&mut self, what: Export, rows: What, path: &Path, replace: bool) {
        match Exporting::begin(&self.ctx, rows, path, replace) {
            Ok(exporting) => {
                (self.exports.at_hand, self.exports.since) =
                    (Some((what, exporting)), self.doc.since);
            }
            Err(error) => self.refuse("The export was not started", &error),
        }
    }

    /// There is nothing of the panel to take a picture of.
    fn refuse_unseen(&mut self) {
        self.refuse("The panel is not in sight", "Show it, then save its picture");
    }

    /// An export does not begin, nor what was to follow it.
    fn refuse(&mut self, title: &str, message: &str) {
        self.exports.next = None;
        self.fail(title, message);
    }

    /// Takes the drawing of a panel that is awaited, out of the frame that was
    /// just painted.
    pub(super) fn take_drawing(&mut self, ctx: &Context) {
        let is_drawn = |(_, path, ..): &mut (Export, PathBuf, bool, bool)| is_svg(path);
        if self.dialog.is_some() {
            return;
        }
        let Some((what, path, replace, _)) = self.exports.awaited.take_if(is_drawn) else { return };
        let Some(place) = what.panel().and_then(|p| self.exports.place(p)) else {
            self.refuse_unseen();
            return;
        };
        let drawing = Drawing::of_frame(ctx, place, Tokens::of(ctx).ground);
        self.begin_export(what, What::Drawing(drawing), &path, replace);
    }

    /// Takes in what is written, and the picture of the window.
    pub(super) fn take_exports(&mut self, ctx: &Context) {
        if let Some((_, path, _, asked)) = &mut self.exports.awaited
            && !*asked
            && self.dialog.is_none()
            && !is_svg(path)
        {
            *asked = true;
            let (inbox, repaint) = (Arc::clone(&self.exports.taken), ctx.clone());
            ctx.request_screenshot(move |image| {
                *inbox.lock().unwrap_or_else(PoisonError::into_inner) = Some(image);
                repaint.request_repaint();
            });
            ctx.request_repaint();
        }
        let taken = self.exports.taken.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(window) = taken
            && let Some((what, path, replace, _)) = self.exports.awaited.take()
        {
            if let Some(place) = what.panel().and_then(|p| self.exports.place(p)) {
                let shot = cropped(window, place, ctx.pixels_per_point());
                self.begin_export(what, What::Picture(shot), &path, replace);
            } else {
                self.refuse_unseen();
            }
        }
        let written_in = self.dialog.as_ref().is_some_and(Dialog::holds_words);
        let Some((what, exporting)) = &mut self.exports.at_hand else { return };
        let what = *what;
        let ended = exporting.ends_now();
        if matches!(exporting.ended, Some(Err(Refused::Exists))) {
            if written_in {
                // It is asked once nobody writes in front any more.
                ctx.request_repaint_after(std::time::Duration::from_millis(100));
            } else {
                let path = exporting.path.clone();
                self.dialog = Some(Dialog::Replace(what, path, self.exports.since));
                self.exports.at_hand = None;
            }
        } else if ended {
            match &exporting.ended {
                Some(Err(Refused::Failed(_))) => {
                    let said = exporting.sentence();
                    self.exports.next = None;
                    let place = match what {
                        Export::Incident => "Saving the incident",
                        _ => "Exporting",
                    };
                    self.errors.add(place, said);
                }
                Some(Err(Refused::Cancelled | Refused::Exists)) => self.exports.next = None,
                Some(Ok(_)) => {
                    if let Some((what, path, replace)) = self.exports.next.take() {
                        self.export_to(what, path, replace);
                    }
                }
                None => {}
            }
        } else if exporting.ended.is_none() {
            ctx.request_repaint_after(std::time::Duration::from_millis(100));
        }
    }
}
