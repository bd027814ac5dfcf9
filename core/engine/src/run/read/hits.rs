//! Breakpoints in a run that was kept: where it would have stopped.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Run;
use super::rows::FACTS;
use crate::engine::breakpoint::{Breakpoint, Events, Fallen, Hit, Watch};
use crate::operator::record::Arrival;
use crate::operator::verdict::Verdict;
use crate::run::breaking::Values;
use crate::run::bytes::{i64_at, u64_at};
use crate::run::error::{Result, RunError};
use crate::run::layout::{NO_VERDICT, Part};
use crate::run::summary::{CLOCK_WIDTH, STATE_WIDTH, Section};

impl Run {
    /// Where breakpoints are met, in arrival order: what a run with them would
    /// have stopped at. `found` gets those of each segment, with how many
    /// arrivals were looked at; if it returns false the look ends.
    ///
    /// # Errors
    /// [`RunError::Cancelled`] once `cancel` is set, the store cannot be read, or
    /// a field is asked for and the recording is not where it was.
    pub fn hits(
        &self,
        breakpoints: &[Breakpoint],
        cancel: &AtomicBool,
        mut found: impl FnMut(Vec<Hit>, Arrival) -> bool,
    ) -> Result<()> {
        let now = self.now();
        let mut fields = Values::new(self.pipeline(), self.recording());
        let mut watch = Watch::default();
        for segment in &now.segments {
            if cancel.load(Ordering::Relaxed) {
                return Err(RunError::Cancelled);
            }
            let s = &segment.summary;
            let whole = 0..s.rows();
            let tables = &self.inner.tables;
            let t = tables.read_range(segment, Part::Rows, &FACTS, &whole)?;
            let keys = t.binary("key")?;
            let fallen = if s.decisions == 0 {
                Vec::new()
            } else {
                let columns = ["row", "at", "verdict", "removed"];
                let all = 0..s.decisions;
                let d = tables.read_range(segment, Part::Decisions, &columns, &all)?;
                let (rows, ats) = (d.u64s("row")?, d.u64s("at")?);
                let (verdicts, removed) = (d.u8s("verdict")?, d.bools("removed")?);
                let mut fallen: Vec<Fallen> = (0..d.len())
                    .map(|i| Fallen {
                        at: ats[i],
                        row: rows[i],
                        verdict: (verdicts[i] != NO_VERDICT)
                            .then(|| Verdict::from_code(verdicts[i]))
                            .flatten(),
                        removed: removed.value(i),
                    })
                    .collect();
                fallen.sort_by_key(|f| f.at);
                fallen
            };
            let n = segment.len(Section::Clock, CLOCK_WIDTH);
            let clock = segment.entries(self.cache(), Section::Clock, CLOCK_WIDTH, 0, n)?;
            let clock = moves(&clock);
            let n = segment.len(Section::State, STATE_WIDTH);
            let state = segment.entries(self.cache(), Section::State, STATE_WIDTH, 0, n)?;
            let samples = state.chunks_exact(STATE_WIDTH);
            let bytes: Vec<(Arrival, u64)> =
                samples.map(|e| (u64_at(e, 0), u64_at(e, 16))).collect();
            let events = Events {
                first_row: s.first_row,
                arrival: t.u64s("arrival")?,
                arrival_ms: t.i64s("arrival_ms")?,
                input: t.u8s("input")?,
                partition: t.i32s("partition")?,
                offset: t.i64s("offset")?,
                event_time: t.i64s("event_time")?,
                watermark: t.i64s("watermark")?,
                at_arrival: t.u8s("verdict")?,
                key: &|i| keys.at(i),
                fallen: &fallen,
                clock: &clock,
                bytes: &bytes,
            };
            let hits = watch.pass(breakpoints, &events, &mut fields);
            if !found(hits.map_err(RunError::Recording)?, s.end_arrival) {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Moves of an event-time watermark by the clock, of a segment's clock events.
fn moves(clock: &[u8]) -> Vec<(Arrival, i64)> {
    /// Of the events, what ends an epoch moves nothing.
    const EPOCH: u8 = 3;
    let events = clock.chunks_exact(CLOCK_WIDTH).filter(|e| e[16] != EPOCH);
    events.map(|e| (u64_at(e, 0), i64_at(e, 8))).collect()
}
