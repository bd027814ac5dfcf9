//! `joinscope semantics`: the four semantics side by side.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use joinscope_core::analyses::compare::CompareError;
use joinscope_core::analyses::semantics::{
    Event, Outcome, Ran, SemanticsError, Source, Spec, side_by_side,
};
use joinscope_core::edges::pipeline_file::PipelineFile;
use joinscope_core::engine::{Control, Progress};
use joinscope_core::run::{Run, RunError};
use joinscope_operator::pipeline::{Semantics as Name, parse_set};
use serde_json::{Value, json};

use super::cluster::{Bar, plural};
use super::diff::{listed, outputs, several};
use super::place::NewFolder;
use super::recording::{open_recording, say_cut};
use super::registry::{self, RegistryArgs};
use super::run::{End, broke_down, warn};
use super::{Answer, interrupt};

/// One recording under all four semantics, each held against clean
///
/// They are clean, flink-sql and flink-datastream (Flink 2.3.0), kafka-streams
/// (Kafka Streams 4.3.1). Pairs, pads, late and expired records of each, and which
/// pairs and pads are missing in it or extra, as against clean. Each semantics
/// leaves a run behind: open any of them, or two with `joinscope diff`. One that
/// cannot express the pipeline is refused, with the reason. Exit code 1 if one that
/// ran differs from clean, or Ctrl-C came before the end: what was whole stays.
///
/// Example: joinscope semantics sample-data/feed/feed.toml --recording sample-data/feed/feed.mcap
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Semantics {
    /// The pipeline (TOML)
    pipeline: PathBuf,
    /// The recording to run it over
    #[arg(long)]
    recording: PathBuf,
    /// Another value for a setting of the pipeline, such as
    /// join.with.engagements.until=1h; may be repeated
    #[arg(long = "set", value_name = "PATH=VALUE", value_parser = parse_set)]
    sets: Vec<(String, String)>,
    /// Where the runs go: a folder that does not exist yet
    #[arg(long)]
    out: Option<PathBuf>,
    /// open: rows whose interval has not passed stay open; close: the end of the
    /// recording closes everything
    #[arg(long, value_enum, default_value_t = End::Open)]
    at_end: End,
    /// Differences to name of each kind
    #[arg(long, default_value_t = 3)]
    limit: usize,
    #[command(flatten)]
    registry: RegistryArgs,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Semantics) -> anyhow::Result<Answer> {
    let recording = open_recording(&args.recording)?;
    say_cut(&recording, &args.recording);
    // As all of them read it; what one of them cannot do is said of that one.
    let clean = ("join.semantics".to_owned(), Name::Clean.name().to_owned());
    let sets: Vec<(String, String)> = args.sets.iter().cloned().chain([clean]).collect();
    let framed = registry::framed_topics(&PipelineFile::open(&args.pipeline, &sets)?.pipeline);
    let recording = registry::given(recording, Some(&framed), args.registry.settings()?.as_ref())?;
    let mut made = None;
    let dir = match &args.out {
        Some(dir) if dir.symlink_metadata().is_ok() => {
            return Err(RunError::Exists(dir.clone()).into());
        }
        Some(dir) => dir.clone(),
        None => made.insert(NewFolder::make(recording.digest())?).path().to_owned(),
    };
    let spec = Spec {
        pipeline: Source::File(args.pipeline.clone()),
        sets: args.sets.clone(),
        recording,
        dir,
        at_end: args.at_end.into(),
        memory: 1 << 30,
        limit: args.limit,
    };
    let dir = spec.dir.clone();
    let Some(outcomes) = watched(spec)? else {
        warn(&format!("cancelled: what was whole until then is in {}", dir.display()));
        return Ok(Answer::No);
    };
    let mut out = BufWriter::new(super::stdout::lock());
    if args.json {
        let all: serde_json::Map<String, Value> = outcomes
            .iter()
            .map(|(name, outcome)| Ok((name.name().to_owned(), as_json(*name, outcome)?)))
            .collect::<anyhow::Result<_>>()?;
        writeln!(out, "{}", Value::Object(all))?;
    } else {
        print(&outcomes, &mut out)?;
    }
    out.flush()?;
    let differs = outcomes.iter().any(|(_, outcome)| match outcome {
        Outcome::Ran(ran) => ran.against_clean.as_ref().is_some_and(|c| !c.outputs.same()),
        Outcome::Refused(_) => false,
    });
    Ok(if differs { Answer::No } else { Answer::Yes })
}

