//! The released semantics, held against the released classes: a driver
//! (tests/parity) feeds them the same traces, and everything that comes out
//! must be the same, in the same order.
//!
//! `JOINSCOPE_PARITY_TRACES` (2,000): random traces of a semantics and kind;
//! `JOINSCOPE_PARITY_SEED` (1): other traces.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod agree;
mod compare;
mod driver;
mod hunt;
mod planted;
mod random;
mod reach;
mod self_join;
mod shrink;
mod trace;

use driver::Driver;
use hunt::{Setting, prove};
use trace::{Trace, ours};

#[test]
fn flink_sql_is_the_released_one() {
    released("flink", "flink-sql", &["inner", "left", "right", "full"]);
}

#[test]
fn flink_datastream_is_the_released_one() {
    released("flink", "flink-datastream", &["inner"]);
}

#[test]
fn kafka_streams_is_the_released_one() {
    released("kafka-streams", "kafka-streams", &["inner", "left", "outer"]);
}

/// What was once different and what is shown as an example first, then random
/// traces.
fn released(which: &str, semantics: &str, kinds: &[&str]) {
    let setting = Setting::from_env();
    let mut driver = Driver::start(which);
    for (path, kept) in kept("regressions").into_iter().chain(kept("examples")) {
        if kept.semantics() == semantics {
            let (ours, theirs) = (ours(&kept), driver.ask(std::slice::from_ref(&kept)).remove(0));
            assert!(
                compare::same(&kept, &ours, &theirs),
                "{}: different\n{}",
                path.display(),
                compare::show(&kept, &ours, &theirs)
            );
        }
    }
    for kind in kinds {
        prove(semantics, kind, setting, &mut |traces: &[Trace]| driver.ask(traces));
    }
}

/// The traces of a folder of tests/parity, each a file.
fn kept(folder: &str) -> Vec<(std::path::PathBuf, Trace)> {
    let Ok(files) = std::fs::read_dir(driver::home().join(folder)) else { return Vec::new() };
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|name| name == "jsonl"));
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), Trace::read(&path))).collect()
}
