//! A pipeline that is being edited: as TOML and as a form, the same thing twice,
//! with what is wrong at its line, and the overrides of the next run.

mod fields;
#[cfg(test)]
mod tests;

use joinscope_operator::pipeline::{Pipeline, Place, Problem};
use toml_edit::DocumentMut;

pub use fields::{Field, Group, Kind, entry};

/// Something wrong, and where it is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub at: At,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Where something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Line and column of the TOML, from 1.
    Line(usize, usize),
    /// An override, by its place in the list.
    Override(usize),
}

/// The pipeline's text and what it says.
pub struct Editor {
    /// For messages, and where it is saved.
    pub file: String,
    text: String,
    /// As it was opened or saved last.
    saved: String,
    overrides: Vec<(String, String)>,
    wrong: Vec<Wrong>,
    /// What the form shows; `None` while the TOML cannot be read.
    form: Option<Vec<Group>>,
}

impl Editor {
    #[must_use]
    pub fn new(file: &str, text: &str, overrides: Vec<(String, String)>) -> Self {
        let mut this = Self {
            file: file.to_owned(),
            text: text.to_owned(),
            saved: text.to_owned(),
            overrides,
            wrong: Vec::new(),
            form: None,
        };
        this.read();
        this
    }

    /// A text that no file holds yet.
    #[must_use]
    pub fn unsaved(file: &str, text: &str) -> Self {
        Self { saved: String::new(), ..Self::new(file, text, Vec::new()) }
    }

    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    #[must_use]
    pub fn overrides(&self) -> &[(String, String)] {
        &self.overrides
    }

    /// Those that say something: the others are lines still to be filled in.
    #[must_use]
    pub fn given_overrides(&self) -> Vec<(String, String)> {
        let given = self.overrides.iter().filter(|(path, _)| !path.trim().is_empty());
        given.map(|(p, v)| (p.trim().to_owned(), v.trim().to_owned())).collect()
    }

    /// What is wrong, in the order of the file, overrides last.
    #[must_use]
    pub fn wrong(&self) -> &[Wrong] {
        &self.wrong
    }

    #[must_use]
    pub fn form(&self) -> Option<&[Group]> {
        self.form.as_deref()
    }

    /// Whether it says something else than the file.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.text != self.saved
    }

    /// What the file says as far as is known here.
    #[must_use]
    pub fn saved(&self) -> &str {
        &self.saved
    }

    /// This was saved, as `file`: what was written since is not.
    pub fn was_saved(&mut self, file: &str, text: String) {
        file.clone_into(&mut self.file);
        self.saved = text;
    }

    /// The file says this now, whatever is edited here.
    pub fn file_says(&mut self, text: &str) {
        text.clone_into(&mut self.saved);
    }

    /// What the file says is edited in place of what was.
    pub fn take(&mut self, text: &str) {
        self.file_says(text);
        self.set_text(text.to_owned());
    }

    /// Another text was written.
    pub fn set_text(&mut self, text: String) {
        if text != self.text {
            self.text = text;
            self.read();
        }
    }

    /// Other overrides were written.
    pub fn set_overrides(&mut self, overrides: Vec<(String, String)>) {
        if overrides != self.overrides {
            self.overrides = overrides;
            self.read();
        }
    }

    /// Another value was chosen in the form; comments and the order of the TOML
    /// stay. An empty value takes the setting out.
    pub fn set_field(&mut self, path: &[String], value: &str) {
        let Ok(mut doc) = self.text.parse::<DocumentMut>() else { return };
        fields::set(&mut doc, path, value);
        self.set_text(doc.to_string());
    }

    fn read(&mut self) {
        let given = self.given_overrides();
        self.wrong = match Pipeline::parse_with(&self.text, &self.file, &given) {
            Ok(_) => Vec::new(),
            Err(error) => error.problems.iter().map(|p| self.place(p)).collect(),
        };
        let doc = self.text.parse::<DocumentMut>().ok();
        self.form = doc.map(|doc| fields::groups(&doc));
    }

    fn place(&self, problem: &Problem) -> Wrong {
        let at = match &problem.place {
            Place::File { line, column, .. } => At::Line(*line, *column),
            Place::Set(text) => {
                let same = |(path, _): &(String, String)| {
                    let path = path.trim();
                    !path.is_empty() && text.starts_with(path)
                };
                At::Override(self.overrides.iter().position(same).unwrap_or(0))
            }
        };
        Wrong { at, message: format!("{}; {}", problem.what, problem.help) }
    }
}
