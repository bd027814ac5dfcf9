//! The protocol under faults, schedule by schedule.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::check::{Violation, check};
use super::input::Input;
use super::matrix::{Matrix, Spec, matrix};
use super::oracle::oracle;
use super::schedule::{Incident, Schedule, What};
use super::world::{Lived, Setup, World};
use crate::edges::fault::POINTS;
use crate::edges::log::sim::{Call, Fault, SimLog};
use crate::engine::AtEnd;
use crate::engine::delivery::Bugs;
use crate::operator::pipeline::Pipeline;
use crate::operator::record::{Record, TimestampType, TopicPartition};

pub(super) fn pipeline(guarantee: &str) -> Arc<Pipeline> {
    let text = format!(
        r#"
name = "case"
[inputs.views]
topic = "views"
format = "json"
key = "k"
event_time = {{ field = "ts", unit = "ms" }}
watermark = {{ max_out_of_orderness = "20ms" }}
[inputs.likes]
topic = "likes"
format = "json"
key = "k"
event_time = {{ field = "ts", unit = "ms" }}
watermark = {{ max_out_of_orderness = "20ms" }}
[join]
primary = "views"
with.likes = {{ after = "-5ms", until = "150ms" }}
kind = "left"
[delivery]
guarantee = "{guarantee}"
checkpoint_interval = "100ms"
[sink]
topic = "out"
format = "json"
"#
    );
    Arc::new(Pipeline::parse(&text, "case.toml").unwrap())
}

/// 160 records, 5 ms apart, over two topics of two partitions.
pub(super) fn input() -> Arc<Input> {
    let partitions: Vec<TopicPartition> = ["views", "likes"]
        .into_iter()
        .flat_map(|topic| {
            (0..2).map(move |partition| TopicPartition { topic: topic.into(), partition })
        })
        .collect();
    let mut offsets = [0i64, 3, 7, 0];
    let records = (0..160i64).map(|n| {
        let source = (n * 7 % 4) as usize;
        let offset = offsets[source];
        offsets[source] += 1;
        let time = 1_000_000 + n * 5 - n * 13 % 30;
        let text = format!("{{\"k\":{},\"ts\":{time},\"n\":{n}}}", n / 4 % 17);
        Record {
            arrival: n as u64,
            arrival_ns: (1_000_000 + n * 5) * 1_000_000,
            source: source as u32,
            offset,
            timestamp: Some(time),
            timestamp_type: TimestampType::Create,
            leader_epoch: None,
            key: None,
            value: Some(Bytes::from(text)),
            headers: Vec::new(),
        }
    });
    Arc::new(Input::new(partitions, records.collect()))
}

pub(super) fn setup(guarantee: &str) -> Setup {
    Setup {
        pipeline: pipeline(guarantee),
        input: input(),
        at_end: AtEnd::Close,
        downtime_ms: 500,
        bugs: Bugs::default(),
        forget_syncs_of: None,
        rebuild: false,
        log_left: None,
        next_pipelines: Vec::new(),
        partitions: 2,
    }
}

pub(super) fn at(point: &str, nth: u64, what: What) -> Incident {
    Incident { at: Some((point.to_owned(), nth, what)), ..Incident::default() }
}

pub(super) fn schedule(incidents: Vec<Incident>) -> Schedule {
    Schedule { incidents, in_step: true, ..Schedule::default() }
}

/// Done before an incarnation begins, with its folder and number.
pub(super) type Between = Arc<dyn Fn(&SimLog, &Path, usize) + Send + Sync>;

pub(super) fn lives(setup: Setup, schedule: &Schedule) -> (World, Vec<Lived>, Vec<Violation>) {
    lives_with(setup, schedule, None)
}

pub(super) fn lives_with(
    setup: Setup,
    schedule: &Schedule,
    between: Option<Between>,
) -> (World, Vec<Lived>, Vec<Violation>) {
    let root = super::world::scratch().unwrap();
    let cluster = SimLog::new();
    setup.input.load(&cluster).unwrap();
    let mut world = World::on(Arc::new(cluster.clone()), setup, root.path()).unwrap();
    world.between = between.map(|between| {
        Arc::new(move |folder: &Path, n| between(&cluster, folder, n)) as super::world::Between
    });
    let lived = world.live(schedule);
    let oracle = oracle(
        &world.setup.pipeline,
        &world.setup.input,
        world.order(),
        schedule.order.is_none(),
        world.setup.at_end,
    )
    .unwrap();
    let found = check(&world, &lived, &oracle);
    (world, lived, found)
}

