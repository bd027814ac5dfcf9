//! The window without a display: pictures of it, drawn by the same code.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use image::RgbaImage;
use joinscope_core::engine::breakpoint::Condition;
use joinscope_operator::record::{Arrival, RecordName};

use super::app::{App, Start};
use super::browse::{Answer, Browse};
use super::command::{Command, Export};
use super::export::{self, Drawing, Refused};
use super::panel::Panel;
use super::renderer;

/// Longest wait for answers.
const WAIT: Duration = Duration::from_secs(if cfg!(test) {
    // A test is not timed: its machine may be busy.
    600
} else {
    30
});

/// What to draw.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Pixels.
    pub size: (u32, u32),
    /// Pixels a point.
    pub scale: f32,
    pub light: bool,
    /// `None`: the whole window.
    pub panel: Option<Panel>,
    pub at: Option<Arrival>,
    pub select: Option<RecordName>,
    /// The run that is compared with.
    pub compare: Option<PathBuf>,
    /// Breakpoints, enabled.
    pub breaks: Vec<Condition>,
    /// What is pressed first, by its accessible name.
    pub press: Vec<String>,
    /// Where the panel's rows are written as well, in place of what is there.
    pub data: Option<PathBuf>,
}

/// Why there is no picture.
#[derive(Debug)]
pub enum NoPicture {
    /// Nothing to draw with.
    NoAdapter,
    /// Not everything was answered in time.
    Late(String),
    /// What was to be drawn cannot be opened.
    Failed(String),
}

impl Default for Picture {
    /// The whole window in the dark, 1600 × 1000.
    fn default() -> Self {
        Self {
            size: (1600, 1000),
            scale: 1.0,
            light: false,
            panel: None,
            at: None,
            select: None,
            compare: None,
            breaks: Vec::new(),
            press: Vec::new(),
            data: None,
        }
    }
}

/// No file dialog without a display.
pub struct Never;

impl Browse for Never {
    fn ask(&self, _: std::sync::mpsc::SyncSender<Answer>, _: egui::Context) {}
}

/// A window without a display or settings; `only` shows one panel alone.
#[cfg(test)]
pub fn harness<'a>(size: (u32, u32), light: bool, only: Option<Panel>) -> Harness<'a, App> {
    scaled(size, 1.0, light, only)
}

/// A window without a display or settings, of so many pixels at so many a
/// point; `only` shows one panel alone.
pub fn scaled<'a>(
    size: (u32, u32),
    scale: f32,
    light: bool,
    only: Option<Panel>,
) -> Harness<'a, App> {
    let theme = if light { egui::Theme::Light } else { egui::Theme::Dark };
    Harness::builder()
        .with_size(egui::vec2(size.0 as f32, size.1 as f32) / scale)
        .with_pixels_per_point(scale)
        .with_theme(theme)
        .with_render_cursor(false)
        .with_max_steps(64)
        .allow_missing_glyphs()
        .build_eframe(|cc| {
            let start = Start { places: None, browse: Box::new(Never), workers: 2, only };
            App::new(&cc.egui_ctx, start)
        })
}

/// A window without a display that keeps its files in `places`.
#[cfg(test)]
pub fn harness_with<'a>(
    size: (u32, u32),
    places: Option<super::settings::Places>,
) -> Harness<'a, App> {
    Harness::builder()
        .with_size(egui::vec2(size.0 as f32, size.1 as f32))
        .with_max_steps(64)
        .allow_missing_glyphs()
        .build_eframe(|cc| {
            let start = Start { places, browse: Box::new(Never), workers: 2, only: None };
            App::new(&cc.egui_ctx, start)
        })
}

/// Is told, again and again, what a picture waits for.
type Told<'a> = &'a mut dyn FnMut(&str);

/// Opens `path` and draws it when no request is open.
#[cfg(test)]
pub fn picture(path: &Path, wanted: &Picture) -> Result<RgbaImage, NoPicture> {
    drawn(path, wanted, &mut |_| {})
}

fn drawn(path: &Path, wanted: &Picture, told: Told<'_>) -> Result<RgbaImage, NoPicture> {
    if !renderer::can_draw_pictures() {
        return Err(NoPicture::NoAdapter);
    }
    let mut harness = ready(path, wanted, told)?;
    told("drawing");
    harness.render().map_err(NoPicture::Failed)
}

