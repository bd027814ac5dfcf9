//! How many would be late at which out-of-orderness: the curve, and the slider
//! on it.

use egui::{
    Align2, CursorIcon, Key, Mesh, Modifiers, Pos2, Rangef, Rect, Response, Role, Sense, Shape,
    Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2,
};
use joinscope_operator::time::{duration_setting, format_duration};
use joinscope_operator::verdict::Verdict;

use super::Shown;
use super::bins::{bin, edge};
use super::counts::NO_VALUE;
use crate::window::text::thousands;
use crate::window::theme::{INSET, SMALL, TEXT, Tokens, fonts};
use crate::window::widgets::button;

const HEAD: f32 = 34.0;
const FOOT: f32 = 24.0;
const GUTTER: f32 = 56.0;
/// So much of the answer's second part is shown at least, points.
const LEAST: f32 = 70.0;

/// What the user did.
#[derive(Default)]
pub struct Done {
    /// Moves the slider; `Some(None)`: to what was run.
    pub to: Option<Option<u16>>,
    pub run: bool,
}

/// Places on the logarithmic axis.
struct Scale {
    ends: (f64, f64),
    x: Rangef,
}

impl Scale {
    fn new(ends: (u16, u16), x: Rangef) -> Self {
        let log = |b: u16| (edge(b).max(1) as f64).ln();
        let (low, high) = (log(ends.0), log(ends.1));
        Self { ends: (low, high.max(low + 0.1)), x }
    }

    fn x(&self, ms: i64) -> f32 {
        let part = ((ms.max(1) as f64).ln() - self.ends.0) / (self.ends.1 - self.ends.0);
        self.x.min + (part.clamp(0.0, 1.0) as f32) * self.x.span()
    }

    /// The nearest bin to a place.
    fn bin(&self, x: f32) -> u16 {
        let part = f64::from((x - self.x.min) / self.x.span()).clamp(0.0, 1.0);
        bin((self.ends.0 + part * (self.ends.1 - self.ends.0)).exp().round() as i64)
    }
}

/// Shows the answer's sentence, the curve and the slider.
pub fn show(ui: &mut Ui, s: &Shown<'_>, now: Option<i64>, can_run: bool) -> Done {
    let t = Tokens::of(ui.ctx());
    let rect = ui.available_rect_before_wrap();
    let mut done = Done::default();
    head(ui, s, now, can_run, Rect::from_min_size(rect.min, vec2(rect.width(), HEAD)), &mut done);
    let plot = Rect::from_min_max(
        pos2(rect.left() + GUTTER, rect.top() + HEAD + 4.0),
        pos2(rect.right() - INSET, (rect.bottom() - FOOT).max(rect.top() + HEAD + 20.0)),
    );
    let scale = Scale::new(s.ends, plot.x_range());
    let response = ui.interact(plot, ui.scope_id().with("slider"), Sense::click_and_drag());
    describe(ui, &response, s);
    act(ui, s, &scale, &response, now, &mut done);
    curve(ui, s, &scale, plot, now, t);
    if response.has_focus() {
        let line = Stroke::new(1.0, t.accent);
        ui.painter().rect_stroke(plot.expand(2.0), 3, line, StrokeKind::Outside);
    }
    if let Some(pos) = response.hover_pos() {
        ui.ctx().set_cursor_icon(CursorIcon::ResizeHorizontal);
        let at = scale.bin(pos.x);
        let late = s.sum.needs.get(s.target.place()).map_or(0, |c| c.beyond(at));
        response.on_hover_text_at_pointer(format!(
            "{} would be late at {}",
            thousands(late),
            format_duration(edge(at))
        ));
    }
    done
}

