//! Shortcuts: the one table of them. Menus, the palette and the cheat sheet
//! write what stands here.

use egui::{Context, Key, KeyboardShortcut, ModifierNames, Modifiers};
use joinscope_core::run::Direction;

use super::{Command, Export};

/// A command's keys.
pub struct Binding {
    pub keys: KeyboardShortcut,
    pub command: Command,
    /// In the cheat sheet and the palette.
    pub group: &'static str,
    pub title: &'static str,
}

/// Every shortcut; of two that share a key the one with more modifiers first,
/// as it also looks like the other.
#[must_use]
pub fn bindings() -> Vec<Binding> {
    const BOTH: Modifiers = Modifiers::COMMAND.plus(Modifiers::SHIFT);
    let (ctrl, plain) = (Modifiers::COMMAND, Modifiers::NONE);
    let (shift, alt) = (Modifiers::SHIFT, Modifiers::ALT);
    let table: Vec<(Modifiers, Key, Command, &str, &str)> = vec![
        (ctrl, Key::K, Command::ShowPalette, "Help", "Search or run a command"),
        (BOTH, Key::P, Command::ShowPalette, "Help", "Search or run a command"),
        (plain, Key::F1, Command::ShowPalette, "Help", "Search or run a command"),
        (ctrl, Key::Slash, Command::ShowShortcuts, "Help", "Show all shortcuts"),
        (ctrl, Key::O, Command::ShowOpen, "File", "Open…"),
        (ctrl, Key::S, Command::Export(Export::Incident), "File", "Save as an incident…"),
        (ctrl, Key::W, Command::Close, "File", "Close what is open"),
        (ctrl, Key::Q, Command::Quit, "File", "Quit"),
        (ctrl, Key::R, Command::Run(Vec::new()), "Run", "Run the pipeline"),
        (plain, Key::F5, Command::GoOn, "Run", "Go on from the breakpoint"),
        (
            shift,
            Key::F6,
            Command::NextHit(Direction::Backward),
            "Run",
            "Previous hit of a breakpoint",
        ),
        (plain, Key::F6, Command::NextHit(Direction::Forward), "Run", "Next hit of a breakpoint"),
        (ctrl, Key::E, Command::EditPipeline, "Run", "Edit the pipeline"),
        (ctrl, Key::Comma, Command::ShowSettings, "File", "Settings"),
        (BOTH, Key::Tab, Command::NextOpen(Direction::Backward), "File", "Previous open run"),
        (ctrl, Key::Tab, Command::NextOpen(Direction::Forward), "File", "Next open run"),
        (BOTH, Key::Z, Command::Redo, "View", "Redo layout"),
        (ctrl, Key::Y, Command::Redo, "View", "Redo layout"),
        (ctrl, Key::Z, Command::Undo, "View", "Undo layout"),
        (BOTH, Key::L, Command::ToggleTheme, "View", "Dark or light colours"),
        (ctrl, Key::Plus, Command::Zoom(1), "View", "Larger"),
        (ctrl, Key::Minus, Command::Zoom(-1), "View", "Smaller"),
        (ctrl, Key::Num0, Command::Zoom(0), "View", "Usual size"),
        (alt, Key::ArrowLeft, Command::Back, "Selection", "Back to where you were"),
        (alt, Key::ArrowRight, Command::Forward, "Selection", "Forward again"),
        (plain, Key::Space, Command::TogglePlay, "Cursor", "Play or pause"),
        (plain, Key::ArrowLeft, Command::Step(-1), "Cursor", "One record back"),
        (plain, Key::ArrowRight, Command::Step(1), "Cursor", "One record on"),
        (plain, Key::Home, Command::Start, "Cursor", "To the start"),
        (plain, Key::End, Command::End, "Cursor", "To the end, or follow the run"),
        (plain, Key::OpenBracket, Command::RangeFromHere, "Range", "Begin the range here"),
        (plain, Key::CloseBracket, Command::RangeToHere, "Range", "End the range here"),
        (
            ctrl,
            Key::B,
            Command::EditBookmark(None),
            "Bookmarks",
            "Bookmark this moment, or edit its note",
        ),
        (
            shift,
            Key::F2,
            Command::NextBookmark(Direction::Backward),
            "Bookmarks",
            "Previous bookmark",
        ),
        (plain, Key::F2, Command::NextBookmark(Direction::Forward), "Bookmarks", "Next bookmark"),
    ];
    let bind = |(modifiers, key, command, group, title)| {
        let keys = KeyboardShortcut::new(modifiers, key);
        Binding { keys, command, group, title }
    };
    table.into_iter().map(bind).collect()
}

