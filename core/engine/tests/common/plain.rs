//! The plainest engine that can be: one thread, one shard, one record after the
//! other, by the order of 3-semantics. It drives the same tracker and operator
//! as the real one.

use std::sync::Arc;

use joinscope_core::analyses::truth::{ClaimedOutput, Claims};
use joinscope_core::engine::Source as _;
use joinscope_core::engine::step::OutputKind;
use joinscope_core::operator::codec::{Decoded, InputDecoder, NoSchemas};
use joinscope_core::operator::join::clean::Clean;
use joinscope_core::operator::join::{Effect, Operator as _, Watermarks};
use joinscope_core::operator::pipeline::LatePolicy;
use joinscope_core::operator::state::{Cold, Row};
use joinscope_core::operator::verdict::Verdict;
use joinscope_core::operator::watermark::{Sources, Tracker, TrackerInput};

use super::case::Case;

pub fn run(case: &Case, close: bool, memory: u64, cold: Option<Box<dyn Cold>>) -> Claims {
    let pipeline = &*case.pipeline;
    let partitions = case.source.partitions();
    let inputs = pipeline.inputs.iter().map(|input| TrackerInput {
        spec: input.watermark,
        partitions: partitions.iter().filter(|p| p.topic == input.topic).count() as u32,
        semantics: pipeline.join.semantics,
        sources: Sources::default(),
    });
    let mut tracker = Tracker::new(inputs.collect());
    let mut decoders: Vec<InputDecoder> = (0..pipeline.inputs.len() as u8)
        .map(|input| InputDecoder::new(pipeline, input, Arc::new(NoSchemas)).unwrap())
        .collect();
    let mut book = Book { clean: Clean::new(pipeline, memory, cold), claims: Claims::default() };
    let mut now = i64::MIN;
    let topics = pipeline.topics();
    let records = case.source.batches(&topics, 0).unwrap().flat_map(|b| b.unwrap().records);
    for (arrival, record) in (0u64..).zip(records) {
        now = now.max(record.arrival_ms());
        while let Some(due) = tracker.next_due(now) {
            if tracker.fire(due, arrival) {
                book.advance(arrival, tracker.join());
            }
        }
        let from = &partitions[record.source as usize];
        let place =
            partitions[..record.source as usize].iter().filter(|p| p.topic == from.topic).count()
                as u32;
        let mut moves = Vec::new();
        for input in pipeline.inputs_of(&from.topic) {
            let decoded = decoders[usize::from(input)].decode(&record);
            let row = book.arrive(input, from.partition, record.offset, tracker.join());
            let time = match decoded {
                Decoded::Failed { verdict, event_time } => {
                    book.decide(row, verdict);
                    event_time
                }
                Decoded::Row(found) => {
                    let late_by = tracker.join().checked_sub(found.event_time).filter(|by| *by > 0);
                    let late_by = if tracker.join() == i64::MIN { None } else { late_by };
                    if late_by.is_some() && pipeline.join.late != LatePolicy::Join {
                        book.decide(row, Verdict::Late);
                    } else {
                        let row = Row {
                            key: found.key,
                            input,
                            time: found.event_time,
                            arrival,
                            row,
                            partition: from.partition,
                            offset: record.offset,
                            labels: found.labels,
                            matched: false,
                            corrections: 0,
                            folded: Vec::new(),
                        };
                        book.row(row, late_by, tracker.join());
                    }
                    Some(found.event_time)
                }
            };
            moves.extend(time.map(|time| (tracker.first_lane(input).unwrap() + place, time)));
        }
        if tracker.observe_all(moves, now, arrival) {
            book.advance(arrival, tracker.join());
        }
    }
    let end = if close { i64::MAX } else { tracker.join() };
    if close {
        book.advance(0, end);
    }
    book.claims.end = Some(end);
    book.claims
}

struct Book {
    clean: Clean,
    claims: Claims,
}

impl Book {
    fn arrive(&mut self, input: u8, partition: i32, offset: i64, watermark: i64) -> u64 {
        let claims = &mut self.claims;
        claims.input.push(input);
        claims.partition.push(partition);
        claims.offset.push(offset);
        claims.watermark.push(watermark);
        claims.verdict.push(Verdict::Open);
        claims.open.push(false);
        claims.len() as u64 - 1
    }

    fn decide(&mut self, row: u64, verdict: Verdict) {
        let at = &mut self.claims.verdict[row as usize];
        assert_eq!(*at, Verdict::Open, "row {row} has a verdict already, and now {verdict}");
        *at = verdict;
    }

    fn row(&mut self, row: Row, late_by: Option<i64>, watermark: i64) {
        let mut effects = Vec::new();
        let marks = Watermarks { join: watermark, inputs: &[] };
        // Unless it is said to have left right away.
        self.claims.open[row.row as usize] = true;
        self.clean.row(row, late_by, marks, &mut effects).unwrap();
        self.take(effects);
    }

    fn advance(&mut self, now: u64, watermark: i64) {
        let mut effects = Vec::new();
        let marks = Watermarks { join: watermark, inputs: &[] };
        self.clean.advance(now, marks, &mut effects).unwrap();
        self.take(effects);
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            let mut put = |kind: OutputKind, rows: Vec<u64>, labels, correction, time| {
                let kind = kind.into();
                self.claims.outputs.push(ClaimedOutput { rows, kind, labels, correction, time });
            };
            match effect {
                Effect::Pair { primary, secondary, time } => {
                    let mut rows = [primary, secondary];
                    rows.sort_by_key(|row| row.input);
                    put(OutputKind::Pair, rows.map(|row| row.row).to_vec(), 0, 0, time);
                }
                Effect::Pad { row, time, .. } => put(OutputKind::Pad, vec![row.row], 0, 0, time),
                Effect::Example { primary, folded, labels, correction, time, .. } => {
                    let mut rows = vec![primary.row];
                    rows.extend(folded.iter().map(|f| f.row));
                    put(OutputKind::Example, rows, labels, correction, time);
                }
                Effect::Decided { row, verdict, .. } => self.decide(row, verdict),
                Effect::Removed { row } => self.claims.open[row as usize] = false,
            }
        }
    }
}
