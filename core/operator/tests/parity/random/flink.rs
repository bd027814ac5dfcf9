//! Traces with event-time watermarks: `flink-sql`, `flink-datastream`, `clean`.

use serde_json::{Map, Value, json};

use super::{Dice, Keys, SIDES, Story};
use crate::trace::Trace;

/// What one trace is about.
struct Theme {
    sql: bool,
    lower: i64,
    upper: i64,
    min_cleanup: i64,
    /// The unit in which its times differ.
    step: i64,
    /// The largest time that a row may have (12-released-joins, B12).
    largest: i64,
    /// Percent of the events.
    restores: u32,
    checkpoints: u32,
    idling: u32,
    null_keys: u32,
    null_times: u32,
    null_values: u32,
    ends: u32,
    /// An input that gives no watermark.
    stalled: Option<usize>,
}

pub fn trace(semantics: &str, kind: &str, dice: &mut Dice) -> Trace {
    let sql = semantics == "flink-sql";
    let mut spec = Map::new();
    spec.insert("semantics".to_owned(), semantics.into());
    spec.insert("kind".to_owned(), kind.into());
    let theme = theme(sql, dice);
    spec.insert("lower_ms".to_owned(), theme.lower.into());
    spec.insert("upper_ms".to_owned(), theme.upper.into());
    settings(&mut spec, &theme, dice);

    let mut now = start(sql, theme.step, dice);
    let keys = Keys::new(dice);
    let mut story = Story::default();
    let mut marks = [i64::MIN; 2];
    for _ in 0..dice.pick(&[3, 6, 10, 15, 20, 30, 45]) {
        now = now.saturating_add(dice.between(0, 3) * theme.step);
        let side = usize::from(dice.chance(50));
        let restores = theme.restores;
        match dice.between(0, 99) as u32 {
            0..28 if theme.stalled != Some(side) => {
                let time = mark(side, now, &marks, &story, &theme, dice);
                marks[side] = marks[side].max(time);
                story.event(json!({ "wm": SIDES[side], "ts": time }));
            }
            _ if dice.chance(restores) => {
                marks = [i64::MIN; 2];
                story.event(json!({ "snapshot": true }));
            }
            _ if dice.chance(theme.checkpoints) => story.event(json!({ "checkpoint": true })),
            _ if dice.chance(theme.idling) => {
                let what = dice.pick(&["idle", "idle", "active"]);
                story.event(json!({ what: SIDES[side] }));
            }
            _ if dice.chance(theme.ends) => {
                marks = [i64::MAX; 2];
                story.event(json!({ "end": true }));
            }
            _ => {
                let time = row_time(side, now, &marks, &story, &theme, dice).min(theme.largest);
                let key = keys.one(dice);
                let key = (!dice.chance(theme.null_keys)).then_some(key);
                let time = (!dice.chance(theme.null_times)).then_some(time);
                let null_value = dice.chance(theme.null_values);
                story.row(side, key, time, null_value);
            }
        }
    }
    if dice.chance(70) {
        story.event(json!({ "end": true }));
    }
    story.trace(spec, dice)
}

fn theme(sql: bool, dice: &mut Dice) -> Theme {
    let step = dice.pick(&[1, 1, 1, 1, 10, 1000]);
    let (near, far) = (dice.between(0, 6) * step, dice.between(0, 6) * step);
    let (lower, upper) = match dice.between(0, 9) {
        0..5 => (-near, far),
        5 => (near.min(far), near.max(far)),
        6 => (-near.max(far), -near.min(far)),
        7 => (0, far),
        8 => (-near, 0),
        _ => (near - far, near - far),
    };
    let sometimes = |dice: &mut Dice, of: u32, percent: u32| {
        if dice.chance(of) { percent } else { 0 }
    };
    let min_cleanup =
        if sql { dice.pick(&[0, 0, 0, 1, 2, 5, 20]) * dice.pick(&[1, step]) } else { 0 };
    let size = upper.max(-lower).max(0);
    Theme {
        sql,
        lower,
        upper,
        min_cleanup,
        step,
        largest: if sql { i64::MAX - size - min_cleanup - 1 } else { i64::MAX },
        restores: sometimes(dice, 15, 8),
        checkpoints: sometimes(dice, 10, 10),
        idling: sometimes(dice, 30, 15),
        // Any of these fails a DataStream job: rare there.
        null_keys: if sql { sometimes(dice, 10, 20) } else { sometimes(dice, 3, 5) },
        null_times: sometimes(dice, 2, 5),
        null_values: sometimes(dice, 5, 10),
        ends: sometimes(dice, 4, 5),
        stalled: dice.chance(12).then(|| usize::from(dice.chance(50))),
    }
}

