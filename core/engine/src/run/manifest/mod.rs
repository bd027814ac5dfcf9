//! `manifest.json`: what was run, how it ended, and which segments are whole.
//! It is replaced atomically, so that whoever reads it sees one moment. Of its two
//! lists, which grow as long as a run goes on, it has the newest entries only: the
//! others lie in files beside it ([`older`]).

mod lock;
mod older;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(crate) use self::lock::Lock;
use self::older::Older;
use super::error::{Result, RunError};
use super::layout::{FORMAT, MANIFEST};
use super::schemas::GivenSchemas;
use super::types::LaneInfo;
use crate::edges::fault;
use crate::engine::step::CheckpointEntry;
use crate::operator::record::{Arrival, TopicPartition};

/// Whether and how a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Its process is at it.
    Running,
    Done,
    Cancelled,
    /// At a breakpoint: its process waits there, or ended there.
    Stopped,
    Failed,
    /// The manifest says running, or waiting at a breakpoint, but no process holds the
    /// run's lock.
    CutOff,
}

/// The recording that was run over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingRef {
    /// One that is no UTF-8 is kept as it is shown: the recording has to be located then.
    #[serde(serialize_with = "as_shown")]
    pub path: PathBuf,
    pub digest: String,
}

fn as_shown<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

/// An input by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputInfo {
    pub name: Arc<str>,
    pub topic: Arc<str>,
    /// Of its partitions' event-time watermarks, ms.
    #[serde(default)]
    pub max_out_of_orderness: i64,
}

/// What is known of a run when it starts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ManifestStart {
    /// The pipeline's file, with its folder where it was read from one.
    pub pipeline_file: String,
    /// Its text as it was run, kept beside the manifest as `pipeline.toml`.
    #[serde(skip)]
    pub pipeline_text: String,
    /// `--set path=value`, in order.
    pub overrides: Vec<(String, String)>,
    /// Whose rules the join follows, with the release: `flink-sql (Flink 2.3.0)`.
    /// Empty in a run of an older program.
    #[serde(default)]
    pub semantics: String,
    pub recording: RecordingRef,
    /// Schemas that the recording lacks and the run was given, kept beside the
    /// manifest as `schemas.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schemas: Option<GivenSchemas>,
    /// The text of that file.
    #[serde(skip)]
    pub schemas_text: String,
    pub seed: u64,
    /// `open` or `close`.
    pub at_end: String,
    pub inputs: Vec<InputInfo>,
    /// Input by input, in partition order of the source; then those of partitions that
    /// came later, in the order in which they came, so that no lane's number changes.
    pub lanes: Vec<LaneInfo>,
    /// So many of them, the last ones, are of partitions that came later.
    #[serde(default)]
    pub later: u32,
    /// Which source subtask of Flink reads what, input by input; none at
    /// parallelism 1, and under other rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceInfo>,
    /// Before these arrivals, ascending, the engine that the join stands for was
    /// started again, and forgot what the release forgets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restarts: Vec<Arrival>,
    /// Records of the pipeline's topics in the recording, if known.
    pub total: Option<u64>,
    /// It reads a cluster; the recording is its arrival log, whose digest is
    /// known when it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<LiveInfo>,
}

impl ManifestStart {
    /// The lanes of partitions that were there from the beginning, and those of later
    /// ones.
    #[must_use]
    pub fn parts(&self) -> (&[LaneInfo], &[LaneInfo]) {
        self.lanes.split_at(self.lanes.len().saturating_sub(self.later as usize))
    }

    /// By lane, before the first record: the largest event time (`i64::MIN`: none) and
    /// whether it is left out.
    pub(crate) fn ends_at_first(&self) -> Vec<(i64, bool)> {
        let (first, _) = self.parts();
        (0..self.lanes.len()).map(|lane| (i64::MIN, lane >= first.len())).collect()
    }

    /// Where a live run began each partition that was there then: the arrival log of a
    /// process that was killed says so only of those that gave it a record.
    pub(crate) fn first_offsets(&self) -> BTreeMap<TopicPartition, i64> {
        let Some(live) = &self.live else { return BTreeMap::new() };
        let lanes = self.lanes.iter().map(|lane| TopicPartition {
            topic: Arc::clone(&lane.topic),
            partition: lane.partition,
        });
        lanes.filter_map(|of| live.starts.get(&of.to_string()).map(|at| (of, *at))).collect()
    }

