//! Why a record gives no row, kept as facts and put into words only when asked.

use std::fmt;

use super::avro::Bad;
use super::needs::Needs;
use super::value::{NoTime, comparable};
use crate::pipeline::{Semantics, TimeUnit};
use crate::time::{duration_setting, format_duration, rfc3339_ms};
use crate::verdict::Verdict;

/// Why a record gives no row; turned into words only where somebody asks.
pub(super) struct Failure {
    pub verdict: Verdict,
    pub event_time: Option<i64>,
    pub why: Why,
}

pub(super) enum Why {
    NullValue,
    /// The flag of these three: whether it looks like Confluent framing where
    /// none is expected.
    Utf8(std::str::Utf8Error, bool),
    Json(serde_json::Error, bool),
    Avro(Bad, bool),
    Framing(Bad),
    Schema(String),
    Time(NoTime, &'static str),
    NoTimestamp,
    OutOfReach(i64),
    /// Where the released engine has no join.
    BelowLeast(i64),
    Ahead(i64, i64),
    Filtered(usize, &'static str),
    NoKafkaKey,
    NoKey(&'static str),
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (byte {})", self.what, self.at)
    }
}

impl Why {
    /// Whether there is no key because it is null or missing.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::NoKafkaKey | Self::NoKey("missing" | "null"))
    }

    /// The second half of a sentence: "it is unkeyed: …".
    pub fn text(&self, needs: &Needs, input: &str) -> String {
        let mut text = self.fact(needs, input);
        if let Some(fails) = self.job_fails(needs.semantics) {
            text.push_str("; ");
            text.push_str(fails);
        }
        text
    }

    /// Where the released engine would fail the job, which a run does not
    /// (3-semantics).
    fn job_fails(&self, semantics: Semantics) -> Option<&'static str> {
        match (semantics, self) {
            // Rule C1.
            (Semantics::FlinkDataStream, why) if why.is_null() => {
                Some("DataStream fails the job here (setCurrentKey)")
            }
            // Rule C2.
            (Semantics::FlinkDataStream, Self::Time(NoTime::Missing, _)) => {
                Some("DataStream fails the job here (Long.MIN_VALUE timestamp)")
            }
            // Rule B15.
            (Semantics::FlinkSql, Self::Time(NoTime::Missing, _)) => {
                Some("Flink SQL fails the job here (RowTime field should not be null)")
            }
            _ => None,
        }
    }

    fn fact(&self, needs: &Needs, input: &str) -> String {
        let name = |slot: usize| needs.paths[slot].join(".");
        let time = || needs.time.map(|(slot, _)| name(slot)).unwrap_or_default();
        match self {
            Self::NullValue => "its value is null".to_owned(),
            Self::Utf8(_, true) | Self::Json(_, true) => "its value is not JSON: it begins as Confluent framing does; if Avro is behind it, set format = \"avro-registry\" (framed JSON is not read)".to_owned(),
            Self::Utf8(e, false) => {
                format!("its value is not UTF-8 from byte {} on", e.valid_up_to())
            }
            Self::Json(e, false) => format!("its value is not JSON: {e}"),
            Self::Framing(e) => format!("its value has no Confluent framing: {e}"),
            Self::Avro(e, false) => format!("its value does not fit its Avro schema: {e}"),
            Self::Avro(e, true) => format!(
                "its value does not fit its Avro schema: {e}; it begins as Confluent framing does: try format = \"avro-registry\""
            ),
            Self::Schema(why) => why.clone(),
            Self::Time(NoTime::Missing, kind) => {
                format!("the field {} of its event time is {kind}", time())
            }
            Self::Time(NoTime::NotText, kind) => {
                format!("{} is {kind}, not an RFC 3339 text", time())
            }
            Self::Time(NoTime::NotRfc3339, _) => {
                format!("{} is not an RFC 3339 time with an offset", time())
            }
            Self::Time(NoTime::NotNumber, kind) => {
                let unit = needs.time.map_or(TimeUnit::Milliseconds, |(_, unit)| unit);
                format!("{} is {kind}, not a number of {}", time(), unit.name())
            }
            Self::Time(NoTime::OutOfRange, _) => {
                format!("{} does not fit into 64 bits of milliseconds", time())
            }
            Self::NoTimestamp => "it has no Kafka timestamp".to_owned(),
            Self::OutOfReach(ms)
                if needs.timer.is_some_and(|t| i128::from(*ms) + t > i128::from(i64::MAX)) =>
            {
                format!(
                    "its event time {} is so far out that its cleanup timer would wrap: Flink SQL would register it again for ever and never return",
                    rfc3339_ms(*ms)
                )
            }
            Self::OutOfReach(ms) => format!(
                "its event time {} is so far out that adding the join's interval leaves 64 bits",
                rfc3339_ms(*ms)
            ),
            Self::BelowLeast(ms) if needs.semantics == Semantics::FlinkSql => format!(
                "its event time {} is at or below the epoch, where Flink SQL's interval join is none: {}",
                rfc3339_ms(*ms),
                // Rules B4, B5.3 and B11: the end of its interval against an operator
                // time that begins at 0.
                if needs.size.is_none_or(|size| i128::from(*ms) + size <= 0) {
                    "its operator time is never below 0, so that it would neither keep the row nor find others for it"
                } else {
                    "it would take the row as any other, but a cleanup timer of its key that finds it alive would clear its side's cache, without a pad"
                }
            ),
            Self::BelowLeast(ms) => format!(
                "its timestamp {ms} is negative, at which Kafka Streams stops its thread (FailOnInvalidTimestamp, the default)"
            ),
            Self::Ahead(ahead, most) => format!(
                "its event time is {} ahead of its arrival, more than inputs.{input}.watermark.max_ahead = {}",
                distinct(*ahead, *most),
                duration_setting(*most)
            ),
            Self::Filtered(i, kind) => {
                let (slot, values) = &needs.filter[*i];
                let field = name(*slot);
                match *kind {
                    "missing" | "null" => {
                        format!("{field} is {kind}, and inputs.{input}.where asks for it")
                    }
                    // 5 is not 5.0: the value may look like the one that is asked for.
                    _ if !values.iter().any(|value| comparable(kind, value)) => format!(
                        "{field} is {kind}, and what inputs.{input}.where keeps is not: type and value must be the same"
                    ),
                    _ if values.len() == 1 => {
                        format!("{field} is not the one that inputs.{input}.where keeps")
                    }
                    _ => format!("{field} is not among those that inputs.{input}.where keeps"),
                }
            }
            Self::NoKafkaKey => "its Kafka key is null".to_owned(),
            Self::NoKey(kind) => {
                let field = needs.key.map(name).unwrap_or_default();
                match *kind {
                    "missing" | "null" => format!("its key {field} is {kind}"),
                    _ => format!("its key {field} is {kind}, which is no key"),
                }
            }
        }
    }
}

