//! The whole way: recording file, engine, run store; then the run folder alone
//! against the truth, `expired` and all.

use std::sync::atomic::AtomicBool;

use joinscope_core::analyses::truth::{Kind, of_run};
use joinscope_core::edges::pipeline_file::PipelineFile;
use joinscope_core::edges::recording::{Recording, Writer, WriterOptions};
use joinscope_core::engine::{AtEnd, Control};
use joinscope_core::operator::verdict::Verdict;
use joinscope_core::run::{Execute, Run, VerdictSet, execute};

use crate::common::case::Case;

#[test]
fn what_a_run_folder_says_agrees_with_the_truth() {
    let (mut outputs, mut expired, mut last) = (0, 0, 0);
    for seed in 0..100 {
        let case = Case::new(seed, 400);
        // A recording's arrival times are not negative.
        if case.source.records.iter().any(|record| record.arrival_ns < 0) {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let pipeline = folder.path().join("case.toml");
        std::fs::write(&pipeline, &case.text).unwrap();
        let recording = folder.path().join("case.mcap");
        let mut writer = Writer::create(&recording, WriterOptions::default()).unwrap();
        for partition in &case.source.partitions {
            writer.partition(partition.clone()).unwrap();
        }
        for record in &case.source.records {
            writer.add(record).unwrap();
        }
        writer.finish().unwrap();

        let dir = folder.path().join("run");
        let mut spec = Execute::new(
            PipelineFile::open(&pipeline, &[]).unwrap(),
            Recording::open(&recording).unwrap(),
            dir.clone(),
        );
        spec.shards = 1 + seed as usize % 3;
        spec.memory = if seed.is_multiple_of(2) { 0 } else { 1 << 30 };
        spec.checkpoint_records = 70;
        spec.at_end = if seed.is_multiple_of(3) { AtEnd::Close } else { AtEnd::Open };
        let summary = execute(spec, &Control::new()).unwrap();

        let run = Run::open(&dir).unwrap();
        let report = of_run(&run, &AtomicBool::new(false), &mut |at| {
            assert!(at.read <= at.of);
            last = at.of;
        })
        .unwrap();
        assert!(
            report.agrees(),
            "seed {seed}: {:#?}\n{}",
            &report.differences[..report.differences.len().min(3)],
            case.text
        );
        assert_eq!(last, summary.rows + summary.outputs);
        outputs += report.run;
        expired += run.count(VerdictSet::of(Verdict::Expired));
        assert!(report.differences.iter().all(|d| d.kind != Kind::Verdict));
    }
    assert!(outputs > 3_000, "{outputs}");
    assert!(expired > 0, "{expired}");
}
