//! How a cluster is reached.

use std::fmt;
use std::path::Path;

use super::keychain::{self, Keychain};
use super::registry_tls::{self, RegistryTls, TlsLines};
use super::{KafkaError, RegistrySettings};

/// Brokers and librdkafka's properties. `Debug` shows no secret.
#[derive(Clone, Default)]
pub struct Settings {
    /// `host:port`, separated by commas.
    pub brokers: String,
    /// As librdkafka names them; later ones win.
    properties: Vec<(String, String)>,
    /// `schema.registry.url`, `schema.registry.basic.auth.*` and `schema.registry.ssl.*`.
    registry_url: Option<String>,
    registry_login: Option<(String, String)>,
    registry_tls: RegistryTls,
}

/// Properties whose values are never shown.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["password", "passphrase", "secret", "token", "jaas", "key.pem", "sasl.oauthbearer.config"]
        .iter()
        .any(|part| name.contains(part))
}

/// Of which a registry's login is no property of librdkafka.
const LOGINS: &[&str] = &["schema.registry.basic.auth.user.info", "basic.auth.user.info"];

/// Where a registry's login stands, as Confluent's clients say it.
const SOURCES: &[&str] =
    &["schema.registry.basic.auth.credentials.source", "basic.auth.credentials.source"];

/// What a Java client's file holds and librdkafka spells otherwise.
const JAVA: &[(&str, &str)] = &[
    ("sasl.jaas.config", "sasl.username and sasl.password"),
    ("ssl.truststore.location", "ssl.ca.location (PEM)"),
    ("ssl.truststore.password", "ssl.ca.location (PEM, without a password)"),
    ("ssl.keystore.type", "ssl.keystore.location (PKCS#12)"),
    ("sasl.login.callback.handler.class", "sasl.oauthbearer.*"),
];

/// What reading a cluster relies on; a file that sets them is refused, so that
/// nobody believes they took effect.
const FIXED: &[&str] = &[
    "group.id",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "allow.auto.create.topics",
    "auto.offset.reset",
    "enable.partition.eof",
    "isolation.level",
];

/// A producer that sends by itself would have transactions that nobody begins: all that
/// is sent is refused (`rd_kafka_txn_may_enq_msg`), and two jobs with one file would fence
/// each other.
const TRANSACTIONAL_ID: &str = "transactional.id";

/// Files that librdkafka opens, and where it cannot names the property alone.
/// (`ssl.ca.location` may be a folder, or `probe`: the system's own.)
const FILES: &[&str] = &[
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.crl.location",
    "ssl.key.location",
    "ssl.keystore.location",
];

impl Settings {
    pub fn new(brokers: impl Into<String>) -> Self {
        Self { brokers: brokers.into(), ..Self::default() }
    }

    /// Adds the properties of a file: `name=value` lines, `#` or `!` begin a
    /// comment, a backslash at the end joins the next line. A secret may be named
    /// instead of written: `sasl.password=keychain:SERVICE/ACCOUNT` is looked up in
    /// the system's keychain.
    ///
    /// # Errors
    /// The file cannot be read, a line is no property, the property is one that this
    /// program sets itself, a file that it names cannot be read or used, or the keychain does
    /// not give what is named; never with a secret in the text.
    pub fn load(&mut self, path: &Path) -> Result<(), KafkaError> {
        self.load_with(path, &keychain::system)
    }