fn settings(spec: &mut Map<String, Value>, theme: &Theme, dice: &mut Dice) {
    let mut set = |name: &str, value: Value| spec.insert(name.to_owned(), value);
    if theme.min_cleanup > 0 {
        set("min_cleanup_ms", theme.min_cleanup.into());
    }
    if dice.chance(25) {
        set("debug", true.into());
    }
    if dice.chance(if theme.sql { 8 } else { 1 }) {
        set("record_ts", false.into());
    }
    if dice.chance(4) {
        set("max_parallelism", dice.pick(&[2, 128]).into());
    }
    if !theme.sql {
        for name in ["lower_inclusive", "upper_inclusive"] {
            if dice.chance(20) {
                set(name, false.into());
            }
        }
    }
}

fn start(sql: bool, step: i64, dice: &mut Dice) -> i64 {
    match dice.between(0, 19) {
        0..9 => 20 * step,
        9..13 => dice.between(-5, 5) * step,
        13..15 => -100 * step,
        15..19 => 1_700_000_000_000,
        _ if sql => dice.pick(&[1 << 32, i64::MIN + 40 * step]),
        _ => dice.pick(&[1 << 32, i64::MAX - 40 * step, i64::MIN + 40 * step]),
    }
}

fn row_time(
    side: usize,
    now: i64,
    marks: &[i64; 2],
    story: &Story,
    theme: &Theme,
    dice: &mut Dice,
) -> i64 {
    let span = (theme.upper - theme.lower).max(4 * theme.step);
    let plain = |dice: &mut Dice| {
        let unit = dice.pick(&[1, theme.step]);
        now.saturating_add(dice.between(-span / unit, 3) * unit)
    };
    let combined = marks[0].min(marks[1]);
    match dice.between(0, 9) {
        // At the ends of the interval of a row of the other side.
        0..3 => match story.earlier(1 - side, dice) {
            Some(other) => {
                let bound = dice.pick(&[theme.lower, theme.upper]);
                let bound = if side == 0 { -bound } else { bound };
                dice.near(other.saturating_add(bound))
            }
            None => plain(dice),
        },
        // At the event-time watermark, or where it ends the row's interval.
        3..5 if combined != i64::MIN && combined != i64::MAX => {
            let size = if side == 0 { theme.upper } else { -theme.lower };
            let back = dice.pick(&[0, 0, size, size + 1, theme.upper, -theme.lower]);
            dice.near(combined.saturating_sub(back))
        }
        5 => story.earlier(dice.between(0, 1) as usize, dice).unwrap_or(now),
        6 => now,
        _ => plain(dice),
    }
}

fn mark(
    side: usize,
    now: i64,
    marks: &[i64; 2],
    story: &Story,
    theme: &Theme,
    dice: &mut Dice,
) -> i64 {
    let lag = |dice: &mut Dice| now.saturating_sub(dice.between(0, 4) * theme.step);
    match dice.between(0, 19) {
        // Where a row leaves, with and without the cleanup interval.
        0..8 => {
            let of = dice.between(0, 1) as usize;
            let size = if of == 0 { theme.upper } else { -theme.lower };
            match story.earlier(of, dice) {
                Some(time) => {
                    let more = dice.pick(&[0, theme.min_cleanup]);
                    dice.near(time.saturating_add(size.max(0)).saturating_add(more))
                }
                None => lag(dice),
            }
        }
        // Beside the other input.
        8..10 if marks[1 - side] != i64::MIN => dice.near(marks[1 - side]),
        // Back.
        10 => marks[side].saturating_sub(dice.between(0, 3) * theme.step),
        // Ahead.
        11..13 => now.saturating_add(dice.between(0, 8) * theme.step),
        _ => lag(dice),
    }
}
