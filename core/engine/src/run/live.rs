//! Runs a pipeline over a cluster into a run folder, or goes on with one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::breaking::AtHit;
use super::error::{Result, RunError};
use super::execute::{Keep, Laid, inputs, keep, sources, verified};
use super::layout::{ARRIVALS, LOCK, MANIFEST, PIPELINE, SEGMENTS};
use super::manifest::{LiveInfo, Lock, Manifest, ManifestStart, RecordingRef};
use super::read;
use super::write::Writer;
use crate::edges::kafka::TailSpec;
use crate::edges::pipeline_file::PipelineFile;
use crate::edges::rocksdb;
use crate::engine::delivery::same_state;
use crate::engine::live::{Live, LiveError, LiveSpec, LiveStatus};
use crate::engine::{self, AtEnd, Control, Source, Summary};
use crate::operator::pipeline::Pipeline;
use crate::operator::record::TopicPartition;

/// What to run, and where what it leaves behind goes.
#[derive(Clone, Debug)]
pub struct ExecuteLive {
    pub pipeline: PipelineFile,
    /// `--set path=value`, in order; already in effect in `pipeline`.
    pub overrides: Vec<(String, String)>,
    /// A folder that does not exist yet, or the run folder of this job: then
    /// the run goes on from the state in it.
    pub dir: PathBuf,
    pub seed: u64,
    /// Bytes that join state may take in memory.
    pub memory: u64,
    /// 0: one for each core.
    pub shards: usize,
    /// How the cluster is reached, and where a new run begins.
    pub tail: TailSpec,
    /// What it does at a breakpoint of its control, where nothing is written.
    pub at_hit: AtHit,
    /// Ends the run with what is whole and a last checkpoint.
    pub stop: Arc<AtomicBool>,
}

/// What is known when a live run is about to begin.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// How the reading stands, now and later.
    pub status: Arc<LiveStatus>,
    /// It goes on from this arrival.
    pub resumed_at: Option<u64>,
    /// Partitions without a record whose input is never idle, with the input.
    pub empty: Vec<(TopicPartition, String)>,
    /// What Flink's source subtasks make of the partitions, where that holds an
    /// input back for ever.
    pub sources: Vec<String>,
}

impl ExecuteLive {
    /// The name that is unique on the cluster.
    #[must_use]
    pub fn job(&self) -> String {
        let pipeline = &self.pipeline.pipeline;
        pipeline.delivery.job.clone().unwrap_or_else(|| pipeline.name.clone())
    }

    pub(super) fn start(
        &self,
        partitions: &[TopicPartition],
        later: &[u32],
        cluster_id: Option<String>,
        write: bool,
    ) -> ManifestStart {
        let pipeline = &self.pipeline.pipeline;
        let Laid { lanes, later } = Laid::out(pipeline, partitions, later);
        ManifestStart {
            pipeline_file: self.pipeline.path.display().to_string(),
            pipeline_text: self.pipeline.text_to_keep(),
            overrides: self.overrides.clone(),
            semantics: pipeline.join.semantics.to_string(),
            recording: self.log(),
            schemas: None,
            schemas_text: String::new(),
            seed: self.seed,
            at_end: "open".to_owned(),
            inputs: inputs(pipeline),
            lanes,
            later,
            sources: sources(pipeline, partitions),
            restarts: Vec::new(),
            total: None,
            live: Some(LiveInfo {
                brokers: self.tail.settings.brokers.clone(),
                cluster_id,
                job: self.job(),
                write,
                starts: BTreeMap::new(),
            }),
        }
    }

    /// The arrival log, whose digest is known when it is whole.
    fn log(&self) -> RecordingRef {
        let path = self.dir.join(ARRIVALS);
        RecordingRef { path: std::path::absolute(&path).unwrap_or(path), digest: String::new() }
    }

    /// The manifest of the run that is gone on with; `None`: a new one. `write`:
    /// it writes to the cluster.
    pub(super) fn before(&self, write: bool) -> Result<Option<Manifest>> {
        if !self.dir.join(MANIFEST).exists() {
            return Ok(None);
        }
        let manifest = Manifest::load(&self.dir)?;
        let Some(live) = &manifest.start.live else {
            return Err(RunError::Exists(self.dir.clone()));
        };
        goes_on(&self.dir, live, &self.job(), write)?;
        Ok(Some(manifest))
    }

