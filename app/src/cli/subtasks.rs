//! What a run says of the subtasks of a Flink job.

use joinscope_operator::pipeline::Pipeline;

/// What a run under Flink's rules does not do of a job at a higher parallelism.
pub fn of_sources(pipeline: &Pipeline) -> Option<String> {
    let (semantics, n) = (pipeline.join.semantics, pipeline.join.released.parallelism);
    (semantics.is_flink() && n > 1).then(|| {
        format!(
            "join.parallelism is {n}, and partitions are not assigned to source subtasks, as Flink \
             does it (getSplitOwner: (((topic.hashCode() * 31) & 0x7FFFFFFF) % {n} + partition) % \
             {n}): event-time watermarks and idleness are those of a single source subtask for \
             each input"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_of_several_source_subtasks_is_not_run_and_that_is_said() {
        let mut text = String::new();
        for input in ["views", "plays"] {
            text += &format!(
                "[inputs.{input}]\ntopic = \"{input}\"\nformat = \"json\"\nkey = \"k\"\n\
                 event_time = \"$timestamp\"\n"
            );
        }
        text += "[join]\nprimary = \"views\"\nwith.plays = { until = \"1m\" }\ngrace = \"0s\"\n";
        let said = |semantics: &str, parallelism: &str| {
            let sets = [("join.semantics", semantics), ("join.parallelism", parallelism)]
                .map(|(path, value)| (path.to_owned(), value.to_owned()));
            of_sources(&Pipeline::parse_with(&text, "p.toml", &sets).unwrap())
        };
        for semantics in ["flink-sql", "flink-datastream"] {
            let warning = said(semantics, "3").unwrap();
            assert!(warning.contains("% 3 + partition) % 3)"), "{warning}");
            assert_eq!(said(semantics, "1"), None);
        }
        assert_eq!(said("clean", "3"), None);
        assert_eq!(said("kafka-streams", "3"), None);
    }
}
