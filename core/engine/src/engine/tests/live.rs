//! What a source's clock says: an input like a record, so that a live run, its
//! replay and a run resumed from any of its snapshots are the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::harness::{
    Kept, Listed, PIPELINE, done, lines, same, spec, tell, tell_clock, with_folder,
};
use super::shards::{pipelines, random};
use crate::engine::{
    AtEnd, Batches, ClockInput, ClockInputKind, Control, Source, SourceError, run,
};
use crate::operator::record::TopicPartition;

fn at(precedes: u64, at_ms: i64, kind: ClockInputKind) -> ClockInput {
    ClockInput { precedes, at_ms, kind }
}

fn idle() -> String {
    PIPELINE.replace("\"10ms\" }", "\"10ms\", idle_timeout = \"100ms\" }")
}

#[test]
fn time_goes_on_without_a_record() {
    // Plays go idle at 1150: view a (100) leaves, though nothing comes after b.
    let mut listed = Listed::parse(
        "1000 views[0] a 100
         1050 plays[0] x 90
         1090 views[0] b 400",
    );
    listed.clock = vec![
        at(3, 1_149, ClockInputKind::Tick),
        at(3, 1_160, ClockInputKind::Tick),
        at(3, 2_500, ClockInputKind::Tick),
    ];
    let pipeline = idle();
    for live in [false, true] {
        listed.live = live;
        let (_, kept) = done(spec(&pipeline, listed.clone()));
        assert_eq!(tell_clock(&kept.steps), "3 1150 idle 1\n3 1190 idle 0\n3 2000 epoch 1");
        let told = tell(&pipeline, &listed, &kept.steps);
        let expected = "3 pad views[0]@0 t=100
                        views[0]@0 unmatched 3 3
                        plays[0]@0 unmatched 3 3
                        views[0]@1 open - -";
        assert_eq!(told, lines(expected));
    }
}

#[test]
fn what_is_held_is_not_idle_and_counts_anew_when_it_is_free() {
    let mut listed = Listed::parse(
        "1000 views[0] a 100
         1050 plays[0] x 90
         1090 views[0] b 400
         1600 views[0] c 410",
    );
    listed.clock = vec![
        at(2, 1_080, ClockInputKind::Held(1)),
        at(3, 1_500, ClockInputKind::Free(1)),
        at(4, 1_599, ClockInputKind::Tick),
        at(4, 1_601, ClockInputKind::Tick),
        at(4, 1_650, ClockInputKind::Held(1)),
        at(4, 1_700, ClockInputKind::Barrier),
        at(4, 9_000, ClockInputKind::Tick),
    ];
    let (summary, kept) = done(spec(&idle(), listed.clone()));
    let clock = tell_clock(&kept.steps);
    assert_eq!(
        clock,
        "3 1190 idle 0\n3 1600 idle 1\n3 1600 active 0\n4 1650 active 1\n4 1700 idle 0\n\
         4 1700 epoch 1"
    );
    assert_eq!(summary.epochs_with_effect, 1);
}

#[test]
fn after_a_gap_what_is_held_ends_no_epoch_of_the_gap() {
    // Both are idle when the run goes on after four minutes, and are held at once.
    let mut listed = Listed::parse(
        "1000 views[0] a 100
         1050 plays[0] x 90",
    );
    listed.live = true;
    listed.clock = vec![
        at(2, 2_500, ClockInputKind::Tick),
        at(2, 251_300, ClockInputKind::Tick),
        at(2, 251_300, ClockInputKind::Held(0)),
        at(2, 251_300, ClockInputKind::Held(1)),
        at(2, 251_400, ClockInputKind::Free(0)),
        at(2, 251_400, ClockInputKind::Free(1)),
        at(2, 260_000, ClockInputKind::Tick),
    ];
    let (summary, kept) = done(spec(&idle(), listed));
    assert_eq!(
        tell_clock(&kept.steps),
        "2 1100 idle 0\n2 1150 idle 1\n2 2000 epoch 1\n2 251300 active 0\n\
         2 251300 active 1\n2 251500 idle 0\n2 251500 idle 1\n2 252000 epoch 251"
    );
    assert_eq!(summary.epochs_with_effect, 2);
}

