//! The start page: with nothing open, what one can do.

use egui::{Align2, Rect, Role, Sense, Stroke, StrokeKind, Ui, UiBuilder, WidgetInfo, pos2, vec2};

use super::app::App;
use super::command::Command;
use super::doc::file_name;
use super::session::Session;
use super::text::{path_line, thousands};
use super::theme::fonts::icon;
use super::theme::{RADIUS, SMALL, TEXT, Tokens, fonts};
use super::widgets::{ListRow, Mark, button, fit, group, icon_button, list_row, text};

const WIDTH: f32 = 640.0;
/// Beside the page in a small window, points.
const BESIDE: f32 = 20.0;

/// How a cluster is recorded.
const RECORD: &str =
    "joinscope record --brokers 127.0.0.1:9092 --topics views,engagements -o feed.mcap";

/// Shows the page over all room that is left.
pub fn show(app: &mut App, ui: &mut Ui) {
    let t = Tokens::of(ui.ctx());
    let room = ui.available_rect_before_wrap();
    let height = room.height().min(640.0);
    let top = room.top() + ((room.height() - height) * 0.35).max(16.0);
    let wide = WIDTH.min(room.width() - 2.0 * BESIDE);
    let at = Rect::from_min_size(pos2(room.center().x - wide / 2.0, top), vec2(wide, height));
    let mut child = ui.new_child(UiBuilder::new().max_rect(at).id_salt("start"));
    egui::ScrollArea::vertical().show(&mut child, |ui| page(app, ui, wide, t));
    drop_hint(ui, room, t);
}

/// In place of the panels: a pipeline is open, and nothing that it runs over.
pub fn waits(app: &mut App, ui: &mut Ui) {
    let Some(pipeline) = &app.doc.pipeline else { return };
    // The top bar says what is being opened, which may be the recording.
    if app.opening.is_open() {
        return;
    }
    let t = Tokens::of(ui.ctx());
    let room = ui.available_rect_before_wrap();
    let at = Rect::from_center_size(room.center(), vec2(WIDTH.min(room.width()), 96.0));
    let centred = egui::Layout::top_down(egui::Align::Center);
    let mut child = ui.new_child(UiBuilder::new().max_rect(at).layout(centred).id_salt("waits"));
    let what = "Open a recording to run this pipeline over";
    text(&mut child, what, fonts::regular(TEXT), t.text);
    let reads = format!("It reads the topics {}", pipeline.pipeline.topics().join(", "));
    let whole = super::text::line(&reads).into_owned();
    text(&mut child, &reads, fonts::regular(SMALL), t.second).on_hover_text(whole);
    child.add_space(8.0);
    let open = button("Open a recording…").icon(icon::OPEN).primary().show(&mut child);
    if open.clicked() {
        app.commands.push(Command::ShowOpen);
    }
}

fn page(app: &mut App, ui: &mut Ui, wide: f32, t: &Tokens) {
    ui.set_width(wide);
    text(ui, "Joinscope", fonts::semibold(24.0), t.text);
    let what =
        "Joins what Kafka topics hold, and says for every record what happened to it and why";
    let what = egui::RichText::new(what).font(fonts::regular(TEXT + 1.0)).color(t.second);
    ui.add(egui::Label::new(what).wrap());
    ui.add_space(12.0);
    for (n, left) in app.left.clone().iter().enumerate() {
        restore(app, ui, n, &left.session, t);
    }
    if let Some(session) = app.last.clone().filter(|_| app.left.is_empty()) {
        go_on(app, ui, &session, t);
    }
    if let Some(path) = &app.opening.path {
        text(ui, &format!("Opening {}…", path.display()), fonts::regular(TEXT), t.second);
    }
    ui.horizontal(|ui| {
        if app.sample.found(&app.jobs).is_some() {
            let open = button("Open the sample").primary().show(ui);
            if open.clicked() {
                app.commands.push(Command::OpenSample);
            }
        }
        if button("Open a file…").icon(icon::OPEN).show(ui).clicked() {
            app.commands.push(Command::ShowOpen);
        }
    });
    ui.add_space(4.0);
    text(
        ui,
        "A recording or an incident (.mcap), a pipeline (.toml) or a run folder; or drop one here",
        fonts::regular(SMALL),
        t.second,
    );
    group(ui, "Record a cluster");
    ui.horizontal(|ui| {
        let copy = icon_button(icon::COPY, "Copy the command").show(ui);
        if copy.clicked() {
            app.commands.push(Command::Copy(RECORD.to_owned()));
        }
        text(ui, RECORD, fonts::mono(SMALL), t.text);
    });
    let recent = app.settings.recent.clone();
    if recent.is_empty() {
        return;
    }
    group(ui, "Recent");
    ui.spacing_mut().item_spacing.y = 0.0;
    for path in recent {
        let folder = path.parent().map(|p| p.display().to_string()).unwrap_or_default();
        let name = file_name(&path);
        let folder = super::text::elide(&super::text::line(&folder), 48);
        let row = ListRow {
            label: &name,
            figure: &folder,
            indent: 0.0,
            selected: false,
            mark: Mark::None,
            mono_label: false,
        };
        if list_row(ui, &row).on_hover_text(path_line(&path)).clicked() {
            app.commands.push(Command::Open(path));
        }
    }
}

