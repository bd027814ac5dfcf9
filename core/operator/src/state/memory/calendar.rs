//! Timers: buckets of event time that are put in order when they are reached.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::super::Due;
use super::index::{Index, tag};
use super::slot::{Slab, SlotId};

/// A row that leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timer {
    pub due: Due,
    pub id: SlotId,
    /// Of its key in the index.
    pub tag: u32,
}

impl Timer {
    /// What nearly always tells two of them apart, in one number.
    #[inline]
    fn first(&self) -> u128 {
        let due = (self.due.due as u64) ^ (1 << 63);
        u128::from(due) << 64 | u128::from(self.due.arrival)
    }
}

/// So many rows are brought near at a time: together that is several times
/// faster than one by one, and so few are still near when they are needed.
const NEAR: usize = 32;

/// When each row leaves. A timer is four bytes until its bucket is reached:
/// its time stands in the row. A timer whose row has gone elsewhere meanwhile
/// is noticed then (and by [`Calendar::purge`]).
#[derive(Debug)]
pub struct Calendar {
    /// A bucket is `2^width_bits` ms wide.
    width_bits: u32,
    /// What is added to a row's time, by input.
    shifts: Vec<i64>,
    /// Beyond `i64` times wrap as Java's do; else they stay at its end.
    wraps: bool,
    buckets: BTreeMap<i64, Vec<SlotId>>,
    timers: usize,
    /// Buckets up to this one have been reached.
    reached: Option<i64>,
    /// Their rows, the next one last.
    sorted: Vec<Timer>,
    /// How many of them have not been brought near.
    far: usize,
    /// Rows that came into a bucket already reached.
    heap: BinaryHeap<Reverse<Timer>>,
    /// Lower bound of all times.
    earliest: i64,
}

impl Calendar {
    /// `span`: how long rows stay, about, in ms.
    pub fn new(shifts: Vec<i64>, span: i64) -> Self {
        // About a thousand buckets are in use at a time.
        let width = (span / 1024).clamp(256, 1 << 40) as u64;
        Self {
            width_bits: width.next_power_of_two().trailing_zeros(),
            shifts,
            wraps: false,
            buckets: BTreeMap::new(),
            timers: 0,
            reached: None,
            sorted: Vec::new(),
            far: 0,
            heap: BinaryHeap::new(),
            earliest: i64::MAX,
        }
    }

    /// As Flink has it: a timer at `time + shift`, which may wrap, goes off at
    /// a watermark that is not below it; hence `due` is 1 ms before it.
    pub fn of_flink(shifts: Vec<i64>, span: i64) -> Self {
        Self { wraps: true, ..Self::new(shifts, span) }
    }

    #[inline]
    pub fn due(&self, input: u8, time: i64) -> i64 {
        let shift = self.shifts.get(input as usize).copied().unwrap_or(0);
        due(time, shift, self.wraps)
    }

    /// Whether no row rests that is due before the watermark, so that a checkpoint may
    /// drop all of those without being told of each.
    pub fn drops(&self) -> bool {
        !self.wraps
    }

    /// Under which time a checkpoint holds a row: below no watermark at which
    /// it is still here, as those are dropped. A timer at the watermark waits
    /// for the next one.
    #[inline]
    pub fn name(&self, input: u8, time: i64) -> i64 {
        if self.wraps { self.timer(input, time) } else { self.due(input, time) }
    }

    /// When the timer of a row goes off, where times wrap.
    pub fn timer(&self, input: u8, time: i64) -> i64 {
        time.wrapping_add(self.shifts.get(input as usize).copied().unwrap_or(0))
    }

    fn due_of(&self, id: SlotId, slab: &Slab) -> Due {
        let slot = slab.get(id);
        Due { due: self.due(slot.input, slot.time), arrival: slot.arrival, input: slot.input }
    }

    /// Milliseconds that a bucket spans.
    pub fn width(&self) -> i64 {
        1 << self.width_bits
    }

    pub fn bytes(&self) -> usize {
        // Vectors that grow by doubling are three quarters full.
        self.timers * size_of::<SlotId>() * 4 / 3
            + self.buckets.len() * 48
            + (self.sorted.len() + self.heap.len()) * size_of::<Timer>()
    }

    #[inline]
    pub fn insert(&mut self, due: Due, id: SlotId, tag: u32) {
        self.earliest = self.earliest.min(due.due);
        let bucket = due.due >> self.width_bits;
        if self.reached.is_some_and(|reached| bucket <= reached) {
            self.heap.push(Reverse(Timer { due, id, tag }));
        } else {
            self.buckets.entry(bucket).or_default().push(id);
            self.timers += 1;
        }
    }

    /// Whether a row may be due: one comparison.
    #[inline]
    pub fn may_be_due(&self, watermark: i64) -> bool {
        self.earliest < watermark || watermark == i64::MAX
    }

    /// The next row that leaves at this watermark, by [`Due`].
    #[inline]
    pub fn pop(&mut self, watermark: i64, slab: &Slab, index: &Index) -> Option<Timer> {
        let (id, tag) = self.next(watermark, slab, index)?;
        Some(Timer { due: self.due_of(id, slab), id, tag })
    }

