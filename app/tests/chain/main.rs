//! The whole chain: rows in a real Kafka, joined by a real Flink SQL job or a
//! real Kafka Streams application, and by `joinscope`.
//!
//! Where no row is late the multiset is that of the semantics of that name, of
//! `clean` and of the batch join. Where rows are late it depends on the order in
//! which the engine took them. Kafka Streams tells it all: see [`streams`]. Of a
//! Flink SQL job at parallelism 1 over one partition an input the order within
//! an input is that of the partition, each row before the event-time watermark
//! that it moves (`on-event`), and the order between the inputs is made by
//! waiting, before a row of the other side is sent, until the job's metrics say
//! that its join has taken everything so far, that its sources have put out the
//! watermarks that follow from it, and that the smaller one has come to the join.
//! The larger one cannot be seen there: it is given 200 ms. Not to be observed in
//! a running job either, and so not shown here: the order between inputs that
//! nobody makes wait, the order of outputs among keys (they leave through a sink
//! that keeps only their order in one partition of its own; compared as a
//! multiset), how far cleanup has come, and what a restart forgets.
//!
//! All but one take minutes, and Flink 345 MB: `make parity`, or
//! `cargo test --workspace --test chain -- --ignored --test-threads 1`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod cluster;
mod flink;
mod rows;
mod streams;

use std::time::Duration;

use cluster::Cluster;
use flink::{KINDS, Watched};
use rows::{Case, operator, same, sorted};
use streams::Join;

/// Longer than any disorder: the stores forget nothing that can match.
const ALL_TIME: i64 = 30 * 86_400_000;

/// 600 rows, out of order by less than the watermark's delay.
fn small(partitions: i32) -> Case {
    Case::random(1, 600, partitions, 900, 1000)
}

/// 300 rows, many of them late.
fn late(seed: u64, rows: i64) -> Case {
    Case::random(seed, rows, 1, 9000, 700)
}

/// With `grace` long enough, smallest timestamps first, as a task does.
fn kafka_streams(kind: &str, grace: i64) -> String {
    format!("kind = \"{kind}\"\ngrace = \"{grace}ms\"\ninput_order = \"smallest-timestamp\"")
}

fn kind_of(kind: &str) -> String {
    format!("kind = \"{kind}\"")
}

/// The kind of a join of Kafka Streams, in a pipeline's words.
const STREAM_KINDS: [(&str, &str); 3] = [("inner", "inner"), ("left", "left"), ("outer", "full")];

/// Flink SQL jobs of some kinds at parallelism 1 and 2 over rows none of which
/// is late.
fn flink_agrees(what: &str, rows: &Case, kinds: &[&str]) {
    let cluster = Cluster::with_flink();
    let recording = rows.record(&cluster.dir, "rows");
    let expected: Vec<Vec<String>> = kinds
        .iter()
        .map(|kind| {
            let kind_set = kind_of(kind);
            let expected = rows.run(&cluster.dir, &recording, "flink-sql", &kind_set);
            let clean = rows.run(&cluster.dir, &recording, "clean", &kind_set);
            same(&expected, &clean, &format!("{what}, {kind}: flink-sql and clean"));
            assert!(expected.len() > 500, "{what}, {kind}: {} outputs", expected.len());
            expected
        })
        .collect();
    cluster.publish(&recording);
    cluster.topic("joined", 1);
    let mut text = flink::tables(&cluster, rows, true);
    for parallelism in [1, 2] {
        for kind in kinds {
            text += &flink::insert(rows, kind, parallelism);
        }
    }
    cluster.sql(&text, &[]);
    let all = cluster.consume("joined");
    for (kind, expected) in kinds.iter().zip(&expected) {
        for parallelism in [1, 2] {
            let there = flink::given(&all, kind, parallelism);
            same(&there, expected, &format!("{what}: the job {kind} at parallelism {parallelism}"));
        }
    }
}

/// A Kafka Streams application of each kind: line by line what the operator
/// gives for its own order, and, inner, the pairs of `kafka-streams`, `clean`
/// and the batch join.
fn streams_agree(what: &str, rows: &Case, kinds: &[&str]) {
    let cluster = Cluster::kafka();
    let recording = rows.record(&cluster.dir, "rows");
    cluster.publish(&recording);
    for kind in kinds {
        let join = Join { kind, grace: ALL_TIME };
        let account = streams::run(&cluster, rows, join, || ());
        let outputs = account.prove(&cluster, rows, join);
        assert!(outputs > 500, "{what}, {kind}: {outputs} outputs");
        if *kind == "inner" {
            let ours =
                rows.run(&cluster.dir, &recording, "kafka-streams", &kafka_streams(kind, ALL_TIME));
            account.is(&ours, &format!("{what}: kafka-streams"));
            let clean = rows.run(&cluster.dir, &recording, "clean", &kind_of(kind));
            account.is(&clean, &format!("{what}: clean"));
        }
    }
}

