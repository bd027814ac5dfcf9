//! `joinscope diff`: two runs, record by record.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use clap::Args;
use joinscope_core::analyses::compare::{Comparison, Named, compare};
use joinscope_core::run::Run;
use joinscope_operator::verdict::Verdict;
use serde_json::{Value, json};

use super::Answer;

/// What differs between two runs: settings, verdicts by kind of change, outputs
///
/// Runs over one recording are compared by arrival, others by the names of their
/// records ("–": not in that run). Exit code 1 if anything but settings differs.
///
/// Example: joinscope diff runs/1 runs/2 --limit 5
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct Diff {
    /// A run's folder
    a: PathBuf,
    /// The other run's
    b: PathBuf,
    /// Records to name of each kind of difference
    #[arg(long, default_value_t = 5)]
    limit: usize,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Diff) -> anyhow::Result<Answer> {
    let (a, b) = (super::runs::open(&args.a)?, super::runs::open(&args.b)?);
    let mut bar = Meter::new("comparing");
    let found = compare(&a, &b, args.limit, &AtomicBool::new(false), &mut |at| {
        bar.show(at.done, at.of);
    })?;
    bar.clear();
    let mut out = BufWriter::new(super::stdout::lock());
    if args.json {
        writeln!(out, "{}", as_json(&found, &a, &b)?)?;
    } else {
        print(&found, &a, &b, &mut out)?;
    }
    out.flush()?;
    Ok(if found.same() { Answer::Yes } else { Answer::No })
}

/// `topic[partition]@offset` of each row.
pub fn names(run: &Run, rows: &[u64]) -> anyhow::Result<Vec<String>> {
    Ok(run.views(rows)?.into_iter().map(|row| row.record.to_string()).collect())
}

/// Outputs by their records, joined by `+`.
pub fn outputs(run: &Run, named: &[Named]) -> anyhow::Result<Vec<String>> {
    let mut all = Vec::with_capacity(named.len());
    for one in named {
        // A page of rows comes in the order of row numbers, a pair does not.
        let mut parts = Vec::new();
        for row in one.rows() {
            parts.extend(names(run, &[row])?);
        }
        all.push(parts.join("+"));
    }
    Ok(all)
}

fn as_json(found: &Comparison, a: &Run, b: &Run) -> anyhow::Result<Value> {
    let input = |i: u8| found.inputs.get(usize::from(i)).map(ToString::to_string);
    let mut changes = Vec::new();
    for change in &found.changes {
        changes.push(json!({
            "input": input(change.kind.input),
            "from": change.kind.from.map(Verdict::name),
            "to": change.kind.to.map(Verdict::name),
            "count": change.count,
            "records": names(if change.kind.from.is_some() { a } else { b }, &change.rows)?,
        }));
    }
    let (one, two) = (&found.outputs.only_in_a, &found.outputs.only_in_b);
    Ok(json!({
        "a": super::stdout::path(a.dir()),
        "b": super::stdout::path(b.dir()),
        "settings": found.settings,
        "rows": found.rows,
        "beyond": found.beyond,
        "changes": changes,
        "outputs": {
            "same": found.outputs.same,
            "changed": found.outputs.changed,
            "changed_first": outputs(a, &found.outputs.changed_first)?,
            "only_in_a": {
                "pairs": one.pairs, "pads": one.pads, "examples": one.examples,
                "first_pairs": outputs(a, &one.first_pairs)?,
                "first_others": outputs(a, &one.first_others)?,
            },
            "only_in_b": {
                "pairs": two.pairs, "pads": two.pads, "examples": two.examples,
                "first_pairs": outputs(b, &two.first_pairs)?,
                "first_others": outputs(b, &two.first_others)?,
            },
        },
    }))
}

