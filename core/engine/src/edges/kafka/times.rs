//! Record timestamps as librdkafka can send them.

/// It takes 0 for "now" (`rd_kafka_msg_new0` of 2.12.1), and −1 is Kafka's own "none"
/// (`RecordBatch.NO_TIMESTAMP`): a record of these times, ms since the Unix epoch, goes
/// with the next one away from them, and every other with its own.
pub(super) fn sendable(ms: i64) -> i64 {
    match ms {
        0 => 1,
        -1 => -2,
        ms => ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by reading: an output of 1970 had the time at which it was sent.
    #[test]
    fn only_times_that_mean_something_else_are_moved() {
        assert_eq!([0, -1].map(sendable), [1, -2]);
        for ms in [i64::MIN, -3, -2, 1, 2, 1_800_000_000_000, i64::MAX] {
            assert_eq!(sendable(ms), ms);
        }
    }
}
