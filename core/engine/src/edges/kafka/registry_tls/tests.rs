//! Over TLS to a registry of the test's own, and every file that does not fit.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener};
use std::path::Path;
use std::time::Duration;

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{HandshakeError, SslAcceptor, SslMethod, SslVerifyMode, SslVersion};
use openssl::symm::Cipher;
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};

use super::super::registry::{Part, Registry};
use super::super::{KafkaError, Settings};
use super::*;

const SECRET: &str = "hunter2";

/// A certificate and its key.
struct Pair {
    certificate: X509,
    key: PKey<Private>,
}

impl Pair {
    /// For 127.0.0.1, signed by another; without one by itself, to sign others.
    fn new(name: &str, by: Option<&Self>) -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let mut subject = X509NameBuilder::new().unwrap();
        subject.append_entry_by_text("CN", name).unwrap();
        let subject = subject.build();
        let mut made = X509::builder().unwrap();
        made.set_version(2).unwrap();
        made.set_subject_name(&subject).unwrap();
        match by {
            Some(by) => made.set_issuer_name(by.certificate.subject_name()).unwrap(),
            None => made.set_issuer_name(&subject).unwrap(),
        }
        made.set_pubkey(&key).unwrap();
        let (begin, end) = (Asn1Time::days_from_now(0).unwrap(), Asn1Time::days_from_now(1));
        made.set_not_before(&begin).unwrap();
        made.set_not_after(&end.unwrap()).unwrap();
        if by.is_none() {
            made.append_extension(BasicConstraints::new().critical().ca().build().unwrap())
                .unwrap();
        }
        let mut host = SubjectAlternativeName::new();
        host.ip("127.0.0.1");
        let host = host.build(&made.x509v3_context(None, None)).unwrap();
        made.append_extension(host).unwrap();
        let signer = by.map_or(&key, |by| &by.key);
        made.sign(signer, MessageDigest::sha256()).unwrap();
        Self { certificate: made.build(), key }
    }

    fn pem(&self) -> Vec<u8> {
        self.certificate.to_pem().unwrap()
    }

    fn key(&self) -> Vec<u8> {
        self.key.private_key_to_pem_pkcs8().unwrap()
    }

    fn keystore(&self) -> Vec<u8> {
        let mut store = Pkcs12::builder();
        store.name("client").pkey(&self.key).cert(&self.certificate);
        store.build2(SECRET).unwrap().to_der().unwrap()
    }
}

/// A registry that knows one schema, and takes who shows a certificate that `ca` signed;
/// its address.
fn serving(own: &Pair, ca: &Pair) -> String {
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    // Above, a client hears of its certificate only after it has asked.
    acceptor.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
    acceptor.set_private_key(&own.key).unwrap();
    acceptor.set_certificate(&own.certificate).unwrap();
    acceptor.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    acceptor.cert_store_mut().add_cert(ca.certificate.clone()).unwrap();
    let acceptor = acceptor.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = match acceptor.accept(stream.unwrap()) {
                Ok(stream) => BufReader::new(stream),
                Err(HandshakeError::Failure(failed)) => {
                    // Closed with bytes unread it would take back what it said of it.
                    let mut tcp = failed.get_ref();
                    let _ = tcp.shutdown(Shutdown::Write);
                    let _ = tcp.set_read_timeout(Some(Duration::from_secs(5)));
                    let _ = std::io::copy(&mut tcp, &mut std::io::sink());
                    continue;
                }
                Err(_) => continue,
            };
            let (mut asked, mut line) = (String::new(), String::new());
            while stream.read_line(&mut line).unwrap_or_default() > 2 {
                asked.push_str(&line);
                line.clear();
            }
            let lists = asked.starts_with("GET /subjects ");
            let body = if lists { "[]" } else { r#"{"schema":"\"string\""}"# };
            let length = body.len();
            let _ = write!(
                stream.get_mut(),
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
                 Connection: close\r\n\r\n{body}"
            );
        }
    });
    url
}

