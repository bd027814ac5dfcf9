//! `manifest.json`: what was run, how it ended, and which segments are whole.
//! It is replaced atomically, so that whoever reads it sees one moment.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::{Result, RunError};
use super::layout::{FORMAT, LOCK, MANIFEST};
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
    /// The manifest says running, but no process holds the run's lock.
    CutOff,
}

/// The recording that was run over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingRef {
    pub path: PathBuf,
    pub digest: String,
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
    /// CRC-32 of the manifest with this field empty.
    crc32: String,
}

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
            crc32: String::new(),
        }
    }

    fn sealed(&self) -> serde_json::Result<Vec<u8>> {
        let mut copy = self.clone();
        copy.crc32 = String::new();
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
    /// one is there whole. With `sync` the new one is durable afterwards.
    pub(crate) fn store(&self, dir: &Path, sync: bool) -> Result<()> {
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

    /// Reads the manifest of `dir`. Its state is as stored: see [`Lock`].
    pub fn load(dir: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let path = dir.join(MANIFEST);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(if dir.is_dir() || !dir.exists() && path.parent() == Some(dir) {
                    RunError::NotARun(dir.to_owned())
                } else {
                    RunError::io(&path, e)
                });
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotADirectory => {
                return Err(RunError::NotARun(dir.to_owned()));
            }
            Err(e) => return Err(RunError::io(&path, e)),
        };
        let bad = |e: serde_json::Error| RunError::corrupt(&path, format!("not a manifest: {e}"));
        let Format { format } = serde_json::from_slice(&bytes).map_err(bad)?;
        if format > FORMAT {
            return Err(RunError::Newer { path, found: format, known: FORMAT });
        }
        // Over what stands there: a program that knows more fields, or fewer, finds
        // the same.
        let mut stands: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&bytes).map_err(bad)?;
        // Its place among the fields counts: it is replaced, not removed.
        let crc = stands.insert("crc32".to_owned(), String::new().into()).unwrap_or_default();
        let again = crc32fast::hash(&serde_json::to_vec(&stands).map_err(bad)?);
        if crc != format!("{again:08x}") {
            return Err(RunError::corrupt(&path, "its checksum is wrong"));
        }
        let mut manifest: Self = serde_json::from_slice(&bytes).map_err(bad)?;
        manifest.crc32 = String::new();
        Ok(manifest)
    }
}

