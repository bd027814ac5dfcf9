//! `joinscope bench`: the project's own benchmark. Ratios from one run on one
//! machine, never a timed test.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use joinscope_core::edges::recording::Recording;
use joinscope_core::edges::rocksdb;
use joinscope_core::engine::limit::{self, NoSink};
use joinscope_core::engine::{AtEnd, CHECKPOINT_RECORDS, Control, RunSpec};
use joinscope_core::run::{self, OutputsAlone, bench_questions};
use joinscope_operator::pipeline::Pipeline;
use serde_json::{Value, json};

use super::bench_load::{Load, MEMORY, PIPELINE, child, folder, remove, run_whole, say};
use super::cluster::thousands;
use super::{Answer, run as run_verb};

/// Measures the engine against a hand-written loop, and what its parts cost
///
/// Makes the reference load once, in the folder that it names, and uses it again.
/// The limit decodes the same bytes from memory on one core with the engine's own
/// decoder and joins them in a hash map, keeping nothing. Needs about 300 bytes
/// of memory and 200 of disk for each record of the load.
#[derive(Args)]
#[command(after_help = "Examples:
  joinscope bench --views 1000000
  joinscope bench --peers
  joinscope bench semantics
  joinscope bench --json")]
#[command(args_conflicts_with_subcommands = true)]
pub struct Bench {
    #[command(subcommand)]
    part: Option<Part>,
    /// Views of the reference load [default: 10,000,000]
    #[arg(long, value_name = "N")]
    views: Option<u64>,
    /// How often each is measured; the median counts [default: 3; of peers 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// Where the load and the runs lie [default: joinscope-bench in the
    /// system's temporary folder]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Only the runs, not the parts
    #[arg(long)]
    brief: bool,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
    /// A measurement in a process of its own, so that its memory is its own.
    #[arg(long, hide = true, value_name = "RECORDING")]
    without_verdicts: Option<PathBuf>,
    /// Another of them.
    #[arg(long, hide = true, value_name = "RECORDING")]
    without_outputs: Option<PathBuf>,
    /// What is open at the end is closed there.
    #[arg(long, hide = true, requires = "without_verdicts")]
    close: bool,
    #[command(flatten)]
    peers: super::bench_peers::PeersArgs,
}

/// Views of the reference load.
const VIEWS: u64 = 10_000_000;

/// What is measured apart from the reference load.
#[derive(Subcommand)]
enum Part {
    Live(super::bench_live::BenchLive),
    Record(super::bench_record::BenchRecord),
    Window(super::bench_window::BenchWindow),
    Memory(super::bench_memory::BenchMemory),
    Semantics(super::bench_semantics::BenchSemantics),
}

/// The folder of runs that keep no verdicts.
pub(super) const WITHOUT_VERDICTS: &str = "run-without-verdicts";

/// Seconds of each round of one measurement.
#[derive(Default)]
pub(super) struct Rounds(pub(super) Vec<f64>);

impl Rounds {
    /// The median of what `f` makes of each round's value and the other's in the same round:
    /// a shared machine is faster in one round than in another.
    fn with(&self, other: &Self, f: impl Fn(f64, f64) -> f64) -> f64 {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| f(*a, *b)).collect()).median()
    }

    pub(super) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        match n {
            0 => f64::NAN,
            _ if n % 2 == 1 => sorted[n / 2],
            _ => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
        }
    }
}

/// A run's CPU seconds, as it says them.
fn cpu_of(answer: &Value) -> f64 {
    answer["cpu_seconds"].as_f64().unwrap_or(f64::NAN)
}

