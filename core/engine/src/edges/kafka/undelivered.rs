//! Messages that were not delivered, as librdkafka tells of them on a thread of its own.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _, Message};
use rdkafka::producer::{DeliveryResult, ProducerContext};

use super::cluster::now_ms;
use super::codes::kind_of;
use super::limits::{Limit, Limits};
use crate::edges::log::LogErrorKind;
use crate::operator::time::{exact_duration, rfc3339_ms};

fn is_too_large(code: RDKafkaErrorCode) -> bool {
    kind_of(code) == LogErrorKind::TooLarge
}

/// A record of the batch breaks a rule of the topic: its time, or that it has no key.
/// Of one such record librdkafka tells the batch's code, of several `INVALID_RECORD`, and
/// of all others `_INVALID_DIFFERENT_RECORD`; where a broker does not say which they are,
/// it tells the batch's code of all (2.12.1,
/// `rd_kafka_msgbatch_handle_Produce_result_record_errors`).
fn is_of_a_record(code: RDKafkaErrorCode) -> bool {
    matches!(code, RDKafkaErrorCode::InvalidTimestamp | RDKafkaErrorCode::InvalidRecord)
}

/// Whether another of its batch may be the reason.
pub(super) fn is_of_a_batch(code: RDKafkaErrorCode) -> bool {
    is_too_large(code) || is_of_a_record(code) || code == RDKafkaErrorCode::InvalidDifferentRecord
}

/// How far a record's time is off: out of what its topic takes, in ms, if anything is.
/// Where nobody says what it takes, what is furthest ahead of the clock comes first, as
/// topics take any old time unless they are told otherwise (`ServerLogConfigs` of Kafka
/// 4.3.1), then what is oldest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Off {
    out: bool,
    by: i64,
}

impl Off {
    fn of(ms: i64, now_ms: i64, limit: Limit) -> Self {
        let ahead = ms.saturating_sub(now_ms);
        match limit.beyond(ms, now_ms) {
            Some(by) => Self { out: by > 0, by },
            None => Self { out: ahead > 0, by: ahead.saturating_abs() },
        }
    }
}

/// A message that was not delivered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failure {
    pub code: RDKafkaErrorCode,
    bytes: usize,
    off: Off,
    /// Messages that were told with this code.
    alike: u64,
    /// It is known to break the rule by itself.
    certain: bool,
    what: String,
}

impl Failure {
    fn goes_before(&self, was: &Self) -> bool {
        let other = RDKafkaErrorCode::InvalidDifferentRecord;
        was.code == other && self.code != other
            || is_too_large(self.code) && is_too_large(was.code) && was.bytes < self.bytes
            || is_of_a_record(self.code) && self.code == was.code && was.off < self.off
    }

    /// Of two the one that is told.
    fn or(self, later: Self) -> Self {
        let both = if self.code == later.code { self.alike.saturating_add(later.alike) } else { 0 };
        let mut kept = if later.goes_before(&self) { later } else { self };
        kept.alike = kept.alike.max(both);
        kept
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if is_of_a_record(self.code) && self.alike > 1 && !self.certain {
            let others = "messages were refused together, and it may be for another of them: of \
                          their times this one is furthest off";
            write!(f, " ({} {others})", self.alike)?;
        }
        Ok(())
    }
}

