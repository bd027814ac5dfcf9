//! Random jobs and schedules of faults: everything from one seed.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::input::Input;
use super::schedule::{Incident, Schedule, What};
use super::world::Setup;
use crate::edges::fault::POINTS;
use crate::edges::log::sim::{Call, Fault};
use crate::engine::AtEnd;
use crate::engine::delivery::Bugs;
use crate::operator::pipeline::{Guarantee, Pipeline, PipelineError};
use crate::operator::record::{Record, TimestampType, TopicPartition};

/// One job and what happens to it.
#[derive(Clone)]
pub struct Case {
    pub setup: Setup,
    pub schedule: Schedule,
}

/// The `n`-th case of a seed. `records`: no more than so many.
///
/// # Errors
/// The generated pipeline is refused (a defect of the generator).
pub fn case(seed: u64, n: u64, records: Option<usize>) -> Result<Case, PipelineError> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(n);
    let guarantee = match random.random_range(0..10) {
        0..6 => Guarantee::ExactlyOnce,
        6..8 => Guarantee::AtLeastOnce,
        _ => Guarantee::AtMostOnce,
    };
    let pipeline = Arc::new(Pipeline::parse(&text(&mut random, guarantee), "torture.toml")?);
    let mut input = input(&mut random);
    if let Some(records) = records {
        input.1.truncate(records);
    }
    let setup = Setup {
        pipeline,
        input: Arc::new(Input::new(input.0, input.1)),
        at_end: if random.random_bool(0.7) { AtEnd::Close } else { AtEnd::Open },
        downtime_ms: 500,
        bugs: Bugs::default(),
        forget_syncs_of: None,
        rebuild: false,
        log_left: None,
        next_pipelines: Vec::new(),
        partitions: random.random_range(1..4),
    };
    let mut schedule = schedule(&mut random, guarantee);
    live(&mut random, &mut schedule);
    past_sleep(&mut random, &mut schedule, guarantee);
    Ok(Case { setup, schedule })
}

fn text(random: &mut ChaCha8Rng, guarantee: Guarantee) -> String {
    let guarantee = match guarantee {
        Guarantee::ExactlyOnce => "exactly-once",
        Guarantee::AtLeastOnce => "at-least-once",
        Guarantee::AtMostOnce => "at-most-once",
    };
    let mut text = String::from("name = \"torture\"\n");
    let ooo = random.random_range(0..40);
    for (input, topic) in [("views", "views"), ("likes", "likes")] {
        let idle = if random.random_bool(0.3) { ", idle_timeout = \"120ms\"" } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "[inputs.{input}]\ntopic = \"{topic}\"\nformat = \"json\"\nkey = \"k\"\n\
             event_time = {{ field = \"ts\", unit = \"ms\" }}\n\
             watermark = {{ max_out_of_orderness = \"{ooo}ms\"{idle} }}\n"
        );
    }
    let folds = random.random_bool(0.35);
    let kind = if folds {
        "left"
    } else {
        ["inner", "left", "right", "full"].choose(random).copied().unwrap_or("left")
    };
    let late = ["drop", "join", "side-output"].choose(random).copied().unwrap_or("drop");
    let until = random.random_range(0..250);
    let _ = write!(
        text,
        "[join]\nprimary = \"views\"\nwith.likes = {{ after = \"-10ms\", until = \"{until}ms\" }}\n\
         kind = \"{kind}\"\nlate = \"{late}\"\n"
    );
    if folds {
        let emit = if random.random_bool(0.5) { "on-close" } else { "early-and-correct" };
        let _ = write!(
            text,
            "[examples]\nemit = \"{emit}\"\nlabels = {{ odd = \"likes.odd = 1\", any = \"likes.one = 1\" }}\n"
        );
    }
    let interval = random.random_range(60..200);
    let late = if late == "side-output" { "late_topic = \"late\"\n" } else { "" };
    let _ = write!(
        text,
        "[delivery]\nguarantee = \"{guarantee}\"\ncheckpoint_interval = \"{interval}ms\"\n\
         [sink]\ntopic = \"out\"\nformat = \"json\"\n{late}"
    );
    text
}

