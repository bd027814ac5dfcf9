//! What comes out does not depend on the number of shards, nor on how the
//! source cuts its batches.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::harness::{Kept, Listed, PIPELINE, done, spec, tell, with_folder};
use crate::engine::collector::MANY_OUTPUTS;
use crate::engine::{AtEnd, RunSpec, Summary};

/// Three partitions each, disorder beyond the bound, hot keys, gaps in time that
/// make partitions idle, poison.
pub(super) fn random(seed: u64, n: usize) -> Listed {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut listed =
        Listed::parse("+ views[0]\n+ views[1]\n+ views[2]\n+ plays[0]\n+ plays[1]\n+ plays[2]");
    let mut now = 1_000;
    for _ in 0..n {
        now += if rng.random_ratio(1, 300) { 400 } else { rng.random_range(0..4) };
        let source = rng.random_range(0..6);
        let time = now - rng.random_range(0..25);
        let key = rng.random_range(0..20) * rng.random_range(0..3);
        let value = match rng.random_range(0..100) {
            0 => None,
            1 => Some("{".to_owned()),
            2 => Some(format!("{{\"t\":{time}}}")),
            _ => Some(format!("{{\"k\":\"{key}\",\"t\":{time}}}")),
        };
        listed.push(source, now, value);
    }
    listed.batch = 700;
    listed
}

pub(super) fn pipelines() -> Vec<String> {
    let idle = PIPELINE.replace("\"10ms\" }", "\"10ms\", idle_timeout = \"100ms\" }");
    let folded = |emit: &str| {
        idle.replace(
            "[delivery]",
            &format!(
                "[examples]\nemit = \"{emit}\"\nlabels = {{ x = \"plays.k = 0\" }}\n[delivery]"
            ),
        )
    };
    vec![
        idle.clone(),
        idle.replace("\"left\"", "\"full\"\nlate = \"join\""),
        idle.replace("\"left\"", "\"inner\"").replace("topic = \"plays\"", "topic = \"views\""),
        folded("on-close"),
        folded("early-and-correct"),
    ]
}

pub(super) fn told(pipeline: &str, listed: &Listed, spec: RunSpec) -> (String, Summary, Kept) {
    let (summary, kept) = done(spec);
    (tell(pipeline, listed, &kept.steps), summary, kept)
}

#[test]
fn the_number_of_shards_and_the_cut_of_batches_change_nothing() {
    for (seed, pipeline) in pipelines().iter().enumerate() {
        let listed = random(seed as u64, 12_000);
        let mut first: Option<(String, Summary, Kept)> = None;
        for (shards, batch) in [(1, 700), (2, 700), (7, 4_096), (1, 1)] {
            let mut listed = listed.clone();
            listed.batch = batch;
            let mut spec = spec(pipeline, listed.clone());
            spec.shards = shards;
            spec.at_end = AtEnd::Close;
            let next = told(pipeline, &listed, spec);
            assert!(next.1.outputs > 1_000, "{}", next.1.outputs);
            assert!(next.1.books.iter().all(|b| b.counts.0[0] == 0), "all is closed");
            let Some(first) = &first else {
                first = Some(next);
                continue;
            };
            assert!(first.0 == next.0, "pipeline {seed}, {shards} shards, batches of {batch}");
            assert_eq!(first.1.digest, next.1.digest);
            for (a, b) in first.2.steps.iter().zip(&next.2.steps) {
                assert_eq!(a.decisions, b.decisions);
                assert_eq!(a.outputs, b.outputs);
                assert_eq!(a.clock, b.clock);
                assert_eq!(a.trackers, b.trackers);
            }
        }
    }
}

/// Each play of the hot key matches every view of it: one batch sets off more outputs
/// than a shard or a step holds at once. A record of a later epoch follows.
#[test]
fn what_a_hot_key_sets_off_comes_in_several_steps() {
    let mut listed = Listed::parse("+ views[0]\n+ plays[0]");
    let mut rows: Vec<(u32, String, i64)> = Vec::new();
    for i in 0..1_400_i64 {
        let (source, key) = match i {
            _ if i % 10 == 9 => ((i / 10 % 2) as u32, format!("other-{}", i % 7)),
            0..150 => (0, "hot".to_owned()),
            _ => (1, "hot".to_owned()),
        };
        rows.push((source, key, 1_000 + i / 100));
    }
    for (i, (source, key, time)) in (0i64..).zip(&rows) {
        listed.push(*source, 1_000 + i / 10, Some(format!("{{\"k\":\"{key}\",\"t\":{time}}}")));
    }
    listed.push(0, 3_000, Some("{\"k\":\"last\",\"t\":1010}".to_owned()));
    listed.batch = 700;
    let views = rows.iter().filter(|(source, ..)| *source == 0);
    let of_view = |(_, key, time): &(u32, String, i64)| {
        let until = *time..=*time + 100;
        rows.iter().filter(|(s, k, t)| *s == 1 && k == key && until.contains(t)).count() as u64
    };
    let pairs: u64 = views.map(of_view).sum();
    assert!(pairs > 2 * MANY_OUTPUTS as u64, "{pairs}");

    let mut first = None;
    for shards in [1, 2, 7] {
        let folder = tempfile::tempdir().unwrap();
        let with = || {
            let spec = with_folder(spec(PIPELINE, listed.clone()), folder.path(), 1_000);
            RunSpec { shards, ..spec }
        };
        let (summary, kept) = done(with());
        assert_eq!(summary.outputs, pairs);
        let steps: Vec<(u64, usize, usize)> =
            kept.steps.iter().map(|s| (s.end, s.facts.len(), s.outputs.len())).collect();
        assert!(steps.len() >= 4 && steps.is_sorted_by(|a, b| a.0 < b.0), "{steps:?}");
        assert!(steps.iter().all(|step| step.2 < MANY_OUTPUTS + 200), "{steps:?}");
        assert!(kept.steps.iter().all(|s| s.outputs.iter().all(|o| o.at < s.end)));
        // What is known after the batch comes with its last piece.
        assert_eq!(kept.checkpoints[0].arrival, 1_400);
        assert_eq!(kept.checkpoints[0].output, pairs);
        let told = (tell(PIPELINE, &listed, &kept.steps), steps, summary.digest.clone());
        let samples: Vec<_> = kept.steps.iter().flat_map(|s| &s.state).map(|s| s.arrival).collect();
        assert_eq!(samples, [1_399, 1_400]);
        assert!(*first.get_or_insert_with(|| told.clone()) == told, "{shards} shards");

        let again = RunSpec { resume: kept.checkpoints.first().cloned(), ..with() };
        let (resumed, _) = done(again);
        assert_eq!((resumed.digest, resumed.books), (summary.digest, summary.books));
    }
}
