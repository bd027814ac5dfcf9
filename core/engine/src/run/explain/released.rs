//! What a released engine did with a row, in its own terms (12-released-joins).

use super::judge::Judge;
use super::sentence::Said;
use crate::operator::join::Reason;
use crate::operator::join::kafka_streams::{Settings, StreamKind};
use crate::operator::pipeline::Semantics;
use crate::operator::time::rfc3339_ms;
use crate::run::error::Result;
use crate::run::types::RowView;

/// The reason of a verdict in a few words, for a table; `None` where the engine
/// did nothing of its own.
pub(super) fn reason(judge: &Judge, row: &RowView) -> Option<&'static str> {
    Some(match row.reason {
        // B4.2; `clean` has its own words for it.
        Reason::NotKept | Reason::NotKeptPadded if judge.semantics() == Semantics::FlinkSql => {
            "not kept: the operator time was past its interval"
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

impl Said<'_> {
    /// What a row waits for that Kafka Streams still held at the end. It knows
    /// no watermark: its stores go by their own times (D3, D4).
    pub(super) fn held(&self) -> Result<String> {
        let mut text = "The run ended while it was still held. ".to_owned();
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
        // An undecided row that has outputs was put out with nulls.
        if pads && self.row.outputs == 0 {
            let reach = if left { settings.after } else { settings.before };
            let closes = time.saturating_add(reach).saturating_add(settings.grace);
            text.push_str(&format!(
                "It waits to be put out with nulls for a head row past {}. ",
                rfc3339_ms(closes)
            ));
        }
        let outlived = time.saturating_add(settings.retention());
        text.push_str(&format!(
            "It is kept until its side's store has seen {}. ",
            rfc3339_ms(outlived)
        ));
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
        let lanes = self.run.manifest().start.lanes;
        let lane = lanes.iter().position(|l| l.input == other && l.partition == partition);
        let last = self.run.arrivals().saturating_sub(1);
        let at = self.run.watermarks_at(last)?;
        let seen = lane.and_then(|lane| at.lanes.get(lane)?.max_seen);
        if seen.is_some_and(|seen| seen >= time) {
            return Ok(String::new());
        }
        Ok(format!(
            "If its task still waited for a record of {topic}[{partition}], it was only buffered. "
        ))
    }
}
