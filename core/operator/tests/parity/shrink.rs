//! From a trace that shows a difference to the smallest one that still does.

use serde_json::Value;

use crate::trace::Trace;

/// Which of the traces still show the difference.
pub type Differ<'a> = &'a mut dyn FnMut(&[Trace]) -> Vec<bool>;

/// The smallest trace reached by leaving out events, then by simpler settings,
/// keys and numbers, until nothing more can go.
pub fn shrink(trace: &Trace, differ: Differ<'_>) -> Trace {
    let mut best = trace.clone();
    loop {
        let fewer = fewer_events(best.clone(), differ);
        let simpler = simpler(fewer, differ);
        if simpler == best {
            return best;
        }
        best = simpler;
    }
}

/// Chunks of events are left out, the larger first.
fn fewer_events(mut best: Trace, differ: Differ<'_>) -> Trace {
    let mut size = best.events.len() / 2;
    while size > 0 {
        let candidates = (0..best.events.len())
            .step_by(size)
            .map(|from| {
                let mut candidate = best.clone();
                candidate.events.drain(from..(from + size).min(best.events.len()));
                candidate
            })
            .collect();
        match first(candidates, differ) {
            Some(smaller) => {
                best = smaller;
                size = size.min(best.events.len());
            }
            None => size /= 2,
        }
    }
    best
}

fn simpler(mut best: Trace, differ: Differ<'_>) -> Trace {
    loop {
        let weight = weight(&best);
        let mut candidates = without_settings(&best);
        candidates.extend(shifted(&best));
        candidates.extend(with_simpler_values(&best));
        candidates.retain(|candidate| self::weight(candidate) < weight);
        match first(candidates, differ) {
            Some(smaller) => best = smaller,
            None => return best,
        }
    }
}

fn first(mut candidates: Vec<Trace>, differ: Differ<'_>) -> Option<Trace> {
    candidates.retain(valid);
    // In parts: an early success spares the rest.
    for part in candidates.chunks(32) {
        let shown = differ(part);
        if let Some(at) = shown.iter().position(|differs| *differs) {
            return Some(part[at].clone());
        }
    }
    None
}

/// What must get smaller with every step, so that there is an end.
fn weight(trace: &Trace) -> (usize, u128, usize) {
    let lines = || std::iter::once(&trace.spec).chain(&trace.events);
    let fields = trace.spec.as_object().map_or(0, serde_json::Map::len)
        + trace.events.iter().filter_map(Value::as_object).map(serde_json::Map::len).sum::<usize>();
    let numbers = lines()
        .filter_map(Value::as_object)
        .flat_map(|line| line.values())
        .filter_map(Value::as_i64)
        // Of two numbers as far from 0, the positive one is simpler.
        .map(|number| u128::from(number.unsigned_abs()) * 2 + u128::from(number < 0))
        .sum();
    let keys = lines()
        .filter_map(|line| line.get("key")?.as_str())
        .map(|key| key.len() + key.chars().map(|char| char as usize).sum::<usize>());
    (fields, numbers, keys.sum())
}

const NEEDED: [&str; 7] =
    ["semantics", "kind", "lower_ms", "upper_ms", "before_ms", "after_ms", "grace_ms"];

fn without_settings(trace: &Trace) -> Vec<Trace> {
    let Some(spec) = trace.spec.as_object() else { return Vec::new() };
    spec.keys()
        .filter(|name| !NEEDED.contains(&name.as_str()))
        .map(|name| {
            let mut candidate = trace.clone();
            candidate.spec.as_object_mut().unwrap().shift_remove(name);
            candidate
        })
        .collect()
}

/// All event times moved together.
fn shifted(trace: &Trace) -> Vec<Trace> {
    let times: Vec<i64> =
        trace.events.iter().filter_map(|event| event.get("ts")?.as_i64()).collect();
    let (Some(least), Some(most)) = (times.iter().min(), times.iter().max()) else {
        return Vec::new();
    };
    [*least, least / 2, *most, most / 2, 1, -1]
        .into_iter()
        .filter_map(|by| {
            let mut candidate = trace.clone();
            for event in &mut candidate.events {
                if let Some(ts) = event.get("ts").and_then(Value::as_i64) {
                    event["ts"] = ts.checked_sub(by)?.into();
                }
            }
            Some(candidate)
        })
        .collect()
}

/// One value at a time.
fn with_simpler_values(trace: &Trace) -> Vec<Trace> {
    let mut candidates = Vec::new();
    let line = |trace: &Trace, at: usize| match at {
        0 => trace.spec.clone(),
        at => trace.events[at - 1].clone(),
    };
    for at in 0..=trace.events.len() {
        let Some(fields) = line(trace, at).as_object().cloned() else { continue };
        for (name, value) in &fields {
            let mut with = |value: Option<Value>| {
                let mut candidate = trace.clone();
                let line =
                    if at == 0 { &mut candidate.spec } else { &mut candidate.events[at - 1] };
                match value {
                    Some(value) => line[name] = value,
                    None => drop(line.as_object_mut().unwrap().shift_remove(name)),
                }
                candidates.push(candidate);
            };
            match value {
                Value::Number(number) => {
                    let Some(number) = number.as_i64() else { continue };
                    for simpler in
                        [0, number / 2, number - number.signum(), number.saturating_abs()]
                    {
                        with(Some(simpler.into()));
                    }
                }
                Value::String(_) if name == "key" => {
                    with(Some("a".into()));
                    with(Some("b".into()));
                }
                Value::Bool(_) if name == "null_value" => with(None),
                _ => {}
            }
        }
    }
    candidates
}

/// Whether a spec and its clock are ones that the protocol allows, and none of
/// those on which Flink SQL never returns (12-released-joins, B12).
pub fn valid(trace: &Trace) -> bool {
    let setting = |name| trace.setting(name);
    let mut clock = setting("clock_ms");
    let forward = trace.events.iter().filter_map(|event| event.get("clock")?.as_i64()).all(|to| {
        let forward = to >= clock;
        clock = to;
        forward
    });
    let times = || trace.events.iter().filter_map(|event| event.get("ts")?.as_i64());
    forward
        && match trace.semantics() {
            "kafka-streams" => {
                setting("before_ms") + setting("after_ms") >= 0
                    && setting("grace_ms") >= 0
                    && times().all(|time| time >= -1_000_000)
            }
            "flink-sql" => {
                let size = setting("upper_ms").max(-setting("lower_ms"));
                let largest = i64::MAX - size.max(0) - setting("min_cleanup_ms") - 1;
                let rows = trace.events.iter().filter(|event| event.get("in").is_some());
                setting("lower_ms") <= setting("upper_ms")
                    && rows.filter_map(|row| row["ts"].as_i64()).all(|time| time <= largest)
            }
            _ => setting("lower_ms") <= setting("upper_ms"),
        }
}
