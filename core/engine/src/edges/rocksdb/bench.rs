//! What the layout of state on disk gains: each figure beside the plain way to
//! do the same, from one run.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use rocksdb::WriteBatch;

use super::cold::no_log;
use super::error::StoreError;
use super::image::{Image, ImageError};
use super::keys::due_key;
use super::manifest::CheckpointMeta;
use super::options::StoreOptions;
use super::row::encode_row;
use super::store::Store;
use crate::operator::key::{Key, KeyValue};
use crate::operator::state::{Cold as _, Delta, Due, Row};

/// One comparison, in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    pub what: &'static str,
    pub ours: &'static str,
    pub ours_seconds: f64,
    pub plain: &'static str,
    pub plain_seconds: f64,
    /// Rows that each of them handled.
    pub rows: usize,
}

impl Measured {
    /// How many times as fast ours is.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.plain_seconds / self.ours_seconds.max(1e-9)
    }
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rate = |seconds: f64| self.rows as f64 / seconds.max(1e-9) / 1e6;
        write!(
            f,
            "{}: {:.2}x ({} {:.3} s, {:.2} M rows/s; {} {:.3} s, {:.2} M rows/s)",
            self.what,
            self.ratio(),
            self.ours,
            self.ours_seconds,
            rate(self.ours_seconds),
            self.plain,
            self.plain_seconds,
            rate(self.plain_seconds),
        )
    }
}

/// Half an hour: the reference load's interval.
const RETENTION_MS: i64 = 1_800_000;

/// Measures with `rows` rows below `folder` (an empty one).
///
/// # Errors
/// The folder cannot be written.
pub fn measure(folder: &Path, rows: usize) -> Result<Vec<Measured>, StoreError> {
    let options = StoreOptions { memory: 64 << 20, retention_ms: RETENTION_MS };
    let all = example_rows(rows);
    let new = all.iter().map(|(due, row)| (*due, row.clone(), false)).collect();
    let delta = Delta::new(new, Vec::new());
    let meta = CheckpointMeta { watermark: i64::MIN, ..CheckpointMeta::default() };
    let mut found = Vec::new();

    let ours = Store::create(&folder.join("sorted"), options)?;
    let plain = Store::create(&folder.join("puts"), options)?;
    found.push(Measured {
        what: "a checkpoint's delta",
        ours: "sorted files",
        ours_seconds: timed(|| super::delta::write(&ours, std::slice::from_ref(&delta), &meta))?,
        plain: "single puts",
        plain_seconds: timed(|| put_each(&plain, &all))?,
        rows,
    });

    let half = rows / 2;
    let passed = all[half].0.due;
    found.push(Measured {
        what: "expiry of half the rows",
        ours: "by range",
        ours_seconds: timed(|| {
            ours.drop_below(passed)?;
            flush(&ours)
        })?,
        plain: "row by row",
        plain_seconds: timed(|| delete_each(&plain, &all[..half]))?,
        rows: half,
    });

    // Seen by whoever reads after the watermark passed: what the drop leaves behind.
    found.push(Measured {
        what: "the first scan afterwards",
        ours: "by range",
        ours_seconds: timed(|| scan(&ours, &meta))?,
        plain: "row by row",
        plain_seconds: timed(|| scan(&plain, &meta))?,
        rows: rows - half,
    });

    found.extend(cold(&ours, &all)?);
    Ok(found)
}