    /// The arrivals around `at`, of `end` in all, between which the event-time
    /// watermark never goes back: from the last restart at or before it up to
    /// the next one.
    pub(crate) fn stretch(&self, at: Arrival, end: Arrival) -> std::ops::Range<Arrival> {
        let next = self.restarts.partition_point(|restart| *restart <= at);
        let from = next.checked_sub(1).and_then(|last| self.restarts.get(last));
        let to = self.restarts.get(next).copied().unwrap_or(end);
        from.copied().unwrap_or(0)..to.min(end)
    }

    /// Whether the modelled engine was started again just before an arrival.
    #[inline]
    pub(crate) fn restarts_at(&self, at: Arrival) -> bool {
        self.restarts.binary_search(&at).is_ok()
    }
}

/// The source subtasks of an input in a Flink job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceInfo {
    pub input: u8,
    /// By lane of the input: the one that reads it.
    pub subtasks: Vec<u32>,
    /// Those that read nothing: without an idle timeout they hold the input back
    /// for ever.
    pub without_partition: Vec<u32>,
}

/// A run over a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveInfo {
    pub brokers: String,
    pub cluster_id: Option<String>,
    pub job: String,
    /// It writes its outputs to the cluster.
    pub write: bool,
    /// Where it first began, by `topic[partition]`; of one that writes, its job knows.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub starts: BTreeMap<String, i64>,
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunEnd {
    /// Why it failed.
    pub error: Option<String>,
    pub digest: Option<String>,
    pub seconds: f64,
    pub peak_memory_bytes: u64,
    /// Milliseconds since the Unix epoch.
    pub ended_ms: i64,
}

/// Where a closed segment's summary lies in its index file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SegmentRef {
    pub at: u64,
    pub len: u32,
    pub crc: u32,
    /// Arrivals before this one are in this or an earlier segment.
    pub end: u64,
}

/// The manifest of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// Of the program that wrote it.
    pub version: String,
    pub state: RunState,
    pub pid: u32,
    /// Milliseconds since the Unix epoch.
    pub started_ms: i64,
    #[serde(flatten)]
    pub start: ManifestStart,
    /// XXH3-128 of `pipeline.toml`.
    pub pipeline_digest: String,
    pub checkpoints: Vec<CheckpointEntry>,
    pub end: Option<RunEnd>,
    pub(crate) segments: Vec<SegmentRef>,
    /// Segments that ended at or before the newest barrier: those of its
    /// checkpoint, which may be committed before the run store is told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at_barrier: Option<u64>,
    /// Where the first ones of `checkpoints` and `segments` lie, which the file itself
    /// does not have.
    #[serde(default, skip_serializing_if = "Older::is_empty")]
    older: Older,
    /// CRC-32 of the manifest with this field empty.
    crc32: String,
}

/// How often a manifest is read again that was replaced while its files were read.
const TRIES: usize = 5;

pub(crate) fn text_digest(text: &str) -> String {
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(text.as_bytes()))
}

pub(crate) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

