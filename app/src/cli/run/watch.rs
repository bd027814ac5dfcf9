//! How a run is looked after from a terminal while it goes: a bar, Ctrl-C, and
//! what is said and asked at a breakpoint.

use std::any::Any;
use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use anyhow::Context as _;
use joinscope_core::engine::breakpoint::{Breakpoint, Condition};
use joinscope_core::engine::{Control, Progress, Stop, Summary, panic_message};
use joinscope_core::run::{AtHit, Execute, RunError};

use super::super::cluster::{Bar, plural, thousands};
use super::super::interrupt;
use super::warn;

/// What a run does at a breakpoint: someone has to be there to say that it goes
/// on.
pub fn at_hit() -> AtHit {
    let asks = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if asks { AtHit::Wait } else { AtHit::End }
}

/// The breakpoints of `--break`.
pub fn breakpoints(breaks: &[Condition]) -> Vec<Breakpoint> {
    let list = breaks.iter().cloned().zip(0..);
    list.map(|(condition, id)| Breakpoint { id, enabled: true, condition }).collect()
}

/// What the user says of a run that waits at a breakpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    GoOn,
    End,
}

/// Says where a run waits and asks what is to become of it; a signal ends it.
pub fn ask_at(stop: &Stop, breaks: &[Condition], dir: &Path, signal: &AtomicBool) -> Answered {
    warn(&said(stop, breaks, dir));
    warn("Enter goes on, q and Enter ends the run");
    let (told, answers) = std::sync::mpsc::sync_channel(1);
    // It ends with the process where a signal came first.
    let reader = std::thread::Builder::new().name("joinscope-answer".to_owned()).spawn(move || {
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        let goes_on = read.is_ok_and(|n| n > 0) && answer.trim() != "q";
        // Nobody may be waiting any more.
        let _ = told.send(if goes_on { Answered::GoOn } else { Answered::End });
    });
    if reader.is_err() {
        return Answered::End;
    }
    loop {
        match answers.recv_timeout(Duration::from_millis(50)) {
            Ok(answer) => return answer,
            Err(RecvTimeoutError::Timeout) if !signal.load(Ordering::Relaxed) => {}
            Err(_) => return Answered::End,
        }
    }
}

/// What stopped a run, in words.
pub fn said(stop: &Stop, breaks: &[Condition], dir: &Path) -> String {
    // Two rows of one arrival may meet one condition.
    let met = (0..).zip(breaks).filter(|(id, _)| stop.ids.contains(id));
    let met: Vec<String> = met.map(|(_, condition)| condition.to_string()).collect();
    let record = stop.row.and_then(|row| {
        let run = joinscope_core::run::Run::open(dir).ok()?;
        Some(format!(", {}", run.row(row).ok()?.record))
    });
    let record = record.unwrap_or_default();
    format!("stopped at arrival {}: {}{record}", thousands(stop.arrival), met.join(", "))
}

/// Runs with a bar, until the end or Ctrl-C.
pub fn watched(
    spec: Execute,
    breaks: &[Condition],
    how: impl FnOnce(Execute, &Control) -> Result<Summary, RunError> + Send + 'static,
) -> anyhow::Result<Summary> {
    let stop = interrupt::stop_flag()?;
    let control = Control::new();
    control.set_breakpoints(breakpoints(breaks));
    let (dir, waits) = (spec.dir.clone(), spec.at_hit == AtHit::Wait);
    let watched = control.clone();
    let worker = std::thread::Builder::new()
        .name("joinscope-run".to_owned())
        .spawn(move || how(spec, &watched))
        .context("no thread could be started")?;
    let mut bar = Bar::new();
    while !worker.is_finished() {
        if stop.load(Ordering::Relaxed) {
            control.cancel();
        }
        if let Some(stopped) = control.stopped().filter(|_| waits && !control.is_cancelled()) {
            bar.clear();
            match ask_at(&stopped, breaks, &dir, &stop) {
                Answered::GoOn => control.go_on(),
                Answered::End => control.cancel(),
            }
            bar = Bar::new();
            continue;
        }
        let progress = control.progress();
        bar.show(progress.records, progress.total.unwrap_or(0), words(&progress));
        std::thread::park_timeout(Duration::from_millis(if progress.seconds < 1.0 {
            5
        } else {
            100
        }));
    }
    bar.clear();
    if let Some(stopped) = control.stopped().filter(|_| !waits) {
        warn(&said(&stopped, breaks, &dir));
    }
    match worker.join() {
        Ok(summary) => Ok(summary?),
        Err(panic) => Err(broke_down(panic.as_ref()).into()),
    }
}

/// A panic of the run's own thread: what it said. Where the run is is said with it, as
/// of any that breaks off.
pub fn broke_down(panic: &(dyn Any + Send)) -> RunError {
    RunError::Engine(format!(
        "the run broke down: {}; this is a defect of joinscope, please report it with the \
         recording and the pipeline",
        panic_message(panic)
    ))
}

fn words(progress: &Progress) -> String {
    let rate = progress.records as f64 / progress.seconds.max(1e-9);
    format!("{}, {}/s", plural(progress.records, "record"), thousands(rate as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_breaks_down_says_what_its_panic_said() {
        let said = |panic: Box<dyn Any + Send>| broke_down(panic.as_ref()).to_string();
        let text = said(Box::new("row 7 of 5".to_owned()));
        assert!(text.starts_with("the run broke down: row 7 of 5; this is a defect"), "{text}");
        let text = said(Box::new("no row"));
        assert!(text.starts_with("the run broke down: no row; "), "{text}");
        let text = said(Box::new(7));
        assert!(text.contains("no message"), "{text}");
    }
}
