//! What the join notes of a row at rest, in its [`Row::corrections`], which no
//! released engine has: so checkpoints carry it.

use crate::state::Row;
use crate::state::memory::Slot;

/// In its side's window store, where a fetch can reach it.
pub const STORED: u32 = 1;
/// In the waiting store: put out with nulls once its window has closed.
pub const WAITING: u32 = 1 << 1;
/// Was put out with nulls.
pub const PADDED: u32 = 1 << 2;
/// … at its arrival, for being out of order by more than its window reaches on.
pub const AT_ONCE: u32 = 1 << 3;
/// In a record queue of its task, not yet taken.
pub const QUEUED: u32 = 1 << 4;
/// The record's key is null; the row's says nothing.
pub const NO_KEY: u32 = 1 << 5;
/// The record's value is null.
pub const NO_VALUE: u32 = 1 << 6;
/// Its side's window store did not take it, so that no fetch ever reaches it.
pub const NOT_STORED: u32 = 1 << 7;

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
