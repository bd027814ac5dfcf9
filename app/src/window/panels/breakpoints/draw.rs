//! How the breakpoints are drawn: a field to add one, and a line each.

use egui::{
    Align2, Frame, Key, Margin, Popup, Rect, RichText, Role, ScrollArea, Sense, Stroke, StrokeKind,
    TextEdit, Ui, UiBuilder, WidgetInfo, pos2, vec2,
};
use joinscope_core::engine::breakpoint::{Breakpoint, Condition, EXAMPLES, FieldOp};
use joinscope_operator::time::format_duration;

use super::{Breakpoints, times};
use crate::window::bars::menu_row;
use crate::window::command::Command;
use crate::window::cx::Cx;
use crate::window::panels::failed;
use crate::window::table::empty;
use crate::window::text::{bytes, elide, line, plural};
use crate::window::theme::fonts::icon;
use crate::window::theme::{INSET, SMALL, TEXT, Tokens, fonts};
use crate::window::widgets::{button, fit, icon_button, text};

/// Height of a line of the list, points.
const LINE: f32 = 30.0;
/// The widest that a line of the list becomes, points.
const WIDEST: f32 = 900.0;

/// Said of a run that goes on in another process.
const ELSEWHERE: &str = "This run belongs to another process and does not stop at these: what it \
                         met so far is counted. One that is started with joinscope run --break \
                         CONDITION stops there";

/// What a run stops at, in words.
pub fn words(condition: &Condition) -> String {
    match condition {
        Condition::Verdict(verdict) => format!("a record is {verdict}"),
        Condition::Key(key) => format!("a record with the key {key} arrives"),
        Condition::LateBy(ms) => {
            format!("a record arrives more than {} behind", format_duration(*ms))
        }
        Condition::Stalled(ms) => {
            format!("the event-time watermark stands for more than {}", format_duration(*ms))
        }
        Condition::StateRows(rows) => format!("more than {} in the state", plural(*rows, "row")),
        Condition::StateBytes(n) => format!("more than {} of state in memory", bytes(*n)),
        Condition::Field { path, op, value } => {
            let how = match op {
                FieldOp::Is => "is",
                FieldOp::IsNot => "is not",
                FieldOp::Has => "has",
                FieldOp::Less => "is less than",
                FieldOp::AtMost => "is at most",
                FieldOp::More => "is more than",
                FieldOp::AtLeast => "is at least",
            };
            // A text in a sentence: where it begins and ends is seen.
            let value = match op {
                FieldOp::Is | FieldOp::IsNot | FieldOp::Has => format!("\"{value}\""),
                _ => value.clone(),
            };
            format!("a record arrives whose {path} {how} {value}")
        }
    }
}

/// The field, and the list or what stands in its place.
pub fn body(this: &mut Breakpoints, ui: &mut Ui, cx: &mut Cx<'_>, commands: &mut Vec<Command>) {
    let t = Tokens::of(ui.ctx());
    field(this, ui, cx, commands, t);
    if cx.breaks.elsewhere {
        Frame::NONE.inner_margin(Margin::symmetric(INSET as i8, 4)).show(ui, |ui| {
            let said = RichText::new(ELSEWHERE).font(fonts::regular(SMALL)).color(t.second);
            ui.add(egui::Label::new(said).wrap());
        });
    }
    if let Some(error) = this.job.error().filter(|_| this.wanted) {
        if failed(ui, &error) {
            this.job.again();
        }
        return;
    }
    if cx.breaks.list.is_empty() {
        let next = if cx.breaks.elsewhere {
            "Write a condition above: the cursor goes from hit to hit in what there is of the run"
        } else if cx.doc.run.is_some() && !cx.doc.in_progress {
            "Write a condition above: the cursor goes from hit to hit, and the next run stops there"
        } else {
            "Write a condition above: a run stops where it is met"
        };
        empty(ui, "No breakpoint", next);
        return;
    }
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        for b in cx.breaks.list {
            one(this, ui, cx, b, commands, t);
        }
    });
}

