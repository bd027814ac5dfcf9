//! The recording's topics and their partitions: the pipeline's topics first, the
//! rest behind a search field where they are many.

use std::collections::HashMap;
use std::sync::Arc;

use egui::{Popup, PopupKind, Response, Sense, Ui};
use joinscope_core::edges::recording::PartitionInfo;

use super::row;
use crate::window::app::App;
use crate::window::doc::{Doc, RecordingDoc};
use crate::window::text::{plural, thousands};
use crate::window::theme::{SMALL, Tokens, fonts};
use crate::window::times::{Times, Zone};
use crate::window::widgets::{ListRow, list_row, text};

/// Topics listed before a search field is offered.
const FEW: usize = 12;
/// Topics, and partitions of one topic, that are listed at most.
const MOST_TOPICS: usize = 100;
const MOST_PARTITIONS: usize = 256;
/// Where the others are.
const EXPORT: &str = "an export of this panel has all";

/// A topic of the recording.
#[derive(Debug)]
struct Topic {
    name: Arc<str>,
    /// What is searched in.
    lower: String,
    /// The pipeline reads it.
    used: bool,
    records: u64,
    /// Which of the recording's partitions are its own.
    partitions: Vec<usize>,
}

/// The topics of a recording, in the order in which they are listed. Thousands of
/// partitions are not sorted into topics for every frame.
#[derive(Debug, Default)]
pub struct Topics {
    /// Of the document that they were looked at in.
    revision: u64,
    /// Those of its pipeline: it may change within a revision.
    used: Vec<Arc<str>>,
    list: Vec<Topic>,
}

impl Topics {
    /// Those of what is open, made anew where it is not what `app` has of it.
    fn of(app: &mut App, doc: &RecordingDoc) -> Arc<Self> {
        let used = used(&app.doc);
        let known = &mut app.panels.sources.topics;
        if (known.revision, &known.used) != (app.doc.revision, &used) {
            let list = grouped(&doc.recording.info().partitions, &used);
            *known = Arc::new(Self { revision: app.doc.revision, used, list });
        }
        Arc::clone(known)
    }

    /// Whether the recording has one of this name.
    pub fn has(&self, name: &str) -> bool {
        self.list.iter().any(|topic| *topic.name == *name)
    }
}

/// The topics that the pipeline reads.
fn used(doc: &Doc) -> Vec<Arc<str>> {
    doc.pipeline.as_ref().map(|p| p.pipeline.topics()).unwrap_or_default()
}

/// In the pipeline's order, as everywhere else; then by name.
fn grouped(partitions: &[PartitionInfo], used: &[Arc<str>]) -> Vec<Topic> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut list: Vec<Topic> = Vec::new();
    for (n, partition) in partitions.iter().enumerate() {
        let name = &partition.topic_partition.topic;
        let place = *places.entry(name).or_insert_with(|| {
            list.push(Topic {
                name: Arc::clone(name),
                lower: name.to_lowercase(),
                used: used.contains(name),
                records: 0,
                partitions: Vec::new(),
            });
            list.len() - 1
        });
        if let Some(topic) = list.get_mut(place) {
            topic.records += partition.records;
            topic.partitions.push(n);
        }
    }
    let place = |topic: &Topic| used.iter().position(|u| *u == topic.name).unwrap_or(usize::MAX);
    list.sort_by_cached_key(|topic| (place(topic), Arc::clone(&topic.name)));
    list
}

pub fn show(app: &mut App, ui: &mut Ui, doc: &RecordingDoc) {
    let topics = Topics::of(app, doc);
    let many = topics.list.len() > FEW.max(topics.used.len());
    if many {
        ui.horizontal(|ui| {
            ui.add_space(28.0);
            let field = egui::TextEdit::singleline(&mut app.panels.sources.search)
                .hint_text(format!("Search {} topics", thousands(topics.list.len() as u64)))
                .desired_width(ui.available_width() - 12.0);
            ui.add(field).accessible_name("Search topics");
        });
    }
    let search = if many { app.panels.sources.search.to_lowercase() } else { String::new() };
    // Without a pipeline that reads some, all are there to be looked at.
    let all = !many || !topics.list.iter().any(|topic| topic.used);
    let (mut shown, mut more) = (0, 0);
    for of in &topics.list {
        let wanted = if search.is_empty() { all || of.used } else { of.lower.contains(&search) };
        if !wanted {
            continue;
        }
        if shown >= MOST_TOPICS {
            more += 1;
            continue;
        }
        shown += 1;
        topic(app, ui, of, &doc.recording.info().partitions);
    }
    if shown == 0 && !search.is_empty() {
        said(ui, 28.0, "No topic is called that");
    }
    let what_to_do = if many { "type more of the name" } else { EXPORT };
    and_more(ui, 28.0, more, what_to_do);
}

/// Says how many of a list are not shown, and what shows them.
fn and_more(ui: &mut Ui, indent: f32, more: usize, what_to_do: &str) {
    if more > 0 {
        said(ui, indent, &format!("and {} more: {what_to_do}", thousands(more as u64)));
    }
}

fn said(ui: &mut Ui, indent: f32, words: &str) {
    let t = Tokens::of(ui.ctx());
    ui.horizontal(|ui| {
        ui.add_space(indent);
        text(ui, words, fonts::regular(SMALL), t.second);
    });
}

