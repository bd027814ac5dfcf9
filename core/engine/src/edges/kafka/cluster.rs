//! A cluster as `record` and `publish` first meet it: reachable, with these
//! topics, partitions and offsets, or a clear reason why not, in bounded time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::KafkaError;
use super::asking::Asking;
use super::lanes::Lane;
use super::range::{Start, Until};
use super::settings::{Settings, is_secret};
use super::sys::{Client, ClientEvent, Code, TopicDescription};
use super::watch::Watch;
use crate::operator::record::TopicPartition;

/// Which records are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// All that is in the log, also of open and aborted transactions.
    #[default]
    ReadUncommitted,
    /// Nothing of aborted transactions, nothing behind an open one.
    ReadCommitted,
}

impl Isolation {
    /// As Kafka writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "read_uncommitted",
            Self::ReadCommitted => "read_committed",
        }
    }
}

/// What no reader changes: invariant 7, reading a cluster never changes it.
fn forced(isolation: Isolation) -> [(&'static str, &'static str); 6] {
    [
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("allow.auto.create.topics", "false"),
        // An offset that is gone is said, never replaced by another.
        ("auto.offset.reset", "error"),
        ("enable.partition.eof", "true"),
        ("isolation.level", isolation.as_str()),
    ]
}

const DEFAULTS: &[(&str, &str)] = &[
    ("client.id", "joinscope"),
    ("check.crcs", "true"),
    ("socket.keepalive.enable", "true"),
    ("reconnect.backoff.max.ms", "1000"),
    // The end of a partition is noticed after an empty fetch.
    ("fetch.wait.max.ms", "100"),
    // Stalls of a second otherwise, where a queue was full for a moment.
    ("fetch.queue.backoff.ms", "1"),
];

/// A first answer takes no longer, whatever the patience with a cluster that
/// was there once.
const FIRST_ANSWER: Duration = Duration::from_secs(10);

/// Between two questions about a leader that is being chosen.
const AGAIN: Duration = Duration::from_millis(200);

/// For what is asked beside the reading.
const AT_ONCE: Duration = Duration::from_secs(2);

/// A cluster that answered.
pub(super) struct Cluster {
    asking: Asking,
    brokers: String,
    settings: Settings,
    isolation: Isolation,
    patience: Duration,
    pub id: Option<String>,
    pub topics: Vec<TopicDescription>,
}

impl Cluster {
    /// Connects and describes `topics`; one whose leader is being chosen is waited for.
    ///
    /// # Errors
    /// Settings, no broker, refused, an unknown topic: within `patience`.
    pub fn connect(
        settings: &Settings,
        topics: &[String],
        isolation: Isolation,
        patience: Duration,
    ) -> Result<Self, KafkaError> {
        let mut cluster = Self::reach(settings, topics, isolation, patience)?;
        if cluster.topics.iter().any(|topic| topic.passing().is_some()) {
            let names: Vec<String> = cluster.topics.iter().map(|t| t.name.clone()).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            cluster.topics = cluster.settled(&names)?;
        }
        let unknown = |d: &&TopicDescription| d.error.is_some() || d.partitions.is_empty();
        if let Some(topic) = cluster.topics.iter().find(unknown) {
            return Err(cluster.why_not(topic));
        }
        cluster.topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(cluster)
    }

    /// Connects and asks for topics that need not be there.
    ///
    /// # Errors
    /// Settings, no broker, refused: within `patience`.
    pub fn reach(
        settings: &Settings,
        topics: &[String],
        isolation: Isolation,
        patience: Duration,
    ) -> Result<Self, KafkaError> {
        let brokers = settings.brokers.clone();
        if brokers.trim().is_empty() {
            return Err(KafkaError::NoAddress);
        }
        let properties = settings.properties(DEFAULTS, &forced(isolation));
        let client = Client::new(&properties, is_secret).map_err(KafkaError::Setting)?;
        let mut names: Vec<&str> = topics.iter().map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        let (mut watch, begin) = (Watch::default(), Instant::now());
        let answer = client.describe_topics(&names, patience.min(FIRST_ANSWER), || {
            watch.note(client.events());
            watch.hopeless()
        });
        watch.note(client.events());
        let topics = match answer {
            Ok(topics) => topics,
            Err((code, text)) => {
                if let Some(refused) = watch.refused(&brokers) {
                    return Err(refused);
                }
                let why = watch
                    .reason
                    .take()
                    .unwrap_or_else(|| if text.is_empty() { code.to_string() } else { text });
                return Err(KafkaError::NoBroker {
                    brokers,
                    seconds: begin.elapsed().as_secs_f64().round() as u64,
                    why,
                });
            }
        };
        let id = client.cluster_id(patience.min(Duration::from_secs(5)));
        let (settings, asking) = (settings.clone(), Asking::new(client));
        Ok(Self { asking, brokers, settings, isolation, patience, id, topics })
    }

