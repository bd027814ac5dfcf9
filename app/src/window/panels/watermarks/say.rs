//! The panel's sentence: who holds the join's event-time watermark back, since
//! when, and why.

use joinscope_core::run::{InputInfo, LaneAt, LaneInfo, ManifestStart, WatermarksAt};
use joinscope_operator::time::format_duration;
use joinscope_operator::watermark::Why;

use super::hindmost::{BEHIND, FAR, Hindmost, active, hindmost, spread};
use crate::window::text::thousands;

/// What the sentence is made of.
pub struct Facts<'a> {
    pub at: &'a WatermarksAt,
    /// How it stood a while before, where the run is that long.
    pub before: Option<&'a WatermarksAt>,
    pub lanes: &'a [LaneInfo],
    pub inputs: &'a [InputInfo],
    /// What a lane is called.
    pub name: &'a dyn Fn(u32) -> String,
    /// `max_out_of_orderness` by input, ms.
    pub bounds: &'a [i64],
    /// Arrival time of an arrival, ms.
    pub time_of: &'a dyn Fn(u64) -> i64,
    /// Clock text of a time, ms.
    pub clock: &'a dyn Fn(i64) -> String,
    pub approximate: bool,
}

/// A lane's name: `engagements[2]`.
#[must_use]
pub fn lane_name(lanes: &[LaneInfo], lane: u32) -> String {
    lanes.get(lane as usize).map_or_else(String::new, |l| format!("{}[{}]", l.topic, l.partition))
}

/// Whether a topic feeds more than one input: a record then has several rows, and a
/// partition several lanes.
#[must_use]
pub fn feeds_several(start: &ManifestStart) -> bool {
    let inputs = &start.inputs;
    (1..inputs.len()).any(|i| inputs[..i].iter().any(|other| other.topic == inputs[i].topic))
}

/// What a lane is called where it stands alone: of a topic that several inputs
/// read, by its input: `fixes[2]`.
#[must_use]
pub fn called_in(start: &ManifestStart, lane: u32) -> String {
    let name = || {
        let lane = start.lanes.get(lane as usize)?;
        let input = start.inputs.get(usize::from(lane.input))?;
        let several = start.inputs.iter().filter(|other| other.topic == input.topic).count() > 1;
        several.then(|| format!("{}[{}]", input.name, lane.partition))
    };
    name().unwrap_or_else(|| lane_name(&start.lanes, lane))
}

/// The sentence, and the lane that it is about.
#[must_use]
pub fn sentence(f: &Facts<'_>) -> (String, Option<u32>) {
    let (mut text, lane) = ahead(f).or_else(|| idle(f)).or_else(|| held(f)).unwrap_or_else(|| {
        (
            match f.at.join {
                None => "no event-time watermark yet".to_owned(),
                Some(join) => {
                    format!("the join is {}", behind(f.at.arrival_ms.saturating_sub(join)))
                }
            },
            None,
        )
    });
    if let Some(restart) = f.at.restarted.filter(|_| f.at.join.is_none()) {
        text +=
            &format!("; all was forgotten at the restart before arrival {}", thousands(restart));
    }
    if f.approximate {
        text += "; arrival is approximate";
    }
    (text, lane)
}

fn behind(lag: i64) -> String {
    if lag >= 0 {
        format!("{} behind arrival", about(lag))
    } else {
        format!("{} ahead of arrival", about(lag.saturating_neg()))
    }
}

/// A duration in a sentence: beside minutes milliseconds say nothing.
#[must_use]
pub fn about(ms: i64) -> String {
    let whole = if ms < 60_000 { ms } else { ms.saturating_add(500) / 1_000 * 1_000 };
    format_duration(whole)
}

/// What a record of a run is called where one that feeds two inputs counts twice.
#[must_use]
pub fn unit(start: &ManifestStart) -> &'static str {
    if feeds_several(start) { "row" } else { "record" }
}

/// What the bars at the foot are, which stand for late records or rows.
#[must_use]
pub fn by_density(unit: &str) -> String {
    format!("late {unit}s, by density")
}

