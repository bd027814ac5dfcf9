//! The message of a recording: one Kafka record in a protobuf envelope
//! (`envelope.proto`). Written in field order, fields at their default left
//! out, as `prost` does; read by hand, because keys and values are to be
//! slices of the chunk and the scan is the hot path of every replay.

use bytes::Bytes;

use crate::operator::record::{Arrival, Header, Record, TimestampType};

/// Types compiled from `envelope.proto`.
#[allow(clippy::all, clippy::pedantic, missing_docs, unreachable_pub)]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/joinscope.rs"));
}

/// The `FileDescriptorSet` of `envelope.proto`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/envelope.fds"));

const VARINT: u8 = 0;
const LEN: u8 = 2;

const fn tag(field: u8, wire: u8) -> u8 {
    (field << 3) | wire
}

#[inline]
pub(super) fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push((n as u8) | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

#[inline]
fn varint_len(n: u64) -> usize {
    (70 - (n | 1).leading_zeros() as usize) / 7
}

#[inline]
fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(tag(field, LEN));
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[inline]
pub(super) fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

pub(super) fn unzigzag(n: u64) -> i64 {
    ((n >> 1) as i64) ^ -((n & 1) as i64)
}

/// A record before it is in a recording, its bytes borrowed; its headers come
/// beside it. The fields are those of [`Record`].
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    pub arrival: Arrival,
    pub arrival_ns: i64,
    pub source: u32,
    pub offset: i64,
    pub timestamp: Option<i64>,
    pub timestamp_type: TimestampType,
    pub leader_epoch: Option<i32>,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
}

impl<'a> From<&'a Record> for Draft<'a> {
    #[inline]
    fn from(record: &'a Record) -> Self {
        Self {
            arrival: record.arrival,
            arrival_ns: record.arrival_ns,
            source: record.source,
            offset: record.offset,
            timestamp: record.timestamp,
            timestamp_type: record.timestamp_type,
            leader_epoch: record.leader_epoch,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
        }
    }
}

/// Few bytes, put together before they are appended at once: at most 128.
pub struct Few {
    bytes: [u8; 128],
    len: usize,
}

impl Few {
    #[inline]
    pub fn new() -> Self {
        Self { bytes: [0; 128], len: 0 }
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        // The mask spares a check of the bound at every byte.
        self.bytes[self.len & 127] = byte;
        self.len += 1;
    }

    #[inline]
    pub fn fixed<const N: usize>(&mut self, bytes: [u8; N]) {
        self.bytes[self.len..self.len + N].copy_from_slice(&bytes);
        self.len += N;
    }

    #[inline]
    pub fn append_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes[..self.len]);
    }

    #[inline]
    fn varint(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.push((n as u8) | 0x80);
            n >>= 7;
        }
        self.push(n as u8);
    }

    #[inline]
    fn number(&mut self, field: u8, n: u64) {
        self.push(tag(field, VARINT));
        self.varint(n);
    }
}

/// Appends the envelope of a record to `out`, behind what `few` holds (at most
/// 72 bytes).
#[inline]
pub fn encode<'h>(
    out: &mut Vec<u8>,
    mut few: Few,
    record: &Draft<'_>,
    headers: impl Iterator<Item = (&'h str, Option<&'h [u8]>)>,
) {
    // At most four numbers of 11 bytes, one of 2 and a length of 6.
    if record.arrival != 0 {
        few.number(1, record.arrival);
    }
    if record.offset != 0 {
        few.number(2, record.offset as u64);
    }
    if let Some(timestamp) = record.timestamp {
        few.number(3, zigzag(timestamp));
    }
    match record.timestamp_type {
        TimestampType::None => {}
        TimestampType::Create => few.number(4, 1),
        TimestampType::LogAppend => few.number(4, 2),
    }
    if let Some(epoch) = record.leader_epoch {
        few.number(5, i64::from(epoch) as u64);
    }
    if let Some(key) = record.key {
        few.push(tag(6, LEN));
        few.varint(key.len() as u64);
        few.append_to(out);
        out.extend_from_slice(key);
        few.len = 0;
    }
    if let Some(value) = record.value {
        few.push(tag(7, LEN));
        few.varint(value.len() as u64);
        few.append_to(out);
        out.extend_from_slice(value);
        few.len = 0;
    }
    few.append_to(out);
    for (key, value) in headers {
        let key = key.as_bytes();
        let mut length = 0;
        if !key.is_empty() {
            length += 1 + varint_len(key.len() as u64) + key.len();
        }
        if let Some(value) = value {
            length += 1 + varint_len(value.len() as u64) + value.len();
        }
        out.push(tag(8, LEN));
        put_varint(out, length as u64);
        if !key.is_empty() {
            put_bytes(out, 1, key);
        }
        if let Some(value) = value {
            put_bytes(out, 2, value);
        }
    }
}

