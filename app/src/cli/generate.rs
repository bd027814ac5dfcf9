//! `joinscope generate …`: recordings that nobody recorded.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, Subcommand};
use joinscope_core::edges::recording::{Compression, WriterOptions};
use joinscope_core::generate::{self, Fault, FeedOptions};
use serde_json::json;

use super::cluster::plural;
use super::follow::follow;
use super::{Answer, duration, record, slice};

/// Makes a recording of a seeded, reproducible workload
#[derive(Args)]
pub struct Generate {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Feed(Box<Feed>),
}

/// The reference workload: views (many) and the engagements that follow them
///
/// Topics `views` (`view_id`, user, item, surface, pos, ts) and `engagements`
/// (`view_id`, kind = play | like | share | skip, user, ts), JSON, keyed by
/// `view_id`. The same options give the same bytes. With 10,000,000 views: about
/// 12 million records; at an interval of 30 minutes 1.9 million views are live;
/// nothing is late at an out-of-orderness of 60 s.
#[derive(Args)]
#[command(after_help = "Examples:
  joinscope generate feed --views 10000000 -o load.mcap
  joinscope generate feed --incident --compression zstd:19 -o feed.mcap
  joinscope generate feed --views 100000 --rate 50 --fault 'stall:engagements[2]@18m+5m' \\
    --fault outage:1@30m+4m --fault 'slow:views[1]+20s' --fault clock:5@40m+10m=-95s -o bad-day.mcap")]
struct Feed {
    /// Start from the incident of the shipped sample (100,000 views in 55
    /// minutes, stall, outage, hot key, wrong clock, poison) instead of the
    /// benchmark's load
    #[arg(long)]
    incident: bool,
    /// How many views
    #[arg(long)]
    views: Option<u64>,
    /// The same seed and options give the same bytes
    #[arg(long)]
    seed: Option<u64>,
    /// Event time of the first view (RFC 3339, or ms since 1970)
    #[arg(long, value_name = "TIME", value_parser = slice::time)]
    start: Option<i64>,
    /// Views a second of event time
    #[arg(long)]
    rate: Option<f64>,
    /// Partitions of views and of engagements: N or N,M
    #[arg(long, value_name = "N[,M]", value_parser = partitions)]
    partitions: Option<[u32; 2]>,
    /// Engagements for each view, on average
    #[arg(long, value_name = "X")]
    engagement_rate: Option<f64>,
    /// Engagements follow their view within this time
    #[arg(long, value_name = "DURATION", value_parser = duration::any)]
    interval: Option<i64>,
    /// Share of engagements that follow later than that
    #[arg(long, value_name = "SHARE")]
    outside: Option<f64>,
    /// Share of engagements whose view does not exist
    #[arg(long, value_name = "SHARE")]
    orphans: Option<f64>,
    /// How late records may arrive after they happened
    #[arg(long, value_name = "DURATION", value_parser = duration::any)]
    disorder: Option<i64>,
    /// How many of them do; the others arrive within 200 ms
    #[arg(long, value_name = "SHARE")]
    disorder_share: Option<f64>,
    /// Users that views are spread over
    #[arg(long)]
    users: Option<u64>,
    /// Items that views are spread over
    #[arg(long)]
    items: Option<u64>,
    /// 1: all items alike; the larger, the more often the same few
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=20))]
    skew: Option<u32>,
    /// Producers that records come from (faults name them by number)
    #[arg(long)]
    producers: Option<u32>,
    /// Engagements of one hot view
    #[arg(long, value_name = "N")]
    hot: Option<u64>,
    /// Poison records of each of twelve kinds
    #[arg(long, value_name = "N")]
    poison: Option<u64>,
    /// Name the producer of each record in a header
    #[arg(long)]
    headers: bool,
    /// What goes wrong, times from the start: stall, slow, idle (a partition),
    /// outage, clock (a producer); may be repeated
    #[arg(long = "fault", value_name = "FAULT")]
    faults: Vec<Fault>,
    /// The recording that is made; a file that is there is never written over
    #[arg(short, long, value_name = "RECORDING")]
    output: PathBuf,
    /// How its chunks are compressed
    #[arg(long, value_name = "lz4|zstd[:LEVEL]|none", default_value = "lz4", value_parser = record::compression)]
    compression: Compression,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

fn partitions(text: &str) -> Result<[u32; 2], String> {
    let (a, b) = text.split_once(',').unwrap_or((text, text));
    match (a.parse(), b.parse()) {
        (Ok(a), Ok(b)) => Ok([a, b]),
        _ => Err("write one number, or two with a comma".to_owned()),
    }
}

impl Feed {
    fn options(&self) -> FeedOptions {
        let base = if self.incident { FeedOptions::incident() } else { FeedOptions::default() };
        let mut faults = base.faults.clone();
        faults.extend(&self.faults);
        FeedOptions {
            views: self.views.unwrap_or(base.views),
            seed: self.seed.unwrap_or(base.seed),
            start_ms: self.start.unwrap_or(base.start_ms),
            rate: self.rate.unwrap_or(base.rate),
            partitions: self.partitions.unwrap_or(base.partitions),
            engagement_rate: self.engagement_rate.unwrap_or(base.engagement_rate),
            interval_ms: self.interval.unwrap_or(base.interval_ms),
            outside: self.outside.unwrap_or(base.outside),
            orphans: self.orphans.unwrap_or(base.orphans),
            disorder_ms: self.disorder.unwrap_or(base.disorder_ms),
            disorder: self.disorder_share.unwrap_or(base.disorder),
            users: self.users.unwrap_or(base.users),
            items: self.items.unwrap_or(base.items),
            skew: self.skew.unwrap_or(base.skew),
            producers: self.producers.unwrap_or(base.producers),
            hot: self.hot.unwrap_or(base.hot),
            poison: self.poison.unwrap_or(base.poison),
            headers: self.headers || base.headers,
            faults,
        }
    }
}

/// Runs the verb.
pub fn run(args: &Generate) -> anyhow::Result<Answer> {
    let What::Feed(args) = &args.what;
    let options = args.options();
    let writer = WriterOptions { compression: args.compression, ..WriterOptions::default() };
    let begin = Instant::now();
    let info = follow("view", |job| generate::feed(options, &args.output, writer, job))?;
    let seconds = begin.elapsed().as_secs_f64();
    let of = |topic: &str| -> u64 {
        info.partitions
            .iter()
            .filter(|p| &*p.topic_partition.topic == topic)
            .map(|p| p.records)
            .sum()
    };
    let mut out = super::stdout::lock();
    if args.json {
        let answer = json!({
            "recording": super::stdout::path(&args.output),
            "records": info.records,
            "views": of("views"),
            "engagements": of("engagements"),
            "bytes": info.file_bytes,
            "seconds": seconds,
            "records_per_second": info.records as f64 / seconds.max(1e-9),
        });
        writeln!(out, "{answer}")?;
    } else {
        writeln!(
            out,
            "{} ({}, {}) into {} ({:.1} MB) in {seconds:.1} s",
            plural(info.records, "record"),
            plural(of("views"), "view"),
            plural(of("engagements"), "engagement"),
            args.output.display(),
            info.file_bytes as f64 / 1e6
        )?;
    }
    Ok(Answer::Yes)
}
