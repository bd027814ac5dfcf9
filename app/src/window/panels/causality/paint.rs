//! What the diagram shows besides its nodes: lanes, times, arrows, epochs.

use egui::{
    Align2, Color32, CornerRadius, Pos2, Rangef, Rect, Role, Sense, Shape, Stroke, Ui, WidgetInfo,
    pos2, vec2,
};
use joinscope_operator::record::Arrival;

use super::draw::{ENDED, HAPPENED, PUT_OUT, Placed, R, Shown};
use super::map::Spacing;
use super::story::{Kind, Out, Subject};
use crate::window::axis::GUTTER;
use crate::window::cx::Cx;
use crate::window::panels::outputs::kind_name;
use crate::window::panels::watermarks::say::called_in;
use crate::window::ruler;
use crate::window::selection::Selection;
use crate::window::text::thousands;
use crate::window::theme::{INSET, SMALL, Tokens, fonts};
use crate::window::widgets::fit;

pub(super) fn lanes(ui: &mut Ui, cx: &Cx<'_>, p: &Placed<'_>, rect: Rect, t: &Tokens) {
    let start = cx.doc.run.as_ref().map(|r| &r.manifest.start);
    let name_of = |lane: &u32| start.map(|s| called_in(s, *lane)).unwrap_or_default();
    let mut names: Vec<String> = p.lanes.iter().map(name_of).collect();
    names.extend(["engine", "sink", "epochs"].map(str::to_owned));
    let clip = Rect::from_x_y_ranges(rect.x_range(), p.plot.y_range());
    for (i, name) in names.iter().enumerate() {
        let y = p.y(i);
        let row = Rect::from_x_y_ranges(rect.x_range(), y - p.height / 2.0..=y + p.height / 2.0);
        if !row.intersects(clip) {
            continue;
        }
        let painter = ui.painter_at(clip);
        let own = i >= p.lanes.len();
        if own {
            let ground =
                Rect::from_x_y_ranges(p.plot.x_range(), row.y_range()).shrink2(vec2(0.0, 2.0));
            painter.rect_filled(ground, CornerRadius::same(4), t.own_lane());
        }
        painter.hline(p.plot.x_range(), y.round() + 0.5, Stroke::new(1.0, t.line));
        let font = fonts::regular(SMALL);
        let shown = fit(ui, name, &font, GUTTER - INSET - 10.0);
        let ink = if own { t.text } else { t.second };
        painter.text(pos2(rect.left() + INSET, y), Align2::LEFT_CENTER, &shown, font, ink);
        let label = Rect::from_x_y_ranges(rect.left()..=p.plot.left() - 4.0, row.y_range());
        let id = ui.scope_id().with(("lane", i));
        let response = ui.interact(label.intersect(clip), id, Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Label, true, name));
        response.on_hover_text(name);
    }
}

/// Times of what is in sight, as many as fit.
pub(super) fn axis(ui: &Ui, cx: &Cx<'_>, p: &Placed<'_>, spacing: Spacing, rect: Rect, t: &Tokens) {
    let painter = ui.painter_at(rect);
    let y = rect.bottom() - ruler::HEIGHT / 2.0;
    let mut times: Vec<i64> = p.map.times().map(|(ms, _)| ms).collect();
    // Those of what is selected come first, then both ends, then as many as fit.
    let row = p.story.rows.iter().find(|r| cx.selection == Some(Selection::Row(r.row)));
    let own = row.map(|row| [Some(row.arrival_ms), row.event_time]);
    let ends = p.map.ends();
    times.sort_by_key(|ms| {
        let is_own = own.is_some_and(|own| own.contains(&Some(*ms)));
        let is_end = ends.is_some_and(|(first, last)| [first, last].contains(ms));
        (!is_own, !is_end)
    });
    // Where nothing differs in milliseconds they are left out.
    let whole = times.iter().all(|ms| ms % 1_000 == 0);
    let mut taken: Vec<Rangef> = Vec::new();
    for ms in times {
        let x = p.x((ms, HAPPENED));
        if x < p.plot.left() || x > p.plot.right() {
            continue;
        }
        let text = if whole { cx.times.short(ms) } else { cx.times.exact(ms) };
        let galley = painter.layout_no_wrap(text, fonts::mono(SMALL - 0.5), t.second);
        let wide = galley.size().x;
        let left = (x - wide / 2.0).min(p.plot.right() - wide).max(p.plot.left() - 12.0);
        if taken.iter().any(|other| left < other.max + 14.0 && other.min < left + wide + 14.0) {
            continue;
        }
        taken.push(Rangef::new(left, left + wide));
        let line = Stroke::new(1.0, t.line.gamma_multiply(0.5));
        painter.vline(x.round() + 0.5, p.plot.y_range(), line);
        painter.galley(pos2(left, y - galley.size().y / 2.0), galley, t.second);
    }
    if spacing == Spacing::Shortened {
        let at = pos2(rect.left() + INSET, y);
        painter.text(at, Align2::LEFT_CENTER, "not to scale", fonts::regular(SMALL - 1.0), t.third);
    }
}

