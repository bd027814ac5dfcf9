//! From a full segment to its four files.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int32Array, Int64Array, LargeBinaryArray, ListArray, UInt8Array,
    UInt32Array, UInt64Array,
};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field};
use parquet::basic::Encoding;

use crate::engine::step::{ClockKind, Facts};
use crate::run::blocks::checksums;
use crate::run::bytes::Out;
use crate::run::error::{Result, RunError};
use crate::run::layout::{Column, NO_VERDICT, PAGE_ROWS, Part, parquet};
use crate::run::manifest::SegmentRef;
use crate::run::pyramid::{Counter, LEVELS, SUM_LEVEL, coarser, merge, over_lanes};
use crate::run::summary::{KEPT_LANES, KEY_FENCE, REF_FENCE, SECTIONS, Section, Summary};

use super::lanes::SegmentRows;
use super::open::{Fallen, KeyEntry, Open, Outputs, Running};

const DELTA: Encoding = Encoding::DELTA_BINARY_PACKED;

const ROWS_NOTE: &str = "row: number of the (record, input) in the run; arrival_ms: processing \
    time; event_time, watermark: ms, the smallest i64 where there is none; verdict: at arrival, \
    0 open 1 joined 2 unmatched 3 late 4 expired 5 undecodable 6 unkeyed 7 untimed 8 tombstone \
    9 filtered; key: a type letter (i, s, b, x) and the value, empty without a key";
const DECISIONS_NOTE: &str = "sorted by row, then as they fell; verdict: as in rows, 255 where \
    none fell; reason: 0 plain 1 padded 2 not kept 3 not kept and padded; removed: the row left \
    the state at arrival `at`; cause: the arrival of the record behind it";
const OUTPUTS_NOTE: &str = "kind: 0 pair 1 pad 2 example; first, second, more: row numbers, the \
    largest u64 where there is none; labels: bit i is label i; correction: 0 the first";

/// What the closing of a segment leaves.
pub(super) struct Closed {
    pub segment: SegmentRef,
    pub rows: SegmentRows,
}

fn column(name: &'static str, values: impl Into<ArrayRef>, encoding: Encoding) -> Column {
    Column { name, values: values.into(), encoding }
}

fn u64s(values: Vec<u64>) -> ArrayRef {
    Arc::new(UInt64Array::from(values))
}
fn i64s(values: Vec<i64>) -> ArrayRef {
    Arc::new(Int64Array::from(values))
}
fn u8s(values: Vec<u8>) -> ArrayRef {
    Arc::new(UInt8Array::from(values))
}

/// Writes a segment; its arrays are given up on the way, one file after another.
pub(super) fn close(
    dir: &Path,
    number: u64,
    mut open: Open,
    running: &Running,
    folds: bool,
    segment_of: &dyn Fn(u64) -> u64,
    row_is_arrival: bool,
) -> Result<Closed> {
    open.flush_highs();
    let mut summary = Summary {
        number,
        first_arrival: open.first_arrival,
        end_arrival: open.end,
        first_row: open.first_row,
        end_row: open.first_row + open.facts.len() as u64,
        first_output: open.first_output,
        end_output: open.first_output + open.outputs.at.len() as u64,
        decisions: open.fallen.len() as u64,
        refs: open.refs.len() as u64,
        last_ms: running.last_ms,
        books: running.books.clone(),
        ..Summary::default()
    };
    let rows = SegmentRows {
        first_row: open.first_row,
        lanes: std::mem::take(&mut open.lanes),
        arrivals: if row_is_arrival { Vec::new() } else { open.facts.arrival.clone() },
    };
    let path = |part: Part| part.path(dir, number);
    let bad = |part: Part| {
        move |e: parquet::errors::ParquetError| {
            RunError::Engine(format!("{}: {e}", part.path(dir, number).display()))
        }
    };

    let fallen = by_row(std::mem::take(&mut open.fallen));
    summary.targets = count_targets(fallen.iter().map(|f| f.row), segment_of);
    summary.decision_fences = fallen.iter().step_by(PAGE_ROWS).map(|f| f.row).collect();
    summary.last_decision = fallen.last().map_or(0, |f| f.row);
    let cells = cells(&mut open.counter, &fallen);

    let bytes = rows_file(std::mem::take(&mut open.facts)).map_err(bad(Part::Rows))?;
    summary.files.push(store(&path(Part::Rows), &bytes)?);
    drop(bytes);
    let bytes = decisions_file(&fallen).map_err(bad(Part::Decisions))?;
    drop(fallen);
    summary.files.push(store(&path(Part::Decisions), &bytes)?);
    drop(bytes);
    let first_output = open.first_output;
    let outputs = std::mem::take(&mut open.outputs);
    let bytes = outputs_file(outputs, first_output, folds).map_err(bad(Part::Outputs))?;
    summary.files.push(store(&path(Part::Outputs), &bytes)?);
    drop(bytes);

    let index = index_file(&mut open, running, cells, segment_of, &mut summary);
    let crcs = checksums(&index);
    summary.files.push((index.len() as u64, crcs));
    let summary = summary.encode();
    let segment = SegmentRef {
        at: index.len() as u64,
        len: summary.len() as u32,
        crc: crc32fast::hash(&summary),
        end: open.end,
    };
    let path = path(Part::Index);
    let write = || {
        let mut file = File::create(&path)?;
        file.write_all(&index)?;
        file.write_all(&summary)
    };
    write().map_err(|e| RunError::io(&path, e))?;
    Ok(Closed { segment, rows })
}