/// A duration for people, exact where two units would hide what sets it apart.
fn distinct(ms: i64, other: i64) -> String {
    let text = format_duration(ms);
    if text == format_duration(other) { duration_setting(ms) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Pipeline;

    /// Of two inputs; `left` and `join` are what else their sections say.
    fn pipeline(left: &str, join: &str) -> Pipeline {
        let input = |name: &str, more: &str| {
            format!(
                "[inputs.{name}]\ntopic = \"{name}\"\nformat = \"json\"\nkey = \"k\"\n\
                 event_time = \"$timestamp\"\n{more}\n"
            )
        };
        let (left, right) = (input("l", left), input("r", ""));
        let text = format!("{left}{right}[join]\nprimary = \"l\"\n{join}\n");
        Pipeline::parse(&text, "p").unwrap()
    }

    /// Rules B4.2, B5.3 and B11.
    #[test]
    fn what_flink_sql_would_do_below_the_epoch_goes_by_the_end_of_the_interval() {
        let pipeline = pipeline(
            "",
            "with.r = { after = \"-2ms\", until = \"5ms\" }\n\
             semantics = \"flink-sql\"\nmin_cleanup = \"1h\"",
        );
        for (input, time, kept) in
            [(0, 0, true), (0, -4, true), (0, -5, false), (1, -1, true), (1, -2, false)]
        {
            let needs = Needs::new(&pipeline, input).unwrap();
            let said = Why::BelowLeast(time).text(&needs, "l");
            let what = if kept { "take the row as any other" } else { "neither keep" };
            assert!(said.contains(what), "{input} {time}: {said}");
        }
    }

    #[test]
    fn what_is_of_another_type_than_where_asks_for_says_so() {
        let filter = "where = { price = 5, kind = [\"like\", 7] }";
        let pipeline = pipeline(filter, "with.r = { until = \"1s\" }");
        let needs = Needs::new(&pipeline, 0).unwrap();
        let said = |condition, kind| Why::Filtered(condition, kind).text(&needs, "l");
        assert_eq!(
            said(0, "a floating-point number"),
            "price is a floating-point number, and what inputs.l.where keeps is not: type and value must be the same"
        );
        assert_eq!(said(0, "an integer"), "price is not the one that inputs.l.where keeps");
        assert_eq!(said(0, "null"), "price is null, and inputs.l.where asks for it");
        assert_eq!(said(1, "a text"), "kind is not among those that inputs.l.where keeps");
        assert!(said(1, "true or false").starts_with("kind is true or false, and what"));
    }
}