impl Manifest {
    pub(crate) fn new(start: ManifestStart) -> Self {
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state: RunState::Running,
            pid: std::process::id(),
            started_ms: now_ms(),
            pipeline_digest: text_digest(&start.pipeline_text),
            start,
            checkpoints: Vec::new(),
            end: None,
            segments: Vec::new(),
            at_barrier: None,
            older: Older::default(),
            crc32: String::new(),
        }
    }

    /// The name of a live run, from its beginning: the same when it has ended, has gone on
    /// or was moved. `None`: not live, and named by its recording's digest.
    #[must_use]
    pub fn live_name(&self) -> Option<String> {
        let live = self.start.live.as_ref()?;
        let cluster = live.cluster_id.as_deref().unwrap_or_default();
        Some(text_digest(&format!("{} {cluster} {}", self.started_ms, live.job)))
    }

    /// As it stands in its file: of its lists what does not lie beside it.
    fn sealed(&self) -> serde_json::Result<Vec<u8>> {
        let (segments, checkpoints) = self.older.lens();
        let mut copy = Self {
            format: self.format,
            version: self.version.clone(),
            state: self.state,
            pid: self.pid,
            started_ms: self.started_ms,
            start: self.start.clone(),
            pipeline_digest: self.pipeline_digest.clone(),
            checkpoints: self.checkpoints.get(checkpoints..).unwrap_or_default().to_vec(),
            end: self.end.clone(),
            segments: self.segments.get(segments..).unwrap_or_default().to_vec(),
            at_barrier: self.at_barrier,
            older: self.older.clone(),
            crc32: String::new(),
        };
        // A number of 17 digits may be read back as its neighbour, and the
        // checksum is over what is read.
        if let Some(end) = &mut copy.end {
            end.seconds = (end.seconds * 1e3).round() / 1e3;
        }
        let crc = crc32fast::hash(&serde_json::to_vec(&copy)?);
        copy.crc32 = format!("{crc:08x}");
        serde_json::to_vec_pretty(&copy)
    }

    /// Replaces the manifest in `dir`: whatever happens, the old one or the new
    /// one is there whole. With `sync` the new one is durable afterwards. What it is
    /// not to have itself is brought beside it before.
    pub(crate) fn store(&mut self, dir: &Path, sync: bool) -> Result<()> {
        self.older.take(dir, &self.segments, &self.checkpoints)?;
        // Also of a run that a program before this one began: what it did not know of is
        // in what follows, and it would take what is left of the lists for all.
        self.format = FORMAT;
        let path = dir.join(MANIFEST);
        let new = dir.join("manifest.json.new");
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(&self.sealed().map_err(std::io::Error::other)?)?;
            file.sync_all()?;
            drop(file);
            fault::synced(&new);
            std::fs::rename(&new, &path)?;
            if sync {
                File::open(dir)?.sync_all()?;
                fault::synced(dir);
            }
            Ok(())
        };
        write().map_err(|e| RunError::io(&path, e))
    }

    /// Keeps the first `segments` and the checkpoints that `keep` says; gives the
    /// segments that go. What is stored next is so.
    pub(crate) fn cut(
        &mut self,
        segments: usize,
        keep: impl Fn(&CheckpointEntry) -> bool,
    ) -> Vec<SegmentRef> {
        let same = self.checkpoints.iter().take_while(|entry| keep(entry)).count();
        self.older.cut(segments, same);
        self.checkpoints.retain(keep);
        self.segments.split_off(segments.min(self.segments.len()))
    }

    /// Removes the files beside it that the manifest in `dir`, which is this one, does
    /// not name: of a history that was cut off.
    pub(crate) fn sweep(&self, dir: &Path) {
        self.older.sweep(dir);
    }

    /// Reads the manifest of `dir`. Its state is as stored: see [`Lock`].
    pub fn load(dir: &Path) -> Result<Self> {
        Self::load_again(dir, None)
    }

    /// As [`Manifest::load`]. Of what was read before, `known`, the files beside the
    /// manifest are not read again.
    pub(crate) fn load_again(dir: &Path, known: Option<&Self>) -> Result<Self> {
        let path = dir.join(MANIFEST);
        let mut tries = 0;
        loop {
            let bytes = bytes_of(dir, &path)?;
            let mut manifest = Self::parse(&path, &bytes)?;
            tries += 1;
            match manifest.read_older(dir, known) {
                Ok(()) => return Ok(manifest),
                // Whoever goes on with the run takes away what is not of it any more.
                Err(_) if tries < TRIES && std::fs::read(&path).is_ok_and(|now| now != bytes) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes the entries in that lie beside the manifest.
    fn read_older(&mut self, dir: &Path, known: Option<&Self>) -> Result<()> {
        let lists = known.map(|m| (&m.older, m.segments.as_slice(), m.checkpoints.as_slice()));
        let (mut segments, mut checkpoints) = self.older.read(dir, lists)?;
        segments.append(&mut self.segments);
        checkpoints.append(&mut self.checkpoints);
        (self.segments, self.checkpoints) = (segments, checkpoints);
        Ok(())
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let bad = |e: serde_json::Error| RunError::corrupt(path, format!("not a manifest: {e}"));
        let Format { format } = serde_json::from_slice(bytes).map_err(bad)?;
        if format > FORMAT {
            return Err(RunError::Newer { path: path.to_owned(), found: format, known: FORMAT });
        }
        // Over what stands there: a program that knows more fields, or fewer, finds
        // the same.
        let mut stands: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(bytes).map_err(bad)?;
        // Its place among the fields counts: it is replaced, not removed.
        let crc = stands.insert("crc32".to_owned(), String::new().into()).unwrap_or_default();
        let again = crc32fast::hash(&serde_json::to_vec(&stands).map_err(bad)?);
        if crc != format!("{again:08x}") {
            return Err(RunError::corrupt(path, "its checksum is wrong"));
        }
        let mut manifest: Self = serde_json::from_slice(bytes).map_err(bad)?;
        manifest.crc32 = String::new();
        Ok(manifest)
    }
}

/// The content of the manifest's file, or why there is none.
fn bytes_of(dir: &Path, path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound if dir.is_dir() || !dir.exists() => {
            RunError::NotARun(dir.to_owned())
        }
        std::io::ErrorKind::NotADirectory => RunError::NotARun(dir.to_owned()),
        _ => RunError::io(path, e),
    })
}
