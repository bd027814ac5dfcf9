//! What the join notes of a row at rest, in its [`Row::corrections`], which no
//! released engine has: so checkpoints carry it. (The bits below are Flink's.)

use crate::state::Row;
use crate::state::memory::Slot;

/// In its side's window store, where a fetch can reach it.
pub const STORED: u32 = 1 << 8;
/// In the waiting store: put out with nulls once its window has closed.
pub const WAITING: u32 = 1 << 9;
/// Was put out with nulls.
pub const PADDED: u32 = 1 << 10;
/// … at its arrival, for being out of order by more than its window reaches on.
pub const AT_ONCE: u32 = 1 << 11;
/// In a record queue of its task, not yet taken.
pub const QUEUED: u32 = 1 << 12;
/// The record's value is null.
pub const NO_VALUE: u32 = 1 << 13;
/// Its side's window store did not take it, so that no fetch ever reaches it.
pub const NOT_STORED: u32 = 1 << 14;
/// The application leaves the record out before its join: it has its place in a
/// record queue, and nothing else comes of it.
pub const LEFT_OUT: u32 = 1 << 15;

/// A row's marks, at rest or on its way.
pub trait Marks {
    /// Whether it has all of these.
    fn marked(&self, marks: u32) -> bool;
    /// Sets these.
    fn mark(&mut self, marks: u32);
    /// Clears these.
    fn unmark(&mut self, marks: u32);
}

macro_rules! marks {
    ($row:ty) => {
        impl Marks for $row {
            #[inline]
            fn marked(&self, marks: u32) -> bool {
                self.corrections & marks == marks
            }

            #[inline]
            fn mark(&mut self, marks: u32) {
                self.corrections |= marks;
            }

            #[inline]
            fn unmark(&mut self, marks: u32) {
                self.corrections &= !marks;
            }
        }
    };
}

marks!(Row);
marks!(Slot);
