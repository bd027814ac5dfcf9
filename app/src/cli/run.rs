//! `joinscope run`: a pipeline over a recording, and what became of its records.

mod account;
mod refused;
mod watch;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use joinscope_core::edges::pipeline_file::PipelineFile;
use joinscope_core::engine::breakpoint::Condition;
use joinscope_core::engine::{AtEnd, CHECKPOINT_RECORDS, Control, Ended, sources};
use joinscope_core::run::{Execute, Manifest, RunError, execute, go_on};
use joinscope_operator::pipeline::parse_set;
use joinscope_operator::time::{format_duration, rfc3339_ms};

pub(super) use self::account::{as_json, as_text};
use self::refused::refused;
pub(super) use self::watch::{Answered, ask_at, at_hit, breakpoints, broke_down, said, watched};
use super::cluster::thousands;
use super::place::NewFolder;
use super::recording::{open_recording, say_cut};
use super::{Answer, ahead, harmless, registry, whole};

/// An event time so far beyond its arrival is worth naming, ms.
const FAR_AHEAD: i64 = 60_000;

/// Runs a pipeline over a recording, or live over a cluster: joins it and keeps
/// a verdict for every record
///
/// The pipeline's join.semantics says whose rules the join follows: clean,
/// flink-sql (Flink 2.3.0), flink-datastream (Flink 2.3.0) or kafka-streams
/// (Kafka Streams 4.3.1). Under flink-* with join.parallelism above 1 each
/// partition belongs to the source subtask that Flink gives it to; a subtask
/// without one holds the event-time watermark back unless its input has an
/// `idle_timeout`.
#[derive(Args)]
#[command(after_help = "Examples:
  joinscope run pipeline.toml --recording feed.mcap
  joinscope run pipeline.toml --recording feed.mcap \\
    --set inputs.views.watermark.max_out_of_orderness=5s --out /tmp/strict --json
  joinscope run pipeline.toml --recording feed.mcap --resume /tmp/feed
  joinscope run pipeline.toml --recording feed.mcap --resume /tmp/feed --checkpoint 7
  joinscope run pipeline.toml --recording feed.mcap --set join.semantics=flink-sql \\
    --restart-at 20000,45000
  joinscope run pipeline.toml --recording feed.mcap --registry http://localhost:8081
  joinscope run pipeline.toml --brokers localhost:9092 --out /tmp/feed
  joinscope run pipeline.toml --brokers localhost:9092 --out /tmp/feed --write

