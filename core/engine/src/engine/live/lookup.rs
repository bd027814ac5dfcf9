//! Records by name while a live run goes on, for the values of what is given
//! out: the newest from memory, older ones from the arrival log.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use foldhash::fast::RandomState;

use super::recent::Recent;
use crate::edges::recording::{Held, Packed, Places, Recording, RecordingError, parts_of};
use crate::operator::record::{Record, RecordName, TopicPartition};

/// Segments of the log that are open at a time.
const OPEN: usize = 64;

/// Batches of the newest records that a lookup holds on to: what is asked for one
/// after the other mostly lies together.
const AT_HAND: usize = 8;

/// Looks records up; one for each thread.
pub struct Lookup {
    recent: Arc<Mutex<Recent>>,
    /// By partition, the one looked into last at the end.
    at_hand: Vec<(u32, Arc<Packed>, Bytes)>,
    /// By topic: the numbers of its partitions.
    by_topic: HashMap<Arc<str>, BTreeMap<i32, u32>, RandomState>,
    folder: PathBuf,
    /// By number, up to the newest that was looked at; without a hole.
    segments: BTreeMap<u64, Segment>,
    /// The newest of those that are whole, for all threads: each keeps a file open.
    whole: Arc<Mutex<BTreeMap<u64, Recording>>>,
    held: Held,
}

struct Segment {
    places: Places,
    /// By partition.
    ranges: Vec<Option<(i64, i64)>>,
    /// It was being written when it was opened: more may be in it.
    open: bool,
}

impl Segment {
    fn of(recording: Recording, number: u64) -> Self {
        let info = recording.info();
        let ranges = info.partitions.iter().map(|p| Some((p.first_offset?, p.last_offset?)));
        Self {
            ranges: ranges.collect(),
            open: info.cut.is_some(),
            places: Places::new(recording, number),
        }
    }

    fn range(&self, source: u32) -> Option<(i64, i64)> {
        *self.ranges.get(source as usize)?
    }
}

impl Lookup {
    /// `partitions` are those of the log, in its order.
    pub(super) fn new(
        recent: Arc<Mutex<Recent>>,
        partitions: &[TopicPartition],
        folder: PathBuf,
    ) -> Self {
        let mut by_topic: HashMap<Arc<str>, BTreeMap<i32, u32>, RandomState> = HashMap::default();
        for (of, source) in partitions.iter().zip(0..) {
            by_topic.entry(Arc::clone(&of.topic)).or_default().insert(of.partition, source);
        }
        Self {
            recent,
            at_hand: Vec::new(),
            by_topic,
            folder,
            segments: BTreeMap::new(),
            whole: Arc::default(),
            held: Held::default(),
        }
    }

    /// One more of the same, for another thread.
    pub(super) fn another(&self) -> Self {
        Self {
            recent: Arc::clone(&self.recent),
            at_hand: Vec::new(),
            by_topic: self.by_topic.clone(),
            folder: self.folder.clone(),
            segments: BTreeMap::new(),
            whole: Arc::clone(&self.whole),
            held: self.held.another(),
        }
    }

    /// Puts the record of that name into `into`.
    ///
    /// # Errors
    /// The arrival log does not have it, or cannot be read.
    pub fn record(&mut self, name: &RecordName, into: &mut Record) -> Result<(), String> {
        let known = self.by_topic.get(&*name.topic).and_then(|of| of.get(&name.partition)).copied();
        if let Some(source) = known {
            if self.newest(source, name.offset, into).is_some() {
                return Ok(());
            }
            if let Some(record) = self.logged(source, name.offset).map_err(|e| e.to_string())? {
                *into = record;
                return Ok(());
            }
        }
        Err(format!("{name} is not in the arrival log {}", self.folder.display()))
    }

