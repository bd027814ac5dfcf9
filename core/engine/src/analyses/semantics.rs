//! One recording under all four semantics, each held against `clean`: what Flink
//! SQL, the `DataStream` API and Kafka Streams would have done with these very
//! records (3-semantics; 12-released-joins has their rules).
//!
//! What is compared are pairs and pads. Where an engine cannot express the
//! pipeline as it stands, it is run as near to it as it can be, and what was
//! changed is said; where that is impossible, it is refused with the reason.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::compare::{self, CompareError, Comparison, Progress};
use crate::edges::pipeline_file::{PipelineFile, PipelineFileError};
use crate::edges::recording::Recording;
use crate::engine::{AtEnd, Control, Ended, Summary, sources};
use crate::operator::figures::{are, plural};
use crate::operator::pipeline::{Kind, LatePolicy, OutputTime, Pipeline, Semantics};
use crate::operator::time::duration_setting;
use crate::operator::verdict::Verdict;
use crate::run::{Execute, Run, RunError, VerdictSet, execute};

/// Why the comparison could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SemanticsError {
    #[error(transparent)]
    Pipeline(#[from] PipelineFileError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Compare(#[from] CompareError),
    #[error("cancelled")]
    Cancelled,
}

/// Where the pipeline is read from.
#[derive(Clone, Debug)]
pub enum Source {
    File(PathBuf),
    /// What was read already; `file` names it in messages.
    Text {
        file: String,
        text: String,
    },
}

impl Source {
    fn open(&self, sets: &[(String, String)]) -> Result<PipelineFile, PipelineFileError> {
        match self {
            Self::File(path) => PipelineFile::open(path, sets),
            Self::Text { file, text } => Ok(PipelineFile {
                path: PathBuf::from(file),
                text: text.clone(),
                pipeline: Pipeline::parse_with(text, file, sets)?,
            }),
        }
    }
}

/// What is told on the way.
#[derive(Debug)]
pub enum Event<'a> {
    /// This one is run now.
    Began(Semantics),
    /// It is compared with `clean`.
    Compared(Progress),
    Ended(Semantics, &'a Outcome),
}

/// What is run, and where the runs go.
#[derive(Clone, Debug)]
pub struct Spec {
    pub pipeline: Source,
    /// `--set path=value`, in order.
    pub sets: Vec<(String, String)>,
    pub recording: Recording,
    /// A folder that does not exist yet: one run in it for each semantics.
    pub dir: PathBuf,
    pub at_end: AtEnd,
    pub memory: u64,
    /// Differences of each kind that are named.
    pub limit: usize,
}

/// What became of one semantics.
#[derive(Debug)]
pub enum Outcome {
    Ran(Box<Ran>),
    /// It cannot express this pipeline: why.
    Refused(String),
}

/// A run under one semantics.
#[derive(Debug)]
pub struct Ran {
    pub dir: PathBuf,
    /// What was changed so that it could run, and how many records it alone refuses.
    pub notes: Vec<String>,
    pub summary: Summary,
    pub pairs: u64,
    pub pads: u64,
    pub late: u64,
    pub expired: u64,
    /// Against `clean`, which is `a`; of `clean` itself there is none.
    pub against_clean: Option<Comparison>,
}

/// Overrides with which a semantics can run this pipeline, and what they change.
struct Mapped {
    sets: Vec<(String, String)>,
    notes: Vec<String>,
}

