//! Topics get partitions while a job is down: what was there goes on, the new ones are
//! read from their first offsets, and the outputs are those of the whole arrival log.

use std::path::Path;
use std::sync::Arc;

use super::check::{Violation, check};
use super::input::Input;
use super::oracle::oracle;
use super::schedule::{Incident, Schedule, What};
use super::tests::{at, input, schedule, setup};
use super::tests_recovery::idling;
use super::world::{Lived, Setup, World, scratch};
use crate::edges::log::sim::{SimLog, Stored};
use crate::engine::ClockInputKind;
use crate::engine::delivery::{JobEvent, NewIs};
use crate::operator::record::{Record, TopicPartition};
use crate::run::Run;

/// Records that are there at first.
const FIRST: u64 = 100;

/// A hundred records, and then `views[2]` and `likes[2]`, which hold four of before and
/// twenty of those that come.
fn growing() -> Arc<Input> {
    let old = input();
    let mut partitions = old.partitions.clone();
    for topic in ["views", "likes"] {
        partitions.push(TopicPartition { topic: topic.into(), partition: 2 });
    }
    let mut offsets = [0i64; 2];
    let records = old.records.iter().map(|record| {
        let n = record.arrival;
        if !(n >= FIRST && n % 3 == 1 || n < FIRST && n % 25 == 4) {
            return record.clone();
        }
        let topic = record.source / 2;
        let next = &mut offsets[topic as usize];
        *next += 1;
        Record { source: 4 + topic, offset: *next - 1, ..record.clone() }
    });
    let mut input = Input::new(partitions, records.collect());
    input.later = vec![4, 5];
    input.first_records = FIRST as usize;
    Arc::new(input)
}

/// What was left of a job.
struct Left {
    world: World,
    lived: Vec<Lived>,
    found: Vec<Violation>,
    /// Lanes of the run store, those that came later, rows.
    run: Option<(usize, u32, u64)>,
}

/// The partitions come before the second incarnation begins.
fn grows(setup: Setup, schedule: &Schedule) -> Left {
    let root = scratch().unwrap();
    let cluster = SimLog::new();
    setup.input.load(&cluster).unwrap();
    let mut world = World::on(Arc::new(cluster.clone()), setup, root.path()).unwrap();
    let input = Arc::clone(&world.setup.input);
    world.between = Some(Arc::new(move |_: &Path, n: usize| {
        if n == 1 {
            input.load_later(&cluster).unwrap();
        }
    }));
    let lived = world.live(schedule);
    let setup = &world.setup;
    let oracle = oracle(&setup.pipeline, &setup.input, world.order(), false, setup.at_end).unwrap();
    let found = check(&world, &lived, &oracle);
    let run = lived.last().and_then(|life| Run::open(&life.folder).ok()).map(|run| {
        assert_eq!(run.lane_ends().unwrap().len(), run.manifest().start.lanes.len());
        let last = run.watermarks_at(run.arrivals() - 1).unwrap();
        assert_eq!(last.lanes.len(), run.manifest().start.lanes.len());
        // Also of segments that were written before they came.
        let first = run.watermarks_at(0).unwrap();
        assert!(first.lanes.iter().skip(4).all(|lane| lane.idle && lane.max_seen.is_none()));
        let start = run.manifest().start;
        (start.lanes.len(), start.later, run.rows())
    });
    Left { world, lived, found, run }
}

fn crashes(points: &[(&str, u64, What)]) -> Schedule {
    let incidents: Vec<Incident> =
        points.iter().map(|(point, nth, what)| at(point, *nth, *what)).collect();
    Schedule { ticks: Some(20), in_step: false, ..schedule(incidents) }
}

