//! What the outputs table gives to a file: the outputs that it shows, in their
//! order, with its columns.

use std::sync::Arc;

use joinscope_operator::condition::field_at;

use super::Outputs;
use super::ask::{Question, Source, list, page};
use super::columns::Col;
use crate::window::cx::Cx;
use crate::window::export::{Data, Row, Source as Rows};
use crate::window::listing;
use crate::window::store::Run;

struct Lines {
    run: Run,
    listed: Option<Arc<Vec<u32>>>,
    columns: Vec<Col>,
}

impl Outputs {
    /// What an export writes.
    #[must_use]
    pub fn data(&self, cx: &Cx<'_>) -> Option<Rows> {
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
            Ok(Box::new(Lines { run, listed, columns }) as Box<dyn Data>)
        }))
    }
}

impl Data for Lines {
    fn len(&self) -> u64 {
        self.listed.as_ref().map_or_else(|| self.run.outputs(), |l| l.len() as u64)
    }

    fn columns(&self) -> Vec<String> {
        self.columns.iter().map(Col::name).collect()
    }

    fn page(&mut self, first: u64, n: usize) -> Result<Vec<Row>, String> {
        let listed = self
            .listed
            .as_ref()
            .map(|all| all.iter().skip(first as usize).take(n).map(|n| u64::from(*n)).collect());
        let source = Source::default();
        // A table has room for the first ones, a file for all.
        let named = usize::MAX;
        let q = Question { source, first, count: n, listed, values: true, named };
        let lines = page(&self.run, &q)?.lines;
        let rows = lines.into_iter().map(|mut line| {
            let json = line.json.take().unwrap_or_default();
            let cells = self.columns.iter().map(|col| match col {
                Col::Arrival => line.output.at.into(),
                Col::Kind => super::kind_name(line.output.kind, line.output.correction).into(),
                Col::Records => line.named(" + ").into(),
                Col::Labels | Col::Field(_) => {
                    field_at(&json, &col.name()).cloned().unwrap_or_default()
                }
                _ => json.get(col.name()).cloned().unwrap_or_default(),
            });
            Row { cells: cells.collect(), json }
        });
        Ok(rows.collect())
    }
}
