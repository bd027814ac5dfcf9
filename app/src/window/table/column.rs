//! How wide a table's columns are, and what may be cut of them.

use egui::Align;

use super::super::times::Times;

/// One column. Where there is little room the gaps give way first, then
/// columns that have more than their least; what must never be cut (times,
/// verdicts, figures) has no less.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub title: &'static str,
    /// Points; 0 takes what the others leave.
    pub width: f32,
    /// It is never narrower, as long as there is room for all in their least.
    pub least: f32,
    pub align: Align,
}

/// What a column that takes the rest has at least, points.
pub(super) const REST: f32 = 60.0;

impl Column {
    /// Of figures, right-aligned: never narrower than its width.
    #[must_use]
    pub const fn figure(title: &'static str, width: f32) -> Self {
        Self { title, width, least: width, align: Align::Max }
    }

    /// Of times, verdicts and short words: never narrower than its width.
    #[must_use]
    pub const fn firm(title: &'static str, width: f32) -> Self {
        Self { title, width, least: width, align: Align::Min }
    }

    /// Of names, keys and values: gives way down to `least`, and takes more
    /// where there is room.
    #[must_use]
    pub const fn soft(title: &'static str, width: f32, least: f32) -> Self {
        Self { title, width, least, align: Align::Min }
    }

    /// What the others leave.
    #[must_use]
    pub const fn rest(title: &'static str) -> Self {
        Self { title, width: 0.0, least: REST, align: Align::Min }
    }

    /// The same with more room.
    #[must_use]
    pub const fn wider(self, points: f32) -> Self {
        Self { width: self.width + points, least: self.least + points, ..self }
    }

    /// Whether it may be narrower than its width, or wider.
    pub(super) fn is_soft(&self) -> bool {
        self.width > self.least
    }
}

/// Width of a time of a day to the millisecond in a column, points; a date
/// before it takes [`DATE`] more.
pub const TIME: f32 = 90.0;
/// Room for a date before a time.
pub(super) const DATE: f32 = 80.0;
/// Width of a verdict with its shape.
pub const VERDICT: f32 = 100.0;

/// What the milliseconds of a time take, points.
const MILLIS: f32 = 30.0;
/// A table that is narrower, points, has no room for dates and milliseconds both: the
/// names beside them would be cut until nothing could be told apart.
const NARROW: f32 = 900.0;

/// Room for the date before a time, points, in a table so wide: none where all is of
/// one day; less where [`super::Cell::Time`] leaves the milliseconds out.
#[must_use]
pub fn date_room(times: &Times, table: f32) -> f32 {
    if !times.has_dates() {
        return 0.0;
    }
    if table < NARROW { DATE - MILLIS } else { DATE }
}

/// Where every column has its width the last one takes what the others leave.
pub fn fill(columns: &mut [Column]) {
    if columns.iter().all(|c| c.width > 0.0)
        && let Some(last) = columns.last_mut().filter(|c| c.align == Align::Min)
    {
        last.width = 0.0;
    }
}

/// Columns that there is no room for: of `steps`, those whose width the table does not
/// have, each with the columns that are then left out. What is cut in every column tells
/// nothing in any; a row's accessible name has all of it.
#[must_use]
pub fn left_out(steps: &[(f32, &[usize])], table: f32) -> Vec<usize> {
    let narrower = steps.iter().filter(|(width, _)| table < *width);
    narrower.flat_map(|(_, columns)| columns.iter().copied()).collect()
}

/// What is not left out, of columns or of their cells.
#[must_use]
pub fn without<T>(all: impl IntoIterator<Item = T>, left_out: &[usize]) -> Vec<T> {
    let kept = all.into_iter().enumerate().filter(|(i, _)| !left_out.contains(i));
    kept.map(|(_, one)| one).collect()
}
