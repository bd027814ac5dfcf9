//! What the end of a job that did not come to its end means: the exit code.

use std::path::Path;

use joinscope_core::edges::log::LogErrorKind;
use joinscope_core::engine::RunError as EngineError;
use joinscope_core::engine::delivery::JobError;

use super::Answer;
use super::run::warn;

/// What a job's end means to a supervisor. `denied`: it may not read its input;
/// `stopped`: a signal asked for its end.
pub fn broken(error: JobError, denied: bool, stopped: bool, dir: &Path) -> anyhow::Result<Answer> {
    match error {
        // What it waited for did not come before: nothing is left half done.
        JobError::Cancelled if stopped => {
            warn(&with_state(&error.to_string(), dir));
            Ok(Answer::Yes)
        }
        // Somebody has to decide something first.
        JobError::Refused(_)
        | JobError::Output { .. }
        | JobError::Stuck { .. }
        | JobError::Checkpoint { .. }
        | JobError::Rebuilt { .. }
        | JobError::Run(EngineError::Pipeline(_) | EngineError::Checkpoint { .. }) => {
            Err(error.into())
        }
        JobError::Away(_) => {
            warn(&error.to_string());
            Ok(Answer::Broke)
        }
        JobError::Replaced { .. } | JobError::InUse { .. } => {
            warn(&error.to_string());
            Ok(Answer::Taken)
        }
        // No further start has more rights.
        JobError::Cluster(ref cluster) if cluster.kind == LogErrorKind::Denied => Err(error.into()),
        JobError::Run(EngineError::Source(_)) if denied => Err(error.into()),
        JobError::Crash(_)
        | JobError::Cluster(_)
        | JobError::Run(_)
        | JobError::Io(_)
        | JobError::Cancelled => {
            warn(&with_state(&error.to_string(), dir));
            Ok(Answer::Broke)
        }
    }
}

/// Why it broke off, and where its state is: it may not have come so far that there is any.
pub fn with_state(error: &str, dir: &Path) -> String {
    let place = dir.join("manifest.json").exists().then(|| dir.display());
    place.map_or_else(|| error.to_owned(), |dir| format!("{error}; the state is in {dir}"))
}

#[cfg(test)]
mod tests {
    use joinscope_core::engine::SourceError;

    use super::*;

    #[test]
    fn what_no_further_start_helps_against_is_not_one_that_broke_off() {
        let dir = Path::new("nowhere");
        let ended = |error: EngineError| broken(JobError::Run(error), false, false, dir);
        let topics = "Kafka Streams 4.3.1 would not start: a has 2 partitions and b 3".to_owned();
        let error = ended(EngineError::Pipeline(topics)).unwrap_err().to_string();
        assert!(error.contains("a has 2 partitions and b 3"), "{error}");
        let (path, what) = ("checkpoints/3".to_owned(), "another order".to_owned());
        assert!(ended(EngineError::Checkpoint { path, what }).is_err());
        let source = SourceError("the registry does not answer".to_owned());
        assert_eq!(ended(EngineError::Source(source)).unwrap(), Answer::Broke);
        let source = SourceError("views[0]: this user may not read it".to_owned());
        let denied = broken(JobError::Run(EngineError::Source(source)), true, false, dir);
        assert!(denied.unwrap_err().to_string().contains("may not read"));
    }

    /// Found by reading: a job that was stopped while it waited for its cluster was
    /// started again by its supervisor.
    #[test]
    fn who_is_stopped_while_it_waits_has_not_broken_off() {
        let dir = Path::new("nowhere");
        assert_eq!(broken(JobError::Cancelled, false, true, dir).unwrap(), Answer::Yes);
        assert_eq!(broken(JobError::Cancelled, false, false, dir).unwrap(), Answer::Broke);
        // What went wrong beside a stop is said as ever.
        let away = broken(JobError::Away("no broker".to_owned()), false, true, dir);
        assert_eq!(away.unwrap(), Answer::Broke);
    }
}
