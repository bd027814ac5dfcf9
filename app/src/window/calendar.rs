//! Marks on a time axis where people expect them: full hours, days, first days
//! of months and years of the zone that is shown, not multiples of milliseconds
//! since 1970.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan as _};

use super::times::Times;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// The shortest, so that marks never stand nearer than asked for.
const MONTH: i64 = 28 * DAY;
const YEAR: i64 = 365 * DAY;

/// More marks than fit on any axis.
const MANY: usize = 64;

/// What lies between two marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// ms; a divisor of a day.
    Clock(i64),
    Days(i64),
    Months(i64),
    Years(i64),
    /// ms, where no calendar reaches.
    Number(i64),
}

const CLOCK: [i64; 23] = [
    1,
    2,
    5,
    10,
    20,
    50,
    100,
    200,
    500,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
];

impl Step {
    /// The smallest that is at least `least` ms long.
    fn at_least(least: i64) -> Self {
        let clock = CLOCK.into_iter().chain([3 * HOUR, 6 * HOUR, 12 * HOUR]);
        let days = [1, 2, 7].map(|n| (n * DAY, Self::Days(n)));
        let months = [1, 3, 6].map(|n| (n * MONTH, Self::Months(n)));
        let years = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000];
        clock
            .map(|ms| (ms, Self::Clock(ms)))
            .chain(days)
            .chain(months)
            .chain(years.map(|n| (n * YEAR, Self::Years(n))))
            .find(|(long, _)| *long >= least)
            .map_or_else(|| Self::Number(super::times::count_step(least as f64) as i64), |s| s.1)
    }

    /// The last mark at or before `at`, of days and longer.
    fn floor(self, at: DateTime) -> Option<DateTime> {
        let date = at.date();
        let first = |year, month| Date::new(year, month, 1).ok();
        let date = match self {
            Self::Days(1) => date,
            // Weeks begin on Monday; pairs of days with the month.
            Self::Days(7) => {
                let into = i64::from(date.weekday().to_monday_zero_offset());
                date.checked_sub(into.days()).ok()?
            }
            Self::Days(n) => {
                let into = (i64::from(date.day()) - 1).rem_euclid(n);
                date.checked_sub(into.days()).ok()?
            }
            Self::Months(n) => {
                let into = (i64::from(date.month()) - 1).rem_euclid(n);
                first(date.year(), date.month() - into as i8)?
            }
            Self::Years(n) => first(date.year() - i64::from(date.year()).rem_euclid(n) as i16, 1)?,
            Self::Clock(_) | Self::Number(_) => return None,
        };
        Some(date.to_datetime(jiff::civil::Time::midnight()))
    }

    fn next(self, at: DateTime) -> Option<DateTime> {
        let span: Span = match self {
            // Days 1, 3, 5, …, 29 or 31, then 1 again.
            Self::Days(2) if at.day() >= 29 && at.date().days_in_month() < at.day() + 2 => {
                return at.date().last_of_month().tomorrow().ok().map(|d| d.to_datetime(at.time()));
            }
            Self::Days(n) => n.days(),
            Self::Months(n) => n.months(),
            Self::Years(n) => n.years(),
            Self::Clock(_) | Self::Number(_) => return None,
        };
        at.checked_add(span).ok()
    }

    /// How a mark is written: as short as its neighbours allow.
    fn format(self, dates: bool) -> &'static str {
        match self {
            Self::Clock(..SECOND) => "%H:%M:%S.%3f",
            Self::Clock(..MINUTE) => "%H:%M:%S",
            Self::Clock(_) if dates => "%b %-d %H:%M",
            Self::Clock(_) => "%H:%M",
            Self::Days(_) => "%b %-d",
            Self::Months(_) => "%b %Y",
            Self::Years(_) | Self::Number(_) => "%Y",
        }
    }
}

