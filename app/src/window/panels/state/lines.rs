//! How the state panel draws rows and bytes over time: in memory as they were sampled,
//! on disk in steps from checkpoint to checkpoint.

use egui::{
    Align2, Color32, Mesh, Painter, Pos2, Rect, Role, Sense, Shape, Stroke, Ui, WidgetInfo, pos2,
    vec2,
};
use joinscope_core::engine::step::CheckpointEntry;
use joinscope_core::run::{MinMax, StateLines};

use super::State;
use super::ask::LinesQuestion;
use crate::window::axis::{Axis, GUTTER, RIGHT, Scale};
use crate::window::cx::Cx;
use crate::window::jobs::DIM_AFTER;
use crate::window::panels::{failed, reading};
use crate::window::ruler;
use crate::window::text::{bytes, plural, short_count};
use crate::window::theme::{INSET, SMALL, Tokens, fonts};

/// Points between buckets.
const STEP: f32 = 2.0;

/// Points between the dots of checkpoints, where those stand closer.
const APART: f32 = 8.0;

/// One of the two plots.
struct Plot<'a> {
    name: &'a str,
    rect: Rect,
    /// From the base up, and whether it is filled.
    line: &'a [Option<MinMax>],
    /// Of it, the part that is told apart by stripes.
    part: Option<&'a [Option<MinMax>]>,
    /// Beside it, dashed: from checkpoint to checkpoint.
    steps: Option<&'a [Option<MinMax>]>,
    /// What its upper edge stands for.
    top: u64,
    label: fn(u64) -> String,
}

impl Plot<'_> {
    fn y(&self, value: i64) -> f32 {
        let part = value.max(0) as f64 / self.top as f64;
        self.rect.bottom() - (part * f64::from(self.rect.height())) as f32
    }

    fn base(&self) -> f32 {
        self.rect.bottom().round() - 0.5
    }
}

pub fn lines(this: &mut State, ui: &mut Ui, cx: &mut Cx<'_>) {
    let t = Tokens::of(ui.ctx());
    let rect = ui.available_rect_before_wrap();
    let width = (rect.width() - GUTTER - RIGHT).max(10.0);
    let axis = cx.axis(rect.left() + GUTTER, width);
    let buckets = (width / STEP).floor().max(1.0) as usize;
    let question = LinesQuestion { revision: cx.doc.revision, range: axis.range(), buckets };
    let clock = cx.scale == Scale::Arrival || !cx.clock.is_empty();
    if let (Some(doc), true) = (&cx.doc.run, clock) {
        let run = doc.run.clone();
        this.lines.ask(cx.jobs, question, move |q| {
            run.state_lines(q.range, q.buckets).map_err(|e| e.to_string())
        });
    }
    if this.lines.is_open() {
        ui.ctx().request_repaint_after(DIM_AFTER);
    }
    let Some(answer) = this.lines.answer() else {
        reading(ui, "Reading the run", "How large the state was over time");
        return;
    };
    let found = match &answer.result {
        Ok(found) => found,
        Err(error) => {
            if failed(ui, error) {
                this.lines.again();
            }
            return;
        }
    };
    if this.lines.is_stale() {
        ui.multiply_opacity(0.6);
    }
    let plots = Rect::from_min_max(
        pos2(axis.left, rect.top() + 8.0),
        pos2(axis.left + axis.width, rect.bottom() - ruler::HEIGHT),
    );
    let response = ui.interact(plots, ui.scope_id().with("plot"), Sense::click_and_drag());
    response.widget_info(|| WidgetInfo::labeled(Role::Canvas, true, "State over time"));
    let said = spoken(found, cx);
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_value(said.as_str()));
    ruler::act(ui, cx, &axis, &response);
    let middle = plots.center().y;
    let gap = 5.0;
    let upper = Rect::from_x_y_ranges(plots.x_range(), plots.top()..=middle - gap);
    let lower = Rect::from_x_y_ranges(plots.x_range(), middle + gap..=plots.bottom());
    let disk = found.disk_rows.iter().flatten().any(|v| v.max > 0);
    let of_rows = Plot {
        name: "rows",
        rect: upper,
        line: &found.rows,
        part: disk.then_some(&found.disk_rows),
        steps: None,
        top: top(&found.rows, &[]),
        label: short_count,
    };
    let of_bytes = Plot {
        // Held from one sample to the next: batches, of which a small run has few.
        name: "memory, sampled",
        rect: lower,
        line: &found.memory_bytes,
        part: None,
        steps: found.disk_bytes.iter().any(Option::is_some).then_some(&found.disk_bytes),
        top: top(&found.memory_bytes, &found.disk_bytes),
        label: bytes,
    };
    for plot in [&of_rows, &of_bytes] {
        paint(ui, &axis, found, plot, rect, t);
    }
    if of_bytes.steps.is_some() {
        dots(ui, cx, &axis, &of_bytes, t);
    }
    let y = plots.bottom() + ruler::HEIGHT / 2.0;
    ruler::labels(ui.painter(), cx, &axis, y, rect.right(), t);
    ruler::later(ui, cx, &axis, plots, t);
    if disk {
        name_part(ui, upper, t);
    }
    name_steps(ui, &of_bytes, t);
    ruler::line(ui, cx, &axis, plots, rect, t);
    if response.has_focus() {
        let line = Stroke::new(1.0, t.accent);
        ui.painter().rect_stroke(plots.expand(2.0), 3, line, egui::StrokeKind::Outside);
    }
    if let Some(pos) = response.hover_pos() {
        hover(&response, cx, &axis, found, pos.x);
    }
}

