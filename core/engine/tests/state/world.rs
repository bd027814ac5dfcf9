//! A join state that lives by a seed: rows come, match, go down to the cold
//! tier, expire. What the store must give back is known at every step.

use std::collections::{BTreeMap, BTreeSet};

use joinscope_core::edges::rocksdb::{CheckpointMeta, ColdTier, Position, Store, StoreOptions};
use joinscope_core::operator::key::{Key, KeyValue};
use joinscope_core::operator::state::{Cold as _, Delta, Due, Folded, Row};

pub const RETENTION: i64 = 10_000;

pub fn options() -> StoreOptions {
    StoreOptions { memory: 0, retention_ms: RETENTION }
}

/// A seeded generator (splitmix64).
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// The memory tier of one shard, as far as a store sees it.
#[derive(Default)]
struct Shard {
    memory: BTreeMap<Due, Row>,
    cold: BTreeMap<Due, Row>,
    /// Rows that the last checkpoint has as memory's.
    held: BTreeSet<Due>,
    changed: BTreeSet<Due>,
    removed: BTreeSet<Due>,
}

pub struct World {
    random: Random,
    shards: Vec<Shard>,
    arrival: u64,
    pub watermark: i64,
    spills: bool,
}

impl World {
    pub fn new(seed: u64, shards: usize, spills: bool) -> Self {
        Self {
            random: Random(seed),
            shards: (0..shards).map(|_| Shard::default()).collect(),
            arrival: 0,
            watermark: -5_000,
            spills,
        }
    }

    /// Some hundred events; every answer of the cold tiers is checked.
    pub fn epoch(&mut self, tiers: &mut [ColdTier], events: u64) {
        for _ in 0..events {
            match self.random.below(10) {
                0..=4 => self.arrive(),
                5 | 6 => self.matched(tiers),
                7 => self.find(tiers),
                8 => self.spill(tiers),
                _ => self.expire(tiers),
            }
        }
        for (shard, tier) in self.shards.iter().zip(tiers) {
            assert_eq!(tier.len(), shard.cold.len() as u64);
            let earliest = shard.cold.keys().next().map(|due| due.due);
            match (tier.earliest(), earliest) {
                (Some(bound), Some(due)) => assert!(bound <= due),
                (bound, due) => assert_eq!(bound.is_some(), due.is_some()),
            }
        }
    }

    fn arrive(&mut self) {
        let input = self.random.below(3) as u8;
        let time = self.watermark + self.random.below(3_000) as i64;
        let key = Key::new(KeyValue::Int(self.random.below(40) as i64));
        let stay = if input == 0 { RETENTION } else { RETENTION / i64::from(input) };
        let due = Due { due: time + stay, arrival: self.arrival, input };
        let row = Row {
            key,
            input,
            time,
            arrival: self.arrival,
            row: self.arrival,
            partition: (self.arrival % 4) as i32,
            offset: self.arrival as i64 / 4,
            labels: self.random.below(4),
            matched: false,
            corrections: 0,
            folded: Vec::new(),
        };
        self.arrival += 1;
        let count = self.shards.len() as u64;
        let shard = &mut self.shards[(row.key.hash64() % count) as usize];
        shard.memory.insert(due, row);
        shard.changed.insert(due);
    }

    /// Many arrivals and nothing else: the delta after them.
    pub fn arrivals(&mut self, count: u64) -> Delta {
        (0..count).for_each(|_| self.arrive());
        self.deltas().remove(0)
    }

    fn some_shard(&mut self) -> usize {
        self.random.below(self.shards.len() as u64) as usize
    }

    fn matched(&mut self, tiers: &mut [ColdTier]) {
        let at = self.some_shard();
        let from_cold = self.random.chance(50);
        let pick = self.random.next() as usize;
        let shard = &mut self.shards[at];
        let map = if from_cold { &mut shard.cold } else { &mut shard.memory };
        if map.is_empty() {
            return;
        }
        let pick = pick % map.len().min(50);
        let (due, row) = map.iter_mut().nth(pick).unwrap();
        row.matched = true;
        row.folded.push(Folded {
            input: 1,
            time: row.time + 5,
            arrival: self.arrival,
            row: self.arrival,
            partition: 0,
            offset: 7,
            labels: 1,
        });
        if from_cold {
            tiers[at].update(*due, row).unwrap();
        } else {
            shard.changed.insert(*due);
        }
    }

