//! Times as people read them: UTC unless the user chooses otherwise, the date
//! only where the range in sight touches more than one day.

use std::cell::RefCell;
use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::jobs::{Jobs, Slot};

/// The user's choice of time zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Zone {
    #[default]
    Utc,
    Local,
    /// An IANA name.
    Named(String),
}

impl Zone {
    /// Whether this machine knows it. It is asked itself only before its names are read.
    #[must_use]
    pub fn is_known(&self) -> bool {
        match (self, NAMES.get()) {
            (Self::Named(name), Some(names)) => names.iter().any(|n| n.eq_ignore_ascii_case(name)),
            (Self::Named(name), None) => TimeZone::get(name).is_ok(),
            _ => true,
        }
    }

    /// Its rules and its name. Every panel asks in every frame; the machine is asked once
    /// a zone is chosen.
    fn resolved(&self) -> (TimeZone, String) {
        if *self == Self::Utc {
            return utc();
        }
        LAST.with_borrow_mut(|last| {
            let (_, rules, name) = match last.take() {
                Some(known) if known.0 == *self => last.insert(known),
                _ => {
                    let (rules, name) = self.looked_up();
                    last.insert((self.clone(), rules, name))
                }
            };
            (rules.clone(), name.clone())
        })
    }

    fn looked_up(&self) -> (TimeZone, String) {
        #[cfg(test)]
        tests::LOOKED_UP.set(tests::LOOKED_UP.get() + 1);
        let found = match self {
            Self::Utc => None,
            Self::Local => {
                let zone = TimeZone::system();
                let name = zone.iana_name().unwrap_or("local").to_owned();
                Some((zone, name))
            }
            Self::Named(name) => TimeZone::get(name).ok().map(|zone| (zone, name.clone())),
        };
        // An unknown name was refused when it was typed; a zone that this machine
        // lacks is shown as UTC and named so.
        found.unwrap_or_else(utc)
    }
}

thread_local! {
    /// The zone that was asked for last, its rules and its name.
    static LAST: RefCell<Option<(Zone, TimeZone, String)>> = const { RefCell::new(None) };
}

fn utc() -> (TimeZone, String) {
    (TimeZone::UTC, "UTC".to_owned())
}

/// The IANA names that this machine knows, sorted, once they are read.
static NAMES: OnceLock<Vec<String>> = OnceLock::new();

/// Reads the names of the time zones off the window's thread.
pub fn read_zone_names(jobs: &Jobs) {
    if NAMES.get().is_none() {
        Slot::<(), ()>::default().ask_long(jobs, (), |()| {
            let all = jiff::tz::db().available();
            let mut names: Vec<String> = all.map(|name| name.as_str().to_owned()).collect();
            names.sort();
            // Another window's were read meanwhile: the same.
            let _ = NAMES.set(names);
            Ok(())
        });
    }
}

/// The IANA names that this machine knows, sorted; none until they are read.
#[must_use]
pub fn zone_names() -> &'static [String] {
    NAMES.get().map(Vec::as_slice).unwrap_or_default()
}

/// How times in sight are written.
#[derive(Clone, Debug)]
pub struct Times {
    zone: TimeZone,
    name: String,
    dates: bool,
    /// The one day that is in sight: a time of another has its date.
    day: Option<Date>,
}

impl Times {
    /// `first` and `last` bound the range in sight, ms.
    #[must_use]
    pub fn new(zone: &Zone, first: i64, last: i64) -> Self {
        Self::over(zone, [first, last])
    }

    /// The bounds of all that is in sight, ms, as far as they are known: of arrival times
    /// and of event times, which may lie in other days. What lies outside every calendar
    /// has no day.
    #[must_use]
    pub fn over(zone: &Zone, bounds: impl IntoIterator<Item = i64>) -> Self {
        let (zone, name) = zone.resolved();
        let mut times = Self { zone, name, dates: false, day: None };
        for day in bounds.into_iter().filter_map(|ms| times.date(ms)).collect::<Vec<_>>() {
            times.dates |= times.day.replace(day).is_some_and(|other| other != day);
        }
        times
    }

