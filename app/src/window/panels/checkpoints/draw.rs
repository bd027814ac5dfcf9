//! How the checkpoints panel draws.

use egui::{Align2, Rect, Role, Sense, Ui, UiBuilder, WidgetInfo, pos2};
use joinscope_core::engine::CHECKPOINT_RECORDS;
use joinscope_core::engine::step::CheckpointEntry;
use joinscope_core::run::RunState;
use serde_json::json;

use super::Checkpoints;
use super::ask::About;
use crate::window::command::Command;
use crate::window::cx::Cx;
use crate::window::doc::RunDoc;
use crate::window::jobs::DIM_AFTER;
use crate::window::panels::failed;
use crate::window::panels::tools::copy_json;
use crate::window::panels::watermarks::say::lane_name;
use crate::window::table::{
    Cell, Column, Head, Laid, RowCells, TIME, date_room, empty, left_out, without,
};
use crate::window::text::{bytes, elide_apart, plural, thousands};
use crate::window::theme::{INSET, SMALL, Tokens, fonts};
use crate::window::widgets::{fit, text};

const COLUMNS: [Column; 11] = [
    Column::figure("Epoch", 56.0),
    Column::figure("At arrival", 80.0),
    Column::firm("Arrived", TIME),
    Column::figure("Rows in state", 88.0),
    Column::figure("State", 64.0),
    Column::figure("Written", 64.0),
    Column::figure("On disk", 56.0),
    Column::soft("Delta · snapshot · sync, ms", 330.0, 60.0),
    Column::figure("Join paused", 78.0),
    Column::figure("Took", 60.0),
    Column::firm("Kept", 48.0),
];

const OFFSETS: [Column; 2] = [Column::rest("Partition"), Column::figure("Next offset", 96.0)];

/// Columns whose titles are long, each with a short one, and how wide a panel has room
/// for the long ones.
const SHORT_TITLES: [(usize, &str); 3] = [(3, "Rows"), (7, "Phases"), (8, "Paused")];
const WHOLE_TITLES: f32 = 986.0;

/// Columns that a narrower table has no room for: what a checkpoint cost stays longest.
const LEFT_OUT: [(f32, &[usize]); 4] =
    [(760.0, &[6]), (640.0, &[4, 7]), (540.0, &[3, 5]), (440.0, &[8, 10])];

/// Width of the offsets beside the table, points.
const SIDE: f32 = 270.0;

/// Milliseconds of all phases.
fn took(c: &CheckpointEntry) -> u64 {
    c.delta_ms + c.snapshot_ms + c.sync_ms
}

/// Milliseconds for which the join stood still for it; `None`: an older program
/// did not write it.
fn paused(c: &CheckpointEntry) -> Option<String> {
    match c.pause_us {
        0 => None,
        // Rounded it would be none.
        1..50 => Some("<0.1 ms".to_owned()),
        us => Some(format!("{:.1} ms", us as f64 / 1e3)),
    }
}

/// In the middle; of an even number between both that are.
fn median(mut times: Vec<u64>) -> u64 {
    times.sort_unstable();
    let Some(last) = times.len().checked_sub(1) else { return 0 };
    times[last / 2].midpoint(times[last.div_ceil(2)])
}

fn entries<'a>(cx: &'a Cx<'_>) -> &'a [CheckpointEntry] {
    cx.doc.run.as_ref().map(|r| r.manifest.checkpoints.as_slice()).unwrap_or_default()
}

