//! `joinscope bench live`: a job on a broker, beside the same load from a file
//! and beside what librdkafka alone consumes.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use clap::Args;
use joinscope_core::edges::kafka::{
    self, Isolation, KafkaLog, Pace, PublishSpec, Settings, Start, TailSpec, consume_alone,
};
use joinscope_core::edges::log::Log as _;
use joinscope_core::edges::pipeline_file::PipelineFile;
use joinscope_core::edges::recording::Recording;
use joinscope_core::engine::Control;
use joinscope_core::engine::delivery::epochs::{Epoch, Fate, epochs};
use joinscope_core::engine::delivery::{JobEvent, progress_topic};
use joinscope_core::run::{AtHit, Deliver, ExecuteLive, Run, execute_job, execute_live};
use serde_json::{Value, json};

use super::Answer;
use super::bench_load::{Load, PIPELINE, folder, remove, run_whole, say};
use super::cluster::{ClusterArgs, thousands};

/// The reference load from a broker (it is published there first, into topics
/// views and engagements, which stay), with nothing written, at-least-once and
/// exactly-once, checkpoints every second, beside the same load from a file and
/// librdkafka alone. Broker and program share the machine. Then how long a job
/// that was stopped in the middle needs until it processes again.
///
/// Example: joinscope bench live --brokers localhost:9092 --write --views 1000000
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
    /// Where the load and the runs lie
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    #[arg(long)]
    json: bool,
}

const MEMORY: u64 = 512 << 20;
/// What records may take between the brokers and the engine.
const READ_AHEAD: u64 = 128 << 20;

struct Bench<'a> {
    args: &'a BenchLive,
    settings: Settings,
    folder: PathBuf,
    records: u64,
    /// Behind the names of jobs and sink topics.
    number: u32,
}

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
    let load = Load::make(&folder, args.views)?;
    let recording = Recording::open(&load.recording)?;
    let records = recording.len();
    let bench = Bench { args, settings, folder, records, number: std::process::id() };
    bench.publish(&recording)?;
    let topics = ["views".to_owned(), "engagements".to_owned()];
    say("librdkafka alone …");
    let begin = Instant::now();
    let consumed = consume_alone(&bench.settings, &topics, args.cluster.timeout, READ_AHEAD)?;
    let alone = begin.elapsed().as_secs_f64();
    ensure!(
        consumed.records == records,
        "topics views and engagements hold {} records, the load has {records}: delete them, and \
         they are published anew",
        consumed.records
    );
    say("from a file …");
    let out = bench.folder.join("run-live-file");
    let file = run_whole(&load.pipeline, &load.recording, &out)?;
    remove(&out)?;
    let file = file["seconds"].as_f64().unwrap_or(f64::NAN);
    let mut ways = vec![("librdkafka alone", alone), ("from a file", file)];
    let mut epochs_of = Vec::new();
    for (name, guarantee) in [
        ("live, nothing written", None),
        ("live, at-least-once", Some("at-least-once")),
        ("live, exactly-once", Some("exactly-once")),
    ] {
        say(&format!("{name} …"));
        let done = bench.live(guarantee, records)?;
        ways.push((name, done.seconds));
        if guarantee == Some("exactly-once") {
            epochs_of = done.epochs;
        }
        remove(&done.dir)?;
    }
    say("stopped in the middle, and started again …");
    let recovery = bench.recovery()?;
    let answer = bench.answer(&ways, &epochs_of, recovery);
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{answer}")?;
    } else {
        for way in answer["ways"].as_array().into_iter().flatten() {
            writeln!(
                out,
                "{:<24} {:>10} records a second, {:.2} of the file's rate",
                way["name"].as_str().unwrap_or_default(),
                thousands(way["records_per_second"].as_f64().unwrap_or(0.0) as u64),
                way["of_file"].as_f64().unwrap_or(f64::NAN),
            )?;
        }
        writeln!(
            out,
            "exactly-once: {} epochs, from the first record to the commit {} ms (median), {} ms \
             (p99); commit itself {} ms (p99)",
            answer["epochs"],
            answer["epoch_p50_ms"],
            answer["epoch_p99_ms"],
            answer["commit_p99_ms"],
        )?;
        writeln!(
            out,
            "started again with {} rows of state: processing after {:.2} s",
            thousands(answer["recovery_rows"].as_u64().unwrap_or(0)),
            answer["recovery_seconds"].as_f64().unwrap_or(f64::NAN),
        )?;
    }
    Ok(Answer::Yes)
}

