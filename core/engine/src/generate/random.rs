//! Random numbers that are the same on every machine and with every version of
//! the libraries: whole numbers from `ChaCha8`, and only the exact operations of
//! floating point on top.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

/// A seeded source.
#[derive(Clone, Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// Streams of one seed are independent of one another.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(stream);
        Self(random)
    }

    /// `0..n`; 0 for `n = 0`.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(n)) >> 64) as u64
    }

    /// 0 ≤ x < 1.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// `0..n`, small numbers more often: half of all below `n / 2^power`.
    pub fn skewed(&mut self, n: u64, power: u32) -> u64 {
        let x = self.unit();
        let mut product = x;
        for _ in 1..power.max(1) {
            product *= x;
        }
        ((product * n as f64) as u64).min(n.saturating_sub(1))
    }
}
