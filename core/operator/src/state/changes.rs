//! What changed up to a barrier, as the join lets go of it.

use super::memory::Slot;
use super::{Delta, Due};

/// What a [`Delta`] is made of. It is taken while the join stands still, so rows
/// are copied as they lie; they are put in order and unpacked by whoever writes
/// the checkpoint, beside the rows that follow.
#[derive(Debug, Default)]
pub struct Changes {
    upserts: Vec<(Due, Slot)>,
    removed: Vec<Due>,
    /// A row may have gone and come back under its name.
    may_return: bool,
}

impl Changes {
    /// Copies of rows that are new or changed, and the names of those that are
    /// gone, both in any order.
    pub(super) fn new(upserts: Vec<(Due, Slot)>, removed: Vec<Due>) -> Self {
        Self { upserts, removed, may_return: false }
    }

    /// The same, where a row may be among both, which then is there.
    #[must_use]
    pub fn with_returns(self) -> Self {
        Self { may_return: true, ..self }
    }

    /// Puts them in order.
    #[must_use]
    pub fn into_delta(self) -> Delta {
        // Names are put in order, not rows: those are five times as large.
        let names = self.upserts.iter().map(|(due, _)| *due);
        let mut order: Vec<(Due, u32)> = names.zip(0..).collect();
        order.sort_unstable();
        let row = |(due, at): (Due, u32)| (due, self.upserts[at as usize].1.unpack());
        let upserts: Vec<_> = order.into_iter().map(row).collect();
        let mut removed = self.removed;
        removed.sort_unstable();
        if self.may_return {
            removed.retain(|name| upserts.binary_search_by_key(name, |row| row.0).is_err());
        }
        Delta { upserts, removed }
    }
}
