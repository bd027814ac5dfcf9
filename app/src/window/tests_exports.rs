//! What is shown, written to files from the window.

use egui_kittest::kittest::Queryable as _;
use joinscope_core::run::VerdictSet;
use joinscope_operator::verdict::Verdict;

use super::command::{Command, Export};
use super::headless::settle;
use super::panel::Panel;
use super::testing::{PATIENT, PIPELINE, ask, feed, opened, press, rerun};

#[test]
fn the_rows_that_are_shown_are_written_with_their_columns() {
    let folder = tempfile::tempdir().unwrap();
    let mut h = opened(&feed().run());
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    ask(&mut h, Command::Filter(VerdictSet::of(Verdict::Late)));
    let late = run.count(VerdictSet::of(Verdict::Late));
    let csv = folder.path().join("late.csv");
    ask(&mut h, Command::ExportTo(Export::Data(Panel::Records), csv.clone(), false));
    let text = std::fs::read_to_string(&csv).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "arrival,record,key,event_time,late_by,verdict,why");
    assert_eq!(lines.len() as u64, late + 1);
    assert!(lines[1..].iter().all(|l| l.contains(",late,")), "{}", lines[1]);
    assert!(h.query_all_by_label_contains("rows written to ").next().is_some());
    press(&mut h, "Close the line of the export");
    assert!(h.query_all_by_label_contains("rows written to ").next().is_none());

    // A second time it asks, and the answer decides.
    std::fs::write(&csv, "mine").unwrap();
    ask(&mut h, Command::ExportTo(Export::Data(Panel::Records), csv.clone(), false));
    press(&mut h, "Keep it");
    assert_eq!(std::fs::read_to_string(&csv).unwrap(), "mine");
    ask(&mut h, Command::ExportTo(Export::Data(Panel::Records), csv.clone(), false));
    press(&mut h, "Replace");
    assert_eq!(std::fs::read_to_string(&csv).unwrap(), text);
}

#[test]
fn a_table_behind_another_is_written_as_it_is_filtered() {
    let folder = tempfile::tempdir().unwrap();
    let mut h = opened(&feed().run());
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    assert!(!h.state().layout.is_in_sight(Panel::Outputs));
    let last = run.arrivals() / 2;
    ask(&mut h, Command::SetRange(0, last));
    ask(&mut h, Command::FilterToRange(true));
    let path = folder.path().join("outputs.jsonl");
    ask(&mut h, Command::ExportTo(Export::Data(Panel::Outputs), path.clone(), false));
    let all = run.output_page(0, run.outputs() as usize).unwrap();
    let want = all.iter().filter(|o| o.at <= last).count();
    assert!(want > 0 && want < all.len());
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), want);
    // Nor what it showed when it was in sight last.
    ask(&mut h, Command::ShowPanel(Panel::Outputs));
    ask(&mut h, Command::SetRange(0, 9));
    let path = folder.path().join("records.jsonl");
    ask(&mut h, Command::ExportTo(Export::Data(Panel::Records), path.clone(), false));
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 10);
}

#[test]
fn the_state_behind_another_panel_is_written_as_it_is_at_the_cursor() {
    let folder = tempfile::tempdir().unwrap();
    let mut h = opened(&feed().run());
    let len = h.state().cursor().len();
    ask(&mut h, Command::ShowPanel(Panel::State));
    ask(&mut h, Command::GoTo(len / 2));
    ask(&mut h, Command::ShowPanel(Panel::Records));
    assert!(!h.state().layout.is_in_sight(Panel::State));
    ask(&mut h, Command::GoTo(len / 4));
    let written = |h: &mut egui_kittest::Harness<'_, super::app::App>, name: &str| {
        let csv = folder.path().join(name);
        ask(h, Command::ExportTo(Export::Data(Panel::State), csv.clone(), false));
        std::fs::read_to_string(csv).unwrap()
    };
    let behind = written(&mut h, "behind.csv");
    ask(&mut h, Command::ShowPanel(Panel::State));
    assert!(behind.lines().count() > 1);
    assert_eq!(behind, written(&mut h, "before.csv"));
}

