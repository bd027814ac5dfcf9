//! `joinscope run --brokers`: a pipeline over a cluster, until told to stop.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use joinscope_core::edges::kafka::{Isolation, RegistrySettings, Start, TailSpec};
use joinscope_core::edges::pipeline_file::PipelineFile;
use joinscope_core::engine::breakpoint::Condition;
use joinscope_core::engine::delivery::JobEvent;
use joinscope_core::engine::live::Standing;
use joinscope_core::engine::{Control, Ended};
use joinscope_core::run::{
    AtHit, Deliver, ExecuteLive, Outlook, RunError, execute_job, execute_live, may_begin,
};
use joinscope_operator::time::{format_duration, rfc3339_ms};
use tracing_subscriber::EnvFilter;

use super::broken::{broken, with_state};
use super::cluster::{Bar, ClusterArgs, plural};
use super::metrics::{Figures, Metrics};
use super::place::{NewFolder, folder_name};
use super::run::{
    Answered, End, Run, as_json, as_text, ask_at, at_hit, breakpoints, broke_down, said, warn,
};
use super::tell::tell;
use super::{Answer, interrupt, registry};

/// What records may take in memory between the brokers and the engine.
const MEMORY: u64 = 128 << 20;
/// Between two log lines on how it goes.
const ACCOUNT: Duration = Duration::from_secs(10);

/// What concerns a cluster.
#[derive(Args)]
pub struct LiveArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// committed (where the state in --out stands, which goes before any consumer
    /// group's offsets: those are written for lag tools, and not read; a new job
    /// begins at the earliest offset), earliest, latest, or a time (RFC 3339 or ms)
    #[arg(long, value_name = "START", default_value = "committed", hide_default_value = true)]
    from: From,
    /// A schema registry (Confluent's API). Over a recording: for the schemas that
    /// it lacks, which then stay in the run's folder
    #[arg(long, value_name = "URL", conflicts_with = "resume")]
    registry: Option<String>,
    /// Writes the outputs to the pipeline's [sink] topic, under its
    /// delivery.guarantee; without it nothing is written to the cluster
    #[arg(long, conflicts_with = "recording")]
    write: bool,
    /// With --write: makes a checkpoint that is missing or damaged anew, by
    /// replaying the arrival log in --out with the output suppressed as far as it
    /// was delivered (exactly-once)
    #[arg(long, requires = "write", conflicts_with = "recording")]
    rebuild: bool,
    /// Serves how the run stands: /metrics for Prometheus, /health (200 or 503)
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "recording")]
    metrics: Option<String>,
}

impl LiveArgs {
    /// The registry for what a recording lacks.
    ///
    /// # Errors
    /// The properties file cannot be used, or names no registry.
    pub fn registry_of_recording(&self) -> anyhow::Result<Option<RegistrySettings>> {
        let settings = self.cluster.settings()?;
        registry::of_recording(&settings, self.registry.as_deref(), self.cluster.config.as_deref())
    }
}

/// Where a live run begins.
#[derive(Clone, Debug, PartialEq, Eq)]
enum From {
    Committed,
    At(Start),
}

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "committed" => Ok(Self::Committed),
            other => other.parse().map(Self::At).map_err(|e| {
                e.to_string().replace("earliest nor latest", "committed, earliest nor latest")
            }),
        }
    }
}