    fn load_with(&mut self, path: &Path, keychain: &Keychain) -> Result<(), KafkaError> {
        let error = |line: Option<usize>, what: String| KafkaError::Properties {
            path: path.to_owned(),
            line,
            what,
        };
        let text = std::fs::read_to_string(path)
            .map_err(|e| error(None, format!("cannot be read: {e}")))?;
        let (mut tls, mut inherits) = (TlsLines::default(), None);
        for (line, name, written) in parse(&text).map_err(|(n, what)| error(Some(n), what))? {
            if let Some((_, instead)) = JAVA.iter().find(|(java, _)| *java == name) {
                let what = format!("{name} is a Java client's: librdkafka has {instead}");
                return Err(error(Some(line), what));
            }
            if FIXED.contains(&name.as_str()) {
                let what = format!(
                    "{name} is set by this program (reading a cluster must not change it): remove the line"
                );
                return Err(error(Some(line), what));
            }
            if name == TRANSACTIONAL_ID {
                let what = format!(
                    "{name} is set by this program, for a job with its name (delivery.job) in it: remove the line"
                );
                return Err(error(Some(line), what));
            }
            let value = match keychain::named(&written, keychain) {
                None => written,
                // What is not taken for a secret may be shown.
                Some(_) if !is_secret(&name) && !LOGINS.contains(&name.as_str()) => {
                    let what = format!("{name} is no secret: write it here, not in the keychain");
                    return Err(error(Some(line), what));
                }
                Some(Ok(secret)) => secret,
                Some(Err(why)) => return Err(error(Some(line), format!("{name}: {why}"))),
            };
            if FILES.contains(&name.as_str())
                && value != "probe"
                && let Err(e) = std::fs::File::open(&value)
            {
                return Err(error(Some(line), format!("{name}: {value} cannot be read: {e}")));
            }
            if name == "bootstrap.servers" || name == "metadata.broker.list" {
                if self.brokers.is_empty() {
                    self.brokers = value;
                }
                continue;
            }
            if name == "schema.registry.url" {
                self.registry_url = Some(value);
            } else if LOGINS.contains(&name.as_str()) {
                let Some((user, password)) = value.split_once(':') else {
                    return Err(error(Some(line), format!("{name}: write user:password")));
                };
                self.registry_login = Some((user.to_owned(), password.to_owned()));
            } else if SOURCES.contains(&name.as_str()) {
                inherits = match value.as_str() {
                    // They are looked for where they may stand anyway.
                    "USER_INFO" | "URL" => None,
                    "SASL_INHERIT" => Some((line, name)),
                    _ => {
                        let what = format!("{name}: write USER_INFO, URL or SASL_INHERIT");
                        return Err(error(Some(line), what));
                    }
                };
            } else if name.starts_with(registry_tls::PREFIX) {
                tls.take(line, &name, value).map_err(|what| error(Some(line), what))?;
            } else {
                self.properties.push((name, value));
            }
        }
        if let Some((line, name)) = inherits {
            let login = self.last("sasl.username").zip(self.last("sasl.password"));
            let Some((user, password)) = login else {
                let what = format!(
                    "{name}=SASL_INHERIT takes sasl.username and sasl.password, which are not both \
                     in this file"
                );
                return Err(error(Some(line), what));
            };
            self.registry_login = Some((user.to_owned(), password.to_owned()));
        }
        self.registry_tls = tls.read().map_err(|(line, what)| error(Some(line), what))?;
        Ok(())
    }

    /// A property of librdkafka, as it stands last.
    fn last(&self, name: &str) -> Option<&str> {
        let last = self.properties.iter().rev().find(|(known, _)| known == name);
        last.map(|(_, value)| value.as_str())
    }

    /// The registry at `url`, else the file's; with the file's TLS and login, else the
    /// login in the URL, which holds none afterwards: it stands in messages.
    #[must_use]
    pub fn registry(&self, url: Option<&str>) -> Option<RegistrySettings> {
        let (url, in_url) = without_login(url.or(self.registry_url.as_deref())?);
        let login = self.registry_login.clone().or(in_url);
        Some(RegistrySettings { url, login, tls: self.registry_tls.clone() })
    }

