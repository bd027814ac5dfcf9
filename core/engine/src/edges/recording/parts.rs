//! A recording in several files: what `record` rolls, or the segments of a live run's
//! arrival log, one for each start of the run and more where they grow large. Each is
//! complete by itself; arrival numbers go on from one to the next.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_128;

use super::RecordingError;
use super::headless;
use super::info::{Info, PartitionInfo};
use super::open::{self, Opened, Settled};
use super::past_damage::NOTE as MISSING;
use super::source::Source;
use crate::operator::figures::plural;

/// Segments whose files stay open. An arrival log has one for each start and for each
/// half hour, and a process may have a thousand files open, by most systems' default.
const OPEN: usize = 64;

/// Segments of one recording, at most: the index names them in 16 bits.
pub const MOST_PARTS: u64 = 1 << 16;

/// The file name of segment `n`.
#[must_use]
pub fn part_name(n: u64) -> String {
    format!("{n:08}.mcap")
}

/// The segments in a folder, in their order, with their numbers.
///
/// # Errors
/// The folder cannot be read.
pub fn parts_of(folder: &Path) -> Result<Vec<(u64, PathBuf)>, RecordingError> {
    let failed = |error| RecordingError::io(folder, "list", error);
    let mut parts = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        if let Some(number) = number.filter(|n| path.file_name() == Some(part_name(*n).as_ref())) {
            parts.push((number, path));
        }
    }
    parts.sort();
    Ok(parts)
}

/// Whether this is a folder with segments of a recording in it.
#[must_use]
pub fn is_segmented(path: &Path) -> bool {
    path.is_dir() && parts_of(path).is_ok_and(|parts| !parts.is_empty())
}

/// The digest of a recording whose segments have these.
pub fn digest_of(digests: &[String]) -> String {
    match digests {
        [one] => one.clone(),
        _ => format!("{:032x}", xxh3_128(digests.join(" ").as_bytes())),
    }
}

/// Opens the segments of a folder as one recording.
///
/// # Errors
/// There is none, one cannot be read, or they do not belong together.
pub fn open(folder: &Path) -> Result<Opened, RecordingError> {
    go_on(folder, None, Vec::new())
}

/// The same folder once more, which may have grown: only its last segment and those
/// behind it are read, where the others are as they were.
///
/// # Errors
/// As [`open`].
pub fn grown(known: &Opened) -> Result<Opened, RecordingError> {
    let Some(settled) = &known.settled else { return open(&known.path) };
    let parts = known.parts.iter().take(settled.parts).map(Source::again);
    let Some(parts) = parts.collect::<Option<Vec<Source>>>() else { return open(&known.path) };
    let begun = Opened {
        path: known.path.clone(),
        parts,
        info: settled.info.clone(),
        schemas: settled.schemas.clone(),
        index: known.index.of_parts(settled.parts),
        digest: settled.digests.first().cloned().unwrap_or_default(),
        settled: None,
    };
    go_on(&known.path, Some((settled.last, begun)), settled.digests.clone())
}

