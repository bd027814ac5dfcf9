//! A new pipeline from the recording that is open, as `joinscope pipeline new`
//! proposes it. It opens in the editor; nothing is written before it is saved.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use egui::Context;
use joinscope_core::analyses::propose::propose;
use joinscope_core::edges::recording::Recording;

use super::{Dialog, PipelineDialog, modal, paragraph};
use crate::window::app::App;
use crate::window::doc::RecordingDoc;
use crate::window::jobs::Slot;
use crate::window::theme::fonts::icon;
use crate::window::theme::{TEXT, Tokens, fonts};
use crate::window::widgets::{button, text};

/// What was proposed.
#[derive(Clone, Debug)]
struct Proposed {
    /// Beside the recording; nothing is there yet.
    file: PathBuf,
    /// TOML whose comments say why.
    text: String,
    /// Topics that were looked at.
    topics: usize,
}

/// The dialog's state: it waits for the proposal, or says why there is none.
pub struct ProposeDialog {
    recording: RecordingDoc,
    proposed: Slot<u32, Proposed>,
    /// Set where nobody waits any longer.
    cancel: Arc<AtomicBool>,
    /// Tries so far.
    tries: u32,
    /// The try whose failure is in the list of errors.
    listed: Option<u32>,
}

impl ProposeDialog {
    #[must_use]
    pub fn new(recording: RecordingDoc) -> Self {
        let cancel = Arc::default();
        Self { recording, proposed: Slot::default(), cancel, tries: 0, listed: None }
    }

    /// Shows the dialog; says whether it is done.
    pub fn show(&mut self, app: &mut App, ctx: &Context) -> bool {
        let t = Tokens::of(ctx);
        let (recording, cancel) = (self.recording.recording.clone(), Arc::clone(&self.cancel));
        // A topic with few records is looked for through the whole recording.
        self.proposed.ask_long(&app.jobs, self.tries, move |_| proposal(&recording, &cancel));
        let answer = self.proposed.answer().filter(|answer| answer.question == self.tries);
        let mut error = None;
        match answer.as_ref().map(|answer| &answer.result) {
            Some(Ok(proposed)) => {
                let file = proposed.file.display().to_string();
                let editor = PipelineDialog::proposed(&file, &proposed.text, proposed.topics);
                app.dialog = Some(Dialog::Pipeline(Box::new(editor)));
                return true;
            }
            Some(Err(why)) => error = Some(why.as_str()),
            None => {}
        }
        if let Some(why) = error
            && self.listed != Some(self.tries)
        {
            self.listed = Some(self.tries);
            app.errors.add(format!("Proposing a pipeline for {}", self.recording.name), why);
        }
        let mut done = false;
        let closed = modal(ctx, "New pipeline", 520.0, |ui| {
            let Some(why) = error else {
                let name = &self.recording.name;
                let looks = format!("Looking at the first records of each topic of {name}…");
                text(ui, &looks, fonts::regular(TEXT), t.second);
                ui.add_space(12.0);
                done = button("Cancel").show(ui).clicked();
                return;
            };
            paragraph(ui, &format!("Nothing can be proposed: {why}"), t);
            ui.add_space(12.0);
            ui.horizontal(|ui| {
                if button("Try again").icon(icon::RETRY).show(ui).clicked() {
                    self.tries += 1;
                }
                done = button("Close").show(ui).clicked();
            });
        });
        done || closed
    }
}

impl Drop for ProposeDialog {
    fn drop(&mut self) {
        self.cancel.store(true, Ordering::Relaxed);
    }
}

fn proposal(recording: &Recording, cancel: &AtomicBool) -> Result<Proposed, String> {
    let file = beside(recording.path());
    let name = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let go_on = || !cancel.load(Ordering::Relaxed);
    let proposal = propose(recording, &name, go_on).map_err(|e| e.to_string())?;
    Ok(Proposed { file, text: proposal.text, topics: proposal.topics.len() })
}

/// `feed.toml` beside `feed.mcap`; where that is there already `feed-2.toml`, and
/// so on.
fn beside(recording: &Path) -> PathBuf {
    let path = std::path::absolute(recording).unwrap_or_else(|_| recording.to_owned());
    let stem = path.file_stem().map_or_else(|| OsString::from("pipeline"), ToOwned::to_owned);
    let mut n = 1;
    loop {
        let mut name = stem.clone();
        if n > 1 {
            name.push(format!("-{n}"));
        }
        name.push(".toml");
        let file = path.with_file_name(name);
        // Also a link that leads nowhere is there.
        if std::fs::symlink_metadata(&file).is_err() {
            return file;
        }
        n += 1;
    }
}

impl App {
    /// Proposes a pipeline from the recording that is open.
    pub(in crate::window) fn new_pipeline(&mut self) {
        let Some(recording) = self.doc.recording.clone() else { return };
        // A run of it is another pipeline's: there is nothing to compare.
        self.compares = false;
        self.dialog = Some(Dialog::Propose(ProposeDialog::new(recording)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::sync_channel;

    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::window::command::Command;
    use crate::window::headless::settle;
    use crate::window::testing::{feed, opened};

    #[test]
    fn cancel_ends_the_work_and_nothing_comes_of_it() {
        let mut h = opened(&feed().recording());
        // Nothing that takes long gets a thread before the gate opens.
        let (go, gate) = sync_channel::<()>(0);
        let gate = Arc::new(Mutex::new(gate));
        let mut others: Vec<Slot<u32, ()>> = (0..16).map(|_| Slot::default()).collect();
        for slot in &mut others {
            let gate = Arc::clone(&gate);
            let waits = move |_: &u32| match gate.lock().map(|gate| gate.recv()) {
                Ok(Ok(())) | Err(_) => Err("the gate is broken".to_owned()),
                Ok(Err(_)) => Ok(()),
            };
            slot.ask_long(&h.state().jobs, 1, waits);
        }
        h.state_mut().command(Command::NewPipeline);
        h.run_steps(3);
        let looks = "Looking at the first records of each topic";
        assert!(h.query_all_by_label_contains(looks).next().is_some());
        let Some(Dialog::Propose(dialog)) = &h.state().dialog else { panic!("no dialog") };
        let (cancel, recording) = (Arc::clone(&dialog.cancel), dialog.recording.clone());
        assert!(!cancel.load(Ordering::Relaxed));
        h.get_by_label("Cancel").click();
        h.run_steps(3);
        assert!(h.state().dialog.is_none());
        assert!(cancel.load(Ordering::Relaxed));
        // So told, the work ends at the first record, and no editor comes up.
        let ended = proposal(&recording.recording, &cancel).map(|_| ());
        assert_eq!(ended, Err("cancelled".to_owned()));
        drop(go);
        settle(&mut h).unwrap();
        assert!(h.state().dialog.is_none());
        assert!(others.iter_mut().all(|slot| slot.answer().is_some_and(|a| a.result == Ok(()))));
    }

    #[test]
    fn a_file_that_is_there_is_never_proposed() {
        let folder = tempfile::tempdir().unwrap();
        let recording = folder.path().join("feed.eu.mcap");
        let named = |name: &str| folder.path().join(name);
        assert_eq!(beside(&recording), named("feed.eu.toml"));
        std::fs::write(named("feed.eu.toml"), b"").unwrap();
        std::fs::create_dir(named("feed.eu-2.toml")).unwrap();
        assert_eq!(beside(&recording), named("feed.eu-3.toml"));
    }
}
