//! How far a producer is within an epoch, and which output it was given last.

use std::sync::Arc;

use super::outbox::Failed;
use crate::edges::log::{LogErrorKind, OutMessage};

/// What messages about an output need to name it; a copy costs next to nothing.
#[derive(Clone)]
pub(super) struct Called {
    topic: Arc<str>,
    example: Option<bytes::Bytes>,
    records: Option<bytes::Bytes>,
    bytes: usize,
}

impl Called {
    pub fn of(message: &OutMessage) -> Self {
        let find = |key: &str| message.headers.iter().find(|h| h.key == key)?.value.clone();
        Self {
            topic: Arc::clone(&message.topic),
            example: find("joinscope.example"),
            records: find("joinscope.records"),
            bytes: message.value.as_ref().map_or(0, bytes::Bytes::len),
        }
    }

    /// The output handed over last.
    pub fn text(last: Option<&Self>) -> String {
        let Some(Self { topic, example, records, bytes }) = last else { return "none".to_owned() };
        let text = |value: &bytes::Bytes| String::from_utf8_lossy(value).into_owned();
        match (example.as_ref().map(text), records.as_ref().map(text)) {
            (Some(example), Some(records)) => {
                format!("example {example} (records {records}, {bytes} bytes)")
            }
            _ => format!("a message for {topic}"),
        }
    }
}

/// How far the producer is.
#[derive(Default)]
pub(super) struct Sending {
    /// A transaction is open.
    pub begun: bool,
    /// A call timed out: this producer begins no further transaction.
    pub tainted: bool,
    /// The output handed over last.
    pub last: Option<Called>,
}

impl Sending {
    pub fn called(&self) -> String {
        Called::text(self.last.as_ref())
    }
}

/// A message's place in the queue, roughly.
pub(super) fn bytes_of(message: &OutMessage) -> usize {
    let bytes = |b: &Option<bytes::Bytes>| b.as_ref().map_or(0, bytes::Bytes::len);
    let headers: usize = message.headers.iter().map(|h| h.key.len() + bytes(&h.value)).sum();
    96 + bytes(&message.key) + bytes(&message.value) + headers
}

impl Failed {
    /// A commit that ended so has not come to pass, nor will it: the transaction is open.
    pub fn leaves_open(&self) -> bool {
        use LogErrorKind::{Denied, RequiresAbort, TooLarge};
        matches!(self, Self::Log(e, _) if matches!(e.kind, RequiresAbort | TooLarge | Denied))
    }
}
