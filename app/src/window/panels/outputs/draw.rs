//! How the outputs table draws.

use egui::{Align, Ui};
use joinscope_core::engine::step::OutputKind;

use super::Outputs;
use super::ask::Line;
use crate::window::command::Command;
use crate::window::cx::Cx;
use crate::window::jobs::DIM_AFTER;
use crate::window::panels::failed;
use crate::window::selection::Selection;
use crate::window::table::{Cell, Column, RowCells, empty};
use crate::window::text::{elide_apart, line, thousands};

const fn column(title: &'static str, width: f32, align: Align) -> Column {
    Column { title, width, align }
}

const COLUMNS: [Column; 7] = [
    column("Output", 76.0, Align::Max),
    column("Arrival", 76.0, Align::Max),
    column("Time", 100.0, Align::Min),
    column("Kind", 80.0, Align::Min),
    column("Key", 110.0, Align::Min),
    column("Records", 0.0, Align::Min),
    column("Labels", 130.0, Align::Min),
];

/// The table, or what stands in its place.
pub fn body(this: &mut Outputs, ui: &mut Ui, cx: &mut Cx<'_>, len: u64) {
    if len == 0 {
        let next = if cx.doc.in_progress {
            "They appear as soon as the run has published its first segment"
        } else {
            "No record matched: the verdicts in the records table say why"
        };
        empty(ui, "No output", next);
        return;
    }
    let mut columns = COLUMNS;
    let (first, last) = cx.clock.range().unwrap_or_default();
    if cx.times.exact(first).len() > 12 || cx.times.exact(last).len() > 12 {
        columns[2].width += 80.0;
    }
    let sample = labels(0, cx);
    // As wide as what stands in it, within reason.
    columns[6].width = (sample.chars().count() as f32 * 7.4).clamp(60.0, 320.0);
    let columns = if sample.is_empty() { &columns[..6] } else { &columns[..] };
    let laid = this.table.lay_out(ui, "Outputs", columns, len);
    let lines = match this.ask(cx, &laid.rows) {
        Ok(lines) => lines,
        Err(error) => {
            if failed(ui, &error) {
                this.page.again();
            }
            return;
        }
    };
    if this.page.is_stale() {
        ui.multiply_opacity(0.6);
    }
    if this.page.is_open() {
        ui.ctx().request_repaint_after(DIM_AFTER);
    }
    let keys: Vec<String> = lines.1.iter().map(|l| line(&l.key).into_owned()).collect();
    let keys = elide_apart(&keys, laid.chars(ui, 4));
    let cells: Vec<RowCells> = lines.1.iter().zip(keys).map(|(l, key)| cells(l, key, cx)).collect();
    let events =
        this.table.paint(ui, &laid, |n| cells.get(n.checked_sub(lines.0)? as usize).cloned());
    let clicked = events.clicked.and_then(|n| lines.1.get(n.checked_sub(lines.0)? as usize));
    if let Some(line) = clicked {
        let selection = Some(Selection::Output(line.output.n));
        cx.commands.push(Command::Select(selection, Some(line.output.at)));
    }
}

/// A kind in a word.
#[must_use]
pub fn kind_name(kind: OutputKind, correction: u32) -> &'static str {
    match (kind, correction) {
        (OutputKind::Pair, _) => "pair",
        (OutputKind::Pad, _) => "with nulls",
        (OutputKind::Example, 0) => "example",
        (OutputKind::Example, _) => "correction",
    }
}

fn cells(line: &Line, key: String, cx: &Cx<'_>) -> RowCells {
    let o = &line.output;
    let kind = kind_name(o.kind, o.correction);
    let records = line.records.join(" + ");
    RowCells {
        name: format!("output {}, {kind}, {}", o.n, line.records.join(", ")),
        cells: vec![
            Cell::Mono(thousands(o.n)),
            Cell::Mono(thousands(o.at)),
            Cell::Mono(cx.times.exact(o.time)),
            Cell::Words(kind.to_owned()),
            Cell::Mono(key),
            Cell::Mono(records),
            Cell::Mono(labels(o.labels, cx)),
        ],
        selected: cx.selection == Some(Selection::Output(o.n)),
        hovered: false,
        dimmed: o.at > cx.cursor.at(),
    }
}

/// `like = 1, share = 0`.
#[must_use]
pub fn labels(mask: u64, cx: &Cx<'_>) -> String {
    let examples = cx.doc.pipeline.as_ref().and_then(|p| p.pipeline.examples.as_ref());
    let named = examples.map(|e| e.labels.as_slice()).unwrap_or_default();
    let parts: Vec<String> = named
        .iter()
        .enumerate()
        .map(|(i, label)| format!("{} = {}", label.name, mask >> i & 1))
        .collect();
    parts.join(", ")
}
