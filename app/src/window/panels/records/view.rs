//! How the records table is set up, as the view keeps it.

use joinscope_core::run::VerdictSet;
use joinscope_operator::verdict::Verdict;

use super::Records;
use super::ask::{By, Sorted};
use super::columns::Col;
use crate::window::panels::choose::{self, Chosen};
use crate::window::table_view::{KeptSort, TableView, unknown};

impl Records {
    /// As a session and an incident file keep it; secrets are still in it.
    #[must_use]
    pub fn view(&self) -> TableView {
        // Until a run is there nothing is chosen.
        let chosen = self.fitted || self.columns != Col::FIRST;
        let columns = chosen.then(|| self.columns.iter().map(choose::kept).collect());
        let let_through = Verdict::ALL.into_iter().filter(|v| self.filter.contains(*v));
        TableView {
            columns: columns.unwrap_or_default(),
            sort: self.sort.as_ref().and_then(kept_sort),
            only: let_through.map(|v| v.name().to_owned()).collect(),
            search: self.search.clone(),
            conditions: self.conditions.clone(),
            left_out: false,
        }
    }

    /// Sets it up as it was kept; what of that cannot be, a sentence each.
    pub fn set_view(&mut self, view: &TableView) -> Vec<String> {
        let mut problems = Vec::new();
        let columns = choose::brought::<Col>(&view.columns, &mut problems);
        if !columns.is_empty() {
            (self.columns, self.fitted) = (columns, true);
        }
        self.sort = view.sort.as_ref().and_then(|sort| {
            let by = choose::known::<Col>(&sort.by).and_then(|column| column.sorts_by());
            if by.is_none() {
                problems.extend(unknown("order by", &[&sort.by]));
            }
            Some(Sorted { by: by?, descending: sort.descending })
        });
        let (known, others): (Vec<_>, Vec<_>) =
            view.only.iter().partition(|name| Verdict::from_name(name).is_some());
        let verdicts = known.into_iter().filter_map(|name| Verdict::from_name(name));
        self.set_filter(verdicts.fold(VerdictSet::EMPTY, VerdictSet::with));
        let others: Vec<&str> = others.into_iter().map(String::as_str).collect();
        problems.extend(unknown("verdict", &others));
        let [search, conditions] = view.texts(&mut problems);
        self.set_search(search);
        problems.extend(self.set_conditions(&conditions).err());
        problems
    }
}

impl Chosen for Records {
    type Col = Col;

    fn chosen(&self) -> &[Col] {
        &self.columns
    }

    fn chosen_mut(&mut self) -> &mut Vec<Col> {
        &mut self.columns
    }
}

fn kept_sort(sort: &Sorted) -> Option<KeptSort> {
    let column = match &sort.by {
        By::Field(path) => Col::Field(path.clone()),
        by => Col::ALL.into_iter().find(|column| column.sorts_by().as_ref() == Some(by))?,
    };
    Some(KeptSort { by: choose::kept(&column), descending: sort.descending })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_set_up_as_another_was() {
        let mut first = Records::default();
        assert_eq!(first.view(), TableView::default());
        first.columns = vec![Col::Record, Col::Field("user.id".to_owned()), Col::Why];
        first.set_filter(VerdictSet::of(Verdict::Late).with(Verdict::Expired));
        first.set_search("views".to_owned());
        first.set_conditions("late_by>5s").unwrap();
        let orders = Col::ALL.iter().filter_map(Col::sorts_by);
        for by in orders.chain([By::Field("user.id".to_owned())]) {
            first.sort = Some(Sorted { by, descending: true });
            let kept = first.view();
            let mut second = Records::default();
            assert_eq!(second.set_view(&kept), [""; 0]);
            assert_eq!(second.view(), kept);
            assert_eq!((&second.columns, &second.sort), (&first.columns, &first.sort));
        }
    }

    #[test]
    fn what_is_not_known_takes_nothing_from_the_rest() {
        let kept: TableView = serde_json::from_str(
            r#"{"columns": ["key", "mood", ".user.id"], "sort": {"by": "why"},
                "only": ["late", "lost"], "search": "views", "where": "late"}"#,
        )
        .unwrap();
        let mut table = Records::default();
        let problems = table.set_view(&kept);
        assert_eq!(table.columns, [Col::Key, Col::Field("user.id".to_owned())]);
        assert_eq!((table.filter, table.sort.clone()), (VerdictSet::of(Verdict::Late), None));
        assert_eq!((table.search(), table.conditions()), ("views", ""));
        let said = problems.join("; ");
        for what in ["column \"mood\"", "order by \"why\"", "verdict \"lost\"", "is no condition"] {
            assert!(said.contains(what), "{what} in {said}");
        }
    }
}