/// Runs and compares with a bar, until the end or Ctrl-C; `None`: it was cancelled.
fn watched(spec: Spec) -> anyhow::Result<Option<Vec<(Name, Outcome)>>> {
    let stop = interrupt::stop_flag()?;
    let (control, cancel) = (Control::new(), Arc::new(AtomicBool::new(false)));
    let at = Arc::new(Mutex::new(At::Running(Name::Clean)));
    let worker = {
        let (control, cancel, at) = (control.clone(), Arc::clone(&cancel), Arc::clone(&at));
        let work = move || {
            side_by_side(&spec, &control, &cancel, &mut |event| {
                let mut at = at.lock().unwrap_or_else(PoisonError::into_inner);
                *at = at.after(&event);
            })
        };
        std::thread::Builder::new().name("joinscope-semantics".to_owned()).spawn(work)
    };
    let worker = worker.context("no thread could be started")?;
    let mut bar = Bar::new();
    while !worker.is_finished() {
        if stop.load(Ordering::Relaxed) && !control.is_cancelled() {
            cancel.store(true, Ordering::Relaxed);
            control.cancel();
        }
        let at = *at.lock().unwrap_or_else(PoisonError::into_inner);
        let (done, words) = at.shown(&control.progress());
        bar.show(done, STAGES * STAGE, words);
        std::thread::park_timeout(Duration::from_millis(50));
    }
    bar.clear();
    match worker.join() {
        Ok(Ok(outcomes)) => Ok(Some(outcomes)),
        Ok(Err(SemanticsError::Cancelled | SemanticsError::Compare(CompareError::Cancelled))) => {
            Ok(None)
        }
        Ok(Err(error)) => Err(error.into()),
        Err(panic) => Err(broke_down(panic.as_ref()).into()),
    }
}

/// Four runs and, but for clean, what each is held against.
const STAGES: u64 = 7;
/// A stage of the bar, whatever is counted in it.
const STAGE: u64 = 1000;

/// What is at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Running(Name),
    /// Rows and outputs read, of all.
    Comparing(Name, u64, u64),
}

impl At {
    fn name(self) -> Name {
        match self {
            Self::Running(name) | Self::Comparing(name, ..) => name,
        }
    }

    fn after(self, event: &Event<'_>) -> Self {
        match event {
            Event::Began(name) => Self::Running(*name),
            Event::Compared(at) => Self::Comparing(self.name(), at.done, at.of),
            Event::Ended(..) => self,
        }
    }

    /// How much of the bar that is, and what stands before it; `run`: of the run at hand.
    fn shown(self, run: &Progress) -> (u64, String) {
        let name = self.name();
        let before = Name::ALL.iter().take_while(|of| **of != name).count() as u64;
        // Nothing is held against clean itself.
        let begun = (before * 2).saturating_sub(1);
        let part = |done: u64, of: u64| (done * STAGE).checked_div(of).unwrap_or(0).min(STAGE);
        match self {
            Self::Running(_) => {
                let words = format!("{}, {}", name.name(), plural(run.records, "record"));
                (begun * STAGE + part(run.records, run.total.unwrap_or(0)), words)
            }
            Self::Comparing(_, done, of) => {
                let words = format!("{}, comparing", name.name());
                ((begun + 1) * STAGE + part(done, of), words)
            }
        }
    }
}

