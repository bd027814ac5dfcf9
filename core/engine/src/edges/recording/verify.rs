//! Verifying a recording: every byte is read and checked against every other
//! that says something about it.

use std::path::Path;

use super::scan::Gathered;
use super::source::{Source, Stop, Walk};
use super::wire::op;
use super::{Info, Job, RecordingError, meta, open, parts};
use crate::operator::figures::plural;
use crate::operator::record::Arrival;

/// Problems that are listed; more are counted.
const LISTED: usize = 100;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Of a folder: the segment.
    pub segment: Option<String>,
    /// Where in the file; 0 where it is all of it.
    pub byte: u64,
    pub what: String,
}

/// The result of [`verify`].
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// What is intact, as counted.
    pub info: Info,
    /// Over what is intact.
    pub digest: String,
    /// The digest that the file states.
    pub stated_digest: Option<String>,
    /// The first of them, in file order.
    pub problems: Vec<Problem>,
    pub problem_count: u64,
    /// Of an arrival log: segments that are cut off as a run leaves them that is killed,
    /// and nothing is missing behind them.
    pub cuts: Vec<Problem>,
    /// The number of the first record, or of the one before which the clock first spoke.
    begins: Option<Arrival>,
    /// The file ends where its writer may have been killed.
    torn: bool,
}

impl Verified {
    /// Nothing is wrong.
    #[must_use]
    pub fn sound(&self) -> bool {
        self.problem_count == 0
    }

    fn problem(&mut self, byte: u64, what: impl Into<String>) {
        self.problem_of(None, byte, what);
    }

    fn problem_of(&mut self, segment: Option<String>, byte: u64, what: impl Into<String>) {
        self.add(Problem { segment, byte, what: what.into() });
    }

    fn add(&mut self, problem: Problem) {
        self.problem_count += 1;
        if self.problems.len() < LISTED {
            self.problems.push(problem);
        }
    }

    /// Where this segment of an arrival log is cut off, if that is all that is wrong with
    /// it. What its writer was killed over was given to nobody, and is read anew.
    fn cut_off(&mut self, name: &str) -> Option<Problem> {
        let live = self.info.notes.contains_key(Info::LIVE);
        if !(self.torn && live && self.problem_count == 1) {
            return None;
        }
        self.problem_count = 0;
        let cut = self.problems.pop();
        cut.map(|cut| Problem { segment: Some(name.to_owned()), ..cut })
    }

    /// What becomes of segments that are cut off, now that one behind them begins at an
    /// arrival: `gone` records are missing before it.
    fn goes_on(&mut self, cuts: Vec<Problem>, begins: Arrival, gone: u64) {
        for cut in cuts {
            if gone > 0 {
                self.add(cut);
                continue;
            }
            let what = format!(
                "cut off, as a killed run leaves it ({}); the next segment goes on from arrival \
                 {begins}",
                cut.what
            );
            self.cuts.push(Problem { what, ..cut });
        }
    }

    /// Nothing behind them says how far they went.
    fn ends_with(&mut self, cuts: Vec<Problem>) {
        for cut in cuts {
            let what = format!(
                "{} (so a run leaves it that was killed or still goes on; no segment behind it \
                 says whether anything is missing)",
                cut.what
            );
            self.add(Problem { what, ..cut });
        }
    }

    /// Takes what was found in a segment.
    fn segment(&mut self, name: &str, found: Vec<Problem>, count: u64) {
        self.problem_count += count;
        let room = LISTED.saturating_sub(self.problems.len());
        let named = |problem| Problem { segment: Some(name.to_owned()), ..problem };
        self.problems.extend(found.into_iter().take(room).map(named));
    }
}

/// Reads a recording through: all CRCs (chunks, attachments, metadata, data
/// section, summary), arrival order, offsets within partitions, message
/// indices, totals, ranges, gaps and the digest. Of a folder each segment, and that they
/// follow one another; in an arrival log one may be cut off where the next goes on
/// ([`Verified::cuts`]). Progress is in bytes.
///
/// # Errors
/// It is not a recording at all, cannot be read, or was cancelled. Damage is
/// no error but a [`Problem`].
pub fn verify(path: &Path, job: &mut Job<'_>) -> Result<Verified, RecordingError> {
    if path.is_dir() {
        return verify_segments(path, job);
    }
    verify_source(&Source::open(path)?, job)
}

