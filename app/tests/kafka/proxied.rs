//! The program behind a proxy that delays, loses and cuts what goes to its broker and
//! back; what came of it is asked for without the proxy.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use joinscope_core::edges::recording::Recording;
use rdkafka::producer::Producer as _;

use super::cluster_faults::{alone, unanswered};
use super::deliver::{oracle, seen_at, with_guarantee};
use super::live::{Feed, stop};
use super::proxy::{
    ADD_PARTITIONS_TO_TXN, Act, END_TXN, FETCH, OFFSET_COMMIT, PRODUCE, Proxy, TXN_OFFSET_COMMIT,
    Way,
};
use super::support::*;

/// A client that soon gives up on a connection that does not answer, and comes back soon.
const IMPATIENT: &str = "socket.timeout.ms=3000\nsocket.connection.setup.timeout.ms=3000\n\
                         api.version.request.timeout.ms=3000\nreconnect.backoff.max.ms=500\n";

fn behind(name: &str) -> (Own, Proxy) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let own = Own::start_proxied(name, port);
    let proxy = Proxy::start(listener, own.proxied_address(port));
    (own, proxy)
}

/// The program reaches the broker through the proxy, the test's producer directly.
fn feed_over(own: &Own, proxy: &Proxy, name: &str) -> Feed {
    for topic in ["views", "plays", "out"] {
        own.make_topic(&format!("{name}-{topic}"), 2);
    }
    let feed = Feed::over(name, proxy.address.clone(), own.producer());
    impatient(&feed.path("client.properties"));
    feed
}

fn impatient(config: &Path) {
    std::fs::write(config, IMPATIENT).unwrap();
}

fn start(feed: &Feed, more: &[&str]) -> Child {
    let config = feed.path("client.properties");
    feed.start(&[&["--config", config.to_str().unwrap()][..], more].concat())
}

/// Sends, a little at a time, until something is so; the program must live.
fn meanwhile(feed: &mut Feed, child: &mut Child, what: &str, is: impl Fn() -> bool) {
    until(what, || {
        if let Some(ended) = child.try_wait().unwrap() {
            let mut said = String::new();
            std::io::Read::read_to_string(child.stderr.as_mut().unwrap(), &mut said).unwrap();
            panic!("{what}: it ended ({ended}): {said}");
        }
        feed.send(6);
        is().then_some(())
    });
}

/// Waits until the program, whose connections are cut, has tried in vain to come back, and
/// lets it.
fn comes_back(proxy: &Proxy) {
    let refused = proxy.refused();
    until("another attempt to connect", || (proxy.refused() > refused).then_some(()));
    proxy.pass();
}

/// Epochs of a job that were committed.
fn committed(epochs: &Path) -> usize {
    let text = std::fs::read_to_string(epochs).unwrap_or_default();
    text.lines().filter(|line| line.contains("\"committed\"")).count()
}

/// A job through all of it, ended in order; what it said. From a request of kind `lost` on
/// nothing gets through, once of the answers and once of the requests; then come `cuts`.
fn through(proxy: &Proxy, feed: &mut Feed, lost: i16, cuts: &[(i16, Act)]) -> Said {
    feed.send(40);
    let mut child = start(feed, &["--write"]);
    feed.await_arrivals(&mut child, feed.sent);
    let epochs = feed.dir().join("delivery.epochs.jsonl");
    let goes_on = |feed: &mut Feed, child: &mut Child| {
        let before = committed(&epochs);
        // The first may have been under way already.
        meanwhile(feed, child, "further commits", || committed(&epochs) > before + 1);
    };

    proxy.delay(Duration::from_millis(40), Duration::from_millis(80));
    goes_on(feed, &mut child);
    proxy.pass();

    for way in [Way::Answers, Way::Requests] {
        proxy.at(lost, Act::Lose(way));
        let what = format!("request {lost}, and then nothing of the {way:?}");
        meanwhile(feed, &mut child, &what, || proxy.happened());
        // Longer than it waits for an answer.
        meanwhile(feed, &mut child, "it to give up on the connection", || proxy.let_go());
        if lost == END_TXN {
            assert!(unanswered(feed).is_some(), "{what}: who answered the commit?");
        }
        proxy.pass();
        goes_on(feed, &mut child);
    }
    for (kind, act) in cuts {
        proxy.at(*kind, *act);
        let what = format!("request {kind}, and then {act:?}");
        meanwhile(feed, &mut child, &what, || proxy.happened());
        comes_back(proxy);
        goes_on(feed, &mut child);
    }
    feed.await_arrivals(&mut child, feed.sent);
    let said = stop(child);
    let live = said.json();
    assert_eq!(live["records"], feed.sent, "{}", said.err);
    each_once(&Recording::open(&feed.dir().join("arrivals")).unwrap(), feed.sent);
    feed.replayed(&live);
    said
}

/// All records of topics without transactions, so many.
fn each_once(recording: &Recording, sent: u64) {
    let mut next = vec![0; recording.partitions().len()];
    for record in records(recording) {
        let next = &mut next[record.source as usize];
        assert_eq!(record.offset, *next, "{}", recording.name_of(&record));
        *next += 1;
    }
    assert_eq!(next.iter().sum::<i64>() as u64, sent);
}

#[test]
fn exactly_once_through_delays_losses_and_cuts() {
    let _alone = alone();
    let (own, proxy) = behind("proxied-once");
    let mut feed = feed_over(&own, &proxy, "proxied-once");
    with_guarantee(&feed, "exactly-once");
    let cuts = [
        (PRODUCE, Act::Cut),
        (ADD_PARTITIONS_TO_TXN, Act::CutAnswer(2)),
        (TXN_OFFSET_COMMIT, Act::CutAnswer(2)),
        (END_TXN, Act::Cut),
        (END_TXN, Act::CutAnswer(2)),
        (FETCH, Act::CutAnswer(2)),
    ];
    let said = through(&proxy, &mut feed, END_TXN, &cuts);
    let seen = seen_at(&own.brokers, "proxied-once-out", "read_committed");
    assert_eq!(seen, oracle(&feed), "{}", said.err);
}

