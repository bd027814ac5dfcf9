//! What a run waits for. Whoever waits cannot say how it stands, so it says
//! beforehand what it is about to wait for, and others read it meanwhile.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::control::Control;

/// What a run waits for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// In words, with the newest reason in brackets where there is one.
    pub what: String,
    /// So long already.
    pub time: Duration,
}

#[derive(Debug)]
struct Wait {
    what: Cow<'static, str>,
    why: Option<String>,
    since: Instant,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    /// In the order in which they began.
    waits: BTreeMap<u64, Wait>,
}

/// All that is waited for at once, by several threads.
#[derive(Debug, Default)]
pub(super) struct Waits(Mutex<Open>);

impl Waits {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn begin(&self, what: Cow<'static, str>) -> u64 {
        let mut open = self.lock();
        let number = open.next;
        open.next += 1;
        open.waits.insert(number, Wait { what, why: None, since: Instant::now() });
        number
    }

    /// The one that began first: others wait within it, or because of it.
    pub fn oldest(&self) -> Option<Waiting> {
        let open = self.lock();
        let oldest = open.waits.values().next()?;
        let why = open.waits.values().find_map(|wait| wait.why.as_ref());
        let what = match why {
            Some(why) => format!("{} ({why})", oldest.what),
            None => oldest.what.clone().into_owned(),
        };
        Some(Waiting { what, time: oldest.since.elapsed() })
    }
}

/// Something is waited for as long as this lives.
#[must_use]
#[derive(Debug)]
pub(super) struct Awaited {
    control: Control,
    number: u64,
}

impl Awaited {
    pub fn new(control: &Control, what: Cow<'static, str>) -> Self {
        Self { number: control.waits().begin(what), control: control.clone() }
    }

    /// Why it takes long.
    pub fn say(&self, why: &str) {
        if let Some(wait) = self.control.waits().lock().waits.get_mut(&self.number) {
            wait.why = Some(why.to_owned());
        }
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.control.waits().lock().waits.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_began_first_is_waited_for_until_it_is_over() {
        let control = Control::new();
        assert_eq!(control.waiting(), None);
        let commit = control.awaits("the commit of epoch 7".to_owned());
        let answer = control.awaits("an answer");
        let what = || control.waiting().map(|waiting| waiting.what);
        assert_eq!(what().as_deref(), Some("the commit of epoch 7"));
        answer.say("timed out");
        assert_eq!(what().as_deref(), Some("the commit of epoch 7 (timed out)"));
        let before = control.waiting().unwrap().time;
        std::thread::sleep(Duration::from_millis(5));
        assert!(control.waiting().unwrap().time > before, "time goes on without anybody's word");
        drop(commit);
        assert_eq!(what().as_deref(), Some("an answer (timed out)"));
        drop(answer);
        assert_eq!(control.waiting(), None);
    }
}