/// A partition whose event time jumped far ahead of its arrival drags the
/// event-time watermark with it: all that comes after is late.
fn ahead(f: &Facts<'_>) -> Option<(String, Option<u32>)> {
    let (lane, by) = f
        .at
        .lanes
        .iter()
        .enumerate()
        .filter_map(|(lane, at)| {
            let bound = f.bounds.get(usize::from(f.lanes.get(lane)?.input)).copied().unwrap_or(0);
            let by = at.max_seen?.saturating_sub(f.at.arrival_ms);
            (by > bound.max(1_000)).then_some((lane as u32, by))
        })
        .max_by_key(|(_, by)| *by)?;
    let since = f.at.lanes.get(lane as usize)?.since;
    let since = since.map(|s| format!(" since {}", (f.clock)((f.time_of)(s)))).unwrap_or_default();
    let name = (f.name)(lane);
    Some((format!("{name} is {} ahead of arrival{since}", about(by)), Some(lane)))
}

/// The partition that has been idle longest.
fn idle(f: &Facts<'_>) -> Option<(String, Option<u32>)> {
    let (lane, silent) =
        f.at.lanes
            .iter()
            .enumerate()
            .filter(|(_, at)| at.idle)
            .filter_map(|(lane, at)| {
                Some((lane as u32, f.at.arrival_ms.saturating_sub(at.last_active_ms?)))
            })
            .max_by_key(|(_, silent)| *silent)?;
    let name = (f.name)(lane);
    // One that is left out and never began is not there yet.
    let idle = f.at.lanes.iter().filter(|at| at.idle && at.last_active_ms.is_some());
    let others = idle.count() - 1;
    let silent = about(silent);
    let then = match others {
        _ if f.at.lanes.iter().all(|at| at.idle) => "nothing moves the join on",
        0 => "the join goes on without it",
        _ => "the join goes on without them",
    };
    let text = if others > 0 {
        format!("{name} and {others} more are idle, silent for up to {silent}: {then}")
    } else {
        format!("{name} is idle, silent for {silent}: {then}")
    };
    Some((text, Some(lane)))
}

/// The partition that is not idle and lies behind all others.
fn held(f: &Facts<'_>) -> Option<(String, Option<u32>)> {
    let holder = f.at.holder?;
    let without = holder.without.map(|without| {
        let input = f.inputs.get(usize::from(without.input)).map_or("", |input| &*input.name);
        without.named(input)
    });
    let name = without.unwrap_or_else(|| (f.name)(holder.lane));
    let since = (f.time_of)(holder.since);
    let held = about(f.at.arrival_ms.saturating_sub(since));
    let lag = f.at.join.map(|join| behind(f.at.arrival_ms.saturating_sub(join)));
    let lag = lag.map(|lag| format!(": {lag}")).unwrap_or_default();
    let at = (f.clock)(since);
    let text = match holder.why {
        Why::NothingYet => {
            format!("{name} has given nothing for {held} and holds the join back")
        }
        Why::NoPartition if holder.without.is_some_and(|w| w.more > 0) => {
            format!("{name} have no partition, give nothing and hold the join back")
        }
        Why::NoPartition => {
            format!("{name} has no partition, gives nothing and holds the join back")
        }
        Why::Slowest => {
            if let Some(hind) = hindmost(f.at, holder.lane) {
                let why = slowness(f, holder.lane, &hind);
                let lag = lag.replacen(": ", "; ", 1);
                let allowed = allowed(f, holder.lane, 2);
                let hold = match hind.lanes.len().saturating_sub(1) {
                    0 => format!("{name} holds"),
                    others => format!("{name} and {} more hold", thousands(others as u64)),
                };
                // Where there is no room, the time goes first, not the figure.
                format!("{hold} the join back: {why}{lag}{allowed}, since {at}")
            } else {
                let allowed = allowed(f, holder.lane, i64::MAX);
                // Each close behind the next, the last may be far from the first.
                let level = spread(f.at) < FAR;
                let all = if level { "all partitions are level" } else { SPREAD };
                format!("{all}{lag}{allowed}; {name} is the last")
            }
        }
        // The join did not go back to where these are.
        Why::CameBack => {
            let lag = of_join(&lag);
            format!("{name} came back from being idle and has not caught up since {at}{lag}")
        }
        Why::NextEmission => {
            let lag = of_join(&lag);
            format!("{name} waits for its next periodic event-time watermark since {at}{lag}")
        }
    };
    Some((text, holder.without.is_none().then_some(holder.lane)))
}

