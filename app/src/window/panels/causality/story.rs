//! What happened to a key, or to one selection: records, outputs, epochs, and
//! what led to what. All of it is read from the run; nothing is inferred.

use std::collections::{BTreeMap, BTreeSet};

use joinscope_core::engine::step::OutputKind;
use joinscope_core::run::{OutputView, RowView};
use joinscope_operator::record::Arrival;
use joinscope_operator::time::format_duration;

use crate::window::store::Run;

/// Records of a key that are shown, the nearest in event time.
pub const MOST: usize = 40;
/// Outputs that are shown.
const OUTPUTS: usize = 80;

/// What the story is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Row(u64),
    Output(u64),
}

/// An output and when it was put out.
#[derive(Clone, Debug, PartialEq)]
pub struct Out {
    pub output: OutputView,
    /// Processing time of the arrival that set it off, ms.
    pub at_ms: i64,
}

/// An epoch in which outputs were put out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    pub n: u64,
    /// When it ends, ms: the first arrival and `n` intervals.
    pub ends_ms: i64,
    /// Whether a snapshot was really taken at its end.
    pub snapshot: bool,
}

/// A verdict that another record made fall: the arrival of the one, the row of
/// the other, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caused {
    pub cause: Arrival,
    pub row: u64,
    pub at: Arrival,
}

/// Which order is turned around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It arrived after what happened later.
    Arrival,
    /// It says that it happened before what it follows.
    EventTime,
}

/// Two orders that do not agree.
#[derive(Clone, Debug, PartialEq)]
pub struct Inversion {
    pub kind: Kind,
    /// The row that is out of order.
    pub row: u64,
    /// The one that it is held against; itself: its own arrival.
    pub against: u64,
    pub text: String,
}

/// Everything that is drawn.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// The key's text, where there is one.
    pub key: Option<String>,
    /// Records of that key in the whole run.
    pub records: u64,
    /// By arrival.
    pub rows: Vec<RowView>,
    pub outputs: Vec<Out>,
    /// Outputs beyond those shown.
    pub more_outputs: bool,
    pub epochs: Vec<Epoch>,
    pub caused: Vec<Caused>,
    pub inversions: Vec<Inversion>,
    /// Processing time of arrivals that are named but whose record is not shown.
    pub times: BTreeMap<Arrival, i64>,
    /// What was asked about.
    pub subject: Option<u64>,
}

/// Reads the story.
pub fn read(run: &Run, subject: Subject) -> Result<Story, String> {
    tell(run, subject).map_err(|e| e.to_string())
}

fn tell(run: &Run, subject: Subject) -> joinscope_core::run::Result<Story> {
    let mut story = Story::default();
    let own = match subject {
        Subject::Row(row) => run.row(row)?,
        Subject::Output(n) => {
            let output = run.output(n)?;
            run.row(output.rows.first().copied().unwrap_or(0))?
        }
    };
    story.subject = matches!(subject, Subject::Row(_)).then_some(own.row);
    let mut numbers: BTreeSet<u64> = BTreeSet::from([own.row]);
    if let (Some(key), Some(time)) = (&own.key, own.event_time) {
        story.key = Some(key.to_string());
        let found = run.rows_of_key(key, time, MOST)?;
        story.records = found.exact_count;
        // What differs in case or type is another key.
        numbers.extend(found.rows.iter().filter(|r| r.key.as_ref() == Some(key)).map(|r| r.row));
    }
    story.rows = run.views(&numbers.iter().copied().collect::<Vec<_>>())?;
    story.rows.sort_by_key(|r| (r.arrival, r.row));
    outputs(run, subject, &mut story)?;
    let shown: BTreeSet<Arrival> = story.rows.iter().map(|r| r.arrival).collect();
    for row in &story.rows {
        let (Some(cause), Some(at)) = (row.cause, row.decided) else { continue };
        // A record that decided itself was caused by nothing else.
        if cause != row.arrival && shown.contains(&cause)
            || at != row.arrival && shown.contains(&at)
        {
            story.caused.push(Caused { cause, row: row.row, at });
        }
    }
    times(run, &mut story)?;
    epochs(run, &mut story)?;
    story.inversions = inversions(run, &story);
    Ok(story)
}

