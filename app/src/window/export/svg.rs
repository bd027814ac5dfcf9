//! A panel as an SVG: what it painted, shape by shape, given to plotters' SVG
//! backend. So the file shows what the screen shows, of every panel, and text
//! stays text.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use egui::epaint::{ClippedShape, ColorMode, Mesh, PathShape, RectShape, TextShape, TextureId};
use egui::{Color32, ColorImage, Context, Id, LayerId, Pos2, Rect, Shape, Stroke, pos2};
use plotters_backend::text_anchor::{HPos, Pos, VPos};
use plotters_backend::{
    BackendColor, BackendStyle, BackendTextStyle, DrawingBackend, FontFamily as Family, FontStyle,
    FontTransform,
};
use plotters_svg::SVGBackend;

use super::Refused;
use super::clip::{polygon, polyline};
use super::lettering::Lettering;
use super::write::{Partial, failed};

/// The backend counts in whole units: so many of them make a point.
const FINE: f32 = 8.0;
/// Of what the backend takes for a font's size.
const FONT_SIZE: f32 = 1.24;
/// Where it puts the top of a text: so far above its base, of the font's size.
const TOP: f32 = 0.76;

/// Textures that panels paint with, so that files can show them as well.
type Pictures = HashMap<TextureId, Arc<ColorImage>>;

/// Keeps the content of a texture as long as the texture is there.
pub fn remember(ctx: &Context, texture: TextureId, image: &Arc<ColorImage>) {
    let manager = ctx.tex_manager();
    ctx.data_mut(|data| {
        let kept = data.get_temp_mut_or_default::<Pictures>(Id::unique("pictures"));
        kept.insert(texture, Arc::clone(image));
        let alive = manager.read();
        kept.retain(|id, _| alive.meta(*id).is_some());
    });
}

/// What was painted of a panel.
pub struct Drawing {
    shapes: Vec<ClippedShape>,
    pictures: Pictures,
    lettering: Lettering,
    place: Rect,
    ground: Color32,
}

impl Drawing {
    /// What the window's ground layer has at `place`, in this very frame.
    #[must_use]
    pub fn of_frame(ctx: &Context, place: Rect, ground: Color32) -> Self {
        let shapes = ctx.graphics(|layers| {
            let all = layers.get(LayerId::background()).map(|list| list.all_entries().cloned());
            all.map(Iterator::collect).unwrap_or_default()
        });
        Self::of_shapes(ctx, shapes, place, ground)
    }

    /// What was painted at `place`.
    #[must_use]
    pub fn of_shapes(
        ctx: &Context,
        shapes: Vec<ClippedShape>,
        place: Rect,
        ground: Color32,
    ) -> Self {
        let pictures = ctx.data(|d| d.get_temp::<Pictures>(Id::unique("pictures")));
        let shapes = shapes.into_iter().filter(|s| s.clip_rect.intersects(place)).collect();
        let lettering = Lettering::kept(ctx);
        Self { shapes, pictures: pictures.unwrap_or_default(), lettering, place, ground }
    }

    /// The file's text.
    ///
    /// # Errors
    /// What the backend says.
    pub fn to_svg(&self) -> Result<String, String> {
        let mut text = String::new();
        let fine = |v: f32| (v * FINE).round().max(1.0) as u32;
        let size = (fine(self.place.width()), fine(self.place.height()));
        {
            let backend = SVGBackend::with_string(&mut text, size);
            let mut pen = Pen {
                backend,
                place: self.place,
                pictures: &self.pictures,
                lettering: &self.lettering,
                failed: None,
            };
            pen.fill(&corners(self.place, 0.0), self.ground);
            for shape in &self.shapes {
                pen.shape(&shape.shape, shape.clip_rect.intersect(self.place));
            }
            if let Some(why) = pen.failed {
                return Err(why);
            }
            pen.backend.present().map_err(|e| e.to_string())?;
        }
        // As large as on screen; what is within counts in the backend's units.
        let whole = format!("width=\"{}\" height=\"{}\" viewBox", size.0, size.1);
        let (width, height) = (self.place.width(), self.place.height());
        let shown = format!("width=\"{width}\" height=\"{height}\" viewBox");
        Ok(text.replacen(&whole, &shown, 1))
    }
}

/// Whether a file is to be an SVG, by its name.
#[must_use]
pub fn is_svg(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("svg"))
}

/// Writes the file.
///
/// # Errors
/// There is one already that is not to be replaced, or it cannot be written;
/// nothing is left then.
pub fn to_file(drawing: &Drawing, path: &Path, replace: bool) -> Result<(), Refused> {
    let text = drawing.to_svg().map_err(|e| Refused::Failed(format!("{}: {e}", path.display())))?;
    let mut part = Partial::create(path, replace)?;
    part.write_all(text.as_bytes()).map_err(|e| failed(path, &e))?;
    part.finish()
}

