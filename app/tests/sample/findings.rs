//! What the samples' own READMEs say is to be found in them.

use std::sync::OnceLock;

use serde_json::Value;

use crate::{lines, printed, repository, run, sample, thousands};

/// A file of the real sample.
fn real(name: &str) -> String {
    repository().join("sample-data/code-changes").join(name).to_str().unwrap().to_owned()
}

/// The real sample as it is shipped: its run, and what was printed of it.
fn real_run() -> (&'static str, &'static str) {
    static RUN: OnceLock<(tempfile::TempDir, String, String)> = OnceLock::new();
    let (_, out, books) = RUN.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("run").to_str().unwrap().to_owned();
        let (pipeline, recording) = (real("code-changes.toml"), real("code-changes.mcap"));
        let books = printed(&["run", &pipeline, "--recording", &recording, "--out", &out]);
        (folder, out, books)
    });
    (out, books)
}

/// A README, its lines as one.
fn prose(readme: &str) -> String {
    let text = std::fs::read_to_string(readme).unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn says(readme: &str, what: &str) {
    assert!(readme.contains(what), "the README does not say: {what}");
}

fn info(recording: &str) -> Value {
    serde_json::from_str(&printed(&["recording", "info", recording, "--json"])).unwrap()
}

fn verdicts(out: &str, filter: &str) -> Vec<Value> {
    lines(&printed(&["verdicts", out, "--where", filter, "--json"]))
}

/// What became of a record as one input took it.
fn verdict(out: &str, record: &str, input: &str) -> Value {
    let mut found = verdicts(out, &format!("record={record}, input={input}"));
    assert_eq!(found.len(), 1, "{record} as {input}");
    found.remove(0)
}

/// The nearest candidate of a record as one input took it.
fn nearest(out: &str, record: &str, input: &str) -> Value {
    let explained = printed(&["explain", out, record, "--input", input, "--json"]);
    let explained: Value = serde_json::from_str(&explained).unwrap();
    explained["candidates"][0].clone()
}

/// Of those verdicts the one that was late by most.
fn latest(verdicts: &[Value]) -> (&str, i64) {
    let last = verdicts.iter().max_by_key(|line| line["late_by"].as_i64()).unwrap();
    (last["record"].as_str().unwrap(), last["late_by"].as_i64().unwrap())
}

#[test]
fn the_feeds_readme_says_what_there_is_to_find() {
    let readme = prose(&sample("README.md"));
    let info = info(&sample("feed.mcap"));
    let of = |topic: &str| thousands(info["topics"][topic]["records"].as_u64().unwrap());
    says(&readme, &format!("{} views and {} engagements", of("views"), of("engagements")));

    let (out, _) = run();
    let unmatched = verdicts(out, "verdict=unmatched");
    let count = |input: &str, is: &dyn Fn(&str) -> bool| {
        let of_input = unmatched.iter().filter(|line| line["input"] == input);
        of_input.filter(|line| is(line["why"].as_str().unwrap())).count()
    };
    let late = |why: &str| why.starts_with("candidate was ") && why.ends_with(" late");
    says(&readme, &format!("In the whole hour {} views do", count("views", &late)));
    let outside = |why: &str| why.starts_with("nearest candidate ") && why.ends_with(" outside");
    let outside = count("views", &outside);
    says(&readme, &format!("For {outside} views the nearest candidate is an engagement outside"));
    let nobody = count("engagements", &|why: &str| why == "no candidate with this key");
    says(&readme, &format!("{nobody} engagements, such as `engagements[0]@130`, find no view"));
    let one = verdict(out, "engagements[0]@130", "engagements");
    assert_eq!(one["why"], "no candidate with this key");

    let late = verdicts(out, "verdict=late");
    assert_eq!(latest(&late), ("engagements[2]@1382", 256_635));
    says(&readme, "The latest of all: `engagements[2]@1382`, late by 4m 16.635s");
    // The pipeline's 60 s and what is missing, in whole seconds.
    let enough = (60_000 + 256_635i64).div_euclid(1_000) + 1;
    says(&readme, &format!("or an out-of-orderness of {enough} s"));

    for (record, input, is) in [
        ("views[2]@2586", "views", "unmatched"),
        ("views[3]@14285", "views", "late"),
        ("engagements[3]@3385", "engagements", "unmatched"),
        ("views[0]@21117", "views", "late"),
        ("engagements[1]@4830", "engagements", "unmatched"),
    ] {
        says(&readme, &format!("`{record}`"));
        assert_eq!(verdict(out, record, input)["verdict"], is, "{record}");
    }
    for (record, input, candidate) in [
        ("views[2]@2586", "views", "engagements[2]@1401"),
        ("engagements[3]@3385", "engagements", "views[3]@14285"),
        ("engagements[1]@4830", "engagements", "views[1]@17061"),
    ] {
        assert_eq!(nearest(out, record, input)["record"], candidate, "{record}");
    }
}

#[test]
fn the_poison_that_the_samples_readme_names_has_these_verdicts() {
    let text = std::fs::read_to_string(sample("README.md")).unwrap();
    let (out, _) = run();
    let filter = "verdict=undecodable|unkeyed|untimed|tombstone";
    let verdicts = lines(&printed(&["verdicts", out, "--where", filter, "--json"]));
    let mut named = 0;
    for row in text.lines() {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, _, records, verdict, _] = cells[..] else { continue };
        let verdict = verdict.split(':').next().unwrap();
        for record in records.split('`').skip(1).step_by(2) {
            match verdicts.iter().find(|v| v["record"] == record) {
                Some(found) => assert_eq!(found["verdict"], verdict, "{record}"),
                None => assert!(verdict.starts_with("a key like any other"), "{record}"),
            }
            named += 1;
        }
    }
    assert_eq!(named, 36, "three of each of twelve kinds");
}

