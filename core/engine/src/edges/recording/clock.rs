//! Channel `joinscope/arrivals`: what the clock of a live run decided, each
//! with the arrival number that it precedes. A replay takes them as inputs, as
//! the live run did: idleness, periodic event-time watermarks and barriers
//! follow from ticks and arrival times, also under other settings.

use prost::Message as _;

use super::envelope::proto;
use crate::operator::record::Arrival;

/// One decision of a live run's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockEntry {
    /// It came before this arrival.
    pub precedes: Arrival,
    /// Processing time, ns since the Unix epoch.
    pub at_ns: i64,
    pub kind: ClockEntryKind,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClockEntryKind {
    /// Processing time went on to here, though no record came.
    Tick,
    /// A partition (`topic[partition]`) went idle.
    Idle(String),
    /// A partition gave a record again.
    Active(String),
    /// Alignment paused a partition.
    Paused(String),
    /// Alignment took it up again.
    Resumed(String),
    /// The barrier that ends an epoch.
    Barrier(u64),
    /// A restart of another engine, modelled.
    Restart,
    /// A partition is paused or has records in the log that were not yet taken:
    /// in `clean` it cannot go idle.
    Held(String),
    /// Not so any more.
    Free(String),
    /// A partition is there that was not before: its records come from here on.
    Added(String),
}

impl ClockEntry {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        use ClockEntryKind as K;
        use proto::ClockKind as P;
        let (kind, partition, epoch) = match &self.kind {
            K::Tick => (P::Tick, None, None),
            K::Idle(p) => (P::Idle, Some(p.clone()), None),
            K::Active(p) => (P::Active, Some(p.clone()), None),
            K::Paused(p) => (P::Paused, Some(p.clone()), None),
            K::Resumed(p) => (P::Resumed, Some(p.clone()), None),
            K::Barrier(n) => (P::Barrier, None, Some(*n)),
            K::Restart => (P::Restart, None, None),
            K::Held(p) => (P::Held, Some(p.clone()), None),
            K::Free(p) => (P::Free, Some(p.clone()), None),
            K::Added(p) => (P::Added, Some(p.clone()), None),
        };
        let event =
            proto::ClockEvent { precedes: self.precedes, kind: kind.into(), partition, epoch };
        out.extend_from_slice(&event.encode_to_vec());
    }

    /// `None`: not an event, or of a kind that a newer version added.
    pub(super) fn decode(bytes: &[u8], at_ns: i64) -> Option<Self> {
        use ClockEntryKind as K;
        use proto::ClockKind as P;
        let event = proto::ClockEvent::decode(bytes).ok()?;
        let kind = match P::try_from(event.kind).ok()? {
            P::Tick => K::Tick,
            P::Idle => K::Idle(event.partition?),
            P::Active => K::Active(event.partition?),
            P::Paused => K::Paused(event.partition?),
            P::Resumed => K::Resumed(event.partition?),
            P::Barrier => K::Barrier(event.epoch?),
            P::Restart => K::Restart,
            P::Held => K::Held(event.partition?),
            P::Free => K::Free(event.partition?),
            P::Added => K::Added(event.partition?),
        };
        Some(Self { precedes: event.precedes, at_ns, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edges::recording::tests::{folder, partition};
    use crate::edges::recording::{Recording, Writer, WriterOptions};

    /// A chunk that grows and grows would not be read back, as it says too many bytes.
    #[test]
    fn where_no_record_comes_the_clock_fills_chunks_as_records_do() {
        let (_folder, path) = folder();
        let options = WriterOptions {
            chunk_bytes: 1 << 16,
            // As for a slice or a merge: nothing is written before its time.
            whole_or_nothing: true,
            ..WriterOptions::default()
        };
        let mut writer = Writer::create(&path, options).unwrap();
        writer.partition(partition("views", 0)).unwrap();
        let entry =
            |n: u64| ClockEntry { precedes: 0, at_ns: n as i64, kind: ClockEntryKind::Tick };
        for n in 0..20_000 {
            writer.clock(&entry(n)).unwrap();
        }
        let chunks = writer.finish().unwrap().chunks;
        assert!((5..30).contains(&chunks), "{chunks}");
        let events = Recording::open(&path).unwrap().clock_events().unwrap();
        assert!(events.into_iter().eq((0..20_000).map(entry)));
    }
}