/// The session that did not end at this place of them.
fn restore(app: &mut App, ui: &mut Ui, n: usize, session: &Session, t: &Tokens) {
    let frame = egui::Frame::NONE.fill(t.panel).corner_radius(RADIUS).inner_margin(12);
    frame.stroke(Stroke::new(1.0, t.line)).show(ui, |ui| {
        ui.set_width(ui.available_width().min(WIDTH - 26.0));
        let title = if n == 0 {
            "The last session did not end as it should"
        } else {
            "Nor did one before it"
        };
        text(ui, title, fonts::semibold(TEXT), t.text);
        say_open(ui, session, t);
        ui.horizontal(|ui| {
            if button("Restore").primary().show(ui).clicked() {
                app.commands.push(Command::Restore(n, true));
            }
            if button("Start fresh").show(ui).clicked() {
                app.commands.push(Command::Restore(n, false));
            }
        });
    });
    ui.add_space(12.0);
}

/// What a session that ended as it should had open.
fn go_on(app: &mut App, ui: &mut Ui, session: &Session, t: &Tokens) {
    let frame = egui::Frame::NONE.fill(t.panel).corner_radius(RADIUS).inner_margin(12);
    frame.stroke(Stroke::new(1.0, t.line)).show(ui, |ui| {
        ui.set_width(ui.available_width().min(WIDTH - 26.0));
        text(ui, "Continue where you were", fonts::semibold(TEXT), t.text);
        say_open(ui, session, t);
        if button("Continue").primary().show(ui).clicked() {
            app.commands.push(Command::Continue);
        }
    });
    ui.add_space(12.0);
}

/// What a session had open, in a line.
#[must_use]
pub fn was_open(session: &Session) -> Option<String> {
    let front = session.in_front()?;
    let mut what = format!("{}, at arrival {}", path_line(&front.path), thousands(front.cursor));
    let others = session.open.len() - 1;
    if others > 0 {
        what.push_str(&format!(", and {others} more"));
    }
    Some(what)
}

fn say_open(ui: &mut Ui, session: &Session, t: &Tokens) {
    let Some(what) = was_open(session) else { return };
    let all: Vec<String> = session.open.iter().map(|o| path_line(&o.path)).collect();
    // Its ends say most: where it is, and where one stood in it.
    let font = fonts::regular(TEXT);
    let fitting = fit(ui, &what, &font, ui.available_width());
    let shown = text(ui, &fitting, font, t.second);
    shown.widget_info(|| WidgetInfo::labeled(Role::Label, true, &what));
    shown.on_hover_text(all.join("\n"));
    ui.add_space(4.0);
}

/// Files held over the window: where they would go.
pub fn drop_hint(ui: &Ui, room: Rect, t: &Tokens) {
    if ui.input(|i| i.raw.hovered_files.is_empty()) {
        return;
    }
    let response = ui.interact(room, ui.scope_id().with("drop"), Sense::hover());
    let at = response.rect.shrink(8.0);
    ui.painter().rect(
        at,
        RADIUS,
        t.selected.gamma_multiply(0.8),
        Stroke::new(2.0, t.accent),
        StrokeKind::Inside,
    );
    ui.painter().text(
        at.center(),
        Align2::CENTER_CENTER,
        "Drop to open",
        fonts::semibold(TEXT),
        t.text,
    );
}