/// What the pointer is over, in words.
fn hover(response: &egui::Response, cx: &Cx<'_>, axis: &Axis, found: &StateLines, x: f32) {
    let part = f64::from((x - axis.left) / axis.width).clamp(0.0, 1.0);
    let bucket = ((part * found.buckets as f64) as usize).min(found.buckets.saturating_sub(1));
    let Some(said) = words(found, bucket) else { return };
    let arrival = axis.arrival(x, cx.clock);
    let when = cx.times.full(cx.clock.time(arrival as f64) as i64);
    response.clone().on_hover_text_at_pointer(format!("{when}\n{said}"));
}

/// What stands in a bucket.
fn words(found: &StateLines, bucket: usize) -> Option<String> {
    let at = |line: &[Option<MinMax>]| line.get(bucket).copied().flatten();
    let mut said = format!("{} in the state", plural(at(&found.rows)?.max.max(0) as u64, "row"));
    if let Some(memory) = at(&found.memory_bytes) {
        let taken = format!(", {} in memory when sampled", bytes(memory.max.max(0) as u64));
        said.push_str(&taken);
    }
    if let Some(disk) = at(&found.disk_rows).filter(|d| d.max > 0) {
        let on = format!("\n{} on disk alone", plural(disk.max as u64, "row"));
        said.push_str(&on);
    }
    if let Some(held) = at(&found.disk_bytes) {
        let on = format!("\n{} on disk in the newest checkpoint", bytes(held.max.max(0) as u64));
        said.push_str(&on);
    }
    Some(said)
}

/// The largest of each, for who cannot see the lines.
fn spoken(found: &StateLines, cx: &Cx<'_>) -> String {
    let known = |line: &[Option<MinMax>]| line.iter().flatten().map(|v| v.max.max(0) as u64).max();
    let most = |line: &[Option<MinMax>]| known(line).unwrap_or(0);
    let held = known(&found.disk_bytes).map_or_else(String::new, |held| {
        format!(", at most {} on disk in a checkpoint", bytes(held))
    });
    format!(
        "at most {} and {} in memory in sight, at most {} on disk alone{held}; cursor at arrival \
         {}",
        plural(most(&found.rows), "row"),
        bytes(most(&found.memory_bytes)),
        plural(most(&found.disk_rows), "row"),
        cx.cursor.at()
    )
}

fn paint(ui: &Ui, axis: &Axis, found: &StateLines, plot: &Plot<'_>, panel: Rect, t: &Tokens) {
    let painter = ui.painter();
    let y = |value: i64| plot.y(value);
    let base = plot.base();
    painter.hline(plot.rect.x_range(), base, Stroke::new(1.0, t.line));
    painter.hline(plot.rect.x_range(), y(plot.top as i64).round() + 0.5, Stroke::new(1.0, t.line));
    let left = panel.left() + INSET;
    let label_y = (plot.rect.top() + 5.0).min(plot.rect.center().y);
    ruler::gutter_label(painter, left, label_y, (plot.label)(plot.top), t);
    let font = fonts::regular(SMALL);
    let name_y = plot.rect.bottom() - 7.0;
    painter.text(pos2(left, name_y), Align2::LEFT_CENTER, plot.name, font, t.second);
    let x = |bucket: usize| {
        let span = (i128::from(found.range.to) - i128::from(found.range.from)) as f64;
        let at = found.range.from as f64 + span * bucket as f64 / found.buckets.max(1) as f64;
        axis.x(at.round() as i64)
    };
    let painter = ui.painter_at(plot.rect.expand(1.0));
    let mut mesh = Mesh::default();
    bars(&mut mesh, plot.line, &x, &y, base, t.area());
    if let Some(part) = plot.part {
        bars(&mut mesh, part, &x, &y, base, t.area_part());
    }
    painter.add(Shape::mesh(mesh));
    for points in edges(plot.line, &x, &y) {
        painter.line(points, Stroke::new(1.5, t.second));
    }
    for points in edges(plot.steps.unwrap_or_default(), &x, &y) {
        dashes(&painter, &points, t);
    }
}

