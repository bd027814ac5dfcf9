//! Bookmarks: arrivals with a note. They belong to an order of arrivals (a
//! recording and the topics that a run takes from it), so that runs that share
//! it share them. Kept in the app's state place, a file for each recording, and
//! one for each live run: what it records has a digest only once it has ended.

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use joinscope_core::run::{Direction, Manifest};
use joinscope_operator::record::Arrival;
use serde::{Deserialize, Serialize};

use super::doc::Doc;
use super::files::{self, Read, Saver};
use super::settings::Places;
use super::text::thousands;

/// Of the file.
const VERSION: u32 = 1;
/// Longest note kept, in characters.
const LONGEST: usize = 4000;

/// Between a note and what an incident says of the same arrival.
const BROUGHT: &str = "\n— incident: ";

/// A moment worth coming back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bookmark {
    /// Names it among those of its recording.
    pub id: u64,
    pub at: Arrival,
    #[serde(default)]
    pub note: String,
}

impl Bookmark {
    /// Its note's first line, else where it is.
    #[must_use]
    pub fn title(&self) -> String {
        match self.note.lines().next().map(str::trim) {
            Some(line) if !line.is_empty() => line.to_owned(),
            _ => format!("arrival {}", thousands(self.at)),
        }
    }
}

/// Which arrivals are counted: bookmarks of one numbering mean nothing in
/// another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbering {
    /// Of the recording; empty while a live run writes it.
    pub digest: String,
    /// Sorted.
    pub topics: Vec<String>,
    /// The live run whose arrivals they are, which has its name from its beginning.
    pub live: Option<String>,
}

impl Numbering {
    /// How the arrivals of `doc` are counted.
    #[must_use]
    pub fn of(doc: &Doc) -> Option<Self> {
        let (digest, topics): (String, Vec<String>) = match (&doc.run, &doc.recording) {
            (Some(run), _) => return Some(Self::of_run(&run.manifest)),
            (None, Some(r)) => {
                let info = r.recording.info();
                let topics = info.partitions.iter().map(|p| p.topic_partition.topic.to_string());
                (r.recording.digest().to_owned(), topics.collect())
            }
            _ => return None,
        };
        Some(Self::new(digest, topics, None))
    }

    /// How the arrivals of a run are counted.
    #[must_use]
    pub fn of_run(manifest: &Manifest) -> Self {
        let start = &manifest.start;
        let topics = start.inputs.iter().map(|i| i.topic.to_string()).collect();
        Self::new(start.recording.digest.clone(), topics, manifest.live_name())
    }

    fn new(digest: String, mut topics: Vec<String>, live: Option<String>) -> Self {
        topics.sort();
        topics.dedup();
        Self { digest, topics, live }
    }

    /// The files that keep its bookmarks. Those of a live run stand under its own name,
    /// under which it finds them also when it goes on; what is done to them once it has
    /// ended, under its recording's too, where runs over that find it.
    fn paths(&self, places: &Places) -> Vec<PathBuf> {
        let folder = places.state.join("bookmarks");
        let live = self.live.as_ref().map(|name| format!("live-{name}"));
        let recording = Some(self.digest.clone()).filter(|digest| !digest.is_empty());
        let names = live.into_iter().chain(recording);
        names.map(|name| folder.join(format!("{name}.json"))).collect()
    }
}

/// Bookmarks of another numbering: they are shown once that one is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub count: usize,
    /// Whose arrivals they count, sorted.
    pub topics: Vec<String>,
}

/// What a file holds: one set for each numbering of its recording.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    sets: Vec<Set>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Set {
    topics: Vec<String>,
    bookmarks: Vec<Bookmark>,
}

impl Kept {
    /// Those of a numbering, in order.
    fn list_of(&mut self, topics: &[String]) -> &mut Vec<Bookmark> {
        let at = self.sets.iter().position(|s| s.topics == topics).unwrap_or(self.sets.len());
        if at == self.sets.len() {
            self.sets.push(Set { topics: topics.to_owned(), bookmarks: Vec::new() });
        }
        let list = &mut self.sets[at].bookmarks;
        // Someone may have written into the file by hand.
        list.sort_by_key(|b| b.at);
        list.dedup_by_key(|b| b.at);
        list
    }

    /// Those of the recording's other numberings, as far as there are some.
    fn waiting(&self, topics: &[String]) -> Vec<Waiting> {
        let others = self.sets.iter().filter(|s| s.topics != topics && !s.bookmarks.is_empty());
        let waiting = |s: &Set| Waiting { count: s.bookmarks.len(), topics: s.topics.clone() };
        others.map(waiting).collect()
    }
}

/// What was done, by arrival: another window over the same recording may have
/// given the same number to another bookmark.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    /// An empty note takes none away.
    Add(Arrival, String),
    Note(Arrival, String),
    Remove(Arrival),
}

impl Change {
    fn apply(self, list: &mut Vec<Bookmark>) {
        match self {
            Self::Add(at, note) => {
                add_to(list, at, note);
            }
            Self::Note(at, note) => there(list, at).note = note,
            Self::Remove(at) => list.retain(|b| b.at != at),
        }
    }
}

/// The bookmark at an arrival, a new one where there is none. The list is in
/// order.
fn there(list: &mut Vec<Bookmark>, at: Arrival) -> &mut Bookmark {
    let place = list.partition_point(|b| b.at < at);
    if list.get(place).is_none_or(|b| b.at != at) {
        let id = list.iter().map(|b| b.id).max().map_or(1, |id| id + 1);
        list.insert(place, Bookmark { id, at, note: String::new() });
    }
    &mut list[place]
}

