//! The reference workload of real-time recommendation: views (many) and
//! engagements (few), as they happen and as they arrive.
//!
//! 1. Views happen one after another; engagements of a view follow it.
//! 2. What happened arrives after a delay, longer where something is wrong.
//! 3. Records are given out by arrival; what arrives before now can no longer
//!    be overtaken, since nothing arrives before it happened.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::Path;

use bytes::Bytes;

use super::random::Random;
use super::values::{self, Content, Poison};
use super::{Fault, FeedOptions};
use crate::edges::recording::{
    ArrivalOrder, Info, Job, RecordingError, Writer, WriterOptions, partition_of_key,
};
use crate::operator::record::{Header, Record, TimestampType, TopicPartition};

/// Names of the two topics.
pub const TOPICS: [&str; 2] = ["views", "engagements"];
const MS: i64 = 1_000_000;
/// How much faster than real time a backlog arrives.
const CATCH_UP: i64 = 40;

/// Something that happened and did not arrive yet; ordered by arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pending {
    arrival_ns: i64,
    /// Order among equals.
    number: u64,
    source: u32,
    producer: u32,
    content: Content,
}

impl PartialOrd for Pending {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pending {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.arrival_ns, self.number).cmp(&(other.arrival_ns, other.number))
    }
}

/// An engagement that will happen; ordered by when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Future {
    at_ns: i64,
    view: u64,
    user: u32,
    kind: u8,
}

/// The records of a feed, in arrival order.
#[derive(Debug)]
pub struct Feed {
    options: FeedOptions,
    /// Delays, and all else: a fault does not change what happens elsewhere.
    views: Random,
    delays: Random,
    next_view: u64,
    /// When the last view happened, ns.
    now_ns: i64,
    gap_ns: u64,
    future: BinaryHeap<Reverse<Future>>,
    pending: BinaryHeap<Reverse<Pending>>,
    emitted: u64,
    poisoned: u64,
    offsets: Vec<i64>,
    arrival: u64,
    key: Vec<u8>,
}

impl Feed {
    /// # Errors
    /// What [`FeedOptions::check`] says.
    pub fn new(options: FeedOptions) -> Result<Self, String> {
        options.check()?;
        let sources = options.partitions.iter().sum::<u32>() as usize;
        Ok(Self {
            views: Random::new(options.seed, 0),
            delays: Random::new(options.seed, 1),
            next_view: 0,
            now_ns: options.start_ms * MS,
            // Gaps are uniform from 0 to twice their mean.
            gap_ns: (2e9 / options.rate) as u64,
            future: BinaryHeap::new(),
            pending: BinaryHeap::new(),
            emitted: 0,
            poisoned: 0,
            offsets: vec![0; sources],
            arrival: 0,
            key: Vec::new(),
            options,
        })
    }

    /// In the order of [`Record::source`].
    pub fn partitions(&self) -> Vec<TopicPartition> {
        let of = |topic: usize| {
            (0..self.options.partitions[topic] as i32)
                .map(move |partition| TopicPartition { topic: TOPICS[topic].into(), partition })
        };
        of(0).chain(of(1)).collect()
    }

    /// Lets the next view happen and all engagements before it; `false`: all
    /// that will happen has.
    fn happen(&mut self) -> bool {
        if self.next_view < self.options.views {
            let at_ns = self.now_ns + self.views.below(self.gap_ns + 1) as i64;
            self.engage_until(at_ns);
            self.now_ns = at_ns;
            self.view(at_ns);
            return true;
        }
        let Some(Reverse(last)) = self.future.peek() else { return false };
        let at_ns = last.at_ns;
        self.engage_until(at_ns);
        self.now_ns = self.now_ns.max(at_ns);
        true
    }

    fn view(&mut self, at_ns: i64) {
        let view = 1_000_000 + self.next_view;
        self.next_view += 1;
        let user = self.views.below(self.options.users) as u32;
        let item = self.views.skewed(self.options.items, self.options.skew) as u32;
        self.emit(0, at_ns, Content { view, user, item, ts: 0, engagement: None, poison: None });
        // A fifth of the views that have any has a second one, and so on.
        let mut share = self.options.engagement_rate * 0.8;
        while share > 0.0 && self.views.chance(share.min(0.999)) {
            self.engagement(at_ns, view, user);
            share = if share > 1.0 { share - 1.0 + 0.2 } else { 0.2 };
        }
        if self.options.hot > 0 && self.next_view == self.options.views / 5 + 1 {
            for _ in 0..self.options.hot {
                let delay = self.views.below((self.options.interval_ms / 10).max(1) as u64) as i64;
                let user = self.views.below(self.options.users) as u32;
                let kind = values::kind(&mut self.views);
                self.future.push(Reverse(Future { at_ns: at_ns + delay * MS, view, user, kind }));
            }
        }
    }

