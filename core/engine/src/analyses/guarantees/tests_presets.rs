//! Faults that a user names, each under every guarantee: that they come, and what
//! readers get then.

use super::faults::Moment;
use super::matrix::{Column, MISSED, Matrix};
use super::tests::under;

/// Exactly-once, at-least-once, the same deduplicated, at-most-once.
fn columns(found: &Matrix) -> &[Column; 4] {
    found.columns[..].try_into().unwrap()
}

/// Duplicates, losses and what is untrue of what `read_committed` gives.
fn harm(column: &Column) -> [usize; 3] {
    let seen = &column.read_committed;
    assert!(seen.aborted.is_empty(), "{}: aborted data was read", column.mode);
    [seen.duplicates.len(), seen.losses.len(), seen.untrue.len()]
}

fn of<'a>(column: &'a Column, what: &str) -> Vec<&'a str> {
    let moments = column.timeline.iter().filter(|moment| moment.what == what);
    moments.map(|moment| moment.text.as_str()).collect()
}

#[test]
fn every_preset_does_to_each_guarantee_what_it_is_named_for() {
    for moment in Moment::ALL {
        let found = under(moment.name());
        assert_eq!((found.faults.as_str(), found.columns.len()), (moment.name(), 4));
        let all = columns(&found);
        let [once, least, deduplicated, most] = all;
        let ends = !matches!(moment, Moment::BrokerRestart | Moment::Sleep);
        for column in all {
            let said = format!("{} under {}", column.mode, moment.name());
            assert_eq!(column.stopped, None, "{said}");
            assert!(of(column, MISSED).is_empty(), "{said}");
            assert_eq!(column.incarnations, 1 + u64::from(ends), "{said}");
            // A zombie is ended by its twin, if by anybody.
            let on_purpose = of(column, "ended").iter().any(|text| text.contains("on purpose"));
            assert_eq!(on_purpose, ends && moment != Moment::Zombie, "{said}");
        }
        // Exactly once, whatever comes; and so is at-least-once behind such a reader.
        assert_eq!([harm(once), harm(deduplicated)], [[0; 3]; 2], "{}", moment.name());
        let ([twice, lost, untrue], [most_twice, most_lost, _]) = (harm(least), harm(most));
        assert_eq!([lost, untrue], [0; 2], "{}", moment.name());
        assert_eq!(twice > 0, ends, "{}: {twice} duplicates at least once", moment.name());
        // Nothing fences a twin that writes without transactions.
        let zombie = moment == Moment::Zombie;
        assert_eq!(most_twice > 0, zombie, "{}: {most_twice} at most once", moment.name());
        assert_eq!(most_lost > 0, ends && !zombie, "{}: {most_lost} lost", moment.name());
        // Outputs of the epoch at hand were out, and were aborted.
        let aborts = !matches!(moment, Moment::CrashAfterCommit | Moment::BrokerRestart);
        let aborted = once.read_uncommitted.aborted.len();
        assert_eq!(aborted > 0, aborts, "{}: {aborted} aborted", moment.name());
    }
}

/// Found by trying it: a process was restored at the moment in which the one before it
/// had ended, and that was said to be earlier; a zombie ended before its twin began.
#[test]
fn a_process_is_away_for_its_downtime_and_a_zombie_ends_behind_its_twin() {
    let found = under("crash-before-commit@3");
    for column in columns(&found) {
        let at = |what: &str, process: usize| {
            let is = |m: &super::matrix::Moment| m.what == what && m.incarnation == process;
            column.timeline.iter().position(is).unwrap()
        };
        let (ended, restored) = (at("ended", 0), at("restored", 1));
        assert!(ended < restored, "{}: {:#?}", column.mode, column.timeline);
        let away = column.timeline[restored].at_ms - column.timeline[ended].at_ms;
        assert!(away >= 500, "{}: {:#?}", column.mode, column.timeline);
    }
    let found = under("zombie");
    let last = columns(&found)[0].timeline.last().unwrap();
    assert_eq!((last.what, last.incarnation), ("ended", 0), "{last:?}");
}

/// Found by trying it: what came behind a sleep, which ends no process, never came,
/// and neither did an earlier epoch behind a broker's restart.
#[test]
fn several_moments_come_in_turn() {
    for faults in
        ["sleep@2,crash-mid-epoch@1", "broker-restart@3,crash-after-commit@2", "sleep,power-loss"]
    {
        let found = under(faults);
        let [once, least, deduplicated, most] = columns(&found);
        for column in [once, least, most] {
            assert!(of(column, MISSED).is_empty(), "{} under {faults}", column.mode);
            assert_eq!(column.incarnations, 2, "{} under {faults}", column.mode);
        }
        assert_eq!([harm(once), harm(deduplicated)], [[0; 3]; 2], "{faults}");
    }
}

#[test]
fn a_moment_that_never_comes_is_named() {
    let found = under("crash-before-commit@2,sleep@99,power-loss");
    for column in columns(&found) {
        let never = of(column, MISSED);
        assert_eq!(never.len(), 2, "{}: {never:?}", column.mode);
        assert!(never[0].starts_with("sleep@99 never came"), "{}", never[0]);
        assert!(never[1].starts_with("power-loss never came"), "{}", never[1]);
        assert_eq!(column.incarnations, 2, "{}", column.mode);
        assert_eq!(column.stopped, None, "{}", column.mode);
    }
}
