//! Random lists of rows and watermarks: the operator against [`super::reference`],
//! with rows in memory and below it, and over a restore.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::reference::{Event, Expected, expect};
use super::*;
use crate::key::{Key, KeyValue};
use crate::pipeline::{
    Delivery, EventTime, Examples, Format, Guarantee, Input, Join, KeyField, LatePolicy, Released,
    Secondary, Semantics, WatermarkSpec,
};
use crate::state::double::Double;

/// A pipeline of which only what the join looks at says something.
pub fn pipeline(primary: u8, with: &[(u8, i64, i64)], kind: Kind, emit: Option<Emit>) -> Pipeline {
    let input = |i: usize| Input {
        name: format!("input{i}").into(),
        topic: format!("topic{i}").into(),
        format: Format::Json,
        key: KeyField::Kafka,
        event_time: EventTime::Timestamp,
        schema: None,
        watermark: WatermarkSpec::default(),
        filter: Vec::new(),
    };
    Pipeline {
        name: "test".to_owned(),
        inputs: (0..=with.len()).map(input).collect(),
        join: Join {
            primary,
            with: with
                .iter()
                .map(|&(input, after, until)| Secondary { input, after, until })
                .collect(),
            kind,
            semantics: Semantics::Clean,
            released: Released::default(),
            late: LatePolicy::Join,
            output_time: OutputTime::Larger,
        },
        examples: emit.map(|emit| Examples { emit, labels: Vec::new() }),
        delivery: Delivery {
            guarantee: Guarantee::ExactlyOnce,
            checkpoint_interval: 1000,
            job: None,
        },
        sink: None,
    }
}

/// One record of a random case.
#[derive(Clone, Debug)]
struct Given {
    input: u8,
    /// It also feeds this input (a self-join).
    twin: Option<u8>,
    key: u8,
    time: i64,
    labels: u64,
    /// How far behind the largest time the watermark follows; `None`: it stays.
    lag: Option<i64>,
}

fn key(n: u8) -> Key {
    match n {
        0 => Key::new(KeyValue::Int(7)),
        1 => Key::new(KeyValue::String("7")),
        _ => Key::new(KeyValue::String("a key that is longer than a slot holds")),
    }
}

/// The events of a case; rows behind the watermark are left out where the
/// policy drops them.
fn events(given: &[Given], drop_late: bool, close: bool) -> Vec<Event> {
    let mut events = Vec::new();
    let (mut watermark, mut largest, mut row) = (i64::MIN, i64::MIN, 0);
    for (arrival, g) in given.iter().enumerate() {
        let arrival = arrival as u64;
        let twin = g.twin.filter(|&twin| twin != g.input);
        let mut inputs: Vec<u8> = std::iter::once(g.input).chain(twin).collect();
        inputs.sort_unstable();
        for input in inputs {
            if !(drop_late && g.time < watermark) {
                events.push(Event::Row(Row {
                    key: key(g.key),
                    input,
                    time: g.time,
                    arrival,
                    row,
                    partition: 3,
                    offset: 100 + arrival as i64,
                    labels: g.labels,
                    matched: false,
                    corrections: 0,
                    folded: Vec::new(),
                }));
            }
            row += 1;
        }
        largest = largest.max(g.time);
        if let Some(lag) = g.lag
            && largest - lag > watermark
        {
            watermark = largest - lag;
            events.push(Event::Advance(arrival, watermark));
        }
    }
    if close {
        events.push(Event::Advance(given.len() as u64, i64::MAX));
    }
    events
}

fn apply(clean: &mut Clean, watermark: &mut i64, event: &Event) -> Expected {
    let mut out = Vec::new();
    match event {
        Event::Row(row) => {
            let watermarks = Watermarks { join: *watermark, inputs: &[] };
            clean.row(row.clone(), None, watermarks, &mut out).unwrap();
        }
        Event::Advance(arrival, w) => {
            *watermark = *w;
            let watermarks = Watermarks { join: *w, inputs: &[] };
            clean.advance(*arrival, watermarks, &mut out).unwrap();
        }
    }
    let mut got = Expected { rest: clean.size().0, ..Expected::default() };
    for effect in out {
        match effect {
            Effect::Decided { row, verdict, reason, cause } => {
                assert!(got.decided.insert((row, verdict as u8, reason as u8, cause)));
            }
            Effect::Removed { row } => assert!(got.removed.insert(row)),
            output => got.outputs.push(output),
        }
    }
    if let Event::Row(row) = event
        && !got.removed.contains(&row.row)
    {
        got.kept.insert(row.row);
    }
    let mut sorted = got.outputs.clone();
    sorted.sort_by_key(Effect::order);
    assert_eq!(sorted, got.outputs, "outputs do not come in their order");
    got
}

/// How the operator is run.
#[derive(Clone, Debug, Default)]
struct Way {
    budget: Option<u64>,
    /// How wrong the cold tier's lower bound is.
    slack: i64,
    /// Before these events a checkpoint is taken.
    checkpoints: Vec<usize>,
    /// And after those of them that are here, restored into a new operator.
    restores: Vec<usize>,
    /// All rows come back into memory, as they do from the disk; else those below it
    /// are there still.
    whole: bool,
    /// All but so many changed rows are copied ahead after each event.
    ahead: Option<usize>,
}

