//! A sink that keeps everything that the engine gives out.

use joinscope_core::analyses::truth::{ClaimedOutput, Claims};
use joinscope_core::engine::step::{CheckpointEntry, Sink, SinkError, Step};
use joinscope_core::operator::verdict::Verdict;

#[derive(Default)]
pub struct Collect {
    pub claims: Claims,
    pub steps: Vec<Step>,
    pub checkpoints: Vec<CheckpointEntry>,
}

impl Sink for Collect {
    fn step(&mut self, step: Step) -> Result<(), SinkError> {
        let claims = &mut self.claims;
        let facts = &step.facts;
        assert_eq!(facts.first_row, claims.len() as u64, "rows are dense");
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
        Ok(())
    }

    fn checkpoint(&mut self, entry: CheckpointEntry) -> Result<(), SinkError> {
        self.checkpoints.push(entry);
        Ok(())
    }
}
