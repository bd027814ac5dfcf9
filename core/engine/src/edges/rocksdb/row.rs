//! The binary form of a row at rest.
//!
//! Version 1: the byte 1; varints (LEB128; signed ones zigzag) `time`, `row`,
//! `partition`, `offset`, `labels`; one byte, 1 if matched; varints
//! `corrections`, the number of folded records and, for each, `input`, `time`,
//! `arrival`, `row`, `partition`, `offset`, `labels`; then the canonical key to
//! the end. Due, arrival and input stand in the RocksDB key.
//!
//! In a checkpoint's `rows/` also: version 2, the byte 2 and the epoch of its
//! checkpoint as a varint before the rest of version 1; version 3, the byte 3 and an
//! epoch: the row went.

use super::varint::{byte, put, put_signed, signed, unsigned};
use crate::operator::key::Key;
use crate::operator::state::memory::Slot;
use crate::operator::state::{Due, Folded, Row};

const VERSION: u8 = 1;
const STAMPED: u8 = 2;
const GONE: u8 = 3;

/// Bytes that are no row of a form that this program knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRow {
    #[error("a row of form {0}, which this program does not know")]
    Version(u8),
    #[error("not a row")]
    Malformed,
}

/// What the binary form of a row is made of.
struct Fields<'a> {
    time: i64,
    row: u64,
    partition: i32,
    offset: i64,
    labels: u64,
    matched: bool,
    corrections: u32,
    folded: &'a [Folded],
    /// Its canonical bytes.
    key: &'a [u8],
}

/// Appends the binary form of `row`.
pub fn encode_row(row: &Row, out: &mut Vec<u8>) {
    out.push(VERSION);
    let fields = Fields {
        time: row.time,
        row: row.row,
        partition: row.partition,
        offset: row.offset,
        labels: row.labels,
        matched: row.matched,
        corrections: row.corrections,
        folded: &row.folded,
        key: row.key.canonical(),
    };
    encode(&fields, out);
}

/// Appends the binary form of a packed row, of a checkpoint where that matters.
pub(super) fn encode_slot(slot: &Slot, epoch: Option<u64>, out: &mut Vec<u8>) {
    match epoch {
        Some(epoch) => stamp(STAMPED, epoch, out),
        None => out.push(VERSION),
    }
    let fields = Fields {
        time: slot.time,
        row: slot.row,
        partition: slot.partition,
        offset: slot.offset,
        labels: slot.labels,
        matched: slot.matched(),
        corrections: slot.corrections,
        folded: slot.folded.as_deref().map_or(&[], Vec::as_slice),
        key: slot.key.bytes(),
    };
    encode(&fields, out);
}

fn stamp(version: u8, epoch: u64, out: &mut Vec<u8>) {
    out.push(version);
    put(epoch, out);
}

/// A row that went before a checkpoint.
pub(super) fn encode_gone(epoch: u64, out: &mut Vec<u8>) {
    stamp(GONE, epoch, out);
}

/// A row as [`encode_row`] left it, of a checkpoint.
pub(super) fn encode_stamped(row: &[u8], epoch: u64, out: &mut Vec<u8>) {
    stamp(STAMPED, epoch, out);
    out.extend_from_slice(row.get(1..).unwrap_or_default());
}

fn encode(row: &Fields<'_>, out: &mut Vec<u8>) {
    put_signed(row.time, out);
    put(row.row, out);
    put_signed(i64::from(row.partition), out);
    put_signed(row.offset, out);
    put(row.labels, out);
    out.push(u8::from(row.matched));
    put(u64::from(row.corrections), out);
    put_folded(row.folded, out);
    out.extend_from_slice(row.key);
}

pub(super) fn put_folded(all: &[Folded], out: &mut Vec<u8>) {
    put(all.len() as u64, out);
    for folded in all {
        out.push(folded.input);
        put_signed(folded.time, out);
        put(folded.arrival, out);
        put(folded.row, out);
        put_signed(i64::from(folded.partition), out);
        put_signed(folded.offset, out);
        put(folded.labels, out);
    }
}

/// The inverse of [`encode_row`]; `due` comes from the key beside it.
///
/// # Errors
/// The bytes are no row; whatever they are, no more is allocated than they
/// could hold.
pub fn decode_row(due: Due, bytes: &[u8]) -> Result<Row, BadRow> {
    let (version, mut rest) = bytes.split_first().ok_or(BadRow::Malformed)?;
    if *version != VERSION {
        return Err(BadRow::Version(*version));
    }
    decode_v1(due, &mut rest).ok_or(BadRow::Malformed)
}

/// The epoch of a checkpoint's entry; 0 where it has none, which is older than any.
pub(super) fn epoch_of(bytes: &[u8]) -> Result<u64, BadRow> {
    let (version, mut rest) = bytes.split_first().ok_or(BadRow::Malformed)?;
    match *version {
        VERSION => Ok(0),
        STAMPED | GONE => unsigned(&mut rest).ok_or(BadRow::Malformed),
        other => Err(BadRow::Version(other)),
    }
}

/// A checkpoint's entry, in any version; `None`: the row went.
pub(super) fn decode_entry(due: Due, bytes: &[u8]) -> Result<Option<Row>, BadRow> {
    let (version, mut rest) = bytes.split_first().ok_or(BadRow::Malformed)?;
    match *version {
        STAMPED => unsigned(&mut rest).and_then(|_| decode_v1(due, &mut rest)).map(Some),
        GONE => unsigned(&mut rest).map(|_| None),
        _ => return decode_row(due, bytes).map(Some),
    }
    .ok_or(BadRow::Malformed)
}

