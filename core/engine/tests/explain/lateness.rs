//! What the run store says of lateness under another out-of-orderness is what
//! the engine says when it runs with that out-of-orderness.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use joinscope_core::operator::pipeline::Pipeline;
use joinscope_core::operator::time::duration_setting;
use joinscope_core::run::{NEVER, Run};

use super::common::case::Case;
use super::run;

/// For each record that was judged: its row, whether it was late, what it needs
/// of all inputs, and of each alone.
type Needs = Vec<(u64, bool, i64, Vec<i64>)>;

fn needs(run: &Run, pieces: u64) -> Needs {
    let mut levels = run.levels();
    let mut all = Vec::new();
    let go = AtomicBool::new(false);
    for piece in 1..=pieces {
        // In pieces: what was read so far is all that the next one needs.
        let to = run.arrivals() * piece / pieces;
        run.needs(&mut levels, to, &go, |n| {
            all.push((n.row, n.late_by > 0, n.all, n.by_input.to_vec()));
        })
        .unwrap();
        assert_eq!(levels.at(), to);
    }
    all
}

fn late(run: &Run) -> BTreeSet<u64> {
    let rows = run.page(0, 10_000).unwrap();
    rows.into_iter().filter(|r| r.late_by.is_some()).map(|r| r.row).collect()
}

fn with(case: &Case, bound: i64, input: Option<usize>) -> Case {
    let inputs = case.pipeline.inputs.iter().enumerate();
    let sets: Vec<(String, String)> = inputs
        .filter(|(i, _)| input.is_none_or(|only| only == *i))
        .map(|(_, input)| {
            let path = format!("inputs.{}.watermark.max_out_of_orderness", input.name);
            (path, duration_setting(bound))
        })
        .collect();
    let pipeline = Pipeline::parse_with(&case.text, "case.toml", &sets).unwrap();
    Case {
        seed: case.seed,
        // The run reads its pipeline back: the text must be the changed one.
        text: pipeline.to_toml(),
        pipeline: Arc::new(pipeline),
        source: Arc::clone(&case.source),
        disorder: case.disorder,
    }
}

#[test]
fn what_would_be_late_is_late_when_it_is_run() {
    let (mut compared, mut differing, mut never) = (0u64, 0u64, 0u64);
    for seed in (1..50).step_by(2) {
        let case = Case::new(seed, 120);
        let dir = tempfile::tempdir().unwrap();
        let first = run(&case, &dir.path().join("run"));
        let needs = needs(&first, seed % 5 + 1);
        let now = late(&first);
        let said: BTreeSet<u64> = needs.iter().filter(|n| n.1).map(|n| n.0).collect();
        assert_eq!(said, now, "seed {seed}: late as it was run");
        let inputs = case.pipeline.inputs.len();
        for target in [None].into_iter().chain((0..inputs).map(Some)) {
            let of = |n: &(u64, bool, i64, Vec<i64>)| target.map_or(n.2, |i| n.3[i]);
            let mut bounds: Vec<i64> = needs.iter().map(of).filter(|n| *n > 0).collect();
            never += bounds.iter().filter(|n| **n == NEVER).count() as u64;
            bounds.retain(|n| *n != NEVER);
            bounds.sort_unstable();
            bounds.dedup();
            // The smallest, the largest, one in the middle; each and 1 ms less.
            let picked = [0, bounds.len() / 2, bounds.len().saturating_sub(1)];
            let picked: BTreeSet<i64> =
                picked.iter().filter_map(|i| bounds.get(*i)).flat_map(|b| [*b, *b - 1]).collect();
            for bound in picked {
                let again = with(&case, bound, target);
                let folder = dir.path().join(format!("{target:?}-{bound}"));
                let want = late(&run(&again, &folder));
                let got: BTreeSet<u64> =
                    needs.iter().filter(|n| of(n) > bound).map(|n| n.0).collect();
                assert_eq!(got, want, "seed {seed}, {target:?} {bound} ms\n{}", case.text);
                compared += 1;
                differing += u64::from(got != now);
            }
        }
    }
    // The cases say something.
    assert!(compared > 150 && differing > 60 && never > 3, "{compared} {differing} {never}");
}
