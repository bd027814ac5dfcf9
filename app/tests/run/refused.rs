//! What cannot be run, or has no effect: said before anything is written.

#[cfg(target_os = "linux")]
use std::process::Command;
use std::process::Output;

#[cfg(target_os = "linux")]
use crate::PIPELINE;
use crate::{error, joinscope, json, run, with_feed};

#[test]
fn what_a_recording_cannot_do_is_said() {
    let folder = with_feed("500");
    let drift = "inputs.views.watermark.max_drift=5s";
    let said = |output: Output| String::from_utf8(output.stderr).unwrap();
    let text = said(run(folder.path(), &["--set", drift]));
    assert!(text.contains("inputs.views.watermark.max_drift has no effect"), "{text}");
    assert!(!said(run(folder.path(), &[])).contains("max_drift"));
}

#[test]
fn an_input_of_which_nothing_came_to_the_join_says_why() {
    let folder = with_feed("500");
    let said = |output: Output| String::from_utf8(output.stderr).unwrap();
    assert!(!said(run(folder.path(), &[])).contains("nothing of input"));
    let text = said(run(folder.path(), &["--set", "inputs.engagements.key=no_such_field"]));
    let named = "nothing of input \"engagements\" came to the join: all ";
    assert!(text.contains(named) && text.contains(" are unkeyed. engagements["), "{text}");
    assert!(text.contains("no_such_field") && !text.contains("input \"views\""), "{text}");
}

#[test]
fn of_one_record_one_is_said() {
    let folder = with_feed("0");
    let path = folder.path();
    for (topic, line) in
        [("views", "{\"view_id\":1}\n"), ("engagements", "{\"view_id\":1,\"ts\":5}\n")]
    {
        std::fs::write(path.join("line.jsonl"), line).unwrap();
        let part = format!("{topic}.mcap");
        let import = ["import", "jsonl", "line.jsonl", "--topic", topic, "--key", "view_id", "-o"];
        assert!(joinscope(path, &[&import[..], &[part.as_str()]].concat()).status.success());
    }
    std::fs::remove_file(path.join("feed.mcap")).unwrap();
    let merge = ["recording", "merge", "views.mcap", "engagements.mcap", "-o", "feed.mcap"];
    assert!(joinscope(path, &merge).status.success());
    let ran = run(path, &[]);
    let text = String::from_utf8(ran.stderr).unwrap();
    let one =
        "nothing of input \"views\" came to the join: its one record is untimed. views[0]@0: ";
    assert!(text.contains(one), "{text}");
    let text = String::from_utf8(ran.stdout).unwrap();
    assert!(text.contains("\n2 records, 0 outputs in "), "{text}");
}

#[test]
fn a_run_in_which_nothing_matched_says_why() {
    let folder = with_feed("500");
    let said = |output: &Output| String::from_utf8(output.stderr.clone()).unwrap();
    let matched = said(&run(folder.path(), &[]));
    assert!(!matched.contains("no record matched"), "{matched}");
    let key = &["inputs.engagements.key=kind"][..];
    let interval = &["join.with.engagements.after=900h", "join.with.engagements.until=901h"][..];
    let clocks = &["inputs.engagements.event_time.unit=us"][..];
    for (sets, why) in [
        (key, ["No record of engagements has the key 1", ", and none of views the key \""]),
        (interval, ["Records share keys, but ", "outside the interval: its bounds never hold"]),
        (clocks, ["Records share keys, but ", "are years apart; check field and unit"]),
    ] {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", *set]).collect();
        for more in [&["--json"][..], &["--at-end", "close", "--json"]] {
            let output = run(folder.path(), &[&sets[..], more].concat());
            // What others read of it is as ever.
            assert_eq!(json(&output)["books"]["views"]["joined"], 0);
            let text = said(&output);
            let lines: Vec<&str> =
                text.lines().filter(|line| line.contains("no record matched. ")).collect();
            assert_eq!(lines.len(), 1, "{text}");
            assert!(why.iter().all(|part| lines[0].contains(part)), "{text}");
        }
    }
}

