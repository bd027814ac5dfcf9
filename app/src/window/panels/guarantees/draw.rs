//! How the guarantees panel draws.

use egui::{Rect, Ui, UiBuilder, pos2, vec2};
use joinscope_core::analyses::guarantees::faults::{Faults, Moment};
use joinscope_core::analyses::guarantees::matrix::{Column as Mode, Copy, Matrix, STAGES};
use joinscope_core::run::ManifestStart;
use joinscope_operator::record::RecordName;
use joinscope_operator::time::format_duration;

use super::ask::{MOST, Question, too_many};
use super::say::{in_column, in_words, not_found, says};
use super::{Guarantees, Open};
use crate::window::command::Command;
use crate::window::cx::Cx;
use crate::window::jobs::{Answer, DIM_AFTER};
use crate::window::panels::failed;
use crate::window::panels::tools::copy_json;
use crate::window::table::{Cell, Column, RowCells, empty, empty_to, left_out, without};
use crate::window::text::{bytes, line, plural, thousands};
use crate::window::theme::fonts::icon;
use crate::window::theme::{INSET, ROW, SMALL, Tokens, fonts};
use crate::window::widgets::{button, icon_button, text};

const MODES: [Column; 9] = [
    // Figures far from their names are hard to read: nothing takes the rest.
    Column::soft("Guarantee", 190.0, 120.0),
    Column::figure("Duplicates", 80.0),
    Column::figure("Losses", 64.0),
    Column::figure("Untrue", 64.0),
    Column::figure("Aborted", 64.0),
    Column::figure("Latency p50", 84.0),
    Column::figure("Latency p99", 84.0),
    Column::figure("Written", 72.0),
    Column::figure("Processed", 80.0),
];

/// Columns that a narrower table has no room for: what a reader gets stays longest.
const LEFT_OUT: [(f32, &[usize]); 3] = [(660.0, &[7, 8]), (560.0, &[5]), (480.0, &[6])];

/// The numbers of a guarantee: of one, of more, and what each counts.
const NUMBERS: [(Open, &str, &str, &str); 4] = [
    (Open::Duplicates, "duplicate", "duplicates", "Examples that a reader gets more than once"),
    (Open::Losses, "loss", "losses", "Examples that a reader never gets"),
    (Open::Untrue, "untrue", "untrue", "Examples that are otherwise than without faults"),
    (
        Open::Aborted,
        "aborted",
        "aborted",
        "What aborted transactions wrote: only a reader with read_uncommitted sees it",
    ),
];

const COPIES: [Column; 3] = [
    Column::soft("Where it stands", 150.0, 90.0),
    Column::figure("Epoch", 56.0),
    Column::rest("Records behind it"),
];

const MOMENTS: [Column; 5] = [
    Column::firm("When", 172.0),
    Column::figure("Process", 56.0),
    Column::firm("What", 90.0),
    Column::figure("Epoch", 56.0),
    Column::rest(""),
];

/// What stands where nothing is compared.
const NAME: &str = "What does each guarantee deliver?";

/// Room of the title row and the four modes.
const HEIGHT: f32 = 5.0 * ROW + 8.0;