/// Marks between `from` and `to` (ms) with their labels, at least about `least`
/// ms from each other, in order.
#[must_use]
pub fn ticks(times: &Times, from: i64, to: i64, least: i64) -> Vec<(i64, String)> {
    let step = Step::at_least(least);
    let stamp = |ms| Timestamp::from_millisecond(ms).ok();
    let marks = stamp(from).filter(|_| stamp(to).is_some()).and_then(|first| match step {
        Step::Clock(ms) => Some(of_clock(times.jiff_zone(), first, to, ms)),
        step => of_days(times.jiff_zone(), first, to, step),
    });
    let Some(marks) = marks else { return numbers(from, to, least) };
    let format = step.format(times.dates());
    marks.into_iter().map(|at| (at, Times::or_number(times.format(at, format), at))).collect()
}

/// Marks of the clock, every `step` ms of a day: each stretch between two changes of the
/// zone's offset has its own. An hour that the clock goes through twice has them twice,
/// one that it leaves out has none.
fn of_clock(zone: &TimeZone, from: Timestamp, to: i64, step: i64) -> Vec<i64> {
    let mut changes = zone.following(from);
    let (mut begin, mut offset) = (from.as_millisecond(), zone.to_offset(from));
    let mut marks = Vec::new();
    while marks.len() < MANY {
        let change = changes.next().filter(|change| change.timestamp().as_millisecond() <= to);
        let end = change.as_ref().map_or(to, |change| change.timestamp().as_millisecond() - 1);
        let ahead = i64::from(offset.seconds()) * SECOND;
        let first = (begin + ahead + step - 1).div_euclid(step) * step - ahead;
        let all = std::iter::successors(Some(first), |at| at.checked_add(step));
        marks.extend(all.take_while(|at| *at <= end).take(MANY - marks.len()));
        let Some(change) = change else { break };
        (begin, offset) = (change.timestamp().as_millisecond(), change.offset());
    }
    marks
}

/// Marks of days and longer; `None`: the calendar does not reach there.
fn of_days(zone: &TimeZone, from: Timestamp, to: i64, step: Step) -> Option<Vec<i64>> {
    let start = step.floor(from.to_zoned(zone.clone()).datetime())?;
    let instant = |at: DateTime| Some(at.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond());
    let mut last = i64::MIN;
    let marks = std::iter::successors(Some(start), |at| step.next(*at))
        .map_while(instant)
        .take_while(|at| *at <= to)
        // A day that the zone leaves out gives one instant twice.
        .filter(|at| *at >= from.as_millisecond() && std::mem::replace(&mut last, *at) != *at)
        .take(MANY);
    Some(marks.collect())
}

/// The smallest duration of at least `least` ms that people count in.
#[must_use]
pub fn duration_step(least: i64) -> i64 {
    match Step::at_least(least) {
        Step::Clock(ms) => ms,
        // Days in ones, twos and fives.
        _ => (super::times::count_step(least as f64 / DAY as f64) as i64).saturating_mul(DAY),
    }
}

