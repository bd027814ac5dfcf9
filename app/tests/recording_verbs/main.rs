//! `joinscope generate`, `import` and `recording …` as a user types them.

// A test may panic: that is how it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

mod segments;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn joinscope(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_joinscope")).current_dir(folder).args(args).output().unwrap()
}

/// The object that a verb prints with `--json`.
fn json(folder: &Path, args: &[&str]) -> Value {
    let output = joinscope(folder, &[args, &["--json"]].concat());
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What a verb says on stderr when it refuses (exit code 2).
fn refusal(folder: &Path, args: &[&str]) -> String {
    let output = joinscope(folder, args);
    assert_eq!(output.status.code(), Some(2), "{args:?}");
    assert!(output.stdout.is_empty(), "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn generate_look_verify_slice() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let made = json(at, &["generate", "feed", "--views", "3000", "--seed", "3", "-o", "r.mcap"]);
    assert_eq!(made["views"], 3000);
    let info = json(at, &["recording", "info", "r.mcap"]);
    assert_eq!(info["records"], made["records"]);
    assert_eq!(info["topics"]["views"]["partitions"], 4);
    assert_eq!(info["topics"]["views"]["records"], 3000);
    assert_eq!(info["cut"], Value::Null);
    let verified = json(at, &["recording", "verify", "r.mcap"]);
    assert_eq!((&verified["sound"], &verified["digest"]), (&Value::Bool(true), &info["digest"]));
    let offsets = ["--topics", "views", "--offsets", "views[1]@10..20", "-o", "s.mcap"];
    let sliced = json(at, &[&["recording", "slice", "r.mcap"], &offsets[..]].concat());
    assert_eq!(sliced["records"], 10);
    let slice = json(at, &["recording", "info", "s.mcap"]);
    assert_eq!(slice["topics"].as_object().unwrap().len(), 1);
    assert_eq!(slice["topics"]["views"]["by_partition"][1]["first_offset"], 10);

    // Nothing is overwritten, and what cannot be is said before anything is made.
    let before = std::fs::read(at.join("s.mcap")).unwrap();
    assert!(refusal(at, &["generate", "feed", "-o", "s.mcap"]).contains("exists already"));
    for verb in [&["generate", "feed", "--views", "1"][..], &["recording", "slice", "r.mcap"]] {
        let nowhere = refusal(at, &[verb, &["-o", "none/t.mcap"]].concat());
        assert!(nowhere.contains("none/t.mcap: cannot create: its folder does"), "{nowhere}");
    }
    assert!(
        refusal(at, &["recording", "slice", "r.mcap", "-o", "s.mcap"]).contains("exists already")
    );
    assert_eq!(std::fs::read(at.join("s.mcap")).unwrap(), before);
    let topic = refusal(at, &["recording", "slice", "r.mcap", "--topics", "vews", "-o", "t.mcap"]);
    assert!(topic.contains("\"vews\"") && topic.contains("views"), "{topic}");
    let fault = refusal(at, &["generate", "feed", "--fault", "stall:x", "-o", "t.mcap"]);
    assert!(fault.contains("stall:engagements[2]@18m+5m"), "{fault}");
    assert!(!at.join("t.mcap").exists());
}

#[test]
fn a_bent_file_is_not_sound_and_a_cut_one_opens() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    json(at, &["generate", "feed", "--views", "20000", "-o", "r.mcap"]);
    let mut bytes = std::fs::read(at.join("r.mcap")).unwrap();
    std::fs::write(at.join("cut.mcap"), &bytes[..bytes.len() * 3 / 4]).unwrap();
    let info = json(at, &["recording", "info", "cut.mcap"]);
    assert!(info["records"].as_u64().unwrap() > 0);
    assert_eq!(info["cut"]["records"], info["records"]);
    let text = joinscope(at, &["recording", "info", "cut.mcap"]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("cut at byte"));
    // Whoever asks a cut one is told that the answer is of a part.
    let new = ["pipeline", "new", "cut.mcap", "-o", "p.toml"];
    let check = ["pipeline", "check", "p.toml", "--recording", "cut.mcap"];
    let four = ["semantics", "p.toml", "--recording", "cut.mcap", "--out", "four"];
    for args in [&new[..], &check, &four] {
        let said = String::from_utf8(joinscope(at, args).stderr).unwrap();
        assert!(said.contains("joinscope: cut.mcap: cut at byte"), "{args:?}: {said}");
    }
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(at.join("bent.mcap"), &bytes).unwrap();
    for name in ["cut.mcap", "bent.mcap"] {
        let output = joinscope(at, &["recording", "verify", name, "--json"]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["sound"], false);
        assert!(!answer["problems"].as_array().unwrap().is_empty());
    }
    // Its beginning says how the rest is read, and so does its end.
    bytes[middle] ^= 4;
    bytes[60] ^= 4;
    std::fs::write(at.join("headless.mcap"), &bytes).unwrap();
    let slice = ["recording", "slice", "headless.mcap", "-o", "s.mcap"];
    for args in [
        &["recording", "verify", "headless.mcap"][..],
        &["recording", "info", "headless.mcap"],
        &slice,
    ] {
        let error = refusal(at, args);
        assert!(error.contains("damaged at byte 58, in its beginning"), "{error}");
        assert!(error.contains("slice --past-damage"), "{error}");
    }
    assert!(!at.join("s.mcap").exists());
    let slice = [&slice[..], &["--past-damage"]].concat();
    let sliced = json(at, &slice);
    assert_eq!(sliced["missing"], serde_json::json!([]));
    let digest = |name: &str| json(at, &["recording", "info", name])["digest"].clone();
    assert_eq!(digest("s.mcap"), digest("r.mcap"));
    std::fs::remove_file(at.join("s.mcap")).unwrap();
    // Without either nobody is sent to a verb that cannot help.
    std::fs::write(at.join("headless.mcap"), &bytes[..bytes.len() / 2]).unwrap();
    for args in [&["recording", "verify", "headless.mcap"][..], &slice[..]] {
        let error = refusal(at, args);
        assert!(error.contains("another copy") && !error.contains("past-damage"), "{error}");
    }
    assert!(!at.join("s.mcap").exists());
    std::fs::write(at.join("no.mcap"), "{}").unwrap();
    assert!(refusal(at, &["recording", "info", "no.mcap"]).contains("not a recording"));
    assert!(refusal(at, &["recording", "verify", "gone.mcap"]).contains("cannot open"));
}

#[test]
fn what_is_whole_of_a_damaged_recording_is_taken_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    json(at, &["generate", "feed", "--views", "20000", "-o", "r.mcap"]);
    let whole = json(at, &["recording", "info", "r.mcap"]);
    let bytes = std::fs::read(at.join("r.mcap")).unwrap();
    let slice = ["recording", "slice", "bent.mcap", "-o", "s.mcap"];
    // Somewhere in the middle is the inside of a chunk.
    let refused = (0..64).map(|n| bytes.len() / 2 + n * 4_096).find_map(|byte| {
        let mut bent = bytes.clone();
        *bent.get_mut(byte)? ^= 4;
        std::fs::write(at.join("bent.mcap"), bent).unwrap();
        let output = joinscope(at, &slice);
        let _ = std::fs::remove_file(at.join("s.mcap"));
        (output.status.code() == Some(2)).then(|| String::from_utf8(output.stderr).unwrap())
    });
    let refused = refused.unwrap();
    assert!(refused.contains("damaged at byte") && refused.contains("--past-damage"), "{refused}");
    assert!(!at.join("s.mcap").exists());

    let sliced = json(at, &[&slice[..], &["--past-damage"]].concat());
    let missing = sliced["missing"].as_array().unwrap();
    let gone: u64 = missing.iter().map(|m| m["records"].as_u64().unwrap()).sum();
    assert!(gone > 0);
    assert_eq!(sliced["records"].as_u64().unwrap() + gone, whole["records"].as_u64().unwrap());
    let first = &missing[0];
    let named =
        format!("{}@{}..{}", first["partition"].as_str().unwrap(), first["first"], first["last"]);
    let verified = json(at, &["recording", "verify", "s.mcap"]);
    assert_eq!(verified["sound"], true);
    assert!(verified["missing"].as_str().unwrap().contains(&named), "{verified}");
    let verified = String::from_utf8(joinscope(at, &["recording", "verify", "s.mcap"]).stdout);
    let line = format!("\n  {named}");
    assert!(format!("\n{}", verified.unwrap()).contains(&line));
    let info = joinscope(at, &["recording", "info", "s.mcap"]);
    let info = String::from_utf8(info.stdout).unwrap();
    assert!(info.contains(&named) && info.contains("offsets missing in"), "{info}");
}