fn store(path: &Path, bytes: &[u8]) -> Result<(u64, Vec<u32>)> {
    let write = || File::create(path)?.write_all(bytes);
    write().map_err(|e| RunError::io(path, e))?;
    Ok((bytes.len() as u64, checksums(bytes)))
}

/// By row, those of one row as they fell.
fn by_row(fallen: Vec<Fallen>) -> Vec<Fallen> {
    let mut order: Vec<(u64, u32)> =
        fallen.iter().enumerate().map(|(i, f)| (f.row, i as u32)).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, i)| fallen[i as usize]).collect()
}

/// (segment, how many) of ascending rows.
fn count_targets(
    rows: impl Iterator<Item = u64>,
    segment_of: &dyn Fn(u64) -> u64,
) -> Vec<(u64, u64)> {
    let mut targets: Vec<(u64, u64)> = Vec::new();
    for row in rows {
        let segment = segment_of(row);
        match targets.last_mut() {
            Some((last, count)) if *last == segment => *count += 1,
            _ => targets.push((segment, 1)),
        }
    }
    targets
}

fn cells(counter: &mut Counter, fallen: &[Fallen]) -> Vec<u64> {
    let mut cells = counter.take();
    for f in fallen.iter().filter(|f| f.verdict != NO_VERDICT) {
        counter.add(f.block.into(), f.lane, f.verdict);
    }
    cells.extend(counter.take());
    merge(cells)
}

fn rows_file(facts: Facts) -> parquet::errors::Result<Vec<u8>> {
    let n = facts.len() as u64;
    let mut ends = Vec::with_capacity(facts.key_end.len() + 1);
    ends.push(0i64);
    // Ends of a segment's keys wrap at 4 GiB: each is the last plus a length.
    let mut end = 0i64;
    let mut last = 0u32;
    ends.extend(facts.key_end.iter().map(|e| {
        end += i64::from(e.wrapping_sub(last));
        last = *e;
        end
    }));
    let keys = LargeBinaryArray::try_new(
        OffsetBuffer::new(ScalarBuffer::from(ends)),
        Buffer::from_vec(facts.keys),
        None,
    )?;
    parquet(
        vec![
            column("row", u64s((facts.first_row..facts.first_row + n).collect()), DELTA),
            column("arrival", u64s(facts.arrival), DELTA),
            column("arrival_ms", i64s(facts.arrival_ms), DELTA),
            column("input", u8s(facts.input), DELTA),
            column("partition", Arc::new(Int32Array::from(facts.partition)) as ArrayRef, DELTA),
            column("offset", i64s(facts.offset), DELTA),
            column("event_time", i64s(facts.event_time), DELTA),
            column("watermark", i64s(facts.watermark), DELTA),
            column("verdict", u8s(facts.at_arrival), DELTA),
            column("key", Arc::new(keys) as ArrayRef, Encoding::DELTA_LENGTH_BYTE_ARRAY),
        ],
        ROWS_NOTE,
    )
}

