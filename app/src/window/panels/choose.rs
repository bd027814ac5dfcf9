//! The menu that chooses a table's columns, fields of its values among them.

use egui::Ui;

use super::tools;
use crate::window::table_view::unknown;
use crate::window::widgets::{button, group, growing, menu_room};

/// Columns of a table at most that a view brings back.
const MOST: usize = 64;
/// Characters of a field's path at most that a view brings back.
const LONGEST: usize = 512;
/// How high the menu's list is, points, in a window with room for more.
const MOST_HIGH: f32 = 560.0;

/// A column that can be chosen.
pub trait Choice: Clone + PartialEq + 'static {
    /// All but fields, in the order of the menu.
    const ALL: &'static [Self];
    /// What is shown until the user chooses.
    const FIRST: &'static [Self];

    fn title(&self) -> &str;

    /// Its name in files.
    fn name(&self) -> String;

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
    ui.add_space(6.0);
    let most = menu_room(ui).min(MOST_HIGH);
    growing(ui, most, |ui| {
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
        let path = tools::path(ui, fields.typed, fields.hint, check_path);
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
        set(columns, column, on);
    }
}

/// Shows a column, or hides it unless there is no other.
fn set<C: Choice>(columns: &mut Vec<C>, column: &C, on: bool) {
    let there = columns.contains(column);
    if on && !there {
        add(columns, column.clone());
    } else if !on && columns.len() > 1 {
        columns.retain(|c| c != column);
    }
}

/// A column that can be shown or hidden by name.
pub struct Offered {
    pub title: String,
    /// As a view keeps it.
    pub kept: String,
    pub shown: bool,
}

/// A table whose columns are chosen.
pub trait Chosen {
    type Col: Choice;

    fn chosen(&self) -> &[Self::Col];

    fn chosen_mut(&mut self) -> &mut Vec<Self::Col>;

    /// The columns that can be shown or hidden by name.
    fn offered(&self) -> Vec<Offered> {
        offered(self.chosen())
    }

    /// Shows a column by the name that a view keeps, or hides it.
    fn show_column(&mut self, kept: &str, on: bool) {
        if let Some(column) = known::<Self::Col>(kept) {
            set(self.chosen_mut(), &column, on);
        }
    }

    /// Whether the columns are others than at first.
    fn has_own_columns(&self) -> bool {
        self.chosen() != Self::Col::FIRST
    }

    /// The columns as at first.
    fn first_columns(&mut self) {
        *self.chosen_mut() = Self::Col::FIRST.to_vec();
    }
}

/// All columns but fields that are not shown; the only one that is shown stays.
fn offered<C: Choice>(columns: &[C]) -> Vec<Offered> {
    let fields = columns.iter().filter(|column| column.path().is_some());
    C::ALL
        .iter()
        .chain(fields)
        .map(|column| Offered {
            title: column.title().to_owned(),
            kept: kept(column),
            shown: columns.contains(column),
        })
        .filter(|column| !column.shown || columns.len() > 1)
        .collect()
}

/// Puts a column at its place.
pub fn add<C: Choice>(columns: &mut Vec<C>, column: C) {
    let at = columns.iter().position(|c| c.place() > column.place());
    columns.insert(at.unwrap_or(columns.len()), column);
}

/// A column as a view keeps it: its name in files, or a field's path after a dot.
pub fn kept<C: Choice>(column: &C) -> String {
    column.path().map_or_else(|| column.name(), kept_field)
}

/// The same of a field, by its path.
#[must_use]
pub fn kept_field(path: &str) -> String {
    format!(".{path}")
}

/// Whether a view can bring back a field with this path.
fn is_path(path: &str) -> bool {
    !path.is_empty() && path.chars().count() <= LONGEST
}

/// What is wrong with a field's path that is typed.
///
/// # Errors
/// It is one that no view can bring back.
pub fn check_path(path: &str) -> Result<(), String> {
    let fits = path.is_empty() || is_path(path);
    if fits { Ok(()) } else { Err("This is too long for the path of a field".to_owned()) }
}

/// The column that was kept so; `None`: there is none of that name.
pub fn known<C: Choice>(kept: &str) -> Option<C> {
    match kept.strip_prefix('.') {
        Some(path) => is_path(path).then(|| C::field(path.to_owned())),
        None => C::ALL.iter().find(|column| column.name() == kept).cloned(),
    }
}

/// The columns that a view kept, each once; what is wrong with the others is
/// added to `problems`.
pub fn brought<C: Choice>(kept: &[String], problems: &mut Vec<String>) -> Vec<C> {
    let mut found: Vec<C> = Vec::new();
    let mut others = Vec::new();
    for name in kept.iter().take(MOST) {
        match known::<C>(name) {
            Some(column) if found.contains(&column) => {}
            Some(column) => found.push(column),
            None => others.push(name.as_str()),
        }
    }
    problems.extend(unknown("column", &others));
    if kept.len() > MOST {
        problems.push(format!("of its {} columns the first {MOST} are shown", kept.len()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    enum Col {
        Key,
        Field(String),
    }

    impl Choice for Col {
        const ALL: &'static [Self] = &[Self::Key];
        const FIRST: &'static [Self] = &[Self::Key];

        fn title(&self) -> &str {
            self.path().unwrap_or("Key")
        }

        fn name(&self) -> String {
            "key".to_owned()
        }

        fn field(path: String) -> Self {
            Self::Field(path)
        }

        fn path(&self) -> Option<&str> {
            match self {
                Self::Field(path) => Some(path),
                Self::Key => None,
            }
        }
    }

    #[test]
    fn columns_come_back_by_their_names_and_others_are_said() {
        let field = Col::Field("key".to_owned());
        let names: Vec<String> = [&Col::Key, &field].map(kept).into();
        assert_eq!(names, ["key", ".key"]);
        let mut problems = Vec::new();
        assert_eq!(brought::<Col>(&names, &mut problems), [Col::Key, field]);
        assert!(problems.is_empty());
        let bent = [".", "key", "keys", "key"].map(str::to_owned);
        assert_eq!(brought::<Col>(&bent, &mut problems), [Col::Key]);
        assert_eq!(problems, ["it has no column \".\", \"keys\""]);
        let many: Vec<String> = (0..=MOST).map(|n| format!(".f{n}")).collect();
        problems.clear();
        assert_eq!(brought::<Col>(&many, &mut problems).len(), MOST);
        assert_eq!(problems, ["of its 65 columns the first 64 are shown"]);
        assert_eq!(known::<Col>(&format!(".{}", "x".repeat(LONGEST + 1))), None);
    }
}
