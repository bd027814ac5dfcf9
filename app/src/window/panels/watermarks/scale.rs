//! The vertical scale: lag behind arrival (down), or event time (up).

use egui::Rangef;
use joinscope_core::operator::time::format_duration;

use crate::window::calendar;
use crate::window::times::Times;

/// What stands on the vertical axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vertical {
    Lag,
    EventTime,
}

impl Vertical {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lag => "lag behind arrival",
            Self::EventTime => "event time",
        }
    }

    /// The value of an event-time watermark (or event time) at an arrival time, ms.
    #[must_use]
    pub fn value(self, arrival_ms: i64, event_ms: i64) -> i64 {
        match self {
            Self::Lag => arrival_ms.saturating_sub(event_ms),
            Self::EventTime => event_ms,
        }
    }
}

/// So far within the edge stands what is not on the scale, points.
const EDGE: f32 = 2.0;

/// From values to points: in `i64` against the smallest, `f64` from there.
#[derive(Clone, Copy, Debug)]
pub struct Height {
    vertical: Vertical,
    low: i64,
    high: i64,
    room: Rangef,
}

impl Height {
    /// Fits `low..=high` into `room` with a margin.
    #[must_use]
    pub fn new(vertical: Vertical, low: i64, high: i64, room: Rangef) -> Self {
        let (low, high) = match vertical {
            // Zero lag is always in sight, with some room above it.
            Vertical::Lag => (low.min(0), high.max(0)),
            Vertical::EventTime => (low, high),
        };
        let pad = (high.saturating_sub(low) / 20).max(1);
        Self { vertical, low: low.saturating_sub(pad), high: high.saturating_add(pad), room }
    }

    /// The height of a value; of one that is not on the scale, at its edge.
    #[must_use]
    pub fn y(&self, value: i64) -> f32 {
        let span = (i128::from(self.high) - i128::from(self.low)) as f64;
        let part = ((i128::from(value) - i128::from(self.low)) as f64 / span) as f32;
        let inset = (EDGE / self.room.span()).min(0.5);
        let part = part.clamp(inset, 1.0 - inset);
        match self.vertical {
            Vertical::Lag => self.room.min + part * self.room.span(),
            Vertical::EventTime => self.room.max - part * self.room.span(),
        }
    }

    /// Values of grid lines with their labels, at least about `apart` points from each other.
    #[must_use]
    pub fn ticks(&self, times: &Times, apart: f32) -> Vec<(i64, String)> {
        let span = (i128::from(self.high) - i128::from(self.low)) as f64;
        let least = (span * f64::from(apart / self.room.span().max(1.0))).ceil() as i64;
        if self.vertical == Vertical::EventTime {
            return calendar::ticks(times, self.low, self.high, least);
        }
        let step = calendar::duration_step(least).max(1);
        let first = self.low.div_euclid(step).saturating_add(1).saturating_mul(step);
        (0..64)
            .map(|i| first.saturating_add(step.saturating_mul(i)))
            .take_while(|v| *v < self.high)
            .map(|v| {
                let sign = if v < 0 { "−" } else { "" };
                (v, format!("{sign}{}", format_duration(v.saturating_abs())))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::times::Zone;

    #[test]
    fn lag_grows_downwards_and_zero_is_in_sight() {
        let h = Height::new(Vertical::Lag, 60_000, 480_000, Rangef::new(100.0, 300.0));
        assert!(h.y(0) > 100.0 && h.y(0) < h.y(60_000) && h.y(480_000) < 300.0);
        let ticks = h.ticks(&Times::new(&Zone::Utc, 0, 1), 30.0);
        assert!(ticks.contains(&(0, "0 s".to_owned())) && ticks.len() >= 3, "{ticks:?}");
        for (far, edge) in [(-31_536_000_000, 102.0), (i64::MIN, 102.0), (31_536_000_000, 298.0)] {
            assert!((h.y(far) - edge).abs() < 0.01, "{far} stands at the edge");
        }
    }

    #[test]
    fn event_time_grows_upwards_without_losing_milliseconds() {
        let at = 1_763_626_401_480;
        let h = Height::new(Vertical::EventTime, at, at + 100, Rangef::new(0.0, 110.0));
        assert!((h.y(at) - h.y(at + 1) - 1.0).abs() < 0.01);
        let extreme = Height::new(Vertical::Lag, i64::MIN, i64::MAX, Rangef::new(0.0, 10.0));
        assert!(extreme.y(0).is_finite());
        assert!(!extreme.ticks(&Times::new(&Zone::Utc, 0, 1), 1.0).is_empty());
    }
}
