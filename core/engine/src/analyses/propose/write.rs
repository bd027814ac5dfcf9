//! The proposed pipeline as commented TOML.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use super::fields::{Field, UNITS, sounds_like_key};
use super::formats::Looks;
use super::sample::TopicSample;
use crate::edges::recording::Recording;
use crate::operator::pipeline::{Scalar, label_condition, quoted};
use crate::operator::time::{duration_setting, format_duration};

/// A key of one topic: a field, or the Kafka key.
#[derive(Clone, Debug, PartialEq)]
struct KeyOf {
    path: Option<String>,
    /// Records that have it.
    there: u64,
    values: HashSet<u64>,
}

impl KeyOf {
    fn setting(&self) -> &str {
        self.path.as_deref().unwrap_or("$key")
    }
}

/// Which topics join, on what.
struct Plan {
    primary: usize,
    /// By topic.
    keys: Vec<KeyOf>,
    /// Topics that share a key with the primary, and the share of theirs found there.
    with: Vec<(usize, f64)>,
}

pub(super) fn pipeline(topics: &[TopicSample], name: &str, recording: &Recording) -> String {
    let plan = plan(topics);
    let names = names(topics);
    let mut o = String::new();
    // Writing to a String cannot fail.
    let _ = write_all(&mut o, topics, &names, &plan, name, recording);
    o
}

fn write_all(
    o: &mut String,
    topics: &[TopicSample],
    names: &[String],
    plan: &Plan,
    name: &str,
    recording: &Recording,
) -> std::fmt::Result {
    let file = recording.path().file_name().map(|f| f.to_string_lossy().into_owned());
    writeln!(
        o,
        "# A proposal from the first records of each topic of {}.",
        line(&file.unwrap_or_default())
    )?;
    writeln!(o, "# Try it: joinscope pipeline check, then joinscope run.\n")?;
    writeln!(o, "name = {}", quoted(name))?;
    let joined = |i: usize| i == plan.primary || plan.with.iter().any(|(w, _)| *w == i);
    for (i, topic) in topics.iter().enumerate() {
        if joined(i) {
            input(o, topic, &names[i], &plan.keys[i])?;
        }
    }
    // A join has two sides: a topic alone is joined with itself.
    let own = plan.with.is_empty().then(|| format!("{}_again", names[plan.primary]));
    if let Some(again) = &own {
        writeln!(
            o,
            "\n# Only one topic to join: the same again as the other side. Let where tell them apart."
        )?;
        input(o, &topics[plan.primary], again, &plan.keys[plan.primary])?;
    }
    let left: Vec<&str> =
        topics.iter().enumerate().filter(|(i, _)| !joined(*i)).map(|(_, t)| &*t.topic).collect();
    if !left.is_empty() {
        writeln!(o, "\n# Not joined, no key in common was seen: {}", line(&left.join(", ")))?;
    }
    writeln!(o, "\n[join]")?;
    writeln!(o, "primary = {}", quoted(&names[plan.primary]))?;
    for (i, share) in &plan.with {
        let (after, until, seen) = interval(
            (&topics[plan.primary], &plan.keys[plan.primary]),
            (&topics[*i], &plan.keys[*i]),
        );
        writeln!(
            o,
            "# {:.0} % of the keys seen in {} were seen in {}; {seen}",
            share * 100.0,
            names[*i],
            names[plan.primary]
        )?;
        writeln!(o, "with.{} = {{ after = \"{after}\", until = \"{until}\" }}", names[*i])?;
    }
    if let Some(again) = &own {
        writeln!(o, "with.{again} = {{ after = \"0s\", until = \"30m\" }}")?;
    }
    writeln!(o, "kind = \"left\"                # inner | left | right | full")?;
    writeln!(o, "late = \"drop\"                # drop | join | side-output")?;
    let (with, with_name) = match (plan.with.first(), &own) {
        (Some((i, _)), _) => (&topics[*i], names[*i].clone()),
        (None, again) => (&topics[plan.primary], again.clone().unwrap_or_default()),
    };
    examples(o, with, &with_name)?;
    writeln!(o, "\n[delivery]")?;
    writeln!(o, "guarantee = \"exactly-once\"    # exactly-once | at-least-once | at-most-once")?;
    writeln!(o, "checkpoint_interval = \"1s\"")
}

