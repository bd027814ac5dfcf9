//! Calls of librdkafka that may never come back, given up after a time.
//!
//! A client that was told of no broker at all (a lone one that the controller took for
//! dead for a moment) lets go of every broker that it knew, and asks nobody any more:
//! `rd_kafka_broker_any_usable` finds none, and what waits for a broker's coming
//! (`rd_kafka_coord_req_fsm`, 2.12.1) waits for ever, beyond the time limit of the call.

use std::sync::mpsc;
use std::time::Duration;

/// What `call` returns, if it does so in time. If not it goes on, on a thread that nobody
/// waits for: what it holds is let go of when it comes back.
pub(super) fn within<T: Send + 'static>(
    patience: Duration,
    call: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (told, answer) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name("kafka-call".to_owned());
    // Who does not wait any more does not hear it.
    let spawned = thread.spawn(move || drop(told.send(call())));
    spawned.ok().and_then(|_| answer.recv_timeout(patience).ok())
}

/// Lets go of a client; nobody waits for its end.
pub(super) fn end(client: impl Send + 'static) {
    let _ = std::thread::Builder::new().name("old-client".to_owned()).spawn(move || drop(client));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_waited_for_and_a_call_that_hangs_is_given_up() {
        let patience = Duration::from_mins(1);
        assert_eq!(within(patience, || 7), Some(7));
        let (end, ends) = mpsc::sync_channel::<()>(1);
        let (gone, is_gone) = mpsc::sync_channel::<()>(1);
        let hangs = move || {
            let _held = gone;
            ends.recv()
        };
        assert_eq!(within(Duration::from_millis(20), hangs), None);
        assert_eq!(is_gone.try_recv(), Err(mpsc::TryRecvError::Empty), "it goes on");
        end.send(()).unwrap();
        assert_eq!(is_gone.recv(), Err(mpsc::RecvError), "and lets go of what it held");
        // So does a call that breaks down.
        assert_eq!(within(patience, || -> u8 { panic!("on purpose") }), None);
    }
}