fn check(pipeline: &Pipeline, events: &[Event], way: &Way) {
    let cold = Double { slack: way.slack, ..Double::default() };
    let make = || match way.budget {
        None => Clean::new(pipeline, u64::MAX, None),
        Some(budget) => Clean::new(pipeline, budget, Some(Box::new(cold.clone()))),
    };
    let mut clean = make();
    let mut watermark = i64::MIN;
    // The memory tier's rows as the last checkpoint holds them.
    let mut held: BTreeMap<Due, Row> = BTreeMap::new();
    for (i, (event, expected)) in events.iter().zip(expect(pipeline, events)).enumerate() {
        if way.checkpoints.contains(&i) {
            let delta = clean.take_changes().into_delta();
            assert!(delta.changes().is_sorted_by_key(|change| change.due()));
            for due in delta.removed() {
                assert!(held.remove(&due).is_some(), "{due:?} was in no checkpoint");
            }
            held.extend(delta.rows());
            held.retain(|due, _| due.due >= delta.earliest);
            assert_eq!(held.len() as u64, clean.size().0 - clean.cold_rows(), "at event {i}");
            if way.restores.contains(&i) {
                if way.whole {
                    held.append(&mut cold.rows.lock().unwrap());
                }
                clean = make();
                clean.restore(held.values().cloned().collect()).unwrap();
            }
        }
        let got = apply(&mut clean, &mut watermark, event);
        assert_eq!(got, expected, "at event {i}: {event:?}");
        if let Some(leave) = way.ahead {
            clean.copy_ahead(leave);
        }
    }
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Inner), Just(Kind::Left), Just(Kind::Right), Just(Kind::Full)]
}

prop_compose! {
    /// Bounds around 0, negative and one-sided ones among them.
    fn interval()(lower in -6i64..=6, length in prop_oneof![Just(0i64), Just(1), 2i64..12])
        -> (i64, i64) { (lower, lower + length) }
}

prop_compose! {
    fn setting()(
        intervals in prop::collection::vec(interval(), 1..4),
        primary in 0u8..4,
        kind in kind(),
        emit in prop_oneof![
            Just(None), Just(Some(Emit::OnMatch)),
            Just(Some(Emit::OnClose)), Just(Some(Emit::EarlyAndCorrect)),
        ],
        by_primary in any::<bool>(),
    ) -> Pipeline {
        let primary = primary % (intervals.len() as u8 + 1);
        let others = (0..=intervals.len() as u8).filter(|&input| input != primary);
        let with: Vec<(u8, i64, i64)> =
            others.zip(&intervals).map(|(input, &(lower, upper))| (input, lower, upper)).collect();
        let kind = if emit.is_some_and(Emit::folds) { Kind::Left } else { kind };
        let mut pipeline = pipeline(primary, &with, kind, emit);
        if by_primary {
            pipeline.join.output_time = OutputTime::Primary;
        }
        pipeline
    }
}

prop_compose! {
    fn given()(
        input in 0u8..4,
        twin in prop::option::weighted(0.3, 0u8..4),
        key in 0u8..3,
        time in prop_oneof![3 => -12i64..24, 1 => 0i64..3],
        labels in 0u64..4,
        lag in prop::option::weighted(0.6, -2i64..15),
    ) -> Given { Given { input, twin, key, time, labels, lag } }
}

prop_compose! {
    fn way()(
        budget in prop::option::weighted(0.7, prop_oneof![Just(0u64), 300u64..3000]),
        slack in prop_oneof![Just(0i64), 0i64..3000],
        checkpoints in prop::collection::vec(0usize..60, 0..6),
        restored in any::<bool>(),
        whole in any::<bool>(),
        ahead in prop::option::of(0usize..4),
    ) -> Way {
        let restores = if restored { checkpoints.clone() } else { Vec::new() };
        Way { budget, slack, checkpoints, restores, whole, ahead }
    }
}

/// Around which time a case lies: near the ends of all times, too.
fn around() -> impl Strategy<Value = i64> {
    prop_oneof![4 => Just(0i64), 1 => Just(i64::MIN + 200), 1 => Just(i64::MAX - 200)]
}

/// Inputs that the pipeline lacks become those that it has; times lie around one.
fn fit(given: &[Given], pipeline: &Pipeline, around: i64) -> Vec<Given> {
    let inputs = pipeline.inputs.len() as u8;
    let fit = |g: &Given| Given {
        input: g.input % inputs,
        twin: g.twin.map(|twin| twin % inputs),
        time: around + g.time,
        ..g.clone()
    };
    given.iter().map(fit).collect()
}

proptest! {
    #![proptest_config(Config { cases: 3000, ..Config::default() })]

    #[test]
    fn as_the_reference_says(
        pipeline in setting(),
        given in prop::collection::vec(given(), 0..40),
        drop_late in any::<bool>(),
        close in any::<bool>(),
        way in way(),
        around in around(),
    ) {
        let events = events(&fit(&given, &pipeline, around), drop_late, close);
        check(&pipeline, &events, &Way::default());
        check(&pipeline, &events, &way);
    }

    /// Few keys, many rows: chains become groups and chains again.
    #[test]
    fn hot_keys_as_the_reference_says(
        mut pipeline in setting(),
        given in prop::collection::vec(given(), 60..120),
        way in way(),
        around in around(),
    ) {
        for with in &mut pipeline.join.with {
            with.until += 20;
        }
        let mut given = fit(&given, &pipeline, around);
        for (i, g) in given.iter_mut().enumerate() {
            g.key = 2 * u8::from(g.key == 2);
            g.lag = g.lag.filter(|_| i % 8 == 7);
        }
        let events = events(&given, false, true);
        check(&pipeline, &events, &way);
    }
}