    fn find(&mut self, tiers: &mut [ColdTier]) {
        let key = Key::new(KeyValue::Int(self.random.below(50) as i64));
        let input = self.random.below(3) as u8;
        let lo = self.watermark - RETENTION + self.random.below(2 * RETENTION as u64) as i64;
        let hi = lo + self.random.below(RETENTION as u64) as i64;
        let at = (key.hash64() % self.shards.len() as u64) as usize;
        let mut found = vec![];
        tiers[at].find(&key, input, lo, hi, &mut found).unwrap();
        let mut expected: Vec<(Due, Row)> = self.shards[at]
            .cold
            .iter()
            .filter(|(due, row)| {
                due.input == input && row.key == key && (lo..=hi).contains(&row.time)
            })
            .map(|(due, row)| (*due, row.clone()))
            .collect();
        expected.sort_by_key(|(_, row)| (row.time, row.arrival));
        assert_eq!(found, expected);
    }

    fn spill(&mut self, tiers: &mut [ColdTier]) {
        if !self.spills {
            return;
        }
        let at = self.some_shard();
        let share = 1 + self.random.below(4);
        let shard = &mut self.shards[at];
        let picked: Vec<Due> =
            shard.memory.keys().filter(|due| due.arrival % share == 0).copied().collect();
        let rows: Vec<(Due, Row)> =
            picked.iter().map(|due| (*due, shard.memory.remove(due).unwrap())).collect();
        tiers[at].put(&rows).unwrap();
        for (due, row) in rows {
            shard.leave_memory(due);
            shard.cold.insert(due, row);
        }
    }

    fn expire(&mut self, tiers: &mut [ColdTier]) {
        self.watermark += self.random.below(120) as i64;
        let first = Due { due: self.watermark, arrival: 0, input: 0 };
        for (shard, tier) in self.shards.iter_mut().zip(tiers) {
            let kept = shard.memory.split_off(&first);
            for due in std::mem::replace(&mut shard.memory, kept).into_keys() {
                shard.leave_memory(due);
            }
            let kept = shard.cold.split_off(&first);
            let gone: Vec<_> = std::mem::replace(&mut shard.cold, kept).into_iter().collect();
            let mut taken = Vec::new();
            tier.take_due(self.watermark, &mut taken).unwrap();
            assert_eq!(taken, gone);
        }
    }

    /// What the shards hand over at a barrier.
    pub fn deltas(&mut self) -> Vec<Delta> {
        self.shards
            .iter_mut()
            .map(|shard| {
                let upserts: Vec<_> = std::mem::take(&mut shard.changed)
                    .into_iter()
                    .map(|due| (due, shard.memory[&due].clone(), shard.held.contains(&due)))
                    .collect();
                shard.held.extend(upserts.iter().map(|(due, ..)| *due));
                let removed = std::mem::take(&mut shard.removed).into_iter().collect();
                Delta::new(upserts, removed)
            })
            .collect()
    }

    pub fn meta(&self, epoch: u64) -> CheckpointMeta {
        CheckpointMeta {
            epoch,
            arrival: self.arrival,
            row: self.arrival,
            watermark: self.watermark,
            state_rows: self.rows().len() as u64,
            tracker: vec![1, 2, 3],
            shards: self.shards.len() as u16,
            offsets: vec![Position { topic: "views".into(), partition: 0, offset: 4 }],
            ..CheckpointMeta::default()
        }
    }

    /// All live rows, by due.
    pub fn rows(&self) -> Vec<Row> {
        let all: BTreeMap<&Due, &Row> =
            self.shards.iter().flat_map(|s| s.memory.iter().chain(&s.cold)).collect();
        all.into_values().cloned().collect()
    }

    /// Goes on as if restored: rows as given, in `shards` shards, all in memory.
    pub fn reshard(&mut self, rows: Vec<(Due, Row)>, shards: usize) {
        self.shards = (0..shards).map(|_| Shard::default()).collect();
        for (due, row) in rows {
            let shard = &mut self.shards[(row.key.hash64() % shards as u64) as usize];
            shard.held.insert(due);
            shard.memory.insert(due, row);
        }
    }
}

impl Shard {
    fn leave_memory(&mut self, due: Due) {
        self.changed.remove(&due);
        if self.held.remove(&due) {
            self.removed.insert(due);
        }
    }
}

pub fn tiers(store: &Store, shards: usize) -> Vec<ColdTier> {
    (0..shards as u16).map(|shard| store.cold(shard)).collect()
}

/// When a row leaves.
pub fn due(row: &Row) -> Due {
    let stay = if row.input == 0 { RETENTION } else { RETENTION / i64::from(row.input) };
    Due { due: row.time + stay, arrival: row.arrival, input: row.input }
}
