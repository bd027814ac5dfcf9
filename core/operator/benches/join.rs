//! `clean` and the event-time watermarks, in nanoseconds a row, one core.
//!
//! `cargo bench -p joinscope-operator --bench join` (the workspace has one
//! optimised profile: add `--profile dev` to compile nothing anew).

#![expect(clippy::expect_used, reason = "a benchmark may fall over")]

mod feed;

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use feed::{DISORDER, Feed, INTERVAL, Keys, cpu, pipeline, run};
use joinscope_operator::join::Operator as _;
use joinscope_operator::join::clean::Clean;
use joinscope_operator::pipeline::{Emit, Kind, Secondary, Semantics, WatermarkSpec};
use joinscope_operator::watermark::{Sources, Tracker, TrackerInput};

fn clean(c: &mut Criterion) {
    // An interval of 10 ms: what is measured is one key with a million rows.
    let mut narrow = pipeline(Kind::Left, None);
    narrow.join.with[0] = Secondary { input: 1, after: INTERVAL - 10, until: INTERVAL };
    for (name, live, keys, join) in [
        ("clean, 2M live rows, integer keys", 2_000_000, Keys::Int, pipeline(Kind::Left, None)),
        ("clean, 2M live rows, text keys", 2_000_000, Keys::Text, pipeline(Kind::Left, None)),
        (
            "clean, 2M live rows, folded on close",
            2_000_000,
            Keys::Int,
            pipeline(Kind::Left, Some(Emit::OnClose)),
        ),
        ("clean, 20k live rows, integer keys", 20_000, Keys::Int, pipeline(Kind::Left, None)),
        ("clean, one key with 1M rows", 1_000_000, Keys::One, narrow),
    ] {
        let mut ready = None;
        c.bench_function(name, |b| {
            let (clean, feed, out) = ready.get_or_insert_with(|| {
                let mut clean = Clean::new(&join, u64::MAX, None);
                let (mut feed, mut out) = (Feed::new(live, keys), Vec::new());
                run(&mut clean, &mut feed, live * 3 / 2, &mut out);
                let (rows, bytes) = clean.size();
                eprintln!("{rows} rows at rest, {:.1} bytes a row", bytes as f64 / rows as f64);
                (clean, feed, out)
            });
            b.iter_custom(|iters| run(clean, feed, iters, out));
        });
    }
}

fn tracker(c: &mut Criterion) {
    for (name, partitions) in
        [("tracker, 2 x 4 partitions", 4u32), ("tracker, 2 x 5,000 partitions", 5000)]
    {
        let spec = WatermarkSpec {
            max_out_of_orderness: DISORDER,
            idle_timeout: Some(30_000),
            ..WatermarkSpec::default()
        };
        let (semantics, sources) = (Semantics::Clean, Sources::default());
        let mut tracker =
            Tracker::new(vec![TrackerInput { spec, partitions, semantics, sources }; 2]);
        let (mut seed, mut arrival) = (1u64, 0u64);
        c.bench_function(name, |b| {
            b.iter_custom(|iters| {
                let start = cpu();
                for _ in 0..iters {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    arrival += 1;
                    let lane = (seed >> 33) as u32 % (2 * partitions);
                    let now = (arrival / 4) as i64;
                    while let Some(due) = tracker.next_due(now) {
                        tracker.fire(due, arrival);
                    }
                    let time = now - ((seed >> 50) & 1023) as i64;
                    black_box(tracker.observe(lane, time, now, arrival));
                }
                cpu().saturating_sub(start)
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    targets = tracker, clean
}
criterion_main!(benches);
