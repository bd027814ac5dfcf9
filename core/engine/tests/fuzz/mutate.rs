//! Inputs from inputs.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Numbers at which length arithmetic goes wrong.
const ODD: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    1 << 40,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX,
];

/// A seeded source of mutated seeds.
pub struct Mutator<'a> {
    random: ChaCha8Rng,
    seeds: &'a [Vec<u8>],
}

impl<'a> Mutator<'a> {
    pub fn new(seed: u64, seeds: &'a [Vec<u8>]) -> Self {
        Self { random: ChaCha8Rng::seed_from_u64(seed), seeds }
    }

    fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { self.random.random_range(0..n) }
    }

    fn pick(&mut self) -> &'a [u8] {
        let at = self.below(self.seeds.len());
        &self.seeds[at]
    }

    /// One seed, changed in one to six places.
    pub fn next_input(&mut self) -> Vec<u8> {
        let mut input = self.pick().to_vec();
        for _ in 0..=self.below(6) {
            self.change(&mut input);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len());
        match self.below(9) {
            0 if !input.is_empty() => input[at] ^= 1 << self.below(8),
            1 if !input.is_empty() => input[at] = self.random.random(),
            2 => input.truncate(at),
            3 => {
                let byte = self.random.random();
                input.insert(at, byte);
            }
            4 | 5 => {
                // A length or number that lies, as 1, 2, 4 or 8 bytes.
                let odd = ODD[self.below(ODD.len())].to_le_bytes();
                let n = (1 << self.below(4)).min(input.len() - at);
                input[at..at + n].copy_from_slice(&odd[..n]);
            }
            6 => {
                let end = (at + 1 + self.below(64)).min(input.len());
                input.drain(at.min(end)..end);
            }
            7 => {
                let end = (at + 1 + self.below(64)).min(input.len());
                let piece = input[at.min(end)..end].to_vec();
                let to = self.below(input.len() + 1);
                input.splice(to..to, piece);
            }
            _ => {
                let other = self.pick();
                let from = self.below(other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
    }
}
