//! What can go wrong with a cluster.

use std::path::PathBuf;

use rdkafka::error::KafkaError as ClientError;

use super::settings::is_secret;
use super::sys::Code;
use crate::edges::recording::RecordingError;
use crate::operator::record::TopicPartition;

/// Why a cluster could not be read or written; says what, where, and what to
/// do. No text holds a password.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// A property that librdkafka does not take.
    #[error("{}; {}", .0, advice(.0))]
    Setting(String),
    /// Nothing says where the cluster is.
    #[error("no broker is named: give --brokers host:port")]
    NoAddress,
    /// A properties file that cannot be read.
    #[error("{path}{}: {what}", line.map(|n| format!(":{n}")).unwrap_or_default())]
    Properties { path: PathBuf, line: Option<usize>, what: String },
    /// No broker answers.
    #[error(
        "no broker of {brokers} answers after {seconds} s ({why}); check the address, and the security settings in --config"
    )]
    NoBroker { brokers: String, seconds: u64, why: String },
    /// The broker refuses who we are.
    #[error(
        "{brokers} refuses the login ({why}); check sasl.mechanism, sasl.username and sasl.password, or the certificates, in --config"
    )]
    Refused { brokers: String, why: String },
    /// The broker's certificate is not trusted, or no TLS is agreed upon.
    #[error(
        "no TLS connection to {brokers} ({why}); in --config, ssl.ca.location names the certificate (PEM) of whoever signed the broker's, which must be for the host by which the broker is named"
    )]
    Untrusted { brokers: String, why: String },
    /// The cluster has no such topic.
    #[error("topic {topic} is not on the cluster{near}")]
    UnknownTopic { topic: String, near: String },
    /// The cluster says something else about a topic.
    #[error("topic {topic}: {what}")]
    Topic { topic: String, what: String },
    /// The cluster has the topic, and cannot say yet where.
    #[error(
        "topic {topic} cannot be had yet ({why}): a broker is starting, or a leader is being chosen; ask again in a moment"
    )]
    TopicAway { topic: String, why: String },
    /// The topic went away, or was made anew, while it was read.
    #[error("topic {topic} {what} while it was read")]
    TopicGone { topic: String, what: String },
    /// A partition cannot be read.
    #[error("{partition}{}: {what}", offset.map(|o| format!("@{o}")).unwrap_or_default())]
    Partition {
        partition: TopicPartition,
        offset: Option<i64>,
        what: String,
        /// librdkafka's or the broker's.
        code: Option<i32>,
    },
    /// A range that names what is not there.
    #[error("{0}")]
    Range(String),
    /// Nothing came for too long.
    #[error("nothing came for {seconds} s and {waiting} are not at their end ({why})")]
    Stalled { seconds: u64, waiting: String, why: String },
    /// The schema registry.
    #[error("schema registry {url}: {what}")]
    Registry {
        url: String,
        what: String,
        /// It does not answer; it may, later.
        away: bool,
    },
    /// `publish` would not fit.
    #[error("{0}")]
    Publish(String),
    /// A redaction of what is not recorded.
    #[error(
        "\"{rule}\" is to be redacted, and topic {topic} is not among those that are recorded: check how it is spelt"
    )]
    Redaction { rule: String, topic: String },
    /// Recording ended before its time, when its file held records.
    #[error("{error}; {kept}")]
    BrokeOff {
        error: Box<KafkaError>,
        /// What is left, and where.
        kept: String,
    },
    /// The recording's side.
    #[error(transparent)]
    Recording(#[from] RecordingError),
}

/// What helps where librdkafka does not take a property: of a key that does not open
/// it (`rdkafka_ssl.c`) gives OpenSSL's words alone, "mac verify failure" or "PEM lib".
fn advice(said: &str) -> &'static str {
    if said.contains("ssl.keystore.location") {
        "it must be PKCS#12, and ssl.keystore.password its password"
    } else if said.contains("ssl.key.location") {
        "it must be PEM, and ssl.key.password its password, if it has one"
    } else {
        "properties are librdkafka's: see its CONFIGURATION.md"
    }
}

impl KafkaError {
    /// Somebody does not answer who may, later, as a partition's leader that is chosen
    /// just now: another start can succeed.
    #[must_use]
    pub fn is_away(&self) -> bool {
        match self {
            Self::NoBroker { .. } | Self::TopicAway { .. } | Self::Registry { away: true, .. } => {
                true
            }
            Self::Partition { code: Some(code), .. } => Code(*code).is_passing(),
            Self::BrokeOff { error, .. } => error.is_away(),
            _ => false,
        }
    }

    /// A leader is being chosen, or starts.
    pub(super) fn is_moving(&self) -> bool {
        match self {
            Self::TopicAway { .. } => true,
            Self::Partition { code: Some(code), .. } => Code(*code).is_moving(),
            _ => false,
        }
    }

    /// This user may not read: as it is, no other start succeeds. (One whose login is
    /// refused is told so when it starts; in between the login's own source may be away.)
    #[must_use]
    pub fn is_denied(&self) -> bool {
        let may_not = |code: i32| Code(code) == Code::TOPIC_AUTHORIZATION;
        matches!(self, Self::Partition { code: Some(code), .. } if may_not(*code))
    }

