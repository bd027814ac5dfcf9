//! How the window stood when an incident was saved: what its piece `view.json`
//! holds. A layout that cannot be read takes nothing from the rest.

use joinscope_operator::record::Arrival;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::window::axis::Scale;
use crate::window::layout::Arrangement;
use crate::window::range::RangeState;
use crate::window::selection::Selection;
use crate::window::table_view::{TableView, TableViews};

/// Where one stood, and in which arrangement of panels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    pub layout: Option<Arrangement>,
    pub at: Standing,
}

/// Where one stood.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    pub cursor: Arrival,
    pub selection: Option<Selection>,
    /// First and last arrival in sight on the time axes; none: all.
    pub view: Option<(Arrival, Arrival)>,
    pub range: RangeState,
    /// The clock of the time axes, by [`Scale::name`].
    pub clock: Option<String>,
    /// How the tables are set up.
    pub tables: Option<TableViews>,
    /// What the records table is filtered by, in files from before `tables`.
    #[serde(skip_serializing)]
    pub(super) verdicts: Vec<String>,
    #[serde(skip_serializing)]
    pub(super) search: String,
    #[serde(rename = "where", skip_serializing)]
    pub(super) conditions: String,
}

impl Standing {
    #[must_use]
    pub fn scale(&self) -> Option<Scale> {
        self.clock.as_deref().and_then(Scale::from_name)
    }

    /// How the tables were set up, as far as the file says it.
    #[must_use]
    pub fn table_views(&self) -> TableViews {
        self.tables.clone().unwrap_or_else(|| {
            let records = TableView {
                only: self.verdicts.clone(),
                search: self.search.clone(),
                conditions: self.conditions.clone(),
                ..TableView::default()
            };
            TableViews { records, ..TableViews::default() }
        })
    }
}

impl View {
    /// As an incident keeps it.
    ///
    /// # Errors
    /// It is no JSON.
    pub fn to_json(&self) -> serde_json::Result<Value> {
        let mut value = serde_json::to_value(&self.at)?;
        if let (Some(layout), Some(object)) = (&self.layout, value.as_object_mut()) {
            object.insert("layout".to_owned(), serde_json::to_value(layout)?);
        }
        Ok(value)
    }

    /// What of it can be used, and why the rest cannot.
    #[must_use]
    pub fn read(mut value: Value) -> (Self, Vec<(&'static str, String)>) {
        let mut problems = Vec::new();
        let layout = value.as_object_mut().and_then(|o| o.remove("layout"));
        let layout = layout.and_then(|layout| match Arrangement::deserialize(layout) {
            Ok(layout) => Some(layout),
            Err(error) => {
                problems.push(("The layout", format!("it cannot be read: {error}")));
                None
            }
        });
        let at = Standing::deserialize(value).unwrap_or_else(|error| {
            problems.push(("Where one stood", format!("it cannot be read: {error}")));
            Standing::default()
        });
        (Self { layout, at }, problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_from_before_tables_say_what_the_records_were_filtered_by() {
        let json = r#"{"cursor": 7, "verdicts": ["late"], "search": "views", "where": "key=1"}"#;
        let (view, problems) = View::read(serde_json::from_str(json).unwrap());
        assert_eq!((view.at.cursor, problems.len()), (7, 0));
        let views = view.at.table_views();
        assert_eq!(views.records.only, ["late"]);
        assert_eq!((&*views.records.search, &*views.records.conditions), ("views", "key=1"));
        assert_eq!(views.outputs, TableView::default());
        // Written anew they stand in one place only.
        let at = Standing { tables: Some(views.clone()), ..view.at };
        let json = View { layout: None, at }.to_json().unwrap();
        assert!(json.get("verdicts").is_none() && json.get("where").is_none(), "{json}");
        assert_eq!(View::read(json).0.at.table_views(), views);
    }

    #[test]
    fn a_view_comes_back_and_each_of_its_halves_may_be_broken() {
        let at = Standing {
            cursor: 7,
            selection: Some(Selection::Row(3)),
            clock: Some("arrival".to_owned()),
            ..Standing::default()
        };
        let view = View { layout: Some(Arrangement::default()), at };
        let json = view.to_json().unwrap();
        assert_eq!(View::read(json.clone()), (view.clone(), Vec::new()));
        assert_eq!(view.at.scale(), Some(Scale::Arrival));

        let mut bent = json.clone();
        bent["layout"]["left"]["width"] = 1e9.into();
        let (read, problems) = View::read(bent);
        assert_eq!((read.layout, &read.at, problems.len()), (None, &view.at, 1));
        let mut bent = json;
        bent["cursor"] = "x".into();
        let (read, problems) = View::read(bent);
        assert_eq!(
            (read.layout, read.at.cursor, problems[0].0),
            (view.layout, 0, "Where one stood")
        );
    }
}