#[test]
fn import_names_the_line_that_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let import = ["import", "jsonl", "in.jsonl", "--topic", "t", "--key", "k", "--arrival", "at"];
    let all = [&import[..], &["--partitions", "8", "-o", "r.mcap"]].concat();
    std::fs::write(at.join("in.jsonl"), "{\"k\":\"foobar\",\"at\":5}\n{\"k\":1,\"at\":-7}\n")
        .unwrap();
    let error = refusal(at, &all);
    assert!(error.contains("in.jsonl:2") && error.contains("-7"), "{error}");
    assert_eq!(std::fs::read_dir(at).unwrap().count(), 1);
    std::fs::write(at.join("in.jsonl"), "{\"k\":\"foobar\",\"at\":5}\n{\"k\":21,\"at\":4}\n")
        .unwrap();
    let made = json(at, &all);
    assert_eq!(made["records"], 2);
    let info = json(at, &["recording", "info", "r.mcap"]);
    // murmur2("foobar") = -790332482 and murmur2("21") = -973932308, as in Kafka's own tests.
    let of = |partition: usize| &info["topics"]["t"]["by_partition"][partition]["records"];
    let expected = [-790_332_482i32, -973_932_308].map(|h| ((h & 0x7fff_ffff) % 8) as usize);
    assert!(expected.iter().all(|&p| *of(p) == 1), "{info}");
    assert_eq!(info["arrival_order"], "file");
    assert_eq!(info["arrival_ms"], serde_json::json!([4, 5]));
}

