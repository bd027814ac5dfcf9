//! What the vertical scale covers: all but what is far off. One record whose event time
//! lies a year ahead leaves its partition's line a year ahead for good, and on a scale
//! with both of them nothing else can be read. What is far off stands at the edge, and
//! is counted.

use joinscope_core::run::MinMax;
use joinscope_operator::time::format_duration;

use super::ask::{Drawn, Line};
use super::scale::Vertical;
use crate::window::text::{plural, thousands};

/// So many times further from its arrival than all that is nearer: far off.
const FAR: i64 = 10;
/// As far as this is near, ms.
const NEAR: i64 = 60_000;
/// Of what is behind one in so many at most is far off: a partition that holds the
/// join back for long is what the panel is about. Ahead of its arrival by so much is
/// no event, however many values follow from it.
const RARE: usize = 10;
/// So few late records may all be far off.
const FEW: usize = 3;

/// Lags behind arrival that the scale covers, ms; ahead of arrival: negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    from: i64,
    to: i64,
}

impl Reach {
    /// Covers everything.
    pub const ALL: Self = Self { from: i64::MIN, to: i64::MAX };

    /// Of the lags of lines and of late records, in any order.
    #[must_use]
    pub fn of(mut lines: Vec<i64>, mut late: Vec<i64>) -> Self {
        lines.sort_unstable();
        late.sort_unstable();
        let (ahead, behind) = lines.split_at(lines.partition_point(|lag| *lag < 0));
        let (late_ahead, late_behind) = late.split_at(late.partition_point(|lag| *lag < 0));
        let to = furthest_behind(behind, behind.len() / RARE, 0);
        let to = furthest_behind(late_behind, (late.len() / RARE).max(FEW), to);
        let mut ahead: Vec<i64> =
            ahead.iter().chain(late_ahead).map(|lag| lag.saturating_neg()).collect();
        ahead.sort_unstable();
        let mut from = 0;
        for by in ahead {
            if is_far(by, to.max(from)) {
                break;
            }
            from = by;
        }
        if from == 0 && behind.is_empty() && late_behind.is_empty() {
            // Nothing else is in sight.
            return Self::ALL;
        }
        Self { from: -from, to }
    }

    /// Of all that is drawn.
    #[must_use]
    pub fn of_drawn(drawn: &Drawn) -> Self {
        let lanes = drawn.lanes.iter().map(|(_, line)| line);
        let lines = lanes.chain(&drawn.inputs).chain([&drawn.join]);
        let late = drawn.late.iter().map(|l| Vertical::Lag.value(l.arrival_ms, l.event_time));
        Self::of(lines.flat_map(|line| lags(line, &drawn.arrival_ms)).collect(), late.collect())
    }

    #[must_use]
    pub fn covers(&self, lag: i64) -> bool {
        (self.from..=self.to).contains(&lag)
    }

    /// The lag of a line that is furthest beyond.
    #[must_use]
    pub fn beyond(&self, line: &Line, clock: &Line) -> Option<i64> {
        lags(line, clock).filter(|lag| !self.covers(*lag)).max_by_key(|lag| lag.unsigned_abs())
    }
}

fn is_far(lag: i64, reach: i64) -> bool {
    lag > reach.max(NEAR).saturating_mul(FAR)
}

/// The furthest lag that is not far off, of lags that ascend; at most the last `most`
/// are. Not less than `least`.
fn furthest_behind(lags: &[i64], most: usize, least: i64) -> i64 {
    let (always, rest) = lags.split_at(lags.len().saturating_sub(most));
    let mut reach = always.last().copied().unwrap_or(0).max(least);
    for lag in rest {
        if is_far(*lag, reach) {
            break;
        }
        reach = reach.max(*lag);
    }
    reach
}

/// A line's lags at both ends of each bucket.
pub fn lags<'a>(line: &'a Line, clock: &'a Line) -> impl Iterator<Item = i64> + 'a {
    let both = line.iter().zip(clock).filter_map(|(v, ms)| (*v).zip(*ms));
    both.flat_map(|(v, ms)| ends(v, ms))
}

/// The lags at both ends of a bucket.
#[must_use]
pub fn ends(v: MinMax, ms: MinMax) -> [i64; 2] {
    [Vertical::Lag.value(ms.min, v.min), Vertical::Lag.value(ms.max, v.max)]
}

/// What the scale does not cover.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beyond {
    /// Partitions, each with its lag that is furthest off, ms.
    lanes: Vec<(u32, i64)>,
    join: Option<i64>,
    /// Lags of late records that are drawn, ms.
    late: Vec<i64>,
}

impl Beyond {
    /// Of all partitions' lines, those among them that are not drawn, and of late records.
    #[must_use]
    pub fn of(reach: &Reach, lanes: &[u32], lines: &[Line], drawn: &Drawn) -> Self {
        let clock = &drawn.arrival_ms;
        let mut lanes: Vec<(u32, i64)> = lanes
            .iter()
            .zip(lines)
            .filter_map(|(lane, line)| Some((*lane, reach.beyond(line, clock)?)))
            .collect();
        lanes.sort_by_key(|(_, lag)| std::cmp::Reverse(lag.unsigned_abs()));
        let late = drawn.late.iter().map(|l| Vertical::Lag.value(l.arrival_ms, l.event_time));
        Self {
            lanes,
            join: reach.beyond(&drawn.join, clock),
            late: late.filter(|lag| !reach.covers(*lag)).collect(),
        }
    }

