//! State: rows and bytes over time, in memory and on disk, and what rests in the state at
//! the cursor, by key and by what leaves next.

mod ask;
mod draw;
mod export;
mod lines;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use egui::Ui;
use joinscope_core::run::{Books, StateLines, StateNow};

use self::ask::{Content, LinesQuestion, Page, PageQuestion};
use crate::window::chrome::{Title, panel};
use crate::window::command::{Command, Export};
use crate::window::cursor::State as CursorState;
use crate::window::cx::Cx;
use crate::window::failures::note_part;
use crate::window::jobs::Slot;
use crate::window::layout::Tabs;
use crate::window::panel::Panel;
use crate::window::table::Table;
use crate::window::table_view::{KeptSort, TableView, unknown};
use crate::window::theme::fonts::icon;
use crate::window::widgets::{button, icon_button};

/// What the table lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Keys, those with the most rows first.
    #[default]
    Keys,
    /// Rows, those that leave first.
    Leaving,
}

impl Order {
    const ALL: [Self; 2] = [Self::Keys, Self::Leaving];

    /// As a view keeps it.
    fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Leaving => "leaving",
        }
    }
}

/// The panel's state.
#[derive(Default)]
pub struct State {
    order: Order,
    lines: Slot<LinesQuestion, StateLines>,
    books: Slot<(u64, u64), Books>,
    indexing: Indexing,
    looking: Looking,
    page: Slot<PageQuestion, Page>,
    table: Table,
}

/// Lays the state of a run that has ended out in memory, once; until that is done
/// it is looked through.
#[derive(Default)]
struct Indexing {
    /// By revision.
    slot: Slot<u64, bool>,
    cancel: Arc<AtomicBool>,
    asked: Option<u64>,
}

impl Indexing {
    fn ask(&mut self, cx: &Cx<'_>) {
        let Some(doc) = &cx.doc.run else { return };
        let revision = cx.doc.revision;
        if cx.doc.in_progress || self.asked == Some(revision) {
            return;
        }
        self.asked = Some(revision);
        self.cancel.store(true, Ordering::Release);
        self.cancel = Arc::default();
        let (run, cancel) = (doc.run.clone(), self.cancel.clone());
        self.slot.ask_long(cx.jobs, revision, move |_| {
            // What cannot be read is said by who looks through it.
            run.index_state(&cancel).map_err(|e| e.to_string())
        });
    }
}

impl Drop for Indexing {
    fn drop(&mut self) {
        self.cancel.store(true, Ordering::Release);
    }
}

/// The look through the state at the cursor; a newer one ends it.
#[derive(Default)]
struct Looking {
    /// Revision and cursor.
    asked: Option<(u64, u64)>,
    slot: Slot<(u64, u64), ()>,
    found: Arc<Mutex<StateNow>>,
    cancel: Arc<AtomicBool>,
    /// What the last whole look found, until the next is.
    whole: Option<StateNow>,
}

impl Looking {
    fn ask(&mut self, cx: &Cx<'_>) {
        let Some(doc) = &cx.doc.run else { return };
        let question = (cx.doc.revision, cx.cursor.at());
        // While playing only what a look is done with is looked at anew.
        let busy = self.slot.is_open() && self.slot.answer().is_none();
        if self.asked == Some(question) || cx.cursor.state() == CursorState::Playing && busy {
            return;
        }
        self.asked = Some(question);
        self.cancel.store(true, Ordering::Release);
        (self.cancel, self.found) = (Arc::default(), Arc::default());
        let (run, cancel, found) = (doc.run.clone(), self.cancel.clone(), self.found.clone());
        self.slot.ask(cx.jobs, question, move |(_, at)| {
            let inputs = run.pipeline().inputs.len();
            let shifts = run.pipeline().join.shifts(inputs);
            let told = |now| {
                *found.lock().unwrap_or_else(PoisonError::into_inner) = now;
                true
            };
            match run.state_now(*at, &shifts, &cancel, told) {
                Err(joinscope_core::run::RunError::Cancelled) => Ok(()),
                done => done.map_err(|e| e.to_string()),
            }
        });
    }

    /// What is known: the whole of the newest look, else of the one before it
    /// while that is not long ago, else what is found so far.
    fn shown(&mut self) -> Option<StateNow> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if found.whole {
            self.whole = Some(found);
        } else if self.slot.is_stale() && found.rows > 0 {
            return Some(found);
        }
        self.whole.clone()
    }

    fn error(&mut self) -> Option<String> {
        self.slot.answer()?.result.as_ref().err().cloned()
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.cancel.store(true, Ordering::Release);
    }
}

impl State {
    /// How its table is set up, as a session and an incident file keep it.
    #[must_use]
    pub fn view(&self) -> TableView {
        let by = self.order.name().to_owned();
        TableView { sort: Some(KeptSort { by, descending: false }), ..TableView::default() }
    }

    /// Sets it up as it was kept; what of that cannot be.
    pub fn set_view(&mut self, view: &TableView) -> Vec<String> {
        let Some(sort) = &view.sort else { return Vec::new() };
        match Order::ALL.into_iter().find(|order| order.name() == sort.by) {
            Some(order) => {
                self.order = order;
                Vec::new()
            }
            None => unknown("order by", &[&sort.by]).into_iter().collect(),
        }
    }

    /// Shows the panel.
    pub fn show(&mut self, ui: &mut Ui, tabs: &Tabs, cx: &mut Cx<'_>) -> bool {
        self.ask_books(cx);
        if let Some(error) = self.books_error() {
            note_part(ui.ctx(), &error);
        }
        self.indexing.ask(cx);
        self.looking.ask(cx);
        let now = self.looking.shown();
        let sentence = draw::sentence(self, cx, now.as_ref());
        let title = Title::of(Panel::State, &sentence, tabs);
        let order = self.order;
        let mut chosen = order;
        let mut commands = Vec::new();
        let dragged = panel(
            ui,
            &title,
            &mut commands,
            |ui, commands| {
                if icon_button(icon::EXPORT, "Export what is listed").plain().show(ui).clicked() {
                    commands.push(Command::Export(Export::Data(Panel::State)));
                }
                for (o, name) in [(Order::Leaving, "Leave next"), (Order::Keys, "Largest keys")] {
                    if button(name).plain().selected(order == o).show(ui).clicked() {
                        chosen = o;
                    }
                }
            },
            |ui, _| draw::body(self, ui, cx, now.as_ref()),
        );
        if chosen != order {
            self.order = chosen;
            self.table.top();
        }
        cx.commands.append(&mut commands);
        dragged
    }

    fn ask_books(&mut self, cx: &Cx<'_>) {
        let Some(doc) = &cx.doc.run else { return };
        let run = doc.run.clone();
        self.books.ask(cx.jobs, (cx.doc.revision, cx.cursor.at()), move |(_, at)| {
            run.books(Some(*at)).map_err(|e| e.to_string())
        });
    }

    /// Why it is not said how much rests in the state.
    fn books_error(&mut self) -> Option<String> {
        self.books.answer()?.result.as_ref().err().cloned()
    }

    /// The page question for these places of the table.
    fn ask_page(
        &mut self,
        cx: &Cx<'_>,
        now: &StateNow,
        seen: &std::ops::Range<u64>,
    ) -> Option<Arc<crate::window::jobs::Answer<PageQuestion, Page>>> {
        let run = cx.doc.run.as_ref()?.run.clone();
        let content = Content::of(now, self.order, seen);
        let question = PageQuestion { revision: cx.doc.revision, at: now.arrival, content };
        self.page.ask(cx.jobs, question, move |q| ask::page(&run, q));
        self.page.answer()
    }
}
