//! Fuzz targets on a stable toolchain: seeds are mutated with a seeded random
//! source for `JOINSCOPE_FUZZ_SECONDS` (5), starting at `JOINSCOPE_FUZZ_SEED`. The
//! same functions are the targets of `fuzz/` (cargo-fuzz). A target that panics
//! leaves its input in a file and says where.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

mod decoders;
mod mutate;
mod pipeline;
mod recording;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use joinscope_core::process::peak_address_space;

/// What a target may add to the process's address space while it runs.
const MEMORY: u64 = 1_500_000_000;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// Runs `target` on `seeds` and on what becomes of them.
pub fn hammer(name: &str, seeds: &[Vec<u8>], target: fn(&[u8])) {
    let time = Duration::from_secs(setting("JOINSCOPE_FUZZ_SECONDS", 5));
    let seed = setting("JOINSCOPE_FUZZ_SEED", 1);
    let run = |input: &[u8]| {
        if catch_unwind(AssertUnwindSafe(|| target(input))).is_err() {
            let path = std::env::temp_dir().join(format!("joinscope-fuzz-{name}"));
            let kept = std::fs::write(&path, input);
            panic!("{name}: the input is in {} ({kept:?})", path.display());
        }
    };
    seeds.iter().for_each(|seed| run(seed));
    let before = peak_address_space();
    let mut mutator = mutate::Mutator::new(seed, seeds);
    let begin = Instant::now();
    let mut runs = 0u64;
    while begin.elapsed() < time {
        run(&mutator.next_input());
        runs += 1;
    }
    assert!(runs > 0, "the seeds alone took all the time");
    if let (Some(before), Some(after)) = (before, peak_address_space()) {
        assert!(after - before < MEMORY, "{name}: {} MB more memory", (after - before) / 1_000_000);
    }
    println!("{name}: {runs} inputs");
}
