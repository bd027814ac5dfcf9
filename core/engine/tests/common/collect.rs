//! A sink that keeps everything that the engine gives out.

use std::sync::Arc;

use joinscope_core::analyses::truth::{ClaimedOutput, Claims};
use joinscope_core::engine::step::{CheckpointEntry, Sink, SinkError, Step};
use joinscope_core::operator::verdict::Verdict;

#[derive(Default)]
pub struct Collect {
    pub claims: Claims,
    pub steps: Vec<Arc<Step>>,
    pub checkpoints: Vec<CheckpointEntry>,
}

impl Collect {
    /// A sink that stands where `entry` left the run `whole`: whole steps up to
    /// its arrival, as a run store keeps them.
    pub fn resumed(whole: &Self, entry: &CheckpointEntry) -> Self {
        let mut sink = Self::default();
        for step in whole.steps.iter().filter(|step| step.end <= entry.arrival) {
            sink.keep(Arc::clone(step));
        }
        assert_eq!(sink.claims.len() as u64, entry.row);
        assert_eq!(sink.claims.outputs.len() as u64, entry.output);
        sink
    }

    fn keep(&mut self, step: Arc<Step>) {
        let claims = &mut self.claims;
        let facts = &step.facts;
        let dense = facts.is_empty() || facts.first_row == claims.len() as u64;
        assert!(dense, "row {} after {} rows", facts.first_row, claims.len());
        claims.input.extend(&facts.input);
        claims.partition.extend(&facts.partition);
        claims.offset.extend(&facts.offset);
        claims.watermark.extend(&facts.watermark);
        for code in &facts.at_arrival {
            let verdict = Verdict::from_code(*code).unwrap();
            claims.verdict.push(verdict);
            claims.open.push(verdict == Verdict::Open);
        }
        for decision in &step.decisions {
            let row = decision.row as usize;
            if let Some(verdict) = decision.verdict {
                assert_eq!(claims.verdict[row], Verdict::Open, "row {row} is decided once");
                claims.verdict[row] = verdict;
            }
            if decision.removed {
                assert!(claims.open[row], "row {row} leaves once");
                claims.open[row] = false;
            }
        }
        for output in &step.outputs {
            assert_eq!(output.n, claims.outputs.len() as u64, "outputs are dense");
            claims.outputs.push(ClaimedOutput {
                rows: output.records.to_vec(),
                kind: output.kind.into(),
                labels: output.labels,
                correction: output.correction,
                time: output.time,
            });
        }
        self.steps.push(step);
    }
}

impl Sink for Collect {
    fn step(&mut self, step: Step) -> Result<(), SinkError> {
        self.keep(Arc::new(step));
        Ok(())
    }

    fn checkpoint(&mut self, entry: CheckpointEntry) -> Result<(), SinkError> {
        self.checkpoints.push(entry);
        Ok(())
    }
}