A run over a recording that was killed, cancelled, stopped or failed goes on with
--resume from its newest checkpoint, given the pipeline, recording, --set, --seed
and --at-end that it began with (and its --restart-at, or none: then the run's own);
its outputs, verdicts and digest are those of a run that was never stopped. Where that
checkpoint is damaged nothing is changed, and --checkpoint names another one. The first
Ctrl-C cancels it, and takes a checkpoint of what was whole; a second one ends it at
once.

A recording of framed Avro that was made without --registry lacks the schemas: a
registry given to the run (login and certificates stand in --config) is asked for
those, and they are kept in the run's folder, which is opened, explained and resumed
without it.

Live, nothing is written to the cluster (no group, no transaction, no topic) unless
--write is given: then the outputs go to the pipeline's [sink] topic under its
delivery.guarantee, and the job is one on the cluster (delivery.job). The
run goes on until Ctrl-C or SIGTERM, which ends it with what is whole and a last
checkpoint (while it follows a long log of an earlier start, without one); a
second one ends it at once. With the same --out it goes on from there. Its arrival
log (arrivals/ in its folder) is a recording: --recording takes it, and gives the
same outputs and verdicts.

Exit codes: 0 done, live also stopped by a signal, which ends the waiting for brokers
while nothing has begun, too; 1 cancelled, or ended at a --break; 2 it cannot be run as
asked, or broke off over a recording: change something before trying again; 3 a live
run broke off (what was whole is kept), or brokers or a schema registry do not answer:
starting it again goes on from there; 4 another process has the job: do not start it
again; 130 ended at once by a second signal.
Log lines go to stderr; JOINSCOPE_LOG sets what of them (e.g. debug).")]
pub struct Run {
    /// The pipeline (TOML)
    pipeline: PathBuf,
    /// A recording: a file, or a folder of segments (`record --roll-size`, or the arrival
    /// log of a live run)
    #[arg(long, value_name = "RECORDING", conflicts_with_all = ["brokers", "from"])]
    recording: Option<PathBuf>,
    #[command(flatten)]
    pub(super) live: super::live::LiveArgs,
    /// The run's folder, which must not exist yet, or, live, is this job's [default:
    /// the platform's data folder, runs/<recording digest>/<n>, live
    /// runs/live-<job>/<n>]
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Goes on with the run in this folder, which did not come to its end, from its
    /// newest checkpoint
    // `requires` alone asks for nothing where what it names is in conflict with
    // another argument that is there.
    #[arg(long, value_name = "DIR", requires = "recording", conflicts_with_all = ["out", "brokers"])]
    resume: Option<PathBuf>,
    /// Goes on from this checkpoint instead (where there is none of this number, those
    /// that there are are named); what the run had kept after it is made again
    #[arg(long, value_name = "EPOCH", requires = "resume", conflicts_with_all = ["out", "brokers"])]
    checkpoint: Option<u64>,
    /// Another value for a setting of the pipeline, such as
    /// join.with.engagements.until=1h; may be repeated
    #[arg(long = "set", value_name = "PATH=VALUE", value_parser = parse_set)]
    pub(super) sets: Vec<(String, String)>,
    /// open: rows whose interval has not passed stay open; close: the end of the
    /// recording closes everything (a live run has none, and stays open)
    #[arg(long, value_enum, default_value_t = End::Open)]
    pub(super) at_end: End,
    /// Stays with the run; a run that goes on has to be given the same
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) seed: u64,
    #[arg(
        long,
        value_name = "ARRIVAL,…",
        value_delimiter = ',',
        value_parser = arrival,
        requires = "recording",
        conflicts_with = "brokers",
        help = "Models a restart of Flink before these arrivals, as a run numbers them (flink-sql, \
                flink-datastream): a stop with a savepoint and a start from it, at the same \
                parallelism. Rows, timers and offsets stay; forgotten are all event-time watermarks, what was idle, and the \
                expiration times of Flink SQL's subtasks. clean forgets nothing, and a restart of \
                Kafka Streams is not modelled: both are refused. All rows stay in memory then"
    )]
    restart_at: Vec<u64>,
    /// Memory for join state; above it rows rest on disk (512MiB, 2GiB, …)
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = size)]
    pub(super) memory: u64,
    /// Parts that the join's keys are divided into [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(super) shards: Option<u16>,
    /// Records between two checkpoints of the state
    #[arg(long, value_name = "N", default_value_t = CHECKPOINT_RECORDS, hide = true)]
    checkpoint_records: u64,
    #[arg(
        long = "break",
        value_name = "CONDITION",
        conflicts_with = "write",
        help = "Stops where this is met: verdict=late, key=42, late_by>40s, stalled>30s, \
                state>100000, state>64MB, value.kind=like; may be repeated. On a terminal Enter \
                goes on from there, otherwise the run ends there. Not with --write: an open \
                transaction does not wait. A live run has no value.… (its log has)"
    )]
    pub(super) breaks: Vec<Condition>,
    /// One JSON object on stdout
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum End {
    Open,
    Close,
}

impl From<End> for AtEnd {
    fn from(end: End) -> Self {
        match end {
            End::Open => Self::Open,
            End::Close => Self::Close,
        }
    }
}

