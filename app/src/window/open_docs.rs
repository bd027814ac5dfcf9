//! What is open, one in front of the others. Only the one in front is held in
//! memory; of the others it is known where they lie and where one stood in
//! them, and they are opened again when they come to the front.

use std::path::{Path, PathBuf};

use joinscope_core::run::Direction;

use super::doc::{Doc, file_name};
use super::panels::{outputs, records};
use super::selection::History;
use super::session::Opened;
use super::settings::Settings;

/// Kept open; the one that was left longest ago is closed first.
const MOST: usize = 16;

/// One thing that is open.
#[derive(Clone, Debug, Default)]
pub struct OpenDoc {
    /// Where one stands in it; of the one in front: where one stood when it came
    /// to the front.
    pub at: Opened,
    /// `feed.mcap, run 3`; empty until it was opened once.
    pub title: String,
    /// What it is told apart by: a run's changed settings.
    pub note: String,
    pub history: History,
    /// How its tables were set up.
    pub tables: Option<Tables>,
    /// Whether it is a run; not known of what was not opened yet.
    run: Option<bool>,
    /// When it was left: a running number.
    left: u64,
}

impl OpenDoc {
    /// Its title, else its file's name.
    #[must_use]
    pub fn title(&self) -> String {
        if self.title.is_empty() { file_name(&self.at.path) } else { self.title.clone() }
    }

    /// Whether it is a run, without looking at the disk: of what was not opened yet
    /// the settings say it.
    #[must_use]
    pub fn is_run(&self, settings: &Settings) -> bool {
        self.run.unwrap_or_else(|| !settings.is_recording(&self.at.path))
    }
}

/// How the tables of one were set up.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    pub records: records::Kept,
    pub outputs: outputs::Kept,
}

/// All of them, in the order in which they were opened.
#[derive(Clone, Debug, Default)]
pub struct OpenDocs {
    list: Vec<OpenDoc>,
    front: Option<usize>,
    clock: u64,
}

/// Where what is open lies; a pipeline alone is nothing to come back to.
#[must_use]
pub fn path_of(doc: &Doc) -> Option<PathBuf> {
    let path = match (&doc.run, &doc.recording) {
        (Some(run), _) => run.dir.clone(),
        (None, Some(r)) => r.recording.path().to_owned(),
        _ => return None,
    };
    Some(std::path::absolute(&path).unwrap_or(path))
}

impl OpenDocs {
    #[must_use]
    pub fn list(&self) -> &[OpenDoc] {
        &self.list
    }

    /// The place of the one in front.
    #[must_use]
    pub fn front(&self) -> Option<usize> {
        self.front
    }

    /// What a session brings back; none is in front yet.
    pub fn restore(&mut self, opened: Vec<Opened>) {
        self.front = None;
        self.list =
            opened.into_iter().take(MOST).map(|at| OpenDoc { at, ..OpenDoc::default() }).collect();
    }

    /// Notes where one stands in the one in front, before another comes there.
    pub fn leave(&mut self, at: Opened, history: History, tables: Tables) {
        self.clock += 1;
        if let Some(front) = self.front.and_then(|n| self.list.get_mut(n)) {
            (front.at, front.history, front.left) = (at, history, self.clock);
            front.tables = Some(tables);
        }
    }

    /// `doc` comes to the front; where one stood in it, if it was open before.
    /// A run over the recording in front takes its place.
    pub fn show(&mut self, doc: &Doc, instead: bool) -> Option<OpenDoc> {
        let Some(path) = path_of(doc) else {
            self.front = None;
            return None;
        };
        let title = match (&doc.recording, &doc.run) {
            (Some(r), Some(run)) => format!("{}, {}", r.name, run.label.name),
            (None, Some(run)) => run.label.name.clone(),
            _ => file_name(&path),
        };
        let note = doc.run.as_ref().map(|r| r.label.settings.clone()).unwrap_or_default();
        if let Some(n) = self.place(&path) {
            self.front = Some(n);
            (self.list[n].title, self.list[n].note) = (title, note);
            self.list[n].run = Some(doc.run.is_some());
            return Some(self.list[n].clone());
        }
        let at = Opened { path, ..Opened::default() };
        let run = Some(doc.run.is_some());
        let opened = OpenDoc { at, title, note, run, ..OpenDoc::default() };
        if let Some(front) = self.front.filter(|n| instead && *n < self.list.len()) {
            self.list[front] = opened;
            return None;
        }
        if self.list.len() >= MOST {
            let oldest = self.list.iter().enumerate().min_by_key(|(_, d)| d.left);
            if let Some((n, _)) = oldest {
                self.list.remove(n);
            }
        }
        self.list.push(opened);
        self.front = Some(self.list.len() - 1);
        None
    }

