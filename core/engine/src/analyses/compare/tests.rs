use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::*;
use crate::edges::pipeline_file::PipelineFile;
use crate::edges::recording::Recording;
use crate::engine::Control;
use crate::run::{Execute, execute};

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sample-data").join(name)
}

fn run(dir: &Path, sample_name: &str, sets: &[(&str, &str)]) -> Run {
    let folder = sample(sample_name);
    let sets: Vec<(String, String)> =
        sets.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect();
    let pipeline = PipelineFile::open(&folder.join(format!("{sample_name}.toml")), &sets).unwrap();
    let recording = Recording::open(&folder.join(format!("{sample_name}.mcap"))).unwrap();
    let mut spec = Execute::new(pipeline, recording, dir.to_owned());
    spec.overrides = sets;
    execute(spec, &Control::default()).unwrap();
    Run::open(dir).unwrap()
}

fn held(a: &Run, b: &Run, limit: usize) -> Result<Comparison, CompareError> {
    compare(a, b, limit, &AtomicBool::new(false), &mut |_| {})
}

/// (verdict, outputs) of every row, the plain way.
fn plain(run: &Run) -> Vec<(crate::operator::verdict::Verdict, u8)> {
    (0..run.rows())
        .step_by(PAGE)
        .flat_map(|first| run.page(first, PAGE).unwrap())
        .map(|row| (row.verdict, row.input))
        .collect()
}

#[test]
fn two_runs_differ_in_what_changed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let base = run(&folder.path().join("a"), "feed", &[]);
    let again = run(&folder.path().join("b"), "feed", &[("examples.emit", "on-close")]);
    let same = held(&base, &again, 5).unwrap();
    assert!(same.same() && same.settings.is_empty(), "{same:?}");
    assert!(same.outputs.same > 1_000);

    let path = "inputs.engagements.watermark.max_out_of_orderness";
    let other = run(&folder.path().join("c"), "feed", &[(path, "20m")]);
    let found = held(&base, &other, 7).unwrap();
    assert_eq!(found.settings.len(), 1, "{:?}", found.settings);
    assert_eq!(found.settings[0].path, path);
    assert_eq!(found.settings[0].b.as_deref(), Some("20m"));
    assert_eq!(found.rows, base.rows());

    let (one, two) = (plain(&base), plain(&other));
    let mut want: BTreeMap<_, u64> = BTreeMap::new();
    for ((from, input), (to, _)) in one.iter().zip(&two) {
        if from != to {
            *want.entry((*input, *from, *to)).or_default() += 1;
        }
    }
    let got: BTreeMap<_, u64> =
        found.changes.iter().map(|c| ((c.input, c.from, c.to), c.count)).collect();
    assert_eq!(got, want);
    assert!(found.changed() > 100, "the incident's late records are not late any more");
    for change in &found.changes {
        assert!(change.rows.len() as u64 == change.count.min(7));
        for row in &change.rows {
            let row = usize::try_from(*row).unwrap();
            assert_eq!((one[row].0, two[row].0), (change.from, change.to));
        }
    }
    // Folded examples are matched by their view: only labels and records differ.
    assert!(found.outputs.changed > 0, "{:?}", found.outputs);
    assert_eq!(found.outputs.changed_first.len(), 7);
}

#[test]
fn pairs_are_matched_by_their_records() {
    let folder = tempfile::tempdir().unwrap();
    let pairs = [("examples.emit", "on-match")];
    let base = run(&folder.path().join("a"), "feed", &pairs);
    let narrow = [pairs[0], ("join.with.engagements.until", "1m")];
    let narrow = run(&folder.path().join("b"), "feed", &narrow);
    let found = held(&base, &narrow, 3).unwrap();
    assert!(found.outputs.only_in_a.pairs > 0, "{:?}", found.outputs);
    assert_eq!(found.outputs.only_in_b.pairs, 0, "a narrower interval gives no new pair");
    assert_eq!(found.outputs.same + found.outputs.only_in_a.total(), base.outputs());
    assert_eq!(found.outputs.same + found.outputs.only_in_b.total(), narrow.outputs());
}

#[test]
fn runs_over_other_records_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let feed = run(&folder.path().join("a"), "feed", &[]);
    let changes = run(&folder.path().join("b"), "code-changes", &[]);
    let error = held(&feed, &changes, 1).unwrap_err().to_string();
    assert!(error.contains("compare runs over one recording"), "{error}");
    let cancelled = compare(&feed, &feed, 1, &AtomicBool::new(true), &mut |_| {});
    assert!(matches!(cancelled, Err(CompareError::Cancelled)));
}
