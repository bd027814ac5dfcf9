//! Every question, asked of the store and of the model.

use std::sync::atomic::AtomicBool;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::model::{Model, ModelRow};
use crate::operator::verdict::Verdict;
use crate::run::{
    Axis, Direction, NO_ROW, Query, Range, RowView, Run, RunEnd, RunState, VerdictSet,
};

fn same(view: &RowView, n: usize, m: &Model) {
    let row = &m.rows[n];
    let some = |t: i64| (t != i64::MIN).then_some(t);
    assert_eq!(view.row, n as u64);
    assert_eq!((view.arrival, view.arrival_ms), (row.arrival, row.ms));
    assert_eq!((view.input, view.lane), (row.input, row.lane));
    assert_eq!((view.record.partition, view.record.offset), (row.partition, row.offset));
    assert_eq!(view.key, row.key);
    assert_eq!((view.event_time, view.watermark), (some(row.time), some(row.watermark)));
    let late =
        row.at_arrival.passed_the_checks() && row.watermark != i64::MIN && row.time < row.watermark;
    assert_eq!(view.late_by, late.then(|| row.watermark - row.time));
    assert_eq!((view.verdict, view.decided), (row.verdict, row.decided), "row {n}");
    assert_eq!((view.removed, view.cause, view.reason), (row.removed, row.cause, row.reason));
    let rests = row.at_arrival == Verdict::Open && row.removed != Some(row.arrival);
    assert_eq!(view.kept, rests);
    let outputs = m.outputs.iter().filter(|o| o.records.contains(&(n as u64))).count();
    assert_eq!(view.outputs, outputs as u64, "outputs of row {n}");
}

pub(super) fn whole(m: &Model, dir: &std::path::Path) -> Run {
    let mut writer = m.writer(dir);
    m.feed(&mut writer, 0, u64::MAX);
    writer.finish(RunState::Done, RunEnd::default()).unwrap();
    // A cache far smaller than the run.
    Run::open_with_cache(dir, 1 << 20).unwrap()
}

fn in_set(row: &ModelRow, set: VerdictSet) -> bool {
    set.contains(row.verdict)
}

fn ask_rows(m: &Model, run: &Run, random: &mut ChaCha8Rng) {
    let n = m.rows.len();
    assert_eq!(run.rows(), n as u64);
    let first = random.random_range(0..n);
    let count = random.random_range(1..600);
    let page = run.page(first as u64, count).unwrap();
    assert_eq!(page.len(), count.min(n - first));
    for (i, view) in page.iter().enumerate() {
        same(view, first + i, m);
    }
    let verdicts: Vec<u8> = page.iter().map(|view| view.verdict as u8).collect();
    assert_eq!(run.verdict_codes(first as u64, count as u64, None).unwrap(), verdicts);
    let inputs: Vec<u8> = page.iter().map(|view| view.input).collect();
    assert_eq!(run.input_column(first as u64, count as u64).unwrap(), inputs);
    let both: Vec<(u8, u8)> = inputs.into_iter().zip(verdicts).collect();
    assert_eq!(run.verdict_column(first as u64, count as u64, None).unwrap(), both);
    let mut picked: Vec<u64> = (0..20).map(|_| random.random_range(0..n) as u64).collect();
    picked.push(picked[0]);
    for (view, row) in run.views(&picked).unwrap().iter().zip(&picked) {
        same(view, *row as usize, m);
    }
    assert!(run.row(n as u64).is_err());
    for _ in 0..5 {
        let row = random.random_range(0..n);
        let name = run.row(row as u64).unwrap().record;
        let found: Vec<u64> = run.find(&name).unwrap().iter().map(|v| v.row).collect();
        let want: Vec<u64> = (0..n)
            .filter(|i| {
                let (a, b) = (&m.rows[*i], &m.rows[row]);
                (a.arrival, a.partition, a.offset) == (b.arrival, b.partition, b.offset)
            })
            .map(|i| i as u64)
            .collect();
        assert_eq!(found, want);
        let mut absent = name.clone();
        absent.offset = 1 << 40;
        assert!(run.find(&absent).unwrap().is_empty());
        let of_arrival = run.rows_of_arrival(m.rows[row].arrival).unwrap();
        assert_eq!(of_arrival.iter().map(|v| v.row).collect::<Vec<_>>(), want);
    }
}