#[test]
fn partitions_that_came_while_a_job_was_down_are_read_and_delivered() {
    for guarantee in ["exactly-once", "at-least-once", "at-most-once"] {
        for setup in [setup(guarantee), idling(guarantee, "left"), idling(guarantee, "full")] {
            let setup = Setup { input: growing(), ..setup };
            let left = grows(setup, &crashes(&[("prepared", 3, What::Crash)]));
            let ends: Vec<_> = left.lived.iter().map(|life| &life.outcome).collect();
            assert_eq!(left.found, [], "{guarantee}: {ends:#?}");
            assert_eq!(left.lived.len(), 2);
            assert_eq!(left.run.map(|(lanes, later, _)| (lanes, later)), Some((6, 2)));

            let told = super::input::lock(&left.world.told);
            let new: Vec<String> = told
                .iter()
                .filter_map(|told| match &told.event {
                    JobEvent::NewPartition { partition, is: NewIs::ReadFrom(0) } => {
                        Some(format!("{} {partition}", told.incarnation))
                    }
                    _ => None,
                })
                .collect();
            assert_eq!(new, ["1 views[2]", "1 likes[2]"], "{guarantee}");
            let order = left.world.order();
            let came: Vec<u64> = order
                .clock
                .iter()
                .filter(|said| matches!(said.kind, ClockInputKind::Added(_)))
                .map(|said| said.precedes)
                .collect();
            assert!(came.len() == 2 && came[0] > 0 && came[0] == came[1], "{came:?}");
            let records = &left.world.setup.input.records;
            let of_new = |(i, _): &&(u32, i64)| records[*i as usize].source >= 4;
            assert_eq!(order.order.iter().filter(of_new).count(), 24, "{guarantee}");
            // At most once, what the crash hit is lost.
            if guarantee != "at-most-once" {
                assert_eq!((order.order.len(), left.run.map(|run| run.2)), (160, Some(160)));
            }
            let of_new = |stored: &Stored| {
                stored.message.headers.iter().any(|header| {
                    let value = header.value.as_deref().unwrap_or_default();
                    header.key == "joinscope.records"
                        && String::from_utf8_lossy(value).contains("views[2]@")
                })
            };
            let outputs = left.world.cluster.stored("out").unwrap();
            assert!(outputs.iter().any(of_new), "{guarantee}");
        }
    }
}

/// Wherever the start ends that found them, and the epochs after it.
#[test]
fn a_crash_at_any_point_after_partitions_came_loses_and_repeats_nothing() {
    for guarantee in ["exactly-once", "at-least-once", "at-most-once"] {
        let exactly = guarantee == "exactly-once";
        for (point, nth) in [
            ("start.init", 1),
            ("start.read", 1),
            ("restore", 1),
            ("start.commit", 1),
            ("prepare.delta", 1),
            ("prepared", 1),
            ("prepared", 2),
            ("commit.send", 1),
            ("commit.answered", 1),
            ("commit.marked", 1),
            ("kept", 1),
            ("kept", 3),
        ] {
            let needs = ["start.read", "start.commit", "commit."];
            if !exactly && needs.iter().any(|part| point.starts_with(part)) {
                continue;
            }
            for what in [What::Crash, What::PowerLoss(nth)] {
                let setup = Setup { input: growing(), ..idling(guarantee, "left") };
                let schedule = crashes(&[("prepared", 3, What::Crash), (point, nth, what)]);
                let left = grows(setup, &schedule);
                let ends: Vec<_> = left.lived.iter().map(|life| &life.outcome).collect();
                assert_eq!(left.found, [], "{guarantee} {point}@{nth} {what:?}: {ends:#?}");
                // At most once, what is left for it may be over before.
                let reached = left.lived.len() == 3;
                assert!(reached || guarantee == "at-most-once" || nth > 1, "{point}: {ends:#?}");
                let last = left.lived.last();
                assert!(last.is_some_and(|life| life.outcome.is_ok()), "{ends:#?}");
                assert_eq!(left.run.map(|(lanes, later, _)| (lanes, later)), Some((6, 2)));
            }
        }
    }
}
