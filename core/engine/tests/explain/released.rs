//! What released engines did with a row, in `why` and in `explain`.

use std::sync::Arc;

use joinscope_core::edges::pipeline_file::PipelineFile;
use joinscope_core::edges::recording::{self, Recording, WriterOptions};
use joinscope_core::engine::{AtEnd, Control};
use joinscope_core::operator::join::Reason;
use joinscope_core::operator::pipeline::Pipeline;
use joinscope_core::operator::record::{Record, TimestampType, TopicPartition};
use joinscope_core::operator::time::format_duration;
use joinscope_core::operator::verdict::Verdict::{self, Joined, Unmatched};
use joinscope_core::run::explain::{explain, why};
use joinscope_core::run::{Execute, Run, execute};
use tempfile::TempDir;

use crate::common::case::{Case, List};
use crate::judged;

const INPUTS: &str = r#"
name = "released"
[inputs.views]
topic = "views"
format = "json"
key = "k"
event_time = { field = "t", unit = "ms" }
watermark = { max_out_of_orderness = "0ms" }
[inputs.plays]
topic = "plays"
format = "json"
key = "k"
event_time = { field = "t", unit = "ms" }
watermark = { max_out_of_orderness = "0ms" }
[join]
primary = "views"
"#;

/// Records of one partition a topic, in this order, a millisecond apart; an
/// empty key is null.
pub(crate) fn case(join: &str, records: &[(&str, &str, i64)]) -> Case {
    let text = format!("{INPUTS}{join}");
    let partition = |topic: &str| TopicPartition { topic: Arc::from(topic), partition: 0 };
    let partitions = vec![partition("views"), partition("plays")];
    let mut next = [0; 2];
    let records = records.iter().enumerate().map(|(n, (topic, key, time))| {
        let source = usize::from(*topic != "views");
        let key = if key.is_empty() { "null".to_owned() } else { format!("\"{key}\"") };
        let offset = next[source];
        next[source] += 1;
        Record {
            arrival: n as u64,
            arrival_ns: n as i64 * 1_000_000,
            source: source as u32,
            offset,
            timestamp: Some(0),
            timestamp_type: TimestampType::Create,
            leader_epoch: None,
            key: None,
            value: Some(format!("{{\"k\":{key},\"t\":{time}}}").into_bytes().into()),
            headers: Vec::new(),
        }
    });
    let records = records.collect();
    let pipeline = Arc::new(Pipeline::parse(&text, "released.toml").unwrap());
    let source = Arc::new(List { partitions, records });
    Case { seed: 0, text, pipeline, source, disorder: true }
}

/// A run over these records, and the folder that it lies in.
pub(crate) fn judged_over(join: &str, records: &[(&str, &str, i64)]) -> (TempDir, Run) {
    let folder = tempfile::tempdir().unwrap();
    let run = judged(&case(join, records), &folder.path().join("run"), AtEnd::Open);
    (folder, run)
}

/// The row has this verdict and reason; its `why` is this, and its sentence has
/// these in it.
fn says(run: &Run, row: u64, what: (Verdict, Reason), short: &str, long: &[&str]) {
    let view = run.row(row).unwrap();
    assert_eq!((view.verdict, view.reason), what, "{view:#?}");
    assert_eq!(why(run, &view).unwrap(), short, "{view:#?}");
    let sentence = explain(run, row).unwrap().sentence;
    for part in long {
        assert!(sentence.contains(part), "{sentence}\nexpected in it: {part}");
    }
}

const STREAMS: &str = r#"
with.plays = { after = "0s", until = "100ms" }
kind = "left"
semantics = "kafka-streams"
grace = "20ms"
"#;

const SQL: &str = r#"
with.plays = { after = "0s", until = "20s" }
kind = "left"
semantics = "flink-sql"
min_cleanup = "60s"
"#;

