//! The shipped sample as a newcomer meets it: what `README.md` shows of it, the
//! JSON that others rely on, pictures without a display.

#![allow(clippy::unwrap_used, clippy::panic)]

mod findings;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

fn joinscope(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_joinscope"))
        .args(args)
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .output()
        .unwrap()
}

/// What a verb prints that has to do its work.
fn printed(args: &[&str]) -> String {
    let output = joinscope(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sample(name: &str) -> String {
    repository().join("sample-data/feed").join(name).to_str().unwrap().to_owned()
}

/// The sample, run with settings changed.
fn run_with(sets: &[&str]) -> (tempfile::TempDir, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run").to_str().unwrap().to_owned();
    let (pipeline, recording) = (sample("feed.toml"), sample("feed.mcap"));
    let mut args = vec!["run", &pipeline, "--recording", &recording, "--out", &out];
    args.extend(sets.iter().flat_map(|set| ["--set", *set]));
    let books = printed(&args);
    (folder, out, books)
}

/// The sample as it is shipped: its run, and what was printed of it.
fn run() -> (&'static str, &'static str) {
    static RUN: OnceLock<(tempfile::TempDir, String, String)> = OnceLock::new();
    let (_, out, books) = RUN.get_or_init(|| run_with(&[]));
    (out, books)
}

fn readme() -> String {
    std::fs::read_to_string(repository().join("README.md")).unwrap()
}

/// As it stands in texts.
fn thousands(n: u64) -> String {
    if n < 1_000 { n.to_string() } else { format!("{},{:03}", thousands(n / 1_000), n % 1_000) }
}

/// What the blocks of code show below their commands, without empty lines.
fn shown(readme: &str) -> Vec<Vec<&str>> {
    let mut blocks: Vec<Vec<&str>> = vec![Vec::new()];
    let mut commands = true;
    for line in readme.lines() {
        let Some(text) = line.strip_prefix("    ") else {
            if line.is_empty() {
                commands = false;
            } else {
                blocks.push(Vec::new());
            }
            continue;
        };
        let Some(block) = blocks.last_mut() else { continue };
        if block.is_empty() && text.starts_with("joinscope ") {
            commands = true;
        } else if !commands {
            block.push(text.trim_end());
        }
    }
    blocks
}

#[test]
fn the_readme_shows_what_the_program_says() {
    let readme = readme();
    let shown = shown(&readme);
    let is_shown = |text: &str, most: usize| {
        let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
        let lines: Vec<&str> = lines.take(most).collect();
        assert!(shown.contains(&lines), "README.md does not show this and no more: {lines:#?}");
    };
    let (out, books) = run();
    is_shown(books, 3);
    for record in ["engagements[2]@1401", "engagements[3]@6160"] {
        is_shown(&printed(&["explain", out, record]), usize::MAX);
    }
    let (_folder, patient, _) = run_with(&["inputs.engagements.watermark.idle_timeout=6m"]);
    is_shown(&printed(&["explain", &patient, "engagements[2]@1401"]), 2);
    let changed = joinscope(&["diff", out, &patient]);
    assert_eq!(changed.status.code(), Some(1), "they differ");
    let changed = String::from_utf8(changed.stdout).unwrap();
    let join = changed.lines().find(|line| line.contains("late → joined")).unwrap();
    let join = join.split("late → joined").nth(1).unwrap().split_whitespace().next().unwrap();
    let said = format!("{join} of the late engagements join now");
    assert!(readme.contains(&said), "README.md does not say: {said}");

    let folder = tempfile::tempdir().unwrap();
    let four = folder.path().join("four").to_str().unwrap().to_owned();
    let (pipeline, recording) = (sample("feed.toml"), sample("feed.mcap"));
    let semantics = ["semantics", &pipeline, "--recording", &recording, "--out", &four];
    let table = joinscope(&semantics);
    assert_eq!(table.status.code(), Some(1), "they differ");
    let table = String::from_utf8(table.stdout).unwrap();
    is_shown(&table, 5);
    let pairs = |semantics: &str, column: usize| -> u64 {
        let line = table.lines().find(|line| line.starts_with(semantics)).unwrap();
        line.split_whitespace().nth(column).unwrap().parse().unwrap()
    };
    let more = pairs("flink-sql ", 3) - pairs("clean ", 1);
    let said = format!("finds {} pairs more", thousands(more));
    assert!(readme.contains(&said), "README.md does not say: {said}");
}

/// What stands behind `joinscope` in `README.md`, in code and between backticks.
fn commands(readme: &str) -> Vec<String> {
    let readme = readme.replace("\\\n", " ");
    let code = readme.lines().filter_map(|line| line.strip_prefix("    joinscope "));
    let code = code.map(|line| line.split(" # ").next().unwrap_or_default());
    let prose = readme.lines().filter(|line| !line.starts_with("    "));
    let quoted = prose.flat_map(|line| line.split('`').skip(1).step_by(2));
    let quoted = quoted.filter_map(|text| text.strip_prefix("joinscope "));
    code.chain(quoted).map(str::to_owned).collect()
}

#[test]
fn the_commands_of_the_readme_are_those_that_there_are() {
    let readme = readme();
    let mut checked = 0;
    for command in commands(&readme) {
        let words: Vec<&str> = command.split_whitespace().collect();
        let is_verb = |word: &&&str| word.chars().all(|c| c.is_ascii_lowercase());
        let groups = ["bench", "generate", "import", "incident", "pipeline", "recording"];
        let most = if words.first().is_some_and(|first| groups.contains(first)) { 2 } else { 1 };
        let verb: Vec<&str> = words.iter().take_while(is_verb).take(most).copied().collect();
        if verb.is_empty() {
            continue;
        }
        let help = printed(&[&verb[..], &["--help"]].concat());
        for flag in words.iter().filter(|word| word.starts_with('-')) {
            let flag = flag.split('=').next().unwrap();
            let takes = help.lines().any(|line| {
                line.trim_start().starts_with('-')
                    && line.split([' ', ',']).any(|word| word == flag)
            });
            assert!(takes || flag == "--help", "joinscope {command}: no {flag}");
        }
        checked += 1;
    }
    assert!(checked > 15, "{checked}");
    // And each verb is named.
    let help = printed(&["--help"]);
    let list = help.split("Commands:").nth(1).unwrap().split("Arguments:").next().unwrap();
    let named = list.lines().filter_map(|line| line.strip_prefix("  "));
    let verbs: Vec<&str> = named
        .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help")
        .collect();
    assert!(verbs.len() > 15, "{verbs:?}");
    for verb in verbs {
        assert!(readme.contains(&format!("`{verb}")), "README.md does not name {verb}");
    }
}

#[test]
fn verdicts_in_json_have_the_fields_that_others_rely_on() {
    const FIELDS: [&str; 11] = [
        "arrival",
        "record",
        "input",
        "event_time",
        "watermark",
        "verdict",
        "outputs",
        "late_by",
        "decided",
        "removed",
        "why",
    ];
    let (out, _) = run();
    let of = |filter: &str| {
        lines(&printed(&["verdicts", out, "--where", filter, "--limit", "50", "--json"]))
    };
    for verdict in ["joined", "unmatched", "late", "undecodable", "open"] {
        let found = of(&format!("verdict={verdict}"));
        assert!(!found.is_empty(), "{verdict}");
        for line in &found {
            for field in FIELDS {
                assert!(line.get(field).is_some(), "{field} of {line}");
            }
            assert_eq!(line["verdict"], verdict);
            let late = line["watermark"].as_i64().zip(line["event_time"].as_i64());
            let late = late.filter(|_| verdict == "late").map(|(w, t)| w - t);
            assert_eq!(line["late_by"].as_i64(), late, "{line}");
            assert!(verdict != "joined" || !line["outputs"].as_array().unwrap().is_empty());
        }
    }
    let padded = of("verdict=unmatched, input=views");
    assert!(padded.iter().all(|line| line["padded"] == true), "the kind is left");
    let pads = of("verdict=unmatched, input=engagements");
    assert!(pads.iter().all(|line| line["padded"] != true));
}

#[test]
fn outputs_in_json_have_the_fields_that_others_rely_on() {
    const FIELDS: [&str; 8] =
        ["n", "time", "key", "records", "value", "example", "corrects", "epoch"];
    let (out, _) = run();
    let page = |out: &str, from: &str| {
        let found = lines(&printed(&["outputs", out, "--from", from, "--limit", "200", "--json"]));
        assert_eq!(found.len(), 200);
        for (i, line) in found.iter().enumerate() {
            for field in FIELDS {
                assert!(line.get(field).is_some(), "{field} of {line}");
            }
            assert_eq!(line["n"].as_u64(), Some(from.parse::<u64>().unwrap() + i as u64));
        }
        found
    };
    // Folded: a list of engagements, and a label is 1 if one of them has its kind.
    let examples = page(out, "0");
    assert!(examples.iter().any(|line| line["labels"]["like"] == 1));
    for line in &examples {
        assert!(line["records"]["views"].is_string(), "{line}");
        assert_eq!(line["example"], line["records"]["views"]);
        let folded = line["value"]["engagements"].as_array().unwrap();
        assert_eq!(line["records"]["engagements"].as_array().unwrap().len(), folded.len());
        for kind in ["like", "share"] {
            let has = folded.iter().any(|engagement| engagement["kind"] == kind);
            assert_eq!(line["labels"][kind].as_u64(), Some(has.into()), "{line}");
        }
    }
    // Pairs: one record a side, and no labels; a pad has a side that is null.
    let (_folder, pairs, _) = run_with(&["examples.emit=on-match"]);
    for line in page(&pairs, "0") {
        assert!(line.get("labels").is_none(), "{line}");
        let (view, engagement) = (&line["records"]["views"], &line["records"]["engagements"]);
        let both = format!("{}+{}", view.as_str().unwrap(), engagement.as_str().unwrap());
        assert_eq!(line["example"], both.as_str());
        assert_eq!(line["value"]["engagements"]["view_id"], line["key"]);
    }
    let mut pads = 0;
    for line in page(&pairs, "3300") {
        if line["records"]["engagements"].is_null() {
            assert!(line["value"]["engagements"].is_null(), "{line}");
            assert_eq!(line["example"], line["records"]["views"]);
            pads += 1;
        }
    }
    assert!(pads > 0, "the first interval has closed by then");
}

#[test]
fn a_correction_names_what_it_corrects_and_comes_only_where_a_label_changes() {
    let (_folder, out, _) = run_with(&["examples.emit=early-and-correct"]);
    // By the view's name: corrections so far, labels, engagements.
    let mut known: BTreeMap<String, (u64, Value, Vec<Value>)> = BTreeMap::new();
    let (mut corrections, mut most) = (0u64, 0u64);
    for line in lines(&printed(&["outputs", &out, "--limit", "20000", "--json"])) {
        let view = line["records"]["views"].as_str().unwrap().to_owned();
        let engagements = line["records"]["engagements"].as_array().unwrap().clone();
        let labels = line["labels"].clone();
        let before = known.get(&view);
        let k = before.map_or(0, |(k, ..)| k + 1);
        if let Some((_, was, folded)) = before {
            assert_eq!(line["corrects"], view.as_str(), "{line}");
            assert_eq!(line["example"], format!("{view}#{k}"), "{line}");
            assert_ne!(*was, labels, "{line}");
            assert!(folded.iter().all(|one| engagements.contains(one)), "{line}");
            corrections += 1;
            most = most.max(k);
        } else {
            assert!(line["corrects"].is_null(), "{line}");
            assert_eq!(line["example"], view.as_str(), "{line}");
        }
        known.insert(view, (k, labels, engagements));
    }
    assert!(corrections > 100 && most > 1, "{corrections} corrections, {most} of one view");
}

#[test]
fn a_verdict_falls_and_a_row_leaves_no_sooner_than_it_came() {
    let (out, _) = run();
    let (mut last, mut kept) = (0u64, 0u64);
    for line in printed(&["verdicts", out, "--json"]).lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let of = |field: &str| line[field].as_u64();
        let arrival = of("arrival").unwrap();
        assert!(arrival >= last, "in arrival order: {line}");
        last = arrival;
        let verdict = line["verdict"].as_str().unwrap();
        // Not before the run ended: only of what is open.
        assert_eq!(of("decided").is_none(), verdict == "open", "{line}");
        for at in [of("decided"), of("removed")] {
            assert!(at.is_none_or(|at| at >= arrival), "{line}");
        }
        // What never was a row in the state, and what still is one.
        match verdict {
            "unmatched" | "expired" => assert!(of("removed").is_some(), "{line}"),
            "joined" => kept += u64::from(of("removed").is_none()),
            _ => assert_eq!(of("removed"), None, "{line}"),
        }
    }
    assert!(kept > 0, "some that matched could match again when the recording ended");
}

#[test]
fn pictures_are_drawn_without_a_display() {
    let (out, _) = run();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let png = file("all.png");
    let whole = ["screenshot", out, "--select", "engagements[2]@1401", "--size", "1280x800"];
    let drawn = printed(&[&whole[..], &["--theme", "light", "-o", &png, "--json"]].concat());
    let drawn: Value = serde_json::from_str(&drawn).unwrap();
    assert_eq!(
        drawn,
        serde_json::json!({
            "picture": png, "panel": "all", "width": 1280, "height": 800, "data": null,
        })
    );
    let bytes = std::fs::read(&png).unwrap();
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"));
    assert_eq!(bytes[16..24], [0, 0, 5, 0, 0, 0, 3, 32], "1280 by 800");

    // Each panel that there is, as shapes.
    let none = joinscope(&["screenshot", out, "--panel", "none", "-o", &png]);
    assert_eq!(none.status.code(), Some(2));
    let said = String::from_utf8(none.stderr).unwrap();
    let names = said.split("possible values: all, ").nth(1).unwrap().split(']').next().unwrap();
    let names: Vec<&str> = names.split(", ").collect();
    assert!(names.len() > 12, "{names:?}");
    for panel in names {
        let svg = file(&format!("{panel}.svg"));
        let args = ["screenshot", out, "--panel", panel, "--size", "800x500", "-o", &svg];
        printed(&args);
        assert!(std::fs::read_to_string(&svg).unwrap().starts_with("<svg "), "{panel}");
    }
    let (svg, csv) = (file("late.svg"), file("late.csv"));
    printed(&["screenshot", out, "--panel", "late", "-o", &svg, "--data", &csv]);
    let figures = std::fs::read_to_string(&csv).unwrap();
    assert!(figures.starts_with("partition,") && figures.contains("\nengagements[2],"));

    // What is not there is said, and no picture is made.
    let nowhere = file("none.png");
    let args = ["screenshot", out, "--select", "engagements[9]@1", "-o", &nowhere];
    let refused = joinscope(&args);
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("engagements[9]@1 is not in this run"), "{said}");
    assert!(!Path::new(&nowhere).exists());
}