fn decisions_file(fallen: &[Fallen]) -> parquet::errors::Result<Vec<u8>> {
    let removed: BooleanArray = fallen.iter().map(|f| Some(f.removed)).collect();
    let removed = BooleanArray::new(removed.values().clone(), None);
    parquet(
        vec![
            column("row", u64s(fallen.iter().map(|f| f.row).collect()), DELTA),
            column("at", u64s(fallen.iter().map(|f| f.at).collect()), DELTA),
            column("verdict", u8s(fallen.iter().map(|f| f.verdict).collect()), DELTA),
            column("reason", u8s(fallen.iter().map(|f| f.reason).collect()), DELTA),
            column("removed", Arc::new(removed) as ArrayRef, Encoding::PLAIN),
            column("cause", u64s(fallen.iter().map(|f| f.cause).collect()), DELTA),
        ],
        DECISIONS_NOTE,
    )
}

fn outputs_file(o: Outputs, first: u64, folds: bool) -> parquet::errors::Result<Vec<u8>> {
    let n = o.at.len() as u64;
    let mut columns = vec![
        column("n", u64s((first..first + n).collect()), DELTA),
        column("at", u64s(o.at), DELTA),
        column("epoch", u64s(o.epoch), DELTA),
        column("time", i64s(o.time), DELTA),
        column("kind", u8s(o.kind), DELTA),
        column("first", u64s(o.first), DELTA),
        column("second", u64s(o.second), DELTA),
        column("labels", u64s(o.labels), DELTA),
        column("correction", Arc::new(UInt32Array::from(o.correction)) as ArrayRef, DELTA),
    ];
    if folds {
        let ends = std::iter::once(0).chain(o.more_end).collect::<Vec<i32>>();
        let more = ListArray::try_new(
            Arc::new(Field::new("row", DataType::UInt64, false)),
            OffsetBuffer::new(ScalarBuffer::from(ends)),
            u64s(o.more),
            None,
        )?;
        columns.push(column("more", Arc::new(more) as ArrayRef, Encoding::PLAIN));
    }
    parquet(columns, OUTPUTS_NOTE)
}

/// Puts the sections one after another.
struct Index {
    out: Out,
    sections: Vec<(u64, u64)>,
}

impl Index {
    fn section(&mut self, section: Section, fill: impl FnOnce(&mut Out)) {
        let at = self.out.0.len();
        fill(&mut self.out);
        self.sections[section as usize] = (at as u64, (self.out.0.len() - at) as u64);
    }
}

