//! Frame work, measured as 6-window says: CPU time of one egui pass and its
//! tessellation, no renderer, accessibility off, while the cursor, the time axes and
//! a table are moved in turn by a seeded path.

use std::path::Path;
use std::time::{Duration, Instant};

use egui::epaint::Primitive;
use egui::{
    ClippedPrimitive, Context, Event, Modifiers, MouseWheelSource, MouseWheelUnit, RawInput, Rect,
    TouchPhase, Vec2, ViewportId, pos2, vec2,
};
use joinscope_core::process::{anonymous_memory, thread_cpu};

use super::app::{App, Start};
use super::command::Command;
use super::headless::Never;
use super::panel::{Home, Panel};

/// What is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Doing {
    /// The cursor goes somewhere else.
    Scrubbing,
    /// The time axes show another stretch.
    Zooming,
    /// The wheel turns over a table.
    Scrolling,
}

impl Doing {
    const ALL: [Self; 3] = [Self::Scrubbing, Self::Zooming, Self::Scrolling];
}

/// Of one of them alone; times in milliseconds.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Part {
    pub doing: Doing,
    pub frame_p99_ms: f64,
    pub answer_p99_ms: f64,
}

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
    /// From a move to the frame that has every panel's answer.
    pub answer_p50_ms: f64,
    pub answer_p99_ms: f64,
    pub parts: Vec<Part>,
    /// Anonymous memory of this process, bytes.
    pub rss_anon: u64,
    pub vertices_most: usize,
}

/// A seeded path.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n.max(1)
    }
}

struct Headless {
    ctx: Context,
    app: App,
    time: f64,
    /// Of the next frame.
    events: Vec<Event>,
}

impl Headless {
    fn new() -> Self {
        let ctx = Context::default();
        let start = Start { places: None, browse: Box::new(Never), workers: 2, only: None };
        let app = App::new(&ctx, start);
        Self { ctx, app, time: 0.0, events: Vec::new() }
    }

    /// Moves something elsewhere.
    fn act(&mut self, doing: Doing, dice: &mut Dice) {
        /// Lines of one turn of the wheel.
        const LINES: u64 = 40;
        let len = self.app.cursor.len();
        match doing {
            Doing::Scrubbing => self.app.command(Command::GoTo(dice.below(len))),
            Doing::Zooming => {
                // From the whole down to a few records.
                let span = (len >> dice.below(20)).max(len.min(2));
                let from = dice.below(len - span + 1);
                self.app.command(Command::View(Some((from, from + span - 1))));
            }
            Doing::Scrolling => self.wheel(dice.below(2 * LINES + 1) as f32 - LINES as f32),
        }
    }

    /// Turns the wheel over the panel with a table that is in sight.
    fn wheel(&mut self, lines: f32) {
        let mut tables =
            Panel::ALL.into_iter().filter(|p| matches!(p.about().home, Home::Tab | Home::Asked));
        let Some(place) = tables.find_map(|p| self.app.exports.place(p)) else { return };
        // Where a panel has a picture besides, that stands above its table.
        let at = pos2(place.center().x, place.bottom() - place.height() / 4.0);
        let turned = Event::MouseWheel {
            unit: MouseWheelUnit::Line,
            delta: vec2(0.0, lines),
            phase: TouchPhase::Move,
            source: MouseWheelSource::Unknown,
            modifiers: Modifiers::NONE,
        };
        self.events.extend([Event::PointerMoved(at), turned]);
    }

