//! A Kafka and a Flink of one test alone, by the scripts under `tests/`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

/// Gone when it is dropped, or when the test ends, however it ends.
pub struct Cluster {
    pub dir: PathBuf,
    pub brokers: String,
    /// Address of Flink's `JobManager`, where Flink was asked for.
    manager: Option<String>,
}

/// A script of the folder `tests`.
pub fn script(name: &str) -> Command {
    let mut command =
        Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests").join(name));
    command.stderr(Stdio::inherit());
    command
}

/// The program itself.
pub fn joinscope() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_joinscope"));
    command.stderr(Stdio::inherit());
    command
}

/// What a command that must succeed prints.
pub fn answer(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", output.status);
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Cluster {
    /// Kafka alone.
    pub fn kafka() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("joinscope-chain-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let mut cluster = Self { dir, brokers: String::new(), manager: None };
        cluster.brokers = cluster.start("kafka/kafka.sh", "kafka");
        cluster
    }

    /// Kafka and Flink.
    pub fn with_flink() -> Self {
        let mut cluster = Self::kafka();
        let addresses = cluster.start("flink/flink.sh", "flink");
        cluster.manager = addresses.split(' ').nth(1).map(str::to_owned);
        cluster
    }

    fn start(&self, name: &str, folder: &str) -> String {
        let pid = std::process::id().to_string();
        let folder = self.dir.join(folder);
        answer(script(name).arg("start").arg("--dir").arg(folder).args(["--with", &pid]))
    }

    fn tool(&self, tool: &str) -> Command {
        let mut command = script("kafka/kafka.sh");
        command.args(["tool", tool, "--bootstrap-server", &self.brokers]);
        command
    }

    /// Makes a topic.
    pub fn topic(&self, name: &str, partitions: i32) {
        let partitions = partitions.to_string();
        answer(
            self.tool("TopicCommand")
                .args(["--create", "--topic", name])
                .args(["--partitions", &partitions]),
        );
    }

    /// A recording's records into topics of the same names, which are made.
    pub fn publish(&self, recording: &Path) {
        let mut publish = joinscope();
        publish.args(["recording", "publish"]).arg(recording);
        publish.args(["--brokers", &self.brokers, "--write", "--create-topics", "--json"]);
        answer(&mut publish);
    }

    /// Everything in a topic of JSON values.
    pub fn consume(&self, topic: &str) -> Vec<Value> {
        let mut command = self.tool("ConsoleConsumer");
        command.args(["--topic", topic, "--from-beginning", "--timeout-ms", "15000"]);
        // It says on stderr that the time is over; that is how it ends.
        let output = command.stderr(Stdio::null()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Statements through Flink's SQL gateway; `more`: arguments of `flink.sh sql`.
    pub fn sql(&self, text: &str, more: &[&str]) -> String {
        let file = self.dir.join("job.sql");
        std::fs::write(&file, text).unwrap();
        let mut command = script("flink/flink.sh");
        command.arg("sql").args(more).arg("--dir").arg(self.dir.join("flink")).arg(file);
        answer(&mut command)
    }

    /// What Flink's `JobManager` answers under a path.
    pub fn rest(&self, path: &str) -> Value {
        let address = self.manager.as_deref().expect("a cluster with Flink");
        let text = answer(Command::new("curl").args(["-fsS", &format!("{address}{path}")]));
        serde_json::from_str(&text).unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let stop = |name: &str, folder: &str| {
            let _ = script(name).arg("stop").arg("--dir").arg(self.dir.join(folder)).status();
        };
        if self.manager.is_some() || self.dir.join("flink").exists() {
            stop("flink/flink.sh", "flink");
        }
        stop("kafka/kafka.sh", "kafka");
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
