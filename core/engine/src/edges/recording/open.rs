//! Opening a recording: by its summary where it has one, else by reading it
//! through up to where it is whole.

use std::path::{Path, PathBuf};

use super::chunk;
use super::index::{ChunkEntry, Index};
use super::scan::{self, Gathered};
use super::source::{Source, Stop, Walk};
use super::wire::{self, FOOTER, Fields, Footer, op};
use super::{Cut, Gaps, Info, RecordingError, Schemas, meta};

/// What is known of an open recording.
#[derive(Debug)]
pub struct Opened {
    /// The file, or the folder of several.
    pub path: PathBuf,
    /// One for each file, in their order.
    pub parts: Vec<Source>,
    pub info: Info,
    pub schemas: Schemas,
    pub index: Index,
    pub digest: String,
    /// Of a folder: what was known before its last file.
    pub settled: Option<Settled>,
}

/// What is known of the files before a folder's last one, which may go on growing.
#[derive(Debug)]
pub struct Settled {
    /// The number of the last one.
    pub last: u64,
    /// How many of the parts lie before it.
    pub parts: usize,
    pub info: Info,
    pub schemas: Schemas,
    pub digests: Vec<String>,
}

/// Opens a file or bytes.
pub fn open(source: Source) -> Result<Opened, RecordingError> {
    let (info, data) = start(&source)?;
    match by_summary(&source, info.clone()) {
        Ok((info, schemas, index, digest)) => Ok(opened(source, info, schemas, index, digest)),
        Err(Unusable::Error(error)) => Err(error),
        Err(Unusable::Because(why)) => by_scan(source, info, data, &why),
    }
}

/// A file that is read through when it is opened: its summary cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadThrough {
    pub path: PathBuf,
    pub bytes: u64,
    pub why: String,
}

/// What [`super::Recording::open`] reads through: the file itself, or segments in a folder.
#[must_use]
pub fn read_through(path: &Path) -> Vec<ReadThrough> {
    let files: Vec<PathBuf> = if path.is_dir() {
        let parts = super::parts::parts_of(path).unwrap_or_default();
        parts.into_iter().map(|(_, path)| path).collect()
    } else {
        vec![path.to_owned()]
    };
    let unusable = |path: PathBuf| {
        let source = Source::open(&path).ok()?;
        scan::start(&source).ok()?;
        let why = summary(&source).err()?;
        Some(ReadThrough { path, bytes: source.length, why })
    };
    files.into_iter().filter_map(unusable).collect()
}

/// As [`scan::start`]; of a damaged beginning the error says whether the end stands in
/// for it. What ends as a recording does is one, whatever its first bytes are.
pub fn start(source: &Source) -> Result<(Info, u64), RecordingError> {
    scan::start(source).map_err(|error| match error {
        RecordingError::Beginning { path, byte, what, .. } => {
            RecordingError::Beginning { path, byte, what, by_end: by_end(source).is_ok() }
        }
        RecordingError::NotARecording { path, why } if by_end(source).is_ok() => {
            RecordingError::Beginning { path, byte: 0, what: why, by_end: true }
        }
        other => other,
    })
}

/// As [`open`], but a file whose beginning is damaged opens by its end, which says all
/// that the beginning does.
pub fn open_past_damage(source: Source) -> Result<Opened, RecordingError> {
    let Err(beginning @ RecordingError::Beginning { by_end: true, .. }) = start(&source) else {
        return open(source);
    };
    match by_end(&source) {
        Ok((info, schemas, index, digest)) => Ok(opened(source, info, schemas, index, digest)),
        Err(Unusable::Error(error)) => Err(error),
        Err(Unusable::Because(_)) => Err(beginning),
    }
}

fn by_end(source: &Source) -> Result<Found, Unusable> {
    by_summary(source, Info { file_bytes: source.length, ..Info::default() })
}

fn opened(source: Source, info: Info, schemas: Schemas, index: Index, digest: String) -> Opened {
    let path = source.path.clone();
    Opened { path, parts: vec![source], info, schemas, index, digest, settled: None }
}