    /// One frame; its CPU time and vertices.
    fn frame(&mut self) -> (Duration, usize) {
        self.time += 1.0 / 60.0;
        let mut input = RawInput {
            screen_rect: Some(Rect::from_min_size(egui::Pos2::ZERO, Vec2::new(1600.0, 1000.0))),
            time: Some(self.time),
            events: std::mem::take(&mut self.events),
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
        (spent, vertices(&meshes))
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

/// Of all meshes together.
pub(super) fn vertices(meshes: &[ClippedPrimitive]) -> usize {
    let of = meshes.iter().map(|m| match &m.primitive {
        Primitive::Mesh(mesh) => mesh.vertices.len(),
        Primitive::Callback(_) => 0,
    });
    of.sum()
}

fn ms(d: Duration) -> f64 {
    d.as_secs_f64() * 1e3
}

/// The times of one kind, or of all.
fn times(all: &[(Doing, f64)], of: Option<Doing>) -> Vec<f64> {
    all.iter().filter(|(doing, _)| of.is_none_or(|of| of == *doing)).map(|(_, ms)| *ms).collect()
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

/// Opens a run and measures frames while something is moved in each.
///
/// # Errors
/// The run cannot be opened, or something in it cannot be read.
pub fn measure(what: &Measured<'_>) -> anyhow::Result<FrameFigures> {
    let Measured { run, frames, seed, .. } = *what;
    let mut h = Headless::new();
    h.settle()?;
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
    let mut dice = Dice(seed | 1);
    let mut spent = Vec::with_capacity(frames);
    let mut vertices_most = 0;
    let in_turn = || Doing::ALL.into_iter().cycle();
    for doing in in_turn().take(frames) {
        h.act(doing, &mut dice);
        let (cpu, vertices) = h.frame();
        spent.push((doing, ms(cpu)));
        vertices_most = vertices_most.max(vertices);
    }
    h.settle()?;
    let mut answers = Vec::new();
    for doing in in_turn().take((frames / 5).max(Doing::ALL.len())) {
        let at = Instant::now();
        h.act(doing, &mut dice);
        h.settle()?;
        answers.push((doing, ms(at.elapsed())));
    }
    let parts = Doing::ALL.into_iter().map(|doing| Part {
        doing,
        frame_p99_ms: quantile(&mut times(&spent, Some(doing)), 0.99),
        answer_p99_ms: quantile(&mut times(&answers, Some(doing)), 0.99),
    });
    let (mut all_spent, mut all_answers) = (times(&spent, None), times(&answers, None));
    Ok(FrameFigures {
        records: len,
        open_first_ms: ms(first.unwrap_or(whole)),
        open_whole_ms: ms(whole),
        frame_p50_ms: quantile(&mut all_spent, 0.5),
        frame_p99_ms: quantile(&mut all_spent, 0.99),
        frame_most_ms: quantile(&mut all_spent, 1.0),
        answer_p50_ms: quantile(&mut all_answers, 0.5),
        answer_p99_ms: quantile(&mut all_answers, 0.99),
        parts: parts.collect(),
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
        let most = |figure: fn(&Part) -> f64| figures.parts.iter().map(figure).fold(0.0, f64::max);
        assert_eq!(figures.parts.len(), 3);
        assert!(figures.parts.iter().all(|p| p.frame_p99_ms > 0.0 && p.answer_p99_ms > 0.0));
        // With so few of them p99 is the largest.
        assert!((most(|p| p.frame_p99_ms) - figures.frame_p99_ms).abs() < 1e-9);
        assert!((most(|p| p.answer_p99_ms) - figures.answer_p99_ms).abs() < 1e-9);
    }

    #[test]
    fn the_cursor_the_axes_and_the_table_are_moved_in_turn() {
        let mut h = Headless::new();
        h.settle().unwrap();
        h.app.command(Command::Open(crate::window::testing::feed().run()));
        h.settle().unwrap();
        let stands = |h: &Headless| {
            (h.app.cursor.at(), h.app.view(), format!("{:?}", h.app.panels.records.keep()))
        };
        let mut dice = Dice(1);
        let mut moved = |h: &mut Headless, doing| {
            // Two moves may lead to one place.
            let seen = (0..5).map(|_| {
                h.act(doing, &mut dice);
                h.settle().unwrap();
                stands(h)
            });
            seen.collect::<Vec<_>>()
        };
        let (scrubbed, zoomed) = (moved(&mut h, Doing::Scrubbing), moved(&mut h, Doing::Zooming));
        let scrolled = moved(&mut h, Doing::Scrolling);
        assert!(scrubbed.iter().any(|s| s.0 != scrubbed[0].0), "{scrubbed:?}");
        assert!(zoomed.iter().all(|s| s.1.0 < s.1.1 && s.0 == zoomed[0].0), "{zoomed:?}");
        assert!(zoomed.iter().any(|s| s.1 != zoomed[0].1), "{zoomed:?}");
        assert!(scrolled.iter().any(|s| s.2 != scrolled[0].2), "{scrolled:?}");
        assert!(scrolled.iter().all(|s| (s.0, s.1) == (scrolled[0].0, scrolled[0].1)));
    }
}
