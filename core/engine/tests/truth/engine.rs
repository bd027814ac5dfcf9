//! The engine itself, with its threads: right, and the same however it is run.

use std::path::Path;

use joinscope_core::edges::rocksdb;
use joinscope_core::engine::step::{CheckpointEntry, Decision, Facts, Output};
use joinscope_core::engine::{self, AtEnd, Control, Ended, RunSpec, Summary};
use joinscope_core::operator::verdict::Verdict;

use crate::common::case::Case;
use crate::common::collect::Collect;
use crate::plain::{check, without_expired};

fn spec(case: &Case, folder: Option<&Path>) -> RunSpec {
    RunSpec {
        pipeline: case.pipeline.clone(),
        source: case.source.clone(),
        folder: folder.map(Path::to_owned),
        at_end: if case.seed.is_multiple_of(3) { AtEnd::Close } else { AtEnd::Open },
        seed: 0,
        restarts: Vec::new(),
        memory: 1 << 30,
        shards: 1,
        checkpoint_records: 1_000_000,
        resume: None,
    }
}

/// Arrival, arrival time, input, partition, offset, event time, watermark,
/// verdict at arrival, key.
type Fact = (u64, i64, u8, i32, i64, i64, i64, u8, Vec<u8>);

/// Everything that a run gave out, put end to end.
#[derive(Debug, Default, PartialEq)]
struct Trace {
    facts: Vec<Fact>,
    decisions: Vec<Decision>,
    outputs: Vec<Output>,
    digest: String,
    state_rows: u64,
    watermark: i64,
}

fn trace(collect: &Collect, summary: &Summary) -> Trace {
    let mut trace = Trace {
        digest: summary.digest.clone(),
        state_rows: summary.state_rows,
        watermark: summary.watermark,
        ..Trace::default()
    };
    for step in &collect.steps {
        let facts: &Facts = &step.facts;
        trace.facts.extend((0..facts.len()).map(|i| {
            (
                facts.arrival[i],
                facts.arrival_ms[i],
                facts.input[i],
                facts.partition[i],
                facts.offset[i],
                facts.event_time[i],
                facts.watermark[i],
                facts.at_arrival[i],
                facts.key(i).to_vec(),
            )
        }));
        trace.decisions.extend(&step.decisions);
        trace.outputs.extend(step.outputs.iter().cloned());
    }
    trace
}

fn run(spec: RunSpec) -> (Collect, Summary) {
    let mut collect = Collect::default();
    let summary = engine::run(spec, &mut collect, &Control::new()).unwrap();
    assert_eq!(summary.ended, Ended::Done);
    collect.claims.end = Some(summary.watermark);
    (collect, summary)
}

#[test]
fn random_cases_agree_with_the_truth() {
    let mut outputs = 0;
    for seed in 0..1_000 {
        let case = Case::new(seed, 250);
        let (collect, summary) =
            run(RunSpec { shards: 1 + seed as usize % 3, ..spec(&case, None) });
        let claims = without_expired(&case, collect.claims);
        let report = check(&case, &claims);
        outputs += report.run;
        let booked: u64 = summary.books.iter().map(|books| books.counts.total()).sum();
        assert_eq!(booked, summary.rows);
        let joined: u64 = summary.books.iter().map(|books| books.counts.get(Verdict::Joined)).sum();
        let claimed = claims.verdict.iter().filter(|v| **v == Verdict::Joined).count();
        assert_eq!(joined, claimed as u64, "seed {seed}");
    }
    assert!(outputs > 40_000, "{outputs}");
}

#[test]
fn shards_and_memory_change_nothing() {
    let mut spilled = 0;
    for seed in 0..40 {
        let case = Case::new(seed, 1_500);
        let (first, summary) = run(spec(&case, None));
        let expected = trace(&first, &summary);
        for (shards, memory) in [(2, 1 << 30), (7, 1 << 30), (1, 0), (2, 0), (7, 0)] {
            let folder = tempfile::tempdir().unwrap();
            // A tiny budget, with checkpoints; a large one, without.
            let tiny = memory == 0;
            let run_spec = RunSpec {
                shards,
                memory,
                checkpoint_records: if tiny { 200 } else { 1_000_000 },
                ..spec(&case, tiny.then_some(folder.path()))
            };
            let (collect, summary) = run(run_spec);
            let what = format!("seed {seed}, {shards} shards, memory {memory}\n{}", case.text);
            assert_same(&trace(&collect, &summary), &expected, &what);
            spilled += u64::from(folder.path().join("state/cold").is_dir());
        }
    }
    assert!(spilled > 60, "{spilled} runs went to disk");
}

fn assert_same(found: &Trace, expected: &Trace, what: &str) {
    assert_eq!(found.facts, expected.facts, "{what}");
    assert_eq!(found.decisions, expected.decisions, "{what}");
    assert_eq!(found.outputs, expected.outputs, "{what}");
    assert_eq!(found.digest, expected.digest, "{what}");
    assert_eq!((found.state_rows, found.watermark), (expected.state_rows, expected.watermark));
}

#[test]
fn a_restore_from_any_checkpoint_changes_nothing() {
    let mut restored = 0;
    for seed in 0..15 {
        let case = Case::new(seed, 1_200);
        let (first, summary) = run(spec(&case, None));
        let expected = trace(&first, &summary);

        let folder = tempfile::tempdir().unwrap();
        let shards = [1, 2, 7][seed as usize % 3];
        let memory = if seed.is_multiple_of(4) { 0 } else { 1 << 30 };
        let with_checkpoints =
            RunSpec { shards, memory, checkpoint_records: 40, ..spec(&case, Some(folder.path())) };
        let (whole, summary) = run(with_checkpoints);
        assert_same(&trace(&whole, &summary), &expected, &format!("seed {seed}"));

        // Newest first: going back to one deletes those after it.
        let there = rocksdb::list(folder.path()).unwrap();
        let entries: Vec<&CheckpointEntry> =
            whole.checkpoints.iter().filter(|entry| there.contains(&entry.epoch)).collect();
        assert_eq!(entries.len(), there.len());
        for (i, entry) in entries.iter().rev().enumerate().step_by(3) {
            let again = RunSpec {
                shards: [7, 1, 2][i % 3],
                memory: if i % 2 == 0 { 1 << 30 } else { 0 },
                checkpoint_records: 100,
                resume: Some((*entry).clone()),
                ..spec(&case, Some(folder.path()))
            };
            let mut rest = Collect::resumed(&whole, entry);
            let summary = engine::run(again, &mut rest, &Control::new()).unwrap();
            let what = format!("seed {seed} from epoch {}\n{}", entry.epoch, case.text);
            assert_same(&trace(&rest, &summary), &expected, &what);
            restored += 1;
        }
    }
    assert!(restored > 20, "{restored}");
}
