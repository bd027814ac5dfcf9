//! `--metrics ADDR`: how a live run stands, for Prometheus (`/metrics`) and for
//! whoever asks whether it is well (`/health`: 200, or 503 with what it waits for and
//! since when). Until the cluster has answered, nothing is known but the job's name.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use joinscope_core::engine::live::Standing;
use joinscope_core::engine::{InputBooks, Progress, Waiting};
use joinscope_operator::verdict::Verdict;
use tiny_http::{Header, Method, Request, Response, Server};

/// What is answered; replaced several times a second.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub progress: Progress,
    pub standing: Standing,
    pub waiting: Option<Waiting>,
}

/// What takes longer than this is waited for; a commit takes less.
const LONG: Duration = Duration::from_secs(5);
/// The join takes batches of a few thousand records: one that has not asked for the
/// next in this time does not get on.
const STUCK_S: u64 = 30;

impl Figures {
    /// What it waits for, and for how many seconds; `None`: nothing keeps it.
    pub fn kept_by(&self) -> Option<(u64, String)> {
        let Self { standing, waiting, .. } = self;
        if let Some((seconds, why)) = &standing.away {
            return Some((*seconds, format!("no broker answers ({why})")));
        }
        if let Some(waiting) = waiting.as_ref().filter(|waiting| waiting.time >= LONG) {
            return Some((waiting.time.as_secs(), format!("it waits for {}", waiting.what)));
        }
        let stuck = standing.unasked_s >= STUCK_S;
        stuck.then(|| (standing.unasked_s, "the join has taken nothing more".to_owned()))
    }
}

/// Answers until the process ends.
pub struct Metrics {
    figures: Arc<Mutex<Option<Figures>>>,
    pub address: String,
}

impl Metrics {
    /// # Errors
    /// The address cannot be listened on.
    pub fn serve(address: &str, job: &str) -> anyhow::Result<Self> {
        let server = Server::http(address).map_err(|e| {
            anyhow!(
                "--metrics {address}: cannot be listened on: {e}; give HOST:PORT of this machine, \
                 as 127.0.0.1:9464"
            )
        })?;
        let address = server.server_addr().to_string();
        let figures = Arc::<Mutex<Option<Figures>>>::default();
        let (shown, job) = (Arc::clone(&figures), job.to_owned());
        std::thread::Builder::new().name("joinscope-metrics".to_owned()).spawn(move || {
            for request in server.incoming_requests() {
                let now = shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
                answer(request, &job, now.as_ref());
            }
        })?;
        Ok(Self { figures, address })
    }

    pub fn set(&self, mut figures: Figures) {
        let mut shown = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Figures { progress: before, .. }) = &*shown {
            // A job that goes on from its checkpoint takes some again. To Prometheus a
            // counter that goes back began anew at 0: all it says would count as new.
            let now = &mut figures.progress;
            now.from = before.from.or(now.from);
            now.records = now.records.max(before.records);
            now.outputs = now.outputs.max(before.outputs);
        }
        *shown = Some(figures);
    }
}

fn answer(request: Request, job: &str, figures: Option<&Figures>) {
    let path = request.url().split('?').next().unwrap_or_default().to_owned();
    let (code, body) = match (request.method(), path.as_str()) {
        (Method::Get | Method::Head, "/metrics") => (200, text(job, figures)),
        (Method::Get | Method::Head, "/health") => match figures.map(Figures::kept_by) {
            None => (503, "starting\n".to_owned()),
            Some(None) => (200, "running\n".to_owned()),
            Some(Some((seconds, what))) => (503, format!("waiting since {seconds} s: {what}\n")),
        },
        (Method::Get | Method::Head, _) => (404, "/metrics or /health\n".to_owned()),
        _ => (405, "GET\n".to_owned()),
    };
    let mut response = Response::from_string(body).with_status_code(code);
    if let Ok(header) =
        Header::from_bytes("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
    {
        response.add_header(header);
    }
    if let Err(error) = request.respond(response) {
        tracing::debug!("metrics: {error}");
    }
}

/// A label's value, escaped.
fn label(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

struct Page<'a> {
    out: String,
    job: &'a str,
}

impl Page<'_> {
    fn about(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ =
            writeln!(self.out, "# HELP joinscope_{name} {help}\n# TYPE joinscope_{name} {kind}");
    }

    /// Not `job`, which is Prometheus' own label: it would become `exported_job`.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let _ = write!(self.out, "joinscope_{name}{{job_name=\"{}\"", label(self.job));
        for (key, text) in labels {
            let _ = write!(self.out, ",{key}=\"{}\"", label(text));
        }
        let _ = writeln!(self.out, "}} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.about(name, kind, help);
        self.sample(name, &[], value);
    }
}

