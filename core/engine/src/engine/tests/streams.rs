//! `kafka-streams` in a run: what a task buffers, and one topic for both inputs.

use super::harness::{Listed, PIPELINE, check_with, done, fails, lines, spec, tell};
use crate::engine::{AtEnd, ClockInput, ClockInputKind};

/// The inner join of Kafka Streams, with more under `[join]`.
fn pipeline(more: &str) -> String {
    let join = format!("kind = \"inner\"\nsemantics = \"kafka-streams\"\ngrace = \"1s\"\n{more}\n");
    PIPELINE.replace("kind = \"left\"\n", &join)
}

const SMALLEST: &str = "input_order = \"smallest-timestamp\"";

#[test]
fn what_a_task_buffers_at_the_end_is_taken_only_if_the_end_is_the_end_of_the_log() {
    // Arrival 1 lets the task take view a; then it waits for another view, which
    // may be older than play a.
    let input = "0 views[0] a 100
                 1 plays[0] a 150";
    check_with(
        &pipeline(SMALLEST),
        AtEnd::Open,
        input,
        "views[0]@0 open - -
         plays[0]@0 open - -",
    );
    check_with(
        &pipeline(SMALLEST),
        AtEnd::Close,
        input,
        "2 pair views[0]@0+plays[0]@0 t=150
         views[0]@0 joined 2 -
         plays[0]@0 joined 2 -",
    );
}

/// A run that ends open, over a source that knows its partitions' ends or not.
fn told(pipeline: &str, listed: &Listed) -> String {
    let (_, kept) = done(spec(pipeline, listed.clone()));
    tell(pipeline, listed, &kept.steps)
}

#[test]
fn a_task_does_not_wait_for_a_partition_that_has_given_its_last_record() {
    let mut listed = Listed::parse(
        "0 views[0] a 100
         1 plays[0] a 150
         2 plays[0] b 400",
    );
    listed.knows_ends = true;
    let expected = "1 pair views[0]@0+plays[0]@0 t=150
                    views[0]@0 joined 1 -
                    plays[0]@0 joined 1 -
                    plays[0]@1 open - -";
    assert_eq!(told(&pipeline(SMALLEST), &listed), lines(expected));
    // The last record of a partition may give no row.
    let mut broken = Listed::parse(
        "0 views[0] a 100
         1 plays[0] a 150
         2 views[0] broken",
    );
    broken.knows_ends = true;
    let expected = "2 pair views[0]@0+plays[0]@0 t=150
                    views[0]@0 joined 2 -
                    plays[0]@0 joined 2 -
                    views[0]@1 undecodable 2 -";
    assert_eq!(told(&pipeline(SMALLEST), &broken), lines(expected));
}

#[test]
fn a_task_does_not_wait_for_an_empty_partition() {
    let mut listed = Listed::parse(
        "+ plays[0]
         0 views[0] a 100
         2000 views[0] b 5000",
    );
    listed.knows_ends = true;
    let left = |more| pipeline(more).replace("kind = \"inner\"", "kind = \"left\"");
    let given = told(&left(""), &listed);
    assert!(given.contains("1 pad views[0]@0 t=100"), "{given}");
    assert_eq!(told(&left(SMALLEST), &listed), given);
}

#[test]
fn what_a_where_leaves_out_has_its_turn_in_the_queue() {
    let kept = "where = { k = [\"a\"] }\n[inputs.plays]";
    // Arrival 2 gives no row, but says that no view before play a comes next.
    check_with(
        &pipeline(SMALLEST).replace("[inputs.plays]", kept),
        AtEnd::Open,
        "0 views[0] a 100
         1 plays[0] a 150
         2 views[0] z 400",
        "2 pair views[0]@0+plays[0]@0 t=150
         views[0]@0 joined 2 -
         plays[0]@0 joined 2 -
         views[0]@1 filtered 2 -",
    );
}

