//! What the guarantees panel says in words.

use joinscope_core::analyses::guarantees::faults::Moment;
use joinscope_core::analyses::guarantees::matrix::{Column as Mode, Matrix, STAGES};
use joinscope_operator::time::format_duration;

use super::Guarantees;
use super::ask::{MOST, too_many};
use crate::window::cx::Cx;
use crate::window::text::{plural, thousands};

/// What matters now; `answer`: of what is chosen, or of what was before.
pub fn sentence(this: &Guarantees, cx: &Cx<'_>, answer: Option<&Result<Matrix, String>>) -> String {
    let Some(Ok(matrix)) = answer else {
        if cx.doc.run.as_ref().is_some_and(|run| too_many(&run.run).is_some()) {
            return format!("at most {} records", thousands(MOST));
        }
        if not_found(cx) {
            return "the recording is not found".to_owned();
        }
        return match &this.faults {
            _ if cx.doc.in_progress => "compared when the run has ended".to_owned(),
            None => "choose what goes wrong".to_owned(),
            // Why is said below.
            Some(faults) if answer.is_some() => {
                format!("{}: not possible", in_turn(&faults.to_string()))
            }
            Some(faults) => {
                let (done, now) = this.stage();
                let faults = in_turn(&faults.to_string());
                format!("{faults}: {done} of {} done, {now} now", STAGES.len())
            }
        };
    };
    // That exactly-once keeps its word is no news.
    let modes = matrix.columns.iter().filter(|column| match column.mode.as_str() {
        "exactly-once" => gives(column).is_some(),
        mode => ["at-least-once", "at-most-once"].contains(&mode),
    });
    let each: Vec<String> = modes
        .map(|column| {
            let gives = gives(column).unwrap_or_else(|| "each once".to_owned());
            format!("{} gives {gives}", column.mode)
        })
        .collect();
    if each.is_empty() {
        return in_turn(&matrix.faults);
    }
    // What it led to first: the faults are chosen below, and a long title is cut.
    format!(
        "{}, of {} · {}, a checkpoint every {}",
        each.join(", "),
        plural(matrix.examples, "example"),
        in_turn(&matrix.faults),
        format_duration(matrix.checkpoint_interval),
    )
}

/// What is wrong with what a mode's readers get; `None`: nothing.
fn gives(mode: &Mode) -> Option<String> {
    let seen = &mode.read_committed;
    let counts = [
        (seen.duplicates.len() as u64, "duplicate", "duplicates"),
        (seen.losses.len() as u64, "loss", "losses"),
        (seen.untrue.len() as u64, "untrue", "untrue"),
    ];
    let there = counts.into_iter().filter(|(n, ..)| *n > 0);
    let said: Vec<String> = there
        .map(|(n, one, more)| format!("{} {}", thousands(n), if n == 1 { one } else { more }))
        .collect();
    (!said.is_empty()).then(|| said.join(" and "))
}

/// Whether there is nothing to run over again.
pub fn not_found(cx: &Cx<'_>) -> bool {
    cx.doc.recording.is_none() && !cx.doc.in_progress
}

/// What goes wrong, in a sentence.
pub fn says(moment: Moment) -> &'static str {
    match moment {
        Moment::CrashMidEpoch => {
            "The process ends while an epoch's outputs are out and nothing of it is on the disk"
        }
        Moment::CrashBeforeCommit => {
            "The process ends when the epoch's checkpoint is on the disk and not yet committed"
        }
        Moment::CrashAfterCommit => {
            "The process ends when the epoch is committed and it does not yet know"
        }
        Moment::PowerLoss => {
            "As crash before commit, and the disk keeps only what was forced to it"
        }
        Moment::BrokerRestart => {
            "The broker is killed in the middle of a commit, and is back 12 s later"
        }
        Moment::Zombie => {
            "The process stands still, a twin takes over and runs to the end, then it wakes"
        }
        Moment::Sleep => "The machine sleeps until an open transaction has timed out",
    }
}

/// `crash-mid-epoch` as the buttons have it.
pub fn in_words(moment: &str) -> String {
    moment.replace('-', " ")
}

/// `power-loss@3,sleep@1` as `power loss, then sleep`: in which epoch each comes is
/// in what happened.
fn in_turn(faults: &str) -> String {
    let moment = |one: &str| in_words(one.split_once('@').map_or(one, |(moment, _)| moment));
    faults.split(',').map(moment).collect::<Vec<_>>().join(", then ")
}

/// A latency as it stands under others: seconds all to the millisecond, so that they
/// can be compared at a glance.
pub fn in_column(ms: i64) -> String {
    if (0..60_000).contains(&ms) {
        format!("{}.{:03} s", ms / 1_000, ms % 1_000)
    } else {
        format_duration(ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use joinscope_core::analyses::guarantees::matrix::{Copy, Seen};

    /// So many outputs behind duplicates, losses and untrue ones.
    fn mode(counts: [usize; 3]) -> Mode {
        let copy = Copy {
            example: String::new(),
            records: Vec::new(),
            message: None,
            epoch: None,
            written_ms: None,
        };
        let copies = |n: usize| vec![copy.clone(); n];
        let [duplicates, losses, untrue] = counts.map(copies);
        Mode {
            mode: "at-most-once".to_owned(),
            read_committed: Seen { duplicates, losses, untrue, ..Seen::default() },
            incarnations: 1,
            ..Mode::default()
        }
    }

    #[test]
    fn all_that_is_wrong_is_said_of_a_mode_and_nothing_else() {
        assert_eq!(gives(&mode([0, 0, 0])), None);
        assert_eq!(gives(&mode([0, 1, 0])).as_deref(), Some("1 loss"));
        assert_eq!(gives(&mode([1_200, 0, 2])).as_deref(), Some("1,200 duplicates and 2 untrue"));
    }

    #[test]
    fn faults_in_turn_and_what_they_lead_to_are_words() {
        assert_eq!(in_turn("crash-mid-epoch"), "crash mid epoch");
        assert_eq!(in_turn("power-loss@3,sleep@1"), "power loss, then sleep");
        assert_eq!([0, 13_720, 60_000].map(in_column), ["0.000 s", "13.720 s", "1 m"]);
    }
}