/// Case by event time, then one that closes everything: every kind gives the
/// multiset of `kafka-streams` and of `clean`.
fn streams_agree_in_order(what: &str, rows: &Case) {
    let (rows, closing) = rows.clone().in_order();
    let not_closing = |pair: &String| !closing.rows.iter().any(|row| pair.contains(&row.id));
    for (kind, ours_kind) in STREAM_KINDS {
        let cluster = Cluster::kafka();
        let recording = rows.record(&cluster.dir, "rows");
        let before = Case {
            rows: rows.rows[..rows.rows.len() - closing.rows.len()].to_vec(),
            ..rows.clone()
        };
        cluster.publish(&before.record(&cluster.dir, "before"));
        let join = Join { kind, grace: 0 };
        let account = streams::run(&cluster, &rows, join, || {
            // The join looks for closed windows once a second: the closing rows
            // come when it has taken the others and that second is over.
            std::thread::sleep(Duration::from_secs(25));
            for row in &closing.rows {
                let one = Case { rows: vec![row.clone()], ..closing.clone() };
                cluster.publish(&one.record(&cluster.dir, "closing"));
            }
        });
        account.prove(&cluster, &rows, join);
        let there = sorted(account.pairs().into_iter().filter(not_closing));
        let run = |semantics: &str, more: &str| {
            let all = rows.run(&cluster.dir, &recording, semantics, more);
            sorted(all.into_iter().filter(not_closing))
        };
        let ours = run("kafka-streams", &kafka_streams(ours_kind, 0));
        same(&there, &ours, &format!("{what}, in order, {kind}: kafka-streams"));
        let clean = run("clean", &kind_of(ours_kind));
        same(&there, &clean, &format!("{what}, in order, {kind}: clean"));
    }
}

/// What the application gets of each sample. Of `code-changes`, eight years of
/// windows of 14 days, it takes some 60 rows a second.
const SAMPLES: [(&str, usize); 2] = [("feed", usize::MAX), ("code-changes", 10_000)];

/// The one that every test run has: half a minute.
#[test]
fn a_real_kafka_streams_application_gives_the_same() {
    streams_agree("600 rows", &small(2), &["inner", "left", "outer"]);
}

#[test]
#[ignore = "takes minutes: make parity"]
fn a_real_kafka_streams_application_gives_the_same_in_order() {
    streams_agree_in_order("600 rows", &small(2));
}

#[test]
#[ignore = "takes minutes: make parity"]
fn the_samples_in_a_real_kafka_streams_application_give_the_same() {
    for (name, first) in SAMPLES {
        let rows = Case::sample(name).first(first).without_late();
        streams_agree(name, &rows, &["inner", "left", "outer"]);
    }
}

#[test]
#[ignore = "takes minutes: make parity"]
fn late_rows_in_a_real_kafka_streams_application_give_what_its_own_order_gives() {
    for (rows, grace) in [(late(1, 600), 0), (late(2, 600), 1500), (late(3, 600), 20_000)] {
        let cluster = Cluster::kafka();
        cluster.publish(&rows.record(&cluster.dir, "rows"));
        for kind in ["inner", "left", "outer"] {
            let join = Join { kind, grace };
            let account = streams::run(&cluster, &rows, join, || ());
            let outputs = account.prove(&cluster, &rows, join);
            assert!(outputs > 300, "{kind}: {outputs} outputs");
        }
    }
    // A sample as it is, in all its partitions.
    for (name, first) in SAMPLES {
        let (rows, cluster) = (Case::sample(name).first(first), Cluster::kafka());
        cluster.publish(&rows.record(&cluster.dir, "rows"));
        let join = Join { kind: "left", grace: 60_000 };
        streams::run(&cluster, &rows, join, || ()).prove(&cluster, &rows, join);
    }
}

#[test]
#[ignore = "fetches Flink (345 MB) and starts it and a Kafka: make parity"]
fn a_real_flink_sql_job_gives_the_same() {
    flink_agrees("600 rows", &small(2), &KINDS.map(|(kind, _)| kind));
}

#[test]
#[ignore = "fetches Flink (345 MB) and starts it and a Kafka: make parity"]
fn the_samples_in_a_real_flink_sql_job_give_the_same() {
    for name in ["feed", "code-changes"] {
        flink_agrees(name, &Case::sample(name).without_late(), &["inner", "left", "full"]);
    }
}

#[test]
#[ignore = "fetches Flink (345 MB) and starts it and a Kafka: make parity"]
fn late_rows_in_a_real_flink_sql_job_give_what_its_own_order_gives() {
    let rows = late(4, 150);
    let kinds = ["left", "full"];
    let cluster = Cluster::with_flink();
    for topic in rows::TOPICS.iter().chain(&["joined"]) {
        cluster.topic(topic, 1);
    }
    let mut text = flink::tables(&cluster, &rows, false);
    for kind in kinds {
        text += &flink::insert(&rows, kind, 1);
    }
    let jobs = cluster.sql(&text, &["--no-wait"]);
    let jobs: Vec<Watched<'_>> = jobs.lines().map(|job| Watched::new(&cluster, job)).collect();
    assert_eq!(jobs.len(), kinds.len());
    let mut newest: [Option<i64>; 2] = [None, None];
    let mut sent = 0;
    for run in rows.rows.chunk_by(|a, b| a.left == b.left) {
        let part = Case { rows: run.to_vec(), ..rows.clone() };
        cluster.publish(&part.record(&cluster.dir, "part"));
        sent += run.len();
        let side = usize::from(!run[0].left);
        newest[side] = run.iter().map(|row| row.time - rows.delay).max().max(newest[side]);
        jobs.iter().for_each(|job| job.until(sent, newest));
    }
    let expected = kinds.map(|kind| {
        sorted(operator(&cluster.dir, &rows.trace("flink-sql", kind, false)).into_iter())
    });
    let in_order = sorted(operator(&cluster.dir, &rows.trace("clean", "full", false)).into_iter());
    assert!(expected[1] != in_order, "no row was late enough to show");
    // The sink sends what it holds within a moment; the last are there.
    let all = cluster.consume("joined");
    for (kind, expected) in kinds.iter().zip(&expected) {
        same(&flink::given(&all, kind, 1), expected, &format!("the job {kind}"));
    }
}
