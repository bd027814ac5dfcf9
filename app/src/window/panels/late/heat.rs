//! What records need, over time: a picture of densities, or each record where
//! few are in sight. What stands above the slider's value is late there.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use egui::{
    Color32, Mesh, Pos2, Rangef, Rect, Role, Sense, Shape, Stroke, StrokeKind, TextureHandle,
    TextureOptions, Ui, WidgetInfo, pos2, vec2,
};
use joinscope_core::run::{NEVER, Query, RowView, RunError};
use joinscope_operator::record::Arrival;
use joinscope_operator::time::format_duration;
use joinscope_operator::verdict::Verdict;

use super::answer::TICKS;
use super::ask::{Single, Singles};
use super::bins::edge;
use super::cells::{step, step_from};
use super::counts::NO_VALUE;
use super::raster::{
    BEYOND_ROW, FIRST_ROW, NEVER_ROW, Painted, raster, scaled_rows, steps, texture_rows,
};
use super::{Focus, Shown, inputs_of};
use crate::window::axis::{Axis, GUTTER, RIGHT};
use crate::window::cx::Cx;
use crate::window::export;
use crate::window::ruler;
use crate::window::selection::Selection;
use crate::window::store::Run;
use crate::window::text::{plural, thousands};
use crate::window::theme::{INSET, SMALL, Tokens, fonts};
use crate::window::widgets::verdict_shape;

/// Room at the top for records that no value is enough for, and for the line's name
/// above the line, points.
const TOP: f32 = 18.0;
/// Room below that for records that need more than the scale shows, points.
const BEYOND: f32 = 14.0;
/// Room at the foot for records that need less than the scale shows, points.
const FLOOR: f32 = 12.0;
/// Height of what is not on the scale, points.
const BAND: f32 = 6.0;

/// What the user did.
#[derive(Default)]
pub struct Done {
    pub select: Option<(u64, Arrival)>,
    /// Find the late record between these arrivals.
    pub pick: Option<(Arrival, Arrival)>,
}

/// What stays between frames.
#[derive(Default)]
pub struct State {
    picture: Option<(Painted, TextureHandle)>,
}

/// Heights: needs on a logarithmic scale.
struct Scale {
    low: f64,
    high: f64,
    y: Rangef,
    /// Where records stand that no value is enough for.
    never: f32,
}

impl Scale {
    /// Between the slider's ends, over the height of the plot; `beyond`: some need more.
    fn new(ends: (u16, u16), beyond: bool, plot: Rangef) -> Self {
        let low = (edge(ends.0).max(1) as f64).ln();
        let high = (edge(ends.1).max(2) as f64).ln().max(low + 0.1);
        let top = plot.min + TOP + if beyond { BEYOND } else { 0.0 };
        let y = Rangef::new(top, (plot.max - FLOOR).max(top));
        Self { low, high, y, never: plot.min + TOP / 2.0 }
    }

    /// Where records stand that need more than is on the scale.
    fn beyond(&self) -> f32 {
        self.y.min - BEYOND / 2.0
    }

    /// Where records stand that need less than is on the scale.
    fn floor(&self) -> f32 {
        self.y.max + FLOOR / 2.0
    }

    fn y(&self, ms: i64) -> f32 {
        if ms == NEVER {
            return self.never;
        }
        let log = (ms.max(1) as f64).ln();
        if log < self.low {
            return self.floor();
        }
        if log > self.high {
            return self.beyond();
        }
        let part = (log - self.low) / (self.high - self.low);
        self.y.max - (part.min(1.0) as f32) * self.y.span()
    }
}

/// Where the picture stands: in `plot`, with what is written around it in `rect`.
struct Place<'a> {
    axis: &'a Axis,
    scale: &'a Scale,
    plot: Rect,
    rect: Rect,
}

