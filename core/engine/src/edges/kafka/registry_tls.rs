//! TLS to a schema registry: whose signature its certificate must have, and the
//! certificate that this client shows. librdkafka's `ssl.*` reach brokers only; these are
//! named as Confluent's clients name them: `schema.registry.ssl.ca.location`,
//! `.certificate.location` and `.key.location` in confluent-kafka-python,
//! `.keystore.location` and `.keystore.password` in confluent-kafka-dotnet.

use std::collections::BTreeMap;
use std::error::Error;

use reqwest::blocking::ClientBuilder;
use reqwest::{Certificate, Identity};

use super::error::with_causes;
use crate::operator::pipeline::nearest;

/// How every name begins.
pub(super) const PREFIX: &str = "schema.registry.";
const CA: &str = "schema.registry.ssl.ca.location";
const CERTIFICATE: &str = "schema.registry.ssl.certificate.location";
const KEY: &str = "schema.registry.ssl.key.location";
const KEYSTORE: &str = "schema.registry.ssl.keystore.location";
const PASSWORD: &str = "schema.registry.ssl.keystore.password";
const NAMES: [&str; 5] = [CA, CERTIFICATE, KEY, KEYSTORE, PASSWORD];
/// What else a file says of a registry.
const BESIDE: [&str; 3] = [
    "schema.registry.url",
    "schema.registry.basic.auth.user.info",
    "schema.registry.basic.auth.credentials.source",
];

/// What other clients have and this program has otherwise.
const OTHERS: &[(&str, &str)] = &[
    ("schema.registry.ssl.truststore.location", "write schema.registry.ssl.ca.location (PEM)"),
    (
        "schema.registry.ssl.truststore.password",
        "write schema.registry.ssl.ca.location (PEM, without a password)",
    ),
    ("schema.registry.ssl.truststore.type", "write schema.registry.ssl.ca.location (PEM)"),
    ("schema.registry.ssl.keystore.type", "schema.registry.ssl.keystore.location is PKCS#12"),
    (
        "schema.registry.ssl.key.password",
        "a key with a password stands in schema.registry.ssl.keystore.location (PKCS#12), with \
         schema.registry.ssl.keystore.password",
    ),
    (
        "schema.registry.enable.ssl.certificate.verification",
        "the registry's certificate is always looked at: name who signed it in \
         schema.registry.ssl.ca.location",
    ),
];

/// How a private key begins that can be read.
const PKCS8: &[u8] = b"-----BEGIN PRIVATE KEY-----";

/// A line of a settings file, and what is wrong with it.
type BadLine = (usize, String);
/// A line, and the file that it names.
type Named<'a> = (usize, &'a str);

/// What the lines of a settings file say: by name the line and its value; later ones win.
#[derive(Default)]
pub(super) struct TlsLines(BTreeMap<&'static str, (usize, String)>);

impl TlsLines {
    /// Takes a line whose name begins with `schema.registry.`.
    ///
    /// # Errors
    /// There is no such setting; then what there is instead, never with the value.
    pub fn take(&mut self, line: usize, name: &str, value: String) -> Result<(), String> {
        if let Some(known) = NAMES.into_iter().find(|known| *known == name) {
            self.0.insert(known, (line, value));
            return Ok(());
        }
        if let Some((_, instead)) = OTHERS.iter().find(|(other, _)| *other == name) {
            return Err(format!("{name} is another client's: {instead}"));
        }
        // What all begin with would make all of them near.
        let bare = |name: &'static str| name.strip_prefix(PREFIX);
        let meant = name.strip_prefix(PREFIX).unwrap_or(name);
        Err(match nearest(meant, NAMES.into_iter().chain(BESIDE).filter_map(bare)) {
            Some(known) => format!("there is no {name}; did you mean {PREFIX}{known}?"),
            None => format!(
                "there is no {name}; there are {}",
                [&BESIDE[..], &NAMES].concat().join(", ")
            ),
        })
    }

    /// Reads the files that are named.
    ///
    /// # Errors
    /// A file cannot be read, holds something else, or nothing says what it is for.
    pub fn read(&self) -> Result<RegistryTls, BadLine> {
        let trusted = self.named(CA).map(|ca| {
            let pem = file(CA, ca)?;
            certificates(&pem).map_err(|why| (ca.0, format!("{CA}: {} {why}", ca.1)))
        });
        Ok(RegistryTls { trusted: trusted.transpose()?, identity: self.identity()? })
    }

    fn named(&self, name: &str) -> Option<Named<'_>> {
        self.0.get(name).map(|(line, value)| (*line, value.as_str()))
    }

    /// The client's certificate with its key.
    fn identity(&self) -> Result<Option<Identity>, BadLine> {
        let without = |name: &str, of: &str| match self.named(name) {
            Some((line, _)) => Err((line, format!("{name} is of no use without {of}"))),
            None => Ok(()),
        };
        let (line, identity) = match (self.named(CERTIFICATE), self.named(KEYSTORE)) {
            (None, None) => {
                without(KEY, CERTIFICATE)?;
                without(PASSWORD, KEYSTORE)?;
                return Ok(None);
            }
            (Some(_), Some((line, _))) => {
                return Err((line, format!("{KEYSTORE} beside {CERTIFICATE}: leave one of them")));
            }
            (Some(certificate), None) => {
                without(PASSWORD, KEYSTORE)?;
                pem(certificate, self.named(KEY))?
            }
            (None, Some(store)) => {
                without(KEY, CERTIFICATE)?;
                let password = self.named(PASSWORD).map_or("", |(_, password)| password);
                (store.0, keystore(store, password)?)
            }
        };
        // Whether they belong together is only said when they are used.
        match reqwest::Client::builder().identity(identity.clone()).build() {
            Ok(_) => Ok(Some(identity)),
            Err(e) => {
                let why = cause(&e);
                Err((line, format!("the certificate and the key do not fit each other ({why})")))
            }
        }
    }
}