    /// From memory.
    fn newest(&mut self, source: u32, offset: i64, into: &mut Record) -> Option<()> {
        let place = self.at_hand.iter().position(|(of, ..)| *of == source);
        let held = place.and_then(|at| {
            let (_, batch, bytes) = &self.at_hand[at];
            batch.get(bytes, source, offset, into)
        });
        if held.is_some() {
            return held;
        }
        let batch = Recent::batch_of(&self.recent, source, offset)?;
        let bytes = batch.at_hand();
        let record = batch.get(&bytes, source, offset, into);
        if let Some(at) = place {
            self.at_hand.remove(at);
        } else if self.at_hand.len() == AT_HAND {
            self.at_hand.remove(0);
        }
        self.at_hand.push((source, batch, bytes));
        record
    }

    /// From the log. Offsets increase from segment to segment.
    fn logged(&mut self, source: u32, offset: i64) -> Result<Option<Record>, RecordingError> {
        let ends = |s: &Segment| s.range(source).is_some_and(|(_, last)| offset <= last);
        if !self.segments.values().any(ends) {
            // It came since the newest was opened, and has left memory meanwhile.
            self.newer(&ends)?;
        }
        loop {
            let mut from_newest = self.segments.values_mut().rev();
            let begun =
                from_newest.find(|s| s.range(source).is_some_and(|(first, _)| first <= offset));
            if let Some(segment) = begun {
                return segment.places.record(source, offset, &mut self.held);
            }
            if !self.older()? {
                return Ok(None);
            }
        }
    }

    /// Opens what is newer than what is known, no further than to the first that
    /// `ends` behind what is looked for.
    fn newer(&mut self, ends: &dyn Fn(&Segment) -> bool) -> Result<(), RecordingError> {
        if let Some(newest) = self.segments.last_entry().filter(|newest| newest.get().open) {
            newest.remove();
        }
        let known = self.segments.last_key_value().map(|(number, _)| *number);
        let parts = parts_of(&self.folder)?.into_iter();
        let mut parts: Vec<_> =
            parts.filter(|(number, _)| known.is_none_or(|known| *number > known)).collect();
        if known.is_none() {
            // Further back only when it is asked for.
            parts.drain(..parts.len().saturating_sub(2));
        }
        for (number, path) in parts {
            self.open(number, &path)?;
            // What has left memory is mostly in one that is whole: the one behind it,
            // which is being written, would be gone through for nothing.
            if self.segments.values().next_back().is_some_and(ends) {
                break;
            }
        }
        while self.segments.len() > OPEN {
            self.segments.pop_first();
        }
        Ok(())
    }

    /// Opens the one before the oldest that is known; whether there is one.
    fn older(&mut self) -> Result<bool, RecordingError> {
        let Some((oldest, _)) = self.segments.first_key_value() else { return Ok(false) };
        let oldest = *oldest;
        let mut parts = parts_of(&self.folder)?.into_iter().rev();
        let Some((number, path)) = parts.find(|(number, path)| *number < oldest && !empty(path))
        else {
            return Ok(false);
        };
        if self.segments.len() >= OPEN {
            // What is looked for lies far back: it is gone through from there.
            self.segments.clear();
        }
        self.open(number, &path)?;
        Ok(true)
    }

    fn open(&mut self, number: u64, path: &std::path::Path) -> Result<(), RecordingError> {
        if !empty(path) {
            let recording = self.segment(number, path)?;
            self.segments.insert(number, Segment::of(recording, number));
        }
        Ok(())
    }

    /// One that another thread has opened too, where it is whole.
    fn segment(&self, number: u64, path: &std::path::Path) -> Result<Recording, RecordingError> {
        let whole = || self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = whole().get(&number) {
            return Ok(known.clone());
        }
        let recording = Recording::open(path)?;
        if recording.info().cut.is_none() {
            let mut whole = whole();
            whole.insert(number, recording.clone());
            while whole.len() > OPEN {
                whole.pop_first();
            }
        }
        Ok(recording)
    }
}