/// The lock that says that a run's process is alive: held from start to end,
/// released by the system if the process dies.
pub(crate) struct Lock(#[allow(dead_code, reason = "held, never read")] File);

impl Lock {
    /// Takes the lock; an error if a living process has it.
    pub fn take(dir: &Path) -> Result<Self> {
        let path = dir.join(LOCK);
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = open.map_err(|e| RunError::io(&path, e))?;
        // A reader that looks whether we live holds it for a moment.
        for _ in 0..100 {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) => {
                    std::thread::sleep(std::time::Duration::from_millis(2));
                }
                Err(TryLockError::Error(e)) => return Err(RunError::io(&path, e)),
            }
        }
        // Who has it wrote its id there, unless it is only about to.
        let there = Manifest::load(dir).ok();
        let running = there.filter(|m| matches!(m.state, RunState::Running | RunState::Stopped));
        let by = running.map(|m| format!(" (process {})", m.pid)).unwrap_or_default();
        Err(RunError::Taken(format!(
            "{}: a run is in progress in this folder{by}; wait for it or stop it",
            dir.display()
        )))
    }

    /// Whether a living process has it.
    pub fn is_held(dir: &Path) -> bool {
        File::open(dir.join(LOCK)).is_ok_and(|file| {
            // Shared, and given back at once: readers never bar each other.
            matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::pipeline::Semantics;

    fn manifest() -> Manifest {
        let mut m = Manifest::new(ManifestStart {
            pipeline_file: "p.toml".into(),
            pipeline_text: "name = \"x\"".into(),
            overrides: vec![("a.b".into(), "1".into())],
            semantics: Semantics::FlinkSql.to_string(),
            lanes: vec![LaneInfo { input: 0, topic: "t".into(), partition: 3 }],
            ..ManifestStart::default()
        });
        m.end = Some(RunEnd { seconds: 1.1, ..RunEnd::default() });
        m.segments.push(SegmentRef { at: 1, len: 2, crc: 3, end: 4 });
        m
    }

    #[test]
    fn any_seconds_are_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut m = manifest();
        for nanos in (0..40_000_000_000u64).step_by(19_333_337) {
            // As `Duration::as_secs_f64` adds them up.
            let seconds = (nanos / 1_000_000_000) as f64 + (nanos % 1_000_000_000) as f64 / 1e9;
            m.end = Some(RunEnd { seconds, ..RunEnd::default() });
            m.store(dir.path(), false).unwrap();
            let back = Manifest::load(dir.path()).unwrap_or_else(|e| panic!("{seconds}: {e}"));
            assert!((back.end.unwrap().seconds - seconds).abs() < 1e-3);
        }
    }

    #[test]
    fn a_program_with_other_fields_wrote_no_damage() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(MANIFEST);
        let mut m = manifest();
        m.checkpoints.push(CheckpointEntry { epoch: 3, ..CheckpointEntry::default() });
        m.store(dir.path(), false).unwrap();
        let mut other: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        // Older: without a field that has a default; newer: with one more.
        let entry = other["checkpoints"][0].as_object_mut().unwrap();
        assert!(entry.shift_remove("pause_us").is_some());
        entry.insert("weather".to_owned(), "fine".into());
        let mut write = |epoch: u64, seal: bool| {
            other["checkpoints"][0]["epoch"] = epoch.into();
            if seal {
                other["crc32"] = "".into();
                let crc = crc32fast::hash(&serde_json::to_vec(&other).unwrap());
                other["crc32"] = format!("{crc:08x}").into();
            }
            std::fs::write(&path, serde_json::to_vec_pretty(&other).unwrap()).unwrap();
        };
        write(7, true);
        assert_eq!(Manifest::load(dir.path()).unwrap().checkpoints[0].epoch, 7);
        write(8, false);
        let error = Manifest::load(dir.path()).unwrap_err().to_string();
        assert!(error.contains("its checksum is wrong"), "{error}");
    }

    #[test]
    fn the_release_is_shown_and_older_manifests_open() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(MANIFEST);
        manifest().store(dir.path(), false).unwrap();
        let mut stands: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(stands["semantics"], "flink-sql (Flink 2.3.0)");
        // As a program wrote it that did not know the field.
        assert!(stands.as_object_mut().unwrap().shift_remove("semantics").is_some());
        stands["crc32"] = "".into();
        let crc = crc32fast::hash(&serde_json::to_vec(&stands).unwrap());
        stands["crc32"] = format!("{crc:08x}").into();
        std::fs::write(&path, serde_json::to_vec_pretty(&stands).unwrap()).unwrap();
        assert_eq!(Manifest::load(dir.path()).unwrap().start.semantics, "");
    }

    #[test]
    fn round_trips_and_finds_damage() {
        let dir = tempfile::tempdir().unwrap();
        let m = manifest();
        m.store(dir.path(), true).unwrap();
        let mut back = Manifest::load(dir.path()).unwrap();
        back.start.pipeline_text.clone_from(&m.start.pipeline_text);
        assert_eq!(back, m);
        let path = dir.path().join(MANIFEST);
        let bytes = std::fs::read(&path).unwrap();
        for i in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[i] ^= 1;
            std::fs::write(&path, &damaged).unwrap();
            if let Ok(mut read) = Manifest::load(dir.path()) {
                // White space, or the letter case of a checksum.
                read.start.pipeline_text.clone_from(&m.start.pipeline_text);
                assert_eq!(read, m, "byte {i}");
            }
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Manifest::load(dir.path()), Err(RunError::NotARun(_))));
        assert!(matches!(Manifest::load(&dir.path().join("no")), Err(RunError::NotARun(_))));
        std::fs::write(dir.path().join(MANIFEST), "{\"format\": 99}").unwrap();
        let error = Manifest::load(dir.path()).unwrap_err().to_string();
        assert!(error.contains("newer"), "{error}");
    }

    #[test]
    fn the_lock_tells_the_living_from_the_dead() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!Lock::is_held(dir.path()));
        let lock = Lock::take(dir.path()).unwrap();
        assert!(Lock::is_held(dir.path()));
        let taken = |dir: &Path| match Lock::take(dir).map(drop) {
            Err(RunError::Taken(text)) => text,
            other => panic!("{other:?}"),
        };
        assert!(!taken(dir.path()).contains("process"));
        manifest().store(dir.path(), false).unwrap();
        let pid = std::process::id();
        assert!(taken(dir.path()).contains(&format!("(process {pid})")));
        drop(lock);
        assert!(!Lock::is_held(dir.path()));
    }
}
