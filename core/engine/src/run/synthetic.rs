//! Runs made up for tests and measurements: facts, decisions and outputs such
//! as a join of views with engagements leaves, without a recording or a join.

use std::collections::VecDeque;
use std::time::Duration;

use smallvec::SmallVec;

use super::error::{Result, RunError};
use super::manifest::{InputInfo, ManifestStart, RunEnd, RunState};
use super::types::LaneInfo;
use super::write::Writer;
use crate::engine::step::{
    CheckpointEntry, Decision, Facts, Output, OutputKind, Prepared, Sink, SinkError, StateSample,
    Step,
};
use crate::operator::join::Reason;
use crate::operator::key::{Key, KeyValue};
use crate::operator::pipeline::{Semantics, WatermarkSpec};
use crate::operator::verdict::Verdict;
use crate::operator::watermark::{Sources, Tracker, TrackerInput};
use crate::process::thread_cpu;

/// The pipeline of such runs.
pub const PIPELINE: &str = r#"name = "synthetic"

[inputs.views]
topic = "views"
format = "json"
key = "id"
event_time = { field = "ts", unit = "ms" }
watermark = { max_out_of_orderness = "60s" }

[inputs.engagements]
topic = "engagements"
format = "json"
key = "id"
event_time = { field = "ts", unit = "ms" }
watermark = { max_out_of_orderness = "60s" }

[join]
primary = "views"
with.engagements = { after = "0s", until = "30m" }
kind = "left"
"#;

const PARTITIONS: u32 = 4;
const DELAY: i64 = 60_000;
const INTERVAL: i64 = 30 * 60_000;
/// Records of a step.
const BATCH: u64 = 4096;

/// What a run of [`write`] took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    pub rows: u64,
    pub outputs: u64,
    pub decisions: u64,
    /// CPU time of this thread in the store, all else left out.
    pub store: Duration,
    /// Bytes of the run's folder.
    pub bytes: u64,
}

