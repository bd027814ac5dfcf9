//! What a generated feed is like.

use std::fmt::Write as _;

use super::Fault;

/// 2026-11-02T08:00:00Z.
const START_MS: i64 = 1_793_606_400_000;
/// In nanoseconds it fits 63 bits.
const LATEST_MS: i128 = 9_200_000_000_000;

/// What a generated feed is like. The defaults are the reference load of the
/// benchmark: with 10 million views about 12 million records, 1.9 million live
/// views at an interval of 30 minutes, nothing late at 60 s.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedOptions {
    pub views: u64,
    pub seed: u64,
    /// Event time of the start, ms since the Unix epoch.
    pub start_ms: i64,
    /// Views a second of event time.
    pub rate: f64,
    /// Partitions of `views` and of `engagements`.
    pub partitions: [u32; 2],
    /// Engagements for each view, on average.
    pub engagement_rate: f64,
    /// Engagements follow their view within this time, ms.
    pub interval_ms: i64,
    /// Share of engagements that follow later than that.
    pub outside: f64,
    /// Share of engagements of views that do not exist.
    pub orphans: f64,
    /// Records arrive up to this long after they happened, ms …
    pub disorder_ms: i64,
    /// … so many of them; the others within 200 ms.
    pub disorder: f64,
    pub users: u64,
    pub items: u64,
    /// 1: all items alike; the larger, the more often the first ones.
    pub skew: u32,
    pub producers: u32,
    /// Engagements of one view, in the first tenth of its interval.
    pub hot: u64,
    /// Records of each kind of poison.
    pub poison: u64,
    /// Names the producer in a header.
    pub headers: bool,
    pub faults: Vec<Fault>,
}

impl Default for FeedOptions {
    fn default() -> Self {
        Self {
            views: 1_000_000,
            seed: 1,
            start_ms: START_MS,
            rate: 1_000.0,
            partitions: [4, 4],
            engagement_rate: 0.2,
            interval_ms: 30 * 60_000,
            outside: 0.005,
            orphans: 0.001,
            disorder_ms: 50_000,
            disorder: 0.05,
            users: 500_000,
            items: 50_000,
            skew: 3,
            producers: 8,
            hot: 0,
            poison: 0,
            headers: false,
            faults: Vec::new(),
        }
    }
}

impl FeedOptions {
    /// The incident of the sample `feed`: 55 minutes in which a partition
    /// stalls, a producer is down, a key is hot, a clock is behind, and a few
    /// records are poison.
    #[must_use]
    pub fn incident() -> Self {
        let minutes = |n: i64| n * 60_000;
        Self {
            views: 100_000,
            seed: 7,
            rate: 30.0,
            engagement_rate: 0.25,
            interval_ms: minutes(10),
            users: 20_000,
            items: 2_000,
            hot: 4_000,
            poison: 3,
            headers: true,
            faults: vec![
                Fault::Stall { topic: 1, partition: 2, from: minutes(15), length: minutes(5) },
                Fault::Outage { producer: 1, from: minutes(28), length: minutes(4) },
                Fault::Clock { producer: 5, from: minutes(40), length: minutes(6), by: -95_000 },
            ],
            ..Self::default()
        }
    }

    /// What is wrong with them, if anything.
    ///
    /// # Errors
    /// A number outside what can be generated.
    pub fn check(&self) -> Result<(), String> {
        let share = |x: f64| (0.0..=1.0).contains(&x);
        if !(self.rate > 0.0 && self.rate <= 1e9) {
            return Err("rate: above 0, and at most 1,000,000,000 views a second".to_owned());
        }
        if self.partitions.iter().any(|&n| n == 0 || n > 30_000) {
            return Err("partitions: 1 to 30,000 of each topic".to_owned());
        }
        if !(0.0..=100.0).contains(&self.engagement_rate) {
            return Err("engagement rate: 0 to 100 for each view".to_owned());
        }
        if !share(self.outside) || !share(self.orphans) || !share(self.disorder) {
            return Err("shares: between 0 and 1".to_owned());
        }
        let day = 86_400_000;
        if !(1..=30 * day).contains(&self.interval_ms)
            || !(0..=30 * day).contains(&self.disorder_ms)
        {
            return Err("interval and disorder: at most 30 days".to_owned());
        }
        if !(0..=8_000_000_000_000).contains(&self.start_ms) {
            return Err("start: between 1970 and 2223".to_owned());
        }
        if self.users == 0 || self.items == 0 || self.producers == 0 || self.producers > 1_000 {
            return Err("users and items: at least 1; producers: 1 to 1,000".to_owned());
        }
        if self.views as f64 / self.rate > 1e9 {
            return Err("views and rate: the feed would last longer than 30 years".to_owned());
        }
        if self.latest_ms() > LATEST_MS {
            let what = "start, rate and faults: the last record could arrive after 2261, which no \
                        recording holds";
            return Err(what.to_owned());
        }
        for fault in &self.faults {
            match *fault {
                Fault::Stall { topic, partition, .. }
                | Fault::Slow { topic, partition, .. }
                | Fault::Idle { topic, partition, .. } => {
                    if partition >= self.partitions[usize::from(topic.min(1))] {
                        return Err(format!(
                            "a fault names partition {partition}, which is not there"
                        ));
                    }
                }
                Fault::Outage { producer, .. } | Fault::Clock { producer, .. } => {
                    if producer >= self.producers {
                        return Err(format!(
                            "a fault names producer {producer}, which is not there"
                        ));
                    }
                }
            }
            if let Fault::Clock { by, .. } = *fault
                && i128::from(by).abs() > LATEST_MS
            {
                return Err("a clock is off by at most 290 years".to_owned());
            }
        }
        Ok(())
    }

    /// No record can arrive later, ms: all that puts records off, one after another.
    fn latest_ms(&self) -> i128 {
        // Gaps are up to twice their mean.
        let views = (2_000.0 * self.views as f64 / self.rate) as i128;
        let put_off = self.faults.iter().map(|fault| match *fault {
            // A backlog drains, too.
            Fault::Stall { from, length, .. } | Fault::Outage { from, length, .. } => {
                i128::from(from) + 2 * i128::from(length)
            }
            Fault::Idle { from, length, .. } | Fault::Clock { from, length, .. } => {
                i128::from(from) + i128::from(length)
            }
            Fault::Slow { by, .. } => i128::from(by),
        });
        let own = 3 * i128::from(self.interval_ms) + i128::from(self.disorder_ms) + 200;
        i128::from(self.start_ms) + views + own + put_off.sum::<i128>()
    }

    /// All of it as text, for the recording's notes.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = format!(
            "views {} seed {} start {} rate {} partitions {}/{} engagements {} interval {} ms \
             outside {} orphans {} disorder {} ms of {} users {} items {} skew {} producers {} \
             hot {} poison {}",
            self.views,
            self.seed,
            self.start_ms,
            self.rate,
            self.partitions[0],
            self.partitions[1],
            self.engagement_rate,
            self.interval_ms,
            self.outside,
            self.orphans,
            self.disorder_ms,
            self.disorder,
            self.users,
            self.items,
            self.skew,
            self.producers,
            self.hot,
            self.poison,
        );
        for fault in &self.faults {
            let _ = write!(text, " {fault:?}");
        }
        text
    }
}