impl Opened {
    /// The one file that it is.
    pub fn file(&self) -> Result<&Source, RecordingError> {
        match &self.parts[..] {
            [one] => Ok(one),
            _ => Err(RecordingError::NotARecording {
                path: self.path.clone(),
                why: format!(
                    "it is several segments, and one file is needed: make one of them by \
                     `joinscope recording slice {} -o FILE`, and go on with that",
                    self.path.display()
                ),
            }),
        }
    }

    /// The place of a chunk, by its number.
    pub fn entry(&self, number: usize) -> Result<ChunkEntry, RecordingError> {
        let missing = || RecordingError::damaged(&self.path, 0, "a chunk that is not there");
        self.index.entry(number).ok_or_else(missing)
    }

    /// The bytes of a chunk.
    pub fn load(&self, entry: &ChunkEntry, body: &mut Vec<u8>) -> Result<Vec<u8>, RecordingError> {
        let Some(source) = self.parts.get(usize::from(entry.part)) else {
            return Err(RecordingError::damaged(
                &self.path,
                entry.byte,
                "a part that is not there",
            ));
        };
        let body = source.record(entry.byte, entry.length, op::CHUNK, body)?;
        chunk::load(body).map_err(|what| RecordingError::damaged(&source.path, entry.byte, what))
    }
}

/// Why the summary is of no use.
enum Unusable {
    Because(String),
    Error(RecordingError),
}

impl From<&str> for Unusable {
    fn from(why: &str) -> Self {
        Self::Because(why.to_owned())
    }
}

impl From<RecordingError> for Unusable {
    fn from(error: RecordingError) -> Self {
        match error {
            RecordingError::Damaged { byte, what, .. } => {
                Self::Because(format!("byte {byte}: {what}"))
            }
            other => Self::Error(other),
        }
    }
}

/// A longer summary is held in memory only once its CRC is known to be right: a footer
/// with one bit flipped names most of a file.
const PIECE: u64 = 64 << 20;
/// Longer ones are none.
const MAX_SUMMARY: u64 = 8 * wire::MAX_RECORD;

/// The CRC of bytes of a file, of which no more than `piece` are in memory at once.
fn crc(source: &Source, from: u64, length: u64, piece: u64) -> Result<u32, RecordingError> {
    let (mut crc, mut bytes, mut done) = (crc32fast::Hasher::new(), Vec::new(), 0);
    while done < length {
        let next = piece.min(length - done);
        source.read(from + done, next, &mut bytes)?;
        crc.update(&bytes);
        done += next;
    }
    Ok(crc.finalize())
}

/// The summary section, whose CRC is right.
pub fn summary(source: &Source) -> Result<Vec<u8>, String> {
    let missing = || "it was not finished".to_owned();
    let tail_at = source.length.checked_sub(FOOTER as u64).ok_or_else(missing)?;
    let mut bytes = Vec::new();
    let fail = |error: RecordingError| error.to_string();
    source.read(tail_at, FOOTER as u64, &mut bytes).map_err(fail)?;
    let footer = Footer::read(&bytes).ok_or_else(missing)?;
    if footer.summary_start < wire::MAGIC.len() as u64 || footer.summary_start > tail_at {
        return Err("the footer names a place outside the file".to_owned());
    }
    // The CRC covers the summary and the footer up to the CRC itself.
    let covered = tail_at - footer.summary_start + (FOOTER - 12) as u64;
    if covered > MAX_SUMMARY {
        return Err(format!("the footer names a summary of {covered} bytes"));
    }
    let wrong = || "the CRC of the summary is wrong".to_owned();
    if covered > PIECE {
        let crc = crc(source, footer.summary_start, covered, PIECE).map_err(fail)?;
        (crc == footer.summary_crc).then_some(()).ok_or_else(wrong)?;
    }
    source.read(footer.summary_start, covered, &mut bytes).map_err(fail)?;
    if crc32fast::hash(&bytes) != footer.summary_crc {
        return Err(wrong());
    }
    bytes.truncate((tail_at - footer.summary_start) as usize);
    Ok(bytes)
}

/// (opcode, byte, length, name)
type Place = (u8, u64, u64, String);

