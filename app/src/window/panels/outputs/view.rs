//! How the outputs table is set up, as the view keeps it.

use super::Outputs;
use super::ask::{By, Kinds, Sorted};
use super::columns::Col;
use crate::cli::filter::JsonFilter;
use crate::window::panels::choose::{self, Chosen};
use crate::window::table_view::{KeptSort, TableView, unknown};

impl Outputs {
    /// As a session and an incident file keep it; secrets are still in it.
    #[must_use]
    pub fn view(&self) -> TableView {
        let names = Kinds::NAMES.into_iter().enumerate();
        let let_through = names.filter(|(kind, _)| self.kinds.has(*kind));
        TableView {
            columns: self.columns.iter().map(choose::kept).collect(),
            sort: self.sort.as_ref().and_then(kept_sort),
            only: let_through.map(|(_, name)| name.to_owned()).collect(),
            search: self.search.clone(),
            conditions: self.conditions.clone(),
            left_out: false,
        }
    }

    /// Sets it up as it was kept; what of that cannot be, a sentence each.
    pub fn set_view(&mut self, view: &TableView) -> Vec<String> {
        let mut problems = Vec::new();
        self.clear_filter();
        let columns = choose::brought::<Col>(&view.columns, &mut problems);
        if !columns.is_empty() {
            self.columns = columns;
        }
        self.sort = view.sort.as_ref().and_then(|sort| {
            let by = choose::known::<Col>(&sort.by).and_then(|column| column.sorts_by());
            if by.is_none() {
                problems.extend(unknown("order by", &[&sort.by]));
            }
            Some(Sorted { by: by?, descending: sort.descending })
        });
        let mut others = Vec::new();
        for name in &view.only {
            match Kinds::NAMES.iter().position(|kind| kind == name) {
                Some(kind) if self.kinds.has(kind) => {}
                Some(kind) => self.kinds = self.kinds.toggled(kind),
                None => others.push(name.as_str()),
            }
        }
        problems.extend(unknown("kind of output", &others));
        let [search, conditions] = view.texts(&mut problems);
        self.typed.clone_from(&search);
        self.search = search;
        let text = conditions.trim();
        if !text.is_empty() {
            match text.parse::<JsonFilter>() {
                Ok(_) => {
                    text.clone_into(&mut self.conditions);
                    text.clone_into(&mut self.asked.text);
                }
                Err(why) => problems.push(why),
            }
        }
        problems
    }
}

impl Chosen for Outputs {
    type Col = Col;

    fn chosen(&self) -> &[Col] {
        &self.columns
    }

    fn chosen_mut(&mut self) -> &mut Vec<Col> {
        &mut self.columns
    }
}

fn kept_sort(sort: &Sorted) -> Option<KeptSort> {
    let same = |column: &Col| column.sorts_by().as_ref() == Some(&sort.by);
    let column = match (&sort.by, Col::ALL.into_iter().find(same)) {
        (_, Some(column)) => column,
        (By::Field(path), None) => Col::Field(path.clone()),
        _ => return None,
    };
    Some(KeptSort { by: choose::kept(&column), descending: sort.descending })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_set_up_as_another_was() {
        let item = "value.views.item".to_owned();
        let mut first = Outputs {
            columns: vec![Col::Number, Col::Epoch, Col::Field(item)],
            kinds: Kinds::default().toggled(0).toggled(3),
            search: "views".to_owned(),
            conditions: "key=42".to_owned(),
            ..Outputs::default()
        };
        let orders = Col::ALL.iter().filter_map(Col::sorts_by);
        for by in orders.chain([By::Field("value.views.item".to_owned())]) {
            first.sort = Some(Sorted { by, descending: true });
            let kept = first.view();
            let mut second = Outputs::default();
            assert_eq!(second.set_view(&kept), [""; 0]);
            assert_eq!(second.view(), kept);
            assert_eq!((&second.columns, &second.sort), (&first.columns, &first.sort));
            assert_eq!(second.kinds, first.kinds);
            assert_eq!((&second.typed, &second.asked.text), (&first.search, &first.conditions));
        }
    }

    #[test]
    fn what_is_not_known_takes_nothing_from_the_rest() {
        let kept: TableView = serde_json::from_str(
            r#"{"columns": ["mood", "key"], "sort": {"by": "records"},
                "only": ["pair", "pair", "pear"], "search": "views", "where": "key"}"#,
        )
        .unwrap();
        let mut table = Outputs::default();
        let problems = table.set_view(&kept);
        assert_eq!((table.columns.as_slice(), &table.sort), (&[Col::Key][..], &None));
        assert_eq!(table.kinds, Kinds::default().toggled(0));
        assert_eq!((table.search.as_str(), table.conditions.as_str()), ("views", ""));
        let said = problems.join("; ");
        for what in
            ["column \"mood\"", "order by \"records\"", "kind of output \"pear\"", "no condition"]
        {
            assert!(said.contains(what), "{what} in {said}");
        }
    }
}