/// Event times may lie outside every calendar.
fn numbers(from: i64, to: i64, least: i64) -> Vec<(i64, String)> {
    let step = (super::times::count_step(least.max(1) as f64) as i64).max(1);
    let first = from.div_euclid(step).saturating_mul(step);
    (0..MANY as i64)
        .map(|i| first.saturating_add(step.saturating_mul(i)))
        .filter(|at| (from..=to).contains(at))
        .map(|at| (at, format!("{at} ms")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::times::Zone;
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn labels(zone: &Zone, from: &str, to: &str, least: i64) -> Vec<String> {
        let (from, to) = (at(from), at(to));
        let ticks = ticks(&Times::new(zone, from, to), from, to, least);
        assert!(ticks.windows(2).all(|w| w[0].0 < w[1].0));
        ticks.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn years_begin_in_january() {
        let years = labels(&Zone::Utc, "2017-12-21T00:00:00Z", "2026-08-10T00:00:00Z", 300 * DAY);
        assert_eq!(years, ["2018", "2019", "2020", "2021", "2022", "2023", "2024", "2025", "2026"]);
        let fives = labels(&Zone::Utc, "1999-01-01T00:00:00Z", "2026-08-10T00:00:00Z", 4 * YEAR);
        assert_eq!(fives, ["2000", "2005", "2010", "2015", "2020", "2025"]);
    }

    #[test]
    fn quarters_weeks_and_pairs_of_days() {
        let quarters = labels(&Zone::Utc, "2025-11-20T00:00:00Z", "2026-08-10T00:00:00Z", 60 * DAY);
        assert_eq!(quarters, ["Jan 2026", "Apr 2026", "Jul 2026"]);
        let weeks = labels(&Zone::Utc, "2026-11-01T00:00:00Z", "2026-11-20T00:00:00Z", 3 * DAY);
        assert_eq!(weeks, ["Nov 2", "Nov 9", "Nov 16"]);
        let pairs = labels(&Zone::Utc, "2026-02-26T00:00:00Z", "2026-03-04T00:00:00Z", 2 * DAY);
        assert_eq!(pairs, ["Feb 27", "Mar 1", "Mar 3"]);
        let pairs = labels(&Zone::Utc, "2026-01-28T00:00:00Z", "2026-02-04T00:00:00Z", 2 * DAY);
        assert_eq!(pairs, ["Jan 29", "Jan 31", "Feb 1", "Feb 3"]);
    }

    #[test]
    fn hours_are_the_zones_own() {
        let zone = Zone::Named("Asia/Kolkata".to_owned());
        let hours = labels(&zone, "2026-11-20T00:10:00Z", "2026-11-20T03:00:00Z", HOUR);
        assert_eq!(hours, ["06:00", "07:00", "08:00"]);
        // The hour that a summer time takes away has no mark of its own.
        let zone = Zone::Named("Europe/Berlin".to_owned());
        let night = labels(&zone, "2026-03-28T23:30:00Z", "2026-03-29T03:00:00Z", HOUR);
        assert_eq!(night, ["01:00", "03:00", "04:00", "05:00"]);
        let quarters = labels(&zone, "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z", 15 * MINUTE);
        assert_eq!(quarters, ["01:30", "01:45", "03:00", "03:15", "03:30"]);
        // From midnight, also where the day has an hour less.
        let day = labels(&zone, "2026-03-28T22:00:00Z", "2026-03-29T12:00:00Z", 6 * HOUR);
        assert_eq!(day, ["Mar 29 00:00", "Mar 29 06:00", "Mar 29 12:00"]);
    }

    #[test]
    fn an_hour_that_comes_twice_has_its_marks_twice() {
        let zone = Zone::Named("Europe/Berlin".to_owned());
        let both = labels(&zone, "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", 30 * MINUTE);
        assert_eq!(both, ["02:30", "02:00", "02:30"]);
        // Also where nothing else is in sight.
        let second = labels(&zone, "2026-10-25T01:05:00Z", "2026-10-25T01:35:00Z", 10 * MINUTE);
        assert_eq!(second, ["02:10", "02:20", "02:30"]);
        // Before 1970, and where offsets have seconds.
        let old = labels(&zone, "1890-05-01T09:00:00Z", "1890-05-01T11:00:00Z", HOUR);
        assert_eq!(old, ["10:00", "11:00"]);
    }

    #[test]
    fn durations_count_in_steps_of_people() {
        assert_eq!(duration_step(0), 1);
        assert_eq!(duration_step(61_000), 120_000);
        assert_eq!(duration_step(13 * HOUR), DAY);
        assert_eq!(duration_step(3 * DAY), 5 * DAY);
        assert!(duration_step(i64::MAX / 2) >= i64::MAX / 2);
    }

    #[test]
    fn times_outside_every_calendar_are_numbers() {
        let times = Times::new(&Zone::Utc, i64::MIN, i64::MAX);
        for (from, to) in [(i64::MIN, i64::MAX), (i64::MAX - 1000, i64::MAX), (i64::MIN, 0)] {
            let marks = ticks(&times, from, to, to.saturating_sub(from) / 8);
            assert!(marks.len() <= MANY && marks.iter().all(|(at, _)| (from..=to).contains(at)));
            assert!(marks.iter().all(|(_, label)| label.ends_with(" ms")), "{marks:?}");
        }
    }
}
