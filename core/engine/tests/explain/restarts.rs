//! What the run store says of a run with modelled restarts: everything that goes
//! by the event-time watermark, against the rows looked at one by one.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use joinscope_core::engine::AtEnd;
use joinscope_core::operator::pipeline::Pipeline;
use joinscope_core::operator::record::{Record, TimestampType, TopicPartition};
use joinscope_core::operator::verdict::Verdict;
use joinscope_core::run::explain::{Figure, explain};
use joinscope_core::run::{Axis, Range, RowView, Run};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::common::case::{Case, List};
use crate::restarted;

/// ms.
const DISORDER: i64 = 20;

fn pipeline(join: &str) -> String {
    let mut text = "name = \"restarts\"\n".to_owned();
    for input in ["views", "plays"] {
        text += &format!(
            "[inputs.{input}]\ntopic = \"{input}\"\nformat = \"json\"\nkey = \"k\"\n\
             event_time = {{ field = \"t\", unit = \"ms\" }}\n\
             watermark = {{ max_out_of_orderness = \"{DISORDER}ms\" }}\n"
        );
    }
    format!("{text}[join]\nprimary = \"views\"\nwith.plays = {{ until = \"100ms\" }}\n{join}")
}

const SQL: &str = "kind = \"left\"\nsemantics = \"flink-sql\"\n";
const DATASTREAM: &str = "kind = \"inner\"\nsemantics = \"flink-datastream\"\n";

/// Records by (source, key, time), a millisecond apart; two partitions a topic.
fn case(join: &str, records: &[(u32, String, i64)]) -> Case {
    let text = pipeline(join);
    let partitions = ["views", "plays"].into_iter().flat_map(|topic| {
        (0..2).map(move |partition| TopicPartition { topic: Arc::from(topic), partition })
    });
    let mut next = [0; 4];
    let records = records.iter().enumerate().map(|(n, (source, key, time))| {
        let offset = next[*source as usize];
        next[*source as usize] += 1;
        Record {
            arrival: n as u64,
            arrival_ns: n as i64 * 1_000_000,
            source: *source,
            offset,
            timestamp: Some(0),
            timestamp_type: TimestampType::Create,
            leader_epoch: None,
            key: None,
            value: Some(format!("{{\"k\":\"{key}\",\"t\":{time}}}").into_bytes().into()),
            headers: Vec::new(),
        }
    });
    let records = records.collect();
    let source = Arc::new(List { partitions: partitions.collect(), records });
    let pipeline = Arc::new(Pipeline::parse(&text, "restarts.toml").unwrap());
    Case { seed: 0, text, pipeline, source, disorder: true }
}

fn random(seed: u64, n: i64) -> Vec<(u32, String, i64)> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let record = |i: i64| {
        let back = if random.random_range(0..5) == 0 { 200 } else { 15 };
        let time = 10_000 + i - random.random_range(0..back);
        (random.random_range(0..4u32), format!("k{}", random.random_range(0..20)), time)
    };
    (0..n).map(record).collect()
}

/// The last restart at or before an arrival, and the next one.
fn stretch(restarts: &[u64], at: u64, end: u64) -> (u64, u64) {
    let before = restarts.iter().copied().filter(|restart| *restart <= at);
    let after = restarts.iter().copied().filter(|restart| *restart > at);
    (before.max().unwrap_or(0), after.min().unwrap_or(end))
}

