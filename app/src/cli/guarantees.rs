//! `joinscope guarantees`: one recording and the same faults under each
//! delivery guarantee, and what their readers get.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::bail;
use clap::{Args, ValueEnum};
use joinscope_core::analyses::guarantees::cluster::Cluster;
use joinscope_core::analyses::guarantees::faults::{Faults, Moment};
use joinscope_core::analyses::guarantees::matrix::{
    Column, Copy, MISSED, Matrix, MatrixError, STAGES, Seen, Spec, Stage, matrix, matrix_on,
};
use joinscope_core::analyses::guarantees::real::{Connect, Real};
use joinscope_core::edges::kafka::KafkaLog;
use joinscope_core::edges::pipeline_file::PipelineFile;
use joinscope_operator::pipeline::parse_set;
use joinscope_operator::time::{format_duration, rfc3339_ms};

use super::cluster::{Bar, ClusterArgs, plural, thousands};
use super::recording::{open_recording, say_cut};
use super::run::{End, broke_down, warn};
use super::{Answer, duration, interrupt};

/// One recording and the same faults under exactly-once, at-least-once and at-most-once
///
/// Over a simulated cluster or a real one: what a reader gets twice, never, or
/// otherwise than without faults; what `read_uncommitted` sees
/// of aborted transactions; how long an output takes from its arrival until it is
/// visible; bytes written. The column "deduplicated" is at-least-once behind a
/// reader that keeps the first of each example. Every number opens: --list.
///
/// Faults: none, a moment (crash-mid-epoch, crash-before-commit,
/// crash-after-commit, power-loss, broker-restart, zombie, sleep), a moment in an
/// epoch (crash-before-commit@5), several joined by commas, or random:SEED. Several
/// come in turn: epochs are counted from where a process went on, or from the moment
/// before. One that never came, because the job ended before, is named.
///
/// With --brokers B --write the outputs go to a real cluster, into topics that
/// are made for it (joinscope-guarantees-…) and removed afterwards, with their
/// consumer group. The input is the recording's. Nothing else there is touched:
/// broker-restart (a broker that is killed under a commit and back 12 s later, as
/// under Kafka's own settings) is a call that goes unanswered, a crash a client that
/// ends; sleep waits until the brokers have timed a transaction out.
///
/// Exit code 1 if a guarantee was not kept, which is said: at-most-once under a
/// zombie is not, since only transactions fence one. random:SEED has no zombies.
/// The first Ctrl-C ends it and removes what was made for it (exit code 3).
///
/// Example: joinscope guarantees feed.toml --recording feed.mcap --faults crash-before-commit
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Guarantees {
    /// The pipeline (TOML)
    pipeline: PathBuf,
    /// The recording to run it over
    #[arg(long)]
    recording: PathBuf,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Allows topics to be made, written and removed on the cluster
    #[arg(long)]
    write: bool,
    /// What goes wrong, in turn
    #[arg(long, value_name = "SCHEDULE", default_value = "crash-before-commit")]
    faults: Faults,
    /// Another value for a setting of the pipeline, such as
    /// join.with.engagements.until=1h; may be repeated
    #[arg(long = "set", value_name = "PATH=VALUE", value_parser = parse_set)]
    sets: Vec<(String, String)>,
    /// How long a job is away after its process ended, in the recording's time
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = downtime)]
    downtime: i64,
    /// open: rows whose interval has not passed stay open; close: the end of the
    /// recording closes everything
    #[arg(long, value_enum, default_value_t = End::Open)]
    at_end: End,
    /// Opens a number: the outputs behind it and their records
    #[arg(long, value_enum, requires = "mode")]
    list: Option<List>,
    /// The guarantee whose number is opened
    #[arg(long, value_enum, requires = "list")]
    mode: Option<Mode>,
    /// Counted and listed as a reader sees it under this isolation
    #[arg(long, value_enum, default_value_t = Isolation::Committed)]
    isolation: Isolation,
    /// At most so many listed
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// One JSON object on stdout; with --list one a line
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum List {
    Duplicates,
    Losses,
    Untrue,
    Aborted,
    Timeline,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    ExactlyOnce,
    AtLeastOnce,
    Deduplicated,
    AtMostOnce,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::ExactlyOnce => "exactly-once",
            Self::AtLeastOnce => "at-least-once",
            Self::Deduplicated => "at-least-once, deduplicated",
            Self::AtMostOnce => "at-most-once",
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Isolation {
    Committed,
    Uncommitted,
}

fn downtime(text: &str) -> Result<i64, String> {
    match duration::any(text)? {
        ms @ 0.. => Ok(ms),
        _ => Err("nobody is away for less than nothing: write 0s or more".to_owned()),
    }
}

pub fn run(args: &Guarantees) -> anyhow::Result<Answer> {
    let recording = open_recording(&args.recording)?;
    say_cut(&recording, &args.recording);
    let file = PipelineFile::open(&args.pipeline, &args.sets)?;
    let end = args.at_end.into();
    let spec = Spec::of(&file.pipeline, &recording, args.faults.clone(), end, args.downtime)
        .map_err(|e| anyhow::anyhow!(e.0))?;
    let simulated = args.cluster.brokers.is_empty() && args.cluster.config.is_none();
    let found = watched(&spec, |stage| {
        if simulated { Ok(matrix(&spec, stage)?) } else { on_brokers(args, &spec, stage) }
    });
    let found = match found {
        Err(error) if was_stopped(&error) => {
            warn("stopped; nothing that was made for the comparison is left");
            return Ok(Answer::Broke);
        }
        found => found?,
    };
    let mut out = BufWriter::new(super::stdout::lock());
    let picked = args.mode.and_then(|mode| found.columns.iter().find(|c| c.mode == mode.name()));
    match (args.list, picked) {
        (Some(list), Some(column)) => print_list(args, list, column, &mut out)?,
        _ if args.json => {
            serde_json::to_writer(&mut out, &found).map_err(std::io::Error::from)?;
            writeln!(out)?;
        }
        _ => print(args, &found, &mut out)?,
    }
    out.flush()?;
    // The answer is no where a guarantee was not kept.
    Ok(if kept(&found) { Answer::Yes } else { Answer::No })
}

fn was_stopped(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<MatrixError>(), Some(MatrixError::Cancelled))
}

