//! The waiting store of one side: rows that are put out with nulls once their
//! window has closed.
//!
//! The release has one store `(time, side, key) -> list` for both sides, takes
//! lists out on every match, and walks it from its start. Here a row's slot says
//! whether it still waits; this is the order of times over those slots, in
//! buckets that are looked into only where a walk would begin or end.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::record::Arrival;
use crate::state::memory::SlotId;

/// A row that waits, or did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiter {
    pub time: i64,
    pub arrival: Arrival,
    pub id: SlotId,
}

/// [`Waiter`] within its bucket.
#[derive(Clone, Copy, Debug)]
struct Packed {
    arrival: Arrival,
    id: SlotId,
    /// Milliseconds from the start of the bucket.
    delta: u32,
}

#[derive(Debug, Default)]
struct Bucket {
    /// Those of `rows` that still wait.
    live: usize,
    rows: Vec<Packed>,
}

/// Rows of one side by time.
#[derive(Debug)]
pub struct Waiting {
    /// A bucket is `2^width_bits` ms wide.
    width_bits: u32,
    /// Only buckets in which a row waits.
    buckets: BTreeMap<i64, Bucket>,
    live: usize,
    /// Rows in buckets, also those that no longer wait.
    noted: usize,
}

/// Buckets in which fewer rows are noted are not tidied.
const TIDY: usize = 64;

impl Waiting {
    /// `span`: how long rows wait, about, ms.
    pub fn new(span: i64) -> Self {
        // About a thousand buckets are in use at a time; a delta is 32 bits.
        let width = (span / 1024).clamp(256, 1 << 31) as u64;
        Self {
            width_bits: width.next_power_of_two().trailing_zeros(),
            buckets: BTreeMap::new(),
            live: 0,
            noted: 0,
        }
    }

    pub fn bytes(&self) -> usize {
        // Vectors that grow by doubling are three quarters full.
        self.noted * size_of::<Packed>() * 4 / 3 + self.buckets.len() * 64
    }

    #[inline]
    pub fn insert(&mut self, row: Waiter) {
        let key = row.time >> self.width_bits;
        let delta = (row.time - (key << self.width_bits)) as u32;
        let bucket = self.buckets.entry(key).or_default();
        bucket.rows.push(Packed { arrival: row.arrival, id: row.id, delta });
        bucket.live += 1;
        self.live += 1;
        self.noted += 1;
    }

    /// A row at `time` no longer waits; `waits` says it of each.
    #[inline]
    pub fn forget(&mut self, time: i64, waits: impl Fn(Waiter) -> bool) {
        let key = time >> self.width_bits;
        let Entry::Occupied(mut entry) = self.buckets.entry(key) else { return };
        self.live -= 1;
        let bucket = entry.get_mut();
        bucket.live -= 1;
        if bucket.live == 0 {
            self.noted -= bucket.rows.len();
            entry.remove();
        } else if bucket.rows.len() > TIDY && bucket.rows.len() > 4 * bucket.live {
            let start = key << self.width_bits;
            let before = bucket.rows.len();
            bucket.rows.retain(|row| waits(row.at(start)));
            self.noted -= before - bucket.rows.len();
        }
    }

    /// The times of the two earliest rows at or after `from`.
    pub fn first_two(&self, from: i64, waits: impl Fn(Waiter) -> bool) -> [Option<i64>; 2] {
        let mut first = [None; 2];
        for (&key, bucket) in self.buckets.range(from >> self.width_bits..) {
            if first[1].is_some() {
                break;
            }
            // In this bucket alone: those before it are earlier.
            let (mut a, mut b) = (None, None);
            for row in bucket.each(key << self.width_bits) {
                let time = row.time;
                if time < from || b.is_some_and(|b| time >= b) || !waits(row) {
                    continue;
                }
                if a.is_some_and(|a| time >= a) {
                    b = Some(time);
                } else {
                    b = a.replace(time);
                }
            }
            first = if first[0].is_none() { [a, b] } else { [first[0], a] };
        }
        first
    }

    /// The time of the latest row.
    pub fn last(&self, waits: impl Fn(Waiter) -> bool) -> Option<i64> {
        let (&key, bucket) = self.buckets.last_key_value()?;
        let mut last = None;
        for row in bucket.each(key << self.width_bits) {
            if last.is_none_or(|last| row.time > last) && waits(row) {
                last = Some(row.time);
            }
        }
        last
    }

    /// Takes out every row before `until`, in no order.
    pub fn take_before(
        &mut self,
        until: i64,
        waits: impl Fn(Waiter) -> bool,
        mut each: impl FnMut(Waiter),
    ) {
        while let Some(mut entry) = self.buckets.first_entry() {
            let start = *entry.key() << self.width_bits;
            if start >= until {
                return;
            }
            let last = *entry.key() == until >> self.width_bits;
            let bucket = entry.get_mut();
            self.noted -= bucket.rows.len();
            self.live -= bucket.live;
            bucket.rows.retain(|row| {
                let row = row.at(start);
                let waits = waits(row);
                if waits && row.time < until {
                    each(row);
                }
                waits && row.time >= until
            });
            bucket.live = bucket.rows.len();
            self.noted += bucket.rows.len();
            self.live += bucket.live;
            if bucket.live == 0 {
                entry.remove();
            }
            if last {
                return;
            }
        }
    }

    /// Gives every row, in no order.
    pub fn each(&self, waits: impl Fn(Waiter) -> bool, mut give: impl FnMut(Waiter)) {
        for (&key, bucket) in &self.buckets {
            bucket.each(key << self.width_bits).filter(|&row| waits(row)).for_each(&mut give);
        }
    }
}

impl Packed {
    #[inline]
    fn at(self, start: i64) -> Waiter {
        Waiter { time: start + i64::from(self.delta), arrival: self.arrival, id: self.id }
    }
}

impl Bucket {
    fn each(&self, start: i64) -> impl Iterator<Item = Waiter> + '_ {
        self.rows.iter().map(move |row| row.at(start))
    }
}