fn input(o: &mut String, t: &TopicSample, name: &str, key: &KeyOf) -> std::fmt::Result {
    let percent = |n: u64, of: u64| format!("{:.0} %", n as f64 * 100.0 / of.max(1) as f64);
    writeln!(o, "\n[inputs.{name}]")?;
    writeln!(o, "topic = {}", quoted(&t.topic))?;
    let s = |n: u64| if n == 1 { "" } else { "s" };
    writeln!(
        o,
        "# {} record{} in {} partition{}; {} looked at",
        t.total,
        s(t.total),
        t.partitions,
        s(t.partitions as u64),
        t.records
    )?;
    match t.looks {
        Looks::Json | Looks::AvroRegistry => {
            let share = percent(t.decoded, t.values());
            writeln!(o, "format = \"{}\"   # {share} of them decode so", t.looks.format().name())?;
        }
        Looks::FramedWithoutSchema => {
            writeln!(
                o,
                "# They carry schema ids that the recording has no schemas for: give --registry"
            )?;
            writeln!(o, "# to pipeline new, pipeline check and run, or record it again with it.")?;
            writeln!(o, "format = \"avro-registry\"")?;
        }
        Looks::OtherSchema => {
            writeln!(
                o,
                "# Their schemas are Protobuf or JSON Schema, which are not decoded: leave"
            )?;
            writeln!(o, "# this topic out, or join a copy of it in Avro or unframed JSON.")?;
            writeln!(o, "format = \"avro-registry\"")?;
        }
        Looks::Unknown => {
            writeln!(o, "# Neither JSON nor Avro of a registry. Plain Avro needs its schema:")?;
            writeln!(o, "# schema = \"{}.avsc\"", line(&t.topic))?;
            writeln!(o, "format = \"avro\"")?;
        }
    }
    let of = if key.path.is_some() { t.values() } else { t.records };
    writeln!(
        o,
        "key = {}   # in {} of them, {} different",
        quoted(key.setting()),
        percent(key.there, of),
        key.values.len()
    )?;
    let others: Vec<String> = key_fields(t)
        .into_iter()
        .filter(|k| k.path != key.path)
        .take(8)
        .map(|k| {
            let of = if k.path.is_some() { t.values() } else { t.records };
            format!("{} ({}, {} different)", k.setting(), percent(k.there, of), k.values.len())
        })
        .collect();
    if !others.is_empty() {
        writeln!(o, "# could be the key, too: {}", line(&others.join(", ")))?;
    }
    let times = t.times();
    let chosen: Vec<i64> = if let Some((path, unit, n)) = times.first() {
        let unit_name = UNITS[*unit].name();
        writeln!(
            o,
            "event_time = {{ field = {}, unit = \"{unit_name}\" }}   # in {} of them",
            quoted(path),
            percent(*n, t.values())
        )?;
        t.fields.by_path.get(*path).map(|f| f.ms[*unit].clone()).unwrap_or_default()
    } else {
        writeln!(o, "event_time = \"$timestamp\"   # no field looks like a time")?;
        t.timestamps.clone()
    };
    let others: Vec<String> = times
        .iter()
        .skip(1)
        .take(8)
        .map(|(path, unit, n)| {
            format!("{path} ({}, {})", UNITS[*unit].name(), percent(*n, t.values()))
        })
        .collect();
    if !others.is_empty() {
        writeln!(o, "# could be the event time, too: {}", line(&others.join(", ")))?;
    }
    let disorder = TopicSample::disorder(&chosen);
    writeln!(
        o,
        "# in the sample a record came at most {} behind the one furthest ahead",
        format_duration(disorder)
    )?;
    writeln!(o, "# and a partition was silent for at most {}", format_duration(t.silence))?;
    // Silence as long as the timeout is idleness: what comes after it can be late.
    let idle = t.silence.saturating_add(1).max(30_000);
    writeln!(
        o,
        "watermark = {{ max_out_of_orderness = \"{}\", idle_timeout = \"{}\" }}",
        duration_setting(round_up(disorder.max(1_000))),
        duration_setting(round_up(idle))
    )?;
    for (path, f) in t
        .fields
        .by_path
        .iter()
        .filter(|(path, f)| f.is_few() && Some(*path) != key.path.as_ref())
        .take(3)
    {
        let values: Vec<String> = f.few.keys().take(6).map(|v| quoted(v)).collect();
        writeln!(o, "# where = {{ {} = [{}] }}", quoted(path), line(&values.join(", ")))?;
    }
    Ok(())
}