/// The settings of a file's text, in which `AT/` is the folder; errors are without it.
fn loaded(at: &Path, text: &str) -> Result<Settings, String> {
    let path = at.join("client.properties");
    let place = format!("{}/", at.display());
    std::fs::write(&path, text.replace("AT/", &place)).unwrap();
    let mut settings = Settings::default();
    let loaded = settings.load(&path);
    loaded.map(|()| settings).map_err(|error| error.to_string().replace(&place, ""))
}

fn write(at: &Path, files: &[(&str, &[u8])]) {
    for (name, bytes) in files {
        std::fs::write(at.join(name), bytes).unwrap();
    }
}

const TRUSTED: &str = "schema.registry.ssl.ca.location=AT/ca.pem\n";
const SHOWN: &str = "schema.registry.ssl.certificate.location=AT/client.pem\n\
                     schema.registry.ssl.key.location=AT/client.key\n";
const STORE: &str = "schema.registry.ssl.keystore.location=AT/client.p12\n\
                     schema.registry.ssl.keystore.password=hunter2\n";

#[test]
fn a_registry_behind_an_own_authority_that_asks_for_a_certificate_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (ca, other) = (Pair::new("ca", None), Pair::new("other", None));
    let own = Pair::new("registry", Some(&ca));
    let (client, stranger) = (Pair::new("c", Some(&ca)), Pair::new("s", Some(&other)));
    write(
        at,
        &[
            ("ca.pem", &ca.pem()),
            ("several.pem", &[other.pem(), ca.pem()].concat()),
            ("other.pem", &other.pem()),
            ("client.pem", &client.pem()),
            ("client.key", &[&b"Bag Attributes: <none>\n"[..], &client.key()].concat()),
            ("both.pem", &[client.pem(), client.key()].concat()),
            ("client.p12", &client.keystore()),
            ("stranger.pem", &[stranger.key(), stranger.pem()].concat()),
        ],
    );
    let url = serving(&own, &ca);
    let asked = |text: &str| -> Result<u32, KafkaError> {
        let settings = loaded(at, text).unwrap();
        let registry = settings.registry(Some(&url)).unwrap();
        assert!(!format!("{settings:?} {registry:?}").contains(SECRET));
        let mut registry = Registry::connect(&registry)?;
        Ok(registry.fetch(7, Part::Value)?.unwrap().id)
    };
    let both = "schema.registry.ssl.certificate.location=AT/both.pem\n";
    let several = "schema.registry.ssl.ca.location=AT/several.pem\n";
    for text in [[TRUSTED, SHOWN], [TRUSTED, STORE], [several, both]] {
        assert_eq!(asked(&text.concat()).unwrap(), 7, "{text:?}");
    }

    let others = "schema.registry.ssl.ca.location=AT/other.pem\n";
    let strange = "schema.registry.ssl.certificate.location=AT/stranger.pem\n";
    let (untrusted, unknown) = ("schema.registry.ssl.ca.location names", "wants a client's");
    for (text, said) in [
        (["", STORE], untrusted),
        ([others, STORE], untrusted),
        ([TRUSTED, ""], unknown),
        ([TRUSTED, strange], unknown),
    ] {
        let error = asked(&text.concat()).unwrap_err();
        // Another start would find the same.
        assert!(!error.is_away(), "{error}");
        let error = error.to_string();
        assert!(error.contains("no TLS connection (") && error.contains(said), "{error}");
        assert!(error.contains(&url) && !error.contains(SECRET), "{error}");
    }
}

