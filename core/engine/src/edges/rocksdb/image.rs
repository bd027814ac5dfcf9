//! The rows of `rows/` as a checkpoint has them: of each the newest that was written.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use rocksdb::{DBRawIterator, ReadOptions};

use super::error::StoreError;
use super::keys::{ordered, parse_due, parse_page};
use super::manifest::CheckpointMeta;
use super::page::{Reader, floor};
use super::row::{BadRow, decode_entry, epoch_of};
use super::store::Store;
use crate::operator::state::{Due, Row};

/// Live rows by [`Due`].
pub(super) struct Image<'a> {
    at: DBRawIterator<'a>,
    /// No live row is due before this.
    earliest: i64,
    /// Entries whose rows are not all given yet.
    open: BinaryHeap<Reverse<Entry>>,
}

impl<'a> Image<'a> {
    pub fn new(store: &'a Store, meta: &CheckpointMeta) -> Result<Self, StoreError> {
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        // Every file was read against its checksum before.
        options.set_verify_checksums(false);
        let mut at = store.rows().raw_iterator_cf_opt(store.family()?, options);
        let earliest = meta.earliest_due();
        at.seek(ordered(floor(earliest)));
        Ok(Self { at, earliest, open: BinaryHeap::new() })
    }

    /// # Errors
    /// An entry is not what a checkpoint has, or cannot be read.
    pub fn next(&mut self, store: &Store) -> Result<Option<(Due, Row)>, ImageError> {
        loop {
            self.open_up_to_first(store)?;
            let Some(Reverse(newest)) = self.open.peek() else { return Ok(None) };
            let due = newest.due();
            let mut row = None;
            // The newest of them comes first.
            let mut first = true;
            while let Some(mut head) = self.open.peek_mut().filter(|head| head.0.due() == due) {
                let (of_head, more) = head.0.take()?;
                if first {
                    row = of_head;
                    first = false;
                }
                if !more {
                    PeekMut::pop(head);
                }
            }
            // The last watermark has passed all, also what is due at the end of time.
            let live = due.due >= self.earliest && self.earliest != i64::MAX;
            if let Some(row) = row.filter(|_| live) {
                return Ok(Some((due, row)));
            }
        }
    }

    /// Opens every entry that may have the first row that is left.
    fn open_up_to_first(&mut self, store: &Store) -> Result<(), ImageError> {
        while let Some((key, value)) = self.at.item() {
            let page = parse_page(key);
            let due = page.map(|page| page.0).or_else(|| parse_due(key)).ok_or(ImageError::Key)?;
            if self.open.peek().is_some_and(|first| first.0.due() < due) {
                return Ok(());
            }
            let entry = match page {
                Some((_, epoch)) => Entry { epoch, rows: Rows::Page(Reader::new(value.to_vec())?) },
                None => Entry {
                    epoch: epoch_of(value)?,
                    rows: Rows::Single(due, decode_entry(due, value)?),
                },
            };
            self.open.push(Reverse(entry));
            self.at.next();
        }
        self.at.status().map_err(|e| ImageError::Store(store.failed("read", &e)))
    }
}

/// Why the next row cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum ImageError {
    #[error("a key is no due")]
    Key,
    #[error(transparent)]
    Row(#[from] BadRow),
    #[error(transparent)]
    Store(StoreError),
}

#[derive(Debug)]
struct Entry {
    epoch: u64,
    rows: Rows,
}

#[derive(Debug)]
enum Rows {
    Page(Reader),
    /// `None`: it went.
    Single(Due, Option<Row>),
}

impl Entry {
    /// The name of the row at hand.
    fn due(&self) -> Due {
        match &self.rows {
            Rows::Page(reader) => reader.due(),
            Rows::Single(due, _) => *due,
        }
    }

    /// The row at hand; whether there is another one behind it.
    fn take(&mut self) -> Result<(Option<Row>, bool), BadRow> {
        match &mut self.rows {
            Rows::Page(reader) => reader.take().map(|(row, more)| (Some(row), more)),
            Rows::Single(_, row) => Ok((row.take(), false)),
        }
    }

