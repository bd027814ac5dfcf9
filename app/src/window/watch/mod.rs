//! The pipeline's file, watched: another program, mostly an editor, may change it
//! while it is open here. What it says then is what is edited and run next; what
//! was changed here meanwhile is never thrown away unasked, and no run starts by
//! itself.

mod look;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use egui::Context;

pub use look::Found;
use look::Inbox;

use super::app::App;
use super::dialogs::Dialog;
use super::doc::file_name;

/// The file that is watched, and what is known of it.
#[derive(Default)]
pub struct Watch {
    path: Option<PathBuf>,
    inbox: Arc<Mutex<Inbox>>,
    /// The thread that looks ends when this is dropped.
    end: Option<SyncSender<()>>,
    /// What the file says, once it has said something.
    now: Option<Found>,
    /// What it said when it could be used last.
    good: Option<String>,
    /// The title of the notice about it.
    said: Option<String>,
    /// That notice is about what runs next.
    runs_next: bool,
}

impl Watch {
    /// Watches another file, or none.
    ///
    /// # Errors
    /// No thread could be started.
    fn begin(&mut self, path: Option<PathBuf>, ctx: &Context) -> Result<(), String> {
        *self = Self { path: path.clone(), ..Self::default() };
        let Some(path) = path else { return Ok(()) };
        let (end, ends) = sync_channel(1);
        let (inbox, repaint) = (Arc::clone(&self.inbox), ctx.clone());
        std::thread::Builder::new()
            .name("pipeline file".to_owned())
            .spawn(move || look::watch(&path, &ends, &inbox, &repaint))
            .map_err(|e| format!("no thread could be started to look at it: {e}"))?;
        self.end = Some(end);
        Ok(())
    }

    /// How the file was changed since the last time, and when that was looked at.
    fn news(&mut self) -> Option<(Instant, Found)> {
        let (first, newest) = look::lock(&self.inbox).take();
        // Where it was not there at first there is nothing to miss.
        if let Some(first) = first.filter(|first| first.text().is_some()) {
            self.note(&first);
        }
        newest
    }

    fn note(&mut self, found: &Found) {
        if let Found::Good { text, .. } = found {
            self.good = Some(text.clone());
        }
        self.now = Some(found.clone());
    }

    /// What a file says, as far as it is the one that is watched.
    #[must_use]
    pub fn says(&self, file: &str) -> Option<&Found> {
        self.now.as_ref().filter(|_| self.path.as_deref() == Some(Path::new(file)))
    }
}

impl App {
    /// Takes in what another program did to the pipeline's file.
    pub(super) fn follow_file(&mut self) {
        let file = self.file_at_hand();
        if self.watch.path != file {
            self.unsay_file();
            if let Err(error) = self.watch.begin(file, &self.ctx) {
                self.errors.add("Watching the pipeline's file", error);
            }
        }
        let Some((at, found)) = self.watch.news() else { return };
        if let Some(Dialog::Pipeline(editor)) = &self.dialog
            && editor.has_written_since(at)
        {
            // What was written here comes next.
            return;
        }
        self.unsay_file();
        let was = self.watch.good.clone();
        self.watch.note(&found);
        let edited = match &mut self.dialog {
            Some(Dialog::Pipeline(editor)) => Some(editor.file_changed(&found)),
            _ => None,
        };
        self.take_file_in(found, was.as_deref(), edited);
    }

    /// The file of the pipeline that is edited, else of the one that is open; a name
    /// alone, as an incident keeps it, is none.
    fn file_at_hand(&self) -> Option<PathBuf> {
        let file = match (&self.dialog, &self.doc.pipeline) {
            (Some(Dialog::Pipeline(editor)), _) => editor.file(),
            (_, Some(pipeline)) => pipeline.file.as_str(),
            (_, None) => return None,
        };
        Some(PathBuf::from(file)).filter(|file| file.is_absolute())
    }

    /// The pipeline that is open follows its file where it is as the file `was`.
    /// `edited`: the editor has the file, and whether that was news to it.
    fn take_file_in(&mut self, found: Found, was: Option<&str>, edited: Option<bool>) {
        let Some(path) = self.watch.path.clone() else { return };
        let name = file_name(&path);
        let open = self.doc.pipeline.as_mut().filter(|p| Path::new(&p.file) == path);
        // Else only the editor is about it, and has said so.
        let Some(open) = open else { return };
        match found {
            Found::Good { text, .. } if text == open.text => {}
            Found::Good { text, pipeline } if was == Some(open.text.as_str()) => {
                (open.text, open.pipeline) = (text, pipeline);
                // What was saved here is no news.
                if edited != Some(false) {
                    let what = "Another program changed it, and what it says now is what runs \
                                next; the run in front stays as it was";
                    self.say_of_file(format!("{name} was changed"), what);
                    self.watch.runs_next = true;
                }
            }
            // The editor asks.
            Found::Good { .. } if edited.is_some() => {}
            Found::Good { .. } => {
                let what = "Another program changed it, and what is open here was changed, too: \
                            edit the pipeline to choose between the two";
                self.say_of_file(format!("{name} was changed"), what);
            }
            Found::Wrong { why, .. } => {
                let what = format!("{why}; what it said before stays open until it is corrected");
                self.warn_of_file(format!("{name} cannot be used as it is now"), &what);
            }
            Found::Gone => {
                let what = format!(
                    "{} is not there any more. What it said stays open: edit the pipeline and \
                     save it to have the file again",
                    path.display()
                );
                self.warn_of_file(format!("{name} is gone"), &what);
            }
            Found::Unreadable(why) => {
                let what = format!("{why}; what it said before stays open");
                self.warn_of_file(format!("{name} cannot be read"), &what);
            }
        }
    }

    /// What the file says was chosen in the editor: it is what is open, too.
    pub(super) fn take_file(&mut self, chosen: &str) {
        let Some(Found::Good { text, pipeline }) = &self.watch.now else { return };
        if text != chosen {
            return;
        }
        let path = self.watch.path.as_deref();
        let open = self.doc.pipeline.as_mut().filter(|p| path == Some(Path::new(&p.file)));
        if let Some(open) = open {
            (open.text, open.pipeline) = (text.clone(), Arc::clone(pipeline));
        }
        self.unsay_file();
    }

    /// Says it until it is closed or no longer so; it is no error.
    fn say_of_file(&mut self, title: String, message: &str) {
        tracing::info!("{title}: {message}");
        self.notices.push((title.clone(), message.to_owned()));
        self.watch.said = Some(title);
    }

    /// Another document is in front: what was said to run next has run, or
    /// something else of that file runs next.
    pub(super) fn unsay_what_runs(&mut self) {
        let (Some(run), Some(pipeline)) = (&self.doc.run, &self.doc.pipeline) else { return };
        if self.watch.runs_next && run.run.pipeline_text() == pipeline.text {
            self.unsay_file();
        }
    }

    fn warn_of_file(&mut self, title: String, message: &str) {
        self.notice(&title, message);
        self.watch.said = Some(title);
    }

    /// What was said of the file is no longer so.
    fn unsay_file(&mut self) {
        self.watch.runs_next = false;
        if let Some(said) = self.watch.said.take() {
            self.notices.retain(|(title, _)| *title != said);
        }
    }
}