fn ask_verdicts(m: &Model, run: &Run, random: &mut ChaCha8Rng) {
    for _ in 0..4 {
        let set: VerdictSet =
            Verdict::ALL.into_iter().filter(|_| random.random_range(0..3) == 0).collect();
        let want: Vec<u64> =
            (0..m.rows.len()).filter(|i| in_set(&m.rows[*i], set)).map(|i| i as u64).collect();
        assert_eq!(run.count(set), want.len() as u64);
        for _ in 0..8 {
            let n = random.random_range(0..want.len() + 2);
            assert_eq!(run.nth(set, n as u64).unwrap(), want.get(n).copied());
            let row = random.random_range(0..m.rows.len()) as u64;
            let before = want.partition_point(|r| *r < row);
            assert_eq!(run.rank(set, row).unwrap(), before as u64);
            let after = want.partition_point(|r| *r <= row);
            let next = run.next(set, row, Direction::Forward).unwrap();
            assert_eq!(next, want.get(after).copied());
            let previous = run.next(set, row, Direction::Backward).unwrap();
            assert_eq!(previous, before.checked_sub(1).map(|i| want[i]));
        }
        let from = random.random_range(0..want.len() + 1);
        let page = run.nth_from(set, from as u64, 300).unwrap();
        assert_eq!(page, want[from..].iter().take(300).copied().collect::<Vec<_>>());
    }
}

fn ask_keys(m: &Model, run: &Run, random: &mut ChaCha8Rng) {
    for _ in 0..6 {
        let Some(key) = m.rows[random.random_range(0..m.rows.len())].key.clone() else { continue };
        let around = m.rows[random.random_range(0..m.rows.len())].ms;
        let limit = random.random_range(1..40);
        let found = run.rows_of_key(&key, around, limit).unwrap();
        let alike = |row: &&ModelRow| {
            row.key.as_ref().is_some_and(|k| k.normal_hash() == key.normal_hash())
        };
        let exact = m.rows.iter().filter(|r| r.key.as_ref() == Some(&key)).count();
        let all = m.rows.iter().filter(alike).count();
        assert_eq!((found.exact_count, found.normal_count), (exact as u64, (all - exact) as u64));
        let mut want: Vec<(u64, u64)> = m
            .rows
            .iter()
            .enumerate()
            .filter(|(_, row)| alike(row))
            .map(|(i, row)| (row.time.abs_diff(around), i as u64))
            .collect();
        want.sort_unstable();
        let got: Vec<(u64, u64)> =
            found.rows.iter().map(|v| (v.event_time.unwrap().abs_diff(around), v.row)).collect();
        assert!(got.iter().all(|hit| want.binary_search(hit).is_ok()));
        assert!(got.iter().collect::<std::collections::BTreeSet<_>>().len() == got.len());
        want.truncate(limit);
        let distances = |hits: &[(u64, u64)]| hits.iter().map(|h| h.0).collect::<Vec<_>>();
        assert_eq!(distances(&got), distances(&want));

        let at = random.random_range(0..m.marks.len()) as u64;
        let state = run.state_of_key(&key, at).unwrap();
        let want: Vec<u64> = (0..m.rows.len())
            .filter(|i| {
                let row = &m.rows[*i];
                row.key.as_ref() == Some(&key)
                    && row.at_arrival == Verdict::Open
                    && row.arrival <= at
                    && row.removed.is_none_or(|r| at < r)
            })
            .map(|i| i as u64)
            .collect();
        assert!(state.whole);
        assert_eq!(state.rows.iter().map(|v| v.row).collect::<Vec<_>>(), want);
        assert!(state.rows.iter().all(|row| row.in_state_at(at)));
    }
}

/// Columns of outputs, up to the end of a segment.
fn by_column(m: &Model, run: &Run, first: usize, n: u64) {
    let columns = ["at", "kind", "first", "second", "labels", "more"];
    let Some(read) = run.output_columns(first as u64, n, &columns).unwrap() else {
        assert_eq!(first, m.outputs.len());
        return;
    };
    assert!(read.len() > 0 && read.len() as u64 <= n);
    let (starts, more) = read.more().unwrap().unwrap();
    for (i, want) in m.outputs[first..].iter().take(read.len()).enumerate() {
        assert_eq!((read.ats().unwrap()[i], read.kinds().unwrap()[i]), (want.at, want.kind as u8));
        assert_eq!(read.labels().unwrap()[i], want.labels);
        let two = [read.firsts().unwrap()[i], read.seconds().unwrap()[i]];
        let more = &more[starts[i] as usize..starts[i + 1] as usize];
        let rows = two.iter().filter(|row| **row != NO_ROW).chain(more);
        assert!(rows.eq(want.records.iter()), "output {}", first + i);
    }
}

