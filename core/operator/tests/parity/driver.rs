//! A released join in a JVM of its own (tests/parity/driver.sh).

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::trace::{Given, Trace};

pub struct Driver {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

/// `tests/parity` of the checkout.
pub fn home() -> PathBuf {
    // Where it is run: a target folder that checkouts share keeps the path of
    // the one that built this.
    let package = std::env::var("CARGO_MANIFEST_DIR");
    let package = package.unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    PathBuf::from(package).join("../../tests/parity")
}

impl Driver {
    /// `flink` or `kafka-streams`; built first where it is not.
    pub fn start(which: &str) -> Self {
        let mut child = Command::new(home().join("driver.sh"))
            .arg(which)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("tests/parity/driver.sh {which}: {error}"));
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdin, stdout }
    }

    /// What it gives for each trace.
    pub fn ask(&mut self, traces: &[Trace]) -> Vec<Given> {
        let Some(stdin) = self.stdin.as_mut() else { return Vec::new() };
        let stdout = &mut self.stdout;
        let (given, whole) = std::thread::scope(|scope| {
            // While it writes we read: neither pipe can fill up against the other.
            scope.spawn(move || {
                // Fails if the driver ended, which the reader finds out too.
                let _ =
                    traces.iter().try_for_each(|trace| stdin.write_all(trace.text().as_bytes()));
                let _ = stdin.write_all(b"\n").and_then(|()| stdin.flush());
            });
            let mut given: Vec<Given> = Vec::with_capacity(traces.len());
            let mut whole = false;
            for line in stdout.lines().map_while(Result::ok) {
                if line.is_empty() {
                    whole = true;
                    break;
                } else if line.starts_with("{\"trace\":") {
                    given.push(Given::new());
                } else {
                    given.last_mut().expect("a line of no trace").push(line);
                }
            }
            (given, whole)
        });
        if !whole {
            let status = self.child.wait();
            let at = traces.get(given.len().saturating_sub(1)).map(Trace::text).unwrap_or_default();
            panic!("the driver ended ({status:?}), its message is above; it was at\n{at}");
        }
        assert_eq!(given.len(), traces.len(), "the driver answers every trace");
        given
    }
}

impl Drop for Driver {
    /// Ends with its input, and removes what it wrote.
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.wait();
    }
}