fn verify_segments(folder: &Path, job: &mut Job<'_>) -> Result<Verified, RecordingError> {
    let segments = parts::parts_of(folder)?;
    if segments.is_empty() {
        return parts::open(folder).map(|_| Verified::default());
    }
    let mut sources = Vec::with_capacity(segments.len());
    for (number, path) in segments {
        let mut source = Source::open(&path)?;
        source.close();
        sources.push((number, source));
    }
    let total = sources.iter().map(|(_, source)| source.length).sum();
    let last = sources.last().map(|(number, _)| *number);
    let mut verified = Verified::default();
    let (mut digests, mut stated) = (Vec::new(), Vec::new());
    let (mut records, mut chunks) = (0, 0);
    let (mut done, mut next) = (0, 0);
    // Up to where all is there, as far as it is known.
    let mut arrival: Option<Arrival> = None;
    let mut cuts: Vec<Problem> = Vec::new();
    for (number, source) in sources {
        if next < number {
            verified.problem_of(Some(parts::part_name(next)), 0, missing(next, number));
        }
        next = number + 1;
        let name = parts::part_name(number);
        let before = done;
        done += source.length;
        // Its process ended as it was made.
        if source.length == 0 {
            continue;
        }
        let progress = &mut |byte, _| (job.progress)(before + byte, total);
        let mut found = match verify_source(&source, &mut Job { cancel: job.cancel, progress }) {
            Ok(found) => found,
            Err(error @ (RecordingError::Io { .. } | RecordingError::Cancelled)) => {
                return Err(error);
            }
            Err(error) => {
                std::mem::take(&mut cuts).into_iter().for_each(|cut| verified.add(cut));
                verified.problem_of(Some(name), 0, error.to_string());
                arrival = None;
                continue;
            }
        };
        let nothing = found.info.records == 0 && found.info.clock_events == 0;
        if nothing && found.stated_digest.is_none() && Some(number) != last {
            continue;
        }
        // Where the clock alone goes on behind a cut, nothing may be missing either.
        let first = found.info.arrivals.map(|(first, _)| first);
        let begins = if cuts.is_empty() { first } else { found.begins };
        let mut gone = 0;
        if let Some(begins) = begins {
            let due = arrival.map_or(begins, |last| last.saturating_add(1));
            gone = begins.saturating_sub(due);
            verified.goes_on(std::mem::take(&mut cuts), begins, gone);
        }
        if let Some(last) = arrival.filter(|_| gone > 0) {
            let gone = plural(gone, "record");
            let what = format!("{gone} behind arrival {last} and before it are missing");
            verified.problem_of(Some(name.clone()), 0, what);
        }
        cuts.extend(found.cut_off(&name));
        arrival = match found.info.arrivals {
            _ if !found.sound() => None,
            Some((_, last)) => Some(last),
            None if gone > 0 => begins.map(|begins| begins - 1),
            None => arrival,
        };
        records += found.info.records;
        chunks += found.info.chunks;
        digests.push(found.digest);
        stated.extend(found.stated_digest);
        verified.segment(&name, found.problems, found.problem_count);
    }
    verified.ends_with(cuts);
    match parts::open(folder) {
        Ok(whole) => verified.info = whole.info,
        Err(error) => verified.problem(0, error.to_string()),
    }
    (verified.info.records, verified.info.chunks) = (records, chunks);
    verified.stated_digest = (stated.len() == digests.len()).then(|| parts::digest_of(&stated));
    verified.digest = parts::digest_of(&digests);
    Ok(verified)
}

/// Segments that are not there.
fn missing(first: u64, behind: u64) -> String {
    match behind - first {
        1 => "is missing".to_owned(),
        n => format!("is missing, and so are those up to {} ({n})", parts::part_name(behind - 1)),
    }
}

pub fn verify_source(source: &Source, job: &mut Job<'_>) -> Result<Verified, RecordingError> {
    let (mut info, data) = open::start(source)?;
    let mut verified = Verified::default();
    let mut gathered = Gathered::new();
    let mut crc = crc32fast::Hasher::new();
    let mut body = Vec::new();
    source.read(0, data, &mut body)?;
    crc.update(&body);
    // The start's metadata record was read by `start`; the summary lists it.
    replay_start(source, &mut gathered)?;
    let mut walk = Walk::new(source, data);
    let end_of_data = loop {
        match walk.next(&mut body) {
            Ok((byte, op::DATA_END)) if body.len() == 4 => {
                if !gathered.close_chunk() {
                    verified.problem(byte, "message index records of the last chunk are missing");
                }
                if body != crc.finalize().to_le_bytes() {
                    verified.problem(byte, "the CRC of the data section is wrong");
                }
                break Some(walk.at);
            }
            Ok((byte, opcode)) => {
                crc.update(&[opcode]);
                crc.update(&(body.len() as u64).to_le_bytes());
                crc.update(&body);
                if let Err(what) = gathered.take(byte, opcode, &body) {
                    verified.problem(byte, what);
                }
            }
            Err(Stop::Cut { byte, why }) => {
                verified.problem(byte, why);
                verified.torn = source.ends_within(byte)?;
                break None;
            }
            Err(Stop::Error(error)) => return Err(error),
        }
        job.step(walk.at, source.length)?;
    };
    let stated = gathered.end.take();
    if let Some(end) = &stated {
        let mut closing = info.clone();
        verified.stated_digest = meta::read_end(end, &mut closing);
        // Ranges as the broker gave them are known only there.
        for (p, known) in gathered.tally.partitions.iter_mut().zip(&closing.partitions) {
            p.end_offset = known.end_offset;
        }
    }
    gathered.tally.fill(&mut info);
    info.chunks = gathered.index.chunks();
    info.schemas = gathered.schemas.len();
    info.compression.clone_from(&gathered.compression);
    verified.digest = gathered.tally.digest(&gathered.schemas);
    let first = gathered.tally.arrivals.map(|(first, _)| first);
    verified.begins = gathered.heard.into_iter().chain(first).min();
    if let Some(at) = end_of_data {
        closing(&mut verified, &gathered, &info, stated.as_ref(), at);
        summary(&mut verified, source, &gathered, at)?;
    }
    if let Some(end) = &stated {
        let mut closing = info.clone();
        if meta::read_end(end, &mut closing).is_some() {
            info.live_from = closing.live_from;
            info.approximate = closing.approximate;
            info.notes = closing.notes;
            info.topic_ids = closing.topic_ids;
            info.partitions = closing.partitions;
        }
    }
    verified.info = info;
    Ok(verified)
}

