//! What the checkpoints panel asks: which still lie on disk, and where each
//! partition stood at one of them.

use joinscope_core::run::{Manifest, Run};

#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    pub revision: u64,
    /// By its arrival.
    pub chosen: Option<u64>,
}

/// The answer.
#[derive(Debug, Default)]
pub struct About {
    /// By position in the manifest: whether it can be gone back to.
    pub on_disk: Vec<bool>,
    /// Of the chosen one, by lane: the next offset.
    pub offsets: Vec<Option<i64>>,
}

/// Looks.
pub fn about(run: &Run, manifest: &Manifest, q: &Question) -> Result<About, String> {
    let there = |path: &str| !path.is_empty() && run.dir().join(path).is_dir();
    Ok(About {
        on_disk: manifest.checkpoints.iter().map(|c| there(&c.path)).collect(),
        offsets: match q.chosen {
            Some(arrival) => run.next_offsets(arrival).map_err(|e| e.to_string())?,
            None => Vec::new(),
        },
    })
}