fn examples(o: &mut String, with: &TopicSample, name: &str) -> std::fmt::Result {
    // A label has a name, and its condition ends with the first "=".
    let named = |f: &Field| f.few.keys().find(|value| !value.trim().is_empty()).cloned();
    let few = with.fields.by_path.iter().find_map(|(path, f)| {
        (f.is_few() && !path.contains('=')).then(|| named(f))?.map(|value| (path.as_str(), value))
    });
    writeln!(o, "\n# One row for each record of the primary, with what joined it as labels:")?;
    writeln!(o, "# [examples]")?;
    writeln!(o, "# emit = \"on-close\"            # on-match | on-close | early-and-correct")?;
    let (path, value) = few.unwrap_or_else(|| ("FIELD", "VALUE".to_owned()));
    let text = label_condition(name, path, &Scalar::String(value.clone()));
    writeln!(o, "# labels = {{ {} = {} }}", quoted(&value), line(&quoted(&text)))
}

/// A text within a comment.
fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(400).collect()
}

/// Topics as names of inputs.
fn names(topics: &[TopicSample]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for topic in topics {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let base: String = topic.topic.chars().take(56).map(plain).collect();
        let mut name = base.clone();
        let mut n = 2;
        while names.contains(&name) {
            name = format!("{base}_{n}");
            n += 1;
        }
        names.push(name);
    }
    names
}

/// What could be a topic's key, the likeliest first.
fn key_fields(t: &TopicSample) -> Vec<KeyOf> {
    let times: Vec<&str> = t.times().into_iter().map(|(path, ..)| path).collect();
    let mut keys: Vec<KeyOf> = t
        .fields
        .order
        .iter()
        .filter(|path| !times.contains(&path.as_str()))
        .filter_map(|path| t.fields.by_path.get(path).map(|f| (path, f)))
        .filter(|(_, f)| f.keys * 2 > t.values() && f.values.len() > 1)
        .map(|(path, f)| KeyOf {
            path: Some(path.clone()),
            there: f.keys,
            values: f.values.clone(),
        })
        .collect();
    if t.keyed * 2 > t.records && t.keys.len() > 1 {
        keys.push(KeyOf { path: None, there: t.keyed, values: t.keys.clone() });
    }
    keys.sort_by_key(|k| {
        let name = k.path.as_deref().map_or(0, sounds_like_key);
        std::cmp::Reverse((name, k.values.len()))
    });
    keys
}

fn plan(topics: &[TopicSample]) -> Plan {
    let fallback = || KeyOf { path: None, there: 0, values: HashSet::new() };
    let candidates: Vec<Vec<KeyOf>> = topics.iter().map(key_fields).collect();
    let first = |i: usize| candidates[i].first().cloned().unwrap_or_else(fallback);
    let mut keys: Vec<KeyOf> = (0..topics.len()).map(first).collect();
    // The pair of fields with the most values in common leads.
    let mut best: Option<(f64, usize, usize, KeyOf, KeyOf)> = None;
    for a in 0..topics.len() {
        for b in 0..topics.len() {
            if a == b {
                continue;
            }
            for (ka, kb) in
                candidates[a].iter().flat_map(|ka| candidates[b].iter().map(move |kb| (ka, kb)))
            {
                let score = score(ka, kb, topics[a].values());
                if score > best.as_ref().map_or(0.0, |b| b.0) {
                    best = Some((score, a, b, ka.clone(), kb.clone()));
                }
            }
        }
    }
    let Some((_, primary, _, key, _)) = best else {
        return Plan { primary: 0, with: Vec::new(), keys };
    };
    keys[primary] = key;
    let mut with = Vec::new();
    for i in (0..topics.len()).filter(|i| *i != primary) {
        let best = candidates[i]
            .iter()
            .map(|k| (shared(k, &keys[primary]), k))
            .filter(|(share, _)| *share > 0.0)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((share, k)) = best {
            keys[i] = k.clone();
            with.push((i, share));
        }
    }
    Plan { primary, keys, with }
}