impl State {
    /// Shows the picture, its axis and the cursor over all room.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        cx: &mut Cx<'_>,
        s: &Shown<'_>,
        singles: Option<&Singles>,
        version: (u64, u64),
    ) -> Done {
        let t = Tokens::of(ui.ctx());
        let rect = ui.available_rect_before_wrap();
        let axis = cx.axis(rect.left() + GUTTER, rect.width() - GUTTER - RIGHT);
        let plot = Rect::from_min_max(
            pos2(axis.left, rect.top() + 4.0),
            pos2(axis.left + axis.width, (rect.bottom() - ruler::HEIGHT).max(rect.top() + 30.0)),
        );
        let scale = Scale::new(s.ends, s.beyond > 0, plot.y_range());
        let response = ui.interact(plot, ui.scope_id().with("plot"), Sense::click_and_drag());
        describe(ui, cx, s, &response);
        ruler::act(ui, cx, &axis, &response);
        ruler::range(ui, cx, &axis, plot);
        ruler::marks(ui, cx, &axis, plot, t);
        let place = Place { axis: &axis, scale: &scale, plot, rect };
        grid(ui, cx, s, &place, t);
        let places = if let Some(singles) = singles {
            each(ui, cx, s, &place, singles, t)
        } else {
            self.picture(ui, cx, s, &place, version, t);
            Vec::new()
        };
        ruler::later(ui, cx, &axis, plot, t);
        ruler::line(ui, cx, &axis, plot, rect, t);
        bound(ui, s, &scale, plot, t);
        aside(ui, plot, &explained(singles, s.unit, t), t);
        if response.has_focus() {
            let line = Stroke::new(1.0, t.accent);
            ui.painter().rect_stroke(plot.shrink(0.5), 2, line, StrokeKind::Inside);
        }
        point(cx, &axis, &response, &places)
    }

    fn picture(
        &mut self,
        ui: &Ui,
        cx: &Cx<'_>,
        s: &Shown<'_>,
        place: &Place<'_>,
        version: (u64, u64),
        t: &Tokens,
    ) {
        let Place { axis, scale, plot, .. } = *place;
        let steps = steps(s.ends);
        let of = Painted {
            version,
            axis: *axis,
            target: s.target,
            focus: s.focus,
            steps,
            bound: step(s.at),
            dark: t.dark,
        };
        if self.picture.as_ref().is_none_or(|p| p.0 != of) {
            let image = Arc::new(raster(&of, cx, s, t));
            let (kept, how) = (Arc::clone(&image), TextureOptions::NEAREST);
            let texture = match self.picture.take() {
                Some((_, mut texture)) => {
                    texture.set(image, how);
                    texture
                }
                None => ui.ctx().load_texture("lateness", image, how),
            };
            export::remember(ui.ctx(), texture.id(), &kept);
            self.picture = Some((of, texture));
        }
        let Some((of, texture)) = &self.picture else { return };
        // Steps below and above the scale's ends reach beyond it.
        let y = |step: u16| {
            let part = (step_from(step).ln() - scale.low) / (scale.high - scale.low);
            scale.y.max - (part as f32) * scale.y.span()
        };
        let band = |y: f32| Rangef::new(y - BAND / 2.0, y + BAND / 2.0);
        let (rows, all) = (scaled_rows(of.steps), texture_rows(of.steps) as f32);
        let on_scale = Rangef::new(y(of.steps.1), y(of.steps.0));
        // What stands on the scale, above and below it: where, cut to where, which rows.
        let below = FIRST_ROW + rows;
        let mut bands = vec![
            (band(scale.never), band(scale.never), NEVER_ROW, BEYOND_ROW),
            (on_scale, scale.y, FIRST_ROW, below),
            (band(scale.floor()), band(scale.floor()), below, below + 1),
        ];
        if s.beyond > 0 {
            let beyond = band(scale.beyond());
            bands.push((beyond, beyond, BEYOND_ROW, FIRST_ROW));
        }
        for (at, clip, from, to) in bands {
            let at = Rect::from_x_y_ranges(plot.x_range(), at);
            let clip = Rect::from_x_y_ranges(plot.x_range(), clip);
            let v = |row: usize| row as f32 / all;
            let uv = Rect::from_min_max(pos2(0.0, v(from)), pos2(1.0, v(to)));
            ui.painter_at(clip).image(texture.id(), at, uv, Color32::WHITE);
        }
    }
}

