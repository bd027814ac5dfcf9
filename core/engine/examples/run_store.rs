//! Measures the run store by itself: what writing costs a row, and the
//! questions of the design's table.
//!
//! `cargo run -p joinscope-core --example run_store -- FOLDER [RECORDS [write]]`

use std::path::PathBuf;

use joinscope_core::run::{Run, bench_questions, bench_search, synthetic};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().ok_or("name a folder")?);
    let records: u64 = args.next().map_or(Ok(10_000_000), |n| n.parse())?;
    if !dir.exists() {
        let f = synthetic::write(&dir, records)?;
        println!(
            "{} rows, {} decisions, {} outputs: {:.0} ns a row in the store, {:.0} bytes a row",
            f.rows,
            f.decisions,
            f.outputs,
            f.store.as_nanos() as f64 / f.rows as f64,
            f.bytes as f64 / f.rows as f64,
        );
    }
    if args.next().is_some_and(|arg| arg == "write") {
        return Ok(());
    }
    let before = std::time::Instant::now();
    let run = Run::open(&dir)?;
    println!("open: {:.0} ms", before.elapsed().as_secs_f64() * 1e3);
    println!(
        "{:40} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "ms", "bound", "disk p50", "p99", "cold p50", "p99", "warm p50", "p99"
    );
    for q in bench_questions(&run, 100)? {
        println!(
            "{:40} {:8.0} {:8.2} {:8.2} {:8.2} {:8.2} {:8.2} {:8.2}",
            q.question,
            q.bound_ms,
            q.disk_p50_ms,
            q.disk_p99_ms,
            q.cold_p50_ms,
            q.cold_p99_ms,
            q.warm_p50_ms,
            q.warm_p99_ms
        );
    }
    println!("text search: {:.1} M rows/s", bench_search(&run)? / 1e6);
    Ok(())
}