    fn engagement(&mut self, at_ns: i64, view: u64, user: u32) {
        let interval = self.options.interval_ms as u64;
        // Most soon, some at the very end: the cube of a uniform number.
        let soon = interval.min(200);
        let mut delay = soon + self.views.skewed((interval - soon).max(1), 3);
        if self.views.chance(self.options.outside) {
            delay = interval + 1 + self.views.below(interval / 3 + 1);
        }
        let orphan = self.views.chance(self.options.orphans);
        let view = if orphan { view + (1 << 40) } else { view };
        let kind = values::kind(&mut self.views);
        let at_ns = at_ns + (delay as i64).min(self.options.interval_ms * 2) * MS;
        self.future.push(Reverse(Future { at_ns, view, user, kind }));
    }

    fn engage_until(&mut self, at_ns: i64) {
        while let Some(Reverse(next)) = self.future.peek().copied()
            && next.at_ns <= at_ns
        {
            self.future.pop();
            let Future { at_ns, view, user, kind } = next;
            let content =
                Content { view, user, item: 0, ts: 0, engagement: Some(kind), poison: None };
            self.emit(1, at_ns, content);
        }
    }

    /// Something happened: when does it arrive, and what does it say?
    fn emit(&mut self, topic: u8, at_ns: i64, mut content: Content) {
        let producer = content.user % self.options.producers;
        self.key.clear();
        values::number(&mut self.key, content.view);
        let partitions = self.options.partitions;
        let partition = partition_of_key(&self.key, partitions[usize::from(topic)]) as u32;
        let mut delay_ns = (5 * MS) + self.delays.below(195 * MS as u64) as i64;
        if self.delays.chance(self.options.disorder) {
            delay_ns = self.delays.below((self.options.disorder_ms * MS) as u64 + 1) as i64;
        }
        let mut arrival_ns = at_ns + delay_ns;
        let mut clock_ms = at_ns.div_euclid(MS);
        let start_ns = self.options.start_ms * MS;
        for fault in &self.options.faults {
            match *fault {
                Fault::Stall { topic: t, partition: p, from, length }
                    if (t, p) == (topic, partition) =>
                {
                    arrival_ns = hold(arrival_ns, start_ns + from * MS, length * MS);
                }
                Fault::Slow { topic: t, partition: p, by } if (t, p) == (topic, partition) => {
                    arrival_ns += by * MS;
                }
                Fault::Idle { topic: t, partition: p, from, length }
                    if (t, p) == (topic, partition) =>
                {
                    let since = at_ns - (start_ns + from * MS);
                    if (0..length * MS).contains(&since) {
                        return;
                    }
                }
                Fault::Outage { producer: p, from, length } if p == producer => {
                    arrival_ns = hold(arrival_ns, start_ns + from * MS, length * MS);
                }
                Fault::Clock { producer: p, from, length, by } if p == producer => {
                    let since = at_ns - (start_ns + from * MS);
                    if (0..length * MS).contains(&since) {
                        clock_ms += by;
                    }
                }
                _ => {}
            }
        }
        content.ts = clock_ms;
        content.poison = self.poison();
        let source = if topic == 0 { partition } else { partitions[0] + partition };
        let number = self.emitted;
        self.emitted += 1;
        self.pending.push(Reverse(Pending { arrival_ns, number, source, producer, content }));
    }

    /// Poison comes at even distances, one kind after another.
    fn poison(&mut self) -> Option<Poison> {
        let kinds = Poison::ALL.len() as u64;
        let total = self.options.poison * kinds;
        if self.poisoned >= total {
            return None;
        }
        let due =
            u128::from(self.options.views) * u128::from(self.poisoned + 1) / u128::from(total + 1);
        (u128::from(self.emitted) >= due).then(|| {
            let kind = Poison::ALL[(self.poisoned % kinds) as usize];
            self.poisoned += 1;
            kind
        })
    }