    /// Where one is to stand in something when it is opened next.
    pub fn stand(&mut self, at: Opened) {
        match self.place(&at.path) {
            Some(n) => {
                let there = &mut self.list[n].at;
                (there.selection, there.cursor) = (at.selection, at.cursor);
            }
            None => self.list.push(OpenDoc { at, ..OpenDoc::default() }),
        }
    }

    /// Where it stands in the list.
    #[must_use]
    pub fn place(&self, path: &Path) -> Option<usize> {
        self.list.iter().position(|d| d.at.path == path)
    }

    /// Closes the one at `n`; the path of the one that comes to the front, where
    /// it was in front and another is left.
    pub fn close(&mut self, n: usize) -> Option<PathBuf> {
        if n >= self.list.len() {
            return None;
        }
        self.list.remove(n);
        let was_front = self.front == Some(n);
        self.front = self.front.filter(|f| *f != n).map(|f| if f > n { f - 1 } else { f });
        if !was_front {
            return None;
        }
        self.list.get(n.min(self.list.len().checked_sub(1)?)).map(|d| d.at.path.clone())
    }

    /// The path of the one after or before the one in front, going round.
    #[must_use]
    pub fn next(&self, direction: Direction) -> Option<PathBuf> {
        let len = self.list.len();
        let n = match (self.front, direction) {
            (Some(_), _) if len < 2 => return None,
            (Some(n), Direction::Forward) => (n + 1) % len,
            (Some(n), Direction::Backward) => (n + len - 1) % len,
            (None, _) => 0,
        };
        self.list.get(n).map(|d| d.at.path.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> OpenDocs {
        let mut docs = OpenDocs::default();
        let at = |path: &str| Opened { path: path.into(), ..Opened::default() };
        docs.restore(vec![at("/a"), at("/b"), at("/c")]);
        docs.front = Some(0);
        docs
    }

    #[test]
    fn going_on_goes_round() {
        let mut docs = three();
        assert_eq!(docs.next(Direction::Forward), Some("/b".into()));
        assert_eq!(docs.next(Direction::Backward), Some("/c".into()));
        docs.list.truncate(1);
        assert_eq!(docs.next(Direction::Forward), None);
    }

    #[test]
    fn closing_the_one_in_front_shows_its_neighbour() {
        let mut docs = three();
        assert_eq!(docs.close(2), None, "it was not in front");
        assert_eq!(docs.close(0), Some("/b".into()));
        docs.front = Some(0);
        assert_eq!(docs.close(0), None, "nothing is left");
        assert!(docs.list().is_empty() && docs.front().is_none());
    }

    #[test]
    fn one_that_stands_before_the_one_in_front_is_closed_without_changing_it() {
        let mut docs = three();
        docs.front = Some(2);
        docs.close(0);
        assert_eq!(docs.list()[docs.front().unwrap()].at.path, Path::new("/c"));
    }

    #[test]
    fn what_is_a_run_is_known_without_looking() {
        let mut docs = three();
        docs.list[1].at.path = "/b.mcap".into();
        let mut settings = Settings::default();
        let runs = |docs: &OpenDocs, settings: &Settings| {
            docs.list().iter().map(|doc| doc.is_run(settings)).collect::<Vec<_>>()
        };
        assert_eq!(runs(&docs, &settings), [true, false, true], "by their names");
        // The arrival log of a live run is a folder as well.
        docs.list[2].run = Some(false);
        assert_eq!(runs(&docs, &settings), [true, false, false]);
        settings.opened(Path::new("/a"), true);
        assert_eq!(runs(&docs, &settings), [false, false, false], "it was one when last opened");
    }

    #[test]
    fn where_one_stood_is_kept() {
        let mut docs = three();
        let at = Opened { path: "/a".into(), cursor: 42, ..Opened::default() };
        docs.leave(at.clone(), History::default(), Tables::default());
        assert_eq!(docs.list()[0].at, at);
    }
}