/// What goes wrong, the modes, and what is behind the open number.
pub fn body(
    this: &mut Guarantees,
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    answer: Option<&Answer<Question, Matrix>>,
) {
    let many = cx.doc.run.as_ref().and_then(|run| too_many(&run.run));
    if let Some(records) = many {
        too_large(ui, cx, records);
        return;
    }
    if not_found(cx) {
        empty(ui, NAME, "It needs the recording: open it from where it is now");
        return;
    }
    choices(this, ui);
    if cx.doc.in_progress {
        empty(ui, "The run goes on", "Guarantees are compared when it has ended");
        return;
    }
    let matrix = match answer.map(|answer| &answer.result) {
        None if this.faults.is_none() => {
            let next = "Choose above what goes wrong: the recording is then run under \
                        exactly-once, at-least-once and at-most-once, beside a run without faults";
            empty(ui, NAME, next);
            return;
        }
        None => {
            let (done, now) = this.stage();
            let what = format!("Comparing: {now}");
            let next = format!(
                "{done} of {} done: without faults, then under each guarantee",
                STAGES.len()
            );
            empty(ui, &what, &next);
            ui.ctx().request_repaint_after(DIM_AFTER);
            return;
        }
        Some(Err(error)) => {
            if failed(ui, error) {
                this.matrix.again();
            }
            return;
        }
        Some(Ok(matrix)) => matrix,
    };
    if this.matrix.is_open() {
        ui.ctx().request_repaint_after(DIM_AFTER);
    }
    if this.matrix.is_stale() {
        ui.multiply_opacity(0.6);
    }
    let all = ui.available_rect_before_wrap();
    let above = Rect::from_min_size(all.min, vec2(all.width(), HEIGHT));
    let mut child = ui.new_child(UiBuilder::new().max_rect(above).id_salt("modes"));
    modes(this, &mut child, cx, matrix);
    let below = Rect::from_min_max(pos2(all.left(), above.bottom()), all.max);
    let mut child = ui.new_child(UiBuilder::new().max_rect(below).id_salt("behind"));
    // Not by the numbers of what was chosen before.
    if !this.matrix.is_open() && this.opened.as_ref() != this.faults.as_ref() {
        this.opened.clone_from(&this.faults);
        this.open_first(matrix);
    }
    let Some(mode) = matrix.columns.get(this.mode) else { return };
    let line = egui::Stroke::new(1.0, Tokens::of(ui.ctx()).line);
    ui.painter().hline(below.x_range(), below.top() - 2.0, line);
    numbers(this, &mut child, mode);
    if this.open == Open::Timeline {
        timeline(this, &mut child, cx, mode);
    } else {
        copies(this, &mut child, cx, mode);
    }
}

/// More records than a simulated cluster holds: what to do, as commands to copy.
fn too_large(ui: &mut Ui, cx: &mut Cx<'_>, records: u64) {
    let t = Tokens::of(ui.ctx());
    let room = ui.available_rect_before_wrap();
    // In the middle with the commands that stand under it.
    let half = Rect::from_min_max(room.min, pos2(room.right(), room.bottom() - 72.0));
    let mut above = ui.new_child(UiBuilder::new().max_rect(half).id_salt("too many"));
    let next = format!(
        "A simulated cluster in memory holds up to {} records, this run has {}: cut a part out \
         and run that, or compare at the command line",
        thousands(MOST),
        thousands(records)
    );
    let below = empty_to(&mut above, "Too many records to compare here", &next);
    let commands = commands(cx);
    let widest = commands
        .iter()
        .map(|(_, command)| {
            let shown = line(command).into_owned();
            ui.painter().layout_no_wrap(shown, fonts::mono(SMALL), t.text).size().x
        })
        .fold(0.0f32, f32::max);
    let left = (room.center().x - widest / 2.0 - 17.0).max(room.left() + INSET);
    let right = room.right() - INSET;
    let at = Rect::from_min_max(pos2(left, (below + 12.0).round()), pos2(right, room.bottom()));
    let mut child = ui.new_child(UiBuilder::new().max_rect(at).id_salt("commands"));
    for (name, command) in commands {
        child.horizontal(|ui| {
            let copy = icon_button(icon::COPY, name).show(ui);
            text(ui, &command, fonts::mono(SMALL), t.text).on_hover_text(&command);
            if copy.clicked() {
                cx.commands.push(Command::Copy(command));
            }
        });
    }
}

