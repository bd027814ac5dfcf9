//! The client that a cluster is asked with beside the reading, for as long as a run
//! lasts. One that knows no broker any more (see [`super::bounded`]) is followed by
//! another.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::KafkaError;
use super::bounded::end;
use super::sys::Client;

/// Nobody has answered for so long: a new client asks on.
const ANEW: Duration = Duration::from_secs(15);

/// For how long nobody has answered.
#[derive(Debug, Default)]
struct Silence(Option<Instant>);

impl Silence {
    /// A question had an answer, or none.
    fn heard(&mut self, is_answer: bool, now: Instant) {
        self.0 = if is_answer { None } else { self.0.or(Some(now)) };
    }

    /// Whether a new client is to ask; the silence begins anew with it.
    fn ends(&mut self, now: Instant) -> bool {
        let is_long = self.0.is_some_and(|since| now.duration_since(since) >= ANEW);
        if is_long {
            self.0 = None;
        }
        is_long
    }
}

pub(super) struct Asking {
    client: Mutex<Arc<Client>>,
    silence: Mutex<Silence>,
}

impl Asking {
    pub fn new(client: Client) -> Self {
        Self { client: Mutex::new(Arc::new(client)), silence: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Client>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn client(&self) -> Arc<Client> {
        Arc::clone(&self.lock())
    }

    /// Asks a question that any broker answers; after long silence with a client that
    /// `new` makes.
    pub fn ask<T, E>(
        &self,
        new: impl FnOnce() -> Result<Client, KafkaError>,
        question: impl FnOnce(&Client) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut silence = self.silence.lock().unwrap_or_else(PoisonError::into_inner);
        if silence.ends(Instant::now()) {
            match new() {
                Ok(new) => end(std::mem::replace(&mut *self.lock(), Arc::new(new))),
                Err(error) => tracing::warn!("{error}"),
            }
        }
        let answer = question(&self.client());
        silence.heard(answer.is_ok(), Instant::now());
        answer
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;

    use super::*;

    #[test]
    fn who_hears_nobody_for_long_asks_with_a_new_client() {
        let (mut silence, begin) = (Silence::default(), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        for second in [0, 5, 14] {
            assert!(!silence.ends(at(second)), "{second}");
            silence.heard(false, at(second));
        }
        assert!(silence.ends(at(15)));
        // The new one has as long.
        silence.heard(false, at(16));
        assert!(!silence.ends(at(30)) && silence.ends(at(31)));
        silence.heard(false, at(40));
        silence.heard(true, at(50));
        assert!(!silence.ends(at(60)));
    }

    /// Found by a test that failed once: a lone broker that stood still for a while was
    /// never found again, though every new client found it.
    #[test]
    fn a_client_that_knows_no_broker_is_followed_by_one_that_does() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", 1, 1).unwrap();
        let to = |brokers: &str| {
            let properties = [("bootstrap.servers".to_owned(), brokers.to_owned())];
            Client::new(&properties, |_| false).map_err(KafkaError::Setting)
        };
        let asking = Asking::new(to("127.0.0.1:1").unwrap());
        let within =
            |seconds| move |client: &Client| client.offsets("t", 0, Duration::from_secs(seconds));
        let new = || to(&cluster.bootstrap_servers());
        assert!(asking.ask(new, within(1)).is_err());
        assert!(asking.ask(new, within(1)).is_err(), "not yet");
        asking.silence.lock().unwrap().0 = Instant::now().checked_sub(ANEW);
        assert_eq!(asking.ask(new, within(60)), Ok((0, 0)));
        assert_eq!(asking.ask(|| unreachable!(), within(60)), Ok((0, 0)));
    }
}