fn outputs(run: &Run, subject: Subject, story: &mut Story) -> joinscope_core::run::Result<()> {
    let mut found: BTreeMap<u64, OutputView> = BTreeMap::new();
    if let Subject::Output(n) = subject {
        found.insert(n, run.output(n)?);
    }
    for row in &story.rows {
        // One more than are shown, to know whether there is one.
        for n in run.output_numbers_of(row.row, 0, OUTPUTS + 1)? {
            let full = found.len() >= OUTPUTS;
            // Both records of a pair name it: that is no further output.
            if let std::collections::btree_map::Entry::Vacant(slot) = found.entry(n) {
                if full {
                    story.more_outputs = true;
                    break;
                }
                slot.insert(run.output(n)?);
            }
        }
    }
    for output in found.into_values() {
        let at_ms = run.arrival_ms(output.at)?;
        story.outputs.push(Out { output, at_ms });
    }
    Ok(())
}

/// Times of arrivals that moved something without being of this key.
fn times(run: &Run, story: &mut Story) -> joinscope_core::run::Result<()> {
    for row in &story.rows {
        story.times.insert(row.arrival, row.arrival_ms);
    }
    let named: Vec<Arrival> = story.caused.iter().flat_map(|c| [c.cause, c.at]).collect();
    for arrival in named {
        if let std::collections::btree_map::Entry::Vacant(slot) = story.times.entry(arrival) {
            slot.insert(run.arrival_ms(arrival)?);
        }
    }
    Ok(())
}

fn epochs(run: &Run, story: &mut Story) -> joinscope_core::run::Result<()> {
    let numbers: BTreeSet<u64> = story.outputs.iter().map(|o| o.output.epoch).collect();
    if numbers.is_empty() {
        return Ok(());
    }
    let first = run.arrival_ms(0)?;
    let interval = run.pipeline().delivery.checkpoint_interval;
    let taken: BTreeSet<u64> = run.checkpoints().iter().map(|c| c.epoch).collect();
    story.epochs = numbers
        .into_iter()
        .map(|n| {
            let since = interval.saturating_mul(i64::try_from(n).unwrap_or(i64::MAX));
            Epoch { n, ends_ms: first.saturating_add(since), snapshot: taken.contains(&n) }
        })
        .collect();
    Ok(())
}

/// Where the orders of event time and arrival disagree.
fn inversions(run: &Run, story: &Story) -> Vec<Inversion> {
    let mut found = Vec::new();
    // By arrival: against the one that happened last of those already there.
    let mut latest: Option<&RowView> = None;
    for row in &story.rows {
        let Some(time) = row.event_time else { continue };
        // What of one record two inputs took is one record.
        let before = latest.filter(|l| l.arrival != row.arrival);
        if let Some((last, ahead)) =
            before.and_then(|l| Some((l, l.event_time?.saturating_sub(time)))).filter(|p| p.1 > 0)
        {
            found.push(Inversion {
                kind: Kind::Arrival,
                row: row.row,
                against: last.row,
                text: format!(
                    "{} happened {} before {}, and arrived {} after it",
                    row.record,
                    format_duration(ahead),
                    last.record,
                    format_duration(row.arrival_ms.saturating_sub(last.arrival_ms)),
                ),
            });
        }
        if latest.and_then(|l| l.event_time).is_none_or(|l| time > l) {
            latest = Some(row);
        }
        let early = time.saturating_sub(row.arrival_ms);
        if early > 0 {
            found.push(Inversion {
                kind: Kind::EventTime,
                row: row.row,
                against: row.row,
                text: format!(
                    "{} says that it happened {} after it arrived",
                    row.record,
                    format_duration(early)
                ),
            });
        }
    }
    let view = |row: u64| story.rows.iter().find(|r| r.row == row);
    let primary = run.pipeline().join.primary;
    for out in story.outputs.iter().filter(|o| o.output.kind != OutputKind::Pad) {
        let rows: Vec<&RowView> = out.output.rows.iter().filter_map(|r| view(*r)).collect();
        let Some(first) = rows.iter().find(|r| r.input == primary) else { continue };
        for row in rows.iter().filter(|r| r.row != first.row) {
            let Some(ahead) =
                first.event_time.zip(row.event_time).map(|(a, b)| a.saturating_sub(b))
            else {
                continue;
            };
            let known = found
                .iter()
                .any(|i| i.kind == Kind::EventTime && (i.row, i.against) == (row.row, first.row));
            if ahead > 0 && !known {
                found.push(Inversion {
                    kind: Kind::EventTime,
                    row: row.row,
                    against: first.row,
                    text: format!(
                        "{} happened {} before {}, which it was joined to",
                        row.record,
                        format_duration(ahead),
                        first.record,
                    ),
                });
            }
        }
    }
    found
}
