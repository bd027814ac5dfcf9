//! Open: a path with completion, recent files, and the platform's own dialog.

use std::path::{Path, PathBuf};

use egui::{Context, Key, Modifiers, TextEdit};
use joinscope_core::edges::recording::is_segmented;

use super::modal;
use crate::window::app::App;
use crate::window::command::Command;
use crate::window::doc::file_name;
use crate::window::jobs::Slot;
use crate::window::settings::Settings;
use crate::window::theme::{SMALL, Tokens, fonts};
use crate::window::widgets::{ListRow, Mark, button, group, growing, list_row};

/// Completions listed.
const LISTED: usize = 40;

/// The dialog's state.
pub struct OpenDialog {
    path: String,
    recent: Vec<PathBuf>,
    completions: Slot<String, Completions>,
    begun: bool,
}

/// What begins with what was typed.
struct Completions {
    /// The first ones, and whether each can be opened.
    listed: Vec<(PathBuf, bool)>,
    /// As far as all of them agree.
    common: Option<String>,
}

impl Completions {
    fn of(typed: &str) -> Self {
        let paths = complete(typed);
        let common = common(&paths);
        // Off the window's thread, as all that looks at the disk.
        let openable = |path: PathBuf| {
            let is = is_openable(&path);
            (path, is)
        };
        Self { listed: paths.into_iter().take(LISTED).map(openable).collect(), common }
    }
}

impl OpenDialog {
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            path: String::new(),
            recent: settings.recent.clone(),
            completions: Slot::default(),
            begun: false,
        }
    }

    /// Shows the dialog; says whether it is done.
    pub fn show(&mut self, app: &mut App, ctx: &Context) -> bool {
        let t = Tokens::of(ctx);
        let mut done = false;
        let typed = self.path.clone();
        self.completions.ask(&app.jobs, typed, |typed| Ok(Completions::of(typed)));
        let answer = self.completions.answer();
        let found = answer.as_ref().and_then(|a| a.result.as_ref().ok());
        let found = found.filter(|_| !self.path.is_empty());
        let common = found.and_then(|found| found.common.clone());
        let found = found.map(|found| found.listed.as_slice()).unwrap_or_default();
        let closed = modal(ctx, "Open", 560.0, |ui| {
            let mut chosen = None;
            ui.horizontal(|ui| {
                // Where it has nothing to complete Tab leaves the field.
                let next = common.filter(|next| *next != self.path);
                let field = TextEdit::singleline(&mut self.path)
                    .font(fonts::mono(SMALL))
                    .hint_text("Path of a recording, a pipeline or a run folder")
                    .desired_width(370.0)
                    .lock_focus(next.is_some());
                let response = ui.add(field).accessible_name("Path");
                if !self.begun {
                    response.request_focus();
                    self.begun = true;
                }
                if response.has_focus()
                    && let Some(next) = next
                    && ui.input_mut(|i| i.consume_key(Modifiers::NONE, Key::Tab))
                {
                    self.path = next;
                }
                let enter = response.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
                let open = button("Open").primary().name("Open the path").show(ui);
                if (enter || open.clicked()) && !self.path.trim().is_empty() {
                    chosen = Some(expand(self.path.trim()));
                }
                if button("Browse…").show(ui).clicked() {
                    app.browsing.ask(ctx);
                }
            });
            if let Some(why) = app.browsing.failure() {
                let said = format!("The platform's own dialog did not come up: {why}");
                let said = format!("{}. Write the path above", crate::window::text::line(&said));
                let said = egui::RichText::new(said).font(fonts::regular(SMALL)).color(t.text);
                ui.add(egui::Label::new(said).wrap());
            }
            ui.add_space(4.0);
            let height = (ui.ctx().content_rect().height() - 240.0).clamp(120.0, 320.0);
            growing(ui, height, |ui| {
                ui.spacing_mut().item_spacing.y = 0.0;
                if self.path.is_empty() {
                    if self.recent.is_empty() {
                        let none = "What was opened before will be listed here";
                        crate::window::widgets::text(ui, none, fonts::regular(SMALL), t.second);
                        return;
                    }
                    group(ui, "Recent");
                    for path in &self.recent {
                        if path_row(ui, path) {
                            chosen = Some(path.clone());
                        }
                    }
                } else {
                    // Of what was written in this frame nothing is known yet.
                    let known = answer.as_ref().is_some_and(|a| a.question == self.path);
                    if found.is_empty() && known {
                        let none = "No folder, .mcap or .toml begins like this";
                        crate::window::widgets::text(ui, none, fonts::regular(SMALL), t.second);
                    }
                    for (path, openable) in found {
                        if path_row(ui, path) {
                            if *openable {
                                chosen = Some(path.clone());
                            } else {
                                self.path = format!("{}/", path.display());
                            }
                        }
                    }
                }
            });
            ui.add_space(8.0);
            if button("Cancel").show(ui).clicked() {
                done = true;
            }
            let hint = "Files can also be dropped onto the window (not on Wayland)";
            crate::window::widgets::text(ui, hint, fonts::regular(SMALL), t.second);
            if let Some(path) = chosen {
                app.commands.push(Command::Open(path));
                done = true;
            }
        });
        done || closed
    }
}