/// Runs the verb.
pub fn run(args: &Bench) -> anyhow::Result<Answer> {
    match &args.part {
        Some(Part::Live(part)) => return super::bench_live::run(part),
        Some(Part::Record(part)) => return super::bench_record::run(part),
        Some(Part::Window(part)) => return super::bench_window::run(part),
        Some(Part::Memory(part)) => return super::bench_memory::run(part),
        Some(Part::Semantics(part)) => return super::bench_semantics::run(part),
        None => {}
    }
    if args.peers.peers {
        let (rounds, folder) = (args.rounds.unwrap_or(1), args.folder.as_deref());
        return super::bench_peers::run(&args.peers, args.views, rounds, folder, args.json);
    }
    let (views, rounds) = (args.views.unwrap_or(VIEWS), args.rounds.unwrap_or(3));
    let folder = folder(args.folder.as_deref());
    if let Some(recording) = &args.without_verdicts {
        let at_end = if args.close { AtEnd::Close } else { AtEnd::Open };
        return without_verdicts(recording, &folder, true, at_end);
    }
    if let Some(recording) = &args.without_outputs {
        return without_verdicts(recording, &folder, false, AtEnd::Open);
    }
    let Load { recording: path, pipeline: pipeline_path } = Load::make(&folder, views)?;
    let pipeline = Pipeline::parse(PIPELINE, "pipeline.toml")?;
    let recording = Recording::open(&path)?;

    let (mut best, mut whole, mut without) =
        (Rounds::default(), Rounds::default(), Rounds::default());
    let (mut best_cpu, mut nothing) = (Rounds::default(), Rounds::default());
    let (mut whole_cpu, mut without_cpu) = (Rounds::default(), Rounds::default());
    let mut last = Value::Null;
    let mut last_null = Value::Null;
    let mut found = None;
    let kept = folder.join("run");
    for round in 1..=rounds {
        say(&format!("round {round} of {rounds} …"));
        {
            let loaded = limit::load(&pipeline, &recording)?;
            let limit = limit::limit(&pipeline, &recording, &loaded)?;
            best.0.push(limit.took.as_secs_f64());
            best_cpu.0.push(limit.cpu.as_secs_f64());
            found = Some(limit);
        }
        // Removing what was there before is not part of either measurement.
        remove(&kept)?;
        let begin = Instant::now();
        last = run_whole(&pipeline_path, &path, &kept)?;
        whole.0.push(begin.elapsed().as_secs_f64());
        whole_cpu.0.push(cpu_of(&last));
        let less = |what: &str, seconds: &mut Rounds| {
            let begin = Instant::now();
            let program = std::env::current_exe()?;
            let mut command = Command::new(program);
            command.args(["bench", "--json", what]).arg(&path).arg("--folder").arg(&folder);
            let last = child(&mut command)?;
            seconds.0.push(begin.elapsed().as_secs_f64());
            remove(&folder.join(WITHOUT_VERDICTS))?;
            Ok::<_, anyhow::Error>(last)
        };
        last_null = less("--without-verdicts", &mut without)?;
        without_cpu.0.push(cpu_of(&last_null));
        less("--without-outputs", &mut nothing)?;
    }
    let found = found.context("nothing was measured")?;
    let joined = last["books"]["views"]["joined"].as_u64().unwrap_or(0);
    let unmatched = last["books"]["views"]["unmatched"].as_u64().unwrap_or(0);
    let outputs = last["outputs"].as_u64().unwrap_or(0);
    ensure!(
        found.pairs + found.unmatched == outputs && found.unmatched == unmatched,
        "the limit found {} pairs and {} unmatched, the run {outputs} outputs, {joined} joined and \
         {unmatched} unmatched views: they do not do the same",
        found.pairs,
        found.unmatched
    );

    let share = |whole: f64, less: f64| (whole - less) / whole;
    let mut answer = json!({
        "records": recording.len(),
        "limit_seconds": best.median(),
        "limit_cpu_seconds": best_cpu.median(),
        "run_seconds": whole.median(),
        "run_to_limit": whole.with(&best, |whole, limit| whole / limit),
        "run_without_verdicts_seconds": without.median(),
        "run_without_outputs_seconds": nothing.median(),
        "verdicts_share": whole.with(&without, share),
        "verdicts_share_of_cpu": whole_cpu.with(&without_cpu, share),
        "verdicts_and_outputs_share": whole.with(&nothing, share),
        "records_per_second": recording.len() as f64 / whole.median(),
        "peak_memory_bytes": last["peak_memory_bytes"],
        "cpu_seconds": whole_cpu.median(),
        "cpu_seconds_without_verdicts": without_cpu.median(),
        "busy_seconds": last["stages"],
        "busy_seconds_without_verdicts": last_null["stages"],
        "checkpoints": last["checkpoints"],
        "cores": std::thread::available_parallelism().map_or(1, usize::from),
    });
    if !args.brief {
        say("questions of the run store, state on disk …");
        let run = run::Run::open(&kept)?;
        answer["questions"] = serde_json::to_value(bench_questions(&run, 20)?)?;
        answer["search_rows_per_second"] = run::bench_search(&run)?.into();
        answer["filter_rows_per_second"] = run::bench_filter(&run)?.into();
        answer["sort_rows_per_second"] = run::bench_sort(&run)?.into();
        let scratch = folder.join("state");
        remove(&scratch)?;
        std::fs::create_dir_all(&scratch)?;
        let state = rocksdb::measure(&scratch, (views / 10).clamp(10_000, 1_000_000) as usize)?;
        answer["state"] = state
            .iter()
            .map(|m| {
                json!({
                    "what": m.what, "rows": m.rows,
                    "ours": m.ours, "ours_seconds": m.ours_seconds,
                    "plain": m.plain, "plain_seconds": m.plain_seconds,
                    "times_as_fast": m.ratio(),
                })
            })
            .collect();
        remove(&scratch)?;
    }
    let mut out = super::stdout::lock();
    if args.json {
        writeln!(out, "{answer}")?;
    } else {
        tell(&answer, &path, &mut out)?;
    }
    Ok(Answer::Yes)
}