#[test]
fn the_sample_is_made_anew_as_it_is_shipped() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("feed.mcap").to_str().unwrap().to_owned();
    printed(&["generate", "feed", "--incident", "-o", &made]);
    let digest = |path: &str| {
        let info = printed(&["recording", "info", path, "--json"]);
        let info: Value = serde_json::from_str(&info).unwrap();
        info["digest"].as_str().unwrap().to_owned()
    };
    assert_eq!(digest(&made), digest(&sample("feed.mcap")));
}

#[test]
fn without_a_display_make_run_writes_the_windows_picture() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("window.png");
    let run = || {
        let output = Command::new("bash")
            .arg(repository().join("scripts/run-sample.sh"))
            .arg(env!("CARGO_BIN_EXE_joinscope"))
            .arg(repository().join("sample-data/feed"))
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .env("JOINSCOPE_RUNS", folder.path().join("runs"))
            .env("JOINSCOPE_PICTURE", &picture)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        assert!(said.contains("There is no display here"), "{said}");
        assert!(said.contains(picture.to_str().unwrap()), "{said}");
        assert!(std::fs::read(&picture).unwrap().starts_with(b"\x89PNG"));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(run().contains("digest "), "the sample is run first");
    std::fs::remove_file(&picture).unwrap();
    assert!(!run().contains("digest "), "the same run serves again");
}