/// Where metadata and attachments stand, from a summary.
pub fn places(summary: &[u8]) -> Option<Vec<Place>> {
    let mut fields = Fields::new(summary);
    let mut places = Vec::new();
    while !fields.is_empty() {
        let opcode = fields.u8()?;
        let length = usize::try_from(fields.u64()?).ok()?;
        let mut f = Fields::new(fields.bytes(length)?);
        match opcode {
            op::METADATA_INDEX => {
                let (byte, length) = (f.u64()?, f.u64()?);
                places.push((op::METADATA, byte, length, f.string()?.to_owned()));
            }
            op::ATTACHMENT_INDEX => {
                let (byte, length) = (f.u64()?, f.u64()?);
                let _times_and_size = f.bytes(24)?;
                places.push((op::ATTACHMENT, byte, length, f.string()?.to_owned()));
            }
            _ => {}
        }
    }
    Some(places)
}

type Found = (Info, Schemas, Index, String);

fn by_summary(source: &Source, mut info: Info) -> Result<Found, Unusable> {
    let summary = summary(source).map_err(Unusable::Because)?;
    let places = places(&summary).ok_or("the summary is not one of a recording")?;
    drop(summary);
    let mut body = Vec::new();
    let mut schemas = Schemas::default();
    let mut end = None;
    for place in &places {
        match (place.0, place.3.as_str()) {
            (op::ATTACHMENT, name) if name.starts_with(meta::SCHEMA_PREFIX) => {
                let body = source.record(place.1, place.2, op::ATTACHMENT, &mut body)?;
                let found = wire::read_attachment(body).ok_or("a schema is damaged")?;
                let schema =
                    scan::read_schema(found.name, found.data).map_err(Unusable::Because)?;
                if !schemas.insert(schema) {
                    return Err("two different schemas of one id".into());
                }
            }
            (op::METADATA, meta::END) => end = Some(metadata(source, place, &mut body)?),
            _ => {}
        }
    }
    let end = end.ok_or("the closing metadata is missing")?;
    let digest = meta::read_end(&end, &mut info).ok_or("the closing metadata is unreadable")?;
    let mut index = Index::default();
    // One by one: as text each is many times as large as what is kept of it.
    for place in places.iter().filter(|place| place.0 == op::METADATA && place.3 == meta::INDEX) {
        let map = metadata(source, place, &mut body)?;
        index.read(&map, info.partitions.len()).ok_or("the index is unreadable")?;
    }
    if index.records() != info.records || index.chunks() != info.chunks {
        return Err("the index does not cover all records".into());
    }
    info.schemas = schemas.len();
    Ok((info, schemas, index, digest))
}

/// The metadata at a place, whose CRC is right.
fn metadata(
    source: &Source,
    (opcode, byte, length, name): &Place,
    body: &mut Vec<u8>,
) -> Result<meta::Map, Unusable> {
    let body = source.record(*byte, *length, *opcode, body)?;
    let (found, map) = wire::read_metadata(body).ok_or("metadata is damaged")?;
    if found != *name || !meta::sealed(name, &map) {
        return Err(Unusable::Because(format!("the CRC of metadata {name} is wrong")));
    }
    Ok(map)
}

