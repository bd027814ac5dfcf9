//! What is whole of a damaged recording, as a recording of its own: a chunk that
//! cannot be read is left out, and the index says which offsets were in it. They
//! are a gap of what comes out. Where its beginning is damaged, its end says the same
//! ([`Recording::open_past_damage`]).

use std::fmt;
use std::path::Path;

use super::index::{Cursor, Span};
use super::slice::Output;
use super::{ClockEntry, ClockEntryKind, Compression, Info, Job, Recording, RecordingError, Slice};
use crate::operator::figures::plural;
use crate::operator::record::TopicPartition;

/// Of the notes of what comes out.
pub(super) const NOTE: &str = "missing";
/// Ranges that stand in the notes; more are counted.
const NOTED: usize = 100;

/// Offsets that are not there any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    pub partition: TopicPartition,
    pub first: i64,
    /// `None`: the recording does not say how far it went.
    pub last: Option<i64>,
    /// How many records lay there (offsets may have been without one), where it is
    /// known.
    pub records: Option<u64>,
    /// The damage, with its byte.
    pub why: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, first, last, records, why } = self;
        match last {
            Some(last) => write!(f, "{partition}@{first}..{last}")?,
            None => write!(f, "{partition}@{first}.. (how far is not known)")?,
        }
        if let Some(records) = records {
            write!(f, " ({records} record{})", if *records == 1 { "" } else { "s" })?;
        }
        write!(f, ": {why}")
    }
}

/// What [`slice_past_damage`] made.
#[derive(Clone, Debug, PartialEq)]
pub struct Salvaged {
    pub info: Info,
    /// In the order of the recording.
    pub missing: Vec<Missing>,
    /// What else may be gone, and the damage with its byte: what a live run's clock
    /// decided where no wanted record lay; where a partition came in that was not there
    /// from the beginning; all, where a cut leaves none.
    pub besides: Vec<String>,
}