    pub(super) fn partition(
        partition: &TopicPartition,
        offset: Option<i64>,
        what: impl Into<String>,
    ) -> Self {
        Self::Partition { partition: partition.clone(), offset, what: what.into(), code: None }
    }

    /// What the cluster says of a topic that it neither lacks nor denies us. Before Kafka 4
    /// a topic as a whole had no leader yet while it was made (`AutoTopicCreationManager`);
    /// since then only partitions have none (`KRaftMetadataCache#getTopicMetadata`).
    pub(super) fn of_topic(topic: &str, code: Code, text: &str) -> Self {
        let topic = topic.to_owned();
        if code.is_passing() {
            return Self::TopicAway { topic, why: text.to_owned() };
        }
        Self::Topic { topic, what: text.to_owned() }
    }

    /// A partition's error of librdkafka's or the broker's, with advice where
    /// it is known.
    pub(super) fn of_code(
        partition: &TopicPartition,
        offset: Option<i64>,
        code: Code,
        text: &str,
    ) -> Self {
        let what = match code {
            Code::AUTO_OFFSET_RESET | Code::OFFSET_OUT_OF_RANGE => {
                "this offset is not in the log (any more): retention or DeleteRecords removed it, or the topic was made anew; start from earliest, or from a later offset".to_owned()
            }
            Code::LOG_TRUNCATION => {
                "the log was truncated below what was read: a leader was elected that lacked it".to_owned()
            }
            Code::UNKNOWN_TOPIC | Code::UNKNOWN_TOPIC_OR_PARTITION | Code::UNKNOWN_PARTITION
            | Code::UNKNOWN_TOPIC_ID => "the partition is not there any more".to_owned(),
            Code::TOPIC_AUTHORIZATION => "this user may not read it: grant READ and DESCRIBE".to_owned(),
            _ if text.is_empty() => code.to_string(),
            _ => text.to_owned(),
        };
        Self::Partition { partition: partition.clone(), offset, what, code: Some(code.0) }
    }

    /// With what helps whoever read a log that was truncated then.
    pub(super) fn if_truncated(mut self, help: &str) -> Self {
        if let Self::Partition { what, code: Some(code), .. } = &mut self
            && Code(*code) == Code::LOG_TRUNCATION
        {
            what.push_str("; ");
            what.push_str(help);
        }
        self
    }
}

/// Why there is no client: of a property that is not taken rdkafka's own text holds the
/// value, which may be a secret under a name that nobody knows.
pub(super) fn unmade(error: &ClientError) -> String {
    match error {
        ClientError::ClientConfig(_, _, name, _) if is_secret(name) => {
            format!("{name}: librdkafka does not take its value")
        }
        ClientError::ClientConfig(_, why, ..) | ClientError::ClientCreation(why) => {
            KafkaError::Setting(why.clone()).to_string()
        }
        other => other.to_string(),
    }
}

/// A text, and what lies behind an error; what says the same once more is left out.
pub(super) fn with_causes(mut text: String, error: &dyn std::error::Error) -> String {
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by reading: a start while the brokers came back ended as if it were misused,
    /// so that no supervisor began it again.
    #[test]
    fn a_partition_without_its_leader_may_be_there_at_the_next_start() {
        let of = TopicPartition { topic: "t".into(), partition: 0 };
        let away = |code| KafkaError::of_code(&of, Some(3), Code(code), "").is_away();
        for code in [5, 6, 9, Code::TRANSPORT.0, Code::TIMED_OUT.0, Code::DESTROY_BROKER.0] {
            assert!(away(code), "{}", Code(code));
        }
        for code in [Code::UNKNOWN_PARTITION, Code::TOPIC_AUTHORIZATION, Code::OFFSET_OUT_OF_RANGE]
        {
            assert!(!away(code.0), "{code}");
        }
    }

    /// Found by reading: a live run was told to record again.
    #[test]
    fn what_helps_against_a_truncated_log_fits_who_reads() {
        let of = TopicPartition { topic: "t".into(), partition: 0 };
        let said = |code, help: &str| {
            KafkaError::of_code(&of, Some(3), code, "gone").if_truncated(help).to_string()
        };
        let alone = "t[0]@3: the log was truncated below what was read: a leader was elected that \
                     lacked it";
        assert_eq!(said(Code::LOG_TRUNCATION, "record again"), format!("{alone}; record again"));
        assert_eq!(said(Code::TIMED_OUT, "record again"), "t[0]@3: gone");
        let other = KafkaError::NoAddress.if_truncated("record again").to_string();
        assert!(!other.contains("record again"), "{other}");
    }

    #[test]
    fn a_key_that_does_not_open_is_said_with_its_password_s_property() {
        for (said, property) in [
            (
                "Failed to parse ssl.keystore.location PKCS#12 file: a.p12: error:11800071:PKCS12 routines::mac verify failure",
                "ssl.keystore.password",
            ),
            ("ssl.key.location failed: error:0A080009:SSL routines::PEM lib", "ssl.key.password"),
            ("No such configuration property: \"sasl.pasword\"", "CONFIGURATION.md"),
        ] {
            let error = KafkaError::Setting(said.to_owned()).to_string();
            assert!(error.starts_with(said) && error.contains(property), "{error}");
        }
        let error = KafkaError::NoAddress.to_string();
        assert!(error.ends_with("give --brokers host:port"), "{error}");
    }
}
