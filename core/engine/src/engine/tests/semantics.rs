//! "What happens at one arrival", rule by rule.

use super::harness::{
    Listed, PIPELINE, check, check_with, done, lines, spec, tell, tell_clock,
};
use crate::engine::AtEnd;
use crate::engine::step::Step;

#[test]
fn a_pair_is_given_out_at_the_later_arrival_and_a_pad_when_the_watermark_passes() {
    // W = min over both inputs of max − 10 − 1; view a is past when W > 100 + 100.
    check(
        "0 views[0] a 100
         1 plays[0] a 150
         2 views[0] b 120
         3 views[0] c 300
         4 plays[0] c 300
         5 views[0] d 400
         6 plays[0] d 400",
        "1 pair views[0]@0+plays[0]@0 t=150
         4 pad views[0]@1 t=120
         4 pair views[0]@2+plays[0]@1 t=300
         6 pair views[0]@3+plays[0]@2 t=400",
    );
}
