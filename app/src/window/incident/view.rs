//! How the window stood when an incident was saved: what its piece `view.json`
//! holds. A layout that cannot be read takes nothing from the rest.

use joinscope_operator::record::Arrival;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::window::axis::Scale;
use crate::window::layout::Arrangement;
use crate::window::range::RangeState;
use crate::window::selection::Selection;

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
    /// What the records table is filtered by.
    pub verdicts: Vec<String>,
    pub search: String,
    #[serde(rename = "where")]
    pub conditions: String,
}

impl Standing {
    #[must_use]
    pub fn scale(&self) -> Option<Scale> {
        Scale::ALL.into_iter().find(|s| Some(s.name()) == self.clock.as_deref())
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
