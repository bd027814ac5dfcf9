//! `expired` against the rule of 3-semantics, applied to all pairs.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::engine::step::{Decision, Facts, Sink, Step};
use crate::operator::join::clean::Clean;
use crate::operator::join::{Effect, Operator, Watermarks};
use crate::operator::key::{Key, KeyValue};
use crate::operator::pipeline::Pipeline;
use crate::operator::state::Row;
use crate::operator::verdict::Verdict;
use crate::run::{
    Expired, InputInfo, LaneInfo, ManifestStart, Run, RunEnd, RunState, VerdictSet, Writer,
};

const PIPELINE: &str = r#"name = "late"
[inputs.left]
topic = "a"
format = "json"
key = "k"
event_time = { field = "t", unit = "ms" }
watermark = { max_out_of_orderness = "10ms" }
[inputs.right]
topic = "b"
format = "json"
key = "k"
event_time = { field = "t", unit = "ms" }
watermark = { max_out_of_orderness = "10ms" }
[join]
primary = "left"
with.right = { after = "-5ms", until = "20ms" }
kind = "left"
late = "join"
"#;

struct Arrived {
    key: u64,
    input: u8,
    time: i64,
    watermark: i64,
}

/// The rule itself: what each row comes to when everything has closed.
fn want(rows: &[Arrived], decided: &[Option<Verdict>]) -> Vec<Option<Verdict>> {
    let keeps = |r: &Arrived| r.time + if r.input == 0 { 20 } else { 5 };
    let kept = |r: &Arrived| r.watermark <= keeps(r);
    let inside = |a: &Arrived, b: &Arrived| {
        let (l, r) = if a.input == 0 { (a, b) } else { (b, a) };
        a.input != b.input && a.key == b.key && (l.time - 5..=l.time + 20).contains(&r.time)
    };
    rows.iter()
        .enumerate()
        .map(|(i, row)| match decided[i] {
            Some(Verdict::Unmatched) => {
                let earlier = rows[..i].iter().any(|other| inside(row, other));
                let later = !kept(row) && rows[i + 1..].iter().any(|other| inside(row, other));
                Some(if earlier || later { Verdict::Expired } else { Verdict::Unmatched })
            }
            other => other,
        })
        .collect()
}

