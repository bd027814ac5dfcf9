//! What is said of rows at the edges: a verdict at the last possible moment, a row that
//! is held too long, one that was never kept, a key with more rows than are looked at.

use std::sync::Arc;

use joinscope_core::engine::step::Sink as _;
use joinscope_core::engine::{AtEnd, Control};
use joinscope_core::operator::join::Reason;
use joinscope_core::operator::pipeline::Pipeline;
use joinscope_core::operator::record::{Record, TimestampType, TopicPartition};
use joinscope_core::operator::verdict::Verdict;
use joinscope_core::run::explain::{Candidate, explain, why};
use joinscope_core::run::{Run, RunEnd, RunState};

use crate::common::case::{Case, List};
use crate::released::{case, judged_over};
use crate::{judged, run, spec, verdict_with, writer};

fn verdicts(run: &Run, rows: [u64; 2]) -> [(Verdict, Reason); 2] {
    rows.map(|row| {
        let view = run.row(row).unwrap();
        (view.verdict, view.reason)
    })
}

fn candidate(candidates: &[Candidate], record: &str) -> String {
    let of = |c: &&Candidate| c.record.to_string() == record;
    candidates.iter().find(of).unwrap().why.clone()
}

/// B4.2: a row is not kept where the operator time has reached its last possible
/// partner, which itself may still come in time.
#[test]
fn the_last_possible_partner_in_time_finds_its_row_gone() {
    let join = r#"
with.plays = { after = "0s", until = "10s" }
kind = "left"
semantics = "flink-sql"
"#;
    let (_folder, run) = judged_over(
        join,
        &[
            ("views", "z", 110_000),
            ("plays", "z", 110_000),
            ("views", "a", 100_000),
            ("plays", "a", 110_000),
        ],
    );
    assert_eq!(run.row(3).unwrap().late_by, None, "it came in time");
    assert_eq!(
        verdicts(&run, [2, 3]),
        [(Verdict::Expired, Reason::NotKeptPadded), (Verdict::Expired, Reason::NotKept)]
    );
    assert_eq!(run.row(2).unwrap().unmatched_since, Some(2));
    let sentence = explain(&run, 2).unwrap().sentence;
    assert!(sentence.contains("had already reached the end of its interval"), "{sentence}");
}

/// B4.2: a key has one timer a side, that of the row which came first.
#[test]
fn a_row_of_flink_sql_that_is_held_beyond_its_interval_says_so() {
    let join = r#"
with.plays = { after = "0s", until = "60s" }
kind = "left"
semantics = "flink-sql"
"#;
    let (_folder, run) = judged_over(
        join,
        &[
            ("views", "a", 100_000),
            ("plays", "z", 20_000),
            ("views", "a", 30_000),
            ("plays", "z", 95_000),
        ],
    );
    let told = |row| {
        let told = explain(&run, row).unwrap();
        assert_eq!(told.row.verdict, Verdict::Open);
        (told.sentence, why(&run, &told.row).unwrap())
    };
    let (sentence, short) = told(2);
    assert_eq!(
        sentence,
        "Its interval ended without a match, and Flink SQL still holds it: at the end the \
         event-time watermark stood at 1970-01-01T00:01:35.000Z, past 1970-01-01T00:01:30.000Z, \
         but neither its key's cleanup timer nor a record of plays with its key has removed it. \
         No record of plays has its key \"a\"."
    );
    assert_eq!(short, "its interval ended without a match; Flink SQL still holds it");
    let (sentence, short) = told(0);
    let until = "It stays in the state at least until the event-time watermark is past \
                 1970-01-01T00:02:40.000Z; at the end that stood at 1970-01-01T00:01:35.000Z.";
    assert!(sentence.contains(until), "{sentence}");
    assert_eq!(short, "the run ended before its interval did");
}

