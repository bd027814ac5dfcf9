use super::older::ENTRIES;
use super::*;
use crate::operator::pipeline::Semantics;

fn manifest() -> Manifest {
    let mut m = Manifest::new(ManifestStart {
        pipeline_file: "p.toml".into(),
        pipeline_text: "name = \"x\"".into(),
        overrides: vec![("a.b".into(), "1".into())],
        semantics: Semantics::FlinkSql.to_string(),
        lanes: vec![LaneInfo { input: 0, topic: "t".into(), partition: 3 }],
        ..ManifestStart::default()
    });
    m.end = Some(RunEnd { seconds: 1.1, ..RunEnd::default() });
    m.segments.push(SegmentRef { at: 1, len: 2, crc: 3, end: 4 });
    m
}

#[test]
fn any_seconds_are_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut m = manifest();
    for nanos in (0..40_000_000_000u64).step_by(19_333_337) {
        // As `Duration::as_secs_f64` adds them up.
        let seconds = (nanos / 1_000_000_000) as f64 + (nanos % 1_000_000_000) as f64 / 1e9;
        m.end = Some(RunEnd { seconds, ..RunEnd::default() });
        m.store(dir.path(), false).unwrap();
        let back = Manifest::load(dir.path()).unwrap_or_else(|e| panic!("{seconds}: {e}"));
        assert!((back.end.unwrap().seconds - seconds).abs() < 1e-3);
    }
}

#[test]
fn a_program_with_other_fields_wrote_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(MANIFEST);
    let mut m = manifest();
    let entry = CheckpointEntry { epoch: 3, disk_bytes: Some(5), ..CheckpointEntry::default() };
    m.checkpoints.push(entry);
    m.store(dir.path(), false).unwrap();
    assert_eq!(Manifest::load(dir.path()).unwrap().checkpoints, m.checkpoints);
    let mut other: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    // Older: without a field that has a default; newer: with one more.
    let entry = other["checkpoints"][0].as_object_mut().unwrap();
    for field in ["pause_us", "disk_bytes"] {
        assert!(entry.shift_remove(field).is_some(), "{field}");
    }
    entry.insert("weather".to_owned(), "fine".into());
    let mut write = |epoch: u64, seal: bool| {
        other["checkpoints"][0]["epoch"] = epoch.into();
        if seal {
            other["crc32"] = "".into();
            let crc = crc32fast::hash(&serde_json::to_vec(&other).unwrap());
            other["crc32"] = format!("{crc:08x}").into();
        }
        std::fs::write(&path, serde_json::to_vec_pretty(&other).unwrap()).unwrap();
    };
    write(7, true);
    let read = Manifest::load(dir.path()).unwrap().checkpoints;
    assert_eq!((read[0].epoch, read[0].disk_bytes), (7, None));
    write(8, false);
    let error = Manifest::load(dir.path()).unwrap_err().to_string();
    assert!(error.contains("its checksum is wrong"), "{error}");
}

#[test]
fn the_release_is_shown_and_older_manifests_open() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(MANIFEST);
    manifest().store(dir.path(), false).unwrap();
    let mut stands: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(stands["semantics"], "flink-sql (Flink 2.3.0)");
    // As a program wrote it that did not know the field.
    assert!(stands.as_object_mut().unwrap().shift_remove("semantics").is_some());
    stands["crc32"] = "".into();
    let crc = crc32fast::hash(&serde_json::to_vec(&stands).unwrap());
    stands["crc32"] = format!("{crc:08x}").into();
    std::fs::write(&path, serde_json::to_vec_pretty(&stands).unwrap()).unwrap();
    assert_eq!(Manifest::load(dir.path()).unwrap().start.semantics, "");
}

