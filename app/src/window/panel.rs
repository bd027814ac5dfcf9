//! The one list of panels: what each is called, what it needs, and where it
//! stands until the user moves it. Menus, the command palette, layouts and
//! `joinscope screenshot` read this list and no other.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::doc::Doc;
use super::theme::fonts::icon;

/// A panel. Those of one [`Home`] stand in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Panel {
    Sources,
    Watermarks,
    Timeline,
    Records,
    Outputs,
    Late,
    Causality,
    State,
    Checkpoints,
    Compare,
    Semantics,
    Breakpoints,
    Guarantees,
    Inspector,
}

/// What has to be open before a panel has anything to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// A recording, or a run over one.
    Recording,
    /// A run.
    Run,
}

/// Where a panel stands in the default layout, and where it appears when it is
/// shown and the layout does not say otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// The window's left side.
    Left,
    /// The window's right side.
    Right,
    /// Stacked above the tables, over the shared time axis.
    Axis,
    /// A tab of the lower half.
    Tab,
    /// The same, but only once it was asked for.
    Asked,
}

/// What the window knows of a panel besides what it shows.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// In layout files and on the command line: never changed once released.
    pub name: &'static str,
    pub title: &'static str,
    /// Of Phosphor's font ([`icon`]).
    pub icon: &'static str,
    /// What it answers, in a line: for menus and the command palette.
    pub says: &'static str,
    pub needs: Needs,
    pub home: Home,
}

impl Panel {
    /// Every panel, in the order of menus.
    pub const ALL: [Self; 14] = [
        Self::Sources,
        Self::Watermarks,
        Self::Timeline,
        Self::Records,
        Self::Outputs,
        Self::Late,
        Self::Causality,
        Self::State,
        Self::Checkpoints,
        Self::Compare,
        Self::Semantics,
        Self::Breakpoints,
        Self::Guarantees,
        Self::Inspector,
    ];

    #[must_use]
    pub const fn about(self) -> About {
        match self {
            Self::Sources => About {
                name: "sources",
                title: "Sources",
                icon: icon::SOURCES,
                says: "Recordings, runs, the books of the run",
                needs: Needs::Recording,
                home: Home::Left,
            },
            Self::Watermarks => About {
                name: "watermarks",
                title: "Event-time watermarks",
                icon: icon::WATERMARKS,
                says: "Lines per partition, input and join; who holds the rest back",
                needs: Needs::Run,
                home: Home::Axis,
            },
            Self::Timeline => About {
                name: "timeline",
                title: "Timeline",
                icon: icon::TIMELINE,
                says: "How many records of which verdict came when, down to single ones",
                needs: Needs::Run,
                home: Home::Axis,
            },
            Self::Late => About {
                name: "late",
                title: "Late events",
                icon: icon::LATE,
                says: "How late records came, and how many would be at another out-of-orderness",
                needs: Needs::Run,
                home: Home::Tab,
            },
            Self::Causality => About {
                name: "causality",
                title: "Causality",
                icon: icon::CAUSALITY,
                says: "What led to what for the selection, and what came out of order",
                needs: Needs::Run,
                home: Home::Tab,
            },
            Self::Records => About {
                name: "records",
                title: "Records",
                icon: icon::RECORDS,
                says: "Every record with its verdict",
                needs: Needs::Recording,
                home: Home::Tab,
            },
            Self::Outputs => About {
                name: "outputs",
                title: "Outputs",
                icon: icon::OUTPUTS,
                says: "The joined rows",
                needs: Needs::Run,
                home: Home::Tab,
            },
            Self::State => About {
                name: "state",
                title: "State",
                icon: icon::STATE,
                says: "Rows and bytes over time; what waits at the cursor, by key",
                needs: Needs::Run,
                home: Home::Tab,
            },
            Self::Checkpoints => About {
                name: "checkpoints",
                title: "Checkpoints",
                icon: icon::CHECKPOINTS,
                says: "Each with how long it took, its bytes and offsets",
                needs: Needs::Run,
                home: Home::Tab,
            },
            Self::Compare => About {
                name: "compare",
                title: "Compare",
                icon: icon::COMPARE,
                says: "Two runs under one cursor: what differs, record by record",
                needs: Needs::Run,
                home: Home::Asked,
            },
            Self::Semantics => About {
                name: "semantics",
                title: "Semantics",
                icon: icon::SEMANTICS,
                says: "The recording under all four semantics, side by side",
                needs: Needs::Run,
                home: Home::Asked,
            },
            Self::Breakpoints => About {
                name: "breakpoints",
                title: "Breakpoints",
                icon: icon::BREAKPOINTS,
                says: "Where runs stop, and how often each was met",
                needs: Needs::Recording,
                home: Home::Asked,
            },
            Self::Guarantees => About {
                name: "guarantees",
                title: "Guarantees",
                icon: icon::GUARANTEES,
                says: "What each delivery guarantee gives under the same faults, and costs",
                needs: Needs::Run,
                home: Home::Asked,
            },
            Self::Inspector => About {
                name: "inspector",
                title: "Inspector",
                icon: icon::INSPECTOR,
                says: "The selection, its verdict and why",
                needs: Needs::Recording,
                home: Home::Right,
            },
        }
    }

    #[must_use]
    pub const fn title(self) -> &'static str {
        self.about().title
    }

    /// Whether its picture has lines over time that are not the rows of its
    /// table: they are written to a file of their own.
    #[must_use]
    pub fn has_lines(self) -> bool {
        matches!(self, Self::State)
    }

    /// Whether it has something to show of what is open.
    #[must_use]
    pub fn is_met_by(self, doc: &Doc) -> bool {
        match self.about().needs {
            Needs::Recording => doc.recording.is_some() || doc.run.is_some(),
            Needs::Run => doc.run.is_some(),
        }
    }
}

impl fmt::Display for Panel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.about().name)
    }
}

impl From<Panel> for String {
    fn from(panel: Panel) -> Self {
        panel.to_string()
    }
}

impl FromStr for Panel {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|p| p.about().name == name).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|p| p.about().name).collect();
            format!("there is no panel {name:?}; there are {}", names.join(", "))
        })
    }
}

impl TryFrom<String> for Panel {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_panel_is_listed_once_under_its_own_name() {
        for panel in Panel::ALL {
            assert_eq!(panel.to_string().parse(), Ok(panel));
            assert_eq!(Panel::ALL.iter().filter(|p| p.title() == panel.title()).count(), 1);
        }
        let error = "lateness".parse::<Panel>().unwrap_err();
        assert!(error.contains("records, outputs"), "{error}");
    }

    #[test]
    fn with_a_recording_only_no_panel_that_needs_a_run_is_offered() {
        let doc = Doc::default();
        assert!(Panel::ALL.iter().all(|p| !p.is_met_by(&doc)));
    }
}
