//! The shipped sample, run into a folder, and gone on with from a checkpoint.

use std::path::{Path, PathBuf};

use super::resume::segments;
use crate::edges::pipeline_file::PipelineFile;
use crate::edges::recording::{ClockEntry, ClockEntryKind, Recording, Writer, WriterOptions};
use crate::engine::Control;
use crate::operator::record::{Record, TimestampType, TopicPartition};
use crate::operator::verdict::Verdict;
use crate::run::{Execute, Run, RunError, RunState, VerdictSet, execute, resume};

pub(super) fn spec(dir: &Path, sets: &[(String, String)]) -> Execute {
    let feed = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../sample-data/feed");
    let pipeline = PipelineFile::open(&feed.join("feed.toml"), sets).unwrap();
    let recording = Recording::open(&feed.join("feed.mcap")).unwrap();
    let records = recording.len();
    Execute {
        overrides: sets.to_vec(),
        memory: 64 << 20,
        shards: 2,
        checkpoint_records: records / 4,
        ..Execute::new(pipeline, recording, dir.to_owned())
    }
}

/// Rows, decisions and outputs; when state was sampled depends on the batches.
fn tables(dir: &Path) -> Vec<(String, Vec<u8>)> {
    segments(dir).into_iter().filter(|(name, _)| name.ends_with(".parquet")).collect()
}

#[test]
fn a_run_gone_on_with_ends_as_if_it_had_never_stopped() {
    let late = [("join.late".to_owned(), "\"join\"".to_owned())];
    let none: [(String, String); 0] = [];
    for sets in [none.as_slice(), late.as_slice()] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run");
        let whole = execute(spec(&path, sets), &Control::new()).unwrap();
        let again = execute(spec(&path, sets), &Control::new()).unwrap_err();
        assert!(matches!(again, RunError::Exists(_)), "{again}");
        let below_a_file = path.join("manifest.json/run");
        let none = execute(spec(&below_a_file, sets), &Control::new()).unwrap_err().to_string();
        let (place, what) = none.split_once(": ").unwrap();
        assert_eq!(place, below_a_file.display().to_string());
        assert!(what.starts_with("no folder can be made there ("), "{none}");
        let run = Run::open(&path).unwrap();
        assert_eq!(run.state(), RunState::Done);
        let books = run.books(None).unwrap();
        let counts: Vec<_> = whole.books.iter().map(|b| b.counts).collect();
        assert_eq!(books.inputs, counts);
        assert_eq!((run.rows(), books.outputs), (whole.rows, whole.outputs));
        assert_eq!((books.state_rows, run.recording().is_some()), (whole.state_rows, true));
        if sets.is_empty() {
            assert!(run.count(VerdictSet::of(Verdict::Late)) > 0);
        } else {
            assert_eq!(run.count(VerdictSet::of(Verdict::Late)), 0);
        }

        let kept = tables(&path);
        let checkpoints = run.checkpoints();
        assert!(checkpoints.len() >= 2, "{checkpoints:?}");
        let at = checkpoints[1].arrival;
        let resumed = resume(spec(&path, sets), at, &Control::new()).unwrap();
        assert_eq!(resumed.digest, whole.digest);
        assert_eq!(tables(&path), kept);

        let mut other = spec(&path, sets);
        other.seed = 5;
        let error = resume(other, at, &Control::new()).unwrap_err().to_string();
        assert!(error.contains("another seed"), "{error}");
        let error = resume(spec(&path, sets), 1, &Control::new()).unwrap_err().to_string();
        assert!(error.contains("no checkpoint"), "{error}");
    }
}

/// Found by reading: what was newer was gone before the checkpoint was looked at.
#[test]
fn a_damaged_checkpoint_costs_nothing_that_is_newer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    let whole = execute(spec(&path, &[]), &Control::new()).unwrap();
    let (kept, checkpoints) = (segments(&path), Run::open(&path).unwrap().checkpoints());
    assert!(checkpoints.len() >= 2, "{checkpoints:?}");
    std::fs::write(path.join(&checkpoints[0].path).join("manifest.json"), b"cut").unwrap();
    let at = checkpoints[0].arrival;
    let error = resume(spec(&path, &[]), at, &Control::new()).unwrap_err().to_string();
    assert!(error.contains("damaged"), "{error}");
    assert!(segments(&path) == kept, "nothing was removed");
    // Of the newest, behind which there is no other, as little.
    let manifest = || std::fs::read(path.join("manifest.json")).unwrap();
    let (newest, before) = (checkpoints.last().unwrap(), manifest());
    let of_newest = path.join(&newest.path).join("manifest.json");
    let good = std::fs::read(&of_newest).unwrap();
    std::fs::write(&of_newest, b"cut").unwrap();
    let error = resume(spec(&path, &[]), newest.arrival, &Control::new()).unwrap_err().to_string();
    assert!(error.contains("damaged") && error.contains("Nothing was changed"), "{error}");
    assert!(segments(&path) == kept && manifest() == before, "nothing was changed");
    std::fs::write(&of_newest, good).unwrap();
    let resumed = resume(spec(&path, &[]), checkpoints[1].arrival, &Control::new()).unwrap();
    assert_eq!(resumed.digest, whole.digest);
}

