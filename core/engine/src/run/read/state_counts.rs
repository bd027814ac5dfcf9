//! What was in the state at a moment, counted over [`StateIndex`].

use std::cmp::Reverse;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::state::{Least, leaving, most_first};
use super::state_index::{StateIndex, input, key, moment};
use super::{Moment, Run};
use crate::operator::key::Key;
use crate::operator::record::Arrival;
use crate::run::error::{Result, RunError};
use crate::run::layout::Part;
use crate::run::summary::KeyTimes;
use crate::run::types::{KeyLeaves, Leaves, StateNow};

/// Rows of a key that are looked at, from the newest back.
const LOOKS: u64 = 200_000;
/// Of them at once.
const AT_ONCE: u64 = 4_096;
/// Pages between two looks at whether to go on.
const PAGES: usize = 64;

/// Rows by the row that stands for their key, in parts that are there once they are
/// touched: keys of a state lie near each other.
struct Counts<'a> {
    parts: Vec<Vec<u32>>,
    spare: Vec<Vec<u32>>,
    /// Where parts come from and go to: asked for anew each time they would pile up
    /// in the allocator.
    kept: &'a Mutex<Vec<Vec<u32>>>,
}

impl<'a> Counts<'a> {
    const PART: usize = 1 << 12;

    fn new(keys: usize, kept: &'a Mutex<Vec<Vec<u32>>>) -> Self {
        let spare = std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner));
        Self { parts: vec![Vec::new(); keys.div_ceil(Self::PART)], spare, kept }
    }

    #[inline]
    fn of(&mut self, key: u32) -> &mut u32 {
        let part = &mut self.parts[key as usize / Self::PART];
        if part.is_empty() {
            *part = self.spare.pop().unwrap_or_else(|| vec![0; Self::PART]);
        }
        &mut part[key as usize % Self::PART]
    }
}

impl Drop for Counts<'_> {
    fn drop(&mut self) {
        for part in self.parts.iter_mut().filter(|part| !part.is_empty()) {
            part.fill(0);
            self.spare.push(std::mem::take(part));
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Where two count at once the larger one's are enough.
        if kept.len() < self.spare.len() {
            *kept = std::mem::take(&mut self.spare);
        }
    }
}

impl Run {
    /// When the first and the last of a key's rows that rest in the state just
    /// after an arrival leave it. `row` is one of them, `shifts` as in
    /// [`Run::state_now`]. `None`: nothing of the key rests there.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn leaving_of_key(
        &self,
        key: &Key,
        row: u64,
        arrival: Arrival,
        shifts: &[i64],
    ) -> Result<Option<KeyLeaves>> {
        let now = self.now();
        let times_are_whole = now.segments.iter().all(|s| s.summary.key_time_shift == 0);
        if let Some(index) = self.state_index(&now).filter(|_| times_are_whole) {
            return index.leaving(self, &now, key, row, arrival, shifts);
        }
        let found = self.state_of_key(key, arrival)?;
        let dues = found.rows.iter().map(|row| {
            row.event_time.unwrap_or(i64::MIN).saturating_add(shift_of(shifts, row.input))
        });
        let mut leaves: Option<KeyLeaves> = None;
        dues.for_each(|due| extend(&mut leaves, due));
        Ok(leaves.map(|leaves| KeyLeaves { whole: found.whole, ..leaves }))
    }
}

fn shift_of(shifts: &[i64], input: u8) -> i64 {
    shifts.get(usize::from(input)).copied().unwrap_or(0)
}

fn extend(leaves: &mut Option<KeyLeaves>, due: i64) {
    let known = leaves.get_or_insert(KeyLeaves { first: due, last: due, whole: true });
    known.first = known.first.min(due);
    known.last = known.last.max(due);
}

impl StateIndex {
    /// What [`Run::state_now`] finds; `of`: rows by the books.
    pub(super) fn now(
        &self,
        run: &Run,
        now: &Moment,
        (arrival, of): (Arrival, u64),
        shifts: &[i64],
        cancel: &AtomicBool,
    ) -> Result<StateNow> {
        let at = moment(arrival);
        let end = run.row_of_arrival(now, arrival.saturating_add(1))? as u32;
        let pages = self.pages.partition_point(|page| page.rows.start < end);
        let live: Vec<usize> = (0..pages)
            .rev()
            .filter(|page| self.shares(*page).iter().any(|share| share.last_left > at))
            .collect();
        let mut counts = Counts::new(self.len(), &self.spare);
        let (mut rows, mut keys) = (0u64, 0u64);
        self.each(&live, (at, end), cancel, |entry, _| {
            let count = counts.of(key(entry));
            rows += 1;
            keys += u64::from(*count == 0);
            *count += 1;
        })?;
        let mut most = Least::default();
        let mut enough = 0;
        self.each(&live, (at, end), cancel, |entry, row| {
            let count = counts.of(key(entry));
            if *count > enough {
                // Its newest row: the others find nothing left.
                most.add((Reverse(*count), Reverse(u64::from(row))));
                *count = 0;
                enough = most.bound().map_or(0, |(least, _)| least.0);
            }
        })?;
        drop(counts);
        let heaviest = most_first(most, u64::from);
        let next = self.next(run, now, &live, (at, end), shifts)?;
        Ok(StateNow { arrival, rows, of, keys, heaviest, next, whole: true })
    }

