//! `joinscope incident …`: a recording and the run over it in one file.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use joinscope_core::edges::recording::{self, Recording};
use joinscope_core::engine::Ended;
use joinscope_core::run::Run;
use joinscope_core::run::incident::{self, SavedRun};
use joinscope_operator::time::rfc3339_ms;
use serde_json::json;

use super::Answer;
use super::cluster::{plural, thousands};
use super::follow::follow;
use super::recording::{open_recording, say_read_through};
use super::run::watched;
use super::verdicts::plain;

/// One file to send: the recording, the run over it, bookmarks, notes and the
/// window's layout. Whoever opens it makes the same run anew
#[derive(Args)]
pub struct Incident {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Save(Save),
    Info(Info),
    Check(Check),
}

/// Writes a run and its recording into one file, which any reader of
/// recordings opens as before
#[derive(Args)]
#[command(after_help = "Example:
  joinscope incident save runs/3 -o stall.mcap --notes 'Partition 2 stalls at 08:13'")]
struct Save {
    /// A run's folder
    run: PathBuf,
    /// The incident file that is made; one that is there is never written over
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// What happened, and what to look at
    #[arg(long, value_name = "TEXT", default_value = "")]
    notes: String,
    /// Where the recording lies now, if it moved
    #[arg(long, value_name = "RECORDING")]
    recording: Option<PathBuf>,
    /// Without your bookmarks of the recording and your window's layout
    #[arg(long)]
    plain: bool,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// What an incident file says of itself: notes, run, settings, bookmarks
#[derive(Args)]
#[command(after_help = "Example:\n  joinscope incident info stall.mcap")]
struct Info {
    /// An incident file
    incident: PathBuf,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Makes the run anew and holds it against the one that was saved. Exit code 1
/// if it is not the same, record for record, or a piece cannot be used
#[derive(Args)]
#[command(after_help = "Example:\n  joinscope incident check stall.mcap --out /tmp/stall")]
struct Check {
    /// An incident file
    incident: PathBuf,
    /// Keeps the run in this folder, which must not exist yet
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub fn run(args: &Incident) -> anyhow::Result<Answer> {
    match &args.verb {
        Verb::Save(args) => save(args),
        Verb::Info(args) => info(args),
        Verb::Check(args) => check(args),
    }
}

fn save(args: &Save) -> anyhow::Result<Answer> {
    let run = Run::open(&args.run)?;
    run.before_opening(say_read_through);
    if let Some(path) = &args.recording {
        run.located(open_recording(path)?)?;
    }
    let manifest = run.manifest();
    let Some(recording) = run.recording() else {
        let place = manifest.start.recording.path.display();
        bail!("the run's recording is not at {place} any more: name its place with --recording")
    };
    let by = format!("joinscope {}", env!("CARGO_PKG_VERSION"));
    let now = jiff::Timestamp::now().as_millisecond();
    let mut incident = incident::Incident::of(&run, &by, now)?;
    let mut blanked = incident.pipeline.as_deref() != Some(run.pipeline_text());
    blanked |= incident.set_notes(&args.notes);
    if !args.plain {
        (incident.marks, incident.view) = crate::window::kept(&manifest);
    }
    blanked |= incident.blanks_bookmarks();
    let pieces = incident.pieces()?;
    let bytes =
        follow("bytes", |job| recording::write_with(&recording, &pieces, &args.output, false, job))
            .with_context(|| format!("saving {}", args.output.display()))?;
    let mut out = super::stdout::lock();
    let marks = incident.marks.bookmarks.len();
    if args.json {
        let answer = json!({
            "incident": super::stdout::path(&args.output),
            "bytes": bytes,
            "records": recording.len(),
            "bookmarks": marks,
            "layout": incident.view.is_some(),
            "blanked": blanked,
            "digest": incident.run.map(|r| r.digest),
        });
        writeln!(out, "{answer}")?;
    } else {
        writeln!(
            out,
            "{}, their run and {} in {} ({:.1} MB){}",
            plural(recording.len(), "record"),
            plural(marks as u64, "bookmark"),
            args.output.display(),
            bytes as f64 / 1e6,
            if blanked {
                "; what looked like a secret in notes or comments is blanked"
            } else {
                ""
            }
        )?;
    }
    Ok(Answer::Yes)
}

/// Opens an incident file.
fn open(path: &Path) -> anyhow::Result<(Recording, incident::Incident)> {
    let recording = open_recording(path)?;
    let Some(incident) = incident::Incident::read(&recording) else {
        bail!(
            "{}: a recording without an incident in it; `joinscope incident save` makes one",
            path.display()
        )
    };
    Ok((recording, incident))
}

fn problems(incident: &incident::Incident) -> Vec<String> {
    incident.problems.iter().map(|p| format!("{}: {}", p.what, p.why)).collect()
}

fn info(args: &Info) -> anyhow::Result<Answer> {
    let (recording, incident) = open(&args.incident)?;
    let mut out = super::stdout::lock();
    if args.json {
        let answer = json!({
            "saved_by": incident.about.saved_by,
            "saved": incident.about.saved_ms,
            "notes": incident.about.notes,
            "records": recording.len(),
            "run": incident.run,
            "pipeline": incident.pipeline,
            "bookmarks": incident.marks.bookmarks,
            "view": incident.view,
            "problems": problems(&incident),
        });
        writeln!(out, "{answer}")?;
        return Ok(Answer::Yes);
    }
    // It comes from others.
    let mut line =
        |name: &str, value: &str| writeln!(out, "{name:<12} {}", plain(value, usize::MAX));
    line("incident", &args.incident.display().to_string())?;
    let about = &incident.about;
    line("saved", &format!("{} by {}", rfc3339_ms(about.saved_ms), about.saved_by))?;
    for (n, note) in about.notes.lines().enumerate() {
        line(if n == 0 { "notes" } else { "" }, note)?;
    }
    line("records", &thousands(recording.len()))?;
    if let Some(run) = &incident.run {
        line("pipeline", &run.pipeline_file)?;
        for (path, value) in &run.overrides {
            line("override", &format!("{path}={value}"))?;
        }
        line("seed", &run.seed.to_string())?;
        if !run.restarts.is_empty() {
            let restarts: Vec<String> = run.restarts.iter().map(|at| thousands(*at)).collect();
            line("restarts", &format!("before arrival {}", restarts.join("; ")))?;
        }
        line("at end", &run.at_end)?;
        line("made by", &format!("joinscope {}", run.program))?;
        line("outputs", &thousands(run.outputs))?;
        for (input, counts) in &run.books {
            let counts = counts.iter().map(|(verdict, n)| format!("{} {verdict}", thousands(*n)));
            line("books", &format!("{input}: {}", counts.collect::<Vec<_>>().join(", ")))?;
        }
        line("digest", &run.digest)?;
    }
    for mark in &incident.marks.bookmarks {
        let note = mark.note.lines().next().unwrap_or_default();
        line("bookmark", &format!("arrival {} {note}", thousands(mark.at)))?;
    }
    line("layout", if incident.view.is_some() { "yes" } else { "no" })?;
    for problem in problems(&incident) {
        line("CANNOT USE", &problem)?;
    }
    Ok(Answer::Yes)
}

fn check(args: &Check) -> anyhow::Result<Answer> {
    let verified = follow("bytes", |job| recording::verify(&args.incident, job))?;
    let (recording, incident) = open(&args.incident)?;
    let mut wrong: Vec<String> = verified
        .problems
        .iter()
        .map(|p| format!("the file, at byte {}: {}", thousands(p.byte), p.what))
        .collect();
    wrong.extend(problems(&incident));
    let mut made = None;
    match remake(&incident, &recording, args.out.as_deref())? {
        Remade::None => wrong.push("it holds no run to be made anew".to_owned()),
        Remade::Not(why) => wrong.push(format!("the run cannot be made anew: {why}")),
        Remade::Made(run) => {
            let saved = incident.run.clone().unwrap_or_default();
            let differences = saved.differences(&run);
            if !differences.is_empty() {
                wrong.push(format!(
                    "the run is not the one that was saved: {}",
                    differences.join("; ")
                ));
            }
            made = Some(run);
        }
    }
    let same = wrong.is_empty();
    let mut out = super::stdout::lock();
    if args.json {
        let answer = json!({
            "same": same,
            "saved": incident.run.as_ref().map(|r| &r.digest),
            "made": made.as_ref().map(|r| &r.digest),
            "problems": wrong,
            "run": args.out.as_deref().map(super::stdout::path),
        });
        writeln!(out, "{answer}")?;
    } else {
        for problem in &wrong {
            writeln!(out, "{problem}")?;
        }
        match (same, &made) {
            (true, Some(run)) => writeln!(
                out,
                "the same, record for record: {}, {}, digest {}",
                plural(run.records, "record"),
                plural(run.outputs, "output"),
                run.digest
            )?,
            _ => writeln!(out, "NOT the same")?,
        }
    }
    Ok(if same { Answer::Yes } else { Answer::No })
}

/// What came of making the run anew.
enum Remade {
    Made(SavedRun),
    /// The file holds none.
    None,
    Not(String),
}

fn remake(
    incident: &incident::Incident,
    recording: &Recording,
    out: Option<&Path>,
) -> anyhow::Result<Remade> {
    if let Some(dir) = out.filter(|dir| dir.symlink_metadata().is_ok()) {
        bail!("{}: exists already; give another --out, or remove it", dir.display());
    }
    // Without a place of its own it is gone when it has been looked at.
    let temporary = tempfile::tempdir().context("no temporary folder; give --out")?;
    let dir = out.map_or_else(|| temporary.path().join("run"), Path::to_owned);
    let order = match incident.order(recording, dir.clone()) {
        Ok(Some(order)) => order,
        Ok(None) => return Ok(Remade::None),
        Err(why) => return Ok(Remade::Not(why)),
    };
    let made = watched(order, &[], joinscope_core::run::execute)?;
    if made.ended != Ended::Done {
        // It says neither yes nor no.
        bail!("cancelled before the run was made anew");
    }
    match Run::open(&dir).and_then(|run| SavedRun::of(&run)) {
        Ok(run) => Ok(Remade::Made(run)),
        Err(error) => Ok(Remade::Not(error.to_string())),
    }
}