/// `At 5m 17s: 12 late, 892 fewer`, and the buttons.
fn head(ui: &mut Ui, s: &Shown<'_>, now: Option<i64>, can_run: bool, at: Rect, done: &mut Done) {
    let t = Tokens::of(ui.ctx());
    let flow = egui::Layout::right_to_left(egui::Align::Center);
    let row = at.shrink2(vec2(INSET, 3.0));
    let mut child = ui.new_child(egui::UiBuilder::new().max_rect(row).layout(flow).id_salt("head"));
    let same = now == Some(s.at);
    let label = format!("Run with {}", format_duration(s.at));
    let name = format!("Run with an out-of-orderness of {}", duration_setting(s.at));
    let run = button(&label).name(&name).enabled(can_run && !same && s.whole).show(&mut child);
    let hover = match (can_run, same) {
        (false, _) => "The run's recording and pipeline have to be open".to_owned(),
        (_, true) => "This is what was run: move the slider".to_owned(),
        _ => name,
    };
    if run.on_hover_text(hover).clicked() {
        done.run = true;
    }
    if now.is_some() && !same {
        let back = button("as run").plain().name("Slider to what was run").show(&mut child);
        if back.clicked() {
            done.to = Some(None);
        }
    }
    let right = child.min_rect().left() - 8.0;
    let room = Rect::from_x_y_ranges(row.left()..=right.max(row.left() + 20.0), row.y_range());
    let (bold, rest) = sentence(s);
    let painter = ui.painter_at(room);
    let b = painter.text(
        pos2(room.left(), room.center().y),
        Align2::LEFT_CENTER,
        &bold,
        fonts::semibold(TEXT),
        t.text,
    );
    let from = pos2(b.right() + 8.0, room.center().y);
    let font = fonts::regular(TEXT);
    let wide = room.right() - from.x;
    let shown = crate::window::widgets::fit(ui, &rest, &font, wide);
    // Less of it would say nothing.
    if shown == rest || wide >= LEAST {
        painter.text(from, Align2::LEFT_CENTER, shown, font, t.second);
    }
    let whole = ui.interact(room, ui.scope_id().with("answer"), Sense::hover());
    let text = format!("{bold} {rest}");
    whole.widget_info(|| WidgetInfo::labeled(Role::Label, true, &text));
    whole.on_hover_text(format!(
        "{text}\nExact, all else equal: each record's lateness against the event-time watermark \
         that this out-of-orderness would have made"
    ));
}

/// The answer: how many, and how that differs.
pub fn sentence(s: &Shown<'_>) -> (String, String) {
    let bold = format!("{} late at {}", thousands(s.late), format_duration(s.at));
    let rest = match s.late.cmp(&s.sum.late) {
        // The same count is not yet the same setting.
        std::cmp::Ordering::Equal if s.now == Some(s.at) => "as in this run".to_owned(),
        std::cmp::Ordering::Equal => "as many as in this run".to_owned(),
        std::cmp::Ordering::Less => format!("{} fewer", thousands(s.sum.late - s.late)),
        std::cmp::Ordering::Greater => format!("{} more", thousands(s.late - s.sum.late)),
    };
    let never =
        s.sum.needs.get(s.target.place()).map_or(0, |c| {
            c.iter().filter(|(bin, _)| *bin == NO_VALUE).map(|(_, n)| n).sum::<u64>()
        });
    let never = if never > 0 { format!("; {} at any", thousands(never)) } else { String::new() };
    (bold, format!("{rest}{never}{}", s.ran))
}

fn describe(ui: &Ui, response: &Response, s: &Shown<'_>) {
    response.widget_info(|| WidgetInfo::slider(true, s.at as f64, "Out-of-orderness"));
    let (bold, rest) = sentence(s);
    let value = format!("{}: {bold}, {rest}", format_duration(s.at));
    ui.ctx().accesskit_node_builder(response.id, |node| {
        node.set_value(value.as_str());
        node.add_action(egui::accesskit::Action::SetValue);
    });
}

