//! From a full segment to its four files.

use std::io::Write;
use std::path::Path;

use super::MANY_ENTRIES;
use super::by_row::ByRow;
use super::lanes::SegmentRows;
use super::open::{Fallen, KeyEntry, Open, Running};
use crate::engine::step::{ClockEvent, ClockKind, Facts};
use crate::run::blocks::BlockWriter;
use crate::run::error::{Result, RunError};
use crate::run::layout::{NO_VERDICT, PAGE_ROWS, Part};
use crate::run::manifest::SegmentRef;
use crate::run::packed::{Fences, Packed, pack_cells, pack_highs, pack_ticks};
use crate::run::pyramid::{Counter, Highs, LEVELS, SUM_LEVEL, coarser, over_lanes};
use crate::run::summary::{
    CLOCK_WIDTH, COLD_WIDTH, END_WIDTH, KEPT_LANES, KEY_FENCE, KeyTimes, LEVEL_CELLS, LEVEL_HIGHS,
    OFFSET_WIDTH, PACKED, PackedKey, REF_FENCE, REF_WIDTH, SECTIONS, STATE_WIDTH, Section, Summary,
    TRACKER_WIDTH, packed_at,
};
use crate::run::table::{self, Column, Values};

const ROWS_NOTE: &str = "row: number of the (record, input) in the run; arrival_ms: processing \
    time; event_time, watermark: ms, the smallest i64 where there is none; verdict: at arrival, \
    0 open 1 joined 2 unmatched 3 late 4 expired 5 undecodable 6 unkeyed 7 untimed 8 tombstone \
    9 filtered; key: a type letter (i, s, b, x) and the value, empty without a key";
const DECISIONS_NOTE: &str = "sorted by row, then as they fell; verdict: as in rows, 255 where \
    none fell; reason: 0 plain 1 padded 2 not kept 3 not kept and padded 4 joined where one had \
    expired 5 its side's cache was cleared 16 not stored 17 not stored and padded 18 padded at \
    once 19 padded, then joined 20 padded for its null key 127 the verdict was unmatched before; \
    removed: the row left the state at arrival `at`; cause: the arrival of the record behind it";

/// What the closing of a segment leaves.
pub(super) struct Closed {
    pub segment: SegmentRef,
    pub rows: SegmentRows,
}

pub(super) fn column<'a>(name: &'static str, values: Values<'a>) -> Column<'a> {
    Column { name, values }
}

/// What closing needs besides the segment, kept from one to the next: memory of
/// this size would be given back to the system and asked for again each time.
#[derive(Default)]
pub(super) struct Scratch {
    by_row: ByRow,
    decisions: Decisions,
    keys: Vec<u128>,
}

/// What is known of the run around a segment.
pub(super) struct Around<'a> {
    pub running: &'a Running,
    /// Outputs may name more than two rows.
    pub folds: bool,
    pub row_is_arrival: bool,
    /// The segment that a row is in, and the first row after it.
    pub segment_of: &'a dyn Fn(u64) -> (u64, u64),
}

/// Writes a segment; `open` is to be restarted afterwards.
pub(super) fn close(
    dir: &Path,
    number: u64,
    open: &mut Open,
    scratch: &mut Scratch,
    around: &Around<'_>,
) -> Result<Closed> {
    let Around { running, folds, row_is_arrival, segment_of } = *around;
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
    scratch.decisions.gather(&open.fallen, &mut scratch.by_row, &mut open.counter);
    let decisions = &scratch.decisions;
    summary.targets = scratch.by_row.targets(segment_of);
    summary.decision_fences = decisions.row.iter().step_by(PAGE_ROWS).copied().collect();
    summary.last_decision = decisions.row.last().copied().unwrap_or(0);
    let cells = open.counter.take();

    let table = |part: Part, table: Table<'_>| table.write(&part.path(dir, number));
    summary.files.push(table(Part::Rows, rows_table(&open.facts))?);
    summary.files.push(table(Part::Decisions, decisions.table())?);
    let outputs = open.outputs.table(open.first_output, folds);
    summary.files.push(table(Part::Outputs, outputs)?);

    let path = Part::Index.path(dir, number);
    let end = open.end;
    let write = || {
        let mut index = Index::create(&path)?;
        index.fill(open, scratch, around, cells, &mut summary)?;
        summary.sections = index.sections;
        summary.fences = Some(index.fences);
        let (mut file, len, crcs) = index.out.finish()?;
        summary.files.push((len, crcs));
        let summary = summary.encode();
        file.write_all(&summary)?;
        Ok(SegmentRef { at: len, len: summary.len() as u32, crc: crc32fast::hash(&summary), end })
    };
    let segment = write().map_err(|e| RunError::io(&path, e))?;
    Ok(Closed { segment, rows })
}

