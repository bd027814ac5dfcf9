//! The broker, the program, and small producers for the tests.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use joinscope_core::edges::recording::Recording;
use joinscope_operator::record::Record;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

pub const PATIENCE: Duration = Duration::from_secs(30);

/// A cluster of the tests.
pub struct Kafka {
    pub brokers: String,
    /// The listener that wants a password.
    pub sasl: String,
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/kafka").join(name)
}

fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("joinscope-tests-{}", std::process::id()))
}

/// Runs a script of tests/kafka and returns its answer; a test that cannot
/// have its broker fails and says why.
fn answer(name: &str, args: &[&str]) -> String {
    let pid = std::process::id().to_string();
    let mut command = Command::new(script(name));
    command.args(args).arg("--dir").arg(folder());
    if args[0] == "start" {
        command.args(["--with", &pid]);
    }
    let output = command.output().unwrap_or_else(|e| panic!("{name} cannot run: {e}"));
    assert!(
        output.status.success(),
        "{name} {args:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A cluster of its own, for a test that harms it; stopped when this process ends.
pub struct Own {
    folder: PathBuf,
    pub brokers: String,
}

impl Own {
    pub fn start(name: &str) -> Self {
        Self::start_nodes(name, 1)
    }

    pub fn start_nodes(name: &str, nodes: u32) -> Self {
        Self::start_with(name, &["--nodes", &nodes.to_string()])
    }

    /// With a listener that speaks TLS, and wants a client's certificate.
    pub fn start_tls(name: &str) -> Self {
        Self::start_with(name, &["--tls"])
    }

    /// With a listener that is advertised at this port, where the test has a proxy.
    pub fn start_proxied(name: &str, port: u16) -> Self {
        Self::start_with(name, &["--proxied", &port.to_string()])
    }

    fn start_with(name: &str, more: &[&str]) -> Self {
        let folder = folder().with_extension(name);
        let pid = std::process::id().to_string();
        let brokers = Self::script(&folder, &[&["start", "--with", &pid][..], more].concat());
        Self { folder, brokers }
    }

    /// The address of the TLS listener.
    pub fn tls_address(&self) -> String {
        Self::script(&self.folder, &["address", "--tls"])
    }

    /// Where that listener itself is.
    pub fn proxied_address(&self, port: u16) -> String {
        Self::script(&self.folder, &["address", "--proxied", &port.to_string()])
    }

    /// A certificate or keystore that was made for the TLS listener.
    pub fn tls(&self, name: &str) -> PathBuf {
        self.folder.join("tls").join(name)
    }

    fn script(folder: &Path, args: &[&str]) -> String {
        let output =
            Command::new(script("kafka.sh")).args(args).arg("--dir").arg(folder).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// SIGKILL.
    pub fn kill(&self) {
        self.kill_node(1);
    }

    pub fn kill_node(&self, node: u32) {
        Self::script(&self.folder, &["kill", "--node", &node.to_string()]);
    }

    /// Starts it again, with its data.
    pub fn revive(&self) {
        self.revive_node(1);
    }

    pub fn revive_node(&self, node: u32) {
        Self::script(&self.folder, &["revive", "--node", &node.to_string()]);
    }

    /// SIGSTOP: its connections stay, nothing answers.
    pub fn stall(&self) {
        Self::script(&self.folder, &["stall", "--node", "1"]);
    }

    /// SIGCONT.
    pub fn wake(&self) {
        Self::script(&self.folder, &["wake", "--node", "1"]);
    }

    pub fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", &self.brokers).create().unwrap()
    }

    pub fn make_topic(&self, name: &str, partitions: i32) {
        // As many replicas as there are brokers.
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(-1));
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        block(self.admin().create_topics([&topic], &options)).unwrap();
    }

    pub fn producer(&self) -> BaseProducer {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers).set("linger.ms", "1");
        config.create().unwrap()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ =
            Command::new(script("kafka.sh")).arg("stop").arg("--dir").arg(&self.folder).output();
    }
}

/// The broker, started by the first test that asks.
pub fn kafka() -> &'static Kafka {
    static KAFKA: OnceLock<Kafka> = OnceLock::new();
    KAFKA.get_or_init(|| Kafka {
        brokers: answer("kafka.sh", &["start", "--sasl"]),
        sasl: answer("kafka.sh", &["address", "--sasl"]),
    })
}

/// The schema registry's address.
pub fn registry() -> &'static str {
    static REGISTRY: OnceLock<String> = OnceLock::new();
    REGISTRY.get_or_init(|| answer("registry.sh", &["start"]))
}

/// One of Kafka's own tools.
pub fn tool(args: &[&str]) -> String {
    let output = Command::new(script("kafka.sh")).arg("tool").args(args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {text}{errors}");
    text
}

/// The program under test.
pub fn joinscope() -> Command {
    Command::new(env!("CARGO_BIN_EXE_joinscope"))
}

/// What a run of the program said.
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Said {
    pub fn json(&self) -> serde_json::Value {
        assert_eq!(self.code, Some(0), "{}", self.err);
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}", self.out))
    }
}

