//! What lies in a run folder, and the columns of its Parquet files.
//!
//! ```text
//! manifest.json                 what was run, its state, its segments (replaced atomically)
//! older/                        the older entries of the manifest's lists: `manifest::older`
//! pipeline.toml                 the pipeline as it was run
//! schemas.json                  schemas that it was given because the recording lacks them
//! lock                          held while the run is in progress
//! segments/00000000.rows.parquet        facts known at arrival, in row order
//! segments/00000000.decisions.parquet   what fell while the segment was open, by row
//! segments/00000000.outputs.parquet     outputs of the segment's arrivals, in output order
//! segments/00000000.index               indices, pyramids, books, trackers, clock, summary
//! checkpoints/, state/          the engine's
//! arrivals/00000000.mcap        a live run's arrival log: a recording in segments
//! ```

use std::path::{Path, PathBuf};

/// Arrivals of a segment, at most.
pub const SEGMENT_ARRIVALS: u64 = 262_144;
/// Rows of a Parquet page (the design allows 8,192: smaller pages make a cold
/// question read less).
pub const PAGE_ROWS: usize = 2_048;
/// Format number of the manifest and the index files: since 2 with sections that the
/// first had not, since 3 with packed pyramids and older entries beside the manifest.
pub const FORMAT: u32 = 3;

pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const PIPELINE: &str = "pipeline.toml";
pub(crate) const SCHEMAS: &str = "schemas.json";
pub(crate) const LOCK: &str = "lock";
pub(crate) const SEGMENTS: &str = "segments";
/// Of a live run.
pub(crate) const ARRIVALS: &str = "arrivals";

/// The files of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Rows = 0,
    Decisions = 1,
    Outputs = 2,
    Index = 3,
}

impl Part {
    pub const ALL: [Self; 4] = [Self::Rows, Self::Decisions, Self::Outputs, Self::Index];

    pub fn path(self, run: &Path, segment: u64) -> PathBuf {
        let kind = match self {
            Self::Rows => "rows.parquet",
            Self::Decisions => "decisions.parquet",
            Self::Outputs => "outputs.parquet",
            Self::Index => "index",
        };
        run.join(SEGMENTS).join(format!("{segment:08}.{kind}"))
    }
}

/// No verdict fell with this decision (it only says that the row left).
pub(crate) const NO_VERDICT: u8 = 255;
/// Stands beside the reasons, which are all below it: the verdict was unmatched, its reason stays.
pub(crate) const REVISED: u8 = 127;
/// A pad or an example has no second row.
pub(crate) const NO_ROW: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::join::Reason;

    #[test]
    fn reasons_are_below_the_code_of_a_revision() {
        let codes: Vec<u8> = (0..=u8::MAX).filter(|c| Reason::from_code(*c).is_some()).collect();
        assert!(codes.len() > 3 && codes.iter().all(|code| *code < REVISED), "{codes:?}");
    }
}