/// The outline of a rectangle, its corners rounded.
fn corners(rect: Rect, radius: f32) -> Vec<Pos2> {
    let r = radius.min(rect.width() / 2.0).min(rect.height() / 2.0);
    if r < 1.0 {
        return vec![rect.left_top(), rect.right_top(), rect.right_bottom(), rect.left_bottom()];
    }
    let mut points = Vec::with_capacity(20);
    let middles = [
        (pos2(rect.right() - r, rect.top() + r), -90.0f32),
        (pos2(rect.right() - r, rect.bottom() - r), 0.0),
        (pos2(rect.left() + r, rect.bottom() - r), 90.0),
        (pos2(rect.left() + r, rect.top() + r), 180.0),
    ];
    for (middle, from) in middles {
        for step in 0..5u8 {
            let angle = (from + f32::from(step) * 22.5).to_radians();
            points.push(middle + r * egui::vec2(angle.cos(), angle.sin()));
        }
    }
    points
}

/// Colour and width of a line or a fill.
struct Ink(Color32, f32);

impl BackendStyle for Ink {
    fn color(&self) -> BackendColor {
        colour(self.0)
    }

    fn stroke_width(&self) -> u32 {
        (self.1 * FINE).round().max(1.0) as u32
    }
}

fn colour(c: Color32) -> BackendColor {
    let [r, g, b, a] = c.to_srgba_unmultiplied();
    BackendColor { alpha: (f64::from(a) / 255.0 * 1e3).round() / 1e3, rgb: (r, g, b) }
}

/// Colour and font of a text.
struct Writing<'a> {
    ink: Color32,
    family: &'a str,
    bold: bool,
    size: f32,
}

impl BackendTextStyle for Writing<'_> {
    type FontError = std::convert::Infallible;

    fn color(&self) -> BackendColor {
        colour(self.ink)
    }

    fn size(&self) -> f64 {
        f64::from(self.size * FINE * FONT_SIZE)
    }

    fn transform(&self) -> FontTransform {
        FontTransform::None
    }

    fn style(&self) -> FontStyle {
        if self.bold { FontStyle::Bold } else { FontStyle::Normal }
    }

    fn anchor(&self) -> Pos {
        Pos::new(HPos::Left, VPos::Top)
    }

    fn family(&self) -> Family<'_> {
        Family::Name(self.family)
    }

    fn layout_box(&self, _: &str) -> Result<((i32, i32), (i32, i32)), Self::FontError> {
        // The SVG backend leaves the layout to whoever shows the file.
        Ok(((0, 0), (0, 0)))
    }

    fn draw<E, F: FnMut(i32, i32, BackendColor) -> Result<(), E>>(
        &self,
        _: &str,
        _: (i32, i32),
        _: F,
    ) -> Result<Result<(), E>, Self::FontError> {
        Ok(Ok(()))
    }
}

/// Gives shapes to the backend.
struct Pen<'a> {
    backend: SVGBackend<'a>,
    place: Rect,
    pictures: &'a Pictures,
    lettering: &'a Lettering,
    failed: Option<String>,
}

