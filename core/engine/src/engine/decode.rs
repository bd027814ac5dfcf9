//! The decode stage: from records to what the sequencer and the shards need of
//! them. Batches are decoded by several threads; their order is kept.

use std::sync::Arc;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::routes::Routes;
use super::source::{ClockInput, Given};
use super::summary::RunError;
use crate::operator::codec::{Decoded, InputDecoder, SchemaSource};
use crate::operator::pipeline::Pipeline;
use crate::operator::record::Record;

/// What is kept of a record itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub source: u32,
    pub offset: i64,
    /// Its number in the source's own order.
    pub arrival: u64,
    pub arrival_ms: i64,
    /// Hash of key and value, for the digest.
    pub payload: u64,
}

/// A record as one of its inputs sees it.
#[derive(Debug)]
pub(super) struct Item {
    pub decoded: Decoded,
    /// `Key::normal_hash`; 0 without a key.
    pub normal_hash: u64,
}

/// One batch of records; `items` holds for each record one entry for each
/// input that it feeds, in pipeline order.
#[derive(Debug, Default)]
pub(super) struct DecodedBatch {
    pub heads: Vec<Head>,
    pub items: Vec<Item>,
    pub clock: Vec<ClockInput>,
}

/// Decodes for all inputs; one for each thread.
#[derive(Clone)]
pub(super) struct Decoders {
    inputs: Vec<InputDecoder>,
    routes: Arc<Routes>,
}

impl Decoders {
    pub(super) fn new(
        pipeline: &Pipeline,
        routes: Arc<Routes>,
        schemas: &Arc<dyn SchemaSource + Send + Sync>,
    ) -> Result<Self, RunError> {
        let inputs = (0..pipeline.inputs.len())
            .map(|input| InputDecoder::new(pipeline, input as u8, Arc::clone(schemas)))
            .collect::<Result<_, _>>()
            .map_err(|e| RunError::Pipeline(e.to_string()))?;
        Ok(Self { inputs, routes })
    }

    /// Fills `out` (which is empty) from what the source gave.
    pub(super) fn decode(&mut self, given: Given, out: &mut DecodedBatch) {
        let Given { records, clock } = given;
        out.clock = clock;
        out.heads.reserve(records.len());
        out.items.reserve(records.len());
        for record in &records {
            let feeds = self.routes.feeds(record.source);
            if feeds.is_empty() {
                continue;
            }
            out.heads.push(Head {
                source: record.source,
                offset: record.offset,
                arrival: record.arrival,
                arrival_ms: record.arrival_ms(),
                payload: payload_hash(record),
            });
            for feed in feeds {
                let decoded = self.inputs[feed.input as usize].decode(record);
                let normal_hash = match &decoded {
                    Decoded::Row(row) if !row.key.is_null() => row.key.normal_hash(),
                    Decoded::Row(_) | Decoded::Failed { .. } => 0,
                };
                out.items.push(Item { decoded, normal_hash });
            }
        }
    }
}

/// Tells null, empty and every other key and value apart.
fn payload_hash(record: &Record) -> u64 {
    let key = record.key.as_deref().map_or(0, xxh3_64);
    match &record.value {
        Some(value) => xxh3_64_with_seed(value, key ^ 1),
        None => key ^ 2,
    }
}