/// A row that was never in the state has not left it.
#[test]
fn a_row_that_was_not_kept_has_not_left_the_state() {
    let join = r#"
with.plays = { after = "0s", until = "10s" }
kind = "inner"
late = "join"
"#;
    let (_folder, run) = judged_over(
        join,
        &[
            ("views", "b", 199_000),
            ("views", "z", 200_000),
            ("plays", "z", 200_000),
            ("views", "a", 100_000),
            ("plays", "a", 105_000),
            ("views", "z", 300_000),
            ("plays", "z", 300_000),
            ("plays", "b", 199_000),
        ],
    );
    let told = |row| {
        let told = explain(&run, row).unwrap();
        assert_eq!(told.row.verdict, Verdict::Expired, "{told:#?}");
        (told.candidates, told.sentence, why(&run, &told.row).unwrap())
    };
    let (candidates, sentence, short) = told(4);
    assert_eq!(candidate(&candidates, "views[0]@2"), "in the interval, but had not been kept");
    assert!(sentence.starts_with("views[0]@2 lies in its interval but had not been kept: "));
    assert_eq!(short, "candidate had not been kept");
    let (candidates, sentence, short) = told(3);
    let what = candidate(&candidates, "plays[0]@1");
    assert_eq!(what, "in the interval, but this one had not been kept");
    assert!(sentence.starts_with("It was not in the state when plays[0]@1 came"), "{sentence}");
    assert_eq!(short, "no longer kept when its candidate came");
    let (candidates, sentence, _) = told(7);
    assert_eq!(candidate(&candidates, "views[0]@0"), "in the interval, but had left the state");
    assert!(sentence.starts_with("views[0]@0 lies in its interval but had left the state: "));
}

/// The rows of a hot key that lie nearest in time may all lie outside of an interval
/// that begins further off.
#[test]
fn what_lies_in_the_interval_of_a_hot_key_is_found_beyond_what_is_near() {
    let join = r#"
with.plays = { after = "60s", until = "120s" }
kind = "inner"
"#;
    let mut records = vec![("views", "a", 1_000_000)];
    records.extend((0..150).map(|n| ("plays", "a", 1_000_001 + n)));
    records.extend([("plays", "a", 1_070_000), ("plays", "a", 1_080_000)]);
    let (_folder, run) = judged_over(join, &records);
    let told = explain(&run, 0).unwrap();
    assert_eq!(told.row.verdict, Verdict::Joined);
    assert_eq!(told.sentence, "Matched plays[0]@150 and plays[0]@151.");
    // Just as many as are listed, and more than those.
    for (n, said) in [(20, "Matched 20 records, "), (21, "Matched 20 or more records, ")] {
        let mut records = vec![("views", "a", 1_000_000)];
        records.extend((0..n).map(|n| ("plays", "a", 1_070_000 + n)));
        let (_folder, run) = judged_over(join, &records);
        let sentence = explain(&run, 0).unwrap().sentence;
        assert!(sentence.starts_with(said), "{sentence}");
    }
}

/// Where one record of a segment lies ages ahead (nanoseconds taken for milliseconds),
/// the index of keys knows event times to half an hour only.
#[test]
fn what_lies_in_the_interval_is_found_where_event_times_are_known_coarsely() {
    let join = r#"
with.plays = { after = "0s", until = "120s" }
kind = "inner"
"#;
    let time = 1_000_000_000;
    let mut records = vec![("views", "a", time)];
    records.extend((0..150).map(|n| ("plays", "a", time + 600_000 + n)));
    records.extend([("plays", "a", time + 70_000), ("plays", "z", 1 << 61)]);
    let (_folder, run) = judged_over(join, &records);
    let told = explain(&run, 0).unwrap();
    assert_eq!(told.row.verdict, Verdict::Joined);
    assert_eq!(told.sentence, "Matched plays[0]@150, 1m 10s later.");
    assert!(told.candidates[0].matched);
}

/// Of a late row no more are counted than are listed.
#[test]
fn a_late_row_counts_what_it_would_have_matched() {
    let join = r#"
with.plays = { after = "0s", until = "60s" }
kind = "inner"
"#;
    for (n, said) in [(2, "matched 2 records of plays, "), (25, "matched 20 or more records of ")] {
        let mut records = vec![("views", "z", 1_040_000)];
        records.extend((0..n).map(|n| ("plays", "a", 1_041_000 + n)));
        records.push(("views", "a", 1_000_000));
        let folder = tempfile::tempdir().unwrap();
        let run = judged(&case(join, &records), &folder.path().join("run"), AtEnd::Open);
        let told = explain(&run, n as u64 + 1).unwrap();
        assert_eq!(told.row.verdict, Verdict::Late);
        assert!(told.sentence.contains(said), "{}", told.sentence);
    }
}

