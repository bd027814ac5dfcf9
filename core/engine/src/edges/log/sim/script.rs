//! Which call to the cluster goes wrong, and how.

use std::collections::BTreeMap;

/// A kind of call.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    Init,
    /// Messages of a producer reach the broker.
    Produce,
    Flush,
    Offsets,
    Commit,
    Abort,
    Fetch,
    Bounds,
    Topics,
    Committed,
    CommitOffsets,
}

impl Call {
    pub const ALL: [Self; 11] = [
        Self::Init,
        Self::Produce,
        Self::Flush,
        Self::Offsets,
        Self::Commit,
        Self::Abort,
        Self::Fetch,
        Self::Bounds,
        Self::Topics,
        Self::Committed,
        Self::CommitOffsets,
    ];

    /// As schedules write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Produce => "produce",
            Self::Flush => "flush",
            Self::Offsets => "offsets",
            Self::Commit => "commit",
            Self::Abort => "abort",
            Self::Fetch => "fetch",
            Self::Bounds => "bounds",
            Self::Topics => "topics",
            Self::Committed => "committed",
            Self::CommitOffsets => "commit-offsets",
        }
    }
}

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The cluster does not answer this and the next calls, of any kind, so many
    /// in all: retriable, without effect.
    Down(u32),
    /// The broker is killed under this call and is back after so many ms of the
    /// cluster's clock. As measured (11-peers): its log has what was acknowledged and
    /// the transaction that is open, no more and no less; the end of a transaction
    /// times out and succeeds when it is asked for again; messages on their way the
    /// client sends once more by itself, and their numbers keep them single.
    Restart(u32),
    /// Time-out; the request never reached the broker.
    Lost,
    /// Time-out; it had its effect, the answer was lost.
    Landed,
    /// The end of a transaction: time-out; the request reaches the broker only
    /// when this producer has written so many more messages, or before the next
    /// `init` of its id is answered.
    Late(u32),
    /// The end of a transaction, as [`Fault::Late`], but behind the next `init`.
    TooLate(u32),
    /// The open transaction must be aborted.
    Refused,
    /// The cluster does not let us.
    Denied,
}

/// Faults by the n-th call of a kind, from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    faults: BTreeMap<(Call, u64), Fault>,
    counts: BTreeMap<Call, u64>,
    down: u32,
}

impl Script {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One more fault.
    #[must_use]
    pub fn with(mut self, call: Call, nth: u64, fault: Fault) -> Self {
        self.faults.insert((call, nth), fault);
        self
    }

    /// What becomes of the next call of this kind.
    pub(crate) fn next(&mut self, call: Call) -> Option<Fault> {
        let count = self.counts.entry(call).or_default();
        *count += 1;
        let nth = *count;
        if self.down > 0 {
            self.down -= 1;
            return Some(Fault::Down(self.down));
        }
        let fault = self.faults.remove(&(call, nth))?;
        if let Fault::Down(calls) = fault {
            self.down = calls.saturating_sub(1);
        }
        Some(fault)
    }

    pub(super) fn calls(&self) -> Vec<(Call, u64)> {
        self.counts.iter().map(|(call, n)| (*call, *n)).collect()
    }
}
