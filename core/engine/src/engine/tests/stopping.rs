//! A source behind so many of whose batches the run is stopped, as by its user.

use std::sync::Arc;

use crate::engine::{Batches, Control, Source, SourceError, Stop};
use crate::operator::codec::SchemaSource;
use crate::operator::record::TopicPartition;

pub(crate) struct Stopping<S> {
    pub source: S,
    /// Batches that are given, the one with which it is stopped among them.
    pub after: usize,
    /// The run's.
    pub control: Control,
    /// As by a breakpoint that ends the run, not by its user.
    pub at_breakpoint: bool,
}

impl<S> Stopping<S> {
    pub fn by_its_user(source: S, after: usize, control: &Control) -> Self {
        Self { source, after, control: control.clone(), at_breakpoint: false }
    }
}

impl<S: Source> Source for Stopping<S> {
    fn partitions(&self) -> &[TopicPartition] {
        self.source.partitions()
    }

    fn schemas(&self) -> Arc<dyn SchemaSource + Send + Sync> {
        self.source.schemas()
    }

    fn records(&self, topics: &[Arc<str>]) -> Option<u64> {
        self.source.records(topics)
    }

    fn batches(&self, topics: &[Arc<str>], from: u64) -> Result<Batches, SourceError> {
        let (control, after, mut given) = (self.control.clone(), self.after, 0);
        let at_breakpoint = self.at_breakpoint;
        Ok(Box::new(self.source.batches(topics, from)?.inspect(move |_| {
            given += 1;
            if given == after && at_breakpoint {
                control.stopped_for_good(Stop { arrival: 0, row: None, ids: Vec::new() });
            } else if given == after {
                control.cancel();
            }
        })))
    }

    fn last_offsets(&self) -> Option<Vec<Option<i64>>> {
        self.source.last_offsets()
    }

    fn later(&self) -> Vec<u32> {
        self.source.later()
    }
}
