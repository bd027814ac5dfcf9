//! What comes out does not depend on the number of shards, nor on how the
//! source cuts its batches.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::harness::{Kept, Listed, PIPELINE, done, spec, tell};
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
