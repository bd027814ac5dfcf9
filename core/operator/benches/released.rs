//! The released semantics beside `clean`: nanoseconds of processor time a row,
//! one core, and the ratio. All joins take the same rows in turn, a million at
//! a time, so that what else the machine does falls on all of them; the ratio
//! is of the medians.
//!
//! `cargo bench -p joinscope-operator --bench released -- [MILLIONS]` (12: two
//! of them to fill the state).

#![expect(clippy::expect_used, reason = "a benchmark may fall over")]

mod feed;

use std::time::Duration;

use feed::{DISORDER, Feed, Keys, pipeline, run};
use joinscope_operator::join::Operator;
use joinscope_operator::join::clean::Clean;
use joinscope_operator::join::flink::Settings;
use joinscope_operator::join::flink::datastream::FlinkDataStream;
use joinscope_operator::join::flink::sql::FlinkSql;
use joinscope_operator::join::kafka_streams::{KafkaStreams, Settings as StreamsSettings};
use joinscope_operator::pipeline::{Kind, Pipeline};

const MILLION: u64 = 1_000_000;

struct Runner {
    name: &'static str,
    join: Box<dyn Operator>,
    feed: Feed,
    rounds: Vec<Duration>,
}

impl Runner {
    fn new(name: &'static str, keys: Keys, join: Box<dyn Operator>) -> Self {
        Self { name, join, feed: Feed::new(2 * MILLION, keys), rounds: Vec::new() }
    }

    /// Nanoseconds a row, the median.
    fn median(&mut self) -> f64 {
        self.rounds.sort();
        self.rounds[self.rounds.len() / 2].as_nanos() as f64 / MILLION as f64
    }
}

/// In the order given, with a grace as large as the disorder.
fn kafka_streams(pipeline: &Pipeline) -> Box<dyn Operator> {
    let mut pipeline = pipeline.clone();
    pipeline.join.released.grace = Some(DISORDER);
    let (settings, inputs) = StreamsSettings::of_pipeline(&pipeline).expect("two streams");
    Box::new(KafkaStreams::new(settings, inputs).expect("sound settings"))
}

fn main() {
    // Cargo says `--bench` too.
    let millions = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(12u64);
    for (keys, said) in [(Keys::Int, "integer keys"), (Keys::Text, "text keys")] {
        let (left, inner) = (pipeline(Kind::Left, None), pipeline(Kind::Inner, None));
        let settings = |pipeline| Settings::of(pipeline).expect("one secondary input");
        let several = Settings { parallelism: 4, ..settings(&left) };
        let mut runners = vec![
            Runner::new("clean, left", keys, Box::new(Clean::new(&left, u64::MAX, None))),
            Runner::new("flink-sql, left", keys, Box::new(FlinkSql::new(settings(&left)))),
            Runner::new("flink-sql, left, parallelism 4", keys, Box::new(FlinkSql::new(several))),
            Runner::new("kafka-streams, left", keys, kafka_streams(&left)),
            Runner::new("clean, inner", keys, Box::new(Clean::new(&inner, u64::MAX, None))),
            Runner::new("flink-sql, inner", keys, Box::new(FlinkSql::new(settings(&inner)))),
            Runner::new(
                "flink-datastream, inner",
                keys,
                Box::new(FlinkDataStream::new(settings(&inner), u64::MAX, None)),
            ),
            Runner::new("kafka-streams, inner", keys, kafka_streams(&inner)),
        ];
        let mut out = Vec::new();
        for round in 0..millions.max(3) {
            for Runner { join, feed, rounds, .. } in &mut runners {
                let took = run(join.as_mut(), feed, MILLION, &mut out);
                out.clear();
                if round >= 2 {
                    rounds.push(took);
                }
            }
        }
        println!("{said}, 2M live rows, {millions}M rows each");
        let mut clean = 0.0;
        for runner in &mut runners {
            let took = runner.median();
            let (rows, bytes) = runner.join.size();
            let a_row = bytes as f64 / rows as f64;
            if runner.name.starts_with("clean") {
                clean = took;
            }
            println!(
                "  {:32} {took:6.0} ns a row, {:.2} of clean, {a_row:.0} bytes a row",
                runner.name,
                took / clean
            );
        }
    }
}