    fn record(&mut self, pending: &Pending) -> Record {
        let offset = self.offsets[pending.source as usize];
        self.offsets[pending.source as usize] += 1;
        let arrival = self.arrival;
        self.arrival += 1;
        let mut key = Vec::with_capacity(16);
        values::number(&mut key, pending.content.view);
        let headers = if self.options.headers {
            let mut name = b"edge-".to_vec();
            values::number(&mut name, u64::from(pending.producer));
            vec![Header { key: "producer".into(), value: Some(name.into()) }]
        } else {
            Vec::new()
        };
        Record {
            arrival,
            arrival_ns: pending.arrival_ns,
            source: pending.source,
            offset,
            timestamp: Some(pending.content.ts),
            timestamp_type: TimestampType::Create,
            leader_epoch: None,
            key: Some(Bytes::from(key)),
            value: values::value(&pending.content).map(Bytes::from),
            headers,
        }
    }
}

/// What would arrive while something is held arrives just after, in order.
fn hold(arrival_ns: i64, from_ns: i64, length_ns: i64) -> i64 {
    let since = arrival_ns - from_ns;
    // A partition is a queue: what is sent while the backlog drains waits behind it.
    if (0..length_ns / (CATCH_UP - 1) * CATCH_UP).contains(&since) {
        from_ns + length_ns + since / CATCH_UP
    } else {
        arrival_ns
    }
}

impl Iterator for Feed {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        let ready = |feed: &Self| {
            feed.pending.peek().is_some_and(|Reverse(next)| next.arrival_ns <= feed.now_ns)
        };
        // Where nothing more happens, the rest comes in order.
        while !ready(self) && self.happen() {}
        let Reverse(next) = self.pending.pop()?;
        Some(self.record(&next))
    }
}