fn path_row(ui: &mut egui::Ui, path: &Path) -> bool {
    let name = file_name(path);
    let folder = path.parent().map(|p| p.display().to_string()).unwrap_or_default();
    let folder = crate::window::text::elide(&crate::window::text::line(&folder), 44);
    let row = ListRow {
        label: &name,
        figure: &folder,
        indent: 0.0,
        selected: false,
        mark: Mark::None,
        mono_label: false,
    };
    list_row(ui, &row).on_hover_text(crate::window::text::path_line(path)).clicked()
}

/// `~` is the home folder.
pub fn expand(text: &str) -> PathBuf {
    match (text.strip_prefix("~/"), directories::BaseDirs::new()) {
        (Some(rest), Some(dirs)) => dirs.home_dir().join(rest),
        _ => PathBuf::from(text),
    }
}

fn is_openable(path: &Path) -> bool {
    path.is_file() || path.join("manifest.json").is_file() || is_segmented(path)
}

/// Folders, recordings and pipelines that begin with what was typed.
fn complete(typed: &str) -> Vec<PathBuf> {
    let path = expand(typed);
    let (folder, prefix) = if typed.ends_with('/') || typed.is_empty() {
        (path, String::new())
    } else {
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
        (parent.unwrap_or(Path::new(".")).to_owned(), file_name(&path))
    };
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|p| {
            let name = file_name(p);
            let hidden = name.starts_with('.') && !prefix.starts_with('.');
            name.starts_with(&prefix) && !hidden
        })
        .filter(|p| p.is_dir() || p.extension().is_some_and(|e| e == "mcap" || e == "toml"))
        .take(10_000)
        .collect();
    found.sort_by_key(|p| (p.is_dir() && !is_openable(p), p.clone()));
    found
}

/// As far as all completions agree.
fn common(found: &[PathBuf]) -> Option<String> {
    let first = found.first()?.display().to_string();
    if found.len() == 1 {
        let more = if found[0].is_dir() && !is_openable(&found[0]) { "/" } else { "" };
        return Some(first + more);
    }
    let mut agreed: Vec<char> = first.chars().collect();
    for path in &found[1..] {
        let text = path.display().to_string();
        let same = agreed.iter().zip(text.chars()).take_while(|(a, b)| **a == *b).count();
        agreed.truncate(same);
    }
    Some(agreed.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use joinscope_core::edges::recording::part_name;

    use super::*;

    #[test]
    fn paths_complete_as_far_as_they_agree() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["feed.mcap", "feed.toml", "notes.txt", ".hidden.toml"] {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        std::fs::create_dir(folder.path().join("runs")).unwrap();
        let segments = folder.path().join("segments");
        std::fs::create_dir(&segments).unwrap();
        std::fs::write(segments.join(part_name(0)), b"").unwrap();
        let base = format!("{}/", folder.path().display());
        let names =
            |typed: &str| -> Vec<String> { complete(typed).iter().map(|p| file_name(p)).collect() };
        assert_eq!(names(&base), ["feed.mcap", "feed.toml", "segments", "runs"]);
        let whole = complete(&format!("{base}seg"));
        assert_eq!(common(&whole), Some(format!("{base}segments")), "it opens as it is");
        assert_eq!(names(&format!("{base}ru")), ["runs"]);
        let two = complete(&format!("{base}f"));
        assert_eq!(common(&two), Some(format!("{base}feed.")));
        assert_eq!(common(&complete(&format!("{base}ru"))), Some(format!("{base}runs/")));
        assert_eq!(common(&[]), None);
    }
}