/// Opens the segments of a folder; `begun`: those from a number on, behind what is known
/// already.
fn go_on(
    folder: &Path,
    begun: Option<(u64, Opened)>,
    mut digests: Vec<String>,
) -> Result<Opened, RecordingError> {
    let mut segments = parts_of(folder)?;
    let many = segments.len() > OPEN;
    let mut whole: Option<Opened> = None;
    if let Some((from, begun)) = begun {
        segments.retain(|(number, _)| *number >= from);
        whole = Some(begun);
    }
    // Its process ended before it had anything to write.
    let mut unborn = None;
    let last = segments.last().map(|(number, _)| *number);
    let mut settled = None;
    for (number, path) in segments {
        if Some(number) == last {
            settled = whole.as_ref().map(|whole| Settled {
                last: number,
                parts: whole.parts.len(),
                info: whole.info.clone(),
                schemas: whole.schemas.clone(),
                digests: digests.clone(),
            });
        }
        let source = Source::open(&path)?;
        // Its process ended as it was made, or the machine.
        if source.length == 0 || Some(number) == last && headless::of_source(&source)? {
            if let Some(whole) = whole.as_mut().filter(|_| source.length > 0) {
                let text = format!("what {} may have held: it has no head", part_name(number));
                add_note(&mut whole.info.notes, MISSING.to_owned(), text);
            }
            continue;
        }
        let mut part = open::open(source)?;
        if many {
            part.parts.iter_mut().for_each(Source::close);
        }
        let nothing = part.info.records == 0 && part.info.clock_events == 0;
        if nothing && part.info.cut.is_some() {
            unborn = unborn.or(Some(part));
            continue;
        }
        digests.push(part.digest.clone());
        match &mut whole {
            None => whole = Some(part),
            Some(whole) => append(whole, part)?,
        }
    }
    let Some(mut whole) = whole.or(unborn) else {
        return Err(RecordingError::NotARecording {
            path: folder.to_owned(),
            why: "it is not a file, but a folder without a segment (00000000.mcap and so on)"
                .to_owned(),
        });
    };
    folder.clone_into(&mut whole.path);
    whole.settled = settled;
    if many {
        whole.parts.iter_mut().for_each(Source::close);
    }
    if digests.len() > 1 {
        whole.digest = digest_of(&digests);
    }
    Ok(whole)
}

fn append(whole: &mut Opened, part: Opened) -> Result<(), RecordingError> {
    let Opened { path, parts, info, schemas, index, .. } = part;
    let unfit = |why: &str| RecordingError::NotARecording {
        path: path.clone(),
        why: format!("it does not follow the segments before it: {why}"),
    };
    let (known, more) = (&whole.info.partitions, &info.partitions);
    let same = known.iter().zip(more).all(|(a, b)| a.topic_partition == b.topic_partition);
    if !same || more.len() < known.len() {
        return Err(unfit("its partitions are others, or in another order"));
    }
    if let (Some((_, last)), Some((first, _))) = (whole.info.arrivals, info.arrivals)
        && first <= last
    {
        return Err(unfit("arrival numbers go back"));
    }
    if whole.info.redaction != info.redaction {
        return Err(unfit("other fields were redacted in it"));
    }
    for schema in schemas.iter() {
        if !whole.schemas.insert(schema.clone()) {
            return Err(unfit("another schema has an id of theirs"));
        }
    }
    let number = u16::try_from(whole.parts.len()).map_err(|_| unfit("there are over 65,535"))?;
    whole.parts.extend(parts);
    whole.index.append(index, number);
    note_missing(&mut whole.info, &info, &path);
    add_info(&mut whole.info, info);
    whole.info.schemas = whole.schemas.len();
    Ok(())
}

/// Arrival numbers count the records of all segments: where they jump, records are gone.
fn note_missing(whole: &mut Info, part: &Info, path: &Path) {
    let (Some((_, last)), Some((first, _))) = (whole.arrivals, part.arrivals) else { return };
    let gone = first - last - 1;
    if gone > 0 {
        let name = path.file_name().unwrap_or_default().display();
        let why = whole.cut.as_ref().map(|cut| format!(" ({})", cut.why)).unwrap_or_default();
        let gone = plural(gone, "record");
        let text = format!("{gone} behind arrival {last} and before {name}{why}");
        add_note(&mut whole.notes, MISSING.to_owned(), text);
    }
}

fn add_note(notes: &mut BTreeMap<String, String>, key: String, note: String) {
    let known = notes.entry(key).or_default();
    if known.is_empty() {
        *known = note;
    } else if *known != note {
        *known = format!("{known}; {note}");
    }
}

