//! What becomes of a row, in the words of [`Reason`].

use super::marks::{AT_ONCE, Marks, NOT_STORED, PADDED};
use crate::join::{Effect, Reason, Ref};
use crate::record::Arrival;
use crate::state::memory::Slot;
use crate::verdict::Verdict;

fn decided(row: u64, verdict: Verdict, reason: Reason, cause: Arrival, out: &mut Vec<Effect>) {
    out.push(Effect::Decided { row, verdict, reason, cause });
}

/// Its first match; one that had been put out with nulls is both (rule D5b).
pub(super) fn joined(row: Ref, with: Arrival, padded: bool, out: &mut Vec<Effect>) {
    let reason = if padded { Reason::PaddedAndJoined } else { Reason::Plain };
    decided(row.row, Verdict::Joined, reason, with, out);
}

/// The row that has just joined was not stored (rule D4).
pub(super) fn joined_not_stored(effects: &mut [Effect], of: u64) {
    for effect in effects {
        if let Effect::Decided { row, reason, .. } = effect
            && *row == of
        {
            *reason = Reason::NotStored;
        }
    }
}

/// A row that matched nothing and that no later one can find (rule D4). `by` is
/// the arrival that moved its window store's time.
pub(super) fn not_stored(row: Ref, padded: bool, by: Arrival, out: &mut Vec<Effect>) {
    let reason = if padded { Reason::NotStoredPadded } else { Reason::NotStored };
    decided(row.row, Verdict::Unmatched, reason, by, out);
}

/// A row left the last store that held it.
pub(super) fn left(slot: &Slot, now: Arrival, out: &mut Vec<Effect>) {
    if !slot.matched() {
        let reason = if slot.marked(NOT_STORED) {
            Reason::NotStoredPadded
        } else if slot.marked(AT_ONCE) {
            Reason::PaddedAtOnce
        } else if slot.marked(PADDED) {
            Reason::Padded
        } else {
            Reason::Plain
        };
        decided(slot.row, Verdict::Unmatched, reason, now, out);
    }
    out.push(Effect::Removed { row: slot.row });
}

/// Rule D2.2: put out with nulls, never stored.
pub(super) fn null_key_padded(row: Ref, out: &mut Vec<Effect>) {
    decided(row.row, Verdict::Unmatched, Reason::NullKeyPadded, row.arrival, out);
    out.push(Effect::Removed { row: row.row });
}

/// Dropped for what it is: no key, no value or no time.
pub(super) fn left_out(row: Ref, verdict: Verdict, out: &mut Vec<Effect>) {
    decided(row.row, verdict, Reason::Plain, row.arrival, out);
    out.push(Effect::Removed { row: row.row });
}
