//! What a released engine did with a row, in its own terms (12-released-joins).

use super::goes_on;
use super::judge::Judge;
use super::passed::{By, past};
use super::sentence::Said;
use crate::edges::recording::Recording;
use crate::operator::join::Reason;
use crate::operator::join::kafka_streams::{Settings, StreamKind};
use crate::operator::pipeline::{InputOrder, Semantics};
use crate::operator::record::Arrival;
use crate::operator::time::rfc3339_ms;
use crate::operator::verdict::Verdict;
use crate::run::error::Result;
use crate::run::types::RowView;
use crate::run::{Run, RunState};

/// Of a run that goes on.
const NOW: &str = "so far";

/// The reason of a verdict in a few words, for a table; `None` where the engine
/// did nothing of its own.
pub(super) fn reason(judge: &Judge, row: &RowView) -> Option<&'static str> {
    Some(match row.reason {
        // B4.2; `clean` has its own words for it.
        Reason::NotKept | Reason::NotKeptPadded if judge.semantics() == Semantics::FlinkSql => {
            "not kept: the operator time had reached the end of its interval"
        }
        // B4.1.
        Reason::JoinedExpired => "joined once more after one of the two had expired",
        // B5.3.
        Reason::Cleared => "lost: its side's cache was cleared while it was alive",
        // D4.
        Reason::NotStored | Reason::NotStoredPadded => {
            "not stored: older than its side's store keeps"
        }
        // D2.6: `a` of its side.
        Reason::PaddedAtOnce if judge.is_primary(row.input) => {
            "padded at once: out of order by more than `after`"
        }
        Reason::PaddedAtOnce => "padded at once: out of order by more than `before`",
        // D5b.
        Reason::PaddedAndJoined => "padded and joined",
        // D2.2.
        Reason::NullKeyPadded => "padded at once: its key is null",
        Reason::Plain | Reason::Padded | Reason::NotKept | Reason::NotKeptPadded => return None,
    })
}

/// Why an engine did not make a pair of two rows within the interval: what goes
/// on after "in the interval, but".
pub(super) fn not_found(
    run: &Run,
    judge: &Judge,
    own: &RowView,
    other: &RowView,
) -> Result<String> {
    let own_first = (own.arrival, own.input) < (other.arrival, other.input);
    let (earlier, later) = if own_first { (own, other) } else { (other, own) };
    let streams = judge.semantics() == Semantics::KafkaStreams;
    if other.verdict == Verdict::Tombstone {
        return Ok("has a null value".to_owned());
    }
    if streams && own.record.partition != other.record.partition {
        return Ok("is of another partition, which another task joins".to_owned());
    }
    if streams && judge.pipeline().join.released.input_order == InputOrder::SmallestTimestamp {
        // Which of the two its task took first, arrivals do not say.
        let waits = |row: &RowView, of: &RowView| {
            row.verdict == Verdict::Open && may_wait_for(run, &of.record.topic, of.record.partition)
        };
        let buffered = if waits(own, other) || waits(other, own) {
            ", or one of the two was still buffered"
        } else {
            ""
        };
        return Ok(format!(
            "was missed: the one that its task took first was not, or no longer, in its side's store{buffered}"
        ));
    }
    let gone = earlier.removed.filter(|removed| *removed <= later.arrival);
    let what = match gone {
        // D4, B4.2.
        _ if earlier.reason.not_kept() && streams => "had not been stored".to_owned(),
        _ if earlier.reason.not_kept() => "had not been kept".to_owned(),
        Some(removed) => removal(run, judge, earlier, later, removed)?,
        // D2.4: it may go on waiting for its pad where no fetch reaches it.
        None if streams => "was not, or no longer, in its side's store".to_owned(),
        // B4.1: no probe where all that it could find has expired.
        None if judge.semantics() == Semantics::FlinkSql => {
            "had expired, and the later of the two looked for nothing so old".to_owned()
        }
        None => "was not found".to_owned(),
    };
    Ok(if own_first { format!("this one {what}") } else { what })
}

/// Whether a task may have waited for a partition when the run came to where it is. A
/// recording says where its partitions end, and nothing comes of what it lacks
/// (`engine/ends.rs`); live, and so in the log of a live run, the clock says that.
fn may_wait_for(run: &Run, topic: &str, partition: i32) -> bool {
    let now = run.now();
    let known = |recording: &Recording| {
        now.manifest.start.live.is_none() && recording.info().clock_events == 0
    };
    let Some(recording) = run.recording().filter(known) else { return true };
    now.manifest.state != RunState::Done
        && recording.info().partitions.iter().any(|p| {
            let of = &p.topic_partition;
            &*of.topic == topic && of.partition == partition && p.last_offset.is_some()
        })
}