#[test]
fn the_inspector_that_is_hidden_writes_what_is_selected_now() {
    let folder = tempfile::tempdir().unwrap();
    let mut h = opened(&feed().run());
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let select = |row| Command::Select(Some(super::selection::Selection::Row(row)), Some(row));
    ask(&mut h, select(5));
    ask(&mut h, Command::HidePanel(Panel::Inspector));
    ask(&mut h, select(100));
    let csv = folder.path().join("inspector.csv");
    ask(&mut h, Command::ExportTo(Export::Data(Panel::Inspector), csv.clone(), false));
    let text = std::fs::read_to_string(&csv).unwrap();
    let line = format!("record,{}", run.row(100).unwrap().record);
    assert!(text.lines().any(|l| l == line), "{line} in {text}");
}

#[test]
fn late_events_that_were_not_read_yet_are_no_empty_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut h = opened(&feed().run());
    assert!(!h.state().layout.is_in_sight(Panel::Late));
    let csv = folder.path().join("late.csv");
    h.state_mut().command(Command::ExportTo(Export::Data(Panel::Late), csv.clone(), false));
    assert!(settle(&mut h).is_err());
    assert!(h.state().errors().list()[0].message.contains("not read through the run yet"));
    assert!(!csv.exists());
}

#[test]
fn outputs_are_written_as_the_command_line_writes_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut h = opened(&feed().run());
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let path = folder.path().join("outputs.jsonl");
    ask(&mut h, Command::ExportTo(Export::Data(Panel::Outputs), path.clone(), false));
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count() as u64, run.outputs());
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first["n"], 0);
    assert!(first["value"]["views"]["view_id"].is_number(), "{first}");
}

#[test]
fn a_panel_is_saved_as_a_picture_of_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let mut h = opened(&feed().run());
    let path = folder.path().join("records.png");
    ask(&mut h, Command::ExportTo(Export::Picture(Panel::Records), path.clone(), false));
    let picture = image::open(&path).unwrap().to_rgba8();
    assert!(picture.width() > 500 && picture.width() < 1600, "{:?}", picture.dimensions());
    let colours: std::collections::HashSet<_> = picture.pixels().map(|p| p.0).collect();
    assert!(colours.len() > 50, "{} colours", colours.len());
}

/// What a panel paints below its title, whatever else it shows.
fn shown_in(panel: Panel) -> &'static [&'static str] {
    match panel {
        Panel::Sources => &["joined", "outputs"],
        Panel::Watermarks => &["08:10"],
        Panel::Timeline => &["engagements", "08:10"],
        Panel::Records => &["Verdict", "Event time"],
        Panel::Outputs => &["Kind", "pair"],
        Panel::Late => &["late above", "Partition"],
        Panel::Causality => &["engine", "sink"],
        Panel::State => &["Newest event time"],
        Panel::Checkpoints => &["At arrival"],
        Panel::Compare => &["All that changed", "patient"],
        Panel::Semantics => &["against clean", "Pads"],
        Panel::Breakpoints => &["a record is late"],
        Panel::Guarantees => &["Duplicates", "exactly-once"],
        Panel::Inspector => &["Late by", "Event time"],
    }
}

