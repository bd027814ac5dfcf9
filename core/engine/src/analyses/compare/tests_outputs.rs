//! Outputs of random runs held against each other, and the plain way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::outputs::{Room, diff_within};
use super::*;
use crate::engine::step::OutputKind;
use crate::run::tests::model::{Model, Spec, model};
use crate::run::{RunEnd, RunState};

const EXAMPLES: &str = r#"[examples]
emit = "on-close"
labels = { x = "right.x = like", y = "right.y = share" }
"#;
/// Bits of those labels.
const LABELS: u64 = 3;
const ARRIVALS: u64 = 1_500;

fn random_run(seed: u64) -> Model {
    let mut m = model(&Spec {
        seed,
        arrivals: ARRIVALS,
        one_topic: false,
        partitions: 3,
        batch: 90,
        checkpoint_every: None,
        segment: 400,
    });
    m.start.pipeline_text += EXAMPLES;
    m
}

/// Leaves outputs out, puts them out twice or later, and has them say something else.
fn change(m: &mut Model, random: &mut ChaCha8Rng) {
    let mut numbers = 0..;
    for step in &mut m.steps {
        let mut outputs = Vec::new();
        for mut output in step.outputs.drain(..) {
            match random.random_range(0..30) {
                0 => continue,
                1 => outputs.push(output.clone()),
                2..5 => output.at = random.random_range(output.at..step.end),
                5 => output.labels ^= 1,
                6 => output.records.truncate(1),
                // None of the pipeline's labels.
                7 => output.labels ^= 1 << 40,
                _ => {}
            }
            outputs.push(output);
        }
        outputs.sort_by_key(|output| output.at);
        outputs.iter_mut().zip(&mut numbers).for_each(|(output, n)| output.n = n);
        step.outputs = outputs;
    }
}

/// Writes a run up to an arrival.
fn written(m: &Model, dir: &Path, to: u64) -> Run {
    let mut writer = m.writer(dir);
    m.feed(&mut writer, 0, to);
    let state = if to < ARRIVALS { RunState::Cancelled } else { RunState::Done };
    writer.finish(state, RunEnd::default()).unwrap();
    Run::open(dir).unwrap()
}

const PAD: u64 = u64::MAX;
const EXAMPLE: u64 = u64::MAX - 1;

/// By both rows, or the first and the kind: what each output of that name says.
type Names = BTreeMap<(u64, u64), Vec<(Vec<u64>, u64)>>;

fn names(
    run: &Run,
    until: Option<u64>,
    row: &dyn Fn(u64) -> u64,
    pair: &dyn Fn((u64, u64)) -> (u64, u64),
) -> Names {
    let mut all = Names::new();
    for view in run.output_page(0, usize::MAX).unwrap() {
        if until.is_some_and(|until| view.at >= until) {
            continue;
        }
        let first = row(view.rows[0]);
        match (view.kind, view.rows.get(1)) {
            (OutputKind::Pair, None) => {}
            (OutputKind::Pair, Some(second)) => {
                let (first, second) = pair((view.rows[0], *second));
                all.entry((row(first), row(second))).or_default().push((Vec::new(), 0));
            }
            (OutputKind::Pad, _) => all.entry((first, PAD)).or_default().push((Vec::new(), 0)),
            (OutputKind::Example, _) => {
                let rows = view.rows.iter().map(|one| row(*one)).collect();
                all.insert((first, EXAMPLE), vec![(rows, view.labels & LABELS)]);
            }
        }
    }
    all
}

fn plain(a: &Run, b: &Run, matching: &Matching, limit: usize) -> OutputsDiff {
    let one = names(a, matching.until, &|row| row, &|rows| rows);
    let common = |row| matching.common(row);
    let two = names(b, matching.until, &common, &|rows| matching.as_in_a(rows));
    let of_a = |(first, second): (u64, u64)| match second {
        PAD => Named::Pad(first),
        EXAMPLE => Named::Example(first),
        second => Named::Pair(first, second),
    };
    let of_b = |name| match of_a(name) {
        Named::Pad(row) => Named::Pad(matching.row_of_b(row)),
        Named::Example(row) => Named::Example(matching.row_of_b(row)),
        Named::Pair(first, second) => {
            let rows = (matching.row_of_b(first), matching.row_of_b(second));
            let (first, second) = matching.as_in_b(rows);
            Named::Pair(first, second)
        }
    };
    let mut diff = OutputsDiff::default();
    let all: BTreeSet<(u64, u64)> = one.keys().chain(two.keys()).copied().collect();
    for name in all {
        let says = |names: &Names| names.get(&name).cloned().unwrap_or_default();
        let (x, y) = (says(&one), says(&two));
        let both = x.len().min(y.len());
        if both == 1 && name.1 == EXAMPLE && x != y {
            diff.changed += 1;
            diff.changed_first.push(of_a(name));
        } else {
            diff.same += both as u64;
        }
        let sides = [
            (&mut diff.only_in_a, x.len() - both, of_a(name)),
            (&mut diff.only_in_b, y.len() - both, of_b(name)),
        ];
        for (side, n, named) in sides {
            let (count, first) = match named {
                Named::Pair(..) => (&mut side.pairs, &mut side.first_pairs),
                Named::Pad(_) => (&mut side.pads, &mut side.first_others),
                Named::Example(_) => (&mut side.examples, &mut side.first_others),
            };
            *count += n as u64;
            first.extend(std::iter::repeat_n(named, n));
        }
    }
    diff.changed_first.truncate(limit);
    for side in [&mut diff.only_in_a, &mut diff.only_in_b] {
        side.first_pairs.truncate(limit);
        side.first_others.truncate(limit);
    }
    diff
}