    fn client(&self) -> Arc<Client> {
        self.asking.client()
    }

    /// One more client, with these defaults.
    fn another(&self, defaults: &[(&str, &str)]) -> Result<Client, KafkaError> {
        let properties = self.settings.properties(defaults, &forced(self.isolation));
        Client::new(&properties, is_secret).map_err(KafkaError::Setting)
    }

    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// What its connections say of themselves since the last look.
    pub fn events(&self) -> Vec<ClientEvent> {
        self.client().events()
    }

    /// A second client, for the reading itself, whose queues hold about
    /// `memory` bytes in all.
    ///
    /// # Errors
    /// As for the first one.
    pub fn reader(
        &self,
        queues: usize,
        partitions: usize,
        memory: u64,
    ) -> Result<Client, KafkaError> {
        // What a queue holds can be overshot by one fetch.
        let queued = (memory / 2 / queues.max(1) as u64 / 1024).clamp(64, 64 * 1024).to_string();
        let fetched = (memory / 2 / partitions.max(1) as u64).clamp(64 << 10, 1 << 20).to_string();
        let mut defaults = DEFAULTS.to_vec();
        defaults.push(("queued.max.messages.kbytes", &queued));
        defaults.push(("fetch.message.max.bytes", &fetched));
        self.another(&defaults)
    }

    /// Why a topic cannot be used as it was described.
    pub fn why_not(&self, topic: &TopicDescription) -> KafkaError {
        let name = topic.name.clone();
        match &topic.error {
            None => KafkaError::Topic { topic: name, what: "has no partition".into() },
            Some((Code::UNKNOWN_TOPIC_OR_PARTITION | Code::UNKNOWN_TOPIC, _)) => {
                let near = self.near(&name);
                KafkaError::UnknownTopic { topic: name, near }
            }
            Some((Code::TOPIC_AUTHORIZATION, _)) => KafkaError::Topic {
                topic: name,
                what: "this user may not see it: grant READ and DESCRIBE".into(),
            },
            Some((code, text)) => KafkaError::of_topic(&name, *code, text),
        }
    }

    /// "; the nearest are …", or that there is none.
    fn near(&self, topic: &str) -> String {
        let mut names: Vec<(f64, String)> = self
            .client()
            .topic_names(self.patience.min(Duration::from_secs(5)))
            .into_iter()
            .filter(|name| !name.starts_with("__"))
            .map(|name| (strsim::jaro_winkler(&name, topic), name))
            .collect();
        if names.is_empty() {
            return ", which shows no topic at all to this user".to_owned();
        }
        names.sort_by(|a, b| b.0.total_cmp(&a.0));
        let names: Vec<String> = names.into_iter().take(3).map(|(_, name)| name).collect();
        format!("; the nearest are {}", names.join(", "))
    }

    /// What the cluster says of topics, which need not be there.
    ///
    /// # Errors
    /// No broker answers.
    pub fn describe(&self, names: &[&str]) -> Result<Vec<TopicDescription>, KafkaError> {
        self.client().describe_topics(names, self.patience, || false).map_err(|(code, text)| {
            KafkaError::NoBroker {
                brokers: self.brokers.clone(),
                seconds: self.patience.as_secs(),
                why: if text.is_empty() { code.to_string() } else { text },
            }
        })
    }

    /// As [`Cluster::describe`]; one that cannot be had yet is waited for.
    ///
    /// # Errors
    /// No broker answers, or a topic stays away.
    pub fn settled(&self, names: &[&str]) -> Result<Vec<TopicDescription>, KafkaError> {
        patiently(self.patience, || {
            let topics = self.describe(names)?;
            match topics.iter().find(|topic| topic.passing().is_some()) {
                Some(topic) => Err(self.why_not(topic)),
                None => Ok(topics),
            }
        })
    }

    /// Asks whether the topics are still the same.
    ///
    /// # Errors
    /// One is gone or was made anew. That no broker answers is none.
    pub fn check_topics(&self) -> Result<(), KafkaError> {
        self.look().map(drop)
    }