/// One live run until it had taken everything.
struct Done {
    seconds: f64,
    dir: PathBuf,
    epochs: Vec<Epoch>,
}

/// Time until processing again, seconds, and rows of state at that moment.
struct Recovery {
    seconds: f64,
    rows: u64,
}

impl Bench<'_> {
    fn publish(&self, recording: &Recording) -> anyhow::Result<()> {
        let spec = PublishSpec {
            settings: self.settings.clone(),
            topics: Vec::new(),
            pace: Pace::Fast,
            create_topics: true,
            replicas: None,
            patience: self.args.cluster.timeout,
        };
        let plan = kafka::plan(recording, &spec)?;
        if plan.topics.iter().all(|topic| topic.there.is_some()) {
            return Ok(());
        }
        say("publishing the load …");
        let done = kafka::publish(recording, &spec, &AtomicBool::new(false), &mut |_, _| {})?;
        ensure!(done.failed == 0, "{} records were not taken by the cluster", done.failed);
        Ok(())
    }

    fn spec(&self, guarantee: Option<&str>, stop: &Arc<AtomicBool>) -> anyhow::Result<ExecuteLive> {
        let name = guarantee.unwrap_or("reading");
        let path = self.folder.join(format!("live-{name}.toml"));
        let (job, sink) = self.names(name);
        let guarantee = guarantee.unwrap_or("exactly-once");
        let text = format!(
            "{PIPELINE}guarantee = \"{guarantee}\"\njob = \"{job}\"\n[sink]\ntopic = \"{sink}\"\n\
             format = \"json\"\n"
        );
        std::fs::write(&path, text)?;
        Ok(ExecuteLive {
            pipeline: PipelineFile::open(&path, &[])?,
            overrides: Vec::new(),
            dir: self.folder.join(format!("run-live-{name}")),
            seed: 0,
            memory: MEMORY,
            shards: 0,
            tail: TailSpec {
                registry: None,
                settings: self.settings.clone(),
                topics: Vec::new(),
                isolation: Isolation::ReadCommitted,
                start: Start::Earliest,
                offsets: std::collections::BTreeMap::new(),
                partitions: Vec::new(),
                topic_ids: std::collections::BTreeMap::new(),
                patience: self.args.cluster.timeout,
                memory: READ_AHEAD,
            },
            at_hit: AtHit::Wait,
            stop: Arc::clone(stop),
        })
    }

    fn names(&self, name: &str) -> (String, String) {
        let job = format!("joinscope-bench-{}-{name}", self.number);
        let sink = format!("{job}-out");
        (job, sink)
    }

    /// From the start of the run until `records` are through.
    fn live(&self, guarantee: Option<&str>, records: u64) -> anyhow::Result<Done> {
        let name = guarantee.unwrap_or("reading");
        let log = KafkaLog::new(self.settings.clone(), self.args.cluster.timeout);
        let (job, sink) = self.names(name);
        if guarantee.is_some() {
            log.create_topic(&sink, 4, false)?;
        }
        remove(&self.folder.join(format!("run-live-{name}")))?;
        let done = self.until(guarantee, records);
        if guarantee.is_some() {
            log.delete_topic(&sink)?;
            log.delete_topic(&progress_topic(&job))?;
            log.delete_group(&job)?;
        }
        let (dir, seconds) = done?;
        Ok(Done { seconds, epochs: epochs(&dir)?, dir })
    }

    /// Runs, or goes on, until `records` are through: the folder, and seconds.
    fn until(&self, guarantee: Option<&str>, records: u64) -> anyhow::Result<(PathBuf, f64)> {
        let stop = Arc::new(AtomicBool::new(false));
        let spec = self.spec(guarantee, &stop)?;
        let dir = spec.dir.clone();
        let control = Control::new();
        let watched = control.clone();
        let began = Instant::now();
        let failure: Arc<Mutex<Option<String>>> = Arc::default();
        let failed = Arc::clone(&failure);
        let writes = guarantee.is_some();
        let worker = std::thread::spawn(move || {
            let error = if writes {
                let tell = Arc::new(|_: JobEvent| ()) as Arc<dyn Fn(JobEvent) + Send + Sync>;
                let deliver = Deliver { rebuild: false, tell };
                execute_job(spec, deliver, &watched, |_| ()).err().map(|e| e.to_string())
            } else {
                execute_live(spec, &watched, |_| ()).err().map(|e| e.to_string())
            };
            *failed.lock().unwrap_or_else(PoisonError::into_inner) = error;
        });
        while control.progress().records < records && !worker.is_finished() {
            std::thread::sleep(Duration::from_millis(2));
        }
        let seconds = began.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        let ended = worker.join();
        let error = failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        ensure!(ended.is_ok(), "the run broke down");
        if let Some(error) = error {
            bail!(error);
        }
        Ok((dir, seconds))
    }

    /// A job that is stopped when it has taken a third, and goes on.
    fn recovery(&self) -> anyhow::Result<Recovery> {
        let (guarantee, name) = (Some("exactly-once"), "exactly-once");
        let log = KafkaLog::new(self.settings.clone(), self.args.cluster.timeout);
        let (job, sink) = self.names(name);
        log.create_topic(&sink, 4, false)?;
        let dir = self.folder.join(format!("run-live-{name}"));
        remove(&dir)?;
        let measured = (|| {
            self.until(guarantee, self.records / 3)?;
            let stood = stands(&dir)?;
            ensure!(
                stood.0 < self.records,
                "the load was through before it could be stopped: give more --views"
            );
            let (_, seconds) = self.until(guarantee, stood.0 + 1)?;
            Ok(Recovery { seconds, rows: stood.1 })
        })();
        log.delete_topic(&sink)?;
        log.delete_topic(&progress_topic(&job))?;
        log.delete_group(&job)?;
        remove(&dir)?;
        measured
    }

    fn answer(&self, ways: &[(&str, f64)], epochs: &[Epoch], recovery: Recovery) -> Value {
        let rate = |seconds: f64| self.records as f64 / seconds.max(1e-9);
        let file = ways.get(1).map_or(f64::NAN, |(_, seconds)| rate(*seconds));
        let committed = || epochs.iter().filter(|epoch| epoch.fate == Fate::Committed);
        let whole = committed().filter_map(|e| Some(e.ended_ms? - e.began_ms)).collect();
        let commit = committed().filter_map(|e| Some(e.ended_ms? - e.prepared_ms?)).collect();
        let ways: Vec<Value> = ways
            .iter()
            .map(|(name, seconds)| {
                json!({
                    "name": name,
                    "seconds": seconds,
                    "records_per_second": rate(*seconds),
                    "of_file": rate(*seconds) / file,
                })
            })
            .collect();
        let whole = Sorted::of(whole);
        json!({
            "records": self.records,
            "ways": ways,
            "epochs": committed().count(),
            "epoch_p50_ms": whole.at(50),
            "epoch_p99_ms": whole.at(99),
            "commit_p99_ms": Sorted::of(commit).at(99),
            "recovery_seconds": recovery.seconds,
            "recovery_rows": recovery.rows,
        })
    }
}

/// Arrivals, and rows of state, at a run's newest checkpoint.
fn stands(dir: &Path) -> anyhow::Result<(u64, u64)> {
    let run = Run::open(dir)?;
    let newest = run.manifest().checkpoints.last().map(|c| (c.arrival, c.state_rows));
    newest.ok_or_else(|| anyhow::anyhow!("{}: it took no checkpoint", dir.display()))
}

struct Sorted(Vec<i64>);

impl Sorted {
    fn of(mut values: Vec<i64>) -> Self {
        values.sort_unstable();
        Self(values)
    }

    fn at(&self, percent: usize) -> Option<i64> {
        let last = self.0.len().checked_sub(1)?;
        self.0.get((self.0.len() * percent / 100).min(last)).copied()
    }
}
