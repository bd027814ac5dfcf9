//! Following the arrival log of an earlier start, from where the state stands.

use std::path::Path;
use std::sync::Arc;

use super::reader::wrong;
use crate::edges::recording::{Recording, RecordingError, parts_of};
use crate::engine::source::{Batches, ClockInput, Given, Source, SourceError};
use crate::operator::record::Arrival;

/// What the log still holds of what comes behind the state.
#[derive(Default)]
pub(super) struct Followed {
    /// `None`: nothing, and reading goes on behind the state.
    pub replay: Option<Batches>,
    /// The number after its last record.
    pub end: Arrival,
    /// What the clock said behind the state's last record, as far as the log has it:
    /// all of it, where it goes on with records.
    pub said: usize,
}

/// The log from record `from` on. Where it ends before that, a power loss took what
/// the state had, and only the clock may have said something since.
///
/// # Errors
/// The log cannot be read, or has not all that comes behind `from`.
pub(super) fn follow(
    log: &Recording,
    folder: &Path,
    topics: &[Arc<str>],
    from: Arrival,
) -> Result<Followed, SourceError> {
    let arrivals = log.info().arrivals;
    let end = arrivals.map_or(0, |(_, last)| last + 1);
    if from > end {
        let clock = said_since(folder, topics, from)?;
        let said = clock.len();
        let given = Given { records: Vec::new(), clock };
        let replay: Batches = Box::new(std::iter::once(Ok(given)));
        return Ok(Followed { replay: (said > 0).then_some(replay), end, said });
    }
    let whole = arrivals.is_none_or(|(first, _)| first == 0) && log.len() == end;
    let before = if whole { from } else { before(folder, from).map_err(wrong)? };
    if log.len().saturating_sub(before) != end - from {
        return Err(SourceError(format!(
            "the arrival log {}: it goes up to record {end}, and between {from} and there records \
             are missing that the state does not have (were segments removed?): restore them, or \
             begin a new run in another folder",
            folder.display()
        )));
    }
    // Behind a gap: what the clock said before it is of records that the state has.
    let behind = move |given: Result<Given, SourceError>| {
        given.map(|mut given| {
            given.clock.retain(|said| said.precedes >= from);
            given
        })
    };
    let batches = || Source::batches(log, topics, before).map(|batches| batches.map(behind));
    let said = if from < end {
        usize::MAX
    } else {
        let entries = batches()?.map(|given| given.map(|given| given.clock.len()));
        entries.sum::<Result<usize, SourceError>>()?
    };
    Ok(Followed { replay: Some(Box::new(batches()?)), end, said })
}

/// What the clock said behind record `from - 1`, which the log has lost: it stands in
/// segments without a record behind those that have one.
fn said_since(
    folder: &Path,
    topics: &[Arc<str>],
    from: Arrival,
) -> Result<Vec<ClockInput>, SourceError> {
    let mut segments = Vec::new();
    for (_, path) in parts_of(folder).map_err(wrong)?.into_iter().rev() {
        if path.metadata().is_ok_and(|m| m.len() > 0) {
            let part = Recording::open(&path).map_err(wrong)?;
            if part.info().arrivals.is_some() {
                break;
            }
            segments.push(part);
        }
    }
    let mut clock = Vec::new();
    for part in segments.iter().rev() {
        for given in Source::batches(part, topics, 0)? {
            clock.extend(given?.clock.into_iter().filter(|said| said.precedes >= from));
        }
    }
    Ok(clock)
}