#[test]
fn what_holds_everything_back_or_makes_everything_late_is_named() {
    let folder = with_feed("0");
    let path = folder.path();
    let said = |output: &Output| String::from_utf8(output.stderr.clone()).unwrap();
    let empty = said(&run(path, &[]));
    for partition in ["views[0]", "views[3]", "engagements[2]"] {
        let (input, _) = partition.split_once('[').unwrap();
        let held = format!(
            "{partition} is empty and input \"{input}\" has no idle_timeout: the event-time \
             watermark will never move; set inputs.{input}.watermark.idle_timeout=30s"
        );
        assert!(empty.contains(&held), "{empty}");
    }

    // One view of the year 2100 among those of a few minutes.
    for topic in ["views", "engagements"] {
        let lines = (0..200i64).map(|n| {
            let at = 1_793_606_400_000 + n * 1_000;
            let time = if (topic, n) == ("views", 50) { 4_102_444_800_000 } else { at };
            format!("{{\"view_id\":{n},\"ts\":{time},\"at\":{at}}}\n")
        });
        let lines = lines.collect::<Vec<_>>().concat();
        let (from, to) = (format!("{topic}.jsonl"), format!("{topic}.mcap"));
        std::fs::write(path.join(&from), lines).unwrap();
        let times = ["--key", "view_id", "--arrival", "at", "--timestamp", "at", "-o", &to];
        let import = ["import", "jsonl", &from, "--topic", topic];
        json(&joinscope(path, &[&import[..], &times, &["--json"]].concat()));
    }
    let merge = ["recording", "merge", "views.mcap", "engagements.mcap", "-o", "far.mcap"];
    assert!(joinscope(path, &merge).status.success());
    let far = |more: &[&str]| {
        let args = ["run", "feed.toml", "--recording", "far.mcap", "--json"];
        joinscope(path, &[&args[..], more].concat())
    };
    let told = said(&far(&[]));
    let named = "views[0]@50 moved the event-time watermark furthest: its event time \
                 2100-01-01T00:00:00.000Z is ";
    assert!(told.contains(named) && told.contains("watermark.max_ahead"), "{told}");
    let bounded = far(&["--set", "inputs.views.watermark.max_ahead=1h"]);
    assert!(!said(&bounded).contains("furthest"), "{}", said(&bounded));
    assert_eq!(json(&bounded)["books"]["views"]["untimed"], 1);
}

#[test]
fn what_cannot_be_run_is_said_and_leaves_nothing() {
    let folder = with_feed("500");
    let path = folder.path();
    assert!(run(path, &["--out", "a"]).status.success());
    let text = error(&run(path, &["--out", "a"]));
    assert!(text.contains("exists already"), "{text}");

    let text = error(&run(path, &["--out", "b", "--set", "inputs.views.topic=view"]));
    assert!(text.contains("\"view\"") && text.contains("views"), "{text}");
    assert!(text.contains("the nearest it has: views, engagements"), "{text}");
    // Nor where the program chooses the folder.
    let _ = error(&run(path, &["--set", "inputs.views.topic=view"]));
    let runs = path.join("data/joinscope/runs");
    assert_eq!(std::fs::read_dir(runs).map_or(0, Iterator::count), 0);
    let text = error(&run(path, &["--out", "b", "--set", "inputs.views.tpic=x"]));
    assert!(text.contains("topic"), "{text}");
    let text = error(&joinscope(path, &["run", "feed.toml", "--recording", "feed.toml"]));
    assert!(text.contains("feed.toml is not a recording: it does not begin as"), "{text}");
    let text = error(&joinscope(path, &["run", "none.toml", "--recording", "feed.mcap"]));
    assert!(text.contains("none.toml"), "{text}");
    // Without a [sink], before any broker is asked.
    let live = ["run", "feed.toml", "--brokers", "127.0.0.1:1", "--write", "--out", "b"];
    let text = error(&joinscope(path, &live));
    assert!(text.contains("[sink]"), "{text}");
    // What is written would be read again; a job that no topic can be called after.
    for (sets, what) in [
        (
            &["sink.topic=views", "sink.format=json"][..],
            "[sink] writes topic \"views\", which input \"views\" reads",
        ),
        (&["sink.topic=out", "delivery.job=a/b"], "\"joinscope-progress-a/b\""),
    ] {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", *set]).collect();
        let text = error(&joinscope(path, &[&live[..], &sets].concat()));
        assert!(text.contains(what), "{text}");
        // A replay writes nothing, and a check says it beforehand.
        let check = ["pipeline", "check", "feed.toml", "--recording", "feed.mcap", "--json"];
        let checked = json(&joinscope(path, &[&check[..], &sets].concat()));
        let warnings = checked["warnings"].as_array().unwrap();
        let said = warnings.iter().filter_map(serde_json::Value::as_str);
        let mut refusals = said.filter(|warning| warning.starts_with("run --write is refused: "));
        assert!(refusals.any(|why| why.contains(what)), "{checked}");
    }
    // A property that there is not: no further start gets on.
    let sunk = std::fs::read_to_string(path.join("feed.toml")).unwrap();
    let sunk = format!("{sunk}\n[sink]\ntopic = \"out\"\nformat = \"json\"\n");
    std::fs::write(path.join("sunk.toml"), sunk).unwrap();
    std::fs::write(path.join("client.properties"), "sasl.pasword=x\n").unwrap();
    let live = ["run", "sunk.toml", "--brokers", "127.0.0.1:1", "--write", "--out", "b"];
    let live = [&live[..], &["--config", "client.properties"]].concat();
    let text = error(&joinscope(path, &live));
    assert!(text.contains("sasl.pasword") && !text.contains("the state is in"), "{text}");
    assert!(!path.join("b").exists());
}

