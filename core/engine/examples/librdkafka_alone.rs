//! What librdkafka alone consumes, in a program that has the system's allocator:
//! the yardstick of `joinscope bench record --alone`.
//!
//! `cargo run -p joinscope-core --example librdkafka_alone -- BROKERS TOPIC,…`
//!
//! Prints `{"records": …, "seconds": …, "cpu_seconds": …}` on one line.

use std::time::{Duration, Instant};

use joinscope_core::edges::kafka::{Settings, consume_alone};
use joinscope_core::process::process_cpu;

/// librdkafka's queues hold so much, as `record`'s.
const MEMORY: u64 = 256 << 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(brokers), Some(topics)) = (args.next(), args.next()) else {
        return Err("name the brokers (host:port,…) and the topics (a,b,…)".into());
    };
    let topics: Vec<String> = topics.split(',').map(str::to_owned).collect();
    let (begin, cpu) = (Instant::now(), process_cpu());
    let settings = Settings::new(brokers);
    let consumed = consume_alone(&settings, &topics, Duration::from_secs(30), MEMORY)?;
    let took = serde_json::json!({
        "records": consumed.records,
        "seconds": begin.elapsed().as_secs_f64(),
        "cpu_seconds": process_cpu().saturating_sub(cpu).as_secs_f64(),
    });
    println!("{took}");
    Ok(())
}