fn act(
    ui: &Ui,
    s: &Shown<'_>,
    scale: &Scale,
    response: &Response,
    now: Option<i64>,
    done: &mut Done,
) {
    if let Some(pos) = response.interact_pointer_pos() {
        done.to = Some(Some(scale.bin(pos.x)));
        response.request_focus();
    }
    if response.double_clicked() && now.is_some() {
        done.to = Some(None);
    }
    // Assistive technology sets the value itself.
    ui.input(|i| {
        for request in i.accesskit_action_requests(response.id, egui::accesskit::Action::SetValue) {
            if let Some(egui::accesskit::ActionData::NumericValue(ms)) = &request.data {
                done.to = Some(Some(bin(ms.round() as i64)));
            }
        }
    });
    if !response.has_focus() {
        return;
    }
    let filter = egui::EventFilter {
        horizontal_arrows: true,
        vertical_arrows: true,
        ..egui::EventFilter::default()
    };
    ui.memory_mut(|m| m.set_focus_lock_filter(response.id, filter));
    let here = bin(s.at);
    let moved = |by: i32| (i32::from(here) + by).clamp(0, i32::from(s.ends.1)) as u16;
    let keys = [
        (Key::ArrowLeft, moved(-1)),
        (Key::ArrowDown, moved(-1)),
        (Key::ArrowRight, moved(1)),
        (Key::ArrowUp, moved(1)),
        (Key::PageDown, moved(-50)),
        (Key::PageUp, moved(50)),
        (Key::Home, s.ends.0),
        (Key::End, s.ends.1),
    ];
    for (key, to) in keys {
        if ui.input_mut(|i| i.consume_key(Modifiers::NONE, key)) {
            done.to = Some(Some(to));
        }
    }
}

/// Counts from one to the most, on a logarithmic scale with 0 at its foot.
fn height(n: u64, most: u64, plot: Rect) -> f32 {
    let log = |n: u64| (1.0 + n as f64).ln();
    plot.bottom() - (log(n) / log(most.max(1)) * f64::from(plot.height())) as f32
}

fn curve(ui: &Ui, s: &Shown<'_>, scale: &Scale, plot: Rect, now: Option<i64>, t: &Tokens) {
    let painter = ui.painter();
    let Some(needs) = s.sum.needs.get(s.target.place()) else { return };
    let most = needs.beyond(s.ends.0).max(s.sum.late).max(1);
    grid(ui, scale, plot, most, t);
    // Steps: what is beyond each bin holds until the next.
    let mut line: Vec<Pos2> = Vec::new();
    let mut beyond = needs.beyond(s.ends.0);
    line.push(pos2(plot.left(), height(beyond, most, plot)));
    let inside = |bin: &u16| *bin > s.ends.0 && *bin <= s.ends.1;
    for (bin, n) in needs.iter().filter(|(bin, _)| inside(bin)) {
        let x = scale.x(edge(bin));
        line.push(pos2(x, height(beyond, most, plot)));
        beyond -= n.min(beyond);
        line.push(pos2(x, height(beyond, most, plot)));
    }
    line.push(pos2(plot.right(), height(beyond, most, plot)));
    thin(&mut line);
    let late = t.verdict(Verdict::Late);
    painter.add(Shape::mesh(under(&line, plot.bottom(), late.gamma_multiply(0.1))));
    painter.add(Shape::line(line, Stroke::new(1.5, late)));
    if let Some(now) = now {
        let x = scale.x(now);
        painter.add(Shape::dashed_line(
            &[pos2(x, plot.top()), pos2(x, plot.bottom())],
            Stroke::new(1.0, t.second),
            4.0,
            3.0,
        ));
        if now != s.at {
            let right = x + 60.0 > plot.right();
            let (at, align) = if right {
                (pos2(x - 5.0, plot.top()), Align2::RIGHT_TOP)
            } else {
                (pos2(x + 5.0, plot.top()), Align2::LEFT_TOP)
            };
            painter.text(at, align, "as run", fonts::regular(SMALL - 0.5), t.second);
        }
    }
    let x = scale.x(s.at);
    painter.vline(x, plot.y_range(), Stroke::new(1.5, t.accent));
    axes(ui, plot, s.unit, t);
    let y = height(s.late, most, plot);
    painter.circle(pos2(x, y), 5.0, t.accent, Stroke::new(1.5, t.panel));
}