/// How many there are, how long they took, what they wrote.
pub fn sentence(cx: &Cx<'_>) -> String {
    let all = entries(cx);
    let Some(longest) = all.iter().max_by_key(|c| took(c)) else { return "none".to_owned() };
    let middle = median(all.iter().map(took).collect());
    let written: u64 = all.iter().map(|c| c.written_bytes).sum();
    // What it cost the join; the rest is done beside it.
    let stood = all.iter().max_by_key(|c| c.pause_us).and_then(paused);
    if let [one] = all {
        let took = thousands(took(one));
        let stood = stood.map_or_else(String::new, |ms| format!(", the join paused for {ms}"));
        return format!("1 checkpoint, {took} ms{stood}; {} written", bytes(written));
    }
    let stood = stood.map_or_else(String::new, |ms| format!(", the join paused for {ms} at most"));
    format!(
        "{} checkpoints, {} ms each by the median, {} ms the longest (epoch {}){stood}; {} written",
        thousands(all.len() as u64),
        thousands(middle),
        thousands(took(longest)),
        thousands(longest.epoch),
        bytes(written)
    )
}

/// The table with the offsets of the chosen one beside it, or what stands in
/// their place.
pub fn body(this: &mut Checkpoints, ui: &mut Ui, cx: &mut Cx<'_>) {
    if entries(cx).is_empty() {
        let what = if cx.doc.in_progress { "No checkpoint yet" } else { "No checkpoint" };
        let next = cx.doc.run.as_ref().map(|run| {
            let state = Some(run.manifest.state).filter(|_| !cx.doc.in_progress);
            why_none(state, run.manifest.start.live.is_some(), cx.cursor.len())
        });
        empty(ui, what, &next.unwrap_or_default());
        return;
    }
    let answer = this.ask(cx);
    let about = match answer.as_ref().map(|a| &a.result) {
        None => None,
        Some(Ok(about)) => Some(about),
        Some(Err(error)) => {
            if failed(ui, error) {
                this.about.again();
            }
            return;
        }
    };
    if this.about.is_open() {
        ui.ctx().request_repaint_after(DIM_AFTER);
    }
    let all = ui.available_rect_before_wrap();
    let side = if this.chosen.is_some() && all.width() > 2.0 * SIDE { SIDE } else { 0.0 };
    let left = Rect::from_min_max(all.min, pos2(all.right() - side, all.bottom()));
    let mut child = ui.new_child(UiBuilder::new().max_rect(left).id_salt("checkpoints"));
    table(this, &mut child, cx, about);
    if side > 0.0 {
        let right = Rect::from_min_max(pos2(left.right(), all.top()), all.max);
        let line = egui::Stroke::new(1.0, Tokens::of(ui.ctx()).line);
        ui.painter().vline(right.left() + 0.5, right.y_range(), line);
        let stale = this.about.is_stale();
        let mut child = ui.new_child(UiBuilder::new().max_rect(right).id_salt("offsets"));
        if stale {
            child.multiply_opacity(0.6);
        }
        offsets(this, &mut child, cx, about);
    }
}

fn table(this: &mut Checkpoints, ui: &mut Ui, cx: &mut Cx<'_>, about: Option<&About>) {
    let all = entries(cx);
    let mut columns = COLUMNS;
    let date = date_room(cx.times, ui.available_width());
    columns[2] = columns[2].wider(date);
    let longest = all.iter().map(took).max().unwrap_or(0).max(1) as f32;
    let mut heads = vec![Head::default(); columns.len()];
    if ui.available_width() < WHOLE_TITLES + date {
        // Cut in the middle they would say nothing, and leave figures no room.
        for (n, short) in SHORT_TITLES {
            heads[n].title = Some(short.to_owned());
        }
    }
    let out = left_out(&LEFT_OUT, ui.available_width() - date);
    let (columns, heads) = (without(columns, &out), without(heads, &out));
    let laid = this.table.lay_out_with(ui, "Checkpoints", &columns, heads, all.len() as u64);
    why_so_few(ui, cx, &laid);
    let chosen = this.chosen;
    let events = this.table.paint(ui, &laid, |n| {
        let c = all.get(n as usize)?;
        let kept = about.and_then(|a| a.on_disk.get(n as usize)).copied();
        let mut row = cells(c, chosen == Some(c.arrival), kept, longest, cx);
        row.cells = without(row.cells, &out);
        Some(row)
    });
    if let Some(c) = events.clicked.and_then(|n| all.get(n as usize)) {
        this.chosen = Some(c.arrival);
        this.offsets.top();
        // The last record that is in it.
        let at = c.arrival.saturating_sub(1);
        cx.commands.push(Command::GoTo(at));
    }
    if let Some(c) = events.copied.and_then(|n| entries(cx).get(n as usize)) {
        let command = copy_json(c);
        cx.commands.push(command);
    }
}