/// `: 1 m behind arrival` as `; the join is 1 m behind arrival`, where the partition that
/// is named is elsewhere.
fn of_join(lag: &str) -> String {
    lag.replacen(": ", "; the join is ", 1)
}

/// `, 1 m of it out-of-orderness`: what of the join's lag a lane's input asks for, if
/// it is one part of so many, or more.
fn allowed(f: &Facts<'_>, lane: u32, parts: i64) -> String {
    let bound = f.lanes.get(lane as usize).and_then(|l| f.bounds.get(usize::from(l.input)));
    let lag = f.at.join.map(|join| f.at.arrival_ms.saturating_sub(join));
    match (bound, lag) {
        (Some(bound), Some(lag))
            if *bound > 0 && lag >= *bound && bound.saturating_mul(parts) >= lag =>
        {
            format!(", {} of it out-of-orderness", format_duration(*bound))
        }
        _ => String::new(),
    }
}

/// Silent for less is no stall, ms.
const STALLED: i64 = 5_000;
/// Of partitions that are not level, none of which is to blame.
const SPREAD: &str = "no partition is far behind the next";

/// How long partitions have given nothing while others did, where that is a stall, ms.
fn stalled(at: &WatermarksAt, lane: u32, hind: &Hindmost) -> Option<i64> {
    let silent = |l: &LaneAt| Some(at.arrival_ms.saturating_sub(l.last_active_ms?));
    let own = silent(at.lanes.get(lane as usize)?)?;
    let others = at.lanes.iter().enumerate();
    let others = others.filter(|(i, l)| !l.idle && !hind.has(*i as u32));
    let mut others: Vec<i64> = others.filter_map(|(_, l)| silent(l)).collect();
    others.sort_unstable();
    let usual = others.get(others.len() / 2).copied().unwrap_or(0);
    (own >= STALLED && own / 4 > usual).then_some(own)
}