    /// The topics as they are now; `None` where no broker answers.
    ///
    /// # Errors
    /// One is gone or was made anew.
    pub fn look(&self) -> Result<Option<Vec<TopicDescription>>, KafkaError> {
        let names: Vec<&str> = self.topics.iter().map(|t| t.name.as_str()).collect();
        let begin = Instant::now();
        let stop = || begin.elapsed() > Duration::from_secs(2);
        let ask = |client: &Client| client.describe_topics(&names, Duration::from_secs(3), stop);
        let answer = self.asking.ask(|| self.another(DEFAULTS), ask);
        let Ok(now) = answer else { return Ok(None) };
        for (was, is) in self
            .topics
            .iter()
            .filter_map(|was| now.iter().find(|is| is.name == was.name).map(|is| (was, is)))
        {
            let gone = |what: &str| {
                Err(KafkaError::TopicGone { topic: was.name.clone(), what: what.to_owned() })
            };
            match &is.error {
                Some((Code::UNKNOWN_TOPIC_OR_PARTITION | Code::UNKNOWN_TOPIC, _)) => {
                    return gone("was deleted");
                }
                None if was.id.is_some() && is.id.is_some() && was.id != is.id => {
                    return gone("was deleted and made anew (its id changed)");
                }
                _ => {}
            }
        }
        Ok(Some(now))
    }

    /// All partitions of the topics, by topic and partition.
    pub fn partitions(&self) -> Vec<TopicPartition> {
        self.topics
            .iter()
            .flat_map(|topic| {
                let name: std::sync::Arc<str> = topic.name.as_str().into();
                topic
                    .partitions
                    .iter()
                    .map(move |p| TopicPartition { topic: name.clone(), partition: *p })
            })
            .collect()
    }

    /// Where each partition begins and ends for this range.
    ///
    /// # Errors
    /// The range names what the log does not hold, or a broker does not answer.
    pub fn lanes(&self, start: &Start, until: &Until) -> Result<Vec<Lane>, KafkaError> {
        let partitions = self.partitions();
        for (named, _) in named(start, until) {
            if !partitions.contains(named) {
                return Err(KafkaError::Range(format!(
                    "{named} is named, but is no partition of the topics that are recorded"
                )));
            }
        }
        let starts = match start {
            Start::Time(ms) => Some(self.at(&partitions, *ms)?),
            _ => None,
        };
        // Asked once: the time may come while the partitions are asked.
        let is_to_come = matches!(until, Until::Time(ms) if *ms > now_ms());
        let stops = match until {
            Until::Time(ms) if !is_to_come => Some(self.at(&partitions, *ms)?),
            _ => None,
        };
        let mut lanes = Vec::with_capacity(partitions.len());
        for (i, partition) in partitions.into_iter().enumerate() {
            let (low, high) = self.offsets(&partition)?;
            let of = |list: &[(TopicPartition, i64)]| {
                list.iter().find(|(named, _)| *named == partition).map(|(_, offset)| *offset)
            };
            let begin = match start {
                Start::Earliest => low,
                Start::Latest => high,
                Start::Time(_) => starts.as_ref().and_then(|s| s[i]).unwrap_or(high),
                Start::Offsets(list) => of(list).unwrap_or(low),
            };
            if begin < low || begin > high {
                return Err(KafkaError::Range(format!(
                    "{partition}@{begin} is not in the log, which holds offsets {low} to {high} (exclusive)"
                )));
            }
            let stop = match until {
                Until::Now => Some(high),
                Until::Stopped => None,
                // A time to come: found when it has come.
                Until::Time(_) if is_to_come => None,
                Until::Time(_) => Some(stops.as_ref().and_then(|s| s[i]).unwrap_or(high)),
                Until::Offsets(list) => Some(of(list).unwrap_or(high)),
            }
            .map(|stop| stop.max(begin));
            let backlog = stop.unwrap_or(high).min(high).max(begin);
            lanes.push(Lane { partition, start: begin, backlog, stop, next: begin });
        }
        Ok(lanes)
    }