#[test]
fn every_panel_is_written_as_shapes_and_as_figures() {
    let folder = tempfile::tempdir().unwrap();
    let mut h = opened(&feed().run());
    let late = VerdictSet::of(Verdict::Late);
    ask(&mut h, Command::Next(late, joinscope_core::run::Direction::Backward));
    let patient = folder.path().join("patient");
    rerun(&feed().recording(), PIPELINE, PATIENT, &patient);
    let mut missing = Vec::new();
    for panel in Panel::ALL {
        ask(&mut h, Command::ShowPanel(panel));
        // Those that show something only once it was asked for.
        match panel {
            Panel::Compare => ask(&mut h, Command::Compare(patient.clone())),
            Panel::Breakpoints => {
                ask(&mut h, Command::AddBreakpoint("verdict=late".parse().unwrap()));
            }
            Panel::Semantics => {
                h.state_mut().run_into = Some(folder.path().join("four"));
                ask(&mut h, Command::RunSemantics);
            }
            Panel::Guarantees => press(&mut h, "crash mid epoch"),
            _ => {}
        }
        let svg = folder.path().join(format!("{panel}.svg"));
        ask(&mut h, Command::ExportFigures(panel, svg.with_extension("csv")));
        ask(&mut h, Command::ExportTo(Export::Picture(panel), svg.clone(), false));
        let text = std::fs::read_to_string(&svg).unwrap();
        assert!(text.starts_with("<svg width=") && text.trim_end().ends_with("</svg>"), "{panel}");
        // Words are text, also those within the panel.
        let lacking = shown_in(panel).iter().filter(|words| !text.contains(**words));
        missing.extend(lacking.map(|words| format!("{panel} shows no {words:?}")));
        let csv = std::fs::read_to_string(svg.with_extension("csv")).unwrap();
        let widths: Vec<usize> = csv.lines().take(3).map(|l| l.split(',').count()).collect();
        assert!(csv.lines().count() > 1, "{panel} has figures: {csv}");
        assert!(widths[0] > 1 && widths[1] >= widths[0], "{panel}: {csv}");
    }
    assert_eq!(missing, [""; 0]);
    // The figures are those of the run.
    let run = h.state().doc().run.as_ref().unwrap().run.clone();
    let csv = std::fs::read_to_string(folder.path().join("timeline.csv")).unwrap();
    let titles: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    let at = titles.iter().position(|t| *t == "late").unwrap();
    let of_inputs =
        csv.lines().skip(1).filter(|l| l.starts_with("views,") || l.starts_with("engagements,"));
    let sum: u64 = of_inputs.map(|l| l.split(',').nth(at).unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!(sum, run.count(late));
    let table = |panel: Panel| {
        let csv = std::fs::read_to_string(folder.path().join(format!("{panel}.csv"))).unwrap();
        let split = |l: &str| l.split(',').map(str::to_owned).collect::<Vec<String>>();
        let mut lines = csv.lines().map(split).collect::<Vec<_>>();
        let titles = lines.remove(0);
        let of = move |name: &str| titles.iter().position(|t| t == name).unwrap();
        (lines, of)
    };
    // Over time rather than what is listed.
    let (lines, of) = table(Panel::State);
    let most = lines.iter().map(|l| l[of("rows_max")].parse::<u64>().unwrap()).max().unwrap();
    assert!(!lines.is_empty() && most > 100 && most < run.rows(), "{most}");
    let (lines, of) = table(Panel::Compare);
    assert!(!lines.is_empty());
    assert!(lines.iter().all(|l| l[of("there")] != l[of("here")]), "{:?}", lines[0]);
    assert!(lines.iter().any(|l| l[of("here")] == "late" && l[of("there")] == "joined"));
    let (lines, of) = table(Panel::Breakpoints);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0][of("met")], run.count(late).to_string());
    let (lines, of) = table(Panel::Semantics);
    let names: Vec<&str> = lines.iter().map(|l| l[of("semantics")].as_str()).collect();
    assert_eq!(names[0], "clean");
    assert_eq!(names.len(), 4);
    let (lines, of) = table(Panel::Guarantees);
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0][of("guarantee")], "exactly-once");
    assert_eq!(lines[0][of("duplicates")], "0");
}

#[test]
fn rows_and_lines_of_the_state_are_offered_apart() {
    let folder = tempfile::tempdir().unwrap();
    let mut h = opened(&feed().run());
    ask(&mut h, Command::ShowPanel(Panel::State));
    let at = h.state().cursor().len() / 2;
    ask(&mut h, Command::GoTo(at));
    let titles = |h: &mut egui_kittest::Harness<'_, super::app::App>, what: Export| {
        let csv = folder.path().join(format!("{what:?}.csv"));
        ask(h, Command::ExportTo(what, csv.clone(), false));
        std::fs::read_to_string(csv).unwrap().lines().next().unwrap().to_owned()
    };
    assert!(titles(&mut h, Export::Data(Panel::State)).starts_with("key,rows,record,"));
    assert!(titles(&mut h, Export::Lines(Panel::State)).starts_with("from,to,rows_min,"));
}

#[test]
fn a_picture_that_is_not_replaced_takes_its_figures_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut h = opened(&feed().run());
    let (svg, csv) = (folder.path().join("late.svg"), folder.path().join("late.csv"));
    std::fs::write(&svg, "mine").unwrap();
    ask(&mut h, Command::ShowPanel(Panel::Late));
    for (n, leaves) in ["Keep it", "Escape"].into_iter().enumerate() {
        ask(&mut h, Command::ExportFigures(Panel::Late, csv.clone()));
        ask(&mut h, Command::ExportTo(Export::Picture(Panel::Late), svg.clone(), false));
        assert!(h.query_by_label("Replace").is_some());
        if leaves == "Escape" {
            h.key_press_modifiers(egui::Modifiers::NONE, egui::Key::Escape);
            settle(&mut h).unwrap();
        } else {
            press(&mut h, leaves);
        }
        assert!(h.query_by_label("Replace").is_none());
        // Nothing of it follows the next export.
        let other = folder.path().join(format!("{n}.csv"));
        ask(&mut h, Command::ExportTo(Export::Data(Panel::Records), other.clone(), false));
        assert!(other.exists() && !csv.exists(), "{leaves}");
    }
    assert_eq!(std::fs::read_to_string(&svg).unwrap(), "mine");
}