/// Found by reading: of many late partners only the first were asked, and these are
/// those nearest in time, not those that were least late.
#[test]
fn what_is_enough_for_the_least_late_of_many_is_named() {
    let join = r#"
with.plays = { after = "0s", until = "60s" }
kind = "left"
"#;
    let over = |n: i64| {
        let mut records =
            vec![("views", "a", 1_000_000), ("views", "z", 1_100_000), ("plays", "z", 1_060_000)];
        records.extend((1..=n).map(|n| ("plays", "a", 1_000_000 + 1_000 * n)));
        let case = case(join, &records);
        let folder = tempfile::tempdir().unwrap();
        let told = explain(&run(&case, &folder.path().join("run")), 0).unwrap();
        assert_eq!(told.row.verdict, Verdict::Unmatched);
        (case, told.enough)
    };
    let (case, enough) = over(20);
    assert!(!enough.is_empty());
    for e in &enough {
        assert_eq!(verdict_with(&case, &e.path, e.ms, 0), Verdict::Joined, "{e:#?}");
        assert_eq!(verdict_with(&case, &e.path, e.ms - 1, 0), Verdict::Unmatched, "{e:#?}");
        assert!(!e.effect.contains("less may be enough"), "{e:#?}");
    }
    // Of more than are listed it is said that it may not be the smallest.
    let (case, enough) = over(30);
    assert!(!enough.is_empty());
    for e in &enough {
        assert_eq!(verdict_with(&case, &e.path, e.ms, 0), Verdict::Joined, "{e:#?}");
        assert!(e.effect.contains("less may be enough"), "{e:#?}");
    }
}

/// Records of `kafka-streams` by (topic, partition), key and time; two partitions a
/// topic. Those of the key `gone` have no value.
fn streams(gone: &str, records: &[((&str, i32), &str, i64)]) -> Case {
    let mut text = "name = \"streams\"\n".to_owned();
    for input in ["views", "plays"] {
        text += &format!(
            "[inputs.{input}]\ntopic = \"{input}\"\nformat = \"json\"\nkey = \"$key\"\n\
             event_time = \"$timestamp\"\nwatermark = {{ max_out_of_orderness = \"0ms\" }}\n"
        );
    }
    text += "[join]\nprimary = \"views\"\nwith.plays = { after = \"0s\", until = \"100ms\" }\n\
             kind = \"left\"\nsemantics = \"kafka-streams\"\ngrace = \"20ms\"\n";
    let sources = [("views", 0), ("plays", 0), ("views", 1), ("plays", 1)];
    let mut next = [0; 4];
    let records = records.iter().enumerate().map(|(n, (of, key, time))| {
        let source = sources.iter().position(|source| source == of).unwrap();
        let offset = next[source];
        next[source] += 1;
        Record {
            arrival: n as u64,
            arrival_ns: n as i64 * 1_000_000,
            source: source as u32,
            offset,
            timestamp: Some(*time),
            timestamp_type: TimestampType::Create,
            leader_epoch: None,
            key: Some((*key).trim_end_matches('-').to_owned().into()),
            value: (*key != gone).then(|| "{}".into()),
            headers: Vec::new(),
        }
    });
    let records = records.collect();
    let partition =
        |(topic, partition): (&str, i32)| TopicPartition { topic: Arc::from(topic), partition };
    let partitions = sources.into_iter().map(partition).collect();
    let pipeline = Arc::new(Pipeline::parse(&text, "streams.toml").unwrap());
    let source = Arc::new(List { partitions, records });
    Case { seed: 0, text, pipeline, source, disorder: true }
}

/// D4: a task joins partition n with partition n. What lies in another partition was
/// nobody's partner, and so was not removed before its partner came.
#[test]
fn no_row_of_another_partition_makes_one_of_kafka_streams_expired() {
    let records = [
        (("views", 0), "a", 1_000),
        (("plays", 0), "z", 1_100),
        (("plays", 1), "a", 1_050),
        (("plays", 1), "y", 2_000),
    ];
    let folder = tempfile::tempdir().unwrap();
    let run = judged(&streams("", &records), &folder.path().join("run"), AtEnd::Open);
    let told = explain(&run, 2).unwrap();
    assert_eq!(told.row.verdict, Verdict::Unmatched, "{told:#?}");
    assert!(told.sentence.contains("is of another partition, which"), "{}", told.sentence);
}