/// How the picture is to be read: in full, and shorter.
fn explained(singles: Option<&Singles>, unit: &str, t: &Tokens) -> [String; 3] {
    let needs = format!("out-of-orderness that each {unit} needs");
    let (more, short) = match singles {
        Some(singles) if singles.one_in > 1 => {
            let one_in = thousands(singles.one_in);
            let kept = format!("all that were late, 1 in {one_in} of the others");
            (format!("; {kept}"), kept)
        }
        Some(_) => (String::new(), needs.clone()),
        None => {
            let stronger = if t.dark { "brighter" } else { "darker" };
            (format!(", {stronger} where there are more"), needs.clone())
        }
    };
    [format!("{needs}{more}; {unit}s in order are not shown"), format!("{needs}{more}"), short]
}

/// The longest of some texts that there is room for, in the upper right corner.
fn aside(ui: &Ui, plot: Rect, texts: &[String; 3], t: &Tokens) {
    /// At the left the line's name may stand, points.
    const LEFT: f32 = 140.0;
    let painter = ui.painter_at(plot);
    let lay =
        |text: &String| painter.layout_no_wrap(text.clone(), fonts::regular(SMALL - 0.5), t.second);
    let mut galleys = texts.iter().map(lay);
    let Some(galley) = galleys.find(|g| g.size().x < plot.width() - LEFT) else { return };
    let at = pos2(plot.right() - galley.size().x - 6.0, plot.top());
    let ground = Rect::from_min_size(at, galley.size()).expand2(vec2(3.0, 0.0));
    painter.rect_filled(ground, 3, t.panel.gamma_multiply(0.85));
    painter.galley(at, galley, t.second);
}

fn describe(ui: &Ui, cx: &Cx<'_>, s: &Shown<'_>, response: &egui::Response) {
    response.widget_info(|| WidgetInfo::labeled(Role::Canvas, true, "Out of order over time"));
    let (bold, rest) = super::answer::sentence(s);
    let mut value = format!("{bold}, {rest}; cursor at arrival {}", thousands(cx.cursor.at()));
    if s.beyond > 0 {
        let (who, most) = (plural(s.beyond, s.unit), format_duration(edge(s.ends.1)));
        value += &format!("; beyond the scale, at more than {most}: {who}");
    }
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_value(value.as_str()));
}

fn grid(ui: &Ui, cx: &Cx<'_>, s: &Shown<'_>, place: &Place<'_>, t: &Tokens) {
    let Place { axis, scale, plot, rect } = *place;
    let painter = ui.painter();
    let line = Stroke::new(1.0, t.line.gamma_multiply(0.8));
    // What stands outside the scale is said to.
    let mut taken = scale.floor();
    let least = format!("< {}", format_duration(edge(s.ends.0)));
    ruler::gutter_label(painter, rect.left() + INSET, taken, least, t);
    painter.hline(plot.x_range(), scale.y.max.round() + 0.5, line);
    let needs = s.sum.needs.get(s.target.place());
    let never = needs.is_some_and(|c| c.iter().any(|(bin, _)| bin == NO_VALUE));
    let left = rect.left() + INSET;
    if never {
        ruler::gutter_label(painter, left, scale.never, "at any".to_owned(), t);
    }
    let mut top = if never { scale.never + 16.0 } else { f32::NEG_INFINITY };
    if s.beyond > 0 {
        let most = format!("> {}", format_duration(edge(s.ends.1)));
        ruler::gutter_label(painter, left, scale.beyond(), most, t);
        painter.hline(plot.x_range(), scale.y.min.round() + 0.5, line);
        top = scale.beyond() + 16.0;
    }
    for ms in TICKS {
        let y = scale.y(ms);
        let inside = (ms as f64).ln() >= scale.low && (ms as f64).ln() <= scale.high;
        if !inside || taken - y < 22.0 || y < top {
            continue;
        }
        taken = y;
        painter.hline(plot.x_range(), y.round() + 0.5, line);
        ruler::gutter_label(painter, rect.left() + INSET, y, format_duration(ms), t);
    }
    for (x, _) in ruler::ticks(cx, axis) {
        painter.vline(
            x.round() + 0.5,
            plot.y_range(),
            Stroke::new(1.0, t.line.gamma_multiply(0.5)),
        );
    }
    let y = rect.bottom() - ruler::HEIGHT / 2.0;
    ruler::labels(painter, cx, axis, y, rect.right(), t);
}

