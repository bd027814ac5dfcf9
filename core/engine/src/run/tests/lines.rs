//! Lines of more rows than are read one by one, held against those that are.

use crate::run::{Axis, Lines, MinMax, Range, Run, synthetic};

/// Buckets that 256 arrivals touch.
const NEAR: usize = 3;

/// The largest value of each line at the end of each bucket.
fn ends(lines: &Lines) -> Vec<Vec<i64>> {
    let all = lines.lane_lines.iter().chain(&lines.inputs).chain([&lines.join, &lines.arrival_ms]);
    let max = |at: &Option<MinMax>| at.map_or(i64::MIN, |at| at.max);
    all.map(|line| line.iter().map(max).collect()).collect()
}

#[test]
fn lines_of_many_rows_are_as_fine_as_256_arrivals() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    // 125 arrivals a bucket.
    synthetic::write(&dir, 200_000).unwrap();
    let run = Run::open(&dir).unwrap();
    let lanes: Vec<u32> = (0..8).collect();
    let ask = |from, to, buckets| {
        run.lines(Range { axis: Axis::Arrival, from, to }, &lanes, buckets).unwrap()
    };
    let coarse = ends(&ask(0, 200_000, 1600));
    let (mut exact, second) = (ends(&ask(0, 100_000, 800)), ends(&ask(100_000, 200_000, 800)));
    exact.iter_mut().zip(second).for_each(|(line, rest)| line.extend(rest));
    assert_eq!((coarse.len(), exact.len()), (8 + 2 + 2, 8 + 2 + 2));
    let mut differ = 0;
    for (n, (coarse, exact)) in coarse.iter().zip(&exact).enumerate() {
        assert!(exact[1599] > i64::MIN, "line {n} never begins");
        assert_eq!(coarse[1599], exact[1599], "line {n} at its end");
        for b in 0..1600usize {
            let low = b.checked_sub(NEAR).map_or(i64::MIN, |b| exact[b]);
            let high = exact[(b + NEAR).min(1599)];
            assert!((low..=high).contains(&coarse[b]), "line {n}, bucket {b}");
            differ += usize::from(coarse[b] != exact[b]);
        }
    }
    assert!(differ > 0, "then nothing would be gained");
}

#[test]
fn bars_of_even_arrivals_are_even_however_many() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    synthetic::write(&dir, 200_000).unwrap();
    let run = Run::open(&dir).unwrap();
    // 500 to 720 arrivals a bar: more than two blocks of 256 and less than three, and
    // ranges that begin and end within one.
    for (from, to, buckets) in [(0, 200_000, 280), (0, 200_000, 333), (100, 199_900, 399)] {
        let range = Range { axis: Axis::Arrival, from, to };
        let density = run.density_of_groups(range, &[0; 8], 1, buckets).unwrap();
        let bars: Vec<u32> = (0..buckets).map(|b| density.at(0, b).iter().sum()).collect();
        assert!(bars.iter().sum::<u32>().abs_diff((to - from) as u32) <= 20, "{buckets}");
        let usual = (to - from) as u32 / buckets as u32;
        for (b, n) in bars.iter().enumerate() {
            assert!(n.abs_diff(usual) <= 12, "bar {b} of {buckets}: {n}, not about {usual}");
        }
    }
}