/// A protobuf message being read.
pub(super) struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Option<u64> {
        let first = *self.bytes.get(self.at)?;
        self.at += 1;
        if first < 0x80 {
            return Some(u64::from(first));
        }
        let mut value = u64::from(first & 0x7f);
        let mut shift = 7;
        loop {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            if shift == 63 && byte > 1 {
                return None;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
            shift += 7;
        }
    }

    /// A length-delimited field's range.
    #[inline]
    fn range(&mut self) -> Option<(usize, usize)> {
        let length = usize::try_from(self.varint()?).ok()?;
        let start = self.at;
        let end = start.checked_add(length)?;
        if end > self.bytes.len() {
            return None;
        }
        self.at = end;
        Some((start, end))
    }

    fn skip(&mut self, wire: u64) -> Option<()> {
        match wire {
            0 => drop(self.varint()?),
            1 => self.at += 8,
            2 => drop(self.range()?),
            5 => self.at += 4,
            _ => return None,
        }
        (self.at <= self.bytes.len()).then_some(())
    }
}

/// What ordering and lookup need of an envelope, without its payload.
#[derive(Clone, Copy, Debug, Default)]
pub struct Brief {
    pub arrival: u64,
    pub offset: i64,
    pub timestamp: Option<i64>,
}

/// Reads [`Brief`] and checks the whole envelope; `None`: not an envelope.
pub fn brief(envelope: &[u8]) -> Option<Brief> {
    let mut brief = Brief::default();
    scan(envelope, |field, value| match (field, value) {
        (1, Value::Number(n)) => brief.arrival = n,
        (2, Value::Number(n)) => brief.offset = n as i64,
        (3, Value::Number(n)) => brief.timestamp = Some(unzigzag(n)),
        _ => {}
    })?;
    (brief.offset >= 0).then_some(brief)
}

#[derive(Clone, Copy)]
enum Value {
    Number(u64),
    Range(usize, usize),
}

/// Calls `take` for each known field with the right wire type; checks headers.
#[inline]
fn scan(envelope: &[u8], mut take: impl FnMut(u64, Value)) -> Option<()> {
    let mut scan = Scan::new(envelope);
    while scan.at < envelope.len() {
        let key = scan.varint()?;
        match key & 7 {
            0 if key < 0x80 => {
                let n = scan.varint()?;
                take(key >> 3, Value::Number(n));
            }
            2 if key < 0x80 => {
                let (start, end) = scan.range()?;
                if key >> 3 == 8 {
                    header(&envelope[start..end])?;
                }
                take(key >> 3, Value::Range(start, end));
            }
            wire => scan.skip(wire)?,
        }
    }
    Some(())
}

/// A header's key and value, as ranges of its bytes.
type HeaderRanges<'a> = (&'a str, Option<(usize, usize)>);

fn header(bytes: &[u8]) -> Option<HeaderRanges<'_>> {
    let mut scan = Scan::new(bytes);
    let (mut key, mut value) = ("", None);
    while scan.at < bytes.len() {
        let tag = scan.varint()?;
        match tag {
            0x0a => {
                let (start, end) = scan.range()?;
                key = std::str::from_utf8(&bytes[start..end]).ok()?;
            }
            0x12 => value = Some(scan.range()?),
            _ => scan.skip(tag & 7)?,
        }
    }
    Some((key, value))
}

/// Decodes the envelope at `start..end` of a chunk; key, value and header
/// values are slices of it. `None`: not an envelope.
pub fn decode(
    chunk: &Bytes,
    start: usize,
    end: usize,
    source: u32,
    arrival_ns: i64,
) -> Option<Record> {
    let mut record = Record { arrival_ns, source, ..Record::default() };
    decode_into(&mut record, chunk, start, end)?;
    Some(record)
}

