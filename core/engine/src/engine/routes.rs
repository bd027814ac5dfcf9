//! Which inputs a record of a partition feeds, and where its watermark lane is.

use std::collections::BTreeSet;
use std::sync::Arc;

use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64;

use super::summary::RunError;
use crate::operator::pipeline::{InputIndex, Pipeline, Semantics};
use crate::operator::record::TopicPartition;
use crate::operator::watermark::TrackerInput;

/// One input that a partition feeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Feed {
    pub input: InputIndex,
    pub lane: u32,
}

/// Resolved once, at the start of a run.
#[derive(Clone, Debug)]
pub(super) struct Routes {
    /// The pipeline's topics, each once.
    pub topics: Vec<Arc<str>>,
    /// By [`Record::source`](crate::operator::record::Record): the inputs fed,
    /// in pipeline order. Empty for a topic that the pipeline does not name.
    feeds: Vec<SmallVec<[Feed; 2]>>,
    pub partitions: Vec<TopicPartition>,
    /// Of the partitions that were there from the beginning.
    pub tracker: Vec<TrackerInput>,
    /// Those that came later: the input of each of their lanes, which stand behind all
    /// others.
    pub later: Vec<InputIndex>,
    /// By source: it came later.
    is_later: Vec<bool>,
    pub inputs: Vec<Arc<str>>,
    /// By input: XXH3 of the topic's name, for the digest.
    pub topic_hash: Vec<u64>,
}

impl Routes {
    /// `later`: sources that came later.
    pub(super) fn new(
        pipeline: &Pipeline,
        partitions: &[TopicPartition],
        later: &[u32],
    ) -> Result<Self, RunError> {
        let is_later = is_later(pipeline, partitions.len(), later);
        let (laid, later) = lanes(pipeline, partitions, later);
        let (first, later) = laid.split_at(laid.len() - later as usize);
        let mut topics: Vec<Arc<str>> = Vec::new();
        let mut feeds: Vec<SmallVec<[Feed; 2]>> = vec![SmallVec::new(); partitions.len()];
        for (lane, (input, source)) in (0u32..).zip(&laid) {
            feeds[*source as usize].push(Feed { input: *input, lane });
        }
        let mut tracker = Vec::with_capacity(pipeline.inputs.len());
        for (index, input) in pipeline.inputs.iter().enumerate() {
            if !topics.contains(&input.topic) {
                topics.push(Arc::clone(&input.topic));
            }
            if !partitions.iter().any(|p| p.topic == input.topic) {
                let mut known: Vec<&str> = partitions.iter().map(|p| &*p.topic).collect();
                known.sort_unstable();
                known.dedup();
                let name = &*input.topic;
                known.sort_by_cached_key(|topic| strsim::damerau_levenshtein(name, topic));
                known.truncate(3);
                let has = if known.is_empty() {
                    "it has no topic at all".to_owned()
                } else {
                    format!("the nearest it has: {}", known.join(", "))
                };
                return Err(RunError::Pipeline(format!(
                    "input \"{}\" reads topic \"{name}\", which the recording does not have; {has}",
                    input.name,
                )));
            }
            let own = first.iter().filter(|(of, _)| usize::from(*of) == index);
            let own: Vec<i32> =
                own.map(|(_, source)| partitions[*source as usize].partition).collect();
            tracker.extend(TrackerInput::of(pipeline, index as InputIndex, &own));
        }
        let later = later.iter().map(|(input, _)| *input).collect();
        if pipeline.join.semantics == Semantics::KafkaStreams {
            copartitioned(&topics, partitions)?;
        }
        Ok(Self {
            topics,
            feeds,
            partitions: partitions.to_vec(),
            tracker,
            later,
            is_later,
            inputs: pipeline.inputs.iter().map(|i| Arc::clone(&i.name)).collect(),
            topic_hash: pipeline.inputs.iter().map(|i| xxh3_64(i.topic.as_bytes())).collect(),
        })
    }

    /// Whether a state that knows the first `n` partitions only may be gone on with:
    /// those behind came later.
    pub(super) fn may_know_only(&self, n: usize) -> bool {
        self.is_later.get(n..).is_some_and(|rest| rest.iter().all(|is_later| *is_later))
    }