/// What led to what.
pub(super) fn arrows(ui: &Ui, cx: &Cx<'_>, s: &Shown<'_>, p: &Placed<'_>, t: &Tokens) {
    let painter = ui.painter_at(p.plot.expand2(vec2(4.0, 0.0)));
    let marked = |row: u64| cx.selection == Some(Selection::Row(row)) || cx.hover == Some(row);
    let plain = Stroke::new(1.0, t.arrow());
    let strong = Stroke::new(1.8, t.accent);
    for row in &p.story.rows {
        let turned = p.story.inversions.iter().any(|i| i.row == row.row && i.kind == Kind::Arrival);
        let from = p.happened(row);
        let to = p.arrived(row.arrival_ms);
        let stroke = match (marked(row.row), turned) {
            (true, _) => strong,
            (_, true) => Stroke::new(1.8, t.text),
            _ => plain,
        };
        arrow(&painter, from, to, stroke, turned);
    }
    for c in &p.story.caused {
        let Some(row) = p.story.rows.iter().find(|r| r.row == c.row) else { continue };
        let time = |arrival: Arrival| p.story.times.get(&arrival).copied();
        let Some(at) = time(c.at) else { continue };
        let froms = [time(c.cause).filter(|_| c.cause != c.at), Some(row.arrival_ms)];
        for from in froms.into_iter().flatten().filter(|ms| *ms != at) {
            let stroke = if marked(c.row) { strong } else { plain };
            arc(&painter, p.arrived(from), p.arrived(at), p.height, stroke);
        }
    }
    for out in &p.story.outputs {
        let whole = matches!(s.about, Subject::Output(n) if n == out.output.n);
        let about = whole || out.output.rows.iter().any(|r| marked(*r));
        let stroke = if about { strong } else { plain };
        let engine = p.arrived(out.at_ms);
        for row in p.story.rows.iter().filter(|r| out.output.rows.contains(&r.row)) {
            if row.arrival_ms != out.at_ms {
                let stroke = if whole || marked(row.row) { strong } else { plain };
                arc(&painter, p.arrived(row.arrival_ms), engine, p.height, stroke);
            }
        }
        painter.circle_filled(engine, 2.5, t.second);
        let sink = pos2(p.x((out.at_ms, PUT_OUT)), p.sink());
        arrow(&painter, engine, sink, stroke, false);
        if let Some(epoch) = p.story.epochs.iter().find(|e| e.n == out.output.epoch) {
            let end = pos2(p.x((epoch.ends_ms, ENDED)), p.epochs());
            arrow(&painter, sink, end, stroke, false);
        }
    }
    // What is held against what: by event time, on the lanes themselves.
    for i in p.story.inversions.iter().filter(|i| i.kind == Kind::EventTime && i.row != i.against) {
        let find = |row: u64| p.story.rows.iter().find(|r| r.row == row);
        if let (Some(a), Some(b)) = (find(i.against), find(i.row)) {
            let points = [p.happened(a), p.happened(b)];
            painter.add(Shape::dashed_line(&points, Stroke::new(1.5, t.text), 5.0, 4.0));
        }
    }
}

fn arrow(painter: &egui::Painter, from: Pos2, to: Pos2, stroke: Stroke, dashed: bool) {
    let along = to - from;
    let far = along.length();
    if far < 4.0 {
        return;
    }
    let way = along / far;
    // It begins and ends at the edge of the nodes.
    let (from, to) = (from + way * (R + 1.0).min(far / 3.0), to - way * 4.0_f32.min(far / 3.0));
    if dashed {
        painter.add(Shape::dashed_line(&[from, to], stroke, 6.0, 3.0));
    } else {
        painter.line_segment([from, to], stroke);
    }
    head(painter, to, way, stroke.color);
}

fn head(painter: &egui::Painter, to: Pos2, way: egui::Vec2, colour: Color32) {
    let side = way.rot90() * 3.0;
    let back = to - way * 6.0;
    let points = vec![to, back + side, back - side];
    painter.add(Shape::convex_polygon(points, colour, Stroke::NONE));
}

/// Along the engine's lane, above its line.
fn arc(painter: &egui::Painter, from: Pos2, to: Pos2, height: f32, stroke: Stroke) {
    let wide = to.x - from.x;
    if wide.abs() < 3.0 {
        return;
    }
    let up = (wide.abs() * 0.18).clamp(5.0, height * 0.44);
    let points = [from, from + vec2(wide * 0.2, -up), to + vec2(-wide * 0.2, -up), to];
    let line = egui::epaint::CubicBezierShape::from_points_stroke(
        points,
        false,
        Color32::TRANSPARENT,
        stroke,
    );
    painter.add(line);
    head(painter, to, (to - points[2]).normalized(), stroke.color);
}