/// Why there is none, or when the first one comes; `ended`: how the run did, where it
/// has.
fn why_none(ended: Option<RunState>, is_live: bool, records: u64) -> String {
    let every = format!(
        "Over a recording one is taken every {} records and at the end",
        thousands(CHECKPOINT_RECORDS)
    );
    match ended {
        None if is_live => "They appear as they are taken".to_owned(),
        None => every,
        Some(_) if records == 0 => "The run has no record".to_owned(),
        Some(_) if is_live => {
            "The run ended before delivery.checkpoint_interval had passed once".to_owned()
        }
        Some(RunState::Done) => "The run took none".to_owned(),
        Some(_) => format!("{every}: the run came to neither"),
    }
}

/// Under the last row, where there is room: why not every epoch has one.
fn why_so_few(ui: &Ui, cx: &Cx<'_>, laid: &Laid) {
    let over_recording = |run: &&RunDoc| run.manifest.start.live.is_none();
    let Some(run) = cx.doc.run.as_ref().filter(over_recording) else { return };
    let all = &run.manifest.checkpoints;
    let fewer = all.last().is_some_and(|last| last.epoch > all.len() as u64);
    let top = laid.below() + 10.0;
    let room = ui.max_rect();
    if !fewer || top + 20.0 > room.bottom() {
        return;
    }
    let why = format!(
        "Over a recording one is taken every {} records and at the end, not at each epoch",
        thousands(CHECKPOINT_RECORDS)
    );
    let t = Tokens::of(ui.ctx());
    let font = fonts::regular(SMALL);
    let shown = fit(ui, &why, &font, room.width() - 2.0 * INSET);
    let at = pos2(room.left() + INSET, top);
    let at = ui.painter().text(at, Align2::LEFT_TOP, shown, font, t.second);
    let response = ui.interact(at, ui.scope_id().with("why so few"), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &why));
    response.on_hover_text(&why);
}

fn cells(
    c: &CheckpointEntry,
    selected: bool,
    kept: Option<bool>,
    longest: f32,
    cx: &Cx<'_>,
) -> RowCells {
    // Most of it may be shared with those before.
    let of = c.disk_bytes.map_or_else(String::new, |held| format!(" of {}", bytes(held)));
    let lies = match (kept, c.disk_bytes) {
        (Some(false), _) => ", no longer on disk",
        (_, Some(_)) => " on disk",
        _ => "",
    };
    let phases = [c.delta_ms, c.snapshot_ms, c.sync_ms];
    let kept_word = match kept {
        None => "",
        Some(true) => "yes",
        Some(false) => "no",
    };
    RowCells {
        name: format!(
            "checkpoint of epoch {}, at arrival {}, {} in {} ms: delta {} ms, snapshot {} ms, \
             sync {} ms{}; {} written{of}{lies}",
            c.epoch,
            c.arrival,
            plural(c.state_rows, "row"),
            took(c),
            c.delta_ms,
            c.snapshot_ms,
            c.sync_ms,
            paused(c).map_or_else(String::new, |ms| format!(", the join paused for {ms}")),
            bytes(c.written_bytes),
        ),
        cells: vec![
            Cell::Mono(thousands(c.epoch)),
            Cell::Mono(thousands(c.arrival)),
            Cell::Time(cx.times.exact(c.arrival_ms)),
            Cell::Mono(thousands(c.state_rows)),
            Cell::Mono(bytes(c.state_bytes)),
            Cell::Mono(bytes(c.written_bytes)),
            c.disk_bytes.map_or(Cell::Empty, |held| Cell::Mono(bytes(held))),
            Cell::Parts {
                parts: phases.map(|ms| ms as f32 / longest),
                text: phases.map(thousands).join(" · "),
            },
            paused(c).map_or(Cell::Empty, Cell::Mono),
            Cell::Mono(format!("{} ms", thousands(took(c)))),
            Cell::Words(kept_word.to_owned()),
        ],
        selected,
        hovered: false,
        dimmed: c.arrival > cx.cursor.at().saturating_add(1),
    }
}