fn ask_outputs(m: &Model, run: &Run, random: &mut ChaCha8Rng) {
    assert_eq!(run.outputs(), m.outputs.len() as u64);
    let first = random.random_range(0..m.outputs.len() + 1);
    let page = run.output_page(first as u64, 200).unwrap();
    assert_eq!(page.len(), (m.outputs.len() - first).min(200));
    for (view, want) in page.iter().zip(&m.outputs[first..]) {
        assert_eq!((view.n, view.at, view.epoch), (want.n, want.at, want.epoch));
        assert_eq!((view.time, view.kind, view.labels), (want.time, want.kind, want.labels));
        assert_eq!(view.correction, want.correction);
        assert_eq!(view.rows, want.records.to_vec());
    }
    by_column(m, run, first, first as u64 % 300 + 1);
    let until = first as u64 * 7 % (m.marks.len() as u64 + 2);
    let before = m.outputs.iter().filter(|o| o.at < until).count();
    assert_eq!(run.outputs_before(until).unwrap(), before as u64);
    for _ in 0..10 {
        let row = random.random_range(0..m.rows.len()) as u64;
        let got: Vec<u64> = run.outputs_of(row).unwrap().iter().map(|o| o.n).collect();
        let want: Vec<u64> =
            m.outputs.iter().filter(|o| o.records.contains(&row)).map(|o| o.n).collect();
        assert_eq!(got, want);
        let rest = run.output_numbers_of(row, 1, 2).unwrap();
        assert_eq!(rest, want.iter().skip(1).take(2).copied().collect::<Vec<_>>());
    }
}

fn ask_moments(m: &Model, run: &Run, random: &mut ChaCha8Rng) {
    let some = |t: i64| (t != i64::MIN).then_some(t);
    for _ in 0..12 {
        let at = random.random_range(0..m.marks.len());
        let got = run.watermarks_at(at as u64).unwrap();
        let want = &m.marks[at];
        assert_eq!(got.join, some(want.join), "join at {at}");
        assert_eq!(got.inputs, want.inputs.iter().map(|w| some(*w)).collect::<Vec<_>>());
        let lanes: Vec<_> = got
            .lanes
            .iter()
            .map(|l| {
                let active = l.last_active_ms.unwrap_or(i64::MIN);
                (l.watermark.unwrap_or(i64::MIN), l.max_seen, l.idle, active)
            })
            .collect();
        assert_eq!(lanes, want.lanes, "lanes at {at}");
        assert_eq!(got.holder.map(|h| (h.lane, h.since)), want.holder);
        assert_eq!(run.books(Some(at as u64)).unwrap(), m.books(at as u64), "books at {at}");
        let ms = m.rows.iter().find(|r| r.arrival == at as u64).unwrap().ms;
        assert_eq!(run.arrival_ms(at as u64).unwrap(), ms);
        let first = m.rows.iter().find(|r| r.ms >= ms).unwrap().arrival;
        assert_eq!(run.arrival_at_ms(ms).unwrap(), first);
    }
    assert!(run.watermarks_at(m.marks.len() as u64).is_err());
    assert_eq!(run.books(None).unwrap(), m.books(u64::MAX));
}

