//! A live job's epochs, as the strip above the rows shows them: those that stand,
//! those that came to nothing, where its process crashed, and where it went on.

mod strip;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use joinscope_core::engine::delivery::epochs::{Epoch, Fate, History, Moment, Reader, Turn};
use joinscope_core::run::RunState;
use joinscope_operator::record::Arrival;
use joinscope_operator::time::format_duration;

pub use strip::{HEIGHT, Placed, failed, show};

use crate::window::cx::Cx;
use crate::window::jobs::Slot;
use crate::window::text::{plural, thousands};
use crate::window::times::Times;

/// Between looks at a job in progress, s.
const LOOK: f64 = 1.0;

#[derive(Clone, PartialEq)]
struct Question {
    dir: PathBuf,
    revision: u64,
    /// Of a job in progress: the time, since its epochs go on between two
    /// publications.
    tick: u64,
}

/// What is known of the job, and how it is asked for.
#[derive(Default)]
pub struct Epochs {
    slot: Slot<Question, Arc<Known>>,
    read: Arc<Mutex<Read>>,
    /// What the last frame showed.
    shown: Option<Arc<Known>>,
}

/// What was read, to be gone on with.
#[derive(Default)]
struct Read {
    dir: PathBuf,
    reader: Reader,
    known: Arc<Known>,
}

impl Epochs {
    /// Asks for the job's epochs; what is known by now. `None`: no epoch of it is.
    /// `now`: seconds.
    ///
    /// # Errors
    /// They are there and cannot be read.
    pub fn ask(&mut self, cx: &Cx<'_>, now: f64) -> Result<Option<Arc<Known>>, String> {
        self.shown = None;
        let Some(doc) = &cx.doc.run else { return Ok(None) };
        let tick = if cx.doc.in_progress { (now / LOOK) as u64 } else { 0 };
        let question = Question { dir: doc.dir.clone(), revision: cx.doc.revision, tick };
        let read = Arc::clone(&self.read);
        let cut_off = doc.manifest.state == RunState::CutOff;
        self.slot.ask(cx.jobs, question, move |q| {
            let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
            if read.dir != q.dir {
                *read = Read { dir: q.dir.clone(), ..Read::default() };
            }
            let added = read.reader.refresh(&q.dir).map_err(|e| e.to_string())?;
            if added || cut_off {
                read.known = Arc::new(Known::new(read.reader.history(), cut_off));
            }
            Ok(Arc::clone(&read.known))
        });
        let Some(answer) = self.slot.answer() else { return Ok(None) };
        if answer.question.dir != doc.dir {
            return Ok(None);
        }
        let known = answer.result.as_ref().map_err(Clone::clone)?;
        self.shown = (!known.is_empty()).then(|| Arc::clone(known));
        Ok(self.shown.clone())
    }

    /// `; 2 crashes` among the arrivals in sight; nothing where there is none.
    #[must_use]
    pub fn crashes(&self, view: (Arrival, Arrival)) -> String {
        let crashes =
            self.shown.as_ref().map_or(0, |known| known.crashes(view.0, view.1.saturating_add(1)));
        if crashes == 0 { String::new() } else { format!("; {}", crashed(crashes)) }
    }
}

/// What can be said about epochs, in the order of [`said`].
const FATES: [(Fate, &str); 5] = [
    (Fate::Committed, "committed"),
    (Fate::Adopted, "found committed"),
    (Fate::Prepared, "prepared"),
    (Fate::Aborted, "aborted"),
    (Fate::Crashed, "lost in a crash"),
];

/// Epochs by where they begin, and how many of each fate lie before each.
#[derive(Default)]
pub struct Lane {
    epochs: Vec<Epoch>,
    before: Vec<[u32; 5]>,
}

impl Lane {
    fn new(mut epochs: Vec<Epoch>) -> Self {
        epochs.sort_by_key(|e| (e.from, e.to));
        let mut sum = [0; 5];
        let mut before = vec![sum];
        for epoch in &epochs {
            if let Some(i) = FATES.iter().position(|(fate, _)| *fate == epoch.fate) {
                sum[i] += 1;
            }
            before.push(sum);
        }
        Self { epochs, before }
    }

    /// Those that begin before an arrival.
    fn until(&self, arrival: Arrival) -> usize {
        self.epochs.partition_point(|e| e.from < arrival)
    }

    /// Those that touch arrivals `from..to`.
    fn within(&self, from: Arrival, to: Arrival) -> Range<usize> {
        let mut first = self.until(from);
        // Attempts of one lane hardly overlap: the one before is enough.
        if first > 0 && end_of(&self.epochs[first - 1]) > from {
            first -= 1;
        }
        first..self.until(to).max(first)
    }

    fn count(&self, of: &Range<usize>) -> [u32; 5] {
        let (from, to) = (&self.before[of.start], &self.before[of.end]);
        std::array::from_fn(|i| to[i] - from[i])
    }
}

/// Past its last record, as far as that is known.
fn end_of(epoch: &Epoch) -> Arrival {
    epoch.to.unwrap_or(epoch.from + 1)
}

/// All epochs of a job.
#[derive(Default)]
pub struct Known {
    /// Committed, or not decided yet.
    stand: Lane,
    /// Aborted, or lost in a crash.
    lost: Lane,
    /// By arrival.
    moments: Vec<Moment>,
}

