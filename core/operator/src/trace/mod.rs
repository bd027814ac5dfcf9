//! One join operator, fed an explicit trace of rows and watermarks
//! (10-command-line, "An operator trace"). Nothing else is read, no clock is
//! asked.

mod clean;
mod flink;
mod kafka_streams;
mod line;
mod spec;
#[cfg(test)]
mod tests;

use clean::CleanTrace;
use flink::FlinkTrace;
use kafka_streams::KafkaStreamsTrace;
use line::Event;
use serde_json::{Map, Value, json};
use spec::{JoinSpec, Spec};

use crate::state::StateError;

/// A line that is none of a trace, or an operator that failed.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    #[error(
        "an event before any spec: the first line of a trace is its spec, e.g. {{\"semantics\":\"clean\",\"kind\":\"inner\",\"lower_ms\":0,\"upper_ms\":10}}"
    )]
    NoSpec,
    #[error("{0}")]
    Line(String),
    #[error(transparent)]
    State(#[from] StateError),
    /// The released engine's job would fail here. [`Traces`] never gives it:
    /// it writes an `error` line and skips the rest of the trace.
    #[error("{0}")]
    Job(String),
}

impl From<serde_json::Error> for TraceError {
    /// The caller knows the line; of serde's place only the column says something.
    fn from(error: serde_json::Error) -> Self {
        let text = error.to_string();
        let text = text.split(" at line ").next().unwrap_or_default();
        Self::Line(format!("column {}: {text}", error.column()))
    }
}

/// Takes what an event sets off, an object without the event's index.
type Give<'a> = &'a mut dyn FnMut(Value);

/// A join behind the protocol.
trait TraceOperator: Send {
    /// Takes one event; gives what it sets off, in order.
    fn event(&mut self, event: Event, give: Give<'_>) -> Result<(), TraceError>;
}

/// What the spec asks for.
fn operator(spec: &JoinSpec) -> Result<Box<dyn TraceOperator>, TraceError> {
    match spec {
        JoinSpec::Clean(spec) => Ok(Box::new(CleanTrace::new(spec))),
        JoinSpec::FlinkSql(spec) => Ok(Box::new(FlinkTrace::sql(spec)?)),
        JoinSpec::FlinkDataStream(spec) => Ok(Box::new(FlinkTrace::datastream(spec))),
        JoinSpec::KafkaStreams(spec) => Ok(Box::new(KafkaStreamsTrace::new(spec)?)),
    }
}

/// Traces, line by line.
#[derive(Default)]
pub struct Traces {
    /// Traces begun so far.
    begun: u64,
    current: Option<Current>,
}

/// The trace at hand.
struct Current {
    /// `None`: the job failed, and nothing comes of the rest.
    operator: Option<Box<dyn TraceOperator>>,
    /// Index of the next event; the spec is 0.
    next: u64,
    /// Wall clock; it never goes back.
    clock: i64,
}

impl Traces {
    /// No trace yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one line; appends the lines that it sets off, each with its end.
    ///
    /// # Errors
    /// The line is none of a trace; what stands in `out` is still good.
    pub fn line(&mut self, line: &str, out: &mut String) -> Result<(), TraceError> {
        if line.trim().is_empty() {
            return Ok(());
        }
        if let Some(spec) = Spec::parse(line)? {
            let clock = match &spec.join {
                JoinSpec::KafkaStreams(spec) => spec.clock,
                _ => i64::MIN,
            };
            let built = operator(&spec.join);
            if !matches!(built, Err(TraceError::Job(_)) | Ok(_)) {
                return built.map(drop);
            }
            put(out, &json!({ "trace": self.begun, "name": spec.name }));
            self.begun += 1;
            let operator = match built {
                Ok(operator) => Some(operator),
                Err(why) => {
                    put(out, &json!({ "i": 0, "error": why.to_string() }));
                    None
                }
            };
            self.current = Some(Current { operator, next: 1, clock });
            return Ok(());
        }
        let event = Event::parse(line)?;
        self.current.as_mut().ok_or(TraceError::NoSpec)?.event(event, out)
    }
}

impl Current {
    fn event(&mut self, event: Event, out: &mut String) -> Result<(), TraceError> {
        if let Event::Clock(to) = event {
            if to < self.clock {
                return Err(TraceError::Line(format!(
                    "clock {to}: it goes back from {}; a clock line says the time since the epoch, never less than the one before",
                    self.clock
                )));
            }
            self.clock = to;
        }
        let i = self.next;
        self.next += 1;
        let Some(operator) = &mut self.operator else { return Ok(()) };
        // The index stands first.
        let mut give = |mut what: Value| {
            let mut tagged = Map::from_iter([("i".to_owned(), i.into())]);
            if let Some(what) = what.as_object_mut() {
                tagged.append(what);
            }
            put(out, &tagged.into());
        };
        match operator.event(event, &mut give) {
            Err(why @ TraceError::Job(_)) => {
                give(json!({ "error": why.to_string() }));
                self.operator = None;
                Ok(())
            }
            other => other,
        }
    }
}

fn put(out: &mut String, value: &Value) {
    out.push_str(&value.to_string());
    out.push('\n');
}
