//! The cursor: one arrival number, moved by commands, shared by every panel.
//!
//! 1. All that one arrival sets off belongs to it; the cursor stands on it.
//! 2. Following: it stands on the head of a run in progress.
//! 3. Any move by hand ends following and playing; `End` resumes following.
//! 4. Playing ends at the last arrival, or goes round the range that is looped.

mod speed;

use std::sync::Arc;

use joinscope_operator::record::Arrival;

pub use self::speed::Speed;
use super::range::ArrivalRange;

/// What moves the cursor by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Following,
    Paused,
    Playing,
}

/// Longest wait on screen for the next arrival at a multiple of the clock, s.
const LONGEST_GAP: f64 = 2.0;

/// From arrivals to a clock that never goes back and the other way (processing
/// time, or the join's event-time watermark; ms): exact at its points, straight between them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClockMap {
    points: Arc<[(Arrival, i64)]>,
    /// The join's event-time watermark at arrivals, ms, where there is one.
    event: Arc<[(Arrival, i64)]>,
    /// How far records may stand from it: the largest out-of-orderness, ms.
    slack: i64,
}

impl ClockMap {
    /// `points` in order of arrival, times not going back.
    #[must_use]
    pub fn new(points: Vec<(Arrival, i64)>) -> Self {
        Self { points: points.into(), ..Self::default() }
    }

    /// With the join's event-time watermark as a second clock, in order of
    /// arrival. It stands where that goes back, at a modelled restart.
    #[must_use]
    pub fn with_event_time(self, event: Vec<(Arrival, i64)>, slack: i64) -> Self {
        Self { event: never_back(event).into(), slack: slack.max(0), ..self }
    }

    /// Whether there is an event-time watermark at all.
    #[must_use]
    pub fn has_event_time(&self) -> bool {
        !self.event.is_empty()
    }

    #[must_use]
    pub fn slack(&self) -> i64 {
        self.slack
    }

    /// The join's event-time watermark at an arrival, ms.
    #[must_use]
    pub fn event_time(&self, arrival: f64) -> f64 {
        between(&self.event, arrival, |p| p.0 as f64, |p| p.1 as f64)
    }

    /// The first and the last event-time watermark of the join, ms.
    #[must_use]
    pub fn event_range(&self) -> Option<(i64, i64)> {
        Some((self.event.first()?.1, self.event.last()?.1))
    }

    /// The arrival at which the join's event-time watermark had come so far.
    #[must_use]
    pub fn arrival_of_event(&self, ms: f64) -> f64 {
        between(&self.event, ms, |p| p.1 as f64, |p| p.0 as f64)
    }