    /// Slot and tag of that row: two numbers, as what comes back in parts through memory
    /// waits until all that was written before them is there.
    #[inline]
    pub fn next(&mut self, watermark: i64, slab: &Slab, index: &Index) -> Option<(SlotId, u32)> {
        // Mostly the next of a bucket in order.
        let late = self.heap.peek().map(|Reverse(timer)| timer.due);
        let next = |timer: &mut Timer| {
            gone(timer.due.due, watermark) && late.is_none_or(|late| timer.due < late)
        };
        if self.sorted.len() > self.far
            && let Some(timer) = self.sorted.pop_if(next)
            && slab.get(timer.id).is(&timer.due)
        {
            return Some((timer.id, timer.tag));
        }
        self.next_of_any(watermark, slab, index)
    }

    #[inline(never)]
    fn next_of_any(&mut self, watermark: i64, slab: &Slab, index: &Index) -> Option<(SlotId, u32)> {
        loop {
            let sorted = self.sorted.last().map(|timer| timer.due);
            let late = self.heap.peek().map(|Reverse(timer)| timer.due);
            let first = match (sorted, late) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            let Some(first) = first else {
                if self.open(watermark, slab) {
                    continue;
                }
                return None;
            };
            if !gone(first.due, watermark) {
                self.earliest = first.due;
                return None;
            }
            let timer = if sorted == Some(first) {
                if self.sorted.len() <= self.far {
                    self.bring_near(slab, index);
                }
                self.sorted.pop()?
            } else {
                self.heap.pop()?.0
            };
            if slab.get(timer.id).is(&timer.due) {
                return Some((timer.id, timer.tag));
            }
        }
    }

    #[inline(never)]
    fn bring_near(&mut self, slab: &Slab, index: &Index) {
        self.far = self.sorted.len().saturating_sub(NEAR);
        let next = &self.sorted[self.far..];
        let entries = next.iter().fold(0, |sum, timer| sum ^ index.peek(timer.tag));
        let rows = next.iter().fold(0, |sum, timer| sum ^ slab.get(timer.id).touch());
        std::hint::black_box((entries, rows));
    }

    /// Puts the next bucket in order, if the watermark has reached it.
    #[inline(never)]
    fn open(&mut self, watermark: i64, slab: &Slab) -> bool {
        let Some(entry) = self.buckets.first_entry() else {
            self.earliest = i64::MAX;
            return false;
        };
        let bucket = *entry.key();
        let start = bucket << self.width_bits;
        if !gone(start, watermark) {
            self.earliest = start;
            return false;
        }
        let ids = entry.remove();
        self.timers -= ids.len();
        self.reached = Some(bucket);
        for ids in ids.chunks(NEAR) {
            std::hint::black_box(ids.iter().fold(0, |sum, &id| sum ^ slab.get(id).touch()));
            for &id in ids {
                let due = self.due_of(id, slab);
                let slot = slab.get(id);
                // Else the row has gone, and another one took its slot.
                if slot.live() && due.due >> self.width_bits == bucket {
                    let tag = tag(xxhash_rust::xxh3::xxh3_64(slot.key.bytes()));
                    self.sorted.push(Timer { due, id, tag });
                }
            }
        }
        self.sorted.sort_unstable_by(|a, b| b.first().cmp(&a.first()).then_with(|| b.cmp(a)));
        self.sorted.dedup();
        self.far = self.sorted.len();
        true
    }

    /// Forgets timers whose rows have gone, if those are most of them.
    pub fn purge(&mut self, slab: &Slab) {
        if self.timers < 2 * slab.len() + 4096 {
            return;
        }
        let (shifts, bits, wraps) = (&self.shifts, self.width_bits, self.wraps);
        let mut timers = 0;
        self.buckets.retain(|&bucket, ids| {
            ids.retain(|&id| {
                let slot = slab.get(id);
                let shift = shifts.get(slot.input as usize).copied().unwrap_or(0);
                slot.live() && due(slot.time, shift, wraps) >> bits == bucket
            });
            ids.sort_unstable();
            ids.dedup();
            ids.shrink_to_fit();
            timers += ids.len();
            !ids.is_empty()
        });
        self.timers = timers;
        self.sorted.retain(|timer| slab.get(timer.id).is(&timer.due));
        self.far = self.sorted.len();
        self.heap.retain(|Reverse(timer)| slab.get(timer.id).is(&timer.due));
    }
}

#[inline]
fn due(time: i64, shift: i64, wraps: bool) -> i64 {
    if wraps {
        // No watermark is `i64::MIN`, so that nothing is lost at that end.
        time.wrapping_add(shift).saturating_sub(1)
    } else {
        time.saturating_add(shift)
    }
}

/// Whether the watermark has passed `due`; the last watermark passes all.
#[inline]
pub fn gone(due: i64, watermark: i64) -> bool {
    watermark > due || watermark == i64::MAX
}
