//! What the panel asks: the index, by one pass over the run as a job with
//! partial results; and single records where few are in sight.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use joinscope_core::run::{Levels, Need, RunError};
use joinscope_operator::record::Arrival;

use super::index::{Index, Judged, Target};
use crate::window::cx::Cx;
use crate::window::jobs::Slot;
use crate::window::store::Run;

/// Arrivals read at once.
const PIECE: u64 = 65_536;
/// Pieces that are read ahead of the counting.
const AHEAD: usize = 2;
/// Between two partial results.
const OFTEN: Duration = Duration::from_millis(200);
/// Places of the run from which a part of it can be read, and the fewest arrivals
/// between two of them.
const STOPS: u64 = 64;
const APART: u64 = 32_768;
/// Fewer arrivals in sight are read record by record.
pub const FEW: u64 = 200_000;
/// Records that are kept one by one.
pub const SINGLES: usize = 4_000;

/// A pass and what it has found so far.
#[derive(Default)]
pub struct Pass {
    slot: Slot<(u64, u64), ()>,
    asked: Option<u64>,
    number: u64,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    cancel: AtomicBool,
    found: Mutex<Found>,
}

/// What was found so far.
#[derive(Clone, Default)]
pub struct Found {
    pub index: Arc<Index>,
    /// Where a part of the run can be read from.
    pub stops: Vec<Arc<Levels>>,
    pub read: Arrival,
    pub of: Arrival,
}

impl Found {
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.of > 0 && self.read >= self.of
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.shared.cancel.store(true, Ordering::Release);
    }
}

impl Pass {
    /// Begins a pass over the run as it is now, ends the one before.
    pub fn ask(&mut self, cx: &Cx<'_>) {
        let revision = cx.doc.revision;
        let Some(doc) = &cx.doc.run else { return };
        if self.asked == Some(revision) {
            return;
        }
        // A run in progress: the pass that is under way ends first.
        let goes_on = self.asked.is_some() && cx.doc.in_progress && self.slot.is_open();
        if goes_on {
            let _ = self.slot.answer();
            return;
        }
        self.shared.cancel.store(true, Ordering::Release);
        let before = self.found();
        self.shared = Arc::default();
        if cx.doc.in_progress {
            // What was found stays until there is more.
            *lock(&self.shared.found) = before;
        }
        self.asked = Some(revision);
        self.number += 1;
        let (run, shared, number) = (doc.run.clone(), Arc::clone(&self.shared), self.number);
        self.slot.ask_long(cx.jobs, (revision, number), move |_| match pass(&run, &shared) {
            Ok(()) | Err(RunError::Cancelled) => Ok(()),
            Err(error) => Err(error.to_string()),
        });
    }

    #[must_use]
    pub fn found(&self) -> Found {
        lock(&self.shared.found).clone()
    }

    pub fn error(&mut self) -> Option<String> {
        let answer = self.slot.answer()?;
        answer.result.as_ref().err().cloned().filter(|_| answer.question.1 == self.number)
    }

    /// Reads again after a failure.
    pub fn again(&mut self) {
        self.asked = None;
    }

    #[must_use]
    pub fn is_open(&self) -> bool {
        self.slot.is_open()
    }
}

fn lock(found: &Mutex<Found>) -> std::sync::MutexGuard<'_, Found> {
    found.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was read of a stretch of the run.
struct Piece {
    records: Vec<Judged>,
    /// What they need, one record's after the other's.
    needs: Vec<i64>,
    /// Read up to here.
    to: Arrival,
    /// Where a part of the run can be read from.
    stop: Option<Arc<Levels>>,
}

impl Piece {
    fn add(&mut self, need: &Need<'_>) {
        let Need { arrival, lane, late_by, .. } = *need;
        self.records.push(Judged { arrival, lane, late_by });
        self.needs.push(need.all);
        self.needs.extend_from_slice(need.by_input);
    }
}