/// How the earlier of two rows had left the state before the later one looked.
fn removal(
    run: &Run,
    judge: &Judge,
    earlier: &RowView,
    later: &RowView,
    removed: Arrival,
) -> Result<String> {
    let mut with = run.rows_of_arrival(removed)?;
    let at = match with.first() {
        Some(row) => format!("{}, {}", row.record, rfc3339_ms(row.arrival_ms)),
        None => "the end".to_owned(),
    };
    // The later one did not find it: it was not its probe.
    with.retain(|row| row.row != later.row);
    Ok(match judge.semantics() {
        Semantics::KafkaStreams => {
            format!("was older than what its side's store keeps: it had gone at {at}")
        }
        Semantics::FlinkSql if earlier.reason == Reason::Cleared => {
            format!("had been lost when its side's cache was cleared at {at}")
        }
        Semantics::FlinkSql if probed(judge, earlier, &with) => {
            format!("had expired, and been removed at {at}")
        }
        _ => format!("had been removed by Flink's cleanup timer at {at}"),
    })
}

/// Rule B4.1: whether one of these rows looked for partners of a row's key when
/// that had expired, and so removed it before a timer did.
fn probed(judge: &Judge, row: &RowView, with: &[RowView]) -> bool {
    let Some(interval) = judge.pipeline().join.with.first() else { return false };
    let Some(time) = row.event_time else { return false };
    let size =
        if judge.is_primary(row.input) { interval.until } else { interval.after.saturating_neg() };
    with.iter().any(|other| {
        // Rules B1 and B3.
        let cutoff = other.watermark.unwrap_or(0).max(0).saturating_sub(size).saturating_sub(1);
        judge.faces(other.input, row.input) && other.key == row.key && time <= cutoff
    })
}

