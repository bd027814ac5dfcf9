//! A cold tier in memory, for tests: a map by [`Due`] that several operators
//! may share, as a restored one does with the one before.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::memory::gone;
use super::{Cold, Due, Row, StateError};
use crate::key::Key;
use crate::pipeline::InputIndex;

#[derive(Clone, Default)]
pub struct Double {
    pub rows: Arc<Mutex<BTreeMap<Due, Row>>>,
    /// The lower bound that it gives is this much too low.
    pub slack: i64,
    /// The last watermark that rows were taken at: what is below it is gone.
    pub taken: Option<i64>,
}

impl Cold for Double {
    fn find(
        &mut self,
        key: &Key,
        input: InputIndex,
        lo: i64,
        hi: i64,
        out: &mut Vec<(Due, Row)>,
    ) -> Result<(), StateError> {
        let rows = self.rows.lock().unwrap();
        let found = rows.iter().filter(|(_, row)| {
            row.key == *key && row.input == input && lo <= row.time && row.time <= hi
        });
        out.extend(found.map(|(due, row)| (*due, row.clone())));
        Ok(())
    }

    fn put(&mut self, rows: &[(Due, Row)]) -> Result<(), StateError> {
        for (due, row) in rows {
            assert!(self.taken.is_none_or(|taken| due.due >= taken), "gone as it comes");
            assert!(self.rows.lock().unwrap().insert(*due, row.clone()).is_none(), "put twice");
        }
        Ok(())
    }

    fn update(&mut self, due: Due, row: &Row) -> Result<(), StateError> {
        assert!(self.rows.lock().unwrap().insert(due, row.clone()).is_some(), "not here");
        Ok(())
    }

    fn earliest(&self) -> Option<i64> {
        let rows = self.rows.lock().unwrap();
        rows.keys().next().map(|due| due.due.saturating_sub(self.slack))
    }

    fn take_due(&mut self, watermark: i64, out: &mut Vec<(Due, Row)>) -> Result<(), StateError> {
        self.taken = Some(watermark);
        out.extend(self.rows.lock().unwrap().extract_if(.., |due, _| gone(due.due, watermark)));
        Ok(())
    }

    fn len(&self) -> u64 {
        self.rows.lock().unwrap().len() as u64
    }
}