/// What was not delivered since the last look: the first of it; but, since a batch is
/// refused with all that is in it, of what is too large the largest, of records that may
/// be refused for their time the one whose is furthest off, and of what was refused
/// because of another (`_INVALID_DIFFERENT_RECORD`) that other.
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
        *kept = Some(match kept.take() {
            Some(was) => was.or(failure),
            None => failure,
        });
    }

    /// `first`, or what was told since of the same batch and goes before it.
    pub fn with_later(&self, first: Failure) -> Failure {
        match self.take() {
            Some(later) => first.or(later),
            None => first,
        }
    }

    /// Of a message of this time.
    fn failure(&self, message: &BorrowedMessage<'_>, ms: i64, code: RDKafkaErrorCode) -> Failure {
        let bytes = message.payload_len() + message.key_len();
        let find = |name: &str| {
            let header = message.headers()?.iter().find(|header| header.key == name)?;
            Some(String::from_utf8_lossy(header.value?).into_owned())
        };
        let topic = message.topic();
        let example = match (find("joinscope.example"), find("joinscope.records")) {
            (Some(example), Some(records)) => format!(" (example {example}, records {records})"),
            _ => String::new(),
        };
        let limit = self.limits.get(topic).copied().unwrap_or_default();
        let now_ms = now_ms();
        let why = match limit.bytes.filter(|_| is_too_large(code)) {
            Some(bytes) => format!(", the topic takes {bytes} (max.message.bytes)"),
            None if is_of_a_record(code) => rule(ms, now_ms, limit),
            None => String::new(),
        };
        Failure {
            code,
            bytes,
            off: Off::of(ms, now_ms, limit),
            alike: 1,
            certain: limit.beyond(ms, now_ms).is_some_and(|by| by > 0),
            what: format!("a message of {bytes} bytes to {topic}{example}: {code}{why}"),
        }
    }
}

