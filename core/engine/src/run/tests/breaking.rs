//! Breakpoints: a run that was stopped and went on is the run that never was;
//! what is read from a kept run is where it stopped.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::execute::spec;
use crate::engine::breakpoint::{Breakpoint, Hit};
use crate::engine::{Control, Ended, Stop, Summary};
use crate::run::{AtHit, Execute, Run, RunState, execute};

fn breakpoints(conditions: &[&str]) -> Vec<Breakpoint> {
    let made = conditions.iter().zip(1..);
    made.map(|(c, id)| Breakpoint { id, enabled: true, condition: c.parse().unwrap() }).collect()
}

/// Runs, and goes on from every stop once `look` has seen the run there.
fn stopping(
    spec: Execute,
    list: Vec<Breakpoint>,
    mut look: impl FnMut(&Stop),
) -> (Summary, Vec<Stop>) {
    let control = Control::new();
    control.set_breakpoints(list);
    let of_run = control.clone();
    let running = std::thread::spawn(move || execute(spec, &of_run).unwrap());
    let mut stops = Vec::new();
    while !running.is_finished() {
        if let Some(stop) = control.stopped() {
            look(&stop);
            stops.push(stop);
            control.go_on();
        } else {
            std::thread::yield_now();
        }
    }
    (running.join().unwrap(), stops)
}

fn by_arrival(hits: &[Hit]) -> BTreeMap<u64, Vec<u64>> {
    let mut found: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for hit in hits {
        let ids = found.entry(hit.at).or_default();
        if !ids.contains(&hit.id) {
            ids.push(hit.id);
        }
    }
    found
}

fn hits(dir: &Path, list: &[Breakpoint]) -> Vec<Hit> {
    let mut all = Vec::new();
    let run = Run::open(dir).unwrap();
    run.hits(list, &AtomicBool::new(false), |hits, _| {
        all.extend(hits);
        true
    })
    .unwrap();
    all
}

#[test]
fn a_run_that_stopped_and_went_on_is_the_run_that_never_did() {
    let late = [("join.late".to_owned(), "\"join\"".to_owned())];
    let none: [(String, String); 0] = [];
    for sets in [none.as_slice(), late.as_slice()] {
        let dir = tempfile::tempdir().unwrap();
        let (plain, broken) = (dir.path().join("plain"), dir.path().join("broken"));
        let whole = execute(spec(&plain, sets), &Control::new()).unwrap();
        let run = Run::open(&plain).unwrap();
        let row = run.page(run.rows() / 2, 50).unwrap().into_iter().find(|r| r.key.is_some());
        let key = format!("key={}", row.unwrap().key.unwrap());
        let list = breakpoints(&[&key, "late_by>5m", "stalled>20s", "state>500", "value.kind=no"]);
        let mut looked = 0;
        let (summary, stops) = stopping(spec(&broken, sets), list.clone(), |stop| {
            let run = Run::open(&broken).unwrap();
            assert_eq!((run.arrivals(), run.state()), (stop.arrival + 1, RunState::Stopped));
            looked += 1;
        });
        assert!(looked >= 3, "{stops:?}");
        assert_eq!(summary.digest, whole.digest);
        assert_eq!((summary.rows, summary.outputs), (whole.rows, whole.outputs));
        let run = Run::open(&broken).unwrap();
        assert_eq!(run.state(), RunState::Done);
        // Every row and every output; only where segments end differs.
        let other = Run::open(&plain).unwrap();
        let n = usize::try_from(run.rows()).unwrap();
        assert_eq!(run.page(0, n).unwrap(), other.page(0, n).unwrap());
        let n = usize::try_from(run.outputs()).unwrap();
        assert_eq!(run.output_page(0, n).unwrap(), other.output_page(0, n).unwrap());
        let at = run.arrivals() / 3;
        assert_eq!(run.watermarks_at(at).unwrap(), other.watermarks_at(at).unwrap());
        assert_eq!(
            run.books(Some(at)).unwrap().state_rows,
            other.books(Some(at)).unwrap().state_rows
        );
        // What the kept run says is where it stopped.
        let stopped: BTreeMap<u64, Vec<u64>> =
            stops.iter().map(|stop| (stop.arrival, stop.ids.clone())).collect();
        for dir in [&plain, &broken] {
            assert_eq!(by_arrival(&hits(dir, &list)), stopped);
        }
        let ids: Vec<u64> = stopped.values().flatten().copied().collect();
        assert!(ids.contains(&1) && ids.contains(&4) && !ids.contains(&5), "{ids:?}");
    }
}