fn map(pipeline: &Pipeline, semantics: Semantics) -> Mapped {
    let mut mapped = Mapped { sets: Vec::new(), notes: Vec::new() };
    let mut set = |path: &str, value: &str| mapped.sets.push((path.to_owned(), value.to_owned()));
    let join = &pipeline.join;
    let mut notes = Vec::new();
    set("join.semantics", semantics.name());
    set("join.kind", join.kind.name());
    if pipeline.folds() {
        set("examples.emit", "on-match");
        notes.push("pairs are compared: nothing is folded into examples".to_owned());
    }
    if join.output_time == OutputTime::Primary && semantics != Semantics::Clean {
        set("join.output_time", "larger");
        notes.push("the time of an output is the engine's to give, not the primary's".to_owned());
    }
    if semantics == Semantics::FlinkDataStream && join.kind != Kind::Inner {
        set("join.kind", "inner");
        notes.push("DataStream has no outer interval join: run as inner".to_owned());
    }
    let takes_all = matches!(semantics, Semantics::FlinkSql | Semantics::KafkaStreams);
    if takes_all && join.late == LatePolicy::SideOutput {
        set("join.late", "drop");
        notes.push("its join drops no late row: none goes to a side output".to_owned());
    }
    if semantics == Semantics::FlinkDataStream && join.late == LatePolicy::Join {
        set("join.late", "drop");
        notes.push("DataStream never joins a late row: late ones are dropped".to_owned());
    }
    if semantics == Semantics::KafkaStreams && join.released.grace.is_none() {
        let disorder = pipeline.inputs.iter().map(|i| i.watermark.max_out_of_orderness).max();
        let grace = duration_setting(disorder.unwrap_or(0));
        set("join.grace", &grace);
        notes.push(format!("grace {grace}: the largest out-of-orderness, as none is set"));
    }
    mapped.notes = notes;
    mapped
}