fn input(random: &mut ChaCha8Rng) -> (Vec<TopicPartition>, Vec<Record>) {
    let mut partitions = Vec::new();
    for topic in ["views", "likes"] {
        for partition in 0..random.random_range(1..4) {
            partitions.push(TopicPartition { topic: topic.into(), partition });
        }
    }
    let mut offsets: Vec<i64> = partitions.iter().map(|_| random.random_range(0..5)).collect();
    let keys = random.random_range(2..20);
    let mut now = 1_700_000_000_000i64;
    let count = random.random_range(40..220);
    let records = (0..count)
        .map(|arrival| {
            now += if random.random_bool(0.03) {
                random.random_range(100..400)
            } else {
                random.random_range(0..12)
            };
            let source = random.random_range(0..partitions.len());
            let offset = offsets[source];
            // Control records and compaction leave gaps.
            offsets[source] += if random.random_bool(0.1) { 2 } else { 1 };
            let back = if random.random_bool(0.1) { 120 } else { 30 };
            let time = now - random.random_range(0..back);
            let (key, odd) = (random.random_range(0..keys), arrival % 2);
            let value = match random.random_range(0..60) {
                0 => None,
                1 => Some("{\"k\":1,".to_owned()),
                2 => Some(format!("{{\"ts\":{time}}}")),
                _ => Some(format!("{{\"k\":{key},\"ts\":{time},\"odd\":{odd},\"one\":1}}")),
            };
            Record {
                arrival,
                arrival_ns: now * 1_000_000,
                source: source as u32,
                offset,
                timestamp: Some(time),
                timestamp_type: TimestampType::Create,
                leader_epoch: None,
                key: None,
                value: value.map(Bytes::from),
                headers: Vec::new(),
            }
        })
        .collect();
    (partitions, records)
}

fn schedule(random: &mut ChaCha8Rng, guarantee: Guarantee) -> Schedule {
    let order = random.random_bool(0.5).then(|| random.random_range(0..1_000_000));
    let in_step = random.random_bool(0.6);
    let incidents = (0..random.random_range(1..5)).map(|_| incident(random, guarantee)).collect();
    Schedule { incidents, order, in_step, ..Schedule::default() }
}

/// Some jobs have a clock of their own, and some disks are full.
fn live(random: &mut ChaCha8Rng, schedule: &mut Schedule) {
    if !schedule.in_step && random.random_bool(0.6) {
        schedule.ticks = Some(random.random_range(15..60));
        for _ in 0..random.random_range(0..3) {
            let ms = random.random_range(-5_000..5_000);
            schedule.clock_steps.push((random.random_range(0..150), ms));
        }
    }
    for incident in &mut schedule.incidents {
        if let Some((point, _, what)) = &mut incident.at
            && point.starts_with("prepare.")
            && *what == What::Crash
            && random.random_bool(0.3)
        {
            *what = What::DiskFull;
        }
    }
}

/// A job goes on behind the machine's sleep, and into what comes then. It is drawn behind
/// all else: a case without a sleep is what it was before there was this.
fn past_sleep(random: &mut ChaCha8Rng, schedule: &mut Schedule, guarantee: Guarantee) {
    for incident in &mut schedule.incidents {
        // More, and broker faults, before an epoch is through would be meant to stop it.
        let most = if incident.calls.is_empty() { 3 } else { 1 };
        while let Some(sleep) = incident.at.take_if(|(_, _, what)| *what == What::Sleep) {
            if incident.meanwhile.len() == most {
                break;
            }
            incident.meanwhile.push(sleep);
            incident.at = random.random_bool(0.8).then(|| passing(random, guarantee));
        }
    }
}

fn incident(random: &mut ChaCha8Rng, guarantee: Guarantee) -> Incident {
    let mut incident = Incident::default();
    if random.random_bool(0.45) {
        let mut refused = false;
        for _ in 0..random.random_range(1..4) {
            let (call, fault) = broker_fault(random, guarantee);
            // A second one before an epoch is through would be meant to stop it.
            let aborts = fault == Fault::Refused
                || call == Call::Produce && !matches!(fault, Fault::Down(_))
                || call == Call::Flush && !matches!(fault, Fault::Down(_));
            if aborts && std::mem::replace(&mut refused, true) {
                continue;
            }
            incident.calls.push((call, random.random_range(1..9), fault));
        }
    }
    if incident.calls.is_empty() || random.random_bool(0.7) {
        incident.at = Some(passing(random, guarantee));
    }
    incident
}

