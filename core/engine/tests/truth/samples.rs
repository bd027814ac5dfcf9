//! The shipped samples against the truth.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use joinscope_core::analyses::truth::{Rows, expect, pairs, reconcile};
use joinscope_core::edges::pipeline_file::PipelineFile;
use joinscope_core::edges::recording::Recording;
use joinscope_core::engine::{self, AtEnd, Control, RunSpec};
use joinscope_core::operator::verdict::Verdict;

use crate::common::collect::Collect;

fn sample(name: &str) -> (PathBuf, PathBuf) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sample-data").join(name);
    (folder.join(format!("{name}.toml")), folder.join(format!("{name}.mcap")))
}

/// Runs a sample both ways and holds it against the truth; how many records
/// were late.
fn check(name: &str) -> u64 {
    let (pipeline, recording) = sample(name);
    let pipeline = Arc::new(PipelineFile::open(&pipeline, &[]).unwrap().pipeline);
    let recording = Recording::open(&recording).unwrap();
    let spec = |folder: Option<&Path>, shards| RunSpec {
        pipeline: pipeline.clone(),
        source: Arc::new(recording.clone()),
        folder: folder.map(Path::to_owned),
        at_end: AtEnd::Open,
        seed: 0,
        restarts: Vec::new(),
        memory: 0,
        shards,
        checkpoint_records: 40_000,
        resume: None,
    };
    let mut kept = Collect::default();
    let summary = engine::run(spec(None, 1), &mut kept, &Control::new()).unwrap();
    let mut claims = std::mem::take(&mut kept.claims);
    claims.end = Some(summary.watermark);

    let folder = tempfile::tempdir().unwrap();
    let on_disk =
        engine::run(spec(Some(folder.path()), 7), &mut Collect::default(), &Control::new())
            .unwrap();
    assert_eq!(on_disk.digest, summary.digest, "{name}: shards and memory change nothing");
    assert!(on_disk.checkpoints > 0);

    let rows = Rows::load(&pipeline, &recording, u64::MAX).unwrap();
    // `expired` is the run store's to say.
    let expected = expect(&pipeline, &rows, &pairs(&pipeline, &rows), &claims);
    for (claimed, expected) in claims.verdict.iter_mut().zip(expected.verdicts) {
        if (*claimed, expected) == (Verdict::Unmatched, Verdict::Expired) {
            *claimed = Verdict::Expired;
        }
    }
    let report = reconcile(&pipeline, &rows, &claims).unwrap();
    assert!(
        report.agrees(),
        "{name}: {:#?}",
        &report.differences[..report.unexplained.min(5) as usize]
    );
    assert!(report.same > 1_000, "{name}: {report:?}");
    println!("{name}: truth {}, run {}, {:?}", report.truth, report.run, report.counts);
    claims.verdict.iter().filter(|verdict| **verdict == Verdict::Late).count() as u64
}

#[test]
fn code_changes() {
    assert!(check("code-changes") > 0, "some are late, on purpose");
}

#[test]
fn feed() {
    assert!(check("feed") > 0, "the incident makes some late");
}
