//! The command line: one file a verb. Exit codes: 0 done; 1 it ran and the
//! answer is no; 2 misuse or bad input; 3 a live run broke off or could not
//! begin yet; 4 another process has its job; 130 ended at once by a second signal.

mod ahead;
mod bench;
mod bench_live;
mod bench_load;
mod bench_memory;
mod bench_peers;
mod bench_record;
mod bench_semantics;
mod bench_window;
mod broken;
mod cluster;
mod diff;
mod duration;
mod epochs;
mod explain;
mod export;
pub mod filter;
mod follow;
mod generate;
mod guarantees;
mod import;
mod incident;
mod info;
mod interrupt;
mod live;
mod merge;
mod metrics;
mod operator;
pub mod outputs;
mod pipeline;
pub mod place;
mod publish;
mod record;
mod recording;
mod redact;
mod registry;
pub mod run;
mod runs;
mod screenshot;
mod semantics;
mod slice;
mod stdout;
mod tell;
mod torture;
mod truth;
pub mod values;
pub mod verdicts;
mod verify;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use joinscope_operator::pipeline::nearest;

/// An oscilloscope for stream joins: records what Kafka topics hold, joins it
/// locally, and says for every record what happened to it and why.
#[derive(Parser)]
#[command(
    name = "joinscope",
    version,
    propagate_version = true,
    args_conflicts_with_subcommands = true
)]
struct Cli {
    /// Opens the window on a recording or an incident (.mcap), a pipeline
    /// (.toml) or a run folder; without it, on the start page
    file: Option<PathBuf>,
    /// What draws the window; by default wgpu where it finds an adapter
    #[arg(long, value_enum)]
    renderer: Option<crate::window::Renderer>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    Bench(bench::Bench),
    Diff(diff::Diff),
    Epochs(epochs::Epochs),
    Generate(generate::Generate),
    Guarantees(guarantees::Guarantees),
    Import(import::Import),
    Explain(explain::Explain),
    Incident(incident::Incident),
    Operator(operator::Operator),
    Outputs(outputs::Outputs),
    Pipeline(pipeline::Pipeline),
    Record(record::Record),
    Recording(recording::Recording),
    Run(run::Run),
    Screenshot(screenshot::Screenshot),
    Semantics(semantics::Semantics),
    Torture(torture::Torture),
    Truth(truth::Truth),
    Verdicts(verdicts::Verdicts),
}

/// What a verb answers when it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done, or yes.
    Yes,
    /// It ran, and the answer is no.
    No,
    /// It broke off after it had begun, and has said why.
    Broke,
    /// Another process has the job; it has said which.
    Taken,
}

/// Parses the arguments and runs the verb.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.verb {
        Some(Verb::Bench(args)) => bench::run(&args),
        Some(Verb::Diff(args)) => diff::run(&args),
        Some(Verb::Epochs(args)) => epochs::run(&args),
        Some(Verb::Generate(args)) => generate::run(&args),
        Some(Verb::Guarantees(args)) => guarantees::run(&args),
        Some(Verb::Import(args)) => import::run(&args),
        Some(Verb::Explain(args)) => explain::run(&args),
        Some(Verb::Incident(args)) => incident::run(&args),
        Some(Verb::Operator(args)) => operator::run(&args),
        Some(Verb::Outputs(args)) => outputs::run(&args),
        Some(Verb::Pipeline(args)) => pipeline::run(&args),
        Some(Verb::Record(args)) => record::run(&args),
        Some(Verb::Recording(args)) => recording::run(&args),
        Some(Verb::Run(args)) => run::run(&args),
        Some(Verb::Screenshot(args)) => screenshot::run(&args),
        Some(Verb::Semantics(args)) => semantics::run(&args),
        Some(Verb::Torture(args)) => torture::run(&args),
        Some(Verb::Truth(args)) => truth::run(&args),
        Some(Verb::Verdicts(args)) => verdicts::run(&args),
        None => match cli.file.as_deref().and_then(no_verb) {
            Some(why) => Err(anyhow::anyhow!(why)),
            None => crate::window::open(cli.file, cli.renderer).map(|()| Answer::Yes),
        },
    };
    finish(result)
}

/// Why a word that is to be opened is more likely a verb, mistyped.
fn no_verb(file: &Path) -> Option<String> {
    let word = file.to_str().filter(|word| !word.contains(['/', '\\', '.']))?;
    if file.symlink_metadata().is_ok() {
        return None;
    }
    let command = Cli::command();
    let help = match nearest(word, command.get_subcommands().map(clap::Command::get_name)) {
        Some(verb) => format!("did you mean joinscope {verb}?"),
        None => "joinscope --help lists the verbs".to_owned(),
    };
    Some(format!("\"{word}\" is no verb, and no file or folder is called so; {help}"))
}

/// A closed pipe (`joinscope … | head`) is not an error.
fn finish(result: anyhow::Result<Answer>) -> ExitCode {
    match result {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(1),
        Ok(Answer::Broke) => ExitCode::from(3),
        Ok(Answer::Taken) => ExitCode::from(4),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // stderr may be gone too; there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "joinscope: {}", harmless(&whole(&error)));
            ExitCode::from(2)
        }
    }
}

