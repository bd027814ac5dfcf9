//! A job that is told to stop before it has begun, and one that has to stop by itself.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::feed::SimFeed;
use super::schedule::{Incident, What};
use super::tests::{Between, at, holds, input, lives, lives_with, pipeline, schedule, setup};
use super::world::scratch;
use crate::edges::kafka::Isolation;
use crate::edges::log::Log as _;
use crate::edges::log::sim::{Call, Fault, Script, SimLog};
use crate::engine::Control;
use crate::engine::delivery::{self, JobError, JobEvent, JobSpec, Parts};
use crate::operator::record::TopicPartition;
use crate::run::{RunStore, job_start};

/// Found by reading: a job that waited for its cluster heard no Ctrl-C but the second,
/// which ends the process; a supervisor sends one.
#[test]
fn a_stop_ends_what_is_waited_for_at_a_start() {
    let root = scratch().unwrap();
    let folder = root.path().join("job");
    let (cluster, input, pipeline) = (SimLog::new(), input(), pipeline("exactly-once"));
    input.load(&cluster).unwrap();
    cluster.client().create_topic("out", 2, false).unwrap();
    let run = |script: Script| {
        cluster.script(script);
        let spec = JobSpec {
            stop: Arc::new(AtomicBool::new(true)),
            backoff: Duration::ZERO,
            ..JobSpec::new(Arc::clone(&pipeline), folder.clone())
        };
        let mut feed = SimFeed {
            input: Arc::clone(&input),
            taken: Arc::default(),
            interval: pipeline.delivery.checkpoint_interval,
            order: None,
            pulse: None,
            ticks: None,
            steps: Vec::new(),
            folder: folder.clone(),
        };
        let start = job_start(&pipeline, input.first(), 0);
        let mut keep = RunStore::new(folder.clone(), start, Arc::clone(&pipeline));
        let (log, control) = (Arc::new(cluster.client()), Control::new());
        let tell = Arc::new(|_: JobEvent| {});
        let parts = Parts { log, feed: &mut feed, keep: &mut keep, control: &control, tell };
        delivery::run(&spec, parts)
    };
    for call in [Call::Topics, Call::Init, Call::Bounds] {
        // Away for so many calls: who waits for it goes on behind them.
        let ended = run(Script::new().with(call, 1, Fault::Down(20)));
        assert!(matches!(ended, Err(JobError::Cancelled)), "{call:?}: {ended:?}");
    }
    // What answers is gone on with, to what is whole.
    assert!(run(Script::new()).unwrap().committed > 0);
}

/// Found by reading: only attempts that ended alike were counted, and a job whose
/// transactions time out, here in one way and there in another, began again for ever.
#[test]
fn a_job_that_gets_no_further_gives_up_whatever_the_reasons() {
    let faults = [Fault::Landed, Fault::Refused].into_iter().cycle();
    let calls = (1..9).zip(faults).map(|(nth, fault)| (Call::Flush, nth, fault)).collect();
    let alternating = schedule(vec![Incident { calls, ..Incident::default() }]);
    let (_, lived, _) = lives(setup("at-least-once"), &alternating);
    let error = lived[0].outcome.as_ref().unwrap_err();
    assert!(matches!(error, JobError::Stuck { epoch: 0, attempts: 5, .. }), "{error}");
}

/// Found by reading: a partition of the sink without its replicas for the time of two
/// transactions ended a job, as if a message of it were too large.
#[test]
fn what_was_not_taken_in_time_is_sent_again_more_than_once() {
    let late = |nth| (Call::Produce, nth, Fault::Lost);
    let lived = holds(
        "exactly-once",
        &schedule(vec![Incident { calls: vec![late(9), late(10)], ..Incident::default() }]),
    );
    assert_eq!(lived[0].outcome.as_ref().unwrap().restarts, 2);
}

/// Found by reading: no supervisor began such a job again.
#[test]
fn a_job_whose_brokers_take_nothing_for_long_may_be_started_again() {
    // The first is an output, the others are what each further attempt announces.
    let calls = (9..14).map(|nth| (Call::Produce, nth, Fault::Lost)).collect();
    let late = schedule(vec![Incident { calls, ..Incident::default() }]);
    let (_, lived, _) = lives(setup("exactly-once"), &late);
    let error = lived[0].outcome.as_ref().unwrap_err();
    assert!(matches!(error, JobError::Away(_)), "{error}");
}

/// Found by reading: where a job had ended with an error, whoever read its topics waited
/// until its last transaction timed out, which takes up to 15 minutes.
#[test]
fn a_job_that_ends_leaves_no_transaction_open() {
    let readable = |cluster: &SimLog| {
        let client = cluster.client();
        for partition in 0..2 {
            let of = TopicPartition { topic: "out".into(), partition };
            let end = |isolation| client.bounds(&of, isolation).unwrap().1;
            assert_eq!(end(Isolation::ReadCommitted), end(Isolation::ReadUncommitted), "{of}");
        }
    };
    let then: Between = Arc::new(move |cluster: &SimLog, _: &Path, n| {
        if n == 1 {
            readable(cluster);
        }
    });
    for nth in 3..6 {
        let full = schedule(vec![at("prepare.delta", nth, What::DiskFull)]);
        let (_, lived, found) = lives_with(setup("exactly-once"), &full, Some(Arc::clone(&then)));
        assert_eq!((lived.len(), found), (2, Vec::new()));
    }
    // The third epoch is refused, and once more by the second attempt, which announces
    // itself before.
    let refused = |nth| (Call::Commit, nth, Fault::Refused);
    let calls = vec![refused(4), refused(6)];
    let twice = schedule(vec![Incident { calls, ..Incident::default() }]);
    let (_, lived, found) = lives(setup("exactly-once"), &twice);
    let error = lived[0].outcome.as_ref().unwrap_err();
    assert!(matches!(error, JobError::Output { .. }), "{error}");
    let open = found.iter().find(|violation| violation.what.contains("last stable offset"));
    assert_eq!(open, None);
}

/// Found by reading: no case was run, and everything held.
#[test]
fn the_last_case_of_a_seed_is_run_too() {
    use super::torture::{Torture, torture};
    let (first, records) = (u64::MAX, Some(40));
    let spec = Torture { seed: 1, first, count: 1, records, schedule: None, threads: 2 };
    assert_eq!(torture(&spec, &|_| {}).unwrap().cases, 1);
}