    /// Gives out what rests on some pages, from the newest row back.
    fn each(
        &self,
        live: &[usize],
        (at, end): (u32, u32),
        cancel: &AtomicBool,
        mut see: impl FnMut(u32, u32),
    ) -> Result<()> {
        for pages in live.chunks(PAGES) {
            if cancel.load(Ordering::Relaxed) {
                return Err(RunError::Cancelled);
            }
            for page in pages {
                let rows = self.pages[*page].rows.start..self.pages[*page].rows.end.min(end);
                let (keys, left) = self.rows(rows.start as usize..rows.end as usize);
                for ((entry, left), row) in keys.iter().zip(left).zip(rows).rev() {
                    if *left > at {
                        see(*entry, row);
                    }
                }
            }
        }
        Ok(())
    }

    /// The rows that leave first, from the pages where the earliest ones are.
    fn next(
        &self,
        run: &Run,
        now: &Moment,
        live: &[usize],
        (at, end): (u32, u32),
        shifts: &[i64],
    ) -> Result<Vec<Leaves>> {
        let mut near: Vec<(i64, usize, u8)> = Vec::new();
        for page in live {
            for (input, share) in self.shares(*page).iter().enumerate() {
                if share.last_left > at {
                    let input = input as u8;
                    let due = share.least_time.saturating_add(shift_of(shifts, input));
                    near.push((due, *page, input));
                }
            }
        }
        near.sort_unstable();
        let mut next: Least<(i64, u64)> = Least::default();
        for (due, number, of) in near {
            if next.bound().is_some_and(|(last, _)| *last < due) {
                break;
            }
            let page = &self.pages[number];
            let rows = page.rows.start..page.rows.end.min(end);
            let segment = &now.segments[page.segment as usize];
            let first = segment.summary.first_row;
            let range = u64::from(rows.start) - first..u64::from(rows.end) - first;
            let columns = ["event_time"];
            let tables = &run.inner.tables;
            let t = tables.read_range(segment, Part::Rows, &columns, &range)?;
            let (keys, left) = self.rows(rows.start as usize..rows.end as usize);
            let shift = shift_of(shifts, of);
            for (i, time) in t.i64s("event_time")?.iter().enumerate() {
                if left[i] > at && input(keys[i]) == of {
                    next.add((time.saturating_add(shift), u64::from(rows.start) + i as u64));
                }
            }
        }
        Ok(leaving(&next))
    }

    fn leaving(
        &self,
        run: &Run,
        now: &Moment,
        name: &Key,
        row: u64,
        arrival: Arrival,
        shifts: &[i64],
    ) -> Result<Option<KeyLeaves>> {
        let at = moment(arrival);
        let Some(own) = self.key_of(row) else { return Ok(None) };
        let end = run.row_of_arrival(now, arrival.saturating_add(1))?;
        let mut leaves = None;
        let mut looked = 0;
        for (number, segment) in now.segments.iter().enumerate().rev() {
            let s = &segment.summary;
            if s.first_arrival > arrival || !self.rests_in(number, at) {
                continue;
            }
            let same = run.hash_range(segment, name.normal_hash())?;
            let exact = run.check_range(segment, &same, super::keys::check_of(name))?;
            let times = KeyTimes { base: s.key_time_base, shift: s.key_time_shift };
            let mut to = exact.end;
            while to > exact.start && looked < LOOKS {
                let from = to.saturating_sub(AT_ONCE).max(exact.start);
                for entry in run.key_entries(segment, from..to)? {
                    let row = s.first_row + entry.row();
                    let (keys, left) = self.rows(row as usize..row as usize + 1);
                    if row < end && left[0] > at && key(keys[0]) == own {
                        let shift = shift_of(shifts, input(keys[0]));
                        extend(&mut leaves, times.get(entry.time()).saturating_add(shift));
                    }
                }
                looked += to - from;
                to = from;
            }
            if to > exact.start {
                return Ok(leaves.map(|leaves| KeyLeaves { whole: false, ..leaves }));
            }
        }
        Ok(leaves)
    }

    /// Whether anything of a segment is in the state at a moment.
    fn rests_in(&self, segment: usize, at: u32) -> bool {
        let from = self.pages.partition_point(|page| (page.segment as usize) < segment);
        let to = self.pages.partition_point(|page| page.segment as usize <= segment);
        (from..to).any(|page| self.shares(page).iter().any(|share| share.last_left > at))
    }
}
