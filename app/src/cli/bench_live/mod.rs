//! `joinscope bench live`: a job on a broker, beside the same load from a file
//! and beside what librdkafka alone consumes.

mod long;
mod rig;

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::{bail, ensure};
use clap::Args;
use joinscope_core::edges::kafka::{
    self, Isolation, Pace, PublishPlan, PublishSpec, consume_alone,
};
use joinscope_core::edges::log::Log as _;
use joinscope_core::edges::recording::Recording;
use joinscope_core::engine::delivery::epochs::Fate;
use joinscope_operator::record::TopicPartition;
use serde_json::{Value, json};

use self::rig::{Done, Rig, Stands, at, epochs_of, stands};
use super::bench_load::{Load, PIPELINE, folder, remove, run_whole, say};
use super::cluster::{ClusterArgs, thousands};
use super::{Answer, duration};

/// Runs the reference load live, beside the same load from a file and librdkafka alone
///
/// The load comes from a broker (it is published there first, into topics views and
/// engagements, which stay), with nothing written, at-least-once and exactly-once,
/// checkpoints every second, inputs within two minutes of each other (`max_drift`).
/// Broker and program share the machine. Then how long a job
/// that was stopped in the middle needs until it processes again.
///
/// With --state SIZE: exactly-once alone, views that all stay in the state until it
/// has SIZE in memory and then as long again or to the load's end: how long the
/// join stands still at a checkpoint, and how long a job with that state needs
/// until it processes again.
///
/// With --for DURATION: a load of its own at --rate, exactly-once, for so long; a
/// line each minute, with memory.
///
/// Examples:
///   joinscope bench live --brokers localhost:9092 --write --views 1000000
///   joinscope bench live --brokers localhost:9092 --write --views 12000000 --state 1GiB
///   joinscope bench live --brokers localhost:9092 --write --for 1h --rate 20000
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct BenchLive {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Allows the load to be published, and outputs to be written to a topic that
    /// is made for it and removed again
    #[arg(long)]
    write: bool,
    /// Views of the reference load
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    views: u64,
    /// State that is built up before pauses are measured
    #[arg(long, value_name = "SIZE", value_parser = super::run::size, conflicts_with = "for_ms")]
    state: Option<u64>,
    /// How long the load of --rate lasts
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::above_zero)]
    for_ms: Option<i64>,
    /// Records a second
    #[arg(long, value_name = "N", default_value_t = 10_000, requires = "for_ms")]
    rate: u64,
    /// Where the load and the runs lie
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

const MEMORY: u64 = 512 << 20;
/// What records may take between the brokers and librdkafka's reader.
const READ_AHEAD: u64 = 128 << 20;
const EXACTLY: Option<&str> = Some("exactly-once");

/// Runs the verb.
pub fn run(args: &BenchLive) -> anyhow::Result<Answer> {
    let settings = args.cluster.settings()?;
    if !args.write {
        bail!(
            "the load is published and outputs are written: allow it with --write, on a cluster \
             that is for tests"
        );
    }
    let folder = folder(args.folder.as_deref());
    std::fs::create_dir_all(&folder)?;
    let mut rig = Rig {
        settings,
        patience: args.cluster.timeout,
        folder,
        memory: MEMORY,
        pipeline: PIPELINE.to_owned(),
        number: std::process::id(),
    };
    if let Some(for_ms) = args.for_ms {
        return long::run(&rig, for_ms, args.rate, args.json);
    }
    let load = Load::make(&rig.folder, args.views)?;
    let recording = Recording::open(&load.recording)?;
    publish(&rig, &recording)?;
    if let Some(size) = args.state {
        return with_state(rig, args, recording.len(), size);
    }
    rig.pipeline = in_step(&rig.pipeline);
    ways(&rig, args, &load, recording.len())
}

/// The inputs keep together, as they are in the file: read as fast as they come, the
/// smaller topic would be through long before the other, and all of it wait in the state.
fn in_step(pipeline: &str) -> String {
    let bound = "max_out_of_orderness = \"60s\"";
    pipeline.replace(bound, &format!("{bound}, max_drift = \"2m\""))
}

fn publish(rig: &Rig, recording: &Recording) -> anyhow::Result<()> {
    let spec = PublishSpec {
        settings: rig.settings.clone(),
        topics: Vec::new(),
        pace: Pace::Fast,
        create_topics: true,
        replicas: None,
        patience: rig.patience,
    };
    let plan = kafka::plan(recording, &spec)?;
    if plan.topics.iter().all(|topic| topic.there.is_some()) {
        return is_there(rig, &plan, recording.len());
    }
    say("publishing the load …");
    let done = kafka::publish(recording, &spec, &plan, &AtomicBool::new(false), &mut |_, _| {})?;
    if let Some(why) = done.broken {
        bail!("the load is not published: {why}");
    }
    ensure!(done.failed == 0, "{} records were not taken by the cluster", done.failed);
    Ok(())
}