fn ask_ranges(m: &Model, run: &Run, random: &mut ChaCha8Rng) {
    let arrivals = m.marks.len() as i64;
    let lanes: Vec<u32> = (0..m.start.lanes.len() as u32).rev().collect();
    let (first_ms, last_ms) = run.arrival_time_range().unwrap().unwrap();
    for axis in [Axis::Arrival, Axis::ArrivalTime] {
        // Exact: fewer than 256 arrivals a bucket.
        let (from, to) = match axis {
            Axis::Arrival => {
                let from = random.random_range(0..arrivals);
                (from, random.random_range(from + 1..arrivals + 1))
            }
            Axis::ArrivalTime | Axis::EventTime => {
                let from = random.random_range(first_ms..last_ms);
                (from, random.random_range(from + 1..last_ms + 2))
            }
        };
        let range = Range { axis, from, to };
        let buckets = random.random_range(1..100).max((to - from) as usize / 250 + 1).min(4000);
        let place = |row: &ModelRow| match axis {
            Axis::Arrival => row.arrival as i64,
            Axis::ArrivalTime | Axis::EventTime => row.ms,
        };
        let edge = |i: usize| from + ((to - from) as i128 * i as i128 / buckets as i128) as i64;
        let density = run.density(range, &lanes, buckets).unwrap();
        let mut want = vec![[0u32; 10]; lanes.len() * buckets];
        let mut bucket = 0;
        for row in &m.rows {
            let x = place(row);
            if x < from || x >= to {
                continue;
            }
            while bucket + 1 < buckets && x >= edge(bucket + 1) {
                bucket += 1;
            }
            let lane = lanes.len() - 1 - row.lane as usize;
            want[lane * buckets + bucket][row.verdict as usize] += 1;
        }
        if axis == Axis::Arrival {
            assert_eq!(density.counts, want);
        } else {
            // In arrival time a bucket may span many arrivals: totals agree.
            let sum = |c: &[[u32; 10]]| {
                c.iter().fold([0u64; 10], |mut sum, c| {
                    sum.iter_mut().zip(c).for_each(|(s, c)| *s += u64::from(*c));
                    sum
                })
            };
            assert_eq!(sum(&density.counts), sum(&want));
        }
        // Groups of lanes are their sums; the last lane is left out.
        let group_of: Vec<u32> = (0..lanes.len() as u32)
            .map(|l| if l as usize + 1 == lanes.len() { crate::run::NO_GROUP } else { l % 2 })
            .collect();
        let groups = run.density_of_groups(range, &group_of, 2, buckets).unwrap();
        for bucket in 0..buckets {
            let mut want = [[0u32; 10]; 2];
            for (place, lane) in lanes.iter().enumerate() {
                if let Some(group) = want.get_mut(group_of[*lane as usize] as usize) {
                    group.iter_mut().zip(density.at(place, bucket)).for_each(|(s, n)| *s += n);
                }
            }
            assert_eq!([*groups.at(0, bucket), *groups.at(1, bucket)], want);
        }
        let lines = run.lines(range, &lanes, buckets).unwrap();
        assert_eq!(lines.join.len(), buckets);
        if axis == Axis::Arrival {
            let value = |marks: Option<&super::model::Marks>| marks.map_or(i64::MIN, |w| w.join);
            for b in 0..buckets {
                let end = lines.arrivals[b + 1] as usize;
                let last = value(end.checked_sub(1).map(|e| &m.marks[e]));
                // What the clock decides before an arrival already shows at its edge.
                let clocked = m.clock.iter().any(|c| c.precedes == end as u64);
                let got = lines.join[b].map_or(i64::MIN, |j| j.max);
                assert!(got == last || clocked && got > last, "bucket {b}: {got}, not {last}");
                let lane_max = end.checked_sub(1).map_or(i64::MIN, |e| m.marks[e].lanes[0].0);
                let line = lines.lane_lines[lanes.len() - 1][b];
                assert_eq!(line.map_or(i64::MIN, |l| l.max), lane_max, "lane in bucket {b}");
                for input in 0..2 {
                    let want = end.checked_sub(1).map_or(i64::MIN, |e| m.marks[e].inputs[input]);
                    let got = lines.inputs[input][b].map_or(i64::MIN, |l| l.max);
                    assert_eq!(got, want, "input {input} in bucket {b}");
                }
            }
        }
    }
    ask_event_time(m, run, random);
    // From the pyramids: the totals of the whole are exact at any scale.
    for buckets in [1, 3, 10] {
        let range = Range { axis: Axis::Arrival, from: 0, to: arrivals };
        let density = run.density(range, &lanes, buckets).unwrap();
        for (place, lane) in lanes.iter().enumerate() {
            for verdict in Verdict::ALL {
                let got: u32 = (0..buckets).map(|b| density.at(place, b)[verdict as usize]).sum();
                let want =
                    m.rows.iter().filter(|r| r.lane == *lane && r.verdict == verdict).count();
                assert_eq!(got as usize, want, "{verdict} of lane {lane}, {buckets} buckets");
            }
        }
        let lines = run.lines(range, &lanes, buckets).unwrap();
        let last = m.marks.last().unwrap();
        assert_eq!(lines.join[buckets - 1].map_or(i64::MIN, |j| j.max), last.join);
        for (place, lane) in lanes.iter().enumerate() {
            let got = lines.lane_lines[place][buckets - 1].map_or(i64::MIN, |l| l.max);
            assert_eq!(got, last.lanes[*lane as usize].0);
        }
    }
}