/// Opens `path` and writes it into a file, in place of what is there: an SVG
/// where its name says so, else a PNG. Meanwhile `told` is told what it waits
/// for, at every frame.
pub fn picture_file(
    path: &Path,
    wanted: &Picture,
    file: &Path,
    told: &mut dyn FnMut(&str),
) -> Result<(), NoPicture> {
    let said = |refused: Refused| match refused {
        Refused::Failed(why) => NoPicture::Failed(why),
        other => NoPicture::Failed(format!("{}: {other:?}", file.display())),
    };
    if !export::is_svg(file) {
        return export::png_file(&drawn(path, wanted, told)?, file, true).map_err(said);
    }
    // Shapes need nothing to draw with.
    let harness = ready(path, wanted, told)?;
    let size = egui::vec2(wanted.size.0 as f32, wanted.size.1 as f32) / wanted.scale;
    let all = egui::Rect::from_min_size(egui::Pos2::ZERO, size);
    let shapes = harness.output().shapes.clone();
    let ground = super::theme::Tokens::of(&harness.ctx).ground;
    let drawing = Drawing::of_shapes(&harness.ctx, shapes, all, ground);
    export::svg_file(&drawing, file, true).map_err(said)
}

/// A window on `path` in which no request is open.
fn ready<'a>(
    path: &Path,
    picture: &Picture,
    told: Told<'_>,
) -> Result<Harness<'a, App>, NoPicture> {
    let mut harness = scaled(picture.size, picture.scale, picture.light, picture.panel);
    harness.state_mut().command(Command::Open(path.to_owned()));
    let mut wait =
        |harness: &mut Harness<'a, App>, what: &str| settle_telling(harness, &mut |_| told(what));
    wait(&mut harness, &format!("opening {}", path.display()))?;
    let arrivals = harness.state().cursor.len();
    if let Some(at) = picture.at.filter(|at| *at >= arrivals) {
        // The cursor would stand somewhere else, unsaid.
        let path = path.display();
        let why = match arrivals.checked_sub(1) {
            Some(last) => format!("the last arrival of {path} is {last}"),
            None => format!("{path} has no arrival"),
        };
        return Err(NoPicture::Failed(format!("--at {at}: {why}")));
    }
    if let Some(other) = &picture.compare {
        harness.state_mut().command(Command::Compare(other.clone()));
        wait(&mut harness, &format!("comparing with {}", other.display()))?;
    }
    for condition in &picture.breaks {
        harness.state_mut().command(Command::AddBreakpoint(condition.clone()));
    }
    if let Some(at) = picture.at {
        harness.state_mut().command(Command::GoTo(at));
    }
    if let Some(name) = &picture.select {
        wait(&mut harness, "reading what is shown")?;
        harness.state_mut().command(Command::SelectRecord(name.clone()));
    }
    wait(&mut harness, "reading what is shown")?;
    if picture.select.is_some()
        && let Some(at) = picture.at
    {
        // The record was selected; the cursor stands where it was asked for.
        harness.state_mut().command(Command::GoTo(at));
        wait(&mut harness, "reading what is shown")?;
    }
    if !picture.press.is_empty() {
        // What a run that is started here leaves behind is gone with the picture.
        let folder = tempfile::tempdir().map_err(|e| NoPicture::Failed(e.to_string()))?;
        for (n, name) in picture.press.iter().enumerate() {
            harness.state_mut().run_into = Some(folder.path().join(n.to_string()));
            let Some(node) = harness.query_all_by_label(name).next() else {
                let said = format!("--press: nothing in sight has the name {name:?}");
                return Err(NoPicture::Failed(said));
            };
            node.click();
            harness.step();
            wait(&mut harness, &format!("\"{name}\" was pressed"))?;
        }
    }
    if let Some(file) = &picture.data {
        let Some(panel) = picture.panel else {
            let said = "--data needs one panel, whose rows it writes: give --panel".to_owned();
            return Err(NoPicture::Failed(said));
        };
        let what = Command::ExportTo(Export::Data(panel), file.clone(), true);
        harness.state_mut().command(what);
        wait(&mut harness, &format!("writing {}", file.display()))?;
    }
    Ok(harness)
}

/// Frames until nothing is asked any more.
#[cfg(test)]
pub fn settle(harness: &mut Harness<'_, App>) -> Result<(), NoPicture> {
    settle_telling(harness, &mut |_| {})
}

/// Frames until nothing is asked any more, four in a row: an answer may lead
/// to another question, and a dialog stands where it stays after its third frame.
/// `tell` is called after each.
pub fn settle_telling(
    harness: &mut Harness<'_, App>,
    tell: &mut dyn FnMut(&Harness<'_, App>),
) -> Result<(), NoPicture> {
    let begun = Instant::now();
    let mut quiet = 0;
    let mut asked = harness.state().asked();
    while quiet < 4 {
        harness.step();
        tell(harness);
        let app = harness.state();
        if std::mem::replace(&mut asked, app.asked()) != app.asked() {
            quiet = 0;
        }
        if let Some(problem) = app.errors().newest() {
            return Err(NoPicture::Failed(format!("{}: {}", problem.place, problem.message)));
        }
        if app.is_busy() {
            quiet = 0;
            std::thread::sleep(Duration::from_millis(2));
        } else {
            quiet += 1;
        }
        if begun.elapsed() > WAIT {
            return Err(NoPicture::Late(format!(
                "not everything was read after {} s",
                WAIT.as_secs()
            )));
        }
    }
    Ok(())
}