    /// The same clock with the points of one stretch of arrivals in place of
    /// its own; both ends of the stretch are among them.
    #[must_use]
    pub fn refined(&self, stretch: &Self) -> Self {
        Self {
            points: patched(&self.points, &stretch.points).into(),
            event: never_back(patched(&self.event, &stretch.event)).into(),
            slack: self.slack,
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    #[must_use]
    pub fn range(&self) -> Option<(i64, i64)> {
        Some((self.points.first()?.1, self.points.last()?.1))
    }

    /// Time of an arrival, ms; fractions between points.
    #[must_use]
    pub fn time(&self, arrival: f64) -> f64 {
        between(&self.points, arrival, |p| p.0 as f64, |p| p.1 as f64)
    }

    /// The arrival at a time, ms.
    #[must_use]
    pub fn arrival(&self, ms: f64) -> f64 {
        between(&self.points, ms, |p| p.1 as f64, |p| p.0 as f64)
    }
}

/// Points with those of a stretch in place of their own.
fn patched(points: &[(Arrival, i64)], stretch: &[(Arrival, i64)]) -> Vec<(Arrival, i64)> {
    let (Some(first), Some(last)) = (stretch.first(), stretch.last()) else {
        return points.to_vec();
    };
    let before = points.partition_point(|p| p.0 < first.0);
    let after = points.partition_point(|p| p.0 <= last.0);
    [&points[..before], stretch, &points[after..]].concat()
}

/// Points whose times stand where they would go back.
pub fn never_back(mut points: Vec<(Arrival, i64)>) -> Vec<(Arrival, i64)> {
    let mut most = i64::MIN;
    for point in &mut points {
        most = most.max(point.1);
        point.1 = most;
    }
    points
}

/// Interpolates `to` at the place where `from` is `at`.
fn between<T>(points: &[T], at: f64, from: impl Fn(&T) -> f64, to: impl Fn(&T) -> f64) -> f64 {
    let next = points.partition_point(|p| from(p) <= at);
    match (next.checked_sub(1).and_then(|i| points.get(i)), points.get(next)) {
        (None, None) => 0.0,
        (Some(p), None) | (None, Some(p)) => to(p),
        (Some(a), Some(b)) => {
            let span = from(b) - from(a);
            let part = if span > 0.0 { (at - from(a)) / span } else { 0.0 };
            to(a) + part * (to(b) - to(a))
        }
    }
}

/// The cursor of one open run or recording.
#[derive(Clone, Debug)]
pub struct Cursor {
    at: Arrival,
    /// Number of arrivals.
    len: u64,
    state: State,
    pub speed: Speed,
    /// Playing goes round it.
    pub looped: Option<ArrivalRange>,
    /// Where playing stands between two arrivals.
    exact: f64,
}

impl Default for Cursor {
    fn default() -> Self {
        Self { at: 0, len: 0, state: State::Paused, speed: Speed::ALL[0], looped: None, exact: 0.0 }
    }
}

impl Cursor {
    #[must_use]
    pub fn at(&self) -> Arrival {
        self.at
    }

    /// Number of arrivals.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    fn last(&self) -> Arrival {
        self.len.saturating_sub(1)
    }

    fn place(&mut self, at: Arrival) {
        self.at = at.min(self.last());
        self.exact = self.at as f64;
    }

    /// More arrived (or another run was opened).
    pub fn set_len(&mut self, len: u64) {
        self.len = len;
        let at = if self.state == State::Following { self.last() } else { self.at };
        if at != self.at || self.at > self.last() {
            self.place(at);
        }
    }

    /// A move by hand.
    pub fn go(&mut self, at: Arrival) {
        self.state = State::Paused;
        self.place(at);
    }

    /// Steps by hand, one arrival at a time also where times are equal.
    pub fn step(&mut self, by: i64) {
        self.go(self.at.saturating_add_signed(by));
    }

    /// The end; of a run in progress: its head, from now on.
    pub fn end(&mut self, in_progress: bool) {
        self.go(self.last());
        if in_progress {
            self.state = State::Following;
        }
    }

    /// Plays, from the start where the cursor stands at the end; or pauses.
    pub fn toggle_play(&mut self) {
        if self.state == State::Playing {
            self.state = State::Paused;
        } else if self.len > 0 {
            match self.loop_range() {
                Some(range) if !range.contains(self.at) => self.place(range.from()),
                None if self.at == self.last() => self.place(0),
                _ => {}
            }
            self.state = State::Playing;
        }
    }

    fn loop_range(&self) -> Option<ArrivalRange> {
        self.looped?.within(self.len)
    }

    /// Plays on by `seconds` of screen time; whether it still plays.
    pub fn advance(&mut self, seconds: f64, clock: &ClockMap) -> bool {
        if self.state != State::Playing {
            return false;
        }
        let range = self.loop_range();
        if let Some(range) = range
            && self.at >= range.to()
        {
            self.place(range.from());
            return true;
        }
        self.exact = match self.speed {
            Speed::WholeIn(whole) => self.exact + seconds * self.len as f64 / whole,
            Speed::Records(rate) => self.exact + seconds * rate,
            Speed::Times(times) => {
                let next = clock.arrival(clock.time(self.exact) + seconds * times * 1000.0);
                let wait =
                    (clock.time(self.at as f64 + 1.0) - clock.time(self.exact)) / (times * 1000.0);
                if wait > LONGEST_GAP { self.at as f64 + 1.0 } else { next.max(self.exact) }
            }
        };
        if let Some(range) = range {
            // Its last arrival is shown before it begins again.
            self.exact = self.exact.min(range.to() as f64);
            self.at = self.exact as u64;
            return true;
        }
        self.at = (self.exact as u64).min(self.last());
        if self.exact >= self.last() as f64 {
            self.go(self.last());
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(len: u64, at: u64) -> Cursor {
        let mut c = Cursor::default();
        c.set_len(len);
        c.go(at);
        c
    }

    #[test]
    fn a_move_by_hand_ends_following_and_end_resumes_it() {
        let mut c = at(10, 0);
        c.end(true);
        assert_eq!((c.at(), c.state()), (9, State::Following));
        c.set_len(20);
        assert_eq!(c.at(), 19);
        c.step(-1);
        assert_eq!((c.at(), c.state()), (18, State::Paused));
        c.set_len(30);
        assert_eq!(c.at(), 18);
        c.end(false);
        assert_eq!((c.at(), c.state()), (29, State::Paused));
    }

    #[test]
    fn steps_stay_within_the_run() {
        let mut c = at(3, 2);
        c.step(1);
        assert_eq!(c.at(), 2);
        c.step(-5);
        assert_eq!(c.at(), 0);
        let mut none = Cursor::default();
        none.step(1);
        none.end(false);
        none.toggle_play();
        assert_eq!((none.at(), none.state()), (0, State::Paused));
    }

    #[test]
    fn playing_takes_the_whole_run_in_its_time_and_stops_at_the_end() {
        let mut c = at(6_000, 0);
        c.toggle_play();
        assert!(c.advance(30.0, &ClockMap::default()));
        assert_eq!(c.at(), 3_000);
        assert!(!c.advance(31.0, &ClockMap::default()));
        assert_eq!((c.at(), c.state()), (5_999, State::Paused));
        c.toggle_play();
        assert_eq!((c.at(), c.state()), (0, State::Playing));
    }

    #[test]
    fn slow_playing_reaches_the_next_record_in_many_frames() {
        let mut c = at(10, 0);
        c.speed = Speed::Records(1.0);
        c.toggle_play();
        for _ in 0..130 {
            c.advance(1.0 / 60.0, &ClockMap::default());
        }
        assert_eq!(c.at(), 2);
    }

    #[test]
    fn a_multiple_of_the_clock_skips_long_gaps() {
        let clock =
            ClockMap::new(vec![(0, 0), (1, 1_000), (2, 3_600_000), (3, 3_601_000), (4, 3_602_000)]);
        let mut c = at(5, 0);
        c.speed = Speed::Times(1.0);
        c.toggle_play();
        c.advance(0.5, &clock);
        assert_eq!(c.at(), 0);
        c.advance(0.6, &clock);
        assert_eq!(c.at(), 1);
        c.advance(0.1, &clock);
        assert_eq!(c.at(), 2);
    }

    #[test]
    fn playing_goes_round_the_looped_range_and_shows_its_last_arrival() {
        let mut c = at(100, 50);
        c.speed = Speed::Records(1.0);
        c.looped = Some(ArrivalRange::between(10, 12));
        c.toggle_play();
        let mut seen = vec![c.at()];
        for _ in 0..5 {
            assert!(c.advance(1.0, &ClockMap::default()));
            seen.push(c.at());
        }
        assert_eq!(seen, [10, 11, 12, 10, 11, 12]);
        c.looped = Some(ArrivalRange::between(98, 200));
        c.go(98);
        c.toggle_play();
        assert!(c.advance(1.0, &ClockMap::default()) && c.advance(1.0, &ClockMap::default()));
        assert_eq!(c.at(), 98, "also where the range ends with the run");
    }

    #[test]
    fn a_refined_clock_is_exact_within_the_stretch() {
        let clock = ClockMap::new(vec![(0, 0), (100, 1_000), (200, 2_000)]);
        let fine = clock.refined(&ClockMap::new(vec![(90, 10), (95, 900), (110, 1_100)]));
        assert!((fine.time(95.0) - 900.0).abs() < 1e-9);
        assert!((fine.time(45.0) - 5.0).abs() < 1e-9);
        assert!((fine.time(200.0) - 2_000.0).abs() < 1e-9);
        assert_eq!(clock.refined(&ClockMap::default()), clock);
    }

    #[test]
    fn the_clock_maps_both_ways() {
        let clock = ClockMap::new(vec![(0, 100), (10, 200), (20, 200), (30, 400)]);
        assert!((clock.time(5.0) - 150.0).abs() < 1e-9);
        assert!((clock.time(99.0) - 400.0).abs() < 1e-9);
        assert!((clock.arrival(300.0) - 25.0).abs() < 1e-9);
        assert!((clock.arrival(0.0)).abs() < 1e-9);
    }
}
