//! `joinscope bench semantics`: what the rules of the released engines cost
//! beside our own, on the reference load.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use joinscope_operator::pipeline::Semantics;
use serde_json::{Value, json};

use super::Answer;
use super::bench::Rounds;
use super::bench_load::{Load, folder, remove, run_with, say};
use super::cluster::thousands;

/// At most so many times the CPU seconds of `clean`.
const BOUND: f64 = 1.5;

/// What is run: `DataStream` has no outer join, and is held against an inner one.
const RUNS: &[(Semantics, &str); 5] = &[
    (Semantics::Clean, "left"),
    (Semantics::FlinkSql, "left"),
    (Semantics::KafkaStreams, "left"),
    (Semantics::Clean, "inner"),
    (Semantics::FlinkDataStream, "inner"),
];

/// Runs the reference load under each semantics and prints the CPU time of each
///
/// All at parallelism 1, one after another in one session and again in each
/// round; the median counts. flink-datastream has no outer join: it stands beside
/// clean as an inner one. Each run is a process of its own with --memory 512MiB;
/// flink-sql and kafka-streams keep all of their state in memory.
#[derive(Args)]
#[command(after_help = "Example:
  joinscope bench semantics --views 2000000 --rounds 3")]
pub struct BenchSemantics {
    /// Views of the reference load
    #[arg(long, value_name = "N", default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    views: u64,
    /// How often each is measured; the median counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Where the load and the runs lie [default: joinscope-bench in the
    /// system's temporary folder]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// The rounds of one run.
#[derive(Default)]
struct Measured {
    cpu: Rounds,
    seconds: Rounds,
    peak: u64,
    records: u64,
    outputs: u64,
}

/// Runs the verb.
pub fn run(args: &BenchSemantics) -> anyhow::Result<Answer> {
    let folder = folder(args.folder.as_deref());
    let Load { recording, pipeline } = Load::make(&folder, args.views)?;
    let out = folder.join("run-semantics");
    let mut measured: [Measured; RUNS.len()] = Default::default();
    for round in 1..=args.rounds {
        for ((semantics, kind), one) in RUNS.iter().zip(&mut measured) {
            say(&format!("{semantics}, {kind}, round {round} of {} …", args.rounds));
            let sets = [
                ("join.semantics", semantics.name()),
                ("join.kind", *kind),
                ("join.parallelism", "1"),
                ("join.grace", "60s"),
            ];
            let answer = run_with(&pipeline, &recording, &out, &sets)?;
            remove(&out)?;
            one.cpu.0.push(answer["cpu_seconds"].as_f64().unwrap_or(f64::NAN));
            one.seconds.0.push(answer["seconds"].as_f64().unwrap_or(f64::NAN));
            one.peak = one.peak.max(answer["peak_memory_bytes"].as_u64().unwrap_or(0));
            one.records = answer["records"].as_u64().unwrap_or(0);
            one.outputs = answer["outputs"].as_u64().unwrap_or(0);
        }
    }
    let answer = json!({
        "load": recording.display().to_string(),
        "records": measured[0].records,
        "rounds": args.rounds,
        "cores": std::thread::available_parallelism().map_or(1, usize::from),
        "bound": BOUND,
        "runs": figures(&measured),
    });
    let mut out = super::stdout::lock();
    if args.json {
        writeln!(out, "{answer}")?;
    } else {
        tell(&answer, &mut out)?;
    }
    Ok(Answer::Yes)
}

/// Of each run its medians, and how they stand to `clean` of the same kind.
fn figures(measured: &[Measured; RUNS.len()]) -> Vec<Value> {
    let clean = |kind: &str| {
        let at = RUNS.iter().position(|run| *run == (Semantics::Clean, kind))?;
        Some(measured[at].cpu.median())
    };
    let runs = RUNS.iter().zip(measured);
    runs.map(|((semantics, kind), one)| {
        let cpu = one.cpu.median();
        let released = clean(kind).filter(|_| *semantics != Semantics::Clean);
        json!({
            "semantics": semantics.name(),
            "release": semantics.release(),
            "kind": kind,
            "cpu_seconds": cpu,
            "seconds": one.seconds.median(),
            "peak_memory_bytes": one.peak,
            "outputs": one.outputs,
            "to_clean": released.map(|clean| cpu / clean),
        })
    })
    .collect()
}

fn tell(answer: &Value, out: &mut impl std::io::Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "{} records of {}, {} cores, parallelism 1, medians of {} rounds",
        thousands(answer["records"].as_u64().unwrap_or(0)),
        answer["load"].as_str().unwrap_or_default(),
        answer["cores"],
        answer["rounds"]
    )?;
    writeln!(
        out,
        "{:<18} {:<6} {:>8} {:>8} {:>10} {:>12}  CPU to clean (at most {BOUND})",
        "", "", "CPU s", "s", "memory", "outputs"
    )?;
    for run in answer["runs"].as_array().into_iter().flatten() {
        let number = |name: &str| run[name].as_f64().unwrap_or(f64::NAN);
        let whole = |name: &str| run[name].as_u64().unwrap_or(0);
        write!(
            out,
            "{:<18} {:<6} {:>8.2} {:>8.2} {:>7} MB {:>12}",
            run["semantics"].as_str().unwrap_or_default(),
            run["kind"].as_str().unwrap_or_default(),
            number("cpu_seconds"),
            number("seconds"),
            thousands(whole("peak_memory_bytes") / 1_000_000),
            thousands(whole("outputs")),
        )?;
        if let Some(ratio) = run["to_clean"].as_f64() {
            write!(out, "  {ratio:.2}")?;
            if ratio > BOUND {
                write!(out, "  ABOVE THE BOUND")?;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stands_beside_clean_of_its_own_kind_by_its_median() {
        let mut measured: [Measured; RUNS.len()] = Default::default();
        let cpu = [[4.0, 2.0, 3.0], [3.0, 3.0, 99.0], [6.0, 6.0, 6.0], [1.0; 3], [1.2; 3]];
        for (one, cpu) in measured.iter_mut().zip(cpu) {
            one.cpu.0.extend(cpu);
            one.seconds.0.push(1.0);
        }
        let runs = figures(&measured);
        let of = |name: &str, field: &str| {
            let found = runs.iter().find(|run| run["semantics"] == name).unwrap();
            found[field].clone()
        };
        assert_eq!(of("clean", "to_clean"), Value::Null);
        assert_eq!(of("flink-sql", "to_clean"), 1.0);
        assert_eq!(of("kafka-streams", "to_clean"), 2.0);
        assert_eq!(of("flink-datastream", "to_clean"), 1.2);
        assert_eq!(of("flink-datastream", "kind"), "inner");
        let answer = json!({ "records": 7, "load": "l", "cores": 2, "rounds": 3, "runs": runs });
        let mut text = Vec::new();
        tell(&answer, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line("kafka-streams").ends_with("2.00  ABOVE THE BOUND"), "{text}");
        assert!(line("flink-datastream").ends_with("1.20"), "{text}");
    }
}
