//! Offsets that a broker knows.

use std::ffi::CString;
use std::time::Duration;

use rdkafka::bindings as rd;

use super::{Client, Code, millis};

impl Client {
    /// The first offset and the end: under `read_committed` the last stable
    /// offset, else the high watermark.
    ///
    /// # Errors
    /// The broker refused or did not answer in time.
    pub fn offsets(
        &self,
        topic: &str,
        partition: i32,
        timeout: Duration,
    ) -> Result<(i64, i64), Code> {
        let topic = CString::new(topic).map_err(|_| Code::UNKNOWN_TOPIC)?;
        let (mut low, mut high) = (0, 0);
        // SAFETY: the client and the name live through the call; both numbers
        // are written.
        Code::of(unsafe {
            rd::rd_kafka_query_watermark_offsets(
                self.handle().ptr(),
                topic.as_ptr(),
                partition,
                &raw mut low,
                &raw mut high,
                millis(timeout),
            )
        })?;
        Ok((low, high))
    }

    /// The end of a partition as the last fetch of it said, without asking; `None` before
    /// there was one. Also under `read_committed` it is the high watermark, with what lies
    /// in open transactions (`rktp_hi_offset` in `rdkafka_fetcher.c`): only a query, as
    /// [`Self::offsets`], ends at the last stable offset.
    pub fn known_end(&self, topic: &str, partition: i32) -> Option<i64> {
        let topic = CString::new(topic).ok()?;
        let (mut low, mut high) = (-1, -1);
        // SAFETY: the client and the name live through the call; both numbers
        // are written.
        Code::of(unsafe {
            rd::rd_kafka_get_watermark_offsets(
                self.handle().ptr(),
                topic.as_ptr(),
                partition,
                &raw mut low,
                &raw mut high,
            )
        })
        .ok()?;
        (high >= 0).then_some(high)
    }

    /// For each partition the first offset whose record's timestamp is at least
    /// `ms`; `None` where there is none.
    ///
    /// # Errors
    /// The brokers refused or did not answer in time: for which of the partitions, by its
    /// place here; the first where it is for none alone.
    pub fn offsets_at(
        &self,
        partitions: &[(&str, i32)],
        ms: i64,
        timeout: Duration,
    ) -> Result<Vec<Option<i64>>, (usize, Code)> {
        let names: Vec<CString> = partitions
            .iter()
            .map(|(topic, _)| CString::new(*topic))
            .collect::<Result<_, _>>()
            .map_err(|_| (0, Code::UNKNOWN_TOPIC))?;
        // SAFETY: the list is made, filled, read within its count and destroyed
        // here; names are copied into it.
        unsafe {
            let list =
                rd::rd_kafka_topic_partition_list_new(i32::try_from(partitions.len()).unwrap_or(0));
            for (name, (_, partition)) in names.iter().zip(partitions) {
                let entry = rd::rd_kafka_topic_partition_list_add(list, name.as_ptr(), *partition);
                (*entry).offset = ms;
            }
            let answer = rd::rd_kafka_offsets_for_times(self.handle().ptr(), list, millis(timeout));
            let result = Code::of(answer).map_err(|code| (0, code)).and_then(|()| {
                (0..partitions.len())
                    .map(|i| {
                        let entry = &*(*list).elems.add(i);
                        Code::of(entry.err).map_err(|code| (i, code))?;
                        Ok((entry.offset >= 0).then_some(entry.offset))
                    })
                    .collect()
            });
            rd::rd_kafka_topic_partition_list_destroy(list);
            result
        }
    }
}
