//! Bookmarks: arrivals with a note. They belong to an order of arrivals (a
//! recording and the topics that a run takes from it), so that runs that share
//! it share them. Kept in the app's state place, a file for each recording.

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
    /// Of the recording.
    pub digest: String,
    /// Sorted.
    pub topics: Vec<String>,
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
        Some(Self::new(digest, topics))
    }

    /// How the arrivals of a run are counted.
    #[must_use]
    pub fn of_run(manifest: &Manifest) -> Self {
        let start = &manifest.start;
        let topics = start.inputs.iter().map(|i| i.topic.to_string()).collect();
        Self::new(start.recording.digest.clone(), topics)
    }

    fn new(digest: String, mut topics: Vec<String>) -> Self {
        topics.sort();
        topics.dedup();
        Self { digest, topics }
    }

    fn path(&self, places: &Places) -> PathBuf {
        places.state.join("bookmarks").join(format!("{}.json", self.digest))
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
        let mut kept = match files::read::<Kept>(&numbering.path(places), VERSION) {
            Read::Value(kept) => kept,
            Read::Missing => return (this, None),
            Read::Unreadable(why) => return (this, Some(why)),
        };
        this.waiting = kept.waiting(&numbering.topics);
        this.list = std::mem::take(kept.list_of(&numbering.topics));
        (this, None)
    }

    /// Keeps what was done since the last time, soon: what another window did
    /// to those of the same recording stays.
    pub fn save(&mut self, places: Option<&Places>, saver: &Saver) {
        let changes = std::mem::take(&mut self.changes);
        let (Some(numbering), Some(places)) = (&self.numbering, places) else { return };
        let topics = numbering.topics.clone();
        saver.update(&numbering.path(places), VERSION, move |kept: &mut Kept| {
            let list = kept.list_of(&topics);
            for change in changes {
                change.apply(list);
            }
            Ok(())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Bookmarks {
        let mut b = Bookmarks::default();
        b.add(50, "Backlog arrives");
        b.add(10, " Partition 2 stalls\nsince the deploy ");
        b.add(90, "");
        b
    }

    #[test]
    fn they_stand_in_order_of_arrival_and_are_named_by_their_note() {
        let b = three();
        let titles: Vec<String> = b.list().iter().map(Bookmark::title).collect();
        assert_eq!(titles, ["Partition 2 stalls", "Backlog arrives", "arrival 90"]);
        assert_eq!(b.list()[0].note, "Partition 2 stalls\nsince the deploy");
    }

    #[test]
    fn an_arrival_has_one_bookmark_at_most() {
        let mut b = three();
        let id = b.add(50, "");
        assert_eq!(b.get(id).unwrap().note, "Backlog arrives", "an empty note takes nothing away");
        b.add(50, "It arrives");
        assert_eq!((b.list().len(), b.get(id).unwrap().note.as_str()), (3, "It arrives"));
    }

    #[test]
    fn what_is_brought_takes_nothing_away() {
        let mut b = three();
        let note = |b: &Bookmarks, at| b.list().iter().find(|b| b.at == at).unwrap().note.clone();
        assert!(b.bring(50, "Backlog arrives") && b.bring(50, " ") && b.bring(70, "new"));
        assert_eq!((note(&b, 50), note(&b, 70)), ("Backlog arrives".into(), "new".into()));
        assert!(b.bring(50, "It arrives "));
        assert_eq!(note(&b, 50), "Backlog arrives\n— incident: It arrives");
        assert!(b.bring(50, "It arrives"), "once");
        assert_eq!(note(&b, 50), "Backlog arrives\n— incident: It arrives");
        assert!(b.bring(90, "where there was no note"));
        assert_eq!(note(&b, 90), "where there was no note");
        assert!(!b.bring(50, &"long ".repeat(LONGEST)));
        assert!(note(&b, 50).starts_with("Backlog arrives\n— incident: It arrives"));
    }

    #[test]
    fn next_and_previous_never_stay() {
        let b = three();
        let at = |at, d| b.next(at, d).map(|b| b.at);
        assert_eq!(at(10, Direction::Forward), Some(50));
        assert_eq!(at(50, Direction::Backward), Some(10));
        assert_eq!(at(90, Direction::Forward), None);
        assert_eq!(at(0, Direction::Backward), None);
    }

    #[test]
    fn they_come_back_for_the_same_arrivals_only() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places { config: folder.path().into(), state: folder.path().into() };
        let of = |topics: &[&str]| Numbering {
            digest: "abc".to_owned(),
            topics: topics.iter().map(|t| (*t).to_owned()).collect(),
        };
        let (both, one) = (of(&["engagements", "views"]), of(&["views"]));
        let saver = Saver::default();
        let mut first = Bookmarks::of(Some(both.clone()));
        first.add(5, "five");
        first.save(Some(&places), &saver);
        drop(saver);
        let (mut other, problem) = Bookmarks::load(Some(one.clone()), Some(&places));
        assert_eq!((other.list().len(), problem), (0, None));
        let waiting = [Waiting { count: 1, topics: both.topics.clone() }];
        assert_eq!(other.waiting(), waiting, "the other one's wait");
        assert!(Bookmarks::load(Some(both.clone()), Some(&places)).0.waiting().is_empty());
        other.add(9, "nine");
        let saver = Saver::default();
        other.save(Some(&places), &saver);
        drop(saver);
        assert_eq!(Bookmarks::load(Some(both), Some(&places)).0.list()[0].note, "five");
        assert_eq!(Bookmarks::load(Some(one), Some(&places)).0.list()[0].note, "nine");
    }

    #[test]
    fn another_window_s_bookmarks_stay() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places { config: folder.path().into(), state: folder.path().into() };
        let numbering = Numbering { digest: "abc".to_owned(), topics: vec!["views".to_owned()] };
        let mut windows = [0, 1].map(|_| Bookmarks::of(Some(numbering.clone())));
        let kept = |windows: &mut [Bookmarks; 2]| -> Vec<(Arrival, String)> {
            for window in windows {
                let saver = Saver::default();
                window.save(Some(&places), &saver);
            }
            let (read, why) = Bookmarks::load(Some(numbering.clone()), Some(&places));
            assert_eq!(why, None);
            read.list().iter().map(|b| (b.at, b.note.clone())).collect()
        };
        let a = windows[0].add(5, "five");
        let b = windows[1].add(9, "nine");
        assert_eq!(a, b, "numbers are each window's own");
        assert_eq!(kept(&mut windows), [(5, "five".to_owned()), (9, "nine".to_owned())]);
        windows[1].add(5, "");
        windows[0].add(9, "ninth");
        let both = [(5, "five".to_owned()), (9, "ninth".to_owned())];
        assert_eq!(kept(&mut windows), both, "an empty note takes nothing away");
        windows[0].set_note(a, "");
        assert_eq!(kept(&mut windows), [(5, String::new()), (9, "ninth".to_owned())]);
        assert!(windows[0].remove(a));
        assert_eq!(kept(&mut windows), [(9, "ninth".to_owned())]);
        windows[1].set_note(b, "again");
        assert_eq!(kept(&mut windows), [(9, "again".to_owned())]);
    }

    #[test]
    fn a_removed_one_is_gone_and_its_number_is_not_another_s() {
        let mut b = three();
        let first = b.list()[0].id;
        assert!(b.remove(first) && !b.remove(first));
        assert!(!b.set_note(first, "x"));
        let new = b.add(1, "new");
        assert_eq!(b.list().iter().filter(|x| x.id == new).count(), 1);
    }
}