/// The start of a run over `views` and `engagements` of four partitions each.
#[must_use]
pub fn start() -> ManifestStart {
    let names = ["views", "engagements"];
    ManifestStart {
        pipeline_file: "synthetic.toml".into(),
        pipeline_text: PIPELINE.into(),
        at_end: "open".into(),
        inputs: names
            .iter()
            .map(|name| InputInfo {
                name: (*name).into(),
                topic: (*name).into(),
                max_out_of_orderness: DELAY,
            })
            .collect(),
        lanes: (0..2u8)
            .flat_map(|input| (0..PARTITIONS as i32).map(move |partition| (input, partition)))
            .map(|(input, partition)| LaneInfo {
                input,
                topic: names[input as usize].into(),
                partition,
            })
            .collect(),
        ..ManifestStart::default()
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// A view that rests in the state: its row, number and whether it matched.
#[derive(Clone, Copy)]
struct Live {
    row: u64,
    number: u64,
    time: i64,
    matched: bool,
}

/// Writes a run of `records` records (one in six an engagement) to `dir`, with
/// a checkpoint every million.
///
/// # Errors
/// The folder cannot be written.
pub fn write(dir: &std::path::Path, records: u64) -> Result<Figures> {
    write_in_parts(dir, records, 1_000_000, |_| {})
}

/// [`write`] with a checkpoint every `part` records, after which `published` is
/// told how many records there are: a run in progress, as slow as it pleases.
///
/// # Errors
/// The folder cannot be written.
pub fn write_in_parts(
    dir: &std::path::Path,
    records: u64,
    part: u64,
    mut published: impl FnMut(u64),
) -> Result<Figures> {
    let mut writer = Writer::create(dir, start(), false)?;
    let mut figures = Figures::default();
    let spec = WatermarkSpec { max_out_of_orderness: DELAY, ..WatermarkSpec::default() };
    let input = TrackerInput {
        spec,
        partitions: PARTITIONS,
        semantics: Semantics::Clean,
        sources: Sources::default(),
    };
    let mut tracker = Tracker::new(vec![input; 2]);
    let mut random = Random(7);
    let mut offsets = [0i64; 2 * PARTITIONS as usize];
    let mut live: VecDeque<Live> = VecDeque::new();
    let mut first_live = 0u64;
    let (mut views, mut outputs) = (0u64, 0u64);
    let mut at = 0;
    while at < records {
        let end = (at + BATCH).min(records);
        let mut step = Step { end, ..Step::default() };
        step.facts = Facts { first_row: at, ..Facts::default() };
        step.trackers.push((at, tracker.save()));
        for arrival in at..end {
            let now = 1_700_000_000_000 + (arrival * 800 / 1000) as i64;
            let r = random.next();
            let view = !r.is_multiple_of(6) || live.is_empty();
            let partition = (r >> 8) as u32 % PARTITIONS;
            let lane = partition + if view { 0 } else { PARTITIONS };
            let time = now - (r >> 16) as i64 % 50_000;
            let number = if view {
                views += 1;
                views - 1
            } else {
                // A recent one, seldom one that is gone or never was.
                let back = (random.next() % 2_400_000).min(random.next() % 2_400_000);
                views.saturating_sub(back)
            };
            let mut buffer = *b"v0000000000000000";
            let mut rest = number;
            for digit in buffer[1..].iter_mut().rev() {
                *digit = b"0123456789abcdef"[(rest & 15) as usize];
                rest >>= 4;
            }
            let key = Key::new(KeyValue::String(std::str::from_utf8(&buffer).unwrap_or_default()));
            let facts = &mut step.facts;
            facts.arrival.push(arrival);
            facts.arrival_ms.push(now);
            facts.input.push(u8::from(!view));
            facts.partition.push(partition as i32);
            facts.offset.push(offsets[lane as usize]);
            offsets[lane as usize] += 1;
            facts.event_time.push(time);
            facts.watermark.push(tracker.join());
            let late = tracker.join() != i64::MIN && time < tracker.join();
            let verdict = if late { Verdict::Late } else { Verdict::Open };
            facts.at_arrival.push(verdict as u8);
            facts.key_hash.push(key.hash64());
            facts.normal_hash.push(key.normal_hash());
            facts.keys.extend_from_slice(key.canonical());
            facts.key_end.push(facts.keys.len() as u32);
            if view {
                live.push_back(Live { row: arrival, number, time, matched: late });
            } else if !late {
                let found = number.checked_sub(first_live).map(|i| i as usize);
                let partner = found.and_then(|i| live.get_mut(i)).filter(|l| l.number == number);
                if let Some(partner) = partner {
                    if !std::mem::replace(&mut partner.matched, true) {
                        step.decisions.push(fell(partner.row, arrival, arrival, Verdict::Joined));
                    }
                    step.decisions.push(fell(arrival, arrival, partner.row, Verdict::Joined));
                    let records = SmallVec::from_slice(&[partner.row, arrival]);
                    let time = time.max(partner.time);
                    step.outputs.push(output(outputs, arrival, time, OutputKind::Pair, records));
                    outputs += 1;
                } else {
                    let verdict = fell(arrival, arrival, arrival, Verdict::Unmatched);
                    step.decisions.push(Decision { removed: true, ..verdict });
                }
            }
            tracker.observe(lane, time, now, arrival);
            let watermark = tracker.join();
            while let Some(oldest) = live.front().copied() {
                if watermark == i64::MIN || oldest.time + INTERVAL >= watermark {
                    break;
                }
                live.pop_front();
                first_live += 1;
                let gone = if oldest.matched {
                    Decision {
                        verdict: None,
                        removed: true,
                        ..fell(oldest.row, arrival, arrival, Verdict::Open)
                    }
                } else {
                    let records = SmallVec::from_slice(&[oldest.row]);
                    step.outputs.push(output(
                        outputs,
                        arrival,
                        oldest.time,
                        OutputKind::Pad,
                        records,
                    ));
                    outputs += 1;
                    Decision {
                        removed: true,
                        reason: Reason::Padded,
                        ..fell(oldest.row, arrival, arrival, Verdict::Unmatched)
                    }
                };
                step.decisions.push(gone);
            }
        }
        let rows = live.len() as u64;
        step.state.push(StateSample { arrival: end - 1, rows, bytes: rows * 64, cold: 0 });
        figures.rows += end - at;
        figures.decisions += step.decisions.len() as u64;
        let before = thread_cpu();
        writer.step(step).map_err(|e| RunError::Engine(e.to_string()))?;
        let taken = at / part != end / part;
        if taken {
            let engine = |e: SinkError| RunError::Engine(e.to_string());
            if let Some(durable) = writer.barrier(end).map_err(engine)? {
                durable(&Prepared::default()).map_err(engine)?;
            }
            let entry =
                CheckpointEntry { arrival: end, row: end, output: outputs, ..Default::default() };
            writer.checkpoint(entry).map_err(|e| RunError::Engine(e.to_string()))?;
        }
        figures.store += thread_cpu().saturating_sub(before);
        if taken {
            published(end);
        }
        at = end;
    }
    figures.outputs = outputs;
    let before = thread_cpu();
    writer.finish(RunState::Done, RunEnd::default())?;
    figures.store += thread_cpu().saturating_sub(before);
    for entry in
        std::fs::read_dir(dir.join(super::layout::SEGMENTS)).into_iter().flatten().flatten()
    {
        figures.bytes += entry.metadata().map_or(0, |m| m.len());
    }
    Ok(figures)
}

fn fell(row: u64, at: u64, cause: u64, verdict: Verdict) -> Decision {
    Decision { row, at, verdict: Some(verdict), reason: Reason::Plain, removed: false, cause }
}

fn output(n: u64, at: u64, time: i64, kind: OutputKind, records: SmallVec<[u64; 2]>) -> Output {
    Output { n, at, epoch: at / 1000, time, kind, records, labels: 0, correction: 0 }
}