impl Pen<'_> {
    fn at(&self, p: Pos2) -> (i32, i32) {
        let p = (p - self.place.min) * FINE;
        (p.x.round() as i32, p.y.round() as i32)
    }

    fn noted<E: std::fmt::Display>(&mut self, done: Result<(), E>) {
        if let Err(error) = done {
            self.failed.get_or_insert_with(|| error.to_string());
        }
    }

    fn fill(&mut self, points: &[Pos2], ink: Color32) {
        if ink.a() == 0 || points.len() < 3 {
            return;
        }
        let points: Vec<(i32, i32)> = points.iter().map(|p| self.at(*p)).collect();
        let done = self.backend.fill_polygon(points, &Ink(ink, 0.0));
        self.noted(done);
    }

    fn line(&mut self, points: &[Pos2], clip: Rect, stroke: Stroke) {
        if stroke.is_empty() {
            return;
        }
        for part in polyline(points, clip) {
            let part: Vec<(i32, i32)> = part.iter().map(|p| self.at(*p)).collect();
            let done = self.backend.draw_path(part, &Ink(stroke.color, stroke.width));
            self.noted(done);
        }
    }

    fn shape(&mut self, shape: &Shape, clip: Rect) {
        if !clip.is_positive() {
            return;
        }
        match shape {
            Shape::Noop | Shape::Callback(_) | Shape::Band(_) => {}
            Shape::Vec(all) => all.iter().for_each(|s| self.shape(s, clip)),
            Shape::Circle(c) => {
                let round = corners(
                    Rect::from_center_size(c.center, egui::Vec2::splat(2.0 * c.radius)),
                    c.radius,
                );
                self.outlined(&round, c.fill, c.stroke, clip);
            }
            Shape::Ellipse(e) => {
                let rect = Rect::from_center_size(e.center, e.radius * 2.0);
                self.outlined(&corners(rect, e.radius.min_elem()), e.fill, e.stroke, clip);
            }
            Shape::LineSegment { points, stroke } => self.line(points, clip, *stroke),
            Shape::Path(path) => self.path(path, clip),
            Shape::Rect(rect) => self.rect(rect, clip),
            Shape::Text(text) => self.text(text, clip),
            Shape::Mesh(mesh) => self.mesh(mesh, clip),
            Shape::QuadraticBezier(curve) => {
                let points = curve.flatten(Some(0.1));
                self.line(&points, clip, plain(&curve.stroke.color, curve.stroke.width));
            }
            Shape::CubicBezier(curve) => {
                for points in curve.flatten_closed(Some(0.1), None) {
                    self.line(&points, clip, plain(&curve.stroke.color, curve.stroke.width));
                }
            }
        }
    }

    fn outlined(&mut self, points: &[Pos2], fill: Color32, stroke: Stroke, clip: Rect) {
        self.fill(&polygon(points, clip), fill);
        let closed: Vec<Pos2> = points.iter().chain(points.first()).copied().collect();
        self.line(&closed, clip, stroke);
    }

    fn path(&mut self, path: &PathShape, clip: Rect) {
        let stroke = plain(&path.stroke.color, path.stroke.width);
        if path.closed {
            self.outlined(&path.points, path.fill, stroke, clip);
        } else {
            self.line(&path.points, clip, stroke);
        }
    }

    fn rect(&mut self, shape: &RectShape, clip: Rect) {
        if let Some(brush) = &shape.brush
            && let Some(image) = self.pictures.get(&brush.fill_texture_id).cloned()
        {
            self.image(&image, shape.rect, brush.uv, shape.fill, clip);
            return;
        }
        // The stroke's middle, wherever the shape has it.
        let by = match shape.stroke_kind {
            egui::StrokeKind::Inside => -0.5,
            egui::StrokeKind::Middle => 0.0,
            egui::StrokeKind::Outside => 0.5,
        };
        let radius = f32::from(shape.corner_radius.nw);
        self.fill(&polygon(&corners(shape.rect, radius), clip), shape.fill);
        let outline = corners(shape.rect.expand(by * shape.stroke.width), radius);
        let closed: Vec<Pos2> = outline.iter().chain(outline.first()).copied().collect();
        self.line(&closed, clip, shape.stroke);
    }

    fn mesh(&mut self, mesh: &Mesh, clip: Rect) {
        if let Some(image) = self.pictures.get(&mesh.texture_id).cloned() {
            for quad in mesh.vertices.chunks_exact(4) {
                let rect = Rect::from_points(&quad.iter().map(|v| v.pos).collect::<Vec<_>>());
                let uv = Rect::from_points(&quad.iter().map(|v| v.uv).collect::<Vec<_>>());
                self.image(&image, rect, uv, quad[0].color, clip);
            }
            return;
        }
        let mut at = 0;
        while let Some([a, b, c]) = three(mesh, at) {
            // Two triangles that are one rectangle have no seam between them.
            let next = three(mesh, at + 3);
            if let Some(rect) = next.and_then(|next| one_rect(mesh, [a, b, c], next)) {
                self.fill(&polygon(&corners(rect, 0.0), clip), mesh.vertices[a as usize].color);
                at += 6;
                continue;
            }
            let corner =
                [a, b, c].map(|i| mesh.vertices.get(i as usize).copied().unwrap_or_default());
            let points = corner.map(|v| v.pos);
            let ink = corner[0]
                .color
                .lerp_to_gamma(corner[1].color, 0.5)
                .lerp_to_gamma(corner[2].color, 1.0 / 3.0);
            self.fill(&polygon(&points, clip), ink);
            at += 3;
        }
    }

    /// Texels as rectangles: those of one colour beside each other as one, and
    /// over each other as well where they begin and end alike.
    fn image(&mut self, image: &ColorImage, rect: Rect, uv: Rect, tint: Color32, clip: Rect) {
        let [width, height] = image.size;
        let x = |u: usize| {
            rect.left() + (u as f32 / width as f32 - uv.left()) / uv.width() * rect.width()
        };
        let y = |v: usize| {
            rect.top() + (v as f32 / height as f32 - uv.top()) / uv.height() * rect.height()
        };
        // Of the row above: from, to, colour, and the row in which it began.
        let mut open: Vec<(usize, usize, Color32, usize)> = Vec::new();
        for row in 0..=height {
            let texels = image.pixels.get(row * width..(row + 1) * width).unwrap_or_default();
            let mut from = 0;
            let mut runs = Vec::new();
            for run in texels.chunk_by(|a, b| a == b) {
                let to = from + run.len();
                let began = open.iter().find(|o| (o.0, o.1, o.2) == (from, to, run[0]));
                runs.push((from, to, run[0], began.map_or(row, |o| o.3)));
                from = to;
            }
            for (from, to, ink, began) in &open {
                let ink = *ink * tint;
                if ink.a() == 0 || runs.iter().any(|r| (r.0, r.1, r.3) == (*from, *to, *began)) {
                    continue;
                }
                let cell = Rect::from_min_max(pos2(x(*from), y(*began)), pos2(x(*to), y(row)));
                self.fill(&polygon(&corners(cell, 0.0), clip), ink);
            }
            open = runs;
        }
    }

    fn text(&mut self, text: &TextShape, clip: Rect) {
        let sections = &text.galley.job.sections;
        let lettering = self.lettering;
        let mut byte = 0;
        for row in &text.galley.rows {
            let origin = text.pos + row.pos.to_vec2();
            let mut run = String::new();
            let mut began: Option<(Pos2, Writing<'_>)> = None;
            for glyph in &row.row.glyphs {
                let section = sections
                    .iter()
                    .find(|s| s.byte_range.start.0 <= byte && byte < s.byte_range.end.0)
                    .or(sections.last());
                byte += glyph.chr.len_utf8();
                let Some(font) = section.map(|s| &s.format.font_id) else { continue };
                let painted = row.row.visuals.mesh.vertices.get(glyph.first_vertex as usize);
                let ink = ink_of(text, painted.map_or(Color32::PLACEHOLDER, |v| v.color));
                let at = origin + glyph.pos.to_vec2();
                let middle = at + egui::vec2(glyph.advance_width / 2.0, -font.size * 0.35);
                // Icons are of a font that nobody else has; they are no words.
                let icon = matches!(glyph.chr, '\u{e000}'..='\u{f8ff}');
                let fits = !icon && clip.contains(middle);
                let (family, bold) = lettering.family(&font.family);
                let same = began.as_ref().is_some_and(|(_, w)| {
                    w.ink == ink
                        && w.family == family
                        && w.bold == bold
                        && (w.size - font.size).abs() < 0.01
                });
                if !fits || !same {
                    self.write(&mut run, began.take());
                }
                if fits {
                    if began.is_none() {
                        began = Some((at, Writing { ink, family, bold, size: font.size }));
                    }
                    run.push(glyph.chr);
                }
            }
            self.write(&mut run, began.take());
            byte += usize::from(row.ends_with_newline);
        }
    }

    fn write(&mut self, run: &mut String, began: Option<(Pos2, Writing<'_>)>) {
        let run = std::mem::take(run);
        let Some((base, writing)) = began.filter(|_| !run.trim().is_empty()) else { return };
        let at = self.at(pos2(base.x, base.y - TOP * writing.size));
        let done = self.backend.draw_text(run.trim_end(), &writing, at);
        self.noted(done);
    }
}

fn ink_of(text: &TextShape, painted: Color32) -> Color32 {
    let ink = match text.override_text_color {
        Some(ink) => ink,
        None if painted == Color32::PLACEHOLDER => text.fallback_color,
        None => painted,
    };
    if text.opacity_factor < 1.0 { ink.gamma_multiply(text.opacity_factor) } else { ink }
}

fn plain(colour: &ColorMode, width: f32) -> Stroke {
    match colour {
        ColorMode::Solid(ink) => Stroke::new(width, *ink),
        ColorMode::UV(_) => Stroke::NONE,
    }
}

/// The corners of the triangle that begins there.
fn three(mesh: &Mesh, at: usize) -> Option<[u32; 3]> {
    mesh.indices.get(at..at + 3)?.try_into().ok()
}

/// The rectangle that two triangles make, if they make one of one colour.
fn one_rect(mesh: &Mesh, a: [u32; 3], b: [u32; 3]) -> Option<Rect> {
    let mut numbers: Vec<u32> = a.into_iter().chain(b).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let [_, _, _, _] = numbers[..] else { return None };
    let four: Option<Vec<_>> = numbers.iter().map(|i| mesh.vertices.get(*i as usize)).collect();
    let four = four?;
    let rect = Rect::from_points(&four.iter().map(|v| v.pos).collect::<Vec<_>>());
    let at_a_corner = |p: Pos2| {
        let near = |a: f32, b: f32| (a - b).abs() < 0.01;
        (near(p.x, rect.left()) || near(p.x, rect.right()))
            && (near(p.y, rect.top()) || near(p.y, rect.bottom()))
    };
    let one = four.iter().all(|v| v.color == four[0].color && at_a_corner(v.pos));
    one.then_some(rect)
}
