//! When the clock speaks where no record comes: often enough for what it can
//! decide, and not at all once nothing is left to decide.

use crate::operator::pipeline::Pipeline;

/// ms: no finer than this, no coarser than that.
const FINEST: i64 = 20;
const COARSEST: i64 = 500;

/// Whether a tick is due. Times are ms.
#[derive(Debug)]
pub(super) struct Ticks {
    every: i64,
    /// After so long without an event nothing can be due any more.
    enough: i64,
    last_event: i64,
    last_said: i64,
}

impl Ticks {
    pub fn new(pipeline: &Pipeline, now: i64) -> Self {
        let marks = || pipeline.inputs.iter().map(|input| input.watermark);
        let idle = || marks().filter_map(|mark| mark.idle_timeout);
        let emit = || marks().filter_map(|mark| mark.emit_interval);
        let interval = pipeline.delivery.checkpoint_interval;
        let shortest = idle().chain(emit()).chain([interval]).min().unwrap_or(interval);
        let every = (shortest / 5).clamp(FINEST, COARSEST);
        let longest = |times: &mut dyn Iterator<Item = i64>| times.max().unwrap_or(0);
        let enough = longest(&mut idle())
            .saturating_add(longest(&mut emit()))
            .saturating_add(interval)
            .saturating_add(2 * every);
        // The first is due at once: idleness counts from the start.
        Self { every, enough, last_event: now, last_said: i64::MIN }
    }

    /// How long to wait for records before the next look.
    pub fn every(&self) -> i64 {
        self.every
    }

    /// Something came that the clock may have to follow up.
    pub fn event(&mut self, now: i64) {
        (self.last_event, self.last_said) = (now, now);
    }

    /// Whether the clock has to speak now, where nothing came.
    pub fn due(&mut self, now: i64) -> bool {
        // Until it has spoken so late: the reading may have stood still meanwhile, and
        // what fell due then (an epoch's end) waits for it.
        let due = now.saturating_sub(self.last_said) >= self.every
            && self.last_said.saturating_sub(self.last_event) < self.enough;
        if due {
            self.last_said = now;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipeline(watermark: &str, interval: &str) -> Pipeline {
        let text = format!(
            "name = \"p\"\n\
             [inputs.a]\ntopic = \"a\"\nformat = \"json\"\nkey = \"k\"\n\
             event_time = {{ field = \"t\", unit = \"ms\" }}\nwatermark = {{ {watermark} }}\n\
             [inputs.b]\ntopic = \"b\"\nformat = \"json\"\nkey = \"k\"\n\
             event_time = {{ field = \"t\", unit = \"ms\" }}\n\
             watermark = {{ max_out_of_orderness = \"1s\" }}\n\
             [join]\nprimary = \"a\"\nwith.b = {{ after = \"0s\", until = \"1s\" }}\n\
             [delivery]\ncheckpoint_interval = \"{interval}\"\n"
        );
        Pipeline::parse(&text, "p.toml").unwrap()
    }

    #[test]
    fn a_fifth_of_what_comes_soonest_until_nothing_is_left() {
        let p = pipeline("max_out_of_orderness = \"1s\", idle_timeout = \"2s\"", "1s");
        let mut ticks = Ticks::new(&p, 1_000);
        assert_eq!(ticks.every(), 200);
        assert!(ticks.due(1_000), "from the start");
        assert!(!ticks.due(1_199) && ticks.due(1_200));
        let said = (1_200..20_000).filter(|now| ticks.due(*now)).count();
        assert_eq!(said, 16, "for 3.4 s");
        ticks.event(20_000);
        assert!(!ticks.due(20_100) && ticks.due(20_200));
        assert_eq!(Ticks::new(&pipeline("max_out_of_orderness = \"1s\"", "1h"), 0).every(), 500);
        assert_eq!(Ticks::new(&pipeline("max_out_of_orderness = \"1s\"", "10ms"), 0).every(), 20);
    }

    /// Found by reading: a commit of two seconds, or a sleep, behind the last records,
    /// and the epoch that they are in was not ended before another came.
    #[test]
    fn what_fell_due_while_nobody_looked_is_said_afterwards() {
        let mut ticks = Ticks::new(&pipeline("max_out_of_orderness = \"1s\"", "1s"), 0);
        ticks.event(5_000);
        assert!(ticks.due(15_000));
        assert!(!ticks.due(15_200) && !ticks.due(60_000), "nothing is left");
    }
}
