//! The one axis that every time panel shares: one transform, in `i64` against
//! the left edge and `f64` from there, and one gutter.

use joinscope_core::run::{Axis as RunAxis, Range};
use joinscope_operator::record::Arrival;

use super::cursor::ClockMap;

/// Width of the labels left of every time panel, points.
pub const GUTTER: f32 = 120.0;
/// Room at the right of every time panel, points.
pub const RIGHT: f32 = 12.0;

/// The clock that the axis shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Arrival number: every record takes the same room.
    Arrival,
    /// Arrival time; equal times share a pixel.
    #[default]
    ArrivalTime,
    /// Event time: an arrival stands where the join's event-time watermark was,
    /// a record, where it is shown by itself, at its own time.
    EventTime,
}

impl Scale {
    pub const ALL: [Self; 3] = [Self::Arrival, Self::ArrivalTime, Self::EventTime];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Arrival => "arrival",
            Self::ArrivalTime => "arrival time",
            Self::EventTime => "event time",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scale| scale.name() == name)
    }
}

/// The range in sight and its place on screen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    pub scale: Scale,
    /// On the scale: arrivals, or ms. `from < to`.
    pub from: i64,
    pub to: i64,
    /// Points.
    pub left: f32,
    pub width: f32,
}

impl Axis {
    /// `view`: first and last arrival in sight.
    #[must_use]
    pub fn new(
        scale: Scale,
        view: (Arrival, Arrival),
        clock: &ClockMap,
        left: f32,
        width: f32,
    ) -> Self {
        // Without an event-time watermark there is nowhere to stand on its scale.
        let scale = match scale {
            Scale::EventTime if !clock.has_event_time() => Scale::ArrivalTime,
            scale => scale,
        };
        let (from, to) = match scale {
            Scale::Arrival => (view.0 as i64, view.1 as i64),
            Scale::EventTime => {
                let (from, to) = (clock.event_time(view.0 as f64), clock.event_time(view.1 as f64));
                let slack = clock.slack();
                (
                    (from.floor() as i64).saturating_sub(slack),
                    (to.ceil() as i64).saturating_add(slack),
                )
            }
            Scale::ArrivalTime => {
                (clock.time(view.0 as f64).floor() as i64, clock.time(view.1 as f64).ceil() as i64)
            }
        };
        Self { scale, from, to: to.max(from.saturating_add(1)), left, width: width.max(1.0) }
    }

    /// The range as the run store is asked for it; `to` is past the last.
    #[must_use]
    pub fn range(&self) -> Range {
        let axis = match self.scale {
            Scale::Arrival => RunAxis::Arrival,
            Scale::ArrivalTime => RunAxis::ArrivalTime,
            Scale::EventTime => RunAxis::EventTime,
        };
        Range { axis, from: self.from, to: self.to.saturating_add(1) }
    }

    fn span(&self) -> f64 {
        (i128::from(self.to) - i128::from(self.from)) as f64
    }

    /// Screen position of a value on the scale.
    #[must_use]
    pub fn x(&self, value: i64) -> f32 {
        let part = (i128::from(value) - i128::from(self.from)) as f64 / self.span();
        self.left + (part * f64::from(self.width)) as f32
    }

    /// Screen position of an arrival.
    #[must_use]
    pub fn x_of(&self, arrival: Arrival, clock: &ClockMap) -> f32 {
        match self.scale {
            Scale::Arrival => self.x(arrival as i64),
            Scale::ArrivalTime => self.x(clock.time(arrival as f64).round() as i64),
            Scale::EventTime => self.x(clock.event_time(arrival as f64).round() as i64),
        }
    }

    /// The value at a screen position.
    #[must_use]
    pub fn value(&self, x: f32) -> i64 {
        let part = f64::from((x - self.left) / self.width).clamp(0.0, 1.0);
        self.from.saturating_add((part * self.span()).round() as i64)
    }

    /// The arrival at a screen position that may lie outside the axis.
    #[must_use]
    pub fn arrival_beyond(&self, x: f32, clock: &ClockMap) -> f64 {
        let part = f64::from((x - self.left) / self.width);
        let value = self.from as f64 + part * self.span();
        match self.scale {
            Scale::Arrival => value,
            Scale::ArrivalTime => clock.arrival(value),
            Scale::EventTime => clock.arrival_of_event(value),
        }
    }

