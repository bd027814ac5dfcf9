//! The simulated log held to a real broker: the same jobs under the same faults
//! on both, and what an independent reader sees of each; and guarantees side by
//! side over a real broker.

use std::process::Command;
use std::sync::Arc;

use joinscope_core::analyses::guarantees::check::{check, visible};
use joinscope_core::analyses::guarantees::oracle::oracle;
use joinscope_core::analyses::guarantees::random::{Case, case};
use joinscope_core::analyses::guarantees::real::{Connect, Real};
use joinscope_core::analyses::guarantees::schedule::{Incident, What};
use joinscope_core::analyses::guarantees::world::{World, scratch};
use joinscope_core::edges::kafka::{Isolation, KafkaLog, Settings};
use joinscope_core::edges::log::sim::{Call, Fault};
use joinscope_operator::pipeline::Guarantee;

use super::support::*;

/// What a real cluster cannot be made to do is left out, and so is what would
/// take long.
fn fits(case: &Case) -> bool {
    let possible = |incident: &Incident| {
        let late = |fault: &Fault| matches!(fault, Fault::Late(_) | Fault::TooLate(_));
        incident.calls.iter().all(|(_, _, fault)| !late(fault))
            && incident.at.as_ref().is_none_or(|(_, _, what)| *what != What::Sleep)
    };
    case.schedule.in_step && case.schedule.incidents.iter().all(possible)
}

/// The ten things hold on the real broker, and what is seen is the same on both; how
/// many processes it took.
fn same(case: &Case, name: &str) -> usize {
    let root = scratch().unwrap();
    let connect: Connect =
        Arc::new(|| Arc::new(KafkaLog::new(Settings::new(kafka().brokers.clone()), PATIENCE)));
    let real = Real::begin(connect, &case.setup.input, Arc::default()).unwrap();
    let real = World::on(Arc::new(real), case.setup.clone(), &root.path().join("real")).unwrap();
    let on_real = real.live(&case.schedule);
    let setup = &real.setup;
    let recorded = case.schedule.order.is_none();
    let expected =
        oracle(&setup.pipeline, &setup.input, real.order(), recorded, setup.at_end).unwrap();
    let ends: Vec<_> = on_real.iter().map(|life| &life.outcome).collect();
    assert_eq!(check(&real, &on_real, &expected), [], "{name}: {ends:#?}");
    let guarantee = setup.pipeline.delivery.guarantee;
    // At most once, how much a crash loses is up to threads.
    if guarantee == Guarantee::AtMostOnce {
        return on_real.len();
    }
    let simulated = World::new(case.setup.clone(), &root.path().join("simulated")).unwrap();
    let lived = simulated.live(&case.schedule);
    assert_eq!(lived.len(), on_real.len(), "{name}: processes");
    let once = guarantee == Guarantee::ExactlyOnce;
    for isolation in [Isolation::ReadCommitted, Isolation::ReadUncommitted] {
        let seen = visible(&real, isolation).unwrap();
        assert!(!seen.is_empty() || expected.messages.is_empty());
        let in_simulation = visible(&simulated, isolation).unwrap();
        // How much of an epoch was sent when it broke off, and is there twice or
        // aborted, is up to threads.
        if once && isolation == Isolation::ReadCommitted {
            assert_eq!(seen, in_simulation, "{name}: {isolation:?}");
        }
        assert!(
            seen.keys().eq(in_simulation.keys()),
            "{name}: {isolation:?}: {seen:?}\n{in_simulation:?}"
        );
    }
    lived.len()
}

/// `JOINSCOPE_SCHEDULES` of them (10; `make torture`: 200), from the seed `JOINSCOPE_SEED`.
#[test]
fn the_simulated_log_is_as_a_real_broker() {
    let number = |name: &str, default: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (schedules, seed) = (number("JOINSCOPE_SCHEDULES", 10), number("JOINSCOPE_SEED", 11));
    let cases = (0..).map(|n| (n, case(seed, n, Some(80)).unwrap()));
    let mut processes = 0;
    for (n, mut case) in cases.filter(|(_, case)| fits(case)).take(schedules as usize) {
        // A drawn order depends on how much was taken before a crash.
        case.schedule.order = None;
        processes += same(&case, &format!("JOINSCOPE_SEED={seed}, case {n}"));
    }
    assert!(processes as u64 > schedules, "nobody was harmed: {processes}");
}