/// A segment that was only just made, or whose process ended then.
fn empty(path: &std::path::Path) -> bool {
    path.metadata().is_ok_and(|m| m.len() == 0)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::edges::recording::{Compression, Writer, WriterOptions, part_name};

    /// For the log's thread, on a machine that has other work.
    const PATIENCE: Duration = Duration::from_mins(2);

    fn record(n: u64) -> Record {
        Record {
            arrival: n,
            source: (n % 3) as u32,
            offset: n as i64 / 3 * 2,
            value: Some(vec![n as u8; 100].into()),
            ..Record::default()
        }
    }

    fn name(n: u64) -> RecordName {
        RecordName { topic: "t".into(), partition: (n % 3) as i32, offset: n as i64 / 3 * 2 }
    }

    fn got(lookup: &mut Lookup, n: u64) -> Result<Record, String> {
        let mut into = record(n + 1);
        lookup.record(&name(n), &mut into).map(|()| into)
    }

    #[test]
    fn the_newest_come_from_memory_and_older_ones_from_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let partitions: Vec<TopicPartition> =
            (0..3).map(|partition| TopicPartition { topic: "t".into(), partition }).collect();
        let segment = |number| {
            let options =
                WriterOptions { compression: Compression::None, ..WriterOptions::default() };
            let mut log = Writer::create(&folder.path().join(part_name(number)), options).unwrap();
            for partition in &partitions {
                log.partition(partition.clone()).unwrap();
            }
            log
        };
        let limit = 20 * Packed::of(&[record(0)]).memory();
        let shared = Arc::new(Mutex::new(Recent::within(3, limit)));
        let mut lookup = Lookup::new(Arc::clone(&shared), &partitions, folder.path().to_owned());
        let mut log = segment(0);
        for n in 0..20_000 {
            // 200 in all: more than are open at a time.
            if n > 0 && n % 100 == 0 {
                log.finish().unwrap();
                log = segment(n / 100);
            }
            log.add(&record(n)).unwrap();
            log.hand_over().unwrap();
            shared.lock().unwrap().add(Packed::of(&[record(n)]));
            let backs: &[u64] = if n % 977 == 0 { &[0, 5, 25, 150, 9_000] } else { &[0, 5] };
            for back in backs {
                if let Some(n) = n.checked_sub(*back) {
                    // What the log's thread has not written yet comes later.
                    let since = Instant::now();
                    let found = loop {
                        match got(&mut lookup, n) {
                            Err(_) if since.elapsed() < PATIENCE => {
                                std::thread::sleep(Duration::from_millis(1));
                            }
                            found => break found,
                        }
                    };
                    assert_eq!(found, Ok(record(n)), "{n}");
                }
            }
        }
        let kept = Recent::batch_of(&shared, 2, record(19_999 - 20).offset);
        assert!(kept.is_none() && lookup.segments.len() <= OPEN);
        let mut another = lookup.another();
        for n in [19_999, 19_990, 19_800, 9_999, 0] {
            assert_eq!(got(&mut another, n).unwrap(), record(n), "{n}");
        }
        // What one thread has open costs another no file.
        let open = || {
            let own = folder.path().canonicalize().unwrap();
            let files = std::fs::read_dir("/proc/self/fd").unwrap();
            let open = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
            open.filter(|path| path.starts_with(&own)).count()
        };
        if cfg!(target_os = "linux") {
            got(&mut lookup, 15_000).unwrap();
            let before = open();
            let mut third = lookup.another();
            assert_eq!(got(&mut third, 15_000).unwrap(), record(15_000));
            assert!(third.segments.len() > 40 && open() <= before + 2, "{before}: {}", open());
        }
        let missing = RecordName { offset: 1, ..name(0) };
        let mut into = Record::default();
        assert!(
            lookup
                .record(&missing, &mut into)
                .unwrap_err()
                .contains("t[0]@1 is not in the arrival log")
        );
        let other = RecordName { partition: 3, ..name(0) };
        assert!(lookup.record(&other, &mut into).is_err());
    }
}
