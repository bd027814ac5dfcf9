//! The engines that are measured, each run once over the load.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use joinscope_core::edges::recording::Recording;
use joinscope_core::engine::limit;
use joinscope_operator::pipeline::Pipeline;
use serde_json::Value;

use super::super::bench::WITHOUT_VERDICTS;
use super::super::bench_load::{Load, MEMORY, PIPELINE, remove};
use super::load::SOURCES;
use super::watch::{Cost, Of, Watch, last_lines};

/// Memory for RocksDB in Flink, MB: [`MEMORY`].
const MANAGED_MB: u64 = 512;
/// Heap for Flink's tasks, MB: with state in RocksDB, and with state on it.
const HEAP_MB: [u64; 2] = [1024, 5120];
/// Between two checkpoints of Flink unless told otherwise: with state in RocksDB, and with
/// state on its heap. It comes through 1,000,000 records in this time or more, behind so
/// many of which Joinscope takes one.
const INTERVAL_SECONDS: [u64; 2] = [90, 30];
/// `max_out_of_orderness` and `until` of the reference load.
const DELAY_SECONDS: u64 = 60;
const UNTIL_MINUTES: u64 = 30;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Peer {
    /// The hand-written loop
    Limit,
    Joinscope,
    /// Joinscope, keeping no verdicts
    JoinscopeOutputs,
    FlinkRocksdb,
    FlinkHeap,
    KafkaStreams,
    Pathway,
}

impl Peer {
    pub fn name(self) -> &'static str {
        match self {
            Self::Limit => "the limit (hand-written loop)",
            Self::Joinscope => "Joinscope (clean, state on RocksDB)",
            Self::JoinscopeOutputs => "Joinscope, outputs and checkpoints",
            Self::FlinkRocksdb => "Flink SQL 2.3.0 on RocksDB",
            Self::FlinkHeap => "Flink SQL 2.3.0 on heap",
            Self::KafkaStreams => "Kafka Streams 4.3.1 on RocksDB",
            Self::Pathway => "Pathway 0.33.0, interval join",
        }
    }

    /// How many times its records a CPU second Joinscope must reach.
    pub fn bound(self) -> Option<f64> {
        match self {
            Self::FlinkRocksdb => Some(50.0),
            Self::FlinkHeap => Some(15.0),
            Self::Pathway => Some(5.0),
            Self::Limit | Self::Joinscope | Self::JoinscopeOutputs | Self::KafkaStreams => None,
        }
    }

    /// Whether it closes what is open at the end of its input, so that its pads
    /// are all there.
    pub fn closes(self) -> bool {
        !matches!(self, Self::Limit | Self::KafkaStreams)
    }
}

/// What a peer did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    pub cost: Cost,
    pub pairs: u64,
    /// Views put out without an engagement.
    pub pads: u64,
}

/// What all peers are given.
pub struct Given {
    pub load: Load,
    pub recording: Recording,
    /// The load as JSON lines.
    pub lines: PathBuf,
    /// The folder `tests` of a checkout.
    pub scripts: PathBuf,
    /// Seconds between two checkpoints of Flink, 0 for none; `None`: its own.
    pub interval: Option<u64>,
    pub watch: Watch,
}

/// What a script started in a folder; stopped when this is dropped.
struct Started<'a> {
    script: PathBuf,
    dir: &'a Path,
    answer: String,
}

impl Drop for Started<'_> {
    fn drop(&mut self) {
        // It says itself what it could not stop; stdout is the verb's own.
        let mut stop = Command::new(&self.script);
        let _ = stop.arg("stop").arg("--dir").arg(self.dir).stdout(Stdio::null()).status();
    }
}

impl Given {
    /// Runs one peer and measures it.
    pub fn measure(&self, peer: Peer) -> anyhow::Result<Measured> {
        match peer {
            Peer::Limit => self.limit(),
            Peer::Joinscope => self.joinscope(),
            Peer::JoinscopeOutputs => self.joinscope_outputs(),
            Peer::FlinkRocksdb => self.flink("rocksdb", HEAP_MB[0], self.interval(0)),
            Peer::FlinkHeap => self.flink("hashmap", HEAP_MB[1], self.interval(1)),
            Peer::KafkaStreams => self.kafka_streams(),
            Peer::Pathway => self.pathway(),
        }
    }

    fn interval(&self, which: usize) -> u64 {
        self.interval.unwrap_or(INTERVAL_SECONDS[which])
    }

    fn script(&self, name: &str) -> PathBuf {
        self.scripts.join(name)
    }

    /// Gets what a script needs, which takes minutes the first time and is not measured.
    fn fetch(&self, name: &str, args: &[&str]) -> anyhow::Result<()> {
        let mut command = Command::new(self.script(name));
        self.watch.run(name, command.args(args), Of::Itself).map(drop)
    }