#[test]
fn a_proposal_says_how_many_topics_it_is_for() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("in.jsonl"), "{\"k\":1}\n{\"k\":2}\n").unwrap();
    let import = ["import", "jsonl", "in.jsonl", "--topic", "t", "--key", "k", "-o", "r.mcap"];
    json(at, &import);
    let text = |args: &[&str]| {
        let output = joinscope(at, args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let said = text(&["pipeline", "new", "r.mcap", "-o", "one.toml"]);
    assert!(said.contains("a pipeline for 1 topic\n"), "{said}");
    json(at, &["generate", "feed", "--views", "10", "-o", "f.mcap"]);
    let said = text(&["pipeline", "new", "f.mcap", "-o", "two.toml"]);
    assert!(said.contains("a pipeline for 2 topics\n"), "{said}");
}

#[test]
fn a_topic_that_no_cluster_has_is_said_before_a_broker_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    for topics in ["", "views,,engagements"] {
        let record = ["record", "--brokers", "127.0.0.1:1", "--topics", topics, "-o", "r.mcap"];
        let said = refusal(folder.path(), &record);
        assert!(said.contains("--topics: \"\" is what no Kafka topic is called"), "{said}");
    }
}

#[test]
fn what_stands_in_a_pipeline_cannot_disturb_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    json(at, &["generate", "feed", "--views", "10", "-o", "r.mcap"]);
    std::fs::write(at.join("p.toml"), "\"\\u001b[31m\" = 1\n").unwrap();
    let said = refusal(at, &["pipeline", "check", "p.toml", "--recording", "r.mcap"]);
    assert!(said.contains("p.toml:1:1: unknown key \"\u{fffd}[31m\""), "{said}");
    assert!(said.lines().count() > 1, "a line for each problem: {said}");
}