/// As [`decode`], where the record lies already, which is as a new one has it: a
/// replay has millions of them to be moved.
#[inline]
pub fn decode_into(record: &mut Record, chunk: &Bytes, start: usize, end: usize) -> Option<()> {
    let envelope = chunk.get(start..end)?;
    scan(envelope, |field, value| match (field, value) {
        (1, Value::Number(n)) => record.arrival = n,
        (2, Value::Number(n)) => record.offset = n as i64,
        (3, Value::Number(n)) => record.timestamp = Some(unzigzag(n)),
        (4, Value::Number(n)) => {
            record.timestamp_type = match n {
                1 => TimestampType::Create,
                2 => TimestampType::LogAppend,
                _ => TimestampType::None,
            }
        }
        (5, Value::Number(n)) => record.leader_epoch = Some(n as i32),
        (6, Value::Range(a, b)) => record.key = Some(chunk.slice(start + a..start + b)),
        (7, Value::Range(a, b)) => record.value = Some(chunk.slice(start + a..start + b)),
        (8, Value::Range(a, b)) => {
            if let Some((key, value)) = header(&envelope[a..b]) {
                record.headers.push(Header {
                    key: key.to_owned().into(),
                    value: value.map(|(c, d)| chunk.slice(start + a + c..start + a + d)),
                });
            }
        }
        _ => {}
    })?;
    (record.offset >= 0).then_some(())
}

/// Appends the envelope of a whole record.
#[cfg(test)]
pub fn encode_record(out: &mut Vec<u8>, record: &Record) {
    let headers = record.headers.iter().map(|h| (&*h.key, h.value.as_deref()));
    encode(out, Few::new(), &Draft::from(record), headers);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    fn bytes() -> impl Strategy<Value = Option<Bytes>> {
        proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from))
    }

    pub fn record() -> impl Strategy<Value = Record> {
        let head = (any::<u64>(), 0..i64::MAX, 0..i64::MAX, proptest::option::of(any::<i64>()));
        let kind = prop_oneof![
            Just(TimestampType::None),
            Just(TimestampType::Create),
            Just(TimestampType::LogAppend)
        ];
        let headers = proptest::collection::vec((".{0,8}", bytes()), 0..4);
        (head, kind, proptest::option::of(any::<i32>()), bytes(), bytes(), headers).prop_map(
            |(
                (arrival, arrival_ns, offset, timestamp),
                timestamp_type,
                leader_epoch,
                key,
                value,
                headers,
            )| Record {
                arrival,
                arrival_ns,
                source: 3,
                offset,
                timestamp,
                timestamp_type,
                leader_epoch,
                key,
                value,
                headers: headers
                    .into_iter()
                    .map(|(key, value)| Header { key: key.into(), value })
                    .collect(),
            },
        )
    }

    proptest! {
        #[test]
        fn round_trip_and_the_same_bytes_as_prost(record in record()) {
            let mut bytes = Vec::new();
            encode_record(&mut bytes, &record);
            let message = proto::Envelope {
                arrival: record.arrival,
                offset: record.offset,
                timestamp: record.timestamp,
                timestamp_type: match record.timestamp_type {
                    TimestampType::None => 0,
                    TimestampType::Create => 1,
                    TimestampType::LogAppend => 2,
                },
                leader_epoch: record.leader_epoch,
                key: record.key.as_ref().map(|b| b.to_vec()),
                value: record.value.as_ref().map(|b| b.to_vec()),
                headers: record
                    .headers
                    .iter()
                    .map(|h| proto::Header { key: h.key.to_string(), value: h.value.as_ref().map(|b| b.to_vec()) })
                    .collect(),
                flags: 0,
            };
            prop_assert_eq!(&bytes, &message.encode_to_vec());
            let chunk = Bytes::from([b"xy".as_slice(), &bytes].concat());
            let back = decode(&chunk, 2, chunk.len(), record.source, record.arrival_ns);
            prop_assert_eq!(back, Some(record.clone()));
            let brief = brief(&bytes).unwrap();
            prop_assert_eq!(
                (brief.arrival, brief.offset, brief.timestamp),
                (record.arrival, record.offset, record.timestamp)
            );
        }

        #[test]
        fn any_bytes_are_an_envelope_or_not_but_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let chunk = Bytes::from(bytes);
            let record = decode(&chunk, 0, chunk.len(), 0, 0);
            prop_assert_eq!(record.is_some(), brief(&chunk).is_some());
            // Whatever prost takes, apart from limits on what a record may be, we take too.
            if let Ok(message) = proto::Envelope::decode(&chunk[..])
                && message.offset >= 0 {
                    prop_assert!(record.is_some());
                }
        }
    }

    #[test]
    fn fields_of_a_newer_version_are_skipped() {
        let mut bytes = Vec::new();
        encode_record(&mut bytes, &Record { arrival: 7, offset: 9, ..Record::default() });
        bytes.extend_from_slice(&[0x9d, 0x06, 1, 2, 3, 4, 0x7a, 2, 1, 1]);
        let chunk = Bytes::from(bytes);
        assert_eq!(decode(&chunk, 0, chunk.len(), 0, 0).unwrap().offset, 9);
    }
}