/// What the curve counts, over what; under it, where it is highest.
fn axes(ui: &Ui, plot: Rect, unit: &str, t: &Tokens) {
    let text = format!("late {unit}s, by out-of-orderness");
    let painter = ui.painter();
    let galley = painter.layout_no_wrap(text, fonts::regular(SMALL - 0.5), t.second);
    let room = plot.shrink2(vec2(9.0, 20.0));
    if galley.size().x > room.width() || galley.size().y > room.height() {
        return;
    }
    let at = pos2(plot.left() + 9.0, plot.bottom() - galley.size().y - 6.0);
    let ground = Rect::from_min_size(at, galley.size()).expand2(vec2(3.0, 0.0));
    painter.rect_filled(ground, 3, t.panel.gamma_multiply(0.85));
    painter.galley(at, galley, t.second);
}

/// A power of ten in few signs.
fn power(n: u64) -> String {
    match n {
        0..1_000 => n.to_string(),
        1_000..1_000_000 => format!("{} k", n / 1_000),
        _ => format!("{} M", n / 1_000_000),
    }
}

fn grid(ui: &Ui, scale: &Scale, plot: Rect, most: u64, t: &Tokens) {
    let painter = ui.painter();
    let font = fonts::mono(SMALL - 0.5);
    let line = Stroke::new(1.0, t.line.gamma_multiply(0.8));
    let mut last = f32::INFINITY;
    for n in [0, 1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000] {
        if n > most {
            break;
        }
        let y = height(n, most, plot);
        if last - y < 15.0 {
            continue;
        }
        last = y;
        painter.hline(plot.x_range(), y.round() + 0.5, line);
        let at = pos2(plot.left() - 8.0, y);
        painter.text(at, Align2::RIGHT_CENTER, power(n), font.clone(), t.second);
    }
    let mut taken = f32::NEG_INFINITY;
    for ms in TICKS {
        if ms < edge(bin(scale.ends.0.exp() as i64)) || (ms as f64).ln() > scale.ends.1 {
            continue;
        }
        let x = scale.x(ms);
        let galley = painter.layout_no_wrap(format_duration(ms), font.clone(), t.second);
        let left = x - galley.size().x / 2.0;
        if left < taken + 14.0 || left + galley.size().x > plot.right() + 8.0 {
            continue;
        }
        taken = left + galley.size().x;
        painter.vline(x.round() + 0.5, plot.y_range(), line);
        let y = plot.bottom() + (FOOT - galley.size().y) / 2.0;
        painter.galley(pos2(left, y), galley, t.second);
    }
}

/// Durations that people count in, ms.
pub const TICKS: [i64; 23] = [
    10,
    100,
    1_000,
    2_000,
    5_000,
    10_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    1_800_000,
    3_600_000,
    10_800_000,
    21_600_000,
    43_200_000,
    86_400_000,
    259_200_000,
    604_800_000,
    2_592_000_000,
    10_368_000_000,
    31_536_000_000,
    315_360_000_000,
];

/// Points less than half a pixel apart say nothing; steps keep their corners.
fn thin(line: &mut Vec<Pos2>) {
    let mut last = Pos2::new(f32::NEG_INFINITY, 0.0);
    let end = line.len().saturating_sub(1);
    let mut i = 0;
    line.retain(|p| {
        let keep = i == 0 || i == end || p.distance(last) >= 0.5;
        i += 1;
        if keep {
            last = *p;
        }
        keep
    });
}

/// The area under a line.
fn under(line: &[Pos2], foot: f32, colour: egui::Color32) -> Mesh {
    let mut mesh = Mesh::default();
    for pair in line.windows(2) {
        let first = mesh.vertices.len() as u32;
        for p in [pos2(pair[0].x, foot), pair[0], pair[1], pos2(pair[1].x, foot)] {
            mesh.colored_vertex(p, colour);
        }
        mesh.add_triangle(first, first + 1, first + 2);
        mesh.add_triangle(first, first + 2, first + 3);
    }
    mesh
}