/// An arrival log whose topic `other` and, if asked, `views` got a partition later.
fn grown(path: &Path, views: bool) -> Recording {
    let mut writer = Writer::create(path, WriterOptions::default()).unwrap();
    let of = |topic: &str, partition| TopicPartition { topic: topic.into(), partition };
    let mut partitions = vec![of("views", 0), of("plays", 0), of("other", 0), of("other", 1)];
    partitions.extend(views.then(|| of("views", 1)));
    for partition in &partitions {
        writer.partition(partition.clone()).unwrap();
    }
    for arrival in 0..6u64 {
        if arrival == 4 {
            for partition in &partitions[3..] {
                let kind = ClockEntryKind::Added(partition.to_string());
                writer.clock(&ClockEntry { precedes: 4, at_ns: 3_500_000, kind }).unwrap();
            }
        }
        let record = Record {
            arrival,
            arrival_ns: arrival as i64 * 1_000_000,
            source: arrival as u32 % 2,
            offset: arrival as i64 / 2,
            timestamp: None,
            timestamp_type: TimestampType::None,
            leader_epoch: None,
            key: None,
            value: Some(format!("{{\"k\":\"a\",\"t\":{}}}", 1_000 + arrival).into_bytes().into()),
            headers: Vec::new(),
        };
        writer.add(&record).unwrap();
    }
    writer.finish().unwrap();
    Recording::open(path).unwrap()
}

#[test]
fn a_restart_is_refused_only_where_the_join_gets_partitions_later() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p.toml");
    let mut text = String::new();
    for input in ["views", "plays"] {
        text += &format!(
            "[inputs.{input}]\ntopic = \"{input}\"\nformat = \"json\"\nkey = \"k\"\n\
             event_time = {{ field = \"t\", unit = \"ms\" }}\n\
             watermark = {{ max_out_of_orderness = \"1s\" }}\n"
        );
    }
    text +=
        "[join]\nprimary = \"views\"\nwith.plays = { until = \"1m\" }\nsemantics = \"flink-sql\"\n";
    std::fs::write(&file, text).unwrap();
    let run = |name: &str, views: bool, parallelism: &str| {
        let sets = [("join.parallelism".to_owned(), parallelism.to_owned())];
        let recording = grown(&dir.path().join(format!("{name}.mcap")), views);
        assert!(recording.info().partitions.iter().any(|partition| partition.later));
        let spec = Execute {
            overrides: sets.to_vec(),
            restarts: vec![2],
            ..Execute::new(
                PipelineFile::open(&file, &sets).unwrap(),
                recording,
                dir.path().join(name),
            )
        };
        execute(spec, &Control::new()).map(drop).map_err(|e| e.to_string())
    };
    // A topic that it does not read, and rules that know all from the beginning.
    assert_eq!(run("other", false, "1"), Ok(()));
    assert_eq!(run("subtasks", true, "2"), Ok(()));
    let refused = run("views", true, "1").unwrap_err();
    assert!(refused.contains("a topic got new partitions"), "{refused}");
    assert!(!dir.path().join("views").exists());
}

#[test]
fn long_keys_make_short_batches_and_segments() {
    const KEY: usize = 1 << 20;
    let dir = tempfile::tempdir().unwrap();
    let (path, file) = (dir.path().join("r.mcap"), dir.path().join("p.toml"));
    let mut writer = Writer::create(&path, WriterOptions::default()).unwrap();
    for topic in ["views", "plays"] {
        writer.partition(TopicPartition { topic: topic.into(), partition: 0 }).unwrap();
    }
    for arrival in 0..150u64 {
        let mut key = format!("{:08}", arrival / 2).into_bytes();
        key.resize(KEY, b'k');
        let record = Record {
            arrival,
            arrival_ns: arrival as i64 * 1_000_000,
            source: arrival as u32 % 2,
            offset: arrival as i64 / 2,
            timestamp: None,
            timestamp_type: TimestampType::None,
            leader_epoch: None,
            key: Some(key.into()),
            value: Some(format!("{{\"t\":{arrival}}}").into_bytes().into()),
            headers: Vec::new(),
        };
        writer.add(&record).unwrap();
    }
    writer.finish().unwrap();
    let mut text = String::new();
    for input in ["views", "plays"] {
        text += &format!(
            "[inputs.{input}]\ntopic = \"{input}\"\nformat = \"json\"\nkey = \"$key\"\n\
             event_time = {{ field = \"t\", unit = \"ms\" }}\n\
             watermark = {{ max_out_of_orderness = \"1s\" }}\n"
        );
    }
    text += "[join]\nprimary = \"views\"\nwith.plays = { until = \"1m\" }\n";
    std::fs::write(&file, text).unwrap();
    let spec = Execute::new(
        PipelineFile::open(&file, &[]).unwrap(),
        Recording::open(&path).unwrap(),
        dir.path().join("run"),
    );
    let summary = execute(spec, &Control::new()).unwrap();
    assert_eq!((summary.records, summary.outputs), (150, 75));
    let run = Run::open(&dir.path().join("run")).unwrap();
    // 64 MiB of keys end a segment, once they are there.
    let segments = run.now().segments.len();
    assert!(segments >= 3, "{segments}");
    let rows = run.page(60, 10).unwrap();
    assert!(rows.iter().all(|row| row.outputs == 1 && row.verdict == Verdict::Joined));
    let key = rows[4].key.as_ref().unwrap().to_string();
    assert!(key.len() == KEY && key.starts_with("00000032k"), "{}", &key[..20]);
}
