//! `record --redact`: what others may not see never reaches the file.

use joinscope_core::edges::recording::Recording;

use super::support::*;

/// What no file may hold.
const SECRETS: [&str; 5] =
    ["alice@example.org", "u-4711", "key-4711", "Bearer 99", "the hash's own key"];

fn holds_a_secret(file: &std::path::Path) -> Option<&'static str> {
    let bytes = std::fs::read(file).unwrap();
    SECRETS.into_iter().find(|secret| bytes.windows(secret.len()).any(|w| w == secret.as_bytes()))
}

fn json(record: &joinscope_operator::record::Record) -> serde_json::Value {
    serde_json::from_slice(record.value.as_ref().unwrap()).unwrap()
}

const VIEW: &[u8] =
    br#"{"id":1,"user":"u-4711","email":"alice@example.org","at":{"user":"u-4711"}}"#;
const CLICK: &[u8] = br#"{"user":"u-4711","n":2}"#;

#[test]
fn a_secret_never_reaches_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "the hash's own key\n").unwrap();
    make_topic("redact-views", 2, &[]);
    make_topic("redact-clicks", 1, &[]);
    let auth = || vec![("auth", Some(&b"Bearer 99"[..])), ("kept", Some(&b"yes"[..]))];
    let view = |partition, timestamp| Sent {
        partition,
        timestamp,
        key: Some(b"key-4711"),
        value: Some(VIEW),
        headers: auth(),
    };
    let tombstone = Sent { timestamp: 30, key: Some(b"key-4711"), ..Sent::default() };
    produce("redact-views", &[view(0, 10), view(1, 20), tombstone]);
    produce(
        "redact-clicks",
        &[Sent { timestamp: 15, key: Some(b"key-4711"), value: Some(CLICK), ..Sent::default() }],
    );
    for arrival in ["timestamp", "read"] {
        let file = folder.path().join(arrival).with_extension("mcap");
        let mut how = vec!["--topics", "redact-clicks", "--arrival", arrival];
        how.extend(["--compression", "none", "--hash-key-file", key.to_str().unwrap()]);
        for rule in ["hash=$key", "hash=user", "drop=redact-views:at", "mask=email"] {
            how.extend(["--redact", rule]);
        }
        how.extend(["--redact", "drop=$header.auth", "--json"]);
        let said: Said =
            joinscope().args(record_args("redact-views", &file, &how)).output().unwrap().into();
        let answer = said.json();
        assert_eq!(answer["records"], 4, "{answer}");
        let met: Vec<_> =
            answer["redacted"].as_array().unwrap().iter().map(|r| r["records"].as_u64()).collect();
        assert_eq!(met, [Some(4), Some(3), Some(2), Some(2), Some(2)], "{answer}");
        assert_eq!(holds_a_secret(&file), None, "--arrival {arrival}");

        let recording = Recording::open(&file).unwrap();
        let policy = recording.info().redaction.clone().unwrap();
        assert!(policy.contains("email masked") && policy.contains("user hashed"), "{policy}");
        let all = records(&recording);
        let topic = |r: &joinscope_operator::record::Record| {
            recording.partitions()[r.source as usize].topic.to_string()
        };
        // What was equal is equal, over topics too: the join finds the same pairs.
        assert!(all.iter().all(|r| r.key == all[0].key && r.key.as_ref().unwrap().len() == 32));
        let values: Vec<_> = all.iter().filter(|r| r.value.is_some()).collect();
        assert_eq!(values.len(), 3, "a null value stays null");
        let user = json(values[0])["user"].clone();
        for record in values {
            let value = json(record);
            assert_eq!(value["user"], user);
            if topic(record) == "redact-views" {
                assert_eq!((&value["id"], &value["email"]), (&1.into(), &"***".into()));
                assert_eq!(value.get("at"), None);
                let names: Vec<_> = record.headers.iter().map(|h| &*h.key).collect();
                assert_eq!(names, ["kept"]);
            }
        }
        if arrival == "timestamp" {
            let times: Vec<_> = all.iter().map(|r| r.timestamp.unwrap()).collect();
            assert_eq!(times, [10, 15, 20, 30]);
        }
    }
}

#[test]
fn what_cannot_be_redacted_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    make_topic("redact-odd", 1, &[]);
    let of = |timestamp, value| Sent { timestamp, value: Some(value), ..Sent::default() };
    produce("redact-odd", &[of(1, VIEW), of(2, b"u-4711, no JSON"), of(3, CLICK)]);
    let run = |name: &str, more: &[&str]| -> (Said, std::path::PathBuf) {
        let file = folder.path().join(name);
        let mut how = vec!["--compression", "none"];
        how.extend(more);
        let args = record_args("redact-odd", &file, &how);
        (joinscope().args(args).output().unwrap().into(), file)
    };
    let rules = ["--redact", "hash=user", "--redact", "drop=email", "--redact", "mask=at.user"];
    for arrival in ["timestamp", "read"] {
        // Refused at the record; what came before is kept, redacted.
        let how = [&rules[..], &["--arrival", arrival]].concat();
        let (said, file) = run(&format!("refused-{arrival}.mcap"), &how);
        assert_eq!(said.code, Some(2), "{}", said.err);
        assert!(
            said.err.contains("redact-odd[0]@1") && said.err.contains("no JSON"),
            "{}",
            said.err
        );
        assert_eq!(records(&Recording::open(&file).unwrap()).len(), 1);
        assert_eq!(holds_a_secret(&file), None);
        // Left out when asked, and said.
        let how = [&how[..], &["--leave-out-unreadable"]].concat();
        let (said, file) = run(&format!("left-out-{arrival}.mcap"), &how);
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert!(said.out.contains("Left out: 1"), "{}", said.out);
        let offsets: Vec<_> =
            records(&Recording::open(&file).unwrap()).iter().map(|r| r.offset).collect();
        assert_eq!(offsets, [0, 2]);
        assert_eq!(holds_a_secret(&file), None);
    }
    // A rule that met nothing is said, with the exit code too.
    let (said, file) = run("typo.mcap", &["--redact", "drop=$header.auht"]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("$header.auht") && said.err.contains("spelt"), "{}", said.err);
    assert_eq!(records(&Recording::open(&file).unwrap()).len(), 3);
    // Misuse is refused before the cluster is asked.
    for (wrong, says) in [
        (&["--redact", "drop=other:user"][..], "topic other is not among"),
        (&["--redact", "user"], "drop=FIELD"),
        (&["--redact", "hash=$kye"], "$key"),
        (&["--leave-out-unreadable"], "nothing is to be redacted"),
    ] {
        let (said, file) = run("none.mcap", wrong);
        assert_eq!(said.code, Some(2), "{wrong:?}");
        assert!(said.err.contains(says), "{wrong:?}: {}", said.err);
        assert!(!file.exists());
    }
}