/// Writes a feed into a recording; the same options give the same bytes.
/// Progress is in views.
///
/// # Errors
/// The options are out of range, the file cannot be written, or it was
/// cancelled (then there is none).
pub fn feed(
    options: FeedOptions,
    path: &Path,
    writer: WriterOptions,
    job: &mut Job<'_>,
) -> Result<Info, RecordingError> {
    let described = options.describe();
    let views = options.views;
    let mut feed = Feed::new(options)
        .map_err(|what| RecordingError::Record { record: "generate feed".to_owned(), what })?;
    let mut writer = Writer::create(
        path,
        WriterOptions { arrival_order: ArrivalOrder::Generated, whole_or_nothing: true, ..writer },
    )?;
    writer.note("generated", &described);
    for partition in feed.partitions() {
        writer.partition(partition)?;
    }
    for n in 0u64.. {
        if n % 8_192 == 0 {
            job.step(feed.next_view, views)?;
        }
        let Some(record) = feed.next() else { break };
        writer.add(&record)?;
    }
    writer.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::edges::recording::{Recording, unattended, verify};

    fn small() -> FeedOptions {
        FeedOptions { views: 20_000, rate: 20.0, interval_ms: 120_000, ..FeedOptions::default() }
    }

    fn ts(record: &Record) -> Option<i64> {
        let value: serde_json::Value = serde_json::from_slice(record.value.as_ref()?).ok()?;
        value.get("ts")?.as_i64()
    }

    #[test]
    fn in_arrival_order_and_nothing_late_by_default() {
        let mut last = i64::MIN;
        let mut newest = i64::MIN;
        let mut counts = [0u64; 2];
        for (n, record) in Feed::new(small()).unwrap().enumerate() {
            assert_eq!(record.arrival, n as u64);
            assert!(record.arrival_ns >= last);
            last = record.arrival_ns;
            let ts = ts(&record).unwrap();
            assert_eq!(Some(ts), record.timestamp);
            assert!(ts * MS <= record.arrival_ns);
            assert!(ts >= newest.saturating_sub(60_000), "late at 60 s");
            newest = newest.max(ts);
            counts[usize::from(record.source >= 4)] += 1;
        }
        assert_eq!(counts[0], 20_000);
        let rate = counts[1] as f64 / counts[0] as f64;
        assert!((0.19..0.21).contains(&rate), "{rate}");
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = FeedOptions { views: 5_000, ..FeedOptions::incident() };
        let write = |options: &FeedOptions, name: &str| {
            let path = folder.path().join(name);
            unattended(|job| feed(options.clone(), &path, WriterOptions::default(), job)).unwrap();
            path
        };
        let (a, b) = (write(&options, "a"), write(&options, "b"));
        assert_eq!(std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
        assert!(unattended(|job| verify(&a, job)).unwrap().sound());
        options.seed += 1;
        let c = write(&options, "c");
        assert_ne!(Recording::open(&a).unwrap().digest(), Recording::open(&c).unwrap().digest());
    }

    #[test]
    fn each_fault_does_what_it_says() {
        let minute = 60_000i64;
        let options = |faults: &[&str]| FeedOptions {
            faults: faults.iter().map(|f| f.parse().unwrap()).collect(),
            disorder: 0.0,
            headers: true,
            ..small()
        };
        let at = |record: &Record| record.arrival_ns / MS - FeedOptions::default().start_ms;
        let run = |faults: &[&str]| Feed::new(options(faults)).unwrap().collect::<Vec<_>>();
        let stalled = run(&["stall:engagements[2]@5m+2m"]);
        let of_lane: Vec<_> = stalled.iter().filter(|r| r.source == 6).collect();
        assert!(!of_lane.iter().any(|r| (5 * minute..7 * minute).contains(&at(r))));
        let backlog = of_lane
            .iter()
            .filter(|r| at(r) >= 7 * minute && ts(r).unwrap() < r.arrival_ns / MS - minute);
        assert!(backlog.count() > 10);
        let idle = run(&["idle:views[1]@5m+2m"]);
        assert!(idle.len() < stalled.len());
        let slow = run(&["slow:views[1]+20s"]);
        assert!(
            slow.iter()
                .filter(|r| r.source == 1)
                .all(|r| r.arrival_ns / MS - ts(r).unwrap() >= 20_000)
        );
        let down = run(&["outage:3@5m+1m"]);
        let from = |r: &Record, name: &str| r.headers[0].value.as_deref() == Some(name.as_bytes());
        assert!(
            !down.iter().any(|r| from(r, "edge-3") && (5 * minute..6 * minute).contains(&at(r)))
        );
        let off = run(&["clock:2@5m+1m=-90s"]);
        let behind = off.iter().filter(|r| r.arrival_ns / MS - ts(r).unwrap() > 89_000);
        assert!(behind.clone().count() > 50 && behind.into_iter().all(|r| from(r, "edge-2")));
    }

    #[test]
    fn the_incident_has_its_parts() {
        let mut keys: HashMap<Bytes, u64> = HashMap::new();
        let (mut n, mut poison) = (0, 0);
        for record in Feed::new(FeedOptions::incident()).unwrap() {
            n += 1;
            *keys.entry(record.key.clone().unwrap()).or_default() += 1;
            poison += u64::from(ts(&record).is_none());
        }
        assert!((100_000..150_000).contains(&n), "{n}");
        assert!(*keys.values().max().unwrap() > 4_000);
        // Key poison keeps its time.
        assert!((20..36).contains(&poison), "{poison}");
    }

    #[test]
    fn options_out_of_range_are_refused() {
        for bad in [
            FeedOptions { rate: 0.0, ..small() },
            FeedOptions { rate: f64::NAN, ..small() },
            FeedOptions { partitions: [0, 1], ..small() },
            FeedOptions { engagement_rate: -1.0, ..small() },
            FeedOptions { interval_ms: i64::MAX, ..small() },
            FeedOptions { views: u64::MAX, ..small() },
            FeedOptions { faults: vec!["outage:99@1m+1m".parse().unwrap()], ..small() },
            // Nanoseconds of that do not fit.
            FeedOptions { faults: vec!["slow:views[1]+200000d".parse().unwrap()], ..small() },
            FeedOptions { faults: vec!["idle:views[1]@0s+200000d".parse().unwrap()], ..small() },
            FeedOptions { faults: vec!["clock:1@1m+1m=200000d".parse().unwrap()], ..small() },
            FeedOptions { start_ms: 8_000_000_000_000, views: 10, rate: 1e-8, ..small() },
        ] {
            assert!(Feed::new(bad).is_err());
        }
    }

    #[test]
    fn engagements_follow_within_a_short_interval_too() {
        let options = FeedOptions { interval_ms: 100, outside: 0.0, orphans: 0.0, ..small() };
        let key = |record: &Record| record.key.clone().unwrap();
        let records: Vec<Record> = Feed::new(options).unwrap().collect();
        let (views, engagements): (Vec<_>, Vec<_>) = records.iter().partition(|r| r.source < 4);
        let seen: HashMap<Bytes, i64> = views.iter().map(|r| (key(r), ts(r).unwrap())).collect();
        assert!(engagements.len() > 3_000);
        assert!(engagements.iter().all(|r| ts(r).unwrap() - seen[&key(r)] <= 100));
    }
}
