//! Looking at the file, in a thread of its own: at its time and size, and at what
//! it says where these changed.

use std::io::Read as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use egui::Context;
use joinscope_core::edges::pipeline_file::{PipelineFile, PipelineFileError};
use joinscope_operator::pipeline::Pipeline;

use crate::window::jobs::panic_message;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(500);
/// A file that was changed since so short a time may change again without another
/// time or size: clocks of file systems are coarse.
const FRESH: Duration = Duration::from_secs(2);
/// Read of a file that is no pipeline, to be shown in the editor.
const MOST: u64 = 4 << 20;

/// What a look found.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// A pipeline, as a run would keep it.
    Good {
        text: String,
        pipeline: Arc<Pipeline>,
    },
    /// Text that is no pipeline, and why.
    Wrong {
        text: String,
        why: String,
    },
    /// There is no such file.
    Gone,
    Unreadable(String),
}

impl Found {
    /// What the file says, right or wrong.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Good { text, .. } | Self::Wrong { text, .. } => Some(text),
            Self::Gone | Self::Unreadable(_) => None,
        }
    }
}

/// What the thread has to tell.
#[derive(Default)]
pub struct Inbox {
    /// How the file was when it was looked at first.
    first: Option<Found>,
    /// How it was changed since, the newest, and when that was looked at.
    newest: Option<(Instant, Found)>,
}

impl Inbox {
    /// The first, and the newest.
    pub fn take(&mut self) -> (Option<Found>, Option<(Instant, Found)>) {
        (self.first.take(), self.newest.take())
    }
}

pub fn lock(inbox: &Mutex<Inbox>) -> MutexGuard<'_, Inbox> {
    inbox.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What tells that a file may have changed without reading it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp(Option<(SystemTime, u64)>);

impl Stamp {
    fn of(path: &Path) -> Self {
        let about = std::fs::metadata(path).ok();
        Self(about.and_then(|about| Some((about.modified().ok()?, about.len()))))
    }

    /// Whether the file may change again unnoticed; a time that lies ahead says
    /// nothing.
    fn is_fresh(self) -> bool {
        self.0.is_some_and(|(at, _)| !at.elapsed().is_ok_and(|since| since >= FRESH))
    }
}

/// Looks until the other end of `ends` is dropped.
pub fn watch(path: &Path, ends: &Receiver<()>, inbox: &Mutex<Inbox>, repaint: &Context) {
    let mut stamp = Stamp::of(path);
    let mut told = look(path);
    lock(inbox).first = Some(told.clone());
    // A file that is being written, or replaced by another, is for a moment half
    // there or not at all: a change counts once it was seen twice.
    let mut seen: Option<Found> = None;
    while ends.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
        let now = Stamp::of(path);
        if now == stamp && seen.is_none() && !now.is_fresh() {
            continue;
        }
        stamp = now;
        let at = Instant::now();
        let found = look(path);
        if found == told {
            seen = None;
        } else if seen.as_ref() == Some(&found) {
            seen = None;
            told = found.clone();
            lock(inbox).newest = Some((at, found));
            repaint.request_repaint();
        } else {
            seen = Some(found);
        }
    }
}

fn look(path: &Path) -> Found {
    catch_unwind(AssertUnwindSafe(|| read(path)))
        .unwrap_or_else(|panic| Found::Unreadable(panic_message(&*panic)))
}

fn read(path: &Path) -> Found {
    // A pipe or a terminal may never end, and what is read of it nobody else gets.
    if std::fs::metadata(path).is_ok_and(|about| !about.is_file()) {
        return Found::Unreadable(format!("{}: this is no file", path.display()));
    }
    let error = match PipelineFile::open(path, &[]) {
        Ok(file) => {
            let text = file.text_to_keep();
            return Found::Good { text, pipeline: Arc::new(file.pipeline) };
        }
        Err(error) => error,
    };
    let why = error.to_string();
    if matches!(error, PipelineFileError::Read { .. }) {
        let there = std::fs::metadata(path);
        let gone = there.is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound);
        return if gone { Found::Gone } else { Found::Unreadable(why) };
    }
    match text_of(path) {
        Ok(text) => Found::Wrong { text, why },
        Err(error) => Found::Unreadable(format!("{}: {error}", path.display())),
    }
}

fn text_of(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(MOST).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::testing::PIPELINE;

    #[test]
    fn a_look_says_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("feed.toml");
        assert_eq!(read(&path), Found::Gone);
        assert!(matches!(read(folder.path()), Found::Unreadable(_)));
        #[cfg(unix)]
        assert!(matches!(read(Path::new("/dev/null")), Found::Unreadable(_)));
        std::fs::write(&path, PIPELINE).unwrap();
        assert_eq!(read(&path).text(), Some(PIPELINE));
        assert!(matches!(read(&path), Found::Good { .. }));
        std::fs::write(&path, "name = ").unwrap();
        let Found::Wrong { text, why } = read(&path) else { panic!("{:?}", read(&path)) };
        assert!(text == "name = " && why.contains("feed.toml:1:"), "{why}");
        std::fs::write(&path, b"\xff").unwrap();
        assert!(matches!(read(&path), Found::Unreadable(_)));
    }

    #[test]
    fn a_file_just_written_is_fresh() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("feed.toml");
        assert!(!Stamp::of(&path).is_fresh(), "there is none");
        std::fs::write(&path, "").unwrap();
        assert!(Stamp::of(&path).is_fresh());
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert!(!Stamp::of(&path).is_fresh());
    }
}