/// Ticks, partitions held and free again, and barriers, between records.
pub(super) fn with_clock(seed: u64, n: usize) -> Listed {
    let mut listed = random(seed, n);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut held = [false; 6];
    let mut last = 0;
    for (i, record) in listed.records.iter().enumerate() {
        let ms = record.arrival_ns / 1_000_000;
        if rng.random_ratio(1, 20) {
            let from = if i == 0 { ms - 50 } else { last };
            for _ in 0..rng.random_range(1..4) {
                let source = rng.random_range(0..6u32);
                let kind = match rng.random_range(0..6) {
                    0 => ClockInputKind::Barrier,
                    1..=3 => ClockInputKind::Tick,
                    _ => {
                        held[source as usize] ^= true;
                        if held[source as usize] {
                            ClockInputKind::Held(source)
                        } else {
                            ClockInputKind::Free(source)
                        }
                    }
                };
                let ms = rng.random_range(from..=ms);
                listed.clock.push(at(i as u64, ms, kind));
            }
            let these = listed.clock.iter_mut().rev().take_while(|c| c.precedes == i as u64);
            let mut these: Vec<_> = these.collect();
            let mut times: Vec<i64> = these.iter().map(|c| c.at_ms).collect();
            times.sort_unstable();
            for (entry, ms) in these.iter_mut().rev().zip(times) {
                entry.at_ms = ms;
            }
        }
        last = ms;
    }
    let end = listed.records.len() as u64;
    for (later, kind) in
        [(150, ClockInputKind::Tick), (900, ClockInputKind::Tick), (950, ClockInputKind::Barrier)]
    {
        listed.clock.push(at(end, last + later, kind));
    }
    listed
}

#[test]
fn live_replayed_or_resumed_from_any_snapshot_it_is_the_same() {
    for (seed, pipeline) in pipelines().iter().enumerate() {
        let pipeline = pipeline.replace("\"1s\"", "\"200ms\"");
        let listed = with_clock(300 + seed as u64, 1_500);
        let mut first = None;
        for (shards, batch) in [(1, 700), (2, 1), (7, 100)] {
            let mut listed = listed.clone();
            listed.batch = batch;
            let mut plain = spec(&pipeline, listed.clone());
            plain.shards = shards;
            let (summary, kept) = done(plain);
            let told = (tell(&pipeline, &listed, &kept.steps), tell_clock(&kept.steps));
            assert!(told.1.contains("idle"), "{}", told.1);
            let (was, digest) = first.get_or_insert((told.clone(), summary.digest.clone()));
            assert!(told == *was, "pipeline {seed}, {shards} shards, batches of {batch}");
            assert_eq!(*digest, summary.digest);
        }
        let ((expected, clock), digest) = first.unwrap();

        let folder = tempfile::tempdir().unwrap();
        let mut live = listed.clone();
        (live.live, live.batch) = (true, 40);
        let mut first = with_folder(spec(&pipeline, live.clone()), folder.path(), 1);
        first.shards = 2;
        let (summary, kept) = done(first);
        assert_eq!(summary.digest, digest, "live, pipeline {seed}");
        same(&tell(&pipeline, &listed, &kept.steps), &expected, "live");
        same(&tell_clock(&kept.steps), &clock, "live");
        assert!(summary.checkpoints > 8, "{}", summary.checkpoints);
        assert_eq!(summary.checkpoints as usize, kept.barriers.len());

        let cuts = kept.checkpoints.iter().zip(&kept.steps_at_barrier).rev();
        // Of the older ones only some are kept.
        let cuts = cuts.filter(|(entry, _)| folder.path().join(&entry.path).exists()).step_by(3);
        for (shards, (entry, steps)) in [1, 2, 7].into_iter().cycle().zip(cuts) {
            let mut again = with_folder(spec(&pipeline, live.clone()), folder.path(), 1);
            again.shards = shards;
            again.resume = Some(entry.clone());
            let mut rest = Kept::default();
            let resumed = run(again, &mut rest, &Control::new()).unwrap();
            let what = format!("pipeline {seed}, {shards} shards, epoch {}", entry.epoch);
            let steps = || kept.steps[..*steps].iter().chain(&rest.steps);
            same(&tell(&pipeline, &listed, steps()), &expected, &what);
            assert_eq!(resumed.digest, digest, "{what}");
            assert_eq!(resumed.books, summary.books, "{what}");
        }
    }
}

