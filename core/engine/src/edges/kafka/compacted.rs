//! Whether a topic keeps the newest record of each key for good: an exactly-once job's
//! progress is one record, and a job that stood still for the topic's retention finds
//! nothing of itself where that deletes it.

use super::log::KafkaLog;

impl KafkaLog {
    /// What is wrong with the settings of a job's progress topic; nothing is said of one
    /// that is not there yet, or whose settings this user may not ask about
    /// (`DESCRIBE_CONFIGS`), or if nobody answers.
    pub fn not_kept(&self, topic: &str) -> Option<String> {
        let policies = self.topic_settings(&[topic.to_owned()], "cleanup.policy");
        deletes(topic, policies.get(topic)?)
    }
}

/// Both may be set: then retention deletes too (`UnifiedLog#deleteOldSegments` of Kafka
/// 4.3.1).
fn deletes(topic: &str, policy: &str) -> Option<String> {
    policy.split(',').any(|part| part.trim() == "delete").then(|| {
        format!(
            "topic {topic} has cleanup.policy={policy}: its retention deletes the job's progress, \
             and without it the job does not go on; set its cleanup.policy to compact"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by reading: somebody who makes the topic because the job may not is not told
    /// how, and a job that was stopped for a week went on no more.
    #[test]
    fn a_progress_topic_that_deletes_is_said() {
        assert_eq!(deletes("p", "compact"), None);
        for policy in ["delete", "compact,delete", "delete, compact"] {
            let said = deletes("p", policy).unwrap();
            assert!(said.contains(policy) && said.ends_with("to compact"), "{said}");
        }
    }
}