#[test]
fn outputs_are_compared_as_the_plain_way_does() {
    let go = AtomicBool::new(false);
    let (mut differing, mut passes) = (0, 0);
    for seed in 0..6 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let dir = tempfile::tempdir().unwrap();
        let base = random_run(seed);
        let a = written(&base, &dir.path().join("a"), u64::MAX);
        let mut other = random_run(seed);
        let alike = written(&other, &dir.path().join("alike"), u64::MAX);
        change(&mut other, &mut random);
        let changed = written(&other, &dir.path().join("changed"), u64::MAX);
        let cut = written(&other, &dir.path().join("cut"), ARRIVALS / 2);
        other.start.recording.path = "elsewhere".into();
        let by_name = written(&other, &dir.path().join("named"), u64::MAX);
        for b in [&alike, &changed, &cut, &by_name] {
            for (a, b) in [(&a, b), (b, &a)] {
                let matching = Matching::of(a, b, &mut Pass::new(0, &go, &mut |_| {})).unwrap();
                assert_eq!(
                    matching.by_name(),
                    b.dir().ends_with("named") || a.dir().ends_with("named")
                );
                for (chunk, most, limit) in [(64, 40, 5), (100, 300, 1_000), (1 << 15, 1 << 20, 30)]
                {
                    let room = Room { chunk, most };
                    let of = outputs::work(a, b);
                    let mut read = 0;
                    let mut told = |at: Progress| read = at.of;
                    let mut pass = Pass::new(of, &go, &mut told);
                    let got = diff_within(a, b, &matching, limit, room, &mut pass).unwrap();
                    let want = plain(a, b, &matching, limit);
                    assert_eq!(
                        got,
                        want,
                        "seed {seed}, {} and {}",
                        a.dir().display(),
                        b.dir().display()
                    );
                    differing += u64::from(!got.same());
                    passes += u64::from(read > of);
                }
            }
        }
        let nothing = plain(
            &a,
            &alike,
            &Matching::of(&a, &alike, &mut Pass::new(0, &go, &mut |_| {})).unwrap(),
            1,
        );
        assert!(nothing.same() && nothing.same > 500, "{nothing:?}");
    }
    assert!(differing > 80 && passes > 40, "{differing} differ, {passes} took more passes");
}

/// Found by reading: what a live run took while it was compared by name was looked for
/// in lists that were laid out before, and its new outputs were held against all.
#[test]
fn what_a_run_takes_while_it_is_compared_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let m = random_run(3);
    let mut other = random_run(3);
    other.start.recording.path = "elsewhere".into();
    let whole = written(&other, &dir.path().join("whole"), u64::MAX);
    let begun = |name: &str| {
        let path = dir.path().join(name);
        let mut writer = m.writer(&path);
        m.feed(&mut writer, 0, ARRIVALS / 2);
        (writer, Run::open(&path).unwrap())
    };
    let go = AtomicBool::new(false);
    let (_waits, still) = begun("still");
    assert!(still.rows() > 0 && still.outputs() > 50);
    for turned in [false, true] {
        let (mut writer, growing) = begun(if turned { "second" } else { "first" });
        assert_eq!((growing.rows(), growing.outputs()), (still.rows(), still.outputs()));
        let held = |run: &Run, told: &mut dyn FnMut(Progress)| {
            let (a, b) = if turned { (&whole, run) } else { (run, &whole) };
            compare(a, b, 1_000, &go, told).unwrap()
        };
        let want = held(&still, &mut |_| {});
        let mut parts = 0;
        let found = held(&growing, &mut |_| {
            parts += 1;
            // Both were read, and are looked at once more for what came since.
            if parts == 2 {
                m.feed(&mut writer, ARRIVALS / 2, u64::MAX);
                assert!(growing.refresh().unwrap());
            }
        });
        assert!(growing.rows() > still.rows() && growing.outputs() > still.outputs());
        assert_eq!((found.rows, &found.outputs), (want.rows, &want.outputs), "{turned}");
    }
}
