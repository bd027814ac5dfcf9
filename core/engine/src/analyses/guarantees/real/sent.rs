//! What the producers of a job sent, and when, in the recording's time: a real
//! cluster's own clock says nothing of that.

use std::collections::HashMap;

use crate::analyses::guarantees::check::{Read, header};
use crate::edges::log::OutMessage;

/// Times of one message, ms.
#[derive(Clone, Copy, Debug)]
struct Times {
    written: i64,
    visible: Option<i64>,
}

/// Names a message: its topic, example, and which copy.
pub(super) type Copy = (String, String, usize);

/// By topic and example, in the order in which they were sent.
#[derive(Default)]
pub(super) struct Sent(HashMap<(String, String), Vec<Times>>);

impl Sent {
    /// A message was sent. `visible`: at once, outside of transactions.
    pub fn note(&mut self, message: &OutMessage, now_ms: i64, visible: bool) -> Copy {
        let example = header(&message.headers, "joinscope.example").unwrap_or_default().to_owned();
        let key = (message.topic.to_string(), example);
        let copies = self.0.entry(key.clone()).or_default();
        copies.push(Times { written: now_ms, visible: visible.then_some(now_ms) });
        (key.0, key.1, copies.len() - 1)
    }

    /// The transaction of these was committed.
    pub fn commit(&mut self, copies: impl IntoIterator<Item = Copy>, now_ms: i64) {
        for (topic, example, nth) in copies {
            let copies = self.0.get_mut(&(topic, example));
            if let Some(times) = copies.and_then(|copies| copies.get_mut(nth)) {
                times.visible = Some(now_ms);
            }
        }
    }

    /// When each of these was written and became visible. Copies of an example
    /// lie in one partition in the order of their sending; where fewer arrived
    /// than were sent, the later ones did.
    pub fn of(&self, topic: &str, reads: &[Read]) -> Vec<(i64, Option<i64>)> {
        let name = |read: &Read| {
            let example = header(&read.message.headers, "joinscope.example").unwrap_or_default();
            (topic.to_owned(), example.to_owned())
        };
        let mut arrived: HashMap<(String, String), usize> = HashMap::new();
        for read in reads {
            *arrived.entry(name(read)).or_default() += 1;
        }
        let mut seen: HashMap<(String, String), usize> = HashMap::new();
        let times = |read: &Read| {
            let key = name(read);
            let nth = seen.entry(key.clone()).or_default();
            let sent = self.0.get(&key).map(Vec::as_slice).unwrap_or_default();
            let missing = sent.len().saturating_sub(arrived.get(&key).copied().unwrap_or(0));
            let found = sent.get(*nth + missing);
            *nth += 1;
            found.map_or((i64::MIN, None), |times| (times.written, times.visible))
        };
        reads.iter().map(times).collect()
    }
}
