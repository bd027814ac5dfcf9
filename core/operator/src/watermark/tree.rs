//! The smallest of many values of which one changes at a time.

/// A tournament tree over `n` values; one that is left out stands as `i64::MAX`.
#[derive(Clone, Debug)]
pub(super) struct MinTree {
    /// Node `i` holds the smaller of `2 i` and `2 i + 1`; leaves start at `leaves`.
    nodes: Vec<i64>,
    leaves: usize,
}

impl MinTree {
    /// `n` values at `i64::MIN`.
    pub(super) fn new(n: usize) -> Self {
        let leaves = n.next_power_of_two();
        let mut nodes = vec![i64::MAX; 2 * leaves];
        nodes[leaves..leaves + n].fill(i64::MIN);
        for i in (1..leaves).rev() {
            nodes[i] = nodes[2 * i].min(nodes[2 * i + 1]);
        }
        Self { nodes, leaves }
    }

    /// Changes one value: as many steps up as minima change, mostly none.
    #[inline]
    pub(super) fn set(&mut self, k: usize, value: i64) {
        let mut i = self.leaves + k;
        self.nodes[i] = value;
        while i > 1 {
            i /= 2;
            let min = self.nodes[2 * i].min(self.nodes[2 * i + 1]);
            if self.nodes[i] == min {
                break;
            }
            self.nodes[i] = min;
        }
    }

    #[inline]
    pub(super) fn min(&self) -> i64 {
        self.nodes[1]
    }

    /// Where the smallest value stands, the first of equal ones.
    pub(super) fn argmin(&self) -> usize {
        let mut i = 1;
        while i < self.leaves {
            i = if self.nodes[2 * i] == self.nodes[i] { 2 * i } else { 2 * i + 1 };
        }
        i - self.leaves
    }
}

#[cfg(test)]
mod tests {
    use super::MinTree;

    #[test]
    fn agrees_with_a_scan() {
        for n in [1usize, 2, 3, 5, 8, 13] {
            let mut values = vec![i64::MIN; n];
            let mut tree = MinTree::new(n);
            let mut x = 12_345u64;
            for _ in 0..500 {
                x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let (k, v) = ((x >> 33) as usize % n, ((x >> 40) % 7) as i64);
                values[k] = v;
                tree.set(k, v);
                let min = *values.iter().min().unwrap();
                assert_eq!(tree.min(), min);
                assert_eq!(tree.argmin(), values.iter().position(|&v| v == min).unwrap());
            }
        }
    }
}