/// What a broker holds a record of this time against, where its own words do not say it
/// (`LogValidator`, `ServerLogConfigs` of Kafka 4.3.1). A record has its output's time.
fn rule(ms: i64, now_ms: i64, limit: Limit) -> String {
    let time = rfc3339_ms(ms);
    let ahead = ms.saturating_sub(now_ms);
    match limit {
        Limit { after: Some(after), .. } if ahead > after => format!(
            ", its time is {time}, and the topic takes none that is more than {} ahead of the \
             broker's clock (message.timestamp.after.max.ms)",
            exact_duration(after)
        ),
        Limit { before: Some(before), .. } if ahead.saturating_neg() > before => format!(
            ", its time is {time}, and the topic takes none that is more than {} behind the \
             broker's clock (message.timestamp.before.max.ms)",
            exact_duration(before)
        ),
        _ => format!(
            ", its time is {time}: as one whose time is further ahead of the broker's clock than \
             the topic's message.timestamp.after.max.ms, by default an hour since Kafka 4.0"
        ),
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
    /// The message's time, ms since the Unix epoch: nobody else says it of one that was
    /// not delivered.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, ms: usize) {
        let Err((error, message)) = result else { return };
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        // An abort empties the queue.
        if matches!(code, RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight) {
            return;
        }
        self.0.note(self.0.failure(message, ms as i64, code));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: RDKafkaErrorCode, bytes: usize) -> Failure {
        let (off, what) = (Off::default(), format!("{bytes} bytes"));
        Failure { code, bytes, off, alike: 1, certain: false, what }
    }

    /// Its size and how many were alike.
    fn told(failure: Option<Failure>) -> Option<(usize, u64)> {
        failure.map(|failure| (failure.bytes, failure.alike))
    }

    #[test]
    fn of_a_batch_that_is_too_large_the_largest_message_is_kept() {
        let large = RDKafkaErrorCode::MessageSizeTooLarge;
        let failures = Failures::default();
        for bytes in [428, 9_000, 104] {
            failures.note(of(large, bytes));
        }
        assert_eq!(told(failures.take()), Some((9_000, 3)));
        assert_eq!(failures.take(), None);
        // What is told of it after the first look.
        assert_eq!(failures.with_later(of(large, 428)), of(large, 428));
        for bytes in [104, 9_000, 300] {
            failures.note(of(large, bytes));
        }
        assert_eq!(failures.with_later(of(large, 428)).bytes, 9_000);
        failures.note(of(large, 104));
        assert_eq!(failures.with_later(of(large, 428)).bytes, 428);
        assert_eq!(failures.take(), None);
        // Of anything else the first: it is the cause of the rest.
        let denied = RDKafkaErrorCode::TopicAuthorizationFailed;
        failures.note(of(denied, 1));
        failures.note(of(denied, 2));
        failures.note(of(large, 3));
        assert_eq!(told(failures.take()), Some((1, 2)));
        failures.note(of(denied, 2));
        assert_eq!(failures.with_later(of(large, 3)), of(large, 3));
    }

    /// Found by reading: where one record's time was refused, the first of its batch was
    /// named for it.
    #[test]
    fn of_a_batch_that_was_refused_for_one_record_that_one_is_kept() {
        use RDKafkaErrorCode as E;
        let (other, time) = (E::InvalidDifferentRecord, E::InvalidTimestamp);
        let failures = Failures::default();
        for (code, bytes) in [(other, 1), (time, 2), (other, 3), (E::InvalidRecord, 4)] {
            failures.note(of(code, bytes));
        }
        let kept = failures.take().unwrap();
        assert_eq!((kept.code, kept.bytes), (time, 2));
        assert_eq!(kept.to_string(), "2 bytes", "nobody else was refused for it");
        // What is told of it after the first look.
        for code in [other, time, E::InvalidRecord, E::MessageSizeTooLarge] {
            assert!(is_of_a_batch(code), "{code}");
        }
        failures.note(of(other, 2));
        failures.note(of(time, 3));
        assert_eq!(failures.with_later(of(other, 1)), of(time, 3));
        assert_eq!(failures.with_later(of(other, 1)), of(other, 1));
        for code in [other, time, E::InvalidRecord] {
            assert_eq!(kind_of(code), LogErrorKind::RequiresAbort, "{code}");
        }
    }

    /// A broker that does not say which record it is: all of the batch are told alike.
    #[test]
    fn of_a_batch_that_was_refused_as_a_whole_the_time_that_is_furthest_off_is_kept() {
        let code = RDKafkaErrorCode::InvalidTimestamp;
        let now = 1_800_000_000_000;
        let hour = 3_600_000;
        let known = Limit { after: Some(hour), before: Some(i64::MAX), bytes: None };
        let kept = |limit: Limit, times: &[i64]| {
            let failures = Failures::default();
            for ms in times {
                let certain = limit.beyond(*ms, now).is_some_and(|by| by > 0);
                let what = format!("{}", ms - now);
                let off = Off::of(*ms, now, limit);
                failures.note(Failure { off, certain, what, ..of(code, 1) });
            }
            failures.take().unwrap().to_string()
        };
        // An old one is as good as any; what is out is known.
        let times = [now - 400 * 24 * hour, now + 2 * hour, now - 5, now + 7];
        assert_eq!(kept(known, &times), "7200000");
        // Nobody says what the topic takes: nor which it was.
        let said = kept(Limit::default(), &times);
        assert!(said.starts_with("7200000 (4 messages were refused together"), "{said}");
        let said = kept(Limit::default(), &[now - 5, now - 9, now - 7]);
        assert!(said.starts_with("-9 (3 messages"), "{said}");
        let strict = Limit { before: Some(1_000), ..known };
        assert_eq!(kept(strict, &[now - 5, now - 5_000, now + 50]), "-5000");
        // One alone was it, whatever is known.
        assert_eq!(kept(Limit::default(), &[now - 5]), "-5");
    }

    #[test]
    fn the_rule_that_a_time_breaks_is_said_with_the_time() {
        let now = 1_800_000_000_000;
        let limit = Limit { after: Some(3_600_000), before: Some(1_000), bytes: None };
        let said = rule(now + 7_200_000, now, limit);
        assert!(said.contains("its time is 2027-01-15T10:00:00.000Z, and"), "{said}");
        assert!(said.contains("more than 1h ahead of"), "{said}");
        assert!(said.ends_with("(message.timestamp.after.max.ms)"), "{said}");
        let said = rule(now - 7_200_000, now, limit);
        assert!(said.contains("more than 1s behind"), "{said}");
        assert!(said.ends_with("(message.timestamp.before.max.ms)"), "{said}");
        assert!(rule(now, now, Limit::default()).contains("message.timestamp.after.max.ms"));
    }
}
