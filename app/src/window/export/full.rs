//! Disks that are full, for tests: no real one fills when it is asked to.

use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Folders, and how many bytes each file in one takes.
static DISKS: Mutex<Vec<(PathBuf, usize)>> = Mutex::new(Vec::new());

/// From now on each file that is exported into this folder takes so many bytes; one that
/// took them all cannot be forced to disk.
pub fn disk(folder: &Path, room: usize) {
    DISKS.lock().unwrap().push((folder.to_owned(), room));
}

fn full() -> Error {
    ErrorKind::StorageFull.into()
}

/// What a file takes yet; none: as much as comes.
#[derive(Clone, Copy)]
pub struct Room(Option<usize>);

impl Room {
    pub fn of(path: &Path) -> Self {
        let disks = DISKS.lock().unwrap();
        let on = disks.iter().rev().find(|(folder, _)| path.starts_with(folder));
        Self(on.map(|(_, room)| *room))
    }

    /// What of these bytes is taken.
    pub fn take<'b>(&mut self, bytes: &'b [u8]) -> std::io::Result<&'b [u8]> {
        match &mut self.0 {
            None => Ok(bytes),
            Some(0) => Err(full()),
            Some(left) => {
                let taken = bytes.len().min(*left);
                *left -= taken;
                Ok(&bytes[..taken])
            }
        }
    }

    pub fn sync(self) -> std::io::Result<()> {
        if self.0 == Some(0) { Err(full()) } else { Ok(()) }
    }
}

mod tests {
    use egui::{Color32, Context, Rect, Vec2};
    use image::RgbaImage;

    use super::super::{Data, Drawing, Meter, Refused, Row, Shared, png_file, svg_file, to_file};
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let all = std::fs::read_dir(dir).unwrap().flatten();
        all.map(|e| e.file_name().to_string_lossy().into_owned()).collect()
    }

    /// Writes a file where there is no room, too little, and enough until it is forced to
    /// disk: beside nothing, and over another.
    fn fills(name: &str, write: impl Fn(&Path, bool) -> Result<(), Refused>) {
        let roomy = tempfile::tempdir().unwrap();
        let path = roomy.path().join(name);
        assert_eq!(write(&path, false), Ok(()));
        let whole = path.metadata().unwrap().len() as usize;
        assert!(whole > 100, "{name}: {whole} bytes");
        for room in [0, whole / 2, whole] {
            for replace in [false, true] {
                let dir = tempfile::tempdir().unwrap();
                let path = dir.path().join(name);
                if replace {
                    std::fs::write(&path, "mine").unwrap();
                }
                disk(dir.path(), room);
                let done = write(&path, replace);
                let Err(Refused::Failed(why)) = done else { panic!("{name}, {room}: {done:?}") };
                assert!(why.contains("the disk is full; free some room"), "{why}");
                let said = if replace { "stays at" } else { "nothing is left of" };
                assert!(why.ends_with(&format!("{said} {}", path.display())), "{why}");
                let left: Vec<&str> = replace.then_some(name).into_iter().collect();
                assert_eq!(names(dir.path()), left, "room for {room} of {whole} bytes");
                if replace {
                    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
                }
            }
        }
    }

    /// More of them than are written at once.
    struct Numbers;

    impl Data for Numbers {
        fn len(&self) -> u64 {
            100_000
        }
        fn columns(&self) -> Vec<String> {
            vec!["n".to_owned()]
        }
        fn page(&mut self, first: u64, n: usize) -> Result<Vec<Row>, String> {
            let rows = first..(first + n as u64).min(self.len());
            Ok(rows.map(|n| Row::named(&["n"], vec![n.into()])).collect())
        }
    }

    #[test]
    fn rows_leave_nothing_where_the_disk_fills() {
        for name in ["a.csv", "a.jsonl"] {
            fills(name, |path, replace| {
                let shared = Shared::default();
                to_file(&mut Numbers, path, replace, &Meter(&shared)).map(|_| ())
            });
        }
    }

    #[test]
    fn a_picture_leaves_nothing_where_the_disk_fills() {
        let image = RgbaImage::from_fn(64, 64, |x, y| image::Rgba([x as u8, y as u8, 7, 255]));
        fills("a.png", |path, replace| png_file(&image, path, replace));
    }

    #[test]
    fn a_drawing_leaves_nothing_where_the_disk_fills() {
        let place = Rect::from_min_size(egui::Pos2::ZERO, Vec2::splat(64.0));
        let drawing = Drawing::of_shapes(&Context::default(), Vec::new(), place, Color32::BLACK);
        fills("a.svg", |path, replace| svg_file(&drawing, path, replace));
    }

    #[test]
    fn what_cannot_have_its_name_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        std::fs::create_dir(&path).unwrap();
        let shared = Shared::default();
        let done = to_file(&mut Numbers, &path, true, &Meter(&shared));
        assert!(matches!(done, Err(Refused::Failed(_))), "{done:?}");
        assert_eq!(names(dir.path()), ["a.csv"]);
    }
}
