//! Runs whose clock said more than their records do: live ones, and replays of their
//! logs.

use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use joinscope_core::analyses::truth::of_run;
use joinscope_core::edges::pipeline_file::PipelineFile;
use joinscope_core::edges::recording::{
    ClockEntry, ClockEntryKind, Recording, Writer, WriterOptions,
};
use joinscope_core::engine::Control;
use joinscope_core::operator::record::{Record, TimestampType, TopicPartition};
use joinscope_core::operator::verdict::Verdict;
use joinscope_core::run::{Execute, Run, VerdictSet, execute};

/// Views, and plays up to 100 ms after them.
const PIPELINE: &str = r#"
name = "clock"
[inputs.views]
topic = "views"
format = "json"
key = "k"
event_time = { field = "t", unit = "ms" }
watermark = { max_out_of_orderness = "10ms", idle_timeout = "100ms" }
[inputs.plays]
topic = "plays"
format = "json"
key = "k"
event_time = { field = "t", unit = "ms" }
watermark = { max_out_of_orderness = "10ms", idle_timeout = "100ms" }
[join]
primary = "views"
with.plays = { after = "0s", until = "100ms" }
kind = "left"
[delivery]
checkpoint_interval = "1s"
"#;

enum Said<'a> {
    /// Topic, arrival (ms), key, event time (ms).
    Record(&'a str, i64, &'a str, i64),
    /// At (ms).
    Clock(i64, ClockEntryKind),
}

/// Runs it over a recording of this.
fn run(folder: &std::path::Path, said: &[Said<'_>]) -> Run {
    let (pipeline, recording) = (folder.join("p.toml"), folder.join("r.mcap"));
    std::fs::write(&pipeline, PIPELINE).unwrap();
    let mut writer = Writer::create(&recording, WriterOptions::default()).unwrap();
    for topic in ["views", "plays"] {
        writer.partition(TopicPartition { topic: topic.into(), partition: 0 }).unwrap();
    }
    let (mut arrival, mut offsets) = (0, [0, 0]);
    for said in said {
        match said {
            Said::Record(topic, ms, key, time) => {
                let source = usize::from(*topic == "plays");
                let record = Record {
                    arrival,
                    arrival_ns: ms * 1_000_000,
                    source: source as u32,
                    offset: offsets[source],
                    timestamp: None,
                    timestamp_type: TimestampType::None,
                    leader_epoch: None,
                    key: None,
                    value: Some(Bytes::from(format!("{{\"k\":\"{key}\",\"t\":{time}}}"))),
                    headers: Vec::new(),
                };
                offsets[source] += 1;
                arrival += 1;
                writer.add(&record).unwrap();
            }
            Said::Clock(ms, kind) => {
                let at_ns = ms * 1_000_000;
                let entry = ClockEntry { precedes: arrival, at_ns, kind: kind.clone() };
                writer.clock(&entry).unwrap();
            }
        }
    }
    writer.finish().unwrap();
    let dir = folder.join("run");
    let pipeline = PipelineFile::open(&pipeline, &[]).unwrap();
    let recording = Recording::open(&recording).unwrap();
    execute(Execute::new(pipeline, recording, dir.clone()), &Control::new()).unwrap();
    Run::open(&dir).unwrap()
}

#[test]
fn what_the_clock_set_off_behind_the_last_record_is_no_difference() {
    let folder = tempfile::tempdir().unwrap();
    // Plays go idle at 1150, behind the last record: view a leaves and is padded.
    let said = [
        Said::Record("views", 1_000, "a", 100),
        Said::Record("plays", 1_050, "x", 90),
        Said::Record("views", 1_090, "b", 400),
        Said::Clock(1_160, ClockEntryKind::Tick),
    ];
    let run = run(folder.path(), &said);
    assert_eq!((run.outputs(), run.count(VerdictSet::of(Verdict::Open))), (1, 1));
    assert_eq!(run.watermarks_at(2).unwrap().join, Some(79), "just after the last record");
    assert_eq!(run.last_watermark().unwrap(), Some(389));
    let report = of_run(&run, &AtomicBool::new(false), &mut |_| {}).unwrap();
    assert!(report.agrees(), "{:#?}", report.differences);
}

#[test]
fn what_was_held_made_nothing_late() {
    let folder = tempfile::tempdir().unwrap();
    // Without the hold plays would be idle from 1150 on, and view c late.
    let said = [
        Said::Record("views", 1_000, "a", 100),
        Said::Record("plays", 1_050, "x", 90),
        Said::Clock(1_080, ClockEntryKind::Held("plays[0]".to_owned())),
        Said::Record("views", 1_090, "b", 400),
        Said::Record("views", 1_180, "c", 120),
        // It is free again, goes idle, and what comes then is late.
        Said::Clock(1_200, ClockEntryKind::Free("plays[0]".to_owned())),
        Said::Record("views", 1_270, "d", 410),
        Said::Record("views", 1_310, "e", 130),
    ];
    let run = run(folder.path(), &said);
    let rows = run.page(0, 10).unwrap();
    let late: Vec<u64> = rows.iter().filter(|r| r.late_by.is_some()).map(|r| r.row).collect();
    assert_eq!(late, [5]);
    let (mut found, mut needed) = (Vec::new(), Vec::new());
    run.needs(&mut run.levels(), run.arrivals(), &AtomicBool::new(false), |need| {
        if need.late_by > 0 {
            found.push(need.row);
        }
        needed.push(need.all);
    })
    .unwrap();
    assert_eq!(found, late);
    // Behind 410 of the views: 130 is late at less than 279 ms.
    assert_eq!(needed, [0, 0, 0, 0, 0, 279]);
}