fn field(
    this: &mut Breakpoints,
    ui: &mut Ui,
    cx: &Cx<'_>,
    commands: &mut Vec<Command>,
    t: &Tokens,
) {
    ui.add_space(6.0);
    ui.horizontal(|ui| {
        ui.add_space(INSET);
        ui.spacing_mut().item_spacing.x = 6.0;
        let width = (ui.available_width() - 260.0).clamp(140.0, 420.0);
        let field = TextEdit::singleline(&mut this.typed)
            .hint_text(RichText::new("verdict=late").font(fonts::mono(SMALL)))
            .font(fonts::mono(SMALL))
            .margin(vec2(8.0, 5.0))
            .desired_width(width);
        let field = ui.add(field).accessible_name("Condition of a new breakpoint");
        if field.changed() {
            this.wrong = None;
        }
        let enter = field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
        let add = button("Add").name("Add the breakpoint").show(ui).clicked();
        if (enter || add) && !this.typed.trim().is_empty() {
            this.add(commands);
            field.request_focus();
        }
        let response = button("Examples").plain().caret().show(ui);
        Popup::menu(&response).show(|ui| {
            ui.set_min_width(200.0);
            for example in EXAMPLES {
                if menu_row(example).show(ui).clicked() {
                    example.clone_into(&mut this.typed);
                    this.wrong = None;
                    ui.close();
                }
            }
        });
        if let Some(key) = this.selected.row(cx).and_then(|row| row.key) {
            let key = key.to_string();
            let label = format!("Key {}", elide(&line(&key), 16));
            // A key may be as long as a value, and of any signs.
            let name = format!("Add a breakpoint on the key {}", line(&key));
            let add = button(&label).icon(icon::PLUS).plain().name(&name).show(ui);
            if add.on_hover_text(&name).clicked() {
                commands.push(Command::AddBreakpoint(Condition::Key(key)));
            }
        }
    });
    if let Some(wrong) = &this.wrong {
        ui.horizontal(|ui| {
            ui.add_space(INSET);
            let sign = RichText::new(icon::WARNING).font(fonts::icons(TEXT));
            ui.label(sign.color(t.text));
            text(ui, wrong, fonts::regular(SMALL), t.text).on_hover_text(wrong);
        });
    }
    ui.add_space(4.0);
    let y = ui.next_widget_position().y;
    let x = ui.max_rect().x_range();
    ui.painter().hline(x, y, Stroke::new(1.0, t.line));
}

fn one(
    this: &mut Breakpoints,
    ui: &mut Ui,
    cx: &Cx<'_>,
    b: &Breakpoint,
    commands: &mut Vec<Command>,
    t: &Tokens,
) {
    // Counts far from their names are hard to read.
    let width = ui.available_width().min(WIDEST);
    let (row, _) = ui.allocate_exact_size(vec2(width, LINE), Sense::hover());
    let name = line(&b.condition.to_string()).into_owned();
    let here = cx.breaks.stopped.is_some() && cx.breaks.ids.contains(&b.id);
    if here {
        ui.painter().rect_filled(row, 0, t.selected);
    } else if ui.rect_contains_pointer(row) {
        ui.painter().rect_filled(row, 0, t.hovered);
    }
    let y = row.center().y;
    // On and off.
    let check = Rect::from_center_size(pos2(row.left() + INSET + 7.0, y), vec2(15.0, 15.0));
    let id = ui.scope_id().with(("breakpoint", b.id));
    let response = ui.interact(check.expand(5.0), id, Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::CheckBox, true, b.enabled, &name));
    if response.clicked() {
        commands.push(Command::EnableBreakpoint(b.id, !b.enabled));
    }
    let ink = if b.enabled { t.text } else { t.third };
    let lit = response.hovered() || response.has_focus();
    let edge = Stroke::new(if lit { 1.5 } else { 1.0 }, if lit { t.accent } else { t.third });
    ui.painter().rect(
        check,
        3,
        if b.enabled { t.raised } else { t.panel },
        edge,
        StrokeKind::Inside,
    );
    if b.enabled {
        let font = fonts::icons(TEXT - 1.0);
        ui.painter().text(check.center(), Align2::CENTER_CENTER, icon::CHECK, font, t.text);
    }
    // How often, and away with it.
    let right = row.right() - 6.0;
    let at =
        Rect::from_min_max(pos2(right - 28.0, row.top() + 2.0), pos2(right, row.bottom() - 2.0));
    let mut child = ui.new_child(UiBuilder::new().max_rect(at).id_salt(("remove", b.id)));
    let remove = format!("Remove the breakpoint {name}");
    if icon_button(icon::CLOSE, &remove).plain().show(&mut child).clicked() {
        commands.push(Command::RemoveBreakpoint(b.id));
    }
    let met = match this.count(cx, b.id) {
        None => String::new(),
        Some(n) if cx.doc.in_progress && !cx.breaks.elsewhere => times("stopped", n),
        Some(n) => times("met", n),
    };
    let font = fonts::mono(SMALL);
    let met_at =
        ui.painter().text(pos2(at.left() - 8.0, y), Align2::RIGHT_CENTER, &met, font, t.second);
    // What it is.
    let left = check.right() + 10.0;
    let room = met_at.left() - 16.0 - left;
    let font = fonts::mono(SMALL + 0.5);
    let shown = fit(ui, &name, &font, room * 0.5);
    let said = ui.painter().text(pos2(left, y), Align2::LEFT_CENTER, shown, font, ink);
    let left = said.right().max(left + 130.0) + 14.0;
    let words = line(&words(&b.condition)).into_owned();
    let font = fonts::regular(SMALL);
    let shown = fit(ui, &words, &font, (met_at.left() - 16.0 - left).max(0.0));
    ui.painter().text(pos2(left, y), Align2::LEFT_CENTER, shown, font, t.second);
    let at = Rect::from_min_max(
        pos2(check.right() + 8.0, row.top()),
        pos2(met_at.right(), row.bottom()),
    );
    let response = ui.interact(at, ui.scope_id().with(("line", b.id)), Sense::hover());
    let spoken = format!("{name}: {words}; {met}");
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &spoken));
    response.on_hover_text(spoken);
}