/// Lets `gathered` note the records that `start` read.
pub(super) fn replay_start(source: &Source, gathered: &mut Gathered) -> Result<(), RecordingError> {
    let mut walk = Walk::new(source, super::wire::MAGIC.len() as u64);
    let mut body = Vec::new();
    for _ in 0..2 {
        match walk.next(&mut body) {
            // `start` has found it sound.
            Ok((byte, op::METADATA)) => drop(gathered.take(byte, op::METADATA, &body)),
            Ok(_) => {}
            Err(Stop::Cut { byte, why }) => {
                return Err(RecordingError::damaged(&source.path, byte, why));
            }
            Err(Stop::Error(error)) => return Err(error),
        }
    }
    Ok(())
}

/// The closing metadata and the index against what was counted.
fn closing(
    verified: &mut Verified,
    gathered: &Gathered,
    info: &Info,
    stated: Option<&meta::Map>,
    at: u64,
) {
    if !gathered.index_sound || gathered.indexed != gathered.index {
        verified.problem(at, "the index does not fit the chunks");
    }
    let Some(end) = stated else {
        verified.problem(at, "the closing metadata is missing");
        return;
    };
    let mut said = Info::default();
    if meta::read_end(end, &mut said).is_none() {
        verified.problem(at, "the closing metadata is unreadable");
        return;
    }
    if verified.stated_digest.as_ref() != Some(&verified.digest) {
        verified.problem(at, "the digest is not that of the records");
    }
    let totals =
        |i: &Info| (i.records, i.arrivals, i.arrival_ms, i.timestamps, i.chunks, i.clock_events);
    if totals(&said) != totals(info) {
        verified.problem(at, "the totals of the closing metadata are not those of the records");
    }
    if said.partitions.len() != info.partitions.len() {
        verified.problem(at, "the closing metadata lists other partitions");
    }
    for (said, counted) in said.partitions.iter().zip(&info.partitions) {
        // The start of a range may have been given by the broker.
        let totals = |p: &super::PartitionInfo| {
            (
                p.topic_partition.clone(),
                p.records,
                p.first_offset,
                p.last_offset,
                p.arrival_ms,
                p.timestamps,
            )
        };
        if totals(said) != totals(counted) {
            verified.problem(
                at,
                format!(
                    "{}: the closing metadata is not what was counted",
                    counted.topic_partition
                ),
            );
        }
    }
}

/// MCAP's own summary, footer and magic, byte for byte.
fn summary(
    verified: &mut Verified,
    source: &Source,
    gathered: &Gathered,
    at: u64,
) -> Result<(), RecordingError> {
    let counts: Vec<u64> = gathered.tally.partitions.iter().map(|p| p.records).collect();
    let clock = gathered.has_clock().then_some(gathered.tally.clock_events);
    let mut expected = Vec::new();
    gathered.summary.write(&mut expected, at, &counts, clock);
    let mut found = Vec::new();
    let left = source.length - at;
    if left != expected.len() as u64 {
        verified.problem(at, "the summary has another length than it should");
        if left < expected.len() as u64 {
            source.read(at, left, &mut found)?;
            verified.torn = expected.starts_with(&found);
        }
        return Ok(());
    }
    source.read(at, left, &mut found)?;
    if let Some(first) = expected.iter().zip(&found).position(|(a, b)| a != b) {
        verified.problem(at + first as u64, "the summary does not fit the records");
    }
    Ok(())
}