/// The share of the keys of `k` that `of` has.
fn shared(k: &KeyOf, of: &KeyOf) -> f64 {
    let common = k.values.intersection(&of.values).count();
    common as f64 / k.values.len().max(1) as f64
}

/// How well `b` joins the primary `a`: keys in common, a primary whose key tells
/// its records apart, names that sound like keys and agree.
fn score(a: &KeyOf, b: &KeyOf, records: u64) -> f64 {
    let common = shared(b, a);
    if common == 0.0 {
        return 0.0;
    }
    let unique = a.values.len() as f64 / records.max(1) as f64;
    let same = f64::from(u8::from(a.path.is_some() && a.path == b.path));
    let sounds = a.path.as_deref().map_or(0.0, |p| f64::from(sounds_like_key(p)));
    // Few different values in common mean little: true and false are everywhere.
    let many = (a.values.len().min(b.values.len()) as f64 / 20.0).min(1.0);
    (common + unique + 0.3 * same + 0.2 * sounds) * many
}

/// An interval in which nearly all pairs of the sample lie, rounded; and what
/// was seen.
fn interval(
    (primary, primary_key): (&TopicSample, &KeyOf),
    (with, key): (&TopicSample, &KeyOf),
) -> (String, String, String) {
    let mut times: HashMap<u64, Vec<i64>> = HashMap::new();
    for (key, ms) in primary.keyed_times(primary_key.path.as_deref()) {
        times.entry(key).or_default().push(ms);
    }
    // Each with the nearest record of its key.
    let mut apart: Vec<i64> = with
        .keyed_times(key.path.as_deref())
        .iter()
        .filter_map(|(key, ms)| {
            let near = times.get(key)?.iter().min_by_key(|t| ms.abs_diff(**t))?;
            ms.checked_sub(*near)
        })
        .collect();
    apart.sort_unstable();
    let (Some(first), Some(last)) = (apart.first().copied(), apart.last().copied()) else {
        let seen = "how long after is a guess".to_owned();
        return ("0s".to_owned(), "30m".to_owned(), seen);
    };
    let at = |share: usize| apart[(apart.len() - 1) * share / 100];
    let (low, high) = (at(1), at(99));
    let after = if low < 0 { -round_up(-low) } else { 0 };
    let until = if high > 0 { round_up(high) } else { 0 };
    let seen = format!(
        "{} pair{} lay {} to {} after it",
        apart.len(),
        if apart.len() == 1 { "" } else { "s" },
        format_duration(first),
        format_duration(last)
    );
    (duration_setting(after), duration_setting(until), seen)
}

const DAY: i64 = 86_400_000;

/// The next duration that one would write; beyond 30 days whole days.
fn round_up(ms: i64) -> i64 {
    const STEPS: [i64; 17] = [
        1_000,
        5_000,
        10_000,
        30_000,
        60_000,
        300_000,
        600_000,
        1_800_000,
        3_600_000,
        10_800_000,
        21_600_000,
        43_200_000,
        DAY,
        259_200_000,
        604_800_000,
        1_209_600_000,
        2_592_000_000,
    ];
    STEPS.into_iter().find(|step| *step >= ms).unwrap_or(ms.saturating_add(DAY - 1) / DAY * DAY)
}
