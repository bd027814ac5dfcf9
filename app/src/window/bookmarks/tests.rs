use joinscope_core::run::LiveInfo;

use super::*;
use crate::window::testing::feed;

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
        live: None,
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
    let topics = vec!["views".to_owned()];
    let numbering = Numbering { digest: "abc".to_owned(), topics, live: None };
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

/// A live run that began then; while it goes on its recording has no digest.
fn live(started_ms: i64, digest: &str) -> Numbering {
    let mut manifest = Manifest::load(&feed().run()).unwrap();
    manifest.started_ms = started_ms;
    manifest.start.live = Some(LiveInfo { job: "feed".to_owned(), ..LiveInfo::default() });
    digest.clone_into(&mut manifest.start.recording.digest);
    Numbering::of_run(&manifest)
}

#[test]
fn live_runs_of_the_same_topics_have_each_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places { config: folder.path().into(), state: folder.path().into() };
    let kept = |numbering: &Numbering| -> Vec<(Arrival, String)> {
        let (read, why) = Bookmarks::load(Some(numbering.clone()), Some(&places));
        assert_eq!(why, None);
        read.list().iter().map(|b| (b.at, b.note.clone())).collect()
    };
    let change = |numbering: &Numbering, with: fn(&mut Bookmarks)| {
        let (mut marks, _) = Bookmarks::load(Some(numbering.clone()), Some(&places));
        with(&mut marks);
        let saver = Saver::default();
        marks.save(Some(&places), &saver);
    };
    let (first, second) = (live(1, ""), live(2, ""));
    assert_eq!(first.topics, second.topics);
    change(&first, |marks| {
        marks.add(5, "five");
        marks.add(6, "six");
    });
    change(&second, |marks| {
        marks.add(9, "nine");
    });
    let (five, six) = ((5, "five".to_owned()), (6, "six".to_owned()));
    assert_eq!(kept(&first), [five.clone(), six.clone()]);
    assert_eq!(kept(&second), [(9, "nine".to_owned())]);

    // It has ended; those that a run over its recording kept are its own too.
    let ended = live(1, "abc");
    let over = Numbering { live: None, ..ended.clone() };
    change(&over, |marks| {
        marks.add(7, "seven");
    });
    let seven = (7, "seven".to_owned());
    assert_eq!(kept(&ended), [five.clone(), six.clone(), seven.clone()]);
    change(&ended, |marks| {
        marks.add(8, "eight");
        let six = marks.list()[1].id;
        assert!(marks.remove(six));
    });
    let eight = (8, "eight".to_owned());
    assert_eq!(kept(&ended), [five.clone(), seven.clone(), eight.clone()]);
    assert_eq!(kept(&over), [seven, eight.clone()], "shared over the recording");

    // It goes on, and ends with another digest.
    assert_eq!(kept(&first), [five.clone(), eight.clone()]);
    assert_eq!(kept(&live(1, "abcd")), [five, eight]);
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
