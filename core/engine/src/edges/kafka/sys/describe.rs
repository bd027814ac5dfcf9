//! Topics, described by a broker: partitions and ids. Nothing is created by it.

use std::ffi::{CString, c_char};
use std::ptr;
use std::time::{Duration, Instant};

use rdkafka::bindings as rd;

use super::{Client, Code, millis, text};

/// What the cluster says of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    pub name: String,
    /// Kafka's topic id; `None` where the brokers are too old for one.
    pub id: Option<String>,
    /// Partition numbers, ascending.
    pub partitions: Vec<i32>,
    /// Of each of them, in the order in which the cluster says it.
    pub replicas: Vec<Replicas>,
    /// Why it cannot be described.
    pub error: Option<(Code, String)>,
}

impl TopicDescription {
    /// Why it cannot be described now, where the same question has an answer soon.
    pub fn passing(&self) -> Option<&str> {
        let (code, text) = self.error.as_ref()?;
        code.is_passing().then_some(text.as_str())
    }
}

/// How many brokers have a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replicas {
    pub partition: i32,
    pub all: usize,
    pub in_sync: usize,
}

/// The id of "no id" (all bits 0).
const NO_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";

impl Client {
    /// Describes `topics`. Waits at most `timeout`; `give_up` is asked several
    /// times a second (with the events of the client served before).
    ///
    /// # Errors
    /// The request failed, or no answer came in time.
    pub fn describe_topics(
        &self,
        topics: &[&str],
        timeout: Duration,
        mut give_up: impl FnMut() -> bool,
    ) -> Result<Vec<TopicDescription>, (Code, String)> {
        let names: Vec<CString> =
            topics.iter().map(|name| CString::new(*name)).collect::<Result<_, _>>().map_err(
                |_| (Code::UNKNOWN_TOPIC, "a topic's name holds a NUL character".into()),
            )?;
        let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
        let queue = self.queue();
        let rk = self.handle().ptr();
        let mut error = [0 as c_char; 512];
        // SAFETY: the names and the client live through the calls; what is made
        // here is destroyed here; librdkafka copies the collection and options.
        unsafe {
            let collection =
                rd::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
            let options = rd::rd_kafka_AdminOptions_new(
                rk,
                rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
            );
            rd::rd_kafka_AdminOptions_set_request_timeout(
                options,
                millis(timeout).max(1),
                error.as_mut_ptr(),
                error.len(),
            );
            rd::rd_kafka_DescribeTopics(rk, collection, options, queue.ptr());
            rd::rd_kafka_AdminOptions_destroy(options);
            rd::rd_kafka_TopicCollection_destroy(collection);
        }
        let deadline = Instant::now() + timeout;
        loop {
            // SAFETY: the queue lives; the event is null or ours to destroy.
            let event = unsafe { rd::rd_kafka_queue_poll(queue.ptr(), 50) };
            if !event.is_null() {
                // SAFETY: not null and ours; read, then destroyed once.
                unsafe {
                    let answer = read(event);
                    rd::rd_kafka_event_destroy(event);
                    return answer;
                }
            }
            self.serve(Duration::ZERO);
            if give_up() || Instant::now() >= deadline {
                return Err((Code::TIMED_OUT, "no answer".into()));
            }
        }
    }

    /// The names of all topics; none where the cluster does not answer.
    pub fn topic_names(&self, timeout: Duration) -> Vec<String> {
        let mut metadata = ptr::null();
        // SAFETY: the client lives; the answer is read within its counts and
        // destroyed once.
        unsafe {
            let answer = rd::rd_kafka_metadata(
                self.handle().ptr(),
                1,
                ptr::null_mut(),
                &raw mut metadata,
                millis(timeout),
            );
            if Code::of(answer).is_err() || metadata.is_null() {
                return Vec::new();
            }
            let count = usize::try_from((*metadata).topic_cnt).unwrap_or(0);
            let names =
                (0..count).map(|i| text((*(*metadata).topics.add(i)).topic)).collect::<Vec<_>>();
            rd::rd_kafka_metadata_destroy(metadata);
            names
        }
    }
}

/// # Safety
/// `event` is an event of librdkafka's.
unsafe fn read(event: *mut rd::rd_kafka_event_t) -> Result<Vec<TopicDescription>, (Code, String)> {
    // SAFETY: the caller's promise; the result and all that it holds live as
    // long as the event, within their counts.
    unsafe {
        if let Err(code) = Code::of(rd::rd_kafka_event_error(event)) {
            return Err((code, text(rd::rd_kafka_event_error_string(event))));
        }
        let result = rd::rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return Err((Code::BAD_MESSAGE, "the answer is no description".into()));
        }
        let mut count = 0;
        let topics = rd::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        // Null: the broker said nothing of a topic before one that it did describe.
        let told = (0..count).map(|i| *topics.add(i)).filter(|topic| !topic.is_null());
        Ok(told.map(|topic| describe(topic)).collect())
    }
}

/// # Safety
/// `topic` is a description that lives through the call.
unsafe fn describe(topic: *const rd::rd_kafka_TopicDescription_t) -> TopicDescription {
    // SAFETY: the caller's promise; partitions are read within their count.
    unsafe {
        let name = text(rd::rd_kafka_TopicDescription_name(topic));
        let error = rd::rd_kafka_TopicDescription_error(topic);
        let error = Code::of(if error.is_null() {
            rd::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
        } else {
            rd::rd_kafka_error_code(error)
        })
        .err()
        .map(|code| (code, text(rd::rd_kafka_error_string(error))));
        let id = rd::rd_kafka_TopicDescription_topic_id(topic);
        let id = (!id.is_null())
            .then(|| text(rd::rd_kafka_Uuid_base64str(id)))
            .filter(|id| !id.is_empty() && id != NO_ID);
        let mut count = 0;
        let partitions = rd::rd_kafka_TopicDescription_partitions(topic, &raw mut count);
        let replicas: Vec<Replicas> = (0..count).map(|i| replicas(*partitions.add(i))).collect();
        let mut partitions: Vec<i32> = replicas.iter().map(|of| of.partition).collect();
        partitions.sort_unstable();
        TopicDescription { name, id, partitions, replicas, error }
    }
}

/// # Safety
/// `partition` is what a description says of one, and lives through the call.
unsafe fn replicas(partition: *const rd::rd_kafka_TopicPartitionInfo_t) -> Replicas {
    let (mut all, mut in_sync) = (0, 0);
    // SAFETY: the caller's promise; of the lists only their lengths are read.
    unsafe {
        rd::rd_kafka_TopicPartitionInfo_replicas(partition, &raw mut all);
        rd::rd_kafka_TopicPartitionInfo_isr(partition, &raw mut in_sync);
        let partition = rd::rd_kafka_TopicPartitionInfo_partition(partition);
        Replicas { partition, all, in_sync }
    }
}