#[test]
fn round_trips_and_finds_damage() {
    let dir = tempfile::tempdir().unwrap();
    let mut m = manifest();
    m.store(dir.path(), true).unwrap();
    let mut back = Manifest::load(dir.path()).unwrap();
    back.start.pipeline_text.clone_from(&m.start.pipeline_text);
    assert_eq!(back, m);
    let path = dir.path().join(MANIFEST);
    let bytes = std::fs::read(&path).unwrap();
    for i in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[i] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        if let Ok(mut read) = Manifest::load(dir.path()) {
            // White space, or the letter case of a checksum.
            read.start.pipeline_text.clone_from(&m.start.pipeline_text);
            assert_eq!(read, m, "byte {i}");
        }
    }
}

#[test]
fn says_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(Manifest::load(dir.path()), Err(RunError::NotARun(_))));
    assert!(matches!(Manifest::load(&dir.path().join("no")), Err(RunError::NotARun(_))));
    std::fs::write(dir.path().join(MANIFEST), "{\"format\": 99}").unwrap();
    let error = Manifest::load(dir.path()).unwrap_err().to_string();
    assert!(error.contains("newer"), "{error}");
}

#[test]
fn the_lock_tells_the_living_from_the_dead() {
    let dir = tempfile::tempdir().unwrap();
    assert!(!Lock::is_held(dir.path()));
    let lock = Lock::take(dir.path()).unwrap();
    assert!(Lock::is_held(dir.path()));
    let taken = |dir: &Path| match Lock::take(dir).map(drop) {
        Err(RunError::Taken(text)) => text,
        other => panic!("{other:?}"),
    };
    assert!(!taken(dir.path()).contains("process"));
    manifest().store(dir.path(), false).unwrap();
    let pid = std::process::id();
    assert!(taken(dir.path()).contains(&format!("(process {pid})")));
    drop(lock);
    assert!(!Lock::is_held(dir.path()));
}

/// As many entries of both lists.
fn grow(m: &mut Manifest, entries: usize) {
    for n in m.segments.len() as u64..entries as u64 {
        m.segments.push(SegmentRef { at: n, len: 2, crc: 3, end: n + 1 });
    }
    for n in m.checkpoints.len() as u64..entries as u64 {
        let path = format!("checkpoints/{n}");
        let entry =
            CheckpointEntry { epoch: n, arrival: n + 1, path, ..CheckpointEntry::default() };
        m.checkpoints.push(entry);
    }
}

/// What is read in `dir` is this.
fn reads(dir: &Path, wanted: &Manifest) {
    let mut back = Manifest::load(dir).unwrap();
    back.start.pipeline_text.clone_from(&wanted.start.pipeline_text);
    assert_eq!(back, *wanted);
}

fn beside(dir: &Path) -> Vec<PathBuf> {
    let there = std::fs::read_dir(dir.join("older")).into_iter().flatten().flatten();
    let mut there: Vec<PathBuf> = there.map(|entry| entry.path()).collect();
    there.sort();
    there
}

#[test]
fn of_a_long_list_the_manifest_has_the_newest_entries_and_all_are_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let mut m = manifest();
    let mut known = None;
    for entries in [1, ENTRIES - 1, ENTRIES, ENTRIES + 40, 2 * ENTRIES, 2 * ENTRIES + 200] {
        grow(&mut m, entries);
        m.store(path, false).unwrap();
        reads(path, &m);
        let stands: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path.join(MANIFEST)).unwrap()).unwrap();
        for list in ["segments", "checkpoints"] {
            assert_eq!(stands[list].as_array().unwrap().len(), entries % ENTRIES, "{entries}");
        }
        assert_eq!(beside(path).len(), 2 * (entries / ENTRIES));
        assert_eq!(stands["format"], FORMAT);
        if entries == ENTRIES {
            known = Some(Manifest::load(path).unwrap());
        }
    }
    // What was read before is not read again.
    let first = beside(path).remove(0);
    std::fs::remove_file(&first).unwrap();
    let again = Manifest::load_again(path, known.as_ref()).unwrap();
    assert_eq!((again.segments, again.checkpoints), (m.segments, m.checkpoints));
    let error = Manifest::load(path).unwrap_err().to_string();
    assert!(error.contains(first.to_str().unwrap()), "{error}");
}

