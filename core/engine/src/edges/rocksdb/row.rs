//! The binary form of a row at rest.
//!
//! Version 1: the byte 1; varints (LEB128; signed ones zigzag) `time`, `row`,
//! `partition`, `offset`, `labels`; one byte, 1 if matched; varints
//! `corrections`, the number of folded records and, for each, `input`, `time`,
//! `arrival`, `row`, `partition`, `offset`, `labels`; then the canonical key to
//! the end. Due, arrival and input stand in the RocksDB key.

use crate::operator::key::Key;
use crate::operator::state::memory::Slot;
use crate::operator::state::{Due, Folded, Row};

const VERSION: u8 = 1;

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

/// Appends the binary form of a packed row.
pub(super) fn encode_slot(slot: &Slot, out: &mut Vec<u8>) {
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

fn encode(row: &Fields<'_>, out: &mut Vec<u8>) {
    out.push(VERSION);
    put_signed(row.time, out);
    put(row.row, out);
    put_signed(i64::from(row.partition), out);
    put_signed(row.offset, out);
    put(row.labels, out);
    out.push(u8::from(row.matched));
    put(u64::from(row.corrections), out);
    put(row.folded.len() as u64, out);
    for folded in row.folded {
        out.push(folded.input);
        put_signed(folded.time, out);
        put(folded.arrival, out);
        put(folded.row, out);
        put_signed(i64::from(folded.partition), out);
        put_signed(folded.offset, out);
        put(folded.labels, out);
    }
    out.extend_from_slice(row.key);
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
    let count = usize::try_from(unsigned(at)?).ok()?;
    // Each folded record takes at least 7 bytes: a length that lies allocates nothing.
    if count > at.len() / 7 {
        return None;
    }
    let mut folded = Vec::with_capacity(count);
    for _ in 0..count {
        folded.push(Folded {
            input: byte(at)?,
            time: signed(at)?,
            arrival: unsigned(at)?,
            row: unsigned(at)?,
            partition: i32::try_from(signed(at)?).ok()?,
            offset: signed(at)?,
            labels: unsigned(at)?,
        });
    }
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

fn put(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn put_signed(n: i64, out: &mut Vec<u8>) {
    put(((n << 1) ^ (n >> 63)) as u64, out);
}

fn byte(at: &mut &[u8]) -> Option<u8> {
    let (first, rest) = at.split_first()?;
    *at = rest;
    Some(*first)
}

fn unsigned(at: &mut &[u8]) -> Option<u64> {
    let mut n = 0u64;
    for shift in (0..64).step_by(7) {
        let b = byte(at)?;
        let bits = u64::from(b & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        n |= bits << shift;
        if b & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

fn signed(at: &mut &[u8]) -> Option<i64> {
    let n = unsigned(at)?;
    Some((n >> 1) as i64 ^ -((n & 1) as i64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::operator::key::KeyValue;

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

    fn row() -> impl Strategy<Value = (Due, Row)> {
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
            encode_slot(&Slot::pack(row.clone()), &mut packed);
            prop_assert_eq!(&bytes, &packed);
            prop_assert_eq!(decode_row(due, &bytes), Ok(row));
        }

        #[test]
        fn any_bytes_are_a_row_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let due = Due { due: 0, arrival: 0, input: 0 };
            let _ = decode_row(due, &bytes);
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
        assert_eq!(decode_row(due, &[]), Err(BadRow::Malformed));
    }
}
