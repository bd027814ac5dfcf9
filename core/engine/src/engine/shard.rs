//! One shard: an operator that gets its keys' rows and every move of the
//! join's event-time watermark, in arrival order.

use std::time::{Duration, Instant};

use super::batch::{Move, ShardBatch, ShardOut, Told};
use crate::operator::join::{Operator, Watermarks};
use crate::operator::state::StateError;

pub(super) struct Shard {
    operator: Box<dyn Operator>,
    join: i64,
    inputs: Vec<i64>,
    /// Of the keys of the next rows.
    hashes: Vec<u64>,
    /// Whether it copies rows ahead of barriers.
    ahead: bool,
}

/// So many rows are announced to the operator before the first of them.
const AHEAD: usize = 64;

/// So many effects are given out before the batch has ended: each row of a hot key has
/// thousands of partners, and a batch thousands of such rows.
const PIECE: u32 = 1 << 16;

/// So many rows that changed last are not copied ahead of a barrier: many of
/// them soon change again.
const LEAVE: usize = 4096;

impl Shard {
    /// `join` and `inputs` are the watermarks of the checkpoint that the
    /// operator was restored from, else `i64::MIN`.
    pub(super) fn new(operator: Box<dyn Operator>, join: i64, inputs: Vec<i64>) -> Self {
        Self { operator, join, inputs, hashes: Vec::new(), ahead: false }
    }

    /// Barriers shall hold it up for as short a time as can be, which costs a
    /// little everywhere else.
    pub(super) fn ahead(self, ahead: bool) -> Self {
        Self { ahead, ..self }
    }

    /// Carries a batch out; `out` is empty before. What is too much to wait for the
    /// batch's end is given to `give`. At a barrier: how long it stood still there.
    pub(super) fn run(
        &mut self,
        batch: ShardBatch,
        out: &mut ShardOut,
        give: &mut dyn FnMut(ShardOut),
    ) -> Result<Option<Duration>, StateError> {
        let mut moves = batch.moves.iter().peekable();
        let mut rows = batch.rows.into_iter();
        let mut near = 0;
        loop {
            if near == 0 {
                near = rows.len().min(AHEAD);
                self.hashes.clear();
                let next = &rows.as_slice()[..near];
                self.hashes.extend(next.iter().map(|row| row.row.key.hash64()));
                self.operator.near(&self.hashes);
            }
            let Some(row) = rows.next() else { break };
            near -= 1;
            while let Some(next) = moves.next_if(|m| m.event < row.event) {
                self.advance(next, out)?;
            }
            let watermarks = Watermarks { join: self.join, inputs: &self.inputs };
            self.operator.clock(row.now_ms, row.row.arrival, &mut out.effects)?;
            self.operator.row(row.row, row.late_by, watermarks, &mut out.effects)?;
            if group(out, row.event) {
                let next = ShardOut::like((out.effects.len(), out.groups.len()));
                give(ShardOut { more: true, ..std::mem::replace(out, next) });
            }
        }
        for next in moves {
            self.advance(next, out)?;
        }
        (out.rows, out.bytes) = self.operator.size();
        out.cold = self.operator.cold_rows();
        if batch.snapshot.is_none() {
            if self.ahead {
                self.operator.copy_ahead(LEAVE);
            }
            return Ok(None);
        }
        let still = Instant::now();
        out.changes = Some(self.operator.take_changes());
        out.saved = self.operator.save();
        Ok(Some(still.elapsed()))
    }

    fn advance(&mut self, to: &Move, out: &mut ShardOut) -> Result<(), StateError> {
        match &to.what {
            Told::Watermark { join, inputs } => {
                self.join = *join;
                self.inputs.clear();
                self.inputs.extend_from_slice(inputs);
                let watermarks = Watermarks { join: self.join, inputs: &self.inputs };
                self.operator.advance(to.at, watermarks, &mut out.effects)?;
            }
            Told::LogEnd(end) => self.operator.log_end(*end, to.at, &mut out.effects)?,
            Told::Restart => {
                self.join = i64::MIN;
                self.inputs.fill(i64::MIN);
                self.operator.restart();
            }
        }
        group(out, to.event);
        Ok(())
    }
}

/// Notes which effects are those of `event`; whether it had some, and they make a piece.
#[inline]
fn group(out: &mut ShardOut, event: u32) -> bool {
    let end = out.effects.len() as u32;
    let start = out.groups.last().map_or(0, |&(_, end)| end);
    if end > start {
        out.groups.push((event, end));
        return end >= PIECE;
    }
    false
}