/// D2.2: a record without a value is dropped before the join, so it is nobody's partner.
#[test]
fn no_tombstone_makes_a_row_of_kafka_streams_expired() {
    let records = [
        (("views", 0), "a-", 1_000),
        (("plays", 0), "z", 1_100),
        (("plays", 0), "a", 1_050),
        (("views", 0), "b", 300_000),
        (("views", 0), "a", 880),
        (("plays", 0), "a-", 900),
        (("plays", 0), "y", 300_000),
    ];
    let folder = tempfile::tempdir().unwrap();
    let run = judged(&streams("a-", &records), &folder.path().join("run"), AtEnd::Open);
    for tombstone in [0, 5] {
        let row = run.row(tombstone).unwrap();
        assert_eq!((row.verdict, row.key), (Verdict::Tombstone, run.row(2).unwrap().key));
    }
    assert_eq!(
        verdicts(&run, [2, 4]),
        [(Verdict::Unmatched, Reason::Plain), (Verdict::Unmatched, Reason::NotStoredPadded)]
    );
}

/// An example that goes out early is not open: what came later and changed no label of
/// it stands in no output.
#[test]
fn what_changes_no_label_of_an_early_example_waits_for_nothing() {
    let join = r#"
with.plays = { after = "0s", until = "100s" }
kind = "left"
[examples]
emit = "early-and-correct"
labels = { hit = "plays.k = a" }
"#;
    let records = [("views", "a", 1_000_000), ("plays", "a", 1_001_000), ("plays", "a", 1_002_000)];
    let (_folder, run) = judged_over(join, &records);
    let said = |row| {
        let told = explain(&run, row).unwrap();
        assert_eq!(told.row.verdict, Verdict::Joined);
        (told.row.outputs, why(&run, &told.row).unwrap(), told.sentence)
    };
    let (outputs, short, sentence) = said(2);
    assert_eq!((outputs, short.as_str()), (0, "matched; it changed no label"));
    assert_eq!(sentence, "Matched views[0]@0, 2 s earlier.");
    let (outputs, short, sentence) = said(1);
    assert_eq!((outputs, short.as_str()), (1, "1 output"));
    assert!(sentence.ends_with(" It is folded into output 1."), "{sentence}");
    let (outputs, _, sentence) = said(0);
    assert_eq!(outputs, 2);
    assert!(sentence.ends_with(" Its example is output 1."), "{sentence}");
    // One that waits for its close.
    let (_folder, run) = judged_over(&join.replace("early-and-correct", "on-close"), &records);
    assert_eq!(why(&run, &run.row(2).unwrap()).unwrap(), "matched; its example is still open");
}

/// What a partition that went idle closed was not closed by the record that came next.
#[test]
fn an_interval_that_the_clock_closed_says_so() {
    let join = r#"
with.plays = { after = "0s", until = "10s" }
kind = "inner"
"#;
    let mut records = vec![("views", "a", 1_000), ("plays", "z", 1_000)];
    records.extend((0..6).map(|n| ("views", "b", 200_000 + n)));
    let mut case = case(join, &records);
    // That of plays, the input before the join.
    let (idle, own) = ("\"0ms\", idle_timeout = \"5ms\" }\n[join]", "\"0ms\" }\n[join]");
    assert!(case.text.contains(own));
    case.text = case.text.replace(own, idle);
    case.pipeline = Arc::new(Pipeline::parse(&case.text, "idle.toml").unwrap());
    let folder = tempfile::tempdir().unwrap();
    let run = judged(&case, &folder.path().join("run"), AtEnd::Open);
    let told = explain(&run, 0).unwrap();
    assert_eq!((told.row.verdict, told.row.decided), (Verdict::Unmatched, Some(6)));
    let end = " The interval closed when plays[0] had gone idle, before views[0]@5 came.";
    assert!(told.sentence.ends_with(end), "{}", told.sentence);
}