#[test]
fn reasons_of_flink_sql() {
    let (_folder, run) = judged_over(
        SQL,
        &[
            ("views", "a", 1_000_000),
            ("plays", "z", 1_050_000),
            ("views", "b", 1_100_000),
            // The operator time is 1,050,000.
            ("views", "c", 1_010_000),
            ("plays", "d", 1_010_000),
            ("views", "e", 1_060_000),
            // It is 1,090,000 after this one, and the timer of a fires.
            ("plays", "f", 1_090_000),
            ("plays", "e", 1_075_000),
        ],
    );
    let nobody = "no candidate with this key";
    let not_kept = "not kept: the operator time had reached the end of its interval";
    let did_not = "Flink SQL did not keep this row: the operator time had already reached the \
                   end of its interval";
    let padded = "It was put out with nulls.";
    says(&run, 0, (Unmatched, Reason::Padded), nobody, &[padded]);
    let short = format!("{not_kept}; {nobody}");
    says(&run, 3, (Unmatched, Reason::NotKeptPadded), &short, &[did_not, padded]);
    says(&run, 4, (Unmatched, Reason::NotKept), &short, &[did_not]);
    let short = "joined once more after one of the two had expired; 1 output";
    says(&run, 5, (Joined, Reason::JoinedExpired), short, &["One of the two had expired already"]);
    let short = format!("{not_kept}; 1 output");
    says(&run, 7, (Joined, Reason::NotKept), &short, &["Flink SQL did not keep it"]);
}

/// B14: it is kept, and padded when it has expired, as any other.
#[test]
fn a_row_of_flink_sql_without_a_key_says_that_nothing_matches_it() {
    let (_folder, run) = judged_over(
        SQL,
        &[
            ("views", "", 1_000_000),
            ("plays", "z", 1_050_000),
            ("views", "b", 1_100_000),
            // The timer of the first fires.
            ("plays", "f", 1_090_000),
            ("views", "", 1_095_000),
        ],
    );
    let nothing = "Without a key nothing matches it.";
    let long = ["Its interval closed without a match. ", nothing, "It was put out with nulls."];
    says(&run, 0, (Unmatched, Reason::Padded), "without a key nothing matches it", &long);
    assert_eq!(run.row(4).unwrap().verdict, Verdict::Open);
    let sentence = explain(&run, 4).unwrap().sentence;
    assert!(sentence.ends_with(nothing), "{sentence}");
}

#[test]
fn reasons_of_kafka_streams() {
    let (_folder, run) = judged_over(
        STREAMS,
        &[
            ("views", "a", 1_000),
            ("views", "b", 1_500),
            ("views", "c", 1_390),
            ("plays", "c", 1_400),
            ("views", "d", 1_385),
            ("views", "e", 300_000),
            ("views", "f", 880),
            ("views", "", 300_000),
            ("plays", "x", 300_000),
            ("plays", "y", 880),
        ],
    );
    let nobody = "no candidate with this key";
    let (short, long) = ("padded and joined; 2 outputs", "before: padded and joined.");
    says(&run, 2, (Joined, Reason::PaddedAndJoined), short, &[long]);
    let short = format!("padded at once: out of order by more than `after`; {nobody}");
    says(
        &run,
        4,
        (Unmatched, Reason::PaddedAtOnce),
        &short,
        &["Kafka Streams put it out at once", "It was put out with nulls."],
    );
    let short = format!("not stored: older than its side's store keeps; {nobody}");
    let long = ["Kafka Streams did not store it: ", "The store had come so far with views[0]@4."];
    says(&run, 6, (Unmatched, Reason::NotStoredPadded), &short, &long);
    let null = "padded at once: its key is null; without a key nothing matches it";
    says(&run, 7, (Unmatched, Reason::NullKeyPadded), null, &["Its key is null, so that"]);
    let long = ["Kafka Streams did not store it: ", "The store had come so far with plays[0]@1."];
    says(&run, 9, (Unmatched, Reason::NotStored), &short, &long);
}

/// `DataStream` removes a row when the event-time watermark reaches its last
/// possible partner (C7), which `clean` would still have matched.
#[test]
fn why_goes_by_what_the_engine_found() {
    let join = r#"
with.plays = { after = "0s", until = "20s" }
kind = "inner"
semantics = "flink-datastream"
"#;
    let (_folder, run) = judged_over(
        join,
        &[
            ("views", "a", 1_000_000),
            ("plays", "z", 1_020_001),
            ("views", "b", 1_100_000),
            ("plays", "a", 1_020_000),
            ("plays", "y", 1_030_000),
        ],
    );
    for (row, verdict, what) in
        [(0, Verdict::Unmatched, "this one had "), (3, Verdict::Expired, "candidate had ")]
    {
        let view = run.row(row).unwrap();
        assert_eq!(view.verdict, verdict, "{view:#?}");
        let said = why(&run, &view).unwrap();
        assert!(said.starts_with(what), "{said}");
    }
}

