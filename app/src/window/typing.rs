//! What is typed belongs to the dialog that was asked for before it, also where
//! the dialog's text field cannot take it yet: from the key that asks for it until
//! its field has the focus, typed text is held back. Who types on at once after
//! Ctrl+K would else press shortcuts, or lose letters.

use std::mem::{Discriminant, discriminant};

use egui::{Context, Event, Key, Modifiers};

use super::dialogs::Dialog;

/// Frames that a dialog without a text field has to itself before it is told what
/// was typed: its field takes the focus in the first, which may only measure it.
const FRAMES: u8 = 3;

/// What is held back.
#[derive(Default)]
pub struct Typing {
    held: Vec<Event>,
    /// The dialog in front.
    front: Option<Discriminant<Dialog>>,
    /// Frames since it came there.
    frames: u8,
}

impl Typing {
    /// Whether something is held.
    #[must_use]
    pub fn is_held(&self) -> bool {
        !self.held.is_empty()
    }

    /// At the start of a frame: gives out what was held, or holds what comes.
    pub fn begin(&mut self, ctx: &Context, dialog: Option<&Dialog>) {
        let front = dialog.map(discriminant);
        if self.front != front {
            self.front = front;
            self.frames = 0;
            // What was written in before takes nothing more.
            if let Some(id) = front.and_then(|_| ctx.memory(egui::Memory::focused)) {
                ctx.memory_mut(|m| m.surrender_focus(id));
            }
        }
        let takes = front.is_none() || self.frames >= FRAMES || ctx.text_edit_focused();
        self.frames = self.frames.saturating_add(1);
        ctx.input_mut(|i| {
            if takes {
                i.events.splice(0..0, self.held.drain(..));
            } else {
                self.held.extend(i.events.extract_if(.., |e| is_typed(e)));
            }
        });
        if !self.held.is_empty() {
            ctx.request_repaint();
        }
    }

    /// Holds back what was typed behind the first of these keys in this frame.
    pub fn hold_behind(&mut self, ctx: &Context, keys: impl Fn(Modifiers, Key) -> bool) {
        ctx.input_mut(|i| {
            let asks = |e: &Event| match e {
                Event::Key { key, pressed: true, modifiers, .. } => keys(*modifiers, *key),
                _ => false,
            };
            if let Some(at) = i.events.iter().position(asks) {
                self.held.extend(i.events.extract_if(at + 1.., |e| is_typed(e)));
            }
        });
        if !self.held.is_empty() {
            ctx.request_repaint();
        }
    }
}

/// Whether an event comes from a keyboard or stands for one.
fn is_typed(event: &Event) -> bool {
    matches!(
        event,
        Event::Key { .. }
            | Event::Text(_)
            | Event::Paste(_)
            | Event::Copy
            | Event::Cut
            | Event::Ime(_)
    )
}