#[test]
fn import_reads_a_pipe_and_refuses_a_topic_that_kafka_would() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    // Shorter than what compressed files begin with, and longer.
    for (text, records, output) in [("\n\n", 0, "a.mcap"), ("{\"k\":1}\n", 1, "b.mcap")] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_joinscope"))
            .current_dir(at)
            .args(["import", "jsonl", "/dev/stdin", "--topic", "t", "--key", "k", "--json"])
            .args(["-o", output])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Dropped at once: the end of the pipe.
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let made: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(made["records"], records);
    }
    std::fs::write(at.join("in.jsonl"), "{\"k\":1}\n").unwrap();
    for topic in ["a b/c", ""] {
        let refused = refusal(
            at,
            &["import", "jsonl", "in.jsonl", "--topic", topic, "--key", "k", "-o", "c"],
        );
        assert!(refused.contains("no Kafka topic is called"), "{refused}");
        assert!(!at.join("c").exists());
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    json(at, &["generate", "feed", "--views", "10", "-o", "r.mcap"]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_joinscope"))
        .current_dir(at)
        .args(["recording", "info", "r.mcap"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn slices_merge_into_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    json(at, &["generate", "feed", "--views", "2000", "--seed", "5", "-o", "r.mcap"]);
    let slice = ["recording", "slice", "r.mcap", "--topics"];
    json(at, &[&slice[..], &["views", "-o", "v.mcap"]].concat());
    json(at, &[&slice[..], &["engagements", "-o", "e.mcap"]].concat());
    let merged = json(at, &["recording", "merge", "v.mcap", "e.mcap", "v.mcap", "-o", "m.mcap"]);
    let whole = json(at, &["recording", "info", "r.mcap"]);
    assert_eq!(merged["records"], whole["records"]);
    assert_eq!(merged["duplicates"], 2000);
    let info = json(at, &["recording", "info", "m.mcap"]);
    assert_eq!(info["topics"]["views"]["records"], 2000);
    assert!(json(at, &["recording", "verify", "m.mcap"])["sound"].as_bool().unwrap());
    // Options stand anywhere, also between what is merged.
    let between = ["recording", "merge", "v.mcap", "-o", "between.mcap", "e.mcap"];
    assert_eq!(json(at, &between)["records"], merged["records"]);
    let again = refusal(at, &["recording", "merge", "v.mcap", "e.mcap", "-o", "m.mcap"]);
    assert!(again.contains("exists already"), "{again}");
    assert!(refusal(at, &["recording", "merge", "v.mcap", "-o", "n.mcap"]).contains("2 "));
}

/// Found by using it: it said that nothing more fits, and not what to do.
#[cfg(unix)]
#[test]
fn a_disk_that_is_full_is_said_with_what_to_do_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (mut lines, mut state) = (String::new(), 1u64);
    for n in 0..20_000 {
        // Nothing makes this smaller than 8 bytes.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(n);
        lines += &format!("{{\"k\":\"{state:016x}\"}}\n");
    }
    std::fs::write(at.join("rows.jsonl"), lines).unwrap();
    std::fs::create_dir(at.join("to")).unwrap();
    let import = "import jsonl rows.jsonl --topic t --key k -o to/r.mcap";
    // A file may not grow over 64 kB, or hold anything: as on a full disk a write is refused.
    for (limit, which) in [("128", "its chunks"), ("0", "its head")] {
        let line = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" {import}");
        let program = env!("CARGO_BIN_EXE_joinscope");
        let mut sh = Command::new("sh");
        let output = sh.current_dir(at).args(["-c", &line, program]).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{which}: {error}");
        let said = ["to/r.mcap: cannot write: ", "; free space there, or write to another disk"];
        assert!(said.iter().all(|part| error.contains(part)), "{which}: {error}");
        assert_eq!(error.matches("os error").count(), 1, "it is said once: {error}");
        assert_eq!(std::fs::read_dir(at.join("to")).unwrap().count(), 0, "{which} is left");
    }
}

/// Found by using it: it said that there was no space, and not where.
#[test]
fn an_answer_that_cannot_be_written_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    json(at, &["generate", "feed", "--views", "50", "-o", "r.mcap"]);
    // Linux's.
    let Ok(full) = std::fs::File::options().write(true).open("/dev/full") else { return };
    let mut command = Command::new(env!("CARGO_BIN_EXE_joinscope"));
    command.current_dir(at).args(["recording", "info", "r.mcap"]).stdout(full);
    let output = command.stderr(Stdio::piped()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.starts_with("joinscope: cannot write to standard output: No space"), "{error}");
    assert!(error.contains("free space where it goes"), "{error}");
}