/// The error with its causes in one line; a cause that the text before it
/// already says is not said again.
pub fn whole(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// A text of several lines that cannot disturb a terminal: names and values in it come
/// from others' files.
pub fn harmless(text: &str) -> String {
    let shown = |c: char| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use clap::CommandFactory as _;

    use super::{Cli, harmless, no_verb, whole};

    /// Every verb that does something, with what it is called by.
    fn verbs(command: &clap::Command, called: &str, found: &mut Vec<(String, clap::Command)>) {
        if !command.has_subcommands() || command.get_arguments().next().is_some() {
            found.push((called.to_owned(), command.clone()));
        }
        for verb in command.get_subcommands() {
            verbs(verb, &format!("{called} {}", verb.get_name()), found);
        }
    }

    #[test]
    fn every_verb_has_an_example_json_and_a_line_for_all_that_it_takes() {
        let cli = Cli::command();
        cli.clone().debug_assert();
        let mut all = Vec::new();
        for verb in cli.get_subcommands() {
            verbs(verb, verb.get_name(), &mut all);
        }
        assert!(all.len() > 30, "{}", all.len());
        for (called, verb) in &all {
            let said = [verb.get_about(), verb.get_long_about(), verb.get_after_help()];
            let said: String = said.into_iter().flatten().map(ToString::to_string).collect();
            assert!(said.contains("Example") && said.contains("joinscope "), "{called}: {said}");
            // What an operator gives is JSON lines anyway.
            let json = verb.get_arguments().any(|a| a.get_id().as_str() == "json");
            assert!(json || called == "operator", "{called}");
            let silent =
                verb.get_arguments().filter(|a| !a.is_hide_set() && a.get_help().is_none());
            let silent: Vec<&str> = silent.map(|a| a.get_id().as_str()).collect();
            assert!(silent.is_empty(), "{called}: {silent:?}");
        }
    }

    /// Found by using it: of `merge A -o X B` the second was refused.
    #[test]
    fn options_stand_anywhere_among_what_a_verb_takes() {
        let mut all = Vec::new();
        verbs(&Cli::command(), "joinscope", &mut all);
        for (called, verb) in &all {
            let at_once = verb.get_positionals().filter_map(clap::Arg::get_num_args);
            assert!(at_once.map(|n| n.min_values()).all(|n| n <= 1), "{called}");
        }
        for line in [
            "recording merge a -o x b --json c",
            "recording merge -o x a b c",
            "diff a --json b",
            "explain run --json views[0]@1",
            "screenshot run --panel late -o x",
        ] {
            let words = std::iter::once("joinscope").chain(line.split(' '));
            let parsed = Cli::command().try_get_matches_from(words);
            assert!(parsed.is_ok(), "{line}: {:?}", parsed.err().map(|e| e.to_string()));
        }
        let merge = ["joinscope", "recording", "merge", "a", "-o", "x", "b", "--json", "c"];
        let parsed = Cli::command().try_get_matches_from(merge).unwrap();
        let merge = parsed.subcommand().and_then(|(_, of)| of.subcommand()).unwrap().1;
        let named: Vec<&PathBuf> = merge.get_many("recordings").unwrap().collect();
        assert_eq!(named, [Path::new("a"), Path::new("b"), Path::new("c")]);
    }

    /// Found by reading: without a list to open it was of no effect.
    #[test]
    fn the_guarantee_of_a_list_is_not_taken_without_one() {
        let parsed = |more: &str| {
            let line =
                format!("joinscope guarantees p.toml --recording r --mode exactly-once{more}");
            Cli::command().try_get_matches_from(line.split(' ')).map_err(|e| e.to_string())
        };
        assert!(parsed(" --list losses").is_ok());
        assert!(parsed("").unwrap_err().contains("--list"));
    }

    #[test]
    fn a_verb_mistyped_is_no_file() {
        let said = no_verb(Path::new("verdict")).unwrap();
        assert!(said.ends_with("called so; did you mean joinscope verdicts?"), "{said}");
        let said = no_verb(Path::new("xyzzy")).unwrap();
        assert!(said.ends_with("joinscope --help lists the verbs"), "{said}");
        // What may be a file is one: the window says that it is not there.
        for file in ["src", "feed.mcap", "runs/1", "./verdict"] {
            assert_eq!(no_verb(Path::new(file)), None, "{file}");
        }
    }

    #[test]
    fn what_others_wrote_cannot_disturb_a_terminal() {
        let said = harmless("f:1:2: unknown key \"\u{1b}[31m\"\nf:2:1: \u{7f}\tü");
        assert_eq!(said, "f:1:2: unknown key \"\u{fffd}[31m\"\nf:2:1: \u{fffd}\tü");
    }

    #[test]
    fn a_cause_that_was_said_is_not_said_again() {
        let io = || std::io::Error::other("no space");
        let said = anyhow::Error::from(io()).context("a.mcap: cannot write: no space");
        assert_eq!(whole(&said), "a.mcap: cannot write: no space");
        let advised = anyhow::Error::from(io()).context("cannot write: no space; free some");
        assert_eq!(whole(&advised), "cannot write: no space; free some");
        let unsaid = anyhow::Error::from(io()).context("a.mcap: cannot write").context("recording");
        assert_eq!(whole(&unsaid), "recording: a.mcap: cannot write: no space");
    }
}
