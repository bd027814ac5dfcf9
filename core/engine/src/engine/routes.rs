//! Which inputs a record of a partition feeds, and where its watermark lane is.

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
    pub tracker: Vec<TrackerInput>,
    pub inputs: Vec<Arc<str>>,
    /// By input: XXH3 of the topic's name, for the digest.
    pub topic_hash: Vec<u64>,
}

impl Routes {
    pub(super) fn new(
        pipeline: &Pipeline,
        partitions: &[TopicPartition],
    ) -> Result<Self, RunError> {
        let mut topics: Vec<Arc<str>> = Vec::new();
        let mut feeds = vec![SmallVec::new(); partitions.len()];
        let mut tracker = Vec::with_capacity(pipeline.inputs.len());
        let mut lanes = 0;
        for (index, input) in pipeline.inputs.iter().enumerate() {
            if !topics.contains(&input.topic) {
                topics.push(Arc::clone(&input.topic));
            }
            let mut own = Vec::new();
            for (source, p) in partitions.iter().enumerate().filter(|(_, p)| p.topic == input.topic)
            {
                let feeds: &mut SmallVec<[Feed; 2]> = &mut feeds[source];
                feeds.push(Feed { input: index as InputIndex, lane: lanes });
                lanes += 1;
                own.push(p.partition);
            }
            if own.is_empty() {
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
            tracker.extend(TrackerInput::of(pipeline, index as InputIndex, &own));
        }
        if pipeline.join.semantics == Semantics::KafkaStreams {
            copartitioned(&topics, partitions)?;
        }
        Ok(Self {
            topics,
            feeds,
            partitions: partitions.to_vec(),
            tracker,
            inputs: pipeline.inputs.iter().map(|i| Arc::clone(&i.name)).collect(),
            topic_hash: pipeline.inputs.iter().map(|i| xxh3_64(i.topic.as_bytes())).collect(),
        })
    }

    /// The inputs that a record of this partition feeds, in pipeline order.
    #[inline]
    pub(super) fn feeds(&self, source: u32) -> &[Feed] {
        self.feeds.get(source as usize).map_or(&[], |feeds| feeds)
    }
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
