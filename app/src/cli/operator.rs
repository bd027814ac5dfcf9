//! `joinscope operator`: one join operator, fed an explicit trace.

use std::io::{self, BufRead, BufWriter, Write};

use anyhow::Context as _;
use joinscope_operator::trace::Traces;

use super::Answer;

/// Feeds one join operator an explicit trace of rows and event-time watermarks
///
/// JSON lines in, JSON lines out; no clock is asked. A spec line begins each
/// trace; rows ("in"), watermarks ("wm"), "idle", "active", "end", "snapshot",
/// "checkpoint" and "clock" follow. L is the primary input, R the secondary one.
#[derive(clap::Args)]
#[command(after_help = r#"Example:
  joinscope operator <<'END'
  {"semantics":"clean","kind":"left","lower_ms":0,"upper_ms":5}
  {"in":"L","key":"k","ts":10,"id":"a"}
  {"in":"R","key":"k","ts":15,"id":"b"}
  {"end":true}
  END
gives
  {"trace":0,"name":null}
  {"i":2,"out":{"l":"a","r":"b","ts":15}}
  {"i":3,"wm":9223372036854775807}"#)]
pub struct Operator {}

/// Reads stdin to its end.
pub fn run(_: &Operator) -> anyhow::Result<Answer> {
    feed(io::stdin().lock(), BufWriter::new(super::stdout::lock()))
}

fn feed(mut input: impl BufRead, mut output: impl Write) -> anyhow::Result<Answer> {
    let (mut traces, mut line, mut out) = (Traces::new(), String::new(), String::new());
    for number in 1u64.. {
        line.clear();
        let read = input.read_line(&mut line).with_context(|| format!("stdin, line {number}"))?;
        if read == 0 {
            break;
        }
        let result = traces.line(&line, &mut out);
        // What came out before a bad line is still good.
        output.write_all(out.as_bytes())?;
        out.clear();
        if let Err(error) = result {
            output.flush()?;
            return Err(error).with_context(|| format!("stdin, line {number}"));
        }
    }
    output.flush()?;
    Ok(Answer::Yes)
}

#[cfg(test)]
mod tests {
    use super::feed;

    #[test]
    fn a_bad_line_is_named_and_what_came_before_it_is_given() {
        let trace = concat!(
            "{\"semantics\":\"clean\",\"kind\":\"inner\",\"lower_ms\":0,\"upper_ms\":1}\n",
            "\n",
            "{\"wm\":\"X\",\"ts\":1}\n",
        );
        let mut out = Vec::new();
        let error = feed(trace.as_bytes(), &mut out).unwrap_err();
        assert_eq!(out, b"{\"trace\":0,\"name\":null}\n");
        let error = crate::cli::whole(&error);
        assert!(error.starts_with("stdin, line 3: column "), "{error}");
        assert!(error.contains("unknown variant `X`"), "{error}");
    }
}
