//! The schemas of a registry are kept with the records that name them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

use joinscope_core::run::Run;

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

/// A topic of framed Avro, recorded without its registry, and a pipeline that joins
/// it with itself; one record names a schema that nobody has.
fn unframed(topic: &str, folder: &std::path::Path) {
    let schema = r#"{"type":"record","name":"Seen","fields":[{"name":"id","type":"long"}]}"#;
    let id = register(&format!("{topic}-value"), &serde_json::json!({ "schema": schema }));
    make_topic(topic, 1, &[]);
    let values: Vec<Vec<u8>> =
        (0..10).map(|n| framed(if n == 7 { 987_653 } else { id }, &[n * 2])).collect();
    let sent: Vec<Sent<'_>> = (1_763_626_401_480..)
        .zip(&values)
        .map(|(timestamp, value)| Sent { timestamp, value: Some(&value[..]), ..Sent::default() })
        .collect();
    produce(topic, &sent);
    assert!(record(topic, &folder.join("r.mcap"), &[]).schemas().is_empty());
    joined(topic, folder);
}

/// A pipeline that joins a topic of framed Avro with itself.
fn joined(topic: &str, folder: &std::path::Path) {
    let input = |name: &str| {
        format!(
            "[inputs.{name}]\ntopic = \"{topic}\"\nformat = \"avro-registry\"\nkey = \"id\"\n\
             event_time = \"$timestamp\"\nwatermark = {{ max_out_of_orderness = \"1s\" }}\n"
        )
    };
    let join = "[join]\nprimary = \"a\"\nwith.b = { after = \"0s\", until = \"1s\" }\n";
    let text = format!("name = \"seen\"\n{}{}{join}", input("a"), input("b"));
    std::fs::write(folder.join("p.toml"), text).unwrap();
}

/// `joinscope …` in a folder.
fn said(folder: &std::path::Path, args: &[&str]) -> Said {
    joinscope().current_dir(folder).args(args).output().unwrap().into()
}

#[test]
fn what_a_recording_lacks_comes_from_a_registry_and_stays_with_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    unframed("seen", at);
    let run = ["run", "p.toml", "--recording", "r.mcap", "--json", "--at-end", "close", "--out"];
    let without = said(at, &[&run[..], &["without"]].concat());
    assert_eq!(without.json()["books"]["a"]["undecodable"], 10);
    let with = said(at, &[&run[..], &["with", "--registry", registry()]].concat());
    let answer = with.json();
    assert_eq!(answer["books"]["a"]["undecodable"], 1, "{answer}");
    assert_eq!(answer["books"]["a"]["joined"], 9, "{answer}");
    assert!(with.err.contains("schema 987653 is neither in the recording"), "{}", with.err);

    // Explained and shown without the registry, and not the same run as the other.
    let poison = said(at, &["explain", "with", "seen[0]@7", "--input", "a"]);
    assert!(poison.out.contains("its schema id 987653 is not known"), "{}", poison.out);
    let outputs = said(at, &["outputs", "with", "--limit", "1", "--json"]);
    assert_eq!(outputs.json()["value"]["a"]["id"], 0, "{}", outputs.out);
    let diff = said(at, &["diff", "without", "with"]);
    assert!(diff.out.contains("schemas given"), "{}", diff.out);

    let check = ["pipeline", "check", "p.toml", "--recording", "r.mcap"];
    assert_eq!(said(at, &check).code, Some(1));
    let fits = said(at, &[&check[..], &["--registry", registry()]].concat());
    assert_eq!(fits.code, Some(0), "{}{}", fits.out, fits.err);
    let new = ["pipeline", "new", "r.mcap", "-o", "new.toml", "--registry", registry()];
    assert_eq!(said(at, &new).code, Some(0));
    let text = std::fs::read_to_string(at.join("new.toml")).unwrap();
    assert!(text.contains("of them decode so"), "{text}");

    // Of a topic that no input reads nothing is asked.
    make_topic("seen-aside", 1, &[]);
    let value = framed(987_654, &[2]);
    let sent = Sent { timestamp: 1_763_626_401_480, value: Some(&value[..]), ..Sent::default() };
    produce("seen-aside", &[sent]);
    record("seen-aside", &at.join("aside.mcap"), &[]);
    let merge = ["recording", "merge", "r.mcap", "aside.mcap", "-o", "both.mcap"];
    assert_eq!(said(at, &merge).code, Some(0));
    let sides = ["semantics", "p.toml", "--recording", "both.mcap", "--out", "sides"];
    let sides = said(at, &[&sides[..], &["--registry", registry()]].concat());
    assert!(sides.err.contains("schema 987653 is neither"), "{}", sides.err);
    assert!(!sides.err.contains("987654"), "{}", sides.err);
}

