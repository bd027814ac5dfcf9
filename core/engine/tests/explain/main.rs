//! What `explain` says would have been enough is enough, and one millisecond
//! less is not: random cases are run again with exactly that.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

#[path = "../common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use joinscope_core::engine::{AtEnd, Control, RunSpec, Source as _};
use joinscope_core::operator::pipeline::Pipeline;
use joinscope_core::operator::time::duration_setting;
use joinscope_core::operator::verdict::Verdict;
use joinscope_core::run::explain::{Enough, Whys, explain};
use joinscope_core::run::{
    Expired, InputInfo, LaneInfo, ManifestStart, RecordingRef, Run, RunEnd, RunState, Writer,
};

mod lateness;
mod later;
mod no_match;
mod released;
mod restarts;
mod streams;
mod told;

use common::case::Case;
use common::plain;

/// Runs a case into a run folder.
fn run(case: &Case, dir: &std::path::Path) -> Run {
    let mut writer = writer(case, dir, AtEnd::Close, &[]);
    joinscope_core::engine::run(spec(case, AtEnd::Close), &mut writer, &Control::new()).unwrap();
    writer.finish(RunState::Done, RunEnd::default()).unwrap();
    Run::open(dir).unwrap()
}

/// As `joinscope run` does it where `expired` is possible.
fn judged(case: &Case, dir: &std::path::Path, at_end: AtEnd) -> Run {
    restarted(case, dir, at_end, &[])
}

/// The same with modelled restarts.
fn restarted(case: &Case, dir: &std::path::Path, at_end: AtEnd, restarts: &[u64]) -> Run {
    let mut sink = Expired::new(writer(case, dir, at_end, restarts), &case.pipeline).unwrap();
    let spec = RunSpec { restarts: restarts.to_vec(), ..spec(case, at_end) };
    joinscope_core::engine::run(spec, &mut sink, &Control::new()).unwrap();
    sink.into_writer().finish(RunState::Done, RunEnd::default()).unwrap();
    Run::open(dir).unwrap()
}

fn spec(case: &Case, at_end: AtEnd) -> RunSpec {
    RunSpec {
        pipeline: Arc::clone(&case.pipeline),
        source: case.source.clone(),
        folder: None,
        at_end,
        seed: case.seed,
        restarts: Vec::new(),
        memory: u64::MAX,
        shards: 1,
        checkpoint_records: u64::MAX,
        resume: None,
    }
}

fn writer(case: &Case, dir: &std::path::Path, at_end: AtEnd, restarts: &[u64]) -> Writer {
    let pipeline = &case.pipeline;
    let partitions = case.source.partitions();
    let lanes = pipeline.inputs.iter().enumerate().flat_map(|(i, input)| {
        partitions.iter().filter(|p| p.topic == input.topic).map(move |p| LaneInfo {
            input: i as u8,
            topic: p.topic.clone(),
            partition: p.partition,
        })
    });
    let inputs = pipeline.inputs.iter().map(|i| InputInfo {
        name: i.name.clone(),
        topic: i.topic.clone(),
        max_out_of_orderness: i.watermark.max_out_of_orderness,
    });
    let start = ManifestStart {
        pipeline_file: "case.toml".to_owned(),
        pipeline_text: case.text.clone(),
        overrides: Vec::new(),
        semantics: pipeline.join.semantics.to_string(),
        recording: RecordingRef::default(),
        schemas: None,
        schemas_text: String::new(),
        seed: case.seed,
        at_end: if at_end == AtEnd::Close { "close" } else { "open" }.to_owned(),
        inputs: inputs.collect(),
        lanes: lanes.collect(),
        later: 0,
        sources: Vec::new(),
        restarts: restarts.to_vec(),
        total: None,
        live: None,
    };
    Writer::create(dir, start, pipeline.folds()).unwrap()
}

/// The verdict of a row with one setting changed.
fn verdict_with(case: &Case, path: &str, ms: i64, row: u64) -> Verdict {
    let sets = [(path.to_owned(), duration_setting(ms))];
    let pipeline = Pipeline::parse_with(&case.text, "case.toml", &sets).unwrap();
    let case = Case {
        seed: case.seed,
        text: String::new(),
        pipeline: Arc::new(pipeline),
        source: Arc::clone(&case.source),
        disorder: case.disorder,
    };
    plain::run(&case, true, u64::MAX, None).verdict[row as usize]
}

