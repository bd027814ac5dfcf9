//! Going on with a run whose process ended: its folder is cut at a checkpoint.

use std::path::Path;

use super::Writer;
use crate::engine::step::CheckpointEntry;
use crate::operator::record::Arrival;
use crate::run::bytes::i64_at;
use crate::run::error::{Result, RunError};
use crate::run::layout::Part;
use crate::run::manifest::{Lock, Manifest, RunState, SegmentRef};
use crate::run::read;
use crate::run::summary::{END_WIDTH, Section};

impl Writer {
    /// Opens a run folder whose process ended, cuts it at the checkpoint at
    /// arrival `at` (or at 0) and goes on from there.
    ///
    /// # Errors
    /// A living process has the folder, it has no checkpoint at `at`, or it is damaged.
    pub fn resume(dir: &Path, at: Arrival, folds: bool) -> Result<Self> {
        Self::resume_at(dir, at, None, folds)
    }

    /// As [`Writer::resume`], from one of the folder's checkpoints: live, several
    /// may stand at one arrival.
    ///
    /// # Errors
    /// As [`Writer::resume`].
    pub fn resume_from(dir: &Path, entry: &CheckpointEntry, folds: bool) -> Result<Self> {
        Self::resume_at(dir, entry.arrival, Some(entry), folds)
    }

    fn resume_at(
        dir: &Path,
        at: Arrival,
        entry: Option<&CheckpointEntry>,
        folds: bool,
    ) -> Result<Self> {
        let mut manifest = Manifest::load(dir)?;
        let lock = Lock::take(dir)?;
        let keep = manifest.segments.partition_point(|s| s.end <= at);
        let stands_at = keep.checked_sub(1).map_or(0, |last| manifest.segments[last].end);
        if stands_at != at {
            return Err(RunError::NoSuch(format!(
                "{}: has no checkpoint at arrival {at}; the nearest before it is {stands_at}",
                dir.display()
            )));
        }
        // An empty closing segment after the checkpoint's belongs to what follows.
        let keep = match entry {
            // From the beginning: what the clock alone set off before the first
            // record is done again too.
            None if at == 0 => 0,
            _ => manifest.segments[..keep]
                .iter()
                .position(|s| s.end == at)
                .map_or(keep, |first| first + 1),
        };
        let told = |epoch: u64| manifest.checkpoints.iter().find(|c| c.epoch == epoch)?.segments;
        let known = entry.and_then(|entry| {
            entry.segments.or_else(|| told(entry.epoch)).or_else(|| untold(&manifest, entry))
        });
        let known = known.map(|n| n as usize);
        let keep = match known.filter(|n| *n <= manifest.segments.len()) {
            Some(known) => known,
            None => through_output(dir, &manifest.segments, keep, entry)?,
        };
        let epoch = entry.map_or(u64::MAX, |entry| entry.epoch);
        let cut = manifest.cut(keep, |c| c.arrival <= at && c.epoch <= epoch);
        manifest.at_barrier = None;
        manifest.state = RunState::Running;
        manifest.end = None;
        manifest.pid = std::process::id();
        if manifest.start.live.is_some() {
            // The arrival log goes on: it is whole again when the run ends.
            manifest.start.recording.digest.clear();
        }
        manifest.start.pipeline_text = read::pipeline_text(dir, &manifest)?;
        manifest.store(dir, true)?;
        manifest.sweep(dir);
        for number in keep..keep + cut.len() {
            for part in Part::ALL {
                let path = part.path(dir, number as u64);
                match std::fs::remove_file(&path) {
                    Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                        return Err(RunError::io(&path, e));
                    }
                    _ => {}
                }
            }
        }
        let mut bounds = vec![0];
        let mut last = None;
        for (number, segment) in manifest.segments.iter().enumerate() {
            let summary = read::load_summary(dir, number as u64, *segment)?;
            bounds.push(summary.end_row);
            last = Some(summary);
        }
        let output = last.as_ref().map_or(0, |s| s.end_output);
        let mut writer = Self::with(dir, manifest, lock, folds, bounds, at, output);
        if let Some(summary) = last {
            writer.running.books = summary.books.clone();
            writer.running.last_ms = summary.last_ms;
            let path = Part::Index.path(dir, summary.number);
            let bytes = std::fs::read(&path).map_err(|e| RunError::io(&path, e))?;
            let (from, len) = summary.sections[Section::End as usize];
            let ends = bytes.get(from as usize..(from + len) as usize).unwrap_or_default();
            // Partitions may have come since: they stand behind.
            if ends.len() > writer.running.ends.len() * END_WIDTH {
                return Err(RunError::corrupt(&path, "it does not fit the run's lanes"));
            }
            writer.known_lanes = ends.len() / END_WIDTH;
            for (end, bytes) in writer.running.ends.iter_mut().zip(ends.chunks_exact(END_WIDTH)) {
                *end = (i64_at(bytes, 0), bytes[8] != 0);
            }
        }
        Ok(writer)
    }
}

/// The segments of a checkpoint that was committed before the run store was told
/// of it: its barrier is then the newest one, as the next is taken only after.
/// `None`: it is not that barrier's.
fn untold(manifest: &Manifest, entry: &CheckpointEntry) -> Option<u64> {
    let newer = manifest.checkpoints.iter().all(|told| told.epoch < entry.epoch);
    let segments = manifest.at_barrier.filter(|_| newer)?;
    let last = manifest.segments.get(usize::try_from(segments).ok()?.checked_sub(1)?)?;
    (last.end == entry.arrival).then_some(segments)
}

/// As [`untold`], of a run folder that does not say where its newest barrier was.
/// Live, several segments may end at one arrival (the clock alone had an effect
/// in the later ones). Of a checkpoint that the run store was not told of, those
/// belong to it that hold its outputs; the first `keep` do in any case.
fn through_output(
    dir: &Path,
    segments: &[SegmentRef],
    mut keep: usize,
    entry: Option<&CheckpointEntry>,
) -> Result<usize> {
    let Some(entry) = entry else { return Ok(keep) };
    while let (Some(last), Some(next)) = (keep.checked_sub(1), segments.get(keep)) {
        let held = read::load_summary(dir, last as u64, segments[last])?.end_output;
        if held >= entry.output || next.end != entry.arrival {
            break;
        }
        keep += 1;
    }
    Ok(keep)
}
