//! Cutting an arrival log: what lies beyond an arrival was lost with the
//! process that took it (at-most-once), and is not part of the run.

use std::path::Path;

use crate::edges::recording::{
    Compression, Recording, RecordingError, StoredSchema, Writer, WriterOptions, headless,
    parts_of, written_parts,
};
use crate::operator::record::Arrival;

/// The extension of a segment that is being cut.
const HALF: &str = "cut";

/// Leaves what stands before record `end`; what the clock said before it stays.
///
/// # Errors
/// A segment cannot be read or written. The log is then as it was, or already
/// cut in its later segments.
pub(super) fn cut(folder: &Path, end: Arrival) -> Result<(), RecordingError> {
    tidy(folder)?;
    // Later ones first: whenever this ends, the log is a prefix.
    for (_, path) in parts_of(folder)?.into_iter().rev() {
        let remove = || {
            std::fs::remove_file(&path).map_err(|source| RecordingError::Io {
                path: path.clone(),
                doing: "remove".to_owned(),
                source,
            })
        };
        if path.metadata().is_ok_and(|m| m.len() == 0) {
            remove()?;
            continue;
        }
        let part = Recording::open(&path)?;
        match part.info().arrivals {
            Some((first, _)) if first > end => remove()?,
            Some((_, last)) if last < end => return Ok(()),
            Some(_) => {
                shorten(&part, &path, end)?;
                return Ok(());
            }
            // The clock alone; it belongs to the records before it or after.
            None if end_before(folder, &path)? > end => remove()?,
            None => {}
        }
    }
    Ok(())
}

/// Removes what a cut left half done: the segment that it was made from is there still;
/// and a last segment that a power loss left nothing in, before another is behind it.
///
/// # Errors
/// It cannot be removed.
pub(super) fn tidy(folder: &Path) -> Result<(), RecordingError> {
    for (_, path) in parts_of(folder)? {
        let half = path.with_extension(HALF);
        if let Err(source) = std::fs::remove_file(&half)
            && source.kind() != std::io::ErrorKind::NotFound
        {
            return Err(RecordingError::Io { path: half, doing: "remove".to_owned(), source });
        }
    }
    if let Some(path) = headless(folder)? {
        tracing::warn!(
            "{}: removed: the machine ended as this segment was made, and nothing came to be in it",
            path.display()
        );
        if let Err(source) = std::fs::remove_file(&path) {
            return Err(RecordingError::Io { path, doing: "remove".to_owned(), source });
        }
    }
    Ok(())
}

/// The number after the last record that has all before it in the log.
///
/// # Errors
/// A segment cannot be read.
pub(super) fn logged(folder: &Path) -> Result<Arrival, RecordingError> {
    let mut end = 0;
    if !folder.exists() {
        return Ok(end);
    }
    for (_, path) in written_parts(folder)? {
        if let Some((first, last)) = Recording::open(&path)?.info().arrivals {
            if first > end {
                break;
            }
            end = last + 1;
        }
    }
    Ok(end)
}

/// The number after the last record before a segment.
fn end_before(folder: &Path, of: &Path) -> Result<Arrival, RecordingError> {
    for (_, path) in parts_of(folder)?.into_iter().rev().skip_while(|(_, p)| p != of).skip(1) {
        if path.metadata().is_ok_and(|m| m.len() > 0)
            && let Some((_, last)) = Recording::open(&path)?.info().arrivals
        {
            return Ok(last + 1);
        }
    }
    Ok(0)
}