/// Prometheus' text format.
fn text(job: &str, figures: Option<&Figures>) -> String {
    let mut page = Page { out: String::new(), job };
    let up = figures.is_some_and(|now| now.standing.away.is_none());
    page.one("brokers_answer", "gauge", "1 while a broker answers.", u8::from(up));
    let Some(now) = figures else { return page.out };
    let Figures { progress, standing, .. } = now;
    let waits = now.kept_by().map_or(0, |(seconds, _)| seconds);
    let help = "How long it has waited for what /health names; 0 where nothing keeps it.";
    page.one("waiting_seconds", "gauge", help, waits);
    // A process that goes on where another crashed begins before what that one said last,
    // which looks as if all of it came anew, unless it begins at 0.
    let (records, outputs) = progress.from.unwrap_or_default();
    let records = progress.records.saturating_sub(records);
    let outputs = progress.outputs.saturating_sub(outputs);
    page.one("records_total", "counter", "Records taken since the start.", records);
    page.one("outputs_total", "counter", "Outputs given out since the start.", outputs);
    page.one("checkpoints_total", "counter", "Checkpoints since the start.", progress.checkpoints);
    page.one("epoch", "gauge", "The epoch at hand.", progress.epoch);
    // 0 before the run has said anything.
    let said = progress.records > 0 || progress.watermark != 0;
    if said && progress.watermark != i64::MIN {
        let seconds = progress.watermark as f64 / 1e3;
        let help = "The join's event-time watermark, seconds since the Unix epoch.";
        page.one("watermark_seconds", "gauge", help, seconds);
    }
    page.one("state_rows", "gauge", "Rows of join state, in all tiers.", progress.state_rows);
    page.one("state_bytes", "gauge", "Bytes of join state in memory.", progress.state_bytes);
    let memory = progress.peak_memory_bytes;
    page.one("peak_memory_bytes", "gauge", "Sampled peak of anonymous memory.", memory);
    page.about("verdicts", "gauge", "Rows by input and verdict; they can leave open.");
    for InputBooks { input, counts } in &progress.books {
        for verdict in Verdict::ALL {
            let labels = [("input", &**input), ("verdict", verdict.name())];
            page.sample("verdicts", &labels, counts.get(verdict));
        }
    }
    let help = "Offsets in the log that were not yet taken, those of open transactions too.";
    page.about("lag_records", "gauge", help);
    for lane in &standing.lanes {
        let partition = lane.partition.partition.to_string();
        let labels = [("topic", &*lane.partition.topic), ("partition", partition.as_str())];
        page.sample("lag_records", &labels, lane.lag());
    }
    page.about("paused", "gauge", "1 where event-time alignment has paused the partition.");
    for lane in &standing.lanes {
        let partition = lane.partition.partition.to_string();
        let labels = [("topic", &*lane.partition.topic), ("partition", partition.as_str())];
        page.sample("paused", &labels, u8::from(lane.paused));
    }
    let help = "How long the partition has waited for an open transaction of those who write \
                it: nothing behind can be read before it ends. 0 where it does not.";
    page.about("open_transaction_seconds", "gauge", help);
    for lane in &standing.lanes {
        let partition = lane.partition.partition.to_string();
        let labels = [("topic", &*lane.partition.topic), ("partition", partition.as_str())];
        page.sample("open_transaction_seconds", &labels, standing.waited_ms(lane) as f64 / 1e3);
    }
    let help = "Age of the newest record taken where more wait, the most of all partitions.";
    page.one("lag_seconds", "gauge", help, standing.lag_ms() as f64 / 1e3);
    let unread = standing.unread.len();
    page.one("unread_partitions", "gauge", "New partitions that are not read.", unread);
    page.out
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use joinscope_core::edges::kafka::TailLane;
    use joinscope_operator::record::TopicPartition;

    use super::*;

    fn get(address: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn figures_are_served_as_prometheus_reads_them() {
        let metrics = Metrics::serve("localhost:0", "feed").unwrap();
        // Nothing is known yet: neither that it is well, nor any number.
        let page = get(&metrics.address, "/health");
        assert!(page.starts_with("HTTP/1.1 503") && page.contains("starting"), "{page}");
        let page = get(&metrics.address, "/metrics");
        let samples: Vec<&str> = page.lines().filter(|l| l.starts_with("joinscope_")).collect();
        assert_eq!(samples, ["joinscope_brokers_answer{job_name=\"feed\"} 0"], "{page}");
        let lane = TailLane {
            partition: TopicPartition { topic: "vi\"ews".into(), partition: 3 },
            next: 10,
            end: 17,
            paused: true,
            newest_ms: Some(1_000),
            waits_since_ms: Some(2_000),
        };
        let mut figures = Figures::default();
        figures.progress.records = 42;
        figures.progress.watermark = 1_500;
        figures.standing = Standing { lanes: vec![lane], now_ms: 4_500, ..Standing::default() };
        metrics.set(figures.clone());
        let page = get(&metrics.address, "/metrics");
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
        for line in [
            "joinscope_records_total{job_name=\"feed\"} 42",
            "joinscope_watermark_seconds{job_name=\"feed\"} 1.5",
            "joinscope_lag_records{job_name=\"feed\",topic=\"vi\\\"ews\",partition=\"3\"} 7",
            "joinscope_paused{job_name=\"feed\",topic=\"vi\\\"ews\",partition=\"3\"} 1",
            "joinscope_open_transaction_seconds{job_name=\"feed\",topic=\"vi\\\"ews\",\
             partition=\"3\"} 2.5",
            "joinscope_lag_seconds{job_name=\"feed\"} 3.5",
            "joinscope_brokers_answer{job_name=\"feed\"} 1",
            "# TYPE joinscope_records_total counter",
            "# HELP joinscope_lag_records Offsets in the log that were not yet taken, those of \
             open transactions too.",
        ] {
            assert!(page.lines().any(|l| l == line), "{line}: {page}");
        }
        assert!(get(&metrics.address, "/health").starts_with("HTTP/1.1 200"));
        figures.standing.away = Some((7, "connection refused".to_owned()));
        metrics.set(figures);
        let page = get(&metrics.address, "/health");
        assert!(page.starts_with("HTTP/1.1 503") && page.contains("refused"), "{page}");
        let page = get(&metrics.address, "/metrics");
        assert!(page.contains("joinscope_waiting_seconds{job_name=\"feed\"} 7"), "{page}");
        assert!(get(&metrics.address, "/").starts_with("HTTP/1.1 404"));
    }

    /// Records and outputs that the page counts.
    fn counted(metrics: &Metrics, progress: Progress) -> String {
        metrics.set(Figures { progress, ..Figures::default() });
        let page = get(&metrics.address, "/metrics");
        let value = |name: &str| {
            let of = format!("joinscope_{name}{{job_name=\"feed\"}} ");
            page.lines().find_map(|line| line.strip_prefix(&*of)).unwrap().to_owned()
        };
        format!("{} {}", value("records_total"), value("outputs_total"))
    }

    /// Found by reading: after an aborted transaction the rate of a job's records jumped
    /// by all that it had ever taken.
    #[test]
    fn counters_do_not_go_back_to_a_checkpoint() {
        let metrics = Metrics::serve("localhost:0", "feed").unwrap();
        for (records, outputs, shown) in
            [(500, 90, "500 90"), (400, 70, "500 90"), (501, 91, "501 91")]
        {
            let progress = Progress { records, outputs, ..Progress::default() };
            assert_eq!(counted(&metrics, progress), shown);
        }
    }

    /// Found by reading: after a crash they went back to the checkpoint, and the rate of
    /// the job's records jumped by all that it had ever taken.
    #[test]
    fn counters_begin_at_nothing_where_a_job_goes_on() {
        let metrics = Metrics::serve("localhost:0", "feed").unwrap();
        for (from, records, outputs, shown) in [
            (None, 0, 0, "0 0"),
            (Some((400, 70)), 400, 70, "0 0"),
            (Some((400, 70)), 430, 75, "30 5"),
            // It goes on from a checkpoint by itself.
            (Some((410, 71)), 410, 71, "30 5"),
            (Some((410, 71)), 440, 77, "40 7"),
        ] {
            let progress = Progress { from, records, outputs, ..Progress::default() };
            assert_eq!(counted(&metrics, progress), shown);
        }
    }

    #[test]
    fn what_takes_long_is_said_and_what_does_not_is_not() {
        let waits = |seconds| Figures {
            waiting: Some(Waiting {
                what: "the commit of epoch 7 (timed out)".to_owned(),
                time: Duration::from_secs(seconds),
            }),
            ..Figures::default()
        };
        assert_eq!(waits(4).kept_by(), None);
        let said = "it waits for the commit of epoch 7 (timed out)".to_owned();
        assert_eq!(waits(12).kept_by(), Some((12, said)));
        let untaken = |unasked_s| Figures {
            standing: Standing { unasked_s, ..Standing::default() },
            ..Figures::default()
        };
        assert_eq!(untaken(29).kept_by(), None);
        let (seconds, said) = untaken(31).kept_by().unwrap();
        assert!(seconds == 31 && said.contains("taken nothing"), "{said}");
        // Nobody there is the reason for all of it.
        let mut away = waits(12);
        away.standing.away = Some((9, "refused".to_owned()));
        let (seconds, said) = away.kept_by().unwrap();
        assert!(seconds == 9 && said.starts_with("no broker answers"), "{said}");
    }

    #[test]
    fn an_address_that_is_none_is_said() {
        for address in ["9464", "127.0.0.1:port"] {
            let error = Metrics::serve(address, "feed").err().unwrap().to_string();
            assert!(error.contains(address) && error.contains("HOST:PORT"), "{error}");
        }
    }
}
