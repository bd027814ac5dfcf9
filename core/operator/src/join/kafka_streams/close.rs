//! Rule D3: rows whose window has closed are put out with nulls.

use super::marks::{Marks, PADDED, STORED, WAITING};
use super::settings::Settings;
use super::side::Side;
use super::task::{Now, Shared, Task};
use super::verdicts;
use super::waiting::Waiter;
use crate::join::Effect;
use crate::state::memory::{Rows, Slot};

impl Task {
    /// `KStreamKStreamJoinProcessor#emitNonJoinedOuterRecords`, for a row of
    /// this side at the head of the stream time.
    pub(super) fn close_windows(
        &mut self,
        shared: &mut Shared,
        side: Side,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let settings = shared.settings;
        // D3.1: wraps while nothing waits.
        let reach = settings.reach_on(side);
        if self.tracker.min.wrapping_add(reach).wrapping_add(settings.grace) >= self.tracker.stream
        {
            return;
        }
        // D3.2.
        if now.wall < self.tracker.next_emit {
            return;
        }
        self.tracker.next_emit = now.wall.wrapping_add(settings.emit_interval);
        // D3.3.
        let mut closed = std::mem::take(&mut shared.closed);
        self.tracker.min = if self.far {
            self.walk_step_by_step(shared, &mut closed)
        } else {
            self.walk(shared, &mut closed)
        };
        for (row, _) in closed.drain(..) {
            put_out(shared, row, now, out);
        }
        shared.closed = closed;
    }

    /// D3.3 and D3.4 without visiting each row: those that are closed come out,
    /// in the order of the walk; gives the time of the walk's last step.
    fn walk(&mut self, shared: &Shared, closed: &mut Vec<(Waiter, Side)>) -> i64 {
        let latest = self.latest(shared);
        // Closed iff before this.
        let until = |side| {
            let reach = closing_reach(&shared.settings, side);
            self.tracker.stream.saturating_sub(reach)
        };
        let (left, right) = (until(Side::Left), until(Side::Right));
        for (side, until) in [(Side::Left, left), (Side::Right, right)] {
            let waits = |row| shared.waits(row, side);
            self.waiting[side].take_before(until, waits, |row| closed.push((row, side)));
        }
        in_order(&shared.rows, closed);
        let two_from =
            |side: Side, from| self.waiting[side].first_two(from, |row| shared.waits(row, side));
        let (lefts, rights) = (two_from(Side::Left, left), two_from(Side::Right, right));
        // With an open row of each side seen, the walk ends at the step after
        // the later of the two, which sets `min` too; else with the last row.
        let (Some(left), Some(right)) = (lefts[0], rights[0]) else { return latest };
        let next = if right <= left {
            let right_after = left.checked_add(1).and_then(|from| two_from(Side::Right, from)[0]);
            earlier(lefts[1], right_after)
        } else {
            // A left row of this very time comes after the right ones.
            earlier(rights[1], two_from(Side::Left, right)[0])
        };
        next.unwrap_or(left.max(right))
    }

    /// The time of the last row that waits, of either side.
    fn latest(&self, shared: &Shared) -> i64 {
        let last = |side: Side| self.waiting[side].last(|row| shared.waits(row, side));
        last(Side::Left).max(last(Side::Right)).unwrap_or(i64::MAX)
    }

    /// D3.3 and D3.4 to the letter, each row of a list a step of its own. Also
    /// where `time + reach + grace` wraps.
    fn walk_step_by_step(&mut self, shared: &Shared, closed: &mut Vec<(Waiter, Side)>) -> i64 {
        let mut steps = Vec::new();
        for side in Side::BOTH {
            let waits = |row| shared.waits(row, side);
            self.waiting[side].each(waits, |row| steps.push((row, side)));
        }
        in_order(&shared.rows, &mut steps);
        let mut min = i64::MAX;
        let (mut left_open, mut right_open) = (false, false);
        for (row, side) in steps {
            min = row.time;
            if left_open && right_open {
                break;
            }
            let closes = row.time.wrapping_add(closing_reach(&shared.settings, side));
            if closes < self.tracker.stream {
                closed.push((row, side));
            } else if side == Side::Left {
                left_open = true;
            } else {
                right_open = true;
            }
        }
        for &(gone, side) in &*closed {
            let waits = |row: Waiter| row != gone && shared.waits(row, side);
            self.waiting[side].forget(gone.time, waits);
        }
        min
    }
}

/// `after` for a left row, `before` for a right one, with grace.
fn closing_reach(settings: &Settings, side: Side) -> i64 {
    settings.reach_on(side).wrapping_add(settings.grace)
}

fn earlier(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// The order of the waiting store: time, right before left, serialized key;
/// within one list in the order in which rows came.
fn in_order(rows: &Rows, waiters: &mut [(Waiter, Side)]) {
    waiters.sort_unstable_by(|(a, a_side), (b, b_side)| {
        (a.time, a_side).cmp(&(b.time, b_side)).then_with(|| {
            let key = |row: &Waiter| serialized(rows.get(row.id));
            key(a).cmp(&key(b)).then(a.arrival.cmp(&b.arrival))
        })
    });
}

/// A key's bytes as Kafka's own serializers make them, in a form that orders
/// alike: texts in UTF-8, integers as `LongSerializer` does, which has negative
/// ones last. Keys of several types are ordered by type first.
fn serialized(slot: &Slot) -> (u8, u8, &[u8]) {
    match slot.key.bytes() {
        // The canonical form has the sign bit flipped.
        [b'i', first, rest @ ..] => (b'i', first ^ 0x80, rest),
        [kind, rest @ ..] => (*kind, 0, rest),
        [] => (0, 0, &[]),
    }
}

/// Puts out a row whose window has closed; it is gone unless its window store
/// still has it.
fn put_out(shared: &mut Shared, row: Waiter, now: Now, out: &mut Vec<Effect>) {
    let slot = shared.rows.change(row.id);
    slot.unmark(WAITING);
    slot.mark(PADDED);
    let (own, stored) = (slot.reference(), slot.marked(STORED));
    out.push(Effect::Pad { row: own, due: None, time: own.time });
    if !stored {
        let slot = shared.free(row.id);
        verdicts::left(&slot, now.arrival, out);
    }
}