fn by_scan(source: Source, mut info: Info, data: u64, why: &str) -> Result<Opened, RecordingError> {
    let mut gathered = Gathered::new();
    let mut walk = Walk::new(&source, data);
    let mut body = Vec::new();
    let (byte, why, complete) = loop {
        match walk.next(&mut body) {
            Ok((byte, op::DATA_END)) if body.len() == 4 => {
                break (
                    byte,
                    format!("all records are there, but the summary is not usable: {why}"),
                    true,
                );
            }
            Ok((byte, opcode)) => {
                if let Err(what) = gathered.take(byte, opcode, &body) {
                    break (byte, what, false);
                }
            }
            Err(Stop::Cut { byte, why }) => break (byte, why, false),
            Err(Stop::Error(error)) => return Err(error),
        }
    };
    if let Some(end) = &gathered.end {
        // What only the end knows: ranges, live part, notes.
        let mut closing = info.clone();
        if meta::read_end(end, &mut closing).is_some() {
            for (p, known) in gathered.tally.partitions.iter_mut().zip(&closing.partitions) {
                if p.topic_partition == known.topic_partition {
                    // What is missing before its first record was not known at that.
                    let mut gaps = Gaps::default();
                    if let (Some(start), Some(first)) = (known.start_offset, p.first_offset) {
                        gaps.add(start, first);
                    }
                    gaps.append(std::mem::take(&mut p.gaps));
                    p.gaps = gaps;
                    p.start_offset = known.start_offset;
                    p.end_offset = known.end_offset;
                }
            }
            info.live_from = closing.live_from;
            info.approximate = closing.approximate;
            info.notes = closing.notes;
            info.topic_ids = closing.topic_ids;
        }
    }
    gathered.tally.fill(&mut info);
    info.chunks = gathered.index.chunks();
    info.schemas = gathered.schemas.len();
    info.compression.clone_from(&gathered.compression);
    info.cut = Some(Cut {
        byte,
        why,
        complete,
        records: gathered.tally.records,
        last_arrival: gathered.tally.arrivals.map(|(_, last)| last),
        next_offsets: gathered.tally.next_offsets(),
    });
    let digest = gathered.tally.digest(&gathered.schemas);
    Ok(opened(source, info, gathered.schemas, gathered.index, digest))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt as _;

    use super::*;
    use crate::edges::recording::tests::{folder, records, write};
    use crate::edges::recording::{Recording, Writer, WriterOptions};
    use crate::operator::record::{Record, TopicPartition};

    #[test]
    fn a_footer_that_lies_costs_no_memory() {
        let (_folder, path) = folder();
        write(&path, &records(3, 500), WriterOptions::default());
        let bytes = std::fs::read(&path).unwrap();
        let footer = &bytes[bytes.len() - FOOTER..];
        // A hole before the footer, which names all of it as the summary.
        for length in [2 * PIECE, MAX_SUMMARY * 2, 1 << 40] {
            let file = File::options().write(true).open(&path).unwrap();
            file.set_len(bytes.len() as u64).unwrap();
            file.set_len(length).unwrap();
            file.write_all_at(footer, length - FOOTER as u64).unwrap();
            let recording = Recording::open(&path).unwrap();
            let cut = recording.info().cut.clone().unwrap();
            let why =
                if length > MAX_SUMMARY { "names a summary of" } else { "CRC of the summary" };
            assert!(cut.complete && cut.why.contains(why), "{cut}");
            assert_eq!(recording.len(), 500);
        }
    }

    /// Only what stands behind the closing metadata is gone, and that says where
    /// partitions begin.
    #[test]
    fn without_its_summary_it_says_the_same_of_its_partitions() {
        let (_folder, path) = folder();
        let mut writer = Writer::create(&path, WriterOptions::default()).unwrap();
        for partition in 0..3 {
            writer.partition(TopicPartition { topic: "t".into(), partition }).unwrap();
        }
        writer.set_range(0, Some(5), Some(40));
        writer.set_range(1, Some(7), Some(9));
        for arrival in 0..150u64 {
            let offset = 2 * arrival as i64 + 10;
            let source = if arrival == 0 { 0 } else { 2 };
            writer.add(&Record { arrival, offset, source, ..Record::default() }).unwrap();
        }
        writer.finish().unwrap();
        let whole = Recording::open(&path).unwrap();
        assert_eq!(whole.info().partitions[0].gaps.listed, [(5, 10), (11, 40)]);
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(whole.info().file_bytes - 8).unwrap();
        let cut = Recording::open(&path).unwrap();
        assert!(cut.info().cut.as_ref().unwrap().complete);
        assert_eq!(cut.info().partitions, whole.info().partitions);
    }

    #[test]
    fn a_crc_is_the_same_in_pieces() {
        let bytes: Vec<u8> = (0..1_000u32).map(|n| (n * n / 8) as u8).collect();
        let source = Source::memory(bytes.clone());
        for piece in [1, 7, 500, 990, 1_000] {
            assert_eq!(crc(&source, 10, 990, piece).unwrap(), crc32fast::hash(&bytes[10..]));
        }
        assert!(crc(&source, 10, 991, 7).is_err());
    }
}