    fn date(&self, ms: i64) -> Option<Date> {
        Some(Timestamp::from_millisecond(ms).ok()?.to_zoned(self.zone.clone()).date())
    }

    /// Whether this time is written with its date.
    fn is_dated(&self, ms: i64) -> bool {
        self.dates || self.day.is_some_and(|day| self.date(ms).is_some_and(|date| date != day))
    }

    /// The zone's name, for the clock bar.
    #[must_use]
    pub fn zone(&self) -> &str {
        &self.name
    }

    /// Whether what is in sight touches more than one day.
    pub(super) fn dates(&self) -> bool {
        self.dates
    }

    pub(super) fn jiff_zone(&self) -> &TimeZone {
        &self.zone
    }

    pub(super) fn format(&self, ms: i64, format: &str) -> Option<String> {
        let at = Timestamp::from_millisecond(ms).ok()?.to_zoned(self.zone.clone());
        // Before the year 0 a date has six digits and a sign, or nobody reads it back.
        if let Some(rest) = format.strip_prefix("%F").filter(|_| at.year() < 0) {
            let rest = at.strftime(&format!("%m-%d{rest}")).to_string();
            return Some(format!("-{:06}-{rest}", at.year().unsigned_abs()));
        }
        Some(at.strftime(format).to_string())
    }

    pub(super) fn or_number(text: Option<String>, ms: i64) -> String {
        // Event times may lie outside every calendar; the number is then the truth.
        text.unwrap_or_else(|| format!("{ms} ms"))
    }

    /// `08:13:21.480`, with the date where days differ, or it is of another day than what
    /// is in sight.
    #[must_use]
    pub fn exact(&self, ms: i64) -> String {
        let format = if self.is_dated(ms) { "%F %H:%M:%S.%3f" } else { "%H:%M:%S.%3f" };
        Self::or_number(self.format(ms, format), ms)
    }

    /// Whether times are written with their dates.
    #[must_use]
    pub fn has_dates(&self) -> bool {
        self.dates
    }

    /// `08:13:21`, with the date where days differ.
    #[must_use]
    pub fn short(&self, ms: i64) -> String {
        let format = if self.is_dated(ms) { "%F %H:%M:%S" } else { "%H:%M:%S" };
        Self::or_number(self.format(ms, format), ms)
    }

    /// RFC 3339 with offset, for tooltips and copies.
    #[must_use]
    pub fn full(&self, ms: i64) -> String {
        Self::or_number(self.format(ms, "%FT%H:%M:%S.%3f%:z"), ms)
    }
}