#[test]
fn what_would_have_been_enough_is_exactly_enough() {
    let mut checked: BTreeMap<String, u64> = BTreeMap::new();
    for seed in (1..800).step_by(2) {
        let case = Case::new(seed, 120);
        let dir = tempfile::tempdir().unwrap();
        let run = run(&case, &dir.path().join("run"));
        let mut left = 8;
        for row in run.page(0, 10_000).unwrap() {
            let told = explain(&run, row.row).unwrap();
            for e in &told.enough {
                let changed = |ms| {
                    let verdict = verdict_with(&case, &e.path, ms, row.row);
                    match row.verdict {
                        Verdict::Late => verdict != Verdict::Late,
                        _ => verdict == Verdict::Joined,
                    }
                };
                let short = if e.at_least { e.ms - 1 } else { e.ms + 1 };
                let at =
                    || format!("seed {seed}, {}, {e:#?}\n{told:#?}\n{}", row.record, case.text);
                assert!(changed(e.ms), "not enough: {}", at());
                // The interval may not be turned upside down to show it.
                let possible = !(e.path.ends_with("until") || e.path.ends_with("after"))
                    || Pipeline::parse_with(
                        &case.text,
                        "case.toml",
                        &[(e.path.clone(), duration_setting(short))],
                    )
                    .is_ok();
                // An idle timeout that is named is enough; a shorter one may be too,
                // since which partition is silent when depends on it.
                let exact = !e.path.ends_with("idle_timeout");
                if possible && exact {
                    assert!(!changed(short), "less is enough: {}", at());
                }
                if row.verdict == Verdict::Late && exact && e.effect.contains("have matched") {
                    let verdict = verdict_with(&case, &e.path, e.ms, row.row);
                    assert_eq!(verdict, Verdict::Joined, "no match: {}", at());
                }
                *checked.entry(kind_of(row.verdict, e)).or_default() += 1;
            }
            left -= i32::from(!told.enough.is_empty());
            if left == 0 {
                break;
            }
        }
    }
    println!("{checked:#?}");
    for kind in ["late out_of_orderness", "late idle_timeout", "unmatched until", "unmatched after"]
    {
        assert!(checked.get(kind).is_some_and(|n| *n >= 12), "{kind}: {checked:?}");
    }
}

fn kind_of(verdict: Verdict, e: &Enough) -> String {
    let setting = e.path.rsplit('.').next().unwrap_or("");
    format!("{verdict} {}", setting.trim_start_matches("max_"))
}

/// Every row of every case has a sentence and a reason; those of a verdict name
/// what made it so.
#[test]
fn every_row_is_explained() {
    let mut sentences: BTreeMap<String, u64> = BTreeMap::new();
    let mut both_late = 0;
    for seed in 0..120 {
        let case = Case::new(seed, 80);
        let dir = tempfile::tempdir().unwrap();
        let run = run(&case, &dir.path().join("run"));
        let mut whys = Whys::new(&run);
        for row in run.page(0, 10_000).unwrap() {
            let told = explain(&run, row.row).unwrap();
            let at = || format!("seed {seed}, {}: {told:#?}\n{}", row.record, case.text);
            assert!(told.sentence.len() > 10, "{}", at());
            let why = whys.of(&row).unwrap();
            // Also where the recording, as here, is not there to be read again.
            assert!(!why.is_empty(), "{}", at());
            // What the join never saw has no interval.
            let mut labels = told.numbers.iter().map(|(label, _)| label.as_str());
            let interval = labels.any(|label| label.starts_with("Interval of "));
            assert!(!interval || row.verdict.passed_the_checks(), "{}", at());
            // Nobody looks for a record as its own partner where the interval leaves it out.
            let itself = told.candidates.iter().filter(|c| c.row.arrival == row.arrival);
            let mut outside = itself.filter(|c| c.why.ends_with("outside"));
            assert!(outside.next().is_none(), "{}", at());
            match row.verdict {
                Verdict::Late => {
                    assert!(told.sentence.starts_with("Arrived "), "{}", at());
                    assert!(told.sentence.contains("behind the event-time watermark"), "{}", at());
                    assert!(
                        (told.sentence.contains("past it") || told.sentence.contains("passed it")),
                        "{}",
                        at()
                    );
                    // In time it would not have met what was dropped as well, unless that
                    // then is in time too.
                    for c in told.candidates.iter().filter(|c| c.row.verdict == Verdict::Late) {
                        let along = c.row.arrival <= row.arrival && c.distance_ms >= Some(0);
                        assert!(along || c.why != "in the interval", "{}", at());
                        both_late += u32::from(c.why.ends_with(" late"));
                    }
                }
                Verdict::Joined => {
                    assert!(told.candidates.iter().any(|c| c.matched), "{}", at());
                }
                Verdict::Unmatched => {
                    assert!(told.candidates.iter().all(|c| !c.matched), "{}", at());
                }
                _ => {}
            }
            // Pairs that the outputs name are candidates that matched.
            if !run.pipeline().folds() {
                let named = told.outputs.iter().filter(|o| o.rows.len() == 2).count();
                let matched = told.candidates.iter().filter(|c| c.matched).count();
                assert_eq!(named.min(20), matched.min(20), "{}", at());
            }
            *sentences.entry(row.verdict.to_string()).or_default() += 1;
            let json = told.to_json(&run);
            assert_eq!(json["verdict"], row.verdict.name());
        }
    }
    assert!(sentences.len() >= 8, "{sentences:?}");
    assert!(both_late > 0);
}
