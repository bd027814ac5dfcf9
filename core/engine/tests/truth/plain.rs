//! Tracker, operator and both state tiers against the truth, thousands of times.

use joinscope_core::analyses::truth::{Claims, Reconciliation, Rows, reconcile};
use joinscope_core::edges::rocksdb::{Store, StoreOptions};
use joinscope_core::operator::verdict::Verdict;

use crate::common::case::Case;
use crate::common::plain;

pub fn check(case: &Case, claims: &Claims) -> Reconciliation {
    let rows = Rows::load(&case.pipeline, &*case.source, u64::MAX).unwrap();
    let report = reconcile(&case.pipeline, &rows, claims).unwrap();
    assert!(
        report.agrees(),
        "seed {}: {:#?}\n{}",
        case.seed,
        &report.differences[..report.differences.len().min(4)],
        case.text
    );
    report
}

/// `expired` is the run store's to say: the operator says `unmatched`.
pub fn without_expired(case: &Case, mut claims: Claims) -> Claims {
    let rows = Rows::load(&case.pipeline, &*case.source, u64::MAX).unwrap();
    let truth = joinscope_core::analyses::truth::pairs(&case.pipeline, &rows);
    let expected = joinscope_core::analyses::truth::expect(&case.pipeline, &rows, &truth, &claims);
    for (claimed, expected) in claims.verdict.iter_mut().zip(expected.verdicts) {
        if (*claimed, expected) == (Verdict::Unmatched, Verdict::Expired) {
            *claimed = Verdict::Expired;
        }
    }
    claims
}

#[test]
fn random_cases_agree_with_the_truth() {
    let (mut outputs, mut late, mut gone, mut late_rows) = (0, 0, 0, 0);
    for seed in 0..6_000 {
        let case = Case::new(seed, 120);
        let claims = plain::run(&case, seed.is_multiple_of(3), u64::MAX, None);
        let claims = without_expired(&case, claims);
        late_rows += claims.verdict.iter().filter(|v| **v == Verdict::Late).count();
        let report = check(&case, &claims);
        outputs += report.run;
        late += report.counts.get("missing late").copied().unwrap_or(0);
        gone += report.counts.get("missing gone").copied().unwrap_or(0);
        if !case.disorder && seed.is_multiple_of(3) {
            assert!(
                report.differences.is_empty(),
                "seed {seed}: nothing is late and all is closed, yet {:#?}\n{}",
                report.differences,
                case.text
            );
            assert_eq!((report.truth, report.run), (report.same, report.same));
        }
    }
    // The cases say something.
    assert!(outputs > 100_000, "{outputs}");
    assert!(late > 2_000 && late_rows > 2_000, "{late} {late_rows}");
    assert!(gone > 500, "{gone}");
}

#[test]
fn where_rows_rest_never_shows() {
    let mut spilled = 0;
    for seed in 0..60 {
        let case = Case::new(seed, 2_000);
        let in_memory = plain::run(&case, seed.is_multiple_of(3), u64::MAX, None);
        let folder = tempfile::tempdir().unwrap();
        let options = StoreOptions { memory: 0, retention_ms: 100 };
        let store = Store::create(folder.path(), options).unwrap();
        let tiny = plain::run(&case, seed.is_multiple_of(3), 2_000, Some(Box::new(store.cold(0))));
        spilled += u64::from(folder.path().join("state/cold").is_dir());
        assert_eq!(in_memory.outputs, tiny.outputs, "seed {seed}\n{}", case.text);
        assert_eq!(in_memory.verdict, tiny.verdict, "seed {seed}\n{}", case.text);
        assert_eq!(in_memory.open, tiny.open, "seed {seed}\n{}", case.text);
    }
    assert!(spilled > 30, "only {spilled} of the runs went to disk");
}