    /// Whether the run in the folder was made by this pipeline: also before its first
    /// checkpoint what is in it is followed, and its manifest names one pipeline.
    fn same_pipeline(&self, manifest: &Manifest) -> Result<()> {
        let refused = |why: String| RunError::NoSuch(format!("{}: {why}", self.dir.display()));
        let text = read::pipeline_text(&self.dir, manifest)?;
        let file = self.dir.join(PIPELINE).display().to_string();
        let was = Pipeline::parse_with(&text, &file, &manifest.start.overrides)
            .map_err(|e| RunError::Pipeline(e.to_string()))?;
        same_state(&was, &self.pipeline.pipeline, &self.job()).map_err(refused)
    }
}

/// Whether the run folder is of this job, and of one that writes or not as asked:
/// what the cluster has committed rests on a writing job's checkpoints, and
/// nothing that another run left was ever delivered.
fn goes_on(dir: &Path, live: &LiveInfo, job: &str, write: bool) -> Result<()> {
    let why = match (live.job == job, live.write, write) {
        (false, ..) => format!("is the run folder of job {}, not of {job}", live.job),
        (_, false, true) => "is the folder of a run without --write: its outputs are not on the \
                             cluster, and a job that went on from it would not deliver them"
            .to_owned(),
        (_, true, false) => "is the folder of a job that writes to the cluster (--write): a run \
                             without it would remove checkpoints that the job may have to go on \
                             from"
            .to_owned(),
        _ => return Ok(()),
    };
    Err(RunError::NoSuch(format!("{}: {why}; give another --out", dir.display())))
}

/// Whether a new run over a cluster may begin in a folder that is there: it is
/// empty, or holds only what a start left that ended before it had a manifest.
#[must_use]
pub fn may_begin(dir: &Path) -> bool {
    std::fs::read_dir(dir).is_ok_and(|mut entries| {
        entries.all(|e| e.is_ok_and(|e| e.file_name() == *ARRIVALS || is_leftover(&e)))
    })
}

/// Made before a manifest is, and holds nothing that a new start does not make.
/// A folder that lost its manifest has more than this.
pub(super) fn is_leftover(entry: &std::fs::DirEntry) -> bool {
    let name = entry.file_name();
    let name = name.to_string_lossy();
    match &*name {
        LOCK => true,
        SEGMENTS | "checkpoints" | "state" => {
            std::fs::read_dir(entry.path()).is_ok_and(|mut inside| inside.next().is_none())
        }
        _ => name.starts_with("delivery."),
    }
}