/// What there is to do at the command line, each with what it does.
fn commands(cx: &Cx<'_>) -> [(&'static str, String); 2] {
    let open = cx.doc.recording.as_ref().map(|r| r.recording.path().to_owned());
    let was = || cx.doc.run.as_ref().map(|r| r.manifest.start.recording.path.clone());
    let recording = open.or_else(was).unwrap_or_default();
    let recording = word(&recording.display().to_string());
    let pipeline = cx.doc.pipeline.as_ref().map_or("pipeline.toml", |p| p.file.as_str());
    let time = |arrival: u64| cx.clock.time(arrival as f64).round() as i64;
    // The range that is marked, else a minute around the cursor.
    let (from, until) = if let Some(range) = cx.range.marked {
        (time(range.from()), time(range.to()).saturating_add(1))
    } else {
        let at = time(cx.cursor.at());
        (at.saturating_sub(30_000), at.saturating_add(30_000))
    };
    let (from, until) = (cx.times.full(from), cx.times.full(until));
    [
        (
            "Copy the command that cuts a part out",
            format!(
                "joinscope recording slice {recording} --from {from} --until {until} -o part.mcap"
            ),
        ),
        (
            "Copy the command that compares",
            compared(pipeline, &recording, cx.doc.run.as_ref().map(|run| &run.manifest.start)),
        ),
    ]
}

/// The command that compares what the run in front ran, with what it changed.
fn compared(pipeline: &str, recording: &str, start: Option<&ManifestStart>) -> String {
    let mut command = format!("joinscope guarantees {} --recording {recording}", word(pipeline));
    for (path, value) in start.into_iter().flat_map(|start| &start.overrides) {
        command.push_str(&format!(" --set {}", word(&format!("{path}={value}"))));
    }
    if start.is_some_and(|start| start.at_end == "close") {
        command.push_str(" --at-end close");
    }
    command
}

/// A text as a shell takes it for one word.
fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn choices(this: &mut Guarantees, ui: &mut Ui) {
    ui.add_space(4.0);
    // Every line of them keeps off the panel's edges.
    let room = ui.available_rect_before_wrap().shrink2(vec2(INSET, 0.0));
    let mut child = ui.new_child(UiBuilder::new().max_rect(room).id_salt("choices"));
    child.horizontal_wrapped(|ui| {
        ui.set_min_height(30.0);
        ui.spacing_mut().item_spacing.x = 4.0;
        for moment in Moment::ALL {
            let faults = Faults(vec![(moment, None)]);
            let chosen = this.faults.as_ref() == Some(&faults);
            let label = in_words(moment.name());
            let choice = button(&label).selected(chosen).show(ui);
            if choice.on_hover_text(says(moment)).clicked() {
                this.faults = Some(faults);
            }
        }
        let drawn = Faults::random(1);
        let chosen = this.faults.as_ref() == Some(&drawn);
        let choice = button("several at random").selected(chosen).show(ui);
        let hover = "Two to five of these in turn, drawn at random: the same ones each time";
        if choice.on_hover_text(hover).clicked() {
            this.faults = Some(drawn);
        }
    });
    ui.advance_cursor_after_rect(child.min_rect());
}

fn modes(this: &mut Guarantees, ui: &mut Ui, cx: &mut Cx<'_>, matrix: &Matrix) {
    let out = left_out(&LEFT_OUT, ui.available_width());
    let columns = without(MODES, &out);
    let laid = this.modes.lay_out(ui, "Guarantees", &columns, matrix.columns.len() as u64);
    let chosen = this.mode;
    let events = this.modes.paint(ui, &laid, |n| {
        let mode = matrix.columns.get(n as usize)?;
        let mut row = mode_cells(mode, n as usize == chosen);
        row.cells = without(row.cells, &out);
        Some(row)
    });
    if let Some(n) = events.clicked {
        this.mode = n as usize;
        this.list.top();
        this.open_first(matrix);
    }
    if let Some(n) = events.copied {
        this.copy_mode(cx, n as usize);
    }
}

