//! The client, its events and its queues.

use std::collections::{HashMap, VecDeque};
use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::bindings as rd;

use super::{Batch, Code, millis, text};

/// Something that concerns the client as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientEvent {
    pub code: Code,
    pub reason: String,
}

/// The newest events; older ones are forgotten.
#[derive(Default)]
pub(super) struct Events(Mutex<VecDeque<ClientEvent>>);

const EVENTS_KEPT: usize = 64;

impl Events {
    fn push(&self, event: ClientEvent) {
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() == EVENTS_KEPT {
            events.pop_front();
        }
        events.push_back(event);
    }
}

/// The client itself; see the module's rules.
pub(super) struct Handle {
    rk: NonNull<rd::rd_kafka_t>,
    events: Box<Events>,
    /// Topic handles and the partitions started of each.
    topics: Mutex<HashMap<CString, StartedTopic>>,
}

/// A topic's handle and the partitions started with it.
type StartedTopic = (SendPtr<rd::rd_kafka_topic_t>, Vec<i32>);

#[derive(Clone, Copy)]
struct SendPtr<T>(*mut T);

// SAFETY: librdkafka's handles may be used from any thread.
unsafe impl<T> Send for SendPtr<T> {}
// SAFETY: as above; the client is thread-safe throughout (its INTRODUCTION.md).
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Handle {
    pub(super) fn ptr(&self) -> *mut rd::rd_kafka_t {
        self.rk.as_ptr()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let topics = self.topics.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (topic, partitions) in std::mem::take(topics).into_values() {
            // SAFETY: the topic handle is ours until it is destroyed here; each
            // partition was started with it.
            unsafe {
                for partition in partitions {
                    rd::rd_kafka_consume_stop(topic.0, partition);
                }
                rd::rd_kafka_topic_destroy(topic.0);
            }
        }
        // SAFETY: queues and batches share this handle, so none is left.
        unsafe { rd::rd_kafka_destroy(self.ptr()) };
    }
}

/// librdkafka reports what concerns the client as a whole.
unsafe extern "C" fn on_error(
    _rk: *mut rd::rd_kafka_t,
    code: c_int,
    reason: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: opaque is the boxed `Events` of the handle, which outlives the client.
    let events = unsafe { &*opaque.cast::<Events>() };
    // SAFETY: librdkafka gives a terminated text.
    events.push(ClientEvent { code: Code(code), reason: unsafe { text(reason) } });
}

/// librdkafka's log goes to ours (it prints to stderr otherwise).
unsafe extern "C" fn on_log(
    _rk: *const rd::rd_kafka_t,
    level: c_int,
    facility: *const c_char,
    line: *const c_char,
) {
    // SAFETY: librdkafka gives terminated texts.
    let (facility, line) = unsafe { (text(facility), text(line)) };
    // What is an error is said by whoever meets it; here it is a trace.
    if level <= 4 {
        tracing::info!(target: "librdkafka", "{facility}: {line}");
    } else {
        tracing::debug!(target: "librdkafka", "{facility}: {line}");
    }
}

/// A consumer without a group.
pub struct Client {
    handle: Arc<Handle>,
}

impl Client {
    /// # Errors
    /// What librdkafka says about a property or about the whole; texts of
    /// properties for which `secret` answers true never hold the value.
    pub fn new(
        properties: &[(String, String)],
        secret: impl Fn(&str) -> bool,
    ) -> Result<Self, String> {
        let mut error = [0 as c_char; 512];
        // SAFETY: a plain constructor.
        let conf = unsafe { rd::rd_kafka_conf_new() };
        for (name, value) in properties {
            let (Ok(c_name), Ok(c_value)) =
                (CString::new(name.as_str()), CString::new(value.as_str()))
            else {
                // SAFETY: conf is ours.
                unsafe { rd::rd_kafka_conf_destroy(conf) };
                return Err(format!("{name}: holds a NUL character"));
            };
            // SAFETY: conf is ours, the texts are terminated, the buffer has its length.
            let result = unsafe {
                rd::rd_kafka_conf_set(
                    conf,
                    c_name.as_ptr(),
                    c_value.as_ptr(),
                    error.as_mut_ptr(),
                    error.len(),
                )
            };
            if result != rd::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK {
                // SAFETY: filled and terminated by librdkafka; conf is ours.
                let reason = unsafe {
                    rd::rd_kafka_conf_destroy(conf);
                    text(error.as_ptr())
                };
                return Err(if secret(name) {
                    format!("{name}: librdkafka does not take its value")
                } else {
                    reason
                });
            }
        }
        let events = Box::<Events>::default();
        // SAFETY: `events` stays where it is (boxed) until after the client is
        // destroyed; rd_kafka_new owns conf if it succeeds, else conf is ours.
        let rk = unsafe {
            rd::rd_kafka_conf_set_error_cb(conf, Some(on_error));
            rd::rd_kafka_conf_set_log_cb(conf, Some(on_log));
            rd::rd_kafka_conf_set_opaque(conf, ptr::from_ref(&*events).cast_mut().cast());
            rd::rd_kafka_new(
                rd::rd_kafka_type_t::RD_KAFKA_CONSUMER,
                conf,
                error.as_mut_ptr(),
                error.len(),
            )
        };
        let Some(rk) = NonNull::new(rk) else {
            // SAFETY: as above.
            return Err(unsafe {
                rd::rd_kafka_conf_destroy(conf);
                text(error.as_ptr())
            });
        };
        Ok(Self { handle: Arc::new(Handle { rk, events, topics: Mutex::new(HashMap::new()) }) })
    }