    /// Partitions that one input has and another lacks: the one that lacks it, and its
    /// number. A recording may leave out those that gave nothing.
    pub(super) fn absent(&self) -> Vec<(InputIndex, i32)> {
        let sources = self.feeds.iter().zip(&self.partitions);
        let there: BTreeSet<(InputIndex, i32)> = sources
            .flat_map(|(feeds, p)| feeds.iter().map(move |feed| (feed.input, p.partition)))
            .collect();
        let numbers: BTreeSet<i32> = there.iter().map(|(_, number)| *number).collect();
        let inputs = 0..self.inputs.len() as InputIndex;
        let all = inputs.flat_map(|input| numbers.iter().map(move |number| (input, *number)));
        all.filter(|partition| !there.contains(partition)).collect()
    }

    /// The inputs that a record of this partition feeds, in pipeline order.
    #[inline]
    pub(super) fn feeds(&self, source: u32) -> &[Feed] {
        self.feeds.get(source as usize).map_or(&[], |feeds| feeds)
    }
}

/// By source: whether it came later, as far as the pipeline's rules know such.
fn is_later(pipeline: &Pipeline, sources: usize, later: &[u32]) -> Vec<bool> {
    let mut is_later = vec![false; sources];
    if takes_new_partitions(pipeline) {
        for source in later {
            if let Some(is_later) = is_later.get_mut(*source as usize) {
                *is_later = true;
            }
        }
    }
    is_later
}

/// The lanes of a run over these partitions, in their order: the input and the
/// source of each; and how many of them, the last ones, came later.
#[must_use]
pub fn lanes(
    pipeline: &Pipeline,
    partitions: &[TopicPartition],
    later: &[u32],
) -> (Vec<(InputIndex, u32)>, u32) {
    let is_later = is_later(pipeline, partitions.len(), later);
    let sources = || (0u32..).zip(partitions).zip(&is_later);
    let inputs = || pipeline.inputs.iter().enumerate().map(|(i, own)| (i as InputIndex, own));
    let mut lanes: Vec<(InputIndex, u32)> = Vec::new();
    for (input, own) in inputs() {
        let first = sources().filter(|((_, p), is_later)| p.topic == own.topic && !**is_later);
        lanes.extend(first.map(|((source, _), _)| (input, source)));
    }
    let first = lanes.len();
    for ((source, p), _) in sources().filter(|(_, is_later)| **is_later) {
        let fed = inputs().filter(|(_, own)| own.topic == p.topic);
        lanes.extend(fed.map(|(input, _)| (input, source)));
    }
    let later = (lanes.len() - first) as u32;
    (lanes, later)
}

/// Whether partitions that a topic gets later can be taken in by a run that goes on.
/// Not where Flink has several source subtasks: one that had no partition would have
/// one from then on, and what stood for it until then has no place any more.
pub(super) fn takes_new_partitions(pipeline: &Pipeline) -> bool {
    !pipeline.join.semantics.is_flink() || pipeline.join.released.parallelism <= 1
}

/// Kafka Streams makes a task of each partition number: task n joins partition n of
/// both topics (`PartitionGrouper#partitionGroups`), so that it refuses two
/// numbers of them (`CopartitionedTopicsEnforcer`). Which thread or instance has a task is
/// the assignor's affair, and changes nothing that comes out.
fn copartitioned(topics: &[Arc<str>], partitions: &[TopicPartition]) -> Result<(), RunError> {
    // A recording may lack partitions that gave nothing, not their numbers.
    let count = |topic: &Arc<str>| {
        let numbers = partitions.iter().filter(|p| p.topic == *topic).map(|p| p.partition);
        numbers.max().map_or(0, |last| last.saturating_add(1))
    };
    let [first, rest @ ..] = topics else { return Ok(()) };
    let n = count(first);
    let Some(other) = rest.iter().find(|topic| count(topic) != n) else { return Ok(()) };
    let release = Semantics::KafkaStreams.release().unwrap_or_default();
    let s = if n == 1 { "" } else { "s" };
    Err(RunError::Pipeline(format!(
        "{release} would not start: {first} has {n} partition{s} and {other} {}; a join needs the same number",
        count(other),
    )))
}