#[test]
fn at_least_once_through_delays_losses_and_cuts() {
    let _alone = alone();
    let (own, proxy) = behind("proxied-least");
    let mut feed = feed_over(&own, &proxy, "proxied-least");
    with_guarantee(&feed, "at-least-once");
    let cuts = [
        (PRODUCE, Act::Cut),
        (PRODUCE, Act::CutAnswer(2)),
        (OFFSET_COMMIT, Act::Cut),
        (FETCH, Act::CutAnswer(2)),
    ];
    let said = through(&proxy, &mut feed, PRODUCE, &cuts);
    let seen = seen_at(&own.brokers, "proxied-least-out", "read_committed");
    let expected = oracle(&feed);
    assert!(seen.keys().eq(expected.keys()), "lost or invented: {seen:?}\n{expected:?}");
    assert!(seen.iter().all(|(example, n)| *n >= expected[example]), "{}", said.err);
}

/// What comes to a reader all at once, so that an answer can be cut in the middle of
/// records: they wait while it is cut off.
const AT_ONCE: u64 = 200;

#[test]
fn a_live_run_reads_each_record_once_through_losses_and_cuts() {
    let _alone = alone();
    let (own, proxy) = behind("proxied-live");
    let mut feed = feed_over(&own, &proxy, "proxied-live");
    feed.send(40);
    let address = free_address();
    let mut child = start(&feed, &["--metrics", &address]);
    feed.await_arrivals(&mut child, feed.sent);
    let answer = |up: u8| {
        served(&address, &format!("joinscope_brokers_answer{{job_name=\"proxied-live\"}} {up}"));
    };
    answer(1);
    proxy.lose(&[Way::Requests, Way::Answers]);
    feed.send(40);
    answer(0);
    proxy.pass();
    answer(1);
    feed.await_arrivals(&mut child, feed.sent);
    for _ in 0..3 {
        proxy.cut();
        feed.send(AT_ONCE);
        proxy.at(FETCH, Act::CutAnswer(1_000));
        comes_back(&proxy);
        until("an answer in the middle of which it is cut", || proxy.happened().then_some(()));
        comes_back(&proxy);
        feed.await_arrivals(&mut child, feed.sent);
    }
    proxy.cut();
    feed.send(40);
    answer(0);
    proxy.pass();
    answer(1);
    feed.await_arrivals(&mut child, feed.sent);
    let said = stop(child);
    let live = said.json();
    assert_eq!(live["records"], feed.sent, "{}", said.err);
    // The second end of it may fall together with the end of the run.
    for (what, times) in
        [("waiting, what is read goes on later", 2), ("the brokers answer again", 1)]
    {
        assert!(said.err.matches(what).count() >= times, "{what}: {}", said.err);
    }
    each_once(&Recording::open(&feed.dir().join("arrivals")).unwrap(), feed.sent);
    feed.replayed(&live);
}

#[test]
fn a_recording_has_each_record_once_through_cuts() {
    const PARTITIONS: u64 = 2;
    let _alone = alone();
    let (own, proxy) = behind("proxied-record");
    own.make_topic("cut-off", PARTITIONS as i32);
    let folder = tempfile::tempdir().unwrap();
    let (file, config) = (folder.path().join("r.mcap"), folder.path().join("client.properties"));
    impatient(&config);
    let producer = own.producer();
    let mut sent = 0;
    let mut send = || {
        for _ in 0..AT_ONCE {
            // A kilobyte each.
            let value = format!("{sent:01000}");
            let (partition, value) = ((sent % PARTITIONS) as i32, Some(value.as_bytes()));
            give(&producer, "cut-off", &Sent { partition, value, ..Sent::default() });
            sent += 1;
        }
        producer.flush(PATIENCE).unwrap();
        sent
    };
    let recorded = |child: &mut Child, sent: u64| {
        until("the records in the file", || {
            assert!(child.try_wait().unwrap().is_none(), "it ended");
            Recording::open(&file).ok().filter(|recording| recording.len() >= sent)
        });
    };
    let mut all = send();
    let mut child = joinscope()
        .args(["record", "--brokers", &proxy.address, "--topics", "cut-off", "--config"])
        .arg(&config)
        .args(["--until", "stopped", "--arrival", "read", "-o"])
        .arg(&file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    recorded(&mut child, all);
    for _ in 0..4 {
        proxy.cut();
        all = send();
        proxy.at(FETCH, Act::CutAnswer(1_000));
        comes_back(&proxy);
        until("an answer in the middle of which it is cut", || proxy.happened().then_some(()));
        comes_back(&proxy);
        recorded(&mut child, all);
    }
    signal(&child, "INT");
    let said: Said = child.wait_with_output().unwrap().into();
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    let recording = Recording::open(&file).unwrap();
    assert_eq!(recording.info().cut, None);
    each_once(&recording, all);
    for record in records(&recording) {
        let number: u64 = value(&record).parse().unwrap();
        assert_eq!(number, record.offset as u64 * PARTITIONS + u64::from(record.source));
    }
    let verify = ["recording", "verify", file.to_str().unwrap(), "--json"];
    let verified: Said = joinscope().args(verify).output().unwrap().into();
    assert_eq!(verified.json()["sound"], true, "{}", verified.out);
}
