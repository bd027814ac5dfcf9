//! `joinscope bench --peers`: the reference load through Joinscope and through
//! the engines that it is compared with, one after another in one session.

mod load;
mod peer;
mod tree;
mod watch;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Args, ValueEnum as _};
use joinscope_core::edges::recording::Recording;
use serde_json::{Value, json};

use super::bench_load::{Load, folder, remove, say};
use super::cluster::thousands;
use super::{Answer, interrupt, whole};
use peer::{Given, Measured, Peer};
use watch::{Stopped, Watch};

/// Views of the load unless told otherwise: a fifth of the reference load.
const VIEWS: u64 = 2_000_000;

/// Where the scripts lie that start the peers: `tests` of the checkout that
/// this was built from.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests");

/// The peers of `joinscope bench`.
#[derive(Args)]
pub struct PeersArgs {
    /// Side by side with Flink SQL, Kafka Streams, Pathway and the limit, on
    /// 2,000,000 views unless told otherwise; starts and stops them itself
    /// (needs Java, Maven, Python; fetches about 600 MB the first time)
    #[arg(long)]
    pub peers: bool,
    /// Only these, such as joinscope,flink-heap
    #[arg(long, requires = "peers", value_enum, value_delimiter = ',', value_name = "PEER")]
    only: Vec<Peer>,
    /// Seconds that a peer may take, and a fetch
    #[arg(long, requires = "peers", default_value_t = 900, value_name = "SECONDS")]
    patience: u64,
    /// Seconds between two checkpoints of Flink, 0 for none [default: 90 with
    /// state in RocksDB, 30 on heap, as often as Joinscope or less]
    #[arg(long, requires = "peers", value_name = "SECONDS")]
    flink_checkpoints: Option<u64>,
    /// The folder "tests" of a checkout of Joinscope, whose scripts start the
    /// peers [default: of the one that this was built from]
    #[arg(long, requires = "peers", value_name = "DIR")]
    scripts: Option<PathBuf>,
}

/// What is not equal between the peers, whatever the figures say.
const NOT_EQUAL: [&str; 6] = [
    "Source: Joinscope reads a recording (8 partitions, lz4) in arrival order; Flink and Pathway one file of JSON lines in that \
     order; Kafka Streams 4 + 4 partitions of a real Kafka (the broker's cost is left out), each task the smallest \
     timestamp first; the limit has decompressed records in memory.",
    "Formats: all parse each record's JSON; Joinscope, the limit, Flink and Pathway take key and time from it, Kafka Streams \
     the time, and the key from Kafka's. Event-time watermarks: by partition in Joinscope and the limit, by input in Flink; a batch has none.",
    "Kept: Joinscope a verdict for each record, the outputs, indices that answer questions, and a checkpoint of its state \
     every 1,000,000 records (its second line no verdicts and no indices); Flink one line an output, and a checkpoint as \
     often or less (--flink-checkpoints); Kafka Streams one line an output, its stores, and \
     their changelogs in Kafka; Pathway one line an output, the whole input as one batch; the limit nothing.",
    "End of input: Joinscope, Flink and Pathway put out every view without an engagement; Kafka Streams closes nothing at \
     the end, and the limit leaves it open.",
    "Cores: Joinscope takes all; the others have parallelism 1, beside the threads of their JVMs and of RocksDB. So records \
     a CPU second is what compares.",
    "Start: counted for Joinscope, Kafka Streams and Pathway; for Flink (JobManager, TaskManager, SQL gateway, with the \
     serial collector) from a cluster that is up to the end of the job.",
];