#[test]
fn watermarks_begin_anew_at_each_restart() {
    let mut expired = 0;
    for (seed, join) in [SQL, DATASTREAM].into_iter().enumerate() {
        let restarts = [300, 301, 1_024, 2_222, 2_999];
        let case = case(join, &random(seed as u64, 3_000));
        let folder = tempfile::tempdir().unwrap();
        let run = restarted(&case, &folder.path().join("run"), AtEnd::Open, &restarts);
        assert_eq!(run.manifest().start.restarts, restarts);
        let rows = run.page(0, 10_000).unwrap();
        assert_eq!(rows.len(), 3_000);
        for at in (0..2_999).step_by(13).chain([299, 300, 301, 302, 1_023, 1_024, 2_221, 2_998]) {
            let after = run.watermarks_at(at).unwrap();
            let next = &rows[at as usize + 1];
            let expected = if restarts.contains(&(at + 1)) { None } else { after.join };
            assert_eq!(next.watermark, expected, "before arrival {}", at + 1);
            let (from, _) = stretch(&restarts, at, 3_000);
            for (lane, found) in after.lanes.iter().enumerate() {
                let own = rows[from as usize..=at as usize].iter();
                let own = own.filter(|row| row.lane as usize == lane);
                assert_eq!(found.max_seen, own.filter_map(|row| row.event_time).max());
            }
        }
        lines_fall_to_none(&run, &restarts);
        event_time_is_a_scale(&run, &rows);
        lateness_is_what_was_judged(&run, &rows);
        late_rows_are_explained(&run, &rows, &restarts);
        expired += verdicts_know_what_had_gone(&rows);
    }
    assert!(expired > 20, "{expired}");
}

/// 3-semantics, "The verdict": one that matched nothing is expired if a row within
/// its interval had come before, or if it was itself not kept and one came after.
fn verdicts_know_what_had_gone(rows: &[RowView]) -> u32 {
    let inside = |a: &RowView, b: &RowView| {
        let (view, play) = if a.input == 0 { (a, b) } else { (b, a) };
        let apart = play.event_time.unwrap() - view.event_time.unwrap();
        a.input != b.input && a.key == b.key && (0..=100).contains(&apart)
    };
    let mut expired = 0;
    for (i, row) in rows.iter().enumerate() {
        let verdict = match row.verdict {
            Verdict::Unmatched | Verdict::Expired => row.verdict,
            _ => continue,
        };
        let came = |other: &&RowView| other.verdict.reaches_join() && inside(row, other);
        let before = rows[..i].iter().any(|other| came(&other));
        let after = row.reason.not_kept() && rows[i + 1..].iter().any(|other| came(&other));
        let expected = if before || after { Verdict::Expired } else { Verdict::Unmatched };
        assert_eq!(verdict, expected, "{row:#?}");
        expired += u32::from(expected == Verdict::Expired);
    }
    expired
}

/// Fine and by blocks.
fn lines_fall_to_none(run: &Run, restarts: &[u64]) {
    let lanes: Vec<u32> = (0..4).collect();
    let range = Range { axis: Axis::Arrival, from: 0, to: 3_000 };
    for (buckets, finest) in [(600usize, 1u64), (7, 256)] {
        let lines = run.lines(range, &lanes, buckets).unwrap();
        let mut told = 0;
        for bucket in 0..buckets {
            let (from, end) = (lines.arrivals[bucket], lines.arrivals[bucket + 1]);
            if restarts.iter().any(|restart| (from..end).contains(restart)) {
                assert_eq!(lines.join[bucket], None);
                assert!(lines.lane_lines.iter().chain(&lines.inputs).all(|l| l[bucket].is_none()));
                continue;
            }
            // At the end of the bucket, or up to a block further.
            let further = (end - 1 + finest).min(stretch(restarts, from, 3_000).1) - 1;
            let (exact, most) =
                (run.watermarks_at(end - 1).unwrap(), run.watermarks_at(further).unwrap());
            for (lane, line) in lines.lane_lines.iter().enumerate() {
                let value = line[bucket].map(|value| value.max);
                assert!(exact.lanes[lane].watermark <= value, "lane {lane} before {end}");
                assert!(value <= most.lanes[lane].watermark, "lane {lane} before {end}");
                told += u32::from(value.is_some());
            }
            for (input, line) in lines.inputs.iter().enumerate() {
                let value = line[bucket].map(|value| value.max);
                assert!(exact.inputs[input] <= value, "input {input} before {end}");
                assert!(value <= most.inputs[input], "input {input} before {end}");
            }
        }
        assert!(told > 4, "{told}");
    }
}