/// What was published by an earlier run has to be this load.
fn is_there(rig: &Rig, plan: &PublishPlan, records: u64) -> anyhow::Result<()> {
    let log = rig.log();
    let mut held = 0;
    for topic in &plan.topics {
        for partition in 0..topic.there.unwrap_or(0) {
            let of = TopicPartition { topic: topic.name.as_str().into(), partition };
            let (first, end) = log.bounds(&of, Isolation::ReadUncommitted)?;
            held += end.saturating_sub(first).max(0) as u64;
        }
    }
    ensure!(
        held == records,
        "topics views and engagements hold {held} records, the load has {records}: delete them, \
         and they are published anew, or name the --views that they were made with"
    );
    Ok(())
}

/// One way to get through the load.
struct Way {
    name: &'static str,
    seconds: f64,
    /// Until the first records were through, and how many these were; the rate
    /// counts from there. A run from a file counts its own seconds.
    start: (f64, u64),
    /// Of this process; not known of the run from a file, a process of its own.
    cpu: Option<f64>,
}

/// Time until processing again, and the state at that moment.
struct Recovery {
    seconds: f64,
    stood: Stands,
}

/// A job that is stopped where `enough` says, and goes on: until it has taken a record.
fn recovery(
    rig: &Rig,
    records: u64,
    enough: impl FnMut(&joinscope_core::engine::Progress) -> bool,
) -> anyhow::Result<(Done, Recovery)> {
    let mut enough = enough;
    let done = rig.until(EXACTLY, |progress, _| enough(progress))?;
    let stood = stands(&done.dir)?;
    ensure!(
        stood.arrival < records,
        "the load was through before it could be stopped: give more --views"
    );
    let again = rig.until(EXACTLY, |progress, _| progress.records > stood.arrival)?;
    Ok((done, Recovery { seconds: again.seconds, stood }))
}

fn ways(rig: &Rig, args: &BenchLive, load: &Load, records: u64) -> anyhow::Result<Answer> {
    let topics = ["views".to_owned(), "engagements".to_owned()];
    say("librdkafka alone …");
    let begin = Instant::now();
    let consumed = consume_alone(&rig.settings, &topics, rig.patience, READ_AHEAD)?;
    let alone = begin.elapsed().as_secs_f64();
    ensure!(consumed.records == records, "it read {} of {records} records", consumed.records);
    say("from a file …");
    let out = rig.folder.join("run-live-file");
    let file = run_whole(&load.pipeline, &load.recording, &out)?;
    remove(&out)?;
    let file = file["seconds"].as_f64().unwrap_or(f64::NAN);
    let mut ways = vec![
        Way { name: "librdkafka alone", seconds: alone, start: (0.0, 0), cpu: None },
        Way { name: "from a file", seconds: file, start: (0.0, 0), cpu: None },
    ];
    let mut exactly = None;
    for (name, guarantee) in [
        ("live, nothing written", None),
        ("live, at-least-once", Some("at-least-once")),
        ("live, exactly-once", EXACTLY),
    ] {
        say(&format!("{name} …"));
        let done = rig.beside_topics(guarantee, || {
            rig.until(guarantee, |progress, _| progress.records >= records)
        })?;
        let Done { seconds, start, cpu, .. } = done;
        ways.push(Way { name, seconds, start, cpu: Some(cpu) });
        let commits: Vec<i64> = epochs_of(&done.dir)?
            .iter()
            .filter(|epoch| epoch.fate == Fate::Committed)
            .filter_map(|e| Some(e.ended_ms? - e.prepared_ms?))
            .collect();
        remove(&done.dir)?;
        exactly = Some((done, commits));
    }
    say("stopped in the middle, and started again …");
    let (_, again) =
        rig.beside_topics(EXACTLY, || recovery(rig, records, |p| p.records >= records / 3))?;
    remove(&rig.dir("exactly-once"))?;
    let Some((exactly, commits)) = exactly else { bail!("nothing was measured") };
    let answer = answer(records, &ways, &exactly, commits, &again);
    print(args.json, &answer, |out, answer| {
        for way in answer["ways"].as_array().into_iter().flatten() {
            let cpu = way["cpu_seconds"].as_f64();
            let start = way["start_seconds"].as_f64().unwrap_or_default();
            writeln!(
                out,
                "{:<24} {:>10} records a second, {:.2} of the file's rate{}",
                way["name"].as_str().unwrap_or_default(),
                thousands(way["records_per_second"].as_f64().unwrap_or(0.0) as u64),
                way["of_file"].as_f64().unwrap_or(f64::NAN),
                cpu.map(|s| format!(", {s:.1} CPU s; the first after {start:.2} s"))
                    .unwrap_or_default(),
            )?;
        }
        writeln!(
            out,
            "exactly-once: from arrival to visible {} ms (median), {} ms (p99) over {} epochs; \
             commit itself {} ms (p99); the join stood still at a checkpoint {} ms (p99)",
            answer["visible_p50_ms"],
            answer["visible_p99_ms"],
            answer["epochs"],
            answer["commit_p99_ms"],
            answer["pause_p99_ms"],
        )?;
        writeln!(
            out,
            "started again with {} rows of state: processing after {:.2} s",
            thousands(answer["recovery_rows"].as_u64().unwrap_or(0)),
            answer["recovery_seconds"].as_f64().unwrap_or(f64::NAN),
        )
    })
}