fn shorten(part: &Recording, path: &Path, end: Arrival) -> Result<(), RecordingError> {
    let info = part.info();
    let temporary = path.with_extension(HALF);
    let _ = std::fs::remove_file(&temporary);
    let mut writer = Writer::create(
        &temporary,
        WriterOptions {
            compression: Compression::None,
            arrival_order: info.arrival_order,
            cluster_id: info.cluster_id.clone(),
            topic_ids: info.topic_ids.clone(),
            notes: info.notes.clone(),
            ..WriterOptions::default()
        },
    )?;
    for partition in &info.partitions {
        let source = writer.partition(partition.topic_partition.clone())?;
        writer.set_range(source, partition.start_offset, None);
    }
    for schema in part.schemas().iter() {
        // What comes next has all of them.
        let from = schema.from.min(end);
        writer.schema(StoredSchema { from, ..schema.clone() })?;
    }
    let mut batches = part.batches(None, 0);
    'all: while let Some(next) = batches.next_with_clock() {
        let (records, clock) = next?;
        let mut clock = clock.into_iter().peekable();
        for record in records {
            while let Some(entry) = clock.next_if(|entry| entry.precedes <= record.arrival) {
                writer.clock(&entry)?;
            }
            if record.arrival >= end {
                break 'all;
            }
            writer.add(&record)?;
        }
        for entry in clock {
            writer.clock(&entry)?;
        }
    }
    writer.finish()?;
    std::fs::rename(&temporary, path).map_err(|source| RecordingError::Io {
        path: path.to_owned(),
        doing: "replace".to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edges::recording::{ClockEntry, ClockEntryKind, part_name};
    use crate::operator::record::{Record, TopicPartition};

    fn record(arrival: u64) -> Record {
        Record { arrival, offset: arrival as i64, ..Record::default() }
    }

    /// Found by reading: what came in its place was not decoded by a schema that the run
    /// had by then.
    #[test]
    fn what_comes_behind_a_cut_has_all_schemas() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(part_name(0));
        let mut writer = Writer::create(&path, WriterOptions::default()).unwrap();
        writer.partition(TopicPartition { topic: "t".into(), partition: 0 }).unwrap();
        for (id, from) in [(1, 0), (2, 4), (3, 8)] {
            writer.schema(StoredSchema { id, from, ..StoredSchema::default() }).unwrap();
        }
        for arrival in 0..10 {
            writer.add(&record(arrival)).unwrap();
        }
        writer.finish().unwrap();
        cut(folder.path(), 6).unwrap();
        let left = Recording::open(folder.path()).unwrap();
        let from: Vec<Arrival> = left.schemas().iter().map(|schema| schema.from).collect();
        assert_eq!((left.len(), from), (6, vec![0, 4, 6]));
    }

    #[test]
    fn what_was_lost_is_no_part_of_the_log() {
        for end in [0, 3, 9, 10, 11, 19, 20, 25] {
            let folder = tempfile::tempdir().unwrap();
            // The third segment holds the clock alone, the fourth is empty.
            for (n, range) in [(0, 0..10), (1, 10..20), (2, 20..20)] {
                let path = folder.path().join(part_name(n));
                let mut writer = Writer::create(&path, WriterOptions::default()).unwrap();
                let partition = TopicPartition { topic: "t".into(), partition: 0 };
                writer.partition(partition).unwrap();
                let tick = |precedes| ClockEntry { precedes, at_ns: 7, kind: ClockEntryKind::Tick };
                writer.clock(&tick(range.start)).unwrap();
                for arrival in range.clone() {
                    writer.add(&record(arrival)).unwrap();
                }
                writer.clock(&tick(range.end)).unwrap();
                writer.finish().unwrap();
            }
            std::fs::write(folder.path().join(part_name(3)), b"").unwrap();
            // A power loss.
            std::fs::write(folder.path().join(part_name(4)), [0; 99]).unwrap();
            assert_eq!(logged(folder.path()).unwrap(), 20);
            // A process ended as it cut.
            let half = folder.path().join("00000001.cut");
            std::fs::write(&half, b"half").unwrap();
            tidy(folder.path()).unwrap();
            assert!(!half.exists() && !folder.path().join(part_name(4)).exists());
            assert_eq!(logged(folder.path()).unwrap(), 20);
            cut(folder.path(), end).unwrap();
            let left = Recording::open(folder.path()).unwrap();
            let arrivals: Vec<u64> =
                left.batches(None, 0).flat_map(Result::unwrap).map(|r| r.arrival).collect();
            assert_eq!(arrivals, (0..end.min(20)).collect::<Vec<_>>(), "{end}");
            assert_eq!(logged(folder.path()).unwrap(), end.min(20), "{end}");
            let clock: Vec<u64> =
                left.clock_events().unwrap().into_iter().map(|e| e.precedes).collect();
            let all = [0, 10, 10, 20, 20, 20];
            let wanted: Vec<u64> = all.into_iter().filter(|p| *p <= end).collect();
            assert_eq!(clock, wanted, "{end}");
            // What comes behind a gap is not counted, nor is what was never there.
            let _ = std::fs::remove_file(folder.path().join(part_name(0)));
            assert_eq!(logged(folder.path()).unwrap(), 0, "{end}");
            assert_eq!(logged(&folder.path().join("nowhere")).unwrap(), 0);
        }
    }
}