/// What has not fallen while a run goes on, or waits at a breakpoint, may still fall.
#[test]
fn a_run_that_goes_on_has_not_ended() {
    let clean = r#"
with.plays = { after = "0s", until = "10s" }
kind = "left"
semantics = "clean"
"#;
    let streams = clean.replace("\"clean\"", "\"kafka-streams\"") + "grace = \"1s\"\n";
    for (join, short, long, end, ended) in [
        (
            clean,
            "no verdict has fallen yet",
            "No verdict has fallen yet. It stays in the state until the event-time watermark is \
             past 1970-01-01T00:00:11.000Z; so far that stands at 1970-01-01T00:00:00.999Z. ",
            // At its breakpoint.
            RunState::Stopped,
            "the run ended before its interval did",
        ),
        (
            streams.as_str(),
            "it is still held",
            "It is still held. It waits to be put out with nulls for a head row past ",
            RunState::Done,
            "the run ended while it was still held",
        ),
    ] {
        let case = case(join, &[("views", "a", 1_000), ("plays", "z", 1_000)]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        let mut writer = writer(&case, &path, AtEnd::Open, &[]);
        let spec = spec(&case, AtEnd::Open);
        joinscope_core::engine::run(spec, &mut writer, &Control::new()).unwrap();
        for (stopped, state) in [(true, RunState::Stopped), (false, RunState::Running)] {
            writer.stopped(stopped).unwrap();
            let run = Run::open(&path).unwrap();
            assert_eq!((run.state(), run.rows()), (state, 2));
            let told = explain(&run, 0).unwrap();
            assert_eq!(told.row.verdict, Verdict::Open);
            assert!(told.sentence.starts_with(long), "{}", told.sentence);
            assert_eq!(why(&run, &told.row).unwrap(), short);
        }
        writer.finish(end, RunEnd::default()).unwrap();
        let run = Run::open(&path).unwrap();
        assert_eq!(run.state(), end);
        assert_eq!(why(&run, &run.row(0).unwrap()).unwrap(), ended);
    }
}

#[test]
fn a_run_that_was_killed_where_it_waited_has_ended() {
    let join = r#"
with.plays = { after = "0s", until = "10s" }
kind = "left"
semantics = "clean"
"#;
    let case = case(join, &[("views", "a", 1_000), ("plays", "z", 1_000)]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let mut writer = writer(&case, &path, AtEnd::Open, &[]);
    joinscope_core::engine::run(spec(&case, AtEnd::Open), &mut writer, &Control::new()).unwrap();
    writer.stopped(true).unwrap();
    // Dropped without an end, as a killed process leaves it.
    drop(writer);
    let run = Run::open(&path).unwrap();
    assert_eq!((run.state(), run.rows()), (RunState::CutOff, 2));
    let told = explain(&run, 0).unwrap();
    assert_eq!(told.row.verdict, Verdict::Open);
    assert!(told.sentence.starts_with("The run ended before its interval did. "));
}

/// Of more outputs than are listed the last is named.
#[test]
fn a_record_in_many_examples_names_the_last() {
    let join = r#"
with.plays = { after = "0s", until = "10s" }
kind = "left"
[examples]
emit = "on-close"
labels = { seen = "plays.k = a" }
"#;
    let views = (0..25).map(|n| ("views", "a", 1_000 + n));
    let records: Vec<(&str, &str, i64)> = views.chain([("plays", "a", 2_000)]).collect();
    let folder = tempfile::tempdir().unwrap();
    let run = run(&case(join, &records), &folder.path().join("run"));
    let told = explain(&run, 25).unwrap();
    assert_eq!((told.row.outputs, told.outputs.len()), (25, 20));
    let last = "It is folded into 25 outputs, the last 24.";
    assert!(told.sentence.ends_with(last), "{}", told.sentence);
    let sentence = explain(&run, 24).unwrap().sentence;
    assert!(sentence.ends_with("Its example is output 24."), "{sentence}");
}

/// A record that `where` leaves out may have the key, which is not looked for then.
#[test]
fn what_failed_a_check_is_not_said_to_have_another_key() {
    let join = r#"
with.plays = { after = "0s", until = "10s" }
[inputs.plays.where]
k = ["b"]
"#;
    let said = |plays: &str| {
        let (_folder, run) =
            judged_over(join, &[("views", "a", 1_000_000), ("plays", plays, 1_001_000)]);
        (run.row(1).unwrap().verdict, explain(&run, 0).unwrap().sentence)
    };
    let (verdict, sentence) = said("a");
    assert_eq!(verdict, Verdict::Filtered);
    let passed = "No record of plays that passed the checks has its key \"a\".";
    assert!(sentence.ends_with(passed), "{sentence}");
    let (verdict, sentence) = said("b");
    assert_eq!(verdict, Verdict::Open);
    assert!(sentence.ends_with("No record of plays has its key \"a\"."), "{sentence}");
}
