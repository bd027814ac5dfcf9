//! What the machine could do at best: the reference load decoded and joined by
//! a hand-written loop on one core, keeping nothing. `joinscope bench` holds the
//! engine against it.

use std::collections::VecDeque;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::source::{Given, Source};
use super::step::{CheckpointEntry, Sink, SinkError, Step};
use super::summary::RunError;
use crate::operator::codec::{Decoded, InputDecoder};
use crate::operator::key::Key;
use crate::operator::pipeline::Pipeline;
use crate::process::thread_cpu;

/// Records in memory, decompressed and parsed, as the limit gets them.
pub struct Loaded {
    batches: Vec<Given>,
    pub records: u64,
}

/// What the limit found; to be held against the run's own books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    pub took: Duration,
    /// CPU time of the thread.
    pub cpu: Duration,
    pub pairs: u64,
    /// Rows of the primary whose interval passed without a match.
    pub unmatched: u64,
}

/// Reads all records of the pipeline's topics into memory.
pub fn load(pipeline: &Pipeline, source: &dyn Source) -> Result<Loaded, RunError> {
    let batches = source.batches(&pipeline.topics(), 0)?.collect::<Result<Vec<_>, _>>()?;
    let records = batches.iter().map(|b| b.records.len() as u64).sum();
    Ok(Loaded { batches, records })
}

/// Keys are hashed already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

struct Row {
    time: i64,
    primary: bool,
    matched: bool,
}

type Rows = HashMap<Key, SmallVec<[Row; 2]>, BuildHasherDefault<Hashed>>;

/// Joins what was loaded: one primary, one secondary, each with its own topic.
pub fn limit(pipeline: &Pipeline, source: &dyn Source, loaded: &Loaded) -> Result<Limit, RunError> {
    let [secondary] = pipeline.join.with[..] else {
        return Err(RunError::Pipeline("the limit has one secondary input".to_owned()));
    };
    let mut decoders = (0..pipeline.inputs.len())
        .map(|i| InputDecoder::new(pipeline, i as u8, source.schemas()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| RunError::Pipeline(e.to_string()))?;
    let input_of: Vec<usize> = source
        .partitions()
        .iter()
        .map(|p| pipeline.inputs.iter().position(|i| i.topic == p.topic).unwrap_or(0))
        .collect();
    let delays: Vec<i64> =
        pipeline.inputs.iter().map(|i| i.watermark.max_out_of_orderness + 1).collect();
    let mut newest = vec![i64::MIN; input_of.len()];
    let mut watermark = i64::MIN;
    let mut rows = Rows::default();
    // In arrival order: as good as by due time where the disorder is bounded.
    let mut due: [VecDeque<(i64, Key)>; 2] = [VecDeque::new(), VecDeque::new()];
    let (mut pairs, mut unmatched) = (0, 0);

    let cpu = thread_cpu();
    let start = Instant::now();
    for record in loaded.batches.iter().flat_map(|given| &given.records) {
        let source = record.source as usize;
        let input = input_of[source];
        let Decoded::Row(row) = decoders[input].decode(record) else { continue };
        let primary = input == pipeline.join.primary as usize;
        let time = row.event_time;
        if time < watermark {
            continue;
        }
        let entry = rows.entry(row.key.clone()).or_default();
        let mut matched = false;
        for other in entry.iter_mut().filter(|other| other.primary != primary) {
            let distance = if primary { other.time - time } else { time - other.time };
            if (secondary.after..=secondary.until).contains(&distance) {
                pairs += 1;
                matched = true;
                other.matched = true;
            }
        }
        entry.push(Row { time, primary, matched });
        let leaves = if primary { time + secondary.until } else { time - secondary.after };
        due[usize::from(primary)].push_back((leaves, row.key));

        if time > newest[source] {
            newest[source] = time;
            let least = newest
                .iter()
                .zip(&input_of)
                .map(|(newest, input)| newest.saturating_sub(delays[*input]));
            watermark = least.min().unwrap_or(i64::MIN).max(watermark);
            for queue in &mut due {
                while queue.front().is_some_and(|(leaves, _)| *leaves < watermark) {
                    let Some((_, key)) = queue.pop_front() else { break };
                    if let hashbrown::hash_map::Entry::Occupied(mut entry) = rows.entry(key) {
                        entry.get_mut().retain(|row| {
                            let until =
                                if row.primary { secondary.until } else { -secondary.after };
                            let stays = row.time + until >= watermark;
                            unmatched += u64::from(!stays && row.primary && !row.matched);
                            stays
                        });
                        if entry.get().is_empty() {
                            entry.remove();
                        }
                    }
                }
            }
        }
    }
    let took = start.elapsed();
    let cpu = thread_cpu().saturating_sub(cpu);
    // The queues stand in arrival order: what waits in them behind a later one
    // has left as well.
    let gone = |row: &&Row| row.primary && !row.matched && row.time + secondary.until < watermark;
    unmatched += rows.values().flatten().filter(gone).count() as u64;
    Ok(Limit { took, cpu, pairs, unmatched })
}

/// A sink that keeps nothing.
#[derive(Debug, Default)]
pub struct NoSink;

impl Sink for NoSink {
    fn step(&mut self, _: Step) -> Result<(), SinkError> {
        Ok(())
    }

    fn checkpoint(&mut self, _: CheckpointEntry) -> Result<(), SinkError> {
        Ok(())
    }
}