#[test]
fn a_manifest_that_has_all_entries_itself_is_read_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let mut m = manifest();
    grow(&mut m, 2 * ENTRIES + 100);
    // As a program wrote it that knew no other.
    std::fs::write(dir.join(MANIFEST), m.sealed().unwrap()).unwrap();
    reads(dir, &m);
    let mut back = Manifest::load(dir).unwrap();
    grow(&mut back, 3 * ENTRIES - 1);
    back.store(dir, true).unwrap();
    assert_eq!(beside(dir).len(), 4);
    reads(dir, &back);
}

#[test]
fn what_a_kill_leaves_on_the_way_counts_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, done) = (folder.path().join("run"), folder.path().join("done"));
    for dir in [&dir, &done] {
        std::fs::create_dir_all(dir.join("older")).unwrap();
    }
    let mut before = manifest();
    grow(&mut before, ENTRIES - 1);
    before.store(&dir, true).unwrap();
    let mut after = before.clone();
    grow(&mut after, ENTRIES);
    // Where nothing ended it, to see what is written.
    after.clone().store(&done, true).unwrap();
    let name = |path: &Path| dir.join("older").join(path.file_name().unwrap());
    for file in beside(&done) {
        let bytes = std::fs::read(&file).unwrap();
        for part in [0, bytes.len() / 2, bytes.len()] {
            std::fs::write(name(&file).with_extension("json.new"), &bytes[..part]).unwrap();
            reads(&dir, &before);
        }
        std::fs::rename(name(&file).with_extension("json.new"), name(&file)).unwrap();
        reads(&dir, &before);
    }
    let bytes = std::fs::read(done.join(MANIFEST)).unwrap();
    std::fs::write(dir.join("manifest.json.new"), &bytes[..bytes.len() / 2]).unwrap();
    reads(&dir, &before);
    // Who goes on finds the files there.
    after.store(&dir, true).unwrap();
    reads(&dir, &after);
    assert_eq!(beside(&dir).len(), 2);
}

#[test]
fn a_history_that_was_cut_off_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let mut m = manifest();
    grow(&mut m, 3 * ENTRIES);
    m.store(dir, true).unwrap();
    assert_eq!(beside(dir).len(), 6);
    let all = m.clone();
    let (segments, epoch) = (ENTRIES + 10, 2 * ENTRIES as u64 - 1);
    let gone = m.cut(segments, |entry| entry.epoch <= epoch);
    assert_eq!(gone, all.segments[segments..]);
    assert_eq!((m.segments.len(), m.checkpoints.len()), (segments, 2 * ENTRIES));
    // Nothing is taken away before the manifest does not name it any more.
    reads(dir, &all);
    m.store(dir, true).unwrap();
    assert_eq!(beside(dir).len(), 6);
    reads(dir, &m);
    m.sweep(dir);
    assert_eq!(beside(dir).len(), 3);
    reads(dir, &m);
    // What follows is another history.
    m.segments.push(SegmentRef { at: 7, len: 7, crc: 7, end: segments as u64 + 1 });
    grow(&mut m, 3 * ENTRIES);
    m.store(dir, true).unwrap();
    reads(dir, &m);
    assert_ne!(m.segments, all.segments);
    // Who read the history before reads of this one what is not the same.
    let again = Manifest::load_again(dir, Some(&all)).unwrap();
    assert_eq!((again.segments, again.checkpoints), (m.segments, m.checkpoints));
}

#[test]
fn damage_beside_the_manifest_is_found_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let mut m = manifest();
    grow(&mut m, ENTRIES);
    m.store(dir, true).unwrap();
    for file in beside(dir) {
        let bytes = std::fs::read(&file).unwrap();
        for at in (0..bytes.len()).step_by(7) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            std::fs::write(&file, &damaged).unwrap();
            let error = Manifest::load(dir).unwrap_err().to_string();
            assert!(error.contains(file.to_str().unwrap()), "{error}");
        }
        std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
        assert!(Manifest::load(dir).is_err());
        std::fs::remove_file(&file).unwrap();
        assert!(Manifest::load(dir).is_err());
        std::fs::write(&file, &bytes).unwrap();
    }
    reads(dir, &m);
}