fn as_json(name: Name, outcome: &Outcome) -> anyhow::Result<Value> {
    let ran = match outcome {
        Outcome::Refused(why) => return Ok(json!({ "release": name.release(), "refused": why })),
        Outcome::Ran(ran) => ran,
    };
    let mut value = json!({
        "release": name.release(),
        "run": super::stdout::path(&ran.dir),
        "notes": ran.notes,
        "records": ran.summary.records,
        "pairs": ran.pairs,
        "pads": ran.pads,
        "late": ran.late,
        "expired": ran.expired,
        "digest": ran.summary.digest,
        "seconds": ran.summary.seconds,
    });
    if let (Some(against), Some(object)) = (&ran.against_clean, value.as_object_mut()) {
        let run = Run::open(&ran.dir)?;
        let of = &against.outputs;
        let side = |side: &joinscope_core::analyses::compare::Side| -> anyhow::Result<Value> {
            Ok(json!({
                "pairs": side.pairs,
                "pads": side.pads,
                "first_pairs": outputs(&run, &side.first_pairs)?,
                "first_pads": outputs(&run, &side.first_others)?,
            }))
        };
        object.insert("same".to_owned(), of.same.into());
        object.insert("missing".to_owned(), side(&of.only_in_a)?);
        object.insert("extra".to_owned(), side(&of.only_in_b)?);
    }
    Ok(value)
}

fn print(outcomes: &[(Name, Outcome)], out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "{:<38} {:>10} {:>10} {:>9} {:>9}   {:>13} {:>13}",
        "", "pairs", "pads", "late", "expired", "missing", "extra"
    )?;
    for (name, outcome) in outcomes {
        let Outcome::Ran(ran) = outcome else {
            writeln!(out, "{:<38} refused", name.to_string())?;
            continue;
        };
        let (missing, extra) = match &ran.against_clean {
            Some(c) => {
                (c.outputs.only_in_a.total().to_string(), c.outputs.only_in_b.total().to_string())
            }
            None => ("–".to_owned(), "–".to_owned()),
        };
        writeln!(
            out,
            "{:<38} {:>10} {:>10} {:>9} {:>9}   {missing:>13} {extra:>13}",
            name.to_string(),
            ran.pairs,
            ran.pads,
            ran.late,
            ran.expired
        )?;
    }
    for (name, outcome) in outcomes {
        match outcome {
            Outcome::Refused(why) => writeln!(out, "\n{}\n  {why}", name.name())?,
            Outcome::Ran(ran) => details(*name, ran, out)?,
        }
    }
    Ok(())
}

fn details(name: Name, ran: &Ran, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(out, "\n{}  {}", name.name(), ran.dir.display())?;
    for note in &ran.notes {
        writeln!(out, "  {note}")?;
    }
    let Some(against) = &ran.against_clean else { return Ok(()) };
    if against.outputs.same() {
        writeln!(out, "  the same pairs and pads as clean")?;
        return Ok(());
    }
    let run = Run::open(&ran.dir)?;
    let sides = [(&against.outputs.only_in_a, "missing"), (&against.outputs.only_in_b, "extra")];
    for (side, what) in sides {
        for (count, first, kind) in [
            (side.pairs, &side.first_pairs, "pair"),
            (side.pads + side.examples, &side.first_others, "pad"),
        ] {
            if count > 0 {
                let first = listed(&outputs(&run, first)?, count);
                let kind = several(count, kind);
                writeln!(out, "  {what:<8} {count:>9} {kind:<6} {first}")?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_goes_on_through_runs_and_comparisons() {
        let run = Progress { records: 500, total: Some(1000), ..Progress::default() };
        let mut at = At::Running(Name::Clean);
        let (mut last, words) = at.shown(&run);
        assert_eq!((last, words.as_str()), (STAGE / 2, "clean, 500 records"));
        for name in Name::ALL.into_iter().skip(1) {
            at = at.after(&Event::Began(name));
            let (running, words) = at.shown(&run);
            assert_eq!(words, format!("{}, 500 records", name.name()));
            let found = joinscope_core::analyses::compare::Progress { done: 3, of: 4 };
            at = at.after(&Event::Compared(found));
            let (comparing, words) = at.shown(&run);
            assert_eq!(words, format!("{}, comparing", name.name()));
            assert!(last < running && running < comparing, "{last} {running} {comparing}");
            last = comparing;
        }
        assert_eq!(last, 6 * STAGE + STAGE * 3 / 4, "of {STAGES} stages");
        // Before a run has begun it is not known how many there are.
        assert_eq!(At::Running(Name::Clean).shown(&Progress::default()).0, 0);
    }
}