fn mode_cells(mode: &Mode, selected: bool) -> RowCells {
    let seen = &mode.read_committed;
    let aborted = mode.read_uncommitted.aborted.len();
    let count = |n: usize| Cell::Mono(thousands(n as u64));
    let stopped = mode.stopped.as_ref().map_or_else(String::new, |why| format!("; stopped: {why}"));
    // The counts of a job that did not reach the end are no guarantee's.
    let label = format!("{}{}", mode.stopped.as_ref().map_or("", |_| "stopped: "), mode.mode);
    // Of nothing there is no latency, and 0 would be the best.
    let of = |ms: i64, say: fn(i64) -> String| {
        if seen.messages == 0 { "–".to_owned() } else { say(ms) }
    };
    let (p50, p99) = (mode.latency.p50, mode.latency.p99);
    let (median, most) = (of(p50, format_duration), of(p99, format_duration));
    RowCells {
        name: format!(
            "{}: {}, {} lost, {} untrue, {} aborted seen by read_uncommitted; latency {median} by \
             the median, {most} at p99; {} written, {} processed{stopped}",
            mode.mode,
            plural(seen.duplicates.len() as u64, "duplicate"),
            thousands(seen.losses.len() as u64),
            thousands(seen.untrue.len() as u64),
            thousands(aborted as u64),
            bytes(mode.written_bytes),
            plural(mode.processed, "record"),
        ),
        cells: vec![
            Cell::Words(label),
            count(seen.duplicates.len()),
            count(seen.losses.len()),
            count(seen.untrue.len()),
            count(aborted),
            Cell::Mono(of(p50, in_column)),
            Cell::Mono(of(p99, in_column)),
            Cell::Mono(bytes(mode.written_bytes)),
            Cell::Mono(thousands(mode.processed)),
        ],
        selected,
        hovered: false,
        dimmed: false,
    }
}

/// The outputs behind a number.
pub fn behind(mode: &Mode, open: Open) -> &[Copy] {
    match open {
        Open::Duplicates => &mode.read_committed.duplicates,
        Open::Losses => &mode.read_committed.losses,
        Open::Untrue => &mode.read_committed.untrue,
        Open::Aborted => &mode.read_uncommitted.aborted,
        Open::Timeline => &[],
    }
}

/// The numbers of the chosen mode: a press opens one.
fn numbers(this: &mut Guarantees, ui: &mut Ui, mode: &Mode) {
    let t = Tokens::of(ui.ctx());
    ui.horizontal(|ui| {
        ui.set_min_height(30.0);
        ui.add_space(INSET);
        ui.spacing_mut().item_spacing.x = 4.0;
        text(ui, &mode.mode, fonts::semibold(SMALL), t.text);
        ui.add_space(6.0);
        for (open, one, more, says) in NUMBERS {
            let n = behind(mode, open).len() as u64;
            let label = format!("{} {}", thousands(n), if n == 1 { one } else { more });
            let number = button(&label).selected(this.open == open).show(ui);
            if number.on_hover_text(says).clicked() {
                this.open = open;
                this.list.top();
            }
        }
        let timeline = this.open == Open::Timeline;
        if button("what happened").selected(timeline).show(ui).clicked() {
            this.open = Open::Timeline;
            this.list.top();
        }
        if let Some(why) = &mode.stopped {
            ui.add_space(6.0);
            let said = format!("stopped before its end: {why}");
            text(ui, &said, fonts::regular(SMALL), t.text).on_hover_text(&said);
        }
    });
}

fn copies(this: &mut Guarantees, ui: &mut Ui, cx: &mut Cx<'_>, mode: &Mode) {
    let all = behind(mode, this.open);
    if all.is_empty() {
        let what = match this.open {
            Open::Duplicates => "No example is there twice",
            Open::Losses => "No example is lost",
            Open::Untrue => "Every example is as without faults",
            Open::Aborted => "Nothing of aborted transactions is seen",
            Open::Timeline => "Nothing happened",
        };
        empty(ui, what, "Press another number, or another guarantee");
        return;
    }
    let laid = this.list.lay_out(ui, "Outputs behind the number", &COPIES, all.len() as u64);
    let events = this.list.paint(ui, &laid, |n| {
        let copy = all.get(n as usize)?;
        let place = copy.message.clone().unwrap_or_else(|| "nowhere".to_owned());
        let records = copy.records.join(" + ");
        let epoch = copy.epoch.map_or_else(String::new, thousands);
        Some(RowCells {
            name: format!("{records}: {place}, epoch {epoch}"),
            cells: vec![Cell::Name(place), Cell::Mono(epoch), Cell::Name(records)],
            selected: false,
            hovered: false,
            dimmed: false,
        })
    });
    let picked = events.clicked.and_then(|n| all.get(n as usize));
    if let Some(name) = picked.and_then(|c| c.records.first()?.parse::<RecordName>().ok()) {
        cx.commands.push(Command::SelectRecord(name));
    }
    if let Some(copy) = events.copied.and_then(|n| all.get(n as usize)) {
        cx.commands.push(copy_json(copy));
    }
}