/// The slider's value across the picture.
fn bound(ui: &Ui, s: &Shown<'_>, scale: &Scale, plot: Rect, t: &Tokens) {
    let y = scale.y(s.at);
    let painter = ui.painter();
    painter.hline(plot.x_range(), y, Stroke::new(1.5, t.accent));
    let text = format!("late above {}", format_duration(s.at));
    let galley = painter.layout_no_wrap(text, fonts::regular(SMALL), t.text);
    // Above the line, below it where there is no room.
    let above = y - galley.size().y - 3.0;
    let top = if above < plot.top() { y + 3.0 } else { above };
    let at = Rect::from_min_size(pos2(plot.left() + 6.0, top), galley.size());
    painter.rect_filled(at.expand2(vec2(3.0, 0.0)), 3, t.panel.gamma_multiply(0.85));
    painter.galley(at.min, galley, t.text);
}

/// Each record at its place; what may be pointed at.
fn each<'a>(
    ui: &Ui,
    cx: &Cx<'_>,
    s: &Shown<'_>,
    place: &Place<'_>,
    singles: &'a Singles,
    t: &Tokens,
) -> Vec<(&'a Single, Pos2, i64)> {
    let Place { axis, scale, plot, .. } = *place;
    let inputs = inputs_of(cx);
    let painter = ui.painter_at(plot.expand2(vec2(6.0, 2.0)));
    let mut mesh = Mesh::default();
    let mut places = Vec::new();
    let shaped = singles.records.len() <= 600;
    for record in &singles.records {
        let need = record.need(s.target);
        let inside = record.arrival >= cx.view.0 && record.arrival <= cx.view.1;
        if need == 0 || !inside || !s.has(record.lane, &inputs) {
            continue;
        }
        let at = pos2(axis.x_of(record.arrival, cx.clock), scale.y(need));
        let late = need > s.at;
        if late && shaped {
            painter.extend(verdict_shape(at, 4.0, Verdict::Late, t));
        } else {
            let colour = if late { t.verdict(Verdict::Late) } else { t.faint() };
            let size = if late { 3.0 } else { 2.0 };
            mesh.add_colored_rect(Rect::from_center_size(at, vec2(size, size)), colour);
        }
        places.push((record, at, need));
    }
    painter.add(Shape::mesh(mesh));
    for (record, at, _) in &places {
        let selected = cx.selection == Some(Selection::Row(record.row));
        if selected || cx.hover == Some(record.row) {
            painter.circle_stroke(*at, 6.0, Stroke::new(1.5, t.accent));
        }
    }
    places
}

fn point(
    cx: &mut Cx<'_>,
    axis: &Axis,
    response: &egui::Response,
    places: &[(&Single, Pos2, i64)],
) -> Done {
    let mut done = Done::default();
    let Some(pos) = response.hover_pos() else { return done };
    let near = places.iter().map(|(record, at, need)| (at.distance(pos), record, need));
    let near = near.min_by(|a, b| a.0.total_cmp(&b.0)).filter(|n| n.0 < 8.0);
    if let Some((_, record, need)) = near {
        *cx.hovers = Some(record.row);
        if response.clicked() {
            done.select = Some((record.row, record.arrival));
        }
        let needs = if *need == NEVER {
            "late at any value".to_owned()
        } else {
            format!("not late from {} on", format_duration(*need))
        };
        let lane = super::lanes::name(cx, Focus::Lane(record.lane));
        let late = match record.late_by {
            0 => "not late".to_owned(),
            ms => format!("late by {}", format_duration(ms)),
        };
        response.clone().on_hover_text_at_pointer(format!(
            "{lane}, {late}\n{needs}\nevent time {}\narrival {}",
            cx.times.full(record.event_time),
            thousands(record.arrival),
        ));
    } else if response.clicked() && places.is_empty() {
        let first = axis.arrival(pos.x - 2.0, cx.clock);
        done.pick = Some((first, axis.arrival(pos.x + 2.0, cx.clock).max(first)));
    }
    done
}