/// The shortcut of a command, as it is written in menus.
#[must_use]
pub fn shortcut_text(ctx: &Context, command: &Command) -> Option<String> {
    let bound = bindings().into_iter().find(|b| b.command == *command)?;
    Some(keys_text(ctx, bound.keys))
}

/// Keys as they are written on a keyboard: `Ctrl+/`.
#[must_use]
pub fn keys_text(ctx: &Context, keys: KeyboardShortcut) -> String {
    let key = match keys.logical_key {
        Key::ArrowLeft => "←",
        Key::ArrowRight => "→",
        // Beside the sign that joins them the font makes one sign of both.
        Key::Plus => "Plus",
        Key::Minus => "Minus",
        other => other.symbol_or_name(),
    };
    let modifiers = ModifierNames::NAMES.format(&keys.modifiers, ctx.os().is_mac());
    if modifiers.is_empty() { key.to_owned() } else { format!("{modifiers}+{key}") }
}

/// Takes the shortcuts that were pressed. Keys that write or move belong to
/// whatever has the focus.
#[must_use]
pub fn pressed(ctx: &Context) -> Vec<Command> {
    let focused = ctx.memory(|m| m.focused().is_some());
    let writing = ctx.text_edit_focused();
    bindings()
        .into_iter()
        .filter(|b| {
            let key = b.keys.logical_key;
            !focused || b.keys.modifiers.any() || is_function(key) || is_bracket(key) && !writing
        })
        .filter(|b| !(writing && belongs_to_text(b.keys)))
        .filter(|b| ctx.input_mut(|i| i.consume_shortcut(&b.keys)))
        .map(|b| b.command)
        .collect()
}

/// Whether these keys bring a dialog to the front that may be written in.
#[must_use]
pub fn asks_for_text(modifiers: Modifiers, key: Key) -> bool {
    let writes = |command: &Command| {
        matches!(
            command,
            Command::ShowPalette
                | Command::ShowOpen
                | Command::ShowSettings
                | Command::EditPipeline
                | Command::EditBookmark(_)
                | Command::Export(_)
        )
    };
    // As it is taken: of two that share a key the first.
    let is =
        |b: &Binding| b.keys.logical_key == key && modifiers.matches_logically(b.keys.modifiers);
    bindings().into_iter().find(is).is_some_and(|b| writes(&b.command))
}

fn is_function(key: Key) -> bool {
    matches!(key, Key::F1 | Key::F2 | Key::F3 | Key::F4 | Key::F5 | Key::F6)
}

/// Nothing but a text takes them: a time axis that has the focus, by whose keys the cursor
/// goes, does not.
fn is_bracket(key: Key) -> bool {
    matches!(key, Key::OpenBracket | Key::CloseBracket)
}

/// What a text field does itself: undo, redo, moving by words.
fn belongs_to_text(keys: KeyboardShortcut) -> bool {
    matches!(keys.logical_key, Key::Z | Key::Y)
        || (keys.modifiers.alt && matches!(keys.logical_key, Key::ArrowLeft | Key::ArrowRight))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_shortcut_means_two_things() {
        let all = bindings();
        for (n, one) in all.iter().enumerate() {
            for other in &all[..n] {
                assert!(one.keys != other.keys, "{} and {}", one.title, other.title);
            }
        }
    }

    #[test]
    fn a_shortcut_is_not_taken_by_one_with_fewer_modifiers_before_it() {
        let all = bindings();
        for (n, one) in all.iter().enumerate() {
            for before in &all[..n] {
                let same = before.keys.logical_key == one.keys.logical_key;
                let taken = same && one.keys.modifiers.matches_logically(before.keys.modifiers);
                assert!(!taken, "{} is taken by {}", one.title, before.title);
            }
        }
    }
}