fn decode_v1(due: Due, at: &mut &[u8]) -> Option<Row> {
    let time = signed(at)?;
    let row = unsigned(at)?;
    let partition = i32::try_from(signed(at)?).ok()?;
    let offset = signed(at)?;
    let labels = unsigned(at)?;
    let matched = match byte(at)? {
        0 => false,
        1 => true,
        _ => return None,
    };
    let corrections = u32::try_from(unsigned(at)?).ok()?;
    let folded = folded(at)?;
    Some(Row {
        key: Key::from_canonical(at)?,
        input: due.input,
        time,
        arrival: due.arrival,
        row,
        partition,
        offset,
        labels,
        matched,
        corrections,
        folded,
    })
}

pub(super) fn folded(at: &mut &[u8]) -> Option<Vec<Folded>> {
    let count = usize::try_from(unsigned(at)?).ok()?;
    // Each folded record takes at least 7 bytes: a length that lies allocates nothing.
    if count > at.len() / 7 {
        return None;
    }
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        all.push(Folded {
            input: byte(at)?,
            time: signed(at)?,
            arrival: unsigned(at)?,
            row: unsigned(at)?,
            partition: i32::try_from(signed(at)?).ok()?,
            offset: signed(at)?,
            labels: unsigned(at)?,
        });
    }
    Some(all)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::operator::key::KeyValue;

    /// All of one key, each due at its event time.
    pub fn plain(due: i64, arrival: u64) -> (Due, Row) {
        let row = Row {
            key: Key::new(KeyValue::Int(1)),
            input: 0,
            time: due,
            arrival,
            row: arrival,
            partition: 0,
            offset: 0,
            labels: 0,
            matched: false,
            corrections: 0,
            folded: Vec::new(),
        };
        (Due { due, arrival, input: 0 }, row)
    }

    fn folded() -> impl Strategy<Value = Folded> {
        (
            0u8..64,
            any::<i64>(),
            any::<u64>(),
            any::<u64>(),
            any::<i32>(),
            any::<i64>(),
            any::<u64>(),
        )
            .prop_map(|(input, time, arrival, row, partition, offset, labels)| Folded {
                input,
                time,
                arrival,
                row,
                partition,
                offset,
                labels,
            })
    }

    pub fn row() -> impl Strategy<Value = (Due, Row)> {
        (
            (any::<i64>(), any::<u64>(), 0u8..64),
            (any::<i64>(), any::<u64>(), any::<i32>(), any::<i64>(), any::<u64>()),
            (any::<bool>(), any::<u32>(), prop::collection::vec(folded(), 0..5), ".{0,40}"),
        )
            .prop_map(
                |(
                    (due, arrival, input),
                    (time, row, partition, offset, labels),
                    (matched, corrections, folded, key),
                )| {
                    let row = Row {
                        key: Key::new(KeyValue::String(&key)),
                        input,
                        time,
                        arrival,
                        row,
                        partition,
                        offset,
                        labels,
                        matched,
                        corrections,
                        folded,
                    };
                    (Due { due, arrival, input }, row)
                },
            )
    }

    proptest! {
        #[test]
        fn rows_come_back((due, row) in row()) {
            let mut bytes = Vec::new();
            encode_row(&row, &mut bytes);
            let mut packed = Vec::new();
            encode_slot(&Slot::pack(row.clone()), None, &mut packed);
            prop_assert_eq!(&bytes, &packed);
            prop_assert_eq!(decode_row(due, &bytes), Ok(row.clone()));
            prop_assert_eq!((epoch_of(&bytes), decode_entry(due, &bytes)), (Ok(0), Ok(Some(row))));
        }

        #[test]
        fn rows_of_a_checkpoint_come_back((due, row) in row(), epoch: u64) {
            let mut bytes = Vec::new();
            encode_slot(&Slot::pack(row.clone()), Some(epoch), &mut bytes);
            let (mut plain, mut stamped) = (Vec::new(), Vec::new());
            encode_row(&row, &mut plain);
            encode_stamped(&plain, epoch, &mut stamped);
            prop_assert_eq!(&bytes, &stamped);
            prop_assert_eq!(epoch_of(&bytes), Ok(epoch));
            prop_assert_eq!(decode_entry(due, &bytes), Ok(Some(row)));
            bytes.clear();
            encode_gone(epoch, &mut bytes);
            prop_assert_eq!((epoch_of(&bytes), decode_entry(due, &bytes)), (Ok(epoch), Ok(None)));
        }

        #[test]
        fn any_bytes_are_a_row_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let due = Due { due: 0, arrival: 0, input: 0 };
            let _ = (decode_entry(due, &bytes), epoch_of(&bytes));
            let mut known = bytes;
            known.insert(0, VERSION);
            if let Ok(row) = decode_row(due, &known) {
                let mut again = Vec::new();
                encode_row(&row, &mut again);
                prop_assert_eq!(decode_row(due, &again), Ok(row));
            }
        }
    }

    #[test]
    fn a_newer_form_is_named() {
        let due = Due { due: 0, arrival: 0, input: 0 };
        assert_eq!(decode_row(due, &[2, 0]), Err(BadRow::Version(2)));
        assert_eq!(decode_entry(due, &[4, 0]), Err(BadRow::Version(4)));
        assert_eq!(decode_row(due, &[]), Err(BadRow::Malformed));
    }
}