/// A node's name: in full, or shorter where that is too long.
struct Name {
    at: Pos2,
    texts: Vec<String>,
    beside: Beside,
    /// Of what is selected.
    own: bool,
}

/// What the nodes are called, where there is room: records above them, outputs, into
/// which an arrow comes from above, at their right. What is selected has its name
/// first, however crowded it is there.
pub(super) fn names(
    painter: &egui::Painter,
    p: &Placed<'_>,
    selection: Option<Selection>,
    t: &Tokens,
) {
    let records = p.story.rows.iter().map(|row| Name {
        at: p.happened(row),
        texts: vec![format!("@{}", row.record.offset)],
        beside: Beside::Above,
        own: selection == Some(Selection::Row(row.row)),
    });
    let outputs = p.story.outputs.iter().zip(output_names(&p.story.outputs));
    let outputs = outputs.map(|(out, texts)| Name {
        at: pos2(p.x((out.at_ms, PUT_OUT)), p.sink()),
        texts: texts.into(),
        beside: Beside::Right,
        own: selection == Some(Selection::Output(out.output.n)),
    });
    let mut all: Vec<Name> = records.chain(outputs).collect();
    all.sort_by(|a, b| {
        (a.at.y, a.at.x).partial_cmp(&(b.at.y, b.at.x)).unwrap_or(std::cmp::Ordering::Equal)
    });
    let all = stacked(all);
    let (own, others): (Vec<usize>, Vec<usize>) = (0..all.len()).partition(|i| all[*i].own);
    let mut taken: Vec<Rect> = Vec::new();
    for i in own.into_iter().chain(others) {
        let name = &all[i];
        for text in &name.texts {
            let ink = if name.own { t.text } else { t.second };
            let galley = painter.layout_no_wrap(text.clone(), fonts::mono(SMALL - 1.0), ink);
            let place = name.place(galley.size(), p.plot);
            let near = [i.checked_sub(1), Some(i + 1)];
            let near = near.into_iter().flatten().filter_map(|i| all.get(i));
            let crowded = !name.own && near.into_iter().any(|o| name.is_near(o, place))
                || taken.iter().any(|other| other.intersects(place));
            let inside = place.top() > p.plot.top() - 2.0
                && place.left() >= p.plot.left() - 4.0
                && place.right() <= p.plot.right() + 4.0;
            if !crowded && inside {
                // No arrow goes through a name.
                painter.rect_filled(place, CornerRadius::same(3), t.under_words());
                painter.galley(place.min + vec2(2.0, 0.0), galley, ink);
                taken.push(place);
                break;
            }
        }
    }
}

/// What outputs are called, in full and shorter: of what tells them apart, their
/// numbers where all are of one kind.
pub(super) fn output_names(outputs: &[Out]) -> Vec<[String; 2]> {
    let kind_of = |out: &Out| kind_name(out.output.kind, out.output.correction);
    let alike = outputs.windows(2).all(|two| kind_of(&two[0]) == kind_of(&two[1]));
    let name = |out: &Out| {
        let (kind, number) = (kind_of(out), thousands(out.output.n));
        [format!("{kind} {number}"), if alike { number } else { kind.to_owned() }]
    };
    outputs.iter().map(name).collect()
}

/// Outputs of one moment stand on each other: one of them is named for all, the
/// selected one before the first.
fn stacked(names: Vec<Name>) -> Vec<Name> {
    let mut found: Vec<(Name, u64)> = Vec::new();
    for name in names {
        match found.last_mut() {
            Some((last, more)) if last.is_under(&name) => {
                *more += 1;
                if name.own {
                    *last = name;
                }
            }
            _ => found.push((name, 0)),
        }
    }
    let with = |(name, more): (Name, u64)| match more {
        0 => name,
        more => {
            let and = |text: String| format!("{text} + {} more", thousands(more));
            Name { texts: name.texts.into_iter().map(and).collect(), ..name }
        }
    };
    found.into_iter().map(with).collect()
}

impl Name {
    /// Where a text of this size stands, with some room at its sides.
    fn place(&self, size: egui::Vec2, plot: Rect) -> Rect {
        let min = match self.beside {
            // Above the ring of a node that is selected.
            Beside::Above => {
                let left = (self.at.x - size.x / 2.0).min(plot.right() - size.x);
                pos2(left.max(plot.left()), self.at.y - R - 6.0 - size.y)
            }
            Beside::Right => {
                let right = self.at.x + R + 3.0;
                // At the plot's edge it stands at the left.
                let turned = right + size.x > plot.right();
                let left = if turned { self.at.x - R - 3.0 - size.x } else { right };
                pos2(left, self.at.y - R - 4.0 - size.y)
            }
        };
        Rect::from_min_size(min, size).expand2(vec2(2.0, 0.0))
    }