/// Answers one request after the other: this user may not.
fn forbidding() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = [0; 4096];
            if stream.read(&mut asked).unwrap_or_default() == 0 {
                continue;
            }
            let body = r#"{"error_code":40101,"message":"Unauthorized"}"#;
            let _ = write!(
                stream,
                "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    url
}

#[test]
fn a_registry_that_cannot_be_asked_ends_a_run_before_it_begins() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    unframed("unseen", at);
    let run = ["run", "p.toml", "--recording", "r.mcap", "--out", "out"];
    // It may answer later.
    let away = said(at, &[&run[..], &["--registry", "http://u:hunter2@127.0.0.1:1"]].concat());
    assert_eq!(away.code, Some(3), "{}", away.err);
    assert!(away.err.contains("schema registry http://127.0.0.1:1: does not"), "{}", away.err);
    assert!(!away.err.contains("hunter2"), "{}", away.err);

    let url = forbidding();
    let login = "schema.registry.basic.auth.user.info=u:hunter2";
    std::fs::write(at.join("c.properties"), format!("schema.registry.url={url}\n{login}\n"))
        .unwrap();
    for verb in [&run[..], &["pipeline", "check", "p.toml", "--recording", "r.mcap"]] {
        let refused = said(at, &[verb, &["--config", "c.properties"]].concat());
        assert_eq!(refused.code, Some(2), "{}", refused.err);
        assert!(refused.err.contains("refuses") && refused.err.contains("401"), "{}", refused.err);
        assert!(refused.err.contains("user and password"), "{}", refused.err);
        assert!(!refused.err.contains("hunter2"), "{}", refused.err);
    }
    std::fs::write(at.join("n.properties"), "client.id=x\n").unwrap();
    let none = said(at, &[&run[..], &["--config", "n.properties"]].concat());
    assert_eq!(none.code, Some(2));
    assert!(none.err.contains("schema.registry.url=URL"), "{}", none.err);
    let both =
        said(at, &["run", "p.toml", "--recording", "r.mcap", "--resume", "x", "--registry", &url]);
    assert!(both.err.contains("cannot be used with"), "{}", both.err);
    assert!(!at.join("out").exists());
}

