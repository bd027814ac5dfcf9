//! What would have been enough: the smallest change of one setting with which
//! the verdict would have been another.
//!
//! For a row that came too late it is enough that the join's event-time
//! watermark W, up to its arrival, had stayed at or below a limit (its event
//! time; for a row that had left the state, the last W that keeps it). From the
//! arrival that moved W beyond the limit the tracker is run again, and for each
//! input:
//! - a larger `max_out_of_orderness` lowers all event-time watermarks of that
//!   input by as much as it grows, and changes nothing else; so what is needed is
//!   the most by which the input's own stood beyond the limit while all others
//!   were beyond it too. Where the input was idle at such a moment, none is enough.
//! - a longer `idle_timeout` keeps a partition from going idle. One that stands
//!   at or below the limit holds W there for as long as it is active: so what is
//!   needed is one millisecond more than its longest silence.

use super::candidates::Candidate;
use super::judge::{Fate, Judge, Lies};
use crate::operator::pipeline::Semantics;
use crate::operator::record::Arrival;
use crate::operator::time::{duration_setting, exact_duration, format_duration};
use crate::operator::verdict::Verdict;
use crate::operator::watermark::Tracker;
use crate::run::Run;
use crate::run::error::Result;
use crate::run::read::Event;
use crate::run::types::RowView;

/// One setting and the value from which on the verdict is another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enough {
    /// `inputs.engagements.watermark.max_out_of_orderness`.
    pub path: String,
    /// As a pipeline writes it, for `--set path=value`.
    pub value: String,
    pub ms: i64,
    /// The value or more; else the value or less.
    pub at_least: bool,
    /// What it is called in a list: `out-of-orderness of engagements`.
    pub text: String,
    /// What it would change, in words.
    pub effect: String,
}

impl Enough {
    fn new(path: String, ms: i64, at_least: bool, text: String, effect: String) -> Self {
        Self { path, value: duration_setting(ms), ms, at_least, text, effect }
    }

    /// `≥ 5m 08.4s`.
    #[must_use]
    pub fn bound(&self) -> String {
        let sign = if self.at_least { '≥' } else { '≤' };
        let shown = format_duration(self.ms);
        // Two units may cut off what matters: then all of them.
        let exact = crate::operator::time::parse_duration(&shown) == Ok(self.ms);
        format!("{sign} {}", if exact { shown } else { exact_duration(self.ms) })
    }
}

/// `whole`: all that lie in the row's interval are among `candidates`.
pub(super) fn of(
    run: &Run,
    judge: &Judge,
    row: &RowView,
    candidates: &[Candidate],
    whole: bool,
) -> Result<Vec<Enough>> {
    if judge.semantics() != Semantics::Clean {
        // What would have been enough is proved under our own rules only.
        return Ok(Vec::new());
    }
    match row.verdict {
        Verdict::Late => {
            let Some(time) = row.event_time else { return Ok(Vec::new()) };
            let effect = match candidates.iter().find(|c| c.fate == Fate::OwnLate) {
                Some(c) => {
                    format!("it would not have been late, and would have matched {}", c.record)
                }
                None => "it would not have been late".to_owned(),
            };
            later(run, judge, row.arrival, time, &effect)
        }
        Verdict::Unmatched | Verdict::Expired => unmatched(run, judge, row, candidates, whole),
        _ => Ok(Vec::new()),
    }
}

fn unmatched(
    run: &Run,
    judge: &Judge,
    row: &RowView,
    candidates: &[Candidate],
    whole: bool,
) -> Result<Vec<Enough>> {
    // What was late, or had gone: with which settings it would have been met.
    let mut found: Vec<Enough> = Vec::new();
    for c in candidates {
        let more = match c.fate {
            Fate::OtherLate(_) => {
                let Some(time) = c.row.event_time else { continue };
                let effect =
                    format!("{} would not have been late, and would have matched", c.record);
                later(run, judge, c.row.arrival, time, &effect)?
            }
            Fate::Gone(_) => {
                let Some((bound, at)) = judge.meets(row, &c.row) else { continue };
                let effect = format!("{} and it would have met in the state", c.record);
                later(run, judge, at.arrival, bound, &effect)?
            }
            _ => continue,
        };
        more.into_iter().for_each(|one| least(&mut found, one));
    }
    if !found.is_empty() {
        if !whole {
            found.iter_mut().for_each(|one| one.effect.push_str(LESS));
        }
        return Ok(found);
    }
    // Each side of the interval by itself: what changes it least.
    for c in candidates {
        let Fate::Outside(lies) = c.fate else { continue };
        if !Judge::taken(&c.row) {
            continue;
        }
        let Some(one) = wider(judge, row, &c.row, lies) else { continue };
        least(&mut found, one);
    }
    if found.is_empty() {
        return Ok(found);
    }
    // A record that the interval keeps from matching itself would do that first:
    // nobody means this.
    for own in run.rows_of_arrival(row.arrival)? {
        if judge.faces(row.input, own.input)
            && Judge::taken(&own)
            && let Some(Fate::Outside(lies)) = judge.fate(row, &own)
            && let Some(one) = wider(judge, row, &own, lies)
        {
            let before = |f: &Enough| if one.at_least { f.ms < one.ms } else { f.ms > one.ms };
            found.retain(|f| f.path != one.path || before(f));
        }
    }
    Ok(found)
}

/// Said where not all that lie in the interval were looked at.
const LESS: &str = " (less may be enough for another: not all in the interval were looked at)";

