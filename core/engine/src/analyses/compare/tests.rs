use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::*;
use crate::edges::pipeline_file::PipelineFile;
use crate::edges::recording::{Recording, Slice, slice, unattended};
use crate::engine::Control;
use crate::run::{Execute, Manifest, ManifestStart, RecordingRef, RunState, execute};

/// Rows that are asked for at once.
const PAGE: usize = 8192;

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sample-data").join(name)
}

fn run(dir: &Path, sample_name: &str, sets: &[(&str, &str)]) -> Run {
    let folder = sample(sample_name);
    let sets: Vec<(String, String)> =
        sets.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect();
    let pipeline = PipelineFile::open(&folder.join(format!("{sample_name}.toml")), &sets).unwrap();
    let recording = Recording::open(&folder.join(format!("{sample_name}.mcap"))).unwrap();
    let mut spec = Execute::new(pipeline, recording, dir.to_owned());
    spec.overrides = sets;
    execute(spec, &Control::default()).unwrap();
    Run::open(dir).unwrap()
}

fn held(a: &Run, b: &Run, limit: usize) -> Result<Comparison, CompareError> {
    compare(a, b, limit, &AtomicBool::new(false), &mut |_| {})
}

/// (verdict, outputs) of every row, the plain way.
fn plain(run: &Run) -> Vec<(crate::operator::verdict::Verdict, u8)> {
    (0..run.rows())
        .step_by(PAGE)
        .flat_map(|first| run.page(first, PAGE).unwrap())
        .map(|row| (row.verdict, row.input))
        .collect()
}

#[test]
fn two_runs_differ_in_what_changed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let base = run(&folder.path().join("a"), "feed", &[]);
    let again = run(&folder.path().join("b"), "feed", &[("examples.emit", "on-close")]);
    let same = held(&base, &again, 5).unwrap();
    assert!(same.same() && same.settings.is_empty(), "{same:?}");
    assert!(same.outputs.same > 1_000);

    let path = "inputs.engagements.watermark.max_out_of_orderness";
    let other = run(&folder.path().join("c"), "feed", &[(path, "20m")]);
    let found = held(&base, &other, 7).unwrap();
    assert_eq!(found.settings.len(), 1, "{:?}", found.settings);
    assert_eq!(found.settings[0].path, path);
    assert_eq!(found.settings[0].b.as_deref(), Some("20m"));
    assert_eq!(found.rows, base.rows());

    let (one, two) = (plain(&base), plain(&other));
    let mut want: BTreeMap<_, u64> = BTreeMap::new();
    for ((from, input), (to, _)) in one.iter().zip(&two) {
        if from != to {
            *want.entry((*input, *from, *to)).or_default() += 1;
        }
    }
    let got: BTreeMap<_, u64> = found
        .changes
        .iter()
        .map(|c| ((c.kind.input, c.kind.from.unwrap(), c.kind.to.unwrap()), c.count))
        .collect();
    assert_eq!(got, want);
    assert!(found.changed() > 100, "the incident's late records are not late any more");
    for change in &found.changes {
        assert!(change.rows.len() as u64 == change.count.min(7));
        for row in &change.rows {
            let row = usize::try_from(*row).unwrap();
            assert_eq!((Some(one[row].0), Some(two[row].0)), (change.kind.from, change.kind.to));
        }
    }
    // Folded examples are matched by their view: only labels and records differ.
    assert!(found.outputs.changed > 0, "{:?}", found.outputs);
    assert_eq!(found.outputs.changed_first.len(), 7);
}

#[test]
fn pairs_are_matched_by_their_records() {
    let folder = tempfile::tempdir().unwrap();
    let pairs = [("examples.emit", "on-match")];
    let base = run(&folder.path().join("a"), "feed", &pairs);
    let narrow = [pairs[0], ("join.with.engagements.until", "1m")];
    let narrow = run(&folder.path().join("b"), "feed", &narrow);
    let found = held(&base, &narrow, 3).unwrap();
    assert!(found.outputs.only_in_a.pairs > 0, "{:?}", found.outputs);
    assert_eq!(found.outputs.only_in_b.pairs, 0, "a narrower interval gives no new pair");
    assert_eq!(found.outputs.same + found.outputs.only_in_a.total(), base.outputs());
    assert_eq!(found.outputs.same + found.outputs.only_in_b.total(), narrow.outputs());
}

