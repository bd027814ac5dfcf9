//! What stands between a pipeline and its run: where runs lie, the check, and
//! running in this process.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use joinscope_core::edges::recording::Recording;
use joinscope_core::engine::{self, AtEnd, CHECKPOINT_RECORDS, Control, Ended, RunSpec};
use joinscope_core::run::{
    InputInfo, LaneInfo, ManifestStart, RecordingRef, Result, RunEnd, RunError, RunState, Writer,
};
use joinscope_operator::pipeline::Pipeline;
use joinscope_operator::record::Arrival;

pub use joinscope_core::run::Run;

/// Bytes of state that a run of the window keeps in memory.
const MEMORY: u64 = 512 << 20;

/// The first row of an arrival; past the last, the number of rows.
pub fn first_row_of(run: &Run, arrival: Arrival) -> Result<u64> {
    if arrival >= run.arrivals() {
        return Ok(run.rows());
    }
    let rows = run.rows_of_arrival(arrival)?;
    Ok(rows.first().map_or_else(|| run.rows(), |r| r.row))
}

/// Where runs of a recording lie without `--out`: the platform's data folder,
/// `runs/<recording digest>`.
pub fn runs_folder(digest: &str) -> std::result::Result<PathBuf, String> {
    let dirs = directories::ProjectDirs::from("", "", "joinscope")
        .ok_or_else(|| "there is no home folder to keep runs in; set HOME".to_owned())?;
    Ok(dirs.data_dir().join("runs").join(digest))
}

/// What is to be run.
#[derive(Clone)]
pub struct RunOrder {
    /// Name of the pipeline's file, for messages.
    pub file: String,
    /// As it was written, or with its schemas in it.
    pub text: String,
    /// `path = value`, in order.
    pub overrides: Vec<(String, String)>,
    pub recording: Recording,
    /// `None`: on the platform's place.
    pub out: Option<PathBuf>,
}

/// What the check before a run found.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// Why the user is asked before it runs; empty: it may run.
    pub reasons: Vec<String>,
}

fn parse(order: &RunOrder) -> std::result::Result<Pipeline, String> {
    Pipeline::parse_with(&order.text, &order.file, &order.overrides).map_err(|e| e.to_string())
}

/// Checks a pipeline against a recording before it runs.
pub fn check(order: &RunOrder) -> std::result::Result<Checked, String> {
    let pipeline = parse(order)?;
    let report = joinscope_core::analyses::check::check(&pipeline, &order.recording, || true)
        .map_err(|e| e.to_string())?;
    Ok(Checked { reasons: report.reasons() })
}

/// Runs, and tells `begun` where as soon as the folder is there.
pub fn execute(
    order: &RunOrder,
    control: &Control,
    begun: &dyn Fn(PathBuf),
) -> std::result::Result<(), String> {
    let pipeline = Arc::new(parse(order)?);
    let (dir, mut writer) = create(order, &pipeline)?;
    begun(dir.clone());
    let spec = RunSpec {
        pipeline,
        source: Arc::new(order.recording.clone()),
        folder: Some(dir),
        at_end: AtEnd::Open,
        seed: 0,
        memory: MEMORY,
        shards: shards(),
        checkpoint_records: CHECKPOINT_RECORDS,
        resume: None,
    };
    let run = engine::run(spec, &mut writer, control);
    let ended_ms = jiff::Timestamp::now().as_millisecond();
    let (state, end) = match &run {
        Ok(s) => (
            if s.ended == Ended::Done { RunState::Done } else { RunState::Cancelled },
            RunEnd {
                error: None,
                digest: Some(s.digest.clone()),
                seconds: s.seconds,
                peak_memory_bytes: s.peak_memory_bytes,
                ended_ms,
            },
        ),
        Err(e) => {
            let end = RunEnd { error: Some(e.to_string()), ended_ms, ..RunEnd::default() };
            (RunState::Failed, end)
        }
    };
    writer.finish(state, end).map_err(|e| e.to_string())?;
    run.map(|_| ()).map_err(|e| e.to_string())
}

/// One core is the window's.
fn shards() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    cores.saturating_sub(1).max(1)
}

fn create(order: &RunOrder, pipeline: &Pipeline) -> std::result::Result<(PathBuf, Writer), String> {
    let start = start(order, pipeline);
    if let Some(out) = &order.out {
        let writer = Writer::create(out, start, pipeline.folds()).map_err(|e| e.to_string())?;
        return Ok((out.clone(), writer));
    }
    let folder = runs_folder(order.recording.digest())?;
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut n = last_number(&folder) + 1;
    loop {
        let dir = folder.join(n.to_string());
        match Writer::create(&dir, start.clone(), pipeline.folds()) {
            Ok(writer) => return Ok((dir, writer)),
            // Another window took the number meanwhile.
            Err(RunError::Exists(_)) => n += 1,
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn last_number(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|e| e.file_name().to_str()?.parse().ok()).max().unwrap_or(0)
}

fn start(order: &RunOrder, pipeline: &Pipeline) -> ManifestStart {
    let recording = &order.recording;
    let path = recording.path();
    let mut lanes = Vec::new();
    for (i, input) in pipeline.inputs.iter().enumerate() {
        for p in recording.partitions().iter().filter(|p| p.topic == input.topic) {
            lanes.push(LaneInfo {
                input: i as u8,
                topic: Arc::clone(&p.topic),
                partition: p.partition,
            });
        }
    }
    let topics = pipeline.topics();
    let inputs = pipeline.inputs.iter().map(|i| InputInfo {
        name: Arc::clone(&i.name),
        topic: Arc::clone(&i.topic),
        max_out_of_orderness: i.watermark.max_out_of_orderness,
    });
    ManifestStart {
        pipeline_file: order.file.clone(),
        pipeline_text: order.text.clone(),
        overrides: order.overrides.clone(),
        recording: RecordingRef {
            path: path.canonicalize().unwrap_or_else(|_| path.to_owned()),
            digest: recording.digest().to_owned(),
        },
        seed: 0,
        at_end: "open".to_owned(),
        inputs: inputs.collect(),
        lanes,
        total: engine::Source::records(recording, &topics),
    }
}