#[test]
fn every_verdict_is_stopped_at_where_it_falls() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run");
    execute(spec(&path, &[]), &Control::new()).unwrap();
    let run = Run::open(&path).unwrap();
    let list = breakpoints(&["verdict=late", "verdict=joined", "value.kind=like"]);
    let found = hits(&path, &list);
    let rows = run.page(0, usize::try_from(run.rows()).unwrap()).unwrap();
    for (id, verdict) in [(1, "late"), (2, "joined")] {
        let mut want: Vec<(u64, u64)> = rows
            .iter()
            .filter(|r| r.verdict.name() == verdict)
            .map(|r| (r.decided.unwrap(), r.row))
            .collect();
        want.sort_unstable();
        let mut got: Vec<(u64, u64)> =
            found.iter().filter(|h| h.id == id).map(|h| (h.at, h.row.unwrap())).collect();
        got.sort_unstable();
        assert!(!want.is_empty());
        assert_eq!(got, want, "{verdict}");
    }
    let likes = found.iter().filter(|h| h.id == 3).count();
    assert!(likes > 100, "{likes}");
    // What is disabled is not looked for.
    let mut off = list.clone();
    off[1].enabled = false;
    assert!(hits(&path, &off).iter().all(|h| h.id != 2));
}

#[test]
fn a_run_may_end_at_its_first_breakpoint_or_be_cancelled_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("end");
    let control = Control::new();
    control.set_breakpoints(breakpoints(&["verdict=late"]));
    let ending = Execute { at_hit: AtHit::End, ..spec(&path, &[]) };
    let summary = execute(ending, &control).unwrap();
    let run = Run::open(&path).unwrap();
    assert_eq!((summary.ended, run.state()), (Ended::Stopped, RunState::Stopped));
    let stop = control.stopped().unwrap();
    assert_eq!((run.arrivals(), summary.records), (stop.arrival + 1, stop.arrival + 1));
    assert_eq!(run.row(stop.row.unwrap()).unwrap().verdict.name(), "late");
    let counts: Vec<_> = summary.books.iter().map(|b| b.counts).collect();
    assert_eq!(run.books(None).unwrap().inputs, counts);
    // A late record moves no event-time watermark; what was read ahead of it had.
    let late = run.row(stop.row.unwrap()).unwrap();
    assert_eq!(Some(summary.watermark), late.watermark);
    assert_eq!(summary.checkpoints, run.checkpoints().len() as u64);
    assert_eq!(summary.state_bytes, run.books(None).unwrap().state_bytes);

    let path = dir.path().join("cancel");
    let control = Control::new();
    control.set_breakpoints(breakpoints(&["verdict=late"]));
    let (of_run, spec) = (control.clone(), spec(&path, &[]));
    let running = std::thread::spawn(move || execute(spec, &of_run).unwrap());
    while control.stopped().is_none() {
        std::thread::yield_now();
    }
    control.cancel();
    // Where all was read already, there was nothing left to cancel.
    let ended = running.join().unwrap().ended;
    let run = Run::open(&path).unwrap();
    let state = if ended == Ended::Done { RunState::Done } else { RunState::Cancelled };
    assert!(ended != Ended::Stopped && run.state() == state, "{ended:?}");
    assert!(run.arrivals() > stop.arrival);
}
