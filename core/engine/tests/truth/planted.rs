//! The judge is judged: whatever is done to a right run is found.

use joinscope_core::analyses::truth::{Claims, Kind, Rows, reconcile};
use joinscope_core::operator::verdict::Verdict;

use crate::common::case::Case;
use crate::common::plain;
use crate::common::random::Random;

/// Whether the report of a spoilt run names the kind.
fn finds(case: &Case, claims: &Claims, kind: Kind) -> bool {
    let rows = Rows::load(&case.pipeline, &*case.source, u64::MAX).unwrap();
    let report = reconcile(&case.pipeline, &rows, claims).unwrap();
    report.differences.iter().any(|d| d.kind == kind && d.because.is_none())
}

#[test]
fn every_planted_fault_is_found() {
    let mut random = Random::new(5);
    let mut tried = 0;
    for seed in 0..300 {
        let case = Case::new(seed, 100);
        let right = plain::run(&case, true, u64::MAX, None);
        if right.outputs.len() < 5 {
            continue;
        }
        tried += 1;
        let at = random.below(right.outputs.len() as u64) as usize;
        let folds = case.pipeline.folds();

        let mut lost = right.clone();
        let gone = lost.outputs.remove(at);
        let only_one = lost.outputs.iter().all(|o| o.rows.first() != gone.rows.first());
        if !folds || only_one {
            assert!(finds(&case, &lost, Kind::Missing), "seed {seed}: lost {gone:?}");
        }

        let mut twice = right.clone();
        twice.outputs.push(twice.outputs[at].clone());
        let kind = if folds { Kind::Corrections } else { Kind::Duplicate };
        assert!(finds(&case, &twice, kind), "seed {seed}: twice");

        let mut moved = right.clone();
        moved.outputs[at].time += 1;
        let last = !folds
            || moved.outputs.iter().rposition(|o| o.rows[0] == moved.outputs[at].rows[0])
                == Some(at);
        if last {
            assert!(finds(&case, &moved, Kind::Time), "seed {seed}: moved");
            if folds {
                let mut changed = right.clone();
                changed.outputs[at].labels ^= 1;
                assert!(finds(&case, &changed, Kind::Changed), "seed {seed}: labels");
            }
        }

        let mut other = right.clone();
        let row = random.below(other.len() as u64) as usize;
        other.verdict[row] = match other.verdict[row] {
            Verdict::Joined => Verdict::Unmatched,
            _ => Verdict::Joined,
        };
        assert!(finds(&case, &other, Kind::Verdict), "seed {seed}: verdict");
    }
    assert!(tried > 200, "{tried}");
}

#[test]
fn a_run_of_another_recording_is_refused() {
    let case = Case::new(3, 100);
    let mut claims = plain::run(&case, true, u64::MAX, None);
    let rows = Rows::load(&case.pipeline, &*case.source, u64::MAX).unwrap();
    claims.offset[1] += 1;
    let error = reconcile(&case.pipeline, &rows, &claims).unwrap_err().to_string();
    assert!(error.contains("does not belong to this recording"), "{error}");
}
