//! The columns of the outputs table.

use super::ask::{By, Line, Sorted, cell_text};
use super::{kind_name, labels};
use crate::window::cx::Cx;
use crate::window::panels::choose::Choice;
use crate::window::table::{Cell, Column, Head, TIME};
use crate::window::text::{elide_each, line, thousands};

/// A column that can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Col {
    Number,
    Arrival,
    Time,
    Kind,
    Key,
    Records,
    Epoch,
    Labels,
    /// A field of the output as `outputs --json` writes it.
    Field(String),
}

impl Choice for Col {
    const ALL: &'static [Self] = &Self::ALL;
    const FIRST: &'static [Self] = &Self::FIRST;

    fn title(&self) -> &str {
        self.title()
    }

    fn name(&self) -> String {
        self.name()
    }

    fn field(path: String) -> Self {
        Self::Field(path)
    }

    fn path(&self) -> Option<&str> {
        match self {
            Self::Field(path) => Some(path),
            _ => None,
        }
    }
}

impl Col {
    /// All but fields, in the order of the menu.
    pub const ALL: [Self; 8] = [
        Self::Number,
        Self::Arrival,
        Self::Time,
        Self::Kind,
        Self::Key,
        Self::Epoch,
        Self::Labels,
        Self::Records,
    ];

    /// What is shown until the user chooses.
    pub const FIRST: [Self; 7] = [
        Self::Number,
        Self::Arrival,
        Self::Time,
        Self::Kind,
        Self::Key,
        Self::Labels,
        // The one that takes the rest stands last.
        Self::Records,
    ];

    pub fn title(&self) -> &str {
        match self {
            Self::Number => "Output",
            Self::Arrival => "Arrival",
            Self::Time => "Event time",
            Self::Kind => "Kind",
            Self::Key => "Key",
            Self::Records => "Records",
            Self::Epoch => "Epoch",
            Self::Labels => "Labels",
            Self::Field(path) => path.strip_prefix("value.").unwrap_or(path),
        }
    }

    /// Its name in files: that of `outputs --json` where there is one.
    pub fn name(&self) -> String {
        match self {
            Self::Number => "n".to_owned(),
            Self::Arrival => "arrival".to_owned(),
            Self::Time => "time".to_owned(),
            Self::Kind => "kind".to_owned(),
            Self::Key => "key".to_owned(),
            Self::Records => "records".to_owned(),
            Self::Epoch => "epoch".to_owned(),
            Self::Labels => "labels".to_owned(),
            Self::Field(path) => path.clone(),
        }
    }

    /// `labels`: what the column of labels holds, for its width; `date`: room
    /// for a date before a time, points.
    pub fn column(&self, labels: &str, date: f32) -> Column {
        match self {
            Self::Number | Self::Arrival => Column::figure("", 76.0),
            Self::Epoch => Column::figure("", 56.0),
            Self::Time => Column::firm("", TIME).wider(date),
            Self::Kind => Column::firm("", 80.0),
            Self::Key => Column::soft("", 110.0, 64.0),
            Self::Field(_) => Column::soft("", 110.0, 52.0),
            Self::Records => Column::rest(""),
            // As wide as what stands in it, within reason.
            Self::Labels => {
                Column::soft("", (labels.chars().count() as f32 * 7.4).clamp(62.0, 320.0), 60.0)
            }
        }
    }

    pub fn sorts_by(&self) -> Option<By> {
        Some(match self {
            // They stand in this order already.
            Self::Number | Self::Arrival | Self::Epoch => By::Number,
            Self::Time => By::Time,
            Self::Kind => By::Kind,
            Self::Key => By::Field("key".to_owned()),
            Self::Field(path) => By::Field(path.clone()),
            Self::Records | Self::Labels => return None,
        })
    }

    pub fn head(&self, sorted: Option<&Sorted>) -> Head {
        let by = self.sorts_by();
        let sort = Sorted::said(sorted, by.as_ref(), *self == Self::Number);
        Head { title: Some(self.title().to_owned()), sort }
    }

    /// `room`: signs that fit into the column of records.
    pub fn cell(&self, l: &Line, key: &str, room: usize, cx: &Cx<'_>) -> Cell {
        let o = &l.output;
        match self {
            Self::Number => Cell::Mono(thousands(o.n)),
            Self::Arrival => Cell::Mono(thousands(o.at)),
            Self::Time => Cell::Time(cx.times.exact(o.time)),
            Self::Kind => Cell::Words(kind_name(o.kind, o.correction).to_owned()),
            Self::Key => Cell::Elided { shown: key.to_owned(), whole: line(&l.key).into_owned() },
            Self::Records => Cell::Elided {
                shown: line(&elide_each(&l.records, l.more, " + ", room)).into_owned(),
                whole: line(&l.named(" + ")).into_owned(),
            },
            Self::Epoch => Cell::Mono(thousands(o.epoch)),
            Self::Labels => Cell::Mono(labels(o.labels, cx)),
            Self::Field(path) => match l.json.as_ref().and_then(|json| cell_text(json, path)) {
                None => Cell::Empty,
                Some(text) => Cell::Mono(line(&text).into_owned()),
            },
        }
    }
}
