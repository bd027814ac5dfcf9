//! The command palette: what is typed finds a command; where the command needs
//! to be told more, the same field asks for it.

use egui::text::{LayoutJob, TextFormat};
use egui::{
    Align2, Area, Context, Frame, Id, Key, Modal, Modifiers, Rect, Response, Role, Sense, TextEdit,
    Ui, WidgetInfo, pos2, vec2,
};

use crate::window::app::App;
use crate::window::command::{Asked, Command, Does, Entry, entries, shortcut_text, suggestions};
use crate::window::fuzzy::{Hit, rank};
use crate::window::theme::{BUTTON_RADIUS, SMALL, TEXT, Tokens, fonts};
use crate::window::times::zone_names;
use crate::window::widgets::{fit, growing, mark_row, text};

const WIDTH: f32 = 640.0;
const ROW: f32 = 28.0;
/// Room of the shortcuts at the right.
const KEYS: f32 = 110.0;
/// Rows in sight.
const SEEN: f32 = 13.0;
/// Rows in sight in a small window.
const LEAST: f32 = 3.0;
/// Room below the list, points.
const BELOW: f32 = 16.0;
/// Rows listed: nobody reads on.
const LISTED: usize = 200;

/// The dialog's state.
pub struct Palette {
    typed: String,
    asked: Option<Asked>,
    /// What the list was made from.
    made: Option<(Option<Asked>, String, usize)>,
    entries: Vec<Entry>,
    hits: Vec<Hit>,
    problem: Option<String>,
    chosen: usize,
    /// The chosen row has to be brought into sight.
    follow: bool,
}

impl Palette {
    /// Over all commands, or over the answers to one question.
    #[must_use]
    pub fn new(asked: Option<Asked>) -> Self {
        Self {
            typed: String::new(),
            asked,
            made: None,
            entries: Vec::new(),
            hits: Vec::new(),
            problem: None,
            chosen: 0,
            follow: false,
        }
    }

    /// Shows the palette; says whether it is done.
    pub fn show(&mut self, app: &mut App, ctx: &Context) -> bool {
        let t = Tokens::of(ctx);
        let id = Id::unique("palette");
        let area = Modal::default_area(id).anchor(Align2::CENTER_TOP, vec2(0.0, 72.0));
        let frame = Frame::window(&ctx.global_style()).fill(t.panel).inner_margin(8);
        let mut done = false;
        let shown = Modal::new(id).area(named(area)).frame(frame).show(ctx, |ui| {
            ui.set_width(WIDTH.min(ui.ctx().content_rect().width() - 48.0));
            done = self.content(app, ui, t);
        });
        let beside = shown.backdrop_response.clicked();
        let left = shown.should_close();
        if left && self.asked.is_some() && !beside {
            // Escape leaves a question before it leaves the palette.
            *self = Self::new(None);
            return false;
        }
        done || left
    }

    fn content(&mut self, app: &mut App, ui: &mut Ui, t: &Tokens) -> bool {
        // What comes behind it belongs to what it leads to.
        app.typing.hold_behind(ui.ctx(), |modifiers, key| modifiers.is_none() && key == Key::Enter);
        let by = self.keys(ui);
        let hint = self.asked.as_ref().map_or("Search or run a command", Asked::hint);
        let field = TextEdit::singleline(&mut self.typed)
            .hint_text(hint)
            .font(fonts::regular(TEXT + 1.0))
            .margin(vec2(8.0, 6.0))
            .desired_width(f32::INFINITY);
        let field = ui.add(field).accessible_name("Command");
        let enter = field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
        if !field.has_focus() {
            field.request_focus();
        }
        self.make(app);
        self.move_by(by);
        ui.add_space(4.0);
        let mut run = enter.then_some(self.chosen);
        if self.hits.is_empty() {
            let none = match self.asked {
                None => "No command is called that",
                Some(_) => "Write it above; Escape goes back to all commands",
            };
            let why = self.problem.as_deref().unwrap_or(none);
            ui.horizontal(|ui| {
                ui.add_space(8.0);
                text(ui, why, fonts::regular(TEXT), t.second);
            });
        }
        let height = ROW * SEEN.min(self.hits.len() as f32);
        let room = ui.ctx().content_rect().bottom() - ui.cursor().top() - BELOW;
        let height = height.min(room.max(LEAST * ROW));
        growing(ui, height, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            for (n, hit) in self.hits.iter().enumerate() {
                let Some(entry) = self.entries.get(hit.at) else { continue };
                let response = row(ui, entry, hit, n == self.chosen, t);
                if n == self.chosen && self.follow {
                    response.scroll_to_me(None);
                }
                if response.clicked() {
                    run = Some(n);
                }
            }
        });
        self.follow = false;
        run.is_some_and(|n| self.run(app, n))
    }

    /// Up and down by rows and pages; the field keeps the focus.
    fn keys(&self, ui: &Ui) -> isize {
        let page = SEEN as isize - 1;
        let last = self.hits.len() as isize;
        let moves =
            [(Key::ArrowDown, 1), (Key::ArrowUp, -1), (Key::PageDown, page), (Key::PageUp, -page)];
        let mut by = 0;
        ui.input_mut(|i| {
            for (key, rows) in moves {
                by += rows * i.count_and_consume_key(Modifiers::NONE, key) as isize;
            }
            by += last * i.count_and_consume_key(Modifiers::COMMAND, Key::End) as isize;
            by -= last * i.count_and_consume_key(Modifiers::COMMAND, Key::Home) as isize;
        });
        by
    }

    fn move_by(&mut self, by: isize) {
        let last = self.hits.len().saturating_sub(1);
        if by != 0 {
            self.follow = true;
        }
        self.chosen = self.chosen.saturating_add_signed(by).min(last);
    }

    /// Makes the list anew where another text was typed, or the time zones were read.
    fn make(&mut self, app: &App) {
        let now = (self.asked.clone(), self.typed.clone(), zone_names().len());
        if self.made.as_ref() == Some(&now) {
            return;
        }
        self.made = Some(now);
        self.chosen = 0;
        self.problem = None;
        match self.asked.clone() {
            None => {
                self.entries = entries(app);
                self.sort_by_use(app);
                self.hits = rank(self.entries.iter().map(|e| e.title.as_str()), &self.typed);
                // A record's name or a number: where it leads comes first.
                let places = suggestions(app, &Asked::GoTo, &self.typed).unwrap_or_default();
                for (n, place) in places.into_iter().enumerate() {
                    self.hits.insert(n, Hit { at: self.entries.len(), chars: Vec::new() });
                    self.entries.push(place);
                }
            }
            Some(asked) => {
                (self.entries, self.problem) = match suggestions(app, &asked, &self.typed) {
                    Ok(entries) => (entries, None),
                    Err(problem) => (Vec::new(), Some(problem)),
                };
                // Only names are searched; the others are made of what is typed.
                let none = asked.none_found();
                let typed = if none.is_some() { self.typed.as_str() } else { "" };
                self.hits = rank(self.entries.iter().map(|e| e.title.as_str()), typed);
                if let Some(none) = none.filter(|_| self.hits.is_empty()) {
                    self.problem = Some(none.to_owned());
                }
            }
        }
        self.hits.truncate(LISTED);
    }

    /// What was used last stands first.
    fn sort_by_use(&mut self, app: &App) {
        let place = |e: &Entry| app.used.iter().position(|title| *title == e.title);
        self.entries.sort_by_key(|e| place(e).unwrap_or(usize::MAX));
    }

    /// Does what row `n` says; whether the palette is done.
    fn run(&mut self, app: &mut App, n: usize) -> bool {
        let Some(entry) = self.hits.get(n).and_then(|hit| self.entries.get(hit.at)) else {
            return false;
        };
        if self.asked.is_none() && !matches!(&entry.does, Does::Now(Command::GoTo(_))) {
            app.used.retain(|title| *title != entry.title);
            app.used.insert(0, entry.title.clone());
            app.used.truncate(8);
        }
        match entry.does.clone() {
            Does::Now(command) => {
                app.commands.push(command);
                true
            }
            Does::Ask(asked) => {
                *self = Self::new(Some(asked));
                false
            }
        }
    }
}

