//! The project's own benchmarks run to their end and print what was measured. How
//! much that is no test says.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// What `joinscope bench` prints.
fn bench(folder: &Path, args: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_joinscope"))
        .current_dir(folder)
        .env("XDG_DATA_HOME", folder.join("data"))
        .env("XDG_CONFIG_HOME", folder.join("config"))
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .arg("bench")
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn above_zero(answer: &Value, names: &[&str]) {
    for name in names {
        assert!(answer[name].as_f64().is_some_and(|n| n > 0.0), "{name} of {answer}");
    }
}

#[test]
fn a_small_load_is_measured_and_so_is_the_window_over_its_run() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let load = ["--views", "20000", "--rounds", "1", "--json", "--folder", "load"];
    let answer = bench(at, &load);
    above_zero(
        &answer,
        &[
            "records",
            "limit_seconds",
            "limit_cpu_seconds",
            "run_seconds",
            "run_to_limit",
            "run_without_verdicts_seconds",
            "run_without_outputs_seconds",
            "records_per_second",
            "peak_memory_bytes",
            "cpu_seconds",
            "cpu_seconds_without_verdicts",
            "cores",
            "search_rows_per_second",
            "filter_rows_per_second",
            "sort_rows_per_second",
        ],
    );
    for parts in ["questions", "state"] {
        assert!(!answer[parts].as_array().unwrap().is_empty(), "{parts} of {answer}");
    }
    for share in ["verdicts_share", "verdicts_share_of_cpu", "verdicts_and_outputs_share"] {
        assert!(answer[share].is_number(), "{share} of {answer}");
    }
    for stages in ["busy_seconds", "busy_seconds_without_verdicts"] {
        assert!(!answer[stages].as_object().unwrap().is_empty(), "{stages} of {answer}");
    }

    let window = bench(at, &["window", "load/run", "--frames", "20", "--json"]);
    assert_eq!(window["records"], answer["records"]);
    above_zero(
        &window,
        &[
            "open_first_ms",
            "open_whole_ms",
            "frame_p50_ms",
            "frame_p99_ms",
            "frame_most_ms",
            "answer_p50_ms",
            "answer_p99_ms",
            "rss_anon",
            "vertices_most",
        ],
    );
}