/// The upper edge as lines of steps, one from gap to gap: up and down within a bucket
/// both show.
fn edges(
    line: &[Option<MinMax>],
    x: &dyn Fn(usize) -> f32,
    y: &dyn Fn(i64) -> f32,
) -> Vec<Vec<Pos2>> {
    let mut all: Vec<Vec<Pos2>> = vec![Vec::with_capacity(line.len() * 2)];
    for (i, value) in line.iter().enumerate() {
        let (Some(v), Some(points)) = (value, all.last_mut()) else {
            all.push(Vec::new());
            continue;
        };
        points.push(pos2(x(i), y(v.max)));
        if v.min != v.max {
            points.push(pos2(x(i), y(v.min)));
        }
        points.push(pos2(x(i + 1), y(v.max)));
    }
    all.retain(|points| points.len() > 1);
    all
}

fn dashes(painter: &Painter, points: &[Pos2], t: &Tokens) {
    painter.extend(Shape::dashed_line(points, Stroke::new(1.5, t.text), 5.0, 3.0));
}

/// Each checkpoint in sight as a dot where its step begins, as far as they stand apart:
/// the step of one at the end has no length.
fn dots(ui: &Ui, cx: &Cx<'_>, axis: &Axis, plot: &Plot<'_>, t: &Tokens) {
    let Some(doc) = &cx.doc.run else { return };
    let all = &doc.manifest.checkpoints;
    let place = |checkpoint: &CheckpointEntry| checkpoint.arrival.saturating_sub(1);
    let painter = ui.painter_at(plot.rect.expand(3.0));
    let mut n = all.partition_point(|checkpoint| place(checkpoint) < cx.view.0);
    while let Some(checkpoint) = all.get(n).filter(|c| place(c) <= cx.view.1) {
        let x = axis.x_of(place(checkpoint), cx.clock);
        if let Some(held) = checkpoint.disk_bytes {
            let y = plot.y(i64::try_from(held).unwrap_or(i64::MAX));
            painter.circle_filled(pos2(x, y), 2.0, t.text);
        }
        // A job of weeks has more of them than a frame may look at.
        let next = axis.arrival_beyond(x + APART, cx.clock).max(0.0) as u64;
        n = all.partition_point(|checkpoint| place(checkpoint) < next).max(n + 1);
    }
}

/// Says what the stripes of a plot are.
fn name_part(ui: &Ui, plot: Rect, t: &Tokens) {
    let painter = ui.painter_at(plot.expand(1.0));
    let label = "on disk alone";
    let galley = painter.layout_no_wrap(label.to_owned(), fonts::regular(SMALL), t.text);
    let base = plot.bottom().round() - 0.5;
    let at = pos2(plot.right() - galley.size().x - 4.0, base - galley.size().y - 1.0);
    // The stripes stand where it does.
    let ground = Rect::from_min_size(at, galley.size()).expand2(vec2(3.0, 0.0));
    painter.rect_filled(ground, 3.0, t.under_words());
    painter.galley(at, galley, t.text);
}