/// What the registry of `unwell` says first.
const AWAY: (u16, &str) = (500, r#"{"error_code":50001,"message":"the backend data store"}"#);
const UNKNOWN: (u16, &str) = (404, r#"{"error_code":40403,"message":"Schema not found"}"#);

/// A registry that gives one schema for every id, but `first` when it is asked first.
fn unwell(schema: &'static str, first: (u16, &'static str)) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut times = 0;
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = [0; 4096];
            let n = stream.read(&mut asked).unwrap_or_default();
            let (mut code, mut body) = (200, "[]".to_owned());
            if asked[..n].starts_with(b"GET /schemas/ids/") {
                times += 1;
                body = serde_json::json!({ "schema": schema }).to_string();
                if times == 1 {
                    (code, body) = (first.0, first.1.to_owned());
                }
            }
            let _ = write!(
                stream,
                "HTTP/1.1 {code} Said\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    url
}

const SEEN: &str = r#"{"type":"record","name":"Seen","fields":[{"name":"id","type":"long"}]}"#;

/// Found by reading: what named the schema went on without it, and stayed undecodable
/// through every later start.
#[test]
fn a_registry_that_is_not_well_for_a_moment_costs_a_live_run_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    make_topic("unwell", 1, &[]);
    joined("unwell", at);
    let values: Vec<Vec<u8>> = (0..10).map(|n| framed(77, &[n * 2])).collect();
    let sent: Vec<Sent<'_>> = (1_763_626_401_480..)
        .zip(&values)
        .map(|(timestamp, value)| Sent { timestamp, value: Some(&value[..]), ..Sent::default() })
        .collect();
    produce("unwell", &sent);
    let url = unwell(SEEN, AWAY);
    let start = || {
        let mut command = joinscope();
        command.current_dir(at).args(["run", "p.toml", "--brokers", &kafka().brokers]);
        command.args(["--registry", &url, "--out", "out", "--json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut child = start();
    until("the run to end", || child.try_wait().unwrap());
    let ended: Said = child.wait_with_output().unwrap().into();
    assert_eq!(ended.code, Some(3), "{}", ended.err);
    assert!(ended.err.contains("failed with status 500"), "{}", ended.err);
    let child = start();
    until("all records to be taken", || {
        Run::open(&at.join("out")).ok().filter(|run| run.arrivals() >= 10).map(drop)
    });
    let answer = super::live::stop(child).json();
    assert_eq!(answer["records"], 10, "{answer}");
    assert_eq!(answer["books"]["a"]["undecodable"], 0, "{answer}");
}

/// Found by reading: a replay decoded all of them, and the live run the later ones only.
#[test]
fn a_schema_that_is_known_at_the_next_start_counts_from_there_on() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    make_topic("late-schema", 1, &[]);
    joined("late-schema", at);
    let send = |from: u8| {
        let values: Vec<Vec<u8>> = (from..from + 5).map(|n| framed(78, &[n * 2])).collect();
        let sent: Vec<Sent<'_>> = (1_763_626_401_480 + i64::from(from)..)
            .zip(&values)
            .map(|(timestamp, value)| Sent {
                timestamp,
                value: Some(&value[..]),
                ..Sent::default()
            })
            .collect();
        produce("late-schema", &sent);
    };
    let url = unwell(SEEN, UNKNOWN);
    let taken = |records: u64| {
        let mut command = joinscope();
        command.current_dir(at).args(["run", "p.toml", "--brokers", &kafka().brokers]);
        command.args(["--registry", &url, "--out", "out", "--json"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        until("all records to be taken", || {
            Run::open(&at.join("out")).ok().filter(|run| run.arrivals() >= records).map(drop)
        });
        super::live::stop(child).json()
    };
    send(0);
    assert_eq!(taken(5)["books"]["a"]["undecodable"], 5);
    send(5);
    let live = taken(10);
    assert_eq!(live["books"]["a"]["undecodable"], 5, "{live}");
    let replay = ["run", "p.toml", "--recording", "out/arrivals", "--out", "again", "--json"];
    let replay = said(at, &replay).json();
    for field in ["records", "outputs", "books", "digest"] {
        assert_eq!(replay[field], live[field], "{field}");
    }
    let why = said(at, &["explain", "again", "late-schema[0]@4", "--input", "a"]);
    assert!(why.out.contains("was not known when a live run took it in"), "{}", why.out);
}

#[test]
fn a_protobuf_schema_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    unframed("proto", at);
    let schema = "syntax = \"proto3\"; message Seen { int64 id = 1; }";
    let body = serde_json::json!({ "schemaType": "PROTOBUF", "schema": schema });
    let id = register("proto-other-value", &body);
    let value = framed(id, &[0, 8, 1]);
    let sent = Sent { timestamp: 1_763_626_401_499, value: Some(&value[..]), ..Sent::default() };
    produce("proto", &[sent]);
    std::fs::remove_file(at.join("r.mcap")).unwrap();
    record("proto", &at.join("r.mcap"), &["--registry", registry()]);
    let run = ["run", "p.toml", "--recording", "r.mcap", "--out", "out"];
    assert_eq!(said(at, &run).code, Some(0));
    let poison = said(at, &["explain", "out", "proto[0]@10", "--input", "a"]);
    let why = format!("its schema (id {id}) is Protobuf, which this version does not decode");
    assert!(poison.out.contains(&why), "{}", poison.out);
}
