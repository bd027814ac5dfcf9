//! What changed since the last checkpoint, as sorted files of `rows/`.
//!
//! Rows that no checkpoint had go in pages ([`super::page`]), each under its first row
//! and the epoch. Whatever becomes of them later goes row by row, with the epoch in the
//! value: RocksDB lets go of what was written before under the same key, and of a page
//! nothing is ever rewritten. The newest epoch counts.
//!
//! Where rows leave by rules of their own (`CheckpointMeta::any_due`), no range of a page
//! is ever passed: there each row stands alone, without an epoch, and is deleted.

use std::ops::Range;

use itertools::{Either, Itertools as _};

use super::error::StoreError;
use super::keys::{due_key, page_key};
use super::manifest::CheckpointMeta;
use super::page::Page;
use super::row::{encode_gone, encode_slot};
use super::store::Store;
use super::tables::Tables;
use crate::operator::state::memory::Slot;
use crate::operator::state::{Change, Delta, Due};

/// Bytes of single rows that wait for the page before them.
const WAITING: usize = 16 << 10;

/// Writes the deltas of all shards and takes them in whole. That a row due before
/// [`CheckpointMeta::earliest_due`] has gone is not written: nobody reads there.
pub(super) fn write(
    store: &Store,
    deltas: &[Delta],
    meta: &CheckpointMeta,
) -> Result<(), StoreError> {
    // One sorted run a shard. A row that left one shard is there where it is in another's.
    let changes = match deltas {
        [one] => Either::Left(one.changes()),
        all => {
            let all = all.iter().map(Delta::changes).kmerge_by(|a, b| a.due() < b.due());
            Either::Right(all.coalesce(|a, b| match (a, b) {
                (a, b) if a.due() != b.due() => Err((a, b)),
                (Change::Gone(_), there) | (there, _) => Ok(there),
            }))
        }
    };
    let earliest = meta.earliest_due();
    let options = store.by_due();
    let mut layer = Layer {
        tables: Tables::new(store.delta_dir(), &options),
        epoch: (!meta.any_due).then_some(meta.epoch),
        page: Page::default(),
        waiting: Vec::new(),
        bytes: Vec::new(),
    };
    for change in changes {
        match change {
            Change::Row(due, row) => layer.row(due, row)?,
            Change::Gone(due) if due.due >= earliest => layer.gone(due)?,
            Change::Gone(_) => {}
        }
    }
    layer.cut()?;
    layer.tables.ingest(store.rows(), store.family()?)
}

struct Layer<'a> {
    tables: Tables<'a>,
    /// `None`: rows stand alone.
    epoch: Option<u64>,
    page: Page,
    /// Single rows behind the page's first one, in `bytes`.
    waiting: Vec<(Due, Range<usize>)>,
    bytes: Vec<u8>,
}

impl Layer<'_> {
    /// The next row; names ascend over all calls.
    fn row(&mut self, due: Due, row: &Slot) -> Result<(), StoreError> {
        if self.epoch.is_some() && !row.held() {
            if !self.page.takes(due) {
                self.cut()?;
            }
            self.page.push(due, row);
            return Ok(());
        }
        let epoch = self.epoch;
        self.single(due, |bytes| encode_slot(row, epoch, bytes))
    }

    fn gone(&mut self, due: Due) -> Result<(), StoreError> {
        match self.epoch {
            Some(epoch) => self.single(due, |bytes| encode_gone(epoch, bytes)),
            None => self.tables.delete(&due_key(due)),
        }
    }

    fn single(&mut self, due: Due, encode: impl FnOnce(&mut Vec<u8>)) -> Result<(), StoreError> {
        let from = self.bytes.len();
        encode(&mut self.bytes);
        self.waiting.push((due, from..self.bytes.len()));
        if self.page.first().is_none() || self.bytes.len() >= WAITING { self.cut() } else { Ok(()) }
    }

    /// Writes the page, and what waits behind its first row.
    fn cut(&mut self) -> Result<(), StoreError> {
        if let Some((first, epoch)) = self.page.first().zip(self.epoch) {
            self.tables.put(&page_key(first, epoch), self.page.bytes())?;
            self.page.clear();
        }
        for (due, value) in self.waiting.drain(..) {
            self.tables.put(&due_key(due), &self.bytes[value])?;
        }
        self.bytes.clear();
        Ok(())
    }
}