    fn start<'a>(&self, name: &str, dir: &'a Path, args: &[&str]) -> anyhow::Result<Started<'a>> {
        let script = self.script(name);
        // From here on it is stopped, also when it did not get up.
        let mut started = Started { script, dir, answer: String::new() };
        let mut command = Command::new(&started.script);
        command.arg("start").arg("--dir").arg(dir).args(args);
        command.args(["--with", &std::process::id().to_string()]);
        let (text, _) = self.watch.run(name, &mut command, Of::Itself)?;
        text.trim().clone_into(&mut started.answer);
        Ok(started)
    }

    fn limit(&self) -> anyhow::Result<Measured> {
        let pipeline = Pipeline::parse(PIPELINE, "pipeline.toml")?;
        let loaded = limit::load(&pipeline, &self.recording)?;
        let found = limit::limit(&pipeline, &self.recording, &loaded)?;
        let (seconds, cpu_seconds) = (found.took.as_secs_f64(), found.cpu.as_secs_f64());
        let cost = Cost { seconds, cpu_seconds, peak: 0 };
        Ok(Measured { cost, pairs: found.pairs, pads: found.unmatched })
    }

    fn joinscope(&self) -> anyhow::Result<Measured> {
        let out = self.watch.folder.join("run");
        remove(&out)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("run").arg(&self.load.pipeline).arg("--recording").arg(&self.load.recording);
        command.arg("--out").arg(&out).args(["--memory", MEMORY, "--at-end", "close", "--json"]);
        let (text, cost) = self.watch.run("joinscope run", &mut command, Of::Itself)?;
        remove(&out)?;
        found(&text, cost)
    }

    /// What a job keeps that nobody asks questions.
    fn joinscope_outputs(&self) -> anyhow::Result<Measured> {
        let folder = &self.watch.folder;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bench", "--json", "--close", "--without-verdicts"]);
        command.arg(&self.load.recording).arg("--folder").arg(folder);
        let (text, cost) = self.watch.run("joinscope", &mut command, Of::Itself)?;
        remove(&folder.join(WITHOUT_VERDICTS))?;
        found(&text, cost)
    }

    fn flink(&self, state: &str, heap_mb: u64, interval: u64) -> anyhow::Result<Measured> {
        self.fetch("flink/flink.sh", &["fetch"])?;
        let (dir, out) = (self.watch.folder.join("flink"), self.watch.folder.join("joined"));
        let checkpoints = self.watch.folder.join("checkpoints");
        remove(&out)?;
        let (heap, managed) = (heap_mb.to_string(), MANAGED_MB.to_string());
        let args = ["--heap", &heap, "--managed", &managed];
        let _flink = self.start("flink/flink.sh", &dir, &args)?;
        let pids = ["jobmanager", "taskmanager", "gateway"].map(|part| {
            let text = std::fs::read_to_string(dir.join(format!("{part}.pid")))?;
            text.trim().parse::<u32>().with_context(|| format!("the pid of Flink's {part}"))
        });
        let pids = pids.into_iter().collect::<anyhow::Result<Vec<u32>>>()?;
        let job = self.watch.folder.join("job.sql");
        std::fs::write(&job, statements(&self.lines, &out, state, &checkpoints, interval))?;
        let mut command = Command::new(self.script("flink/flink.sh"));
        command.arg("sql").arg("--dir").arg(&dir).arg(&job);
        let (_, cost) = self
            .watch
            .run("the Flink job", &mut command, Of::Others(&pids))
            .map_err(|e| with_log(e, "Flink's TaskManager", &dir.join("taskmanager.log")))?;
        let (pairs, pads) = count(&out, |line| line.ends_with(b" -"))?;
        remove(&out)?;
        remove(&checkpoints)?;
        Ok(Measured { cost, pairs, pads })
    }

    fn kafka_streams(&self) -> anyhow::Result<Measured> {
        self.fetch("kafka/kafka.sh", &["fetch"])?;
        self.fetch("parity/driver.sh", &["build"])?;
        let (dir, out) = (self.watch.folder.join("kafka"), self.watch.folder.join("joined"));
        let state = self.watch.folder.join("streams");
        remove(&state)?;
        let kafka = self.start("kafka/kafka.sh", &dir, &[])?;
        let brokers = &kafka.answer;
        let mut publish = Command::new(std::env::current_exe()?);
        publish.args(["recording", "publish"]).arg(&self.load.recording);
        publish.args(["--brokers", brokers, "--create-topics", "--write", "--json"]);
        self.watch.run("joinscope recording publish", &mut publish, Of::Itself)?;
        let ms = |minutes: u64| (minutes * 60_000).to_string();
        let mut command = Command::new(self.script("parity/driver.sh"));
        command.env("JOINSCOPE_HEAP", format!("{}m", HEAP_MB[0]));
        command.args(["application", "--brokers", brokers, "--left", SOURCES[0].0]);
        command.args(["--right", SOURCES[1].0, "--kind", "left", "--before", "0"]);
        command.args(["--after", &ms(UNTIL_MINUTES), "--grace", &ms(DELAY_SECONDS / 60)]);
        command.args(["--time", "ts", "--expect", &self.recording.len().to_string()]);
        command.arg("--out").arg(&out).arg("--dir").arg(&state);
        let (_, cost) =
            self.watch.run("the Kafka Streams application", &mut command, Of::Itself)?;
        let (pairs, pads) = count(&out, |line| line.ends_with(b" -"))?;
        remove(&state)?;
        Ok(Measured { cost, pairs, pads })
    }

    fn pathway(&self) -> anyhow::Result<Measured> {
        let script = "pathway_join.py";
        self.fetch("python/run.sh", &["--install", script])?;
        let out = self.watch.folder.join("joined.csv");
        let mut command = Command::new(self.script("python/run.sh"));
        command.arg(script).arg(&self.lines).arg(&out);
        command.arg((UNTIL_MINUTES * 60_000).to_string());
        let (_, cost) = self.watch.run("Pathway", &mut command, Of::Itself)?;
        // Without its header; "view","at","time","diff".
        let pad = |line: &[u8]| line.split(|b| *b == b',').nth(1) == Some(b"\"None\"");
        let (pairs, pads) = count(&out, pad)?;
        Ok(Measured { cost, pairs: pairs.saturating_sub(1), pads })
    }
}