/// Runs until `stop` is set, `control` is cancelled or something fails; blocks.
/// `begins` is told before the first record is read. What was whole is kept,
/// and the manifest says how it ended.
///
/// # Errors
/// The cluster cannot be read, the folder is of something else or in use, the
/// pipeline is another one than that of the state in it; or the run failed.
pub fn execute_live(
    spec: ExecuteLive,
    control: &Control,
    begins: impl FnOnce(&Outlook),
) -> Result<Summary> {
    let before = spec.before(false)?;
    if let Some(manifest) = &before {
        spec.same_pipeline(manifest)?;
    }
    let pipeline = Arc::new(spec.pipeline.pipeline.clone());
    let entry = before.as_ref().and_then(|manifest| manifest.checkpoints.last().cloned());
    let free = !Lock::is_held(&spec.dir);
    if let Some(entry) = entry.as_ref().filter(|_| free) {
        verified(&spec.dir, entry.epoch, || {
            format!(
                "a new --out begins anew, and --recording {} runs again over what was read",
                spec.dir.join(ARRIVALS).display()
            )
        })?;
    }
    // Before the cluster is asked: who else is in this folder is the cheaper question.
    let resumed = match &before {
        None => None,
        Some(_) => Some(match &entry {
            Some(entry) => Writer::resume_from(&spec.dir, entry, pipeline.folds())?,
            None => Writer::resume(&spec.dir, 0, pipeline.folds())?,
        }),
    };
    let mut tail = spec.tail.clone();
    if let Some(before) = &before {
        tail.offsets = before.start.first_offsets();
    }
    // What the state has is read no second time, though a power loss may have left the
    // arrival log behind it.
    let meta = entry.as_ref().and_then(|entry| rocksdb::open(&spec.dir, entry.epoch).ok());
    for next in meta.into_iter().flat_map(|meta| meta.offsets) {
        let topic = next.topic.as_str().into();
        tail.offsets.insert(TopicPartition { topic, partition: next.partition }, next.offset);
    }
    let live = Live::open(LiveSpec {
        pipeline: Arc::clone(&pipeline),
        tail,
        folder: spec.dir.join(ARRIVALS),
        stop: Arc::clone(&spec.stop),
        status: Arc::default(),
        values: false,
        exact: false,
    })
    .map_err(|error| match error {
        LiveError::Kafka(e) if e.is_away() => RunError::Away(e.to_string()),
        other => RunError::Pipeline(other.to_string()),
    })
    .and_then(|live| match engine::check(&pipeline, &live) {
        Ok(()) => Ok(live),
        Err(e) => Err(RunError::Pipeline(e.to_string())),
    });
    let live = match live {
        Ok(live) => live,
        Err(error) => {
            if resumed.is_none() {
                // Nothing was begun: nothing is left.
                let _ = std::fs::remove_dir(spec.dir.join(ARRIVALS));
                let _ = std::fs::remove_dir(&spec.dir);
            }
            return Err(error);
        }
    };
    live.say_new();
    begins(&Outlook {
        status: live.status(),
        resumed_at: entry.as_ref().map(|entry| entry.arrival),
        empty: live.empty(&pipeline),
        sources: engine::sources::warnings(&pipeline, live.partitions()),
    });
    let cluster_id = live.cluster_id().map(ToOwned::to_owned);
    let mut start = spec.start(live.partitions(), &live.later(), cluster_id, false);
    if let Some(info) = &mut start.live {
        info.starts = live.next_offsets();
    }
    let writer = match resumed {
        Some(mut writer) => {
            writer.grow(Laid { lanes: start.lanes, later: start.later })?;
            writer
        }
        None => Writer::create_around(&spec.dir, start, pipeline.folds(), ARRIVALS)?,
    };
    keep(
        Keep {
            pipeline,
            source: Arc::new(live),
            recording: None,
            dir: spec.dir,
            at_end: AtEnd::Open,
            seed: spec.seed,
            restarts: Vec::new(),
            memory: spec.memory,
            shards: spec.shards,
            checkpoint_records: 1,
            at_hit: spec.at_hit,
            verified: free,
        },
        writer,
        entry,
        control,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_goes_on_only_as_what_it_was() {
        let of = |write| LiveInfo { job: "feed".to_owned(), write, ..LiveInfo::default() };
        let said = |live: &LiveInfo, job: &str, write| {
            goes_on(Path::new("/tmp/mine"), live, job, write).map_err(|e| e.to_string())
        };
        assert_eq!(said(&of(false), "feed", false), Ok(()));
        assert_eq!(said(&of(true), "feed", true), Ok(()));
        for (was, job, write, why) in [
            (false, "feed", true, "a run without --write: its outputs are not on the cluster"),
            (true, "feed", false, "would remove checkpoints"),
            (true, "other", true, "of job feed, not of other"),
        ] {
            let text = said(&of(was), job, write).unwrap_err();
            assert!(text.starts_with("/tmp/mine: ") && text.contains(why), "{text}");
            assert!(text.ends_with("give another --out"), "{text}");
        }
    }

    #[test]
    fn what_a_start_left_that_ended_early_is_begun_in_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        assert!(may_begin(dir.path()));
        for name in ["delivery.lock", "delivery.epochs.jsonl", "lock"] {
            std::fs::write(path(name), b"").unwrap();
        }
        for name in ["arrivals", "segments", "checkpoints"] {
            std::fs::create_dir(path(name)).unwrap();
        }
        assert!(may_begin(dir.path()));
        // What somebody else put there, or what a run without its manifest has.
        for name in ["pipeline.toml", "segments/00000000.index", "checkpoints/1"] {
            std::fs::write(path(name), b"").unwrap();
            assert!(!may_begin(dir.path()), "{name}");
            let writer =
                Writer::create_around(dir.path(), ManifestStart::default(), false, ARRIVALS);
            assert!(matches!(writer, Err(RunError::Exists(_))), "{name}");
            std::fs::remove_file(path(name)).unwrap();
        }
        Writer::create_around(dir.path(), ManifestStart::default(), false, ARRIVALS).unwrap();
        assert!(!may_begin(dir.path()));
        assert!(!may_begin(&path("nowhere")));
    }
}