/// The latest record of some partitions between two arrivals.
pub fn late_in(
    run: &Run,
    arrivals: (Arrival, Arrival),
    lanes: Vec<u32>,
) -> Result<Option<RowView>, String> {
    let query =
        Query { lanes, arrivals: Some(arrivals), late_by_at_least: Some(1), ..Query::default() };
    let (mut latest, mut failed): (Option<RowView>, Option<RunError>) = (None, None);
    // A part at a time: all of a dense place may be more than is to be in memory.
    let done = run.search(&query, &AtomicBool::new(false), |found| match run.views(&found.rows) {
        Ok(rows) => {
            latest = latest.take().into_iter().chain(rows).max_by_key(|r| r.late_by);
            true
        }
        Err(error) => {
            failed = Some(error);
            false
        }
    });
    match failed.map_or(done, Err) {
        Ok(()) => Ok(latest),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use joinscope_core::edges::recording::{Writer, WriterOptions};
    use joinscope_operator::record::{Record, TimestampType, TopicPartition};

    use super::super::bins::bin;
    use super::*;
    use crate::window::testing::{BEGIN, PIPELINE, rerun};

    /// Found by reading: of a dense place it was the latest of the first 1,000.
    #[test]
    fn of_all_late_records_the_latest_is_found() {
        const HOUR: i64 = 3_600_000;
        const LATE: i64 = 1_500;
        let folder = tempfile::tempdir().unwrap();
        let (path, dir) = (folder.path().join("late.mcap"), folder.path().join("run"));
        let mut writer = Writer::create(&path, WriterOptions::default()).unwrap();
        for topic in ["views", "engagements"] {
            writer.partition(TopicPartition { topic: topic.into(), partition: 0 }).unwrap();
        }
        // One of each moves the event-time watermark; then each view is later than the last.
        let ahead = [(0, 0, BEGIN + HOUR), (1, 0, BEGIN + HOUR)];
        let late = (1..=LATE).map(|n| (0, n, BEGIN - n * 1_000));
        for (arrival, (source, offset, time)) in (0..).zip(ahead.into_iter().chain(late)) {
            let value = format!(r#"{{"view_id":{offset},"ts":{time}}}"#);
            let record = Record {
                arrival,
                arrival_ns: (BEGIN + HOUR) * 1_000_000 + arrival as i64,
                source,
                offset,
                timestamp: Some(time),
                timestamp_type: TimestampType::Create,
                leader_epoch: None,
                key: None,
                value: Some(value.into_bytes().into()),
                headers: Vec::new(),
            };
            writer.add(&record).unwrap();
        }
        writer.finish().unwrap();
        rerun(&path, PIPELINE, &[], &dir);
        let run = Run::open(&dir).unwrap();
        let last = run.arrivals() - 1;
        let found = late_in(&run, (0, last), vec![0, 1]).unwrap().unwrap();
        assert_eq!((found.arrival, found.verdict), (last, Verdict::Late));
        assert!(late_in(&run, (0, 1), vec![0, 1]).unwrap().is_none());
    }

    #[test]
    fn what_is_not_on_the_scale_stands_apart_from_it() {
        let ends = (bin(3_000), bin(300_000));
        let scale = Scale::new(ends, false, Rangef::new(0.0, 200.0));
        assert!(scale.y(10) > scale.y(3_000) + 4.0 && scale.y(10) < 200.0);
        assert!((scale.y(10) - scale.y(2_999)).abs() < 0.01, "no matter by how much");
        assert!(scale.y(NEVER) < scale.y(300_000) - 4.0 && scale.y(NEVER) > 0.0);
        assert!(scale.y(3_000) <= 188.0 && scale.y(300_000) >= 18.0);
        let scale = Scale::new(ends, true, Rangef::new(0.0, 200.0));
        let (never, beyond) = (scale.y(NEVER), scale.y(31_536_000_000));
        assert!(never + 4.0 < beyond && beyond < scale.y(300_000) - 4.0, "{never} {beyond}");
        assert!((beyond - scale.y(400_000)).abs() < 0.01, "no matter by how much");
    }
}
