//! Faults by name, as a user writes them: the same moments under each
//! guarantee, whose code has other points for them.

use std::fmt;
use std::str::FromStr;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::schedule::{Incident, Schedule, What};
use super::world::Lived;
use crate::edges::log::sim::{Call, Fault};
use crate::operator::pipeline::Guarantee;

/// A moment in which something goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// The process ends while an epoch's outputs are out and nothing of it is
    /// on the disk.
    CrashMidEpoch,
    /// … when the epoch's checkpoint is on the disk, and not yet committed.
    CrashBeforeCommit,
    /// … when it is committed, and this process does not yet know.
    CrashAfterCommit,
    /// As `crash-before-commit`, and the disk keeps only what was forced to it.
    PowerLoss,
    /// The broker is killed in the middle of a commit and started again: it is
    /// away for [`AWAY_MS`].
    BrokerRestart,
    /// The process stands still, a twin takes over and runs to the end, it wakes.
    Zombie,
    /// The machine sleeps until an open transaction has timed out.
    Sleep,
}

impl Moment {
    pub const ALL: [Self; 7] = [
        Self::CrashMidEpoch,
        Self::CrashBeforeCommit,
        Self::CrashAfterCommit,
        Self::PowerLoss,
        Self::BrokerRestart,
        Self::Zombie,
        Self::Sleep,
    ];

    /// As the command line writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::CrashMidEpoch => "crash-mid-epoch",
            Self::CrashBeforeCommit => "crash-before-commit",
            Self::CrashAfterCommit => "crash-after-commit",
            Self::PowerLoss => "power-loss",
            Self::BrokerRestart => "broker-restart",
            Self::Zombie => "zombie",
            Self::Sleep => "sleep",
        }
    }
}

/// What goes wrong, in turn: each moment in an epoch counted from the one that
/// the process went on from, or from the moment before it in the same process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<(Moment, Option<u64>)>);

/// A text that names no faults.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" names no faults: write none, a moment ({names}), a moment in an epoch such as \
     crash-before-commit@5, several of them joined by commas, or random:SEED",
    names = Moment::ALL.map(Moment::name).join(", ")
)]
pub struct BadFaults(pub String);

impl FromStr for Faults {
    type Err = BadFaults;

    fn from_str(text: &str) -> Result<Self, BadFaults> {
        let bad = || BadFaults(text.to_owned());
        if text == "none" {
            return Ok(Self(Vec::new()));
        }
        if let Some(seed) = text.strip_prefix("random:") {
            return Ok(Self::random(seed.parse().map_err(|_| bad())?));
        }
        let moment = |part: &str| {
            let (name, epoch) = match part.trim().split_once('@') {
                Some((name, epoch)) => (name, Some(epoch.parse().ok().filter(|n| *n > 0)?)),
                None => (part.trim(), None),
            };
            let moment = Moment::ALL.into_iter().find(|moment| moment.name() == name)?;
            Some((moment, epoch))
        };
        text.split(',').map(|part| moment(part).ok_or_else(bad)).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (i, (moment, epoch)) in self.0.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { "," })?;
            f.write_str(moment.name())?;
            if let Some(epoch) = epoch {
                write!(f, "@{epoch}")?;
            }
        }
        Ok(())
    }
}

impl Faults {
    /// Two to five moments that only a seed decides; no zombie among them, whose
    /// twin would live through the rest.
    #[must_use]
    pub fn random(seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let moments: Vec<Moment> =
            Moment::ALL.into_iter().filter(|moment| *moment != Moment::Zombie).collect();
        let count = random.random_range(2..6);
        let moment = |_| {
            let moment = moments[random.random_range(0..moments.len())];
            (moment, Some(random.random_range(1..8)))
        };
        Self((0..count).map(moment).collect())
    }

    /// The schedule for one guarantee; `epochs`: how many the job has, of which
    /// moments without an epoch take even shares (one alone: the middle).
    #[must_use]
    pub fn schedule(&self, guarantee: Guarantee, epochs: u64) -> Schedule {
        let mut incidents: Vec<Incident> = Vec::new();
        for place in self.places(guarantee, epochs) {
            incidents.resize_with(incidents.len().max(place.incident + 1), Incident::default);
            let Some(incident) = incidents.last_mut() else { continue };
            let passing = (place.point.to_owned(), place.nth, place.what);
            match place.moment {
                Moment::BrokerRestart => {
                    incident.calls.push(broker_restart(guarantee, place.nth));
                }
                Moment::Sleep => incident.meanwhile.push(passing),
                _ => incident.at = Some(passing),
            }
        }
        Schedule { incidents, in_step: true, ..Schedule::default() }
    }

    /// The moments that never came in the life of a job under [`Faults::schedule`],
    /// because it ended before: each as the user wrote it.
    #[must_use]
    pub fn missed(&self, guarantee: Guarantee, epochs: u64, lived: &[Lived]) -> Vec<String> {
        let came = |place: &Place| {
            lived.iter().filter(|life| life.incarnation == place.incident).any(|life| {
                life.passed.iter().any(|(point, n)| *point == place.point && *n >= place.nth)
            })
        };
        let places = self.places(guarantee, epochs);
        let never = self.0.iter().zip(&places).filter(|&(_, place)| !came(place));
        never.map(|(moment, _)| Self(vec![*moment]).to_string()).collect()
    }