fn offsets(this: &mut Checkpoints, ui: &mut Ui, cx: &mut Cx<'_>, about: Option<&About>) {
    let t = Tokens::of(ui.ctx());
    let (Some(about), Some(doc)) = (about, cx.doc.run.as_ref()) else { return };
    let lanes = &doc.manifest.start.lanes;
    ui.spacing_mut().item_spacing.y = 0.0;
    ui.horizontal(|ui| {
        ui.set_min_height(26.0);
        ui.add_space(INSET);
        let of = this.chosen.map(thousands).unwrap_or_default();
        let said = format!("Where reading goes on from arrival {of}");
        text(ui, &said, fonts::regular(SMALL), t.second).on_hover_text(&said);
    });
    let laid = this.offsets.lay_out(ui, "Offsets", &OFFSETS, lanes.len() as u64);
    let from = laid.rows.start as usize;
    let names: Vec<String> = laid.rows.clone().map(|lane| lane_name(lanes, lane as u32)).collect();
    let shown = elide_apart(&names, laid.chars(ui, 0));
    let events = this.offsets.paint(ui, &laid, |n| {
        let whole = names.get(n as usize - from)?.clone();
        let next = about.offsets.get(n as usize).copied().flatten();
        let next = next.map_or_else(|| "none read".to_owned(), |o| thousands(o.max(0) as u64));
        Some(RowCells {
            name: format!("{whole}: {next}"),
            cells: vec![
                Cell::Elided { shown: shown.get(n as usize - from)?.clone(), whole },
                Cell::Mono(next),
            ],
            selected: false,
            hovered: false,
            dimmed: false,
        })
    });
    if let Some(n) = events.copied {
        let next = about.offsets.get(n as usize).copied().flatten();
        let line = json!({ "partition": lane_name(lanes, n as u32), "next_offset": next });
        cx.commands.push(copy_json(&line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_both_in_the_middle() {
        assert_eq!(median(vec![907, 3, 893, 2_000]), 900);
        assert_eq!(median(vec![9, 1, 5]), 5);
        assert_eq!(median(Vec::new()), 0);
    }

    #[test]
    fn why_there_is_none_is_what_the_engine_does() {
        // However many intervals passed: over a recording they do not count.
        let cancelled = why_none(Some(RunState::Cancelled), false, 900_000);
        assert!(cancelled.contains("every 1,000,000 records and at the end"), "{cancelled}");
        assert!(!cancelled.contains("interval"), "{cancelled}");
        let live = why_none(Some(RunState::Cancelled), true, 5);
        assert!(live.contains("delivery.checkpoint_interval"), "{live}");
        assert!(why_none(None, false, 7).ends_with("records and at the end"));
        assert_eq!(why_none(Some(RunState::Done), false, 0), "The run has no record");
    }

    #[test]
    fn a_pause_that_was_not_written_is_not_shown_as_none() {
        let of = |pause_us| CheckpointEntry { pause_us, ..CheckpointEntry::default() };
        assert_eq!(paused(&of(112_960)).as_deref(), Some("113.0 ms"));
        assert_eq!(paused(&of(0)), None);
        assert_eq!([of(49), of(50)].map(|c| paused(&c).unwrap()), ["<0.1 ms", "0.1 ms"]);
    }
}