/// The decisions of a segment by row, those of one row as they fell.
#[derive(Default)]
struct Decisions {
    row: Vec<u64>,
    at: Vec<u64>,
    verdict: Vec<u8>,
    reason: Vec<u8>,
    removed: Vec<bool>,
    cause: Vec<u64>,
}

impl Decisions {
    /// Counts the verdicts on the way: rows ascend, so blocks do.
    fn gather(&mut self, fallen: &[Fallen], order: &mut ByRow, counter: &mut Counter) {
        order.order(fallen.iter().map(|f| f.row).zip(0..));
        let Self { row, at, verdict, reason, removed, cause } = self;
        row.clear();
        at.clear();
        verdict.clear();
        reason.clear();
        removed.clear();
        cause.clear();
        // In stretches whose decisions stay in the processor's cache.
        for from in (0..order.len()).step_by(PAGE_ROWS) {
            let stretch = from..(from + PAGE_ROWS).min(order.len());
            let all = || stretch.clone().map(|at| &fallen[order.get(at).1 as usize]);
            row.extend(stretch.clone().map(|at| order.get(at).0));
            at.extend(all().map(|f| f.at));
            cause.extend(all().map(|f| f.cause));
            verdict.extend(all().map(|f| f.verdict));
            reason.extend(all().map(Fallen::reason));
            removed.extend(all().map(Fallen::removed));
            for f in all().filter(|f| f.verdict != NO_VERDICT) {
                let revised = f.reason() == crate::run::layout::REVISED;
                let verdict = if revised { crate::run::pyramid::REVISED } else { f.verdict };
                counter.add(f.block.into(), f.lane, verdict);
            }
        }
    }

    fn table(&self) -> Table<'_> {
        Table {
            rows: self.row.len(),
            columns: vec![
                column("row", Values::U64(&self.row)),
                column("at", Values::U64(&self.at)),
                column("verdict", Values::U8(&self.verdict)),
                column("reason", Values::U8(&self.reason)),
                column("removed", Values::Bool(&self.removed)),
                column("cause", Values::U64(&self.cause)),
            ],
            note: DECISIONS_NOTE,
        }
    }
}

/// A file's columns and the note that explains them.
pub(super) struct Table<'a> {
    pub rows: usize,
    pub columns: Vec<Column<'a>>,
    pub note: &'static str,
}

impl Table<'_> {
    /// Its length and the checksums of its blocks.
    pub fn write(self, path: &Path) -> Result<(u64, Vec<u32>)> {
        let file = BlockWriter::create(path).map_err(|e| RunError::io(path, e))?;
        let file = table::write(file, self.rows, &self.columns, self.note)
            .map_err(|e| RunError::Engine(format!("{}: {e}", path.display())))?;
        let (_, len, crcs) = file.finish().map_err(|e| RunError::io(path, e))?;
        Ok((len, crcs))
    }
}

fn rows_table(facts: &Facts) -> Table<'_> {
    Table {
        rows: facts.len(),
        columns: vec![
            column("row", Values::Counting(facts.first_row)),
            column("arrival", Values::U64(&facts.arrival)),
            column("arrival_ms", Values::I64(&facts.arrival_ms)),
            column("input", Values::U8(&facts.input)),
            column("partition", Values::I32(&facts.partition)),
            column("offset", Values::I64(&facts.offset)),
            column("event_time", Values::I64(&facts.event_time)),
            column("watermark", Values::I64(&facts.watermark)),
            column("verdict", Values::U8(&facts.at_arrival)),
            column("key", Values::Bytes { ends: &facts.key_end, bytes: &facts.keys }),
        ],
        note: ROWS_NOTE,
    }
}

/// The index file: its sections, one after another.
struct Index {
    out: BlockWriter,
    at: u64,
    sections: Vec<(u64, u64)>,
    fences: Vec<Fences>,
}

impl Index {
    fn create(path: &Path) -> std::io::Result<Self> {
        let out = BlockWriter::create(path)?;
        let fences = vec![Fences::new(); PACKED];
        Ok(Self { out, at: 0, sections: vec![(0, 0); SECTIONS], fences })
    }

