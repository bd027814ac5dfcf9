//! What can happen to a recording while it is made: one of three brokers is
//! killed, the disk is full.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use joinscope_core::edges::recording::Recording;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, Producer as _};

use super::support::*;

const PARTITIONS: i32 = 6;

#[test]
fn a_broker_of_three_that_is_killed_costs_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let own = Own::start_nodes("harmed", 3);
    own.make_topic("replicated", PARTITIONS);
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &own.brokers)
        .set("enable.idempotence", "true")
        .set("linger.ms", "5")
        .create()
        .unwrap();
    let file = folder.path().join("three.mcap");
    let sent = AtomicUsize::new(0);
    let enough = AtomicBool::new(false);
    let child = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !enough.load(Ordering::Relaxed) {
                let i = sent.load(Ordering::Relaxed);
                let value = i.to_string();
                let (partition, timestamp) = (i as i32 % PARTITIONS, 1_000 + i as i64);
                let value = Some(value.as_bytes());
                give(
                    &producer,
                    "replicated",
                    &Sent { partition, timestamp, value, ..Sent::default() },
                );
                sent.store(i + 1, Ordering::Relaxed);
                std::thread::sleep(std::time::Duration::from_micros(200));
            }
            producer.flush(PATIENCE * 2).unwrap();
        });
        let recorded = || Recording::open(&file).ok().map_or(0, |r| r.len());
        until("records before there is a recorder", || {
            (sent.load(Ordering::Relaxed) >= 2_000).then_some(())
        });
        let child = joinscope()
            .args(["record", "--brokers", &own.brokers, "--topics", "replicated", "-o"])
            .arg(&file)
            .args(["--arrival", "read", "--until", "stopped"])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        until("the backlog in the file", || (recorded() >= 2_000).then_some(()));
        own.kill_node(2);
        // Its partitions get other leaders, and producing goes on.
        let before = (recorded(), sent.load(Ordering::Relaxed) as u64);
        until("records of other leaders", || (recorded() > before.1 + 5_000).then_some(()));
        enough.store(true, Ordering::Relaxed);
        child
    });
    let sent = sent.load(Ordering::Relaxed) as u64;
    until("the last record", || {
        Recording::open(&file).ok().filter(|recording| recording.len() >= sent)
    });
    signal(&child, "INT");
    let said: Said = child.wait_with_output().unwrap().into();
    assert_eq!(said.code, Some(0), "{}", said.err);

    let recording = Recording::open(&file).unwrap();
    assert_eq!((recording.info().cut.clone(), recording.len()), (None, sent));
    let mut next = vec![0i64; PARTITIONS as usize];
    let mut epochs = std::collections::BTreeSet::new();
    for record in records(&recording) {
        let lane = record.source as usize;
        let number: i64 = value(&record).parse().unwrap();
        // Every record once, in its partition's order, under its own number.
        assert_eq!(record.offset, next[lane]);
        assert_eq!(number, record.offset * i64::from(PARTITIONS) + lane as i64);
        next[lane] += 1;
        epochs.insert(record.leader_epoch);
    }
    assert_eq!(next.iter().sum::<i64>() as u64, sent);
    assert!(epochs.len() > 1, "the killed broker led some partition: {epochs:?}");
}

/// A file system of 6 MB that is unmounted in the end.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir(at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"])
            .arg(at)
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then(|| Self(at.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_is_full_ends_it_with_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    make_topic("too-much", 2, &[]);
    // Nothing makes these smaller: 20 MB.
    let mut state = 1u64;
    let values: Vec<Vec<u8>> = (0..2_000)
        .map(|_| {
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) as u8
            };
            (0..10_000).map(|_| next()).collect()
        })
        .collect();
    let sent: Vec<Sent<'_>> = values
        .iter()
        .enumerate()
        .map(|(i, value)| Sent {
            partition: i as i32 % 2,
            timestamp: 1_000 + i as i64,
            value: Some(value),
            ..Sent::default()
        })
        .collect();
    produce("too-much", &sent);

    let small = Small::mount(&folder.path().join("small"));
    let mut command = joinscope();
    let file = if let Some(small) = &small {
        small.0.join("full.mcap")
    } else {
        // The kernel refuses what is beyond 6 MiB of any file instead.
        eprintln!("nothing can be mounted here: a limit of the file's size stands for a full disk");
        let program = command.get_program().to_owned();
        command = Command::new("bash");
        command.args(["-c", "trap '' XFSZ; ulimit -f 6144; exec \"$0\" \"$@\""]);
        command.arg(program);
        folder.path().join("full.mcap")
    };
    for order in ["timestamp", "read"] {
        let said: Said = {
            let args = record_args("too-much", &file, &["--arrival", order]);
            let mut command = clone(&command);
            command.args(args).output().unwrap().into()
        };
        assert_eq!(said.code, Some(2), "{order}: {}{}", said.out, said.err);
        let reason = if small.is_some() { "No space left" } else { "File too large" };
        assert!(said.err.contains(reason) && said.err.contains("full.mcap"), "{}", said.err);
        assert!(!said.err.contains("panicked"), "{}", said.err);
        assert!(
            said.err.contains("; free space there, or write to another disk; "),
            "{}",
            said.err
        );
        assert!(said.err.contains("full.mcap, which opens up to the cut"), "{}", said.err);

        // What fitted is there, up to a whole chunk, and says that it was cut.
        let recording = Recording::open(&file).unwrap();
        assert!(recording.info().cut.is_some(), "{order}");
        let came = records(&recording);
        assert!(came.len() > 300 && came.len() < 650, "{order}: {} records", came.len());
        let mut next = [0usize; 2];
        for record in &came {
            let lane = record.source as usize;
            assert_eq!(record.offset, next[lane] as i64);
            assert_eq!(record.value.as_deref(), Some(&values[next[lane] * 2 + lane][..]));
            next[lane] += 1;
        }
        let verified: Said =
            joinscope().args(["recording", "verify"]).arg(&file).output().unwrap().into();
        assert!(!verified.out.contains("CRC"), "no chunk is half-written: {}", verified.out);
        // Whole again, once there is room.
        let whole = folder.path().join(format!("{order}.mcap"));
        let sliced: Said = joinscope()
            .args(["recording", "slice"])
            .arg(&file)
            .arg("-o")
            .arg(&whole)
            .output()
            .unwrap()
            .into();
        assert_eq!(sliced.code, Some(0), "{}", sliced.err);
        assert_eq!(Recording::open(&whole).unwrap().len(), came.len() as u64);
        std::fs::remove_file(&file).unwrap();
    }
}

/// The same command once more.
fn clone(command: &Command) -> Command {
    let mut again = Command::new(command.get_program());
    again.args(command.get_args());
    again
}
