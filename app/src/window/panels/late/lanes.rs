//! The partitions, with how late each was and would be.

use egui::Ui;
use joinscope_operator::time::format_duration;
use serde_json::Value;

use super::index::Lane;
use super::{Focus, Shown, inputs_of, late_at};
use crate::window::cx::Cx;
use crate::window::panels::tools::copy_json;
use crate::window::panels::watermarks::say::called_in;
use crate::window::table::{Cell, Column, RowCells, Table};
use crate::window::text::{elide, plural, thousands};

const COLUMNS: [Column; 7] = [
    Column::soft("Partition", 170.0, 80.0),
    Column::figure("Late", 50.0),
    Column::figure("At slider", 62.0),
    Column::figure("Late by p50", 74.0),
    Column::figure("p90", 52.0),
    Column::figure("p99", 52.0),
    Column::figure("Latest", 52.0),
];

/// A row's place: all, then each input followed by its partitions.
fn places(inputs: &[u8]) -> Vec<Focus> {
    let mut places = vec![Focus::All];
    let mut last = None;
    let mut of = [0u32; 256];
    inputs.iter().for_each(|i| of[usize::from(*i)] += 1);
    for (lane, input) in inputs.iter().enumerate() {
        let many = of[usize::from(*input)] > 1;
        if last != Some(*input) {
            last = Some(*input);
            places.push(Focus::Input(*input));
        }
        if many {
            places.push(Focus::Lane(lane as u32));
        }
    }
    places
}

/// What a row is called.
pub fn name(cx: &Cx<'_>, focus: Focus) -> String {
    let Some(start) = cx.doc.run.as_ref().map(|r| &r.manifest.start) else {
        return String::new();
    };
    match focus {
        Focus::All => "all".to_owned(),
        Focus::Input(i) => {
            start.inputs.get(usize::from(i)).map(|i| i.name.to_string()).unwrap_or_default()
        }
        Focus::Lane(lane) => called_in(start, lane),
    }
}

/// Shows the table; the row that was pressed.
pub fn show(
    ui: &mut Ui,
    cx: &mut Cx<'_>,
    s: &Shown<'_>,
    table: &mut Table,
    chosen: Option<u16>,
) -> Option<Focus> {
    let inputs = inputs_of(cx);
    let places = places(&inputs);
    // Where there is little room the ends of the distribution stay, then the last of all.
    let room = ui.available_width();
    let left_out = if room < 600.0 { if room < 420.0 { 3..6 } else { 4..6 } } else { 0..0 };
    let kept = COLUMNS.iter().enumerate().filter(|(i, _)| !left_out.contains(i));
    let columns: Vec<Column> = kept.map(|(_, column)| *column).collect();
    let laid = table.lay_out(ui, "Lateness by partition", &columns, places.len() as u64);
    let chars = laid.chars(ui, 0);
    let events = table.paint(ui, &laid, |at| {
        let focus = *places.get(at as usize)?;
        let lane = s.sums.of(s.index, focus, &inputs);
        let then = late_at(&lane, s.target, chosen);
        let mut row = cells(&name(cx, focus), focus, &lane, then, s, chars);
        row.cells.drain(left_out.clone());
        Some(row)
    });
    if let Some(focus) = events.copied.and_then(|at| places.get(at as usize).copied()) {
        let lane = s.sums.of(s.index, focus, &inputs);
        let then = late_at(&lane, s.target, chosen);
        let line = json(&name(cx, focus), &lane, then, s);
        cx.commands.push(copy_json(&line));
    }
    events.clicked.and_then(|at| places.get(at as usize).copied())
}

/// By how much `part` of its late records were late at most, ms: as fine as a bin, but
/// the latest is exact.
fn late_by(lane: &Lane, part: f64) -> Option<i64> {
    lane.late_by.quantile(part).map(|ms| ms.min(lane.latest))
}

/// A row for the clipboard.
fn json(name: &str, lane: &Lane, then: u64, s: &Shown<'_>) -> Value {
    serde_json::json!({
        "partition": name,
        "judged": lane.judged,
        "late": lane.late,
        "out_of_orderness_ms": s.at,
        "late_with_it": then,
        "late_by_p50_ms": late_by(lane, 0.5),
        "late_by_p90_ms": late_by(lane, 0.9),
        "late_by_p99_ms": late_by(lane, 0.99),
        "latest_ms": (lane.late > 0).then_some(lane.latest),
    })
}

/// A duration with as many places as its neighbours in a column; long ones in days.
fn short(ms: i64) -> String {
    let parts = |unit: i64, of: i64| {
        let n = (ms + unit / 2) / unit;
        (n / of, n % of)
    };
    match ms {
        ..1_000 => format_duration(ms),
        1_000..59_950 => format!("{:.1} s", ms as f64 / 1e3),
        59_950..3_599_500 => {
            let (minutes, seconds) = parts(1_000, 60);
            format!("{minutes}m {seconds:02}s")
        }
        3_599_500..86_370_000 => {
            let (hours, minutes) = parts(60_000, 60);
            format!("{hours}h {minutes:02}m")
        }
        86_370_000..864_000_000 => {
            let (days, hours) = parts(3_600_000, 24);
            format!("{days}d {hours:02}h")
        }
        _ => format!("{} d", thousands(((ms + 43_200_000) / 86_400_000).unsigned_abs())),
    }
}

fn cells(
    name: &str,
    focus: Focus,
    lane: &Lane,
    then: u64,
    s: &Shown<'_>,
    chars: usize,
) -> RowCells {
    let indent = match focus {
        Focus::All => "",
        Focus::Input(_) => "  ",
        Focus::Lane(_) => "    ",
    };
    let at = |part: f64| late_by(lane, part).map_or(Cell::Empty, |ms| Cell::Mono(short(ms)));
    let shown = elide(name, chars.saturating_sub(indent.len()));
    let cells = vec![
        Cell::Mono(format!("{indent}{shown}")),
        Cell::Mono(thousands(lane.late)),
        Cell::Mono(thousands(then)),
        at(0.5),
        at(0.9),
        at(0.99),
        if lane.late > 0 { Cell::Mono(short(lane.latest)) } else { Cell::Empty },
    ];
    let mut spoken = format!("{name}: {} late", plural(lane.late, s.unit));
    if lane.late > 0 {
        spoken += &format!(", the latest by {}", format_duration(lane.latest));
    }
    spoken += &format!("; {} at {}", thousands(then), format_duration(s.at));
    RowCells {
        cells,
        name: spoken,
        selected: focus == s.focus && focus != Focus::All,
        hovered: false,
        dimmed: lane.judged == 0,
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn durations_of_a_column_have_as_many_places() {
        let shown = [40, 999, 44_000, 24_512, 59_951, 180_000, 3_599_999, 7_200_000, 86_399_000];
        let want = [
            "40 ms", "999 ms", "44.0 s", "24.5 s", "1m 00s", "3m 00s", "1h 00m", "2h 00m", "1d 00h",
        ];
        assert_eq!(shown.map(short), want);
        assert_eq!(short(853 * 86_400_000), "853 d");
    }
}
