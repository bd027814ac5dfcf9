//! A live job under a load at constant rate for a long time: memory, minute by
//! minute.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use joinscope_core::edges::kafka::KafkaLog;
use joinscope_core::edges::log::{Log as _, LogError, LogProducer, OutMessage, ProducerSpec};
use joinscope_core::process::anonymous_memory;
use serde_json::json;

use super::super::Answer;
use super::super::bench_load::{remove, say};
use super::super::cluster::thousands;
use super::EXACTLY;
use super::rig::{Rig, at, now_ms};

/// One in five records is an engagement of an earlier view.
const ENGAGED: u64 = 5;
/// So many views back.
const BACK: u64 = 1000;
/// Records are sent so often.
const TICK: Duration = Duration::from_millis(20);
/// State and what is kept at hand fill first: growth counts from here, ms.
const SETTLED: i64 = 5 * 60_000;

/// One line of the account.
#[derive(Clone, Copy)]
struct Minute {
    at_ms: i64,
    records: u64,
    memory: u64,
}

/// Runs for `for_ms` at `rate` records a second, and tells each minute.
pub(super) fn run(rig: &Rig, for_ms: i64, rate: u64, as_json: bool) -> anyhow::Result<Answer> {
    let (views, engagements) = topics(rig);
    let rig = Rig {
        // What stays in the state for a minute is settled soon.
        pipeline: rig
            .pipeline
            .replace("topic = \"views\"", &format!("topic = \"{views}\""))
            .replace("topic = \"engagements\"", &format!("topic = \"{engagements}\""))
            .replace("max_out_of_orderness = \"60s\"", "max_out_of_orderness = \"1s\"")
            .replace("until = \"30m\"", "until = \"60s\""),
        settings: rig.settings.clone(),
        folder: rig.folder.clone(),
        ..*rig
    };
    let log = rig.log();
    for topic in [&views, &engagements] {
        log.create_topic(topic, 4, false)?;
    }
    let (over, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let feeder = Feeder { views: views.as_str().into(), engagements: engagements.as_str().into() };
    let producer = producer(&log)?;
    let (its_over, its_sent) = (Arc::clone(&over), Arc::clone(&sent));
    let thread = std::thread::spawn(move || feeder.feed(producer, rate, &its_over, &its_sent));
    let measured = rig.beside_topics(EXACTLY, || watch(&rig, for_ms, rate, &sent));
    over.store(true, Ordering::Relaxed);
    let fed = thread.join();
    for topic in [&views, &engagements] {
        log.delete_topic(topic)?;
    }
    let answer = measured?;
    remove(&rig.dir("exactly-once"))?;
    match fed {
        Ok(fed) => fed.context("the load could not be sent")?,
        Err(_) => bail!("the load broke down"),
    }
    if as_json {
        writeln!(crate::cli::stdout::lock(), "{answer}")?;
    } else {
        let mib = |field: &str| answer[field].as_u64().unwrap_or(0) >> 20;
        writeln!(
            crate::cli::stdout::lock(),
            "{} records in {} s; memory {} MiB after five minutes, {} MiB in the second half at \
             most, {} MiB at the end; from arrival to visible {} ms (p99)",
            thousands(answer["records"].as_u64().unwrap_or(0)),
            for_ms / 1000,
            mib("settled_bytes"),
            mib("second_half_max_bytes"),
            mib("end_bytes"),
            answer["visible_p99_ms"],
        )?;
    }
    Ok(Answer::Yes)
}

fn topics(rig: &Rig) -> (String, String) {
    let of = |what: &str| format!("joinscope-bench-{}-{what}", rig.number);
    (of("views"), of("engagements"))
}

fn producer(log: &KafkaLog) -> Result<Box<dyn LogProducer>, LogError> {
    log.producer(&ProducerSpec { transactional_id: None, transaction_timeout_ms: 60_000 })
}

/// The job until the time is over, with a line each minute.
fn watch(rig: &Rig, for_ms: i64, rate: u64, sent: &AtomicU64) -> anyhow::Result<serde_json::Value> {
    let began = now_ms();
    let mut minutes: Vec<Minute> = Vec::new();
    let mut next = began + 60_000;
    say(&format!("{} records a second for {} s …", thousands(rate), for_ms / 1000));
    let done = rig.until(EXACTLY, |progress, commits| {
        let now = now_ms();
        let over = now - began >= for_ms;
        if now >= next || over {
            next += 60_000;
            let memory = anonymous_memory().unwrap_or(0);
            minutes.push(Minute { at_ms: now - began, records: progress.records, memory });
            // Of the last minute.
            let newest = commits.ends.iter().rev().take_while(|(_, at)| now - at < 60_000);
            let slowest = newest.map(|(arrival, at)| at - arrival).max().unwrap_or(0);
            say(&format!(
                "{:>5} s: memory {} MiB, {} rows of state, {} records ({} waiting), slowest \
                 commit {slowest} ms after its last record",
                (now - began) / 1000,
                memory >> 20,
                thousands(progress.state_rows),
                thousands(progress.records),
                thousands(sent.load(Ordering::Relaxed).saturating_sub(progress.records)),
            ));
        }
        over
    })?;
    let settled = minutes.iter().find(|m| m.at_ms >= SETTLED.min(for_ms / 2));
    let half = minutes.iter().filter(|m| m.at_ms >= for_ms / 2).map(|m| m.memory).max();
    let visible = done.commits.latencies();
    Ok(json!({
        "records": minutes.last().map(|m| m.records),
        "cpu_seconds": done.cpu,
        "settled_bytes": settled.map(|m| m.memory),
        "second_half_max_bytes": half,
        "end_bytes": minutes.last().map(|m| m.memory),
        "visible_p50_ms": at(&visible, 500),
        "visible_p99_ms": at(&visible, 990),
        "minutes": minutes.iter().map(|m| json!([m.at_ms, m.records, m.memory])).collect::<Vec<_>>(),
    }))
}

/// Sends views and engagements as time goes.
struct Feeder {
    views: Arc<str>,
    engagements: Arc<str>,
}

impl Feeder {
    fn feed(
        &self,
        mut producer: Box<dyn LogProducer>,
        rate: u64,
        over: &AtomicBool,
        sent: &AtomicU64,
    ) -> Result<(), LogError> {
        let began = Instant::now();
        let mut n = 0;
        while !over.load(Ordering::Relaxed) {
            let due = (began.elapsed().as_secs_f64() * rate as f64) as u64;
            while n < due {
                producer.send(self.message(n, now_ms()))?;
                n += 1;
            }
            sent.store(n, Ordering::Relaxed);
            std::thread::sleep(TICK);
        }
        producer.flush()
    }

    /// Record `n` of the load.
    fn message(&self, n: u64, now: i64) -> OutMessage {
        let engagement = n % ENGAGED == ENGAGED - 1 && n > ENGAGED * BACK;
        let view = if engagement { n - ENGAGED * BACK - 1 } else { n };
        let (topic, value) = if engagement {
            let value = format!("{{\"view_id\":\"v{view}\",\"kind\":\"like\",\"ts\":{now}}}");
            (&self.engagements, value)
        } else {
            let item = n * 2_654_435_761 % 100_000;
            let value = format!(
                "{{\"view_id\":\"v{view}\",\"user\":\"u{}\",\"item\":\"i{item}\",\
                 \"surface\":\"home\",\"pos\":{},\"ts\":{now}}}",
                n % 50_000,
                n % 20
            );
            (&self.views, value)
        };
        OutMessage {
            topic: Arc::clone(topic),
            partition: None,
            key: Some(format!("v{view}").into()),
            value: Some(value.into()),
            timestamp: now,
            headers: Vec::new(),
        }
    }
}