/// Runs until a signal.
pub fn run(args: &Run, pipeline: PipelineFile) -> anyhow::Result<Answer> {
    let live = &args.live;
    if live.cluster.brokers.is_empty() && live.cluster.config.is_none() {
        bail!(
            "there is nothing to run over: give --recording R, or --brokers host:port for a cluster"
        );
    }
    log();
    let settings = live.cluster.settings()?;
    let job = pipeline.pipeline.delivery.job.as_ref().unwrap_or(&pipeline.pipeline.name).clone();
    let mut made = None;
    let dir = match &args.out {
        Some(dir) => dir.clone(),
        None => made.insert(NewFolder::make(&folder_name(&job))?).path().to_owned(),
    };
    let goes_on = dir.join("manifest.json").exists();
    if !goes_on && dir.symlink_metadata().is_ok() && !may_begin(&dir) {
        return Err(RunError::Exists(dir).into());
    }
    if goes_on && live.from != From::Committed {
        bail!(
            "{}: this run goes on where it stands; --from is for a new one (another --out)",
            dir.display()
        );
    }
    let metrics = live.metrics.as_deref().map(|a| Metrics::serve(a, &job)).transpose()?;
    if let Some(metrics) = &metrics {
        tracing::info!("metrics at http://{}/metrics", metrics.address);
    }
    if matches!(args.at_end, End::Close) {
        let log = std::path::absolute(&dir).unwrap_or_else(|_| dir.clone()).join("arrivals");
        warn(&format!(
            "--at-end close is of no effect here: topics have no end, so rows stay open; to close \
             them, run over the arrival log afterwards: --recording {} --at-end close",
            log.display()
        ));
    }
    let stop = interrupt::stop_flag()?;
    let semantics = pipeline.pipeline.join.semantics;
    let spec = ExecuteLive {
        overrides: args.sets.clone(),
        dir: dir.clone(),
        seed: args.seed,
        memory: args.memory,
        shards: args.shards.map_or(0, usize::from),
        tail: TailSpec {
            registry: settings.registry(live.registry.as_deref()),
            settings,
            topics: Vec::new(),
            isolation: Isolation::ReadCommitted,
            start: match &live.from {
                From::Committed => Start::Earliest,
                From::At(start) => start.clone(),
            },
            offsets: std::collections::BTreeMap::new(),
            partitions: Vec::new(),
            later: Vec::new(),
            known_only: false,
            topic_ids: std::collections::BTreeMap::new(),
            patience: live.cluster.timeout,
            memory: MEMORY,
        },
        at_hit: at_hit(),
        stop: Arc::clone(&stop),
        pipeline,
    };
    let dir = std::path::absolute(&dir).unwrap_or(dir);
    if let Some(field) = args.breaks.iter().find(|b| matches!(b, Condition::Field { .. })) {
        bail!(
            "--break {field}: values are read from a recording, and a live run's is not whole \
             yet; run over its arrival log afterwards: --recording {}",
            dir.join("arrivals").display()
        );
    }
    let watch = Watch {
        stop: &stop,
        metrics: metrics.as_ref(),
        breaks: &args.breaks,
        dir: &dir,
        waits: spec.at_hit == AtHit::Wait,
    };
    let (summary, standing, committed) = if live.write {
        let rebuild = live.rebuild;
        let ended = watched(&watch, move |control, begins| {
            let tell = Arc::new(tell) as Arc<dyn Fn(JobEvent) + Send + Sync>;
            execute_job(spec, Deliver { rebuild, tell }, control, begins)
        })?;
        let Some((outcome, standing)) = ended else { return Ok(Answer::Broke) };
        match outcome {
            Ok(end) => (end.summary, standing, Some(end.committed)),
            Err(error) => {
                let stopped = stop.load(Ordering::Relaxed);
                return broken(error, standing.denied, stopped, &dir);
            }
        }
    } else {
        let ended = watched(&watch, move |control, begins| execute_live(spec, control, begins))?;
        let Some((outcome, standing)) = ended else { return Ok(Answer::Broke) };
        match outcome {
            Ok(summary) => (summary, standing, None),
            // No further start has more rights.
            Err(error @ RunError::Engine(_)) if standing.denied => return Err(error.into()),
            // It had begun: what was whole is kept, and another start goes on.
            Err(error @ RunError::Engine(_)) => {
                warn(&format!("{error}; what was whole is in {}", dir.display()));
                return Ok(Answer::Broke);
            }
            // No further start helps while it lives.
            Err(error @ RunError::Taken(_)) => {
                warn(&error.to_string());
                return Ok(Answer::Taken);
            }
            // So may one that could not begin yet.
            Err(error @ RunError::Away(_)) => {
                warn(&error.to_string());
                return Ok(Answer::Broke);
            }
            Err(error) => return Err(error.into()),
        }
    };
    let mut out = super::stdout::lock();
    if args.json {
        let mut json = as_json(&summary, &dir);
        json["lag"] = serde_json::json!({
            "records": standing.lag_records(),
            "ms": standing.lag_ms(),
        });
        if let Some(epoch) = committed {
            json["committed"] = epoch.into();
        }
        writeln!(out, "{json}")?;
    } else {
        out.write_all(as_text(&summary, semantics, &dir).as_bytes())?;
        writeln!(out, "{}", lag(&standing))?;
    }
    Ok(match summary.ended {
        // Cancelled: by a stop that came while it followed its log.
        Ended::Done | Ended::Cancelled => Answer::Yes,
        Ended::Stopped => Answer::No,
    })
}

