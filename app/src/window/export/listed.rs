//! Rows that are all at hand: what charts show.

use serde_json::Value;

use super::{Data, Row, Source};

/// Columns, and a value for each in every row.
pub struct Listed {
    columns: &'static [&'static str],
    rows: Vec<Vec<Value>>,
}

impl Listed {
    #[must_use]
    pub fn new(columns: &'static [&'static str], rows: Vec<Vec<Value>>) -> Self {
        Self { columns, rows }
    }

    /// Read off the window's thread.
    pub fn source(
        columns: &'static [&'static str],
        read: impl FnOnce() -> Result<Vec<Vec<Value>>, String> + Send + 'static,
    ) -> Source {
        Box::new(move |_| Ok(Box::new(Self::new(columns, read()?)) as Box<dyn Data>))
    }
}

impl Data for Listed {
    fn len(&self) -> u64 {
        self.rows.len() as u64
    }

    fn columns(&self) -> Vec<String> {
        self.columns.iter().map(|c| (*c).to_owned()).collect()
    }

    fn page(&mut self, first: u64, n: usize) -> Result<Vec<Row>, String> {
        let rows = self.rows.iter().skip(first as usize).take(n);
        Ok(rows.map(|cells| Row::named(self.columns, cells.clone())).collect())
    }
}