#[test]
fn a_sleep_a_zombie_and_an_unanswered_commit_are_the_same_on_both() {
    let base = (0..100).map(|n| case(3, n, Some(60)).unwrap()).find(|case| {
        let pipeline = &case.setup.pipeline;
        pipeline.delivery.guarantee == Guarantee::ExactlyOnce
    });
    let mut case = base.unwrap();
    // Its order does not depend on how long anything takes.
    (case.schedule.in_step, case.schedule.order, case.schedule.ticks) = (true, None, None);
    let at = |point: &str, what| Some((point.to_owned(), 2, what));
    for incident in [
        Incident { at: at("commit.send", What::Sleep), ..Incident::default() },
        Incident { at: at("commit.send", What::Zombie), ..Incident::default() },
        Incident { calls: vec![(Call::Commit, 3, Fault::Landed)], ..Incident::default() },
    ] {
        case.schedule.incidents = vec![incident];
        same(&case, &format!("{:?}", case.schedule.incidents));
    }
}

#[test]
fn guarantees_side_by_side_over_a_broker_leave_nothing_there() {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("feed.mcap");
    let pipeline = folder.path().join("feed.toml");
    let generated = joinscope()
        .args(["generate", "feed", "--views", "300", "--rate", "50", "--seed", "4", "-o"])
        .arg(&recording)
        .output()
        .unwrap();
    assert!(generated.status.success());
    let input = |name: &str| {
        format!(
            "[inputs.{name}]\ntopic = \"{name}\"\nformat = \"json\"\nkey = \"view_id\"\n\
             event_time = {{ field = \"ts\", unit = \"ms\" }}\n\
             watermark = {{ max_out_of_orderness = \"1s\" }}\n"
        )
    };
    let text = format!(
        "name = \"feed\"\n{}{}[join]\nprimary = \"views\"\n\
         with.engagements = {{ after = \"0s\", until = \"30m\" }}\nkind = \"left\"\n",
        input("views"),
        input("engagements")
    );
    std::fs::write(&pipeline, text).unwrap();
    let command = |more: &[&str]| -> Command {
        let mut command = joinscope();
        command.arg("guarantees").arg(&pipeline).arg("--recording").arg(&recording);
        command.args(["--set", "delivery.checkpoint_interval=2m", "--json"]).args(more);
        command
    };
    let brokers = ["--brokers", &kafka().brokers];
    let refused: Said = command(&brokers).output().unwrap().into();
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(refused.err.contains("--write"), "{}", refused.err);

    let faults = ["--faults", "crash-mid-epoch@2,crash-after-commit@3"];
    let real: Said =
        command(&[&brokers[..], &["--write"], &faults].concat()).output().unwrap().into();
    let simulated: Said = command(&faults).output().unwrap().into();
    let (real, simulated) = (real.json(), simulated.json());
    for (a, b) in
        real["columns"].as_array().unwrap().iter().zip(simulated["columns"].as_array().unwrap())
    {
        for field in ["mode", "stopped", "incarnations"] {
            assert_eq!(a[field], b[field], "{} {field}", a["mode"]);
        }
        // How far ahead of a crash input was taken, and is lost, is up to threads.
        if a["mode"] == "at-most-once" {
            assert_eq!(a["read-committed"]["duplicates"], b["read-committed"]["duplicates"]);
            continue;
        }
        for field in ["read-committed", "latency"] {
            assert_eq!(a[field], b[field], "{} {field}", a["mode"]);
        }
    }
    // Other tests have others.
    let ours = |name: &str| {
        let ends = ["-engagements", "-examples", "-joinscope-progress-feed", "-feed"];
        name.starts_with("joinscope-guarantees-") && ends.iter().any(|end| name.ends_with(end))
    };
    until("the topics to be gone", || (!topic_names().iter().any(|t| ours(t))).then_some(()));
    let groups = tool(&["ConsumerGroupCommand", "--bootstrap-server", &kafka().brokers, "--list"]);
    assert!(!groups.lines().any(ours), "{groups}");
}
