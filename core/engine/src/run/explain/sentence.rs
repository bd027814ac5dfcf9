//! The verdict in a sentence or two, with its numbers. Records stand in it by
//! name, so that a reader can go there.

use super::candidates::{Candidate, INSIDE_BUT, how_gone, short};
use super::judge::{Fate, Judge, Lies};
use super::passed::{By, Passed};
use super::why::{NOT_AT_HAND, failure};
use super::{Figure, goes_on};
use crate::operator::join::Reason;
use crate::operator::join::kafka_streams::Settings;
use crate::operator::pipeline::{LatePolicy, Semantics};
use crate::operator::time::{duration_setting, format_duration};
use crate::operator::verdict::Verdict;
use crate::run::Run;
use crate::run::error::Result;
use crate::run::types::{OutputView, RowView};

/// What sentences are made of.
pub(super) struct Said<'a> {
    pub run: &'a Run,
    pub judge: &'a Judge,
    pub row: &'a RowView,
    pub candidates: &'a [Candidate],
    /// All that lie in its interval are among them.
    pub whole: bool,
}

impl Said<'_> {
    pub fn sentence(&self, passed: Option<&Passed>, outputs: &[OutputView]) -> Result<String> {
        Ok(match self.row.verdict {
            Verdict::Late => self.late(passed),
            Verdict::Joined => self.joined()?,
            Verdict::Unmatched => self.unmatched(outputs)?,
            Verdict::Expired => self.expired(outputs)?,
            Verdict::Open => self.open()?,
            Verdict::Tombstone => "Its value is null, so there is nothing to join.".to_owned(),
            failed => {
                let why = failure(self.run, self.row).unwrap_or_else(|| NOT_AT_HAND.to_owned());
                match failed {
                    Verdict::Filtered => format!("Left out: {why}."),
                    _ => format!("It is {failed}: {why}."),
                }
            }
        })
    }

    /// Figures that the row itself does not have.
    pub fn numbers(&self, passed: Option<&Passed>) -> Vec<(String, Figure)> {
        let mut numbers = Vec::new();
        // What failed an earlier check was never held against an interval.
        let judged = self.row.verdict.passed_the_checks();
        for with in self.judge.pipeline().join.with.iter().filter(|_| judged) {
            if with.input == self.row.input || self.judge.is_primary(self.row.input) {
                let name = self.judge.input_name(with.input);
                let bounds =
                    format!("{} to {}", duration_setting(with.after), duration_setting(with.until));
                numbers.push((format!("Interval of {name}"), Figure::Text(bounds)));
            }
        }
        if let Some(passed) = passed {
            let at = Figure::Arrival(passed.at, passed.at_ms);
            numbers.push(("Watermark passed it".to_owned(), at));
            if let Some(ms) = self.row.arrival_ms.checked_sub(passed.at_ms) {
                let after = Figure::Text(format_duration(ms));
                numbers.push(("Arrived after that".to_owned(), after));
            }
        }
        numbers
    }

    fn late(&self, passed: Option<&Passed>) -> String {
        let by = self.row.late_by.map_or_else(|| "some time".to_owned(), format_duration);
        let then = match self.judge.pipeline().join.late {
            LatePolicy::SideOutput => "so it went to the late side output",
            LatePolicy::Drop | LatePolicy::Join => "so the join dropped it",
        };
        let mut text = format!("Arrived {by} behind the event-time watermark, {then}. ");
        text.push_str(&self.nearest());
        if let Some(passed) = passed {
            text.push(' ');
            text.push_str(&self.mover(passed));
        }
        text
    }

    fn mover(&self, passed: &Passed) -> String {
        let ago = self.row.arrival_ms.saturating_sub(passed.at_ms);
        let ago = match ago {
            0 => "just before".to_owned(),
            ms => format!("{} before it came", format_duration(ms)),
        };
        match &passed.by {
            By::Record(name) => {
                format!("{name} had moved the event-time watermark past it {ago}.")
            }
            By::Idle(lane) => format!(
                "{}[{}] had gone idle {ago}, and the event-time watermark went past it without waiting.",
                lane.topic, lane.partition
            ),
            By::NoPartition(without) => format!(
                "Flink had found {}, without a partition, to be idle {ago}, and the event-time watermark went past it without waiting.",
                without.named(self.judge.input_name(without.input))
            ),
            By::Periodic(input) => format!(
                "The periodic event-time watermark of {} had passed it {ago}.",
                self.judge.input_name(*input)
            ),
        }
    }

    fn joined(&self) -> Result<String> {
        let matched: Vec<&Candidate> = self.candidates.iter().filter(|c| c.matched).collect();
        let mut text = match matched[..] {
            [] => "It matched.".to_owned(),
            [one] if self.whole => format!("Matched {}.", Self::apart(one)),
            [first, ..] => {
                let (n, more) = (matched.len(), self.or_more());
                let names: Vec<String> =
                    matched.iter().take(3).map(|c| c.record.to_string()).collect();
                match n {
                    2 | 3 if more.is_empty() => format!("Matched {}.", listed(&names)),
                    _ => format!("Matched {n}{more} records, the nearest {}.", Self::apart(first)),
                }
            }
        };
        match self.row.reason {
            Reason::PaddedAndJoined => {
                text.push_str(" It had been put out with nulls before: padded and joined.");
            }
            Reason::NotKept if self.judge.semantics() == Semantics::FlinkSql => text.push_str(
                " Flink SQL did not keep it: the operator time had already reached the end of its interval.",
            ),
            Reason::NotStored => text.push_str(
                " Kafka Streams did not store it: it was older than what its side's store keeps, so nothing that came later could find it.",
            ),
            Reason::JoinedExpired => text.push_str(
                " One of the two had expired already: Flink SQL joins a row that its cleanup has not reached once more.",
            ),
            _ => {}
        }
        if self.judge.pipeline().folds()
            && let Some(before) = self.row.outputs.checked_sub(1)
            // Of many the first are listed only, and the last is what counts.
            && let Some(last) = self.run.output_numbers_of(self.row.row, before, 1)?.pop()
        {
            text.push_str(&match before {
                _ if self.judge.is_primary(self.row.input) => {
                    format!(" Its example is output {last}.")
                }
                0 => format!(" It is folded into output {last}."),
                n => format!(" It is folded into {} outputs, the last {last}.", n + 1),
            });
        }
        Ok(text)
    }

    /// After a number of candidates in the interval.
    fn or_more(&self) -> &'static str {
        if self.whole { "" } else { " or more" }
    }

    fn unmatched(&self, outputs: &[OutputView]) -> Result<String> {
        let mut text =
            self.reason()?.unwrap_or_else(|| "Its interval closed without a match.".to_owned());
        let nearest = self.nearest();
        if !nearest.is_empty() {
            text.push(' ');
            text.push_str(&nearest);
        }
        text.push_str(self.padded(outputs));
        if !self.not_in_store() {
            text.push_str(&self.closed()?);
        }
        Ok(text)
    }

    /// What the join did with a row that matched nothing, besides.
    fn reason(&self) -> Result<Option<String>> {
        let text = match self.row.reason {
            Reason::NotKept | Reason::NotKeptPadded
                if self.judge.semantics() == Semantics::FlinkSql =>
            {
                "Flink SQL did not keep this row: the operator time had already reached the end of its interval, and nothing that it still held matched."
            }
            Reason::Cleared => {
                "Flink SQL cleared its side's cache, in which no time above 0 was left, while the row was alive."
            }
            Reason::NotKept | Reason::NotKeptPadded => {
                "It came when the event-time watermark was past its last possible partner, and nothing in the state matched it."
            }
            Reason::NotStored | Reason::NotStoredPadded => return self.not_stored().map(Some),
            Reason::PaddedAtOnce => {
                "Kafka Streams put it out at once: it was out of order by more than its window reaches on, whatever the grace. Nothing that came later matched it."
            }
            Reason::NullKeyPadded => "Its key is null, so that nothing can match it.",
            Reason::Plain | Reason::Padded | Reason::PaddedAndJoined | Reason::JoinedExpired => {
                return Ok(None);
            }
        };
        Ok(Some(text.to_owned()))
    }

    fn padded(&self, outputs: &[OutputView]) -> &'static str {
        match outputs.first() {
            _ if !self.row.padded => "",
            Some(_) if self.judge.pipeline().folds() => {
                " Its example went out with nothing folded into it."
            }
            _ => " It was put out with nulls.",
        }
    }

    fn not_in_store(&self) -> bool {
        matches!(self.row.reason, Reason::NotStored | Reason::NotStoredPadded)
    }

    /// Of a row that Kafka Streams did not store: `cause` is the arrival that
    /// brought the time of its side's store to where it was.
    fn not_stored(&self) -> Result<String> {
        // A revision names the row that would have matched.
        let moved = match self.row.first_cause.or(self.row.cause) {
            Some(cause) => self.run.rows_of_arrival(cause)?,
            None => Vec::new(),
        };
        let moved = moved.into_iter().find(|row| row.input == self.row.input);
        let kept = Settings::of_pipeline(self.judge.pipeline())
            .ok()
            .map(|(settings, _)| settings.retention());
        let times = moved.as_ref().and_then(|row| row.event_time).zip(self.row.event_time);
        let (older, record) = match (times, kept, &moved) {
            (Some((newest, own)), Some(kept), Some(moved)) => {
                let oldest = newest.saturating_sub(kept).saturating_add(1);
                let by = format_duration(oldest.saturating_sub(own));
                (by, format!(" The store had come so far with {}.", moved.record))
            }
            _ => ("it was".to_owned(), String::new()),
        };
        Ok(format!(
            "Kafka Streams did not store it: {older} older than what its side's store keeps, so nothing that came later could find it, and nothing in the other side's store matched it.{record}"
        ))
    }

    fn expired(&self, outputs: &[OutputView]) -> Result<String> {
        let mut text = String::new();
        // In `clean` what follows says it all.
        if self.judge.semantics() != Semantics::Clean
            && let Some(reason) = self.reason()?
        {
            text = reason + " ";
        }
        text.push_str(&self.gone());
        text.push_str(self.padded(outputs));
        Ok(text)
    }

    /// What an expired row would have matched.
    fn gone(&self) -> String {
        let gone = self.candidates.iter().find_map(|c| match c.fate {
            Fate::Gone(past) => Some((c, past)),
            _ => None,
        });
        let lost = self.candidates.iter().find(|c| c.fate == Fate::NotFound);
        if let Some(c) = lost {
            return Self::lost(c);
        }
        match gone {
            Some((c, past)) if !Judge::came_first(self.row, &c.row) => format!(
                "{} lies in its interval but {}: the event-time watermark was {} beyond the last one that keeps it.",
                c.record,
                how_gone(self.row, &c.row),
                format_duration(past)
            ),
            Some((c, past)) => format!(
                "It was not in the state when {} came, which lies in its interval: the event-time watermark was then {} beyond the last one that keeps it.",
                c.record,
                format_duration(past)
            ),
            None => format!(
                "Accepted, but what it would have matched had left the state. {}",
                self.nearest()
            ),
        }
    }

    fn open(&self) -> Result<String> {
        let join = &self.judge.pipeline().join;
        if join.semantics == Semantics::KafkaStreams {
            return Ok(self.held()? + &self.nearest());
        }
        let last = self.run.arrivals().saturating_sub(1);
        let at = self.run.watermarks_at(last)?;
        if let Some(until) = self.judge.overstays(self.row, at.join) {
            return Ok(self.overstays(until, at.join) + &self.nearest());
        }
        let ended = "The run ended before its interval did. ";
        let mut text =
            if goes_on(self.run) { "No verdict has fallen yet. " } else { ended }.to_owned();
        if let Some(time) = self.row.event_time {
            text.push_str(&self.stays(time, at.join));
        }
        if let Some(without) = at.holder.and_then(|holder| holder.without) {
            let name = without.named(self.judge.input_name(without.input));
            text.push_str(&format!("What holds that back is {name}, without a partition. "));
        }
        text.push_str(&self.nearest());
        Ok(text)
    }

    /// A candidate that the engine did not find.
    fn lost(c: &Candidate) -> String {
        let why = c.why.strip_prefix(INSIDE_BUT).unwrap_or(&c.why);
        format!("{} lies in its interval, but {why}.", c.record)
    }

    /// The nearest candidate and what became of it.
    fn nearest(&self) -> String {
        let other = self.judge.other_side(self.row.input);
        let Some(c) = self.candidates.first() else {
            return match &self.row.key {
                Some(key) => format!("No record of {} has its key {}.", self.others(), short(key)),
                // Its reason says so already.
                None if self.row.reason == Reason::NullKeyPadded => String::new(),
                None => "Without a key nothing matches it.".to_owned(),
            };
        };
        match c.fate {
            Fate::Matched => format!("It matched {}.", Self::apart(c)),
            Fate::OwnLate => {
                let n = self.candidates.iter().filter(|c| c.fate == Fate::OwnLate).count();
                match n {
                    1 if self.whole => format!("It would have matched {}.", Self::apart(c)),
                    _ => format!(
                        "It would have matched {n}{} records of {other}, the nearest {}.",
                        self.or_more(),
                        Self::apart(c)
                    ),
                }
            }
            Fate::OtherLate(by) => format!(
                "{} lies in its interval, but was itself {} late.",
                c.record,
                format_duration(by)
            ),
            Fate::NotFound => Self::lost(c),
            Fate::Gone(_) => format!(
                "{} lies in its interval, but the earlier of the two was not in the state when the later came.",
                c.record
            ),
            Fate::Outside(Lies::Before(ms) | Lies::After(ms)) => format!(
                "The nearest candidate, {}, is {} outside the interval.",
                c.record,
                format_duration(ms)
            ),
            Fate::OtherKey | Fate::Outside(Lies::Within) => {
                let key = self.row.key.as_ref().map(short).unwrap_or_default();
                format!(
                    "No record of {} has its key {key}; {} nearly has: {}.",
                    self.others(),
                    c.record,
                    c.why
                )
            }
        }
    }

    /// The other side where none of it has the key: of what failed a check before the key
    /// was looked for, nobody knows.
    fn others(&self) -> String {
        const UNSEEN: [Verdict; 4] =
            [Verdict::Tombstone, Verdict::Undecodable, Verdict::Untimed, Verdict::Filtered];
        let books = self.run.books(None).map(|books| books.inputs).unwrap_or_default();
        let unseen = (0..).zip(&books).any(|(input, counts)| {
            self.judge.faces(self.row.input, input) && UNSEEN.iter().any(|v| counts.get(*v) > 0)
        });
        let passed = if unseen { " that passed the checks" } else { "" };
        self.judge.other_side(self.row.input) + passed
    }

    /// `views[1]@391204, 3m 05s earlier`: how the row lies to the candidate.
    fn apart(c: &Candidate) -> String {
        match c.distance_ms {
            None => c.record.to_string(),
            Some(0) => format!("{}, at the same time", c.record),
            Some(ms) => {
                let side = if ms < 0 { "earlier" } else { "later" };
                let apart = format_duration(ms.saturating_abs());
                format!("{}, {apart} {side}", c.record)
            }
        }
    }
}

fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}