fn print(
    as_json: bool,
    answer: &Value,
    text: impl FnOnce(&mut dyn std::io::Write, &Value) -> std::io::Result<()>,
) -> anyhow::Result<Answer> {
    let mut out = super::stdout::lock();
    if as_json {
        writeln!(out, "{answer}")?;
    } else {
        text(&mut out, answer)?;
    }
    Ok(Answer::Yes)
}

/// Pauses in ms, sorted.
fn pauses(done: &Done, from_bytes: u64) -> Vec<f64> {
    let pauses = done.pauses.iter().filter(|pause| pause.state_bytes >= from_bytes);
    let mut pauses: Vec<f64> = pauses.map(|pause| pause.micros as f64 / 1e3).collect();
    pauses.sort_by(f64::total_cmp);
    pauses
}

fn answer(
    records: u64,
    ways: &[Way],
    exactly: &Done,
    mut commits: Vec<i64>,
    recovery: &Recovery,
) -> Value {
    let rate = |way: &Way| (records - way.start.1) as f64 / (way.seconds - way.start.0).max(1e-9);
    let file = ways.get(1).map_or(f64::NAN, rate);
    let ways: Vec<Value> = ways
        .iter()
        .map(|way| {
            json!({
                "name": way.name,
                "seconds": way.seconds,
                "start_seconds": way.start.0,
                "cpu_seconds": way.cpu,
                "records_per_second": rate(way),
                "of_file": rate(way) / file,
            })
        })
        .collect();
    commits.sort_unstable();
    let visible = exactly.commits.latencies();
    json!({
        "records": records,
        "ways": ways,
        "epochs": exactly.commits.ends.len(),
        "visible_p50_ms": at(&visible, 500),
        "visible_p99_ms": at(&visible, 990),
        "commit_p99_ms": at(&commits, 990),
        "pause_p99_ms": at(&pauses(exactly, 0), 990),
        "recovery_seconds": recovery.seconds,
        "recovery_rows": recovery.stood.rows,
    })
}

/// Pauses and recovery with a state of `size` bytes.
fn with_state(rig: Rig, args: &BenchLive, records: u64, size: u64) -> anyhow::Result<Answer> {
    // All of it in memory, and rows that stay.
    let rig = Rig {
        memory: size.saturating_mul(4),
        pipeline: rig.pipeline.replace("until = \"30m\"", "until = \"365d\""),
        ..rig
    };
    say("building the state up …");
    let mut full_at = None;
    let mut bytes = 0;
    let (done, again) = rig.beside_topics(EXACTLY, || {
        recovery(&rig, records, |progress| {
            bytes = progress.state_bytes;
            if full_at.is_none() && progress.state_bytes >= size {
                full_at = Some(progress.records);
                say("it has its size; pauses from here …");
            }
            // As long again; the last hundredth is left for the start.
            let left = records - records / 100;
            full_at.is_some_and(|at| progress.records >= 2 * at) || progress.records >= left
        })
    })?;
    remove(&rig.dir("exactly-once"))?;
    ensure!(
        full_at.is_some(),
        "the state came to {} bytes only: give more --views",
        thousands(bytes)
    );
    let all = pauses(&done, size);
    let visible = done.commits.latencies();
    let answer = json!({
        "records_per_second": again.stood.arrival as f64 / done.seconds.max(1e-9),
        "state_bytes": again.stood.bytes,
        "state_rows": again.stood.rows,
        "checkpoints": all.len(),
        "pause_p50_ms": at(&all, 500),
        "pause_p99_ms": at(&all, 990),
        "pause_max_ms": all.last(),
        "visible_p50_ms": at(&visible, 500),
        "visible_p99_ms": at(&visible, 990),
        "recovery_seconds": again.seconds,
    });
    print(args.json, &answer, |out, answer| {
        let ms = |field: &str| answer[field].as_f64().unwrap_or(f64::NAN);
        writeln!(
            out,
            "the join stood still at {} checkpoints with {} bytes of state or more: {:.1} ms \
             (median), {:.1} ms (p99), {:.1} ms (most)",
            answer["checkpoints"],
            thousands(size),
            ms("pause_p50_ms"),
            ms("pause_p99_ms"),
            ms("pause_max_ms"),
        )?;
        writeln!(
            out,
            "from arrival to visible {} ms (median), {} ms (p99)",
            answer["visible_p50_ms"], answer["visible_p99_ms"],
        )?;
        writeln!(
            out,
            "started again with {} bytes of state ({} rows): processing after {:.2} s",
            thousands(answer["state_bytes"].as_u64().unwrap_or(0)),
            thousands(answer["state_rows"].as_u64().unwrap_or(0)),
            ms("recovery_seconds"),
        )
    })
}