/// `joinscope record --brokers … --topics TOPIC -o FILE …`
pub fn record_args(topic: &str, file: &Path, more: &[&str]) -> Vec<String> {
    let file = file.to_str().unwrap();
    ["record", "--brokers", &kafka().brokers, "--topics", topic, "-o", file]
        .iter()
        .chain(more)
        .map(|s| (*s).to_owned())
        .collect()
}

/// Records a topic; it must succeed.
pub fn record(topic: &str, file: &Path, more: &[&str]) -> Recording {
    let said: Said = joinscope().args(record_args(topic, file, more)).output().unwrap().into();
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    Recording::open(file).unwrap()
}

/// Starts recording in the background.
pub fn record_in_background(topic: &str, file: &Path, more: &[&str]) -> Child {
    joinscope()
        .args(record_args(topic, file, more))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// All records of a recording, in arrival order.
pub fn records(recording: &Recording) -> Vec<Record> {
    recording.batches(None, 0).flat_map(Result::unwrap).collect()
}

/// No file in a folder, or below it, holds this text.
pub fn holds_nowhere(folder: PathBuf, text: &str) {
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                let bytes = std::fs::read(entry.path()).unwrap();
                let found = bytes.windows(text.len()).any(|w| w == text.as_bytes());
                assert!(!found, "{}", entry.path().display());
            }
        }
    }
}

/// A port of this machine that is free now, as an address.
pub fn free_address() -> String {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("127.0.0.1:{port}")
}

/// What is answered under `--metrics`, head and body; `None`: nobody is there yet.
pub fn page(address: &str, path: &str) -> Option<String> {
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    std::io::Write::write_all(&mut stream, request.as_bytes()).ok()?;
    let mut page = String::new();
    std::io::Read::read_to_string(&mut stream, &mut page).ok()?;
    Some(page)
}

/// Waits until a line stands under `--metrics`.
pub fn served(address: &str, line: &str) {
    until(line, || page(address, "/metrics")?.lines().any(|l| l == line).then_some(()));
}

/// A signal to a child of ours.
pub fn signal(child: &Child, name: &str) {
    let done = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(done.unwrap().success());
}

/// Waits until `is` answers something.
pub fn until<T>(what: &str, mut is: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_mins(3);
    loop {
        if let Some(answer) = is() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited three minutes for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Runs an async request of the admin client.
pub fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

pub fn admin() -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", &kafka().brokers).create().unwrap()
}

/// Makes a topic.
pub fn make_topic(name: &str, partitions: i32, config: &[(&str, &str)]) {
    let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    for (key, value) in config {
        topic = topic.set(key, value);
    }
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    for result in block(admin().create_topics([&topic], &options)).unwrap() {
        result.unwrap();
    }
    await_topic(name, true);
}

/// Deletes a topic.
pub fn delete_topic(name: &str) {
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    for result in block(admin().delete_topics(&[name], &options)).unwrap() {
        result.unwrap();
    }
    await_topic(name, false);
}

fn await_topic(name: &str, there: bool) {
    until(&format!("topic {name} (there: {there})"), || {
        (topic_names().iter().any(|n| n == name) == there).then_some(())
    });
}

/// All topics of the cluster.
pub fn topic_names() -> Vec<String> {
    let admin = admin();
    let metadata = admin.inner().fetch_metadata(None, PATIENCE).unwrap();
    metadata.topics().iter().map(|t| t.name().to_owned()).collect()
}

/// A record to be produced.
#[derive(Clone, Debug, Default)]
pub struct Sent<'a> {
    pub partition: i32,
    pub timestamp: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Vec<(&'a str, Option<&'a [u8]>)>,
}

pub fn producer(more: &[(&str, &str)]) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &kafka().brokers).set("linger.ms", "1");
    for (key, value) in more {
        config.set(*key, *value);
    }
    config.create().unwrap()
}

/// Hands a record over.
pub fn give(producer: &BaseProducer, topic: &str, sent: &Sent<'_>) {
    let mut record =
        BaseRecord::<[u8], [u8]>::to(topic).partition(sent.partition).timestamp(sent.timestamp);
    if let Some(key) = sent.key {
        record = record.key(key);
    }
    if let Some(value) = sent.value {
        record = record.payload(value);
    }
    if !sent.headers.is_empty() {
        let headers = sent.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: *value })
        });
        record = record.headers(headers);
    }
    producer.send(record).map_err(|(e, _)| e).unwrap();
    producer.poll(Duration::ZERO);
}

/// Sends records and waits until the broker has them.
pub fn produce(topic: &str, records: &[Sent<'_>]) {
    let producer = producer(&[]);
    for record in records {
        give(&producer, topic, record);
    }
    producer.flush(PATIENCE).unwrap();
}

/// `n` records with timestamps 1000, 1001, … over the partitions in turn,
/// value = number.
pub fn produce_numbers(topic: &str, partitions: i32, n: usize) {
    let producer = producer(&[]);
    for i in 0..n {
        let value = i.to_string();
        let partition = i as i32 % partitions;
        let timestamp = 1000 + i as i64;
        let value = Some(value.as_bytes());
        give(&producer, topic, &Sent { partition, timestamp, value, ..Sent::default() });
    }
    producer.flush(PATIENCE).unwrap();
}

/// A record's value as text.
pub fn value(record: &Record) -> &str {
    std::str::from_utf8(record.value.as_deref().unwrap()).unwrap()
}