    /// How many lines and late records there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lanes.len() + usize::from(self.join.is_some()) + self.late.len()
    }

    /// `join up to 364d 23h ahead of arrival; views[2] and 1 more partition up to …`;
    /// `unit`: what a late record is called, `thinned`: not all of them are drawn.
    #[must_use]
    pub fn said(&self, name: &dyn Fn(u32) -> String, unit: &str, thinned: bool) -> String {
        let mut parts: Vec<String> =
            self.join.iter().map(|lag| format!("join {}", up_to(*lag))).collect();
        for ahead in [true, false] {
            let mut lanes = self.lanes.iter().filter(|(_, lag)| (*lag < 0) == ahead);
            if let Some((lane, lag)) = lanes.next() {
                let more = match lanes.count() as u64 {
                    0 => String::new(),
                    n => format!(" and {}", plural(n, "more partition")),
                };
                parts.push(format!("{}{more} {}", name(*lane), up_to(*lag)));
            }
            let late = self.late.iter().filter(|lag| (**lag < 0) == ahead);
            if let Some(lag) = late.clone().max_by_key(|lag| lag.unsigned_abs()) {
                let n = late.count() as u64;
                let who = if thinned {
                    format!("{} or more late {unit}s", thousands(n))
                } else {
                    plural(n, &format!("late {unit}"))
                };
                parts.push(format!("{who} {}", up_to(*lag)));
            }
        }
        parts.join("; ")
    }
}

/// `up to 364d 23h ahead of arrival`.
#[must_use]
pub fn up_to(lag: i64) -> String {
    let word = if lag < 0 { "ahead of" } else { "behind" };
    format!("up to {} {word} arrival", format_duration(lag.saturating_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;
    const YEAR: i64 = 365 * DAY;

    fn reach(lines: &[(i64, usize)], late: &[i64]) -> Reach {
        let lines = lines.iter().flat_map(|(lag, n)| vec![*lag; *n]).collect();
        Reach::of(lines, late.to_vec())
    }

    #[test]
    fn what_is_a_year_ahead_is_not_covered_however_much_of_it_there_is() {
        for n in [1, 50, 500] {
            let reach = reach(&[(60_000, 80), (300_000, 20), (-YEAR, n)], &[]);
            assert_eq!(reach, Reach { from: 0, to: 300_000 }, "{n}");
        }
        // Ahead by what the scale has room for.
        let near = reach(&[(60_000, 80), (-600_000, 5), (-YEAR, 5)], &[]);
        assert_eq!(near, Reach { from: -600_000, to: 60_000 });
    }

    #[test]
    fn a_drift_without_a_gap_is_covered() {
        let mut lines = vec![60_000; 100];
        lines.extend((0..200).map(|n| -n * DAY));
        lines.extend((1..24).map(|hour| -hour * 3_600_000));
        lines.extend((1..60).map(|minute| -minute * 60_000));
        assert_eq!(Reach::of(lines, Vec::new()), Reach { from: -199 * DAY, to: 60_000 });
    }

    #[test]
    fn a_partition_that_holds_the_join_back_for_a_month_is_covered() {
        let holder = reach(&[(60_000, 500), (30 * DAY, 200)], &[]);
        assert_eq!(holder.to, 30 * DAY);
        // A record of 1970 before the others came, which moved the line a moment later.
        let first = reach(&[(60_000, 990), (56 * YEAR, 10)], &[]);
        assert_eq!(first.to, 60_000);
        // All of it lies in the past, as a topic that is read years after.
        assert_eq!(reach(&[(YEAR, 500)], &[]).to, YEAR);
    }

    #[test]
    fn a_few_late_records_do_not_stretch_the_scale_and_many_do() {
        assert_eq!(reach(&[(60_000, 500)], &[90_000, 56 * YEAR]).to, 90_000);
        assert_eq!(reach(&[(60_000, 500)], &[56 * YEAR]).to, 60_000);
        assert_eq!(reach(&[(60_000, 500)], &[DAY; 40]).to, DAY);
    }

    #[test]
    fn where_nothing_else_is_in_sight_what_is_far_off_is_shown() {
        assert_eq!(reach(&[(-YEAR, 500)], &[]), Reach::ALL);
        assert_eq!(reach(&[], &[]), Reach::ALL);
        assert!(!reach(&[(-YEAR, 500)], &[60_000]).covers(-YEAR), "late ones are in sight");
        for far in [i64::MIN, i64::MAX] {
            assert!(!reach(&[(60_000, 500), (far, 5)], &[]).covers(far), "{far}");
        }
    }

    #[test]
    fn what_is_beyond_is_said_with_its_count_and_by_how_much() {
        let name = |lane: u32| format!("views[{lane}]");
        let mut beyond = Beyond { lanes: vec![(2, -YEAR)], join: None, late: vec![] };
        assert_eq!(beyond.said(&name, "record", false), "views[2] up to 365 d ahead of arrival");
        beyond.lanes.extend([(0, -DAY), (1, DAY)]);
        (beyond.join, beyond.late) = (Some(-DAY), vec![56 * YEAR, YEAR]);
        assert_eq!(beyond.count(), 6);
        let said = beyond.said(&name, "record", false);
        let want = "join up to 1 d ahead of arrival; views[2] and 1 more partition up to 365 d \
                    ahead of arrival; views[1] up to 1 d behind arrival; 2 late records up to \
                    20440 d behind arrival";
        assert_eq!(said, want);
        let said = beyond.said(&name, "row", true);
        assert!(said.ends_with("; 2 or more late rows up to 20440 d behind arrival"), "{said}");
    }
}
