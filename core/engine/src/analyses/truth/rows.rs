//! All rows of a recording for a pipeline, decoded, in row order.

use std::sync::Arc;

use super::error::TruthError;
use crate::engine::Source;
use crate::operator::codec::{Decoded, InputDecoder};
use crate::operator::pipeline::Pipeline;
use crate::operator::record::RecordName;
use crate::operator::verdict::Verdict;

/// Columns, one entry a row; `failed` rows take no part in the join.
pub struct Rows {
    pub input: Vec<u8>,
    pub partition: Vec<i32>,
    pub offset: Vec<i64>,
    pub arrival: Vec<u64>,
    /// ms; `i64::MIN` where the record has none.
    pub time: Vec<i64>,
    pub labels: Vec<u64>,
    /// The check that failed; `Open` if none did.
    pub failed: Vec<Verdict>,
    hash: Vec<u64>,
    /// End of each canonical key in `keys`.
    key_end: Vec<u64>,
    keys: Vec<u8>,
    topics: Vec<Arc<str>>,
}

impl Rows {
    /// Decodes the first `arrivals` records of the pipeline's topics.
    ///
    /// # Errors
    /// The source cannot be read, or an input's format not be decoded at all.
    pub fn load(
        pipeline: &Pipeline,
        source: &dyn Source,
        arrivals: u64,
    ) -> Result<Self, TruthError> {
        let schemas = source.schemas();
        let mut decoders = (0..pipeline.inputs.len() as u8)
            .map(|input| InputDecoder::new(pipeline, input, Arc::clone(&schemas)))
            .collect::<Result<Vec<_>, _>>()?;
        let mut topics: Vec<Arc<str>> = pipeline.inputs.iter().map(|i| i.topic.clone()).collect();
        let mut rows = Self {
            input: Vec::new(),
            partition: Vec::new(),
            offset: Vec::new(),
            arrival: Vec::new(),
            time: Vec::new(),
            labels: Vec::new(),
            failed: Vec::new(),
            hash: Vec::new(),
            key_end: Vec::new(),
            keys: Vec::new(),
            topics: topics.clone(),
        };
        topics.sort();
        topics.dedup();
        let mut arrival = 0;
        for batch in source.batches(&topics, 0)? {
            for record in batch?.records {
                if arrival == arrivals {
                    return Ok(rows);
                }
                let Some(from) = source.partitions().get(record.source as usize) else { continue };
                for (input, decoder) in decoders.iter_mut().enumerate() {
                    if rows.topics[input] != from.topic {
                        continue;
                    }
                    rows.input.push(input as u8);
                    rows.partition.push(from.partition);
                    rows.offset.push(record.offset);
                    rows.arrival.push(arrival);
                    rows.push_decoded(decoder.decode(&record));
                }
                arrival += 1;
            }
        }
        Ok(rows)
    }

    fn push_decoded(&mut self, decoded: Decoded) {
        let (time, labels, failed, hash) = match decoded {
            Decoded::Row(row) => {
                self.keys.extend_from_slice(row.key.canonical());
                (row.event_time, row.labels, Verdict::Open, row.key.hash64())
            }
            Decoded::Failed { verdict, event_time } => {
                (event_time.unwrap_or(i64::MIN), 0, verdict, 0)
            }
        };
        self.time.push(time);
        self.labels.push(labels);
        self.failed.push(failed);
        self.hash.push(hash);
        self.key_end.push(self.keys.len() as u64);
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.input.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.input.is_empty()
    }

    /// The canonical key of a row; empty where it has none.
    #[must_use]
    pub fn key(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.key_end[row - 1] };
        &self.keys[start as usize..self.key_end[row] as usize]
    }

    /// What rows are sorted by before anything else: equal keys stand together.
    pub(super) fn key_order(&self, row: usize) -> (u64, &[u8]) {
        (self.hash[row], self.key(row))
    }

    #[must_use]
    pub fn name(&self, row: usize) -> RecordName {
        RecordName {
            topic: self.topics[usize::from(self.input[row])].clone(),
            partition: self.partition[row],
            offset: self.offset[row],
        }
    }
}
