//! One join operator, fed an explicit trace of rows and watermarks
//! (10-command-line, "An operator trace"). Nothing else is read, no clock is
//! asked.

mod clean;
mod line;
#[cfg(test)]
mod tests;

use clean::CleanTrace;
use line::{Event, Spec};

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
}

impl From<serde_json::Error> for TraceError {
    /// The caller knows the line; of serde's place only the column says something.
    fn from(error: serde_json::Error) -> Self {
        let text = error.to_string();
        let text = text.split(" at line ").next().unwrap_or_default();
        Self::Line(format!("column {}: {text}", error.column()))
    }
}

/// Traces, line by line.
#[derive(Default)]
pub struct Traces {
    /// Traces begun so far.
    begun: u64,
    /// Index of the next event of this trace; the spec is 0.
    next: u64,
    operator: Option<CleanTrace>,
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
            self.operator = Some(CleanTrace::new(&spec));
            let name = serde_json::Value::from(spec.name);
            put(out, &serde_json::json!({ "trace": self.begun, "name": name }));
            self.begun += 1;
            self.next = 1;
            return Ok(());
        }
        let event = Event::parse(line)?;
        let operator = self.operator.as_mut().ok_or(TraceError::NoSpec)?;
        let i = self.next;
        self.next += 1;
        operator.event(event, &mut |mut what| {
            // The index stands first.
            let mut tagged = serde_json::Map::from_iter([("i".to_owned(), i.into())]);
            if let Some(what) = what.as_object_mut() {
                tagged.append(what);
            }
            put(out, &tagged.into());
        })
    }
}

fn put(out: &mut String, value: &serde_json::Value) {
    out.push_str(&value.to_string());
    out.push('\n');
}
