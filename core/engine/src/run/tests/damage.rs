//! Damage anywhere is an error that names a file, or does no harm: never a
//! panic, never a wrong answer.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::model::{Spec, model};
use crate::operator::verdict::Verdict;
use crate::run::{Axis, Query, Range, Result, Run, RunEnd, RunError, RunState, VerdictSet};

/// All questions once, as one comparable text.
fn answers(dir: &Path) -> Result<String> {
    let run = Run::open(dir)?;
    let mut all = format!("{:?} {} {:?}\n", run.state(), run.rows(), run.checkpoints());
    let set = VerdictSet::of(Verdict::Joined);
    all += &format!("{:?}\n", run.page(0, 10_000)?);
    all += &format!("{:?}\n", run.output_page(0, 10_000)?);
    all += &format!("{:?} {:?}\n", run.count(set), run.nth(set, 50)?);
    let row = run.row(70)?;
    all += &format!("{:?} {:?}\n", run.find(&row.record)?, run.outputs_of(70)?);
    for row in run.page(0, 200)? {
        if let Some(key) = &row.key {
            all += &format!("{:?}\n", run.rows_of_key(key, 0, 3)?);
            all += &format!("{:?}\n", run.state_of_key(key, 900)?.rows.len());
        }
    }
    for at in (0..run.arrivals()).step_by(97) {
        all += &format!("{:?} {:?}\n", run.watermarks_at(at)?, run.books(Some(at))?);
    }
    let range = Range { axis: Axis::Arrival, from: 0, to: run.arrivals() as i64 };
    for buckets in [1, 2, 3, 100] {
        all += &format!("{:?}\n", run.density(range, &[0, 1, 2, 3], buckets)?);
        all += &format!("{:?}\n", run.lines(range, &[0, 1, 2, 3], buckets)?);
    }
    let text = Query { text: Some("hot".into()), ..Query::default() };
    all += &format!("{:?}\n", run.search_all(&text, &AtomicBool::new(false))?);
    Ok(all)
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(dir.join("segments"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .chain([dir.join("manifest.json"), dir.join("pipeline.toml")])
        .collect();
    files.sort();
    files
}

#[test]
fn damage_is_found_or_does_no_harm() {
    let spec = Spec {
        seed: 11,
        arrivals: 1_500,
        one_topic: false,
        partitions: 2,
        batch: 200,
        checkpoint_every: Some(1_000),
        segment: 800,
    };
    let m = model(&spec);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    let mut writer = m.writer(&path);
    m.feed(&mut writer, 0, u64::MAX);
    writer.finish(RunState::Done, RunEnd::default()).unwrap();
    let whole = answers(&path).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut found = 0;
    for file in files(&path) {
        let bytes = std::fs::read(&file).unwrap();
        for trial in 0..24 {
            let mut damaged = bytes.clone();
            match trial % 4 {
                0 => damaged.truncate(random.random_range(0..bytes.len())),
                1 => {
                    let at = random.random_range(0..bytes.len());
                    let end = (at + 16).min(bytes.len());
                    random.fill(&mut damaged[at..end]);
                }
                _ => {
                    let at = random.random_range(0..bytes.len());
                    damaged[at] ^= 1 << random.random_range(0..8);
                }
            }
            std::fs::write(&file, &damaged).unwrap();
            match answers(&path) {
                Ok(same) => assert_eq!(same, whole, "{}", file.display()),
                Err(e) => {
                    found += 1;
                    let text = e.to_string();
                    let named = text.contains(file.to_str().unwrap());
                    assert!(named, "{} not named: {text}", file.display());
                }
            }
        }
        std::fs::remove_file(&file).unwrap();
        assert!(answers(&path).is_err(), "{} is missing", file.display());
        std::fs::write(&file, &bytes).unwrap();
    }
    assert!(found > 100, "{found}");
    assert_eq!(answers(&path).unwrap(), whole);
}

#[test]
fn a_folder_that_vanishes_is_an_error() {
    let spec = Spec {
        seed: 12,
        arrivals: 3_000,
        one_topic: false,
        partitions: 2,
        batch: 200,
        checkpoint_every: None,
        segment: 500,
    };
    let m = model(&spec);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    let mut writer = m.writer(&path);
    m.feed(&mut writer, 0, u64::MAX);
    writer.finish(RunState::Done, RunEnd::default()).unwrap();
    let run = Run::open(&path).unwrap();
    std::fs::remove_dir_all(&path).unwrap();
    run.forget();
    let error = run.page(0, 10).unwrap_err();
    assert!(matches!(&error, RunError::Io { .. }), "{error}");
    assert!(run.refresh().is_err());
    assert!(Run::open(&path).is_err());
}
