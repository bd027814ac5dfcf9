//! `joinscope semantics`: the four semantics side by side.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use clap::Args;
use joinscope_core::analyses::semantics::{Event, Outcome, Ran, Source, Spec, side_by_side};
use joinscope_core::edges::pipeline_file::PipelineFile;
use joinscope_core::engine::Control;
use joinscope_core::run::{Run, RunError};
use joinscope_operator::pipeline::{Semantics as Name, parse_set};
use serde_json::{Value, json};

use super::Answer;
use super::diff::{Meter, listed, outputs, several};
use super::place::NewFolder;
use super::recording::{open_recording, say_cut};
use super::registry::{self, RegistryArgs};
use super::run::End;

/// One recording under all four semantics, each held against clean
///
/// They are clean, flink-sql and flink-datastream (Flink 2.3.0), kafka-streams
/// (Kafka Streams 4.3.1). Pairs, pads, late and expired records of each, and which
/// pairs and pads are missing in it or extra, as against clean. Each semantics
/// leaves a run behind: open any of them, or two with `joinscope diff`. One that
/// cannot express the pipeline is refused, with the reason. Exit code 1 if one that
/// ran differs from clean.
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
    let mut meter = Meter::new("comparing");
    let outcomes = side_by_side(&spec, &Control::new(), &AtomicBool::new(false), &mut |event| {
        if let Event::Compared(at) = event {
            meter.show(at.done, at.of);
        }
    })?;
    meter.clear();
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
