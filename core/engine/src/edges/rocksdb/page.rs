//! Many rows of a checkpoint in one entry: what RocksDB does for an entry is then done
//! once for all of them.
//!
//! One row after another, each against the one before it (the first against zeros):
//! varints (signed ones zigzag) of what `due` and `arrival` are more; the byte `input`;
//! varints of what `due - time` and `row - arrival` are more, `partition` and `offset`; a
//! byte of flags ([`MATCHED`], and which of the following are there); `labels`,
//! `corrections` and folded records as in a row of its own; then the length of the
//! canonical key, and the key.

use super::row::{BadRow, folded, put_folded};
use super::varint::{byte, put, put_signed, signed, unsigned};
use crate::operator::key::Key;
use crate::operator::state::memory::Slot;
use crate::operator::state::{Due, Row};

const MATCHED: u8 = 1;
const LABELS: u8 = 2;
const CORRECTIONS: u8 = 4;
const FOLDED: u8 = 8;
const ALL: u8 = MATCHED | LABELS | CORRECTIONS | FOLDED;

/// Rows of a page, fewer where they are large.
const ROWS: usize = 64;
const BYTES: usize = 4 << 10;

/// No page reaches over a multiple of so many ms (a power of two) of due: what the
/// event-time watermark has passed can then be dropped by range.
const SPAN_BITS: u32 = 10;

/// The least due of the page in which a row due then can be.
pub(super) fn floor(due: i64) -> i64 {
    due >> SPAN_BITS << SPAN_BITS
}

/// What a row is told against.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    due: i64,
    arrival: u64,
    /// `due - time`.
    stay: i64,
    /// `row - arrival`.
    ahead: u64,
}

/// A page in the making.
#[derive(Debug, Default)]
pub(super) struct Page {
    first: Option<Due>,
    before: Before,
    rows: usize,
    bytes: Vec<u8>,
}

impl Page {
    /// The name of its first row.
    pub fn first(&self) -> Option<Due> {
        self.first
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether a row can be the next one.
    pub fn takes(&self, due: Due) -> bool {
        self.rows < ROWS
            && self.bytes.len() < BYTES
            && self.first.is_none_or(|first| floor(first.due) == floor(due.due))
    }

    /// The next row: names ascend, and it is taken.
    pub fn push(&mut self, due: Due, row: &Slot) {
        self.first.get_or_insert(due);
        self.rows += 1;
        let (before, out) = (self.before, &mut self.bytes);
        put(due.due.wrapping_sub(before.due) as u64, out);
        put_signed(due.arrival.wrapping_sub(before.arrival) as i64, out);
        out.push(due.input);
        let stay = due.due.wrapping_sub(row.time);
        let ahead = row.row.wrapping_sub(due.arrival);
        put_signed(stay.wrapping_sub(before.stay), out);
        put_signed(ahead.wrapping_sub(before.ahead) as i64, out);
        put_signed(i64::from(row.partition), out);
        put_signed(row.offset, out);
        self.before = Before { due: due.due, arrival: due.arrival, stay, ahead };
        let all = row.folded.as_deref().map_or(&[][..], Vec::as_slice);
        let flag = |there: bool, flag| if there { flag } else { 0 };
        out.push(
            flag(row.matched(), MATCHED)
                | flag(row.labels != 0, LABELS)
                | flag(row.corrections != 0, CORRECTIONS)
                | flag(!all.is_empty(), FOLDED),
        );
        if row.labels != 0 {
            put(row.labels, out);
        }
        if row.corrections != 0 {
            put(u64::from(row.corrections), out);
        }
        if !all.is_empty() {
            put_folded(all, out);
        }
        let key = row.key.bytes();
        put(key.len() as u64, out);
        out.extend_from_slice(key);
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        *self = Self { bytes: std::mem::take(&mut self.bytes), ..Self::default() };
    }
}

/// Reads a page row by row.
#[derive(Debug)]
pub(super) struct Reader {
    bytes: Vec<u8>,
    at: usize,
    before: Before,
    /// The name of the row at hand.
    due: Due,
}

impl Reader {
    /// Stands at the first row.
    ///
    /// # Errors
    /// The bytes are no page.
    pub fn new(bytes: Vec<u8>) -> Result<Self, BadRow> {
        let due = Due { due: 0, arrival: 0, input: 0 };
        let mut reader = Self { bytes, at: 0, before: Before::default(), due };
        if reader.next_name()? { Ok(reader) } else { Err(BadRow::Malformed) }
    }

    /// The name of the row at hand.
    pub fn due(&self) -> Due {
        self.due
    }

