//! Which old checkpoints to keep.

/// Which of `arrivals` (one a checkpoint, ascending) may go, so that at most
/// `keep` stay; positions in ascending order.
///
/// The first and the newest two always stay (a crash while the newest is
/// adopted needs the one before). Of the others, the one goes whose gap
/// (from its neighbour before to its neighbour after) is smallest against its
/// age: what stays lies the denser the newer it is, in steps that grow
/// geometrically with age. `keep` below 3 means 3.
#[must_use]
pub fn thin(arrivals: &[u64], keep: usize) -> Vec<usize> {
    let keep = keep.max(3);
    let mut kept: Vec<usize> = (0..arrivals.len()).collect();
    let Some(newest) = arrivals.last().copied() else { return Vec::new() };
    let mut gone = Vec::new();
    while kept.len() > keep {
        let worst = (1..kept.len() - 2)
            .min_by(|a, b| {
                let weight = |i: usize| {
                    let gap = arrivals[kept[i + 1]].saturating_sub(arrivals[kept[i - 1]]);
                    let age = newest.saturating_sub(arrivals[kept[i]]) + 1;
                    (u128::from(gap), u128::from(age))
                };
                let ((gap_a, age_a), (gap_b, age_b)) = (weight(*a), weight(*b));
                (gap_a * age_b).cmp(&(gap_b * age_a))
            })
            .unwrap_or(1);
        gone.push(kept.remove(worst));
    }
    gone.sort_unstable();
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_is_denser_towards_the_end() {
        let mut kept: Vec<u64> = Vec::new();
        for n in 1..=1_000u64 {
            kept.push(n * 1_000_000);
            for at in thin(&kept, 16).into_iter().rev() {
                kept.remove(at);
            }
            assert!(kept.len() <= 16);
            assert_eq!(kept[0], 1_000_000);
            assert_eq!(kept[kept.len() - 1], n * 1_000_000);
            assert!(n < 2 || kept.contains(&((n - 1) * 1_000_000)));
        }
        let gaps: Vec<u64> = kept.windows(2).map(|w| w[1] - w[0]).collect();
        // Geometric within a factor: no gap is larger than the age of its end allows.
        for (gap, pair) in gaps.iter().zip(kept.windows(2)) {
            assert!(*gap <= 1_000_000_000 - pair[0], "{kept:?}");
        }
        assert!(gaps[0] > 20 * gaps[gaps.len() - 1], "{kept:?}");
    }

    #[test]
    fn few_stay_whole() {
        assert_eq!(thin(&[], 4), Vec::<usize>::new());
        assert_eq!(thin(&[5, 6, 7], 1), Vec::<usize>::new());
        assert_eq!(thin(&[0, 10, 20, 30], 3), vec![1]);
    }
}