/// Reads the run, and counts beside that what was read.
fn pass(run: &Run, shared: &Shared) -> Result<(), RunError> {
    let of = run.arrivals();
    let (pieces, read) = sync_channel(AHEAD);
    std::thread::scope(|scope| {
        let counting = scope.spawn(move || count(run, shared, of, &read));
        let done = read_through(run, shared, of, &pieces);
        // Nothing more comes.
        drop(pieces);
        match counting.join() {
            Ok(()) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn read_through(
    run: &Run,
    shared: &Shared,
    of: Arrival,
    pieces: &SyncSender<Piece>,
) -> Result<(), RunError> {
    let mut levels = run.levels();
    let stop = (of / STOPS).max(APART);
    let mut next = stop.min(of);
    let places = run.pipeline().inputs.len() + 1;
    while levels.at() < of {
        let to = next.min(levels.at() + PIECE);
        let most = (to - levels.at()) as usize;
        let (records, needs) = (Vec::with_capacity(most), Vec::with_capacity(most * places));
        let mut piece = Piece { records, needs, to, stop: None };
        run.needs(&mut levels, to, &shared.cancel, |need| piece.add(need))?;
        if levels.at() < to {
            break;
        }
        if to == next {
            piece.stop = Some(Arc::new(levels.clone()));
            next = next.saturating_add(stop).min(of);
        }
        // Nobody counts any more: that has failed.
        if pieces.send(piece).is_err() {
            break;
        }
    }
    Ok(())
}

fn count(run: &Run, shared: &Shared, of: Arrival, pieces: &Receiver<Piece>) {
    let start = run.manifest().start;
    let bounds: Vec<i64> =
        run.pipeline().inputs.iter().map(|i| i.watermark.max_out_of_orderness).collect();
    let mut index = Index::new(start.lanes.iter().map(|l| l.input).collect(), &bounds, of);
    let mut stops = vec![Arc::new(run.levels())];
    // What came first is shown at once.
    let mut published: Option<Instant> = None;
    for piece in pieces {
        let needs = piece.needs.chunks_exact(bounds.len() + 1);
        piece.records.iter().zip(needs).for_each(|(record, needs)| index.add(record, needs));
        stops.extend(piece.stop);
        if piece.to < of && published.is_some_and(|at| at.elapsed() < OFTEN) {
            continue;
        }
        published = Some(Instant::now());
        let whole = Arc::new(index.clone());
        *lock(&shared.found) = Found { index: whole, stops: stops.clone(), read: piece.to, of };
    }
}

/// Records in sight.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    pub revision: u64,
    /// First and last arrival.
    pub view: (Arrival, Arrival),
    /// Which the pass has read up to.
    pub stops: usize,
}

/// One record.
#[derive(Clone, Debug, PartialEq)]
pub struct Single {
    pub row: u64,
    pub arrival: Arrival,
    pub lane: u32,
    pub late_by: i64,
    pub event_time: i64,
    /// By [`Target::place`], ms.
    pub needs: Vec<i64>,
}

impl Single {
    #[must_use]
    pub fn need(&self, target: Target) -> i64 {
        self.needs.get(target.place()).copied().unwrap_or(0)
    }
}

/// Records that need anything: all that were late, and one in so many of the
/// others.
pub struct Singles {
    pub records: Vec<Single>,
    pub one_in: u64,
}

/// Keeps one in so many, evenly, and never more than [`SINGLES`].
struct Thinned {
    kept: Vec<Single>,
    one_in: u64,
    seen: u64,
}

impl Thinned {
    fn takes(&mut self) -> bool {
        self.seen += 1;
        (self.seen - 1).is_multiple_of(self.one_in)
    }

    fn push(&mut self, one: Single) {
        self.kept.push(one);
        if self.kept.len() >= SINGLES {
            let mut i = 0;
            self.kept.retain(|_| {
                i += 1;
                i % 2 == 1
            });
            self.one_in *= 2;
        }
    }
}

/// Reads the records in sight, from the nearest stop on; `None`: too many were
/// late to be drawn one by one.
pub fn singles(run: &Run, q: &Question, stops: &[Arc<Levels>]) -> Result<Option<Singles>, String> {
    let after = stops.partition_point(|s| s.at() <= q.view.0);
    let mut levels = match after.checked_sub(1).and_then(|i| stops.get(i)) {
        Some(stop) => Levels::clone(stop),
        None => run.levels(),
    };
    let never = AtomicBool::new(false);
    let mut late: Vec<Single> = Vec::new();
    let mut rest = Thinned { kept: Vec::new(), one_in: 1, seen: 0 };
    let mut many = false;
    let error = |e: RunError| e.to_string();
    run.needs(&mut levels, q.view.0, &never, |_| {}).map_err(error)?;
    run.needs(&mut levels, q.view.1.saturating_add(1), &never, |n| {
        if n.all == 0 && n.by_input.iter().all(|ms| *ms == 0) {
            return;
        }
        many |= late.len() >= SINGLES;
        if many || n.late_by == 0 && !rest.takes() {
            return;
        }
        let one = Single {
            row: n.row,
            arrival: n.arrival,
            lane: n.lane,
            late_by: n.late_by,
            event_time: n.event_time,
            needs: std::iter::once(n.all).chain(n.by_input.iter().copied()).collect(),
        };
        if n.late_by > 0 { late.push(one) } else { rest.push(one) }
    })
    .map_err(error)?;
    let one_in = rest.one_in;
    late.append(&mut rest.kept);
    Ok((!many).then_some(Singles { records: late, one_in }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::command::Command;
    use crate::window::panel::Panel;
    use crate::window::testing::{ask, fail, feed, heading, opened};

    #[test]
    fn of_a_pass_that_failed_no_count_is_said() {
        let mut h = opened(&feed().run());
        ask(&mut h, Command::ShowPanel(Panel::Late));
        assert!(heading(&h, Panel::Late).value().unwrap().contains(" late of "));
        let app = h.state_mut();
        fail(&mut app.panels.late.pass.slot, &app.jobs, "the disk went away");
        while h.state().jobs.open() > 0 {
            h.step();
        }
        h.run_steps(3);
        assert_eq!(heading(&h, Panel::Late).value().unwrap_or_default(), "");
    }

    #[test]
    fn thinning_keeps_one_in_so_many_from_all_over() {
        let mut thinned = Thinned { kept: Vec::new(), one_in: 1, seen: 0 };
        for row in 0..50_000u64 {
            if thinned.takes() {
                let one =
                    Single { row, arrival: row, lane: 0, late_by: 0, event_time: 0, needs: vec![] };
                thinned.push(one);
            }
        }
        assert!(thinned.kept.len() < SINGLES && thinned.kept.len() > SINGLES / 4);
        let step = thinned.one_in;
        assert!(thinned.kept.windows(2).all(|w| w[1].row - w[0].row == step), "every {step}th");
        assert!(thinned.kept.last().is_some_and(|l| l.row > 50_000 - 2 * step));
    }
}
