//! What the records table gives to a file: the rows that it shows, in their
//! order, with its columns.

use std::sync::Arc;

use joinscope_core::run::explain::Whys;
use joinscope_operator::condition::field_at;

use super::Records;
use super::ask::{Source, list, object};
use super::columns::Col;
use crate::cli::values::Values;
use crate::window::cx::Cx;
use crate::window::export::{Data, Row, Source as Shown};
use crate::window::listing;
use crate::window::store::Run;

/// The rows of a table, by position.
struct Rows {
    run: Run,
    source: Source,
    /// Where a listing gave them.
    listed: Option<Arc<Vec<u32>>>,
    len: u64,
    columns: Vec<Col>,
    values: Values,
}

impl Records {
    /// What an export writes; `None` while there is nothing to write.
    #[must_use]
    pub fn data(&self, cx: &Cx<'_>) -> Option<Shown> {
        let run = cx.doc.run.as_ref()?.run.clone();
        let source = self.source(cx);
        let known = self.listing.of(&source);
        let columns = self.columns.clone();
        Some(Box::new(move |meter| {
            let listed = match known {
                _ if !source.is_listed() => None,
                // The table is not in sight, or not done.
                None => Some(listing::listed(meter.cancel(), |to| list(&run, &source, to))?),
                known => known,
            };
            let len = match &listed {
                Some(rows) => rows.len() as u64,
                None if source.verdicts.is_empty() => run.rows(),
                None => run.count(source.verdicts),
            };
            let values = Values::of_run(&run).map_err(|e| format!("{e:#}"))?;
            Ok(Box::new(Rows { run, source, listed, len, columns, values }) as Box<dyn Data>)
        }))
    }
}

impl Data for Rows {
    fn len(&self) -> u64 {
        self.len
    }

    fn columns(&self) -> Vec<String> {
        self.columns.iter().map(Col::name).collect()
    }

    fn page(&mut self, first: u64, n: usize) -> Result<Vec<Row>, String> {
        let failed = |e: joinscope_core::run::RunError| e.to_string();
        let rows = match &self.listed {
            Some(listed) => {
                let own: Vec<u64> =
                    listed.iter().skip(first as usize).take(n).map(|r| u64::from(*r)).collect();
                self.run.views(&own)
            }
            None if self.source.verdicts.is_empty() => self.run.page(first, n),
            None => self
                .run
                .nth_from(self.source.verdicts, first, n)
                .and_then(|own| self.run.views(&own)),
        };
        let mut whys = Whys::new(&self.run);
        let values = self.values.are_there();
        rows.map_err(failed)?
            .iter()
            .map(|view| {
                let why = whys.of(view).map_err(failed)?;
                let of = values.then_some(&mut self.values);
                let json = object(&self.run, view, &why, of)?;
                let cells = self.columns.iter().map(|col| match col {
                    Col::Field(path) => json.get("value").and_then(|v| field_at(v, path)).cloned(),
                    Col::Outputs => Some(view.outputs.into()),
                    col => json.get(col.name()).cloned(),
                });
                let cells = cells.map(Option::unwrap_or_default).collect();
                Ok(Row { json, cells })
            })
            .collect()
    }
}
