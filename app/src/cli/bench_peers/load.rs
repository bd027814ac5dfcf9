//! The reference load as one file of JSON lines in arrival order, for engines
//! that read no recording.

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use joinscope_core::edges::recording::Recording;

/// What a line's `src` says: a view, an engagement.
pub const SOURCES: [(&str, &str); 2] = [("views", "v"), ("engagements", "e")];

/// Makes it beside the recording, unless it is there already: each record's own
/// JSON object with one field more, `src`.
pub fn lines(recording: &Recording, beside: &Path) -> anyhow::Result<PathBuf> {
    let path = beside.with_extension("jsonl");
    if path.exists() {
        return Ok(path);
    }
    super::super::bench_load::say(&format!("writing it as JSON lines, {} …", path.display()));
    // Under its own name only once it is whole.
    let part = path.with_extension("jsonl-part");
    write(recording, &part).with_context(|| part.display().to_string())?;
    std::fs::rename(&part, &path)?;
    Ok(path)
}

fn write(recording: &Recording, part: &Path) -> anyhow::Result<()> {
    let source: Vec<&str> = recording
        .partitions()
        .iter()
        .map(|p| SOURCES.iter().find(|(topic, _)| *topic == &*p.topic).map_or("", |(_, src)| src))
        .collect();
    let mut out = BufWriter::with_capacity(1 << 20, std::fs::File::create(part)?);
    for batch in recording.batches(None, 0) {
        for record in batch? {
            let value = record.value.as_deref().unwrap_or_default();
            let rest =
                value.strip_prefix(b"{").context("a record of the load is no JSON object")?;
            let src = source.get(record.source as usize).copied().unwrap_or_default();
            write!(out, "{{\"src\":\"{src}\",")?;
            out.write_all(rest)?;
            out.write_all(b"\n")?;
        }
    }
    out.flush()?;
    Ok(())
}
