//! From times to places: gaps shortened, so that a chain of milliseconds and
//! one of days are both read; or to scale.

/// How time becomes room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spacing {
    /// Every step has room; longer ones have more, by their logarithm.
    #[default]
    Shortened,
    ToScale,
}

impl Spacing {
    pub const ALL: [Self; 2] = [Self::Shortened, Self::ToScale];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Shortened => "gaps shortened",
            Self::ToScale => "to scale",
        }
    }
}

/// A moment: ms, and what comes first of what happens then.
pub type Moment = (i64, u8);

/// Places of moments between 0 and 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map {
    /// Ascending.
    points: Vec<(Moment, f64)>,
}

impl Map {
    #[must_use]
    pub fn new(moments: impl IntoIterator<Item = Moment>, spacing: Spacing) -> Self {
        let mut moments: Vec<Moment> = moments.into_iter().collect();
        moments.sort_unstable();
        moments.dedup();
        let (Some(first), Some(last)) = (moments.first().copied(), moments.last().copied()) else {
            return Self::default();
        };
        let span = (last.0.abs_diff(first.0) as f64).max(1.0);
        let mut at = 0.0;
        let mut before = first;
        let mut points: Vec<(Moment, f64)> = Vec::with_capacity(moments.len());
        for moment in moments {
            let gap = moment.0.abs_diff(before.0) as f64;
            at = match spacing {
                Spacing::ToScale => moment.0.abs_diff(first.0) as f64 / span,
                _ if moment == before => at,
                Spacing::Shortened => at + 1.0 + 0.6 * gap.ln_1p() / std::f64::consts::LN_10,
            };
            before = moment;
            points.push((moment, at));
        }
        let whole = points.last().map_or(1.0, |p| p.1).max(f64::MIN_POSITIVE);
        if spacing == Spacing::Shortened && points.len() > 1 {
            points.iter_mut().for_each(|p| p.1 /= whole);
        }
        if points.len() == 1 {
            points[0].1 = 0.5;
        }
        Self { points }
    }

    /// The place of a moment, between its neighbours where it is not one.
    #[must_use]
    pub fn place(&self, moment: Moment) -> f64 {
        let after = self.points.partition_point(|p| p.0 < moment);
        match (after.checked_sub(1).and_then(|i| self.points.get(i)), self.points.get(after)) {
            (None, None) => 0.5,
            (_, Some(p)) if p.0 == moment => p.1,
            (Some(p), None) | (None, Some(p)) => p.1,
            (Some(a), Some(b)) => {
                let span = (b.0.0.abs_diff(a.0.0) as f64).max(1.0);
                let part = moment.0.abs_diff(a.0.0) as f64 / span;
                a.1 + (b.1 - a.1) * part.clamp(0.0, 1.0)
            }
        }
    }

    /// First and last, ms.
    #[must_use]
    pub fn ends(&self) -> Option<(i64, i64)> {
        Some((self.points.first()?.0.0, self.points.last()?.0.0))
    }

    /// Times and places, each time once.
    pub fn times(&self) -> impl Iterator<Item = (i64, f64)> + '_ {
        let mut last = None;
        self.points
            .iter()
            .filter_map(move |((ms, _), at)| (last.replace(*ms) != Some(*ms)).then_some((*ms, *at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortened_gaps_keep_their_order_and_leave_room_for_each() {
        let moments = [(0, 0), (0, 1), (1, 0), (2, 0), (86_400_000, 0), (86_400_005, 2)];
        let map = Map::new(moments, Spacing::Shortened);
        let places: Vec<f64> = moments.iter().map(|m| map.place(*m)).collect();
        assert!((places[0], places[5]) == (0.0, 1.0), "{places:?}");
        assert!(places.windows(2).all(|w| w[1] - w[0] > 0.05), "{places:?}");
        // A day is longer than a millisecond, but not all there is.
        assert!(places[4] - places[3] > places[3] - places[2]);
        assert!(places[4] - places[3] < 0.6, "{places:?}");
        assert!(map.place((40_000_000, 0)) > places[3] && map.place((40_000_000, 0)) < places[4]);
    }

    #[test]
    fn to_scale_is_to_scale() {
        let map = Map::new([(-100, 0), (0, 0), (300, 0)], Spacing::ToScale);
        assert!((map.place((0, 0)) - 0.25).abs() < 1e-9);
        assert!((map.place((100, 0)) - 0.5).abs() < 1e-9);
        let extreme = Map::new([(i64::MIN, 0), (i64::MAX, 0)], Spacing::ToScale);
        assert!(extreme.place((0, 0)).is_finite());
        assert!((Map::new([(7, 0)], Spacing::ToScale).place((7, 0)) - 0.5).abs() < 1e-9);
    }
}