#[test]
fn the_real_samples_readme_shows_what_the_program_says() {
    let text = std::fs::read_to_string(real("README.md")).unwrap();
    let info = info(&real("code-changes.mcap"));
    assert!(text.contains(info["digest"].as_str().unwrap()), "its digest");
    says(
        &text,
        &format!("{} lines of the public history", thousands(info["records"].as_u64().unwrap())),
    );
    let (_, books) = real_run();
    let books: Vec<&str> = books.lines().take(3).map(str::trim_end).collect();
    says(&text, &format!("```\n{}\n```", books.join("\n")));
}

#[test]
fn the_real_samples_readme_says_what_there_is_to_find() {
    const DAY: f64 = 86_400_000.0;
    let readme = prose(&real("README.md"));
    let (out, _) = real_run();

    // A fix that came late, and the changes that had waited for it.
    let fix = verdict(out, "code-changes[4]@4482", "fixes");
    assert_eq!(fix["verdict"], "late");
    assert_eq!(fix["late_by"], 704_999);
    says(&readme, "11m 44.999s behind the event-time watermark");
    for waited in ["code-changes[4]@4391", "code-changes[4]@4389", "code-changes[4]@4368"] {
        assert_eq!(verdict(out, waited, "changes")["verdict"], "unmatched", "{waited}");
        let explained = printed(&["explain", out, waited, "--input", "changes"]);
        assert!(explained.contains("code-changes[4]@4482"), "{explained}");
        assert!(explained.contains("max_out_of_orderness=605504999ms"), "{explained}");
    }
    says(&readme, "`code-changes[4]@4391`, `@4389` and `@4368`");
    says(&readme, "605,504,999 ms");

    let page = printed(&["outputs", out, "--from", "61679", "--limit", "1", "--json"]);
    let example = lines(&page).remove(0);
    assert_eq!(example["records"]["changes"], "code-changes[5]@9005");
    assert_eq!(example["records"]["fixes"].as_array().unwrap().len(), 9);
    says(&readme, "had nine fixes in the 13 days after it, all folded into output 61679");

    let change = verdict(out, "code-changes[5]@249", "changes");
    assert_eq!(change["verdict"], "unmatched");
    let apart = nearest(out, "code-changes[5]@249", "changes")["distance"].as_i64().unwrap();
    assert_eq!(apart.abs() / 1_000, 7 * 60 + 33);
    says(&readme, "The fix nearest to `code-changes[5]@249` was written 7m 33s *before* it");

    let late = verdicts(out, "verdict=late, input=changes");
    let (record, by) = latest(&late);
    says(&readme, &format!("`{record}` was written in June 2023 and landed in November 2025"));
    says(&readme, &format!("late by {:.0} days", (by as f64 / DAY).floor()));

    let other_case = "only a key that differs in case, whitespace or type";
    for (at, named) in [
        ("[7]@1570", "`code-changes[7]@1570`"),
        ("[7]@1572", "`code-changes[7]@1572`"),
        ("[4]@1705", "`code-changes[4]@1705`"),
        ("[4]@1710", "`@1710`"),
    ] {
        let change = verdict(out, &format!("code-changes{at}"), "changes");
        assert_eq!(change["why"], other_case, "{at}");
        says(&readme, named);
    }
    let fixed = nearest(out, "code-changes[7]@1570", "changes");
    assert_eq!(fixed["record"], "code-changes[0]@3282");
}