/// Adds one, or changes the note of the one that is there already; its id.
fn add_to(list: &mut Vec<Bookmark>, at: Arrival, note: String) -> u64 {
    let there = there(list, at);
    if !note.is_empty() {
        there.note = note;
    }
    there.id
}

fn cut(note: &str) -> String {
    note.trim().chars().take(LONGEST).collect()
}

/// The bookmarks of what is open, in order of arrival.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bookmarks {
    list: Vec<Bookmark>,
    numbering: Option<Numbering>,
    /// Of the same recording, as they were when these were read.
    waiting: Vec<Waiting>,
    /// Not yet kept.
    changes: Vec<Change>,
}

impl Bookmarks {
    /// None yet, of this numbering.
    #[must_use]
    pub fn of(numbering: Option<Numbering>) -> Self {
        Self { numbering, ..Self::default() }
    }

    #[must_use]
    pub fn numbering(&self) -> Option<&Numbering> {
        self.numbering.as_ref()
    }

    #[must_use]
    pub fn list(&self) -> &[Bookmark] {
        &self.list
    }

    /// Those of the same recording that count other arrivals.
    #[must_use]
    pub fn waiting(&self) -> &[Waiting] {
        &self.waiting
    }

    #[must_use]
    pub fn get(&self, id: u64) -> Option<&Bookmark> {
        self.list.iter().find(|b| b.id == id)
    }

    /// Adds one, or changes the note of the one that is there already; its id.
    pub fn add(&mut self, at: Arrival, note: &str) -> u64 {
        let note = cut(note);
        self.changes.push(Change::Add(at, note.clone()));
        add_to(&mut self.list, at, note)
    }

    /// Adds one that somebody else made; what is noted there already stays before
    /// their note. Whether all of it is kept: a note has a longest.
    pub fn bring(&mut self, at: Arrival, theirs: &str) -> bool {
        let theirs = theirs.trim();
        let there = self.list.iter().find(|b| b.at == at).map(|b| b.note.clone());
        let whole = match there.filter(|mine| !mine.is_empty()) {
            Some(mine) if theirs.is_empty() || mine == theirs => return true,
            Some(mine) => {
                // The incident may be opened again.
                let brought = format!("{BROUGHT}{theirs}");
                if mine.ends_with(&brought) || mine.contains(&format!("{brought}\n")) {
                    return true;
                }
                format!("{mine}{brought}")
            }
            None => theirs.to_owned(),
        };
        self.add(at, &whole);
        whole.chars().count() <= LONGEST
    }

    /// Writes another note; whether there is such a bookmark.
    pub fn set_note(&mut self, id: u64, note: &str) -> bool {
        let Some(there) = self.list.iter_mut().find(|b| b.id == id) else { return false };
        there.note = cut(note);
        self.changes.push(Change::Note(there.at, there.note.clone()));
        true
    }

    /// Takes one away; whether it was there.
    pub fn remove(&mut self, id: u64) -> bool {
        let Some(place) = self.list.iter().position(|b| b.id == id) else { return false };
        let gone = self.list.remove(place);
        self.changes.push(Change::Remove(gone.at));
        true
    }

    /// Takes in those that were added while these were being read.
    pub fn take_in(&mut self, added: Self) {
        for bookmark in added.list {
            add_to(&mut self.list, bookmark.at, bookmark.note);
        }
        self.changes.extend(added.changes);
    }

    /// The nearest one after or before `at`.
    #[must_use]
    pub fn next(&self, at: Arrival, direction: Direction) -> Option<&Bookmark> {
        match direction {
            Direction::Forward => self.list.iter().find(|b| b.at > at),
            Direction::Backward => self.list.iter().rfind(|b| b.at < at),
        }
    }

    /// Reads those of a numbering, off the window's thread; a message where the
    /// file could not be read.
    #[must_use]
    pub fn load(numbering: Option<Numbering>, places: Option<&Places>) -> (Self, Option<String>) {
        let mut this = Self::of(numbering.clone());
        let (Some(numbering), Some(places)) = (numbering, places) else { return (this, None) };
        let mut problems = Vec::new();
        for path in numbering.paths(places) {
            match files::read::<Kept>(&path, VERSION) {
                Read::Value(kept) => this.read_in(kept, &numbering.topics),
                Read::Missing => {}
                Read::Unreadable(why) => problems.push(why),
            }
        }
        let problem = (!problems.is_empty()).then(|| problems.join("; "));
        (this, problem)
    }

    /// Those of a file beside those of the files before it.
    fn read_in(&mut self, mut kept: Kept, topics: &[String]) {
        self.waiting.extend(kept.waiting(topics));
        let list = std::mem::take(kept.list_of(topics));
        if self.list.is_empty() {
            self.list = list;
            return;
        }
        for bookmark in list {
            add_to(&mut self.list, bookmark.at, bookmark.note);
        }
    }

    /// Keeps what was done since the last time, soon: what another window did
    /// to those of the same recording stays.
    pub fn save(&mut self, places: Option<&Places>, saver: &Saver) {
        let changes = std::mem::take(&mut self.changes);
        let (Some(numbering), Some(places)) = (&self.numbering, places) else { return };
        for path in numbering.paths(places) {
            let (topics, changes) = (numbering.topics.clone(), changes.clone());
            saver.update(&path, VERSION, move |kept: &mut Kept| {
                let list = kept.list_of(&topics);
                for change in changes {
                    change.apply(list);
                }
                Ok(())
            });
        }
    }
}
