//! The menu that chooses a table's columns, fields of its values among them.

use egui::Ui;

use super::tools;
use crate::window::widgets::{button, group};

/// A column that can be chosen.
pub trait Choice: Clone + PartialEq + 'static {
    /// All but fields, in the order of the menu.
    const ALL: &'static [Self];
    /// What is shown until the user chooses.
    const FIRST: &'static [Self];

    fn title(&self) -> &str;

    /// A field, by its path.
    fn field(path: String) -> Self;

    /// Its path, where it is a field.
    fn path(&self) -> Option<&str>;

    /// Where it stands among others when it is added: in the menu's order,
    /// fields last.
    fn place(&self) -> usize {
        Self::ALL.iter().position(|known| known == self).unwrap_or(usize::MAX)
    }
}

/// The fields that the menu offers.
pub struct Fields<'a> {
    pub title: &'a str,
    /// Those of the values in sight.
    pub known: &'a [String],
    /// Another one's path, as it is typed, and what one looks like.
    pub typed: &'a mut String,
    pub hint: &'a str,
}

/// The menu.
pub fn menu<C: Choice>(ui: &mut Ui, columns: &mut Vec<C>, fields: Fields<'_>) {
    ui.set_width(220.0);
    tools::edged(ui);
    egui::ScrollArea::vertical().max_height(560.0).min_scrolled_height(400.0).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        for column in C::ALL {
            tick(columns, ui, column);
        }
        group(ui, fields.title);
        let mut paths = fields.known.to_vec();
        // Those that are shown stay, also where no value in sight has them.
        let shown = columns.iter().filter_map(|c| c.path().map(str::to_owned));
        let missing: Vec<String> = shown.filter(|path| !paths.contains(path)).collect();
        paths.extend(missing);
        for path in paths {
            tick(columns, ui, &C::field(path));
        }
        let path = tools::path(ui, fields.typed, fields.hint);
        if let Some(column) = path.map(C::field)
            && !columns.contains(&column)
        {
            add(columns, column);
        }
        ui.add_space(4.0);
        if button("As at first").name("Columns as at first").show(ui).clicked() {
            *columns = C::FIRST.to_vec();
        }
    });
}

fn tick<C: Choice>(columns: &mut Vec<C>, ui: &mut Ui, column: &C) {
    let mut on = columns.contains(column);
    if ui.checkbox(&mut on, column.title()).changed() {
        if on {
            add(columns, column.clone());
        } else if columns.len() > 1 {
            columns.retain(|c| c != column);
        }
    }
}

/// Puts a column at its place.
pub fn add<C: Choice>(columns: &mut Vec<C>, column: C) {
    let at = columns.iter().position(|c| c.place() > column.place());
    columns.insert(at.unwrap_or(columns.len()), column);
}