impl Said<'_> {
    /// With what an unmatched row went; empty where that was its own arrival.
    pub(super) fn closed(&self) -> Result<String> {
        let Some(cause) = self.row.cause.filter(|cause| *cause != self.row.arrival) else {
            return Ok(String::new());
        };
        let with = self.run.rows_of_arrival(cause)?;
        let Some(first) = with.first() else { return Ok(String::new()) };
        let record = &first.record;
        Ok(match self.judge.semantics() {
            Semantics::Clean => self.interval_closed(first)?,
            Semantics::FlinkSql if probed(self.judge, self.row, &with) => {
                format!(" Its interval had closed before, and it was removed when {record} came.")
            }
            Semantics::FlinkSql | Semantics::FlinkDataStream => {
                format!(" Flink's cleanup timer removed it at {record}.")
            }
            Semantics::KafkaStreams => format!(" Kafka Streams held it until {record}."),
        })
    }

    /// How the event-time watermark is spoken of: as it stood at the end of the run, or
    /// stands where that goes on.
    fn tense(&self) -> (&'static str, &'static str) {
        if goes_on(self.run) { (NOW, "stands") } else { ("at the end", "stood") }
    }

    /// With `came` the event-time watermark passed the interval, or the clock moved it
    /// past before that came.
    fn interval_closed(&self, came: &RowView) -> Result<String> {
        let record = &came.record;
        let until = self.row.event_time.map(|time| self.judge.matched_until(self.row.input, time));
        let Some(until) = until.filter(|until| came.watermark.is_some_and(|w| w > *until)) else {
            return Ok(format!(" The interval closed with {record}."));
        };
        let by = past(self.run, until, came.arrival)?.map(|passed| passed.by);
        Ok(match by {
            Some(By::Idle(lane)) => format!(
                " The interval closed when {}[{}] had gone idle, before {record} came.",
                lane.topic, lane.partition
            ),
            _ => format!(" The interval closed before {record} came."),
        })
    }

    /// Of an open row that could be matched until the event-time watermark was past
    /// `until`, and is still held.
    pub(super) fn overstays(&self, until: i64, stood: Option<i64>) -> String {
        // B4.1, B5.
        let (when, stands) = self.tense();
        format!(
            "Its interval ended without a match, and Flink SQL still holds it: {when} the event-time watermark {stands} at {}, past {}, but neither its key's cleanup timer nor a record of {} with its key has removed it. ",
            stood.map(rfc3339_ms).unwrap_or_default(),
            rfc3339_ms(until),
            self.judge.other_side(self.row.input)
        )
    }

    /// How long an open row stays in the state, where that goes by the event-time
    /// watermark, which stood at `stood` at the end.
    pub(super) fn stays(&self, time: i64, stood: Option<i64>) -> String {
        let join = &self.judge.pipeline().join;
        let reach = match join.with.iter().find(|with| with.input == self.row.input) {
            Some(with) => with.after.saturating_neg(),
            None => self.judge.pipeline().largest_until(),
        };
        let (when, stands) = self.tense();
        let begun = if when == NOW { "has" } else { "had" };
        let stands = stood.map_or_else(
            || format!("{begun} not begun"),
            |stood| format!("{stands} at {}", rfc3339_ms(stood)),
        );
        if join.semantics != Semantics::FlinkDataStream {
            let until = rfc3339_ms(time.saturating_add(reach));
            // B4.2: its key's timer may be that of another row, and later.
            let least = if join.semantics == Semantics::FlinkSql { "at least " } else { "" };
            return format!(
                "It stays in the state {least}until the event-time watermark is past {until}; {when} that {stands}. "
            );
        }
        // C5: the time of its cleanup timer; C7: which fires when W reaches it, but
        // where that was so when the row came, with the next advance.
        let timer = time.saturating_add(reach.max(0));
        let until = rfc3339_ms(timer);
        if stood.is_some_and(|stood| stood >= timer) {
            return format!(
                "It stays in the state until the event-time watermark moves: its cleanup timer is at {until}, and that {stands} already. "
            );
        }
        format!(
            "It stays in the state until the event-time watermark reaches {until}; {when} that {stands}. "
        )
    }

    /// What a row waits for that Kafka Streams still held at the end. It knows
    /// no watermark: its stores go by their own times (D3, D4).
    pub(super) fn held(&self) -> Result<String> {
        let ended = "The run ended while it was still held. ";
        let mut text = if goes_on(self.run) { "It is still held. " } else { ended }.to_owned();
        let (Ok((settings, inputs)), Some(time)) =
            (Settings::of_pipeline(self.judge.pipeline()), self.row.event_time)
        else {
            return Ok(text);
        };
        let left = self.row.input == inputs.left;
        let pads = match settings.kind {
            StreamKind::Inner => false,
            StreamKind::Left => left,
            StreamKind::Outer => true,
        };
        let outlived = time.saturating_add(settings.retention());
        let until = rfc3339_ms(outlived);
        if pads && !self.row.padded {
            let reach = if left { settings.after } else { settings.before };
            let closes = time.saturating_add(reach).saturating_add(settings.grace);
            // It waits in a store of its own, for as long as it takes: the window store
            // may have outlived it by then (D3.4), with a negative `before` (of the right
            // side, `after`) always, and may never have had it (D4).
            text.push_str(&format!(
                "It waits to be put out with nulls for a head row past {}. Rows of the other side find it until its side's store has seen {until}",
                rfc3339_ms(closes)
            ));
            if let Some(seen) = self.seen(Some(self.row.lane as usize))?.filter(|s| *s >= outlived)
            {
                let of = &self.row.record;
                let come = rfc3339_ms(seen);
                text.push_str(&format!("; {}[{}] has come to {come}", of.topic, of.partition));
            }
            text.push_str(". ");
        } else {
            if self.row.padded {
                text.push_str("It was put out with nulls. ");
            }
            text.push_str(&format!("It is kept until its side's store has seen {until}. "));
        }
        if settings.max_task_idle.is_some() {
            let other = if left { inputs.right } else { inputs.left };
            text.push_str(&self.buffered(other, time)?);
        }
        Ok(text)
    }

    /// A task takes the smallest timestamp among what it has buffered, and waits
    /// for an empty partition: whether this row may still be in its queue.
    fn buffered(&self, other: u8, time: i64) -> Result<String> {
        let Some(topic) =
            self.judge.pipeline().inputs.get(usize::from(other)).map(|input| &input.topic)
        else {
            return Ok(String::new());
        };
        let partition = self.row.record.partition;
        let now = self.run.now();
        let lanes = &now.manifest.start.lanes;
        let lane = lanes.iter().position(|l| l.input == other && l.partition == partition);
        if self.seen(lane)?.is_some_and(|seen| seen >= time)
            || !may_wait_for(self.run, topic, partition)
        {
            return Ok(String::new());
        }
        Ok(format!(
            "If its task still waited for a record of {topic}[{partition}], it was only buffered. "
        ))
    }

    /// The largest event time of a lane so far.
    fn seen(&self, lane: Option<usize>) -> Result<Option<i64>> {
        let last = self.run.arrivals().saturating_sub(1);
        let at = self.run.watermarks_at(last)?;
        Ok(lane.and_then(|lane| at.lanes.get(lane)?.max_seen))
    }
}