/// Log lines to stderr: warnings and what a live run says of itself, or what
/// `JOINSCOPE_LOG` asks for.
pub(super) fn log() {
    let filter = EnvFilter::try_from_env("JOINSCOPE_LOG")
        .unwrap_or_else(|_| EnvFilter::new("warn,joinscope=info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // Somebody may have set one up already (a test).
    let _ = subscriber.try_init();
}

/// Who watches a run.
struct Watch<'a> {
    stop: &'a AtomicBool,
    metrics: Option<&'a Metrics>,
    breaks: &'a [Condition],
    dir: &'a Path,
    /// Somebody is there to say that it goes on.
    waits: bool,
}

type Begins = Box<dyn FnOnce(&Outlook) + Send>;

/// Runs, saying how it goes, until the end; `None`: it broke down, which is said.
fn watched<T: Send + 'static>(
    watch: &Watch<'_>,
    execute: impl FnOnce(&Control, Begins) -> T + Send + 'static,
) -> anyhow::Result<Option<(T, Standing)>> {
    let Watch { stop, metrics, breaks, dir, waits } = *watch;
    let control = Control::new();
    control.set_breakpoints(breakpoints(breaks));
    let watched = control.clone();
    let outlook: Arc<Mutex<Option<Outlook>>> = Arc::default();
    let told = Arc::clone(&outlook);
    let worker = std::thread::Builder::new()
        .name("joinscope-run".to_owned())
        .spawn(move || {
            let begins: Begins = Box::new(move |outlook| {
                *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(outlook.clone());
            });
            execute(&watched, begins)
        })
        .context("no thread could be started")?;
    let mut bar = Bar::new();
    let (mut begun, mut told_at, mut accounted) = (false, None::<Instant>, Instant::now());
    while !worker.is_finished() {
        if let Some(stopped) = control.stopped().filter(|_| waits) {
            bar.clear();
            if ask_at(&stopped, breaks, dir, stop) == Answered::End {
                // It ends as after a signal: with what is whole, and a last checkpoint.
                control.set_breakpoints(Vec::new());
                stop.store(true, Ordering::Relaxed);
            }
            control.go_on();
            bar = Bar::new();
            continue;
        }
        if control.stopped().is_some() {
            // Nothing is taken any more: nothing is to be read.
            stop.store(true, Ordering::Relaxed);
        }
        let progress = control.progress();
        let known = outlook.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(outlook) = &known {
            if !std::mem::replace(&mut begun, true) {
                begins(outlook);
            }
            let standing = outlook.status.get();
            if cuts_short(told_at.map(|at| at.elapsed()), &standing) {
                control.cancel();
            }
            let now = Figures { progress, standing, waiting: control.waiting() };
            bar.say(words(&now));
            if accounted.elapsed() > ACCOUNT {
                accounted = Instant::now();
                tracing::info!("{}", words(&now));
            }
            if let Some(metrics) = metrics {
                metrics.set(now);
            }
        }
        let told = stop.load(Ordering::Relaxed) && control.stopped().is_none();
        if told && told_at.is_none() {
            told_at = Some(Instant::now());
            bar.print("joinscope: stopping with what is whole; once more ends at once");
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    bar.clear();
    if let Some(stopped) = control.stopped().filter(|_| !waits) {
        warn(&said(&stopped, breaks, dir));
    }
    let known = outlook.lock().unwrap_or_else(PoisonError::into_inner).take();
    let standing = known.map(|outlook| outlook.status.get()).unwrap_or_default();
    match worker.join() {
        Ok(outcome) => Ok(Some((outcome, standing))),
        Err(panic) => {
            warn(&with_state(&broke_down(panic.as_ref()).to_string(), dir));
            Ok(None)
        }
    }
}

/// A stop waits no longer for the end of an earlier start's log, which may be hours long:
/// what of it is not in a checkpoint yet is followed by the next start.
const FOLLOWS: Duration = Duration::from_secs(2);

/// Whether to end at once; `stopped`: so long ago a stop was asked for.
fn cuts_short(stopped: Option<Duration>, standing: &Standing) -> bool {
    standing.replaying && stopped.is_some_and(|since| since > FOLLOWS)
}

fn begins(outlook: &Outlook) {
    if let Some(arrival) = outlook.resumed_at {
        tracing::info!("goes on from the checkpoint at arrival {arrival}");
    } else {
        tracing::info!("begins");
    }
    for (partition, input) in &outlook.empty {
        warn(&format!(
            "{partition} is empty and input \"{input}\" has no idle_timeout: the event-time \
             watermark will not move before it has a record; set \
             inputs.{input}.watermark.idle_timeout=30s"
        ));
    }
    for warning in &outlook.sources {
        warn(warning);
    }
}

fn words(now: &Figures) -> String {
    let Figures { progress, standing, .. } = now;
    let watermark = match progress.watermark {
        i64::MIN => "no watermark yet".to_owned(),
        ms => format!("watermark {}", rfc3339_ms(ms)),
    };
    let what = if standing.replaying { ", following its log" } else { "" };
    let kept = match now.kept_by() {
        Some((seconds, what)) => format!("; waiting since {seconds} s: {what}"),
        None => String::new(),
    };
    format!(
        "{}, {}, {watermark}, {}{what}{kept}",
        plural(progress.records, "record"),
        plural(progress.outputs, "output"),
        lag(standing)
    )
}

fn lag(standing: &Standing) -> String {
    let (records, ms) = (standing.lag_records(), standing.lag_ms());
    match records {
        0 => "no lag".to_owned(),
        _ => format!(
            "lag {}, {}",
            plural(records, "record"),
            format_duration(i64::try_from(ms).unwrap_or(i64::MAX) / 1000 * 1000)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_committed_or_as_record_takes_it() {
        assert_eq!("committed".parse(), Ok(From::Committed));
        assert_eq!("latest".parse(), Ok(From::At(Start::Latest)));
        assert_eq!("1700000000000".parse(), Ok(From::At(Start::Time(1_700_000_000_000))));
        let error = "sometime".parse::<From>().unwrap_err();
        assert!(error.contains("committed") && error.contains("sometime"), "{error}");
    }

    /// Found by reading: a supervisor was told that no further start helps.
    #[test]
    fn one_that_breaks_down_has_broken_off() {
        let (stop, dir) = (AtomicBool::new(false), Path::new("nowhere"));
        let watch = Watch { stop: &stop, metrics: None, breaks: &[], dir, waits: false };
        assert!(watched::<u64>(&watch, |_, _| panic!("row 7 of 5")).unwrap().is_none());
        assert_eq!(with_state("row 7 of 5", dir), "row 7 of 5", "there is none");
    }

    /// Found by reading: of a long log the first Ctrl-C was heard at its end.
    #[test]
    fn a_stop_ends_the_following_of_a_log_and_not_the_reading() {
        let cuts = |stopped: Option<u64>, replaying| {
            let standing = Standing { replaying, ..Standing::default() };
            cuts_short(stopped.map(Duration::from_secs), &standing)
        };
        assert!(cuts(Some(3), true));
        // A short one is followed to its end, and what is read comes into a checkpoint.
        assert!(!cuts(Some(1), true) && !cuts(Some(9), false) && !cuts(None, true));
    }
}
