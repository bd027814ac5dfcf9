//! Random traces until one differs; then its smallest form, kept.

use std::time::Instant;

use crate::compare::{same, show};
use crate::driver::home;
use crate::random;
use crate::shrink::shrink;
use crate::trace::{Given, Trace, all_ours, ours};

/// What the release gives for each trace.
pub type Theirs<'a> = &'a mut dyn FnMut(&[Trace]) -> Vec<Given>;

#[derive(Clone, Copy)]
pub struct Setting {
    pub traces: u64,
    pub seed: u64,
    progress: bool,
}

impl Setting {
    pub fn from_env() -> Self {
        let number = |name| Some(std::env::var(name).ok()?.parse().expect(name));
        let traces = number("JOINSCOPE_PARITY_TRACES");
        Self {
            traces: traces.unwrap_or(2000),
            seed: number("JOINSCOPE_PARITY_SEED").unwrap_or(1),
            progress: traces.is_some(),
        }
    }
}

/// # Panics
/// A trace on which the two differ: with its smallest form, what both give for
/// it, and the file in which it is kept.
pub fn prove(semantics: &str, kind: &str, setting: Setting, theirs: Theirs<'_>) {
    let start = Instant::now();
    let mut done = 0;
    while done < setting.traces {
        let upto = (done + 100).min(setting.traces);
        let traces: Vec<Trace> = (done..upto)
            .map(|number| random::trace(semantics, kind, setting.seed, number))
            .collect();
        if let Some(found) = differing(&traces, theirs) {
            let name = format!("{semantics}-{kind}-{}-{}", setting.seed, done + found as u64);
            report(&name, &traces[found], theirs);
        }
        done = upto;
        if setting.progress && (done % 1000 == 0 || done == setting.traces) {
            let rate = done as f64 / start.elapsed().as_secs_f64();
            eprintln!("{semantics} {kind}: {done} of {} traces, {rate:.0}/s", setting.traces);
        }
    }
}

/// The first that differs.
pub fn differing(traces: &[Trace], theirs: Theirs<'_>) -> Option<usize> {
    let theirs = theirs(traces);
    let ours = all_ours(traces);
    (0..traces.len()).find(|&at| !same(&traces[at], &ours[at], &theirs[at]))
}

/// The smallest trace that differs in the same manner: where our operator
/// takes the trace, it takes the smaller one too.
pub fn smallest(trace: &Trace, theirs: Theirs<'_>) -> Trace {
    let refused = |given: &Given| given.iter().any(|line| line.contains("\"refused\""));
    let at_first = refused(&ours(trace));
    shrink(trace, &mut |candidates| {
        let (ours, theirs) = (all_ours(candidates), theirs(candidates));
        candidates
            .iter()
            .zip(ours.iter().zip(&theirs))
            .map(|(trace, (ours, theirs))| refused(ours) == at_first && !same(trace, ours, theirs))
            .collect()
    })
}

fn report(name: &str, trace: &Trace, theirs: Theirs<'_>) -> ! {
    let small = smallest(trace, theirs);
    let folder = home().join("regressions");
    let file = folder.join(format!("{name}.jsonl"));
    std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&file, small.text())).unwrap();
    let given = theirs(std::slice::from_ref(&small)).remove(0);
    panic!(
        "{name} differs; the smallest trace that does is kept as {}\n{}",
        file.display(),
        show(&small, &ours(&small), &given)
    );
}