    /// By row, the newest first. Rows that stand alone are what a restore wrote
    /// where a page of the same epoch has them too.
    fn order(&self) -> (Due, Reverse<u64>, bool) {
        (self.due(), Reverse(self.epoch), matches!(self.rows, Rows::Page(_)))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::super::keys::due_key;
    use super::super::row::encode_row;
    use super::super::row::tests::plain;
    use super::super::tables::Tables;
    use super::super::{StoreOptions, delta};
    use super::*;
    use crate::operator::state::Delta;

    fn row(due: i64, arrival: u64, value: u64) -> (Due, Row) {
        let (due, row) = plain(due, arrival);
        (due, Row { labels: value, ..row })
    }

    /// Of 40 rows in four spans, what happens to one up to a checkpoint.
    #[derive(Clone, Debug)]
    struct Event {
        at: u64,
        what: What,
    }

    #[derive(Clone, Debug)]
    enum What {
        /// It comes, changes, or comes back.
        Write,
        Go,
    }

    fn event() -> impl Strategy<Value = Event> {
        let what = prop_oneof![3 => Just(What::Write), 1 => Just(What::Go)];
        (0u64..40, what).prop_map(|(at, what)| Event { at, what })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Over what a program before wrote, each row alone and without an epoch.
        #[test]
        fn of_each_row_the_newest_counts(
            before in prop::collection::btree_set(0u64..40, 0..30),
            epochs in prop::collection::vec(prop::collection::vec(event(), 0..40), 1..6),
            passed in 0i64..4_000,
            any_due: bool,
        ) {
            let run = tempfile::tempdir().unwrap();
            let options = StoreOptions { memory: 0, retention_ms: 1_000 };
            let store = Store::create(run.path(), options).unwrap();
            let due = |at: u64| at as i64 * 100;
            let mut live: BTreeMap<Due, Row> = before.iter().map(|at| row(due(*at), *at, 0)).collect();
            let by_due = store.by_due();
            let mut tables = Tables::new(store.delta_dir(), &by_due);
            for (due, row) in &live {
                let mut bytes = Vec::new();
                encode_row(row, &mut bytes);
                tables.put(&due_key(*due), &bytes).unwrap();
            }
            tables.ingest(store.rows(), store.family().unwrap()).unwrap();
            let meta = |epoch, watermark| {
                CheckpointMeta { epoch, watermark, any_due, ..CheckpointMeta::default() }
            };
            for (epoch, events) in (1..).zip(&epochs) {
                let (held, mut went) = (live.clone(), BTreeSet::new());
                for (n, event) in events.iter().enumerate() {
                    let (due, row) = row(due(event.at), event.at, epoch * 100 + n as u64);
                    match event.what {
                        What::Write => {
                            live.insert(due, row);
                        }
                        What::Go => {
                            live.remove(&due);
                            went.insert(due);
                        }
                    }
                }
                let written = live.iter().filter(|(due, row)| held.get(due) != Some(row));
                // One that comes back is new to the memory tier.
                let known = |due: &Due| held.contains_key(due) && !went.contains(due);
                let written = written.map(|(due, row)| (*due, row.clone(), known(due)));
                let gone = held.keys().filter(|due| !live.contains_key(due)).copied().collect();
                let one = Delta::new(written.collect(), gone);
                delta::write(&store, &[one], &meta(epoch, i64::MIN)).unwrap();
                prop_assert_eq!(read(&store, &meta(epoch, i64::MIN)), live.clone());
            }
            let last = meta(9, passed);
            if any_due {
                prop_assert_eq!(read(&store, &last), live);
                return Ok(());
            }
            live.retain(|due, _| due.due >= passed);
            prop_assert_eq!(read(&store, &last), live.clone());
            store.drop_below(passed).unwrap();
            prop_assert_eq!(read(&store, &last), live);
            prop_assert!(read(&store, &meta(9, i64::MAX)).is_empty());
        }
    }

    /// Due at one time; every hundredth is new at the second checkpoint, and behind the
    /// first of a page lie more that changed than wait for it.
    #[test]
    fn many_that_changed_lie_between_those_of_a_page() {
        let run = tempfile::tempdir().unwrap();
        let options = StoreOptions { memory: 0, retention_ms: 1_000 };
        let store = Store::create(run.path(), options).unwrap();
        let mut live = BTreeMap::new();
        for epoch in 1..=2 {
            let held = |arrival: u64| epoch == 2 && !arrival.is_multiple_of(100);
            let written: Vec<(Due, Row, bool)> = (0u64..2_000)
                .filter(|arrival| epoch == 2 || !arrival.is_multiple_of(100))
                .map(|arrival| {
                    let (due, row) = row(7, arrival, epoch);
                    (due, row, held(arrival))
                })
                .collect();
            live.extend(written.iter().map(|(due, row, _)| (*due, row.clone())));
            let meta = CheckpointMeta { epoch, watermark: i64::MIN, ..CheckpointMeta::default() };
            delta::write(&store, &[Delta::new(written, Vec::new())], &meta).unwrap();
            assert_eq!(read(&store, &meta), live);
        }
        assert_eq!(live.len(), 2_000);
    }

    fn read(store: &Store, meta: &CheckpointMeta) -> BTreeMap<Due, Row> {
        let mut image = Image::new(store, meta).unwrap();
        let mut rows = Vec::new();
        while let Some(next) = image.next(store).unwrap() {
            rows.push(next);
        }
        assert!(rows.is_sorted_by(|a, b| a.0 < b.0));
        rows.into_iter().collect()
    }
}
