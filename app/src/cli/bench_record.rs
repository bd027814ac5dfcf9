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
use serde::Deserialize;
use serde_json::json;

use super::Answer;
use super::cluster::{ClusterArgs, thousands};

/// Reads topics as librdkafka alone would, and as record does, and prints the ratios
///
/// They take turns. The yardstick is librdkafka alone, which reads with the
/// settings, the batches and the pace of record --arrival read: in this program,
/// whose allocator makes it quicker than most systems' own does; or, with --alone,
/// in a program with the system's allocator, as other clients have it (both are
/// shown).
///
/// Example: joinscope bench record --brokers localhost:9092 --topics views
///
/// The example `librdkafka_alone` of joinscope-core is such a program.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct BenchRecord {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Topics to read, whole
    #[arg(long, required = true, num_args = 1.., value_delimiter = ',', value_name = "TOPIC")]
    topics: Vec<String>,
    /// How often each is measured; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Where the recordings are written, and removed again
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// A program that consumes as librdkafka alone, called with brokers and topics;
    /// it prints `{"records": …, "seconds": …, "cpu_seconds": …}`
    #[arg(long, value_name = "PROGRAM")]
    alone: Option<PathBuf>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

const MEMORY: u64 = 256 << 20;

/// What is measured. The first of the list is the yardstick.
#[derive(Clone, Copy)]
enum Way<'a> {
    Outside(&'a Path),
    Alone,
    Record(ArrivalOrder),
}

/// Each with its name in JSON and in print.
const WAYS: [(&str, &str, Way<'static>); 3] = [
    ("alone", "librdkafka alone", Way::Alone),
    ("read", "record --arrival read", Way::Record(ArrivalOrder::Read)),
    ("merge", "record (merge by timestamp)", Way::Record(ArrivalOrder::Timestamp)),
];

/// A measurement: records and seconds.
#[derive(Clone, Copy, Deserialize)]
struct Took {
    records: u64,
    seconds: f64,
    /// Of the process that consumed.
    #[serde(rename = "cpu_seconds")]
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
    let mut ways = WAYS.to_vec();
    if let Some(program) = &args.alone {
        ways.insert(0, ("outside", "librdkafka alone, outside", Way::Outside(program)));
    }
    let mut all: Vec<Vec<Took>> = vec![Vec::new(); ways.len()];
    for _ in 0..args.rounds {
        for ((.., way), all) in ways.iter().zip(&mut all) {
            all.push(match way {
                Way::Outside(program) => outside(args, program)?,
                Way::Alone => alone(args, &settings)?,
                Way::Record(order) => recorded(args, &settings, *order, &file)?,
            });
        }
    }
    let mut out = super::stdout::lock();
    let mut answer = serde_json::Map::new();
    for ((key, name, _), way) in ways.iter().zip(&all) {
        // Each round's ratio is of measurements made one after the other.
        let ratios = way.iter().zip(&all[0]);
        let ratio =
            median(ratios.map(|(way, alone)| way.rate() / alone.rate().max(1e-9)).collect());
        let mut way = way.clone();
        way.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        let Some(took) = way.get(way.len() / 2) else { continue };
        if args.json {
            let entry = json!({
                "records": took.records,
                "seconds": took.seconds,
                "cpu_seconds": took.cpu,
                "records_per_second": took.rate(),
                "ratio": ratio,
            });
            answer.insert((*key).to_owned(), entry);
            continue;
        }
        writeln!(
            out,
            "{name:<28} {:>12} records in {:.2} s ({:.2} s of CPU), {:>10} a second, ratio {ratio:.2}",
            thousands(took.records),
            took.seconds,
            took.cpu,
            thousands(took.rate() as u64),
        )?;
    }
    if args.json {
        writeln!(out, "{}", serde_json::Value::Object(answer))?;
    }
    Ok(Answer::Yes)
}

/// Runs a program that does what [`alone`] does.
fn outside(args: &BenchRecord, program: &Path) -> anyhow::Result<Took> {
    let output = std::process::Command::new(program)
        .arg(&args.cluster.brokers)
        .arg(args.topics.join(","))
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    anyhow::ensure!(
        output.status.success(),
        "{} ended with {}: {}",
        program.display(),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{} printed no measurement", program.display()))
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
        roll: None,
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