    fn bytes(&mut self, section: Section, bytes: &[u8]) -> std::io::Result<()> {
        self.sections[section as usize] = (self.at, bytes.len() as u64);
        self.at += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn packed(&mut self, section: Section, packed: Packed) -> std::io::Result<()> {
        if let Some(fences) = packed_at(section).and_then(|at| self.fences.get_mut(at)) {
            *fences = packed.fences;
        }
        self.bytes(section, &packed.bytes)
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
        scratch: &mut Scratch,
        around: &Around<'_>,
        cells: Vec<u64>,
        summary: &mut Summary,
    ) -> std::io::Result<()> {
        self.offsets(&mut open.offset_pages, summary)?;
        self.keys(&open.keys, &mut scratch.keys, summary)?;
        let refs = &mut scratch.by_row;
        // Outputs of a row ascend already.
        refs.order(open.refs.iter().copied());
        summary.ref_targets = refs.targets(around.segment_of);
        summary.ref_fences = (0..refs.len()).step_by(REF_FENCE).map(|at| refs.get(at).0).collect();
        let entries = refs
            .iter()
            .map(|(row, output)| join::<REF_WIDTH>(&[&row.to_le_bytes(), &output.to_le_bytes()]));
        self.entries(Section::Refs, entries)?;
        refs.shrink_to(MANY_ENTRIES);
        let highs = self.pyramids(std::mem::take(&mut open.highs), cells)?;
        self.packed(Section::Ticks, pack_ticks(&open.ticks))?;
        self.clock(&open.clock)?;
        for (section, packed) in highs {
            self.packed(section, packed)?;
        }
        let ends = around
            .running
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

    /// The scales of the pyramids. What is asked over long ranges lies together: before
    /// the ticks and the clock that follow cells, behind them the largest event times
    /// that this returns. Before all of it stands the finest scale: much, and seldom
    /// read whole.
    fn pyramids(
        &mut self,
        mut highs: Highs,
        mut cells: Vec<u64>,
    ) -> std::io::Result<Vec<(Section, Packed)>> {
        let (mut coarse, mut behind) = (Vec::new(), Vec::new());
        for level in 0..LEVELS {
            if level as u32 == SUM_LEVEL {
                let sums = over_lanes(&cells);
                self.entries(Section::Sums, sums.iter().map(|c| c.to_le_bytes()))?;
            }
            let (packed_highs, packed) = (pack_highs(&highs.0), pack_cells(&cells));
            if level == 0 {
                self.packed(LEVEL_HIGHS[level], packed_highs)?;
                self.packed(LEVEL_CELLS[level], packed)?;
            } else {
                behind.push((LEVEL_HIGHS[level], packed_highs));
                coarse.push((LEVEL_CELLS[level], packed));
            }
            cells = coarser(&cells);
            highs = highs.coarser();
        }
        // The longest of them next to the ticks that follow.
        for (section, packed) in coarse.into_iter().rev() {
            self.packed(section, packed)?;
        }
        Ok(behind)
    }

    fn clock(&mut self, clock: &[ClockEvent]) -> std::io::Result<()> {
        let clock = clock.iter().map(|event| {
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
        self.entries(Section::Clock, clock)
    }

    fn offsets(
        &mut self,
        offsets: &mut [(u32, u32, i64, i64)],
        summary: &mut Summary,
    ) -> std::io::Result<()> {
        offsets.sort_unstable();
        for (lane, _, min, max) in &*offsets {
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
    fn keys(
        &mut self,
        keys: &[KeyEntry],
        packed: &mut Vec<u128>,
        summary: &mut Summary,
    ) -> std::io::Result<()> {
        let times = KeyTimes::over(keys.iter().map(|k| k.3));
        (summary.key_time_base, summary.key_time_shift) = (times.base, times.shift);
        packed.clear();
        packed.extend(keys.iter().map(|(hash, check, row, time)| {
            PackedKey::new(*hash, *check, times.put(*time), *row).0
        }));
        sort_keys(packed);
        summary.key_fences = packed.iter().step_by(KEY_FENCE).map(|k| (k >> 64) as u64).collect();
        self.entries(Section::Keys, packed.iter().map(|k| k.to_le_bytes()))
    }
}

/// By the first 24 bits of the hash, which are spread evenly, then each of the
/// small groups that are alike in them.
fn sort_keys(packed: &mut [u128]) {
    let head = |key: &u128| (key >> 104) as u32;
    radsort::sort_by_key(packed, head);
    packed.chunk_by_mut(|a, b| head(a) == head(b)).for_each(<[u128]>::sort_unstable);
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
