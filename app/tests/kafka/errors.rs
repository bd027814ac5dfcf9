//! A cluster that is not there, does not want us, or changes under us.

use std::io::Read as _;
use std::time::{Duration, Instant};

use joinscope_core::edges::recording::Recording;

use super::support::*;

/// Runs `record` with these arguments; it must fail, soon.
fn fails(args: &[&str]) -> Said {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("none.mcap");
    let begin = Instant::now();
    let said: Said = joinscope()
        .arg("record")
        .args(args)
        .args(["--topics", "any", "-o"])
        .arg(&file)
        .output()
        .unwrap()
        .into();
    assert_eq!(said.code, Some(2), "{}", said.out);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert!(!file.exists(), "nothing was read, so there is no file");
    said
}

#[test]
fn a_broker_that_is_not_there_is_said() {
    let said = fails(&["--brokers", "127.0.0.1:1"]);
    assert!(said.err.contains("no broker of 127.0.0.1:1 answers"), "{}", said.err);
    assert!(said.err.contains("Connection refused"), "{}", said.err);
    let said = fails(&[]);
    assert!(said.err.contains("--brokers"), "{}", said.err);
}

#[test]
fn a_topic_that_is_not_there_is_said_with_those_that_are() {
    make_topic("anything", 1, &[]);
    let said = fails(&["--brokers", &kafka().brokers]);
    assert!(said.err.contains("topic any is not on the cluster; the nearest are "), "{}", said.err);
    assert!(said.err.contains("anything"), "{}", said.err);
}

#[test]
fn a_wrong_password_is_said_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("client.properties");
    let write = |password: &str| {
        let text = format!(
            "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=joinscope\nsasl.password={password}\n"
        );
        std::fs::write(&config, text).unwrap();
    };
    write("hunter2");
    let said = fails(&["--brokers", &kafka().sasl, "--config", config.to_str().unwrap()]);
    assert!(said.err.contains("refuses the login"), "{}", said.err);
    assert!(!said.err.contains("hunter2") && !said.out.contains("hunter2"));

    // The right one works.
    write("only-for-tests");
    make_topic("secured", 1, &[]);
    produce_numbers("secured", 1, 3);
    let said: Said = joinscope()
        .args(["record", "--brokers", &kafka().sasl, "--topics", "secured"])
        .args(["--config", config.to_str().unwrap(), "-o"])
        .arg(folder.path().join("s.mcap"))
        .output()
        .unwrap()
        .into();
    assert_eq!(said.code, Some(0), "{}", said.err);

    // A value that librdkafka does not take is not repeated either.
    std::fs::write(&config, "ssl.key.password=hunter2\nsecurity.protocol=hunter3\n").unwrap();
    let said = fails(&["--brokers", &kafka().brokers, "--config", config.to_str().unwrap()]);
    assert!(
        said.err.contains("security.protocol") && !said.err.contains("hunter2"),
        "{}",
        said.err
    );
}

#[test]
fn a_topic_that_is_deleted_while_read_is_said_and_what_was_read_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    make_topic("vanishing", 1, &[]);
    produce_numbers("vanishing", 1, 7);
    let file = folder.path().join("v.mcap");
    let mut child = record_in_background("vanishing", &file, &["--until", "stopped"]);
    until("the backlog", || Recording::open(&file).ok().filter(|r| r.len() >= 7));
    delete_topic("vanishing");
    // Made anew at once: reading on would silently skip its first records.
    make_topic("vanishing", 1, &[]);
    assert_eq!(child.wait().unwrap().code(), Some(2));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("vanishing") && said.contains("; 7 records are kept in "), "{said}");
    let recording = Recording::open(&file).unwrap();
    assert_eq!(recording.info().cut, None, "the file is whole");
    assert_eq!(recording.len(), 7);
}

#[test]
fn a_file_that_exists_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("there.mcap");
    std::fs::write(&file, "precious").unwrap();
    let said: Said = joinscope()
        .args(["record", "--brokers", "127.0.0.1:1", "--topics", "any", "-o"])
        .arg(&file)
        .output()
        .unwrap()
        .into();
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("exists already"), "{}", said.err);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
}