/// What a run of Joinscope printed.
fn found(text: &str, cost: Cost) -> anyhow::Result<Measured> {
    let answer: Value = serde_json::from_str(text).context("what joinscope printed")?;
    let number = |value: &Value| value.as_u64().context("joinscope printed no books");
    let pads = number(&answer["books"]["views"]["unmatched"])?;
    let outputs = number(&answer["outputs"])?;
    ensure!(outputs >= pads, "joinscope: {outputs} outputs, {pads} pads");
    Ok(Measured { cost, pairs: outputs - pads, pads })
}

/// One source in arrival order for both inputs, and one line an output; a checkpoint
/// every `interval` seconds, none if that is 0.
fn statements(lines: &Path, out: &Path, state: &str, checkpoints: &Path, interval: u64) -> String {
    let side = |src: &str| format!("(SELECT * FROM feed WHERE src = '{src}')");
    let kept = match interval {
        0 => String::new(),
        _ => format!(
            "SET 'execution.checkpointing.interval' = '{interval}s';\n\
             SET 'execution.checkpointing.incremental' = 'true';\n\
             SET 'execution.checkpointing.storage' = 'filesystem';\n\
             SET 'execution.checkpointing.dir' = 'file://{}';\n",
            checkpoints.display()
        ),
    };
    format!(
        "SET 'parallelism.default' = '1';\n\
         SET 'state.backend.type' = '{state}';\n{kept}\
         CREATE TABLE feed (src STRING, view_id BIGINT, ts BIGINT, t AS TO_TIMESTAMP_LTZ(ts, 3), \
         WATERMARK FOR t AS t - INTERVAL '{DELAY_SECONDS}' SECOND) WITH ('connector' = 'filesystem', \
         'path' = 'file://{}', 'format' = 'json');\n\
         CREATE TABLE joined (line STRING) WITH ('connector' = 'filesystem', \
         'path' = 'file://{}', 'format' = 'raw');\n\
         INSERT INTO joined SELECT CONCAT(CAST(v.view_id AS STRING), ' ', \
         COALESCE(CAST(e.ts AS STRING), '-')) FROM {} v LEFT JOIN {} e ON v.view_id = e.view_id \
         AND e.t BETWEEN v.t AND v.t + INTERVAL '{UNTIL_MINUTES}' MINUTE;\n",
        lines.display(),
        out.display(),
        side(SOURCES[0].1),
        side(SOURCES[1].1),
    )
}

fn with_log(error: anyhow::Error, whose: &str, log: &Path) -> anyhow::Error {
    if error.is::<super::watch::Stopped>() {
        return error;
    }
    anyhow::anyhow!("{error}\n  {whose}{}", last_lines(log))
}

/// Lines of a file, or of the files in a folder: those that are pads, last, and
/// all others.
fn count(path: &Path, pad: impl Fn(&[u8]) -> bool + Copy) -> anyhow::Result<(u64, u64)> {
    let at = || path.display().to_string();
    if path.is_dir() {
        let mut sum = (0, 0);
        for entry in std::fs::read_dir(path).with_context(at)? {
            let (pairs, pads) = count(&entry?.path(), pad)?;
            sum = (sum.0 + pairs, sum.1 + pads);
        }
        return Ok(sum);
    }
    let bytes = std::fs::read(path).with_context(at)?;
    let lines = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    let (mut pairs, mut pads) = (0, 0);
    for line in lines {
        *(if pad(line) { &mut pads } else { &mut pairs }) += 1;
    }
    Ok((pairs, pads))
}
