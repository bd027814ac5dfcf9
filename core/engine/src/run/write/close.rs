//! From a full segment to its four files.

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
use crate::run::blocks::BlockWriter;
use crate::run::error::{Result, RunError};
use crate::run::layout::{Column, NO_VERDICT, PAGE_ROWS, Part, parquet};
use crate::run::manifest::SegmentRef;
use crate::run::pyramid::{Counter, LEVELS, SUM_LEVEL, coarser, merge, over_lanes};
use crate::run::summary::{
    CLOCK_WIDTH, COLD_WIDTH, END_WIDTH, HIGH_WIDTH, KEPT_LANES, KEY_FENCE, KeyTimes, OFFSET_WIDTH,
    PackedKey, REF_FENCE, REF_WIDTH, SECTIONS, STATE_WIDTH, Section, Summary, TRACKER_WIDTH,
};

use super::lanes::SegmentRows;
use super::open::{Fallen, KeyEntry, Open, Outputs, Running};

const DELTA: Encoding = Encoding::DELTA_BINARY_PACKED;

const ROWS_NOTE: &str = "row: number of the (record, input) in the run; arrival_ms: processing \
    time; event_time, watermark: ms, the smallest i64 where there is none; verdict: at arrival, \
    0 open 1 joined 2 unmatched 3 late 4 expired 5 undecodable 6 unkeyed 7 untimed 8 tombstone \
    9 filtered; key: a type letter (i, s, b, x) and the value, empty without a key";
const DECISIONS_NOTE: &str = "sorted by row, then as they fell; verdict: as in rows, 255 where \
    none fell; reason: 0 plain 1 padded 2 not kept 3 not kept and padded 4 the verdict was \
    unmatched before; removed: the row left \
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
        revisions: open.revised,
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

    let table = |part: Part, (columns, note): (Vec<Column>, &str)| {
        let path = path(part);
        let file = BlockWriter::create(&path).map_err(|e| RunError::io(&path, e))?;
        let file = parquet(file, columns, note).map_err(bad(part))?;
        let (_, len, crcs) = file.finish().map_err(|e| RunError::io(&path, e))?;
        Ok::<_, RunError>((len, crcs))
    };
    let columns = rows_columns(std::mem::take(&mut open.facts)).map_err(bad(Part::Rows))?;
    summary.files.push(table(Part::Rows, columns)?);
    let columns = decisions_columns(&fallen);
    drop(fallen);
    summary.files.push(table(Part::Decisions, columns)?);
    let columns = outputs_columns(std::mem::take(&mut open.outputs), open.first_output, folds)
        .map_err(bad(Part::Outputs))?;
    summary.files.push(table(Part::Outputs, columns)?);

    let path = path(Part::Index);
    let end = open.end;
    let write = || {
        let mut index = Index::create(&path)?;
        index.fill(&mut open, running, cells, segment_of, &mut summary)?;
        summary.sections = index.sections;
        let (mut file, len, crcs) = index.out.finish()?;
        summary.files.push((len, crcs));
        let summary = summary.encode();
        file.write_all(&summary)?;
        Ok(SegmentRef { at: len, len: summary.len() as u32, crc: crc32fast::hash(&summary), end })
    };
    let segment = write().map_err(|e| RunError::io(&path, e))?;
    Ok(Closed { segment, rows })
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
        let revised = f.reason == crate::run::layout::REVISED;
        let verdict = if revised { crate::run::pyramid::REVISED } else { f.verdict };
        counter.add(f.block.into(), f.lane, verdict);
    }
    cells.extend(counter.take());
    merge(cells)
}

