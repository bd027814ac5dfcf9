//! `joinscope pipeline new` and `pipeline check`.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use joinscope_core::analyses::check::{CheckReport, InputCheck, check};
use joinscope_core::analyses::propose::propose;
use joinscope_core::edges::pipeline_file::PipelineFile;
use joinscope_operator::pipeline::parse_set;

use super::cluster::{Bar, plural, thousands};
use super::recording::{open_recording, say_cut};
use super::registry::{self, RegistryArgs};
use super::{Answer, harmless, interrupt};

/// Pipelines: a new one from a recording, or whether one fits a recording.
#[derive(Args)]
pub struct Pipeline {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    New(New),
    Check(Check),
}

/// Writes a commented pipeline from a sample of each topic
///
/// It names each topic's format and the fields that could be key or event time, with
/// the share of records that have them; the comments say why, and what else could be.
///
/// Example: joinscope pipeline new feed.mcap -o feed.toml
#[derive(Args)]
#[command(verbatim_doc_comment)]
struct New {
    /// The recording to look at
    recording: PathBuf,
    /// The pipeline that is written; a file that is there is never written over
    #[arg(short, long, value_name = "PIPELINE")]
    output: PathBuf,
    #[command(flatten)]
    registry: RegistryArgs,
    /// What was found, and the pipeline, as one JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Whether a pipeline finds anything in a recording
///
/// Topics that are missing, with the nearest names, and the share of the first
/// 10,000 records of each input that decode, have a key, have a time, and whose key
/// is on the other side. Exit code 1: it finds nothing.
///
/// Example: joinscope pipeline check feed.toml --recording feed.mcap
#[derive(Args)]
#[command(verbatim_doc_comment)]
struct Check {
    /// The pipeline (TOML)
    pipeline: PathBuf,
    /// The recording that it is held against
    #[arg(long)]
    recording: PathBuf,
    /// Another value for a setting of the pipeline, such as
    /// join.with.engagements.until=1h; may be repeated
    #[arg(long = "set", value_name = "PATH=VALUE", value_parser = parse_set)]
    sets: Vec<(String, String)>,
    #[command(flatten)]
    registry: RegistryArgs,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Pipeline) -> anyhow::Result<Answer> {
    match &args.verb {
        Verb::New(args) => new(args),
        Verb::Check(args) => checked(args),
    }
}

fn new(args: &New) -> anyhow::Result<Answer> {
    let recording = open_recording(&args.recording)?;
    say_cut(&recording, &args.recording);
    let recording = registry::given(recording, None, args.registry.settings()?.as_ref())?;
    let name = args.output.file_stem().map(|s| s.to_string_lossy().into_owned());
    let name = name.unwrap_or_else(|| "pipeline".to_owned());
    let stop = interrupt::stop_flag()?;
    let mut bar = Bar::new();
    let proposal = propose(&recording, &name, || looking(&stop, &mut bar));
    bar.clear();
    let proposal = proposal?;
    write_new(&args.output, &proposal.text)?;
    let mut out = super::stdout::lock();
    if args.json {
        serde_json::to_writer(&mut out, &proposal.to_json()).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        writeln!(
            out,
            "{}: a pipeline for {}",
            args.output.display(),
            plural(proposal.topics.len() as u64, "topic")
        )?;
        writeln!(
            out,
            "Read its comments, then: joinscope pipeline check {} --recording {}",
            args.output.display(),
            args.recording.display()
        )?;
    }
    Ok(Answer::Yes)
}

/// Whether to go on; meanwhile it is said that it does. How far it goes is not known: it
/// ends with the records that it needs.
fn looking(stop: &AtomicBool, bar: &mut Bar) -> bool {
    bar.say("looking at the recording".to_owned());
    !stop.load(Ordering::Relaxed)
}

/// Never over a file that is there: it may have been written by hand.
fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            bail!("{}: exists already; name another file, or remove it", path.display())
        }
        file => file.with_context(|| format!("{}: cannot be written", path.display()))?,
    };
    if let Err(e) = file.write_all(text.as_bytes()) {
        drop(file);
        // Nothing half-written stays behind.
        let _ = std::fs::remove_file(path);
        return Err(e).with_context(|| format!("{}: cannot be written", path.display()));
    }
    Ok(())
}

fn checked(args: &Check) -> anyhow::Result<Answer> {
    let file = PipelineFile::open(&args.pipeline, &args.sets)?;
    let framed = registry::framed_topics(&file.pipeline);
    let recording = open_recording(&args.recording)?;
    say_cut(&recording, &args.recording);
    let recording = registry::given(recording, Some(&framed), args.registry.settings()?.as_ref())?;
    let stop = interrupt::stop_flag()?;
    let mut bar = Bar::new();
    let report = check(&file.pipeline, &recording, || looking(&stop, &mut bar));
    bar.clear();
    let report = report?;
    let mut out = super::stdout::lock();
    if args.json {
        serde_json::to_writer(&mut out, &report.to_json()).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        text(&mut out, &report)?;
    }
    Ok(if report.ok() { Answer::Yes } else { Answer::No })
}

fn text(out: &mut impl Write, report: &CheckReport) -> std::io::Result<()> {
    if !report.inputs.is_empty() {
        writeln!(
            out,
            "{:<20} {:>9} {:>8} {:>8} {:>8} {:>8} {:>22}",
            "input", "looked at", "decode", "time", "key", "where", "key on the other side"
        )?;
    }
    for i in &report.inputs {
        let of = i.looked_at - i.tombstones;
        let name: String = i.input.chars().take(20).collect();
        writeln!(
            out,
            "{name:<20} {:>9} {:>8} {:>8} {:>8} {:>8} {:>22}",
            thousands(i.looked_at),
            percent(i.decoded, of),
            percent(i.timed, of),
            percent(i.keyed, of),
            percent(i.kept, of),
            percent(i.found, i.rows)
        )?;
    }
    for i in &report.inputs {
        details(out, i)?;
    }
    for warning in report.warnings() {
        writeln!(out, "note: {}", harmless(&warning))?;
    }
    let reasons = report.reasons();
    for reason in &reasons {
        writeln!(out, "no: {}", harmless(reason))?;
    }
    if reasons.is_empty() {
        writeln!(
            out,
            "yes: it can run (keys of the first {})",
            plural(report.keys_looked_at, "record")
        )?;
    }
    Ok(())
}

fn details(out: &mut impl Write, i: &InputCheck) -> std::io::Result<()> {
    if i.tombstones > 0 {
        writeln!(out, "{}: {}", i.input, plural(i.tombstones, "null value"))?;
    }
    for (verdict, record, why) in &i.examples {
        let why: String = why.chars().take(200).collect();
        writeln!(
            out,
            "{}: {verdict}, first {record}: {}",
            i.input,
            super::verdicts::plain(&why, 200)
        )?;
    }
    if i.nearly > 0 {
        writeln!(
            out,
            "{}: {} keys are on the other side but for case, whitespace or type",
            i.input,
            percent(i.nearly, i.rows)
        )?;
    }
    Ok(())
}

/// A share that is neither 0 nor 1 is never shown as if it were.
fn percent(n: u64, of: u64) -> String {
    match n {
        _ if of == 0 => "–".to_owned(),
        0 => "0 %".to_owned(),
        n if n == of => "100 %".to_owned(),
        n => format!("{:.1} %", (n as f64 * 100.0 / of as f64).clamp(0.1, 99.9)),
    }
}