/// The smallest of 1, 2, 5, 10, 20, … that is at least `least`.
#[must_use]
pub fn count_step(least: f64) -> u64 {
    let mut unit: u64 = 1;
    loop {
        for m in [1, 2, 5] {
            let step = unit.saturating_mul(m);
            if step as f64 >= least || step == u64::MAX {
                return step;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

/// A time that someone typed: `08:13:21`, a date and time, RFC 3339, epoch ms.
/// A time of day is taken on the day of `near`.
#[must_use]
pub fn parse(text: &str, near: i64, zone: &Zone) -> Option<i64> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at.as_millisecond());
    }
    let times = Times::new(zone, near, near);
    if let Ok(at) = text.parse::<jiff::civil::DateTime>() {
        return Some(at.to_zoned(times.zone).ok()?.timestamp().as_millisecond());
    }
    if text.contains(':') {
        let time = text.parse::<jiff::civil::Time>().ok()?;
        let day = Timestamp::from_millisecond(near).ok()?.to_zoned(times.zone.clone()).date();
        return Some(day.to_datetime(time).to_zoned(times.zone).ok()?.timestamp().as_millisecond());
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const AT: i64 = 1_763_626_401_480; // 2025-11-20T08:13:21.480Z

    thread_local! {
        /// How often this thread asked the machine for a zone.
        pub static LOOKED_UP: Cell<usize> = const { Cell::new(0) };
    }

    #[test]
    fn the_machine_is_asked_once_a_zone_is_chosen_not_in_every_frame() {
        let berlin = Zone::Named("Europe/Berlin".to_owned());
        let unknown = Zone::Named("Europe/Berlni".to_owned());
        assert_eq!(Times::new(&Zone::Local, AT, AT).full(AT).len(), 29);
        let mut asked = LOOKED_UP.get();
        for (zone, shown, name) in [
            (&berlin, "09:13:21.480", "Europe/Berlin"),
            (&unknown, "08:13:21.480", "UTC"),
            (&berlin, "09:13:21.480", "Europe/Berlin"),
        ] {
            asked += 1;
            for _ in 0..3 {
                let times = Times::new(zone, AT, AT);
                assert_eq!((times.exact(AT).as_str(), times.zone()), (shown, name));
                assert_eq!(Times::new(&Zone::Utc, AT, AT).exact(AT), "08:13:21.480");
                assert_eq!(parse(shown, AT, zone), Some(AT));
                assert_eq!(LOOKED_UP.get(), asked, "{zone:?}");
            }
        }
    }

    #[test]
    fn a_zone_is_known_by_its_name_before_and_after_the_names_are_read() {
        let known = |name: &str| Zone::Named(name.to_owned()).is_known();
        let check = || {
            assert!(known("Europe/Berlin") && known("europe/berlin") && known("UTC"));
            assert!(!known("Europe/Berlni") && !known(""));
        };
        check();
        let jobs = Jobs::new(&egui::Context::default(), 1);
        read_zone_names(&jobs);
        while jobs.open() > 0 {
            std::thread::yield_now();
        }
        check();
        let names = zone_names();
        assert!(names.is_sorted() && names.iter().any(|n| n == "America/New_York"), "{names:?}");
    }

    #[test]
    fn the_date_appears_where_days_differ() {
        let one = Times::new(&Zone::Utc, AT, AT + 1000);
        assert_eq!(one.exact(AT), "08:13:21.480");
        assert_eq!(one.full(AT), "2025-11-20T08:13:21.480+00:00");
        let two = Times::new(&Zone::Utc, AT, AT + 86_400_000);
        assert_eq!(two.exact(AT), "2025-11-20 08:13:21.480");
        assert_eq!(one.exact(i64::MAX), format!("{} ms", i64::MAX));
        // One of another day than all that is in sight.
        assert_eq!(one.exact(AT - 86_400_000), "2025-11-19 08:13:21.480");
        assert_eq!(one.short(AT - 86_400_000), "2025-11-19 08:13:21");
        // Event times of other days than the arrivals': years before them, say.
        let apart = Times::over(&Zone::Utc, [AT, AT + 1000, -630_000_000_000]);
        assert_eq!(apart.exact(AT), "2025-11-20 08:13:21.480");
        assert_eq!(apart.exact(-630_000_000_000), "1950-01-14 08:00:00.000");
        // With nothing read yet there is no day to differ from.
        assert_eq!(Times::over(&Zone::Utc, []).exact(AT), "08:13:21.480");
    }

    #[test]
    fn typed_times_are_taken_in_every_form() {
        for text in
            ["08:13:21.480", "2025-11-20T08:13:21.480Z", "2025-11-20 08:13:21.48", "1763626401480"]
        {
            assert_eq!(parse(text, AT + 3_600_000, &Zone::Utc), Some(AT), "{text}");
        }
        assert_eq!(parse("soon", AT, &Zone::Utc), None);
    }

    #[test]
    fn a_time_is_read_back_as_it_is_written_in_any_year() {
        // The first ms of the years -9998, -1, 0 and 9999.
        for ms in
            [-377_673_580_800_000, -62_198_755_200_000, -62_167_219_200_000, 253_370_764_800_000]
        {
            let times = Times::new(&Zone::Utc, AT, AT);
            for text in [times.full(ms), times.exact(ms)] {
                assert_eq!(parse(&text, AT, &Zone::Utc), Some(ms), "{text}");
            }
        }
        let times = Times::new(&Zone::Utc, AT, AT);
        assert_eq!(times.full(-62_198_755_200_000), "-000001-01-01T00:00:00.000+00:00");
    }

    #[test]
    fn ticks_count_in_steps_of_people() {
        assert_eq!(count_step(3.0), 5);
        assert_eq!(count_step(0.1), 1);
    }
}