/// Named for assistive technology, which is told that a dialog came up.
fn named(area: Area) -> Area {
    area.accessible_name("Command palette")
}

/// A command: its words with what matched in bold, its group, its shortcut.
fn row(ui: &mut Ui, entry: &Entry, hit: &Hit, chosen: bool, t: &Tokens) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::click());
    let title = crate::window::text::line(&entry.title).into_owned();
    response.widget_info(|| {
        let name = format!("{}: {title}", entry.group);
        WidgetInfo::selected(Role::ListBoxOption, true, chosen, name)
    });
    if !ui.is_rect_visible(rect) {
        return response;
    }
    if chosen {
        ui.painter().rect_filled(rect, BUTTON_RADIUS, t.selected);
        mark_row(ui.painter(), rect, t);
    } else if response.hovered() {
        ui.painter().rect_filled(rect, BUTTON_RADIUS, t.hovered);
    }
    let keys = match &entry.does {
        Does::Now(command) => shortcut_text(ui.ctx(), command).unwrap_or_default(),
        Does::Ask(_) => String::new(),
    };
    let y = rect.center().y;
    // The scroll bar stands beside them, not over them.
    let mut right = rect.right() - 14.0;
    let column = right - KEYS;
    for (text, font, colour) in [
        (keys, fonts::mono(SMALL), t.second),
        (entry.group.to_owned(), fonts::regular(SMALL), t.third),
    ] {
        let galley = ui.painter().layout_no_wrap(text, font, colour);
        let x = right - galley.size().x;
        ui.painter().galley(pos2(x, y - galley.size().y / 2.0), galley.clone(), colour);
        // Groups stand under each other, whatever keys stand beside them.
        right = column.min(x - 16.0);
    }
    let left = rect.left() + 8.0;
    let galley = ui.painter().layout_job(job(&title, hit, right - left, t));
    let at = pos2(left, y - galley.size().y / 2.0);
    let end = left + galley.size().x + 12.0;
    ui.painter().galley(at, galley, t.text);
    let room = right - end;
    if !entry.note.is_empty() && room > 60.0 {
        let note = fit(ui, &entry.note, &fonts::regular(SMALL), room);
        let at = Rect::from_min_max(pos2(end, rect.top()), pos2(right, rect.bottom()));
        let font = fonts::regular(SMALL);
        ui.painter().text(at.left_center(), Align2::LEFT_CENTER, note, font, t.second);
    }
    response
}

fn job(title: &str, hit: &Hit, room: f32, t: &Tokens) -> LayoutJob {
    let mut job = LayoutJob::default();
    let format = |font| TextFormat { font_id: font, color: t.text, ..TextFormat::default() };
    for (n, c) in title.chars().enumerate() {
        let bold = hit.chars.binary_search(&n).is_ok();
        let font = if bold { fonts::semibold(TEXT) } else { fonts::regular(TEXT) };
        job.append(c.encode_utf8(&mut [0; 4]), 0.0, format(font));
    }
    job.wrap = egui::text::TextWrapping::truncate_at_width(room);
    job
}