/// As an import of records has it: nobody said that there is a plays[0].
#[test]
fn a_task_does_not_wait_for_a_partition_that_the_source_lacks() {
    let mut listed = Listed::parse(
        "0 views[0] a 100
         1 views[1] b 100
         2 plays[1] b 150
         2000 views[0] c 5000",
    );
    listed.knows_ends = true;
    let left = |more| pipeline(more).replace("kind = \"inner\"", "kind = \"left\"");
    let given = told(&left(""), &listed);
    assert!(given.contains("3 pad views[0]@0 t=100"), "{given}");
    assert_eq!(told(&left(SMALLEST), &listed), given);
}

#[test]
fn live_the_clock_says_that_a_partition_has_no_lag() {
    let mut listed = Listed::parse(
        "0 views[0] a 100
         1 plays[0] a 150",
    );
    let kind = ClockInputKind::Free(0);
    listed.clock = vec![ClockInput { precedes: 2, at_ms: 5, kind }];
    let expected = "2 pair views[0]@0+plays[0]@0 t=150
                    views[0]@0 joined 2 -
                    plays[0]@0 joined 2 -";
    assert_eq!(told(&pipeline(SMALLEST), &listed), lines(expected));
    // It has lag again before the play comes.
    let said = |precedes, kind| ClockInput { precedes, at_ms: 0, kind };
    listed.clock = vec![said(0, kind), said(1, ClockInputKind::Held(0))];
    let waits = told(&pipeline(SMALLEST), &listed);
    assert!(!waits.contains("pair"), "{waits}");
}

#[test]
fn buffered_rows_leave_at_the_end_by_their_times() {
    // In the order given no view has come when play b (40) does; its task takes
    // view b (30) before it.
    check_with(
        &pipeline(SMALLEST),
        AtEnd::Close,
        "0 plays[0] b 40
         1 plays[0] c 60
         2 views[0] b 30
         3 views[0] c 50",
        "3 pair views[0]@0+plays[0]@0 t=40
         4 pair views[0]@1+plays[0]@1 t=60
         plays[0]@0 joined 3 -
         plays[0]@1 joined 4 -
         views[0]@0 joined 3 -
         views[0]@1 joined 4 -",
    );
}

#[test]
fn two_inputs_of_one_topic_have_one_queue() {
    let one_topic = |more| pipeline(more).replace("topic = \"plays\"", "topic = \"views\"");
    // View 150 finds view 100 and itself; 120 finds 150 as a play, and as a play
    // it finds 100 and itself.
    let listed = Listed::parse(
        "0 views[0] a 100
         1 views[0] a 150
         2 views[0] a 120",
    );
    let told = ["input_order = \"given\"", SMALLEST].map(|order| {
        let text = one_topic(order);
        let mut spec = spec(&text, listed.clone());
        spec.at_end = AtEnd::Close;
        let (summary, kept) = done(spec);
        (tell(&text, &listed, &kept.steps), summary.digest)
    });
    assert_eq!(told[0].0.matches(" pair ").count(), 6, "{}", told[0].0);
    assert_eq!(told[0], told[1]);
}

#[test]
fn topics_of_two_numbers_of_partitions_are_refused() {
    let listed = Listed::parse(
        "0 views[0] a 100
         1 plays[0] a 150
         2 plays[1] a 160",
    );
    let (error, kept) = fails(spec(&pipeline(""), listed.clone()));
    assert_eq!(
        error.to_string(),
        "the pipeline cannot be run: Kafka Streams 4.3.1 would not start: views has 1 partition \
         and plays 2; a join needs the same number"
    );
    assert!(kept.steps.is_empty());
    // The others do not mind; and an empty partition may be missing before others.
    done(spec(PIPELINE, listed));
    let gap = Listed::parse(
        "0 views[0] a 100
         1 views[1] b 100
         2 plays[1] b 150",
    );
    done(spec(&pipeline(""), gap));
}
