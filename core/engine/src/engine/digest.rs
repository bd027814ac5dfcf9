//! The run's digest: every field of outputs and verdicts but `epoch` and `why`.
//!
//! It is a sum modulo 2^128 of one XXH3-128 for each item, so that threads can
//! add theirs in any order; each item names its own number, so the order of the
//! items themselves is covered. Items, little-endian, after one tag byte:
//! - `r`: row, arrival, arrival time, input, partition, offset, event time,
//!   event-time watermark, verdict at arrival, key hash, hash of key and value;
//! - `v`: row, verdict, the arrival at which it fell;
//! - `x`: row, the arrival at which it left the state;
//! - `o`: output number, arrival, time, kind, labels, correction, and for each
//!   record behind it the topic's XXH3, partition and offset.

use xxhash_rust::xxh3::xxh3_128;

use super::step::{Decision, Facts, OutputKind, Revision};
use crate::operator::join::Ref;
use crate::operator::record::Arrival;
use crate::operator::verdict::Verdict;

/// A sum of items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest(u128);

/// Fixed-size fields one after another.
struct Item<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Item<N> {
    #[inline]
    fn new(tag: u8) -> Self {
        let mut bytes = [0; N];
        bytes[0] = tag;
        Self { bytes, len: 1 }
    }

    #[inline]
    fn put<const M: usize>(&mut self, field: [u8; M]) {
        self.bytes[self.len..self.len + M].copy_from_slice(&field);
        self.len += M;
    }
}

impl Digest {
    #[inline]
    fn add(&mut self, bytes: &[u8]) {
        self.0 = self.0.wrapping_add(xxh3_128(bytes));
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }

    /// The `i`-th row of `facts`; `payload` is the hash of its key and value.
    #[inline]
    pub(super) fn fact(&mut self, facts: &Facts, i: usize, payload: u64) {
        let mut item = Item::<79>::new(b'r');
        item.put((facts.first_row + i as u64).to_le_bytes());
        item.put(facts.arrival[i].to_le_bytes());
        item.put(facts.arrival_ms[i].to_le_bytes());
        item.put([facts.input[i]]);
        item.put(facts.partition[i].to_le_bytes());
        item.put(facts.offset[i].to_le_bytes());
        item.put(facts.event_time[i].to_le_bytes());
        item.put(facts.watermark[i].to_le_bytes());
        item.put([facts.at_arrival[i]]);
        item.put(facts.key_hash[i].to_le_bytes());
        item.put(payload.to_le_bytes());
        self.add(&item.bytes[..item.len]);
    }

    #[inline]
    pub(super) fn decision(&mut self, decision: &Decision) {
        if let Some(verdict) = decision.verdict {
            self.add(&verdict_item(decision.row, verdict, decision.at));
        }
        if decision.removed {
            let mut item = Item::<17>::new(b'x');
            item.put(decision.row.to_le_bytes());
            item.put(decision.at.to_le_bytes());
            self.add(&item.bytes);
        }
    }

    /// The digest is over final verdicts: the old one is taken out.
    pub(super) fn revision(&mut self, revision: &Revision) {
        let was = verdict_item(revision.row, Verdict::Unmatched, revision.was);
        self.0 = self.0.wrapping_sub(xxh3_128(&was));
        self.add(&verdict_item(revision.row, Verdict::Expired, revision.at));
    }

    #[must_use]
    pub(super) fn hex(self) -> String {
        format!("{:032x}", self.0)
    }

    #[must_use]
    pub(super) fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    #[must_use]
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(u128::from_be_bytes(bytes.try_into().ok()?)))
    }
}

#[inline]
fn verdict_item(row: u64, verdict: Verdict, at: Arrival) -> [u8; 18] {
    let mut item = Item::<18>::new(b'v');
    item.put(row.to_le_bytes());
    item.put([verdict as u8]);
    item.put(at.to_le_bytes());
    item.bytes
}

/// Outputs have a variable length; the buffer is kept between them.
#[derive(Debug, Default)]
pub(super) struct OutputDigest {
    buffer: Vec<u8>,
}

/// What an output's item begins with.
pub(super) struct OutputHead {
    pub n: u64,
    pub at: Arrival,
    pub time: i64,
    pub kind: OutputKind,
    pub labels: u64,
    pub correction: u32,
}

impl OutputDigest {
    pub(super) fn begin(&mut self, head: &OutputHead) {
        self.buffer.clear();
        self.buffer.push(b'o');
        self.buffer.extend_from_slice(&head.n.to_le_bytes());
        self.buffer.extend_from_slice(&head.at.to_le_bytes());
        self.buffer.extend_from_slice(&head.time.to_le_bytes());
        self.buffer.push(head.kind as u8);
        self.buffer.extend_from_slice(&head.labels.to_le_bytes());
        self.buffer.extend_from_slice(&head.correction.to_le_bytes());
    }

    pub(super) fn record(&mut self, topic_hash: u64, partition: i32, offset: i64) {
        self.buffer.extend_from_slice(&topic_hash.to_le_bytes());
        self.buffer.extend_from_slice(&partition.to_le_bytes());
        self.buffer.extend_from_slice(&offset.to_le_bytes());
    }

    pub(super) fn reference(&mut self, topic_hash: &[u64], row: &Ref) {
        let hash = topic_hash.get(row.input as usize).copied().unwrap_or(0);
        self.record(hash, row.partition, row.offset);
    }

    pub(super) fn end(&mut self, digest: &mut Digest) {
        digest.add(&self.buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::join::Reason;

    fn decision(row: u64, verdict: Verdict) -> Decision {
        Decision {
            row,
            at: 9,
            verdict: Some(verdict),
            reason: Reason::Plain,
            removed: true,
            cause: 9,
        }
    }

    #[test]
    fn a_revised_verdict_counts_as_if_it_had_fallen_so() {
        let mut revised = Digest::default();
        revised.decision(&decision(1, Verdict::Unmatched));
        revised.revision(&Revision { row: 1, input: 0, was: 9, at: 12 });
        let mut plain = Digest::default();
        plain.decision(&Decision { removed: false, at: 12, ..decision(1, Verdict::Expired) });
        plain.decision(&Decision { verdict: None, ..decision(1, Verdict::Open) });
        assert_eq!(revised, plain);
    }

    #[test]
    fn order_of_adding_does_not_matter_but_every_field_does() {
        let (a, b) = (decision(1, Verdict::Joined), decision(2, Verdict::Unmatched));
        let sum = |items: &[Decision]| {
            let mut digest = Digest::default();
            items.iter().for_each(|item| digest.decision(item));
            digest
        };
        assert_eq!(sum(&[a, b]), sum(&[b, a]));
        assert_ne!(sum(&[a]), sum(&[decision(1, Verdict::Unmatched)]));
        assert_ne!(sum(&[a]), sum(&[Decision { at: 10, ..a }]));
        assert_ne!(sum(&[a]), sum(&[Decision { removed: false, ..a }]));
        // Why it fell and what caused it are told elsewhere.
        assert_eq!(sum(&[a]), sum(&[Decision { reason: Reason::Padded, cause: 3, ..a }]));
        assert_eq!(Digest::from_bytes(&sum(&[a, b]).bytes()), Some(sum(&[a, b])));
        assert_eq!(sum(&[a]).hex().len(), 32);
    }
}