/// A live source whose log a power loss left behind the state: what the clock said
/// behind the last record is gone.
struct Behind {
    listed: Listed,
    heard: AtomicUsize,
}

impl Source for Behind {
    fn partitions(&self) -> &[TopicPartition] {
        &self.listed.partitions
    }

    fn records(&self, topics: &[Arc<str>]) -> Option<u64> {
        Source::records(&self.listed, topics)
    }

    fn heard(&self, entries: usize) {
        self.heard.store(entries, Ordering::Relaxed);
    }

    fn batches(&self, topics: &[Arc<str>], from: u64) -> Result<Batches, SourceError> {
        let mut listed = self.listed.clone();
        let lost = self.heard.load(Ordering::Relaxed);
        listed.clock.splice(0..0, std::iter::repeat_n(at(from, 0, ClockInputKind::Tick), lost));
        listed.batches(topics, from)
    }

    fn is_live(&self) -> bool {
        true
    }
}

/// Found by reading: as many of the clock's next entries as the state had heard were
/// passed over.
#[test]
fn what_the_clock_says_behind_a_loss_is_heard() {
    let pipeline = idle();
    let mut listed = Listed::parse(
        "1000 views[0] a 100
         1050 plays[0] x 90
         1090 views[0] b 400",
    );
    listed.live = true;
    let before = [at(3, 1_095, ClockInputKind::Tick), at(3, 1_100, ClockInputKind::Barrier)];
    listed.clock = before.to_vec();
    let resumed = |source: Arc<dyn Source>| {
        let folder = tempfile::tempdir().unwrap();
        let first = with_folder(spec(&pipeline, listed.clone()), folder.path(), 1);
        let entry = done(first).1.checkpoints.last().cloned().unwrap();
        assert_eq!(entry.arrival, 3);
        let mut again = with_folder(spec(&pipeline, listed.clone()), folder.path(), 1);
        (again.source, again.resume) = (source, Some(entry));
        tell_clock(&done(again).1.steps)
    };
    let next = at(3, 2_500, ClockInputKind::Tick);
    let mut whole = listed.clone();
    whole.clock.push(next);
    let whole = resumed(Arc::new(whole));
    assert!(whole.starts_with("3 1150 idle 1\n3 1190 idle 0"), "{whole}");
    let mut left = listed.clone();
    left.clock = vec![next];
    let behind = Behind { listed: left, heard: AtomicUsize::new(0) };
    assert_eq!(resumed(Arc::new(behind)), whole);
}

#[test]
fn the_end_of_a_live_source_keeps_what_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut listed = Listed::parse("1000 views[0] a 100\n1050 plays[0] a 110");
    listed.live = true;
    listed.clock = vec![at(2, 1_060, ClockInputKind::Barrier)];
    let (summary, kept) = done(with_folder(spec(PIPELINE, listed.clone()), folder.path(), 1));
    assert_eq!((summary.outputs, summary.checkpoints), (1, 1));
    assert_eq!(kept.checkpoints[0].epoch, 1);
    // What comes then belongs to another epoch, also within the first second.
    listed.push(0, 1_070, Some("{\"k\":\"a\",\"t\":105}".to_owned()));
    listed.clock.push(at(3, 1_080, ClockInputKind::Barrier));
    let mut again = with_folder(spec(PIPELINE, listed), folder.path(), 1);
    again.at_end = AtEnd::Open;
    again.resume = kept.checkpoints.first().cloned();
    let (summary, kept) = done(again);
    assert_eq!((summary.outputs, kept.checkpoints[0].epoch), (2, 2));
}
