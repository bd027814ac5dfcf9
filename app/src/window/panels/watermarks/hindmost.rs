//! Which partitions hold the join's event-time watermark back: one, or several that
//! are level with each other and far behind the rest.

use joinscope_core::run::WatermarksAt;

/// Behind the others by less is nothing to speak of, ms …
pub const BEHIND: i64 = 1_000;
/// … and several that are behind the others by less are level with them, ms.
pub const FAR: i64 = 5_000;

/// The partitions that are behind all others that are not idle.
#[derive(Debug, PartialEq, Eq)]
pub struct Hindmost {
    /// In order.
    pub lanes: Vec<u32>,
    /// How far the next is before the last of all, ms.
    pub gap: i64,
}

impl Hindmost {
    #[must_use]
    pub fn has(&self, lane: u32) -> bool {
        self.lanes.binary_search(&lane).is_ok()
    }
}

/// Event-time watermarks of the lanes that are not idle, ms.
pub fn active(at: &WatermarksAt) -> impl Iterator<Item = (i64, u32)> {
    let lanes = at.lanes.iter().enumerate().filter(|(_, l)| !l.idle);
    lanes.filter_map(|(i, l)| Some((l.watermark?, i as u32)))
}

/// From the last partition to the first, ms.
#[must_use]
pub fn spread(at: &WatermarksAt) -> i64 {
    let ends = active(at).map(|(ms, _)| ms).min().zip(active(at).map(|(ms, _)| ms).max());
    ends.map_or(0, |(last, first)| first.saturating_sub(last))
}

/// Who is behind all others, where that is something to speak of: one that is behind
/// the next, or several, as the partitions of an input that ended, far behind the rest.
#[must_use]
pub fn hindmost(at: &WatermarksAt, lane: u32) -> Option<Hindmost> {
    let own = at.lanes.get(lane as usize)?.watermark?;
    let mut others: Vec<(i64, u32)> = active(at).filter(|(_, l)| *l != lane).collect();
    others.sort_unstable();
    let gap = others.first()?.0.saturating_sub(own);
    if gap >= BEHIND {
        return Some(Hindmost { lanes: vec![lane], gap });
    }
    let far = |pair: &[(i64, u32)]| pair[1].0.saturating_sub(pair[0].0) >= FAR;
    let level = others.windows(2).position(far)? + 1;
    let gap = others.get(level)?.0.saturating_sub(own);
    let level = others.iter().take(level).map(|(_, l)| *l);
    let mut lanes: Vec<u32> = std::iter::once(lane).chain(level).collect();
    lanes.sort_unstable();
    Some(Hindmost { lanes, gap })
}

#[cfg(test)]
mod tests {
    use super::*;
    use joinscope_core::run::LaneAt;

    fn at(watermarks: &[Option<i64>]) -> WatermarksAt {
        let lane = |ms: Option<i64>| LaneAt {
            watermark: ms,
            max_seen: ms,
            idle: false,
            since: None,
            last_active_ms: Some(0),
        };
        WatermarksAt {
            arrival: 9,
            arrival_ms: 100_000,
            lanes: watermarks.iter().copied().map(lane).collect(),
            inputs: Vec::new(),
            join: None,
            holder: None,
            restarted: None,
        }
    }

    #[test]
    fn one_a_second_behind_the_next_is_alone_and_several_have_to_be_far_behind() {
        let lanes = |ms: &[i64], last| {
            let ms: Vec<Option<i64>> = ms.iter().copied().map(Some).collect();
            hindmost(&at(&ms), last).map(|h| (h.lanes, h.gap))
        };
        assert_eq!(lanes(&[1_000, 0, 90_000], 1), Some((vec![1], 1_000)));
        assert_eq!(lanes(&[90_000, 999, 0, 95_000], 2), Some((vec![1, 2], 90_000)));
        assert_eq!(lanes(&[0, 100, 5_099], 0), None);
        assert_eq!(lanes(&[0, 100, 5_100], 0), Some((vec![0, 1], 5_100)));
        assert_eq!(lanes(&[7], 0), None, "nobody to be behind of");
        assert_eq!(lanes(&[7], 4), None, "no such partition");
    }

    #[test]
    fn who_is_idle_or_has_no_watermark_is_not_compared_with() {
        let mut some = at(&[Some(0), None, Some(100), Some(60_000)]);
        assert_eq!((hindmost(&some, 1), spread(&some)), (None, 60_000));
        some.lanes[3].idle = true;
        assert_eq!((hindmost(&some, 0), spread(&some)), (None, 100));
        assert_eq!(spread(&at(&[])), 0);
    }
}