/// A point, which passing of it, and what happens there.
fn passing(random: &mut ChaCha8Rng, guarantee: Guarantee) -> (String, u64, What) {
    let exactly = guarantee == Guarantee::ExactlyOnce;
    let what = match random.random_range(0..20) {
        11..15 => What::PowerLoss(random.random_range(0..1_000_000)),
        15..18 if exactly => What::Sleep,
        18.. if exactly => What::Zombie,
        _ => What::Crash,
    };
    let usable: Vec<&str> = POINTS
        .iter()
        .copied()
        .filter(|point| match guarantee {
            // What happens in the middle of a start, a twin cannot tell.
            Guarantee::ExactlyOnce if what == What::Zombie => {
                point.starts_with("prepare") || point.starts_with("commit.") || *point == "send"
            }
            Guarantee::ExactlyOnce => *point != "offsets",
            Guarantee::AtLeastOnce => {
                !matches!(*point, "offsets" | "start.read" | "start.commit")
                    && !matches!(*point, "commit.progress" | "commit.offsets")
            }
            Guarantee::AtMostOnce => {
                !point.starts_with("commit.") && !matches!(*point, "start.read" | "start.commit")
            }
        })
        .collect();
    let point = usable.choose(random).copied().unwrap_or("prepared");
    let nth = match point {
        "start.init" | "start.read" | "start.commit" | "restore" => 1,
        "send" => random.random_range(1..90),
        "commit.again" => random.random_range(1..3),
        _ => random.random_range(1..9),
    };
    (point.to_owned(), nth, what)
}

fn broker_fault(random: &mut ChaCha8Rng, guarantee: Guarantee) -> (Call, Fault) {
    let down = Fault::Down(random.random_range(1..6));
    let later = random.random_range(1..30);
    let late = if random.random_bool(0.7) { Fault::Late(later) } else { Fault::TooLate(later) };
    let calls = match guarantee {
        Guarantee::ExactlyOnce => {
            &[Call::Commit, Call::Commit, Call::Commit, Call::Offsets, Call::Produce, Call::Init][..]
        }
        Guarantee::AtLeastOnce => &[Call::Flush, Call::Produce, Call::CommitOffsets],
        Guarantee::AtMostOnce => {
            &[Call::Flush, Call::Produce, Call::CommitOffsets, Call::Committed]
        }
    };
    let call = match random.random_range(0..10) {
        0 => Call::Topics,
        1 => Call::Bounds,
        2 => Call::Fetch,
        _ => calls.choose(random).copied().unwrap_or(Call::Produce),
    };
    let faults = match call {
        Call::Commit => vec![Fault::Lost, Fault::Landed, late, late, down, Fault::Refused],
        Call::Offsets => vec![Fault::Lost, Fault::Landed, down, Fault::Refused],
        _ => vec![Fault::Lost, Fault::Landed, down],
    };
    (call, faults.choose(random).copied().unwrap_or(down))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_goes_on_past_a_sleep() {
        let (mut sleeps, mut several, mut ends) = (0, 0, 0);
        for n in 0..1_000 {
            let Case { setup, schedule } = case(1, n, None).unwrap();
            for incident in &schedule.incidents {
                let slept = incident.meanwhile.len();
                let asleep = |at: &(String, u64, What)| at.2 == What::Sleep;
                assert!(incident.meanwhile.iter().all(asleep), "{n}: {incident:?}");
                // Nothing that a run would only stay in for its own end.
                assert!(!incident.at.as_ref().is_some_and(asleep), "{n}: {incident:?}");
                let most = if incident.calls.is_empty() { 3 } else { 1 };
                assert!(slept <= most, "{n}: {incident:?}");
                let exactly = setup.pipeline.delivery.guarantee == Guarantee::ExactlyOnce;
                assert!(slept == 0 || exactly, "{n}: {incident:?}");
                sleeps += u64::from(slept > 0);
                several += u64::from(slept > 1);
                let over = incident.at.as_ref().is_some_and(|at| at.2.ends());
                ends += u64::from(slept > 0 && over);
            }
            assert_eq!(case(1, n, None).unwrap().schedule, schedule, "{n}");
        }
        assert!(several > 0 && ends > several && sleeps > ends, "{sleeps} {several} {ends}");
    }
}
