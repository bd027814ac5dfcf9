//! A panel's picture: cut out of a picture of the window, or drawn alone.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use egui::{ColorImage, Rect};
use image::{ImageEncoder as _, RgbaImage};

use super::Refused;
use super::write::{Partial, failed};

/// A picture of the window, and where the panel is in it, pixels.
pub struct Shot {
    pub window: Arc<ColorImage>,
    pub from: [usize; 2],
    pub size: [usize; 2],
}

/// The part of a picture of the window that a panel takes; `scale`: pixels a point.
#[must_use]
pub fn cropped(window: Arc<ColorImage>, panel: Rect, scale: f32) -> Shot {
    let pixels = |points: f32, most: usize| ((points * scale).round().max(0.0) as usize).min(most);
    let [width, height] = window.size;
    let from = [pixels(panel.left(), width), pixels(panel.top(), height)];
    let to = [pixels(panel.right(), width), pixels(panel.bottom(), height)];
    Shot { window, from, size: [to[0] - from[0], to[1] - from[1]] }
}

impl Shot {
    fn image(&self) -> RgbaImage {
        let [width, height] = self.size;
        RgbaImage::from_fn(width as u32, height as u32, |x, y| {
            let at = (self.from[1] + y as usize) * self.window.size[0] + self.from[0] + x as usize;
            let pixel = self.window.pixels.get(at).copied().unwrap_or_default();
            image::Rgba(pixel.to_srgba_unmultiplied())
        })
    }
}

/// Writes a PNG.
pub(super) fn to_file(shot: &Shot, path: &Path, replace: bool) -> Result<(), Refused> {
    png_file(&shot.image(), path, replace)
}

/// Writes a picture as a PNG.
///
/// # Errors
/// Its name does not end so, there is one already that is not to be replaced,
/// or it cannot be written; nothing is left then.
pub fn png_file(image: &RgbaImage, path: &Path, replace: bool) -> Result<(), Refused> {
    if path.extension().is_none_or(|e| !e.eq_ignore_ascii_case("png")) {
        return Err(Refused::Failed(format!("{}: end its name with .png or .svg", path.display())));
    }
    // Made whole before it is written: the encoder ends its file as it is dropped, where
    // nobody hears that the disk is full.
    let mut png = Vec::new();
    let encoder = image::codecs::png::PngEncoder::new(&mut png);
    let (width, height) = image.dimensions();
    encoder
        .write_image(image.as_raw(), width, height, image::ExtendedColorType::Rgba8)
        .map_err(|e| Refused::Failed(format!("{}: {e}", path.display())))?;
    let mut part = Partial::create(path, replace)?;
    part.write_all(&png).map_err(|e| failed(path, &e))?;
    part.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_is_cut_out_where_it_is() {
        let mut window = ColorImage::filled([8, 6], egui::Color32::BLACK);
        window.pixels[2 * 8 + 4] = egui::Color32::WHITE;
        let panel = Rect::from_min_max(egui::pos2(2.0, 1.0), egui::pos2(90.0, 2.0));
        let shot = cropped(Arc::new(window), panel, 2.0);
        assert_eq!((shot.from, shot.size), ([4, 2], [4, 2]));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("panel.png");
        to_file(&shot, &path, false).unwrap();
        let read = image::open(&path).unwrap().to_rgba8();
        assert_eq!(read.dimensions(), (4, 2));
        assert_eq!(read.get_pixel(0, 0).0, [255; 4]);
        assert_eq!(read.get_pixel(1, 0).0, [0, 0, 0, 255]);
        assert_eq!(to_file(&shot, &path, false), Err(Refused::Exists));
        assert!(to_file(&shot, &dir.path().join("panel.jpg"), false).is_err());
    }
}
