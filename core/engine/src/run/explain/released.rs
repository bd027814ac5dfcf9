//! What a released engine did with a row, in its own terms (12-released-joins).

use super::judge::Judge;
use crate::operator::join::Reason;
use crate::operator::pipeline::Semantics;
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
