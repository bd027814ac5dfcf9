//! "What happens at one arrival", rule by rule.

use super::harness::{Listed, PIPELINE, check, check_with, done, lines, spec, tell, tell_clock};
use crate::engine::AtEnd;

fn with(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(PIPELINE.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    })
}

#[test]
fn a_pair_comes_at_the_later_arrival_and_a_pad_when_the_watermark_passes() {
    // Out-of-orderness 10: W = the smaller of both inputs' max − 11.
    // View b (120) goes when W > 220, play a (150) when W > 150.
    check(
        "0 views[0] a 100
         1 plays[0] a 150
         2 views[0] b 120
         3 views[0] c 300
         4 plays[0] c 200
         5 plays[0] c 300
         6 plays[0] d 232",
        "1 pair views[0]@0+plays[0]@0 t=150
         5 pair views[0]@2+plays[0]@2 t=300
         5 pad views[0]@1 t=120
         views[0]@0 joined 1 5
         plays[0]@0 joined 1 4
         views[0]@1 unmatched 5 5
         views[0]@2 joined 5 -
         plays[0]@1 unmatched 5 5
         plays[0]@2 joined 5 -
         plays[0]@3 late 6 -",
    );
}

#[test]
fn the_end_of_a_recording_is_not_the_end_of_time_unless_asked() {
    let input = "0 views[0] a 100
                 1 plays[0] b 150";
    check_with(
        PIPELINE,
        AtEnd::Open,
        input,
        "views[0]@0 open - -
         plays[0]@0 open - -",
    );
    check_with(
        PIPELINE,
        AtEnd::Close,
        input,
        "2 pad views[0]@0 t=100
         views[0]@0 unmatched 2 2
         plays[0]@0 unmatched 2 2",
    );
}

#[test]
fn the_first_check_that_fails_is_the_verdict_and_only_some_count_as_activity() {
    // The tombstone, the undecodable and the untimed one do not move the
    // watermark of views; the unkeyed one (500) does, and so the last is late.
    check(
        "0 plays[0] x 600
         1 views[0] null
         2 views[0] broken
         3 views[0] a -
         4 views[0] a 100
         5 views[0] - 500
         6 views[0] a 400",
        "5 pad views[0]@3 t=100
         plays[0]@0 open - -
         views[0]@0 tombstone 1 -
         views[0]@1 undecodable 2 -
         views[0]@2 untimed 3 -
         views[0]@3 unmatched 5 5
         views[0]@4 unkeyed 5 -
         views[0]@5 late 6 -",
    );
}

#[test]
fn a_filtered_record_moves_the_watermark() {
    let pipeline = with(&[("[inputs.plays]", "where = { k = [\"a\", \"b\"] }\n[inputs.plays]")]);
    check_with(
        &pipeline,
        AtEnd::Open,
        "0 plays[0] x 600
         1 views[0] z 500
         2 views[0] a 400",
        "plays[0]@0 open - -
         views[0]@0 filtered 1 -
         views[0]@1 late 2 -",
    );
}

#[test]
fn idleness_is_counted_from_the_first_arrival_and_frees_the_watermark() {
    // Nothing comes on plays: it is idle 50 ms after the first arrival, before
    // the record that arrives then; views alone count from there on.
    let pipeline = with(&[(
        "watermark = { max_out_of_orderness = \"10ms\" }\n[join]",
        "watermark = { max_out_of_orderness = \"10ms\", idle_timeout = \"50ms\" }\n[join]",
    )]);
    let input = "+ plays[0]
                 1000 views[0] a 100
                 1049 views[0] b 300
                 1050 views[0] c 301
                 1060 plays[0] a 150";
    check_with(
        &pipeline,
        AtEnd::Open,
        input,
        "2 pad views[0]@0 t=100
         views[0]@0 unmatched 2 2
         views[0]@1 open - -
         views[0]@2 open - -
         plays[0]@0 late 3 -",
    );
    let (_, kept) = done(spec(&pipeline, Listed::parse(input)));
    assert_eq!(tell_clock(&kept.steps), "2 1050 idle 1\n3 1060 active 1");
}

#[test]
fn in_flink_sql_a_record_behind_its_own_partition_does_not_wake_it() {
    let pipeline = with(&[
        ("kind = \"left\"", "kind = \"left\"\nsemantics = \"flink-sql\""),
        (
            "watermark = { max_out_of_orderness = \"10ms\" }\n[inputs.plays]",
            "watermark = { max_out_of_orderness = \"10ms\", idle_timeout = \"50ms\" }\n[inputs.plays]",
        ),
    ]);
    let input = "1000 plays[0] x 5000
                 1000 views[0] a 1000
                 1000 views[1] b 1000
                 1040 views[1] c 2000
                 1060 views[1] d 2001
                 1070 views[0] e 900
                 1080 views[1] f 3000
                 1090 views[0] g 1001
                 1095 views[1] h 4000";
    let (_, kept) = done(spec(&pipeline, Listed::parse(input)));
    let watermarks: Vec<i64> =
        kept.steps.iter().flat_map(|step| step.facts.watermark.clone()).collect();
    let none = i64::MIN;
    assert_eq!(watermarks, [none, none, none, 990, 1_990, 1_991, 1_991, 2_990, 2_990]);
    assert_eq!(tell_clock(&kept.steps), "4 1050 idle 0\n7 1090 active 0");
}