/// The whole run, state and checkpoints too, into a sink that keeps the outputs
/// alone, or nothing.
fn without_verdicts(
    recording: &Path,
    folder: &Path,
    outputs: bool,
    at_end: AtEnd,
) -> anyhow::Result<Answer> {
    let state = folder.join(WITHOUT_VERDICTS);
    remove(&state)?;
    std::fs::create_dir_all(&state)?;
    let spec = RunSpec {
        pipeline: Arc::new(Pipeline::parse(PIPELINE, "pipeline.toml")?),
        source: Arc::new(Recording::open(recording)?),
        folder: Some(state.clone()),
        at_end,
        seed: 0,
        restarts: Vec::new(),
        memory: run_verb::size(MEMORY).unwrap_or(1 << 29),
        shards: 0,
        checkpoint_records: CHECKPOINT_RECORDS,
        resume: None,
    };
    let control = Control::new();
    let summary = if outputs {
        let mut kept = OutputsAlone::create(&state)?;
        let summary = joinscope_core::engine::run(spec, &mut kept, &control)?;
        kept.finish()?;
        summary
    } else {
        joinscope_core::engine::run(spec, &mut NoSink, &control)?
    };
    writeln!(super::stdout::lock(), "{}", run_verb::as_json(&summary, &state))?;
    Ok(Answer::Yes)
}

fn tell(answer: &Value, load: &Path, out: &mut impl std::io::Write) -> anyhow::Result<()> {
    let number = |name: &str| answer[name].as_f64().unwrap_or(f64::NAN);
    let records = number("records");
    writeln!(
        out,
        "{} records of {}, {} cores",
        thousands(records as u64),
        load.display(),
        answer["cores"]
    )?;
    for (name, what) in [
        ("limit_seconds", "the limit (one core, in memory, nothing kept)"),
        ("limit_cpu_seconds", "its CPU time"),
        ("run_seconds", "the whole run"),
        ("run_without_verdicts_seconds", "the run that keeps its outputs alone"),
        ("run_without_outputs_seconds", "the run that keeps nothing"),
    ] {
        let seconds = number(name);
        let nanos = seconds / records * 1e9;
        writeln!(out, "  {seconds:8.2} s {nanos:7.0} ns a record   {what}")?;
    }
    writeln!(
        out,
        "  run / limit = {:.2} (at most 2.5); keeping verdicts {:.1} % of the run (at most 15), \
         {:.1} % of its CPU time, outputs too {:.0} %; peak memory {} MB (at most 1,610)",
        number("run_to_limit"),
        number("verdicts_share") * 100.0,
        number("verdicts_share_of_cpu") * 100.0,
        number("verdicts_and_outputs_share") * 100.0,
        thousands((number("peak_memory_bytes") / 1e6) as u64)
    )?;
    for (title, name, all) in [
        ("CPU time of the whole run, by stage", "busy_seconds", "cpu_seconds"),
        ("without verdicts", "busy_seconds_without_verdicts", "cpu_seconds_without_verdicts"),
    ] {
        writeln!(out, "{title} (the process, with RocksDB's threads: {:.2} s):", number(all))?;
        for (stage, seconds) in answer[name].as_object().into_iter().flatten() {
            let seconds = seconds.as_f64().unwrap_or(0.0);
            let nanos = seconds / records * 1e9;
            writeln!(out, "  {seconds:8.2} s {nanos:7.0} ns a record   {stage}")?;
        }
    }
    if let Some(questions) = answer["questions"].as_array() {
        writeln!(
            out,
            "questions of the run store, ms{:>17} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
            "disk p50", "p99", "cold p50", "p99", "warm p50", "p99", "bound"
        )?;
        for question in questions {
            let of = |name: &str| question[name].as_f64().unwrap_or(f64::NAN);
            writeln!(
                out,
                "  {:<36} {:8.2} {:8.2} {:8.2} {:8.2} {:8.2} {:8.2} {:8.0}",
                question["question"].as_str().unwrap_or_default(),
                of("disk_p50_ms"),
                of("disk_p99_ms"),
                of("cold_p50_ms"),
                of("cold_p99_ms"),
                of("warm_p50_ms"),
                of("warm_p99_ms"),
                of("bound_ms"),
            )?;
        }
        for (what, name) in [
            ("text search", "search_rows_per_second"),
            ("filter by verdict and lateness", "filter_rows_per_second"),
            ("sort by event time", "sort_rows_per_second"),
        ] {
            writeln!(out, "  {what}: {} rows a second", thousands(number(name) as u64))?;
        }
    }
    for state in answer["state"].as_array().into_iter().flatten() {
        writeln!(
            out,
            "state, {} rows: {}: {} {:.3} s, {} {:.3} s",
            state["rows"],
            state["what"].as_str().unwrap_or_default(),
            state["ours"].as_str().unwrap_or_default(),
            state["ours_seconds"].as_f64().unwrap_or(0.0),
            state["plain"].as_str().unwrap_or_default(),
            state["plain_seconds"].as_f64().unwrap_or(0.0),
        )?;
    }
    Ok(())
}