/// As [`super::slice()`], but a damaged chunk is left out and named instead of
/// ending it. Times and keys of what is gone are not known: with such conditions
/// all that a damaged chunk held of the wanted partitions counts as missing. A
/// recording that was cut gives what is before the cut.
///
/// # Errors
/// As [`super::slice()`]'s, but for damage; or the file system cannot read.
pub fn slice_past_damage(
    recording: &Recording,
    slice: &Slice,
    path: &Path,
    compression: Option<Compression>,
    job: &mut Job<'_>,
) -> Result<Salvaged, RecordingError> {
    let mut out = Output::create(recording, slice, path, compression)?;
    let sources = out.sources.clone();
    let wanted = |source: u32| sources.get(source as usize).copied().flatten();
    let index = &recording.opened().index;
    let info = recording.info();
    let clock = if info.clock_events == 0 {
        ""
    } else {
        " (with what the live run's clock decided there, if it did)"
    };
    let mut missing: Vec<Missing> = Vec::new();
    let mut besides = Vec::new();
    let came = came_in_damage(recording, wanted, job)?;
    // Behind what was whole so far: the next arrival, and the time, ns.
    let first_ms = info.arrival_ms.map_or(0, |(first, _)| first.max(0));
    let mut at = (0, first_ms.saturating_mul(1_000_000));
    let mut cursor = Cursor::default();
    for number in 0..index.chunks() {
        let Some((chunk, spans)) = cursor.get(index, number) else { break };
        if info.clock_events > 0 || spans.iter().any(|s| wanted(s.source).is_some()) {
            match recording.part(number) {
                Ok((whole, events)) => {
                    let heard = events.last().map(|event| (event.precedes, event.at_ns));
                    let taken =
                        whole.records.last().map(|r| (r.arrival.saturating_add(1), r.arrival_ns));
                    for (arrival, ns) in heard.into_iter().chain(taken) {
                        at = (at.0.max(arrival), at.1.max(ns));
                    }
                    out.clock(events);
                    out.put(whole.records.iter().cloned())?;
                }
                Err(RecordingError::Damaged { byte, what, .. }) => {
                    let named = missing.len();
                    for span in spans {
                        let Some(new) = wanted(span.source) else { continue };
                        let partition = &recording.partitions()[span.source as usize];
                        let why = format!("damaged at byte {byte}: {what}{clock}");
                        let gone = of_span(slice, partition, span, &why);
                        note_gap(&mut out, new, &gone);
                        missing.extend(gone);
                    }
                    for (_, name) in came.iter().filter(|(chunk, _)| *chunk == number) {
                        let kind = ClockEntryKind::Added(name.clone());
                        out.clock(vec![ClockEntry { precedes: at.0, at_ns: at.1, kind }]);
                        besides.push(format!(
                            "where {name} came in, which was not there from the beginning (it \
                             counts from the damage on): damaged at byte {byte}: {what}"
                        ));
                    }
                    if info.clock_events > 0 && missing.len() == named {
                        besides.push(format!(
                            "what the live run's clock decided, if it did: damaged at byte {byte}: {what}"
                        ));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        job.step(chunk.before + u64::from(chunk.records), info.records)?;
    }
    for Missing { partition, .. } in &missing {
        let source = recording.partitions().iter().position(|p| p == partition);
        if let Some(new) = source.and_then(|source| sources[source])
            && !out.ranged[new as usize]
        {
            // Behind its last record the gap ends the range.
            out.writer.set_range(new, None, out.next[new as usize]);
        }
    }
    missing.extend(behind_the_cut(recording, slice, wanted));
    if let Some(cut) = info.cut.as_ref().filter(|cut| !cut.complete && cut.records == 0) {
        // Not even its partitions need be known.
        besides.push(format!("all, if it had records: cut at byte {}: {}", cut.byte, cut.why));
    }
    if !missing.is_empty() || !besides.is_empty() {
        // What was missing before still is.
        let before = info.notes.get(NOTE).map(|before| format!("{before}; ")).unwrap_or_default();
        out.writer.note(NOTE, &(before + &note(&missing, &besides)));
    }
    let info = out.finish()?;
    Ok(Salvaged { info, missing, besides })
}

/// Wanted partitions that were not there from the beginning, where a damaged chunk
/// held the clock's entry that says from where on they are; by that chunk. Where it
/// may have been one of several it is the last of them that is not behind the
/// partition's first record.
fn came_in_damage(
    recording: &Recording,
    wanted: impl Fn(u32) -> Option<u32>,
    job: &mut Job<'_>,
) -> Result<Vec<(usize, String)>, RecordingError> {
    let info = recording.info();
    let later = (0..).zip(&info.partitions).filter(|(_, partition)| partition.later);
    let mut later: Vec<(u32, String)> = later
        .filter(|(source, _)| wanted(*source).is_some())
        .map(|(source, partition)| (source, partition.topic_partition.to_string()))
        .collect();
    if later.is_empty() {
        return Ok(Vec::new());
    }
    let index = &recording.opened().index;
    let mut damaged = Vec::new();
    for number in 0..index.chunks() {
        match recording.part(number) {
            Ok((_, events)) => later.retain(|(_, name)| {
                !events.iter().any(|e| matches!(&e.kind, ClockEntryKind::Added(of) if of == name))
            }),
            Err(RecordingError::Damaged { .. }) => damaged.push(number),
            Err(error) => return Err(error),
        }
        job.step(0, info.records)?;
    }
    let chunk_of = |source: u32| {
        let first = index.first_of(source).unwrap_or(index.chunks());
        damaged.iter().copied().rfind(|number| *number <= first)
    };
    let came = later.into_iter().filter_map(|(source, name)| Some((chunk_of(source)?, name)));
    Ok(came.collect())
}

/// What is gone of a partition with a damaged chunk.
fn of_span(slice: &Slice, partition: &TopicPartition, span: &Span, why: &str) -> Vec<Missing> {
    let whole = (span.first_offset, span.last_offset);
    let within = slice.offsets_within(partition, whole.0, whole.1);
    within
        .into_iter()
        .map(|(first, last)| Missing {
            partition: partition.clone(),
            first,
            last: Some(last),
            records: ((first, last) == whole).then_some(u64::from(span.records)),
            why: why.to_owned(),
        })
        .collect()
}

fn note_gap(out: &mut Output<'_>, new: u32, gone: &[Missing]) {
    for Missing { first, last, .. } in gone {
        let next = &mut out.next[new as usize];
        if next.is_none() && !out.ranged[new as usize] {
            // Before its first record the gap begins the range.
            out.writer.set_range(new, Some(*first), None);
        }
        *next = last.map(|last| last.saturating_add(1));
    }
}

/// What a cut took from the end of each partition.
fn behind_the_cut(
    recording: &Recording,
    slice: &Slice,
    wanted: impl Fn(u32) -> Option<u32>,
) -> Vec<Missing> {
    let Some(cut) = recording.info().cut.as_ref().filter(|cut| !cut.complete) else {
        return Vec::new();
    };
    let mut missing = Vec::new();
    for (partition, next) in &cut.next_offsets {
        let source = recording.partitions().iter().position(|p| p == partition);
        let known = source.is_some_and(|source| wanted(source as u32).is_some());
        let Some(next) = next.filter(|_| known) else { continue };
        for (first, last) in slice.offsets_within(partition, next, i64::MAX) {
            missing.push(Missing {
                partition: partition.clone(),
                first,
                last: Some(last).filter(|last| *last < i64::MAX),
                records: None,
                why: format!("cut at byte {}: {}", cut.byte, cut.why),
            });
        }
    }
    missing
}

fn note(missing: &[Missing], besides: &[String]) -> String {
    let all = missing.iter().map(ToString::to_string).chain(besides.iter().cloned());
    let named: Vec<String> = all.take(NOTED).collect();
    let mut text = named.join("; ");
    let more = (missing.len() + besides.len()).saturating_sub(NOTED);
    if more > 0 {
        text += &format!("; and {}", plural(more as u64, "more range"));
    }
    text
}