#[test]
fn expired_is_what_the_rule_says() {
    let pipeline = Pipeline::parse(PIPELINE, "late.toml").unwrap();
    let (mut expired, mut revised) = (0, 0);
    for seed in 0..16 {
        // In some a hot key, of which more is read than is forgotten at once.
        let keys = if seed % 4 == 3 { 1 } else { 6 };
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run");
        let start = ManifestStart {
            pipeline_file: "late.toml".into(),
            pipeline_text: PIPELINE.into(),
            at_end: "open".into(),
            inputs: [("left", "a"), ("right", "b")]
                .map(|(name, topic)| InputInfo {
                    name: name.into(),
                    topic: topic.into(),
                    max_out_of_orderness: 10,
                })
                .to_vec(),
            lanes: [(0, "a"), (1, "b")]
                .map(|(input, topic)| LaneInfo { input, topic: topic.into(), partition: 0 })
                .to_vec(),
            ..ManifestStart::default()
        };
        let mut writer = Writer::create(&path, start, false).unwrap();
        writer.set_segment_arrivals(random.random_range(40..400));
        let mut sink = Expired::new(writer, &pipeline).unwrap();
        let mut join = Clean::new(&pipeline, u64::MAX, None);
        let mut rows: Vec<Arrived> = Vec::new();
        let mut decided: Vec<Option<Verdict>> = Vec::new();
        let (mut watermark, mut arrival) = (i64::MIN, 0u64);
        let mut clock = 1_000i64;
        let total = 1_000;
        while arrival < total {
            let end = (arrival + random.random_range(1..60)).min(total);
            let mut step = Step { end, ..Step::default() };
            step.facts = Facts { first_row: arrival, ..Facts::default() };
            while arrival < end {
                clock += random.random_range(0..4);
                let input = random.random_range(0..2u8);
                let number = random.random_range(0..keys);
                let key = Key::new(KeyValue::Int(number as i64));
                // Some come very late.
                let back = if random.random_range(0..3) == 0 { 120 } else { 10 };
                let time = clock - random.random_range(0..back);
                let f = &mut step.facts;
                f.arrival.push(arrival);
                f.arrival_ms.push(clock);
                f.input.push(input);
                f.partition.push(0);
                f.offset.push(arrival as i64);
                f.event_time.push(time);
                f.watermark.push(watermark);
                f.at_arrival.push(Verdict::Open as u8);
                f.key_hash.push(key.hash64());
                f.normal_hash.push(key.normal_hash());
                f.keys.extend_from_slice(key.canonical());
                f.key_end.push(f.keys.len() as u32);
                rows.push(Arrived { key: number, input, time, watermark });
                decided.push(None);
                let row = Row {
                    key,
                    input,
                    time,
                    arrival,
                    row: arrival,
                    partition: 0,
                    offset: arrival as i64,
                    labels: 0,
                    matched: false,
                    corrections: 0,
                    folded: Vec::new(),
                };
                let late_by = (time < watermark).then(|| watermark - time);
                let mut effects = Vec::new();
                let marks = Watermarks { join: watermark, inputs: &[watermark; 2] };
                join.row(row, late_by, marks, &mut effects).unwrap();
                watermark = watermark.max(time - 11);
                let marks = Watermarks { join: watermark, inputs: &[watermark; 2] };
                join.advance(arrival, marks, &mut effects).unwrap();
                for effect in effects {
                    match effect {
                        Effect::Decided { row, verdict, reason, cause } => {
                            decided[row as usize] = Some(verdict);
                            step.decisions.push(Decision {
                                row,
                                at: arrival,
                                verdict: Some(verdict),
                                reason,
                                removed: false,
                                cause,
                            });
                        }
                        Effect::Removed { row } => step.decisions.push(Decision {
                            row,
                            at: arrival,
                            verdict: None,
                            reason: Default::default(),
                            removed: true,
                            cause: arrival,
                        }),
                        _ => {}
                    }
                }
                arrival += 1;
            }
            sink.revise(&mut step).unwrap();
            sink.step(step).unwrap();
        }
        sink.into_writer().finish(RunState::Done, RunEnd::default()).unwrap();

        let run = Run::open(&path).unwrap();
        let want = want(&rows, &decided);
        let views = run.page(0, total as usize).unwrap();
        for (view, want) in views.iter().zip(&want) {
            assert_eq!(view.verdict, want.unwrap_or(Verdict::Open), "row {} of {seed}", view.row);
        }
        // Books, sums and pyramids agree with the rows.
        let books = run.books(None).unwrap();
        let range = crate::run::Range { axis: crate::run::Axis::Arrival, from: 0, to: 1_000 };
        let density = run.density(range, &[0, 1], 1).unwrap();
        for verdict in Verdict::ALL {
            let n = views.iter().filter(|v| v.verdict == verdict).count() as u64;
            assert_eq!(books.inputs.iter().map(|c| c.get(verdict)).sum::<u64>(), n);
            assert_eq!(run.count(VerdictSet::of(verdict)), n, "{verdict}");
            let cells = (0..2).map(|lane| u64::from(density.at(lane, 0)[verdict as usize]));
            assert_eq!(cells.sum::<u64>(), n, "{verdict}");
            let last = n.checked_sub(1).map(|last| run.nth(VerdictSet::of(verdict), last).unwrap());
            assert_eq!(
                last.flatten(),
                views.iter().rev().find(|v| v.verdict == verdict).map(|v| v.row)
            );
        }
        // At any moment the rows say what the books of that moment say, also of
        // rows that were unmatched until they were revised.
        for at in (0..total).step_by(37) {
            let before = run.books(Some(at)).unwrap();
            let column = run.verdict_column(0, total, Some(at + 1)).unwrap();
            for verdict in Verdict::ALL {
                let stood = |v: &&crate::run::RowView| v.verdict_at(at) == Some(verdict);
                let rows = views.iter().filter(stood).count() as u64;
                let counted: u64 = before.inputs.iter().map(|c| c.get(verdict)).sum();
                assert_eq!(counted, rows, "{verdict} at {at} of {seed}");
                let arrived = column.iter().take(at as usize + 1);
                let same = arrived.filter(|(_, code)| *code == verdict as u8).count() as u64;
                assert_eq!(same, rows, "{verdict} at {at} of {seed}, by column");
            }
            let waits = |v: &&crate::run::RowView| {
                v.verdict == Verdict::Expired && v.verdict_at(at) == Some(Verdict::Unmatched)
            };
            revised += views.iter().filter(waits).count();
        }
        expired += views.iter().filter(|v| v.verdict == Verdict::Expired).count();
    }
    assert!(expired > 200 && revised > 20, "{expired}, {revised}");
}
