//! The manifest of a checkpoint: what the engine needs to go on from it, and
//! every file with its size and checksum.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_128;

use super::error::StoreError;
use super::files;
use crate::operator::state::Due;

/// The form of checkpoints that this program writes. 1, which it reads: each row of
/// `rows/` stands alone.
pub(super) const FORM: u32 = 2;

/// File name within a checkpoint's folder.
pub(super) const FILE: &str = "manifest.json";

/// Next offset to read of one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub topic: String,
    pub partition: i32,
    /// The first offset that is not in the checkpoint.
    pub offset: i64,
}

/// What a checkpoint says of itself besides its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointMeta {
    pub epoch: u64,
    /// Records before this arrival are in it.
    pub arrival: u64,
    /// Rows before this number.
    pub row: u64,
    /// Outputs before this number.
    pub output: u64,
    /// Processing time, ms.
    pub arrival_ms: i64,
    /// The join's event-time watermark that shards have acted on, ms
    /// (`i64::MIN`: none yet): no live row has `due < watermark`, unless
    /// [`CheckpointMeta::any_due`].
    pub watermark: i64,
    /// Released semantics keep rows by rules of their own: what has left is
    /// named by the deltas, and nothing follows from the watermark.
    #[serde(default)]
    pub any_due: bool,
    /// Live rows, all tiers and shards; a restore checks that it finds as many.
    pub state_rows: u64,
    pub state_bytes: u64,
    pub offsets: Vec<Position>,
    /// `Tracker::save()`.
    #[serde(with = "hex")]
    pub tracker: Vec<u8>,
    /// The running output digest: sum modulo 2^128, big-endian.
    #[serde(with = "hex")]
    pub digest: Vec<u8>,
    pub pipeline_digest: String,
    pub recording_digest: String,
    pub program_version: String,
    /// How many shards wrote it; it restores into any number.
    pub shards: u16,
    pub seed: u64,
    /// Whatever else the engine wants back, in a form of its own.
    #[serde(with = "hex", default)]
    pub engine: Vec<u8>,
}

impl CheckpointMeta {
    /// No live row is due before this.
    #[must_use]
    pub fn earliest_due(&self) -> i64 {
        if self.any_due { i64::MIN } else { self.watermark }
    }

    /// Under what a row of the cold tier stands once it is one of memory's. Of the
    /// released semantics only `flink-datastream` has a cold tier, and there memory's
    /// rows stand under their timers, 1 ms after they are due
    /// (`operator::state::memory::Calendar::name`).
    pub(super) fn name(&self, due: Due) -> Due {
        if self.any_due { Due { due: due.due.saturating_add(1), ..due } } else { due }
    }
}

/// One file of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Relative to the checkpoint's folder, `/` between parts.
    pub path: String,
    pub bytes: u64,
    /// XXH3-128 of the file, hex.
    pub xxh3: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub form: u32,
    pub meta: CheckpointMeta,
    pub files: Vec<FileEntry>,
}

/// `checksum` is over the text of `manifest` as it stands in the file.
#[derive(Serialize, Deserialize)]
struct Sealed<'a> {
    checksum: String,
    #[serde(borrow)]
    manifest: &'a RawValue,
}

/// Only what is needed to refuse a newer form by name.
#[derive(Deserialize)]
struct Head {
    form: u32,
    #[serde(default)]
    meta: HeadMeta,
}

#[derive(Default, Deserialize)]
struct HeadMeta {
    #[serde(default)]
    program_version: String,
}

/// Writes and fsyncs `folder/manifest.json`.
pub(super) fn write(folder: &Path, manifest: &Manifest) -> Result<(), StoreError> {
    let path = folder.join(FILE);
    let text = sealed(manifest).map_err(|e| StoreError::io("write", &path, e.into()))?;
    files::write_synced(&path, text.as_bytes())
}

fn sealed(manifest: &Manifest) -> serde_json::Result<String> {
    let inner = serde_json::value::to_raw_value(manifest)?;
    let checksum = format!("{:032x}", xxh3_128(inner.get().as_bytes()));
    serde_json::to_string(&Sealed { checksum, manifest: &inner })
}

/// Reads the manifest of checkpoint `epoch` and checks it; `others` are named
/// where it is damaged.
pub(super) fn read(folder: &Path, epoch: u64, others: &[u64]) -> Result<Manifest, StoreError> {
    let path = folder.join(FILE);
    let damaged = |what: String| StoreError::Damaged {
        epoch,
        path: path.clone(),
        what,
        others: others.iter().copied().filter(|n| *n != epoch).collect(),
    };
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(damaged("the file is missing".to_owned()));
        }
        Err(e) => return Err(StoreError::io("read", &path, e)),
    };
    let sealed: Sealed<'_> =
        serde_json::from_slice(&bytes).map_err(|e| damaged(format!("not a manifest: {e}")))?;
    let text = sealed.manifest.get();
    if format!("{:032x}", xxh3_128(text.as_bytes())) != sealed.checksum {
        return Err(damaged("its checksum does not match".to_owned()));
    }
    let head: Head =
        serde_json::from_str(text).map_err(|e| damaged(format!("not a manifest: {e}")))?;
    if head.form > FORM {
        return Err(StoreError::Newer {
            epoch,
            path: folder.to_owned(),
            found: head.form,
            known: FORM,
            version: head.meta.program_version,
        });
    }
    let manifest: Manifest =
        serde_json::from_str(text).map_err(|e| damaged(format!("not a manifest: {e}")))?;
    if manifest.meta.epoch != epoch {
        return Err(damaged(format!("it is the manifest of checkpoint {}", manifest.meta.epoch)));
    }
    Ok(manifest)
}

/// Bytes as hex text.
mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        use std::fmt::Write as _;
        let mut text = String::with_capacity(bytes.len() * 2);
        for byte in bytes {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        to.serialize_str(&text)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        if !text.len().is_multiple_of(2) || !text.is_ascii() {
            return Err(D::Error::custom("not hex"));
        }
        (0..text.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&text[i..i + 2], 16).map_err(D::Error::custom))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Manifest {
        Manifest {
            form: FORM,
            meta: CheckpointMeta {
                epoch: 4,
                arrival: 1000,
                watermark: i64::MIN,
                tracker: vec![0, 255, 7],
                digest: vec![1; 16],
                offsets: vec![Position { topic: "views".into(), partition: 0, offset: 12 }],
                ..CheckpointMeta::default()
            },
            files: vec![FileEntry { path: "rows/1.sst".into(), bytes: 3, xxh3: "00".into() }],
        }
    }

    #[test]
    fn a_manifest_comes_back_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &example()).unwrap();
        assert_eq!(read(dir.path(), 4, &[]).unwrap(), example());
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &example()).unwrap();
        let path = dir.path().join(FILE);
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            for bad in [
                {
                    let mut bytes = good.clone();
                    bytes[at] ^= 1 << (at % 8);
                    bytes
                },
                good[..at].to_vec(),
            ] {
                std::fs::write(&path, &bad).unwrap();
                let result = read(dir.path(), 4, &[2, 4]);
                assert!(
                    matches!(&result, Err(StoreError::Damaged { others, .. }) if others == &[2]),
                    "byte {at}: {result:?}"
                );
            }
        }
    }

    #[test]
    fn a_newer_form_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let mut newer = example();
        newer.form = FORM + 1;
        newer.meta.program_version = "9.1.0".into();
        write(dir.path(), &newer).unwrap();
        let error = read(dir.path(), 4, &[]).unwrap_err().to_string();
        assert!(error.contains("9.1.0"), "{error}");
    }
}