impl Known {
    /// `cut_off`: no process is at the run that says it is in progress.
    fn new(history: &History, cut_off: bool) -> Self {
        let (stand, lost) = history
            .epochs
            .iter()
            .cloned()
            .partition(|e| !matches!(e.fate, Fate::Aborted | Fate::Crashed));
        let mut moments = history.moments.clone();
        if cut_off
            && history.lives
            && let Some(last) = history.epochs.last()
        {
            moments.push(Moment {
                turn: Turn::Crashed,
                process: last.process,
                arrival: end_of(last),
                at_ms: 0,
            });
        }
        moments.sort_by_key(|m| m.arrival);
        Self { stand: Lane::new(stand), lost: Lane::new(lost), moments }
    }

    fn is_empty(&self) -> bool {
        self.stand.epochs.is_empty() && self.lost.epochs.is_empty() && self.moments.is_empty()
    }

    fn moments(&self, from: Arrival, to: Arrival) -> &[Moment] {
        let first = self.moments.partition_point(|m| m.arrival < from);
        let end = self.moments.partition_point(|m| m.arrival < to);
        &self.moments[first..end.max(first)]
    }

    /// How often the job crashed at arrivals `from..to`.
    fn crashes(&self, from: Arrival, to: Arrival) -> u64 {
        let crashed = |m: &&Moment| m.turn == Turn::Crashed;
        self.moments(from, to).iter().filter(crashed).count() as u64
    }

    /// What lies at arrivals `from..to`: `12 epochs: 10 committed, 2 aborted; 1 crash`.
    fn sentence(&self, from: Arrival, to: Arrival) -> String {
        let (stand, lost) = (self.stand.within(from, to), self.lost.within(from, to));
        let (a, b) = (self.stand.count(&stand), self.lost.count(&lost));
        let mut text = said(std::array::from_fn(|i| a[i] + b[i]));
        let crashes = self.crashes(from, to);
        if crashes > 0 {
            text = format!("{text}; {}", crashed(crashes));
        }
        text
    }

    /// The end of the first epoch that ends behind an arrival, or of the last
    /// that ends before it.
    fn neighbour(&self, at: Arrival, forward: bool) -> Option<Arrival> {
        let i = self.stand.until(at + 1);
        // The last record of an epoch stands for it.
        let last = |e: &Epoch| end_of(e).saturating_sub(1);
        let near = &self.stand.epochs[i.saturating_sub(2)..(i + 2).min(self.stand.epochs.len())];
        let mut ends = near.iter().map(last);
        if forward { ends.find(|end| *end > at) } else { ends.rfind(|end| *end < at) }
    }
}

fn crashed(n: u64) -> String {
    if n == 1 { "1 crash".to_owned() } else { format!("{} crashes", thousands(n)) }
}

/// `12 epochs: 10 committed, 2 aborted`.
fn said(counts: [u32; 5]) -> String {
    let all: u32 = counts.iter().sum();
    let some = FATES.iter().zip(counts).filter(|(_, n)| *n > 0);
    let parts: Vec<String> =
        some.map(|((_, name), n)| format!("{} {name}", thousands(u64::from(n)))).collect();
    let all = plural(u64::from(all), "epoch");
    if parts.is_empty() { all } else { format!("{all}: {}", parts.join(", ")) }
}

/// Everything about one attempt, on lines.
fn whole(epoch: &Epoch, times: &Times) -> String {
    let name = match epoch.epoch {
        0 => "An attempt that did not get to its checkpoint".to_owned(),
        n => format!("Epoch {}", thousands(n)),
    };
    let arrivals = match epoch.to {
        Some(to) if to > epoch.from + 1 => {
            format!("arrivals {} – {}", thousands(epoch.from), thousands(to - 1))
        }
        Some(to) if to > epoch.from => format!("arrival {}", thousands(epoch.from)),
        Some(to) => format!("no record, at arrival {}", thousands(to)),
        None => format!("from arrival {}", thousands(epoch.from)),
    };
    let mut lines = vec![format!("{name}: {}", fate(epoch.fate)), arrivals];
    if let Some(prepared) = epoch.prepared_ms {
        lines.push(format!("checkpoint on the disk {}", times.full(prepared)));
        if let Some(ended) = epoch.ended_ms {
            let after = format_duration((ended - prepared).max(0));
            let what = if epoch.fate == Fate::Committed { "committed" } else { "ended" };
            lines.push(format!("{what} {after} later"));
        }
    }
    lines.push(format!("process {}", epoch.process));
    lines.extend(epoch.why.iter().map(|why| format!("because: {why}")));
    lines.join("\n")
}

fn fate(fate: Fate) -> &'static str {
    match fate {
        Fate::Committed => "committed",
        Fate::Adopted => "committed, as the next process found",
        Fate::Prepared => "prepared, no answer to its commit yet",
        Fate::Aborted => "aborted",
        Fate::Crashed => "lost in a crash",
    }
}

/// Everything about a turn, on lines.
fn turn(moment: &Moment, times: &Times) -> String {
    let (process, arrival) = (moment.process, thousands(moment.arrival));
    let when = |word: &str| match moment.at_ms {
        0 => String::new(),
        ms => format!("\n{word} {}", times.full(ms)),
    };
    match moment.turn {
        Turn::Crashed => format!(
            "Crash: process {process} ended without a word\nat arrival {arrival} or later{}",
            when("noticed"),
        ),
        Turn::Restored { epoch: 0 } => {
            format!("Restored: process {process} began again{}", when("at"))
        }
        Turn::Restored { epoch } => format!(
            "Restored: process {process} went on behind epoch {}\nfrom arrival {arrival}{}",
            thousands(epoch),
            when("at"),
        ),
    }
}