/// C5, C7: the cleanup timer fires when the event-time watermark reaches its
/// time; `clean` keeps a row until it is past that.
#[test]
fn an_open_row_of_datastream_stays_until_its_timer_is_reached() {
    let join = r#"
with.plays = { after = "0s", until = "20s" }
kind = "inner"
semantics = "flink-datastream"
"#;
    let records = [("views", "b", 1_100_000), ("plays", "y", 1_030_000)];
    for (semantics, says, views, plays) in [
        ("flink-datastream", "reaches", "18:40.000Z", "17:10.000Z"),
        ("clean", "is past", "18:40.000Z", "17:10.000Z"),
    ] {
        let (_folder, run) = judged_over(&join.replace("flink-datastream", semantics), &records);
        for (row, until) in [(0, views), (1, plays)] {
            assert_eq!(run.row(row).unwrap().verdict, Verdict::Open);
            let sentence = explain(&run, row).unwrap().sentence;
            let said = format!(
                "until the event-time watermark {says} 1970-01-01T00:{until}; at the end that \
                 stood at 1970-01-01T00:17:09.999Z. "
            );
            assert!(sentence.contains(&said), "{sentence}\nexpected in it: {said}");
        }
    }
    // C7: the timer of a row whose bound is behind it is at its own time.
    let early =
        join.replace("after = \"0s\", until = \"20s\"", "after = \"-20s\", until = \"-10s\"");
    let (_folder, run) = judged_over(&early, &records);
    let sentence = explain(&run, 0).unwrap().sentence;
    assert!(sentence.contains("reaches 1970-01-01T00:18:20.000Z"), "{sentence}");
}

/// A source subtask without a partition gives out no event-time watermark: nothing
/// expires or is padded before the end.
#[test]
fn a_source_subtask_without_a_partition_keeps_every_row_open() {
    let records = [
        ("views", "a", 1_000_000),
        ("plays", "z", 1_050_000),
        ("views", "b", 2_000_000),
        ("plays", "y", 2_000_000),
    ];
    let joined = |parallelism: u32| {
        judged_over(&format!("{SQL}parallelism = {parallelism}\n").replace("60s", "0s"), &records)
    };
    let (_folder, run) = joined(1);
    assert_eq!(run.row(0).unwrap().verdict, Unmatched);
    let (_folder, run) = joined(4);
    assert_eq!(run.row(0).unwrap().verdict, Verdict::Open);
    let at = run.watermarks_at(3).unwrap();
    assert_eq!((at.join, at.inputs), (None, vec![None, None]));
    let without = at.holder.and_then(|holder| holder.without).unwrap();
    assert_eq!((without.input, without.more), (0, 2));
    let sentence = explain(&run, 0).unwrap().sentence;
    let said = format!(
        "at the end that had not begun. What holds that back is source subtask {} of views and 2 \
         more, without a partition.",
        without.subtask
    );
    assert!(sentence.contains(&said), "{sentence}\nexpected in it: {said}");
}

/// Kafka Streams knows no watermark (D3, D4).
#[test]
fn an_open_row_of_kafka_streams_waits_for_its_stores() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str, order: &str, records: &[(&str, &str, i64)], row: u64| {
        let case = case(&format!("{STREAMS}input_order = \"{order}\"\n"), records);
        let run = judged(&case, &folder.path().join(name), AtEnd::Open);
        let view = run.row(row).unwrap();
        assert_eq!(view.verdict, Verdict::Open, "{view:#?}");
        assert_eq!(why(&run, &view).unwrap(), "the run ended while it was still held");
        let sentence = explain(&run, row).unwrap().sentence;
        assert!(!sentence.contains("watermark"), "{sentence}");
        sentence
    };
    let records = [("views", "a", 1_000), ("plays", "b", 1_400)];
    let waits = "for a head row past 1970-01-01T00:00:01.120Z.";
    let kept = |time| format!("It is kept until its side's store has seen {time}.");
    let found = "Rows of the other side find it until its side's store has seen \
                 1970-01-01T00:00:01.120Z. ";
    let said = open("left", "given", &records, 0);
    assert!(said.contains(waits) && said.contains(found), "{said}");
    let said = open("right", "given", &records, 1);
    assert!(!said.contains("head row"), "{said}");
    assert!(said.contains(&kept("1970-01-01T00:00:01.520Z")), "{said}");
    let said = open("buffered", "smallest-timestamp", &records[..1], 0);
    assert!(said.contains("waited for a record of plays[0], it was only buffered"), "{said}");
}