/// Rules A2 and A3: views give out 2,990 and are idle then, which the join advances at
/// one by one, so that a's second timer comes behind b's.
#[test]
fn in_flink_an_input_gives_out_what_it_has_before_it_is_idle() {
    let pipeline = with(&[
        ("kind = \"left\"", "kind = \"left\"\nsemantics = \"flink-sql\""),
        (
            "watermark = { max_out_of_orderness = \"10ms\" }\n[inputs.plays]",
            "watermark = { max_out_of_orderness = \"10ms\", idle_timeout = \"50ms\" }\n[inputs.plays]",
        ),
    ]);
    let listed = Listed::parse(
        "+ views[0]
         + views[1]
         1000 plays[0] x 9000
         1000 views[1] z 1000
         1000 views[0] a 1500
         1000 views[0] b 1600
         1000 views[0] a 3000
         1060 plays[0] y 9001",
    );
    let (_, kept) = done(spec(&pipeline, listed.clone()));
    let told = tell(&pipeline, &listed, &kept.steps);
    let pads: Vec<&str> = told.lines().filter(|line| line.contains(" pad ")).collect();
    let expected = [
        "5 pad views[1]@0 t=1000",
        "5 pad views[0]@0 t=1500",
        "5 pad views[0]@1 t=1600",
        "5 pad views[0]@2 t=3000",
    ];
    assert_eq!(pads, expected);
}

#[test]
fn a_periodic_watermark_is_given_out_at_its_tick() {
    let pipeline = with(&[(
        "watermark = { max_out_of_orderness = \"10ms\" }\n[inputs.plays]",
        "watermark = { max_out_of_orderness = \"10ms\", emit = \"periodic\", \
         emit_interval = \"200ms\" }\n[inputs.plays]",
    )]);
    // Ticks at 1000, 1200, …: what came at 1010 counts from 1200 on.
    let input = "1000 plays[0] x 900
                 1010 views[0] a 500
                 1020 views[0] b 100
                 1200 views[0] c 100";
    check_with(
        &pipeline,
        AtEnd::Open,
        input,
        "3 pad views[0]@1 t=100
         plays[0]@0 open - -
         views[0]@0 open - -
         views[0]@1 unmatched 3 3
         views[0]@2 late 3 -",
    );
    let (_, kept) = done(spec(&pipeline, Listed::parse(input)));
    assert_eq!(tell_clock(&kept.steps), "3 1200 periodic 0");
}

#[test]
fn late_records_are_dropped_joined_or_sent_aside() {
    let input = "0 views[0] a 100
                 1 plays[0] z 300
                 2 views[0] z 190
                 3 plays[0] a 150";
    // W = 179 after arrival 2; view a is kept while W <= 200.
    let dropped = "views[0]@0 open - -
                   plays[0]@0 open - -
                   views[0]@1 open - -
                   plays[0]@1 late 3 -";
    check(input, dropped);
    let aside = with(&[
        ("kind = \"left\"", "kind = \"left\"\nlate = \"side-output\""),
        ("[delivery]", "[sink]\ntopic = \"out\"\nlate_topic = \"late\"\n[delivery]"),
    ]);
    check_with(&aside, AtEnd::Open, input, dropped);
    // It finds the view, and is itself gone at once: no view of 150 or before
    // can come any more.
    let joined = with(&[("kind = \"left\"", "kind = \"left\"\nlate = \"join\"")]);
    check_with(
        &joined,
        AtEnd::Open,
        input,
        "3 pair views[0]@0+plays[0]@1 t=150
         views[0]@0 joined 3 -
         plays[0]@0 open - -
         views[0]@1 open - -
         plays[0]@1 joined 3 3",
    );
}

#[test]
fn a_datastream_job_fails_at_a_row_without_a_key_however_late_it_is() {
    // Rule C1 (`setCurrentKey`) comes before rule C3.
    let inner = "kind = \"inner\"\nsemantics = \"flink-datastream\"";
    check_with(
        &with(&[("kind = \"left\"", inner)]),
        AtEnd::Open,
        "0 views[0] a 100
         1 plays[0] z 300
         2 views[0] z 290
         3 plays[0] - 150
         4 plays[0] - 310
         5 plays[0] a 150",
        "2 pair views[0]@1+plays[0]@0 t=300
         views[0]@0 unmatched 2 2
         plays[0]@0 joined 2 -
         views[0]@1 joined 2 -
         plays[0]@1 unkeyed 3 -
         plays[0]@2 unkeyed 4 -
         plays[0]@3 late 5 -",
    );
}

