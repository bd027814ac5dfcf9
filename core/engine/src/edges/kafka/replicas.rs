//! Replicas that the partitions of a written topic must have in sync: a producer that
//! waits for all of them (`acks=all`, as ours does) is given nothing but time-outs where
//! there are fewer than `min.insync.replicas`.

use super::Isolation;
use super::log::KafkaLog;
use super::sys::TopicDescription;

/// Why no broker takes a message for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FewReplicas {
    /// It has too few, whoever is there.
    Ever(String),
    /// Too few of them are in sync now.
    Now(String),
}

impl KafkaLog {
    /// What keeps messages out of these topics, the worst partition of each; nothing is
    /// said of a topic whose settings this user may not ask about (`DESCRIBE_CONFIGS`),
    /// or if nobody answers.
    pub fn few_replicas(&self, topics: &[String]) -> Vec<FewReplicas> {
        let wanted = self.topic_settings(topics, "min.insync.replicas");
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let described = self.ask(Isolation::ReadUncommitted, |cluster| cluster.describe(&names));
        let topics = described.unwrap_or_default();
        let of = |topic: &TopicDescription| few(topic, wanted.get(&topic.name)?.parse().ok()?);
        topics.iter().filter_map(of).collect()
    }
}

fn few(topic: &TopicDescription, wanted: usize) -> Option<FewReplicas> {
    let short = topic.replicas.iter().filter(|of| of.all.min(of.in_sync) < wanted);
    let worst = short.min_by_key(|of| (of.all, of.in_sync, of.partition))?;
    let (name, partition, all) = (&topic.name, worst.partition, worst.all);
    Some(if all < wanted {
        FewReplicas::Ever(format!(
            "topic {name}: partition {partition} has {all} of the {wanted} replicas that its \
             min.insync.replicas wants in sync, so that no message is ever taken for it: give the \
             topic more replicas, or a smaller min.insync.replicas"
        ))
    } else {
        FewReplicas::Now(format!(
            "topic {name}: {} of the {all} replicas of partition {partition} are in sync, and its \
             min.insync.replicas is {wanted}: no message is taken for it until more of the brokers \
             that hold it are back",
            worst.in_sync
        ))
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
        let Some(FewReplicas::Now(now)) = few(&topic(&[(3, 3), (3, 1)]), 2) else { panic!() };
        assert!(now.contains("out: 1 of the 3 replicas of partition 1 are in sync"), "{now}");
        assert!(now.contains("min.insync.replicas is 2"), "{now}");
        // What waiting does not help against comes first.
        let Some(FewReplicas::Ever(ever)) = few(&topic(&[(3, 0), (1, 1)]), 2) else { panic!() };
        assert!(ever.contains("partition 1 has 1 of the 2 replicas"), "{ever}");
    }
}
