//! `joinscope recording publish`: a recording back to a cluster.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::bail;
use clap::{Args, ValueEnum};
use joinscope_core::edges::kafka::{
    self, PublishOutcome, PublishPlan, PublishSpec, Published, Rest,
};
use serde_json::json;

use super::cluster::{Bar, ClusterArgs, plural, thousands};
use super::recording::{open_recording, say_cut};
use super::run::warn;
use super::{Answer, interrupt};

/// Sends a recording's records back to a cluster; without --write only says what it would do
///
/// Keys, values, headers, partitions and timestamps are as they were, but for
/// timestamps of 0 and -1 ms, which Kafka's client cannot send: they become 1 and
/// -2 ms, and it says how many did. Where the cluster would replace the recorded
/// timestamps (message.timestamp.type=LogAppendTime), it warns first. Where not all
/// was delivered, it says for each partition from which record on, and how to send
/// the rest. Exit code 1 if records were refused, or Ctrl-C came before the end; 2
/// without --write, which changes nothing: what was asked for was not done.
///
/// Example: joinscope recording publish feed.mcap --brokers localhost:9092 --write --create-topics
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Publish {
    /// The recording to send
    recording: PathBuf,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Only these topics of the recording
    #[arg(long, num_args = 1.., value_delimiter = ',', value_name = "TOPIC")]
    topics: Vec<String>,
    /// Really send: this changes the cluster
    #[arg(long)]
    write: bool,
    /// Make topics that are not there (as many partitions as recorded,
    /// retention off: old records would be removed at once)
    #[arg(long)]
    create_topics: bool,
    /// Replicas of topics that are made; else the brokers' default
    #[arg(long, value_name = "N", requires = "create_topics")]
    replicas: Option<i32>,
    /// As far apart as the arrival times, or as fast as possible
    #[arg(long, value_enum, default_value = "fast")]
    pace: Pace,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Pace {
    Recorded,
    Fast,
}

/// Runs the verb.
pub fn run(args: &Publish) -> anyhow::Result<Answer> {
    let recording = open_recording(&args.recording)?;
    say_cut(&recording, &args.recording);
    let spec = PublishSpec {
        settings: args.cluster.settings()?,
        topics: args.topics.clone(),
        pace: match args.pace {
            Pace::Recorded => kafka::Pace::Recorded,
            Pace::Fast => kafka::Pace::Fast,
        },
        create_topics: args.create_topics,
        replicas: args.replicas,
        patience: args.cluster.timeout,
    };
    let plan = kafka::plan(&recording, &spec)?;
    let mut out = super::stdout::lock();
    for warning in plan.warnings() {
        warn(&warning);
    }
    if !args.write {
        if args.json {
            writeln!(out, "{}", plan_json(&plan))?;
        } else {
            out.write_all(plan_text(&plan, args.create_topics).as_bytes())?;
        }
        bail!("nothing was sent: --write does so");
    }
    let stop = interrupt::stop_flag()?;
    let begin = Instant::now();
    let mut bar = Bar::new();
    let outcome = kafka::publish(&recording, &spec, &plan, &stop, &mut |sent, total| {
        bar.show(sent, total, plural(sent, "record"));
    });
    bar.clear();
    let outcome = outcome?;
    let seconds = begin.elapsed().as_secs_f64();
    if args.json {
        writeln!(out, "{}", outcome_json(&outcome, &plan, seconds))?;
    } else {
        out.write_all(outcome_text(&outcome, seconds).as_bytes())?;
        out.write_all(rest_text(&outcome, &args.recording).as_bytes())?;
    }
    if let Some(why) = &outcome.broken {
        bail!("{why}");
    }
    Ok(answer(&outcome))
}

/// Whether everything that was asked for is on the cluster.
fn answer(outcome: &PublishOutcome) -> Answer {
    if outcome.failed == 0 && !outcome.stopped { Answer::Yes } else { Answer::No }
}

fn plan_json(plan: &PublishPlan) -> serde_json::Value {
    let topics: serde_json::Map<String, serde_json::Value> = plan
        .topics
        .iter()
        .map(|t| {
            let entry = json!({
                "records": t.records, "partitions": t.partitions, "on_cluster": t.there,
            });
            (t.name.clone(), entry)
        })
        .collect();
    json!({
        "would_send": plan.records(),
        "topics": topics,
        "cluster": plan.cluster_id,
        "warnings": plan.warnings(),
    })
}

fn plan_text(plan: &PublishPlan, create: bool) -> String {
    let cluster = plan.cluster_id.as_deref().unwrap_or("(no id)");
    let mut text =
        format!("It would send {} to cluster {cluster}:\n", plural(plan.records(), "record"));
    for topic in &plan.topics {
        let partitions = |n: i32| plural(u64::from(n.unsigned_abs()), "partition");
        let there = match topic.there {
            Some(there) => format!("there, with {}", partitions(there)),
            None if create => format!("to be made, with {}", partitions(topic.partitions)),
            None => "not there: --create-topics makes it".to_owned(),
        };
        text += &format!(
            "  {}: {} of {} ({there})\n",
            topic.name,
            plural(topic.records, "record"),
            partitions(topic.partitions)
        );
    }
    text
}

fn outcome_json(outcome: &PublishOutcome, plan: &PublishPlan, seconds: f64) -> serde_json::Value {
    let failures: serde_json::Map<String, serde_json::Value> = outcome
        .failures
        .iter()
        .map(|(why, (n, first))| (why.clone(), json!({ "records": n, "first": first })))
        .collect();
    json!({
        "sent": outcome.sent,
        "delivered": outcome.delivered,
        "failed": outcome.failed,
        "failures": failures,
        "timestamps_moved": outcome.timestamps_moved,
        "created": outcome.created,
        "stopped": outcome.stopped,
        "partitions": outcome.partitions.iter().map(partition_json).collect::<Vec<_>>(),
        "warnings": plan.warnings(),
        "seconds": seconds,
    })
}

fn partition_json(of: &Published) -> serde_json::Value {
    json!({
        "partition": of.partition.to_string(),
        "records": of.records,
        "delivered": of.delivered,
        "rest": of.rest.map(|rest| json!({
            "from": rest.from, "to": rest.to, "mixed": rest.mixed,
        })),
    })
}

/// Partitions that are listed; beyond them --json says it.
const LISTED: usize = 12;

/// What is to be sent once more, and how; empty where all of it is there.
fn rest_text(outcome: &PublishOutcome, recording: &Path) -> String {
    let rests: Vec<(&Published, Rest)> =
        outcome.partitions.iter().filter_map(|of| Some((of, of.rest?))).collect();
    if rests.is_empty() {
        return String::new();
    }
    let mut text = "Not all of it is on the cluster:\n".to_owned();
    for (of, rest) in rests.iter().take(LISTED) {
        let (partition, from) = (&of.partition, rest.from);
        text += &format!(
            "  {partition}: {} of {} delivered, {partition}@{from} is the first that was \
             not{}\n",
            thousands(of.delivered),
            plural(of.records, "record"),
            if rest.mixed { "; some behind it were, and would be there twice" } else { "" }
        );
    }
    if rests.len() > LISTED {
        text += &format!(
            "  and {} more: --json names all\n",
            plural((rests.len() - LISTED) as u64, "partition")
        );
        return text
            + "recording slice --offsets takes what is missing out of it, to be published\n";
    }
    let mut topics: Vec<&str> = rests.iter().map(|(of, _)| &*of.partition.topic).collect();
    topics.sort_unstable();
    topics.dedup();
    let offsets = rests
        .iter()
        .map(|(of, Rest { from, to, .. })| format!("--offsets '{}@{from}..{to}'", of.partition));
    text + &format!(
        "To send the rest: joinscope recording slice {} --topics {} {} -o rest.mcap, and publish \
         rest.mcap\n",
        recording.display(),
        topics.join(","),
        offsets.collect::<Vec<_>>().join(" ")
    )
}

fn outcome_text(outcome: &PublishOutcome, seconds: f64) -> String {
    let mut text = String::new();
    if !outcome.created.is_empty() {
        text += &format!("Made {}\n", outcome.created.join(", "));
    }
    text += &format!(
        "{} delivered in {seconds:.1} s{}\n",
        plural(outcome.delivered, "record"),
        if outcome.stopped { "; stopped before the end" } else { "" }
    );
    for (why, (n, first)) in &outcome.failures {
        text += &format!("{} were not: {why} (the first at {first})\n", thousands(*n));
    }
    if outcome.timestamps_moved > 0 {
        text += &format!(
            "{} with a timestamp that Kafka's client cannot send (0 ms is \"now\" to it, -1 ms is \
             \"none\"): sent with 1 ms, and with -2 ms\n",
            plural(outcome.timestamps_moved, "record")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use joinscope_operator::record::TopicPartition;

    use super::*;

    #[test]
    fn timestamps_that_were_not_kept_are_said() {
        let of = |timestamps_moved| {
            let outcome = PublishOutcome { timestamps_moved, ..PublishOutcome::default() };
            outcome_text(&outcome, 1.0)
        };
        assert!(!of(0).contains("timestamp"), "{}", of(0));
        assert!(of(1).contains("1 record with a timestamp that"), "{}", of(1));
        assert!(of(2).contains("2 records with a timestamp that"), "{}", of(2));
    }

    #[test]
    fn how_to_send_the_rest_is_said_by_partition() {
        let of = |partition, delivered, rest| Published {
            partition: TopicPartition { topic: "views".into(), partition },
            records: 1_200,
            delivered,
            rest,
        };
        let text = |partitions| {
            let outcome = PublishOutcome { partitions, ..PublishOutcome::default() };
            rest_text(&outcome, Path::new("feed.mcap"))
        };
        assert_eq!(text(vec![of(0, 1_200, None)]), "");
        let rest = Rest { from: 7, to: 1_300, mixed: false };
        let said = text(vec![
            of(0, 1_100, Some(rest)),
            of(1, 1_200, None),
            of(2, 3, Some(Rest { mixed: true, ..rest })),
        ]);
        let first =
            "views[0]: 1,100 of 1,200 records delivered, views[0]@7 is the first that was not\n";
        assert!(said.contains(first), "{said}");
        assert!(said.contains("views[2]@7 is the first that was not; some behind it"), "{said}");
        let how = "joinscope recording slice feed.mcap --topics views --offsets \
                   'views[0]@7..1300' --offsets 'views[2]@7..1300' -o rest.mcap";
        assert!(said.contains(how), "{said}");
        let many = (0..LISTED as i32 + 3).map(|partition| of(partition, 0, Some(rest)));
        let said = text(many.collect());
        assert!(said.contains("and 3 partitions more"), "{said}");
    }

    #[test]
    fn what_was_cut_off_or_refused_is_no_success() {
        let of = |failed, stopped| {
            answer(&PublishOutcome { sent: 3, failed, stopped, ..PublishOutcome::default() })
        };
        assert_eq!(of(0, false), Answer::Yes);
        assert_eq!(of(1, false), Answer::No);
        assert_eq!(of(0, true), Answer::No);
    }
}