    /// Where each moment falls. What ends a process, and a zombie, whose twin goes
    /// on, leave the next moments to the next process, which counts its epochs anew;
    /// within a process they are counted from the moment before.
    fn places(&self, guarantee: Guarantee, epochs: u64) -> Vec<Place> {
        let share = epochs / (self.0.len() as u64 + 1);
        let (mut incident, mut before) = (0, 0u64);
        let place = |(moment, epoch): &(Moment, Option<u64>)| {
            let nth = before.saturating_add(epoch.unwrap_or(share).max(1));
            let (point, what) = at(*moment, guarantee, nth);
            let place = Place { moment: *moment, incident, point, nth, what };
            if matches!(moment, Moment::BrokerRestart | Moment::Sleep) {
                before = nth;
            } else {
                (incident, before) = (incident + 1, 0);
            }
            place
        };
        self.0.iter().map(place).collect()
    }
}

/// Where a moment falls.
struct Place {
    moment: Moment,
    /// In the life of this incarnation.
    incident: usize,
    /// At the n-th passing.
    point: &'static str,
    nth: u64,
    what: What,
}

fn at(moment: Moment, guarantee: Guarantee, seed: u64) -> (&'static str, What) {
    let most_once = guarantee == Guarantee::AtMostOnce;
    match moment {
        Moment::CrashMidEpoch => ("prepare.delta", What::Crash),
        // The broker restarts under the call behind this point; nothing happens at it.
        Moment::CrashBeforeCommit | Moment::BrokerRestart if most_once => ("prepared", What::Crash),
        Moment::CrashBeforeCommit | Moment::BrokerRestart => ("commit.send", What::Crash),
        Moment::PowerLoss if most_once => ("prepared", What::PowerLoss(seed)),
        Moment::PowerLoss => ("commit.send", What::PowerLoss(seed)),
        Moment::CrashAfterCommit if most_once => ("collect", What::Crash),
        Moment::CrashAfterCommit => ("commit.answered", What::Crash),
        Moment::Zombie if most_once => ("prepared", What::Zombie),
        Moment::Zombie => ("commit.send", What::Zombie),
        Moment::Sleep if most_once => ("prepared", What::Sleep),
        Moment::Sleep => ("commit.send", What::Sleep),
    }
}

/// How long a broker that was killed is away under Kafka's own settings (11-peers):
/// its controller lets it in again when `broker.session.timeout.ms` is over.
pub const AWAY_MS: u32 = 12_000;

/// The broker restarts under the commit of the n-th epoch; exactly-once has
/// committed its own progress record before the first.
fn broker_restart(guarantee: Guarantee, nth: u64) -> (Call, u64, Fault) {
    match guarantee {
        Guarantee::ExactlyOnce => (Call::Commit, nth + 1, Fault::Restart(AWAY_MS)),
        Guarantee::AtLeastOnce | Guarantee::AtMostOnce => {
            (Call::Flush, nth, Fault::Restart(AWAY_MS))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edges::fault::POINTS;

    #[test]
    fn names_are_read_back_and_others_refused() {
        for text in ["none", "zombie", "crash-before-commit@5,sleep", "random:9"] {
            let faults: Faults = text.parse().unwrap();
            assert_eq!(faults.to_string().parse::<Faults>().unwrap(), faults, "{text}");
        }
        assert_ne!(Faults::random(1), Faults::random(2));
        for text in ["", "crash", "sleep@0", "sleep@x", "random:", "sleep,,zombie"] {
            let error = text.parse::<Faults>().unwrap_err().to_string();
            assert!(error.contains("crash-mid-epoch") && error.contains("random:SEED"), "{error}");
        }
    }

    #[test]
    fn what_does_not_end_a_process_goes_with_what_ends_it() {
        let faults: Faults =
            "broker-restart@2,sleep@1,crash-mid-epoch@3,broker-restart".parse().unwrap();
        let schedule = faults.schedule(Guarantee::ExactlyOnce, 10);
        assert_eq!(schedule.incidents.len(), 2);
        // Each is counted from the one before it: none comes too early, or never.
        let [first, last] = &schedule.incidents[..] else { panic!("{schedule:?}") };
        assert_eq!(first.calls, [(Call::Commit, 3, Fault::Restart(AWAY_MS))]);
        assert_eq!(first.meanwhile, [("commit.send".to_owned(), 3, What::Sleep)]);
        assert_eq!(first.at, Some(("prepare.delta".to_owned(), 6, What::Crash)));
        // In a new process anew, after its share of ten epochs.
        assert_eq!(last.calls, [(Call::Commit, 3, Fault::Restart(AWAY_MS))]);
        assert!(last.meanwhile.is_empty() && last.at.is_none(), "{last:?}");
    }

    #[test]
    fn every_moment_has_a_name_and_a_place_under_each_guarantee() {
        for moment in Moment::ALL {
            let faults: Faults = moment.name().parse().unwrap();
            assert_eq!(faults, Faults(vec![(moment, None)]));
            for guarantee in [Guarantee::ExactlyOnce, Guarantee::AtLeastOnce, Guarantee::AtMostOnce]
            {
                // One alone comes in the middle.
                let places = faults.places(guarantee, 9);
                let [place] = &places[..] else { panic!("{moment:?}: {}", places.len()) };
                assert_eq!((place.incident, place.nth), (0, 4), "{moment:?}");
                assert!(POINTS.contains(&place.point), "{moment:?}: {}", place.point);
            }
        }
    }
}