pub(super) fn holds(guarantee: &str, schedule: &Schedule) -> Vec<Lived> {
    let (_, lived, found) = lives(setup(guarantee), schedule);
    let ends: Vec<_> = lived.iter().map(|life| &life.outcome).collect();
    assert!(found.is_empty(), "{guarantee} {schedule:?}\n{found:#?}\n{ends:#?}");
    lived
}

#[test]
fn without_faults_each_guarantee_delivers_everything_once() {
    for guarantee in ["exactly-once", "at-least-once", "at-most-once"] {
        for (order, in_step) in [(None, true), (Some(7), false)] {
            let schedule = Schedule { order, in_step, ..Schedule::default() };
            let mut setup = setup(guarantee);
            setup.partitions = 3;
            let (world, lived, found) = lives(setup, &schedule);
            assert_eq!(found, [], "{guarantee} {:?}", lived[0].outcome);
            let oracle = super::oracle::oracle(
                &world.setup.pipeline,
                &world.setup.input,
                world.order(),
                order.is_none(),
                AtEnd::Close,
            )
            .unwrap();
            assert_eq!(world.cluster.stored("out").unwrap().len(), oracle.messages.len());
            assert!(lived[0].outcome.as_ref().unwrap().committed >= 7);
        }
    }
}

/// The four columns under these faults: 103 examples in 8 epochs.
pub(super) fn under(faults: &str) -> Matrix {
    let spec = Spec {
        pipeline: pipeline("exactly-once"),
        input: input(),
        faults: faults.parse().unwrap(),
        at_end: AtEnd::Close,
        downtime_ms: 500,
        partitions: 2,
        going: Arc::default(),
    };
    matrix(&spec, &|_| true).unwrap()
}

#[test]
fn a_broker_restart_costs_time_and_no_output() {
    let [calm, restarted] = ["none", "broker-restart@4"].map(under);
    assert_eq!(calm.columns.len(), 4);
    for (calm, restarted) in calm.columns.iter().zip(&restarted.columns) {
        let (mode, seen) = (&restarted.mode, &restarted.read_committed);
        assert_eq!(restarted.stopped, None, "{mode}");
        assert_eq!(seen.messages, calm.read_committed.messages, "{mode}");
        for harm in [&seen.duplicates, &seen.losses, &seen.untrue] {
            assert!(harm.is_empty(), "{mode}: {harm:?}");
        }
        assert_eq!(restarted.incarnations, 1, "{mode}");
        let (was, is) = (calm.latency, restarted.latency);
        let away = i64::from(super::faults::AWAY_MS);
        assert!(is.max >= was.max + away / 2 && is.max <= was.max + away, "{mode}: {was:?} {is:?}");
        // Only a transaction's end has to be asked for again.
        let of = |what: &str| restarted.timeline.iter().filter(|m| m.what == what).count();
        let once = mode == "exactly-once";
        let asked = (of("waiting"), of("new-producer"));
        assert_eq!(asked, (usize::from(once), usize::from(once)), "{mode}");
    }
}

#[test]
fn exactly_once_survives_a_crash_at_every_point() {
    for point in POINTS.iter().filter(|point| !matches!(**point, "offsets" | "commit.again")) {
        let nth = if point.starts_with("start") || *point == "restore" { 1 } else { 3 };
        let lived = holds("exactly-once", &schedule(vec![at(point, nth, What::Crash)]));
        assert!(lived.len() == 2 && lived[0].crashed, "{point}: {lived:?}");
    }
}

#[test]
fn a_commit_without_an_answer_is_got_over_and_so_is_a_crash_in_it() {
    for fault in [
        Fault::Lost,
        Fault::Landed,
        Fault::Late(3),
        Fault::TooLate(3),
        Fault::Down(4),
        Fault::Restart(12_000),
    ] {
        for crash in [false, true] {
            let calls = vec![(Call::Commit, 4, fault)];
            let at = crash.then(|| ("commit.again".to_owned(), 1, What::Crash));
            let lived = holds(
                "exactly-once",
                &schedule(vec![Incident { calls, at, ..Incident::default() }]),
            );
            assert_eq!(lived.len(), 1 + usize::from(crash), "{fault:?}");
        }
    }
}