/// Keeps, for each setting, the value that changes it least.
fn least(found: &mut Vec<Enough>, one: Enough) {
    match found.iter_mut().find(|f| f.path == one.path) {
        Some(f) if (one.at_least && one.ms < f.ms) || (!one.at_least && one.ms > f.ms) => *f = one,
        Some(_) => {}
        None => found.push(one),
    }
}

/// The end of the interval with which a row and a candidate outside of it would
/// have matched: it holds both, and the earlier of them is still in the state
/// when the later one comes (3-semantics, `clean`: gone when `W > l + until` or
/// `W > r - after`).
fn wider(judge: &Judge, row: &RowView, other: &RowView, lies: Lies) -> Option<Enough> {
    let pair = judge.pair(row, other)?;
    let (primary, secondary) = (pair.primary.event_time?, pair.secondary.event_time?);
    let (bound, later) = judge.meets(row, other)?;
    let watermark = later.watermark.unwrap_or(i64::MIN);
    let primary_waits = later.row == pair.secondary.row;
    let name = judge.input_name(pair.interval.input);
    let effect = format!("it would have matched {}", other.record);
    match lies {
        Lies::After(_) if primary_waits || watermark <= bound => {
            let reach = if primary_waits { secondary.max(watermark) } else { secondary };
            let until = reach.checked_sub(primary)?;
            let (path, text) = (format!("join.with.{name}.until"), format!("until of {name}"));
            Some(Enough::new(path, until, true, text, effect))
        }
        Lies::Before(_) if !primary_waits || watermark <= bound => {
            let reach = if primary_waits { primary } else { primary.max(watermark) };
            let after = secondary.checked_sub(reach)?;
            let (path, text) = (format!("join.with.{name}.after"), format!("after of {name}"));
            Some(Enough::new(path, after, false, text, effect))
        }
        Lies::After(_) | Lies::Before(_) | Lies::Within => None,
    }
}

/// What one input would have needed.
#[derive(Clone, Copy, Default)]
struct Need {
    /// The most by which its event-time watermark stood beyond the limit.
    beyond: i64,
    /// It was idle while all others were beyond the limit.
    idle: bool,
}

/// Settings with which the event-time watermark stays at or below `limit` until
/// the record of arrival `at` is looked at.
fn later(run: &Run, judge: &Judge, at: Arrival, limit: i64, effect: &str) -> Result<Vec<Enough>> {
    let Some(first) = run.first_past(limit, at)?.filter(|first| *first <= at) else {
        return Ok(Vec::new());
    };
    let inputs = &judge.pipeline().inputs;
    let mut needs = vec![Need::default(); inputs.len()];
    let mut silent: Vec<i64> = vec![i64::MIN; run.now().manifest.start.lanes.len()];
    let (tracker, at_ms) = run.replay(first.saturating_sub(1), at, |tracker, event| {
        look(tracker, limit, &mut needs);
        if let Event::Observed { lane, was, arrival_ms, .. } = event
            && was.idle
            // Else it was not there.
            && was.last_active_ms != i64::MIN
            && let Some(longest) = silent.get_mut(lane as usize)
        {
            *longest = (*longest).max(arrival_ms.saturating_sub(was.last_active_ms));
        }
    })?;
    look(&tracker, limit, &mut needs);
    let mut found = Vec::new();
    for (i, (input, need)) in inputs.iter().zip(&needs).enumerate() {
        if need.idle || need.beyond <= 0 {
            continue;
        }
        let Some(ms) = input.watermark.max_out_of_orderness.checked_add(need.beyond) else {
            continue;
        };
        let path = format!("inputs.{}.watermark.max_out_of_orderness", input.name);
        let text = format!("out-of-orderness of {}", input.name);
        found.push((i, Enough::new(path, ms, true, text, effect.to_owned())));
    }
    // The smallest first: that of the input which holds the join.
    found
        .sort_by_key(|(i, e)| (e.ms.saturating_sub(inputs[*i].watermark.max_out_of_orderness), *i));
    let mut found: Vec<Enough> = found.into_iter().map(|(_, e)| e).collect();
    for (i, input) in inputs.iter().enumerate() {
        let Some(timeout) = input.watermark.idle_timeout else { continue };
        let lanes = (0..tracker.lanes()).filter_map(|lane| Some((lane, tracker.lane(lane)?)));
        let needed = lanes
            .filter(|(_, l)| {
                usize::from(l.input) == i && l.max_seen.is_some() && l.watermark <= limit
            })
            .filter_map(|(lane, l)| {
                let now = if l.idle { at_ms.saturating_sub(l.last_active_ms) } else { i64::MIN };
                let longest = silent.get(lane as usize).copied().unwrap_or(i64::MIN).max(now);
                (longest >= timeout).then(|| longest.saturating_add(1))
            })
            .min();
        if let Some(ms) = needed {
            let path = format!("inputs.{}.watermark.idle_timeout", input.name);
            let text = format!("idle timeout of {}", input.name);
            found.push(Enough::new(path, ms, true, text, effect.to_owned()));
        }
    }
    Ok(found)
}

/// How far each input stood beyond the limit while all others did.
fn look(tracker: &Tracker, limit: i64, needs: &mut [Need]) {
    if tracker.join() <= limit {
        return;
    }
    for i in 0..needs.len() {
        let index = i as u8;
        let others = (0..needs.len() as u8)
            .filter(|o| *o != index && !tracker.input_idle(*o))
            .map(|o| tracker.input(o))
            .min();
        if others.is_some_and(|others| others <= limit) {
            continue;
        }
        if !tracker.input_idle(index) {
            let beyond = tracker.input(index).saturating_sub(limit);
            needs[i].beyond = needs[i].beyond.max(beyond);
        } else if others.is_some() {
            needs[i].idle = true;
        }
    }
}
