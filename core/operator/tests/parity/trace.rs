//! A trace: its spec, then its events, each a line of the protocol.

use std::path::Path;

use joinscope_operator::trace::Traces;
use serde_json::Value;

#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    pub spec: Value,
    pub events: Vec<Value>,
}

/// What a join gave for one trace, without the line that names the trace.
pub type Given = Vec<String>;

impl Trace {
    /// The one trace of a file.
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let mut value = || lines.next().map(|line| serde_json::from_str(line).unwrap());
        let spec = value().unwrap_or_else(|| panic!("{}: no spec", path.display()));
        Self { spec, events: std::iter::from_fn(value).collect() }
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in std::iter::once(&self.spec).chain(&self.events) {
            text.push_str(&line.to_string());
            text.push('\n');
        }
        text
    }

    pub fn semantics(&self) -> &str {
        self.spec["semantics"].as_str().unwrap_or_default()
    }

    /// A number of the spec; 0 where it is absent.
    pub fn setting(&self, name: &str) -> i64 {
        self.spec.get(name).and_then(Value::as_i64).unwrap_or(0)
    }
}

/// What this program's operator gives. A line that it refuses ends the trace
/// with a line `refused`, which no released join ever gives.
pub fn ours(trace: &Trace) -> Given {
    let (mut traces, mut out) = (Traces::new(), String::new());
    let mut refused = None;
    for (i, line) in trace.text().lines().enumerate() {
        if let Err(error) = traces.line(line, &mut out) {
            refused = Some(serde_json::json!({ "i": i, "refused": error.to_string() }).to_string());
            break;
        }
    }
    let mut given: Given = out.lines().skip(1).map(str::to_owned).collect();
    given.extend(refused);
    given
}

pub fn all_ours(traces: &[Trace]) -> Vec<Given> {
    traces.iter().map(ours).collect()
}