    /// Sets one property.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.properties.push((name.into(), value.into()));
    }

    /// All properties; `forced` win over the file's, the file's over `defaults`.
    pub(super) fn properties(
        &self,
        defaults: &[(&str, &str)],
        forced: &[(&str, &str)],
    ) -> Vec<(String, String)> {
        let own = |list: &[(&str, &str)]| {
            list.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect::<Vec<_>>()
        };
        let mut all = own(defaults);
        all.extend(self.properties.iter().cloned());
        all.push(("bootstrap.servers".to_owned(), self.brokers.clone()));
        all.extend(own(forced));
        all
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.properties.iter().map(|(name, value)| {
            (name.as_str(), if is_secret(name) { "[hidden]" } else { value.as_str() })
        });
        f.debug_struct("Settings")
            .field("brokers", &self.brokers)
            .field("properties", &shown.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// A URL without `user:password@`, and these as they are meant.
fn without_login(url: &str) -> (String, Option<(String, String)>) {
    let (scheme, rest) = match url.find("://") {
        Some(at) => url.split_at(at + "://".len()),
        None => ("", url),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // A password may hold such a character as it is: then what looks like a port is none.
    let looks_like_a_port = |(_, port): (&str, &str)| port.bytes().all(|b| b.is_ascii_digit());
    let whole = authority.contains('@')
        || authority.starts_with('[')
        || authority.split_once(':').is_none_or(looks_like_a_port);
    let searched = if whole { authority } else { rest };
    let Some(at) = searched.rfind('@') else { return (url.to_owned(), None) };
    let (user, password) = rest[..at].split_once(':').unwrap_or((&rest[..at], ""));
    (format!("{scheme}{}", &rest[at + 1..]), Some((decoded(user), decoded(password))))
}

/// A text whose `%40` are meant as `@`; what is no such code stays as it is.
fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Its line, name and value.
type Property = (usize, String, String);
/// The line, and what is wrong with it.
type BadLine = (usize, String);

fn parse(text: &str) -> Result<Vec<Property>, BadLine> {
    let mut properties = Vec::new();
    let mut joined: Option<(usize, String)> = None;
    for (number, raw) in text.lines().enumerate().map(|(i, line)| (i + 1, line.trim())) {
        let (start, line) = match joined.take() {
            Some((start, before)) => (start, before + raw),
            None if raw.is_empty() || raw.starts_with(['#', '!']) => continue,
            None => (number, raw.to_owned()),
        };
        if let Some(open) = line.strip_suffix('\\') {
            joined = Some((start, open.to_owned()));
            continue;
        }
        properties.push(property(start, &line)?);
    }
    if let Some((start, line)) = joined {
        properties.push(property(start, &line)?);
    }
    Ok(properties)
}

fn property(number: usize, line: &str) -> Result<Property, BadLine> {
    // The line itself may hold a secret: it is not repeated.
    let Some((name, value)) = line.split_once('=') else {
        return Err((number, "write name=value, e.g. security.protocol=SASL_SSL".into()));
    };
    let name = name.trim();
    if name.is_empty() {
        return Err((number, "the name before = is missing".into()));
    }
    Ok((number, name.to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("client.properties");
        std::fs::write(&path, text).unwrap();
        let mut settings = Settings::default();
        match settings.load(&path) {
            Ok(()) => Ok(settings),
            Err(error) => Err(error.to_string().replace(&folder.path().display().to_string(), "")),
        }
    }

    #[test]
    fn a_file_is_read_as_properties_are_written() {
        let settings =
            load("# c\n! c\n\nbootstrap.servers = a:1\nsasl.password=p=q # w\nssl.engine.location=/x\\\n  /y\n")
                .unwrap();
        assert_eq!(settings.brokers, "a:1");
        let all = settings.properties(&[("client.id", "d")], &[("client.id", "f")]);
        let get = |name: &str| {
            all.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str()).unwrap()
        };
        assert_eq!(get("sasl.password"), "p=q # w");
        assert_eq!(get("ssl.engine.location"), "/x/y");
        assert_eq!(get("client.id"), "f");
    }

    /// As [`load`], with a keychain that holds the secret of `kafka/me`.
    fn load_named(text: &str, secret: &str) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("client.properties");
        std::fs::write(&path, text).unwrap();
        let mut settings = Settings::default();
        let keychain = keychain::tests::with_entry(secret, None);
        let loaded = settings.load_with(&path, &*keychain);
        loaded.map(|()| settings).map_err(|error| error.to_string())
    }

    #[test]
    fn a_secret_may_stand_in_the_keychain() {
        let text = "sasl.username=u\nsasl.password=keychain:kafka/me\n";
        let settings = load_named(text, "hunter2").unwrap();
        let all = settings.properties(&[], &[]);
        assert!(all.contains(&("sasl.password".to_owned(), "hunter2".to_owned())));
        let shown = format!("{settings:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("kafka/me"), "{shown}");
        for part in ["pem", "passphrase"] {
            let name = format!("sasl.oauthbearer.assertion.private.key.{part}");
            let settings = load_named(&format!("{name}=keychain:kafka/me\n"), "hunter2").unwrap();
            assert!(settings.properties(&[], &[]).contains(&(name, "hunter2".to_owned())));
            assert!(!format!("{settings:?}").contains("hunter2"), "{part}");
        }
        let login = "schema.registry.url=http://h\nbasic.auth.user.info=keychain:kafka/me\n";
        let registry = load_named(login, "u:hunter2").unwrap().registry(None).unwrap();
        assert_eq!(registry.login, Some(("u".to_owned(), "hunter2".to_owned())));
        for (text, said) in [
            ("a=b\nssl.key.password=keychain:kafka/you", ":2: ssl.key.password: keychain entry"),
            ("sasl.password=keychain:me", ":1: sasl.password: write keychain:SERVICE/ACCOUNT"),
            ("sasl.username=keychain:kafka/me", ":1: sasl.username is no secret"),
            ("basic.auth.user.info=keychain:kafka/me", "write user:password"),
        ] {
            let error = load_named(text, "hunter2").unwrap_err();
            assert!(error.contains(said) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn secrets_are_never_shown() {
        let settings =
            load("sasl.username=u\nsasl.password=hunter2\nssl.key.password=hunter2\n").unwrap();
        let shown = format!("{settings:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("sasl.username"), "{shown}");
        for text in ["hunter2", "=hunter2", "sasl.jaas.config=hunter2", "a=b\n group.id=hunter2"] {
            let error = load(text).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
            assert!(error.contains("client.properties:"), "{error}");
        }
    }

    /// Found by reading: with a Java producer's file all that was published was refused, and
    /// a job at least once ended with "Erroneous state".
    #[test]
    fn a_transactional_id_of_ones_own_is_refused_with_its_line() {
        let error = load("linger.ms=5\ntransactional.id=orders\n").unwrap_err();
        assert!(error.contains(":2: transactional.id is set by this program"), "{error}");
        assert!(error.ends_with("delivery.job) in it: remove the line"), "{error}");
    }

    #[test]
    fn a_certificate_that_is_not_there_is_named_with_its_line() {
        let error = load("security.protocol=SSL\nssl.ca.location=nowhere/ca.pem\n").unwrap_err();
        assert!(error.contains(":2: ssl.ca.location: nowhere/ca.pem cannot be read"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        for there in ["probe", folder.path().to_str().unwrap()] {
            load(&format!("ssl.ca.location={there}\n")).unwrap();
        }
    }

    #[test]
    fn a_login_in_the_registrys_url_is_taken_out_of_it() {
        let of = |url: &str| {
            let registry = Settings::default().registry(Some(url)).unwrap();
            (registry.url, registry.login)
        };
        let login = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        for (url, clean, expected) in [
            ("http://h:8081", "http://h:8081", None),
            ("https://h/a@b?c", "https://h/a@b?c", None),
            ("http://h:8081/a@b", "http://h:8081/a@b", None),
            ("http://[::1]:8081/a@b", "http://[::1]:8081/a@b", None),
            ("http://u:p@h:8081/sr", "http://h:8081/sr", login("u", "p")),
            ("http://u:p@[::1]:8081", "http://[::1]:8081", login("u", "p")),
            ("http://u%40x:p%3a%2F%zz@h", "http://h", login("u@x", "p:/%zz")),
            ("http://u:p@q@h", "http://h", login("u", "p@q")),
            ("http://u:p/q@h", "http://h", login("u", "p/q")),
            ("http://u@h", "http://h", login("u", "")),
            ("u:p@h:8081", "h:8081", login("u", "p")),
        ] {
            assert_eq!(of(url), (clean.to_owned(), expected), "{url}");
        }
        // What is said by itself wins.
        let settings = load(
            "schema.registry.url=http://u:hunter2@h\nschema.registry.basic.auth.user.info=v:w\n",
        )
        .unwrap();
        let registry = settings.registry(None).unwrap();
        assert_eq!((registry.url.as_str(), registry.login.clone()), ("http://h", login("v", "w")));
        assert!(!format!("{settings:?} {registry:?}").contains("hunter2"));
    }

    #[test]
    fn a_registry_s_login_may_be_that_of_the_brokers() {
        let source = "schema.registry.url=http://u:v@h\nbasic.auth.credentials.source=";
        let login = |rest: &str| {
            let registry = load(&format!("{source}{rest}\n"))?.registry(None);
            Ok::<_, String>(registry.and_then(|registry| registry.login))
        };
        let of = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        let sasl = "sasl.username=me\nsasl.password=hunter2";
        assert_eq!(login(&format!("SASL_INHERIT\n{sasl}")).unwrap(), of("me", "hunter2"));
        assert_eq!(login(&format!("URL\n{sasl}")).unwrap(), of("u", "v"));
        let info = format!("USER_INFO\n{sasl}\nbasic.auth.user.info=w:x");
        assert_eq!(login(&info).unwrap(), of("w", "x"));
        for (rest, said) in [
            ("SASL_INHERIT\nsasl.password=hunter2", ":2: basic.auth.credentials.source=SASL_INH"),
            ("hunter2", ":2: basic.auth.credentials.source: write USER_INFO, URL or SASL_INHERIT"),
        ] {
            let error = login(rest).unwrap_err();
            assert!(error.contains(said) && !error.contains("hunter2"), "{error}");
        }
    }
}
