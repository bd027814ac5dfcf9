//! Messages that were not delivered, as librdkafka tells of them on a thread of its own.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _, Message};
use rdkafka::producer::{DeliveryResult, ProducerContext};

use super::producer::{Limits, kind_of};
use crate::edges::log::LogErrorKind;

fn is_too_large(code: RDKafkaErrorCode) -> bool {
    kind_of(code) == LogErrorKind::TooLarge
}

/// Whether another of its batch may be the reason.
pub(super) fn is_of_a_batch(code: RDKafkaErrorCode) -> bool {
    is_too_large(code) || code == RDKafkaErrorCode::InvalidDifferentRecord
}

/// A message that was not delivered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failure {
    pub code: RDKafkaErrorCode,
    bytes: usize,
    pub what: String,
}

impl Failure {
    fn goes_before(&self, was: &Self) -> bool {
        let other = RDKafkaErrorCode::InvalidDifferentRecord;
        was.code == other && self.code != other
            || is_too_large(self.code) && is_too_large(was.code) && was.bytes < self.bytes
    }
}

/// What was not delivered since the last look: the first of it; but of what is
/// too large the largest, since a batch is refused with all that is in it, and of
/// what was refused because of another (`_INVALID_DIFFERENT_RECORD`) that other.
#[derive(Default)]
pub(super) struct Failures {
    kept: Mutex<Option<Failure>>,
    limits: Arc<Limits>,
}

impl Failures {
    /// Of messages to topics with these limits.
    pub fn new(limits: Arc<Limits>) -> Self {
        Self { limits, ..Self::default() }
    }

    pub fn take(&self) -> Option<Failure> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub fn note(&self, failure: Failure) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_none_or(|was| failure.goes_before(was)) {
            *kept = Some(failure);
        }
    }

    /// `first`, or what was told since of the same batch and is larger.
    pub fn or_larger(&self, first: Failure) -> Failure {
        self.take().filter(|later| later.goes_before(&first)).unwrap_or(first)
    }

    /// What a message that failed was.
    fn name(&self, message: &BorrowedMessage<'_>, bytes: usize, code: RDKafkaErrorCode) -> String {
        let find = |name: &str| {
            let header = message.headers()?.iter().find(|header| header.key == name)?;
            Some(String::from_utf8_lossy(header.value?).into_owned())
        };
        let topic = message.topic();
        let example = match (find("joinscope.example"), find("joinscope.records")) {
            (Some(example), Some(records)) => format!(" (example {example}, records {records})"),
            _ => String::new(),
        };
        let limit = match self.limits.get(topic).filter(|_| is_too_large(code)) {
            Some(limit) => format!(", the topic takes {limit} (max.message.bytes)"),
            None => rule(code).to_owned(),
        };
        format!("a message of {bytes} bytes to {topic}{example}: {code}{limit}")
    }
}

/// What a broker holds a record against, where its own words do not say it
/// (`LogValidator`, `ServerLogConfigs` of Kafka 4.3.1). A record has its output's time.
fn rule(code: RDKafkaErrorCode) -> &'static str {
    match code {
        RDKafkaErrorCode::InvalidTimestamp | RDKafkaErrorCode::InvalidRecord => {
            ", as one whose time is further ahead of the broker's clock than the topic's \
             message.timestamp.after.max.ms, by default an hour since Kafka 4.0"
        }
        _ => "",
    }
}

#[derive(Clone)]
pub(super) struct Context(pub Arc<Failures>);

impl ClientContext for Context {
    fn error(&self, error: ClientError, reason: &str) {
        tracing::info!(target: "librdkafka", "{error}: {reason}");
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let Err((error, message)) = result else { return };
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        // An abort empties the queue.
        if matches!(code, RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight) {
            return;
        }
        let bytes = message.payload_len() + message.key_len();
        let what = self.0.name(message, bytes, code);
        self.0.note(Failure { code, bytes, what });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_batch_that_is_too_large_the_largest_message_is_kept() {
        let of = |code, bytes| Failure { code, bytes, what: String::new() };
        let large = RDKafkaErrorCode::MessageSizeTooLarge;
        let failures = Failures::default();
        for bytes in [428, 9_000, 104] {
            failures.note(of(large, bytes));
        }
        assert_eq!(failures.take(), Some(of(large, 9_000)));
        assert_eq!(failures.take(), None);
        // What is told of it after the first look.
        assert_eq!(failures.or_larger(of(large, 428)), of(large, 428));
        for bytes in [104, 9_000, 300] {
            failures.note(of(large, bytes));
        }
        assert_eq!(failures.or_larger(of(large, 428)), of(large, 9_000));
        failures.note(of(large, 104));
        assert_eq!(failures.or_larger(of(large, 428)), of(large, 428));
        assert_eq!(failures.take(), None);
        // Of anything else the first: it is the cause of the rest.
        let denied = RDKafkaErrorCode::TopicAuthorizationFailed;
        failures.note(of(denied, 1));
        failures.note(of(denied, 2));
        failures.note(of(large, 3));
        assert_eq!(failures.take(), Some(of(denied, 1)));
        failures.note(of(denied, 2));
        assert_eq!(failures.or_larger(of(large, 3)), of(large, 3));
    }

    /// Found by reading: where one record's time was refused, the first of its batch was
    /// named for it.
    #[test]
    fn of_a_batch_that_was_refused_for_one_record_that_one_is_kept() {
        use RDKafkaErrorCode as E;
        let of = |code, bytes| Failure { code, bytes, what: String::new() };
        let (other, time) = (E::InvalidDifferentRecord, E::InvalidTimestamp);
        let failures = Failures::default();
        for (code, bytes) in [(other, 1), (time, 2), (other, 3), (E::InvalidRecord, 4)] {
            failures.note(of(code, bytes));
        }
        assert_eq!(failures.take(), Some(of(time, 2)));
        // What is told of it after the first look.
        assert!(is_of_a_batch(other) && !is_of_a_batch(time));
        failures.note(of(other, 2));
        failures.note(of(time, 3));
        assert_eq!(failures.or_larger(of(other, 1)), of(time, 3));
        assert_eq!(failures.or_larger(of(other, 1)), of(other, 1));
        for code in [other, time, E::InvalidRecord] {
            assert_eq!(kind_of(code), LogErrorKind::RequiresAbort, "{code}");
        }
        assert!(rule(time).contains("message.timestamp.after.max.ms") && rule(other).is_empty());
    }
}