/// Runs the verb. `rounds`: how often each is measured, all of them in each round; the
/// median by CPU time counts.
pub fn run(
    args: &PeersArgs,
    views: Option<u64>,
    rounds: u16,
    named: Option<&Path>,
    as_json: bool,
) -> anyhow::Result<Answer> {
    ensure!(cfg!(target_os = "linux"), "bench --peers reads costs from Linux's /proc");
    let scripts = args.scripts.clone().unwrap_or_else(|| SCRIPTS.into());
    let scripts = scripts.canonicalize().ok().filter(|s| s.join("flink/flink.sh").exists());
    let scripts = scripts.with_context(|| {
        let wanted = args.scripts.as_deref().unwrap_or(Path::new(SCRIPTS));
        format!(
            "{} has no flink/flink.sh: name the folder \"tests\" of a checkout with --scripts",
            wanted.display()
        )
    })?;
    let stop = interrupt::stop_flag()?;
    let base = folder(named);
    let load = Load::make(&base, views.unwrap_or(VIEWS))?;
    let recording = Recording::open(&load.recording)?;
    let lines = load::lines(&recording, &load.recording)?;
    let work = base.join(format!("peers-{}", std::process::id()));
    std::fs::create_dir_all(&work).with_context(|| work.display().to_string())?;
    // Scripts and other engines are given absolute paths.
    let work = work.canonicalize()?;
    let watch = Watch { folder: work, patience: Duration::from_secs(args.patience), stop };
    let (lines, interval) = (lines.canonicalize()?, args.flink_checkpoints);
    let given = Given { load, recording, lines, scripts, interval, watch };
    let answer = measure_all(&given, &args.only, rounds);
    remove(&given.watch.folder)?;
    let (answer, sound) = answer?;
    let mut out = super::stdout::lock();
    if as_json {
        writeln!(out, "{answer}")?;
    } else {
        tell(&answer, &mut out)?;
    }
    Ok(if sound { Answer::Yes } else { Answer::No })
}

/// How much more CPU time each peer took than `ours` in the same round: the median. A
/// round has all of them, as a shared machine is faster at one time than at another.
fn times(taken: &[(Peer, Vec<Measured>)], ours: Peer) -> Vec<(Peer, f64)> {
    let ours = taken.iter().find(|(peer, _)| *peer == ours).map(|(_, ours)| ours);
    let median = |(peer, measured): &(Peer, Vec<Measured>)| {
        let rounds = measured.iter().zip(ours?);
        let mut times: Vec<f64> =
            rounds.map(|(peer, ours)| peer.cost.cpu_seconds / ours.cost.cpu_seconds).collect();
        times.sort_by(f64::total_cmp);
        Some((*peer, *times.get(times.len() / 2)?))
    };
    taken.iter().filter_map(median).collect()
}