/// Columns of a file and the note that explains them.
type Table = (Vec<Column>, &'static str);

fn rows_columns(facts: Facts) -> parquet::errors::Result<Table> {
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
    Ok((
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
    ))
}

fn decisions_columns(fallen: &[Fallen]) -> Table {
    let removed: BooleanArray = fallen.iter().map(|f| Some(f.removed)).collect();
    let removed = BooleanArray::new(removed.values().clone(), None);
    (
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

fn outputs_columns(o: Outputs, first: u64, folds: bool) -> parquet::errors::Result<Table> {
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
    Ok((columns, OUTPUTS_NOTE))
}

/// The index file: its sections, one after another.
struct Index {
    out: BlockWriter,
    at: u64,
    sections: Vec<(u64, u64)>,
}

impl Index {
    fn create(path: &Path) -> std::io::Result<Self> {
        Ok(Self { out: BlockWriter::create(path)?, at: 0, sections: vec![(0, 0); SECTIONS] })
    }

    fn bytes(&mut self, section: Section, bytes: &[u8]) -> std::io::Result<()> {
        self.sections[section as usize] = (self.at, bytes.len() as u64);
        self.at += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// A section of equal entries.
    fn entries<const N: usize>(
        &mut self,
        section: Section,
        entries: impl Iterator<Item = [u8; N]>,
    ) -> std::io::Result<()> {
        let from = self.at;
        for entry in entries {
            self.out.write_all(&entry)?;
            self.at += N as u64;
        }
        self.sections[section as usize] = (from, self.at - from);
        Ok(())
    }

    fn fill(
        &mut self,
        open: &mut Open,
        running: &Running,
        mut cells: Vec<u64>,
        segment_of: &dyn Fn(u64) -> u64,
        summary: &mut Summary,
    ) -> std::io::Result<()> {
        self.offsets(open, summary)?;
        self.keys(std::mem::take(&mut open.keys), summary)?;
        let mut refs = std::mem::take(&mut open.refs);
        refs.sort_unstable();
        summary.ref_targets = count_targets(refs.iter().map(|r| r.0), segment_of);
        summary.ref_fences = refs.iter().step_by(REF_FENCE).map(|r| r.0).collect();
        let entries = refs
            .iter()
            .map(|(row, output)| join::<REF_WIDTH>(&[&row.to_le_bytes(), &output.to_le_bytes()]));
        self.entries(Section::Refs, entries)?;
        drop(refs);
        let mut highs = std::mem::take(&mut open.highs);
        for level in 0..LEVELS {
            if level as u32 == SUM_LEVEL {
                let sums = over_lanes(&cells);
                self.entries(Section::Sums, sums.iter().map(|c| c.to_le_bytes()))?;
            }
            self.entries(LEVEL_CELLS[level], cells.iter().map(|c| c.to_le_bytes()))?;
            cells = coarser(&cells);
            let entries = highs.0.iter().map(|(block, lane, high)| {
                join::<HIGH_WIDTH>(&[
                    &block.to_le_bytes(),
                    &lane.to_le_bytes(),
                    &high.to_le_bytes(),
                ])
            });
            self.entries(LEVEL_HIGHS[level], entries)?;
            highs = highs.coarser();
        }
        self.bytes(Section::Ticks, &open.ticks.0)?;
        let ends = running
            .ends
            .iter()
            .map(|(high, idle)| join::<END_WIDTH>(&[&high.to_le_bytes(), &[u8::from(*idle)]]));
        self.entries(Section::End, ends)?;
        self.bytes(Section::Marks, &open.marks.0)?;
        let ledger = open.ledger.take();
        self.bytes(Section::Ledger, &ledger)?;
        let mut at = 0;
        let trackers = open.trackers.iter().map(|(arrival, bytes)| {
            let (from, len) = (at, bytes.len() as u64);
            at += len;
            join::<TRACKER_WIDTH>(&[
                &arrival.to_le_bytes(),
                &from.to_le_bytes(),
                &len.to_le_bytes(),
            ])
        });
        self.entries(Section::Trackers, trackers)?;
        let from = self.at;
        for (_, bytes) in &open.trackers {
            self.out.write_all(bytes)?;
            self.at += bytes.len() as u64;
        }
        self.sections[Section::TrackerBytes as usize] = (from, self.at - from);
        let clock = open.clock.iter().map(|event| {
            let (kind, argument) = match event.kind {
                ClockKind::Idle { lane } => (0u8, u64::from(lane)),
                ClockKind::Active { lane } => (1, lane.into()),
                ClockKind::Periodic { input } => (2, input.into()),
                ClockKind::Epoch { n } => (3, n),
            };
            join::<CLOCK_WIDTH>(&[
                &event.precedes.to_le_bytes(),
                &event.at_ms.to_le_bytes(),
                &[kind],
                &argument.to_le_bytes(),
            ])
        });
        self.entries(Section::Clock, clock)?;
        let state = open.state.iter().map(|s| {
            join::<STATE_WIDTH>(&[
                &s.arrival.to_le_bytes(),
                &s.rows.to_le_bytes(),
                &s.bytes.to_le_bytes(),
            ])
        });
        self.entries(Section::State, state)?;
        let cold = open.state.iter().any(|s| s.cold > 0);
        let cold = open
            .state
            .iter()
            .filter(|_| cold)
            .map(|s| join::<COLD_WIDTH>(&[&s.arrival.to_le_bytes(), &s.cold.to_le_bytes()]));
        self.entries(Section::Cold, cold)
    }

    fn offsets(&mut self, open: &mut Open, summary: &mut Summary) -> std::io::Result<()> {
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
        let entries = offsets.iter().map(|(lane, page, min, max)| {
            join::<OFFSET_WIDTH>(&[
                &lane.to_le_bytes(),
                &page.to_le_bytes(),
                &min.to_le_bytes(),
                &max.to_le_bytes(),
            ])
        });
        self.entries(Section::Offsets, entries)
    }

    /// Packed, so that sorting numbers sorts by hash, check, time and row.
    fn keys(&mut self, keys: Vec<KeyEntry>, summary: &mut Summary) -> std::io::Result<()> {
        let times = KeyTimes::over(keys.iter().map(|k| k.3));
        (summary.key_time_base, summary.key_time_shift) = (times.base, times.shift);
        let mut packed: Vec<u128> = keys
            .into_iter()
            .map(|(hash, check, row, time)| PackedKey::new(hash, check, times.put(time), row).0)
            .collect();
        packed.sort_unstable();
        summary.key_fences = packed.iter().step_by(KEY_FENCE).map(|k| (k >> 64) as u64).collect();
        self.entries(Section::Keys, packed.iter().map(|k| k.to_le_bytes()))
    }
}

/// Fields one after another; their lengths make `N`.
fn join<const N: usize>(fields: &[&[u8]]) -> [u8; N] {
    let mut out = [0; N];
    let mut at = 0;
    for field in fields {
        out[at..at + field.len()].copy_from_slice(field);
        at += field.len();
    }
    out
}

pub(crate) const LEVEL_CELLS: [Section; LEVELS] =
    [Section::Cells0, Section::Cells1, Section::Cells2, Section::Cells3, Section::Cells4];
pub(crate) const LEVEL_HIGHS: [Section; LEVELS] =
    [Section::Highs0, Section::Highs1, Section::Highs2, Section::Highs3, Section::Highs4];