#[test]
fn a_file_that_is_not_what_it_should_be_is_said_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (client, other) = (Pair::new("client", None), Pair::new("other", None));
    let locked = client
        .key
        .private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), SECRET.as_bytes())
        .unwrap();
    write(
        at,
        &[
            ("ca.pem", &client.pem()),
            ("client.pem", &client.pem()),
            ("client.key", &client.key()),
            ("client.p12", &client.keystore()),
            ("other.key", &other.key()),
            ("locked.key", &locked),
            ("older.key", &client.key.ec_key().unwrap().private_key_to_pem().unwrap()),
            ("text", b"nothing of it\n"),
            ("broken.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ],
    );
    loaded(at, &[TRUSTED, SHOWN].concat()).unwrap();
    let certificate = "schema.registry.ssl.certificate.location=AT/client.pem\n";
    let key = |name: &str| format!("{certificate}schema.registry.ssl.key.location=AT/{name}\n");
    let ca = |name: &str| format!("a=b\nschema.registry.ssl.ca.location=AT/{name}\n");
    let key_is = ":2: schema.registry.ssl.key.location: ";
    let ca_is = ":2: schema.registry.ssl.ca.location: ";
    let alone = "of no use without schema.registry.ssl.";
    for (text, line, said) in [
        (ca("none.pem"), ca_is, "none.pem cannot be read: "),
        (ca("client.key"), ca_is, "client.key holds no certificate in PEM"),
        (ca("text"), ca_is, "text holds no certificate in PEM"),
        (ca("client.p12"), ca_is, "client.p12 holds no certificate"),
        (ca("broken.pem"), ca_is, "broken.pem holds no certificate that can be read ("),
        (key("none.key"), key_is, "none.key cannot be read: "),
        (key("text"), key_is, "text holds no private key in PEM"),
        (key("locked.key"), key_is, "locked.key holds a key with a password: put it into"),
        (key("older.key"), key_is, "openssl pkcs8 -topk8 -nocrypt"),
        (key("other.key"), ":2: ", "the certificate and the key do not fit each other ("),
        (
            certificate.to_owned(),
            ":1: schema.registry.ssl.certificate.location: ",
            "client.pem holds no private key: name its file in schema.registry.ssl.key.location",
        ),
        (key("client.key") + STORE, ":3: ", "leave one of them"),
        (STORE.replace(SECRET, "hunter3"), ":1: ", "its password"),
        (STORE.replace(".p12", ".pem"), ":1: ", "client.pem cannot be opened ("),
        (STORE.replace(SECRET, "hunter2\0"), ":1: ", "0 byte"),
        ("schema.registry.ssl.key.location=AT/client.key".to_owned(), ":1: ", alone),
        ("schema.registry.ssl.keystore.password=hunter2".to_owned(), ":1: ", alone),
    ] {
        let error = loaded(at, &text).unwrap_err();
        let begins = format!("client.properties{line}");
        assert!(error.starts_with(&begins) && error.contains(said), "{said}: {error}");
        assert!(!error.contains("hunter"), "{error}");
    }
}

#[test]
fn a_setting_that_there_is_not_is_said_with_the_one_that_is_meant() {
    let folder = tempfile::tempdir().unwrap();
    for (name, said) in [
        ("ssl.ca.locaton", "did you mean schema.registry.ssl.ca.location?"),
        ("basic.auth.user.inf", "did you mean schema.registry.basic.auth.user.info?"),
        ("ssl.truststore.location", "is another client's: write schema.registry.ssl.ca.location"),
        ("ssl.key.password", "schema.registry.ssl.keystore.password"),
        ("enable.ssl.certificate.verification", "always looked at"),
        ("weather", "there are schema.registry.url, "),
    ] {
        let text = format!("\nschema.registry.{name}=u:hunter2\n");
        let error = loaded(folder.path(), &text).unwrap_err();
        assert!(error.starts_with("client.properties:2: ") && error.contains(said), "{error}");
        assert!(error.contains(name) && !error.contains(SECRET), "{error}");
    }
}

#[test]
fn what_is_no_matter_of_tls_gets_no_advice_on_it() {
    let cut = "error:0A000126:SSL routines::unexpected eof while reading";
    for said in ["tcp connect error: Connection refused (os error 111)", cut, ""] {
        assert_eq!(advice(said), None, "{said}");
    }
    let plain = "error:0A00010B:SSL routines:tls_validate_record_header:wrong version number";
    assert!(advice(plain).unwrap().contains("does not speak TLS"));
    let asks = "error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required";
    assert!(advice(asks).unwrap().contains("schema.registry.ssl.certificate.location"));
}
