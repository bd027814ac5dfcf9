//! Traces without event-time watermarks: `kafka-streams`.

use serde_json::{Map, Value, json};

use super::{Dice, Keys, Story};
use crate::trace::Trace;

struct Theme {
    before: i64,
    after: i64,
    grace: i64,
    step: i64,
    /// Percent of the events.
    clocks: u32,
    jumps: u32,
    null_keys: u32,
    null_values: u32,
    invalid: u32,
}

pub fn trace(kind: &str, dice: &mut Dice) -> Trace {
    let theme = theme(dice);
    let mut clock = if dice.chance(10) { dice.between(1, 5000) } else { 0 };
    let spec = spec(kind, &theme, clock, dice);
    let keys = Keys::new(dice);
    let mut story = Story::default();
    let mut now = dice.between(0, 10) * theme.step;
    let mut stream = -1;
    for _ in 0..dice.pick(&[3, 6, 10, 15, 20, 30, 45]) {
        if dice.chance(theme.clocks) {
            clock += dice.pick(&[0, 1, 99, 100, 500, 999, 1000, 1001, 5000]);
            story.event(json!({ "clock": clock }));
            continue;
        }
        now += dice.between(0, 3) * theme.step;
        if dice.chance(theme.jumps) {
            let beyond = theme.before + theme.after + theme.grace;
            now += dice.pick(&[beyond, 60_000, 61_000, 180_000, 2 * beyond + 1]);
        }
        let side = usize::from(dice.chance(50));
        let mut time = row_time(side, now, stream, &story, &theme, dice).max(0);
        if dice.chance(theme.invalid) {
            time = -dice.between(1, 5);
        }
        stream = stream.max(time);
        let key = keys.one(dice);
        let key = (!dice.chance(theme.null_keys)).then_some(key);
        let null_value = dice.chance(theme.null_values);
        // A record without a timestamp is one that is invalid.
        let time = (time >= 0 || dice.chance(80)).then_some(time);
        story.row(side, key, time, null_value);
    }
    story.trace(spec, dice)
}

fn theme(dice: &mut Dice) -> Theme {
    let step = dice.pick(&[1, 1, 1, 1, 100, 20_000]);
    let (before, after) = match dice.between(0, 9) {
        0..6 => (dice.between(0, 6), dice.between(0, 6)),
        6 => (0, dice.between(0, 6)),
        7 => (dice.between(0, 6), 0),
        // One bound negative: the window lies on one side of the row.
        _ => {
            let (near, far) = (dice.between(0, 4), dice.between(0, 4));
            if dice.chance(50) { (-near, near + far) } else { (near + far, -near) }
        }
    };
    let sometimes = |dice: &mut Dice, of: u32, percent: u32| {
        if dice.chance(of) { percent } else { 0 }
    };
    Theme {
        before: before * step,
        after: after * step,
        grace: dice.pick(&[0, 0, 1, 2, 5, 10]) * step,
        step,
        clocks: dice.pick(&[0, 5, 15, 30]),
        jumps: dice.pick(&[0, 0, 3, 10]),
        null_keys: sometimes(dice, 15, 15),
        null_values: sometimes(dice, 15, 15),
        invalid: sometimes(dice, 8, 8),
    }
}

fn spec(kind: &str, theme: &Theme, clock: i64, dice: &mut Dice) -> Map<String, Value> {
    let mut spec = Map::new();
    let mut set = |name: &str, value: Value| spec.insert(name.to_owned(), value);
    set("semantics", "kafka-streams".into());
    set("kind", kind.into());
    set("before_ms", theme.before.into());
    set("after_ms", theme.after.into());
    set("grace_ms", theme.grace.into());
    // A RocksDB for each store is slow to open: mostly in memory.
    set("store", if dice.chance(10) { "rocksdb" } else { "memory" }.into());
    if dice.chance(40) {
        set("emit_interval_ms", dice.pick(&[0, 0, 1, 100, 1000, 5000]).into());
    }
    if clock > 0 {
        set("clock_ms", clock.into());
    }
    if dice.chance(20) {
        set("max_task_idle_ms", dice.pick(&[0, 1, 100, 1000]).into());
    }
    if theme.invalid > 0 && dice.chance(80) {
        set("on_invalid", "skip".into());
    }
    spec
}

fn row_time(
    side: usize,
    now: i64,
    stream: i64,
    story: &Story,
    theme: &Theme,
    dice: &mut Dice,
) -> i64 {
    let plain = |dice: &mut Dice| {
        let span = (theme.before + theme.after + theme.grace) / theme.step;
        now + dice.between(-span.max(3), 2) * theme.step
    };
    let close = |side: usize| theme.grace + if side == 0 { theme.after } else { theme.before };
    match dice.between(0, 19) {
        // At the ends of the window of a row of the other side.
        0..6 => match story.earlier(1 - side, dice) {
            Some(other) => {
                let by = dice.pick(&[theme.before, -theme.after]);
                dice.near(if side == 0 { other + by } else { other - by })
            }
            None => plain(dice),
        },
        // Where an earlier row's window closes.
        6..10 => {
            let of = usize::from(dice.chance(50));
            match story.earlier(of, dice) {
                Some(time) => dice.near(time + close(of)),
                None => plain(dice),
            }
        }
        // Where a row is too old for the store, or out of order by more than its window.
        10..13 if stream >= 0 => {
            let own = if side == 0 { theme.after } else { theme.before };
            let retention = theme.before + theme.after + theme.grace;
            let back = dice.pick(&[retention, own, own + theme.grace]);
            dice.near(stream - back)
        }
        13..15 => story.earlier(usize::from(dice.chance(50)), dice).unwrap_or(now),
        15..17 => stream.max(now),
        _ => plain(dice),
    }
}