    /// Gives the row at hand, and whether there is another one behind it.
    ///
    /// # Errors
    /// The bytes are no page; whatever they are, no more is allocated than they could hold.
    pub fn take(&mut self) -> Result<(Row, bool), BadRow> {
        let mut rest = &self.bytes[self.at..];
        let row = row(self.due, &mut self.before, &mut rest).ok_or(BadRow::Malformed)?;
        self.at = self.bytes.len() - rest.len();
        Ok((row, self.next_name()?))
    }

    fn next_name(&mut self) -> Result<bool, BadRow> {
        let mut rest = &self.bytes[self.at..];
        if rest.is_empty() {
            return Ok(false);
        }
        self.due = name(&mut self.before, &mut rest).ok_or(BadRow::Malformed)?;
        self.at = self.bytes.len() - rest.len();
        Ok(true)
    }
}

fn name(before: &mut Before, at: &mut &[u8]) -> Option<Due> {
    before.due = before.due.wrapping_add(unsigned(at)? as i64);
    before.arrival = before.arrival.wrapping_add(signed(at)? as u64);
    Some(Due { due: before.due, arrival: before.arrival, input: byte(at)? })
}

fn row(due: Due, before: &mut Before, at: &mut &[u8]) -> Option<Row> {
    before.stay = before.stay.wrapping_add(signed(at)?);
    before.ahead = before.ahead.wrapping_add(signed(at)? as u64);
    let partition = i32::try_from(signed(at)?).ok()?;
    let offset = signed(at)?;
    let flags = byte(at)?;
    if flags & !ALL != 0 {
        return None;
    }
    let labels = if flags & LABELS == 0 { 0 } else { unsigned(at)? };
    let corrections =
        if flags & CORRECTIONS == 0 { 0 } else { u32::try_from(unsigned(at)?).ok()? };
    let folded = if flags & FOLDED == 0 { Vec::new() } else { folded(at)? };
    let key = usize::try_from(unsigned(at)?).ok()?;
    let (key, rest) = at.split_at_checked(key)?;
    *at = rest;
    Some(Row {
        key: Key::from_canonical(key)?,
        input: due.input,
        time: due.due.wrapping_sub(before.stay),
        arrival: due.arrival,
        row: due.arrival.wrapping_add(before.ahead),
        partition,
        offset,
        labels,
        matched: flags & MATCHED != 0,
        corrections,
        folded,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::row::tests::{plain, row};
    use super::*;

    /// All rows of a page.
    fn read(bytes: &[u8]) -> Result<Vec<(Due, Row)>, BadRow> {
        let mut reader = Reader::new(bytes.to_vec())?;
        let mut rows = Vec::new();
        loop {
            let due = reader.due();
            let (row, more) = reader.take()?;
            rows.push((due, row));
            if !more {
                return Ok(rows);
            }
        }
    }

    fn written(rows: &[(Due, Row)]) -> Page {
        let mut page = Page::default();
        rows.iter().for_each(|(due, row)| page.push(*due, &Slot::pack(row.clone())));
        page
    }

    proptest! {
        #[test]
        fn rows_come_back(mut rows in prop::collection::vec(row(), 1..8)) {
            rows.sort_by_key(|(due, _)| *due);
            let mut page = written(&rows);
            prop_assert_eq!(page.first(), Some(rows[0].0));
            prop_assert_eq!(read(page.bytes()), Ok(rows.clone()));
            page.clear();
            prop_assert!(page.first().is_none() && page.bytes().is_empty());
            rows.iter().for_each(|(due, row)| page.push(*due, &Slot::pack(row.clone())));
            prop_assert_eq!(read(page.bytes()), Ok(rows));
        }

        #[test]
        fn any_bytes_are_rows_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = read(&bytes);
        }

        #[test]
        fn a_cut_page_is_an_error_or_ends_between_rows(
            rows in prop::collection::vec(row(), 1..5),
            at in any::<prop::sample::Index>(),
        ) {
            let page = written(&rows);
            let cut = &page.bytes()[..at.index(page.bytes().len())];
            if let Ok(read) = read(cut) {
                prop_assert!(read.len() < rows.len() && rows.starts_with(&read));
            }
        }
    }

    #[test]
    fn a_page_ends_where_a_span_does() {
        let row = plain(1_023, 7);
        let page = written(std::slice::from_ref(&row));
        assert!(page.takes(plain(1_023, 8).0) && !page.takes(plain(1_024, 8).0));
        assert_eq!((floor(1_023), floor(1_024), floor(-1)), (0, 1_024, -1_024));
        assert_eq!((floor(i64::MIN), floor(i64::MAX)), (i64::MIN, i64::MAX - 1_023));
        let full = written(&vec![row; ROWS]);
        assert!(!full.takes(plain(1_023, 8).0));
    }
}