    /// Whether the next one, an output too, stands on it.
    fn is_under(&self, next: &Self) -> bool {
        matches!(self.beside, Beside::Right) && self.at.distance(next.at) < 1.0
    }

    /// Whether a neighbour leaves too little room for it at `place`.
    fn is_near(&self, other: &Self, place: Rect) -> bool {
        (other.at.y - self.at.y).abs() < 1.0
            && match self.beside {
                Beside::Above => (other.at.x - self.at.x).abs() < place.width() + 6.0,
                Beside::Right if place.right() < self.at.x => {
                    other.at.x <= self.at.x && other.at.x + R + 3.0 > place.left()
                }
                Beside::Right => other.at.x >= self.at.x && other.at.x - R - 3.0 < place.right(),
            }
    }
}

/// Where a node's name stands.
#[derive(Clone, Copy)]
enum Beside {
    Above,
    Right,
}

/// Ends of epochs; those that end after `now`, ms, are painted faintly.
pub(super) fn epochs(
    painter: &egui::Painter,
    faint: &egui::Painter,
    now: i64,
    p: &Placed<'_>,
    t: &Tokens,
) {
    // Where the last name ends.
    let mut taken = p.plot.left();
    for (i, epoch) in p.story.epochs.iter().enumerate() {
        let at = pos2(p.x((epoch.ends_ms, ENDED)), p.epochs());
        let brush = if epoch.ends_ms > now { faint } else { painter };
        brush.vline(at.x, p.sink() - 8.0..=at.y, Stroke::new(1.0, t.third));
        let fill = if epoch.snapshot { t.text } else { t.panel };
        let diamond = [vec2(0.0, -5.0), vec2(5.0, 0.0), vec2(0.0, 5.0), vec2(-5.0, 0.0)];
        let points = diamond.iter().map(|d| at + *d).collect();
        brush.add(Shape::convex_polygon(points, fill, Stroke::new(1.5, t.text)));
        let text = format!("epoch {}", thousands(epoch.n));
        let galley = painter.layout_no_wrap(text, fonts::mono(SMALL - 1.0), t.second);
        // At the side where there is room; where there is none it is in the tooltip
        // of its outputs.
        let wide = galley.size().x;
        let beside = |n: Option<usize>| {
            let other = n.and_then(|n| p.story.epochs.get(n));
            other.map(|e| p.x((e.ends_ms, ENDED)))
        };
        let next = beside(Some(i + 1)).unwrap_or(p.plot.right());
        let before = beside(i.checked_sub(1)).unwrap_or(p.plot.left());
        let left = if at.x + 15.0 + wide < next {
            at.x + 9.0
        } else if i + 1 == p.story.epochs.len() && at.x - 15.0 - wide > before.max(taken) {
            at.x - 9.0 - wide
        } else {
            continue;
        };
        taken = left + wide;
        // Below the lane's line, and arrows come from above; still within the lane.
        let top = (at.y + 6.0).min(at.y + p.height / 2.0 - galley.size().y);
        painter.galley(pos2(left, top), galley, t.second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_without_room_at_its_right_has_its_name_at_its_left() {
        let plot = Rect::from_min_max(pos2(0.0, 0.0), pos2(300.0, 200.0));
        let output =
            |x| Name { at: pos2(x, 100.0), texts: Vec::new(), beside: Beside::Right, own: false };
        let place = |x| output(x).place(vec2(40.0, 12.0), plot);
        assert!(place(100.0).left() > 100.0);
        assert!(place(290.0).right() < 290.0);
        // It gives way to what stands where it is.
        let near = |other| output(290.0).is_near(&output(other), place(290.0));
        assert!(near(270.0) && !near(200.0) && !near(298.0));
    }

    #[test]
    fn of_outputs_that_stand_on_each_other_one_is_named_for_all() {
        let output = |x, n: u64, own| {
            let texts = vec![format!("pair {n}"), n.to_string()];
            Name { at: pos2(x, 100.0), texts, beside: Beside::Right, own }
        };
        let names = |own: u64| {
            let all = [(10.0, 4), (60.0, 5), (60.0, 6), (60.2, 7)];
            stacked(all.into_iter().map(|(x, n)| output(x, n, n == own)).collect())
        };
        let texts = |own| names(own).into_iter().map(|name| name.texts).collect::<Vec<_>>();
        assert_eq!(texts(4), [["pair 4", "4"], ["pair 5 + 2 more", "5 + 2 more"]]);
        assert_eq!(texts(6)[1], ["pair 6 + 2 more", "6 + 2 more"]);
        assert!(names(6)[1].own && !names(4)[1].own);
    }
}