/// By event time: rows by their own, arrivals by the join's watermark.
fn ask_event_time(m: &Model, run: &Run, random: &mut ChaCha8Rng) {
    let times = || m.rows.iter().map(|r| r.time).filter(|t| *t != i64::MIN);
    let (first, last) = (times().min().unwrap(), times().max().unwrap());
    let group_of: Vec<u32> = m.start.lanes.iter().map(|l| u32::from(l.input)).collect();
    let mut spans = crate::run::EventSpans::default();
    for pass in 0..3 {
        let from = if pass == 0 { first } else { random.random_range(first..=last) };
        let to = if pass == 0 { last + 1 } else { random.random_range(from..=last) + 1 };
        let range = Range { axis: Axis::EventTime, from, to };
        let buckets = random.random_range(1..40usize);
        let mut got = None;
        let go = AtomicBool::new(false);
        run.event_density(range, &group_of, 2, buckets, &mut spans, &go, |d, looked, of| {
            assert!(looked <= of && of == m.rows.len() as u64);
            got = Some(d.clone());
            true
        })
        .unwrap();
        let mut want = vec![[0u32; 10]; 2 * buckets];
        for row in m.rows.iter().filter(|r| r.time >= from && r.time < to && r.time != i64::MIN) {
            let bucket =
                (i128::from(row.time - from) * buckets as i128 / i128::from(to - from)) as usize;
            want[usize::from(row.input) * buckets + bucket][row.verdict as usize] += 1;
        }
        assert_eq!(got.unwrap().counts, want, "{from}..{to}");
        assert_eq!(spans.whole, Some((first, last)));
        // An edge is the first arrival at which the watermark had come so far.
        let lines = run.lines(range, &[], buckets).unwrap();
        for (i, edge) in lines.arrivals.iter().enumerate() {
            let time = from + (i128::from(to - from) * i as i128 / buckets as i128) as i64;
            let want = m.rows.iter().find(|r| r.watermark >= time).map(|r| r.arrival);
            assert_eq!(*edge, want.unwrap_or(run.arrivals()), "edge {i} at {time}");
        }
    }
}

fn ask_search(m: &Model, run: &Run, random: &mut ChaCha8Rng) {
    let n = m.rows.len();
    let pick = &m.rows[random.random_range(0..n)];
    let query = Query {
        verdicts: [Verdict::Joined, Verdict::Late, Verdict::Open].into_iter().collect(),
        inputs: 1 << pick.input,
        event_time: Some((pick.time.saturating_sub(3000), pick.time.saturating_add(3000))),
        lanes: vec![pick.lane],
        ..Query::default()
    };
    let want: Vec<u64> = (0..n)
        .filter(|i| {
            let r = &m.rows[*i];
            query.verdicts.contains(r.verdict)
                && r.lane == pick.lane
                && r.time != i64::MIN
                && r.time >= pick.time.saturating_sub(3000)
                && r.time <= pick.time.saturating_add(3000)
        })
        .map(|i| i as u64)
        .collect();
    assert_eq!(run.search_all(&query, &AtomicBool::new(false)).unwrap(), want);

    let text = Query { text: Some("HoT".into()), limit: Some(7), ..Query::default() };
    let hot: Vec<u64> = (0..n)
        .filter(|i| {
            let key = m.rows[*i].key.as_ref();
            key.is_some_and(|k| k.to_string().to_lowercase().contains("hot"))
        })
        .map(|i| i as u64)
        .take(7)
        .collect();
    assert_eq!(run.search_all(&text, &AtomicBool::new(false)).unwrap(), hot);

    if let Some(key) = &pick.key {
        let query = Query { key: Some(key.clone()), ..Query::default() };
        let want: Vec<u64> =
            (0..n).filter(|i| m.rows[*i].key.as_ref() == Some(key)).map(|i| i as u64).collect();
        assert_eq!(run.search_all(&query, &AtomicBool::new(false)).unwrap(), want);
    }
    let late = Query { late_by_at_least: Some(20), ..Query::default() };
    let want: Vec<u64> = (0..n)
        .filter(|i| {
            let r = &m.rows[*i];
            r.at_arrival.passed_the_checks()
                && r.watermark != i64::MIN
                && r.watermark - r.time >= 20
        })
        .map(|i| i as u64)
        .collect();
    assert_eq!(run.search_all(&late, &AtomicBool::new(false)).unwrap(), want);
    let cancelled = run.search_all(&late, &AtomicBool::new(true));
    assert!(matches!(cancelled, Err(crate::run::RunError::Cancelled)));
}

pub fn ask_all(m: &Model, run: &Run, seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    ask_rows(m, run, &mut random);
    ask_verdicts(m, run, &mut random);
    ask_keys(m, run, &mut random);
    ask_outputs(m, run, &mut random);
    ask_moments(m, run, &mut random);
    ask_ranges(m, run, &mut random);
    ask_search(m, run, &mut random);
}