/// Why a partition that is not idle is the least advanced: stalled (it gives
/// nothing while others do), slow (it gives records, but falls further behind),
/// or skewed (it keeps up, always as far behind the others). Where the others
/// are hardly further, nothing is wrong with it.
fn slowness(f: &Facts<'_>, lane: u32, hind: &Hindmost) -> String {
    let gap = hind.gap;
    if let Some(silent) = stalled(f.at, lane, hind) {
        return format!("stalled, silent for {}", about(silent));
    }
    let gap_text = about(gap);
    if f.before.is_some_and(|before| stalled(before, lane, hind).is_some()) {
        return format!("silent until just now, {gap_text} behind the next");
    }
    // Who keeps up drifts by no more than a tenth of the time that has passed.
    let passed = f.before.map_or(0, |b| f.at.arrival_ms.saturating_sub(b.arrival_ms));
    let drift = (passed / 10).max(BEHIND);
    let then = f.before.and_then(|b| {
        let was = b.lanes.get(lane as usize)?.watermark?;
        let others = active(b).filter(|(_, l)| !hind.has(*l));
        Some(others.map(|(ms, _)| ms).min()?.saturating_sub(was))
    });
    match then {
        Some(then) if gap.saturating_sub(then) > drift => {
            format!("slow, {gap_text} behind the next and falling back")
        }
        Some(then) if then.saturating_sub(gap) > drift => {
            format!("slow, {gap_text} behind the next and catching up")
        }
        Some(_) => format!("skewed, steadily {gap_text} behind the next"),
        None => format!("{gap_text} behind the next"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use joinscope_core::run::{HolderAt, WithoutPartition};

    fn lane(watermark: i64) -> LaneAt {
        LaneAt {
            watermark: Some(watermark),
            max_seen: Some(watermark),
            idle: false,
            since: Some(3),
            last_active_ms: Some(90_000),
        }
    }

    fn check(at: &WatermarksAt, approximate: bool) -> String {
        check_since(at, None, approximate)
    }

    fn check_since(at: &WatermarksAt, before: Option<&WatermarksAt>, approximate: bool) -> String {
        let infos: Vec<LaneInfo> =
            (0..2).map(|p| LaneInfo { input: 0, topic: "views".into(), partition: p }).collect();
        let inputs = [InputInfo {
            name: "clicks".into(),
            topic: "views".into(),
            max_out_of_orderness: 5_000,
        }];
        let facts = Facts {
            at,
            before,
            lanes: &infos,
            inputs: &inputs,
            name: &|lane| lane_name(&infos, lane),
            bounds: &[5_000],
            time_of: &|a| a as i64 * 10_000,
            clock: &|ms| format!("{} s", ms / 1000),
            approximate,
        };
        sentence(&facts).0
    }

    fn at() -> WatermarksAt {
        WatermarksAt {
            arrival: 9,
            arrival_ms: 100_000,
            lanes: vec![lane(80_000), lane(60_000)],
            inputs: vec![Some(60_000)],
            join: Some(60_000),
            holder: Some(HolderAt { lane: 1, since: 4, why: Why::Slowest, without: None }),
            restarted: None,
        }
    }

    #[test]
    fn bars_at_the_foot_are_of_what_is_counted() {
        assert_eq!(
            ["record", "row"].map(by_density),
            ["late records, by density", "late rows, by density"]
        );
    }

    #[test]
    fn a_restart_is_named_until_the_join_has_come_back() {
        let mut anew = at();
        anew.restarted = Some(1_200);
        assert_eq!(check(&anew, false), check(&at(), false));
        anew.join = None;
        anew.lanes[1].watermark = None;
        anew.holder = Some(HolderAt { lane: 1, since: 4, why: Why::NothingYet, without: None });
        let said = "views[1] has given nothing for 1 m and holds the join back; all was \
                    forgotten at the restart before arrival 1,200";
        assert_eq!(check(&anew, false), said);
    }

    #[test]
    fn the_slowest_partition_is_named_with_since_and_how_far() {
        let text = check(&at(), false);
        assert_eq!(
            text,
            "views[1] holds the join back: 20 s behind the next; 40 s behind arrival, since 40 s"
        );
    }

    #[test]
    fn of_a_partition_that_came_back_it_is_said_how_far_behind_the_join_is() {
        // It is 40 s behind, the join 20 s: that does not go back.
        let mut back = at();
        back.join = Some(80_000);
        back.holder = Some(HolderAt { lane: 1, since: 4, why: Why::CameBack, without: None });
        let said = "views[1] came back from being idle and has not caught up since 40 s; the \
                    join is 20 s behind arrival";
        assert_eq!(check(&back, false), said);
    }

    #[test]
    fn a_source_subtask_without_a_partition_is_named() {
        let mut held = at();
        held.join = None;
        let without = Some(WithoutPartition { input: 0, subtask: 3, more: 0 });
        held.holder = Some(HolderAt { lane: 2, since: 0, why: Why::NoPartition, without });
        let said = "source subtask 3 of clicks has no partition, gives nothing and holds the join \
                    back";
        assert_eq!(check(&held, false), said);
        let without = Some(WithoutPartition { input: 0, subtask: 3, more: 1 });
        held.holder = Some(HolderAt { lane: 2, since: 0, why: Why::NoPartition, without });
        let said = check(&held, false);
        assert!(said.ends_with("1 more have no partition, give nothing and hold the join back"));
    }

    #[test]
    fn stalled_slow_and_skewed_are_told_apart() {
        let now = at();
        let mut stalled = now.clone();
        stalled.lanes[0].last_active_ms = Some(99_900);
        stalled.lanes[1].last_active_ms = Some(70_000);
        let text = check(&stalled, false);
        assert!(text.contains(": stalled, silent for 30 s; 40 s behind arrival"), "{text}");
        assert_eq!([about(59_000), about(60_122), about(337_309)], ["59 s", "1 m", "5m 37s"]);
        let mut before = now.clone();
        before.lanes[0].watermark = Some(20_000);
        before.lanes[1].watermark = Some(0);
        let text = check_since(&now, Some(&before), false);
        assert!(text.contains("skewed, steadily 20 s behind the next"), "{text}");
        before.lanes[1].watermark = Some(19_000);
        let text = check_since(&now, Some(&before), false);
        assert!(text.contains("slow, 20 s behind the next and falling back"), "{text}");
        // It spoke again within the last minute.
        before.lanes[0].last_active_ms = Some(99_900);
        before.lanes[1].last_active_ms = Some(60_000);
        let text = check_since(&now, Some(&before), false);
        assert!(text.contains("silent until just now, 20 s behind the next"), "{text}");
        let mut level = now;
        level.lanes[0].watermark = Some(60_100);
        let text = check_since(&level, Some(&before), false);
        assert_eq!(
            text,
            "all partitions are level: 40 s behind arrival, 5 s of it out-of-orderness; \
             views[1] is the last"
        );
    }

    #[test]
    fn partitions_that_hold_the_join_back_together_are_not_level_with_the_rest() {
        // Two that ended ten minutes ago, and two that go on.
        let mut at = at();
        at.arrival_ms = 700_000;
        at.lanes = [60_200, 60_000, 699_000, 699_500].map(lane).to_vec();
        for (i, lane) in at.lanes.iter_mut().enumerate() {
            lane.last_active_ms = Some(if i < 2 { 100_000 } else { 699_900 });
        }
        let together = Some(Hindmost { lanes: vec![0, 1], gap: 639_000 });
        assert_eq!(hindmost(&at, 1), together);
        let said = "views[1] and 1 more hold the join back: stalled, silent for 10 m; \
                    10m 40s behind arrival, since 40 s";
        assert_eq!(check(&at, false), said);
        // One that is idle holds nothing back and is no partition to be level with.
        let mut idle = at.clone();
        for lane in &mut idle.lanes[2..] {
            lane.idle = true;
        }
        assert_eq!(hindmost(&idle, 1), None);
        // Each close behind the next, but the last far from the first.
        at.lanes = (0..10).map(|i| lane(60_000 + (i + 9) % 10 * 900)).collect();
        at.arrival_ms = 100_000;
        let said = check(&at, false);
        assert!(said.starts_with("no partition is far behind the next: 40 s behind"), "{said}");
        assert!(said.ends_with("; views[1] is the last"), "{said}");
    }

    #[test]
    fn an_idle_partition_and_one_that_is_ahead_come_first() {
        let mut idle = at();
        idle.lanes[0].idle = true;
        let said = "views[0] is idle, silent for 10 s: the join goes on without it";
        assert_eq!(check(&idle, false), said);
        let mut all = idle.clone();
        all.lanes[1].idle = true;
        let said = "views[1] and 1 more are idle, silent for up to 10 s: nothing moves the join on";
        assert_eq!(check(&all, false), said);
        idle.lanes[1].max_seen = Some(200_000);
        assert!(check(&idle, false).starts_with("views[1] is "), "{}", check(&idle, false));
        assert!(check(&idle, false).contains("ahead of arrival since 30 s"));
    }

    #[test]
    fn a_lane_of_a_topic_that_two_inputs_read_is_called_by_its_input() {
        let input = |name: &str, topic: &str| joinscope_core::run::InputInfo {
            name: name.into(),
            topic: topic.into(),
            max_out_of_orderness: 0,
        };
        let lane = |input: u8, topic: &str| LaneInfo { input, topic: topic.into(), partition: 3 };
        let mut start = ManifestStart {
            inputs: vec![input("changes", "code"), input("fixes", "code")],
            lanes: vec![lane(0, "code"), lane(1, "code")],
            ..ManifestStart::default()
        };
        assert!(feeds_several(&start));
        assert_eq!([called_in(&start, 0), called_in(&start, 1)], ["changes[3]", "fixes[3]"]);
        start.inputs[1].topic = "other".into();
        assert!(!feeds_several(&start));
        assert_eq!(called_in(&start, 0), "code[3]");
    }

    #[test]
    fn approximate_arrival_is_said() {
        assert!(check(&at(), true).ends_with("arrival is approximate"));
        let mut none = at();
        (none.holder, none.join) = (None, None);
        assert_eq!(check(&none, false), "no event-time watermark yet");
    }
}
