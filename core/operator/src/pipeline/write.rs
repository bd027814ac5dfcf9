//! A pipeline written back: canonical TOML, its digest, and one line for people.

use std::fmt::{self, Write as _};

use xxhash_rust::xxh3::xxh3_128;

use super::condition::write_scalar;
use super::model::{
    Emit, EventTime, Format, Guarantee, InputOrder, KeyField, Kind, LatePolicy, OutputTime,
    Pipeline, Released, Scalar, SinkFormat, TimeUnit, default_max_parallelism,
};
use crate::time::duration_setting;

impl Pipeline {
    /// The pipeline as TOML with every default spelled out, overrides and
    /// loaded schemas included; parsing it gives the same pipeline.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_toml(&mut out);
        out
    }

    /// 32 hex digits that name what the pipeline says, however it is laid out.
    #[must_use]
    pub fn digest(&self) -> String {
        format!("{:032x}", xxh3_128(self.to_toml().as_bytes()))
    }

    fn write_toml(&self, o: &mut String) -> fmt::Result {
        writeln!(o, "name = {}", quoted(&self.name))?;
        for input in &self.inputs {
            writeln!(o, "\n[inputs.{}]", input.name)?;
            writeln!(o, "topic = {}", quoted(&input.topic))?;
            writeln!(o, "format = \"{}\"", input.format.name())?;
            match &input.key {
                KeyField::Kafka => writeln!(o, "key = \"$key\"")?,
                KeyField::Field(path) => writeln!(o, "key = {}", quoted(&path.join(".")))?,
            }
            match &input.event_time {
                EventTime::Timestamp => writeln!(o, "event_time = \"$timestamp\"")?,
                EventTime::Field { path, unit } => {
                    let (field, unit) = (quoted(&path.join(".")), unit.name());
                    writeln!(o, "event_time = {{ field = {field}, unit = \"{unit}\" }}")?;
                }
            }
            if let Some(schema) = &input.schema {
                let text = schema.text.as_deref().unwrap_or(&schema.path);
                writeln!(o, "schema = {}", quoted(text))?;
            }
            let w = &input.watermark;
            write!(
                o,
                "watermark = {{ max_out_of_orderness = \"{}\"",
                duration_setting(w.max_out_of_orderness)
            )?;
            if let Some(interval) = w.emit_interval {
                write!(
                    o,
                    ", emit = \"periodic\", emit_interval = \"{}\"",
                    duration_setting(interval)
                )?;
            }
            for (name, value) in [
                ("idle_timeout", w.idle_timeout),
                ("max_drift", w.max_drift),
                ("max_ahead", w.max_ahead),
            ] {
                if let Some(ms) = value {
                    write!(o, ", {name} = \"{}\"", duration_setting(ms))?;
                }
            }
            writeln!(o, " }}")?;
            if !input.filter.is_empty() {
                let conditions: Vec<String> = input
                    .filter
                    .iter()
                    .map(|f| {
                        let values: Vec<String> = f.values.iter().map(toml_scalar).collect();
                        format!("{} = [{}]", quoted(&f.path.join(".")), values.join(", "))
                    })
                    .collect();
                writeln!(o, "where = {{ {} }}", conditions.join(", "))?;
            }
        }
        self.write_join(o)?;
        self.write_rest(o)
    }

    fn write_join(&self, o: &mut String) -> fmt::Result {
        let join = &self.join;
        writeln!(o, "\n[join]\nprimary = \"{}\"", self.input_name(join.primary))?;
        for with in &join.with {
            let (name, after, until) = (
                self.input_name(with.input),
                duration_setting(with.after),
                duration_setting(with.until),
            );
            writeln!(o, "with.{name} = {{ after = \"{after}\", until = \"{until}\" }}")?;
        }
        writeln!(o, "kind = \"{}\"\nsemantics = \"{}\"", join.kind.name(), join.semantics.name())?;
        self.write_released(o)?;
        let late = match join.late {
            LatePolicy::Drop => "drop",
            LatePolicy::Join => "join",
            LatePolicy::SideOutput => "side-output",
        };
        let time = match join.output_time {
            OutputTime::Larger => "larger",
            OutputTime::Primary => "primary",
        };
        writeln!(o, "late = \"{late}\"\noutput_time = \"{time}\"")
    }

    /// Only what differs from the defaults: the digest of a pipeline without
    /// them stays what it was.
    fn write_released(&self, o: &mut String) -> fmt::Result {
        let set = &self.join.released;
        let default = Released::default();
        if let Some(grace) = set.grace {
            writeln!(o, "grace = \"{}\"", duration_setting(grace))?;
        }
        if set.min_cleanup != default.min_cleanup {
            writeln!(o, "min_cleanup = \"{}\"", duration_setting(set.min_cleanup))?;
        }
        if set.parallelism != default.parallelism {
            writeln!(o, "parallelism = {}", set.parallelism)?;
        }
        if set.max_parallelism != default_max_parallelism(set.parallelism) {
            writeln!(o, "max_parallelism = {}", set.max_parallelism)?;
        }
        if set.input_order == InputOrder::SmallestTimestamp {
            writeln!(o, "input_order = \"smallest-timestamp\"")?;
        }
        Ok(())
    }

    fn write_rest(&self, o: &mut String) -> fmt::Result {
        if let Some(examples) = &self.examples {
            let emit = match examples.emit {
                Emit::OnMatch => "on-match",
                Emit::OnClose => "on-close",
                Emit::EarlyAndCorrect => "early-and-correct",
            };
            writeln!(o, "\n[examples]\nemit = \"{emit}\"")?;
            for label in &examples.labels {
                let path = label.condition.path.join(".");
                let values = label.condition.values.first();
                let text = values
                    .map(|value| label_condition(self.input_name(label.input), &path, value))
                    .unwrap_or_default();
                writeln!(o, "labels.{} = {}", quoted(&label.name), quoted(&text))?;
            }
        }
        let guarantee = match self.delivery.guarantee {
            Guarantee::ExactlyOnce => "exactly-once",
            Guarantee::AtLeastOnce => "at-least-once",
            Guarantee::AtMostOnce => "at-most-once",
        };
        writeln!(o, "\n[delivery]\nguarantee = \"{guarantee}\"")?;
        let interval = duration_setting(self.delivery.checkpoint_interval);
        writeln!(o, "checkpoint_interval = \"{interval}\"")?;
        if let Some(job) = &self.delivery.job {
            writeln!(o, "job = {}", quoted(job))?;
        }
        if let Some(sink) = &self.sink {
            writeln!(o, "\n[sink]\ntopic = {}", quoted(&sink.topic))?;
            if let Some(topic) = &sink.late_topic {
                writeln!(o, "late_topic = {}", quoted(topic))?;
            }
            let format = match sink.format {
                SinkFormat::Json => "json",
                SinkFormat::AvroRegistry => "avro-registry",
            };
            writeln!(o, "format = \"{format}\"")?;
        }
        Ok(())
    }

    fn input_name(&self, input: u8) -> &str {
        self.inputs.get(usize::from(input)).map_or("?", |i| &i.name)
    }
}

