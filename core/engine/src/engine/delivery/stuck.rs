//! A job that goes on from the same checkpoint again and again.

use super::JobError;
use crate::edges::log::LogErrorKind;

/// So often in a row a job goes on from the same checkpoint.
const ATTEMPTS: u32 = 5;

/// How often a job went on from a checkpoint without getting further.
#[derive(Default)]
pub(super) struct Stuck {
    /// The checkpoint gone on from last.
    epoch: u64,
    attempts: u32,
    /// Why the last attempt at it ended, and how many in a row did so.
    kind: Option<LogErrorKind>,
    alike: u32,
}

impl Stuck {
    /// An attempt ended so, `output` handed over last: the next one goes on from this
    /// epoch.
    ///
    /// # Errors
    /// It would be one too many; which says who has to do what.
    pub fn again(
        &mut self,
        epoch: u64,
        kind: LogErrorKind,
        what: String,
        output: String,
    ) -> Result<(), JobError> {
        if self.epoch != epoch {
            *self = Self::default();
        }
        let alike = if self.kind == Some(kind) { self.alike } else { 0 };
        let (attempts, alike) = (self.attempts + 1, alike + 1);
        *self = Self { epoch, attempts, kind: Some(kind), alike };
        let abort = matches!(kind, LogErrorKind::RequiresAbort | LogErrorKind::TooLarge);
        if abort && alike >= 2 {
            return Err(JobError::Output { what, output });
        }
        if attempts < ATTEMPTS {
            return Ok(());
        }
        // Nobody has to decide anything: brokers that come back take it.
        Err(if kind == LogErrorKind::NotTaken && alike == attempts {
            JobError::Away(format!(
                "{what}: gone on from epoch {epoch} {attempts} times without getting further, as \
                 the brokers take nothing in time: see whether all partitions that it writes have \
                 as many replicas in sync as min.insync.replicas wants, and start it again"
            ))
        } else {
            JobError::Stuck { what, epoch, attempts }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edges::log::LogErrorKind::{Fenced, NotTaken, RequiresAbort, TimedOut, TooLarge};

    /// What it says of attempts that ended so, each from this epoch.
    fn ends(attempts: &[(u64, LogErrorKind)]) -> Vec<Result<(), JobError>> {
        let mut stuck = Stuck::default();
        let end = |(epoch, kind): &(u64, LogErrorKind)| {
            stuck.again(*epoch, *kind, "why".to_owned(), "last".to_owned())
        };
        attempts.iter().map(end).collect()
    }

    #[test]
    fn the_fifth_attempt_from_an_epoch_is_the_last() {
        let ended =
            ends(&[(3, NotTaken), (4, TimedOut), (4, NotTaken), (4, Fenced), (4, NotTaken)]);
        assert!(ended.iter().all(Result::is_ok), "{ended:?}");
        let ended =
            ends(&[(0, TimedOut), (0, NotTaken), (0, NotTaken), (0, Fenced), (0, NotTaken)]);
        assert!(ended[..4].iter().all(Result::is_ok), "{ended:?}");
        assert!(
            matches!(ended[4], Err(JobError::Stuck { epoch: 0, attempts: 5, .. })),
            "{ended:?}"
        );
        for kind in [RequiresAbort, TooLarge] {
            let ended = ends(&[(7, kind), (7, kind)]);
            assert!(matches!(ended[1], Err(JobError::Output { .. })), "{ended:?}");
        }
    }

    /// Found by reading: a sink whose replicas were not in sync for five times the
    /// transaction's time limit ended the job as if somebody had to change something, so
    /// that no supervisor began it again.
    #[test]
    fn brokers_that_take_nothing_for_long_may_be_back_at_the_next_start() {
        let ended = ends(&[(7, NotTaken); 5]);
        assert!(ended[..4].iter().all(Result::is_ok), "{ended:?}");
        let Err(JobError::Away(said)) = &ended[4] else { panic!("{ended:?}") };
        assert!(said.starts_with("why: gone on from epoch 7 5 times"), "{said}");
        assert!(said.contains("min.insync.replicas"), "{said}");
    }
}
