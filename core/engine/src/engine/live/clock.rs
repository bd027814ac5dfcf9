//! The wall clock of a live run.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Gives times that never go back: where the system's clock is set back, time
/// goes on from where it was.
#[derive(Debug)]
pub(crate) struct WallClock {
    last_ns: i64,
    at: Instant,
}

impl WallClock {
    /// Not before `last_ns`, the newest time that the run has seen.
    pub fn after(last_ns: i64) -> Self {
        Self { last_ns, at: Instant::now() }
    }

    /// As [`WallClock::after`], at that instant.
    pub fn from(last_ns: i64, at: Instant) -> Self {
        Self { last_ns, at }
    }

    /// Nanoseconds since the Unix epoch.
    pub fn now(&mut self) -> i64 {
        let system = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
        self.advance(system, Instant::now())
    }

    /// What it shows when the system's clock shows `system`, ns, at `at`.
    pub fn advance(&mut self, system: i64, at: Instant) -> i64 {
        let since = at.duration_since(self.at).as_nanos();
        let steady = self.last_ns.saturating_add(i64::try_from(since).unwrap_or(i64::MAX));
        self.at = at;
        self.last_ns = if system >= self.last_ns { system } else { steady };
        self.last_ns
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn time_goes_on_where_the_system_s_clock_is_set_back() {
        let mut clock = WallClock::after(1_000_000);
        let start = clock.at;
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(clock.advance(5_000_000, at(1)), 5_000_000);
        assert_eq!(clock.advance(2_000_000, at(3)), 7_000_000, "2 ms later");
        assert_eq!(clock.advance(2_100_000, at(4)), 8_000_000);
        assert_eq!(clock.advance(9_000_000, at(5)), 9_000_000);
    }
}