/// Says what the dashes are; above them where they run low.
fn name_steps(ui: &Ui, plot: &Plot<'_>, t: &Tokens) {
    let Some(last) = plot.steps.and_then(|steps| steps.iter().flatten().next_back()) else {
        return;
    };
    let painter = ui.painter_at(plot.rect.expand(1.0));
    let label = "on disk by checkpoint";
    let galley = painter.layout_no_wrap(label.to_owned(), fonts::regular(SMALL), t.text);
    let size = galley.size();
    let mut bottom = plot.base() - 1.0;
    if plot.y(last.max) > bottom - size.y - 2.0 {
        bottom = bottom.min(plot.y(last.max) - 3.0);
    }
    let at = pos2(plot.rect.right() - size.x - 4.0, bottom - size.y);
    let middle = at.y + size.y / 2.0;
    // The lines of the plot may run where it stands.
    let ground = Rect::from_min_max(pos2(at.x - 28.0, at.y), pos2(plot.rect.right(), bottom));
    painter.rect_filled(ground, 3.0, t.under_words());
    dashes(&painter, &[pos2(at.x - 24.0, middle), pos2(at.x - 5.0, middle)], t);
    painter.galley(at, galley, t.text);
}

fn bars(
    mesh: &mut Mesh,
    line: &[Option<MinMax>],
    x: &dyn Fn(usize) -> f32,
    y: &dyn Fn(i64) -> f32,
    base: f32,
    colour: Color32,
) {
    for (i, value) in line.iter().enumerate() {
        if let Some(v) = value.filter(|v| v.max > 0) {
            let at = Rect::from_min_max(pos2(x(i), y(v.max)), pos2(x(i + 1), base));
            mesh.add_colored_rect(at, colour);
        }
    }
}

/// For the largest of both.
fn top(line: &[Option<MinMax>], steps: &[Option<MinMax>]) -> u64 {
    let all = line.iter().chain(steps).flatten();
    round_up(all.map(|v| v.max).max().unwrap_or(0).max(1) as u64)
}

/// The next of a few round numbers, so that lines fill most of their plot.
fn round_up(n: u64) -> u64 {
    let mut unit = 1u64;
    loop {
        for step in [1, 2, 3, 4, 5, 6, 8] {
            let Some(top) = unit.checked_mul(step) else { return u64::MAX };
            if top >= n {
                return top;
            }
        }
        let Some(next) = unit.checked_mul(10) else { return u64::MAX };
        unit = next;
    }
}

#[cfg(test)]
mod tests {
    use joinscope_core::run::{Axis, Range};

    use super::*;

    /// The same all over a bucket.
    fn flat(value: i64) -> MinMax {
        MinMax { min: value, max: value }
    }

    #[test]
    fn what_is_on_disk_is_said_where_it_is_known() {
        let found = StateLines {
            range: Range { axis: Axis::Arrival, from: 0, to: 30 },
            buckets: 3,
            rows: vec![Some(flat(7)), Some(flat(1)), None],
            memory_bytes: vec![Some(flat(900)), Some(flat(100)), None],
            disk_rows: vec![Some(flat(0)), Some(flat(2)), None],
            disk_bytes: vec![None, Some(flat(2_500_000)), Some(flat(1))],
        };
        let first = words(&found, 0).unwrap();
        assert_eq!(first, "7 rows in the state, 900 B in memory when sampled");
        let second = words(&found, 1).unwrap();
        assert!(second.starts_with("1 row in the state, 100 B in memory"), "{second}");
        assert!(second.contains("\n2 rows on disk alone\n"), "{second}");
        assert!(second.ends_with("\n2.5 MB on disk in the newest checkpoint"), "{second}");
        assert_eq!(words(&found, 2), None);
    }

    #[test]
    fn steps_are_not_drawn_across_what_is_not_known() {
        let (x, y) = (|bucket: usize| bucket as f32, |value: i64| value as f32);
        let line = [None, Some(flat(2)), Some(flat(5)), None, Some(flat(5)), None];
        let drawn = edges(&line, &x, &y);
        let first = [(1.0, 2.0), (2.0, 2.0), (2.0, 5.0), (3.0, 5.0)].map(|(x, y)| pos2(x, y));
        assert_eq!(drawn, [first.to_vec(), vec![pos2(4.0, 5.0), pos2(5.0, 5.0)]]);
        assert!(edges(&[None; 4], &x, &y).is_empty());
    }

    #[test]
    fn a_scale_has_room_for_what_is_on_disk() {
        let (line, steps) = ([Some(flat(90)), Some(flat(40))], [None, Some(flat(700))]);
        assert_eq!([top(&line, &[]), top(&line, &steps), top(&[], &[])], [100, 800, 1]);
    }

    #[test]
    fn scales_end_at_round_numbers() {
        assert_eq!([1, 3, 812, 1_204, 50_001].map(round_up), [1, 3, 1_000, 2_000, 60_000]);
        assert_eq!(round_up(u64::MAX), u64::MAX);
    }
}