#[test]
fn what_is_of_no_use_to_a_run_is_refused_and_not_passed_over() {
    let folder = with_feed("10");
    let path = folder.path();
    json(&run(path, &["--out", "a", "--json"]));
    let live = ["run", "feed.toml", "--brokers", "127.0.0.1:1", "--timeout", "1s"];
    let live = |more: &[&str]| joinscope(path, &[&live[..], more].concat());
    for (output, what) in [
        (live(&["--resume", "a"]), "--resume"),
        (live(&["--checkpoint", "1", "--out", "b"]), "--checkpoint"),
        (live(&["--restart-at", "5", "--out", "b"]), "--restart-at"),
        (run(path, &["--rebuild", "--out", "b"]), "--rebuild"),
    ] {
        let text = error(&output);
        assert!(text.contains("cannot be used with") && text.contains(what), "{text}");
    }
    assert!(!path.join("b").exists());
}

/// Over a recording librdkafka, which knew no such property, was never asked.
#[test]
fn what_a_registry_s_settings_lack_is_said_before_anything_begins() {
    let folder = with_feed("10");
    let path = folder.path();
    for (text, said) in [
        ("schema.registry.ssl.ca.location=none.pem", "none.pem cannot be read: "),
        ("schema.registry.ssl.ca.location=feed.toml", "feed.toml holds no certificate in PEM"),
        ("schema.registry.ssl.ca.locaton=ca.pem", "mean schema.registry.ssl.ca.location?"),
    ] {
        let text = format!("schema.registry.url=https://127.0.0.1:1\n{text}\n");
        std::fs::write(path.join("client.properties"), text).unwrap();
        let told = error(&run(path, &["--out", "a", "--config", "client.properties"]));
        assert!(told.contains("client.properties:2: ") && told.contains(said), "{told}");
        assert!(!path.join("a").exists());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_secret_that_no_keychain_gives_is_named_before_anything_begins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("feed.toml"), PIPELINE).unwrap();
    let properties = "sasl.username=me\nsasl.password=keychain:kafka/me\n";
    std::fs::write(path.join("client.properties"), properties).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_joinscope"))
        .current_dir(path)
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus")
        .args(["run", "feed.toml", "--brokers", "127.0.0.1:1", "--out", "live"])
        .args(["--config", "client.properties"])
        .output()
        .unwrap();
    let text = error(&output);
    let named = "client.properties:2: sasl.password: keychain entry kafka/me: ";
    assert!(text.contains(named) && text.contains("does not answer"), "{text}");
    assert!(!path.join("live").exists());
}