/// The number of an arrival.
fn arrival(text: &str) -> Result<u64, String> {
    text.trim().parse().map_err(|_| {
        "write the number of an arrival, such as 20000 (`joinscope verdicts` lists them)".to_owned()
    })
}

/// `512MiB`, `2GiB`, `800MB` or bytes.
pub fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 8] = [
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
        ("tib", 1 << 40),
        ("kb", 1_000),
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
        ("b", 1),
    ];
    let lower = text.trim().to_ascii_lowercase();
    let (number, unit) = UNITS
        .iter()
        .find_map(|(name, unit)| Some((lower.strip_suffix(name)?, *unit)))
        .unwrap_or((&lower, 1));
    number
        .trim()
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(unit))
        .ok_or_else(|| "write a whole number with a unit, e.g. 512MiB or 2GiB".to_owned())
}

/// Runs the verb.
pub fn run(args: &Run) -> anyhow::Result<Answer> {
    let pipeline = PipelineFile::open(&args.pipeline, &args.sets)?;
    let Some(path) = &args.recording else { return super::live::run(args, pipeline) };
    let recording = open_recording(path)?;
    say_cut(&recording, path);
    // A run that goes on has in its folder what it was given.
    let registry = if args.resume.is_some() { None } else { args.live.registry_of_recording()? };
    let framed = registry::framed_topics(&pipeline.pipeline);
    let recording = match registry::given(recording, Some(&framed), registry.as_ref()) {
        Ok(recording) => recording,
        Err(error) => return registry::not_begun(error),
    };
    let beforehand = ahead::empty_partitions(&pipeline.pipeline, &recording);
    let subtasks = sources::warnings(&pipeline.pipeline, recording.partitions());
    let drift = ahead::drift(&pipeline.pipeline, &recording);
    for warning in beforehand.into_iter().chain(subtasks).chain(drift) {
        warn(&warning);
    }
    let mut made = None;
    let dir = match args.resume.as_ref().or(args.out.as_ref()) {
        Some(dir) if args.resume.is_some() => dir.clone(),
        Some(dir) if dir.symlink_metadata().is_ok() => {
            return Err(RunError::Exists(dir.clone()).into());
        }
        Some(dir) => dir.clone(),
        None => made.insert(NewFolder::make(recording.digest())?).path().to_owned(),
    };
    let semantics = pipeline.pipeline.join.semantics;
    let mut spec = Execute::new(pipeline.clone(), recording, dir.clone());
    spec.overrides.clone_from(&args.sets);
    spec.at_end = args.at_end.into();
    spec.seed = args.seed;
    spec.restarts.clone_from(&args.restart_at);
    spec.memory = args.memory;
    spec.shards = args.shards.map_or(0, usize::from);
    spec.checkpoint_records = args.checkpoint_records;

    spec.at_hit = at_hit();
    let (resumed, checkpoint) = (args.resume.is_some(), args.checkpoint);
    let how = move |spec: Execute, control: &Control| {
        if resumed { go_on(spec, checkpoint, control) } else { execute(spec, control) }
    };
    let summary =
        watched(spec, &args.breaks, how).map_err(|error| broke_off(error, &dir, resumed))?;
    let dir = std::path::absolute(&dir).unwrap_or(dir);
    let mut out = super::stdout::lock();
    if args.json {
        writeln!(out, "{}", as_json(&summary, &dir))?;
    } else {
        out.write_all(as_text(&summary, semantics, &dir).as_bytes())?;
        let restarts = Manifest::load(&dir).map(|kept| kept.start.restarts).unwrap_or_default();
        if !restarts.is_empty() {
            let restarts: Vec<String> = restarts.into_iter().map(thousands).collect();
            writeln!(out, "modelled restarts before arrival {}", restarts.join("; "))?;
        }
    }
    drop(out);
    if let Some(furthest) = summary.furthest.as_ref().filter(|f| f.ahead_ms > FAR_AHEAD) {
        warn(&format!(
            "{} moved the event-time watermark furthest: its event time {} is {} beyond its \
             arrival; watermark.max_ahead makes such a record untimed",
            furthest.record,
            rfc3339_ms(furthest.event_time),
            format_duration(furthest.ahead_ms)
        ));
    }
    for warning in refused(&summary, &dir) {
        warn(&warning);
    }
    Ok(match summary.ended {
        Ended::Done => Answer::Yes,
        Ended::Cancelled => {
            warn(&left("cancelled: what was whole until then", &dir, "there"));
            Answer::No
        }
        Ended::Stopped => {
            // What came since the newest one is made again.
            warn(&left("it ends there: what came before", &dir, "its newest checkpoint"));
            Answer::No
        }
    })
}

