//! What the compare panel gives to a file: the lines that its table lists, with
//! what both runs say of each.

use std::sync::{Arc, Mutex};

use joinscope_core::analyses::compare::Matching;
use joinscope_core::run::explain::key_to_json;
use joinscope_operator::pipeline::Label;
use serde_json::Value;

use super::Compare;
use super::ask::{self, PageQuestion, Seen};
use super::draw::{side, words};
use super::job::{Choice, Found, Line, look};
use crate::window::cx::Cx;
use crate::window::doc::RunDoc;
use crate::window::export::{Data, Row, Source};
use crate::window::panels::outputs::labels_named;
use crate::window::store::Run;

/// `here` is this run, `there` the one that it is compared with.
const RECORDS: [&str; 8] =
    ["arrival", "record", "input", "key", "there", "here", "why_there", "why_here"];
const OUTPUTS: [&str; 7] = ["arrival", "record", "input", "key", "with", "there", "here"];

/// What lines are written with.
pub struct Names {
    /// Of this run's inputs, and of the other's.
    inputs: [Vec<Arc<str>>; 2],
    labels: Vec<Label>,
}

struct Lines {
    here: Run,
    there: Run,
    names: Names,
    matching: Arc<Matching>,
    found: Arc<Mutex<Found>>,
    choice: Choice,
}

impl Compare {
    /// What an export writes: what is listed, once all of it is found. Nobody sees
    /// in a file that it was written half way.
    #[must_use]
    pub fn data(&mut self, cx: &Cx<'_>) -> Option<Source> {
        let here = cx.doc.run.as_ref()?;
        let answer = self.opened.answer()?;
        let other = &answer.result.as_ref().ok()?.doc;
        let (_, found) = self.job.shown();
        let matching = Some(look(&found)).filter(|f| f.whole)?.matching.clone()?;
        let lines = Lines {
            here: here.run.clone(),
            there: other.run.clone(),
            names: Names::of(cx, here, other),
            matching,
            found,
            choice: self.choice,
        };
        Some(Box::new(move |_| Ok(Box::new(lines) as Box<dyn Data>)))
    }
}

impl Names {
    #[must_use]
    pub fn of(cx: &Cx<'_>, here: &RunDoc, other: &RunDoc) -> Self {
        let inputs = [here, other]
            .map(|run| run.manifest.start.inputs.iter().map(|i| i.name.clone()).collect());
        let examples = cx.doc.pipeline_that_ran().and_then(|p| p.examples.as_ref());
        Self { inputs, labels: examples.map(|e| e.labels.clone()).unwrap_or_default() }
    }

    /// A line as a row of a file.
    #[must_use]
    pub fn row(&self, seen: &Seen) -> Row {
        let columns: &[&str] = match seen.line {
            Line::Record(_) => &RECORDS,
            Line::Output(..) => &OUTPUTS,
        };
        Row::named(columns, self.cells(seen))
    }

    fn cells(&self, seen: &Seen) -> Vec<Value> {
        let row = seen.row();
        // A record that only the other run has is of one of its inputs.
        let inputs = &self.inputs[usize::from(seen.here.is_none())];
        let labels = |mask| labels_named(mask, &self.labels);
        let there = side(seen, seen.there.as_ref(), false, labels);
        let here = side(seen, seen.here.as_ref(), true, labels);
        let why = |said: &Option<ask::Said>| said.as_ref().map(|s| s.why.clone());
        let mut cells: Vec<Value> = vec![
            seen.here.as_ref().map(|said| said.row.arrival).into(),
            row.map(|r| r.record.to_string()).into(),
            row.and_then(|r| inputs.get(usize::from(r.input))).map(|i| &**i).into(),
            row.and_then(|r| r.key.as_ref()).map(key_to_json).into(),
        ];
        match seen.line {
            Line::Record(_) => cells.extend([
                words(&there).into(),
                words(&here).into(),
                why(&seen.there).into(),
                why(&seen.here).into(),
            ]),
            Line::Output(..) => {
                let with = seen.with.clone().into();
                cells.extend([with, words(&there).into(), words(&here).into()]);
            }
        }
        cells
    }
}

impl Data for Lines {
    fn len(&self) -> u64 {
        look(&self.found).len(self.choice)
    }

    fn columns(&self) -> Vec<String> {
        let outputs = matches!(self.choice, Choice::Outputs(_));
        let columns: &[&str] = if outputs { &OUTPUTS } else { &RECORDS };
        columns.iter().map(|name| (*name).to_owned()).collect()
    }

    fn page(&mut self, first: u64, n: usize) -> Result<Vec<Row>, String> {
        let lines = look(&self.found).lines(self.choice, first, n);
        let question = PageQuestion { number: 0, first, lines };
        let seen = ask::page(&self.here, &self.there, &self.matching, &question)?;
        Ok(seen.iter().map(|seen| self.names.row(seen)).collect())
    }
}
