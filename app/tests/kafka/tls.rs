//! A cluster that is reached over TLS, and wants a client's certificate.

use std::path::Path;

use joinscope_core::edges::recording::Recording;

use super::live::{Feed, stop};
use super::support::*;

/// The password of the client's keystore.
const PASSWORD: &str = "only-for-tests";

/// A properties file: whose signature the broker's certificate must have, and the
/// client's keystore with this password.
fn properties(path: &Path, trusted: &Path, keystore: Option<(&Path, &str)>) {
    let mut text = format!("security.protocol=SSL\nssl.ca.location={}\n", trusted.display());
    if let Some((keystore, password)) = keystore {
        text.push_str(&format!(
            "ssl.keystore.location={}\nssl.keystore.password={password}\n",
            keystore.display()
        ));
    }
    std::fs::write(path, text).unwrap();
}

#[test]
fn a_cluster_is_read_over_tls_and_certificates_that_do_not_fit_are_said() {
    let own = Own::start_tls("tls");
    let (broker, keystore, none) =
        (own.tls("broker.pem"), own.tls("client.p12"), own.tls("none.p12"));
    let client = keystore.as_path();
    // A certificate as good as any, but not of who signed the broker's.
    let stranger = own.tls("client.pem");
    for topic in ["tls-views", "tls-plays"] {
        own.make_topic(topic, 2);
    }
    let mut feed = Feed::over("tls", own.tls_address(), own.producer());
    feed.send(20);
    let (config, file) = (feed.path("client.properties"), feed.path("t.mcap"));
    let record = || -> Said {
        let cluster = ["record", "--brokers", &feed.brokers, "--timeout", "10s", "--config"];
        joinscope()
            .args(cluster)
            .arg(&config)
            .args(["--topics", "tls-views,tls-plays", "-o"])
            .arg(&file)
            .output()
            .unwrap()
            .into()
    };
    let fails = |said: &Said, what: &str| {
        assert_eq!(said.code, Some(2), "{}{}", said.out, said.err);
        assert!(said.err.contains(what), "{what}: {}", said.err);
        for secret in [PASSWORD, "hunter2"] {
            assert!(!said.err.contains(secret) && !said.out.contains(secret), "{}", said.err);
        }
        assert!(!file.exists(), "nothing was read, so there is no file");
    };

    // A certificate that nobody who is trusted has signed.
    properties(&config, &stranger, Some((client, PASSWORD)));
    let untrusted = format!("no TLS connection to {}", feed.brokers);
    let said = record();
    fails(&said, &untrusted);
    assert!(said.err.contains("certificate verify failed"), "{}", said.err);
    assert!(said.err.contains("ssl.ca.location names the certificate"), "{}", said.err);
    let args = ["--config", config.to_str().unwrap()];
    let said: Said = feed.command(&args).output().unwrap().into();
    fails(&said, &untrusted);
    // No certificate of the client, a keystore that does not open, a file that is not there.
    properties(&config, &broker, None);
    fails(&record(), &feed.brokers);
    properties(&config, &broker, Some((client, "hunter2")));
    fails(&record(), "ssl.keystore.password its password");
    properties(&config, &broker, Some((none.as_path(), "hunter2")));
    fails(&record(), "client.properties:3: ssl.keystore.location");

    // All as it should be.
    properties(&config, &broker, Some((client, PASSWORD)));
    let said = record();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(Recording::open(&file).unwrap().len(), feed.sent);
    let mut child = feed.start(&args);
    feed.await_arrivals(&mut child, feed.sent);
    let said = stop(child);
    assert_eq!(said.code, Some(0), "{}", said.err);
    // Recording, run and arrival log: nothing but the settings' file held the password.
    std::fs::remove_file(&config).unwrap();
    holds_nowhere(feed.folder.path().to_owned(), PASSWORD);
}
