//! `joinscope bench record`: what `record` takes from a broker, beside what
//! librdkafka alone consumes from the same broker.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use joinscope_core::edges::kafka::{
    self, Isolation, RecordSpec, Settings, Start, Until, consume_alone,
};
use joinscope_core::edges::recording::{ArrivalOrder, Compression};
use joinscope_core::process::process_cpu;
use serde_json::json;

use super::Answer;
use super::cluster::{ClusterArgs, thousands};

/// Reads topics as librdkafka alone would, and as record does, in turns, and
/// prints the ratios (1 is the speed of librdkafka alone, in this program and with
/// its allocator: it is quicker there than with that of most systems).
///
/// Example: joinscope bench record --brokers localhost:9092 --topics views
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct BenchRecord {
    #[command(flatten)]
    cluster: ClusterArgs,
    #[arg(long, required = true, num_args = 1.., value_delimiter = ',', value_name = "TOPIC")]
    topics: Vec<String>,
    /// How often each is measured; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Where the recordings are written, and removed again
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[arg(long)]
    json: bool,
}

const MEMORY: u64 = 256 << 20;

/// A measurement: records and seconds.
#[derive(Clone, Copy)]
struct Took {
    records: u64,
    seconds: f64,
    /// Of this process.
    cpu: f64,
}

impl Took {
    fn rate(self) -> f64 {
        self.records as f64 / self.seconds.max(1e-9)
    }
}

/// The middle one; of an even number the larger of the two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Runs the verb.
pub fn run(args: &BenchRecord) -> anyhow::Result<Answer> {
    let settings = args.cluster.settings()?;
    let dir = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    let file = dir.join(format!("joinscope-bench-record-{}.mcap", std::process::id()));
    let ways = [
        ("librdkafka alone", None),
        ("record --arrival read", Some(ArrivalOrder::Read)),
        ("record (merge by timestamp)", Some(ArrivalOrder::Timestamp)),
    ];
    let mut all: [Vec<Took>; 3] = Default::default();
    for _ in 0..args.rounds {
        for ((_, order), all) in ways.iter().zip(&mut all) {
            all.push(match order {
                None => alone(args, &settings)?,
                Some(order) => recorded(args, &settings, *order, &file)?,
            });
        }
    }
    let mut out = std::io::stdout().lock();
    // Each round's ratio is of measurements made one after the other.
    let ratios = all.each_ref().map(|way| {
        let ratios = way.iter().zip(&all[0]);
        median(ratios.map(|(way, alone)| way.rate() / alone.rate().max(1e-9)).collect())
    });
    let ratio = |i: usize| ratios[i];
    let took = all.map(|mut way| {
        way.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        way[way.len() / 2]
    });
    if args.json {
        let entry = |i: usize| {
            json!({
                "records": took[i].records,
                "seconds": took[i].seconds,
                "cpu_seconds": took[i].cpu,
                "records_per_second": took[i].rate(),
                "ratio": ratio(i),
            })
        };
        let answer = json!({ "alone": entry(0), "read": entry(1), "merge": entry(2) });
        writeln!(out, "{answer}")?;
    } else {
        for (i, (name, _)) in ways.iter().enumerate() {
            writeln!(
                out,
                "{name:<28} {:>12} records in {:.2} s ({:.2} s of CPU), {:>10} a second, ratio {:.2}",
                thousands(took[i].records),
                took[i].seconds,
                took[i].cpu,
                thousands(took[i].rate() as u64),
                ratio(i)
            )?;
        }
    }
    Ok(Answer::Yes)
}

fn alone(args: &BenchRecord, settings: &Settings) -> anyhow::Result<Took> {
    let (begin, cpu) = (Instant::now(), process_cpu());
    let consumed = consume_alone(settings, &args.topics, args.cluster.timeout, MEMORY)?;
    // With the connection and the questions before, as record has them too.
    Ok(Took {
        records: consumed.records,
        seconds: begin.elapsed().as_secs_f64(),
        cpu: process_cpu().saturating_sub(cpu).as_secs_f64(),
    })
}

fn recorded(
    args: &BenchRecord,
    settings: &Settings,
    order: ArrivalOrder,
    file: &Path,
) -> anyhow::Result<Took> {
    let spec = RecordSpec {
        settings: settings.clone(),
        topics: args.topics.clone(),
        start: Start::Earliest,
        until: Until::Now,
        limit: None,
        isolation: Isolation::ReadUncommitted,
        order,
        registry: None,
        patience: args.cluster.timeout,
        memory: MEMORY,
        compression: Compression::default(),
        redact: None,
    };
    let (begin, cpu) = (Instant::now(), process_cpu());
    let outcome = kafka::record(&spec, file, &AtomicBool::new(false), &mut |_| {});
    let seconds = begin.elapsed().as_secs_f64();
    let cpu = process_cpu().saturating_sub(cpu).as_secs_f64();
    if file.exists() {
        std::fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
    }
    Ok(Took { records: outcome?.info.records, seconds, cpu })
}
