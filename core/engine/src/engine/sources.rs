//! What the source subtasks of a Flink job make of a pipeline's partitions.

use crate::operator::pipeline::{InputIndex, Pipeline, quoted};
use crate::operator::record::TopicPartition;
use crate::operator::watermark::Sources;

/// The subtasks of each input that has more than one.
pub fn of<'a>(
    pipeline: &'a Pipeline,
    partitions: &'a [TopicPartition],
) -> impl Iterator<Item = (InputIndex, Sources)> + 'a {
    let inputs = pipeline.inputs.iter().enumerate();
    let sources = inputs.map(move |(index, input)| {
        let own = partitions.iter().filter(|p| p.topic == input.topic).map(|p| p.partition);
        (index as InputIndex, Sources::of(pipeline, &input.topic, own))
    });
    sources.filter(|(_, sources)| sources.parallelism() > 1)
}

/// Subtasks without a partition whose inputs can never be idle: each holds the
/// join back for ever, for it gives out no event-time watermark
/// (`ProgressiveTimestampsAndWatermarks` without `withIdleness`).
#[must_use]
pub fn warnings(pipeline: &Pipeline, partitions: &[TopicPartition]) -> Vec<String> {
    let never_idle: Vec<InputIndex> = pipeline.never_idle().map(|(index, _)| index).collect();
    let told = of(pipeline, partitions).filter_map(|(index, sources)| {
        let count = sources.owners().len() as u32;
        let without = sources.without_partition(count);
        // A topic that is not there is another matter.
        if count == 0 || without.is_empty() || !never_idle.contains(&index) {
            return None;
        }
        let input = pipeline.inputs.get(usize::from(index))?;
        Some(format!(
            "join.parallelism is {n}, {topic} has {count} partition{s}, and {subtasks} of input \
             {name} {has} no partition (Flink's getSplitOwner): without an idle timeout the \
             event-time watermark never moves, so that nothing is late, expires or is padded \
             before the end; set inputs.{key}.watermark.idle_timeout=30s, or join.parallelism to at \
             most {count}",
            n = sources.parallelism(),
            topic = input.topic,
            s = if count == 1 { "" } else { "s" },
            subtasks = listed(&without),
            name = quoted(&input.name),
            has = if without.len() == 1 { "has" } else { "have" },
            key = input.name,
        ))
    });
    told.collect()
}

/// `source subtask 3`, `source subtasks 1, 2, 5 and 7 more`.
fn listed(subtasks: &[u32]) -> String {
    const NAMED: usize = 8;
    let named: Vec<String> = subtasks.iter().take(NAMED).map(ToString::to_string).collect();
    let s = if subtasks.len() == 1 { "" } else { "s" };
    let more = match subtasks.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("source subtask{s} {}{more}", named.join(", "))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::operator::watermark::split_owner;

    fn pipeline(semantics: &str, parallelism: &str, idle: &str) -> Pipeline {
        let mut text = String::new();
        for input in ["views", "plays"] {
            text += &format!(
                "[inputs.{input}]\ntopic = \"{input}\"\nformat = \"json\"\nkey = \"k\"\n\
                 event_time = \"$timestamp\"\nwatermark = {{ max_out_of_orderness = \"1s\"{idle} }}\n"
            );
        }
        text += "[join]\nprimary = \"views\"\nwith.plays = { until = \"1m\" }\ngrace = \"0s\"\n";
        let sets = [("join.semantics", semantics), ("join.parallelism", parallelism)]
            .map(|(path, value)| (path.to_owned(), value.to_owned()));
        Pipeline::parse_with(&text, "p.toml", &sets).unwrap()
    }

    fn partitions(views: i32, plays: i32) -> Vec<TopicPartition> {
        let of = |topic: &'static str, n: i32| {
            (0..n).map(move |partition| TopicPartition { topic: Arc::from(topic), partition })
        };
        of("views", views).chain(of("plays", plays)).collect()
    }

    #[test]
    fn subtasks_that_hold_the_join_back_for_ever_are_named_with_what_helps() {
        for semantics in ["flink-sql", "flink-datastream"] {
            let said = warnings(&pipeline(semantics, "3", ""), &partitions(2, 3));
            let [said] = &said[..] else { panic!("{said:?}") };
            let without = (split_owner("views", 1, 3) + 1) % 3;
            for part in [
                "join.parallelism is 3, views has 2 partitions".to_owned(),
                format!("source subtask {without} of input \"views\" has no partition"),
                "inputs.views.watermark.idle_timeout=30s".to_owned(),
                "join.parallelism to at most 2".to_owned(),
            ] {
                assert!(said.contains(&part), "{said}\nexpected in it: {part}");
            }
        }
        let none = |semantics: &str, parallelism: &str, idle: &str| {
            warnings(&pipeline(semantics, parallelism, idle), &partitions(2, 3))
        };
        assert!(none("flink-sql", "3", ", idle_timeout = \"9s\"").is_empty());
        assert!(none("flink-sql", "2", "").is_empty());
        assert!(none("flink-sql", "1", "").is_empty());
        assert!(none("clean", "3", "").is_empty());
        assert!(none("kafka-streams", "3", "").is_empty());
        assert_eq!(listed(&[1, 4]), "source subtasks 1, 4");
        let many: Vec<u32> = (0..10).collect();
        assert!(listed(&many).ends_with("6, 7 and 2 more"));
    }
}