/// Says how far it is, and ends it on the first Ctrl-C.
fn watched(
    spec: &Spec,
    compare: impl FnOnce(Stage<'_>) -> anyhow::Result<Matrix> + Send,
) -> anyhow::Result<Matrix> {
    let stop = interrupt::stop_flag()?;
    let at = AtomicUsize::new(0);
    let stage = |name: &str| {
        tracing::info!("{name}");
        if let Some(next) = STAGES.iter().position(|stage| *stage == name) {
            at.store(next, Ordering::Relaxed);
        }
        !spec.going.is_over()
    };
    let records = spec.input.records.len() as u64;
    let mut bar = Bar::new();
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| compare(&stage));
        while !worker.is_finished() {
            if stop.load(Ordering::Relaxed) && !spec.going.is_over() {
                bar.print("joinscope: stopping; once more ends at once, and leaves what was made");
                spec.going.stop();
            }
            let stage = at.load(Ordering::Relaxed);
            let name = STAGES.get(stage).copied().unwrap_or_default();
            let done = stage as u64 * records + spec.going.records().min(records);
            bar.show(done, STAGES.len() as u64 * records, name.to_owned());
            std::thread::park_timeout(Duration::from_millis(50));
        }
        bar.clear();
        worker.join().unwrap_or_else(|panic| Err(broke_down(panic.as_ref()).into()))
    })
}