/// D2.6, D5b. Found by trying it: its output was there, and of nulls no word.
#[test]
fn a_row_that_is_padded_and_held_says_both() {
    let records = [("views", "a", 1_000), ("views", "b", 1_500), ("views", "c", 1_390)];
    let (_folder, run) = judged_over(STREAMS, &records);
    let held = run.row(1).unwrap();
    assert_eq!((held.verdict, held.padded, held.outputs), (Verdict::Open, false, 0));
    let short = "padded; the run ended while it was still held";
    let long = "It was put out with nulls. It is kept until its side's store has seen \
                1970-01-01T00:00:01.510Z.";
    says(&run, 2, (Verdict::Open, Reason::Plain), short, &[long]);
    assert!(run.row(2).unwrap().padded);
}

/// A recording says where its partitions end: at its end no task waits for one, whether
/// it is empty or not even there.
#[test]
fn no_task_waits_for_a_partition_of_which_nothing_comes() {
    let join = format!("{STREAMS}input_order = \"smallest-timestamp\"\n");
    let case = case(&join, &[("views", "a", 1_000)]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("case.toml");
    std::fs::write(&file, &case.text).unwrap();
    // A join needs the same number of partitions, which the largest of them says.
    let empty = [("views", 0), ("plays", 0)].as_slice();
    for (n, there) in [empty, &[("views", 0), ("views", 1), ("plays", 1)]].iter().enumerate() {
        let path = folder.path().join(format!("{n}.mcap"));
        let mut writer = recording::Writer::create(&path, WriterOptions::default()).unwrap();
        for (topic, partition) in there.iter().copied() {
            writer.partition(TopicPartition { topic: Arc::from(topic), partition }).unwrap();
        }
        for record in &case.source.records {
            writer.add(record).unwrap();
        }
        writer.finish().unwrap();
        let dir = folder.path().join(format!("run-{n}"));
        let pipeline = PipelineFile::open(&file, &[]).unwrap();
        let spec = Execute::new(pipeline, Recording::open(&path).unwrap(), dir.clone());
        execute(spec, &Control::new()).unwrap();
        let run = Run::open(&dir).unwrap();
        assert_eq!(run.row(0).unwrap().verdict, Verdict::Open);
        let said = explain(&run, 0).unwrap().sentence;
        assert!(said.contains("to be put out with nulls for a head row past"), "{said}");
        assert!(!said.contains("buffered"), "{there:?}: {said}");
    }
}

/// With a negative `before` (D4) the store outlives a row before its window has closed,
/// and one that comes late it never has: both still wait (D3.3).
#[test]
fn a_row_of_kafka_streams_waits_also_where_its_store_has_outlived_it() {
    let join = STREAMS.replace("after = \"0s\"", "after = \"50ms\"");
    let join = format!("{join}input_order = \"given\"\n");
    let sentence = |records: &[(&str, &str, i64)], row| {
        let (_folder, run) = judged_over(&join, records);
        assert_eq!(run.row(row).unwrap().verdict, Verdict::Open);
        explain(&run, row).unwrap().sentence
    };
    // Kept for 70 ms, closed after 120 ms.
    let said = "It waits to be put out with nulls for a head row past 1970-01-01T00:00:01.120Z. \
                Rows of the other side find it until its side's store has seen \
                1970-01-01T00:00:01.070Z";
    let (old, new) = (("views", "a", 1_000), ("views", "b", 1_080));
    let alone = sentence(&[old], 0);
    assert!(alone.contains(&format!("{said}. ")), "{alone}");
    for (records, row) in [([old, new], 0), ([new, old], 1)] {
        let outlived = sentence(&records, row);
        let come = format!("{said}; views[0] has come to 1970-01-01T00:00:01.080Z. ");
        assert!(outlived.contains(&come), "{outlived}");
        assert!(!outlived.contains("It is kept"), "{outlived}");
    }
    // And so it is: what comes later does not find it.
    let (_folder, run) = judged_over(&join, &[old, new, ("plays", "a", 1_070)]);
    assert_eq!(run.row(0).unwrap().verdict, Verdict::Open);
    let (_folder, run) = judged_over(&join, &[old, ("plays", "a", 1_070), new]);
    assert_eq!(run.row(0).unwrap().verdict, Joined);
}

/// An expired row keeps its reason, and a row that a timer removed says so.
#[test]
fn expired_rows_of_flink_sql_say_what_was_done() {
    let join = SQL.replace("60s", "0s");
    let (_folder, run) = judged_over(
        &join,
        &[
            ("views", "a", 1_000_000),
            ("plays", "z", 1_050_000),
            // The operator time is 1,050,000 after this one: the timer of a fires.
            ("views", "b", 1_100_000),
            ("views", "c", 1_010_000),
            ("plays", "c", 1_015_000),
            ("plays", "a", 1_010_000),
        ],
    );
    let sentence = |row| {
        let told = explain(&run, row).unwrap();
        (told.row.verdict, told.row.reason, told.sentence)
    };
    let not_kept = "Flink SQL did not keep this row: the operator time had already reached the \
                    end of its interval, and nothing that it still held matched. ";
    let (verdict, reason, said) = sentence(3);
    assert_eq!((verdict, reason), (Verdict::Expired, Reason::NotKeptPadded));
    assert_eq!(
        said,
        format!(
            "{not_kept}plays[0]@1 lies in its interval, but this one had not been kept. It was \
             put out with nulls."
        )
    );
    let (verdict, reason, said) = sentence(5);
    assert_eq!((verdict, reason), (Verdict::Expired, Reason::NotKept));
    assert_eq!(
        said,
        format!(
            "{not_kept}views[0]@0 lies in its interval, but had been removed by Flink's cleanup \
             timer at views[0]@1, 1970-01-01T00:00:00.002Z."
        )
    );
    let (verdict, _, said) = sentence(0);
    assert_eq!(verdict, Unmatched);
    assert!(said.ends_with("Flink's cleanup timer removed it at views[0]@1."), "{said}");
}

/// B4.1: an expired row that cleanup has not reached yet is padded by a row of
/// the other side.
#[test]
fn a_probe_that_removes_a_row_is_not_its_timer() {
    let records = [
        ("views", "a", 1_000_000),
        ("plays", "z", 1_050_000),
        ("views", "b", 1_100_000),
        ("plays", "a", 1_060_000),
    ];
    let (_folder, run) = judged_over(SQL, &records);
    let told = explain(&run, 0).unwrap();
    assert_eq!((told.row.verdict, told.row.reason), (Unmatched, Reason::Padded));
    let end = "Its interval had closed before, and it was removed when plays[0]@1 came.";
    assert!(told.sentence.ends_with(end), "{}", told.sentence);
}

/// What the revision names is the row that would have matched, not what moved
/// the store.
#[test]
fn a_revised_row_of_kafka_streams_keeps_its_number() {
    let records = [("views", "e", 300_000), ("views", "f", 880), ("plays", "f", 900)];
    let (_folder, run) = judged_over(STREAMS, &records);
    let told = explain(&run, 1).unwrap();
    assert_eq!((told.row.verdict, told.row.reason), (Verdict::Expired, Reason::NotStoredPadded));
    let older = format!("did not store it: {} older than", format_duration(299_881 - 880));
    for part in [
        older.as_str(),
        "The store had come so far with views[0]@0.",
        "plays[0]@0 lies in its interval, but this one had not been stored.",
        "It was put out with nulls.",
    ] {
        assert!(told.sentence.contains(part), "{}\nexpected in it: {part}", told.sentence);
    }
}

#[test]
fn a_row_that_only_waits_for_its_pad_is_not_found() {
    let records = [("views", "a", 1_000), ("views", "b", 300_000), ("plays", "a", 1_050)];
    let (_folder, run) = judged_over(STREAMS, &records);
    let sentence = explain(&run, 2).unwrap().sentence;
    let lost = "views[0]@0 lies in its interval, but was not, or no longer, in its side's store.";
    assert!(sentence.ends_with(lost), "{sentence}");
}