/// The cold tier: a key that is there against one that is not (the filter), and
/// expiry in order against a search for each row.
fn cold(store: &Store, rows: &[(Due, Row)]) -> Result<Vec<Measured>, StoreError> {
    let mut tier = store.cold(0);
    tier.put(rows)?;
    let probes: Vec<&(Due, Row)> = rows.iter().step_by((rows.len() / 50_000).max(1)).collect();
    let mut out = Vec::new();
    let absent: Vec<Key> =
        (0..probes.len()).map(|i| Key::new(KeyValue::String(&format!("absent-{i}")))).collect();
    let miss = timed(|| {
        for (key, (_, row)) in absent.iter().zip(&probes) {
            tier.find(key, 0, row.time - RETENTION_MS, row.time, &mut out)?;
        }
        Ok(())
    })?;
    let hit = timed(|| {
        for (_, row) in &probes {
            tier.find(&row.key, 0, row.time - RETENTION_MS, row.time, &mut out)?;
        }
        Ok(())
    })?;
    black_box(&out);
    let found = out.len();
    let mut taken = Vec::new();
    let mut watermark = rows.first().map_or(0, |(due, _)| due.due);
    let end = rows.last().map_or(0, |(due, _)| due.due);
    let take = timed(|| {
        while watermark <= end {
            watermark += 100;
            tier.take_due(watermark, &mut taken)?;
        }
        Ok(())
    })?;
    debug_assert!(found >= probes.len() && taken.len() == rows.len());
    let search = hit * rows.len() as f64 / probes.len().max(1) as f64;
    Ok(vec![
        Measured {
            what: "a probe of the cold tier",
            ours: "key not there",
            ours_seconds: miss,
            plain: "key there",
            plain_seconds: hit,
            rows: probes.len(),
        },
        Measured {
            what: "expiry from the cold tier, 100 ms a step",
            ours: "in order of due",
            ours_seconds: take,
            plain: "a search for each",
            plain_seconds: search,
            rows: rows.len(),
        },
    ])
}

/// Views at 1,000 a second, a little out of order, by due.
fn example_rows(count: usize) -> Vec<(Due, Row)> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut rows: Vec<(Due, Row)> = (0..count as u64)
        .map(|arrival| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let time = 1_700_000_000_000 + arrival as i64 - (state % 5_000) as i64;
            let row = Row {
                key: Key::new(KeyValue::String(&format!("view-{:012x}", state >> 16))),
                input: 0,
                time,
                arrival,
                row: arrival,
                partition: (arrival % 8) as i32,
                offset: (arrival / 8) as i64,
                labels: 0,
                matched: state.is_multiple_of(5),
                corrections: 0,
                folded: Vec::new(),
            };
            (Due { due: time + RETENTION_MS, arrival, input: 0 }, row)
        })
        .collect();
    rows.sort_unstable_by_key(|(due, _)| *due);
    rows
}

fn timed(work: impl FnOnce() -> Result<(), StoreError>) -> Result<f64, StoreError> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64())
}

fn put_each(store: &Store, rows: &[(Due, Row)]) -> Result<(), StoreError> {
    let family = store.family()?;
    let mut bytes = Vec::new();
    for chunk in rows.chunks(1024) {
        let mut batch = WriteBatch::default();
        for (due, row) in chunk {
            bytes.clear();
            encode_row(row, &mut bytes);
            batch.put_cf(family, due_key(*due), &bytes);
        }
        store.rows().write_opt(batch, &no_log()).map_err(|e| store.failed("write", &e))?;
    }
    flush(store)
}

fn delete_each(store: &Store, rows: &[(Due, Row)]) -> Result<(), StoreError> {
    let family = store.family()?;
    for chunk in rows.chunks(1024) {
        let mut batch = WriteBatch::default();
        for (due, _) in chunk {
            batch.delete_cf(family, due_key(*due));
        }
        store.rows().write_opt(batch, &no_log()).map_err(|e| store.failed("write", &e))?;
    }
    flush(store)
}

fn flush(store: &Store) -> Result<(), StoreError> {
    store.rows().flush_cf(store.family()?).map_err(|e| store.failed("flush", &e))
}

/// Row by row, as a restore reads: an entry of ours has many.
fn scan(store: &Store, meta: &CheckpointMeta) -> Result<(), StoreError> {
    let mut image = Image::new(store, meta)?;
    loop {
        match image.next(store) {
            Ok(Some(row)) => drop(black_box(row)),
            Ok(None) => return Ok(()),
            Err(ImageError::Store(error)) => return Err(error),
            Err(error) => {
                return Err(StoreError::Rocks {
                    what: "read",
                    path: store.rows_dir(),
                    message: error.to_string(),
                });
            }
        }
    }
}