/// How many records of the log come before record `from`: fewer where it lost some, as
/// segments that were removed, or what a power loss took after the state had it.
fn before(folder: &Path, from: Arrival) -> Result<u64, RecordingError> {
    let mut before = 0;
    for (_, path) in parts_of(folder)? {
        if path.metadata().is_ok_and(|m| m.len() > 0) {
            let part = Recording::open(&path)?;
            // Within a segment they follow one another.
            if let Some((first, _)) = part.info().arrivals {
                before += from.saturating_sub(first).min(part.len());
            }
        }
    }
    Ok(before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edges::recording::{ClockEntry, ClockEntryKind, Writer, WriterOptions, part_name};
    use crate::operator::record::{Record, TopicPartition};

    fn record(arrival: u64) -> Record {
        Record { arrival, offset: arrival as i64, ..Record::default() }
    }

    /// A segment, with a tick before its first record and behind its last.
    fn segment(folder: &Path, n: u64, range: std::ops::Range<u64>) {
        let path = folder.join(part_name(n));
        let mut writer = Writer::create(&path, WriterOptions::default()).unwrap();
        writer.partition(TopicPartition { topic: "t".into(), partition: 0 }).unwrap();
        let tick = |precedes| ClockEntry { precedes, at_ns: 7, kind: ClockEntryKind::Tick };
        writer.clock(&tick(range.start)).unwrap();
        for arrival in range.clone() {
            writer.add(&record(arrival)).unwrap();
        }
        writer.clock(&tick(range.end)).unwrap();
        writer.finish().unwrap();
    }

    /// Arrivals of what is followed, and what the clock's entries precede.
    type Followed = (Vec<u64>, Vec<u64>);

    fn on(from: u64, clock: &[u64]) -> Followed {
        ((from..20).collect(), clock.to_vec())
    }

    fn followed(folder: &Path, from: u64) -> Result<Option<Followed>, String> {
        let log = Recording::open(folder).unwrap();
        let topics: [Arc<str>; 1] = ["t".into()];
        let followed = follow(&log, folder, &topics, from).map_err(|e| e.to_string())?;
        assert_eq!(followed.end, 20);
        let Some(replay) = followed.replay else {
            assert_eq!(followed.said, 0);
            return Ok(None);
        };
        let (mut arrivals, mut clock) = (Vec::new(), Vec::new());
        for given in replay {
            let given = given.unwrap();
            arrivals.extend(given.records.iter().map(|record| record.arrival));
            clock.extend(given.clock.iter().map(|said| said.precedes));
        }
        let said = if from < 20 { usize::MAX } else { clock.len() };
        assert_eq!(followed.said, said, "{from}");
        Ok(Some((arrivals, clock)))
    }

    /// Found by reading: records were counted from the log's beginning, so that behind
    /// a gap as many were passed over that no state had.
    #[test]
    fn behind_a_gap_the_log_is_followed_by_the_numbers_of_its_records() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        // A power loss took three that the checkpoint had.
        segment(path, 0, 0..9);
        segment(path, 1, 12..16);
        segment(path, 2, 16..20);
        assert_eq!(followed(path, 12), Ok(Some(on(12, &[12, 16, 16, 20]))));
        assert_eq!(followed(path, 14), Ok(Some(on(14, &[16, 16, 20]))));
        assert_eq!(followed(path, 16), Ok(Some(on(16, &[16, 16, 20]))));
        assert_eq!(followed(path, 20), Ok(Some(on(20, &[20]))));
        assert_eq!(followed(path, 21), Ok(None));
        for from in [0, 5, 9, 11] {
            let error = followed(path, from).unwrap_err();
            assert!(error.contains(&format!("between {from} and there")), "{error}");
        }
        // Who needs the room removes what is old.
        std::fs::remove_file(path.join(part_name(0))).unwrap();
        assert_eq!(followed(path, 14), Ok(Some(on(14, &[16, 16, 20]))));
        assert!(followed(path, 9).is_err());
    }

    /// Found by reading: a start behind a log that a power loss had cut was not followed
    /// by the next one, as long as it took no record.
    #[test]
    fn what_the_clock_said_behind_a_loss_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        segment(path, 0, 0..20);
        // The state has 25; two starts took no record.
        segment(path, 1, 25..25);
        segment(path, 2, 25..25);
        let no_records =
            |n: usize| -> Result<Option<Followed>, String> { Ok(Some((Vec::new(), vec![25; n]))) };
        assert_eq!(followed(path, 25), no_records(4));
        assert_eq!(followed(path, 26), Ok(None));
        // Before the first record there is none that a log could have lost.
        let empty = tempfile::tempdir().unwrap();
        segment(empty.path(), 0, 0..0);
        let log = Recording::open(empty.path()).unwrap();
        let topics: [Arc<str>; 1] = ["t".into()];
        let begin = follow(&log, empty.path(), &topics, 0).unwrap();
        assert_eq!((begin.end, begin.said), (0, 2));
        assert_eq!(begin.replay.unwrap().map(|given| given.unwrap().clock.len()).sum::<usize>(), 2);
    }

    #[test]
    fn a_whole_log_is_followed_from_anywhere() {
        let folder = tempfile::tempdir().unwrap();
        segment(folder.path(), 0, 0..9);
        segment(folder.path(), 1, 9..20);
        assert_eq!(followed(folder.path(), 0), Ok(Some(on(0, &[0, 9, 9, 20]))));
        assert_eq!(followed(folder.path(), 5), Ok(Some(on(5, &[9, 9, 20]))));
        assert_eq!(followed(folder.path(), 20), Ok(Some(on(20, &[20]))));
        assert_eq!(followed(folder.path(), 25), Ok(None));
    }
}