#[test]
fn a_picture_that_cannot_be_written_takes_its_figures_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut h = opened(&feed().run());
    let absent = folder.path().join("no/such/late.svg");
    ask(&mut h, Command::ShowPanel(Panel::Late));
    let csv = folder.path().join("late.csv");
    h.state_mut().command(Command::ExportFigures(Panel::Late, csv.clone()));
    h.state_mut().command(Command::ExportTo(Export::Picture(Panel::Late), absent, false));
    assert!(settle(&mut h).is_err());
    for _ in 0..5 {
        h.step();
    }
    assert!(h.query_all_by_label_contains("folder does not exist").next().is_some());
    assert!(!csv.exists());
}

#[test]
fn of_a_panel_that_is_hidden_no_picture_of_another_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inspector.svg");
    let mut h = opened(&feed().run());
    // It stood there before.
    ask(&mut h, Command::HidePanel(Panel::Inspector));
    let what = Export::Picture(Panel::Inspector);
    h.state_mut().command(Command::ExportTo(what, path.clone(), false));
    assert!(settle(&mut h).is_err(), "it is among the errors");
    assert_eq!(h.state().errors().list()[0].place, "The panel is not in sight");
    assert!(!path.exists());
}

#[test]
fn why_a_recording_alone_is_not_exported_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records.csv");
    let mut h = opened(&feed().recording());
    h.state_mut().command(Command::ExportTo(Export::Data(Panel::Records), path.clone(), false));
    assert!(settle(&mut h).is_err(), "it is among the errors");
    h.run_steps(3);
    assert!(h.query_all_by_label_contains("joinscope recording export").next().is_some());
    assert!(!path.exists());
}

#[test]
fn a_picture_that_is_awaited_is_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records.png");
    let mut h = opened(&feed().run());
    // It is taken once nothing stands in front.
    ask(&mut h, Command::ShowAbout);
    h.state_mut().command(Command::ExportTo(Export::Picture(Panel::Records), path.clone(), false));
    h.run_steps(3);
    assert!(h.state().exports.is_busy());
    ask(&mut h, Command::CancelExport);
    assert!(!h.state().exports.is_busy());
    press(&mut h, "Close");
    assert!(!path.exists());
}

#[test]
fn a_disk_that_fills_is_said_where_it_happened_and_in_the_list() {
    let folder = tempfile::tempdir().unwrap();
    let mut h = opened(&feed().run());
    let full = folder.path().join("full.jsonl");
    super::export::full::disk(folder.path(), 10_000);
    h.state_mut().command(Command::ExportTo(Export::Data(Panel::Records), full.clone(), false));
    assert!(settle(&mut h).is_err(), "it is among the errors");
    for _ in 0..3 {
        h.step();
    }
    assert!(h.query_all_by_label_contains("the disk is full").next().is_some());
    let said = &h.state().errors().list()[0].message;
    assert!(said.contains("the disk is full") && said.contains("full.jsonl"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
    // Nothing else is disturbed.
    assert!(!super::testing::rows(&h).is_empty());
}

#[test]
fn the_dialog_names_a_file_and_says_what_is_written() {
    let mut h = opened(&feed().run());
    ask(&mut h, Command::Export(Export::Data(Panel::Outputs)));
    let field = h.get_by_label("Path of the file");
    let path = field.value().unwrap();
    assert!(path.ends_with("-outputs.csv"), "{path}");
    press(&mut h, "Cancel");
    assert!(h.query_by_label("Path of the file").is_none());
}

#[test]
fn a_panel_s_title_has_a_menu_with_what_can_be_written() {
    let mut h = opened(&feed().run());
    super::testing::heading(&h, Panel::Timeline).click_secondary();
    settle(&mut h).unwrap();
    press(&mut h, "Save a picture…");
    let path = h.get_by_label("Path of the file").value().unwrap();
    assert!(path.ends_with("-timeline.png"), "{path}");
    assert!(h.query_by_label("Its figures beside it, as .csv").is_some());
}