/// All figures, and whether every peer ran and found what Joinscope found.
fn measure_all(given: &Given, only: &[Peer], rounds: u16) -> anyhow::Result<(Value, bool)> {
    let wanted = |peer: &Peer| only.is_empty() || only.contains(peer);
    let mut taken: Vec<(Peer, Vec<Measured>)> =
        Peer::value_variants().iter().copied().filter(wanted).map(|p| (p, Vec::new())).collect();
    let mut failed = Vec::new();
    for round in 1..=rounds {
        for (peer, measured) in &mut taken {
            // It failed in an earlier round.
            if measured.len() + 1 < usize::from(round) {
                continue;
            }
            say(&format!("{}, round {round} of {rounds} …", peer.name()));
            match given.measure(*peer) {
                Ok(cost) => measured.push(cost),
                Err(error) if error.is::<Stopped>() => return Err(error),
                Err(error) => {
                    let why = whole(&error);
                    say(&format!("{} failed: {why}", peer.name()));
                    failed.push(json!({ "name": peer.name(), "why": why }));
                }
            }
        }
    }
    let (whole, outputs) = (times(&taken, Peer::Joinscope), times(&taken, Peer::JoinscopeOutputs));
    let of = |times: &[(Peer, f64)], peer: Peer| {
        times.iter().find(|(of, _)| *of == peer).map(|(_, times)| *times)
    };
    let found: Vec<(Peer, Measured)> = taken
        .into_iter()
        .filter_map(|(peer, mut measured)| {
            measured.sort_by(|a, b| a.cost.cpu_seconds.total_cmp(&b.cost.cpu_seconds));
            Some((peer, *measured.get(measured.len() / 2)?))
        })
        .collect();
    let records = given.recording.len();
    let ours = found.iter().find(|(peer, _)| *peer == Peer::Joinscope).map(|(_, ours)| *ours);
    let mut agree = true;
    let peers: Vec<Value> = found
        .iter()
        .map(|(peer, measured)| {
            let cost = measured.cost;
            let same = ours.map(|ours| {
                measured.pairs == ours.pairs && (!peer.closes() || measured.pads == ours.pads)
            });
            agree &= same != Some(false);
            json!({
                "name": peer.name(),
                "seconds": cost.seconds,
                "records_per_second": records as f64 / cost.seconds,
                "cpu_seconds": cost.cpu_seconds,
                "records_per_cpu_second": records as f64 / cost.cpu_seconds,
                "peak_memory_bytes": (cost.peak > 0).then_some(cost.peak),
                "pairs": measured.pairs,
                "pads": measured.pads,
                "agrees": same,
                "joinscope_is_times": of(&whole, *peer),
                "joinscope_outputs_is_times": of(&outputs, *peer),
                "at_least": peer.bound(),
            })
        })
        .collect();
    let sound = agree && failed.is_empty();
    let answer = json!({
        "records": records,
        "load": given.load.recording.display().to_string(),
        "cores": std::thread::available_parallelism().map_or(1, usize::from),
        "peers": peers,
        "failed": failed,
        "not_equal": NOT_EQUAL,
    });
    Ok((answer, sound))
}

fn tell(answer: &Value, out: &mut impl std::io::Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "{} records of {}, {} cores, one after another",
        thousands(answer["records"].as_u64().unwrap_or(0)),
        answer["load"].as_str().unwrap_or_default(),
        answer["cores"]
    )?;
    writeln!(
        out,
        "{:<36} {:>11} {:>8} {:>12} {:>9} {:>10} {:>10}  Joinscope, a CPU second",
        "", "records/s", "CPU s", "records/CPU s", "memory", "pairs", "pads"
    )?;
    for peer in answer["peers"].as_array().into_iter().flatten() {
        let number = |name: &str| peer[name].as_f64().unwrap_or(f64::NAN);
        let whole = |name: &str| thousands(number(name) as u64);
        let memory = peer["peak_memory_bytes"]
            .as_u64()
            .map_or_else(|| "-".to_owned(), |bytes| format!("{} MB", thousands(bytes / 1_000_000)));
        write!(
            out,
            "{:<36} {:>11} {:>8.1} {:>13} {:>9} {:>10} {:>10}",
            peer["name"].as_str().unwrap_or_default(),
            whole("records_per_second"),
            number("cpu_seconds"),
            whole("records_per_cpu_second"),
            memory,
            whole("pairs"),
            whole("pads"),
        )?;
        if let Some(times) = peer["joinscope_is_times"].as_f64() {
            write!(out, "  {times:.1} times")?;
        }
        if let Some(times) = peer["joinscope_outputs_is_times"].as_f64() {
            write!(out, ", without verdicts {times:.1}")?;
        }
        if let Some(bound) = peer["at_least"].as_f64() {
            write!(out, " (at least {bound:.0})")?;
        }
        if peer["agrees"] == false {
            write!(out, "  NOT WHAT JOINSCOPE FOUND")?;
        }
        writeln!(out)?;
    }
    for failed in answer["failed"].as_array().into_iter().flatten() {
        let text = |name: &str| failed[name].as_str().unwrap_or_default().to_owned();
        writeln!(out, "{} was not measured: {}", text("name"), text("why"))?;
    }
    writeln!(out, "Not equal between them:")?;
    for what in answer["not_equal"].as_array().into_iter().flatten() {
        writeln!(out, "- {}", what.as_str().unwrap_or_default())?;
    }
    Ok(())
}
