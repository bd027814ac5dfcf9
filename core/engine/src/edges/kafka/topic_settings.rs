//! Settings of topics, where this user may ask about them.

use std::collections::BTreeMap;

use rdkafka::admin::{OwnedResourceSpecifier, ResourceSpecifier};

use super::log::KafkaLog;

impl KafkaLog {
    /// One setting of each of these topics; see [`KafkaLog::settings_of`].
    pub(super) fn topic_settings(&self, topics: &[String], name: &str) -> BTreeMap<String, String> {
        let told = self.settings_of(topics, &[name]);
        told.into_iter().filter_map(|(topic, mut of)| Some((topic, of.remove(name)?))).collect()
    }

    /// Settings of these topics, by topic and name; those are left out that the user may
    /// not ask about (`DESCRIBE_CONFIGS`), all if nobody answers.
    pub(super) fn settings_of<'n>(
        &self,
        topics: &[String],
        names: &[&'n str],
    ) -> BTreeMap<String, BTreeMap<&'n str, String>> {
        let asked: Vec<_> = topics.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let told = self
            .administer(async |admin, options| admin.describe_configs(asked.iter(), options).await);
        let mut settings = BTreeMap::new();
        match told {
            Ok(told) => {
                for resource in told.into_iter().flatten() {
                    let OwnedResourceSpecifier::Topic(topic) = &resource.specifier else {
                        continue;
                    };
                    let value = |name: &&'n str| {
                        Some((*name, resource.get(name).and_then(|entry| entry.value.clone())?))
                    };
                    settings.insert(topic.clone(), names.iter().filter_map(value).collect());
                }
            }
            Err((_, what)) => {
                tracing::debug!("{} of the topics are not known: {what}", names.join(", "));
            }
        }
        settings
    }
}
