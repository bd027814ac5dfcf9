//! Frame work, measured as 6-window says: CPU time of one egui pass and its
//! tessellation, no renderer, accessibility off, the cursor moved by a seeded path.

use std::path::Path;
use std::time::{Duration, Instant};

use egui::{Context, RawInput, Rect, Vec2, ViewportId};
use joinscope_core::process::{anonymous_memory, thread_cpu};

use super::app::{App, Start};
use super::command::Command;
use super::headless::Never;
use super::panel::Panel;

/// What was measured; times in milliseconds.
#[derive(Clone, Debug, serde::Serialize)]
pub struct FrameFigures {
    pub records: u64,
    /// From the open command to the first frame with the run's name and books.
    pub open_first_ms: f64,
    /// From the open command to the frame in which no request is open.
    pub open_whole_ms: f64,
    /// CPU time of a pass and its tessellation.
    pub frame_p50_ms: f64,
    pub frame_p99_ms: f64,
    pub frame_most_ms: f64,
    /// From a move of the cursor to the frame that has every panel's answer.
    pub answer_p50_ms: f64,
    pub answer_p99_ms: f64,
    /// Anonymous memory of this process, bytes.
    pub rss_anon: u64,
    pub vertices_most: usize,
}

struct Headless {
    ctx: Context,
    app: App,
    time: f64,
}

impl Headless {
    fn new() -> Self {
        let ctx = Context::default();
        let start = Start { places: None, browse: Box::new(Never), workers: 2, only: None };
        let app = App::new(&ctx, start);
        Self { ctx, app, time: 0.0 }
    }

    /// One frame; its CPU time and vertices.
    fn frame(&mut self) -> (Duration, usize) {
        self.time += 1.0 / 60.0;
        let mut input = RawInput {
            screen_rect: Some(Rect::from_min_size(egui::Pos2::ZERO, Vec2::new(1600.0, 1000.0))),
            time: Some(self.time),
            ..RawInput::default()
        };
        if let Some(viewport) = input.viewports.get_mut(&ViewportId::ROOT) {
            viewport.native_pixels_per_point = Some(1.0);
        }
        let before = thread_cpu();
        let app = &mut self.app;
        let mut output = self.ctx.run_ui(input, |ui| {
            app.logic(ui.ctx());
            app.ui(ui);
        });
        let meshes = self.ctx.tessellate(std::mem::take(&mut output.shapes), 1.0);
        let spent = thread_cpu().saturating_sub(before);
        // Nothing is drawn: nobody takes the textures.
        output.textures_delta.clear();
        let vertices = meshes
            .iter()
            .map(|m| match &m.primitive {
                egui::epaint::Primitive::Mesh(mesh) => mesh.vertices.len(),
                egui::epaint::Primitive::Callback(_) => 0,
            })
            .sum();
        (spent, vertices)
    }

    /// Frames until nothing is asked, twice in a row.
    fn settle(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let mut quiet = 0;
        let mut asked = self.app.asked();
        while quiet < 2 {
            self.frame();
            if std::mem::replace(&mut asked, self.app.asked()) != self.app.asked() {
                quiet = 0;
            }
            if let Some(problem) = self.app.errors().newest() {
                anyhow::bail!("{}: {}", problem.place, problem.message);
            }
            quiet = if self.app.is_busy() { 0 } else { quiet + 1 };
            if quiet == 0 {
                std::thread::sleep(Duration::from_micros(200));
            }
            anyhow::ensure!(
                begun.elapsed() < Duration::from_mins(if cfg!(test) { 10 } else { 2 }),
                "no answer after 2 minutes"
            );
        }
        Ok(())
    }
}

fn ms(d: Duration) -> f64 {
    d.as_secs_f64() * 1e3
}

/// The value below which `part` of the sorted values lie.
fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = ((values.len() as f64 - 1.0) * part).round() as usize;
    values.get(at).copied().unwrap_or(0.0)
}

/// What is measured.
#[derive(Clone, Debug)]
pub struct Measured<'a> {
    pub run: &'a Path,
    pub frames: usize,
    pub seed: u64,
    /// Brought to the front of the default layout once the run is open.
    pub panels: &'a [Panel],
    /// The run that is compared with, in front as well.
    pub compare: Option<&'a Path>,
}

/// Opens a run and measures frames with a moved cursor.
///
/// # Errors
/// The run cannot be opened, or something in it cannot be read.
pub fn measure(what: &Measured<'_>) -> anyhow::Result<FrameFigures> {
    let Measured { run, frames, seed, .. } = *what;
    let mut h = Headless::new();
    h.frame();
    let begun = Instant::now();
    h.app.command(Command::Open(run.to_owned()));
    let mut first = None;
    let mut quiet = 0;
    while quiet < 2 {
        h.frame();
        if let Some(problem) = h.app.errors().newest() {
            anyhow::bail!("{}: {}", problem.place, problem.message);
        }
        if first.is_none() && h.app.panels.books.is_read() {
            first = Some(begun.elapsed());
        }
        quiet = if h.app.is_busy() { 0 } else { quiet + 1 };
        anyhow::ensure!(
            begun.elapsed() < Duration::from_mins(if cfg!(test) { 10 } else { 1 }),
            "not open after 60 s"
        );
    }
    let whole = begun.elapsed();
    let len = h.app.cursor.len();
    anyhow::ensure!(len > 0, "{}: the run has no records", run.display());

    if let Some(other) = what.compare {
        h.app.command(Command::Compare(other.to_owned()));
        h.settle()?;
    }
    for panel in what.panels {
        h.app.command(Command::ShowPanel(*panel));
        h.settle()?;
    }
    let mut random = seed | 1;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut spent = Vec::with_capacity(frames);
    let mut vertices_most = 0;
    for _ in 0..frames {
        h.app.command(Command::GoTo(next() % len));
        let (cpu, vertices) = h.frame();
        spent.push(ms(cpu));
        vertices_most = vertices_most.max(vertices);
    }
    h.settle()?;
    let mut answers = Vec::new();
    for _ in 0..(frames / 5).max(1) {
        let at = Instant::now();
        h.app.command(Command::GoTo(next() % len));
        h.settle()?;
        answers.push(ms(at.elapsed()));
    }
    Ok(FrameFigures {
        records: len,
        open_first_ms: ms(first.unwrap_or(whole)),
        open_whole_ms: ms(whole),
        frame_p50_ms: quantile(&mut spent, 0.5),
        frame_p99_ms: quantile(&mut spent, 0.99),
        frame_most_ms: quantile(&mut spent, 1.0),
        answer_p50_ms: quantile(&mut answers, 0.5),
        answer_p99_ms: quantile(&mut answers, 0.99),
        rss_anon: anonymous_memory().unwrap_or(0),
        vertices_most,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let mut v = [3.0, 1.0, 2.0];
        assert!((quantile(&mut v, 0.5) - 2.0).abs() < 1e-9);
        assert!((quantile(&mut v, 1.0) - 3.0).abs() < 1e-9);
        assert!(quantile(&mut [], 0.5).abs() < 1e-9);
    }

    #[test]
    fn a_small_run_is_measured() {
        let feed = crate::window::testing::Feed::new(300);
        let run = feed.run();
        let panels = [Panel::Late, Panel::Timeline];
        let what = Measured { run: &run, frames: 5, seed: 1, panels: &panels, compare: None };
        let figures = measure(&what).unwrap();
        assert!(figures.records > 300);
        assert!(figures.open_first_ms <= figures.open_whole_ms);
        assert!(figures.vertices_most > 1000 && figures.vertices_most < 200_000);
    }
}
