//! What stands beside the records table's title: search, filter, columns,
//! export.

use egui::{Key, Popup, PopupCloseBehavior, TextEdit, Ui, vec2};
use joinscope_core::run::VerdictSet;
use joinscope_operator::verdict::Verdict;

use super::Records;
use crate::cli::filter::Filter;
use crate::window::command::{Command, Export};
use crate::window::layout::Tabs;
use crate::window::panel::Panel;
use crate::window::panels::choose::{self, Fields};
use crate::window::panels::tools::{self, End, Typed};
use crate::window::range::{self, RangeState};
use crate::window::theme::fonts::icon;
use crate::window::theme::{SMALL, Tokens, fonts};
use crate::window::widgets::{button, group, icon_button, menu_rows, roomy, verdict_shape};

/// What is typed before it is asked for.
#[derive(Default)]
pub struct Controls {
    pub search: String,
    pub conditions: Typed,
    /// One condition, as the form makes it.
    form: Form,
    /// The path of a field that is to be shown.
    path: String,
    /// Fields of the values in sight, while the user chooses.
    pub fields: Vec<String>,
    /// The user is choosing: values are read.
    pub choosing: bool,
}

/// Width of the filter: a condition in parts, with a time as its value, takes one line.
const FORM: f32 = 448.0;
/// As many rows of a menu it is high, what may be wrong with conditions among them.
const FORM_ROWS: usize = 14;
/// The button beside it with its gap, points.
const ADD: f32 = 54.0;

/// A condition in parts.
struct Form {
    field: String,
    op: &'static str,
    value: String,
}

impl Default for Form {
    fn default() -> Self {
        Self { field: "key".to_owned(), op: "=", value: String::new() }
    }
}

/// Fields that a condition may name, as they are written and as they are called.
const FIELDS: [(&str, &str); 10] = [
    ("key", "key"),
    ("record", "record"),
    ("input", "input"),
    ("partition", "partition"),
    ("offset", "offset"),
    ("event_time", "event time"),
    ("late_by", "late by"),
    ("arrival", "arrival"),
    ("outputs", "outputs"),
    ("padded", "padded"),
];

const OPS: [(&str, &str); 7] = [
    ("=", "is"),
    ("!=", "is not"),
    ("~", "contains"),
    (">", "is more than"),
    (">=", "is at least"),
    ("<", "is less than"),
    ("<=", "is at most"),
];

/// What a field's values look like.
fn example(field: &str) -> &'static str {
    match field {
        "event_time" => "2025-11-20T08:13:00Z",
        "late_by" => "5s",
        "record" => "views[0]@12",
        "padded" => "true",
        "partition" | "offset" | "arrival" | "outputs" => "12",
        _ => "text",
    }
}

/// Whether the controls stand beside the title, which needs so much.
pub fn fit_beside(width: f32, tabs: &Tabs, range: &RangeState, this: &Records) -> bool {
    let chips = if this.filter.is_empty() { 0.0 } else { 132.0 }
        + if this.conditions.is_empty() { 0.0 } else { 190.0 }
        + if range.marked.is_none() { 0.0 } else { 100.0 };
    width > tools::title_width(tabs) + 330.0 + chips
}

/// Shows them from right to left.
pub fn show(this: &mut Records, ui: &mut Ui, range: &RangeState, commands: &mut Vec<Command>) {
    if icon_button(icon::EXPORT, "Export what is shown").plain().show(ui).clicked() {
        commands.push(Command::Export(Export::Data(Panel::Records)));
    }
    let response = icon_button(icon::COLUMNS, "Columns").plain().show(ui);
    let shown = Popup::menu(&response)
        .frame(tools::form(ui))
        .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
        .show(|ui| {
            let fields = Fields {
                title: "Fields of the value",
                known: &this.controls.fields,
                typed: &mut this.controls.path,
                hint: "another, as user.id",
            };
            choose::menu(ui, &mut this.columns, fields);
        });
    let mut choosing = shown.is_some();
    let name = "Search keys and names of records";
    let asked = tools::search(ui, &mut this.controls.search, "Search keys and names", name);
    commands.extend(asked.map(Command::Search));
    let response = button("Filter").icon(icon::FILTER).name("Filter").show(ui);
    let shown = Popup::menu(&response)
        .frame(tools::form(ui))
        .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
        .show(|ui| menu_rows(ui, FORM_ROWS, FORM, |ui| filter(this, ui, commands)));
    choosing |= shown.is_some();
    this.controls.choosing = choosing;
    range::chip(range, ui, commands);
    chips(this, ui, commands);
}

/// What the table is filtered by; a press removes it.
fn chips(this: &Records, ui: &mut Ui, commands: &mut Vec<Command>) {
    if !this.conditions.is_empty() && tools::conditions_chip(ui, &this.conditions) {
        commands.push(Command::Where(String::new()));
    }
    if this.filter.is_empty() {
        return;
    }
    let names: Vec<&str> =
        Verdict::ALL.into_iter().filter(|v| this.filter.contains(*v)).map(Verdict::name).collect();
    let label = match names.as_slice() {
        [one] => format!("verdict is {one}"),
        more => format!("{} verdicts", more.len()),
    };
    let chip = button(&label).icon(icon::CLOSE).selected(true).show(ui);
    if chip.on_hover_text("Show all verdicts").clicked() {
        commands.push(Command::Filter(VerdictSet::EMPTY));
    }
}