/// The same over a cluster that is there.
fn on_brokers(args: &Guarantees, spec: &Spec, stage: Stage<'_>) -> anyhow::Result<Matrix> {
    if !args.write {
        bail!(
            "over --brokers topics are made, written and removed (joinscope-guarantees-…): allow \
             it with --write; without --brokers the cluster is a simulated one"
        );
    }
    super::live::log();
    let settings = args.cluster.settings()?;
    let patience = args.cluster.timeout;
    let connect: Connect = Arc::new(move || Arc::new(KafkaLog::new(settings.clone(), patience)));
    let stop = interrupt::stop_flag()?;
    let found = matrix_on(
        spec,
        &|_, input| {
            let real = Real::begin(Arc::clone(&connect), input, Arc::clone(&stop))?;
            Ok(Arc::new(real) as Arc<dyn Cluster>)
        },
        stage,
    );
    // What it met because of that is not the reason.
    if stop.load(Ordering::Relaxed) {
        return Err(MatrixError::Cancelled.into());
    }
    Ok(found?)
}

/// Whether each guarantee delivered what it says.
fn kept(found: &Matrix) -> bool {
    found.columns.iter().all(|column| broken(column).is_empty())
}

/// What a reader of committed data got, or did not, against the guarantee.
fn broken(column: &Column) -> Vec<String> {
    let seen = &column.read_committed;
    let (twice, lost, untrue) =
        ((&seen.duplicates, "twice"), (&seen.losses, "lost"), (&seen.untrue, "untrue"));
    let against = match column.mode.as_str() {
        "exactly-once" => vec![twice, lost, untrue],
        "at-most-once" => vec![twice],
        _ => vec![lost],
    };
    let against = against.into_iter().filter(|(copies, _)| !copies.is_empty());
    against.map(|(copies, how)| format!("{} {how}", outputs(copies))).collect()
}

fn outputs(copies: &[Copy]) -> String {
    plural(copies.len() as u64, "output")
}

/// Of nothing there is no latency, and 0 would be the best.
fn latency(column: &Column, ms: i64) -> String {
    match column.read_committed.messages {
        0 => "–".to_owned(),
        _ => format_duration(ms),
    }
}

fn seen(column: &Column, isolation: Isolation) -> &Seen {
    match isolation {
        Isolation::Committed => &column.read_committed,
        Isolation::Uncommitted => &column.read_uncommitted,
    }
}

fn print(args: &Guarantees, found: &Matrix, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "faults: {}; {}, {} in {} without faults",
        found.faults,
        plural(found.records, "record"),
        plural(found.examples, "example"),
        plural(found.epochs, "epoch"),
    )?;
    write!(out, "\n{:<28}", "")?;
    for column in &found.columns {
        let short = column.mode.strip_prefix("at-least-once, ").unwrap_or(&column.mode);
        write!(out, "{short:>16}")?;
    }
    writeln!(out)?;
    let mut row = |name: &str, value: &dyn Fn(&Column) -> String| -> std::io::Result<()> {
        write!(out, "{name:<28}")?;
        for column in &found.columns {
            write!(out, "{:>16}", value(column))?;
        }
        writeln!(out)
    };
    let count = |list: &[Copy]| thousands(list.len() as u64);
    row("duplicates", &|c| count(&seen(c, args.isolation).duplicates))?;
    row("losses", &|c| count(&seen(c, args.isolation).losses))?;
    row("untrue", &|c| count(&seen(c, args.isolation).untrue))?;
    row("aborted, read_committed", &|c| count(&c.read_committed.aborted))?;
    row("aborted, read_uncommitted", &|c| count(&c.read_uncommitted.aborted))?;
    row("latency p50", &|c| latency(c, c.latency.p50))?;
    row("latency p99", &|c| latency(c, c.latency.p99))?;
    row("latency max", &|c| latency(c, c.latency.max))?;
    row("bytes to the cluster", &|c| thousands(c.written_bytes))?;
    row("records processed", &|c| thousands(c.processed))?;
    row("records/s, one run", &|c| thousands(c.records_per_second as u64))?;
    row("processes", &|c| thousands(c.incarnations))?;
    for column in &found.columns {
        if let Some(why) = &column.stopped {
            writeln!(out, "\n{} stopped: {why}", column.mode)?;
        }
    }
    for column in &found.columns {
        let broken = broken(column);
        if broken.is_empty() {
            continue;
        }
        let zombie = args.faults.0.iter().any(|(moment, _)| *moment == Moment::Zombie);
        let why = if zombie && column.mode == Mode::AtMostOnce.name() {
            ": only transactions fence a zombie"
        } else {
            ""
        };
        writeln!(out, "\n{} was not kept: {}{why}", column.mode, broken.join(", "))?;
    }
    // The deduplicated column is of the same job as the one before it.
    for column in found.columns.iter().filter(|column| column.mode != Mode::Deduplicated.name()) {
        for moment in column.timeline.iter().filter(|moment| moment.what == MISSED) {
            writeln!(out, "\n{}: {}", column.mode, moment.text)?;
        }
    }
    Ok(())
}