/// Whom a client of a registry trusts, and who it is.
#[derive(Clone, Default)]
pub(super) struct RegistryTls {
    /// These alone; `None`: whom the system trusts.
    trusted: Option<Vec<Certificate>>,
    identity: Option<Identity>,
}

impl RegistryTls {
    /// The HTTP client with it.
    pub fn given(&self, mut client: ClientBuilder) -> ClientBuilder {
        if let Some(trusted) = &self.trusted {
            client = client.tls_certs_only(trusted.clone());
        }
        if let Some(identity) = &self.identity {
            client = client.identity(identity.clone());
        }
        client
    }
}

/// A file, read.
fn file(name: &str, (line, path): Named<'_>) -> Result<Vec<u8>, BadLine> {
    std::fs::read(path).map_err(|e| (line, format!("{name}: {path} cannot be read: {e}")))
}

/// The certificates of a PEM file; at least one.
fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, String> {
    match Certificate::from_pem_bundle(pem) {
        Ok(found) if found.is_empty() => Err("holds no certificate in PEM (-----BEGIN \
             CERTIFICATE-----); openssl x509 -inform der makes it of DER"
            .to_owned()),
        Ok(found) => Ok(found),
        Err(e) => Err(format!("holds no certificate that can be read ({})", cause(&e))),
    }
}

/// A certificate, those between it and who signed it, and its key, where no file is named
/// for it in the same; with the line of the key.
fn pem(certificate: Named<'_>, key: Option<Named<'_>>) -> Result<(usize, Identity), BadLine> {
    let chain = file(CERTIFICATE, certificate)?;
    let (line, path) = certificate;
    certificates(&chain).map_err(|why| (line, format!("{CERTIFICATE}: {path} {why}")))?;
    let (name, (line, path)) = key.map_or((CERTIFICATE, certificate), |key| (KEY, key));
    let bytes = file(name, (line, path))?;
    let failed = |why: String| (line, format!("{name}: {path} {why}"));
    // It may stand behind other text, or behind the certificate.
    let Some(at) = position(&bytes, PKCS8) else {
        return Err(failed(other_key(&bytes, key.is_some())));
    };
    let identity = Identity::from_pkcs8_pem(&chain, &bytes[at..])
        .map_err(|e| failed(format!("holds no private key that can be read ({})", cause(&e))))?;
    Ok((line, identity))
}

/// Why a file without a key in PKCS#8 is none, and what to do.
fn other_key(bytes: &[u8], is_named: bool) -> String {
    let holds = |text: &str| position(bytes, text.as_bytes()).is_some();
    if holds("BEGIN ENCRYPTED PRIVATE KEY") || holds("Proc-Type: 4,ENCRYPTED") {
        format!(
            "holds a key with a password: put it into a keystore with its certificate (openssl \
             pkcs12 -export -in CERTIFICATE -inkey KEY -out client.p12), and name it in {KEYSTORE} \
             with {PASSWORD}"
        )
    } else if holds("PRIVATE KEY-----") {
        "holds a key that is not PKCS#8; openssl pkcs8 -topk8 -nocrypt -in KEY -out FILE makes it \
         so"
        .to_owned()
    } else if is_named {
        "holds no private key in PEM (-----BEGIN PRIVATE KEY-----)".to_owned()
    } else {
        format!("holds no private key: name its file in {KEY}")
    }
}

/// A PKCS#12 file.
fn keystore(store: Named<'_>, password: &str) -> Result<Identity, BadLine> {
    let bytes = file(KEYSTORE, store)?;
    let (line, path) = store;
    let failed = |why: String| {
        let what = format!("it must be PKCS#12, and {PASSWORD} its password");
        (line, format!("{KEYSTORE}: {path} cannot be opened ({why}); {what}"))
    };
    // OpenSSL's are C strings.
    if password.contains('\0') {
        return Err(failed("its password holds a 0 byte".to_owned()));
    }
    Identity::from_pkcs12_der(&bytes, password).map_err(|e| failed(cause(&e)))
}

fn position(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

/// What lies behind an error of the HTTP client's builder, whose own words say nothing.
fn cause(error: &reqwest::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |e| with_causes(e.to_string(), e))
}

/// What helps where no TLS was agreed upon; `None`: what is said is something else. (OpenSSL's
/// words: the HTTP client has no kinds of it.)
pub(super) fn advice(said: &str) -> Option<&'static str> {
    // A connection that is cut is said so too, and the next may be whole.
    if !said.contains("SSL routines") || said.contains("unexpected eof") {
        return None;
    }
    let says = |parts: &[&str]| parts.iter().any(|part| said.contains(part));
    Some(if says(&["certificate verify failed"]) {
        "in --config, schema.registry.ssl.ca.location names the certificate (PEM) of whoever \
         signed the registry's, which must be for the host in its URL"
    } else if says(&["alert"])
        && says(&["certificate", "handshake failure", "unknown ca", "access denied"])
    {
        "the registry most likely wants a client's certificate that it trusts: in --config, \
         schema.registry.ssl.certificate.location and schema.registry.ssl.key.location (PEM), or \
         schema.registry.ssl.keystore.location (PKCS#12)"
    } else if says(&["wrong version number", "packet length too long"]) {
        "what answers there does not speak TLS: check the port, or write http://"
    } else {
        "check the address, and schema.registry.ssl.* in --config"
    })
}

#[cfg(test)]
mod tests;
