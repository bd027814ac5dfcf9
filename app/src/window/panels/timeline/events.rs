//! Counts by event time: no index orders records so, so they are looked
//! through, with partial results; what was once seen to lie elsewhere is
//! skipped.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use joinscope_core::run::{Density, EventSpans, RunError};

use super::ask::{Drawn, Question, collected, groups, singles};
use crate::window::cx::Cx;
use crate::window::jobs::Slot;
use crate::window::store::Run;

/// What was counted so far, and of how many rows.
#[derive(Clone)]
struct Partial {
    question: Question,
    drawn: Arc<Drawn>,
    percent: u64,
}

/// The pass at hand.
#[derive(Default)]
pub struct Events {
    slot: Slot<Question, ()>,
    cancel: Arc<AtomicBool>,
    asked: Option<Question>,
    /// The spans, and the revision that they are of.
    spans: Arc<Mutex<(u64, EventSpans)>>,
    partial: Arc<Mutex<Option<Partial>>>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Events {
    fn drop(&mut self) {
        self.cancel.store(true, Ordering::Release);
    }
}

impl Events {
    /// Begins a pass, ends the one before.
    pub fn ask(&mut self, cx: &Cx<'_>, question: Question) {
        let Some(doc) = &cx.doc.run else { return };
        if self.asked.as_ref() == Some(&question) {
            return;
        }
        self.cancel.store(true, Ordering::Release);
        self.cancel = Arc::default();
        self.asked = Some(question.clone());
        let (run, cancel) = (doc.run.clone(), Arc::clone(&self.cancel));
        let (spans, partial) = (Arc::clone(&self.spans), Arc::clone(&self.partial));
        self.slot.ask_long(cx.jobs, question, move |q| {
            match pass(&run, q, &spans, &partial, &cancel) {
                Ok(()) | Err(RunError::Cancelled) => Ok(()),
                Err(error) => Err(error.to_string()),
            }
        });
    }

    /// The newest counts, and how far they go.
    pub fn found(&self) -> Option<(Question, Arc<Drawn>, u64)> {
        lock(&self.partial).clone().map(|p| (p.question, p.drawn, p.percent))
    }

    pub fn error(&mut self) -> Option<String> {
        let answer = self.slot.answer()?;
        answer
            .result
            .as_ref()
            .err()
            .cloned()
            .filter(|_| Some(&answer.question) == self.asked.as_ref())
    }

    pub fn again(&mut self) {
        self.asked = None;
        self.slot.again();
    }

    pub fn is_open(&self) -> bool {
        self.slot.is_open()
    }
}

fn pass(
    run: &Run,
    q: &Question,
    spans: &Mutex<(u64, EventSpans)>,
    partial: &Mutex<Option<Partial>>,
    cancel: &AtomicBool,
) -> Result<(), RunError> {
    let start = run.manifest().start;
    let inputs = start.inputs.len() as u32;
    // One pass for both: rows of partitions after those of inputs; a partition
    // that has no row is in its input's alone.
    let (group, lanes) = groups(&start, &q.rows);
    let of: Vec<u32> = start
        .lanes
        .iter()
        .zip(&group)
        .map(|(lane, g)| if *g < lanes { inputs + g } else { u32::from(lane.input) })
        .collect();
    let mut known = {
        let kept = lock(spans);
        if kept.0 == q.revision { kept.1.clone() } else { EventSpans::default() }
    };
    let ones = singles(run, q)?;
    let tell = |density: &Density, looked: u64, of_rows: u64| {
        let (mut whole, parts) = halves(density, inputs as usize, lanes as usize);
        for (lane, g) in start.lanes.iter().zip(&group).filter(|(_, g)| **g < lanes) {
            for bucket in 0..q.buckets {
                let slot = usize::from(lane.input) * q.buckets + bucket;
                let counts = parts.at(*g as usize, bucket);
                whole.counts[slot].iter_mut().zip(counts).for_each(|(s, n)| *s += n);
            }
        }
        let drawn = Arc::new(collected(q, &whole, &parts, &group, ones.clone()));
        let percent = (looked * 100).checked_div(of_rows).unwrap_or(100);
        *lock(partial) = Some(Partial { question: q.clone(), drawn, percent });
        true
    };
    let groups = inputs + lanes;
    run.event_density(q.range, &of, groups, q.buckets, &mut known, cancel, tell)?;
    *lock(spans) = (q.revision, known);
    Ok(())
}

/// The groups of inputs, and those of partitions.
fn halves(density: &Density, inputs: usize, lanes: usize) -> (Density, Density) {
    let cut = inputs * density.buckets;
    let of = |counts: &[[u32; 10]], n: usize| Density {
        range: density.range,
        buckets: density.buckets,
        lanes: (0..n as u32).collect(),
        counts: counts.to_vec(),
    };
    (of(&density.counts[..cut], inputs), of(&density.counts[cut..], lanes))
}