/// The sample's pipeline with its inputs, and its labels, listed the other way round.
fn turned_round(text: &str) -> String {
    let place = |part: &str| text.find(part).unwrap();
    let (views, engagements) = (place("[inputs.views]"), place("[inputs.engagements]"));
    let (join, labels) = (place("[join]"), place("labels = "));
    let end = labels + text[labels..].find('\n').unwrap();
    let others =
        "labels = { share = \"engagements.kind = share\", like = \"engagements.kind = like\" }";
    let (first, second) = (&text[views..engagements], &text[engagements..join]);
    [&text[..views], second, first, &text[join..labels], others, &text[end..]].concat()
}

#[test]
fn the_order_in_which_a_pipeline_lists_inputs_and_labels_is_no_difference() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(sample("feed").join("feed.toml")).unwrap();
    let turned = folder.path().join("turned.toml");
    std::fs::write(&turned, turned_round(&text)).unwrap();
    for emit in ["on-match", "on-close"] {
        let sets = [("examples.emit", emit)];
        let base = run(&folder.path().join(format!("a-{emit}")), "feed", &sets);
        let dir = folder.path().join(format!("b-{emit}"));
        let sets = vec![("examples.emit".to_owned(), emit.to_owned())];
        let pipeline = PipelineFile::open(&turned, &sets).unwrap();
        assert_eq!(&*pipeline.pipeline.inputs[0].name, "engagements");
        let mut spec = Execute::new(pipeline, base.recording().unwrap(), dir.clone());
        spec.overrides = sets;
        execute(spec, &Control::default()).unwrap();
        let other = Run::open(&dir).unwrap();
        for (a, b) in [(&base, &other), (&other, &base)] {
            let found = held(a, b, 3).unwrap();
            assert!(found.same(), "{emit}: {found:?}");
            assert_eq!(found.outputs.same, base.outputs());
        }
        // What only one has is named in the order of its own pipeline.
        let narrow = [("examples.emit", emit), ("join.with.engagements.until", "1m")];
        let narrow = run(&folder.path().join(format!("c-{emit}")), "feed", &narrow);
        let found = held(&narrow, &other, 3).unwrap();
        for named in &found.outputs.only_in_b.first_pairs {
            let inputs = named.rows().into_iter().map(|row| other.row(row).unwrap().input);
            assert_eq!(inputs.collect::<Vec<_>>(), [0, 1], "{named:?}");
        }
        assert_eq!(found.outputs.only_in_b.pairs > 0, emit == "on-match");
        assert_eq!(found.outputs.only_in_a.pairs, 0);
    }
}

#[test]
fn logs_that_go_on_are_told_apart_by_their_places() {
    let start = |path: &str, digest: &str| ManifestStart {
        recording: RecordingRef { path: path.into(), digest: digest.to_owned() },
        ..ManifestStart::default()
    };
    let same = |a: &ManifestStart, b: &ManifestStart| matching::same_recording(a, b);
    assert!(same(&start("/a/r.mcap", "1"), &start("/b/r.mcap", "1")));
    assert!(!same(&start("/a/r.mcap", "1"), &start("/a/r.mcap", "2")));
    // Live runs in progress, or killed.
    assert!(!same(&start("/a/arrivals", ""), &start("/b/arrivals", "")));
    assert!(same(&start("/a/arrivals", ""), &start("/a/arrivals", "")));
}

#[test]
fn runs_over_other_records_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let feed = run(&folder.path().join("a"), "feed", &[]);
    let changes = run(&folder.path().join("b"), "code-changes", &[]);
    let error = held(&feed, &changes, 1).unwrap_err().to_string();
    assert!(error.contains("no record in common"), "{error}");
    let cancelled = compare(&feed, &feed, 1, &AtomicBool::new(true), &mut |_| {});
    assert!(matches!(cancelled, Err(CompareError::Cancelled)));
}

/// A recording with the records of another that arrived from `from_ms` on.
fn later(from: &Recording, path: &Path, from_ms: i64) -> Recording {
    let wanted = Slice { from_ms: Some(from_ms), ..Slice::default() };
    unattended(|job| slice(from, &wanted, path, None, job)).unwrap();
    Recording::open(path).unwrap()
}