/// One line: `feed: views ⋈ engagements (left, 0s to 30m)`.
impl fmt::Display for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.input_name(self.join.primary))?;
        for with in &self.join.with {
            write!(f, " ⋈ {}", self.input_name(with.input))?;
        }
        write!(f, " ({}", self.join.kind.name())?;
        for with in &self.join.with {
            write!(f, ", {} to {}", duration_setting(with.after), duration_setting(with.until))?;
        }
        f.write_str(")")
    }
}

impl Format {
    /// As pipelines write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Avro => "avro",
            Self::AvroRegistry => "avro-registry",
        }
    }
}

impl TimeUnit {
    /// As pipelines write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::Nanoseconds => "ns",
            Self::Rfc3339 => "rfc3339",
        }
    }
}

impl Kind {
    /// As pipelines write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Inner => "inner",
            Self::Left => "left",
            Self::Right => "right",
            Self::Full => "full",
        }
    }
}

fn toml_scalar(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Int(n) => n.to_string(),
        Scalar::Float(n) => format!("{n:?}"),
        Scalar::Bool(b) => b.to_string(),
        Scalar::String(s) => quoted(s),
        // No TOML value is null, and the parser gives none for a `where`.
        Scalar::Null => quoted("null"),
    }
}

/// A label's condition on the field at `path` of `input`: `engagements.kind = like`.
#[must_use]
pub fn label_condition(input: &str, path: &str, value: &Scalar) -> String {
    format!("{input}.{path} = {}", write_scalar(value))
}

/// A TOML basic string.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