fn add_info(whole: &mut Info, part: Info) {
    whole.records += part.records;
    whole.clock_events += part.clock_events;
    whole.chunks += part.chunks;
    whole.file_bytes += part.file_bytes;
    whole.uncompressed_bytes += part.uncompressed_bytes;
    whole.arrivals = match (whole.arrivals, part.arrivals) {
        (Some((first, _)), Some((_, last))) => Some((first, last)),
        (before, after) => before.or(after),
    };
    whole.arrival_ms = span(whole.arrival_ms, part.arrival_ms);
    whole.timestamps = span(whole.timestamps, part.timestamps);
    whole.topic_ids.extend(part.topic_ids);
    whole.approximate |= part.approximate;
    whole.live_from = whole.live_from.or(part.live_from);
    for (key, note) in part.notes {
        add_note(&mut whole.notes, key, note);
    }
    // What an earlier segment lost at its end was given to nobody, or is noted.
    whole.cut = part.cut;
    for (i, partition) in part.partitions.into_iter().enumerate() {
        match whole.partitions.get_mut(i) {
            Some(known) => add_partition(known, partition),
            // It was not there before, whether or not its segment says so.
            None => whole.partitions.push(PartitionInfo { later: true, ..partition }),
        }
    }
}

fn add_partition(whole: &mut PartitionInfo, part: PartitionInfo) {
    // Between the two; up to its first record the segment counts by itself.
    if let (Some(end), Some(start)) = (whole.end_offset, part.start_offset) {
        whole.gaps.add(end, start);
    }
    whole.gaps.append(part.gaps);
    whole.records += part.records;
    whole.start_offset = whole.start_offset.or(part.start_offset);
    whole.end_offset = part.end_offset.or(whole.end_offset);
    whole.first_offset = whole.first_offset.or(part.first_offset);
    whole.last_offset = part.last_offset.or(whole.last_offset);
    whole.arrival_ms = span(whole.arrival_ms, part.arrival_ms);
    whole.timestamps = span(whole.timestamps, part.timestamps);
}