fn topic(app: &mut App, ui: &mut Ui, of: &Topic, partitions: &[PartitionInfo]) {
    let name = &*of.name;
    let count = thousands(of.records);
    let shown = ListRow { indent: 16.0, ..row(name, &count) };
    let opened = app.panels.sources.opened.iter().any(|o| o == name);
    let hint = plural(of.partitions.len() as u64, "partition");
    let response = explained(list_row(ui, &shown), &hint);
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_expanded(opened));
    if response.clicked() {
        let list = &mut app.panels.sources.opened;
        if opened { list.retain(|o| o != name) } else { list.push(name.to_owned()) }
    }
    if !opened {
        return;
    }
    let listed = of.partitions.iter().take(MOST_PARTITIONS);
    for p in listed.filter_map(|n| partitions.get(*n)) {
        let label = format!("[{}]", p.topic_partition.partition);
        let count = thousands(p.records);
        let shown = ListRow { indent: 32.0, mono_label: true, ..row(&label, &count) };
        explained(list_row(ui, &shown), &about_partition(p, &app.settings.zone));
        if p.gaps.count > 0 {
            let missing = thousands(p.gaps.offsets);
            let shown = ListRow { indent: 44.0, ..row("offsets without a record", &missing) };
            explained(list_row(ui, &shown), &about_gaps(p));
        }
    }
    let more = of.partitions.len().saturating_sub(MOST_PARTITIONS);
    and_more(ui, 44.0, more, EXPORT);
}

/// A row with what else there is to say of it: at the pointer, and while it has the focus.
fn explained(row: Response, said: &str) -> Response {
    if row.has_focus() && !row.is_tooltip_open() {
        Popup::from_response(&row)
            .kind(PopupKind::Tooltip)
            .gap(4.0)
            .sense(Sense::hover())
            .interactable(false)
            .show(|ui| {
                ui.set_max_width(ui.spacing().tooltip_width);
                ui.add(egui::Label::new(said).selectable(false));
            });
    }
    row.on_hover_text(said)
}

fn about_partition(p: &PartitionInfo, zone: &Zone) -> String {
    let offsets = match (p.start_offset, p.end_offset) {
        (Some(from), Some(to)) => format!("offsets {from} to {to}"),
        _ => "no record".to_owned(),
    };
    let mut text = format!("{}: {}, {offsets}", p.topic_partition, plural(p.records, "record"));
    if let Some((from, to)) = p.timestamps {
        let times = Times::new(zone, from, to);
        let range = format!("\ntimestamps {} to {}", times.full(from), times.full(to));
        text.push_str(&range);
    }
    text
}

fn about_gaps(p: &PartitionInfo) -> String {
    let listed: Vec<String> = p
        .gaps
        .listed
        .iter()
        .take(8)
        .map(
            |(from, to)| {
                if to - from == 1 { from.to_string() } else { format!("{from} to {}", to - 1) }
            },
        )
        .collect();
    let more = if p.gaps.count as usize > listed.len() { ", …" } else { "" };
    format!(
        "{}: compacted, control records, deleted or not recorded: {}{more}",
        plural(p.gaps.count, "gap"),
        listed.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::command::Command;
    use crate::window::testing::{ask, feed, opened};

    #[test]
    fn they_are_sorted_into_topics_once_for_a_revision() {
        let mut h = opened(&feed().run());
        let doc = h.state().doc().recording.clone().unwrap();
        let partitions = doc.recording.info().partitions.clone();
        let topics = Arc::clone(&h.state().panels.sources.topics);
        let mut listed: Vec<usize> =
            topics.list.iter().flat_map(|t| t.partitions.iter().copied()).collect();
        for topic in &topics.list {
            let own = topic.partitions.iter().map(|n| &partitions[*n]);
            assert!(own.clone().all(|p| p.topic_partition.topic == topic.name));
            assert_eq!(own.map(|p| p.records).sum::<u64>(), topic.records);
        }
        listed.sort_unstable();
        assert_eq!(listed, (0..partitions.len()).collect::<Vec<_>>(), "each once");
        ask(&mut h, Command::GoTo(7));
        assert!(Arc::ptr_eq(&topics, &h.state().panels.sources.topics), "not for every frame");
        h.state_mut().doc.revision += 1;
        h.step();
        assert!(!Arc::ptr_eq(&topics, &h.state().panels.sources.topics));
    }

    #[test]
    fn the_pipeline_s_topics_come_first_in_its_order() {
        let h = opened(&feed().run());
        let doc = h.state().doc().recording.clone().unwrap();
        let mut partitions = doc.recording.info().partitions.clone();
        partitions.reverse();
        let order = |used: &[&str]| -> Vec<(String, bool)> {
            let used: Vec<Arc<str>> = used.iter().map(|u| Arc::from(*u)).collect();
            let list = grouped(&partitions, &used);
            list.iter().map(|t| (t.name.to_string(), t.used)).collect()
        };
        let of = |name: &str, used| (name.to_owned(), used);
        assert_eq!(order(&[]), [of("engagements", false), of("views", false)]);
        assert_eq!(order(&["views"]), [of("views", true), of("engagements", false)]);
        let both = [of("views", true), of("engagements", true)];
        assert_eq!(order(&["views", "engagements"]), both);
    }

    #[test]
    fn a_partitions_times_are_in_the_zone_that_is_shown() {
        let h = opened(&feed().recording());
        let doc = h.state().doc().recording.clone().unwrap();
        let partition = &doc.recording.info().partitions[0];
        let zone = Zone::Named("Asia/Kolkata".to_owned());
        let said = about_partition(partition, &zone);
        assert!(said.contains("timestamps 2025-11-20T13:38:00.000+05:30"), "{said}");
    }
}