#[test]
fn runs_over_other_recordings_are_matched_by_the_names_of_their_records() {
    let folder = tempfile::tempdir().unwrap();
    let whole = run(&folder.path().join("a"), "feed", &[]);
    let recording = whole.recording().unwrap();
    let middle = whole.row(whole.rows() / 3).unwrap().arrival_ms;
    let part = later(&recording, &folder.path().join("part.mcap"), middle);
    let toml = sample("feed").join("feed.toml");
    let pipeline = PipelineFile::open(&toml, &[]).unwrap();
    let dir = folder.path().join("b");
    execute(Execute::new(pipeline, part, dir.clone()), &Control::default()).unwrap();
    let part = Run::open(&dir).unwrap();

    let found = held(&whole, &part, 100_000).unwrap();
    assert!(found.settings.iter().any(|s| s.path == "recording"), "{:?}", found.settings);
    assert_eq!((found.rows, found.beyond), (part.rows(), 0));
    // The plain way: by name.
    let by_name = |run: &Run| -> BTreeMap<_, _> {
        let rows = (0..run.rows()).step_by(PAGE).flat_map(|first| run.page(first, PAGE).unwrap());
        rows.map(|r| ((r.input, r.record.to_string()), (r.verdict, r.row))).collect()
    };
    let (one, two) = (by_name(&whole), by_name(&part));
    let mut want: BTreeMap<Kind, Vec<u64>> = BTreeMap::new();
    for (name, (from, row)) in &one {
        let to = two.get(name).map(|(verdict, _)| *verdict);
        if Some(*from) != to {
            let kind = Kind { input: name.0, from: Some(*from), to };
            want.entry(kind).or_default().push(*row);
        }
    }
    for rows in want.values_mut() {
        rows.sort_unstable();
    }
    let got: BTreeMap<Kind, Vec<u64>> =
        found.changes.iter().map(|c| (c.kind, c.rows.clone())).collect();
    assert_eq!(got, want);
    assert!(got.keys().any(|k| k.to.is_none()));
    // Changed of those compared are those that both have.
    let count = |both: bool| {
        let of = want.iter().filter(|(kind, _)| (kind.from.is_some() && kind.to.is_some()) == both);
        of.map(|(_, rows)| rows.len() as u64).sum::<u64>()
    };
    assert_eq!((found.changed(), found.only_in_one()), (count(true), count(false)));
    assert_eq!(found.only_in_one(), whole.rows() - part.rows());
    let outputs = &found.outputs;
    assert_eq!(outputs.same + outputs.changed + outputs.only_in_a.total(), whole.outputs());
    assert_eq!(outputs.same + outputs.changed + outputs.only_in_b.total(), part.outputs());
    // The other way round it is the same, with the sides changed.
    let back = held(&part, &whole, 10).unwrap();
    assert_eq!(back.changed(), found.changed());
    assert_eq!(back.outputs.only_in_b.total(), outputs.only_in_a.total());
    assert!(back.changes.iter().any(|c| c.kind.from.is_none()));
}

#[test]
fn a_run_that_did_not_end_is_compared_up_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let whole = run(&folder.path().join("a"), "feed", &[]);
    // The same run, cut off after half of its segments.
    let dir = folder.path().join("b");
    let toml = sample("feed").join("feed.toml");
    let pipeline = PipelineFile::open(&toml, &[]).unwrap();
    let recording = whole.recording().unwrap();
    let mut spec = Execute::new(pipeline, recording, dir.clone());
    spec.checkpoint_records = 1_000;
    execute(spec, &Control::default()).unwrap();
    let mut manifest = Manifest::load(&dir).unwrap();
    let half = manifest.segments.len() / 2;
    assert!(half > 0);
    manifest.segments.truncate(half);
    manifest.state = RunState::Cancelled;
    manifest.store(&dir, true).unwrap();
    let part = Run::open(&dir).unwrap();
    assert!(part.arrivals() < whole.arrivals());
    let found = held(&whole, &part, 5).unwrap();
    assert_eq!(found.rows, part.rows());
    assert_eq!(found.beyond, whole.rows() - part.rows());
    assert!(found.changes.is_empty() && found.outputs.same(), "{found:?}");
    assert_eq!(found.outputs.same, part.outputs());
    assert!(found.settings.iter().any(|s| s.path == "ended"));
}