fn index_file(
    open: &mut Open,
    running: &Running,
    mut cells: Vec<u64>,
    segment_of: &dyn Fn(u64) -> u64,
    summary: &mut Summary,
) -> Vec<u8> {
    let mut index = Index { out: Out::default(), sections: vec![(0, 0); SECTIONS] };
    let mut offsets = std::mem::take(&mut open.offset_pages);
    offsets.sort_unstable();
    for (lane, _, min, max) in &offsets {
        match summary.lane_offsets.last_mut() {
            Some((last, low, high)) if last == lane => {
                *low = (*low).min(*min);
                *high = (*high).max(*max);
            }
            _ => summary.lane_offsets.push((*lane, *min, *max)),
        }
    }
    if summary.lane_offsets.len() > KEPT_LANES {
        summary.lane_offsets = Vec::new();
    }
    index.section(Section::Offsets, |out| {
        for (lane, page, min, max) in offsets {
            out.u32(lane);
            out.u32(page);
            out.i64(min);
            out.i64(max);
        }
    });
    let keys = by_key(std::mem::take(&mut open.keys));
    summary.key_fences = keys.iter().step_by(KEY_FENCE).map(|k| k.0).collect();
    index.section(Section::Keys, |out| {
        out.0.reserve(keys.len() * crate::run::summary::KEY_WIDTH);
        for (hash, check, row, time) in &keys {
            out.u64(*hash);
            out.u32(*check);
            out.u32(*row);
            out.i64(*time);
        }
    });
    drop(keys);
    let mut refs = std::mem::take(&mut open.refs);
    refs.sort_unstable();
    summary.ref_targets = count_targets(refs.iter().map(|r| r.0), segment_of);
    summary.ref_fences = refs.iter().step_by(REF_FENCE).map(|r| r.0).collect();
    index.section(Section::Refs, |out| {
        for (row, output) in &refs {
            out.u64(*row);
            out.u32(*output);
        }
    });
    drop(refs);
    let mut highs = std::mem::take(&mut open.highs);
    for level in 0..LEVELS {
        if level as u32 == SUM_LEVEL {
            let sums = over_lanes(&cells);
            index.section(Section::Sums, |out| sums.iter().for_each(|c| out.u64(*c)));
        }
        index.section(LEVEL_CELLS[level], |out| cells.iter().for_each(|c| out.u64(*c)));
        cells = coarser(&cells);
        index.section(LEVEL_HIGHS[level], |out| {
            for (block, lane, high) in &highs.0 {
                out.u32(*block);
                out.u32(*lane);
                out.i64(*high);
            }
        });
        highs = highs.coarser();
    }
    index.section(Section::Ticks, |out| out.0.append(&mut open.ticks.0));
    index.section(Section::End, |out| {
        for (high, idle) in &running.ends {
            out.i64(*high);
            out.u8(u8::from(*idle));
        }
    });
    index.section(Section::Marks, |out| out.0.append(&mut open.marks.0));
    let mut ledger = open.ledger.take();
    index.section(Section::Ledger, |out| out.0.append(&mut ledger));
    index.section(Section::Trackers, |out| {
        let mut at = 0;
        for (arrival, bytes) in &open.trackers {
            out.u64(*arrival);
            out.u64(at);
            out.u64(bytes.len() as u64);
            at += bytes.len() as u64;
        }
    });
    let trackers = std::mem::take(&mut open.trackers);
    index.section(Section::TrackerBytes, |out| {
        trackers.iter().for_each(|(_, bytes)| out.0.extend_from_slice(bytes));
    });
    index.section(Section::Clock, |out| {
        for event in &open.clock {
            out.u64(event.precedes);
            out.i64(event.at_ms);
            let (kind, argument) = match event.kind {
                ClockKind::Idle { lane } => (0, lane.into()),
                ClockKind::Active { lane } => (1, lane.into()),
                ClockKind::Periodic { input } => (2, input.into()),
                ClockKind::Epoch { n } => (3, n),
            };
            out.u8(kind);
            out.u64(argument);
        }
    });
    index.section(Section::State, |out| {
        for sample in &open.state {
            out.u64(sample.arrival);
            out.u64(sample.rows);
            out.u64(sample.bytes);
        }
    });
    summary.sections = index.sections;
    index.out.0
}

pub(crate) const LEVEL_CELLS: [Section; LEVELS] =
    [Section::Cells0, Section::Cells1, Section::Cells2, Section::Cells3, Section::Cells4];
pub(crate) const LEVEL_HIGHS: [Section; LEVELS] =
    [Section::Highs0, Section::Highs1, Section::Highs2, Section::Highs3, Section::Highs4];

/// By hash, check, time and row.
fn by_key(keys: Vec<KeyEntry>) -> Vec<KeyEntry> {
    let mut order: Vec<(u64, u32)> =
        keys.iter().enumerate().map(|(i, k)| (k.0, i as u32)).collect();
    order.sort_unstable();
    let mut sorted: Vec<KeyEntry> = order.into_iter().map(|(_, i)| keys[i as usize]).collect();
    for same in sorted.chunk_by_mut(|a, b| a.0 == b.0) {
        if same.len() > 1 {
            same.sort_unstable_by_key(|(_, check, row, time)| (*check, *time, *row));
        }
    }
    sorted
}