/// Runs all four, one after another, and compares.
///
/// # Errors
/// The pipeline is wrong whatever the semantics, a run failed, or it was
/// cancelled.
pub fn side_by_side(
    spec: &Spec,
    control: &Control,
    cancel: &AtomicBool,
    told: &mut dyn FnMut(Event<'_>),
) -> Result<Vec<(Semantics, Outcome)>, SemanticsError> {
    let mut sets = spec.sets.clone();
    sets.push(("join.semantics".to_owned(), "clean".to_owned()));
    let pipeline = spec.pipeline.open(&sets)?.pipeline;
    let mut clean: Option<Run> = None;
    let mut outcomes = Vec::new();
    for semantics in Semantics::ALL {
        told(Event::Began(semantics));
        let mapped = map(&pipeline, semantics);
        let mut sets = spec.sets.clone();
        sets.extend(mapped.sets);
        let file = match spec.pipeline.open(&sets) {
            Ok(file) => file,
            Err(error) if semantics != Semantics::Clean => {
                let refused = Outcome::Refused(error.to_string());
                told(Event::Ended(semantics, &refused));
                outcomes.push((semantics, refused));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let mut notes = mapped.notes;
        notes.extend(sources::warnings(&file.pipeline, spec.recording.partitions()));
        let dir = spec.dir.join(semantics.name());
        let summary = match run(spec, file, sets, &dir, control) {
            Ok(summary) => summary,
            // It leaves no folder: the engine would not start over these topics.
            Err(RunError::Pipeline(why)) if semantics != Semantics::Clean => {
                let refused = Outcome::Refused(why);
                told(Event::Ended(semantics, &refused));
                outcomes.push((semantics, refused));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if summary.ended == Ended::Cancelled {
            return Err(SemanticsError::Cancelled);
        }
        let opened = Run::open(&dir)?;
        let [pairs, pads, _] = compare::count(&opened)?;
        let of = |verdict| opened.count(VerdictSet::of(verdict));
        let clean_lacks = clean.as_ref().map(|run| run.count(VerdictSet::of(Verdict::Untimed)));
        notes.extend(clean_lacks.and_then(|lacks| untimed(of(Verdict::Untimed), lacks)));
        let against_clean = clean
            .as_ref()
            .map(|clean| {
                let mut progress = |at| told(Event::Compared(at));
                compare::compare(clean, &opened, spec.limit, cancel, &mut progress)
            })
            .transpose()?;
        let ran = Outcome::Ran(Box::new(Ran {
            dir,
            notes,
            summary,
            pairs,
            pads,
            late: of(Verdict::Late),
            expired: of(Verdict::Expired),
            against_clean,
        }));
        told(Event::Ended(semantics, &ran));
        outcomes.push((semantics, ran));
        clean.get_or_insert(opened);
    }
    Ok(outcomes)
}

/// Said of event times that only the engine's join refuses, such as those at or below
/// the epoch: without a word their pairs are missing.
fn untimed(here: u64, clean: u64) -> Option<String> {
    let more = here.checked_sub(clean).filter(|more| *more > 0)?;
    Some(format!(
        "{} that clean takes {} untimed here: the verdict says why",
        plural(more, "record"),
        are(more)
    ))
}

fn run(
    spec: &Spec,
    file: PipelineFile,
    sets: Vec<(String, String)>,
    dir: &Path,
    control: &Control,
) -> Result<Summary, RunError> {
    let mut execution = Execute::new(file, spec.recording.clone(), dir.to_owned());
    execution.overrides = sets;
    execution.at_end = spec.at_end;
    execution.memory = spec.memory;
    execute(execution, control)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pipeline of two inputs with these lines of `[join]`.
    fn text(join: &str) -> String {
        let mut text = "name = \"p\"\n".to_owned();
        for input in ["views", "plays"] {
            text += &format!(
                "[inputs.{input}]\ntopic = \"{input}\"\nformat = \"json\"\nkey = \"k\"\nevent_time = \"$timestamp\"\nwatermark = {{ max_out_of_orderness = \"7s\" }}\n"
            );
        }
        text + "[join]\nprimary = \"views\"\nwith.plays = { until = \"1m\" }\n" + join
    }

    /// What is run, or why it is refused; and what is said to have been changed.
    fn mapped(text: &str, semantics: Semantics) -> (Result<Pipeline, String>, Vec<String>) {
        let mapped = map(&Pipeline::parse(text, "p.toml").unwrap(), semantics);
        let taken = Pipeline::parse_with(text, "p.toml", &mapped.sets);
        (taken.map_err(|e| e.to_string()), mapped.notes)
    }

    #[test]
    fn what_an_engine_has_not_is_left_out_of_the_run_and_said() {
        use Semantics::{Clean, FlinkDataStream, FlinkSql, KafkaStreams};
        let side_output = "late = \"side-output\"\n";
        for (join, lacking, says) in [
            (side_output, &[FlinkSql, KafkaStreams][..], "none goes to a side output"),
            ("late = \"join\"\n", &[FlinkDataStream], "late ones are dropped"),
            ("kind = \"left\"\n", &[FlinkDataStream], "no outer interval join: run as inner"),
            ("kind = \"full\"\n", &[FlinkDataStream], "no outer interval join: run as inner"),
            (
                "output_time = \"primary\"\n",
                &[FlinkSql, FlinkDataStream, KafkaStreams],
                "the time of an output is the engine's",
            ),
            ("", &[KafkaStreams], "grace 7s: the largest out-of-orderness"),
        ] {
            let text = text(join);
            let asked = Pipeline::parse(&text, "p.toml").unwrap().join;
            for semantics in [Clean, FlinkSql, FlinkDataStream, KafkaStreams] {
                let (taken, notes) = mapped(&text, semantics);
                let taken = taken.unwrap_or_else(|e| panic!("{join} {semantics}: {e}")).join;
                let said = notes.iter().any(|note| note.contains(says));
                assert_eq!(said, lacking.contains(&semantics), "{join} {semantics}: {notes:?}");
                assert_eq!(taken.semantics, semantics);
                // What is not said to be changed is as it was asked for.
                if !said {
                    let of = |join: &crate::operator::pipeline::Join| {
                        (join.late, join.kind, join.output_time)
                    };
                    assert_eq!(of(&taken), of(&asked), "{join} {semantics}");
                }
            }
        }
    }

    #[test]
    fn examples_are_compared_as_pairs_and_a_right_join_of_streams_is_refused() {
        let labels = "kind = \"left\"\n[examples]\nemit = \"on-close\"\nlabels = { like = \"plays.kind = like\" }\n";
        for semantics in Semantics::ALL {
            let (taken, notes) = mapped(&text(labels), semantics);
            assert!(!taken.unwrap().folds(), "{semantics}");
            assert!(notes.iter().any(|note| note.contains("nothing is folded")), "{notes:?}");
            let (right, _) = mapped(&text("kind = \"right\"\n"), semantics);
            let refused = right.err();
            assert_eq!(refused.is_some(), semantics == Semantics::KafkaStreams, "{refused:?}");
            let why = refused.unwrap_or_default();
            assert!(why.is_empty() || why.contains("no right one; exchange the inputs"), "{why}");
        }
    }
}