fn timeline(this: &mut Guarantees, ui: &mut Ui, cx: &mut Cx<'_>, mode: &Mode) {
    let all = &mode.timeline;
    let laid = this.list.lay_out(ui, "What happened", &MOMENTS, all.len() as u64);
    let events = this.list.paint(ui, &laid, |n| {
        let moment = all.get(n as usize)?;
        let when = if moment.at_ms <= 0 {
            "before the first arrival".to_owned()
        } else {
            cx.times.exact(moment.at_ms)
        };
        let epoch = moment.epoch.map_or_else(String::new, thousands);
        let process = thousands(moment.incarnation as u64 + 1);
        Some(RowCells {
            name: format!("{when}: process {process} {} {epoch} {}", moment.what, moment.text),
            cells: vec![
                Cell::Mono(when),
                Cell::Mono(process),
                Cell::Words(moment.what.to_owned()),
                Cell::Mono(epoch),
                Cell::Words(moment.text.clone()),
            ],
            selected: false,
            hovered: false,
            dimmed: false,
        })
    });
    if let Some(moment) = events.copied.and_then(|n| all.get(n as usize)) {
        cx.commands.push(copy_json(moment));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use joinscope_core::analyses::guarantees::matrix::{Latency, Seen};

    #[test]
    fn a_job_that_stopped_and_one_that_delivered_nothing_show_it() {
        let mode = |stopped: Option<&str>, messages| Mode {
            mode: "exactly-once".to_owned(),
            stopped: stopped.map(str::to_owned),
            read_committed: Seen { messages, ..Seen::default() },
            read_uncommitted: Seen::default(),
            latency: Latency { p50: 5_000, p99: 9_000, max: 9_000 },
            written_bytes: 0,
            processed: 0,
            records_per_second: 0.0,
            incarnations: 1,
            timeline: Vec::new(),
        };
        let shown = |mode: &Mode| -> [String; 2] {
            let cells = mode_cells(mode, false).cells;
            [0, 5].map(|n| match &cells[n] {
                Cell::Words(text) | Cell::Mono(text) => text.clone(),
                _ => String::new(),
            })
        };
        assert_eq!(shown(&mode(None, 7)), ["exactly-once", "5.000 s"]);
        assert_eq!(shown(&mode(Some("full disk"), 0)), ["stopped: exactly-once", "–"]);
    }

    #[test]
    fn what_the_run_changed_is_compared_at_the_command_line_too() {
        let until = ("join.with.engagements.until".to_owned(), "1h".to_owned());
        let start = ManifestStart {
            overrides: vec![until],
            at_end: "close".to_owned(),
            ..ManifestStart::default()
        };
        let command = compared("my feed.toml", "feed.mcap", Some(&start));
        let want = "joinscope guarantees 'my feed.toml' --recording feed.mcap \
                    --set 'join.with.engagements.until=1h' --at-end close";
        assert_eq!(command, want);
    }

    #[test]
    fn a_path_is_one_word_for_a_shell() {
        assert_eq!(word("/data/feed-1.mcap"), "/data/feed-1.mcap");
        assert_eq!(word("my feed.mcap"), "'my feed.mcap'");
        assert_eq!(word("it's $1"), r"'it'\''s $1'");
        assert_eq!(word(""), "''");
    }
}