    /// The first offsets at a time, `None` where there is none so late.
    ///
    /// # Errors
    /// A broker does not answer.
    pub fn at(
        &self,
        partitions: &[TopicPartition],
        ms: i64,
    ) -> Result<Vec<Option<i64>>, KafkaError> {
        let names: Vec<(&str, i32)> = partitions.iter().map(|p| (&*p.topic, p.partition)).collect();
        self.client().offsets_at(&names, ms, self.patience).map_err(|(place, code)| {
            if let Some(partition) = partitions.get(place) {
                let meant = self.meant(partition, code);
                if meant.is_moving() {
                    return KafkaError::of_code(partition, None, meant, "");
                }
            }
            let why = format!("the offsets of a time cannot be had: {code}");
            if !code.is_passing() {
                return KafkaError::Range(why);
            }
            let (brokers, seconds) = (self.brokers.clone(), self.patience.as_secs());
            KafkaError::NoBroker { brokers, seconds, why }
        })
    }

    /// The end of a partition, where a broker says it at once.
    pub fn end_now(&self, partition: &TopicPartition) -> Option<i64> {
        let at_once = self.patience.min(AT_ONCE);
        Some(self.client().offsets(&partition.topic, partition.partition, at_once).ok()?.1)
    }

    /// First offset and end of a partition.
    ///
    /// # Errors
    /// A broker does not answer, or this user may not ask.
    pub fn offsets(&self, partition: &TopicPartition) -> Result<(i64, i64), KafkaError> {
        self.client()
            .offsets(&partition.topic, partition.partition, self.patience)
            .map_err(|code| KafkaError::of_code(partition, None, self.meant(partition, code), ""))
    }

    /// Of a partition that has no leader now librdkafka says at once that it does not know
    /// it (`rd_kafka_topic_partition_list_query_leaders` of 2.12.1), and says so again until
    /// somebody asks for the topic's metadata: whether it is there the brokers say.
    fn meant(&self, partition: &TopicPartition, code: Code) -> Code {
        if code != Code::UNKNOWN_PARTITION {
            return code;
        }
        let is_there = |topic: &TopicDescription| {
            topic.passing().is_some() || topic.partitions.contains(&partition.partition)
        };
        let at_once = self.patience.min(AT_ONCE);
        match self.client().describe_topics(&[&*partition.topic], at_once, || false) {
            Ok(topics) if !topics.iter().any(is_there) => code,
            // Nobody answers: it was there before.
            _ => Code::LEADER_NOT_AVAILABLE,
        }
    }
}

/// Asks again while a leader is being chosen, for as long as a first answer may take.
///
/// # Errors
/// As the question's.
pub(super) fn patiently<T>(
    patience: Duration,
    mut ask: impl FnMut() -> Result<T, KafkaError>,
) -> Result<T, KafkaError> {
    let (begin, mut said) = (Instant::now(), false);
    loop {
        match ask() {
            Err(error) if error.is_moving() && begin.elapsed() < patience.min(FIRST_ANSWER) => {
                if !std::mem::replace(&mut said, true) {
                    tracing::warn!("{error}: asked again until it answers");
                }
                std::thread::sleep(AGAIN);
            }
            other => return other,
        }
    }
}

/// The partitions that a range names, with their offsets.
fn named<'a>(
    start: &'a Start,
    until: &'a Until,
) -> impl Iterator<Item = &'a (TopicPartition, i64)> {
    let starts = if let Start::Offsets(list) = start { list.as_slice() } else { &[] };
    let stops = if let Until::Offsets(list) = until { list.as_slice() } else { &[] };
    starts.iter().chain(stops)
}

/// Wall clock, ms since the Unix epoch.
pub(super) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_that_is_being_chosen_is_asked_again_and_nothing_else_is() {
        let of = TopicPartition { topic: "t".into(), partition: 1 };
        let moving = || KafkaError::of_code(&of, None, Code::LEADER_NOT_AVAILABLE, "");
        let minute = Duration::from_mins(1);
        let mut left = 2;
        let asked = patiently(minute, || {
            left -= 1;
            if left >= 0 { Err(moving()) } else { Ok("there") }
        });
        assert_eq!((asked.unwrap(), left), ("there", -1));
        // It stays away: said as it is.
        let mut asked = 0;
        let gone = patiently(Duration::ZERO, || {
            asked += 1;
            Err::<(), _>(moving())
        });
        assert_eq!(gone.unwrap_err().to_string(), "t[1]: Broker: Leader not available");
        assert_eq!(asked, 1);
        let refused = || KafkaError::of_code(&of, None, Code::TOPIC_AUTHORIZATION, "");
        let mut asked = 0;
        let refused = patiently(minute, || {
            asked += 1;
            Err::<(), _>(refused())
        });
        assert!(refused.is_err_and(|error| error.is_denied()));
        assert_eq!(asked, 1);
    }
}