fn print(found: &Comparison, a: &Run, b: &Run, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(out, "a  {}\nb  {}", a.dir().display(), b.dir().display())?;
    if found.settings.is_empty() {
        writeln!(out, "\nsettings  the same")?;
    } else {
        writeln!(out, "\nsettings that differ")?;
        for setting in &found.settings {
            let (a, b) = (setting.a.as_deref(), setting.b.as_deref());
            let (a, b) = (a.unwrap_or("–"), b.unwrap_or("–"));
            writeln!(out, "  {:<52} {a} → {b}", setting.path)?;
        }
    }
    let alone = match found.only_in_one() {
        0 => String::new(),
        1 => ", 1 is in one run only".to_owned(),
        n => format!(", {n} are in one run only"),
    };
    let s = if found.rows == 1 { "" } else { "s" };
    writeln!(out, "\nverdicts  {} of {} row{s} changed{alone}", found.changed(), found.rows)?;
    for change in &found.changes {
        let name = found.inputs.get(usize::from(change.kind.input)).map_or("", |n| &**n);
        let word = |verdict: Option<Verdict>| verdict.map_or("–", Verdict::name);
        let run = if change.kind.from.is_some() { a } else { b };
        writeln!(
            out,
            "  {:<16} {:>11} → {:<11} {:>9}  {}",
            name,
            word(change.kind.from),
            word(change.kind.to),
            change.count,
            listed(&names(run, &change.rows)?, change.count)
        )?;
    }
    match found.beyond {
        0 => {}
        1 => writeln!(out, "  1 row is in one run only: the other ended before it")?,
        n => writeln!(out, "  {n} rows are in one run only: the other ended before them")?,
    }
    let of = &found.outputs;
    writeln!(out, "\noutputs   {} the same", of.same)?;
    for (side, run, label) in [(&of.only_in_a, a, "only in a"), (&of.only_in_b, b, "only in b")] {
        if side.pairs > 0 {
            let first = listed(&outputs(run, &side.first_pairs)?, side.pairs);
            let what = several(side.pairs, "pair");
            writeln!(out, "  {label:<10} {:>9} {what:<9} {first}", side.pairs)?;
        }
        let others = side.pads + side.examples;
        if others > 0 {
            let what = several(others, if side.examples > 0 { "example" } else { "pad" });
            let first = listed(&outputs(run, &side.first_others)?, others);
            writeln!(out, "  {label:<10} {others:>9} {what:<9} {first}")?;
        }
    }
    if of.changed > 0 {
        let first = listed(&outputs(a, &of.changed_first)?, of.changed);
        let what = several(of.changed, "example");
        writeln!(out, "  changed    {:>9} {what:<9} {first}", of.changed)?;
    }
    Ok(())
}

/// What stands in a column behind its number.
pub fn several(n: u64, one: &str) -> String {
    format!("{one}{}", if n == 1 { "" } else { "s" })
}

/// The first few, and that there are more.
pub fn listed(first: &[String], count: u64) -> String {
    let more = if count > first.len() as u64 { " …" } else { "" };
    format!("{}{more}", first.join(" "))
}

/// Progress on a terminal's stderr, once something takes over a second.
pub struct Meter {
    what: &'static str,
    began: std::time::Instant,
    shown: Option<std::time::Instant>,
}

impl Meter {
    pub fn new(what: &'static str) -> Self {
        Self { what, began: std::time::Instant::now(), shown: None }
    }

    pub fn show(&mut self, done: u64, of: u64) {
        use std::io::IsTerminal as _;
        let recently = self.shown.is_some_and(|at| at.elapsed().as_millis() < 250);
        if recently || self.began.elapsed().as_secs() < 1 || !std::io::stderr().is_terminal() {
            return;
        }
        self.shown = Some(std::time::Instant::now());
        // stderr may be gone; the answer on stdout still counts.
        let percent = done * 100 / of.max(1);
        let _ = write!(std::io::stderr(), "\r{}: {percent} %  ", self.what);
    }

    pub fn clear(&self) {
        if self.shown.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
