//! What the topics that are written take, where their brokers say it.

use std::collections::BTreeMap;

use super::log::KafkaLog;

/// By topic.
pub(super) type Limits = BTreeMap<String, Limit>;

/// Of one topic; `None`: nobody says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Limit {
    /// Bytes that a batch may have at most (`max.message.bytes`).
    pub bytes: Option<usize>,
    /// ms that a record's time may be behind the broker's clock
    /// (`message.timestamp.before.max.ms`), and ahead of it
    /// (`message.timestamp.after.max.ms`).
    pub before: Option<i64>,
    pub after: Option<i64>,
}

impl Limit {
    /// By how many ms a record's time is out of what the topic takes, as
    /// `LogValidator#recordHasInvalidTimestamp` of Kafka 4.3.1 has it, above 0 if it is.
    /// `None`: nobody says it.
    pub fn beyond(&self, ms: i64, now_ms: i64) -> Option<i64> {
        let ahead = ms.saturating_sub(now_ms);
        let after = self.after.map(|after| ahead.saturating_sub(after));
        let before = self.before.map(|before| ahead.saturating_neg().saturating_sub(before));
        after.max(before)
    }
}

/// Bytes of a batch's own head, and some: its limit is of the whole.
const BATCH_HEAD: usize = 200;
/// librdkafka's own `batch.size`.
const BATCH: usize = 1_000_000;

/// A batch that is too large is refused with all that is in it, so none is made
/// that the strictest topic does not take.
pub(super) fn batch_size(limits: &Limits) -> usize {
    let strictest = limits.values().filter_map(|limit| limit.bytes).min();
    strictest.map_or(BATCH, |bytes| bytes.saturating_sub(BATCH_HEAD).clamp(1, BATCH))
}

impl KafkaLog {
    /// What these topics take. Where the user may not ask (`DESCRIBE_CONFIGS`), nothing is
    /// known.
    pub(super) fn limits_of(&self, topics: &[String]) -> Limits {
        let names = [
            "max.message.bytes",
            "message.timestamp.before.max.ms",
            "message.timestamp.after.max.ms",
        ];
        let told = self.settings_of(topics, &names);
        let of = |(topic, settings): (String, BTreeMap<&str, String>)| {
            let number = |name: &str| settings.get(name)?.parse::<i64>().ok();
            let limit = Limit {
                bytes: number(names[0]).and_then(|bytes| usize::try_from(bytes).ok()),
                before: number(names[1]),
                after: number(names[2]),
            };
            (topic, limit)
        };
        told.into_iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_fits_into_the_strictest_topic() {
        let of = |bytes: &[usize]| {
            let limit = |b: &usize| Limit { bytes: Some(*b), ..Limit::default() };
            batch_size(&bytes.iter().map(|b| (b.to_string(), limit(b))).collect::<Limits>())
        };
        assert_eq!(of(&[]), 1_000_000);
        assert_eq!(of(&[1_048_588]), 1_000_000);
        assert_eq!(of(&[1_048_588, 20_000]), 19_800);
        assert_eq!(of(&[10]), 1);
        let unknown = [("t".to_owned(), Limit::default())];
        assert_eq!(batch_size(&unknown.into_iter().collect()), 1_000_000);
    }

    #[test]
    fn a_time_is_held_against_both_sides_of_the_broker_s_clock() {
        let now = 1_800_000_000_000;
        let limit = Limit { before: Some(i64::MAX), after: Some(3_600_000), bytes: None };
        assert_eq!(limit.beyond(now + 7_200_000, now), Some(3_600_000));
        assert_eq!(limit.beyond(now + 3_600_000, now), Some(0));
        assert!(limit.beyond(0, now).is_some_and(|ms| ms < 0), "as old as ever");
        let limit = Limit { before: Some(1_000), ..limit };
        assert_eq!(limit.beyond(now - 5_000, now), Some(4_000));
        assert_eq!(Limit::default().beyond(0, now), None);
        // The ends of what there is do not break it.
        for ms in [i64::MIN, i64::MAX] {
            assert!(limit.beyond(ms, now).is_some_and(|ms| ms > 0), "{ms}");
        }
    }
}
