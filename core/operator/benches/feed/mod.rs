//! The reference workload in small, for the benchmarks of joins.

#![allow(dead_code, reason = "each benchmark uses its part")]

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use joinscope_operator::join::{Effect, Operator, Watermarks};
use joinscope_operator::key::{Key, KeyValue};
use joinscope_operator::pipeline::{
    Delivery, Emit, EventTime, Examples, Format, Guarantee, Input, Join, KeyField, Kind,
    LatePolicy, OutputTime, Pipeline, Released, Secondary, Semantics, WatermarkSpec,
};
use joinscope_operator::state::Row;

pub const INTERVAL: i64 = 30 * 60_000;
pub const DISORDER: i64 = 60_000;

pub fn pipeline(kind: Kind, emit: Option<Emit>) -> Pipeline {
    let input = |name: &str| Input {
        name: name.into(),
        topic: name.into(),
        format: Format::Json,
        key: KeyField::Kafka,
        event_time: EventTime::Timestamp,
        schema: None,
        watermark: WatermarkSpec { max_out_of_orderness: DISORDER, ..WatermarkSpec::default() },
        filter: Vec::new(),
    };
    Pipeline {
        name: "bench".to_owned(),
        inputs: vec![input("views"), input("engagements")],
        join: Join {
            primary: 0,
            with: vec![Secondary { input: 1, after: 0, until: INTERVAL }],
            kind,
            semantics: Semantics::Clean,
            released: Released::default(),
            late: LatePolicy::Drop,
            output_time: OutputTime::Larger,
        },
        examples: emit.map(|emit| Examples { emit, labels: Vec::new() }),
        delivery: Delivery {
            guarantee: Guarantee::ExactlyOnce,
            checkpoint_interval: 1000,
            job: None,
        },
        sink: None,
    }
}

#[derive(Clone, Copy)]
pub enum Keys {
    Int,
    Text,
    /// One key has all rows.
    One,
}

/// Views at a steady pace, each sixth row an engagement of a view of the last
/// minutes, event times out of order by up to a minute.
pub struct Feed {
    seed: u64,
    arrival: u64,
    views: u64,
    per_second: u64,
    keys: Keys,
    largest: i64,
}

impl Feed {
    pub fn new(live: u64, keys: Keys) -> Self {
        let per_second = live * 1000 / (INTERVAL + DISORDER) as u64;
        Self { seed: 1, arrival: 0, views: 0, per_second, keys, largest: 0 }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.seed >> 33) % below
    }

    pub fn row(&mut self) -> Row {
        let engagement = self.arrival % 6 == 5;
        let at = self.views * 1000 / self.per_second;
        let (view, time) = if engagement {
            let back = self.random((self.per_second * 600).min(self.views.max(1)));
            (self.views - back, at as i64 - self.random(1000) as i64)
        } else {
            self.views += 1;
            (self.views, at as i64 - (self.random(1000) * self.random(60)) as i64)
        };
        self.arrival += 1;
        self.largest = self.largest.max(time);
        let key = match self.keys {
            Keys::Int => Key::new(KeyValue::Int(view as i64)),
            Keys::Text => Key::new(KeyValue::String(&format!("v-{view:010}"))),
            Keys::One => Key::new(KeyValue::Int(1)),
        };
        Row {
            key,
            input: u8::from(engagement),
            time,
            arrival: self.arrival,
            row: self.arrival,
            partition: 0,
            offset: self.arrival as i64,
            labels: 0,
            matched: false,
            corrections: 0,
            folded: Vec::new(),
        }
    }
}

/// Time on the processor where the system tells it (Linux), so that what else
/// runs does not count; else by the clock.
pub fn cpu() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse().ok())
        .map_or_else(|| START.elapsed(), Duration::from_nanos)
}

/// Runs rows through the join, and gives how long it took without making them.
pub fn run(join: &mut dyn Operator, feed: &mut Feed, rows: u64, out: &mut Vec<Effect>) -> Duration {
    let mut took = Duration::ZERO;
    let mut rest = rows;
    while rest > 0 {
        let n = rest.min(4096);
        let batch: Vec<(Row, i64)> =
            (0..n).map(|_| (feed.row(), feed.largest - DISORDER - 1)).collect();
        let hashes: Vec<u64> = batch.iter().map(|(row, _)| row.key.hash64()).collect();
        rest -= n;
        let start = cpu();
        let mut before = i64::MIN;
        for (i, (row, watermark)) in batch.into_iter().enumerate() {
            if i % 64 == 0 {
                join.near(&hashes[i..(i + 64).min(hashes.len())]);
            }
            let arrival = row.arrival;
            // Arrivals are the feed's own: the largest event time so far.
            join.clock(watermark + DISORDER + 1, arrival, out).expect("memory only");
            let watermarks = Watermarks { join: before, inputs: &[] };
            join.row(row, None, watermarks, out).expect("memory only");
            let watermarks = Watermarks { join: watermark, inputs: &[] };
            join.advance(arrival, watermarks, out).expect("memory only");
            before = watermark;
            if out.len() > 1024 {
                out.clear();
            }
        }
        took += cpu().saturating_sub(start);
    }
    took
}
