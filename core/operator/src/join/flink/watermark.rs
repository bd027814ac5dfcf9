//! Rule A: the event-time watermark of a Flink operator of two inputs, and
//! what of it goes downstream.

/// One input (rule A1).
#[derive(Clone, Copy, Debug)]
struct Input {
    watermark: i64,
    idle: bool,
}

/// `CombinedWatermarkStatus` of two inputs, the left one first. At the start,
/// and after a restore (rule A7), both are at the minimum and not idle.
#[derive(Clone, Copy, Debug)]
pub struct TwoInputs {
    inputs: [Input; 2],
    combined: i64,
}

impl Default for TwoInputs {
    fn default() -> Self {
        Self { inputs: [Input { watermark: i64::MIN, idle: false }; 2], combined: i64::MIN }
    }
}

impl TwoInputs {
    /// The operator's current watermark.
    #[must_use]
    pub fn combined(&self) -> i64 {
        self.combined
    }

    /// A watermark of one input (rule A1: it never goes back, and clears the
    /// idle flag in any case); the combined one if it advanced.
    pub fn watermark(&mut self, input: usize, time: i64) -> Option<i64> {
        let of = &mut self.inputs[input];
        of.idle = false;
        of.watermark = of.watermark.max(time);
        self.combine()
    }

    /// A status of one input; the combined watermark if it advanced, and then
    /// whether all are idle if that changed (rule A5).
    pub fn status(&mut self, input: usize, idle: bool) -> (Option<i64>, Option<bool>) {
        let before = self.all_idle();
        self.inputs[input].idle = idle;
        let advanced = self.combine();
        let after = self.all_idle();
        (advanced, (before != after).then_some(after))
    }

    fn all_idle(&self) -> bool {
        self.inputs.iter().all(|input| input.idle)
    }

    /// Rule A2.
    fn combine(&mut self) -> Option<i64> {
        let active = self.inputs.iter().filter(|input| !input.idle).map(|input| input.watermark);
        let all = self.inputs.iter().map(|input| input.watermark);
        let combined = active.min().or_else(|| all.max())?;
        (combined > self.combined).then(|| {
            self.combined = combined;
            combined
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_a1_an_input_never_goes_back_and_a_watermark_makes_it_active() {
        let mut two = TwoInputs::default();
        assert_eq!(two.watermark(0, 5), None);
        assert_eq!(two.watermark(1, 9), Some(5));
        assert_eq!(two.watermark(0, 3), None);
        assert_eq!(two.status(1, true), (None, None));
        // 4 does not advance the input, but makes it count again.
        assert_eq!(two.watermark(1, 4), None);
        assert_eq!(two.watermark(0, 20), Some(9));
    }

    #[test]
    fn rule_a2_idle_inputs_do_not_count_and_all_idle_it_is_the_largest() {
        let mut two = TwoInputs::default();
        two.watermark(0, 5);
        assert_eq!(two.status(1, true), (Some(5), None));
        two.watermark(0, 7);
        assert_eq!(two.watermark(1, 6), None, "the combined one never goes back");
        assert_eq!(two.combined(), 7);
        two.watermark(1, 30);
        assert_eq!(two.combined(), 7);
        assert_eq!(two.status(1, true), (None, None));
        // Rule A5: the status comes after the watermark that it lets through.
        assert_eq!(two.status(0, true), (Some(30), Some(true)));
        assert_eq!(two.status(0, true), (None, None));
        assert_eq!(two.status(0, false), (None, Some(false)));
    }
}