    pub(super) fn handle(&self) -> &Arc<Handle> {
        &self.handle
    }

    /// Lets callbacks run, waiting at most `timeout` for one.
    pub fn serve(&self, timeout: Duration) {
        // SAFETY: the client lives.
        unsafe { rd::rd_kafka_poll(self.handle.ptr(), millis(timeout)) };
    }

    /// Takes the events since the last call.
    pub fn events(&self) -> Vec<ClientEvent> {
        self.serve(Duration::ZERO);
        let mut events = self.handle.events.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.drain(..).collect()
    }

    /// The cluster's id, if a broker said it within `timeout`.
    pub fn cluster_id(&self, timeout: Duration) -> Option<String> {
        // SAFETY: the client lives; the answer is null or ours to free.
        unsafe {
            let id = rd::rd_kafka_clusterid(self.handle.ptr(), millis(timeout));
            if id.is_null() {
                return None;
            }
            let copy = text(id);
            rd::rd_kafka_mem_free(self.handle.ptr(), id.cast());
            Some(copy)
        }
    }

    /// A new, empty queue.
    pub fn queue(&self) -> Queue {
        // SAFETY: the client lives, and does so as long as the queue.
        let queue = unsafe { rd::rd_kafka_queue_new(self.handle.ptr()) };
        Queue { queue, handle: Arc::clone(&self.handle) }
    }

    /// Room for at most `capacity` messages at a time.
    pub fn batch(&self, capacity: usize) -> Batch {
        Batch::new(Arc::clone(&self.handle), capacity)
    }

    /// Starts reading a partition from `offset` into `queue`.
    ///
    /// # Errors
    /// librdkafka refuses (it may not know why).
    pub fn start(
        &self,
        topic: &str,
        partition: i32,
        offset: i64,
        queue: &Queue,
    ) -> Result<(), Code> {
        let name = CString::new(topic).map_err(|_| Code::UNKNOWN_TOPIC)?;
        let mut topics = self.handle.topics.lock().unwrap_or_else(PoisonError::into_inner);
        let (handle, started) = match topics.entry(name) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                // SAFETY: the name is terminated; the default configuration is used.
                let topic = unsafe {
                    rd::rd_kafka_topic_new(self.handle.ptr(), entry.key().as_ptr(), ptr::null_mut())
                };
                if topic.is_null() {
                    return Err(Code::UNKNOWN_TOPIC);
                }
                entry.insert((SendPtr(topic), Vec::new()))
            }
        };
        // SAFETY: both handles live; they are of the same client.
        let answer =
            unsafe { rd::rd_kafka_consume_start_queue(handle.0, partition, offset, queue.queue) };
        if answer != 0 {
            return Err(Code::UNKNOWN_PARTITION);
        }
        started.push(partition);
        Ok(())
    }

    /// Stops reading a partition; what is queued of it is dropped.
    pub fn stop(&self, topic: &str, partition: i32) {
        let Ok(name) = CString::new(topic) else { return };
        let mut topics = self.handle.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((handle, started)) = topics.get_mut(&name)
            && let Some(at) = started.iter().position(|p| *p == partition)
        {
            started.swap_remove(at);
            // SAFETY: the topic handle lives and the partition was started with it.
            unsafe { rd::rd_kafka_consume_stop(handle.0, partition) };
        }
    }
}

/// Where the messages of one or more partitions wait.
pub struct Queue {
    queue: *mut rd::rd_kafka_queue_t,
    handle: Arc<Handle>,
}

// SAFETY: librdkafka's queues may be used from any thread.
unsafe impl Send for Queue {}

impl Queue {
    pub(super) fn ptr(&self) -> *mut rd::rd_kafka_queue_t {
        self.queue
    }

    /// Fills `batch` (cleared before) with at most `limit` messages: those that
    /// are there, else the first that comes within `timeout`.
    pub fn read(&self, batch: &mut Batch, limit: usize, timeout: Duration) {
        // A read of many waits the whole timeout unless it gets them all: so
        // first what is there, then one with patience.
        batch.fill(self.queue, &self.handle, limit, Duration::ZERO);
        if batch.is_empty() && !timeout.is_zero() {
            batch.fill(self.queue, &self.handle, 1, timeout);
        }
    }

    /// Fills `batch` (cleared before) with `limit` messages, or with those that
    /// have come when `timeout` is over.
    pub fn gather(&self, batch: &mut Batch, limit: usize, timeout: Duration) {
        batch.fill(self.queue, &self.handle, limit, timeout);
    }

    /// Keeps what comes from now on to itself, after it was forwarded.
    pub fn keep(&self) {
        // SAFETY: the queue lives; null ends the forwarding.
        unsafe { rd::rd_kafka_queue_forward(self.queue, ptr::null_mut()) };
    }

    /// Sends what comes, and what waits, to another queue.
    pub fn forward(&self, to: &Self) {
        // SAFETY: both queues live and are of one client.
        unsafe { rd::rd_kafka_queue_forward(self.queue, to.queue) };
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: ours, destroyed once; the client outlives it by `handle`.
        unsafe { rd::rd_kafka_queue_destroy(self.queue) };
    }
}
