//! Which source subtask of a Flink job reads which partition.

use crate::join::flink::key::string_hash;
use crate::pipeline::{InputIndex, Pipeline};

/// The subtasks of an input's source, and the one that reads each partition: all
/// are of one subtask unless the pipeline follows Flink and asks for more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// 0 stands for 1.
    pub(super) parallelism: u32,
    /// By position among the input's partitions; none: all are of the first.
    pub(super) owners: Vec<u32>,
}

/// Source subtasks of one input that have no partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WithoutPartition {
    pub input: InputIndex,
    /// The first of them.
    pub subtask: u32,
    /// How many there are besides.
    pub more: u32,
}

impl WithoutPartition {
    /// `source subtask 3 of views`, `source subtasks 2 and 5 more of views`.
    #[must_use]
    pub fn named(&self, input: &str) -> String {
        match self.more {
            0 => format!("source subtask {} of {input}", self.subtask),
            more => format!("source subtask {} of {input} and {more} more", self.subtask),
        }
    }
}

impl Sources {
    /// Of a topic with these partitions (their numbers in Kafka), in the
    /// pipeline's parallelism.
    #[must_use]
    pub fn of(pipeline: &Pipeline, topic: &str, partitions: impl Iterator<Item = i32>) -> Self {
        let parallelism = pipeline.join.released.parallelism;
        if !pipeline.join.semantics.is_flink() || parallelism <= 1 {
            return Self::default();
        }
        let owners = partitions.map(|p| split_owner(topic, p, parallelism)).collect();
        Self { parallelism, owners }
    }

    /// By position among the input's partitions, the subtask that reads each; none:
    /// there is but one.
    #[must_use]
    pub fn owners(&self) -> &[u32] {
        &self.owners
    }

    /// How many there are.
    #[must_use]
    pub fn parallelism(&self) -> u32 {
        self.parallelism.max(1)
    }

    /// Who reads the partition at this position.
    pub(super) fn owner(&self, position: u32) -> u32 {
        self.owners.get(position as usize).copied().unwrap_or(0)
    }

    /// The subtasks that read one of so many partitions, ascending.
    pub(super) fn read(&self, partitions: u32) -> Vec<u32> {
        let mut read: Vec<u32> = (0..partitions).map(|p| self.owner(p)).collect();
        read.sort_unstable();
        read.dedup();
        read
    }

    /// The subtasks that read none of so many partitions, ascending.
    #[must_use]
    pub fn without_partition(&self, partitions: u32) -> Vec<u32> {
        let read = self.read(partitions);
        (0..self.parallelism.max(1)).filter(|n| read.binary_search(n).is_err()).collect()
    }
}

/// The source subtask that reads a partition: `KafkaSourceEnumerator#getSplitOwner`
/// of flink-connector-kafka 5.0.0, which the table source takes as well.
#[must_use]
pub fn split_owner(topic: &str, partition: i32, parallelism: u32) -> u32 {
    let n = u64::from(parallelism.max(1));
    let hash = string_hash(topic).wrapping_mul(31) & i32::MAX;
    let start = u64::from(hash.unsigned_abs()) % n;
    ((start + u64::try_from(partition).unwrap_or(0)) % n) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formula, step by step, in 64 bits.
    #[test]
    fn partitions_go_round_from_where_the_topics_name_says() {
        let by_hand = |topic: &str, partition: i64, n: i64| {
            let mut hash = 0i64;
            for unit in topic.encode_utf16() {
                hash = (hash * 31 + i64::from(unit)) & 0xFFFF_FFFF;
            }
            // An overflowing product keeps its low 32 bits; the mask drops the sign.
            let start = ((hash * 31) & 0x7FFF_FFFF) % n;
            (start + partition) % n
        };
        for topic in ["", "views", "engagements", "a-rather-long.topic_name", "pä€𝄞th"] {
            for n in [1u32, 2, 3, 4, 7, 128, 32_768] {
                for partition in [0, 1, 2, 5, 63, 9_999] {
                    assert_eq!(
                        i64::from(split_owner(topic, partition, n)),
                        by_hand(topic, i64::from(partition), i64::from(n)),
                        "{topic}[{partition}] of {n}"
                    );
                }
            }
        }
        // Round: neighbours are neighbours.
        let first = split_owner("views", 0, 4);
        assert_eq!(split_owner("views", 3, 4), (first + 3) % 4);
        assert_eq!(split_owner("views", 4, 4), first);
    }

    #[test]
    fn subtasks_without_a_partition_are_known() {
        let sources = Sources { parallelism: 4, owners: vec![3, 0] };
        assert_eq!(sources.read(2), [0, 3]);
        assert_eq!(sources.without_partition(2), [1, 2]);
        assert_eq!(Sources::default().without_partition(3), [0u32; 0]);
        assert_eq!(Sources::default().without_partition(0), [0]);
        let named = |more| WithoutPartition { input: 0, subtask: 1, more }.named("views");
        assert_eq!(named(0), "source subtask 1 of views");
        assert_eq!(named(2), "source subtask 1 of views and 2 more");
    }
}
