//! Replicas that the partitions of a written topic should have in sync. A producer that
//! waits for all of them (`acks=all`, as ours does) is given nothing but time-outs where
//! there are fewer than the broker wants: `min.insync.replicas`, in Kafka 4.3.1 no more
//! than the partition has (`Partition#effectiveMinIsr`).

use super::Isolation;
use super::log::KafkaLog;
use super::sys::TopicDescription;

impl KafkaLog {
    /// What is wrong with the replicas of these topics, of the worst partition of each;
    /// nothing is said of a topic whose settings this user may not ask about
    /// (`DESCRIBE_CONFIGS`), or if nobody answers.
    pub fn few_replicas(&self, topics: &[String]) -> Vec<String> {
        let wanted = self.topic_settings(topics, "min.insync.replicas");
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let described = self.ask(Isolation::ReadUncommitted, |cluster| cluster.describe(&names));
        let topics = described.unwrap_or_default();
        let of = |topic: &TopicDescription| few(topic, wanted.get(&topic.name)?.parse().ok()?);
        topics.iter().filter_map(of).collect()
    }
}

fn few(topic: &TopicDescription, wanted: usize) -> Option<String> {
    let short = topic.replicas.iter().filter(|of| of.all.min(of.in_sync) < wanted);
    // First what keeps messages out now.
    let worst = short.min_by_key(|of| (of.in_sync >= of.all, of.in_sync, of.partition))?;
    let (name, partition, all, in_sync) = (&topic.name, worst.partition, worst.all, worst.in_sync);
    Some(if in_sync < wanted.min(all) {
        format!(
            "topic {name}: {in_sync} of the {all} replicas of partition {partition} are in sync, \
             and its min.insync.replicas is {wanted}: no message is taken for it until more of the \
             brokers that hold it are back"
        )
    } else {
        format!(
            "topic {name}: partition {partition} has {all} of the {wanted} replicas that its \
             min.insync.replicas wants in sync: a broker that takes those there are for enough, as \
             Kafka 4.3.1 does, keeps it in fewer places than wanted, and another takes no message \
             for it; give the topic more replicas, or a smaller min.insync.replicas"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::sys::Replicas;
    use super::*;

    fn topic(replicas: &[(usize, usize)]) -> TopicDescription {
        let of = |(partition, (all, in_sync)): (i32, &(usize, usize))| Replicas {
            partition,
            all: *all,
            in_sync: *in_sync,
        };
        TopicDescription {
            name: "out".to_owned(),
            id: None,
            partitions: (0..replicas.len() as i32).collect(),
            replicas: (0..).zip(replicas).map(of).collect(),
            error: None,
        }
    }

    #[test]
    fn the_worst_partition_is_named() {
        assert_eq!(few(&topic(&[(3, 3), (3, 2)]), 2), None);
        assert_eq!(few(&topic(&[(1, 1)]), 1), None);
        // What keeps messages out comes first.
        let now = few(&topic(&[(1, 1), (3, 3), (3, 1)]), 2).unwrap();
        assert!(now.contains("out: 1 of the 3 replicas of partition 2 are in sync"), "{now}");
        assert!(now.contains("min.insync.replicas is 2"), "{now}");
        let few = few(&topic(&[(3, 3), (1, 1)]), 2).unwrap();
        assert!(few.contains("partition 1 has 1 of the 2 replicas"), "{few}");
    }
}
