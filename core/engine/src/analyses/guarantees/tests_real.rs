//! The way to a real cluster, over a simulated one: a job sees and leaves the
//! same through it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::check::{check, visible};
use super::oracle::oracle;
use super::random::case;
use super::real::{Connect, Real};
use super::schedule::{Schedule, What};
use super::tests::{at, lives, schedule, setup};
use super::world::{Setup, World, scratch};
use crate::edges::kafka::Isolation;
use crate::edges::log::LogErrorKind;
use crate::edges::log::sim::{Fault, SimLog};
use crate::operator::pipeline::Guarantee;

fn over(cluster: &SimLog) -> Connect {
    let cluster = cluster.clone();
    Arc::new(move || Arc::new(cluster.client()))
}

fn through(setup: Setup, schedule: &Schedule) -> World {
    let root = scratch().unwrap();
    let simulated = SimLog::new();
    let real = Real::begin(over(&simulated), &setup.input, Arc::default()).unwrap();
    let world = World::on(Arc::new(real), setup, root.path()).unwrap();
    let lived = world.live(schedule);
    let setup = &world.setup;
    let recorded = schedule.order.is_none();
    let oracle =
        oracle(&setup.pipeline, &setup.input, world.order(), recorded, setup.at_end).unwrap();
    let ends: Vec<_> = lived.iter().map(|life| &life.outcome).collect();
    assert_eq!(check(&world, &lived, &oracle), [], "{schedule:?}\n{ends:#?}");
    world
}

#[test]
fn a_job_leaves_the_same_behind_the_way_to_a_real_cluster() {
    let mut tried = 0;
    for n in 0..120 {
        let mut case = case(5, n, Some(90)).unwrap();
        // How much was taken before a crash is up to threads, and at most once it is lost.
        case.schedule.order = None;
        let most_once = case.setup.pipeline.delivery.guarantee == Guarantee::AtMostOnce;
        let mut incidents = case.schedule.incidents.iter();
        let held = |(_, _, fault): &(_, _, Fault)| {
            matches!(fault, Fault::Late(_) | Fault::TooLate(_) | Fault::Lost | Fault::Landed)
        };
        let fits = case.schedule.in_step
            && !most_once
            // Those that sleep.
            && incidents.all(|i| !i.calls.iter().any(held) && i.meanwhile.is_empty());
        if !fits {
            continue;
        }
        tried += 1;
        let (direct, ..) = lives(case.setup.clone(), &case.schedule);
        let real = through(case.setup, &case.schedule);
        let once = direct.setup.pipeline.delivery.guarantee == Guarantee::ExactlyOnce;
        for isolation in [Isolation::ReadCommitted, Isolation::ReadUncommitted] {
            let (a, b) = (visible(&direct, isolation).unwrap(), visible(&real, isolation).unwrap());
            assert!(!a.is_empty() || real.order().order.is_empty());
            // How much of an epoch was sent when it broke off, and is there twice
            // or aborted, is up to threads.
            if once && isolation == Isolation::ReadCommitted {
                assert_eq!(a, b, "case {n}");
            }
            assert!(a.keys().eq(b.keys()), "case {n}: {a:?}\n{b:?}");
        }
        if case.schedule.incidents.iter().all(|incident| incident.at.is_none()) {
            let when = |world: &World| world.cluster.stored("out").unwrap();
            assert_eq!(when(&direct), when(&real), "case {n}");
        }
    }
    assert!(tried > 6, "{tried}");
}

#[test]
fn everything_that_was_made_is_removed_and_a_stop_ends_the_job() {
    let simulated = SimLog::new();
    let setup = setup("exactly-once");
    let stop = Arc::new(AtomicBool::new(false));
    let real = Real::begin(over(&simulated), &setup.input, Arc::clone(&stop)).unwrap();
    let root = scratch().unwrap();
    let world = World::on(Arc::new(real), setup, root.path()).unwrap();
    let lived = world.live(&schedule(vec![at("prepared", 3, What::Crash)]));
    assert!(lived[1].outcome.is_ok());
    assert_eq!(simulated.topics().len(), 4, "views, likes, out, progress");
    stop.store(true, Ordering::Relaxed);
    let client = world.cluster.connect().unwrap();
    assert_eq!(client.topics(&["out"]).unwrap_err().kind, LogErrorKind::Fatal);
    assert!(world.live(&schedule(vec![]))[0].outcome.is_err());
    drop(client);
    drop(world);
    assert_eq!(simulated.topics(), Vec::<String>::new());
}