/// Where what there is of a run that ended early is, and how and whence it goes on.
fn left(what: &str, dir: &Path, whence: &str) -> String {
    let mut text = format!("{what} is in the run's folder");
    if Manifest::load(dir).is_ok_and(|kept| !kept.checkpoints.is_empty()) {
        let _ = write!(text, ", --resume {} goes on from {whence}", dir.display());
    }
    text
}

/// What a system says where nothing more fits: the disk, a quota, a file.
const FULL: [&str; 3] = ["No space left on device", "Disk quota exceeded", "File too large"];

/// An error with what is left of the run, and what to do about it.
fn broke_off(error: anyhow::Error, dir: &Path, resumed: bool) -> anyhow::Error {
    let mut text = whole(&error);
    let full = FULL.iter().any(|said| text.contains(said));
    // A run that goes on is read before it is written.
    let began = match error.downcast_ref::<RunError>() {
        Some(RunError::Engine(_)) => true,
        Some(RunError::Io { .. }) => !resumed,
        _ => false,
    };
    let kept = Manifest::load(dir).ok().filter(|_| began);
    if kept.is_none() && !full {
        return error;
    }
    if let Some(kept) = kept {
        let at = dir.display();
        let _ = write!(text, "; what was whole is in {at}");
        if !kept.checkpoints.is_empty() {
            let _ = write!(text, ", --resume {at} goes on from there");
        }
    }
    if full {
        text.push_str("; the disk is full: free space");
        if !resumed {
            text.push_str(", or give --out on another disk");
        }
    }
    anyhow!(text)
}

pub(super) fn warn(text: &str) {
    // stderr may be gone; the run goes on.
    let _ = writeln!(std::io::stderr(), "joinscope: {}", harmless(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_says_what_to_do() {
        // The disk, and how long a file may be.
        let full = |number| {
            let source = std::io::Error::from_raw_os_error(number);
            anyhow::Error::new(RunError::Io { path: "r".into(), source })
        };
        for number in [28, 27] {
            let text = broke_off(full(number), Path::new("none"), false).to_string();
            assert!(text.ends_with("free space, or give --out on another disk"), "{text}");
            assert!(!text.contains("what was whole"), "it never began: {text}");
        }
        let text = broke_off(full(28), Path::new("none"), true).to_string();
        assert!(text.ends_with("the disk is full: free space"), "{text}");
        let other = anyhow::Error::new(RunError::NoSuch("no checkpoint".to_owned()));
        assert_eq!(broke_off(other, Path::new("none"), true).to_string(), "no checkpoint");
    }

    #[test]
    fn arrivals() {
        assert_eq!(arrival(" 900"), Ok(900));
        for bad in ["", "x", "-1", "1.5", "99999999999999999999"] {
            assert!(arrival(bad).unwrap_err().contains("number of an arrival"), "{bad}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(size("512MiB"), Ok(512 << 20));
        assert_eq!(size("2 GiB"), Ok(2 << 30));
        assert_eq!(size("800MB"), Ok(800_000_000));
        assert_eq!(size("4096"), Ok(4096));
        for bad in ["", "MiB", "-1", "1.5GiB", "99999999999TiB", "ten"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