fn print_list(
    args: &Guarantees,
    list: List,
    column: &Column,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let seen = seen(column, args.isolation);
    let copies = match list {
        List::Duplicates => &seen.duplicates,
        List::Losses => &seen.losses,
        List::Untrue => &seen.untrue,
        List::Aborted => &seen.aborted,
        List::Timeline => {
            for moment in &column.timeline {
                if args.json {
                    serde_json::to_writer(&mut *out, moment).map_err(std::io::Error::from)?;
                    writeln!(out)?;
                    continue;
                }
                let epoch = moment.epoch.map_or_else(String::new, |n| format!("epoch {n}"));
                let at = if moment.at_ms == 0 || moment.at_ms == i64::MIN {
                    "before the first arrival".to_owned()
                } else {
                    rfc3339_ms(moment.at_ms)
                };
                let (process, what, text) = (moment.incarnation + 1, moment.what, &moment.text);
                let line = format!("{at:<26} process {process}  {what:<12} {epoch:<10} {text}");
                writeln!(out, "{}", line.trim_end())?;
            }
            return Ok(());
        }
    };
    for copy in copies.iter().take(args.limit) {
        if args.json {
            serde_json::to_writer(&mut *out, copy).map_err(std::io::Error::from)?;
            writeln!(out)?;
            continue;
        }
        let place = copy.message.as_deref().unwrap_or("nowhere");
        let epoch = copy.epoch.map_or_else(String::new, |n| format!("epoch {n}"));
        writeln!(out, "{place:<22} {epoch:<10} {}", copy.records.join(" + "))?;
    }
    let more = copies.len().saturating_sub(args.limit);
    if more > 0 && !args.json {
        writeln!(out, "and {} more (--limit)", thousands(more as u64))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use joinscope_core::analyses::guarantees::matrix::Latency;

    use super::*;

    fn column(mode: Mode, read_committed: Seen) -> Column {
        Column {
            mode: mode.name().to_owned(),
            read_committed,
            latency: Latency { p50: 5, p99: 7, max: 9 },
            incarnations: 1,
            ..Column::default()
        }
    }

    #[test]
    fn what_each_guarantee_does_not_allow_is_counted() {
        let copy = Copy {
            example: "a[0]@1".to_owned(),
            records: Vec::new(),
            message: None,
            epoch: None,
            written_ms: None,
        };
        let all = Seen {
            messages: 3,
            duplicates: vec![copy.clone()],
            losses: vec![copy.clone(), copy.clone()],
            untrue: vec![copy],
            aborted: Vec::new(),
        };
        let [twice, lost, untrue] = ["1 output twice", "2 outputs lost", "1 output untrue"];
        for (mode, expected) in [
            (Mode::ExactlyOnce, &[twice, lost, untrue][..]),
            (Mode::AtLeastOnce, &[lost]),
            (Mode::Deduplicated, &[lost]),
            (Mode::AtMostOnce, &[twice]),
        ] {
            assert_eq!(broken(&column(mode, all.clone())), expected, "{}", mode.name());
            assert!(broken(&column(mode, Seen::default())).is_empty(), "{}", mode.name());
        }
        assert_eq!(latency(&column(Mode::AtMostOnce, all), 7), "7 ms");
        assert_eq!(latency(&column(Mode::AtMostOnce, Seen::default()), 7), "–");
    }
}