fn span(a: Option<(i64, i64)>, b: Option<(i64, i64)>) -> Option<(i64, i64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edges::recording::{ClockEntry, ClockEntryKind, Recording, Writer, WriterOptions};
    use crate::operator::record::{Record, TimestampType, TopicPartition};

    fn record(arrival: u64) -> Record {
        Record {
            arrival,
            arrival_ns: 1_000 * arrival as i64,
            source: (arrival % 2) as u32,
            offset: arrival as i64 / 2,
            timestamp: Some(arrival as i64),
            timestamp_type: TimestampType::Create,
            leader_epoch: None,
            key: None,
            value: Some(format!("value {arrival}").into()),
            headers: Vec::new(),
        }
    }

    /// Records `range`, a tick before each third of them and one at the end.
    fn write(path: &Path, range: std::ops::Range<u64>, finish: bool) {
        let mut writer = Writer::create(path, WriterOptions::default()).unwrap();
        for partition in 0..2 {
            writer.partition(TopicPartition { topic: "t".into(), partition }).unwrap();
        }
        let tick = |writer: &mut Writer, arrival: u64| {
            let at_ns = 1_000 * arrival as i64;
            writer
                .clock(&ClockEntry { precedes: arrival, at_ns, kind: ClockEntryKind::Tick })
                .unwrap();
        };
        for arrival in range.clone() {
            if arrival % 3 == 0 {
                tick(&mut writer, arrival);
            }
            writer.add(&record(arrival)).unwrap();
            if arrival % 5 == 0 {
                writer.hand_over().unwrap();
            }
        }
        tick(&mut writer, range.end);
        writer.hand_over().unwrap();
        // Else it is cut short.
        if finish {
            writer.finish().unwrap();
        }
    }

    #[test]
    fn segments_open_as_one_recording() {
        let folder = tempfile::tempdir().unwrap();
        let (parts, one) = (folder.path().join("parts"), folder.path().join("one.mcap"));
        std::fs::create_dir(&parts).unwrap();
        // The first was cut off, the third is empty, the last is whole.
        write(&parts.join(part_name(0)), 0..40, false);
        write(&parts.join(part_name(1)), 40..41, true);
        std::fs::write(parts.join(part_name(2)), b"").unwrap();
        // So was the fourth, as soon as it was made.
        drop(Writer::create(&parts.join(part_name(3)), WriterOptions::default()).unwrap());
        write(&parts.join(part_name(4)), 41..100, true);
        std::fs::write(parts.join("note.txt"), b"not ours").unwrap();
        write(&one, 0..100, true);

        let (parts, one) = (Recording::open(&parts).unwrap(), Recording::open(&one).unwrap());
        assert_eq!(parts.len(), 100);
        assert_eq!(parts.info().cut, None);
        assert_eq!(parts.partitions(), one.partitions());
        for from in [0, 1, 39, 40, 41, 77, 100] {
            let read =
                |r: &Recording| r.batches(None, from).flat_map(Result::unwrap).collect::<Vec<_>>();
            assert_eq!(read(&parts), read(&one), "from {from}");
            // What the clock said before the last one left out is left out too.
            let clock = |r: &Recording| {
                let mut batches = r.batches(None, from);
                let next = std::iter::from_fn(|| batches.next_with_clock());
                let entries: Vec<u64> =
                    next.flat_map(|b| b.unwrap().1).map(|entry| entry.precedes).collect();
                entries
            };
            let all = clock(&one);
            assert!(all.iter().all(|precedes| *precedes >= from), "{from}: {all:?}");
            assert!(all.contains(&100) && (from > 99 || all.contains(&99)), "{from}: {all:?}");
            let mut of_parts = clock(&parts);
            of_parts.dedup();
            let mut all = all;
            all.extend([40, 41].into_iter().filter(|end| *end >= from));
            all.sort_unstable();
            all.dedup();
            assert_eq!(of_parts, all, "from {from}");
        }
        for arrival in [0, 39, 40, 41, 99] {
            let wanted = record(arrival);
            let name = one.name_of(&wanted);
            assert_eq!(parts.record(&name).unwrap(), Some(wanted.clone()));
            assert_eq!(parts.page(arrival, 1).unwrap(), [wanted]);
        }
        let info = |r: &Recording| {
            r.info().partitions.iter().map(|p| (p.records, p.last_offset)).collect::<Vec<_>>()
        };
        assert_eq!(info(&parts), info(&one));
        assert_ne!(parts.digest(), one.digest(), "a digest of digests");
    }

    /// Found by reading: each stayed open, and a log of a thousand could not be opened any
    /// more, by whoever went on with its run least of all.
    #[test]
    fn of_many_segments_none_stays_open() {
        let folder = tempfile::tempdir().unwrap();
        let n = OPEN as u64 + 6;
        for number in 0..n {
            write(&folder.path().join(part_name(number)), number..number + 1, true);
        }
        let many = Recording::open(folder.path()).unwrap();
        if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
            let own = folder.path().canonicalize().unwrap();
            let open = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
            assert_eq!(open.filter(|path| path.starts_with(&own)).count(), 0);
        }
        let records = many.batches(None, 0).flat_map(Result::unwrap);
        let arrivals: Vec<u64> = records.map(|record| record.arrival).collect();
        assert_eq!(arrivals, (0..n).collect::<Vec<_>>());
        let wanted = record(n - 1);
        assert_eq!(many.record(&many.name_of(&wanted)).unwrap(), Some(wanted));
    }

    #[test]
    fn a_single_segment_has_the_digest_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(part_name(7));
        write(&path, 0..10, true);
        let (one, same) =
            (Recording::open(folder.path()).unwrap(), Recording::open(&path).unwrap());
        assert_eq!(one.digest(), same.digest());
        let empty = tempfile::tempdir().unwrap();
        let error = Recording::open(empty.path()).unwrap_err().to_string();
        assert!(error.contains("without a segment"), "{error}");
    }

    #[test]
    fn segments_have_the_gaps_of_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let (parts, one) = (folder.path().join("parts"), folder.path().join("one.mcap"));
        std::fs::create_dir(&parts).unwrap();
        // Every other offset, as the markers of small transactions leave it.
        let offset = |arrival: u64| 2 * arrival as i64;
        let write = |path: &Path, range: std::ops::Range<u64>, finish: bool| {
            let mut writer = Writer::create(path, WriterOptions::default()).unwrap();
            let partition = TopicPartition { topic: "t".into(), partition: 0 };
            let source = writer.partition(partition).unwrap();
            // As the arrival log does: from where the segment before it ended.
            let start = range.start.checked_sub(1).map_or(0, |last| offset(last) + 1);
            writer.set_range(source, Some(start), None);
            for arrival in range {
                let record = Record { source, offset: offset(arrival), ..record(arrival) };
                writer.add(&record).unwrap();
            }
            if finish {
                writer.finish().unwrap();
            }
        };
        write(&parts.join(part_name(0)), 0..150, true);
        // Cut off: where it began is not known.
        write(&parts.join(part_name(1)), 150..160, false);
        write(&parts.join(part_name(2)), 160..300, true);
        write(&one, 0..300, true);
        let gaps = |path: &Path| Recording::open(path).unwrap().info().partitions[0].gaps.clone();
        assert_eq!(gaps(&one).count, 299);
        assert_eq!(gaps(&parts), gaps(&one));
    }

    #[test]
    fn segments_that_do_not_follow_one_another_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join(part_name(0)), 0..10, true);
        write(&folder.path().join(part_name(1)), 9..20, true);
        let error = Recording::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("arrival numbers go back"), "{error}");
    }

    /// A window over a run in progress asks anew with every answer: a day's log was read
    /// from its beginning each time.
    #[test]
    fn what_has_grown_is_read_from_its_last_segment_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = |n: u64| folder.path().join(part_name(n));
        // Cut off, whole, made and never written.
        write(&path(0), 0..40, false);
        let mut known = Recording::open(folder.path()).unwrap();
        let same = |known: &Recording, read: u64| {
            // What need not be read may be gone, as long as it is as long.
            let hidden: Vec<_> = (0..read).map(|n| std::fs::read(path(n)).unwrap()).collect();
            for (n, bytes) in (0..).zip(&hidden) {
                std::fs::write(path(n), vec![0u8; bytes.len()]).unwrap();
            }
            let grown = known.grown().unwrap();
            for (n, bytes) in (0..).zip(&hidden) {
                std::fs::write(path(n), bytes).unwrap();
            }
            let anew = Recording::open(folder.path()).unwrap();
            assert_eq!((grown.info(), grown.digest()), (anew.info(), anew.digest()));
            for from in [0, 39, 45, 55] {
                let all = |r: &Recording| -> Vec<Record> {
                    r.batches(None, from).flat_map(Result::unwrap).collect()
                };
                assert_eq!(all(&grown), all(&anew), "{from}");
            }
            for arrival in 0..anew.len() {
                let name = anew.name_of(&record(arrival));
                assert_eq!(grown.record(&name).unwrap(), Some(record(arrival)));
            }
            grown
        };
        known = same(&known, 0);
        write(&path(1), 40..50, true);
        known = same(&known, 0);
        known = same(&known, 1);
        std::fs::write(path(2), b"").unwrap();
        known = same(&known, 1);
        known = same(&known, 2);
        write(&path(3), 50..60, false);
        known = same(&known, 2);
        std::fs::remove_file(path(3)).unwrap();
        write(&path(3), 50..75, false);
        known = same(&known, 3);
        // Another than it was: all is read anew.
        std::fs::remove_file(path(1)).unwrap();
        std::fs::remove_file(path(3)).unwrap();
        write(&path(1), 40..48, true);
        assert_eq!(same(&known, 0).len(), 48);
    }
}
