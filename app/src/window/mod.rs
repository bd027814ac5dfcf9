//! The window: panels over what a run left behind. It never waits: what takes
//! time is a question to a worker ([`jobs`]) or a run in its own thread.

mod act;
mod app;
mod axis;
mod bars;
mod bookmarks;
mod breakpoints;
mod browse;
mod calendar;
mod chrome;
mod command;
mod comparing;
mod cursor;
mod cx;
mod dialogs;
mod doc;
mod drawing;
mod editor;
mod errors;
mod export;
mod exporting;
mod failures;
mod files;
mod frame;
mod fuzzy;
mod headless;
mod incident;
mod jobs;
mod keep;
mod layout;
mod listing;
mod open_docs;
mod opening;
mod panel;
mod panels;
mod range;
mod renderer;
mod ruler;
mod running;
mod sample;
mod seeking;
mod selection;
mod session;
mod settings;
mod showing;
mod sorting;
mod start;
mod store;
mod table;
mod table_view;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_access;
#[cfg(test)]
mod tests_bad_input;
#[cfg(test)]
mod tests_clock;
#[cfg(test)]
mod tests_drops;
#[cfg(test)]
mod tests_empty;
#[cfg(test)]
mod tests_exports;
#[cfg(test)]
mod tests_following;
#[cfg(test)]
mod tests_incident;
#[cfg(test)]
mod tests_new_pipeline;
#[cfg(test)]
mod tests_pictures;
#[cfg(test)]
mod tests_runs;
#[cfg(test)]
mod tests_shapes;
#[cfg(test)]
mod tests_small;
#[cfg(test)]
mod tests_two_windows;
#[cfg(test)]
mod tests_unsaved;
#[cfg(test)]
mod tests_views;
mod text;
mod theme;
mod times;
mod typing;
mod watch;
mod widgets;

use std::path::PathBuf;

pub use frame::{Measured, measure};
pub use headless::{NoPicture, Picture, picture_file};
pub use incident::kept;
pub use panel::Panel;
pub use renderer::Renderer;

/// Opens the window, on `file` if one is given, and returns when it is closed.
///
/// # Errors
/// There is no display, or nothing to draw with.
pub fn open(file: Option<PathBuf>, renderer: Option<Renderer>) -> anyhow::Result<()> {
    let renderer = renderer::choose(renderer);
    let options = eframe::NativeOptions {
        renderer: renderer.into(),
        viewport: egui::ViewportBuilder::default()
            .with_title("Joinscope")
            .with_app_id("joinscope")
            .with_inner_size([1600.0, 1000.0])
            // Points: at twice the scale it has to fit into 1280 × 800 pixels.
            .with_min_inner_size([640.0, 400.0]),
        persist_window: false,
        ..Default::default()
    };
    let places = match settings::Places::of_user() {
        Ok(places) => Some(places),
        Err(error) => {
            tracing::warn!("{error}");
            None
        }
    };
    let create: eframe::AppCreator<'_> = Box::new(move |cc| {
        // One worker less than cores: one core is the window's.
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let workers = cores.saturating_sub(1).clamp(2, 8);
        let start = app::Start { places, browse: Box::new(browse::Platform), workers, only: None };
        let mut app = app::App::new(&cc.egui_ctx, start);
        if let Some(file) = file {
            app.command(command::Command::Open(file));
        }
        Ok(Box::new(app))
    });
    eframe::run_native("joinscope", options, create).map_err(|error| {
        anyhow::anyhow!(
            "the window cannot be opened: {error}; without a display use `joinscope screenshot` \
             or the other verbs (joinscope --help)"
        )
    })
}