#[test]
fn redact_export_and_import() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    json(at, &["generate", "feed", "--views", "500", "-o", "r.mcap"]);
    let done = json(
        at,
        &["recording", "redact", "r.mcap", "--hash", "view_id", "--hash", "$key", "-o", "h.mcap"],
    );
    assert_eq!(done["redacted"][0]["field"], "view_id");
    assert_eq!(done["redacted"][0]["records"], done["records"]);
    let info = json(at, &["recording", "info", "h.mcap"]);
    assert!(info["redaction"].as_str().unwrap().contains("view_id hashed"), "{info}");
    let none = refusal(at, &["recording", "redact", "r.mcap", "-o", "n.mcap"]);
    assert!(none.contains("name fields"), "{none}");
    let typo = refusal(at, &["recording", "redact", "r.mcap", "--drop", "vew_id", "-o", "n.mcap"]);
    assert!(typo.contains("\"vew_id\""), "{typo}");
    let both = ["--mask", "view_id", "--drop", "view_id", "-o", "n.mcap"];
    let both = refusal(at, &[&["recording", "redact", "r.mcap"], &both[..]].concat());
    assert!(both.contains("masked") && both.contains("dropped"), "{both}");
    assert!(!at.join("n.mcap").exists());

    let out = json(at, &["recording", "export", "r.mcap", "-o", "r.parquet"]);
    let back = json(at, &["import", "parquet", "r.parquet", "-o", "b.mcap"]);
    assert_eq!(out["records"], back["records"]);
    let digest = |name: &str| json(at, &["recording", "info", name])["digest"].clone();
    assert_eq!(digest("b.mcap"), digest("r.mcap"));
    let rows = ["import", "parquet", "r.parquet", "--topic", "t", "--key", "offset"];
    let rows = json(at, &[&rows[..], &["-o", "t.mcap"]].concat());
    assert_eq!(rows["topics"]["t"]["records"], out["records"]);

    std::fs::write(at.join("k.jsonl"), "{\"topic\":\"v\",\"partition\":2,\"offset\":5,\"tstype\":\"create\",\"ts\":7,\"key\":\"a\",\"payload\":\"b\"}\n").unwrap();
    let kcat = json(at, &["import", "kcat", "k.jsonl", "-o", "k.mcap"]);
    assert_eq!(kcat["topics"]["v"], serde_json::json!({"partitions": 1, "records": 1}));
    for name in ["h.mcap", "b.mcap", "t.mcap", "k.mcap"] {
        assert_eq!(json(at, &["recording", "verify", name])["sound"], true, "{name}");
    }
    let exists = refusal(at, &["recording", "export", "r.mcap", "-o", "r.parquet"]);
    assert!(exists.contains("exists already"), "{exists}");
    assert!(!at.join("n.mcap").exists());
}

#[test]
fn one_of_a_thing_is_said_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("one.jsonl"), "{\"k\":1,\"ts\":5}\n").unwrap();
    let import = ["import", "jsonl", "one.jsonl", "--topic", "t", "--key", "k", "-o", "r.mcap"];
    for (args, said) in [
        (&import[..], "1 record of 1 partition into r.mcap ("),
        (&["recording", "info", "r.mcap"][..], " MB, 1 lz4 chunk, "),
        (&["recording", "info", "r.mcap"][..], "\nt: 1 record, 1 partition\n"),
        (&["recording", "info", "r.mcap"][..], " 1 record, offsets 0 to 1\n"),
        (&["recording", "verify", "r.mcap"][..], "sound: 1 intact record in 1 chunk, digest "),
        (&["recording", "slice", "r.mcap", "-o", "s.mcap"][..], "1 of 1 record into s.mcap\n"),
    ] {
        let output = joinscope(at, args);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(said), "{args:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn that_a_recording_is_read_through_is_said_once_and_only_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    json(at, &["generate", "feed", "--views", "300", "-o", "r.mcap"]);
    std::fs::write(at.join("feed.toml"), include_str!("../pipelines/feed.toml")).unwrap();
    json(at, &["run", "feed.toml", "--recording", "r.mcap", "--out", "run"]);
    // With a hole behind it no summary stands at its end, and it is long.
    let file = std::fs::File::options().write(true).open(at.join("r.mcap")).unwrap();
    file.set_len(300_000_000).unwrap();
    let notes = |args: &[&str]| {
        let output = joinscope(at, args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{args:?}: {said}");
        said.matches("r.mcap: its summary cannot be used").count()
    };
    let by_value = ["verdicts", "run", "--where", "value.ts=1"];
    assert_eq!(notes(&by_value), 1);
    assert_eq!(notes(&[&by_value[..], &["--recording", "r.mcap"]].concat()), 1);
    assert_eq!(notes(&["outputs", "run", "--json", "--limit", "1"]), 1);
    assert_eq!(notes(&["verdicts", "run", "--where", "verdict=joined", "--limit", "1"]), 0);
}
