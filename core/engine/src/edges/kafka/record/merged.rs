//! The merge of what was in the log by record timestamp; live records follow as
//! they are read.

use std::time::Duration;

use super::super::KafkaError;
use super::super::convert::{Block, Taken, draft};
use super::super::lanes::Lane;
use super::super::merge::Merge;
use super::super::sys::{Client, Queue};
use super::{Ended, Intake, WAIT, start};
use crate::operator::record::Record;

/// What a lane of the merge holds at most beside librdkafka's own queue.
const LANE_RECORDS: usize = 2048;

impl Intake<'_> {
    /// The merge of what was in the log; live records follow as they are read.
    pub(super) fn merged(&mut self, client: &Client) -> Result<Ended, KafkaError> {
        let mut merge = Merge::new(self.lanes.len());
        let mut queues = Vec::with_capacity(self.lanes.len());
        for (i, lane) in self.lanes.iter().enumerate() {
            let queue = client.queue();
            if lane.finished() {
                self.closed[i] = true;
            } else {
                start(client, lane, &queue)?;
            }
            if lane.past_backlog() {
                merge.close(i as u32);
            }
            queues.push(queue);
        }
        // Read beyond the backlog while it was merged.
        let mut early = Vec::new();
        self.drained = false;
        while !merge.is_done() {
            while let Some(record) = merge.pop() {
                let at = self.clock.of_timestamp(&record);
                if self.output.write(record, at)? {
                    return Ok(Ended::Whole);
                }
                if self.output.records.is_multiple_of(4096) && self.housekeeping(client)? {
                    return Ok(Ended::Stopped);
                }
            }
            let starving: Vec<u32> = merge.starving().collect();
            let mut came = false;
            for lane in &starving {
                came |= self.refill(
                    &queues[*lane as usize],
                    *lane,
                    Duration::ZERO,
                    &mut merge,
                    &mut early,
                )?;
            }
            if let (false, Some(lane)) = (came, starving.first()) {
                // All of them are needed: waiting for any is as good.
                self.refill(&queues[*lane as usize], *lane, WAIT, &mut merge, &mut early)?;
            }
            if self.housekeeping(client)? {
                return Ok(Ended::Stopped);
            }
        }
        if is_all(&self.lanes, &early) {
            self.drained = true;
            return Ok(Ended::Whole);
        }
        let all = client.queue();
        for queue in &queues {
            queue.forward(&all);
        }
        self.go_live();
        for record in early {
            let at = self.clock.now();
            if self.output.write(record, at)? {
                return Ok(Ended::Whole);
            }
        }
        self.drained = true;
        self.live_loop(client, &all)
    }

    /// Takes what waits in a lane's queue into the merge, up to a bound.
    fn refill(
        &mut self,
        queue: &Queue,
        lane: u32,
        patience: Duration,
        merge: &mut Merge,
        early: &mut Vec<Record>,
    ) -> Result<bool, KafkaError> {
        let bytes = (self.spec.memory / 4 / self.lanes.len().max(1) as u64).max(64 << 10) as usize;
        let (mut came, mut patience) = (false, patience);
        if self.lanes[lane as usize].past_backlog() {
            // Its end came to be known meanwhile.
            merge.close(lane);
            self.closed[lane as usize] = self.lanes[lane as usize].finished();
            return Ok(true);
        }
        loop {
            // Small reads: a lane's bound in bytes is looked at in between.
            queue.read(&mut self.batch, 256, patience);
            patience = Duration::ZERO;
            if self.batch.is_empty() {
                return Ok(came);
            }
            came = true;
            self.health.came();
            let Self { converter, batch, lanes, closed, .. } = self;
            let (mut records, mut next) = (Vec::new(), None);
            let mut block = Block::of(batch);
            converter.each(batch, lanes, |converter, taken| {
                match taken {
                    Taken::Record(lane, message) => {
                        let headers = converter.headers(message, &lanes[lane as usize])?;
                        next = Some(message.offset().saturating_add(1));
                        records.push(block.record(draft(message, lane), headers));
                    }
                    Taken::End { next: end, .. } => next = next.max(Some(end)),
                }
                Ok(())
            })?;
            let at = &mut lanes[lane as usize];
            for record in records {
                if record.offset >= at.backlog {
                    if at.takes(record.offset) {
                        early.push(record);
                    }
                } else if record.offset >= at.start {
                    merge.push(lane, record);
                }
            }
            at.advance(next.unwrap_or(at.next));
            if at.past_backlog() {
                merge.close(lane);
                closed[lane as usize] = at.finished();
                return Ok(true);
            }
            let (waiting, held) = merge.waiting(lane);
            if waiting >= LANE_RECORDS || held >= bytes {
                return Ok(true);
            }
        }
    }
}

/// Whether what was merged is all there is to write: what was read beyond the backlog
/// may reach up to the end, too, and is written after it.
fn is_all(lanes: &[Lane], early: &[Record]) -> bool {
    early.is_empty() && lanes.iter().all(Lane::finished)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::record::TopicPartition;

    #[test]
    fn what_came_while_it_was_merged_is_still_to_be_written() {
        // 100 records were there, three more are waited for, and came with the others.
        let mut lane = Lane {
            partition: TopicPartition { topic: "t".into(), partition: 0 },
            start: 0,
            backlog: 100,
            stop: Some(103),
            next: 100,
        };
        let record = Record { offset: 102, ..Record::default() };
        assert!(!is_all(std::slice::from_ref(&lane), &[]));
        lane.advance(103);
        assert!(!is_all(std::slice::from_ref(&lane), &[record]));
        assert!(is_all(&[lane], &[]));
    }
}