    /// The arrival at a screen position.
    #[must_use]
    pub fn arrival(&self, x: f32, clock: &ClockMap) -> Arrival {
        let value = self.value(x);
        match self.scale {
            Scale::Arrival => value.max(0) as u64,
            Scale::ArrivalTime => clock.arrival(value as f64).round().max(0.0) as u64,
            Scale::EventTime => clock.arrival_of_event(value as f64).round().max(0.0) as u64,
        }
    }
}

/// The view moved by `by` arrivals, as wide as before, within `len` arrivals;
/// `None`: all of them are in sight.
#[must_use]
pub fn moved(view: (Arrival, Arrival), by: f64, len: u64) -> Option<(Arrival, Arrival)> {
    let last = len.saturating_sub(1);
    let wide = view.1.saturating_sub(view.0).min(last);
    if wide >= last {
        return None;
    }
    // At least one record, also where a point is less than that.
    let by = if by > 0.0 { by.max(1.0) } else { by.min(-1.0) };
    let from = (view.0 as f64 + by).round().clamp(0.0, (last - wide) as f64) as u64;
    Some((from, from + wide))
}

/// The view made `factor` times as wide around `at`, within `len` arrivals.
#[must_use]
pub fn zoomed(
    view: (Arrival, Arrival),
    at: Arrival,
    factor: f64,
    len: u64,
) -> Option<(Arrival, Arrival)> {
    let last = len.saturating_sub(1);
    let from = at as f64 - (at as f64 - view.0 as f64) * factor;
    let to = at as f64 + (view.1 as f64 - at as f64) * factor;
    let (from, to) = (from.floor().max(0.0) as u64, (to.ceil() as u64).min(last));
    if from == 0 && to >= last {
        return None;
    }
    // Never closer than a handful of records; all of so few stay in sight, also when
    // there are more.
    let narrowest = Some(view).filter(|view| *view != (0, last));
    (to.saturating_sub(from) >= 8).then_some((from, to)).or(narrowest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_times_lose_no_millisecond() {
        let from = 1_763_626_401_480;
        let axis =
            Axis { scale: Scale::ArrivalTime, from, to: from + 100, left: 10.0, width: 1000.0 };
        assert!((axis.x(from + 7) - 80.0).abs() < 1e-3);
        assert_eq!(axis.value(80.0), from + 7);
        let wide = Axis { from: i64::MIN, to: i64::MAX, ..axis };
        assert!((wide.x(0) - 510.0).abs() < 1e-2);
    }

    #[test]
    fn on_event_time_an_arrival_stands_at_the_watermark_with_room_for_the_rest() {
        let clock = ClockMap::new(vec![(0, 0), (99, 1_000)]);
        let none = Axis::new(Scale::EventTime, (0, 99), &clock, 0.0, 100.0);
        assert_eq!(none.scale, Scale::ArrivalTime);
        let clock = clock.with_event_time(vec![(10, 5_000), (99, 9_000)], 500);
        let axis = Axis::new(Scale::EventTime, (0, 99), &clock, 0.0, 500.0);
        assert_eq!((axis.from, axis.to), (4_500, 9_500));
        assert!((axis.x_of(99, &clock) - 450.0).abs() < 1e-3);
        assert_eq!(axis.arrival(450.0, &clock), 99);
        assert_eq!(axis.arrival(0.0, &clock), 10, "before it there was none");
    }

    #[test]
    fn zooming_keeps_what_is_under_the_pointer() {
        let view = zoomed((0, 999), 500, 0.5, 1000).unwrap();
        assert!(view.0 <= 251 && view.1 >= 749 && view.0 >= 249 && view.1 <= 751);
        assert_eq!(zoomed(view, 500, 4.0, 1000), None);
        assert_eq!(zoomed((10, 18), 12, 0.1, 1000), Some((10, 18)));
        assert_eq!(zoomed((0, 4), 2, 0.5, 5), None, "of a run in progress more may come");
    }

    #[test]
    fn moving_keeps_the_width_and_stops_at_the_ends() {
        assert_eq!(moved((100, 199), 50.0, 1000), Some((150, 249)));
        assert_eq!(moved((100, 199), -0.2, 1000), Some((99, 198)));
        assert_eq!(moved((100, 199), -500.0, 1000), Some((0, 99)));
        assert_eq!(moved((100, 199), 5000.0, 1000), Some((900, 999)));
        assert_eq!(moved((0, 999), 10.0, 1000), None);
    }
}