/// An edge is the first arrival at which the join's was so far for the first time.
fn event_time_is_a_scale(run: &Run, rows: &[RowView]) {
    let known = || rows.iter().filter_map(|row| row.watermark);
    let (from, to) = (known().min().unwrap() - 5, known().max().unwrap() + 5);
    let buckets = 97usize;
    let range = Range { axis: Axis::EventTime, from, to };
    let lines = run.lines(range, &[], buckets).unwrap();
    for (i, edge) in lines.arrivals.iter().enumerate() {
        let time = from + (to - from) * i as i64 / buckets as i64;
        let first = rows.iter().position(|row| row.watermark.is_some_and(|w| w >= time));
        assert_eq!(*edge as usize, first.unwrap_or(rows.len()), "event time {time}");
    }
}

fn lateness_is_what_was_judged(run: &Run, rows: &[RowView]) {
    let (mut levels, mut late) = (run.levels(), 0);
    run.needs(&mut levels, run.arrivals(), &AtomicBool::new(false), |need| {
        let row = &rows[need.row as usize];
        let by = row.watermark.map_or(0, |watermark| (watermark - need.event_time).max(0));
        assert_eq!(need.late_by, by, "row {}", need.row);
        assert_eq!(need.late_by > 0, need.all > DISORDER, "row {}", need.row);
        late += u32::from(by > 0);
    })
    .unwrap();
    assert!(late > 100, "{late}");
}

fn late_rows_are_explained(run: &Run, rows: &[RowView], restarts: &[u64]) {
    let late = rows.iter().filter(|row| row.verdict == Verdict::Late);
    for row in late.step_by(7) {
        let (from, _) = stretch(restarts, row.arrival, 3_000);
        let own = &rows[from as usize..=row.arrival as usize];
        let past = own.iter().find(|other| other.watermark > row.event_time).unwrap();
        let numbers = explain(run, row.row).unwrap().numbers;
        let passed = numbers.iter().find(|(label, _)| label == "Watermark passed it");
        let Some((_, Figure::Arrival(at, _))) = passed else { panic!("{numbers:?}") };
        assert_eq!(*at + 1, past.arrival, "{}", row.record);
    }
}

#[test]
fn what_had_passed_before_a_restart_still_makes_a_verdict_expired() {
    // W is 1,280 before arrival 3 (1,279 in DataStream): view a has gone.
    let record = |source: u32, key: &str, time: i64| (source, key.to_owned(), time);
    let records = [
        record(0, "a", 1_000),
        record(2, "z", 1_300),
        record(0, "z", 1_300),
        // In time after the restart, and in a's interval.
        record(2, "a", 1_050),
        record(2, "y", 2_000),
        record(0, "y", 2_000),
    ];
    for join in [SQL, DATASTREAM] {
        // One partition a topic gives nothing: two sources of four are idle from the start.
        let timeout = |text: &str| text.replace("\"20ms\" }", "\"20ms\", idle_timeout = \"1ms\" }");
        let mut case = case(join, &records);
        case.text = timeout(&case.text);
        case.pipeline = Arc::new(Pipeline::parse(&case.text, "restarts.toml").unwrap());
        let folder = tempfile::tempdir().unwrap();
        let run = restarted(&case, &folder.path().join("run"), AtEnd::Close, &[3]);
        let play = run.row(3).unwrap();
        assert_eq!(play.verdict, Verdict::Expired, "{play:#?}");
        let sentence = explain(&run, 3).unwrap().sentence;
        assert!(sentence.contains("views[0]@0 lies in its interval"), "{sentence}");
        let only =
            "only because it forgot the event-time watermark at the restart before arrival 3";
        assert!(sentence.contains(only), "{sentence}");
        // Nobody owes anything to a restart before it.
        assert!(!explain(&run, 2).unwrap().sentence.contains("restart"));
        assert!(!explain(&run, 4).unwrap().sentence.contains("restart"));
    }
}
