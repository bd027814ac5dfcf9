//! The schemas of a registry are kept with the records that name them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::support::*;

/// Asks the registry; what it answers.
pub fn post(method: &str, path: &str, body: &serde_json::Value) -> serde_json::Value {
    let url = registry().strip_prefix("http://").unwrap();
    let (host, base) = url.split_once('/').unwrap();
    let body = body.to_string();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(
        stream,
        "{method} /{base}/{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let start = body.find('{').unwrap_or_else(|| panic!("{answer}"));
    let end = body.rfind('}').unwrap();
    serde_json::from_str(&body[start..=end]).unwrap()
}

/// Registers a schema; the answer is its id.
fn register(subject: &str, body: &serde_json::Value) -> u32 {
    let answer = post("POST", &format!("subjects/{subject}/versions"), body);
    answer["id"].as_u64().unwrap_or_else(|| panic!("{answer}")) as u32
}

fn framed(id: u32, body: &[u8]) -> Vec<u8> {
    [&[0][..], &id.to_be_bytes(), body].concat()
}

#[test]
fn schemas_and_what_they_refer_to_are_in_the_recording() {
    let folder = tempfile::tempdir().unwrap();
    let place = r#"{"type":"record","name":"Place","fields":[{"name":"x","type":"int"}]}"#;
    register("place", &serde_json::json!({ "schema": place }));
    let visit = r#"{"type":"record","name":"Visit","fields":[{"name":"at","type":"Place"}]}"#;
    let visit_id = register(
        "visits-value",
        &serde_json::json!({
            "schema": visit,
            "references": [{ "name": "Place", "subject": "place", "version": 1 }],
        }),
    );
    let key_id = register("visits-key", &serde_json::json!({ "schema": "\"string\"" }));

    make_topic("visits", 1, &[]);
    let (key, value) = (framed(key_id, b"\x02a"), framed(visit_id, b"\x02"));
    let unknown = framed(987_654, b"");
    let sent = |key, value| Sent { timestamp: 1, key, value, ..Sent::default() };
    produce(
        "visits",
        &[
            sent(Some(&key[..]), Some(&value[..])),
            sent(None, Some(&unknown[..])),
            sent(None, Some(b"\0abc")),
        ],
    );
    let file = folder.path().join("v.mcap");
    let said: Said = joinscope()
        .args(record_args("visits", &file, &["--registry", registry(), "--json"]))
        .output()
        .unwrap()
        .into();
    let answer = said.json();
    assert_eq!(answer["schemas"], 2);
    assert_eq!(answer["unknown_schemas"], serde_json::json!([987_654]));

    let recording = joinscope_core::edges::recording::Recording::open(&file).unwrap();
    let schemas = recording.schemas();
    let kept = schemas.get(visit_id).unwrap();
    assert_eq!(kept.kind, "AVRO");
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(parse(&kept.schema), parse(visit));
    assert_eq!(kept.references.len(), 1);
    assert_eq!(kept.references[0].name, "Place");
    assert_eq!(parse(&kept.references[0].schema), parse(place));
    assert!(schemas.get(key_id).is_some());
}

#[test]
fn a_registry_that_is_not_there_is_said() {
    let folder = tempfile::tempdir().unwrap();
    make_topic("unregistered", 1, &[]);
    let file = folder.path().join("u.mcap");
    let said: Said = joinscope()
        .args(record_args("unregistered", &file, &["--registry", "http://127.0.0.1:1"]))
        .output()
        .unwrap()
        .into();
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("schema registry http://127.0.0.1:1"), "{}", said.err);
    assert!(!file.exists());
}

#[test]
fn a_password_in_the_registrys_url_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    make_topic("unregistered-login", 1, &[]);
    let file = folder.path().join("u.mcap");
    let url = "http://user:hunter2@127.0.0.1:1";
    let config = folder.path().join("client.properties");
    std::fs::write(&config, format!("schema.registry.url={url}\n")).unwrap();
    for more in [["--registry", url], ["--config", config.to_str().unwrap()]] {
        let said: Said = joinscope()
            .args(record_args("unregistered-login", &file, &more))
            .output()
            .unwrap()
            .into();
        assert_eq!(said.code, Some(2), "{}", said.err);
        assert!(said.err.contains("schema registry http://127.0.0.1:1: "), "{}", said.err);
        assert!(!said.err.contains("hunter2") && !said.out.contains("hunter2"), "{}", said.err);
        assert!(!file.exists());
    }
}
