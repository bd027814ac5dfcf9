//! A live run of a user with a password, and with too few rights.

use std::path::PathBuf;

use super::deliver::{job, oracle, seen};
use super::live::{Feed, stop};
use super::support::*;

/// A properties file with this password.
fn login(feed: &Feed, password: &str) -> PathBuf {
    let path = feed.path("client.properties");
    let text = format!(
        "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=joinscope\n\
         sasl.password={password}\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// The feed over the listener that wants a password.
fn secured(feed: &mut Feed, password: &str) -> String {
    feed.brokers.clone_from(&kafka().sasl);
    login(feed, password).to_str().unwrap().to_owned()
}

#[test]
fn a_live_run_logs_in_and_a_wrong_password_is_said_and_never_shown() {
    let mut feed = job("login", "exactly-once");
    feed.send(40);
    let config = secured(&mut feed, "hunter2");
    for more in [&["--config", &config][..], &["--config", &config, "--write"]] {
        let said: Said = feed.command(more).output().unwrap().into();
        assert_eq!(said.code, Some(2), "{}", said.err);
        assert!(said.err.contains("refuses the login"), "{}", said.err);
        assert!(!said.err.contains("hunter2") && !said.out.contains("hunter2"));
    }
    let config = secured(&mut feed, "only-for-tests");
    let mut child = feed.start(&["--config", &config, "--write"]);
    feed.await_arrivals(&mut child, feed.sent);
    let said = stop(child);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(seen("login-out", "read_committed"), oracle(&feed));
    // Nothing that the run left behind holds the password.
    holds_nowhere(feed.dir(), "only-for-tests");
}

/// Nothing but to describe it: what has a rule allows nothing else.
fn only_describe(resource: &[&str]) {
    let brokers = ["--bootstrap-server", &kafka().brokers];
    let rule = ["--add", "--allow-principal", "User:joinscope", "--operation", "Describe"];
    tool(&[&["AclCommand"], &brokers[..], &rule, resource].concat());
}

#[test]
fn a_right_that_is_missing_is_named() {
    let mut feed = job("denied", "exactly-once");
    feed.send(40);
    let config = secured(&mut feed, "only-for-tests");
    let run = |feed: &Feed| -> Said {
        feed.command(&["--config", &config, "--write"]).output().unwrap().into()
    };
    only_describe(&["--topic", "denied-out"]);
    let said = run(&feed);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("denied-out") && said.err.contains("grant WRITE"), "{}", said.err);

    only_describe(&["--topic", "denied-views"]);
    // A run without --write does not go on from what a job left.
    let _ = std::fs::remove_dir_all(feed.dir());
    let said: Said = feed.command(&["--config", &config]).output().unwrap().into();
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("denied-views") && said.err.contains("READ"), "{}", said.err);

    // Recorded, nothing came: no empty file stands in the way of the next try.
    let file = feed.path("denied.mcap");
    let said: Said = joinscope()
        .args(["record", "--brokers", &kafka().sasl, "--topics", "denied-views"])
        .args(["--config", &config, "-o"])
        .arg(&file)
        .output()
        .unwrap()
        .into();
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("denied-views") && said.err.contains("READ"), "{}", said.err);
    assert!(!said.err.contains("kept in") && !file.exists(), "{}", said.err);
}