fn filter(this: &mut Records, ui: &mut Ui, commands: &mut Vec<Command>) {
    let t = Tokens::of(ui.ctx());
    ui.set_width(FORM);
    tools::edged(ui);
    group(ui, "Verdict");
    let flow = egui::Layout::left_to_right(egui::Align::Center);
    // A box stays beside the shape of its verdict, and below those of others.
    let size = vec2(FORM / 3.0, 24.0);
    for some in Verdict::ALL.chunks(3) {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 0.0;
            for verdict in some {
                ui.allocate_ui_with_layout(size, flow, |ui| {
                    ui.set_min_size(size);
                    ui.spacing_mut().item_spacing.x = 6.0;
                    verdict_box(this, ui, *verdict, commands, t);
                });
            }
        });
    }
    group(ui, "Add a condition");
    form(this, ui, commands);
    group(ui, "Conditions");
    let check = |text: &str| text.parse::<Filter>().map(|_| ());
    let hint = "late_by>5s, key~53, value.kind=like";
    let asked = tools::conditions(ui, &mut this.controls.conditions, hint, check);
    commands.extend(asked.map(Command::Where));
    match tools::end_filter(ui, &this.controls.conditions, "Clear the filter") {
        Some(End::Apply) => {
            commands.push(Command::Where(this.controls.conditions.text.clone()));
        }
        Some(End::Clear) => {
            this.controls.conditions.wrong = None;
            commands.push(Command::ClearFilter);
        }
        None => {}
    }
}

fn verdict_box(
    this: &Records,
    ui: &mut Ui,
    verdict: Verdict,
    commands: &mut Vec<Command>,
    t: &Tokens,
) {
    let mut on = this.filter.contains(verdict);
    let (rect, _) = ui.allocate_exact_size(vec2(10.0, 24.0), egui::Sense::hover());
    ui.painter().extend(verdict_shape(rect.center(), 4.5, verdict, t));
    if ui.checkbox(&mut on, verdict.name()).changed() {
        let set = if on { this.filter.with(verdict) } else { this.filter.without(verdict) };
        commands.push(Command::Filter(set));
    }
}

fn form(this: &mut Records, ui: &mut Ui, commands: &mut Vec<Command>) {
    let controls = &mut this.controls;
    let called = FIELDS.iter().find(|(f, _)| *f == controls.form.field);
    let called = called.map_or(controls.form.field.clone(), |(_, name)| (*name).to_owned());
    ui.horizontal(|ui| {
        roomy(ui);
        let field = egui::ComboBox::from_id_salt("field")
            .selected_text(called)
            .width(104.0)
            .show_ui(ui, |ui| {
                for (field, name) in FIELDS {
                    ui.selectable_value(&mut controls.form.field, field.to_owned(), name);
                }
                for path in &controls.fields {
                    let field = format!("value.{path}");
                    ui.selectable_value(&mut controls.form.field, field.clone(), field);
                }
            });
        field.response.accessible_name("Field of the condition");
        let op = OPS.iter().find(|(op, _)| *op == controls.form.op).map_or("is", |(_, name)| name);
        let compared = egui::ComboBox::from_id_salt("op").selected_text(op).width(92.0);
        let compared = compared.show_ui(ui, |ui| {
            for (op, name) in OPS {
                ui.selectable_value(&mut controls.form.op, op, name);
            }
        });
        compared.response.accessible_name("How the condition compares");
        let hint = example(&controls.form.field);
        let field = TextEdit::singleline(&mut controls.form.value)
            .hint_text(hint)
            .font(fonts::mono(SMALL))
            .margin(tools::FIELD)
            .desired_width((ui.available_width() - ADD).max(84.0));
        let field = ui.add(field).accessible_name("Value of the condition");
        let enter = field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
        let add = button("Add").name("Add the condition").show(ui).clicked();
        if (enter || add) && !controls.form.value.trim().is_empty() {
            let value = controls.form.value.trim();
            let quoted = value.contains([',', '|', ' ']);
            let value = if quoted { format!("\"{value}\"") } else { value.to_owned() };
            let condition = format!("{}{}{value}", controls.form.field, controls.form.op);
            let before = controls.conditions.text.trim();
            let all = if before.is_empty() { condition } else { format!("{before}, {condition}") };
            match all.parse::<Filter>() {
                Ok(_) => {
                    controls.conditions.wrong = None;
                    controls.form.value.clear();
                    commands.push(Command::Where(all));
                }
                Err(wrong) => controls.conditions.wrong = Some(wrong),
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use crate::window::panels::choose::add;
    use crate::window::panels::records::columns::Col;

    #[test]
    fn columns_come_where_they_belong() {
        let mut columns = Col::FIRST.to_vec();
        add(&mut columns, Col::Field("kind".to_owned()));
        add(&mut columns, Col::Watermark);
        let names: Vec<&str> = columns.iter().map(Col::title).collect();
        let want = [
            "Arrival",
            "Record",
            "Key",
            "Event time",
            "Watermark then",
            "Late by",
            "Verdict",
            "kind",
            "Why",
        ];
        assert_eq!(names, want);
    }
}
