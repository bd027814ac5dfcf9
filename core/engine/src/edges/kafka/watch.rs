//! What a client's events say of its connections: nobody is there, or does not let us in.

use std::time::{Duration, Instant};

use super::KafkaError;
use super::sys::{ClientEvent, Code};

/// Connections have failed for so long without an answer: nobody is there.
const DOWN: Duration = Duration::from_secs(4);
/// A login that is refused for so long while one reads is refused for good: until then
/// the login's own source may be away, or a broker does not know its users yet.
const REFUSED: Duration = Duration::from_mins(1);
/// librdkafka says the same refusal again after half a minute (`rd_kafka_broker_set_error`).
const SAID_AGAIN: Duration = Duration::from_secs(45);

/// What a client's events say while an answer is awaited.
#[derive(Default)]
pub(super) struct Watch {
    refused: Option<Refusal>,
    down_since: Option<Instant>,
    /// What was said last of a connection.
    pub reason: Option<String>,
}

struct Refusal {
    code: Code,
    why: String,
    /// When it was said first, and last, without a pause between.
    first: Instant,
    last: Instant,
}

/// A connection that breaks while the SASL mechanism is agreed upon is told as a login
/// that is refused (`rd_kafka_broker_handle_SaslHandshake`): a broker that ends or starts
/// refuses nobody.
fn is_refusal(event: &ClientEvent) -> bool {
    event.code.refuses_us() && !event.reason.contains("mechanism handshake failed: Local: ")
}

impl Watch {
    pub fn note(&mut self, events: Vec<ClientEvent>) {
        self.note_at(events, Instant::now());
    }

    fn note_at(&mut self, events: Vec<ClientEvent>, now: Instant) {
        for event in events {
            if is_refusal(&event) {
                let (code, why) = (event.code, event.reason.clone());
                match &mut self.refused {
                    Some(refused) if now.duration_since(refused.last) <= SAID_AGAIN => {
                        refused.last = now;
                    }
                    refused => *refused = Some(Refusal { code, why, first: now, last: now }),
                }
            } else if event.code.is_connection() || event.code.refuses_us() {
                self.down_since.get_or_insert(now);
            }
            // "All brokers are down" says less than why the last one is.
            if event.code != Code::ALL_BROKERS_DOWN || self.reason.is_none() {
                self.reason = Some(event.reason);
            }
        }
    }

    /// Something came: what was wrong is over.
    pub fn well(&mut self) {
        self.down_since = None;
        self.reason = None;
    }

    pub fn refused(&self, brokers: &str) -> Option<KafkaError> {
        let Refusal { code, why, .. } = self.refused.as_ref()?;
        let (brokers, why) = (brokers.to_owned(), why.clone());
        Some(if *code == Code::SSL {
            KafkaError::Untrusted { brokers, why }
        } else {
            KafkaError::Refused { brokers, why }
        })
    }

    /// The same of somebody who was let in once: only what lasts.
    pub fn refused_for_good(&self, brokers: &str) -> Option<KafkaError> {
        let refused = self.refused.as_ref()?;
        let lasts = refused.last.duration_since(refused.first) >= REFUSED;
        if lasts { self.refused(brokers) } else { None }
    }

    pub fn why(&self) -> String {
        self.reason.clone().unwrap_or_else(|| "no broker said why".to_owned())
    }

    /// Nobody answers, or lets us in.
    pub fn hopeless(&self) -> bool {
        self.refused.is_some() || self.down_since.is_some_and(|since| since.elapsed() > DOWN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(code: Code, reason: &str) -> ClientEvent {
        ClientEvent { code, reason: reason.to_owned() }
    }

    /// Found by reading: a broker that went down under a login ended whoever waited for it,
    /// as if the password were wrong.
    #[test]
    fn a_login_that_broke_off_is_no_refusal() {
        let handshake = |why: &str| {
            let said = format!(
                "sasl_plaintext://b:1/1: SASL PLAIN mechanism handshake failed: {why}: broker's \
                 supported mechanisms: (n/a)"
            );
            event(Code::AUTHENTICATION, &said)
        };
        let mut watch = Watch::default();
        watch.note(vec![
            handshake("Local: Broker transport failure"),
            handshake("Local: Timed out"),
        ]);
        assert!(watch.refused("b:1").is_none() && watch.down_since.is_some());
        assert!(watch.why().contains("Timed out"), "{}", watch.why());
        watch.note(vec![handshake("Broker: Unsupported SASL mechanism")]);
        let error = watch.refused("b:1").unwrap().to_string();
        assert!(error.contains("refuses the login") && error.contains("Unsupported"), "{error}");
    }

    /// Found by reading: one token that could not be had in time ended a live run, though
    /// the one before it was good for minutes yet.
    #[test]
    fn who_was_let_in_once_ends_by_a_refusal_that_lasts() {
        let (mut watch, begin) = (Watch::default(), Instant::now());
        let mut said = |seconds: u64| {
            let token = event(Code::AUTHENTICATION, "Failed to acquire SASL OAUTHBEARER token");
            watch.note_at(vec![token], begin + Duration::from_secs(seconds));
            assert!(watch.refused("b:1").is_some(), "whoever begins is told at once");
            watch.refused_for_good("b:1").is_some()
        };
        assert_eq!([0, 31, 59, 62].map(&mut said), [false, false, false, true]);
        // Since then it was let in.
        assert_eq!([300, 331].map(&mut said), [false; 2]);
        assert!(Watch::default().refused_for_good("b:1").is_none());
    }
}
