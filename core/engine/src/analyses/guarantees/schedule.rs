//! A schedule of faults: what happens to each incarnation of a job, in turn.

use serde::{Deserialize, Serialize};

use crate::edges::log::sim::{Call, Fault, Script};

/// Faults, one incarnation after another; behind the last one nothing happens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    pub incidents: Vec<Incident>,
    /// Behind the end of the arrival log a seed draws the order of each
    /// incarnation; `None`: the recorded one.
    pub order: Option<u64>,
    /// Which call follows which is always the same; else threads run free.
    pub in_step: bool,
    /// As a live source: time goes on without records, in ticks so many ms
    /// apart. Not together with `in_step`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticks: Option<i64>,
    /// With `ticks`: from the n-th record on the wall clock is set forward (or
    /// back) by so many ms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clock_steps: Vec<(u64, i64)>,
}

/// What happens to one incarnation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Calls to the cluster that go wrong: kind, n-th of this incarnation, how.
    pub calls: Vec<(Call, u64, Fault)>,
    /// As `at`, of which none ends it: several in turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meanwhile: Vec<(String, u64, What)>,
    /// A point of the code, the n-th passing of it, and what happens there.
    pub at: Option<(String, u64, What)>,
}

/// What happens at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The process ends.
    Crash,
    /// The machine loses its power; the seed decides what the disk kept of what
    /// was not forced to it.
    PowerLoss(u64),
    /// The disk is full there; when the job has stopped, room is made and it is
    /// started again.
    DiskFull,
    /// The machine sleeps until open transactions have timed out.
    Sleep,
    /// The process stands still; a twin is started on a copy of its folder and
    /// runs to the end, then it wakes.
    Zombie,
}

impl What {
    /// The next incarnation begins because of it.
    #[must_use]
    pub fn ends(self) -> bool {
        matches!(self, Self::Crash | Self::PowerLoss(_) | Self::DiskFull)
    }
}

impl Incident {
    pub(super) fn script(&self) -> Script {
        self.calls
            .iter()
            .fold(Script::new(), |script, (call, nth, fault)| script.with(*call, *nth, *fault))
    }
}
