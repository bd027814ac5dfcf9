//! Records in the order in which they are read.

use std::time::Duration;

use super::super::KafkaError;
use super::super::convert::{Taken, draft};
use super::super::lanes::Lane;
use super::super::sys::{Batch, Client, Queue};
use super::{BATCH, Ended, Intake, WAIT, start};

/// A read of the backlog that gave fewer than this is ahead of the brokers: the
/// next one waits a little for a whole batch, which spares both sides a wake-up
/// for every few records.
const FEW: usize = 256;
const GATHER: Duration = Duration::from_millis(2);

/// How one queue is read: soon, and the backlog in few wake-ups.
#[derive(Debug, Default)]
pub(in super::super) struct Gathering {
    /// The last read of the backlog was ahead of the brokers.
    ahead: bool,
}

impl Gathering {
    /// Fills a batch of [`BATCH`] messages.
    pub(in super::super) fn read(&mut self, queue: &Queue, batch: &mut Batch, backlog: bool) {
        if std::mem::take(&mut self.ahead) {
            queue.gather(batch, BATCH, GATHER);
        } else {
            queue.read(batch, BATCH, WAIT);
        }
        self.ahead = backlog && !batch.is_empty() && batch.iter().len() < FEW;
    }
}

impl Intake<'_> {
    /// `--arrival read`: one queue, the order of reading.
    pub(super) fn as_read(&mut self, client: &Client) -> Result<Ended, KafkaError> {
        let queue = client.queue();
        for (i, lane) in self.lanes.iter().enumerate() {
            if lane.finished() {
                self.closed[i] = true;
            } else {
                start(client, lane, &queue)?;
            }
        }
        self.live_loop(client, &queue)
    }

    /// Everything in the order in which it is read, until the end.
    pub(super) fn live_loop(
        &mut self,
        client: &Client,
        queue: &Queue,
    ) -> Result<Ended, KafkaError> {
        let mut gathering = Gathering::default();
        loop {
            if !self.live && self.lanes.iter().all(Lane::past_backlog) {
                if self.lanes.iter().all(Lane::finished) {
                    return Ok(Ended::Whole);
                }
                self.go_live();
            }
            if self.closed.iter().all(|closed| *closed) {
                return Ok(Ended::Whole);
            }
            gathering.read(queue, &mut self.batch, !self.live);
            if !self.batch.is_empty() {
                self.health.came();
                if self.write_batch()? {
                    return Ok(Ended::Whole);
                }
            }
            for i in 0..self.lanes.len() {
                if !self.closed[i] && self.lanes[i].finished() {
                    self.closed[i] = true;
                    let partition = &self.lanes[i].partition;
                    client.stop(&partition.topic, partition.partition);
                }
            }
            if self.housekeeping(client)? {
                return Ok(Ended::Stopped);
            }
            if let Some(why) = self.starved() {
                return Ok(Ended::Starved(why));
            }
        }
    }

    /// Writes a batch; true when the limit is reached.
    fn write_batch(&mut self) -> Result<bool, KafkaError> {
        let Self { converter, batch, lanes, output, clock, drained, heard, .. } = self;
        let mut next: Vec<i64> = lanes.iter().map(|lane| lane.next).collect();
        let mut full = false;
        let arrival_ns = clock.now();
        let result = converter.each(batch, lanes, |converter, taken| {
            match taken {
                _ if full => {}
                Taken::Record(source, message) => {
                    let lane = source as usize;
                    if lanes[lane].takes(message.offset()) {
                        let headers = converter.headers(message, &lanes[lane])?;
                        full = output.write_draft(draft(message, source), headers, arrival_ns)?;
                    }
                    next[lane] = next[lane].max(message.offset().saturating_add(1));
                }
                Taken::End { lane, next: end } => {
                    next[lane as usize] = next[lane as usize].max(end);
                }
            }
            Ok(())
        });
        for (i, (lane, next)) in (0..).zip(lanes.iter_mut().zip(next)) {
            if next > lane.next {
                heard.of(i);
            }
            lane.advance(next);
        }
        *drained &= result.is_ok() && !full;
        result.map(|()| full)
    }
}