#[test]
fn one_topic_may_feed_two_inputs_and_a_record_match_itself() {
    let pipeline = with(&[("topic = \"plays\"", "topic = \"views\"")]);
    check_with(
        &pipeline,
        AtEnd::Open,
        "0 views[0] a 100
         1 views[0] a 150
         2 views[0] b 120",
        "0 pair views[0]@0+plays[0]@0 t=100
         1 pair views[0]@0+plays[0]@1 t=150
         1 pair views[0]@1+plays[0]@1 t=150
         views[0]@0 joined 0 -
         plays[0]@0 joined 0 1
         views[0]@1 joined 1 -
         plays[0]@1 joined 1 -
         views[0]@2 late 2 -
         plays[0]@2 late 2 -",
    );
}

#[test]
fn outputs_of_one_arrival_come_pairs_first_then_pads_by_due_arrival_input() {
    // At arrival 6 the watermark passes three views and a play of other keys.
    let pipeline = with(&[("kind = \"left\"", "kind = \"full\"")]);
    check_with(
        &pipeline,
        AtEnd::Open,
        "0 views[0] c 102
         1 views[0] b 100
         2 views[0] a 100
         3 plays[0] p 205
         4 views[0] q 900
         5 views[0] q 901
         6 plays[0] q 950",
        "6 pair views[0]@3+plays[0]@1 t=950
         6 pair views[0]@4+plays[0]@1 t=950
         6 pad views[0]@1 t=100
         6 pad views[0]@2 t=100
         6 pad views[0]@0 t=102
         6 pad plays[0]@0 t=205
         views[0]@0 unmatched 6 6
         views[0]@1 unmatched 6 6
         views[0]@2 unmatched 6 6
         plays[0]@0 unmatched 6 6
         views[0]@3 joined 6 -
         views[0]@4 joined 6 -
         plays[0]@1 joined 6 -",
    );
}

#[test]
fn examples_are_folded_on_close_and_early_with_corrections() {
    let examples = |emit: &str| {
        with(&[(
            "[delivery]",
            &format!(
                "[examples]\nemit = \"{emit}\"\nlabels = {{ hit = \"plays.k = a\" }}\n[delivery]"
            ),
        )])
    };
    let input = "0 views[0] a 100
                 1 plays[0] a 160
                 2 plays[0] a 150
                 3 views[0] b 110
                 4 views[0] z 400
                 5 plays[0] z 400";
    check_with(
        &examples("on-close"),
        AtEnd::Open,
        input,
        "5 example views[0]@0+plays[0]@1+plays[0]@0 t=100
         5 example views[0]@1 t=110
         views[0]@0 joined 1 5
         plays[0]@0 joined 1 5
         plays[0]@1 joined 2 5
         views[0]@1 unmatched 5 5
         views[0]@2 joined 5 -
         plays[0]@2 joined 5 -",
    );
    check_with(
        &examples("early-and-correct"),
        AtEnd::Open,
        input,
        "0 example views[0]@0 t=100
         1 example views[0]@0+plays[0]@0 t=100 #1
         3 example views[0]@1 t=110
         4 example views[0]@2 t=400
         views[0]@0 joined 1 5
         plays[0]@0 joined 1 5
         plays[0]@1 joined 2 5
         views[0]@1 unmatched 5 5
         views[0]@2 joined 5 -
         plays[0]@2 joined 5 -",
    );
}

#[test]
fn processing_time_never_goes_back_and_epochs_without_effect_are_only_counted() {
    // Epochs of 1 s from the first arrival at 10,000; nothing in the third to
    // the ninth. A record at a barrier's time comes after it.
    let input = "10000 views[0] a 100
                 10500 views[0] b 100
                 10200 views[0] c 100
                 11000 views[0] d 100
                 + plays[0]
                 19000 views[0] e 100
                 19001 views[0] f 100";
    let (summary, kept) = done(spec(PIPELINE, Listed::parse(input)));
    assert_eq!(tell_clock(&kept.steps), "3 11000 epoch 1\n4 12000 epoch 2");
    let times: Vec<i64> = kept.steps.iter().flat_map(|s| s.facts.arrival_ms.clone()).collect();
    assert_eq!(times, [10000, 10500, 10500, 11000, 19000, 19001]);
    assert_eq!((summary.epochs, summary.epochs_with_effect), (10, 3));
}

#[test]
fn the_record_furthest_ahead_of_its_arrival_is_named() {
    let input = "1000 views[0] a 900
                 1001 views[1] b 4102444800000
                 1002 views[0] c 1500
                 + plays[0]";
    let (summary, _) = done(spec(PIPELINE, Listed::parse(input)));
    let furthest = summary.furthest.unwrap();
    assert_eq!(furthest.record.to_string(), "views[1]@0");
    assert_eq!(furthest.ahead_ms, 4_102_444_800_000 - 1001);
}

#[test]
fn topics_that_the_pipeline_does_not_name_are_not_counted() {
    let listed = Listed::parse(
        "0 other[0] a 1
         1 views[0] a 100
         2 other[0] a 1
         3 plays[0] a 150",
    );
    let (summary, kept) = done(spec(PIPELINE, listed.clone()));
    assert_eq!((summary.records, summary.rows, summary.outputs), (2, 2, 1));
    assert_eq!(
        tell(PIPELINE, &listed, &kept.steps),
        lines(
            "1 pair views[0]@0+plays[0]@0 t=150
             views[0]@0 joined 1 -
             plays[0]@0 joined 1 -"
        )
    );
}
