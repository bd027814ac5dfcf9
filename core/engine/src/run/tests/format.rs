//! A run of the format before, whose pyramids and ticks are plain entries, answers as
//! its rows say. `format-2` was written by the last program of that format: 1,347
//! records of `generate feed --views 1100 --rate 2`, engagements feeding two inputs.

use std::path::Path;

use crate::run::{Axis, Range, Run};

fn older(dir: &Path) -> Run {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/run/tests/format-2");
    std::fs::create_dir(dir.join("segments")).unwrap();
    for file in ["manifest.json", "pipeline.toml"] {
        std::fs::copy(from.join(file), dir.join(file)).unwrap();
    }
    for part in ["rows.parquet", "decisions.parquet", "outputs.parquet", "index"] {
        let part = format!("segments/00000000.{part}");
        std::fs::copy(from.join(&part), dir.join(&part)).unwrap();
    }
    Run::open(dir).unwrap()
}

#[test]
fn a_run_of_the_format_before_answers_as_its_rows_say() {
    let dir = tempfile::tempdir().unwrap();
    let run = older(dir.path());
    assert_eq!(run.manifest().format, 2);
    // What its checkpoint held on disk was not written then: it is not taken for nothing.
    let taken = run.checkpoints();
    assert_eq!(taken.iter().map(|c| (c.epoch, c.disk_bytes)).collect::<Vec<_>>(), [(2794, None)]);
    let (arrivals, rows) = (run.arrivals(), run.rows());
    assert!(arrivals > 4 * 256 && rows > arrivals, "{arrivals} arrivals, {rows} rows");
    let all = run.page(0, rows as usize).unwrap();
    let lanes: Vec<u32> = (0..run.manifest().start.lanes.len() as u32).collect();

    let mut counted = 0;
    // By blocks of 256 arrivals and, of fewer, row by row; from within too.
    for (from, to, buckets) in [(0, arrivals, 4), (0, arrivals, 40), (256, 1024, 3), (77, 900, 1)] {
        let range = Range { axis: Axis::Arrival, from: from as i64, to: to as i64 };
        let density = run.density(range, &lanes, buckets).unwrap();
        for (place, lane) in lanes.iter().enumerate() {
            let mut want = [0u32; 10];
            let own = all.iter().filter(|r| r.lane == *lane && (from..to).contains(&r.arrival));
            own.for_each(|r| want[r.verdict as usize] += 1);
            let mut found = [0u32; 10];
            for counts in &density.counts[place * buckets..][..buckets] {
                found.iter_mut().zip(counts).for_each(|(sum, n)| *sum += n);
            }
            // A block that lies across an end is shared out.
            if (from, to) != (77, 900) {
                assert_eq!(found, want, "lane {lane}, {from}..{to} in {buckets}");
                counted += found.iter().sum::<u32>();
            }
        }
    }
    assert!(u64::from(counted) > 2 * rows, "{counted}");

    let whole = Range { axis: Axis::Arrival, from: 0, to: arrivals as i64 };
    assert_eq!(run.state_lines(whole, 4).unwrap().disk_bytes, [None; 4]);
    let lines = run.lines(whole, &lanes, 4).unwrap();
    let last = run.watermarks_at(arrivals - 1).unwrap();
    for (bucket, edge) in lines.arrivals[1..4].iter().enumerate() {
        let join = lines.join[bucket].map(|line| line.max);
        let tick = run.watermarks_at(edge / 256 * 256 - 1).unwrap();
        assert!(join.is_some() && join >= tick.join, "bucket {bucket}: {join:?}");
        assert!(join <= last.join, "bucket {bucket}: {join:?}");
    }
    for view in all.iter().step_by(97) {
        assert_eq!(run.find(&view.record).unwrap().first().map(|r| r.arrival), Some(view.arrival));
    }
    let times = run.arrival_time_range().unwrap().unwrap();
    let in_time = Range { axis: Axis::ArrivalTime, from: times.0, to: times.1 + 1 };
    let density = run.density(in_time, &lanes, 2).unwrap();
    let sum: u32 = density.counts.iter().flatten().sum();
    assert_eq!(u64::from(sum), rows);
}
