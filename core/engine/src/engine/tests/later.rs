//! Partitions that a topic gets while a run is down: what was there goes on, they
//! count from where the clock says so, and a run over the whole gives the same.

use super::harness::{Listed, PIPELINE, done, fails, same, spec, tell, tell_clock, with_folder};
use crate::engine::{ClockInput, ClockInputKind, RunError};

const IDLING: &str = "max_out_of_orderness = \"10ms\", idle_timeout = \"300ms\"";

fn idling() -> String {
    PIPELINE.replace("max_out_of_orderness = \"10ms\"", IDLING)
}

fn said(precedes: u64, at_ms: i64, kind: ClockInputKind) -> ClockInput {
    ClockInput { precedes, at_ms, kind }
}

/// Two partitions of each topic at first; `views[2]` and `plays[2]` come before record
/// `at` of `n`, and give every fourth from then on.
fn growing(n: u64, at: u64) -> Listed {
    let mut listed =
        Listed::parse("+ views[0]\n+ views[1]\n+ plays[0]\n+ plays[1]\n+ views[2]\n+ plays[2]");
    listed.later = vec![4, 5];
    for i in 0..n {
        let source = if i < at || i % 4 != 3 {
            i * 5 % 7 % 4
        } else if i % 8 == 7 {
            5
        } else {
            4
        };
        let now = 1_000 + i as i64 * 7;
        let time = now - i as i64 * 11 % 17;
        let value = format!("{{\"k\":\"{}\",\"t\":{time}}}", i / 3 % 40);
        listed.push(source as u32, now, Some(value));
    }
    let now = 1_000 + at as i64 * 7 - 3;
    listed.clock = vec![
        said(at, now, ClockInputKind::Added(4)),
        said(at, now, ClockInputKind::Added(5)),
        said(at, now, ClockInputKind::Tick),
    ];
    listed.batch = 16;
    listed
}

/// What a start finds that knows the first partitions only: `listed` up to `at`.
fn before(listed: &Listed, at: u64) -> Listed {
    let mut first = listed.clone();
    first.records.truncate(at as usize);
    first.partitions.truncate(4);
    first.clock.clear();
    first.later.clear();
    first.live = true;
    first
}

#[test]
fn a_run_that_learns_of_partitions_ends_as_one_over_the_whole() {
    for pipeline in [PIPELINE.to_owned(), idling()] {
        let pipeline = pipeline.replace("\"1s\"", "\"200ms\"");
        let listed = growing(400, 200);
        let (whole, whole_kept) = done(spec(&pipeline, listed.clone()));
        let expected = tell(&pipeline, &listed, &whole_kept.steps);
        assert!(expected.contains("views[2]@") && expected.contains("plays[2]@"), "{expected}");
        assert!(whole.outputs > 0);
        let clock = tell_clock(&whole_kept.steps);
        // By lane: those that came later stand behind all others.
        assert!(clock.contains("active 4") && clock.contains("active 5"), "{clock}");

        let folder = tempfile::tempdir().unwrap();
        let first = before(&listed, 200);
        let (_, kept) = done(with_folder(spec(&pipeline, first), folder.path(), 1));
        // Not from the last, which is the end of what was there: its epoch ended
        // before its time.
        let cuts = kept.checkpoints.iter().zip(&kept.steps_at_barrier).rev().skip(1);
        let mut tried = 0;
        for (shards, (entry, steps)) in [1, 2, 7].into_iter().cycle().zip(cuts) {
            // Of the older ones only some are kept.
            if !folder.path().join(&entry.path).exists() {
                continue;
            }
            tried += 1;
            let mut live = listed.clone();
            live.live = true;
            let mut again = with_folder(spec(&pipeline, live), folder.path(), 1);
            again.shards = shards;
            again.resume = Some(entry.clone());
            let (resumed, rest) = done(again);
            let what = format!("{shards} shards, from arrival {}", entry.arrival);
            let steps = || kept.steps[..*steps].iter().chain(&rest.steps);
            same(&tell(&pipeline, &listed, steps()), &expected, &what);
            assert_eq!(resumed.digest, whole.digest, "{what}");
            assert_eq!(resumed.books, whole.books, "{what}");
        }
        assert!(tried > 3, "{tried}");
    }
}

/// Without an idle timeout a new partition that gives nothing holds the join where it
/// is; with one it does not for longer than that. Nothing goes back.
#[test]
fn a_new_partition_that_gives_nothing_holds_the_join_until_it_is_idle() {
    let watermark = |pipeline: &str| {
        let mut listed = growing(400, 200);
        listed.records.retain(|record| record.source < 4);
        for (arrival, record) in (0..).zip(&mut listed.records) {
            record.arrival = arrival;
        }
        let (_, kept) = done(spec(pipeline, listed));
        let marks: Vec<i64> =
            kept.steps.iter().flat_map(|step| step.facts.watermark.iter().copied()).collect();
        assert!(marks.is_sorted());
        (marks[200], marks[marks.len() - 1])
    };
    let (at, end) = watermark(PIPELINE);
    assert!(at > 2_000 && end == at, "{at} {end}");
    let (at, end) = watermark(&idling());
    assert!(end > at + 300, "{at} {end}");
}

#[test]
fn a_state_of_more_partitions_than_there_are_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = growing(200, 100);
    all.live = true;
    let (_, kept) = done(with_folder(spec(PIPELINE, all.clone()), folder.path(), 1));
    let entry = kept.checkpoints.last().cloned();
    let mut fewer = with_folder(spec(PIPELINE, before(&all, 100)), folder.path(), 1);
    fewer.resume = entry.clone();
    let (error, _) = fails(fewer);
    assert!(matches!(error, RunError::Checkpoint { .. }), "{error}");
    // As many, in another order.
    let mut other = all;
    other.partitions.swap(4, 5);
    let mut swapped = with_folder(spec(PIPELINE, other), folder.path(), 1);
    swapped.resume = entry;
    let (error, _) = fails(swapped);
    assert!(error.to_string().contains("in another order"), "{error}");
}
