//! Messages being made: their bytes lie behind one another in one piece of
//! memory, which they share afterwards.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::edges::log::OutMessage;
use crate::engine::step::SinkError;
use crate::operator::record::Header;

/// A piece ends with the message that reaches this size: what waits keeps whole
/// pieces in memory.
const BYTES: usize = 128 << 10;

/// See the module.
#[derive(Default)]
pub(super) struct Piece {
    pub bytes: Vec<u8>,
    drafts: Vec<Draft>,
}

/// A message; its parts are places in the piece.
pub(super) struct Draft {
    /// Processing time, ms.
    pub now_ms: i64,
    pub topic: Arc<str>,
    pub key: Option<Range<usize>>,
    pub value: Range<usize>,
    /// ms.
    pub timestamp: i64,
    pub headers: SmallVec<[(&'static str, Range<usize>); 4]>,
}

impl Piece {
    /// Appends what `put` appends; where it lies.
    pub fn part<T>(&mut self, put: impl FnOnce(&mut Vec<u8>) -> T) -> (Range<usize>, T) {
        let from = self.bytes.len();
        let answer = put(&mut self.bytes);
        (from..self.bytes.len(), answer)
    }

    pub fn add(&mut self, draft: Draft) {
        self.drafts.push(draft);
    }

    pub fn is_full(&self) -> bool {
        self.bytes.len() >= BYTES
    }

    /// Gives out what is whole, in its order; it begins anew.
    ///
    /// # Errors
    /// `to` failed; the rest is dropped.
    pub fn give(
        &mut self,
        to: &mut impl FnMut(i64, OutMessage) -> Result<(), SinkError>,
    ) -> Result<(), SinkError> {
        let grown = self.bytes.len();
        let bytes = Bytes::from(std::mem::replace(&mut self.bytes, Vec::with_capacity(grown)));
        for draft in self.drafts.drain(..) {
            let header = |(key, at): (&'static str, Range<usize>)| Header {
                key: key.into(),
                value: Some(bytes.slice(at)),
            };
            let message = OutMessage {
                topic: draft.topic,
                partition: None,
                key: draft.key.map(|at| bytes.slice(at)),
                value: Some(bytes.slice(draft.value)),
                timestamp: draft.timestamp,
                headers: draft.headers.into_iter().map(header).collect(),
            };
            to(draft.now_ms, message)?;
        }
        Ok(())
    }
}
