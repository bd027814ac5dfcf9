//! Random traces: each from a number of its own, so that one can be had again.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

use crate::trace::Trace;

pub mod flink;
pub mod kafka;

/// Trace `number` of a semantics and kind.
pub fn trace(semantics: &str, kind: &str, seed: u64, number: u64) -> Trace {
    let mut dice = Dice::new(semantics, kind, seed, number);
    match semantics {
        "kafka-streams" => kafka::trace(kind, &mut dice),
        _ => flink::trace(semantics, kind, &mut dice),
    }
}

pub struct Dice {
    rng: ChaCha8Rng,
    name: String,
}

impl Dice {
    pub fn new(semantics: &str, kind: &str, seed: u64, number: u64) -> Self {
        let name = format!("{semantics} {kind} seed {seed} trace {number}");
        // FNV-1a: the same on every machine and in every release of Rust.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self { rng: ChaCha8Rng::seed_from_u64(hash), name }
    }

    /// Both ends included.
    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        self.rng.random_range(from..=to.max(from))
    }

    pub fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_ratio(percent, 100)
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.rng.random_range(0..of.len())]
    }

    /// Just before, at, or just after.
    pub fn near(&mut self, time: i64) -> i64 {
        time.saturating_add(self.pick(&[-1, 0, 1]))
    }
}

/// Keys that tell orders apart: by their text, by their length (Flink's rows
/// hold up to seven bytes inline), by their encoding, by Java's hash.
const KEYS: [&str; 14] = [
    "a",
    "b",
    "",
    "Aa",
    "BB",
    "abcdefg",
    "abcdefgh",
    "abcdefghijkl",
    "é",
    "\u{7f}",
    "\u{80}",
    "日本",
    "😀",
    "10",
];

/// A few keys of one trace, the first of them hot.
pub struct Keys(Vec<&'static str>);

impl Keys {
    pub fn new(dice: &mut Dice) -> Self {
        let count = dice.pick(&[1, 1, 2, 2, 3, 5]);
        Self((0..count).map(|_| dice.pick(&KEYS)).collect())
    }

    pub fn one(&self, dice: &mut Dice) -> &'static str {
        if dice.chance(50) { self.0[0] } else { dice.pick(&self.0) }
    }
}

pub const SIDES: [&str; 2] = ["L", "R"];

/// The events as they come into being.
#[derive(Default)]
pub struct Story {
    pub events: Vec<Value>,
    /// Side and time of every row so far.
    pub rows: Vec<(usize, i64)>,
}

impl Story {
    pub fn row(&mut self, side: usize, key: Option<&str>, time: Option<i64>, null_value: bool) {
        let id = format!("{}{}", SIDES[side].to_lowercase(), self.events.len() + 1);
        let mut row = json!({ "in": SIDES[side], "key": key, "ts": time, "id": id });
        if null_value {
            row["null_value"] = true.into();
        }
        self.events.push(row);
        self.rows.extend(time.map(|time| (side, time)));
    }

    pub fn event(&mut self, event: Value) {
        self.events.push(event);
    }

    /// A row of that side, rather a recent one.
    pub fn earlier(&self, side: usize, dice: &mut Dice) -> Option<i64> {
        let times: Vec<i64> =
            self.rows.iter().rev().filter(|row| row.0 == side).map(|row| row.1).take(8).collect();
        (!times.is_empty()).then(|| dice.pick(&times))
    }

    pub fn trace(self, mut spec: Map<String, Value>, dice: &Dice) -> Trace {
        spec.insert("name".to_owned(), dice.name.clone().into());
        Trace { spec: spec.into(), events: self.events }
    }
}
